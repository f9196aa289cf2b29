//! The words of IMAP's grammar (RFC 9051 §9), read from one complete command by a cursor.
//!
//! Nothing here allocates more than what it gives back, recurses without a cap, or indexes the peer's octets.
//! Literals stand in the command as `framing` left them: `{n}` CRLF and n octets.

mod date;

use crate::base::Flags;
use crate::base::limits::{IMAP_SEQUENCE_ELEMENTS_MAX, IMAP_TAG_OCTETS_MAX};

use super::sequence::{Number, SequenceSet};

/// Why a command is refused by the parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// It does not fit the grammar; said in the tagged BAD.
    Syntax(&'static str),
    /// SEARCH in a charset we do not know: `NO [BADCHARSET (...)]`.
    Charset,
    /// A mailbox name that cannot be: `NO [CANNOT]`.
    Name,
    /// CREATE with a special use that cannot be had: `NO [USEATTR]`.
    SpecialUse,
    /// FILTER in a search with another charset than UTF-8: `BAD [BADCHARSET (UTF-8)]`.
    FilterCharset,
    /// NOTIFY of an event that does not exist here: `NO [BADEVENT (...)]`.
    Event,
    /// More than a limit allows: `NO [LIMIT]`.
    Limit(&'static str, usize),
}

/// What a parser gives.
pub type Parse<T> = Result<T, Bad>;

/// A place in a command.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    rest: &'a [u8],
    /// Whether mailbox names travel as UTF-8 (after ENABLE IMAP4rev2 or UTF8=ACCEPT) or as modified UTF-7.
    pub utf8: bool,
}

impl<'a> Cursor<'a> {
    /// At the beginning of `octets`.
    pub fn new(octets: &'a [u8], utf8: bool) -> Self {
        Self { rest: octets, utf8 }
    }

    /// What is not yet read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next octet, not consumed.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Consumes `octet` where it is next. Blanks are forgiven where clients are known to be sloppy: several in the
    /// place of one, behind `(` and in front of `)`.
    pub fn eat(&mut self, octet: u8) -> bool {
        let from = if octet == b')' { without_blanks(self.rest) } else { self.rest };
        let Some((_, rest)) = from.split_first().filter(|(first, _)| **first == octet) else { return false };
        self.rest = if matches!(octet, b' ' | b'(') { without_blanks(rest) } else { rest };
        true
    }

    /// Consumes blanks; whether an argument follows them. Blanks at the end of a command are forgiven.
    pub fn more(&mut self) -> bool {
        self.peek() == Some(b' ') && !without_blanks(self.rest).is_empty() && self.eat(b' ')
    }

    /// Consumes `octet` or fails.
    pub fn expect(&mut self, octet: u8, otherwise: &'static str) -> Parse<()> {
        if self.eat(octet) { Ok(()) } else { Err(Bad::Syntax(otherwise)) }
    }

    /// The space between two arguments.
    pub fn sp(&mut self) -> Parse<()> {
        self.expect(b' ', "space expected")
    }

    /// The end of the command. Trailing blanks are forgiven: several clients leave one.
    pub fn end(&mut self) -> Parse<()> {
        self.eat(b' ');
        if self.rest.is_empty() { Ok(()) } else { Err(Bad::Syntax("unexpected text at the end")) }
    }

    /// The longest beginning whose octets fit; may be empty.
    pub fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&c| !fits(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// Consumes `n` octets.
    pub fn take(&mut self, n: usize) -> Parse<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Bad::Syntax("literal cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// `atom`
    pub fn atom(&mut self) -> Parse<&'a str> {
        self.word(is_atom_char, "atom expected")
    }

    /// A word of the given octets (ASCII only), at least one.
    pub fn word(&mut self, fits: impl Fn(u8) -> bool, otherwise: &'static str) -> Parse<&'a str> {
        let word = self.take_while(fits);
        match std::str::from_utf8(word) {
            Ok(word) if !word.is_empty() => Ok(word),
            _ => Err(Bad::Syntax(otherwise)),
        }
    }

    /// Consumes `word` (any case) where it comes next and is not the beginning of a longer atom.
    pub fn keyword(&mut self, word: &str) -> bool {
        let mut ahead = self.clone();
        let found = ahead.take_while(|c| is_atom_char(c) && c != b'[' && c != b'<');
        if found.eq_ignore_ascii_case(word.as_bytes()) {
            self.rest = ahead.rest;
            return true;
        }
        false
    }

    /// `tag`
    pub fn tag(&mut self) -> Parse<&'a str> {
        let tag = self.word(|c| is_astring_char(c) && c != b'+', "tag expected")?;
        if tag.len() > IMAP_TAG_OCTETS_MAX {
            return Err(Bad::Syntax("tag too long"));
        }
        // A tag that something else follows is no tag: an answer to a part of it could be taken for another command's.
        if !matches!(self.peek(), None | Some(b' ')) {
            return Err(Bad::Syntax("tag expected"));
        }
        Ok(tag)
    }

    /// `astring`: an atom (with `]`), a quoted string or a literal.
    pub fn astring(&mut self) -> Parse<Vec<u8>> {
        if self.at_string() {
            return self.string();
        }
        Ok(self.word(is_astring_char, "string expected")?.as_bytes().to_vec())
    }

    /// Whether a quoted string or a literal comes next. Only `~{` begins a literal8: `~` alone is an atom's.
    fn at_string(&self) -> bool {
        matches!(self.rest, [b'"' | b'{', ..] | [b'~', b'{', ..])
    }

    /// `string`: quoted or literal. A literal8 is tolerated.
    pub fn string(&mut self) -> Parse<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            _ if self.at_string() => Ok(self.literal()?.to_vec()),
            _ => Err(Bad::Syntax("string expected")),
        }
    }

    /// `nstring`
    pub fn nstring(&mut self) -> Parse<Option<Vec<u8>>> {
        if self.keyword("NIL") { Ok(None) } else { self.string().map(Some) }
    }

    /// `quoted`; octets above 127 are taken as they come.
    fn quoted(&mut self) -> Parse<Vec<u8>> {
        self.expect(b'"', "quote expected")?;
        let mut text = Vec::new();
        loop {
            text.extend_from_slice(self.take_while(|c| !matches!(c, b'"' | b'\\' | 0 | b'\r' | b'\n')));
            match self.peek() {
                Some(b'"') => {
                    self.eat(b'"');
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.eat(b'\\');
                    match self.peek() {
                        Some(c @ (b'"' | b'\\')) => {
                            self.eat(c);
                            text.push(c);
                        }
                        _ => return Err(Bad::Syntax("wrong escape in a quoted string")),
                    }
                }
                _ => return Err(Bad::Syntax("quoted string without end")),
            }
        }
    }

    /// `literal` / `literal8`
    fn literal(&mut self) -> Parse<&'a [u8]> {
        self.eat(b'~');
        self.expect(b'{', "literal expected")?;
        let octets = self.number64()?;
        self.eat(b'+');
        self.expect(b'}', "literal expected")?;
        self.expect(b'\r', "line end expected after a literal's length")?;
        self.expect(b'\n', "line end expected after a literal's length")?;
        self.take(usize::try_from(octets).map_err(|_| Bad::Syntax("literal too large"))?)
    }

    /// `number`, `number64`: up to 2^63-1.
    pub fn number64(&mut self) -> Parse<u64> {
        let digits = self.word(|c| c.is_ascii_digit(), "number expected")?;
        digits.parse::<u64>().ok().filter(|n| *n < 1 << 63).ok_or(Bad::Syntax("number too large"))
    }

    /// `number`: 32 bits.
    pub fn number(&mut self) -> Parse<u32> {
        u32::try_from(self.number64()?).map_err(|_| Bad::Syntax("number too large"))
    }

    /// `nz-number`
    pub fn nz_number(&mut self) -> Parse<u32> {
        self.number().and_then(|n| if n == 0 { Err(Bad::Syntax("number must not be zero")) } else { Ok(n) })
    }

    /// `mailbox`, in UTF-8; `INBOX` in any case comes out in capitals.
    pub fn mailbox(&mut self) -> Parse<String> {
        let wire = self.astring()?;
        let name = if self.utf8 { String::from_utf8(wire).ok() } else { super::name::from_wire(&wire) };
        super::name::checked(&name.ok_or(Bad::Name)?).ok_or(Bad::Name)
    }

    /// `list-mailbox`: a pattern, in the form names have on the wire.
    pub fn list_mailbox(&mut self) -> Parse<Vec<u8>> {
        if self.at_string() {
            return self.string();
        }
        let pattern = self.take_while(|c| is_astring_char(c) || c == b'%' || c == b'*' || c >= 0x80);
        if pattern.is_empty() { Err(Bad::Syntax("pattern expected")) } else { Ok(pattern.to_vec()) }
    }

    /// `sequence-set`, with `$` for the saved result (RFC 9051 §6.4.4.1).
    pub fn sequence_set(&mut self) -> Parse<SequenceSet> {
        if self.eat(b'$') {
            return Ok(SequenceSet::Saved);
        }
        let mut ranges = Vec::new();
        loop {
            let low = self.sequence_number()?;
            let high = if self.eat(b':') { self.sequence_number()? } else { low };
            if ranges.len() >= IMAP_SEQUENCE_ELEMENTS_MAX {
                return Err(Bad::Limit("too many elements in the set", IMAP_SEQUENCE_ELEMENTS_MAX));
            }
            ranges.push((low, high));
            if !self.eat(b',') {
                return Ok(SequenceSet::Ranges(ranges));
            }
        }
    }

    /// A message number or UID, or `*`.
    pub fn sequence_number(&mut self) -> Parse<Number> {
        if self.eat(b'*') { Ok(Number::Last) } else { self.nz_number().map(Number::Is) }
    }

    /// `flag`, as written.
    pub fn flag(&mut self) -> Parse<FlagName> {
        if self.eat(b'\\') {
            let name = self.atom()?;
            return Ok(
                match Flags::NAMES.iter().find(|(_, n)| n.get(1..).is_some_and(|n| n.eq_ignore_ascii_case(name))) {
                    Some((flag, _)) => FlagName::System(*flag),
                    // \Recent cannot be set; anything else with a backslash is an extension we do not have.
                    None if name.eq_ignore_ascii_case("Recent") => FlagName::System(Flags::NONE),
                    None => return Err(Bad::Syntax("unknown system flag")),
                },
            );
        }
        Ok(FlagName::Keyword(self.atom()?.to_owned()))
    }

    /// `flag-list`, parentheses included.
    pub fn flag_list(&mut self) -> Parse<FlagNames> {
        let mut names = FlagNames::default();
        self.expect(b'(', "flag list expected")?;
        while !self.eat(b')') {
            if !names.is_empty_list() {
                self.sp()?;
            }
            names.add(self.flag()?)?;
        }
        Ok(names)
    }
}

/// A flag as a command names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagName {
    /// A system flag; none of them for `\Recent`, which nobody can set.
    System(Flags),
    /// A keyword.
    Keyword(String),
}

/// Flags as STORE and APPEND name them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlagNames {
    /// System flags.
    pub flags: Flags,
    /// Keywords, as spelled.
    pub keywords: Vec<String>,
    listed: usize,
}

impl FlagNames {
    /// Adds one; repeated keywords count once.
    pub fn add(&mut self, name: FlagName) -> Parse<()> {
        self.listed += 1;
        match name {
            FlagName::System(flag) => self.flags = self.flags | flag,
            FlagName::Keyword(word) => {
                if self.keywords.iter().any(|k| k.eq_ignore_ascii_case(&word)) {
                    return Ok(());
                }
                if self.keywords.len() >= Flags::KEYWORDS_MAX {
                    return Err(Bad::Limit("too many keywords", Flags::KEYWORDS_MAX));
                }
                self.keywords.push(word);
            }
        }
        Ok(())
    }

    fn is_empty_list(&self) -> bool {
        self.listed == 0
    }
}

fn without_blanks(mut octets: &[u8]) -> &[u8] {
    while let Some(rest) = octets.strip_prefix(b" ") {
        octets = rest;
    }
    octets
}

/// `ATOM-CHAR`
pub fn is_atom_char(c: u8) -> bool {
    matches!(c, 0x21..=0x7e) && !matches!(c, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR`
pub fn is_astring_char(c: u8) -> bool {
    is_atom_char(c) || c == b']'
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn all<'a, T>(text: &'a [u8], read: impl Fn(&mut Cursor<'a>) -> Parse<T>) -> Parse<T> {
        let mut cursor = Cursor::new(text, false);
        let value = read(&mut cursor)?;
        cursor.end().map(|()| value)
    }

    #[test]
    fn strings() {
        for (text, value) in [
            (&b"abc"[..], &b"abc"[..]),
            (b"a]b", b"a]b"),
            (b"\"a b\"", b"a b"),
            (b"\"\"", b""),
            (b"\"q\\\"\\\\\"", b"q\"\\"),
            (b"{3}\r\na\r\n", b"a\r\n"),
            (b"{0}\r\n", b""),
            (b"{2+}\r\n()", b"()"),
            (b"~{2}\r\n\0\0", b"\0\0"),
            (b"~", b"~"),
            (b"~peter", b"~peter"),
            (b"a~b", b"a~b"),
            (b"\"\xc3\xa9\"", b"\xc3\xa9"),
        ] {
            assert_eq!(all(text, Cursor::astring).as_deref(), Ok(value), "{}", text.escape_ascii());
        }
        for text in [
            &b""[..],
            b"(",
            b"\"a",
            b"\"\\n\"",
            b"\"a\r\n\"",
            b"{3}\r\nab",
            b"~{3}\r\nab",
            b"~a{1}\r\nb",
            b"{x}",
            b"{99999999999999999999}\r\n",
            b"a b",
            b"a\0",
        ] {
            assert!(all(text, Cursor::astring).is_err(), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_tag_is_whole_or_none() {
        for (text, tag) in [("a NOOP", "a"), ("a", "a"), ("~a]b NOOP", "~a]b"), ("a-1. ", "a-1.")] {
            assert_eq!(Cursor::new(text.as_bytes(), false).tag(), Ok(tag));
        }
        for text in
            ["", " a", "+ a", "a+1 NOOP", "b(c NOOP", "d\"e NOOP", "f%g NOOP", "a\tNOOP", "a{1", "a\\b", "\u{e9} x"]
        {
            assert!(Cursor::new(text.as_bytes(), false).tag().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_at_their_edges() {
        assert_eq!(all(b"4294967295", Cursor::number), Ok(u32::MAX));
        assert!(all(b"4294967296", Cursor::number).is_err());
        assert!(all(b"0", Cursor::nz_number).is_err());
        assert_eq!(all(b"9223372036854775807", Cursor::number64), Ok((1 << 63) - 1));
        assert!(all(b"9223372036854775808", Cursor::number64).is_err());
    }

    #[test]
    fn flags() {
        let list = all(b"(\\Seen $Junk \\DELETED work WORK \\Recent)", Cursor::flag_list).expect("flags");
        assert_eq!(list.flags, Flags::SEEN | Flags::DELETED);
        assert_eq!(list.keywords, ["$Junk", "work"]);
        assert_eq!(all(b"()", Cursor::flag_list), Ok(FlagNames::default()));
        // Dovecot's own IMAP client puts a blank behind the parenthesis.
        for sloppy in [&b"( a b)"[..], b"(a  b)", b"(a b )", b"(  a   b  )  "] {
            let list = all(sloppy, Cursor::flag_list).expect("flags");
            assert_eq!(list.keywords, ["a", "b"], "{}", sloppy.escape_ascii());
        }
        assert_eq!(all(b"( )", Cursor::flag_list), Ok(FlagNames::default()));
        for wrong in [&b"(\\Foo)"[..], b"(a", b"a"] {
            assert!(all(wrong, Cursor::flag_list).is_err(), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn set_elements_at_the_limit() {
        let set = |n: usize| all(vec!["7"; n].join(",").leak().as_bytes(), Cursor::sequence_set);
        assert!(set(IMAP_SEQUENCE_ELEMENTS_MAX - 1).is_ok() && set(IMAP_SEQUENCE_ELEMENTS_MAX).is_ok());
        assert_eq!(
            set(IMAP_SEQUENCE_ELEMENTS_MAX + 1),
            Err(Bad::Limit("too many elements in the set", IMAP_SEQUENCE_ELEMENTS_MAX))
        );
    }
}
