//! Canonicalization (RFC 6376 §3.4): what of a message is signed, white space apart.

use memchr::{memchr, memchr2};
use openssl::sha::Sha256;

/// How much a message may change on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Canonicalization {
    /// Hardly at all.
    Simple,
    /// White space may.
    Relaxed,
}

impl Canonicalization {
    /// `simple` or `relaxed`
    pub fn word(self) -> &'static str {
        match self {
            Canonicalization::Simple => "simple",
            Canonicalization::Relaxed => "relaxed",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Canonicalization> {
        match word {
            "simple" => Some(Canonicalization::Simple),
            "relaxed" => Some(Canonicalization::Relaxed),
            _ => None,
        }
    }
}

/// A field in relaxed form (RFC 6376 §3.4.2), without its line end.
pub(crate) fn relaxed_field(raw: &[u8], out: &mut Vec<u8>) {
    let colon = memchr(b':', raw).unwrap_or(raw.len());
    let (name, value) = raw.split_at_checked(colon).unwrap_or((raw, &[]));
    out.extend(name.trim_ascii().iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let begin = out.len();
    for octet in value.iter().skip(1) {
        match octet {
            b'\r' | b'\n' => {}
            b' ' | b'\t' => {
                if out.len() > begin && out.last() != Some(&b' ') {
                    out.push(b' ');
                }
            }
            other => out.push(*other),
        }
    }
    if out.len() > begin && out.last() == Some(&b' ') {
        out.pop();
    }
}

/// Hashes a body in pieces, in canonical form (RFC 6376 §3.4.3, §3.4.4), up to a number of octets.
pub(crate) struct BodyCanon {
    how: Canonicalization,
    hash: Sha256,
    /// Octets still to be hashed (`l=`).
    left: u64,
    /// Canonical octets beyond those.
    beyond: u64,
    /// Line ends not yet known to be followed by anything: the empty lines at the end do not count.
    held_lines: u64,
    /// White space not yet known to be followed by anything on its line (relaxed).
    held_white: bool,
    held_cr: bool,
    has_text: bool,
    gathered: Vec<u8>,
}

/// Canonical octets gathered before they are hashed.
const GATHER_OCTETS: usize = 16 * 1024;

impl BodyCanon {
    pub(crate) fn new(how: Canonicalization, octets_max: Option<u64>) -> BodyCanon {
        BodyCanon {
            how,
            hash: Sha256::new(),
            left: octets_max.unwrap_or(u64::MAX),
            beyond: 0,
            held_lines: 0,
            held_white: false,
            held_cr: false,
            has_text: false,
            gathered: Vec::with_capacity(GATHER_OCTETS),
        }
    }

    /// The next octets of the body.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some((first, behind)) = rest.split_first() {
            if std::mem::take(&mut self.held_cr) {
                if *first == b'\n' {
                    self.held_white = false;
                    self.held_lines += 1;
                    rest = behind;
                    continue;
                }
                self.text(b"\r");
            }
            let end = memchr(b'\r', rest);
            let (text, behind) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
            self.text(text);
            self.held_cr = end.is_some();
            rest = behind.get(1..).unwrap_or_default();
        }
    }

    /// The hash, and how many canonical octets it does not cover.
    pub(crate) fn finish(mut self) -> ([u8; 32], u64) {
        if std::mem::take(&mut self.held_cr) {
            self.text(b"\r");
        }
        // One line end stands for all empty lines at the end, and for one that is missing; an empty body is a line
        // end in simple form and nothing in relaxed form.
        if self.has_text || self.how == Canonicalization::Simple {
            self.emit(b"\r\n");
        }
        self.hash.update(&self.gathered);
        (self.hash.finish(), self.beyond)
    }

    /// Octets within a line.
    fn text(&mut self, text: &[u8]) {
        match self.how {
            Canonicalization::Simple => self.word(text),
            Canonicalization::Relaxed => {
                let mut rest = text;
                while !rest.is_empty() {
                    let white = memchr2(b' ', b'\t', rest);
                    let (word, behind) = rest.split_at_checked(white.unwrap_or(rest.len())).unwrap_or((rest, &[]));
                    self.word(word);
                    self.held_white |= white.is_some();
                    rest = behind.get(1..).unwrap_or_default();
                }
            }
        }
    }

    /// Octets that stand as they are, with what was held before them.
    fn word(&mut self, word: &[u8]) {
        if word.is_empty() {
            return;
        }
        for _ in 0..std::mem::take(&mut self.held_lines) {
            self.emit(b"\r\n");
        }
        if std::mem::take(&mut self.held_white) {
            self.emit(b" ");
        }
        self.has_text = true;
        self.emit(word);
    }

    fn emit(&mut self, octets: &[u8]) {
        let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(octets.len());
        self.left -= take as u64;
        self.beyond += (octets.len() - take) as u64;
        let octets = octets.get(..take).unwrap_or_default();
        if self.gathered.len() + octets.len() > GATHER_OCTETS {
            self.hash.update(&self.gathered);
            self.gathered.clear();
        }
        if octets.len() > GATHER_OCTETS {
            self.hash.update(octets);
        } else {
            self.gathered.extend_from_slice(octets);
        }
    }
}
