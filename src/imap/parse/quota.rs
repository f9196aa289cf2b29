//! GETQUOTA and GETQUOTAROOT (RFC 9208 §4.1).

use crate::imap::command::Request;
use crate::imap::grammar::{Cursor, Parse};

/// GETQUOTA
pub fn root(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    cursor.astring().map(Request::GetQuota)
}

/// GETQUOTAROOT
pub fn mailbox(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    cursor.mailbox().map(Request::GetQuotaRoot)
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn roots_and_mailboxes() {
        assert_eq!(parse("GETQUOTA \"\""), Ok(Request::GetQuota(Vec::new())));
        assert_eq!(parse("GETQUOTAROOT inbox"), Ok(Request::GetQuotaRoot("INBOX".into())));
        assert!(parse("GETQUOTA").is_err() && parse("GETQUOTAROOT").is_err() && parse("GETQUOTA a b").is_err());
    }
}
