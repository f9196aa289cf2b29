//! FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 7162 §3.1.4).

use crate::base::limits::IMAP_FETCH_ITEMS_MAX;
use crate::imap::command::{Fetch, FetchItem, Request, Section, SectionText};
use crate::imap::grammar::{Bad, Cursor, Parse};

use super::{search, section};

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
    let mut fetch = Fetch { by_uid, set, items: Vec::new(), changed_since: None, vanished: false, partial: None };
    if cursor.peek() == Some(b'(') {
        fetch.items = items(cursor)?;
    } else if !macros(cursor, &mut fetch.items) {
        fetch.items.push(item(cursor)?);
    }
    if cursor.more() {
        cursor.expect(b'(', "FETCH modifiers expected")?;
        loop {
            let known = MODIFIERS.iter().find(|(name, _)| cursor.keyword(name));
            let (_, read) = known.ok_or(Bad::Syntax("unknown FETCH modifier"))?;
            read(cursor, &mut fetch)?;
            if cursor.eat(b')') {
                break;
            }
            cursor.sp()?;
        }
    }
    if fetch.vanished && !(by_uid && fetch.changed_since.is_some()) {
        return Err(Bad::Syntax("VANISHED needs UID FETCH and CHANGEDSINCE"));
    }
    if fetch.partial.is_some() && !by_uid {
        return Err(Bad::Syntax("PARTIAL needs UID FETCH"));
    }
    if by_uid {
        add(&mut fetch.items, FetchItem::Uid);
    }
    Ok(Request::Fetch(fetch))
}

/// `"(" fetch-att *(SP fetch-att) ")"`
pub(super) fn items(cursor: &mut Cursor<'_>) -> Parse<Vec<FetchItem>> {
    cursor.expect(b'(', "FETCH items expected")?;
    let mut items = Vec::new();
    loop {
        if items.len() >= IMAP_FETCH_ITEMS_MAX {
            return Err(Bad::Syntax("too many FETCH items"));
        }
        items.push(item(cursor)?);
        if cursor.eat(b')') {
            return Ok(items);
        }
        cursor.sp()?;
    }
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

type ReadModifier = fn(&mut Cursor<'_>, &mut Fetch) -> Parse<()>;

/// Modifiers by name, and what reads each.
const MODIFIERS: &[(&str, ReadModifier)] = &[
    ("CHANGEDSINCE", |cursor, fetch| {
        cursor.sp()?;
        fetch.changed_since = Some(cursor.number64()?);
        // RFC 7162 §3.1.4.1: MODSEQ comes with it unasked.
        add(&mut fetch.items, FetchItem::ModSeq);
        Ok(())
    }),
    ("VANISHED", |_, fetch| {
        fetch.vanished = true;
        Ok(())
    }),
    ("PARTIAL", |cursor, fetch| {
        cursor.sp()?;
        fetch.partial = Some(search::partial(cursor)?);
        Ok(())
    }),
];

type Read = fn(&mut Cursor<'_>) -> Parse<FetchItem>;

/// Data items by name, and what reads the rest of each.
const ITEMS: &[(&str, Read)] = &[
    ("UID", |_| Ok(FetchItem::Uid)),
    ("FLAGS", |_| Ok(FetchItem::Flags)),
    ("INTERNALDATE", |_| Ok(FetchItem::InternalDate)),
    ("RFC822.SIZE", |_| Ok(FetchItem::Size)),
    ("ENVELOPE", |_| Ok(FetchItem::Envelope)),
    ("BODYSTRUCTURE", |_| Ok(FetchItem::BodyStructure)),
    ("MODSEQ", |_| Ok(FetchItem::ModSeq)),
    ("PREVIEW", |cursor| {
        let mut ahead = cursor.clone();
        if ahead.eat(b' ') && ahead.eat(b'(') && ahead.keyword("LAZY") {
            ahead.expect(b')', "closing parenthesis expected")?;
            *cursor = ahead;
        }
        Ok(FetchItem::Preview)
    }),
    ("EMAILID", |_| Ok(FetchItem::EmailId)),
    ("THREADID", |_| Ok(FetchItem::ThreadId)),
    ("RFC822", |_| Ok(whole(SectionText::All, false, "RFC822"))),
    ("RFC822.HEADER", |_| Ok(whole(SectionText::Header, true, "RFC822.HEADER"))),
    ("RFC822.TEXT", |_| Ok(whole(SectionText::Text, false, "RFC822.TEXT"))),
    ("BODY", |cursor| match cursor.peek() {
        Some(b'[') => section::body(cursor, false).map(FetchItem::Section),
        _ => Ok(FetchItem::Body),
    }),
    ("BODY.PEEK", |cursor| section::body(cursor, true).map(FetchItem::Section)),
    ("BINARY", |cursor| section::binary(cursor, false).map(FetchItem::Section)),
    ("BINARY.PEEK", |cursor| section::binary(cursor, true).map(FetchItem::Section)),
    ("BINARY.SIZE", |cursor| {
        let part = section::part_only(cursor)?;
        let label = section::label("BINARY.SIZE", &part, &SectionText::All, None);
        Ok(FetchItem::BinarySize { part, label })
    }),
];

/// A section of the message itself, under its RFC 822 name.
fn whole(text: SectionText, peek: bool, label: &str) -> FetchItem {
    FetchItem::Section(Section { part: Vec::new(), text, partial: None, peek, decoded: false, label: label.into() })
}

fn item(cursor: &mut Cursor<'_>) -> Parse<FetchItem> {
    let name = cursor.word(|c| c.is_ascii_alphanumeric() || c == b'.', "FETCH item expected")?;
    let known = ITEMS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.ok_or(Bad::Syntax("unknown FETCH item"))?.1(cursor)
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;
    use crate::imap::command::Partial;

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
            ("UID  FETCH  1 ( FLAGS  UID )  ", vec![Flags, Uid]),
            ("FETCH 1:* FLAGS (CHANGEDSINCE 9)", vec![ModSeq, Flags]),
        ] {
            assert_eq!(fetch(text).items, items, "{text}");
        }
        assert_eq!(fetch("FETCH 1 FLAGS (CHANGEDSINCE 9)").changed_since, Some(9));
        let partial = |text: &str| fetch(&format!("UID FETCH 1:* FLAGS (PARTIAL {text})")).partial;
        assert_eq!(partial("1:500"), Some(Partial { one: 1, other: 500, from_end: false }));
        assert_eq!(partial("-100:-1"), Some(Partial { one: 100, other: 1, from_end: true }));
        let both = fetch("UID FETCH 25900:26600 (UID FLAGS) (PARTIAL -1:-30 CHANGEDSINCE 98305)");
        assert!(both.partial.is_some() && both.changed_since == Some(98_305) && !both.vanished);
        assert!(fetch("UID FETCH 1:* FLAGS (CHANGEDSINCE 9 VANISHED)").vanished);
        for wrong in [
            "UID FETCH 1 UID (PARTIAL 0:3)",
            "UID FETCH 1 UID (PARTIAL 1:-3)",
            "UID FETCH 1 UID (PARTIAL 1)",
            "FETCH 1 UID (PARTIAL 1:3)",
            "UID FETCH 1 UID (VANISHED)",
            "FETCH 1 UID (CHANGEDSINCE 9 VANISHED)",
            "FETCH 1",
            "FETCH 1 ()",
            "FETCH 1 (ALL)",
            "FETCH 1 ALLX",
            "FETCH 1 (UID",
            "FETCH x UID",
            "FETCH 0 UID",
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
