//! ENABLE (RFC 9051 §6.3.1).

use crate::base::limits::IMAP_ENABLE_NAMES_MAX;
use crate::imap::command::Request;
use crate::imap::grammar::{Bad, Cursor, Parse};

/// One or more capability names.
pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Request> {
    let mut names = Vec::new();
    cursor.sp()?;
    loop {
        if names.len() >= IMAP_ENABLE_NAMES_MAX {
            return Err(Bad::Syntax("too many capabilities"));
        }
        names.push(cursor.atom()?.to_ascii_uppercase());
        if !cursor.more() {
            return Ok(Request::Enable(names));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn names() {
        let wanted = Request::Enable(vec!["IMAP4REV2".into(), "UTF8=ACCEPT".into()]);
        assert_eq!(parse("ENABLE IMAP4rev2 utf8=accept"), Ok(wanted));
        assert!(parse("ENABLE").is_err() && parse("ENABLE (a)").is_err());
        let many = |n: usize| parse(&format!("ENABLE {}", vec!["x"; n].join(" ")));
        assert!(many(IMAP_ENABLE_NAMES_MAX).is_ok() && many(IMAP_ENABLE_NAMES_MAX + 1).is_err());
    }
}
