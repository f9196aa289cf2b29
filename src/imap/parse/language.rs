//! LANGUAGE (RFC 5255 §3.2).

use crate::base::limits::IMAP_LANGUAGES_MAX;
use crate::imap::command::Request;
use crate::imap::grammar::{Bad, Cursor, Parse};

/// Language ranges, the one liked most first; there may be none.
pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Request> {
    let mut ranges = Vec::new();
    while cursor.more() {
        if ranges.len() >= IMAP_LANGUAGES_MAX {
            return Err(Bad::Limit("too many languages", IMAP_LANGUAGES_MAX));
        }
        ranges.push(cursor.astring()?);
    }
    Ok(Request::Language(ranges))
}

#[cfg(test)]
mod tests {
    use super::super::tests;
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(tests::parse("LANGUAGE"), Ok(Request::Language(vec![])));
        let ranges = [&b"FR-CA"[..], b"EN-CA"].map(<[u8]>::to_vec).to_vec();
        assert_eq!(tests::parse("LANGUAGE FR-CA \"EN-CA\""), Ok(Request::Language(ranges)));
        let many = |n: usize| tests::parse(&format!("LANGUAGE{}", " en".repeat(n)));
        assert!(many(IMAP_LANGUAGES_MAX).is_ok() && many(IMAP_LANGUAGES_MAX + 1).is_err());
    }
}
