//! What a server says: status lines, multi-line ends, transparency, and the cut of TOP.

use memchr::{memchr, memmem};

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

/// Writes a message as the lines of a reply: dots doubled (RFC 1939 §3), the end marked. Works in pieces.
///
/// A dot is also doubled behind a bare LF: clients that end lines there would otherwise take a line of a message
/// for the end of the reply, and the rest for the server's words.
pub struct Stuffer {
    line_dot: memmem::Finder<'static>,
    at_line_start: bool,
    last_two: [u8; 2],
}

impl Default for Stuffer {
    fn default() -> Self {
        Self { line_dot: memmem::Finder::new(b"\n."), at_line_start: true, last_two: *b"\r\n" }
    }
}

impl Stuffer {
    /// Begins another message.
    pub fn reset(&mut self) {
        self.at_line_start = true;
        self.last_two = *b"\r\n";
    }

    /// The next piece of the message.
    pub fn push(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        let Some(last) = piece.last() else { return };
        output.reserve(piece.len() + 16);
        if self.at_line_start && piece.first() == Some(&b'.') {
            output.push(b'.');
        }
        let mut rest = piece;
        while let Some((line, behind)) = self.line_dot.find(rest).and_then(|at| rest.split_at_checked(at + 1)) {
            output.extend_from_slice(line);
            output.push(b'.');
            rest = behind;
        }
        output.extend_from_slice(rest);
        self.at_line_start = *last == b'\n';
        self.last_two = match piece {
            [.., a, b] => [*a, *b],
            _ => [self.last_two[1], *last],
        };
    }

    /// The end: completes the last line where it lacks CRLF, and says the final dot.
    pub fn finish(&mut self, output: &mut Vec<u8>) {
        if &self.last_two != b"\r\n" {
            output.extend_from_slice(b"\r\n");
        }
        output.extend_from_slice(b".\r\n");
    }
}

/// Cuts a message for TOP: its header, the empty line, so many lines of its body. Works in pieces.
#[derive(Debug)]
pub struct Excerpt {
    in_header: bool,
    /// Whether the present line has octets other than its end.
    solid: bool,
    lines_left: u64,
}

impl Excerpt {
    /// The header and `lines` lines of the body.
    pub fn new(lines: u64) -> Excerpt {
        Excerpt { in_header: true, solid: false, lines_left: lines }
    }

    /// How much of the next piece belongs to it; with the last of it, [`Excerpt::is_over`].
    pub fn take<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let mut taken = 0;
        while !self.is_over() {
            let rest = piece.get(taken..).unwrap_or_default();
            let Some(at) = memchr(b'\n', rest) else {
                self.solid |= rest.iter().any(|c| *c != b'\r');
                return piece;
            };
            let blank = !self.solid && rest.get(..at).unwrap_or_default().iter().all(|c| *c == b'\r');
            self.solid = false;
            taken += at + 1;
            if !self.in_header {
                self.lines_left -= 1;
            } else if blank {
                self.in_header = false;
            }
        }
        piece.get(..taken).unwrap_or(piece)
    }

    /// Whether nothing further belongs to it.
    pub fn is_over(&self) -> bool {
        !self.in_header && self.lines_left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuffed(message: &str, size: usize) -> String {
        let (mut stuffer, mut output) = (Stuffer::default(), Vec::new());
        message.as_bytes().chunks(size).for_each(|piece| stuffer.push(piece, &mut output));
        stuffer.finish(&mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn doubles_dots_and_ends() {
        for (message, want) in [
            ("", ".\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            ("..\r\n.\r\n.a\r\n", "...\r\n..\r\n..a\r\n.\r\n"),
            ("a.\r\n.", "a.\r\n..\r\n.\r\n"),
            ("a\n.\nb", "a\n..\nb\r\n.\r\n"),
            ("a\n", "a\n\r\n.\r\n"),
            ("a\r", "a\r\r\n.\r\n"),
            ("\r\n", "\r\n.\r\n"),
            ("\n", "\n\r\n.\r\n"),
        ] {
            for size in [1, 2, 3, 99] {
                assert_eq!(stuffed(message, size), want, "{message:?} by {size}");
            }
        }
    }

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
