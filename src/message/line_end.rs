//! CRLF in place of bare LF, in pieces of any size: messages in files have LF, messages on the wire CRLF.
//!
//! Only LF is touched; a bare CR stays what it is. Octets that are right already are passed on without a copy.

use memchr::memchr;

/// Line ends as they stand in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnd {
    /// As RFC 5322 §2.1 has it.
    CrLf,
    /// As files have it.
    Lf,
}

impl LineEnd {
    /// That of the first line; CRLF where there is no whole line.
    pub fn of(message: &[u8]) -> LineEnd {
        match memchr(b'\n', message).and_then(|at| message.get(..at)) {
            Some(line) if !line.ends_with(b"\r") => LineEnd::Lf,
            _ => LineEnd::CrLf,
        }
    }

    /// Lines that end in CRLF, with this end.
    pub fn apply(self, lines: Vec<u8>) -> Vec<u8> {
        match self {
            LineEnd::CrLf => lines,
            LineEnd::Lf => {
                let mut out = Vec::with_capacity(lines.len());
                for line in lines.split_inclusive(|c| *c == b'\n') {
                    match line.strip_suffix(b"\r\n") {
                        Some(text) => out.extend_from_slice(&[text, b"\n"].concat()),
                        None => out.extend_from_slice(line),
                    }
                }
                out
            }
        }
    }
}

/// Makes each LF that has no CR in front of it CRLF.
#[derive(Debug, Default)]
pub struct CrLfWriter {
    ended_in_cr: bool,
}

impl CrLfWriter {
    /// The next octets; `out` is given them with their line ends made right, in one or more pieces.
    pub fn push(&mut self, piece: &[u8], mut out: impl FnMut(&[u8])) {
        let mut from = 0;
        let mut at = 0;
        while let Some(lf) = memchr(b'\n', piece.get(at..).unwrap_or_default()).map(|n| at + n) {
            let has_cr = match lf.checked_sub(1) {
                Some(before) => piece.get(before) == Some(&b'\r'),
                None => self.ended_in_cr,
            };
            if !has_cr {
                out(piece.get(from..lf).unwrap_or_default());
                out(b"\r\n");
                from = lf + 1;
            }
            at = lf + 1;
        }
        let rest = piece.get(from..).unwrap_or_default();
        if !rest.is_empty() {
            out(rest);
        }
        if let Some(last) = piece.last() {
            self.ended_in_cr = *last == b'\r';
        }
    }
}

/// The whole of `octets` with CRLF line ends.
pub fn to_crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    CrLfWriter::default().push(octets, |piece| out.extend_from_slice(piece));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_lf_becomes_crlf_whatever_the_pieces() {
        for (text, wanted) in [
            ("", ""),
            ("a", "a"),
            ("a\nb\n", "a\r\nb\r\n"),
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("\n\n", "\r\n\r\n"),
            ("a\r\nb\nc\rd\r\r\n\n", "a\r\nb\r\nc\rd\r\r\n\r\n"),
        ] {
            assert_eq!(to_crlf(text.as_bytes()), wanted.as_bytes(), "{text:?}");
            for size in 1..=text.len().max(1) {
                let (mut out, mut writer) = (Vec::new(), CrLfWriter::default());
                for piece in text.as_bytes().chunks(size) {
                    writer.push(piece, |octets| out.extend_from_slice(octets));
                }
                assert_eq!(out, wanted.as_bytes(), "{text:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_messages_own_line_end() {
        for (message, wanted) in [
            ("", "x\r\n y\r\n"),
            ("a", "x\r\n y\r\n"),
            ("a\r\nb\n", "x\r\n y\r\n"),
            ("a\nb\r\n", "x\n y\n"),
            ("\n", "x\n y\n"),
        ] {
            assert_eq!(
                LineEnd::of(message.as_bytes()).apply(b"x\r\n y\r\n".to_vec()),
                wanted.as_bytes(),
                "{message:?}"
            );
        }
    }
}
