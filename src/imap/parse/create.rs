//! CREATE with USE (RFC 9051 §6.3.4, RFC 6154 §3).

use crate::base::SpecialUse;
use crate::imap::command::Request;
use crate::imap::grammar::{Bad, Cursor, Parse};

/// Name, and at most one special use.
pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    let name = cursor.mailbox()?;
    let mut special_use = Ok(None);
    if cursor.more() {
        cursor.expect(b'(', "parameter list expected")?;
        if !cursor.keyword("USE") {
            return Err(Bad::Syntax("unknown CREATE parameter"));
        }
        cursor.sp()?;
        cursor.expect(b'(', "special uses expected")?;
        special_use = special_uses(cursor)?;
        cursor.expect(b')', "closing parenthesis expected")?;
    }
    if special_use.is_err() {
        cursor.end()?;
    }
    Ok(Request::Create { name, special_use: special_use? })
}

/// `*(use-attr SP)` and the parenthesis behind them. What we do not have, and more than one, is well formed: it is
/// refused once the whole list is read (RFC 6154 §3).
fn special_uses(cursor: &mut Cursor<'_>) -> Parse<Result<Option<SpecialUse>, Bad>> {
    let mut uses = Vec::new();
    let mut attributes = 0;
    while !cursor.eat(b')') {
        if attributes > 0 {
            cursor.sp()?;
        }
        cursor.expect(b'\\', "special use expected")?;
        let attribute = format!("\\{}", cursor.atom()?);
        attributes += 1;
        uses.extend(SpecialUse::parse(&attribute));
    }
    Ok(match uses.as_slice() {
        [] if attributes == 0 => Ok(None),
        [only] if attributes == 1 => Ok(Some(*only)),
        _ => Err(Bad::SpecialUse),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn names_and_uses() {
        let wanted = |name: &str, special_use| Ok(Request::Create { name: name.into(), special_use });
        assert_eq!(parse("CREATE a/b/"), wanted("a/b", None));
        assert_eq!(parse("CREATE Mine (USE (\\Sent))"), wanted("Mine", Some(SpecialUse::Sent)));
        assert_eq!(parse("CREATE Mine (USE (\\sent \\Junk))"), Err(Bad::SpecialUse));
        for unknown in ["(\\Important)", "(\\Memos)", "(\\Sent \\Foo)"] {
            assert_eq!(parse(&format!("CREATE Mine (USE {unknown})")), Err(Bad::SpecialUse));
        }
        assert_eq!(parse("CREATE Mine (USE ())"), wanted("Mine", None));
        assert_eq!(parse("CREATE a*b"), Err(Bad::Syntax("unexpected text at the end")));
        assert_eq!(parse("CREATE \"a*b\""), Err(Bad::Name));
        for wrong in ["CREATE", "CREATE a (USE)", "CREATE a (USE (Sent))", "CREATE a (USE (\\Sent)"] {
            assert!(matches!(parse(wrong), Err(Bad::Syntax(_))), "{wrong}");
        }
    }
}
