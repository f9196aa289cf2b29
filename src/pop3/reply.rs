//! What a server says: status lines, lines of replies, and the excerpt that TOP shows.

use memchr::memchr;

use crate::message::header::HeaderEnd;

/// `+OK text`
pub fn ok(output: &mut Vec<u8>, text: &str) {
    line(output, &["+OK ", text]);
}

/// `-ERR text`; `text` begins with a response code (RFC 2449 §8) where there is one.
pub fn err(output: &mut Vec<u8>, text: &str) {
    line(output, &["-ERR ", text]);
}

/// A line of a multi-line reply that cannot begin with a dot, or a continuation.
pub fn line(output: &mut Vec<u8>, words: &[&str]) {
    for word in words {
        output.extend_from_slice(word.as_bytes());
    }
    output.extend_from_slice(b"\r\n");
}

/// Cuts a message for TOP: its header, the empty line, so many lines of its body. Works in pieces.
#[derive(Debug)]
pub struct Excerpt {
    header: HeaderEnd,
    lines_left: u64,
}

impl Excerpt {
    /// The header and `lines` lines of the body.
    pub fn new(lines: u64) -> Excerpt {
        Excerpt { header: HeaderEnd::default(), lines_left: lines }
    }

    /// How much of the next piece belongs to it; with the last of it, [`Excerpt::is_over`].
    pub fn take<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let mut taken = self.header.take(piece);
        while self.header.is_found() && self.lines_left > 0 {
            let rest = piece.get(taken..).unwrap_or_default();
            let Some(at) = memchr(b'\n', rest) else { return piece };
            taken += at + 1;
            self.lines_left -= 1;
        }
        piece.get(..taken).unwrap_or(piece)
    }

    /// Whether nothing further belongs to it.
    pub fn is_over(&self) -> bool {
        self.header.is_found() && self.lines_left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts() {
        let cut = |message: &str, lines, size| {
            let mut excerpt = Excerpt::new(lines);
            let taken: Vec<u8> =
                message.as_bytes().chunks(size).flat_map(|piece| excerpt.take(piece).to_vec()).collect();
            (String::from_utf8(taken).unwrap(), excerpt.is_over())
        };
        let message = "A: b\r\n c\r\n\r\none\r\n\r\nthree\r\n";
        for (message, lines, want, over) in [
            (message, 0, "A: b\r\n c\r\n\r\n", true),
            (message, 1, "A: b\r\n c\r\n\r\none\r\n", true),
            (message, 2, "A: b\r\n c\r\n\r\none\r\n\r\n", true),
            (message, 3, message, true),
            (message, u64::MAX, message, false),
            ("A: b", 0, "A: b", false),
            ("\r\nbody\r\n", 0, "\r\n", true),
            ("A: b\n\none\ntwo\n", 1, "A: b\n\none\n", true),
            ("", 5, "", false),
        ] {
            for size in [1, 2, 3, 99] {
                assert_eq!(cut(message, lines, size), (want.to_owned(), over), "{message:?} {lines} by {size}");
            }
        }
    }
}
