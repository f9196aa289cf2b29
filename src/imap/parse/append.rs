//! APPEND and REPLACE up to each of their messages (RFC 9051 §6.3.12, RFC 3502, RFC 6855 §4, RFC 8508).

use crate::base::Timestamp;
use crate::imap::command::Request;
use crate::imap::grammar::{Bad, Cursor, FlagNames, Parse};
use crate::imap::sequence::Number;

/// An APPEND or REPLACE whose first message comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Its tag.
    pub tag: String,
    /// The message that goes when the new one is there.
    pub replaces: Option<Replaced>,
    /// Where to.
    pub name: String,
    /// What the first message comes with.
    pub first: Part,
}

/// The message of a REPLACE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// Whether it is named by UID.
    pub by_uid: bool,
    /// Its number or UID.
    pub number: Number,
}

/// What a message comes with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// Flags.
    pub flags: FlagNames,
    /// INTERNALDATE, where given.
    pub date: Option<Timestamp>,
    /// Whether the message stands in `UTF8 (...)`, which must be closed behind it.
    pub utf8: bool,
}

/// Parses the command up to the first message's announcement.
pub fn head(octets: &[u8], utf8: bool) -> Result<Append, super::Refused> {
    let mut cursor = Cursor::new(octets, utf8);
    let tag = cursor.tag().map_err(|why| super::Refused { tag: None, why })?.to_owned();
    arguments(&mut cursor, &tag).map_err(|why| super::Refused { tag: Some(tag), why })
}

fn arguments(cursor: &mut Cursor<'_>, tag: &str) -> Parse<Append> {
    cursor.sp()?;
    let by_uid = cursor.keyword("UID");
    if by_uid {
        cursor.sp()?;
    }
    let replaces = cursor.keyword("REPLACE");
    if !replaces && (by_uid || !cursor.keyword("APPEND")) {
        return Err(Bad::Syntax("APPEND or REPLACE expected"));
    }
    cursor.sp()?;
    let replaces = if replaces {
        let number = cursor.sequence_number()?;
        cursor.sp()?;
        Some(Replaced { by_uid, number })
    } else {
        None
    };
    let name = cursor.mailbox()?;
    cursor.sp()?;
    Ok(Append { tag: tag.to_owned(), replaces, name, first: part(cursor)? })
}

/// What stands in front of a message, up to its announcement.
fn part(cursor: &mut Cursor<'_>) -> Parse<Part> {
    let mut part = Part::default();
    if cursor.peek() == Some(b'(') {
        part.flags = cursor.flag_list()?;
        cursor.sp()?;
    }
    if cursor.peek() == Some(b'"') {
        part.date = Some(cursor.date_time()?);
        cursor.sp()?;
    }
    if cursor.keyword("UTF8") {
        cursor.sp()?;
        cursor.expect(b'(', "parenthesis expected behind UTF8")?;
        part.utf8 = true;
    }
    if cursor.rest().is_empty() { Ok(part) } else { Err(Bad::Syntax("message literal expected")) }
}

/// Whether the literal announced behind `octets` is a message, not the mailbox's name. What stands between the two need
/// not parse: the message is then taken in vain, as a message.
pub fn is_at_message(octets: &[u8]) -> bool {
    let mut cursor = Cursor::new(octets, true);
    if cursor.tag().is_err() || cursor.sp().is_err() {
        return false;
    }
    let by_uid = cursor.keyword("UID") && cursor.sp().is_ok();
    let begins = if cursor.keyword("REPLACE") {
        cursor.sp().is_ok() && cursor.sequence_number().is_ok()
    } else {
        !by_uid && cursor.keyword("APPEND")
    };
    begins && cursor.sp().is_ok() && cursor.astring().is_ok() && cursor.eat(b' ')
}

/// What stands between one message and the next (RFC 3502).
pub fn between(octets: &[u8], utf8: bool) -> Parse<Part> {
    let mut cursor = Cursor::new(octets, utf8);
    close(&mut cursor, utf8)?;
    cursor.sp()?;
    part(&mut cursor)
}

/// What stands behind the last message: nothing, or the parenthesis of `UTF8 (`.
pub fn tail(octets: &[u8], utf8: bool) -> Parse<()> {
    let mut cursor = Cursor::new(octets, utf8);
    close(&mut cursor, utf8)?;
    cursor.end()
}

fn close(cursor: &mut Cursor<'_>, utf8: bool) -> Parse<()> {
    if utf8 { cursor.expect(b')', "closing parenthesis expected") } else { Ok(()) }
}

/// APPEND without a message literal cannot be.
pub fn without_message(_: &mut Cursor<'_>) -> Parse<Request> {
    Err(Bad::Syntax("APPEND needs a mailbox and a message literal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let append = head(b"a APPEND x (\\Seen k) \"17-Jul-1996 02:44:25 -0700\" ", false).expect("parses");
        assert_eq!((append.tag.as_str(), append.name.as_str(), append.first.utf8), ("a", "x", false));
        assert_eq!(append.first.flags.keywords, ["k"]);
        assert_eq!(append.first.date.map(|d| d.imap()).as_deref(), Some("17-Jul-1996 09:44:25 +0000"));
        assert!(head(b"a APPEND x UTF8 (", false).is_ok_and(|a| a.first.utf8));
        assert!(head(b"a APPEND {1}\r\nx ", false).is_ok_and(|a| a.name == "x"));
        for wrong in
            ["a APPEND x", "a APPEND x y ", "a APPEND x (\\Foo) ", "a APPEND x \"yesterday\" ", "a APPEND \"\" "]
        {
            assert!(head(wrong.as_bytes(), false).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_replaced() {
        let replaces = |text: &str| head(text.as_bytes(), false).map(|append| (append.replaces, append.name));
        let by = |by_uid, number| (Some(Replaced { by_uid, number: Number::Is(number) }), "Drafts".to_owned());
        assert_eq!(replaces("a REPLACE 4 Drafts (\\Seen \\Draft) "), Ok(by(false, 4)));
        assert_eq!(replaces("a UID REPLACE 2000 Drafts "), Ok(by(true, 2_000)));
        for wrong in ["a REPLACE Drafts ", "a REPLACE 1:2 Drafts ", "a REPLACE 0 Drafts ", "a UID APPEND Drafts "] {
            assert!(replaces(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn several_messages() {
        assert_eq!(between(b" ", false), Ok(Part::default()));
        let part = between(b" (\\Seen) \" 7-Feb-1994 22:43:04 -0800\" ", false).expect("parses");
        assert!(part.date.is_some() && !part.utf8);
        assert!(between(b") UTF8 (", true).is_ok_and(|part| part.utf8));
        for wrong in [&b""[..], b"x ", b" x ", b" UTF8 "] {
            assert!(between(wrong, false).is_err());
        }
    }

    #[test]
    fn the_message_is_told_from_the_name() {
        for (text, at) in [
            ("a APPEND ", false),
            ("a APPEND x ", true),
            ("a APPEND {1}\r\nx ", true),
            ("a APPEND x nonsense ", true),
            ("a REPLACE 4 x ", true),
            ("a REPLACE 4 ", false),
            ("a UID REPLACE 4 x ", true),
            ("a UID APPEND x ", false),
            ("a LOGIN x ", false),
            ("APPEND x ", false),
        ] {
            assert_eq!(is_at_message(text.as_bytes()), at, "{text}");
        }
    }
}
