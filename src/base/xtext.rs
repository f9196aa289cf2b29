//! Text of SMTP parameters and of reports beyond what they may hold: xtext (RFC 3461 §4) and the `\x{HEX}` of
//! addresses beyond ASCII (RFC 6533 §3).

use std::fmt::Write as _;

/// Octets that may not stand there as `+` and two capital hex digits.
pub fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, octet| {
        match octet {
            b'+' | b'=' | 0..=b' ' | 0x7F.. => {
                let _ = write!(out, "+{octet:02X}");
            }
            _ => out.push(char::from(octet)),
        }
        out
    })
}

/// The text of [`encode`]; `None` for what is no xtext, or not UTF-8 then.
pub fn decode(value: &str) -> Option<String> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(octet) = rest.next() {
        match octet {
            b'+' => octets.push(digit(rest.next()?)? << 4 | digit(rest.next()?)?),
            b'!'..=b'~' if octet != b'=' => octets.push(octet),
            _ => return None,
        }
    }
    String::from_utf8(octets).ok()
}

/// Appends a character as `\x{HEX}`.
pub fn push_escaped(out: &mut String, c: char) {
    let _ = write!(out, "\\x{{{:02X}}}", u32::from(c));
}

/// Text with the characters that `\x{HEX}` stands for (2 to 6 digits), and whether each escape in it is right; a wrong
/// one stands for itself.
pub fn unescape(text: &str) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut is_right) = (text, true);
    while let Some((before, after)) = rest.split_once("\\x{") {
        out.push_str(before);
        let escape = after.split_once('}').and_then(|(digits, behind)| Some((character(digits)?, behind)));
        rest = match escape {
            Some((c, behind)) => {
                out.push(c);
                behind
            }
            None => {
                is_right = false;
                out.push_str("\\x{");
                after
            }
        };
    }
    out.push_str(rest);
    (out, is_right)
}

fn character(digits: &str) -> Option<char> {
    let is_number = (2..=6).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_hexdigit());
    is_number.then(|| u32::from_str_radix(digits, 16).ok()).flatten().and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_comes_back() {
        for (text, written) in [("Bob+x=y@a b", "Bob+2Bx+3Dy@a+20b"), ("ü", "+C3+BC"), ("", "")] {
            assert_eq!(encode(text), written);
            assert_eq!(decode(written).as_deref(), Some(text));
        }
        assert_eq!(decode("+c3+bc").as_deref(), Some("ü"));
        for wrong in ["a=b", "a b", "a+", "a+4", "a+4g", "+FF", "ü"] {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn escapes_come_back() {
        let written = "jü+\u{1F600}".chars().fold(String::new(), |mut out, c| {
            push_escaped(&mut out, c);
            out
        });
        assert_eq!(written, "\\x{6A}\\x{FC}\\x{2B}\\x{1F600}");
        assert_eq!(unescape(&written), ("jü+\u{1F600}".to_owned(), true));
        for (text, read) in [("a\\x{5C}x{41}@b", "a\\x{41}@b"), ("plain", "plain")] {
            assert_eq!(unescape(text), (read.to_owned(), true));
        }
        for wrong in ["bad\\x{zz}@b", "open\\x{41", "\\x{4}", "\\x{0000041}", "\\x{D800}", "\\x{+41}"] {
            assert_eq!(unescape(wrong), (wrong.to_owned(), false));
        }
        assert_eq!(unescape("\\x{zz}\\x{41}"), ("\\x{zz}A".to_owned(), false));
    }
}
