//! Dot stuffing (RFC 5321 §4.5.2, RFC 1939 §3): a message as the lines of DATA or of a POP3 reply, dots doubled at the
//! beginning of lines, the end marked. Works in pieces of any size.

use memchr::memchr_iter;

/// Octets by which the dots of an ordinary piece make it longer.
const DOTS_USUAL: usize = 16;

/// Stuffs one message.
///
/// A dot is also doubled behind a bare CR or LF, which are passed on as they are: no reading of them by the peer makes
/// an end of the message out of the message's own octets.
#[derive(Debug, Clone)]
pub struct Stuffer {
    /// The last two octets that it was given.
    last: (u8, u8),
}

impl Default for Stuffer {
    fn default() -> Self {
        Self { last: (b'\r', b'\n') }
    }
}

impl Stuffer {
    /// Appends the stuffed form of the next piece to `out`.
    pub fn put(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        out.reserve(piece.len() + DOTS_USUAL);
        let mut written = 0;
        for at in memchr_iter(b'.', piece) {
            let before = at.checked_sub(1).map_or(Some(self.last.1), |before| piece.get(before).copied());
            if matches!(before, Some(b'\r' | b'\n')) {
                out.extend_from_slice(piece.get(written..at).unwrap_or_default());
                out.push(b'.');
                written = at;
            }
        }
        out.extend_from_slice(piece.get(written..).unwrap_or_default());
        self.last = match piece {
            [.., first, second] => (*first, *second),
            [second] => (self.last.1, *second),
            [] => self.last,
        };
    }

    /// Appends what ends the message: a CRLF where its last line has none, the dot, CRLF.
    pub fn end(self, out: &mut Vec<u8>) {
        if self.last != (b'\r', b'\n') {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_doubled_and_the_end_is_marked_in_any_pieces() {
        for (message, wanted) in [
            ("", ".\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            ("..\r\n.\r\n.a\r\n", "...\r\n..\r\n..a\r\n.\r\n"),
            ("a.\r\n.", "a.\r\n..\r\n.\r\n"),
            ("a.b..c\r\n", "a.b..c\r\n.\r\n"),
            ("\r\n", "\r\n.\r\n"),
            // Bare line ends.
            ("a\n.\nb", "a\n..\nb\r\n.\r\n"),
            ("b\r.\rc\n.\r\nd", "b\r..\rc\n..\r\nd\r\n.\r\n"),
            ("a\n", "a\n\r\n.\r\n"),
            ("a\r", "a\r\r\n.\r\n"),
            ("\n", "\n\r\n.\r\n"),
        ] {
            for size in [1, 2, 3, 99] {
                let (mut stuffer, mut out) = (Stuffer::default(), Vec::new());
                message.as_bytes().chunks(size).for_each(|piece| stuffer.put(piece, &mut out));
                stuffer.put(b"", &mut out);
                stuffer.end(&mut out);
                assert_eq!(String::from_utf8(out).unwrap(), wanted, "{message:?} by {size}");
            }
        }
    }
}
