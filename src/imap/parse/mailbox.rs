//! Verbs that take mailbox names only: DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.

use crate::imap::command::Request;
use crate::imap::grammar::{Cursor, Parse};

/// DELETE
pub fn delete(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    cursor.mailbox().map(Request::Delete)
}

/// RENAME
pub fn rename(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    let from = cursor.mailbox()?;
    cursor.sp()?;
    Ok(Request::Rename { from, to: cursor.mailbox()? })
}

/// SUBSCRIBE
pub fn subscribe(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    Ok(Request::Subscribe { name: cursor.mailbox()?, on: true })
}

/// UNSUBSCRIBE
pub fn unsubscribe(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    Ok(Request::Subscribe { name: cursor.mailbox()?, on: false })
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;
    use crate::imap::parse::command;

    #[test]
    fn names() {
        assert_eq!(parse("DELETE a"), Ok(Request::Delete("a".into())));
        assert_eq!(parse("RENAME a \"b c\""), Ok(Request::Rename { from: "a".into(), to: "b c".into() }));
        assert_eq!(parse("UNSUBSCRIBE inbox"), Ok(Request::Subscribe { name: "INBOX".into(), on: false }));
        assert!(parse("RENAME a").is_err() && parse("SUBSCRIBE").is_err() && parse("DELETE a b").is_err());
    }

    #[test]
    fn names_are_utf8_once_enabled() {
        let name = |wire: &[u8], utf8| command(wire, utf8).map(|c| c.request).ok();
        assert_eq!(name("x DELETE \"Entwürfe\"".as_bytes(), true), Some(Request::Delete("Entwürfe".into())));
        assert_eq!(name(b"x DELETE A&B", true), Some(Request::Delete("A&B".into())));
        assert_eq!(name(b"x DELETE \"\xff\"", true), None);
    }
}
