//! Strings: `${hex:...}` and `${unicode:...}` undone (RFC 5228 §2.4.2.4), variables found (RFC 5229 §3).

use super::super::capability::Capability;
use super::super::place::{Fault, Place};
use super::super::program::{Piece, Text, Texts};
use super::Compiler;
use super::arguments::Strings;

impl Compiler {
    pub(super) fn text(&self, (at, text): (Place, String)) -> Result<Text, Fault> {
        let text = match self.capabilities.has(Capability::EncodedCharacter) {
            true => decode(at, &text)?,
            false => text,
        };
        if !self.capabilities.has(Capability::Variables) || !text.contains("${") {
            return Ok(Text::Plain(text.into()));
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some((before, behind)) = rest.split_once("${") {
            plain.push_str(before);
            let reference = behind.split_once('}');
            match reference.map(|(name, behind)| Ok((self.reference(at, name)?, behind))).transpose()? {
                Some((Some(piece), behind)) => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Plain(std::mem::take(&mut plain).into()));
                    }
                    pieces.push(piece);
                    rest = behind;
                }
                _ => {
                    plain.push_str("${");
                    rest = behind;
                }
            }
        }
        plain.push_str(rest);
        if pieces.is_empty() {
            return Ok(Text::Plain(plain.into()));
        }
        if !plain.is_empty() {
            pieces.push(Piece::Plain(plain.into()));
        }
        Ok(Text::Pieces(pieces.into()))
    }

    pub(super) fn texts(&self, strings: Strings) -> Result<Texts, Fault> {
        strings.into_iter().map(|string| self.text(string)).collect()
    }

    /// A string that may hold no variables.
    pub(super) fn constant(&self, string: (Place, String), what: &str) -> Result<Box<str>, Fault> {
        let at = string.0;
        match self.text(string)? {
            Text::Plain(text) => Ok(text),
            Text::Pieces(_) => Err(Fault::new(at, format!("{what} may hold no variables"))),
        }
    }

    /// What stands between `${` and `}`; `None` where it is no reference.
    fn reference(&self, at: Place, name: &str) -> Result<Option<Piece>, Fault> {
        if !name.is_empty() && name.bytes().all(|c| c.is_ascii_digit()) {
            let Some(index) = name.parse().ok().filter(|index| *index <= 999) else {
                return Err(Fault::new(at, format!("there is no match variable ${{{name}}}")));
            };
            return Ok(Some(Piece::Matched(index)));
        }
        let mut parts = name.split('.');
        if !parts.clone().all(is_identifier) {
            return Ok(None);
        }
        let (first, second, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        match (second, more) {
            (None, _) => Ok(Some(Piece::Variable { global: false, name: first.to_ascii_lowercase().into() })),
            (Some(second), None) if first.eq_ignore_ascii_case("global") => {
                self.needs(at, Capability::Include, "the namespace `global`")?;
                Ok(Some(Piece::Variable { global: true, name: second.to_ascii_lowercase().into() }))
            }
            _ => Err(Fault::new(at, format!("the namespace of ${{{name}}} is not known here"))),
        }
    }

    /// The name of a variable that is set: whether it is in the namespace `global`, and its name in lower case.
    pub(super) fn variable(&self, string: (Place, String)) -> Result<(bool, Box<str>), Fault> {
        let (at, text) = string;
        match self.reference(at, &text)? {
            Some(Piece::Variable { global, name }) => Ok((global, name)),
            Some(_) => Err(Fault::new(at, "match variables cannot be set")),
            None => Err(Fault::new(at, format!("\"{text}\" is no name of a variable"))),
        }
    }
}

fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Undoes encoded characters. What is not of their form stays as it is.
fn decode(at: Place, text: &str) -> Result<String, Fault> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        out.extend_from_slice(before.as_bytes());
        let inside = behind.split_once('}').and_then(|(inside, behind)| Some((inside.split_once(':')?, behind)));
        let decoded = match inside {
            Some(((name, list), behind)) if name.eq_ignore_ascii_case("hex") => hex(list).map(|found| (found, behind)),
            Some(((name, list), behind)) if name.eq_ignore_ascii_case("unicode") => {
                unicode(at, list)?.map(|found| (found, behind))
            }
            _ => None,
        };
        match decoded {
            Some((octets, behind)) => {
                out.extend_from_slice(&octets);
                rest = behind;
            }
            None => {
                out.extend_from_slice(b"${");
                rest = behind;
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).map_err(|_| Fault::new(at, "the encoded octets are not UTF-8"))
}

fn words(list: &str) -> Option<impl Iterator<Item = &str>> {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let mut words = list.split(blank).filter(|word| !word.is_empty()).peekable();
    words.peek()?;
    Some(words)
}

fn is_hex(word: &str) -> bool {
    word.bytes().all(|c| c.is_ascii_hexdigit())
}

fn hex(list: &str) -> Option<Vec<u8>> {
    words(list)?.map(|word| u8::from_str_radix(word, 16).ok().filter(|_| word.len() <= 2 && is_hex(word))).collect()
}

fn unicode(at: Place, list: &str) -> Result<Option<Vec<u8>>, Fault> {
    let Some(words) = words(list) else { return Ok(None) };
    let mut out = String::new();
    for word in words {
        if !is_hex(word) {
            return Ok(None);
        }
        match u32::from_str_radix(word, 16).ok().and_then(char::from_u32) {
            Some(c) => out.push(c),
            None => return Err(Fault::new(at, format!("there is no Unicode character {word}"))),
        }
    }
    Ok(Some(out.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_characters() {
        let at = Place::default();
        for (text, wanted) in [
            ("$${hex:40}", "$@"),
            ("${HEX: 40 }", "@"),
            ("${hex:40", "${hex:40"),
            ("${hex:400}", "${hex:400}"),
            ("${hex:4${hex:30}}", "${hex:40}"),
            ("${unicode:40}", "@"),
            ("${unicode: 4A 4b}", "JK"),
            ("${hex:}", "${hex:}"),
            ("${hex:c3 bc}", "ü"),
            ("a${unicode:1F600}b", "a😀b"),
            ("${hex:+1}", "${hex:+1}"),
        ] {
            assert_eq!(decode(at, text).unwrap(), wanted, "{text}");
        }
        assert!(decode(at, "${unicode:D800}").unwrap_err().text.contains("no Unicode"));
        assert!(decode(at, "${unicode:200000}").is_err());
        assert!(decode(at, "${hex:ff}").is_err());
    }
}
