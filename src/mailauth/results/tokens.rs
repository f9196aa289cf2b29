//! The words of Authentication-Results and its like (RFC 8601 §2.2): white space and comments between them, atoms
//! and quoted strings. Never fails for good: what is no word is told as none, and the caller steps over it.

use crate::base::quoted;
use crate::message::address_list::comment;

/// Octets of a value, read from the left.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(value: &'a [u8]) -> Tokens<'a> {
        Tokens { rest: value }
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Steps over white space, line ends and comments (CFWS). A comment that does not end goes to the end.
    pub(crate) fn skip_blank(&mut self) {
        while let Some((octet, rest)) = self.rest.split_first() {
            self.rest = match octet {
                b' ' | b'\t' | b'\r' | b'\n' => rest,
                b'(' => comment(rest).1,
                _ => return,
            };
        }
    }

    /// Takes this octet, if it is next; blanks before it are stepped over.
    pub(crate) fn take(&mut self, wanted: u8) -> bool {
        self.skip_blank();
        match self.rest.split_first() {
            Some((octet, rest)) if *octet == wanted => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// The octets up to the first that does not belong; none where there are none.
    pub(crate) fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> Option<&'a [u8]> {
        let len = self.rest.iter().position(|c| !belongs(*c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(len).filter(|(word, _)| !word.is_empty())?;
        self.rest = rest;
        Some(word)
    }

    /// A quoted string, if one is next, unquoted; one that does not end goes to the end. Line ends in it are folding.
    pub(crate) fn quoted(&mut self) -> Option<Vec<u8>> {
        let (text, rest) = quoted::take(self.rest.strip_prefix(b"\"")?);
        self.rest = rest;
        Some(text)
    }

    /// Steps behind the next semicolon outside of comments and quoted strings; false where there is none.
    pub(crate) fn skip_past_semicolon(&mut self) -> bool {
        loop {
            self.skip_blank();
            if self.quoted().is_some() {
                continue;
            }
            match self.rest.split_first() {
                Some((b';', rest)) => {
                    self.rest = rest;
                    return true;
                }
                Some((_, rest)) => self.rest = rest,
                None => return false,
            }
        }
    }
}
