//! Texts made alike for SEARCH: what a reader takes for the same becomes the same.
//!
//! Letters lose their case (final sigma, dotless i and sharp s included), compatible and composed forms are
//! decomposed in one order, white space of any kind and amount is one space, and what is invisible goes. Whatever
//! `i;unicode-casemap` (RFC 5051) takes for equal is equal here too. A folded needle is looked for as octets in a
//! folded text.

use unicode_normalization::char::{canonical_combining_class, decompose_compatible};

/// Combining marks behind one letter that are put in order; more are taken as they come.
const MARKS_MAX: usize = 32;

/// Folds a text that comes in pieces. Where the pieces are cut makes no difference.
#[derive(Debug, Default)]
pub struct Folder {
    /// Combining marks whose place is not certain yet, with their classes.
    marks: Vec<(u8, char)>,
    /// Whether the last thing written was white space.
    spaced: bool,
}

impl Folder {
    /// Adds the folded form of the next piece to `out`.
    pub fn push(&mut self, text: &str, out: &mut String) {
        out.reserve(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let plain = rest.bytes().position(|c| !c.is_ascii()).unwrap_or(rest.len());
            let (ascii, behind) = rest.split_at_checked(plain).unwrap_or((rest, ""));
            self.push_ascii(ascii, out);
            let other = behind.bytes().position(|c| c.is_ascii()).unwrap_or(behind.len());
            let (foreign, behind) = behind.split_at_checked(other).unwrap_or((behind, ""));
            foreign.chars().for_each(|c| self.push_char(c, out));
            rest = behind;
        }
    }

    /// The text ends: what was held back is written.
    pub fn finish(&mut self, out: &mut String) {
        self.settle(out);
        self.spaced = false;
    }

    fn push_ascii(&mut self, text: &str, out: &mut String) {
        if text.is_empty() {
            return;
        }
        self.settle(out);
        let mut rest = text;
        while !rest.is_empty() {
            let word = rest.bytes().position(is_blank).unwrap_or(rest.len());
            let (plain, behind) = rest.split_at_checked(word).unwrap_or((rest, ""));
            if !plain.is_empty() {
                let from = out.len();
                out.push_str(plain);
                out.get_mut(from..).unwrap_or_default().make_ascii_lowercase();
                self.spaced = false;
            }
            let blanks = behind.bytes().position(|c| !is_blank(c)).unwrap_or(behind.len());
            if blanks > 0 && !std::mem::replace(&mut self.spaced, true) {
                out.push(' ');
            }
            rest = behind.get(blanks..).unwrap_or_default();
        }
    }

    fn push_char(&mut self, c: char, out: &mut String) {
        if is_invisible(c) {
            return;
        }
        decompose_compatible(c, |c| match c {
            '\u{1e9e}' => ['s', 's'].into_iter().for_each(|c| self.push_simple(c, out)),
            c if c.is_ascii() => self.push_simple(c.to_ascii_lowercase(), out),
            // By way of the capitals, so that all forms of a letter meet: final sigma, dotless i, long s, sharp s.
            c => c.to_uppercase().flat_map(char::to_lowercase).for_each(|c| self.push_simple(c, out)),
        });
    }

    fn push_simple(&mut self, c: char, out: &mut String) {
        if c.is_whitespace() {
            self.settle(out);
            if !std::mem::replace(&mut self.spaced, true) {
                out.push(' ');
            }
            return;
        }
        match canonical_combining_class(c) {
            0 => {
                self.settle(out);
                out.push(c);
            }
            class => {
                if self.marks.len() >= MARKS_MAX {
                    self.settle(out);
                }
                let at = self.marks.partition_point(|(known, _)| *known <= class);
                self.marks.insert(at, (class, c));
            }
        }
        self.spaced = false;
    }

    fn settle(&mut self, out: &mut String) {
        out.extend(self.marks.drain(..).map(|(_, c)| c));
    }
}

/// The folded form of a whole text.
pub fn fold(text: &str) -> String {
    let (mut folder, mut out) = (Folder::default(), String::new());
    folder.push(text, &mut out);
    folder.finish(&mut out);
    out
}

/// Adds the folded form of a whole text to `out`.
pub fn push_folded(out: &mut String, text: &str) {
    let mut folder = Folder::default();
    folder.push(text, out);
    folder.finish(out);
}

fn is_blank(c: u8) -> bool {
    matches!(c, b' ' | b'\t'..=b'\r')
}

/// Characters that nobody sees: soft hyphens, joiners, marks of direction, selectors of a form, byte order marks.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_takes_for_the_same() {
        for (one, other) in [
            ("Hello", "hELLO"),
            ("a\t b\r\n\tc", "a b c"),
            ("a\u{a0}b", "a b"),
            ("a\u{3000}\u{2003} b", "a b"),
            ("gr\u{fc}n", "GRU\u{308}N"),
            ("Stra\u{df}e", "STRASSE"),
            ("stra\u{1e9e}e", "strasse"),
            ("\u{3bb}\u{3cc}\u{3b3}\u{3bf}\u{3c2}", "\u{39b}\u{38c}\u{393}\u{39f}\u{3a3}"),
            ("\u{130}stanbul", "i\u{307}stanbul"),
            ("\u{131}l\u{131}k", "ILIK"),
            ("\u{fb01}sh", "FISH"),
            ("\u{ff28}\u{ff49}", "hi"),
            ("\u{ac00}", "\u{1100}\u{1161}"),
            ("co\u{ad}op", "coop"),
            ("a\u{200d}\u{feff}b", "ab"),
            ("\u{1ec7}", "\u{ea}\u{323}"),
            ("\u{1ec7}", "\u{1eb9}\u{302}"),
            ("\u{2460}", "1"),
            ("\u{1fb3}", "\u{391}\u{399}"),
            ("\u{10a0}", "\u{2d00}"),
            ("\u{13a0}", "\u{ab70}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("e", "\u{e9}"), ("a b", "ab"), ("o", "\u{f8}")] {
            assert_ne!(fold(one), fold(other), "{one} {other}");
        }
        assert_eq!(fold(""), "");
        assert_eq!(fold(" a "), " a ");
        assert!(fold("a b").contains(&fold("a  b")));
    }

    #[test]
    fn pieces_make_no_difference() {
        let text = "A \u{a0}\r\n b\u{ea}\u{323}\u{308} c\u{302}\u{323}\t \u{df}\u{ad}\u{ac00}x\u{130}\u{345} ";
        let whole = fold(text);
        for size in 1..6 {
            let (mut folder, mut out) = (Folder::default(), String::new());
            let chars: Vec<char> = text.chars().collect();
            chars.chunks(size).for_each(|piece| folder.push(&piece.iter().collect::<String>(), &mut out));
            folder.finish(&mut out);
            assert_eq!(out, whole, "by {size}");
        }
        let many = format!("a{}", "\u{301}\u{323}".repeat(1_000));
        assert_eq!(fold(&many).chars().count(), 2_001);
    }

    #[test]
    fn what_casemap_takes_for_equal_is_equal() {
        use super::super::collation::key;
        let mut by_key = std::collections::BTreeMap::new();
        for c in ('\u{20}'..'\u{2000}')
            .chain('\u{2c00}'..'\u{2e00}')
            .chain('\u{a640}'..'\u{abc0}')
            .filter(|c| !is_invisible(*c))
        {
            let text = c.to_string();
            let folded = by_key.entry(key(&text)).or_insert_with(|| fold(&text));
            assert_eq!(*folded, fold(&text), "{c:?} {:x}", c as u32);
        }
    }
}
