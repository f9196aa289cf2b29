//! A mail transaction (RFC 5321 §3.3): the envelope so far and the body so far. RSET drops one value.

use std::time::Duration;

use memchr::memchr2_iter;

use crate::base::Envelope;
use crate::base::envelope::BodyKind;
use crate::base::time::Mono;

/// What MAIL began.
#[derive(Debug, Default)]
pub struct Transaction {
    /// From and for whom.
    pub envelope: Envelope,
    /// How much of the body has come.
    pub body: Received,
    /// Whether BDAT has begun: no more recipients, no DATA (RFC 3030 §2).
    pub chunking: bool,
    /// For BDAT: the line ends seen.
    pub line_ends: LineEnds,
    /// For BDAT: whether any octet was above 127.
    pub eight_bit: bool,
    /// Whether a chunk was refused: nothing but RSET helps.
    pub failed: bool,
}

impl Transaction {
    /// A transaction with this envelope.
    pub fn new(envelope: Envelope) -> Self {
        Self { envelope, ..Self::default() }
    }
}

/// What came of a body until now; the octets themselves are handed on.
#[derive(Debug, Default)]
pub struct Received {
    /// Octets that came.
    pub octets: u64,
    /// Octets not handed on yet.
    pub chunk: Vec<u8>,
    /// Whether any were handed on.
    pub handed_on: bool,
}

/// How fast the data of a message comes: each octet wins a little time, but never more than one wait.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// When the time won so far is over.
    over: Mono,
    /// When the message must be complete.
    end: Mono,
}

impl Pace {
    /// Data begins at `now`, must be complete within `time`, and its first octets within `wait`.
    pub fn begin(now: Mono, wait: Duration, time: Duration) -> Self {
        Self { over: now + wait, end: now + time }
    }

    /// A chunk (RFC 3030) begins: the wait begins anew, the message's whole time does not.
    pub fn chunk(&mut self, now: Mono, wait: Duration) {
        self.over = now + wait;
    }

    /// Octets came: each wins the time one takes at `rate` octets a second; at rate 0 a whole wait is won.
    pub fn came(&mut self, octets: usize, now: Mono, wait: Duration, rate: u32) {
        let won = match rate {
            0 => wait,
            rate => Duration::from_secs_f64(octets as f64 / f64::from(rate)),
        };
        // What came late while nobody waited for it was held up by us.
        self.over = (self.over.max(now) + won).min(now + wait);
    }

    /// When the session gives up.
    pub fn deadline(&self) -> Mono {
        self.over.min(self.end)
    }
}

/// Looks for CR and LF that stand alone, across pieces.
#[derive(Debug, Default, Clone, Copy)]
pub struct LineEnds {
    cr: bool,
    bare: bool,
}

impl LineEnds {
    /// Looks at one more piece.
    pub fn look(&mut self, piece: &[u8]) {
        if self.bare || piece.is_empty() {
            return;
        }
        if self.cr && piece.first() != Some(&b'\n') {
            self.bare = true;
            return;
        }
        // `expected` is where the LF must stand that belongs to the CR before it.
        let mut expected = self.cr.then_some(0);
        for at in memchr2_iter(b'\r', b'\n', piece) {
            let is_cr = piece.get(at) == Some(&b'\r');
            if expected.is_some_and(|expected| expected != at) || is_cr == expected.is_some() {
                self.bare = true;
                return;
            }
            expected = is_cr.then_some(at + 1);
        }
        match expected {
            Some(at) if at < piece.len() => self.bare = true,
            pending => self.cr = pending.is_some(),
        }
    }

    /// Whether one was found; at the end of the message, a last CR too.
    pub fn found(&self, at_end: bool) -> bool {
        self.bare || (at_end && self.cr)
    }
}

/// The kind a body really is, whatever BODY= said: what is passed on must be told truly (RFC 6152 §3).
pub fn true_kind(declared: BodyKind, eight_bit: bool, bare_ends: bool) -> BodyKind {
    match declared {
        BodyKind::Binary => BodyKind::Binary,
        _ if bare_ends => BodyKind::Binary,
        BodyKind::SevenBit if eight_bit => BodyKind::EightBit,
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_line_ends_are_found_in_any_pieces() {
        for (text, bare) in [
            ("", false),
            ("a\r\nb\r\n", false),
            ("\r\n\r\n", false),
            ("no end", false),
            ("a\nb", true),
            ("\n", true),
            ("a\rb", true),
            ("a\r\r\n", true),
            ("a\r\n\n", true),
            ("a\r", true),
            ("\r\n\r", true),
        ] {
            for n in 1..=text.len().max(1) {
                let mut ends = LineEnds::default();
                for piece in text.as_bytes().chunks(n) {
                    ends.look(piece);
                }
                assert_eq!(ends.found(true), bare, "{text:?} by {n}");
            }
        }
    }

    #[test]
    fn kinds_are_told_truly() {
        use BodyKind::{Binary, EightBit, SevenBit};
        assert_eq!(true_kind(SevenBit, false, false), SevenBit);
        assert_eq!(true_kind(SevenBit, true, false), EightBit);
        assert_eq!(true_kind(EightBit, false, false), EightBit);
        assert_eq!(true_kind(EightBit, true, true), Binary);
        assert_eq!(true_kind(Binary, false, false), Binary);
    }
}
