//! Header fields as they stand, over octets: where each begins and ends, folding and broken lines included.
//!
//! Nothing is refused. A line that is no field (no colon, a space in the name, mbox's `From `) comes as a field
//! with an empty name, so that what is read adds up to what was received, octet for octet.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

/// One field of a header, with the lines folded onto it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Name as it was spelled; empty for a line that is no field.
    pub name: &'a [u8],
    /// The whole field with all its line ends.
    pub raw: &'a [u8],
    /// What follows the colon, folding and final line end included.
    pub body: &'a [u8],
    /// Where `raw` begins in the header.
    pub at: usize,
}

impl<'a> Field<'a> {
    /// Whether the field has this name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value on one line: line ends taken out (RFC 5322 §2.2.3), white space around it trimmed.
    pub fn value(&self) -> Cow<'a, [u8]> {
        unfold(self.body)
    }

    /// Where the field stands in the header.
    pub fn range(&self) -> Range<usize> {
        self.at..self.at + self.raw.len()
    }
}

/// The fields of a header in order. Stops at the empty line, or at the end.
pub fn fields(header: &[u8]) -> Fields<'_> {
    Fields { rest: header, at: 0 }
}

/// Iterator of [`fields`].
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.rest.is_empty() || is_line_end(self.rest) {
            return None;
        }
        let mut end = line_len(self.rest);
        while let Some(b' ' | b'\t') = self.rest.get(end) {
            end += line_len(self.rest.get(end..).unwrap_or_default());
        }
        let (raw, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        let (name, body) = split(raw);
        let field = Field { name, raw, body, at: self.at };
        self.at += end;
        self.rest = rest;
        Some(field)
    }
}

/// The first field of this name.
pub fn find<'a>(header: &'a [u8], name: &str) -> Option<Field<'a>> {
    fields(header).find(|field| field.is(name))
}

/// Octets of the header at the start of `octets`, its empty line included; `None` where the empty line is not there.
pub fn header_len(octets: &[u8]) -> Option<usize> {
    let mut end = HeaderEnd::default();
    let taken = end.take(octets);
    end.is_found().then_some(taken)
}

/// The header with its empty line, and the body; without an empty line all is header.
pub fn split_entity(octets: &[u8]) -> (&[u8], &[u8]) {
    octets.split_at_checked(header_len(octets).unwrap_or(octets.len())).unwrap_or((octets, &[]))
}

/// Finds the empty line at the end of a header that comes in pieces of any size.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeaderEnd(Line);

/// What there is of the present line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Nothing,
    Cr,
    Text,
    /// It was the empty one.
    Found,
}

impl HeaderEnd {
    /// Octets of the next piece that belong to the header, its empty line included.
    pub fn take(&mut self, piece: &[u8]) -> usize {
        let mut rest = piece;
        while self.0 != Line::Found
            && let Some((first, behind)) = rest.split_first()
        {
            (self.0, rest) = match (self.0, first) {
                (Line::Nothing | Line::Cr, b'\n') => (Line::Found, behind),
                (Line::Nothing, b'\r') => (Line::Cr, behind),
                _ => match memchr(b'\n', rest) {
                    Some(at) => (Line::Nothing, rest.get(at + 1..).unwrap_or_default()),
                    None => (Line::Text, &[][..]),
                },
            };
        }
        piece.len() - rest.len()
    }

    /// Whether the empty line was found: what comes next is the body.
    pub fn is_found(&self) -> bool {
        self.0 == Line::Found
    }
}

/// Takes the line ends out of a folded value and trims it.
pub fn unfold(body: &[u8]) -> Cow<'_, [u8]> {
    let body = trim(body);
    if !body.iter().any(|c| matches!(c, b'\r' | b'\n')) {
        return Cow::Borrowed(body);
    }
    Cow::Owned(body.iter().copied().filter(|c| !matches!(c, b'\r' | b'\n')).collect())
}

/// Without the white space and line ends around it.
pub fn trim(octets: &[u8]) -> &[u8] {
    octets.trim_ascii()
}

/// Length of the first line with its line end.
fn line_len(octets: &[u8]) -> usize {
    memchr(b'\n', octets).map_or(octets.len(), |n| n + 1)
}

/// Whether an empty line stands at the start.
fn is_line_end(octets: &[u8]) -> bool {
    octets.starts_with(b"\r\n") || octets.starts_with(b"\n")
}

/// The name of the field that begins with this line, or with this beginning of one; empty where it is no field.
pub fn name_of(line: &[u8]) -> &[u8] {
    split(line).0
}

/// Name and body of a field; white space in front of the colon is obsolete syntax (RFC 5322 §4.5.3).
fn split(raw: &[u8]) -> (&[u8], &[u8]) {
    let Some((name, body)) = memchr(b':', raw).and_then(|n| raw.split_at_checked(n)) else {
        return (&[], raw);
    };
    let name = name.trim_ascii_end();
    if name.is_empty() || !name.iter().all(|c| (33..=126).contains(c)) {
        return (&[], raw);
    }
    (name, body.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_folding_and_rubbish() {
        let header = b"From a@b Mon\r\nSubject : one\r\n two\r\n\tthree\r\n\
            no colon\nX:\r\n : y\r\nbad name: z\r\n\r\nBody: no\r\n";
        let got: Vec<(String, String)> = fields(header)
            .map(|f| (String::from_utf8_lossy(f.name).into(), String::from_utf8_lossy(&f.value()).into()))
            .collect();
        let want =
            [("", "From a@b Mon"), ("Subject", "one two\tthree"), ("", "no colon"), ("X", ": y"), ("", "bad name: z")];
        assert_eq!(got, want.map(|(a, b)| (a.to_owned(), b.to_owned())));
        let together: Vec<u8> = fields(header).flat_map(|f| f.raw.to_vec()).collect();
        assert!(header.starts_with(&together));
        assert_eq!(header_len(header), Some(together.len() + 2));
        assert!(fields(header).all(|f| header.get(f.range()) == Some(f.raw)));
    }

    #[test]
    fn finds_the_end_of_the_header() {
        for (text, len) in [
            ("", None),
            ("A: b\r\n", None),
            ("A: b\r\n\r\n", Some(8)),
            ("\r\nA", Some(2)),
            ("A: b\n\nB", Some(6)),
            ("A: b\r\n \r\n\r\n", Some(11)),
            ("A: b\r\n\r\r\n\rx\n\r\nB", Some(14)),
        ] {
            assert_eq!(header_len(text.as_bytes()), len, "{text:?}");
            for size in 1..=text.len() {
                let mut end = HeaderEnd::default();
                let taken: usize = text.as_bytes().chunks(size).map(|piece| end.take(piece)).sum();
                assert_eq!((taken, end.is_found()), (len.unwrap_or(text.len()), len.is_some()), "{text:?} by {size}");
            }
            let (header, body) = split_entity(text.as_bytes());
            assert_eq!((header.len(), header.len() + body.len()), (len.unwrap_or(text.len()), text.len()));
        }
    }
}
