//! GETMETADATA and SETMETADATA (RFC 5464 §5).

use crate::base::limits::IMAP_ENTRIES_MAX;
use crate::imap::command::Request;
use crate::imap::grammar::{Bad, Cursor, Parse};
use crate::imap::metadata::{Depth, GetMetadata, SetMetadata, entry};

/// GETMETADATA. Options stand in front of the mailbox, as the grammar has it, or behind it, as the examples do.
pub fn get(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    let mut asked = GetMetadata { name: None, entries: Vec::new(), size_max: None, depth: Depth::Zero };
    if cursor.peek() == Some(b'(') {
        options(cursor, &mut asked)?;
        cursor.sp()?;
    }
    asked.name = mailbox(cursor)?;
    cursor.sp()?;
    if is_at_options(cursor) {
        options(cursor, &mut asked)?;
        cursor.sp()?;
    }
    if cursor.peek() == Some(b'(') {
        asked.entries = entries(cursor)?;
    } else {
        loop {
            add(&mut asked.entries, entry(cursor)?)?;
            if !cursor.more() {
                break;
            }
        }
    }
    Ok(Request::GetMetadata(asked))
}

/// SETMETADATA
pub fn set(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    let name = mailbox(cursor)?;
    cursor.sp()?;
    cursor.expect(b'(', "entries and values expected")?;
    let mut values: Vec<(String, Option<Vec<u8>>)> = Vec::new();
    loop {
        let entry = entry(cursor)?;
        if entry.matches('/').count() < 2 {
            return Err(Bad::Syntax("the entry has no name"));
        }
        cursor.sp()?;
        let value = cursor.nstring()?;
        values.retain(|(other, _)| *other != entry);
        values.push((entry, value));
        if values.len() > IMAP_ENTRIES_MAX {
            return Err(Bad::Limit("too many entries", IMAP_ENTRIES_MAX));
        }
        if cursor.eat(b')') {
            return Ok(Request::SetMetadata(SetMetadata { name, values }));
        }
        cursor.sp()?;
    }
}

/// `"(" entry *(SP entry) ")"`
pub(super) fn entries(cursor: &mut Cursor<'_>) -> Parse<Vec<String>> {
    cursor.expect(b'(', "entries expected")?;
    let mut entries = Vec::new();
    loop {
        add(&mut entries, entry(cursor)?)?;
        if cursor.eat(b')') {
            return Ok(entries);
        }
        cursor.sp()?;
    }
}

fn add(entries: &mut Vec<String>, entry: String) -> Parse<()> {
    if entries.len() >= IMAP_ENTRIES_MAX {
        return Err(Bad::Limit("too many entries", IMAP_ENTRIES_MAX));
    }
    if !entries.contains(&entry) {
        entries.push(entry);
    }
    Ok(())
}

/// A mailbox; the empty string is the server.
fn mailbox(cursor: &mut Cursor<'_>) -> Parse<Option<String>> {
    let mut ahead = cursor.clone();
    if ahead.astring()?.is_empty() {
        *cursor = ahead;
        return Ok(None);
    }
    cursor.mailbox().map(Some)
}

fn is_at_options(cursor: &Cursor<'_>) -> bool {
    let mut ahead = cursor.clone();
    ahead.eat(b'(') && (ahead.keyword("MAXSIZE") || ahead.keyword("DEPTH"))
}

fn options(cursor: &mut Cursor<'_>, asked: &mut GetMetadata) -> Parse<()> {
    cursor.expect(b'(', "options expected")?;
    loop {
        if cursor.keyword("MAXSIZE") {
            cursor.sp()?;
            asked.size_max = Some(cursor.number()?);
        } else if cursor.keyword("DEPTH") {
            cursor.sp()?;
            asked.depth = match cursor.atom()?.to_ascii_lowercase().as_str() {
                "0" => Depth::Zero,
                "1" => Depth::One,
                "infinity" => Depth::Infinity,
                _ => return Err(Bad::Syntax("DEPTH is 0, 1 or infinity")),
            };
        } else {
            return Err(Bad::Syntax("unknown GETMETADATA option"));
        }
        if cursor.eat(b')') {
            return Ok(());
        }
        cursor.sp()?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    fn got(text: &str) -> GetMetadata {
        match parse(text) {
            Ok(Request::GetMetadata(asked)) => asked,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn what_is_asked() {
        let comments = ["/shared/comment".to_owned(), "/private/comment".to_owned()];
        let asked = got("GETMETADATA \"\" /Shared/Comment");
        assert_eq!((asked.name, asked.entries.as_slice()), (None, &comments[..1]));
        for form in [
            "GETMETADATA \"INBOX\" (MAXSIZE 1024 DEPTH infinity) (/shared/comment /private/comment)",
            "GETMETADATA (DEPTH infinity MAXSIZE 1024) inbox (/shared/comment /private/comment)",
            "GETMETADATA (DEPTH infinity MAXSIZE 1024) inbox /shared/comment /private/comment",
        ] {
            let asked = got(form);
            assert_eq!(asked.name.as_deref(), Some("INBOX"));
            assert_eq!((asked.size_max, asked.depth), (Some(1_024), Depth::Infinity));
            assert_eq!(asked.entries, comments);
        }
        for wrong in [
            "GETMETADATA INBOX",
            "GETMETADATA INBOX ()",
            "GETMETADATA INBOX (DEPTH 2) /private/a",
            "GETMETADATA INBOX /private/%",
            "GETMETADATA (X) INBOX /private/a",
        ] {
            assert!(matches!(parse(wrong), Err(Bad::Syntax(_))), "{wrong}");
        }
    }

    #[test]
    fn what_is_set() {
        let set = |text: &str| match parse(text) {
            Ok(Request::SetMetadata(set)) => set.values,
            other => panic!("{text}: {other:?}"),
        };
        let values = set("SETMETADATA INBOX (/private/comment {9}\r\ntwo\r\nline /shared/comment NIL)");
        assert_eq!(values[0], ("/private/comment".to_owned(), Some(b"two\r\nline".to_vec())));
        assert_eq!(values[1], ("/shared/comment".to_owned(), None));
        let values = set("SETMETADATA \"\" (/private/a ~{3}\r\na\0b /PRIVATE/A \"\")");
        assert_eq!(values, [("/private/a".to_owned(), Some(Vec::new()))]);
        for wrong in ["SETMETADATA INBOX /private/a b", "SETMETADATA INBOX (/private NIL)", "SETMETADATA INBOX ()"] {
            assert!(matches!(parse(wrong), Err(Bad::Syntax(_))), "{wrong}");
        }
        let many = |n: usize| {
            let entries: Vec<String> = (0..n).map(|n| format!("/private/{n}")).collect();
            parse(&format!("GETMETADATA INBOX ({})", entries.join(" ")))
        };
        assert!(many(IMAP_ENTRIES_MAX).is_ok());
        assert!(matches!(many(IMAP_ENTRIES_MAX + 1), Err(Bad::Limit(..))));
    }
}
