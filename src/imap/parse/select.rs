//! SELECT and EXAMINE with parameters (RFC 9051 §6.3.2, RFC 7162 §3.1.8).

use crate::imap::command::{Request, Select};
use crate::imap::grammar::{Bad, Cursor, Parse};

/// SELECT
pub fn select(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, false)
}

/// EXAMINE
pub fn examine(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, true)
}

type Read = fn(&mut Cursor<'_>, &mut Select) -> Parse<()>;

/// Parameters by name, and what reads each.
const PARAMETERS: &[(&str, Read)] = &[("CONDSTORE", |_, select| {
    select.condstore = true;
    Ok(())
})];

fn parse(cursor: &mut Cursor<'_>, read_only: bool) -> Parse<Request> {
    cursor.sp()?;
    let mut select = Select { name: cursor.mailbox()?, read_only, condstore: false };
    if cursor.more() {
        cursor.expect(b'(', "parameter list expected")?;
        loop {
            let known = PARAMETERS.iter().find(|(name, _)| cursor.keyword(name));
            let (_, read) = known.ok_or(Bad::Syntax("unknown SELECT parameter"))?;
            read(cursor, &mut select)?;
            if cursor.eat(b')') {
                break;
            }
            cursor.sp()?;
        }
    }
    Ok(Request::Select(select))
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn names_and_parameters() {
        let wanted =
            |name: &str, read_only, condstore| Ok(Request::Select(Select { name: name.into(), read_only, condstore }));
        assert_eq!(parse("SELECT inbox"), wanted("INBOX", false, false));
        assert_eq!(parse("EXAMINE \"A b\" (condstore)"), wanted("A b", true, true));
        assert_eq!(parse("SELECT Entw&APw-rfe"), wanted("Entwürfe", false, false));
        assert_eq!(parse("SELECT {5}\r\ninbox"), wanted("INBOX", false, false));
        assert_eq!(parse("SELECT A&B"), Err(Bad::Name));
        assert_eq!(parse("SELECT \"\""), Err(Bad::Name));
        for wrong in ["SELECT", "SELECT a b", "SELECT a ()", "SELECT a (X)", "SELECT a (CONDSTORE"] {
            assert!(matches!(parse(wrong), Err(Bad::Syntax(_))), "{wrong}");
        }
    }
}
