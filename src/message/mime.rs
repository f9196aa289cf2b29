//! Bodies decoded as they pass: transfer encodings (RFC 2045 §6.7, §6.8), and charsets to UTF-8.
//!
//! Lenient: octets outside base64's alphabet are passed over, broken escapes stay as they are. Memory is a few octets,
//! whatever the body's size.

use super::charset::{Charset, CharsetDecoder};
use super::table::Encoding;

/// Undoes a transfer encoding.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    broken: bool,
}

#[derive(Debug)]
enum State {
    Identity,
    Base64 {
        bits: u32,
        count: u32,
        ended: bool,
    },
    /// `held` is what may be an escape, a soft line end, or white space at the end of a line.
    QuotedPrintable {
        held: Vec<u8>,
    },
}

impl Decoder {
    /// A decoder for `encoding`; of `Unknown` the octets stay as they are.
    pub fn new(encoding: Encoding) -> Decoder {
        let state = match encoding {
            Encoding::Identity | Encoding::Unknown => State::Identity,
            Encoding::Base64 => State::Base64 { bits: 0, count: 0, ended: false },
            Encoding::QuotedPrintable => State::QuotedPrintable { held: Vec::new() },
        };
        Decoder { state, broken: false }
    }

    /// Decodes a piece, adding to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match &mut self.state {
            State::Identity => out.extend_from_slice(piece),
            State::Base64 { bits, count, ended } => {
                for &c in piece {
                    let Some(value) = base64_value(c) else {
                        // Padding ends a group; another may follow (parts encoded apart and put together).
                        if c == b'=' {
                            *ended = true;
                        } else if !c.is_ascii_whitespace() {
                            self.broken = true;
                        }
                        continue;
                    };
                    if std::mem::take(ended) {
                        (*bits, *count) = (0, 0);
                    }
                    *bits = *bits << 6 | u32::from(value);
                    *count += 1;
                    match *count {
                        2 => out.push((*bits >> 4) as u8),
                        3 => out.push((*bits >> 2) as u8),
                        4 => {
                            out.push(*bits as u8);
                            (*bits, *count) = (0, 0);
                        }
                        _ => {}
                    }
                }
            }
            State::QuotedPrintable { held } => {
                for &c in piece {
                    self.broken |= quoted_printable(held, c, out);
                }
            }
        }
    }

    /// The end of the body: writes what was held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.state {
            State::QuotedPrintable { held } => {
                if held.first() == Some(&b'=') && !held.get(1..).unwrap_or_default().iter().all(u8::is_ascii_whitespace)
                {
                    self.broken = true;
                    out.append(held);
                }
                held.clear();
            }
            State::Base64 { count, .. } => self.broken |= *count == 1,
            State::Identity => {}
        }
    }

    /// Whether something was met that the encoding does not allow.
    pub fn is_broken(&self) -> bool {
        self.broken
    }
}

/// White space held at the end of a line before it is taken to mean something.
const HELD_OCTETS_MAX: usize = 1024;

/// One octet of quoted-printable; says whether it broke the rules.
fn quoted_printable(held: &mut Vec<u8>, c: u8, out: &mut Vec<u8>) -> bool {
    match held.first() {
        Some(b'=') => {
            match (held.len(), c) {
                // Soft line end, white space in front of it tolerated (RFC 2045 §6.7, rule 3).
                (_, b'\n') => held.clear(),
                (1, c) if c.is_ascii_hexdigit() => held.push(c),
                (2, c) if c.is_ascii_hexdigit() && held.last().is_some_and(u8::is_ascii_hexdigit) => {
                    let digit = |c: u8| char::from(c).to_digit(16).unwrap_or(0) as u8;
                    out.push(digit(held.last().copied().unwrap_or_default()) << 4 | digit(c));
                    held.clear();
                }
                (len, b' ' | b'\t' | b'\r')
                    if len < HELD_OCTETS_MAX && !held.last().is_some_and(u8::is_ascii_hexdigit) =>
                {
                    held.push(c);
                }
                _ => {
                    out.append(held);
                    quoted_printable(held, c, out);
                    return true;
                }
            }
            false
        }
        Some(_) => match c {
            b'\n' => {
                // White space at the end of a line is not content.
                out.extend_from_slice(if held.ends_with(b"\r") { b"\r\n" } else { b"\n" });
                held.clear();
                false
            }
            b' ' | b'\t' | b'\r' if held.len() < HELD_OCTETS_MAX => {
                held.push(c);
                false
            }
            _ => {
                out.append(held);
                quoted_printable(held, c, out)
            }
        },
        None if matches!(c, b'=' | b' ' | b'\t' | b'\r') => {
            held.push(c);
            false
        }
        None => {
            out.push(c);
            false
        }
    }
}

/// The value of an octet in base64; `None` for those outside the alphabet.
pub(super) fn base64_value(c: u8) -> Option<u8> {
    BASE64.get(usize::from(c)).copied().filter(|value| *value < 64)
}

/// Value of each octet in base64; 64 and up for those outside the alphabet.
const BASE64: [u8; 256] = base64_values();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn base64_values() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [64; 256];
    let mut i = 0;
    while i < 64 {
        values[alphabet[i] as usize] = i as u8;
        i += 1;
    }
    values
}

/// Undoes a transfer encoding and a charset: text as UTF-8, for searching and previews.
pub struct TextDecoder {
    transfer: Decoder,
    charset: CharsetDecoder,
    octets: Vec<u8>,
}

impl TextDecoder {
    /// A decoder; an unknown or empty charset is taken as UTF-8, wrong octets becoming U+FFFD. So is US-ASCII, which is
    /// what a part has whose sender did not say: what such text has beyond ASCII is UTF-8, as a rule.
    pub fn new(encoding: Encoding, charset: &str) -> TextDecoder {
        let is_ascii = charset.eq_ignore_ascii_case("us-ascii") || charset.eq_ignore_ascii_case("ascii");
        let charset = Charset::of(charset).filter(|_| !is_ascii).unwrap_or(Charset::Web(encoding_rs::UTF_8));
        TextDecoder { transfer: Decoder::new(encoding), charset: CharsetDecoder::new(charset), octets: Vec::new() }
    }

    /// Decodes a piece, adding to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut String) {
        self.transfer.push(piece, &mut self.octets);
        self.convert(out, false);
    }

    /// The end of the body.
    pub fn finish(&mut self, out: &mut String) {
        self.transfer.finish(&mut self.octets);
        self.convert(out, true);
    }

    fn convert(&mut self, out: &mut String, last: bool) {
        self.charset.push(&self.octets, out, last);
        self.octets.clear();
    }
}

/// Quoted-printable of text whose lines end in CRLF (RFC 2045 §6.7): lines of at most 76 octets.
pub fn quoted_printable_encode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 8);
    let mut column = 0;
    let mut rest = text;
    while let Some((&c, behind)) = rest.split_first() {
        if rest.starts_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
            column = 0;
            rest = behind.get(1..).unwrap_or_default();
            continue;
        }
        rest = behind;
        let at_end = rest.is_empty() || rest.starts_with(b"\r\n");
        // A dot or `From ` at the start of a line is safest escaped, as old relays change them.
        let plain = match c {
            b'=' => false,
            b'.' | b'F' => column > 0,
            b' ' | b'\t' => !at_end,
            c => c.is_ascii_graphic(),
        };
        let width = if plain { 1 } else { 3 };
        if column + width > if at_end { 76 } else { 75 } {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if plain {
            out.push(c);
        } else {
            out.extend_from_slice(format!("={c:02X}").as_bytes());
        }
        column += width;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(encoding: Encoding, text: &[u8], size: usize) -> (Vec<u8>, bool) {
        let mut decoder = Decoder::new(encoding);
        let mut out = Vec::new();
        text.chunks(size.max(1)).for_each(|piece| decoder.push(piece, &mut out));
        decoder.finish(&mut out);
        (out, decoder.is_broken())
    }

    #[test]
    fn decodes() {
        use Encoding::{Base64, Identity, QuotedPrintable};
        for (encoding, text, want, broken) in [
            (Identity, "a=3D\r\n", "a=3D\r\n", false),
            (Base64, "b25l\r\nIHR3\r\nbw==\r\n", "one two", false),
            (Base64, "b25lIA==\r\ndHdv", "one two", false),
            (Base64, "b25l*IHR3bw", "one two", true),
            (Base64, "b25lI", "one", true),
            (Base64, "", "", false),
            (QuotedPrintable, "a=3Db=\r\nc", "a=bc", false),
            (QuotedPrintable, "a=3db= \t\r\nc \t\r\nd  e", "a=bc\r\nd  e", false),
            (QuotedPrintable, "a=\nb\nc", "ab\nc", false),
            (QuotedPrintable, "a=XY=4Z=", "a=XY=4Z", true),
            (QuotedPrintable, "==41 = x", "=A = x", true),
            (QuotedPrintable, "end=", "end", false),
            (QuotedPrintable, "end=4", "end=4", true),
        ] {
            for size in [1, 2, 3, 100] {
                let (got, got_broken) = decode(encoding, text.as_bytes(), size);
                assert_eq!(String::from_utf8_lossy(&got), want, "{text:?} by {size}");
                assert_eq!(got_broken, broken, "{text:?} by {size}");
            }
        }
    }

    #[test]
    fn text_in_charsets() {
        let text = |encoding, charset: &str, octets: &[u8]| {
            let mut decoder = TextDecoder::new(encoding, charset);
            let mut out = String::new();
            octets.chunks(1).for_each(|piece| decoder.push(piece, &mut out));
            decoder.finish(&mut out);
            out
        };
        assert_eq!(text(Encoding::QuotedPrintable, "iso-8859-1", b"=E4"), "ä");
        assert_eq!(text(Encoding::Base64, "utf-8", b"w6Q="), "ä");
        assert_eq!(text(Encoding::Identity, "utf-8", b"\xc3\xa4\xff"), "ä\u{fffd}");
        assert_eq!(text(Encoding::Identity, "iso-2022-jp", b"\x1b$B$3\x1b(B"), "こ");
        assert_eq!(text(Encoding::Identity, "no-such", b"a"), "a");
        assert_eq!(text(Encoding::Identity, "US-ASCII", "ä".as_bytes()), "ä");
    }

    #[test]
    fn encodes_what_it_decodes() {
        let texts: [&[u8]; 6] =
            [b"", b"plain\r\n", "ä\r\n.dot\r\nFrom x \r\n".as_bytes(), &[b'x'; 500], &[b'='; 500], b"end "];
        for text in texts {
            let encoded = quoted_printable_encode(text);
            assert!(encoded.is_ascii());
            assert!(encoded.split(|c| *c == b'\n').all(|line| line.strip_suffix(b"\r").unwrap_or(line).len() <= 76));
            assert_eq!(decode(Encoding::QuotedPrintable, &encoded, 7).0, text);
            let encoded = crate::base::base64::lines(text);
            assert!(encoded.split(|c| *c == b'\n').all(|line| line.len() <= 77));
            assert_eq!(decode(Encoding::Base64, &encoded, 7).0, text);
        }
    }
}
