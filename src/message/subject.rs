//! Base subjects: what SORT and THREAD compare (RFC 5256 §2.1).

use super::encoded_word::decode;

/// The base subject of a Subject field's raw value, lower case; whether it is a reply or forward.
pub fn base_subject(value: &[u8]) -> (String, bool) {
    // Step 1: decode, then white space to single spaces.
    let text = decode(value).to_lowercase();
    let text = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text.chars().take(SUBJECT_CHARACTERS_MAX).collect();
    let mut rest = text.as_str();
    let mut is_reply = false;
    loop {
        // Step 2.
        rest = rest.trim_end();
        while let Some(before) = rest.strip_suffix("(fwd)") {
            rest = before.trim_end();
            is_reply = true;
        }
        // Steps 3 to 5.
        loop {
            rest = rest.trim_start();
            if let Some(behind) = leader(rest) {
                rest = behind;
                is_reply = true;
            } else if let Some(behind) = blob(rest).filter(|behind| !behind.trim().is_empty()) {
                rest = behind;
            } else {
                break;
            }
        }
        // Step 6.
        match rest.strip_prefix("[fwd:").and_then(|inside| inside.strip_suffix(']')) {
            Some(inside) => {
                rest = inside;
                is_reply = true;
            }
            None => return (rest.to_owned(), is_reply),
        }
    }
}

/// Characters of a subject that are compared: stripping takes quadratic time on rows of `[a]`.
const SUBJECT_CHARACTERS_MAX: usize = 1_000;

/// `subj-refwd` with blobs before it: `[list] re [2]:`.
fn leader(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(behind) = blob(rest) {
        rest = behind;
    }
    let rest = ["re", "fwd", "fw"].iter().find_map(|word| rest.strip_prefix(word))?.trim_start();
    let rest = blob(rest).unwrap_or(rest);
    rest.strip_prefix(':')
}

/// `[...]` without brackets inside, and white space behind it.
fn blob(text: &str) -> Option<&str> {
    let (inside, behind) = text.strip_prefix('[')?.split_once(']')?;
    (!inside.contains('[')).then(|| behind.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_base_subjects() {
        for (subject, want, reply) in [
            ("Hello", "hello", false),
            ("Re: Hello", "hello", true),
            ("RE : re:  Hello  World ", "hello world", true),
            ("[list] Re: Hello", "hello", true),
            ("Re: [list] Hello", "hello", true),
            ("Re[2]: Hello", "hello", true),
            ("Fwd: FW: Hello (fwd) (fwd)", "hello", true),
            ("[fwd: Re: Hello]", "hello", true),
            ("[list]", "[list]", false),
            ("[a] [b]", "[b]", false),
            ("Re:", "", true),
            ("", "", false),
            ("=?utf-8?q?Re=3A_=C3=84?=", "ä", true),
            ("Regarding", "regarding", false),
            ("[fwd: open", "[fwd: open", false),
        ] {
            assert_eq!(base_subject(subject.as_bytes()), (want.to_owned(), reply), "{subject}");
        }
        let deep = "[fwd: ".repeat(100) + &"]".repeat(100);
        assert_eq!(base_subject(deep.as_bytes()).0, "");
        for blobs in ["[a", "[a]", "re:"] {
            assert!(base_subject(blobs.repeat(100_000).as_bytes()).0.len() <= SUBJECT_CHARACTERS_MAX);
        }
    }
}
