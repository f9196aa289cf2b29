//! Takes a message apart while it passes by: pieces in, a [`Structure`] out.
//!
//! One look at each line, no matter how the pieces fall; what is kept is bounded by `HEADER_OCTETS_MAX` and
//! `HEADER_LISTS_OCTETS_MAX` (of the fields that something is made of, wherever in the header they stand),
//! `MIME_PARTS_MAX`, `MIME_NESTING_MAX` and `MIME_FACTS_OCTETS_MAX`, whatever the message's size. Every octet string
//! is a message: a multipart without boundary is plain text, one that never ends ends with what is around it,
//! a boundary of an outer part ends all parts within, bare LF ends a line as CRLF does.

use memchr::memchr;

use super::structure::{Budget, FieldLimit, Part, PartKind, Structure, field_limit, read_header};
use crate::base::limits::{
    HEADER_LISTS_OCTETS_MAX, HEADER_OCTETS_MAX, MIME_BOUNDARY_OCTETS_MAX, MIME_NESTING_MAX, MIME_PARTS_MAX,
};

/// Octets of the longest line that can be a delimiter: dashes, boundary, dashes, some padding.
pub(super) const LINE_HEAD_OCTETS_MAX: usize = MIME_BOUNDARY_OCTETS_MAX + 64;

/// Describes a message held in one piece.
pub fn scan(message: &[u8]) -> Structure {
    let mut scanner = Scanner::new();
    scanner.push(message);
    scanner.finish()
}

/// Describes a message that comes in pieces.
pub struct Scanner {
    parts: Vec<Part>,
    /// Parts begun and not ended, the message itself first.
    open: Vec<Open>,
    /// Of the innermost open part, while its header is read.
    header: Option<Header>,
    /// What the next header is read into.
    spare: Vec<u8>,
    /// How many of `open` have a boundary that still counts.
    boundaries: usize,
    /// Where the present line begins.
    at: u64,
    /// Line ends before it.
    line_ends: u64,
    /// Octets of the line end just before it; 0 at the start.
    last_end: u64,
    held: Held,
    budget: Budget,
}

/// A header being read: the fields that something is made of.
struct Header {
    text: Vec<u8>,
    /// Octets of address lists in it.
    lists: usize,
    /// Octets of other fields in it.
    others: usize,
    /// Where the present field is counted.
    limit: FieldLimit,
}

impl Header {
    fn new(text: Vec<u8>) -> Header {
        Header { text, lists: 0, others: 0, limit: FieldLimit::NotKept }
    }

    /// A line of which `head` is the beginning, or all. What goes over the limit is cut off, so that a long list of
    /// recipients does not hide the fields behind it.
    fn line(&mut self, head: &[u8]) {
        if !matches!(head.first(), Some(b' ' | b'\t')) {
            self.limit = field_limit(head);
        }
        let (used, most) = match self.limit {
            FieldLimit::NotKept => return,
            FieldLimit::Lists => (&mut self.lists, HEADER_LISTS_OCTETS_MAX),
            FieldLimit::Others => (&mut self.others, HEADER_OCTETS_MAX),
        };
        let n = most.saturating_sub(*used).min(head.len());
        *used += n;
        self.text.extend_from_slice(head.get(..n).unwrap_or_default());
        if n < head.len() && n > 0 {
            self.text.extend_from_slice(b"\r\n");
        }
    }
}

/// The beginning of a line whose end has not come yet.
#[derive(Default)]
struct Held {
    head: Vec<u8>,
    octets: u64,
    last: u8,
}

struct Open {
    part: usize,
    /// Line ends before its body.
    line_ends: u64,
    /// Empty where it has none, or once its closing delimiter has come.
    boundary: Vec<u8>,
    is_digest: bool,
}

enum Delimiter {
    Next(usize),
    Close(usize),
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// A scanner at the first octet of a message.
    pub fn new() -> Scanner {
        let mut scanner = Scanner {
            parts: Vec::new(),
            open: Vec::new(),
            header: None,
            spare: Vec::with_capacity(2 * 1024),
            boundaries: 0,
            at: 0,
            line_ends: 0,
            last_end: 0,
            held: Held::default(),
            budget: Budget::new(),
        };
        scanner.begin_part(0, true);
        scanner
    }

    /// The next octets of the message.
    pub fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(n) = memchr(b'\n', rest) {
            let Some((line, behind)) = rest.split_at_checked(n + 1) else { return };
            rest = behind;
            if self.held.octets == 0 {
                let end = if line.ends_with(b"\r\n") { 2 } else { 1 };
                self.line(line, line.len() as u64, end);
            } else {
                let cr = line.get(n.wrapping_sub(1)).copied().unwrap_or(self.held.last) == b'\r';
                self.hold(line);
                self.held_line(if cr { 2 } else { 1 });
            }
        }
        self.hold(rest);
    }

    /// The end of the message.
    pub fn finish(mut self) -> Structure {
        if self.held.octets > 0 {
            self.held_line(0);
        }
        self.finish_headers();
        self.close_down_to(0, self.at, 0);
        Structure { parts: self.parts }
    }

    fn hold(&mut self, piece: &[u8]) {
        let Some(last) = piece.last() else { return };
        let room = match &self.header {
            Some(_) => HEADER_LISTS_OCTETS_MAX.max(HEADER_OCTETS_MAX),
            None => LINE_HEAD_OCTETS_MAX,
        };
        let n = room.saturating_sub(self.held.head.len()).min(piece.len());
        self.held.head.extend_from_slice(piece.get(..n).unwrap_or_default());
        self.held.octets += piece.len() as u64;
        self.held.last = *last;
    }

    fn held_line(&mut self, end: u64) {
        let held = std::mem::take(&mut self.held);
        self.line(&held.head, held.octets, end);
        self.held.head = held.head;
        self.held.head.clear();
    }

    /// A line of `octets` octets, `end` of them its line end; `head` is its beginning, or all of it.
    fn line(&mut self, head: &[u8], octets: u64, end: u64) {
        if self.boundaries > 0
            && head.starts_with(b"--")
            && octets <= LINE_HEAD_OCTETS_MAX as u64
            && let Some(delimiter) = self.delimiter(head)
        {
            self.part_ends(&delimiter);
            self.pass(octets, end);
            if let Delimiter::Next(level) = delimiter {
                let in_digest = self.open.get(level).is_some_and(|open| open.is_digest);
                self.begin_part(self.at, false);
                if let Some(open) = self.open.last_mut() {
                    open.is_digest = in_digest;
                }
            }
            return;
        }
        let is_empty = octets == end;
        if let Some(header) = &mut self.header {
            if !is_empty {
                header.line(head);
            }
            self.pass(octets, end);
            if is_empty {
                self.finish_header();
            }
        } else {
            self.pass(octets, end);
        }
    }

    fn pass(&mut self, octets: u64, end: u64) {
        self.at += octets;
        self.line_ends += u64::from(end > 0);
        self.last_end = end;
    }

    /// Which open part a line beginning with `--` delimits, the innermost first. Behind the boundary stand spaces and
    /// tabs only (RFC 2046 §5.1.1, `transport-padding`): a line with anything else there is text.
    fn delimiter(&self, line: &[u8]) -> Option<Delimiter> {
        // A CR is a line end's only before LF, also in the last line.
        let line = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        let padding = line.iter().rev().take_while(|c| matches!(c, b' ' | b'\t')).count();
        let text = line.get(2..line.len() - padding)?;
        for (level, open) in self.open.iter().enumerate().rev() {
            if open.boundary.is_empty() {
                continue;
            }
            match text.strip_prefix(open.boundary.as_slice()) {
                Some(b"") if self.parts.len() < MIME_PARTS_MAX => return Some(Delimiter::Next(level)),
                Some(b"--") => return Some(Delimiter::Close(level)),
                _ => {}
            }
        }
        None
    }

    /// Ends what is open within the delimited part; its last line end belongs to the delimiter.
    fn part_ends(&mut self, delimiter: &Delimiter) {
        self.finish_headers();
        let (Delimiter::Next(level) | Delimiter::Close(level)) = *delimiter;
        self.close_down_to(level + 1, self.at - self.last_end, u64::from(self.last_end > 0));
        if let (Delimiter::Close(_), Some(open)) = (delimiter, self.open.get_mut(level)) {
            open.boundary.clear();
            self.boundaries -= 1;
        }
    }

    /// Ends open parts until `level` are left: their bodies end at `end`, `too_many` line ends before here. A part
    /// directly in a multipart keeps its whole header, even where a boundary follows at once; those inside it
    /// keep to its body.
    fn close_down_to(&mut self, level: usize, end: u64, too_many: u64) {
        let count = self.parts.len();
        let outermost = self.open.get(level).and_then(|open| self.parts.get(open.part));
        let limit = end.max(outermost.map_or(0, |part| part.body.start));
        while self.open.len() > level {
            let is_outermost = self.open.len() == level + 1;
            let Some(open) = self.open.pop() else { return };
            self.boundaries -= usize::from(!open.boundary.is_empty());
            let Some(part) = self.parts.get_mut(open.part) else { return };
            if !is_outermost {
                part.header = part.header.start.min(limit)..part.header.end.min(limit);
                part.body.start = part.body.start.min(limit);
            }
            part.end = count;
            part.body.end = limit;
            part.lines = if part.body.is_empty() { 0 } else { self.line_ends - too_many - open.line_ends };
        }
    }

    /// A part whose header begins at `at`.
    fn begin_part(&mut self, at: u64, is_message: bool) {
        self.open.push(Open { part: self.parts.len(), line_ends: 0, boundary: Vec::new(), is_digest: false });
        self.parts.push(Part {
            depth: self.open.len() - 1,
            header: at..at,
            body: at..at,
            envelope: is_message.then(Box::default),
            ..Part::default()
        });
        self.header = Some(Header::new(std::mem::take(&mut self.spare)));
    }

    /// Ends headers that something cut short before their empty line.
    fn finish_headers(&mut self) {
        while self.header.is_some() {
            self.finish_header();
        }
    }

    /// The innermost part's header ends here; its body begins.
    fn finish_header(&mut self) {
        let header = self.header.take().map(|header| header.text).unwrap_or_default();
        let has_room = self.parts.len() < MIME_PARTS_MAX;
        let (Some(open), Some(part)) = (self.open.last_mut(), self.parts.last_mut()) else { return };
        let in_digest = std::mem::take(&mut open.is_digest);
        let (facts, envelope) = read_header(&header, part.envelope.is_some(), in_digest, &mut self.budget);
        self.spare = header;
        self.spare.clear();
        part.header.end = self.at;
        part.body = self.at..self.at;
        part.facts = facts;
        part.envelope = envelope;
        open.line_ends = self.line_ends;
        let facts = &mut part.facts;
        if facts.media_type.eq_ignore_ascii_case(b"multipart") {
            let boundary = facts.parameter("boundary").unwrap_or_default().trim_ascii_end();
            if boundary.is_empty() || boundary.len() > MIME_BOUNDARY_OCTETS_MAX {
                facts.make_opaque("text", "plain");
            } else if part.depth >= MIME_NESTING_MAX {
                facts.make_opaque("application", "octet-stream");
            } else {
                open.boundary = boundary.to_vec();
                open.is_digest = facts.subtype.eq_ignore_ascii_case(b"digest");
                self.boundaries += 1;
                part.kind = PartKind::Multipart;
            }
        } else if facts.is("message", "rfc822") || facts.is("message", "global") {
            if part.depth >= MIME_NESTING_MAX || !has_room {
                facts.make_opaque("application", "octet-stream");
            } else {
                part.kind = PartKind::Message;
                self.begin_part(self.at, true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line for each part: depth, type, header, body, lines.
    fn shown(structure: &Structure) -> Vec<String> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let line = |p: &Part| {
            let kind = format!("{}/{}", text(&p.facts.media_type), text(&p.facts.subtype));
            format!("{} {kind} {:?} {:?} {}", p.depth, p.header, p.body, p.lines)
        };
        structure.parts.iter().map(line).collect()
    }

    fn parts(message: &str) -> Vec<String> {
        let whole = scan(message.as_bytes());
        for size in [1, 2, 3, 7, 64] {
            let mut scanner = Scanner::new();
            message.as_bytes().chunks(size).for_each(|piece| scanner.push(piece));
            assert_eq!(scanner.finish(), whole, "in pieces of {size}");
        }
        shown(&whole)
    }

    #[test]
    fn plain_messages() {
        assert_eq!(parts(""), ["0 text/plain 0..0 0..0 0"]);
        assert_eq!(parts("A: b\r\n"), ["0 text/plain 0..6 6..6 0"]);
        assert_eq!(parts("A: b\r\n\r\none\r\ntwo"), ["0 text/plain 0..8 8..16 1"]);
        assert_eq!(parts("\r\nbody\r\n"), ["0 text/plain 0..2 2..8 1"]);
        assert_eq!(parts("A: b\n\none\ntwo\n"), ["0 text/plain 0..6 6..14 2"]);
    }

    #[test]
    fn a_multipart() {
        let message = "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n\
                       --b\r\n\r\none\r\n--b  \r\nContent-Type: a/b\r\n\r\n\
                       two\r\n\r\n--b--\r\nepilogue --b\r\n--b\r\n";
        assert_eq!(
            parts(message),
            ["0 multipart/mixed 0..45 45..123 12", "1 text/plain 55..57 57..60 0", "1 a/b 69..90 90..95 1"]
        );
        let bare = message.replace('\r', "");
        assert_eq!(
            parts(&bare),
            ["0 multipart/mixed 0..43 43..109 12", "1 text/plain 51..52 52..55 0", "1 a/b 62..81 81..85 1"]
        );
    }

    #[test]
    fn lines_with_text_behind_the_boundary_are_text() {
        let parts_of = |line: &str| {
            let message =
                format!("Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\n\r\none\r\n{line}\r\ntwo\r\n--b--\r\n");
            parts(&message).len()
        };
        let long = format!("--b{}", " ".repeat(LINE_HEAD_OCTETS_MAX));
        let fits = format!("--b{}", " ".repeat(LINE_HEAD_OCTETS_MAX - 5));
        for (line, count) in [
            ("--b", 3),
            ("--b \t", 3),
            (&fits, 3),
            (&long, 2),
            ("--b\r", 2),
            ("--b\x0c", 2),
            ("--bb", 2),
            ("--b text", 2),
            ("--b-", 2),
            (" --b", 2),
        ] {
            assert_eq!(parts_of(line), count, "{line:?}");
        }
    }

    #[test]
    fn broken_multiparts() {
        // Never ended; inner one ended by the outer boundary; header cut short by a boundary.
        let message = "Content-Type: multipart/x; boundary=\"o\"\n\n--o\n\
                       Content-Type: multipart/y; boundary=oo\n\n--oo\n\nA\n--o\n\
                       X: y\n--o\n\nlast\n";
        assert_eq!(
            parts(message),
            [
                "0 multipart/x 0..41 41..112 11",
                "1 multipart/y 45..85 85..92 2",
                "2 text/plain 90..91 91..92 0",
                "1 text/plain 97..102 102..102 0",
                "1 text/plain 106..107 107..112 1"
            ]
        );
        assert_eq!(
            parts("Content-Type: multipart/x\r\n\r\n--\r\nA\r\n"),
            ["0 text/plain 0..29 29..36 2"],
            "no boundary"
        );
        assert_eq!(parts("Content-Type: multipart/x; boundary=b\n\nnone"), ["0 multipart/x 0..39 39..43 0"]);
    }

    #[test]
    fn messages_within() {
        let message = "Content-Type: message/rfc822\n\nSubject: in\n\
                       Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: deep\n\nhi\n--d--\n";
        let structure = scan(message.as_bytes());
        assert_eq!(
            parts(message),
            [
                "0 message/rfc822 0..30 30..115 9",
                "1 multipart/digest 30..86 86..115 6",
                "2 message/rfc822 90..91 91..108 2",
                "3 text/plain 91..106 106..108 0"
            ]
        );
        let subjects: Vec<_> =
            structure.parts.iter().map(|p| p.envelope.as_ref().and_then(|e| e.subject.clone())).collect();
        assert_eq!(subjects, [None, Some(b"in".to_vec()), None, Some(b"deep".to_vec())]);
        assert_eq!(
            parts("Content-Type: multipart/digest; boundary=d\n\n--d\n--d--"),
            ["0 multipart/digest 0..44 44..53 1", "1 message/rfc822 48..48 48..48 0", "2 text/plain 48..48 48..48 0"],
            "a message part always has a message"
        );
    }

    #[test]
    fn nesting_at_the_limit() {
        let depth = |n: usize| {
            let mut message = String::new();
            for i in 0..n {
                message += &format!("Content-Type: multipart/mixed; boundary=x{i}x\n\n--x{i}x\n");
            }
            let structure = scan(message.as_bytes());
            (structure.parts.len(), structure.parts.last().map(|p| p.facts.is("text", "plain")))
        };
        assert_eq!(depth(MIME_NESTING_MAX - 1), (MIME_NESTING_MAX, Some(true)));
        assert_eq!(depth(MIME_NESTING_MAX), (MIME_NESTING_MAX + 1, Some(true)));
        assert_eq!(depth(MIME_NESTING_MAX + 1), (MIME_NESTING_MAX + 1, Some(false)));
        let messages = "Content-Type: message/rfc822\n\n".repeat(MIME_NESTING_MAX + 9);
        assert_eq!(scan(messages.as_bytes()).parts.len(), MIME_NESTING_MAX + 1);
    }

    #[test]
    fn parts_at_the_limit() {
        let count = |n: usize| {
            let message = format!("Content-Type: multipart/x; boundary=b\n\n{}--b--\nend", "--b\n\nA\n".repeat(n));
            let structure = scan(message.as_bytes());
            (structure.parts.len(), structure.parts.last().map(|p| p.lines))
        };
        // The message itself counts.
        assert_eq!(count(MIME_PARTS_MAX - 2), (MIME_PARTS_MAX - 1, Some(0)));
        assert_eq!(count(MIME_PARTS_MAX - 1), (MIME_PARTS_MAX, Some(0)));
        assert_eq!(count(MIME_PARTS_MAX), (MIME_PARTS_MAX, Some(3)), "further ones belong to the last");
    }

    #[test]
    fn long_headers_and_lines() {
        let header = |n: usize| format!("X: {}\r\nSubject: s\r\n\r\nbody", "x".repeat(n));
        let envelope = |message: &str| scan(message.as_bytes()).parts.first().and_then(|p| p.envelope.clone()).unwrap();
        let subject = |message: &str| envelope(message).subject;
        assert_eq!(subject(&header(4 * HEADER_OCTETS_MAX)), Some(b"s".to_vec()));
        // Fields are found behind long lists, in one line or in many, and behind many others; lists are cut.
        let people = "<a@b>,".repeat(HEADER_LISTS_OCTETS_MAX / 6);
        for long in [format!("To: {people}"), format!("To: a@b{}", ",\r\n c@d".repeat(HEADER_LISTS_OCTETS_MAX / 5))] {
            let found = envelope(&format!("{long}\r\nCc: x@y\r\nSubject: s\r\n\r\nbody"));
            assert_eq!((found.subject.as_deref(), found.cc), (Some(&b"s"[..]), None));
            assert!(found.to.is_some_and(|to| to.len() > HEADER_LISTS_OCTETS_MAX / 2));
        }
        let many = "X-One: of many\r\n".repeat(4 * HEADER_OCTETS_MAX / 16);
        assert_eq!(subject(&format!("{many}Subject: s\r\n\r\nbody")), Some(b"s".to_vec()));
        let fits = HEADER_OCTETS_MAX - "Subject: \r\n".len();
        let long = |n: usize| subject(&format!("Subject: {}\r\n\r\n", "x".repeat(n))).map(|subject| subject.len());
        assert_eq!((long(fits), long(fits + 9)), (Some(fits), Some(fits + 2)));
        let message = header(2 * HEADER_OCTETS_MAX);
        assert_eq!(parts(&message).len(), 1);
        assert_eq!(scan(message.as_bytes()).parts.first().map(|p| p.body.end - p.body.start), Some(4));
        let boundary = |n: usize| {
            let b = "b".repeat(n);
            scan(format!("Content-Type: multipart/x; boundary={b}\n\n--{b}\n\nA\n--{b}--\n").as_bytes()).parts.len()
        };
        assert_eq!(boundary(MIME_BOUNDARY_OCTETS_MAX), 2);
        assert_eq!(boundary(MIME_BOUNDARY_OCTETS_MAX + 1), 1);
    }
}
