//! Canonicalization (RFC 6376 §3.4): what of a message is signed, white space apart.

use memchr::{memchr, memchr2};
use openssl::sha::Sha256;

use super::BodyHash;

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
    out.reserve(value.len());
    let begin = out.len();
    let mut is_after_white = false;
    for octet in value.get(1..).unwrap_or_default() {
        if is_white(*octet) {
            is_after_white = true;
        } else if !is_blank(*octet) {
            if is_after_white && out.len() > begin {
                out.push(b' ');
            }
            is_after_white = false;
            out.push(*octet);
        }
    }
}

fn is_white(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// White space and what line ends are made of.
fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// Hashes a body in pieces, in canonical form (RFC 6376 §3.4.3, §3.4.4), up to a number of octets.
///
/// Only the blanks at either end of a piece wait for what comes next; between them, what is canonical as it stands is
/// hashed where it stands, so that the cost is that of the hash.
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

/// Short runs gathered before they are hashed together.
const GATHER_OCTETS: usize = 8 * 1024;
/// Runs from this length on are hashed where they stand.
const DIRECT_OCTETS: usize = 2 * 1024;
/// Octets looked at together for what the relaxed form changes.
const BLOCK_OCTETS: usize = 64;
/// Blocks looked at behind white space before it is searched for again.
const STRETCH_BLOCKS: usize = 16;

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
            gathered: Vec::new(),
        }
    }

    /// The next octets of the body.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let begin = piece.iter().position(|c| !is_blank(*c)).unwrap_or(piece.len());
        let end = piece.iter().rposition(|c| !is_blank(*c)).map_or(begin, |at| at + 1);
        let (before, rest) = piece.split_at_checked(begin).unwrap_or((piece, &[]));
        let (middle, behind) = rest.split_at_checked(end - begin).unwrap_or((rest, &[]));
        self.blanks(before);
        if !middle.is_empty() {
            self.release();
            match self.how {
                Canonicalization::Simple => self.emit(middle),
                Canonicalization::Relaxed => self.relaxed(middle),
            }
        }
        self.blanks(behind);
    }

    /// The hash, and what `l=` comes to.
    pub(crate) fn finish(mut self) -> BodyHash {
        if self.held_cr {
            self.release();
        }
        // One line end stands for all empty lines at the end, and for one that is missing; an empty body is a line
        // end in simple form and nothing in relaxed form. White space in front of it goes with it.
        if self.has_text || self.how == Canonicalization::Simple {
            self.emit(b"\r\n");
        }
        self.hash.update(&self.gathered);
        BodyHash { hash: self.hash.finish(), uncovered: self.beyond }
    }

    /// White space and line ends, of which it is not known what follows.
    fn blanks(&mut self, blanks: &[u8]) {
        for octet in blanks {
            match octet {
                b'\n' if self.held_cr => {
                    (self.held_cr, self.held_white) = (false, false);
                    self.held_lines += 1;
                }
                b'\r' => {
                    if self.held_cr {
                        self.release();
                    }
                    self.held_cr = true;
                }
                b' ' | b'\t' if self.how == Canonicalization::Relaxed => {
                    if self.held_cr {
                        self.release();
                    }
                    self.held_white = true;
                }
                // A bare line feed is text like any other, and so is white space in simple form.
                other => {
                    self.release();
                    self.emit(&[*other]);
                }
            }
        }
    }

    /// Text follows: what was held counts.
    fn release(&mut self) {
        for _ in 0..std::mem::take(&mut self.held_lines) {
            self.emit(b"\r\n");
        }
        if std::mem::take(&mut self.held_white) {
            self.emit(b" ");
        }
        if std::mem::take(&mut self.held_cr) {
            self.emit(b"\r");
        }
        self.has_text = true;
    }

    /// Octets that neither begin nor end with a blank, in relaxed form.
    fn relaxed(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some(at) = find_changed(rest) {
            let (same, white) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            self.emit(same);
            let end = white.iter().position(|c| !is_white(*c)).unwrap_or(white.len());
            rest = white.get(end..).unwrap_or_default();
            if !rest.starts_with(b"\r\n") {
                self.emit(b" ");
            }
        }
        self.emit(rest);
    }

    fn emit(&mut self, octets: &[u8]) {
        let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(octets.len());
        self.left -= take as u64;
        self.beyond += (octets.len() - take) as u64;
        let octets = octets.get(..take).unwrap_or_default();
        if octets.len() >= DIRECT_OCTETS || self.gathered.len() + octets.len() > GATHER_OCTETS {
            self.hash.update(&self.gathered);
            self.gathered.clear();
        }
        if octets.len() >= DIRECT_OCTETS {
            self.hash.update(octets);
        } else {
            self.gathered.extend_from_slice(octets);
        }
    }
}

/// Where white space begins that the relaxed form makes one space, or none: more than one, a tab, or any before a
/// line end. The text does not end with white space.
fn find_changed(text: &[u8]) -> Option<usize> {
    let mut begin = 0;
    loop {
        begin += memchr2(b' ', b'\t', text.get(begin..)?)?;
        for _ in 0..STRETCH_BLOCKS {
            match blocks(text, begin) {
                Some((ahead, behind)) if !any_changes(ahead, behind) => begin += BLOCK_OCTETS,
                _ => return first_changed(text, begin),
            }
        }
    }
}

/// The same, octet for octet from `begin` on.
fn first_changed(text: &[u8], begin: usize) -> Option<usize> {
    let mut pairs = text.get(begin..)?.windows(2);
    pairs.position(|pair| matches!(pair, [a, b] if changes(*a, *b) != 0)).map(|at| begin + at)
}

type Block = [u8; BLOCK_OCTETS];

/// The block at `begin`, and the one an octet further.
fn blocks(text: &[u8], begin: usize) -> Option<(&Block, &Block)> {
    let text = text.get(begin..)?;
    Some((text.first_chunk()?, text.get(1..)?.first_chunk()?))
}

/// Written without a branch, so that the compiler compares many octets at a time: most blocks change nothing. (By
/// number and not by iterator: the pairing of iterators is inlined in some builds only.)
#[allow(clippy::indexing_slicing, reason = "both blocks have the length that is counted to")]
fn any_changes(ahead: &Block, behind: &Block) -> bool {
    let mut any = 0;
    for i in 0..BLOCK_OCTETS {
        any |= changes(ahead[i], behind[i]);
    }
    any != 0
}

/// Not 0 where `a` with `b` behind it is white space that does not stay as it is.
#[inline]
fn changes(a: u8, b: u8) -> u8 {
    let before_blank = u8::from(b == b' ') | u8::from(b == b'\t') | u8::from(b == b'\r');
    u8::from(a == b'\t') | (u8::from(a == b' ') & before_blank)
}
