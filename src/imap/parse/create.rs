//! CREATE with USE (RFC 9051 §6.3.4, RFC 6154 §3).

use crate::base::SpecialUse;
use crate::imap::command::Request;
use crate::imap::grammar::{Bad, Cursor, Parse};

/// Name, and at most one special use.
pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    let name = cursor.mailbox()?;
    let mut special_use = None;
    if cursor.rest().len() > 1 && cursor.eat(b' ') {
        cursor.expect(b'(', "parameter list expected")?;
        if !cursor.keyword("USE") {
            return Err(Bad::Syntax("unknown CREATE parameter"));
        }
        cursor.sp()?;
        cursor.expect(b'(', "special uses expected")?;
        while !cursor.eat(b')') {
            if special_use.is_some() {
                // RFC 6154 §3: a server may refuse more than one with [USEATTR].
                return Err(Bad::Limit("too many special uses", 1));
            }
            cursor.expect(b'\\', "special use expected")?;
            let attribute = format!("\\{}", cursor.atom()?);
            special_use = Some(SpecialUse::parse(&attribute).ok_or(Bad::Syntax("unknown special use"))?);
            cursor.eat(b' ');
        }
        cursor.expect(b')', "closing parenthesis expected")?;
    }
    Ok(Request::Create { name, special_use })
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
        assert_eq!(parse("CREATE Mine (USE (\\sent \\Junk))"), Err(Bad::Limit("too many special uses", 1)));
        assert_eq!(parse("CREATE a*b"), Err(Bad::Syntax("unexpected text at the end")));
        assert_eq!(parse("CREATE \"a*b\""), Err(Bad::Name));
        for wrong in
            ["CREATE", "CREATE a (USE)", "CREATE a (USE (Sent))", "CREATE a (USE (\\Foo))", "CREATE a (USE (\\Sent)"]
        {
            assert!(matches!(parse(wrong), Err(Bad::Syntax(_))), "{wrong}");
        }
    }
}
