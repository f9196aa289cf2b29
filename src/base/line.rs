//! Framing of command lines: finds the end of a line under a cap, and skips one that is too long.
//!
//! Only CRLF ends a line (RFC 5321 §2.3.8). A bare LF gives a line too, marked as such, so that a person
//! with a terminal gets an answer instead of silence; the session refuses it.

use memchr::memchr;

use super::dialog::Input;

/// Octets kept of a line that is too long: enough to know its verb.
const BEGINNING_OCTETS: usize = 16;

/// Finds lines in an [`Input`].
#[derive(Debug)]
pub struct LineReader {
    octets_max: usize,
    scanned: usize,
    skipping: bool,
    /// The first octets of the last line that was too long.
    beginning: Vec<u8>,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framed {
    /// A line of `octets` without its ending; `taken` with it. The caller consumes `taken`.
    Line {
        /// Octets before the line ending.
        octets: usize,
        /// Octets to consume.
        taken: usize,
        /// Whether it ended in a bare LF.
        bare: bool,
    },
    /// Not all of it is there yet.
    More,
    /// A line longer than the cap came to its end and was consumed.
    TooLong,
}

impl LineReader {
    /// A reader of lines of at most `octets_max` octets, line ending included.
    pub fn new(octets_max: usize) -> Self {
        Self { octets_max, scanned: 0, skipping: false, beginning: Vec::new() }
    }

    /// Looks for the next line. Octets looked at once are not looked at again.
    pub fn next(&mut self, input: &mut Input) -> Framed {
        let unseen = input.peek().get(self.scanned..).unwrap_or_default();
        let Some(at) = memchr(b'\n', unseen) else {
            self.scanned = input.len();
            if self.skipping || self.scanned >= self.octets_max {
                // Nothing else of it will be used: the memory is given back before the line ends.
                self.note_beginning(input);
                self.skipping = true;
                self.scanned = 0;
                input.clear();
            }
            return Framed::More;
        };
        let taken = self.scanned + at + 1;
        self.scanned = 0;
        if self.skipping || taken > self.octets_max {
            self.note_beginning(input);
            self.skipping = false;
            input.consume(taken);
            return Framed::TooLong;
        }
        let line = input.peek().get(..taken - 1).unwrap_or_default();
        match line.strip_suffix(b"\r") {
            Some(line) => Framed::Line { octets: line.len(), taken, bare: false },
            None => Framed::Line { octets: line.len(), taken, bare: true },
        }
    }

    fn note_beginning(&mut self, input: &Input) {
        if !self.skipping {
            self.beginning = input.peek().iter().take(BEGINNING_OCTETS).copied().collect();
        }
    }

    /// The first octets, `BEGINNING_OCTETS` at most, of the last line that was too long.
    pub fn beginning(&self) -> &[u8] {
        &self.beginning
    }

    /// Forgets where it was: after TLS starts.
    pub fn reset(&mut self) {
        self.scanned = 0;
        self.skipping = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(octets: usize, taken: usize, bare: bool) -> Framed {
        Framed::Line { octets, taken, bare }
    }

    #[test]
    fn finds_line_ends() {
        let mut reader = LineReader::new(16);
        let mut input = Input::new();
        assert_eq!(reader.next(&mut input), Framed::More);
        input.push(b"NO");
        assert_eq!(reader.next(&mut input), Framed::More);
        input.push(b"OP\r");
        assert_eq!(reader.next(&mut input), Framed::More);
        input.push(b"\nQUIT\n\r\n");
        assert_eq!(reader.next(&mut input), line(4, 6, false));
        input.consume(6);
        assert_eq!(reader.next(&mut input), line(4, 5, true));
        input.consume(5);
        assert_eq!(reader.next(&mut input), line(0, 2, false));
        input.consume(2);
        assert!(input.is_empty());
    }

    #[test]
    fn the_cap_counts_the_line_ending() {
        for (n, fits) in [(13, true), (14, true), (15, false), (500, false)] {
            for at_once in [true, false] {
                let text = [vec![b'x'; n], b"\r\n".to_vec()].concat();
                let (mut reader, mut input) = (LineReader::new(16), Input::new());
                let mut framed = Framed::More;
                for piece in text.chunks(if at_once { text.len() } else { 1 }) {
                    assert_eq!(framed, Framed::More);
                    input.push(piece);
                    framed = reader.next(&mut input);
                    assert!(input.len() <= if at_once { n + 2 } else { 16 });
                }
                assert_eq!(framed, if fits { line(n, n + 2, false) } else { Framed::TooLong }, "{n} {at_once}");
                assert_eq!(input.is_empty(), !fits);
            }
        }
    }

    #[test]
    fn goes_on_after_a_long_line() {
        let (mut reader, mut input) = (LineReader::new(4), Input::new());
        input.push(b"abcdefgh");
        assert_eq!(reader.next(&mut input), Framed::More);
        input.push(b"ij\r\nok\r\n");
        assert_eq!(reader.next(&mut input), Framed::TooLong);
        assert_eq!(reader.beginning(), b"abcdefgh");
        assert_eq!(reader.next(&mut input), line(2, 4, false));
        input.consume(4);
        input.push(b"BDAT 1 x\r\n");
        assert_eq!(reader.next(&mut input), Framed::TooLong);
        assert_eq!(reader.beginning(), b"BDAT 1 x\r\n");
    }
}
