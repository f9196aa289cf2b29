//! Transparency (RFC 5321 §4.5.2) and the end of DATA, both ways, in pieces of any size.
//!
//! The end is the five octets CRLF `.` CRLF and nothing else: servers that also took LF `.` LF, LF `.` CRLF or
//! CR `.` CR let senders smuggle a second message past those that did not (CVE-2023-51764). A bare CR or LF from
//! the world makes the message refused, after reading on to its real end; in submission they may be repaired.

use memchr::memchr2;

/// What becomes of a CR or LF that stands alone (RFC 5321 §2.3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BareEnds {
    /// The message counts as broken: [`Unstuffer::is_broken`].
    Refuse,
    /// Each, and each run of CR before a LF, becomes CRLF (RFC 6409 §8 lets submission repair).
    Repair,
}

/// Where the last octets left us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Behind CRLF, or at the very beginning: a dot counts.
    Start,
    /// Behind CRLF `.`
    StartDot,
    /// Behind CRLF `.` CR
    StartDotCr,
    /// Behind a repaired line end: a dot is stuffing, but ends nothing.
    Mended,
    /// Behind a repaired line end and `.`
    MendedDot,
    /// Within a line.
    Text,
    /// Behind a CR.
    Cr,
    /// Behind CRLF `.` CRLF.
    End,
}

/// Takes DATA in: removes stuffed dots, finds the end.
#[derive(Debug)]
pub struct Unstuffer {
    at: At,
    bare: BareEnds,
    broken: bool,
    eight_bit: bool,
}

impl Unstuffer {
    /// At the beginning of DATA; the CRLF of the command itself counts as the line end before it.
    pub fn new(bare: BareEnds) -> Self {
        Self { at: At::Start, bare, broken: false, eight_bit: false }
    }

    /// Takes octets in, appends the message's own to `out`, and gives how many were used: fewer than all only
    /// where the end was found ([`Unstuffer::is_ended`]). What follows it is the next command.
    pub fn take(&mut self, octets: &[u8], out: &mut Vec<u8>) -> usize {
        let before = out.len();
        let mut rest = octets;
        while self.at != At::End {
            let Some((&octet, after)) = rest.split_first() else { break };
            match (self.at, octet) {
                (At::Start, b'.') => self.at = At::StartDot,
                (At::Mended, b'.') => self.at = At::MendedDot,
                (At::StartDot, b'\r') => self.at = At::StartDotCr,
                (At::StartDotCr, b'\n') => self.at = At::End,
                (At::MendedDot, b'\r' | b'\n') => {
                    // A line of one dot that does not end the message stays a line of one dot.
                    out.push(b'.');
                    self.at = At::Text;
                    continue;
                }
                (At::Cr, b'\n') => {
                    out.extend_from_slice(b"\r\n");
                    self.at = At::Start;
                }
                (At::StartDotCr | At::Cr, b'\r') => {
                    // The CR before this one stood alone; of a run, the last one counts.
                    self.broken |= self.bare == BareEnds::Refuse;
                    self.at = At::Cr;
                }
                (At::StartDotCr | At::Cr, _) => {
                    self.mend(out);
                    continue;
                }
                (_, b'\r') => self.at = At::Cr,
                (_, b'\n') => self.mend(out),
                (At::Start | At::StartDot | At::Mended | At::MendedDot | At::Text | At::End, _) => {
                    // Within a line: on to its end in one stride.
                    let stride = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    let (text, beyond) = rest.split_at_checked(stride).unwrap_or((rest, &[]));
                    out.extend_from_slice(text);
                    self.at = At::Text;
                    rest = beyond;
                    continue;
                }
            }
            rest = after;
        }
        if !self.eight_bit {
            self.eight_bit = !out.get(before..).unwrap_or_default().is_ascii();
        }
        if self.broken {
            out.truncate(before);
        }
        octets.len() - rest.len()
    }

    /// A CR or LF stood alone.
    fn mend(&mut self, out: &mut Vec<u8>) {
        match self.bare {
            BareEnds::Refuse => {
                self.broken = true;
                self.at = At::Text;
            }
            BareEnds::Repair => {
                out.extend_from_slice(b"\r\n");
                self.at = At::Mended;
            }
        }
    }

    /// Whether CRLF `.` CRLF was seen.
    pub fn is_ended(&self) -> bool {
        self.at == At::End
    }

    /// Whether a CR or LF stood alone where that is refused; nothing more is given out then.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether any octet was above 127.
    pub fn is_eight_bit(&self) -> bool {
        self.eight_bit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::stuffing::Stuffer;

    /// What becomes of `wire`, cut into pieces of `n`: (message, broken, what follows the end).
    fn unstuff(wire: &[u8], bare: BareEnds, n: usize) -> Option<(Vec<u8>, bool, Vec<u8>)> {
        let (mut unstuffer, mut out, mut used) = (Unstuffer::new(bare), Vec::new(), 0);
        for piece in wire.chunks(n) {
            used += unstuffer.take(piece, &mut out);
            if unstuffer.is_ended() {
                return Some((out, unstuffer.is_broken(), wire[used..].to_vec()));
            }
        }
        None
    }

    fn show(octets: &[u8]) -> String {
        String::from_utf8_lossy(octets).replace('\r', "<CR>").replace('\n', "<LF>")
    }

    #[test]
    fn the_end_is_found_in_any_pieces() {
        for (wire, message) in [
            (&b".\r\n"[..], &b""[..]),
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"\r\n.\r\n", b"\r\n"),
            (b"..\r\n.\r\n", b".\r\n"),
            (b"...a\r\n.\r\n", b"..a\r\n"),
            (b".a\r\n.\r\n", b"a\r\n"),
            (b"a.\r\n.b\r\n..c\r\n.\r\n", b"a.\r\nb\r\n.c\r\n"),
            (b"\xc3\xa9\0\r\n.\r\n", b"\xc3\xa9\0\r\n"),
        ] {
            for bare in [BareEnds::Refuse, BareEnds::Repair] {
                for n in 1..=wire.len() + 4 {
                    let wire = [wire, b"QUIT"].concat();
                    let (got, broken, after) = unstuff(&wire, bare, n).expect("no end");
                    assert_eq!(show(&got), show(message), "{} by {n}", show(&wire));
                    assert!(!broken);
                    let rest = if after.len() > 4 { &after[after.len() - 4..] } else { &after };
                    assert!(b"QUIT".starts_with(rest) || b"QUIT".ends_with(rest));
                }
            }
        }
    }

    #[test]
    fn nothing_else_is_an_end() {
        // Every way to write an end that some server somewhere took for one.
        let ends: [&[u8]; 9] =
            [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r.\n", b"\n.\r", b"\r\n\0.\r\n"];
        for end in ends {
            let wire = [b"a", end, b"MAIL FROM:<x@y>\r\nb"].concat();
            let whole = [&wire[..], b"\r\n.\r\n"].concat();
            for n in 1..=whole.len() {
                assert_eq!(unstuff(&wire, BareEnds::Refuse, n), None, "{} by {n}", show(&wire));
                assert_eq!(unstuff(&wire, BareEnds::Repair, n), None, "{} by {n}", show(&wire));
                let (message, broken, after) = unstuff(&whole, BareEnds::Refuse, n).expect("no end");
                assert_eq!(broken, !end.contains(&0), "{}", show(end));
                assert!(after.is_empty());
                assert!(!broken || !message.ends_with(b"b\r\n"));
                let (message, broken, _) = unstuff(&whole, BareEnds::Repair, n).expect("no end");
                assert!(!broken && message.ends_with(b"MAIL FROM:<x@y>\r\nb\r\n"), "{}", show(&message));
            }
        }
    }

    #[test]
    fn repairs_give_clean_lines() {
        for (wire, message) in [
            ("a\nb\n\r\n.\r\n", "a\r\nb\r\n\r\n"),
            ("a\rb\r\n.\r\n", "a\r\nb\r\n"),
            ("a\r\r\nb\r\n.\r\n", "a\r\nb\r\n"),
            ("a\r\r\r\n.\r\n", "a\r\n"),
            ("a\n..b\r\n.\r\n", "a\r\n.b\r\n"),
            ("a\n.b\r\n.\r\n", "a\r\nb\r\n"),
            ("a\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"),
            ("a\n.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"),
            ("a\n.\r\n.\r\n", "a\r\n.\r\n"),
            (".\rb\r\n.\r\n", "\r\nb\r\n"),
        ] {
            for n in 1..=wire.len() {
                let (got, broken, after) = unstuff(wire.as_bytes(), BareEnds::Repair, n).expect(wire);
                assert_eq!(show(&got), show(message.as_bytes()), "{} by {n}", show(wire.as_bytes()));
                assert!(!broken && after.is_empty());
            }
        }
    }

    #[test]
    fn eight_bit_is_noticed() {
        for (wire, eight) in [(&b"abc\r\n.\r\n"[..], false), (b"ab\xe9\r\n.\r\n", true)] {
            let mut unstuffer = Unstuffer::new(BareEnds::Refuse);
            let mut out = Vec::new();
            for piece in wire.chunks(2) {
                unstuffer.take(piece, &mut out);
            }
            assert_eq!(unstuffer.is_eight_bit(), eight);
        }
    }

    #[test]
    fn stuffing_is_undone_by_unstuffing() {
        for message in [
            "",
            "a\r\n",
            ".\r\n",
            "..\r\n.a\r\n",
            "a\r\n.\r\nb\r\n",
            "\r\n\r\n.",
            "no end",
            "x\r\n.y",
            "a.\r\n.\r\n.\r\n",
        ] {
            for n in 1..=message.len().max(1) {
                let (mut stuffer, mut wire) = (Stuffer::default(), Vec::new());
                for piece in message.as_bytes().chunks(n) {
                    stuffer.put(piece, &mut wire);
                }
                stuffer.end(&mut wire);
                let (got, broken, after) = unstuff(&wire, BareEnds::Refuse, 3).expect("no end");
                let mut expected = message.as_bytes().to_vec();
                if !expected.is_empty() && !expected.ends_with(b"\r\n") {
                    expected.extend_from_slice(b"\r\n");
                }
                assert_eq!((show(&got), broken, after.len()), (show(&expected), false, 0), "{message:?} by {n}");
            }
        }
    }

    #[test]
    fn stuffing_smuggles_nothing() {
        let (mut stuffer, mut wire) = (Stuffer::default(), Vec::new());
        stuffer.put(b"a\n.\nb\r.\rc\n.\r\nd", &mut wire);
        stuffer.end(&mut wire);
        assert_eq!(show(&wire), "a<LF>..<LF>b<CR>..<CR>c<LF>..<CR><LF>d<CR><LF>.<CR><LF>");
    }
}
