//! Strings at run time: variables put in, modifiers applied (RFC 5229).

use super::super::program::{Modifier, Piece, Text};
use super::{Ran, Run};
use crate::base::limits::{SIEVE_HELD_OCTETS_MAX, SIEVE_TEXT_OCTETS_MAX, SIEVE_VALUE_OCTETS_MAX, SIEVE_VARIABLES_MAX};

impl Run<'_> {
    /// The string a text stands for now.
    pub(super) fn text(&mut self, text: &Text) -> Ran<String> {
        let pieces = match text {
            Text::Plain(text) => return Ok(text.clone().into()),
            Text::Pieces(pieces) => pieces,
        };
        let mut out = String::new();
        for piece in pieces {
            let found: &str = match piece {
                Piece::Plain(text) => text,
                Piece::Matched(index) => self.matched.get(*index).map_or("", String::as_str),
                Piece::Variable { global, name } => self.variable(*global, name),
            };
            out.push_str(found);
            if out.len() > SIEVE_TEXT_OCTETS_MAX {
                return Err(self.fault(format!("a string grows beyond {SIEVE_TEXT_OCTETS_MAX} octets")));
            }
        }
        self.spend(1 + out.len() / 256)?;
        Ok(out)
    }

    pub(super) fn texts(&mut self, texts: &[Text]) -> Ran<Vec<String>> {
        texts.iter().map(|text| self.text(text)).collect()
    }

    pub(super) fn optional(&mut self, text: Option<&Text>) -> Ran<Option<String>> {
        text.map(|text| self.text(text)).transpose()
    }

    fn is_global(&self, name: &str) -> bool {
        self.variables.last().is_some_and(|scope| scope.global.contains(name))
    }

    /// The value of a variable; empty where it was never set.
    pub(super) fn variable(&self, global: bool, name: &str) -> &str {
        let value = match global || self.is_global(name) {
            true => self.globals.get(name),
            false => self.variables.last().and_then(|scope| scope.values.get(name)),
        };
        value.map_or("", String::as_str)
    }

    /// Sets a variable. A value that is too long is cut (RFC 5229 §6 allows a limit).
    pub(super) fn set(&mut self, global: bool, name: &str, mut value: String) -> Ran<()> {
        if value.len() > SIEVE_VALUE_OCTETS_MAX {
            let end = (0..=SIEVE_VALUE_OCTETS_MAX).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
            value.truncate(end);
        }
        let global = global || self.is_global(name);
        let length = value.len();
        let values = match (global, self.variables.last_mut()) {
            (false, Some(scope)) => &mut scope.values,
            _ => &mut self.globals,
        };
        let before = values.insert(name.into(), value).map_or(0, |before| before.len());
        let count = values.len();
        self.held = (self.held + length).saturating_sub(before);
        if count > SIEVE_VARIABLES_MAX {
            return Err(self.fault(format!("more than {SIEVE_VARIABLES_MAX} variables")));
        }
        if self.held > SIEVE_HELD_OCTETS_MAX {
            return Err(self.fault(format!("the variables hold more than {SIEVE_HELD_OCTETS_MAX} octets")));
        }
        Ok(())
    }
}

/// Applies modifiers, which stand in their order. Case is that of ASCII (RFC 5229 §4.1.3).
pub(super) fn modified(mut value: String, modifiers: &[Modifier]) -> String {
    for modifier in modifiers {
        value = match modifier {
            Modifier::Lower => value.to_ascii_lowercase(),
            Modifier::Upper => value.to_ascii_uppercase(),
            Modifier::LowerFirst => first(&value, |c| c.to_ascii_lowercase()),
            Modifier::UpperFirst => first(&value, |c| c.to_ascii_uppercase()),
            Modifier::QuoteWildcard => {
                let mut quoted = String::with_capacity(value.len());
                for c in value.chars() {
                    if matches!(c, '*' | '?' | '\\') {
                        quoted.push('\\');
                    }
                    quoted.push(c);
                }
                quoted
            }
            Modifier::EncodeUrl => encode_url(&value),
            Modifier::Length => value.chars().count().to_string(),
        };
    }
    value
}

fn first(value: &str, change: impl Fn(char) -> char) -> String {
    let mut chars = value.chars();
    chars.next().map_or(String::new(), |c| change(c).to_string() + chars.as_str())
}

/// RFC 3986 §2.3: everything but unreserved characters is escaped.
fn encode_url(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for octet in value.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(octet)),
            octet => {
                let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0').to_ascii_uppercase();
                out.extend(['%', digit(octet >> 4), digit(octet & 15)]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use Modifier::*;

    #[test]
    fn modifiers() {
        for (value, modifiers, wanted) in [
            ("juMBlEd lETteRS", vec![Lower], "jumbled letters"),
            ("juMBlEd lETteRS", vec![Lower, UpperFirst], "Jumbled letters"),
            ("juMBlEd lETteRS", vec![Length], "15"),
            ("ÄÖa", vec![Upper, LowerFirst], "ÄÖA"),
            ("Rock*", vec![QuoteWildcard], "Rock\\*"),
            ("a b/ü", vec![EncodeUrl], "a%20b%2F%C3%BC"),
            ("", vec![UpperFirst, Length], "0"),
        ] {
            assert_eq!(modified(value.to_owned(), &modifiers), wanted);
        }
    }
}
