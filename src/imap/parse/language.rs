//! LANGUAGE and COMPARATOR (RFC 5255 §3.2, §4.7).

use crate::base::limits::IMAP_LANGUAGES_MAX;
use crate::imap::command::Request;
use crate::imap::grammar::{Bad, Cursor, Parse};

/// Language ranges, the one liked most first; there may be none.
pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Request> {
    strings(cursor, "too many languages").map(Request::Language)
}

/// Collations, the one liked most first; there may be none.
pub fn comparator(cursor: &mut Cursor<'_>) -> Parse<Request> {
    strings(cursor, "too many comparators").map(Request::Comparator)
}

fn strings(cursor: &mut Cursor<'_>, too_many: &'static str) -> Parse<Vec<Vec<u8>>> {
    let mut strings = Vec::new();
    while cursor.more() {
        if strings.len() >= IMAP_LANGUAGES_MAX {
            return Err(Bad::Limit(too_many, IMAP_LANGUAGES_MAX));
        }
        strings.push(cursor.astring()?);
    }
    Ok(strings)
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
        let collations = [&b"cz;*"[..], b"i;basic"].map(<[u8]>::to_vec).to_vec();
        assert_eq!(tests::parse("COMPARATOR \"cz;*\" i;basic"), Ok(Request::Comparator(collations)));
        let many = |n: usize| tests::parse(&format!("LANGUAGE{}", " en".repeat(n)));
        assert!(many(IMAP_LANGUAGES_MAX).is_ok() && many(IMAP_LANGUAGES_MAX + 1).is_err());
    }
}
