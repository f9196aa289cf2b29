//! The order of texts: `i;unicode-casemap` (RFC 5051), which SORT and THREAD compare by (RFC 5255 §4.2).
//!
//! A key is UTF-8 whose octets compare as the collation wants: each character in title case, then decomposed as far as
//! it goes, compatibility included.

use unicode_normalization::char::decompose_compatible;

/// Octets of the longest key: what lies behind decides nothing.
pub const KEY_OCTETS_MAX: usize = 1_000;

/// Adds the key of `text` to `out`.
pub fn push_key(out: &mut String, text: &str) {
    let most = out.len() + KEY_OCTETS_MAX;
    for c in text.chars() {
        if out.len() >= most {
            break;
        }
        if c.is_ascii() {
            out.push(c.to_ascii_uppercase());
        } else {
            decompose_compatible(title(c), |c| out.push(c));
        }
    }
}

/// The key of a text.
pub fn key(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_key(&mut out, text);
    out
}

/// The character that UnicodeData.txt names as title case; itself where it names none. What becomes several characters
/// in capitals (`ß`) stands in another file and stays.
fn title(c: char) -> char {
    match c {
        // The digraphs have three cases.
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        // Georgian has capitals and no title case.
        '\u{10d0}'..='\u{10ff}' => c,
        _ => {
            let mut capitals = c.to_uppercase();
            match (capitals.next(), capitals.next()) {
                (Some(capital), None) => capital,
                _ => c,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for (one, other) in [
            ("abc", "ABC"),
            ("\u{fc}ber", "U\u{308}BER"),
            ("\u{1c6}", "\u{1c4}"),
            ("\u{1c6}", "\u{1c5}"),
            ("\u{fb01}n", "\u{fb01}N"),
            ("\u{3c2}", "\u{3a3}"),
            ("\u{131}", "i"),
            ("\u{ff21}", "a"),
            ("\u{434}\u{435}", "\u{414}\u{415}"),
            ("\u{10d0}", "\u{10d0}"),
        ] {
            assert_eq!(key(one), key(other), "{one} {other}");
        }
        assert_ne!(key("\u{df}"), key("ss"));
        // RFC 5255 §4.6: the fourth string before the second.
        let (fourth, second) = ("Алексей", "сЕРГЕЙ");
        assert!(key(fourth) < key(second));
        assert!(key("") < key("a") && key("a") < key("B") && key("Z") < key("\u{3a9}"));
        assert!(key(&"\u{fb03}".repeat(10_000)).len() <= KEY_OCTETS_MAX + 18);
    }
}
