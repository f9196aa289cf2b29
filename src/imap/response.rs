//! Words of IMAP's answers, written into one growing buffer: numbers, strings, mailbox names, status responses.

use std::borrow::Cow;

use super::grammar::is_astring_char;
use crate::base::quoted;

/// Octets of a string that is still written between quotes.
const QUOTED_OCTETS_MAX: usize = 1_000;

/// OK, NO, BAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Status {
    Ok,
    No,
    Bad,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::No => "NO",
            Status::Bad => "BAD",
        }
    }
}

/// How a command ends: its tagged response, but for the tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// OK, NO, BAD.
    pub status: Status,
    /// Response code without its brackets; empty where there is none.
    pub code: Cow<'static, str>,
    /// Text for people.
    pub text: Cow<'static, str>,
}

impl Completion {
    /// OK.
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Completion {
        Completion { status: Status::Ok, code: "".into(), text: text.into() }
    }

    /// NO with a response code.
    pub fn no(code: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Completion {
        Completion { status: Status::No, code: code.into(), text: text.into() }
    }

    /// BAD.
    pub fn bad(text: impl Into<Cow<'static, str>>) -> Completion {
        Completion { status: Status::Bad, code: "".into(), text: text.into() }
    }

    /// The same with a response code.
    pub fn with_code(self, code: impl Into<Cow<'static, str>>) -> Completion {
        Completion { code: code.into(), ..self }
    }

    /// Writes it behind `tag`; `*` makes it untagged.
    pub fn write(&self, out: &mut Vec<u8>, tag: &str) {
        for part in [tag, " ", self.status.word(), " "] {
            out.extend_from_slice(part.as_bytes());
        }
        if !self.code.is_empty() {
            for part in ["[", &self.code, "] "] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        out.extend_from_slice(self.text.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// A decimal number.
pub fn number(out: &mut Vec<u8>, n: impl Into<u64>) {
    let mut n = n.into();
    // The digits come from behind; 20 are enough for 64 bits.
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (n % 10) as u8;
        n /= 10;
        used += 1;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// A string: quoted where it is short and plain ASCII, a literal otherwise. NUL, which no string may hold, is left out.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() <= QUOTED_OCTETS_MAX && text.iter().all(|c| matches!(c, 0x20..=0x7e | b'\t')) {
        return quoted::put(out, text);
    }
    let text: Cow<[u8]> = match memchr::memchr(0, text) {
        None => text.into(),
        Some(_) => text.iter().copied().filter(|c| *c != 0).collect(),
    };
    literal_announced(out, text.len() as u64);
    out.extend_from_slice(&text);
}

/// A string, or NIL.
pub fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// `{n}` CRLF; the n octets follow.
pub fn literal_announced(out: &mut Vec<u8>, octets: u64) {
    out.push(b'{');
    number(out, octets);
    out.extend_from_slice(b"}\r\n");
}

/// A mailbox name: UTF-8 once enabled, modified UTF-7 before.
pub fn mailbox(out: &mut Vec<u8>, name: &str, utf8: bool) {
    let wire: Cow<str> = if utf8 { name.into() } else { super::name::to_wire(name).into() };
    if !wire.is_empty() && wire.bytes().all(is_astring_char) && !wire.eq_ignore_ascii_case("NIL") {
        out.extend_from_slice(wire.as_bytes());
    } else {
        quoted::put(out, wire.as_bytes());
    }
}

/// `* n WORD` CRLF, as EXISTS, EXPUNGE and RECENT have it.
pub fn numbered(out: &mut Vec<u8>, n: usize, word: &str) {
    out.extend_from_slice(b"* ");
    number(out, n as u64);
    out.push(b' ');
    out.extend_from_slice(word.as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn numbers() {
        for n in [0, 1, 9, 10, 99, 100, 12_345, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(written(|out| number(out, n)), n.to_string());
        }
    }

    #[test]
    fn strings() {
        for (text, want) in [
            (&b""[..], "\"\""),
            (b"a b", "\"a b\""),
            (b"q\"\\", "\"q\\\"\\\\\""),
            ("é".as_bytes(), "{2}\r\né"),
            (b"a\r\nb", "{4}\r\na\r\nb"),
            (b"a\0b", "{2}\r\nab"),
        ] {
            assert_eq!(written(|out| string(out, text)), want);
        }
        let long = |n: usize| written(|out| string(out, &vec![b'x'; n]));
        assert!(long(QUOTED_OCTETS_MAX).starts_with('"') && long(QUOTED_OCTETS_MAX + 1).starts_with('{'));
        assert_eq!(written(|out| nstring(out, None)), "NIL");
    }

    #[test]
    fn names() {
        for (name, rev1, utf8) in [
            ("INBOX", "INBOX", "INBOX"),
            ("a b", "\"a b\"", "\"a b\""),
            ("Entwürfe", "Entw&APw-rfe", "\"Entwürfe\""),
            ("", "\"\"", "\"\""),
            ("nil", "\"nil\"", "\"nil\""),
        ] {
            assert_eq!(written(|out| mailbox(out, name, false)), rev1);
            assert_eq!(written(|out| mailbox(out, name, true)), utf8);
        }
    }

    #[test]
    fn answers() {
        let answer = Completion::no("TRYCREATE", "no such mailbox");
        assert_eq!(written(|out| answer.write(out, "a1")), "a1 NO [TRYCREATE] no such mailbox\r\n");
        assert_eq!(written(|out| Completion::ok("done").write(out, "*")), "* OK done\r\n");
    }
}
