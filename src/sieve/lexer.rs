//! Splits a script into tokens (RFC 5228 §8.1), each with its place.
//!
//! Lines may end in CRLF or LF. Text that spans lines comes out with CRLF.

use super::place::{Fault, Place};

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Name of a command or test, in lower case.
    Name(String),
    /// `:tag`, in lower case, without the colon.
    Tag(String),
    /// A number, its quantifier applied.
    Number(u64),
    /// A quoted string or a multi-line text, escapes undone.
    Text(String),
    /// One of `[ ] ( ) { } , ;`
    Mark(char),
    /// The end of the script.
    End,
}

/// Reads tokens from a script.
pub(super) struct Lexer<'a> {
    rest: &'a str,
    place: Place,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(script: &'a str) -> Lexer<'a> {
        Lexer { rest: script, place: Place { line: 1, column: 1 } }
    }

    /// The next token and where it begins.
    pub(super) fn next(&mut self) -> Result<(Place, Token), Fault> {
        self.skip_blank()?;
        let at = self.place;
        let Some(c) = self.rest.chars().next() else { return Ok((at, Token::End)) };
        let token = match c {
            '[' | ']' | '(' | ')' | '{' | '}' | ',' | ';' => {
                self.advance(1);
                Token::Mark(c)
            }
            '"' => self.quoted()?,
            ':' => {
                self.advance(1);
                let name = self.name();
                if name.is_empty() {
                    return Err(Fault::new(at, "a tag needs a name behind the colon"));
                }
                Token::Tag(name)
            }
            c if c.is_ascii_digit() => self.number()?,
            c if is_name_start(c) => {
                let name = self.name();
                if name == "text" && self.rest.starts_with(':') { self.multi_line(at)? } else { Token::Name(name) }
            }
            c => return Err(Fault::new(at, format!("unexpected character {c:?}"))),
        };
        Ok((at, token))
    }

    /// Takes `octets` octets, which end at a character.
    fn advance(&mut self, octets: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(octets).unwrap_or((self.rest, ""));
        for c in taken.chars() {
            match c {
                '\n' => self.place = Place { line: self.place.line.saturating_add(1), column: 1 },
                _ => self.place.column = self.place.column.saturating_add(1),
            }
        }
        self.rest = rest;
        taken
    }

    fn skip_blank(&mut self) -> Result<(), Fault> {
        loop {
            let blank = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            self.advance(blank);
            if self.rest.starts_with('#') {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.advance(end);
            } else if self.rest.starts_with("/*") {
                let Some(end) = self.rest.get(2..).and_then(|inside| inside.find("*/")) else {
                    return Err(Fault::new(self.place, "the comment has no end"));
                };
                self.advance(end + 4);
            } else {
                return Ok(());
            }
        }
    }

    fn name(&mut self) -> String {
        let starts = self.rest.chars().next().is_some_and(is_name_start);
        let end = self.rest.find(|c: char| !is_name(c)).unwrap_or(self.rest.len());
        self.advance(if starts { end } else { 0 }).to_ascii_lowercase()
    }

    fn number(&mut self) -> Result<Token, Fault> {
        let at = self.place;
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let digits = self.advance(end);
        let shift = match self.rest.chars().next() {
            Some('k' | 'K') => 10,
            Some('m' | 'M') => 20,
            Some('g' | 'G') => 30,
            _ => 0,
        };
        if shift > 0 {
            self.advance(1);
        }
        if self.rest.chars().next().is_some_and(is_name) {
            return Err(Fault::new(at, "a number ends in a digit, or in K, M or G"));
        }
        let number = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift));
        match number.filter(|n| *n <= i64::MAX as u64) {
            Some(number) => Ok(Token::Number(number)),
            None => Err(Fault::new(at, "the number is too large")),
        }
    }

    fn quoted(&mut self) -> Result<Token, Fault> {
        let at = self.place;
        let mut text = String::new();
        let (mut escaped, mut end, mut before) = (false, None, '"');
        for (i, c) in self.rest.char_indices().skip(1) {
            match c {
                '\0' => return Err(Fault::new(at, "a string may not hold NUL")),
                _ if escaped => {
                    text.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => {
                    end = Some(i + 1);
                    break;
                }
                '\n' if before != '\r' => text.push_str("\r\n"),
                c => text.push(c),
            }
            before = c;
        }
        let Some(end) = end else { return Err(Fault::new(at, "the string has no closing quote")) };
        self.advance(end);
        Ok(Token::Text(text))
    }

    /// `text:`, of which the name was read.
    fn multi_line(&mut self, at: Place) -> Result<Token, Fault> {
        self.advance(1);
        let blank = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        self.advance(blank);
        let line = self.rest.find('\n').map_or(self.rest.len(), |end| end + 1);
        let head = self.advance(line).trim_end_matches(['\r', '\n']);
        if !head.is_empty() && !head.starts_with('#') {
            return Err(Fault::new(at, "only a comment may stand behind `text:` on its line"));
        }
        let mut text = String::new();
        while !self.rest.is_empty() {
            let line = self.rest.find('\n').map_or(self.rest.len(), |end| end + 1);
            let line = self.advance(line);
            let line = line.strip_suffix('\n').unwrap_or(line);
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line == "." {
                return Ok(Token::Text(text));
            }
            if line.contains('\0') {
                return Err(Fault::new(at, "a text may not hold NUL"));
            }
            text.push_str(line.strip_prefix('.').filter(|_| line.starts_with("..")).unwrap_or(line));
            text.push_str("\r\n");
        }
        Err(Fault::new(at, "the text has no line with a single dot at its end"))
    }
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(script: &str) -> Result<Vec<Token>, Fault> {
        let mut lexer = Lexer::new(script);
        let mut found = Vec::new();
        loop {
            match lexer.next()? {
                (_, Token::End) => return Ok(found),
                (_, token) => found.push(token),
            }
        }
    }

    #[test]
    fn every_kind_of_token() {
        let script = "# c\r\nIf /* x\n y */ :Over 10K, \"a\\\"\\b\" text: # note\r\n..x\r\n.y\r\n.\r\n;";
        let found = tokens(script).unwrap();
        let text = |t: &str| Token::Text(t.into());
        let wanted = [
            Token::Name("if".into()),
            Token::Tag("over".into()),
            Token::Number(10240),
            Token::Mark(','),
            text("a\"b"),
            text(".x\r\n.y\r\n"),
            Token::Mark(';'),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn faults_name_their_place() {
        for (script, at, text) in [
            ("keep;\n  \"abc", "line 2, column 3", "closing quote"),
            ("/* a", "line 1, column 1", "no end"),
            ("a 5x", "line 1, column 3", "ends in a digit"),
            ("99999999999999999999", "line 1, column 1", "too large"),
            ("9000000000G", "line 1, column 1", "too large"),
            ("text: x\n.\n", "line 1, column 1", "comment"),
            ("text:\nabc\n", "line 1, column 1", "single dot"),
            ("é", "line 1, column 1", "unexpected"),
            ("keep; : x", "line 1, column 7", "a tag needs"),
        ] {
            let fault = tokens(script).unwrap_err();
            assert!(fault.at.to_string() == at && fault.text.contains(text), "{script:?}: {fault}");
        }
    }
}
