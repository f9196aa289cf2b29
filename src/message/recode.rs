//! A message in a form that a hop takes: bodies of parts in another transfer encoding (RFC 2045 §6), domains in header
//! addresses as A-labels (RFC 5890).
//!
//! Only what the [`Goal`] forbids is changed, octet for octet the rest stays. A part is encoded as quoted-printable
//! where it is text of mostly ASCII, else as base64; parts of parts are gone through. Reads the message three times at
//! most, in pieces, and holds one of them; signatures over what is changed do not survive.

use std::io;

use super::header::{fields, find};
use super::mailbox_list;
use super::mime::{Decoder, quoted_printable_encode};
use super::scanner::{LINE_HEAD_OCTETS_MAX, Scanner};
use super::structure::{Part, PartKind, Structure};
use super::survey::Survey;
use super::table::Encoding;
use crate::base::base64;
use crate::base::limits::{CHUNK_OCTETS_MAX, HEADER_OCTETS_MAX};

/// What the octets must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Lines of at most `LINE_OCTETS_MAX` octets that end in CRLF, without NUL: for DATA (RFC 5321 §4.5.3.1.6).
    Lines,
    /// The same in ASCII: for hosts without 8BITMIME (RFC 6152 §3).
    SevenBit,
}

/// Why a message stays as it is.
#[derive(Debug)]
pub enum NotRecoded {
    /// A header that is not fit, or not found whole.
    Header,
    /// A part whose encoding is not known, or that may not be encoded (RFC 2045 §6.4).
    Part,
    /// It could not be read, or the result not written.
    Io(io::Error),
}

impl From<io::Error> for NotRecoded {
    fn from(e: io::Error) -> NotRecoded {
        NotRecoded::Io(e)
    }
}

/// Reads at an offset; fewer octets than asked only at the end.
pub type ReadAt<'a> = &'a dyn Fn(u64, &mut [u8]) -> io::Result<usize>;

/// Writes the message of `octets` octets that `read` gives to `sink`, as `goal` wants it.
pub fn recode(
    read: ReadAt<'_>,
    octets: u64,
    goal: Goal,
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), NotRecoded> {
    let mut scanner = Scanner::new();
    pieces(read, 0..octets, &mut |piece| {
        scanner.push(piece);
        Ok(())
    })?;
    Recoding { read, goal, sink }.run(&scanner.finish(), octets)
}

struct Recoding<'a, 'b> {
    read: ReadAt<'a>,
    goal: Goal,
    sink: &'b mut dyn FnMut(&[u8]) -> io::Result<()>,
}

impl Recoding<'_, '_> {
    fn run(&mut self, structure: &Structure, octets: u64) -> Result<(), NotRecoded> {
        let mut at = 0;
        for (place, part) in structure.parts.iter().enumerate() {
            self.between(at..part.header.start)?;
            let header = self.header(part)?;
            at = if part.kind == PartKind::Leaf {
                let survey = self.survey(part)?;
                if self.forbids(&survey) {
                    self.leaf(part, &header, &survey, place == 0)?;
                } else {
                    (self.sink)(&header)?;
                    pieces(self.read, part.body.clone(), self.sink)?;
                }
                part.body.end
            } else {
                let header = without_eight_bit_claim(&header, self.goal);
                (self.sink)(&header)?;
                part.header.end
            };
        }
        self.between(at..octets)
    }

    fn forbids(&self, survey: &Survey) -> bool {
        !survey.is_lines() || (self.goal == Goal::SevenBit && survey.eight_bit)
    }

    fn header(&self, part: &Part) -> Result<Vec<u8>, NotRecoded> {
        let header = part.header.clone();
        if header.end - header.start > HEADER_OCTETS_MAX as u64 {
            return Err(NotRecoded::Header);
        }
        let mut octets = Vec::new();
        pieces(self.read, header, &mut |piece| {
            octets.extend_from_slice(piece);
            Ok(())
        })?;
        if self.forbids(&Survey::of(&octets)) {
            return Err(NotRecoded::Header);
        }
        Ok(octets)
    }

    fn survey(&self, part: &Part) -> Result<Survey, NotRecoded> {
        let mut survey = Survey::default();
        pieces(self.read, part.body.clone(), &mut |piece| {
            survey.push(piece);
            Ok(())
        })?;
        Ok(survey.finish())
    }

    /// What stands between parts: delimiters, and text that nobody is shown.
    fn between(&mut self, range: std::ops::Range<u64>) -> Result<(), NotRecoded> {
        let mut survey = Survey::default();
        pieces(self.read, range.clone(), &mut |piece| {
            survey.push(piece);
            Ok(())
        })?;
        // The gap may begin with the line end of the part before it.
        if !self.forbids(&survey.finish()) {
            return Ok(pieces(self.read, range, self.sink)?);
        }
        let mut filler = Filler::new(self.goal == Goal::SevenBit);
        let sink = &mut *self.sink;
        pieces(self.read, range, &mut |piece| sink(&filler.push(piece)))?;
        Ok(sink(&filler.finish())?)
    }

    /// A part whose body is encoded anew.
    fn leaf(&mut self, part: &Part, header: &[u8], survey: &Survey, is_root: bool) -> Result<(), NotRecoded> {
        let is_composite =
            ["multipart", "message"].iter().any(|t| part.facts.media_type.eq_ignore_ascii_case(t.as_bytes()));
        let from = Encoding::parse(part.facts.encoding.as_deref());
        if is_composite || from == Encoding::Unknown {
            return Err(NotRecoded::Part);
        }
        let readable = part.facts.is_text() && from != Encoding::Base64 && self.is_mostly_ascii(part)?;
        let to = if readable { "quoted-printable" } else { "base64" };
        let is_typed = find(header, "Content-Type").is_some();
        let charset = if survey.eight_bit && from == Encoding::Identity { "utf-8" } else { "us-ascii" };
        let mut head: Vec<u8> = Vec::with_capacity(header.len() + 128);
        let kept = fields(header).filter(|field| !field.is("Content-Transfer-Encoding"));
        kept.for_each(|field| head.extend_from_slice(field.raw));
        if !head.is_empty() && !head.ends_with(b"\n") {
            head.extend_from_slice(b"\r\n");
        }
        if is_root && find(header, "MIME-Version").is_none() {
            head.extend_from_slice(b"MIME-Version: 1.0\r\n");
        }
        if !is_typed && part.facts.is_text() {
            head.extend_from_slice(format!("Content-Type: text/plain; charset={charset}\r\n").as_bytes());
        }
        head.extend_from_slice(format!("Content-Transfer-Encoding: {to}\r\n\r\n").as_bytes());
        (self.sink)(&head)?;
        let (mut decoder, mut encoder) = (Decoder::new(from), Encoder::new(readable, !is_root));
        let (sink, mut plain) = (&mut *self.sink, Vec::new());
        pieces(self.read, part.body.clone(), &mut |piece| {
            decoder.push(piece, &mut plain);
            encoder.push(&mut plain, sink)
        })?;
        decoder.finish(&mut plain);
        Ok(encoder.finish(plain, self.sink)?)
    }

    /// Whether quoted-printable is shorter than base64, or not much longer.
    fn is_mostly_ascii(&self, part: &Part) -> Result<bool, NotRecoded> {
        let mut eight_bit = 0;
        pieces(self.read, part.body.clone(), &mut |piece| {
            eight_bit += piece.iter().filter(|c| !c.is_ascii() || **c == 0).count() as u64;
            Ok(())
        })?;
        Ok(eight_bit * 5 <= part.body.end - part.body.start)
    }
}

/// Column at which text between parts is broken.
const FILLER_COLUMN: usize = 900;

/// Makes text between parts fit, in pieces: lines end in CRLF and are not too long, what is forbidden becomes `?`. No
/// line becomes a delimiter and none stops to be one: a line that is broken goes on behind a blank, a bare CR ends
/// none, and a line that begins like a delimiter and is changed gets a blank in front.
struct Filler {
    is_ascii: bool,
    column: usize,
    after_cr: bool,
    /// The beginning of the present line, as long as it can still be a delimiter.
    line: Vec<u8>,
    /// Whether something in `line` was changed.
    changed: bool,
}

impl Filler {
    fn new(is_ascii: bool) -> Filler {
        Filler { is_ascii, column: 0, after_cr: false, line: Vec::new(), changed: false }
    }

    fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len() + self.line.len());
        for c in piece {
            if std::mem::take(&mut self.after_cr) && *c != b'\n' {
                self.replace(&mut out);
            }
            match c {
                b'\r' => self.after_cr = true,
                b'\n' => {
                    self.let_go(&mut out);
                    out.extend_from_slice(b"\r\n");
                    self.column = 0;
                }
                0 => self.replace(&mut out),
                c if self.is_ascii && !c.is_ascii() => self.replace(&mut out),
                c => self.text(*c, &mut out),
            }
        }
        out
    }

    fn replace(&mut self, out: &mut Vec<u8>) {
        self.changed |= self.column <= LINE_HEAD_OCTETS_MAX;
        self.text(b'?', out);
    }

    fn text(&mut self, c: u8, out: &mut Vec<u8>) {
        if self.column == FILLER_COLUMN {
            out.extend_from_slice(b"\r\n ");
            self.column = 1;
        }
        self.column += 1;
        // Behind a break a line begins with a blank, and is let go of at once.
        if self.column > LINE_HEAD_OCTETS_MAX || (self.line.is_empty() && self.column > 1) {
            self.let_go(out);
            out.push(c);
        } else {
            self.line.push(c);
        }
    }

    /// Writes the beginning of the line.
    fn let_go(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.changed) && self.line.starts_with(b"--") {
            out.push(b' ');
        }
        out.append(&mut self.line);
    }

    fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if std::mem::take(&mut self.after_cr) {
            self.replace(&mut out);
        }
        self.let_go(&mut out);
        out
    }
}

/// A multipart's header: it may not say `8bit` or `binary` where nothing within is (RFC 2045 §6.4).
fn without_eight_bit_claim(header: &[u8], goal: Goal) -> Vec<u8> {
    let mut out = Vec::with_capacity(header.len());
    let mut end = 0;
    for field in fields(header) {
        end = field.range().end;
        let value = field.value().to_ascii_lowercase();
        let claims = field.is("Content-Transfer-Encoding") && (value == b"8bit" || value == b"binary");
        match goal {
            Goal::SevenBit if claims => {}
            Goal::Lines if claims && value == b"binary" => {
                out.extend_from_slice(b"Content-Transfer-Encoding: 8bit\r\n")
            }
            _ => out.extend_from_slice(field.raw),
        }
    }
    out.extend_from_slice(header.get(end..).unwrap_or_default());
    out
}

/// Encodes octets that come in pieces.
struct Encoder {
    is_quoted: bool,
    /// Whether a delimiter follows, whose line end is not the part's.
    is_inner: bool,
    held: Vec<u8>,
}

impl Encoder {
    /// Octets encoded at a time: whole lines of base64.
    const STEP: usize = 57 * 512;

    fn new(is_quoted: bool, is_inner: bool) -> Encoder {
        Encoder { is_quoted, is_inner, held: Vec::new() }
    }

    /// Takes all of `plain`.
    fn push(&mut self, plain: &mut Vec<u8>, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.held.append(plain);
        while self.held.len() > Encoder::STEP {
            let rest = if self.is_quoted {
                let near = self.held.get(..Encoder::STEP).unwrap_or_default();
                let whole = memchr::memmem::rfind(near, b"\r\n").map(|at| at + 2);
                // A CR may be half of a line end.
                let cut = whole.unwrap_or(Encoder::STEP - usize::from(near.ends_with(b"\r")));
                let rest = self.held.split_off(cut);
                sink(&quoted_printable_encode(&self.held))?;
                if whole.is_none() {
                    sink(b"=\r\n")?;
                }
                rest
            } else {
                let rest = self.held.split_off(Encoder::STEP);
                sink(&base64::lines(&self.held))?;
                rest
            };
            self.held = rest;
        }
        Ok(())
    }

    fn finish(mut self, mut plain: Vec<u8>, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.push(&mut plain, sink)?;
        if self.is_quoted {
            return sink(&quoted_printable_encode(&self.held));
        }
        let encoded = base64::lines(&self.held);
        sink(if self.is_inner { encoded.strip_suffix(b"\r\n").unwrap_or(&encoded) } else { &encoded })
    }
}

fn pieces(
    read: ReadAt<'_>,
    range: std::ops::Range<u64>,
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut at = range.start;
    let most = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(CHUNK_OCTETS_MAX);
    let mut piece = vec![0; CHUNK_OCTETS_MAX.min(most)];
    while at < range.end {
        let wanted = usize::try_from(range.end - at).unwrap_or(CHUNK_OCTETS_MAX).min(piece.len());
        let n = read(at, piece.get_mut(..wanted).unwrap_or_default())?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sink(piece.get(..n).unwrap_or_default())?;
        at += n as u64;
    }
    Ok(())
}

/// The header with domains of addresses as A-labels; `None` where that does not make it ASCII: then only a host with
/// SMTPUTF8 may be given the message (RFC 6531 §3.2).
pub fn ascii_header(header: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(header.len());
    let mut end = 0;
    for field in fields(header) {
        end = field.range().end;
        if field.raw.is_ascii() {
            out.extend_from_slice(field.raw);
            continue;
        }
        let body = field.raw.len() - field.body.len();
        let mut at = 0;
        for (range, domain) in mailbox_list::domains_beyond_ascii(field.body).ok()? {
            out.extend_from_slice(field.raw.get(at..body + range.start)?);
            out.extend_from_slice(domain.as_bytes());
            at = body + range.end;
        }
        out.extend_from_slice(field.raw.get(at..)?);
    }
    out.extend_from_slice(header.get(end..)?);
    out.is_ascii().then_some(out)
}

#[cfg(test)]
mod tests;
