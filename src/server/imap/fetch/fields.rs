//! HEADER.FIELDS and HEADER.FIELDS.NOT: chooses fields of a header that comes in pieces, however long it is.

use crate::message::header::name_of;

/// Octets of a line that are looked at for a field's name.
const NAME_OCTETS_MAX: usize = 1_000;

/// Passes on the fields that were asked for, folding and all, and the empty line.
pub(super) struct Chooser<'a> {
    names: &'a [Vec<u8>],
    not: bool,
    /// The beginning of a line whose field is not known yet.
    held: Vec<u8>,
    within_line: bool,
    /// Whether the present field is passed on.
    chosen: bool,
    ended: bool,
}

impl<'a> Chooser<'a> {
    /// Chooses fields of these names, or with `not` all others.
    pub fn new(names: &'a [Vec<u8>], not: bool) -> Chooser<'a> {
        Chooser { names, not, held: Vec::new(), within_line: false, chosen: false, ended: false }
    }

    /// The next octets of the header.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while !rest.is_empty() && !self.ended {
            let is_begun = self.within_line || !self.held.is_empty();
            if let Some(end) = memchr::memchr(b'\n', rest).filter(|_| !is_begun) {
                let (line, behind) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
                rest = behind;
                self.choose(line, out);
                continue;
            }
            let stop = if self.within_line { memchr::memchr(b'\n', rest) } else { memchr::memchr2(b':', b'\n', rest) };
            let (octets, behind) = rest.split_at_checked(stop.map_or(rest.len(), |at| at + 1)).unwrap_or((rest, &[]));
            rest = behind;
            if self.within_line {
                if self.chosen {
                    out.extend_from_slice(octets);
                }
            } else {
                self.held.extend_from_slice(octets);
                if stop.is_none() && self.held.len() < NAME_OCTETS_MAX {
                    continue;
                }
                self.choose_held(out);
            }
            self.within_line = !octets.ends_with(b"\n");
        }
    }

    /// Decides about the line whose beginning is held.
    fn choose_held(&mut self, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.held);
        self.choose(&line, out);
    }

    /// Decides about the line that begins so.
    fn choose(&mut self, line: &[u8], out: &mut Vec<u8>) {
        if line == b"\r\n" || line == b"\n" {
            self.ended = true;
            return;
        }
        if !matches!(line.first(), Some(b' ' | b'\t')) {
            let name = name_of(line);
            self.chosen = self.names.iter().any(|known| known.eq_ignore_ascii_case(name)) != self.not;
        }
        if self.chosen {
            out.extend_from_slice(line);
        }
    }

    /// The end of the header: the empty line.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            self.choose_held(out);
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_folding_in_any_pieces() {
        let header =
            b"From: a\r\nSubject : x\r\n y\r\n\tz: 1\r\nFROM: b\r\nbroken\r\n from: no\r\n: n\r\nX:\r\n\r\nFrom: c\r\n";
        let names = [b"from".to_vec(), b"subject".to_vec(), b"missing".to_vec()];
        for (not, want) in [
            (false, &b"From: a\r\nSubject : x\r\n y\r\n\tz: 1\r\nFROM: b\r\n\r\n"[..]),
            (true, b"broken\r\n from: no\r\n: n\r\nX:\r\n\r\n"),
        ] {
            for n in 1..=header.len() {
                let (mut chooser, mut out) = (Chooser::new(&names, not), Vec::new());
                header.chunks(n).for_each(|piece| chooser.push(piece, &mut out));
                chooser.finish(&mut out);
                assert_eq!(out.escape_ascii().to_string(), want.escape_ascii().to_string(), "{not} by {n}");
            }
        }
    }

    #[test]
    fn a_header_may_end_anywhere() {
        for (header, want) in
            [("From: a", "From: a\r\n"), ("From", "\r\n"), ("", "\r\n"), ("From: a\r\n ", "From: a\r\n \r\n")]
        {
            let names = [b"from".to_vec()];
            let (mut chooser, mut out) = (Chooser::new(&names, false), Vec::new());
            chooser.push(header.as_bytes(), &mut out);
            chooser.finish(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), want);
        }
        let long = [b"x".repeat(2 * NAME_OCTETS_MAX), b": y\r\nFrom: a\r\n".to_vec()].concat();
        let names = [b"from".to_vec()];
        let (mut chooser, mut out) = (Chooser::new(&names, false), Vec::new());
        long.chunks(7).for_each(|piece| chooser.push(piece, &mut out));
        chooser.finish(&mut out);
        assert_eq!(out, b"From: a\r\n\r\n");
    }
}
