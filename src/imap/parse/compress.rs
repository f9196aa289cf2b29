//! COMPRESS (RFC 4978).

use crate::imap::command::Request;
use crate::imap::grammar::{Bad, Cursor, Parse};

/// The mechanism: only DEFLATE is known.
pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    if cursor.keyword("DEFLATE") { Ok(Request::Compress) } else { Err(Bad::Syntax("unknown compression")) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn mechanisms() {
        assert_eq!(parse("COMPRESS deflate"), Ok(Request::Compress));
        assert!(parse("COMPRESS").is_err() && parse("COMPRESS LZW").is_err() && parse("COMPRESS DEFLATE x").is_err());
    }
}
