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

fn parse(cursor: &mut Cursor<'_>, read_only: bool) -> Parse<Request> {
    cursor.sp()?;
    let mut select = Select { name: cursor.mailbox()?, read_only, condstore: false };
    if cursor.rest().len() > 1 && cursor.eat(b' ') {
        cursor.expect(b'(', "parameter list expected")?;
        loop {
            if !cursor.keyword("CONDSTORE") {
                return Err(Bad::Syntax("unknown SELECT parameter"));
            }
            select.condstore = true;
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
