//! What octets hold that a hop may not take: found in one pass, in pieces of any size.

use memchr::{memchr, memchr2_iter};

use crate::base::limits::LINE_OCTETS_MAX;

/// A look at octets under way, and what it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Survey {
    /// An octet above 127.
    pub eight_bit: bool,
    /// A NUL.
    pub nul: bool,
    /// A line of over `LINE_OCTETS_MAX` octets, its end apart.
    pub long_line: bool,
    /// A CR or LF that is not half of a CRLF.
    pub bare_end: bool,
    /// Octets of the present line so far.
    column: usize,
    ended_in_cr: bool,
}

impl Survey {
    /// Looks at all of these.
    pub fn of(octets: &[u8]) -> Survey {
        let mut survey = Survey::default();
        survey.push(octets);
        survey.finish()
    }

    /// The next octets.
    pub fn push(&mut self, piece: &[u8]) {
        self.eight_bit |= !piece.is_ascii();
        self.nul |= memchr(0, piece).is_some();
        let mut from = 0;
        for at in memchr2_iter(b'\r', b'\n', piece) {
            let gap = at - from;
            self.bare_end |= gap > 0 && std::mem::take(&mut self.ended_in_cr);
            self.text(gap);
            if piece.get(at) == Some(&b'\r') {
                self.bare_end |= self.ended_in_cr;
                self.ended_in_cr = true;
            } else {
                self.bare_end |= !std::mem::take(&mut self.ended_in_cr);
                self.column = 0;
            }
            from = at + 1;
        }
        let rest = piece.len() - from;
        if rest > 0 {
            self.bare_end |= std::mem::take(&mut self.ended_in_cr);
            self.text(rest);
        }
    }

    /// There are no further octets.
    pub fn finish(mut self) -> Survey {
        self.bare_end |= self.ended_in_cr;
        self
    }

    /// Whether it may travel by DATA as it stands.
    pub fn is_lines(&self) -> bool {
        !self.nul && !self.long_line && !self.bare_end
    }

    fn text(&mut self, octets: usize) {
        self.column += octets;
        self.long_line |= self.column > LINE_OCTETS_MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_pieces() {
        let longest = "x".repeat(LINE_OCTETS_MAX);
        for (text, eight_bit, nul, long_line, bare_end) in [
            ("", false, false, false, false),
            ("a\r\nb", false, false, false, false),
            ("a\nb", false, false, false, true),
            ("a\rb\r\n", false, false, false, true),
            ("a\r\r\n", false, false, false, true),
            ("a\r", false, false, false, true),
            ("\r\n\r\n", false, false, false, false),
            ("\u{e4}\r\n", true, false, false, false),
            ("a\0\r\n", false, true, false, false),
            (&format!("{longest}\r\n{longest}"), false, false, false, false),
            (&format!("{longest}x\r\n"), false, false, true, false),
            (&format!("\r\n{longest}x"), false, false, true, false),
        ] {
            for size in [1, 2, 3, 500, 5_000] {
                let mut survey = Survey::default();
                text.as_bytes().chunks(size).for_each(|piece| survey.push(piece));
                let found = survey.finish();
                assert_eq!(
                    (found.eight_bit, found.nul, found.long_line, found.bare_end),
                    (eight_bit, nul, long_line, bare_end),
                    "{:?} by {size}",
                    text.get(..10)
                );
                assert_eq!(found.is_lines(), !(nul || long_line || bare_end));
            }
        }
    }
}
