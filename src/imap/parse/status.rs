//! STATUS (RFC 9051 §6.3.11, RFC 7162 §3.1.7, RFC 8438).

use crate::imap::command::{Request, StatusItems};
use crate::imap::encode::status::ATTRIBUTES;
use crate::imap::grammar::{Bad, Cursor, Parse};

/// Mailbox and attributes.
pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    let name = cursor.mailbox()?;
    cursor.sp()?;
    Ok(Request::Status { name, items: items(cursor)? })
}

/// The parenthesised attributes; at least one.
pub fn items(cursor: &mut Cursor<'_>) -> Parse<StatusItems> {
    cursor.expect(b'(', "status attributes expected")?;
    let mut items = StatusItems::default();
    loop {
        let word = cursor.atom()?;
        let found = ATTRIBUTES.iter().find(|row| row.name.eq_ignore_ascii_case(word));
        items.add(found.ok_or(Bad::Syntax("unknown status attribute"))?.item);
        if cursor.eat(b')') {
            return Ok(items);
        }
        cursor.sp()?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;
    use crate::imap::command::StatusItem;

    #[test]
    fn attributes() {
        let mut items = StatusItems::default();
        items.add(StatusItem::Messages);
        items.add(StatusItem::HighestModSeq);
        assert_eq!(parse("STATUS x (messages HIGHESTMODSEQ)"), Ok(Request::Status { name: "x".into(), items }));
        for wrong in ["STATUS", "STATUS x", "STATUS x ()", "STATUS x (FOO)", "STATUS x (UIDNEXT", "STATUS x UIDNEXT"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
