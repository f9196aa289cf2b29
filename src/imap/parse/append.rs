//! APPEND up to its message (RFC 9051 §6.3.12, RFC 6855 §4).

use crate::base::Timestamp;
use crate::imap::command::Request;
use crate::imap::grammar::{Bad, Cursor, FlagNames, Parse};

/// An APPEND whose message comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Its tag.
    pub tag: String,
    /// Where to.
    pub name: String,
    /// Flags.
    pub flags: FlagNames,
    /// INTERNALDATE, where given.
    pub date: Option<Timestamp>,
    /// Whether the message stands in `UTF8 (...)`, which must be closed behind it.
    pub utf8: bool,
}

/// Parses the command up to the message's announcement.
pub fn head(octets: &[u8], utf8: bool) -> Result<Append, super::Refused> {
    let mut cursor = Cursor::new(octets, utf8);
    let tag = cursor.tag().map_err(|why| super::Refused { tag: None, why })?.to_owned();
    arguments(&mut cursor, &tag).map_err(|why| super::Refused { tag: Some(tag), why })
}

fn arguments(cursor: &mut Cursor<'_>, tag: &str) -> Parse<Append> {
    cursor.sp()?;
    if !cursor.keyword("APPEND") {
        return Err(Bad::Syntax("APPEND expected"));
    }
    cursor.sp()?;
    let name = cursor.mailbox()?;
    cursor.sp()?;
    let mut append = Append { tag: tag.to_owned(), name, flags: FlagNames::default(), date: None, utf8: false };
    if cursor.peek() == Some(b'(') {
        append.flags = cursor.flag_list()?;
        cursor.sp()?;
    }
    if cursor.peek() == Some(b'"') {
        append.date = Some(cursor.date_time()?);
        cursor.sp()?;
    }
    if cursor.keyword("UTF8") {
        cursor.sp()?;
        cursor.expect(b'(', "parenthesis expected behind UTF8")?;
        append.utf8 = true;
    }
    if cursor.rest().is_empty() { Ok(append) } else { Err(Bad::Syntax("message literal expected")) }
}

/// Whether the literal announced behind `octets` is APPEND's message, not its mailbox name. What stands between
/// the two need not parse: the message is then taken in vain, as a message.
pub fn is_at_message(octets: &[u8]) -> bool {
    let mut cursor = Cursor::new(octets, true);
    let begins = cursor.tag().is_ok() && cursor.sp().is_ok() && cursor.keyword("APPEND") && cursor.sp().is_ok();
    begins && cursor.astring().is_ok() && cursor.eat(b' ')
}

/// What stands behind the message: nothing, or the parenthesis of `UTF8 (`.
pub fn tail(octets: &[u8], utf8: bool) -> Parse<()> {
    let mut cursor = Cursor::new(octets, utf8);
    if utf8 {
        cursor.expect(b')', "closing parenthesis expected")?;
    }
    cursor.end()
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
        assert_eq!((append.tag.as_str(), append.name.as_str(), append.utf8), ("a", "x", false));
        assert_eq!(append.flags.keywords, ["k"]);
        assert_eq!(append.date.map(|d| d.imap()).as_deref(), Some("17-Jul-1996 09:44:25 +0000"));
        assert!(head(b"a APPEND x UTF8 (", false).is_ok_and(|a| a.utf8));
        assert!(head(b"a APPEND {1}\r\nx ", false).is_ok_and(|a| a.name == "x"));
        for wrong in
            ["a APPEND x", "a APPEND x y ", "a APPEND x (\\Foo) ", "a APPEND x \"yesterday\" ", "a APPEND \"\" "]
        {
            assert!(head(wrong.as_bytes(), false).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_message_is_told_from_the_name() {
        for (text, at) in [
            ("a APPEND ", false),
            ("a APPEND x ", true),
            ("a APPEND {1}\r\nx ", true),
            ("a APPEND x nonsense ", true),
            ("a LOGIN x ", false),
            ("APPEND x ", false),
        ] {
            assert_eq!(is_at_message(text.as_bytes()), at, "{text}");
        }
    }
}
