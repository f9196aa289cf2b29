//! Quoted strings (RFC 5322 §3.2.4) and comments (RFC 5322 §3.2.2), written for all protocols, and quoted strings read
//! by those who refuse nothing.
//!
//! Parsers that must refuse what is not allowed (SMTP paths, IMAP commands, the authors of a message) read their own
//! grammar.

/// Appends `"text"`. What may not stand in a quoted string of the protocol is for the caller to know.
pub fn put(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    put_escaped(out, text, b"\"\\");
    out.push(b'"');
}

/// `"text"`
pub fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    put(&mut out, text.as_bytes());
    // Octets of ASCII between characters leave UTF-8 what it is.
    String::from_utf8(out).unwrap_or_default()
}

/// `(text)`
pub fn comment(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'(');
    put_escaped(&mut out, text.as_bytes(), b"()\\");
    out.push(b')');
    String::from_utf8(out).unwrap_or_default()
}

fn put_escaped(out: &mut Vec<u8>, text: &[u8], special: &[u8]) {
    for c in text {
        if special.contains(c) {
            out.push(b'\\');
        }
        out.push(*c);
    }
}

/// Behind `"`: the string's content, and what follows its end. A string that does not end goes to the end of the text;
/// line ends in it are folding.
pub fn take(behind_quote: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut text = Vec::new();
    let mut rest = behind_quote;
    while let Some((&c, behind)) = rest.split_first() {
        rest = behind;
        match c {
            b'"' => break,
            b'\r' | b'\n' => {}
            b'\\' => {
                if let Some((&c, behind)) = rest.split_first() {
                    rest = behind;
                    text.push(c);
                }
            }
            _ => text.push(c),
        }
    }
    (text, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["", "a b", "a\"b\\c", "\\", "\"", "ü (x)"] {
            let written = quoted(text);
            let (read, rest) = take(&written.as_bytes()[1..]);
            assert_eq!((read.as_slice(), rest), (text.as_bytes(), &b""[..]), "{written}");
        }
        assert_eq!(quoted("a\"b\\c"), "\"a\\\"b\\\\c\"");
        assert_eq!(comment("a (b) \\ \"c\""), "(a \\(b\\) \\\\ \"c\")");
    }

    #[test]
    fn anything_is_read() {
        for (behind, text, rest) in [
            ("a\" b", "a", " b"),
            ("a\\", "a", ""),
            ("open", "open", ""),
            ("two\r\n lines\"", "two lines", ""),
            ("\\\"\"x", "\"", "x"),
            ("", "", ""),
        ] {
            assert_eq!(take(behind.as_bytes()), (text.as_bytes().to_vec(), rest.as_bytes()), "{behind:?}");
        }
    }
}
