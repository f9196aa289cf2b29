//! CANCELUPDATE (RFC 5267 §4.3.5).

use crate::base::limits::IMAP_CONTEXTS_MAX;
use crate::imap::command::Request;
use crate::imap::grammar::{Bad, Cursor, Parse};

/// Tags of searches.
pub fn cancel_update(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    let mut tags = Vec::new();
    loop {
        if tags.len() >= IMAP_CONTEXTS_MAX {
            return Err(Bad::Limit("too many tags", IMAP_CONTEXTS_MAX));
        }
        tags.push(String::from_utf8(cursor.astring()?).map_err(|_| Bad::Syntax("tag expected"))?);
        if !cursor.more() {
            return Ok(Request::CancelUpdate(tags));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn tags() {
        let tags = ["B01", "c"].map(String::from).to_vec();
        assert_eq!(parse("CANCELUPDATE \"B01\" c"), Ok(Request::CancelUpdate(tags)));
        assert!(parse("CANCELUPDATE").is_err());
        let many = |n: usize| parse(&format!("CANCELUPDATE{}", " a".repeat(n)));
        assert!(many(IMAP_CONTEXTS_MAX).is_ok() && many(IMAP_CONTEXTS_MAX + 1).is_err());
    }
}
