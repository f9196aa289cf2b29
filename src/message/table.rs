//! The part table: where each part's header and body lie, small enough to be stored beside every message.
//!
//! It answers which octets `BODY[1.2.MIME]` and its like mean (RFC 9051 §6.4.5.1) and how a body is to be
//! decoded, so that FETCH and SEARCH read only those octets. What [`PartTable::decode`] accepts is whole: indexes
//! lie inside, ranges ascend.

use std::ops::Range;

use super::structure::{Facts, PartKind, Structure};
use crate::base::limits::{MIME_NESTING_MAX, MIME_PARTS_MAX};
use crate::base::varint::{put, take};

/// Parts of a message in preorder, as in [`Structure`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartTable {
    /// The parts; the first is the message itself.
    pub entries: Vec<TableEntry>,
}

/// Where a part lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableEntry {
    /// What is in its body.
    pub kind: PartKind,
    /// Index behind the last part inside it.
    pub end: usize,
    /// Header with its empty line.
    pub header: Range<u64>,
    /// Body.
    pub body: Range<u64>,
    /// How the body is encoded.
    pub encoding: Encoding,
    /// Charset in lower case, for text; empty where not said.
    pub charset: String,
    /// Whether it is text of any kind.
    pub is_text: bool,
    /// Whether it is HTML. Tables that were stored before this was noted do not say so.
    pub is_html: bool,
}

/// Content-Transfer-Encoding (RFC 2045 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// 7bit, 8bit, binary: the octets are the content.
    #[default]
    Identity,
    /// base64
    Base64,
    /// quoted-printable
    QuotedPrintable,
    /// Something else: content unknown (RFC 2045 §6.4).
    Unknown,
}

/// What of a part is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `BODY[]`, `BODY[1.2]`
    Whole,
    /// `BODY[HEADER]`, `BODY[1.2.HEADER]`: header of the message, or of the message inside the part.
    Header,
    /// `BODY[TEXT]`, `BODY[1.2.TEXT]`: its body.
    Text,
    /// `BODY[1.2.MIME]`: the part's own header.
    Mime,
}

impl Encoding {
    /// The encoding a field value names; `None` is 7bit.
    pub fn parse(value: Option<&[u8]>) -> Encoding {
        match Self::token(value.unwrap_or_default()).to_ascii_lowercase().as_slice() {
            b"7bit" | b"8bit" | b"binary" => Encoding::Identity,
            b"base64" => Encoding::Base64,
            b"quoted-printable" => Encoding::QuotedPrintable,
            _ => Encoding::Unknown,
        }
    }

    /// The word of a field value that names the encoding; comments and what else stands there are left out. `7bit`
    /// where there is none (RFC 2045 §6.1).
    pub fn token(value: &[u8]) -> &[u8] {
        let mut words = value.split(|c| c.is_ascii_whitespace() || matches!(c, b';' | b'('));
        words.find(|word| !word.is_empty()).unwrap_or(b"7bit")
    }
}

impl PartTable {
    /// The table of a message.
    pub fn of(structure: &Structure) -> PartTable {
        let entry = |part: &super::structure::Part| TableEntry {
            kind: part.kind,
            end: part.end,
            header: part.header.clone(),
            body: part.body.clone(),
            encoding: if part.kind == PartKind::Leaf {
                Encoding::parse(part.facts.encoding.as_deref())
            } else {
                Encoding::Identity
            },
            charset: charset(&part.facts),
            is_text: part.kind == PartKind::Leaf && part.facts.is_text(),
            is_html: part.kind == PartKind::Leaf && part.facts.is("text", "html"),
        };
        PartTable { entries: structure.parts.iter().map(entry).collect() }
    }

    /// The part a number path means: `1.2` is `[1, 2]`. The empty path is the message itself.
    pub fn find(&self, path: &[u32]) -> Option<usize> {
        let mut here = 0;
        let mut is_message = true;
        for number in path {
            let mut inside = self.entries.get(here)?;
            if !is_message && inside.kind == PartKind::Message {
                here += 1;
                is_message = true;
                inside = self.entries.get(here)?;
            }
            match inside.kind {
                PartKind::Multipart => here = self.children(here).nth((*number as usize).checked_sub(1)?)?,
                _ if is_message && *number == 1 => {}
                _ => return None,
            }
            is_message = false;
        }
        Some(here)
    }

    /// The octets a section means; `None` where there is no such part, or it has no such section.
    pub fn range(&self, path: &[u32], section: Section) -> Option<Range<u64>> {
        let part = self.entries.get(self.find(path)?)?;
        if path.is_empty() {
            return match section {
                Section::Whole => Some(part.header.start..part.body.end),
                Section::Header => Some(part.header.clone()),
                Section::Text => Some(part.body.clone()),
                Section::Mime => None,
            };
        }
        let message = || self.entries.get(self.find(path)? + 1).filter(|_| part.kind == PartKind::Message);
        match section {
            Section::Whole => Some(part.body.clone()),
            Section::Mime => Some(part.header.clone()),
            Section::Header => Some(message()?.header.clone()),
            Section::Text => Some(message()?.body.clone()),
        }
    }

    /// Indexes of the parts directly inside the part at `index`.
    pub fn children(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.entries.get(index).map_or(0, |entry| entry.end);
        std::iter::successors((index + 1 < end).then_some(index + 1), move |at| {
            self.entries.get(*at).map(|entry| entry.end).filter(|next| *next < end)
        })
    }

    /// The stored form: a version octet, then each entry.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.entries.len() * 16);
        out.push(VERSION);
        put(&mut out, self.entries.len() as u64);
        for entry in &self.entries {
            let kind = match entry.kind {
                PartKind::Leaf => 0,
                PartKind::Multipart => 1,
                PartKind::Message => 2,
            };
            let encoding = match entry.encoding {
                Encoding::Identity => 0,
                Encoding::Base64 => 1,
                Encoding::QuotedPrintable => 2,
                Encoding::Unknown => 3,
            };
            out.push(kind | encoding << 2 | u8::from(entry.is_text) << 4 | u8::from(entry.is_html) << 5);
            put(&mut out, entry.end as u64);
            put(&mut out, entry.header.start);
            put(&mut out, entry.header.end - entry.header.start);
            put(&mut out, entry.body.start - entry.header.end);
            put(&mut out, entry.body.end - entry.body.start);
            put(&mut out, entry.charset.len() as u64);
            out.extend_from_slice(entry.charset.as_bytes());
        }
        out
    }

    /// Reads the stored form; `None` where it is not one.
    pub fn decode(stored: &[u8]) -> Option<PartTable> {
        let (version, mut rest) = stored.split_first()?;
        let count = take(&mut rest)? as usize;
        if *version != VERSION || count == 0 || count > MIME_PARTS_MAX {
            return None;
        }
        let mut entries = Vec::with_capacity(count);
        for index in 0..count {
            let entry = decode_entry(&mut rest)?;
            let has_child = entry.end > index + 1;
            if entry.end <= index || entry.end > count || (entry.kind == PartKind::Message && !has_child) {
                return None;
            }
            entries.push(entry);
        }
        rest.is_empty().then_some(PartTable { entries })
    }
}

const VERSION: u8 = 1;

fn decode_entry(rest: &mut &[u8]) -> Option<TableEntry> {
    let (bits, behind) = rest.split_first()?;
    *rest = behind;
    let kind = match bits & 3 {
        0 => PartKind::Leaf,
        1 => PartKind::Multipart,
        2 => PartKind::Message,
        _ => return None,
    };
    let encoding = match bits >> 2 & 3 {
        0 => Encoding::Identity,
        1 => Encoding::Base64,
        2 => Encoding::QuotedPrintable,
        _ => Encoding::Unknown,
    };
    let end = usize::try_from(take(rest)?).ok()?;
    let header_start = take(rest)?;
    let header_end = header_start.checked_add(take(rest)?)?;
    let body_start = header_end.checked_add(take(rest)?)?;
    let body_end = body_start.checked_add(take(rest)?)?;
    let charset_octets = usize::try_from(take(rest)?).ok()?;
    let (charset, behind) = rest.split_at_checked(charset_octets)?;
    let charset = std::str::from_utf8(charset).ok()?.to_owned();
    *rest = behind;
    Some(TableEntry {
        kind,
        end,
        header: header_start..header_end,
        body: body_start..body_end,
        encoding,
        charset,
        is_text: bits & 16 != 0,
        is_html: bits & 32 != 0,
    })
}

/// The charset of a text part, where its name is one that can be.
fn charset(facts: &Facts) -> String {
    let name = facts.parameter("charset").filter(|_| facts.is_text()).unwrap_or_default();
    match std::str::from_utf8(name) {
        Ok(name) if name.len() <= CHARSET_OCTETS_MAX => name.to_ascii_lowercase(),
        _ => String::new(),
    }
}

/// Longest name IANA registers is 45 octets.
const CHARSET_OCTETS_MAX: usize = 64;

const _: () = assert!(MIME_NESTING_MAX < MIME_PARTS_MAX);

#[cfg(test)]
mod tests {
    use super::super::scanner::scan;
    use super::*;

    const MESSAGE: &str = "Subject: s\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n\
        --a\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: Base64\r\n\r\nb25l\r\n\
        --a\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\
        Content-Type: multipart/alternative; boundary=b\r\n\r\n\
        --b\r\n\r\ntwo\r\n--b\r\nContent-Type: text/html\r\n\r\nthree\r\n--b--\r\n\
        --a\r\nContent-Type: message/rfc822\r\n\r\nSubject: plain\r\n\r\nfour\r\n\
        --a--\r\n";

    fn section(path: &[u32], section: Section) -> Option<&'static str> {
        let table = PartTable::of(&scan(MESSAGE.as_bytes()));
        let range = table.range(path, section)?;
        MESSAGE.get(range.start as usize..range.end as usize)
    }

    #[test]
    fn sections_of_rfc_9051() {
        use Section::{Header, Mime, Text, Whole};
        assert_eq!(section(&[], Whole), Some(MESSAGE));
        assert_eq!(section(&[], Header), MESSAGE.get(..57));
        assert_eq!(section(&[], Text), MESSAGE.get(57..));
        assert_eq!(section(&[], Mime), None);
        assert_eq!(section(&[1], Whole), Some("b25l"));
        assert!(section(&[1], Mime).is_some_and(|m| m.ends_with("Base64\r\n\r\n")));
        assert_eq!(section(&[1], Header), None);
        assert_eq!(section(&[1, 1], Whole), None);
        assert_eq!(section(&[0], Whole), None);
        assert_eq!(section(&[4], Whole), None);
        assert!(section(&[2], Whole).is_some_and(|m| m.starts_with("Subject: in") && m.ends_with("--b--")));
        assert_eq!(section(&[2], Mime), Some("Content-Type: message/rfc822\r\n\r\n"));
        assert!(section(&[2], Header).is_some_and(|m| m.starts_with("Subject: in") && m.ends_with("=b\r\n\r\n")));
        assert!(section(&[2], Text).is_some_and(|m| m.starts_with("--b\r\n") && m.ends_with("--b--")));
        assert_eq!(section(&[2, 1], Whole), Some("two"));
        assert_eq!(section(&[2, 2], Whole), Some("three"));
        assert_eq!(section(&[2, 2], Mime), Some("Content-Type: text/html\r\n\r\n"));
        assert_eq!(section(&[2, 2, 1], Whole), None);
        assert_eq!(section(&[3, 1], Whole), Some("four"));
        assert_eq!(section(&[3, 1], Mime), Some("Subject: plain\r\n\r\n"));
        assert_eq!(section(&[3, 1, 1], Whole), None);
        assert_eq!(section(&[3, 2], Whole), None);
        assert_eq!(section(&[3], Text), Some("four"));
    }

    #[test]
    fn stored_form_comes_back() {
        let table = PartTable::of(&scan(MESSAGE.as_bytes()));
        let stored = table.encode();
        assert!(stored.len() < 100, "{}", stored.len());
        assert_eq!(PartTable::decode(&stored).as_ref(), Some(&table));
        let first = table.entries.get(1).unwrap();
        assert_eq!((first.encoding, first.charset.as_str(), first.is_text), (Encoding::Base64, "utf-8", true));
    }

    #[test]
    fn no_stored_form_breaks_it() {
        let stored = PartTable::of(&scan(MESSAGE.as_bytes())).encode();
        for n in 0..stored.len() {
            assert_eq!(PartTable::decode(&stored[..n]), None, "cut at {n}");
            for bit in 0..8 {
                let mut wrong = stored.clone();
                wrong[n] ^= 1 << bit;
                if let Some(table) = PartTable::decode(&wrong) {
                    for path in [&[][..], &[1], &[2, 1], &[3, 1], &[2, 2, 1, 1]] {
                        let _ = table.range(path, Section::Text);
                    }
                    for i in 0..table.entries.len() {
                        assert!(table.children(i).count() <= table.entries.len());
                    }
                }
            }
        }
    }

    #[test]
    fn encodings() {
        for (value, want) in [
            (None, Encoding::Identity),
            (Some("8BIT"), Encoding::Identity),
            (Some(" Base64 (c)"), Encoding::Base64),
            (Some("quoted-printable;"), Encoding::QuotedPrintable),
            (Some("x-uuencode"), Encoding::Unknown),
            (Some(""), Encoding::Identity),
        ] {
            assert_eq!(Encoding::parse(value.map(str::as_bytes)), want, "{value:?}");
        }
    }
}
