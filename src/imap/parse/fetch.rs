//! FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 7162 §3.1.4).

use crate::base::limits::IMAP_FETCH_ITEMS_MAX;
use crate::imap::command::{Fetch, FetchItem, Request, Section, SectionText};
use crate::imap::grammar::{Bad, Cursor, Parse};

use super::section;

/// FETCH
pub fn by_number(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, false)
}

/// UID FETCH
pub fn by_uid(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, true)
}

fn parse(cursor: &mut Cursor<'_>, by_uid: bool) -> Parse<Request> {
    cursor.sp()?;
    let set = cursor.sequence_set()?;
    cursor.sp()?;
    let mut fetch = Fetch { by_uid, set, items: Vec::new(), changed_since: None };
    if cursor.eat(b'(') {
        loop {
            if fetch.items.len() >= IMAP_FETCH_ITEMS_MAX {
                return Err(Bad::Syntax("too many FETCH items"));
            }
            fetch.items.push(item(cursor)?);
            if cursor.eat(b')') {
                break;
            }
            cursor.sp()?;
        }
    } else if !macros(cursor, &mut fetch.items) {
        fetch.items.push(item(cursor)?);
    }
    if cursor.rest().len() > 1 && cursor.eat(b' ') {
        cursor.expect(b'(', "FETCH modifiers expected")?;
        if !cursor.keyword("CHANGEDSINCE") {
            return Err(Bad::Syntax("unknown FETCH modifier"));
        }
        cursor.sp()?;
        fetch.changed_since = Some(cursor.number64()?);
        cursor.expect(b')', "closing parenthesis expected")?;
        // RFC 7162 §3.1.4.1: MODSEQ comes with it unasked.
        add(&mut fetch.items, FetchItem::ModSeq);
    }
    if by_uid {
        add(&mut fetch.items, FetchItem::Uid);
    }
    Ok(Request::Fetch(fetch))
}

fn add(items: &mut Vec<FetchItem>, item: FetchItem) {
    if !items.contains(&item) {
        items.insert(0, item);
    }
}

/// ALL, FAST and FULL stand alone, outside parentheses.
fn macros(cursor: &mut Cursor<'_>, items: &mut Vec<FetchItem>) -> bool {
    let more: &[FetchItem] = if cursor.keyword("ALL") {
        &[FetchItem::Envelope]
    } else if cursor.keyword("FULL") {
        &[FetchItem::Envelope, FetchItem::Body]
    } else if cursor.keyword("FAST") {
        &[]
    } else {
        return false;
    };
    items.extend([FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size]);
    items.extend_from_slice(more);
    true
}

fn item(cursor: &mut Cursor<'_>) -> Parse<FetchItem> {
    let name = cursor.word(|c| c.is_ascii_alphanumeric() || c == b'.', "FETCH item expected")?.to_ascii_uppercase();
    let whole = |text, peek, label: &str| {
        let section = Section { part: Vec::new(), text, partial: None, peek, decoded: false, label: label.into() };
        Ok(FetchItem::Section(section))
    };
    match name.as_str() {
        "UID" => Ok(FetchItem::Uid),
        "FLAGS" => Ok(FetchItem::Flags),
        "INTERNALDATE" => Ok(FetchItem::InternalDate),
        "RFC822.SIZE" => Ok(FetchItem::Size),
        "ENVELOPE" => Ok(FetchItem::Envelope),
        "BODYSTRUCTURE" => Ok(FetchItem::BodyStructure),
        "MODSEQ" => Ok(FetchItem::ModSeq),
        "RFC822" => whole(SectionText::All, false, "RFC822"),
        "RFC822.HEADER" => whole(SectionText::Header, true, "RFC822.HEADER"),
        "RFC822.TEXT" => whole(SectionText::Text, false, "RFC822.TEXT"),
        "BODY" if cursor.peek() != Some(b'[') => Ok(FetchItem::Body),
        "BODY" => section::body(cursor, false).map(FetchItem::Section),
        "BODY.PEEK" => section::body(cursor, true).map(FetchItem::Section),
        "BINARY" => section::binary(cursor, false).map(FetchItem::Section),
        "BINARY.PEEK" => section::binary(cursor, true).map(FetchItem::Section),
        "BINARY.SIZE" => {
            let part = section::part_only(cursor)?;
            let label = section::label("BINARY.SIZE", &part, &SectionText::All, None);
            Ok(FetchItem::BinarySize { part, label })
        }
        _ => Err(Bad::Syntax("unknown FETCH item")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    fn fetch(text: &str) -> Fetch {
        match parse(text) {
            Ok(Request::Fetch(fetch)) => fetch,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn items_and_macros() {
        use FetchItem::{Body, BodyStructure, Envelope, Flags, InternalDate, ModSeq, Size, Uid};
        for (text, items) in [
            ("FETCH 1 FAST", vec![Flags, InternalDate, Size]),
            ("FETCH 1 all", vec![Flags, InternalDate, Size, Envelope]),
            ("FETCH 1 FULL", vec![Flags, InternalDate, Size, Envelope, Body]),
            ("FETCH 1 (UID BODYSTRUCTURE)", vec![Uid, BodyStructure]),
            ("FETCH 1 BODY", vec![Body]),
            ("UID FETCH 1 FLAGS", vec![Uid, Flags]),
            ("UID FETCH 1 (FLAGS UID)", vec![Flags, Uid]),
            ("FETCH 1:* FLAGS (CHANGEDSINCE 9)", vec![ModSeq, Flags]),
        ] {
            assert_eq!(fetch(text).items, items, "{text}");
        }
        assert_eq!(fetch("FETCH 1 FLAGS (CHANGEDSINCE 9)").changed_since, Some(9));
        for wrong in [
            "FETCH 1",
            "FETCH 1 ()",
            "FETCH 1 (ALL)",
            "FETCH 1 ALLX",
            "FETCH 1 (UID",
            "FETCH x UID",
            "FETCH 0 UID",
            "FETCH 1 (UID  FLAGS)",
            "FETCH 1 UID (FOO 1)",
            "FETCH 1 BODY.PEEK",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let many = |n: usize| parse(&format!("FETCH 1 ({})", vec!["UID"; n].join(" ")));
        assert!(many(IMAP_FETCH_ITEMS_MAX).is_ok() && many(IMAP_FETCH_ITEMS_MAX + 1).is_err());
    }

    #[test]
    fn sections_and_their_labels() {
        for (item, label, peek, partial) in [
            ("BODY[]", "BODY[]", false, None),
            ("body.peek[header]", "BODY[HEADER]", true, None),
            ("BODY[1.2.MIME]", "BODY[1.2.MIME]", false, None),
            ("BODY[4.1]<0.100>", "BODY[4.1]<0>", false, Some((0, 100))),
            ("BODY.PEEK[HEADER.FIELDS (From \"To\")]", "BODY[HEADER.FIELDS (From To)]", true, None),
            ("BODY[3.HEADER.FIELDS.NOT (x)]<7.1>", "BODY[3.HEADER.FIELDS.NOT (x)]<7>", false, Some((7, 1))),
            ("BODY[TEXT]", "BODY[TEXT]", false, None),
            ("BINARY.PEEK[1]<2.3>", "BINARY[1]<2>", true, Some((2, 3))),
            ("BINARY[]", "BINARY[]", false, None),
            ("RFC822.HEADER", "RFC822.HEADER", true, None),
            ("RFC822", "RFC822", false, None),
        ] {
            let text = format!("FETCH 1 {item}");
            let fetch = fetch(&text);
            let Some(FetchItem::Section(section)) = fetch.items.first() else { panic!("{text}") };
            assert_eq!(String::from_utf8_lossy(&section.label), label);
            assert_eq!((section.peek, section.partial), (peek, partial), "{text}");
        }
        for wrong in [
            "BODY[",
            "BODY[MIME]",
            "BODY[0]",
            "BODY[1.]",
            "BODY[1.FOO]",
            "BODY[HEADER.FIELDS ()]",
            "BODY[HEADER.FIELDS]",
            "BODY[]<1>",
            "BODY[]<1.0>",
            "BODY[]<a.1>",
            "BINARY[HEADER]",
            "BINARY.SIZE[1]<0.1>",
            "BODY [TEXT]",
        ] {
            assert!(parse(&format!("FETCH 1 {wrong}")).is_err(), "{wrong}");
        }
        let deep = |n: usize| parse(&format!("FETCH 1 BODY[{}]", vec!["1"; n].join(".")));
        assert!(deep(crate::base::limits::MIME_NESTING_MAX).is_ok());
        assert!(deep(crate::base::limits::MIME_NESTING_MAX + 1).is_err());
    }
}
