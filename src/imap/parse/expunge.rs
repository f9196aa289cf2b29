//! EXPUNGE and UID EXPUNGE (RFC 9051 §6.4.3, §6.4.9).

use crate::imap::command::Request;
use crate::imap::grammar::{Cursor, Parse};

/// EXPUNGE
pub fn all(_: &mut Cursor<'_>) -> Parse<Request> {
    Ok(Request::Expunge { uids: None })
}

/// UID EXPUNGE
pub fn by_uid(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    Ok(Request::Expunge { uids: Some(cursor.sequence_set()?) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;

    #[test]
    fn sets() {
        assert!(parse("EXPUNGE").is_ok() && parse("UID EXPUNGE 1:*,7").is_ok());
        assert!(parse("EXPUNGE 1").is_err() && parse("UID EXPUNGE").is_err() && parse("UID EXPUNGE 0").is_err());
    }
}
