//! The first words of a message, as lists of messages show them (PREVIEW, RFC 8970).

use super::html;

/// Characters of a preview (RFC 8970 §3.3: 200 are enough, and more than 256 are not allowed).
pub const CHARACTERS_MAX: usize = 200;

/// The preview of a text, or of HTML; empty where there are no words in it. What was quoted from another message counts
/// only where there is nothing else.
pub fn preview(text: &str, is_html: bool) -> String {
    if is_html {
        return words(html::text(text).split_whitespace());
    }
    let is_quoted = |line: &&str| line.starts_with('>');
    // Behind `-- ` comes the sender's card.
    let own = text.lines().take_while(|line| line.trim_end_matches('\r') != "-- ").filter(|line| !is_quoted(line));
    let own = words(own.flat_map(str::split_whitespace));
    if !own.is_empty() {
        return own;
    }
    words(text.lines().map(|line| line.trim_start_matches(['>', ' '])).flat_map(str::split_whitespace))
}

/// Words with one space between, as far as there is room; a word that does not fit is cut.
fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    let mut count = 0;
    for word in words {
        let shown = word.chars().filter(|c| !c.is_control());
        let mut shown = shown.peekable();
        if shown.peek().is_none() {
            continue;
        }
        if count > 0 {
            out.push(' ');
            count += 1;
        }
        for c in shown {
            if count >= CHARACTERS_MAX {
                return out.trim_end().to_owned();
            }
            out.push(c);
            count += 1;
        }
        if count >= CHARACTERS_MAX {
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_words() {
        for (text, want) in [
            ("", ""),
            (" \r\n\t", ""),
            ("Hello  Bob,\r\n\r\nhow are you?\r\n", "Hello Bob, how are you?"),
            ("> you said\r\nYes.\r\n", "Yes."),
            ("> you said\r\n>> this\r\n", "you said this"),
            ("Hi\r\n-- \r\nBob Smith\r\n", "Hi"),
            ("-- \r\nBob Smith\r\n", "-- Bob Smith"),
            ("a\0b\u{7f}\u{85} c", "ab c"),
        ] {
            assert_eq!(preview(text, false), want, "{text:?}");
        }
        assert_eq!(preview("<style>x</style><p>Hello&nbsp;<b>B</b>ob", true), "Hello Bob");
        for long in ["ä ".repeat(1_000), "ä".repeat(1_000), "ab ".repeat(1_000)] {
            let shown = preview(&long, false).chars().count();
            assert!((CHARACTERS_MAX - 2..=CHARACTERS_MAX).contains(&shown), "{shown}");
        }
    }
}
