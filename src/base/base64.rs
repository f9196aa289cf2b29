//! Base64 (RFC 4648 §4): written with padding, read as strictly as its place demands.

use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, Engine as _, GeneralPurpose, GeneralPurposeConfig};
use memchr::memchr3;

/// Octets of text in a line of 76 octets (RFC 2045 §6.8).
const LINE_TEXT_OCTETS: usize = 57;

/// Padding may be missing, and the last letter may have bits that mean nothing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// In one line.
pub fn encode(octets: impl AsRef<[u8]>) -> String {
    STANDARD.encode(octets)
}

/// In lines of 76 octets, each ending in CRLF.
pub fn lines(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() / LINE_TEXT_OCTETS * 78 + 80);
    for line in octets.chunks(LINE_TEXT_OCTETS) {
        out.extend_from_slice(encode(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Reads text that must be base64 to the letter, padding included.
pub fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Reads text that people or folding broke into lines: white space is passed over, padding may be missing.
pub fn decode_folded(text: &[u8]) -> Option<Vec<u8>> {
    let mut rest = text;
    let mut letters = Vec::with_capacity(rest.len());
    // Lines are long: the search for their ends is quicker than a look at each letter.
    while let Some(at) = memchr3(b' ', b'\t', b'\n', rest) {
        let (line, behind) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        letters.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        rest = behind.get(1..).unwrap_or_default();
    }
    letters.extend_from_slice(rest.strip_suffix(b"\r").unwrap_or(rest));
    LENIENT.decode(letters).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_long_as_mail_wants_them() {
        assert_eq!(lines(b""), b"");
        assert_eq!(lines(b"ab"), b"YWI=\r\n");
        let text = vec![b'x'; 3 * LINE_TEXT_OCTETS + 1];
        let written = lines(&text);
        let lengths: Vec<usize> = written.split_inclusive(|c| *c == b'\n').map(<[u8]>::len).collect();
        assert_eq!(lengths, [78, 78, 78, 6]);
        assert_eq!(decode_folded(&written), Some(text));
    }

    #[test]
    fn strict_and_lenient() {
        for (text, strict, folded) in [
            ("YWI=", Some("ab"), Some("ab")),
            ("YWI", None, Some("ab")),
            ("Y\r\n W\tI=\r\n", None, Some("ab")),
            ("YWJ", None, Some("ab")),
            ("Y?I=", None, None),
            ("", Some(""), Some("")),
        ] {
            assert_eq!(decode(text).as_deref(), strict.map(str::as_bytes), "{text:?}");
            assert_eq!(decode_folded(text.as_bytes()).as_deref(), folded.map(str::as_bytes), "{text:?}");
        }
    }
}
