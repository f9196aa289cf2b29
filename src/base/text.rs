//! Small things done to texts.

/// The beginning of a text, `octets_max` octets at most, cut between characters.
pub fn cut(text: &str, octets_max: usize) -> &str {
    let end = (0..=octets_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, octets_max, beginning) in [
            ("abc", 5, "abc"),
            ("abc", 3, "abc"),
            ("abc", 2, "ab"),
            ("a\u{fc}b", 2, "a"),
            ("\u{fc}", 0, ""),
            ("", 1, ""),
        ] {
            assert_eq!(cut(text, octets_max), beginning, "{text} {octets_max}");
        }
    }
}
