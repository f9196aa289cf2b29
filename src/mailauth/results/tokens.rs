//! The words of Authentication-Results and its like (RFC 8601 §2.2): white space and comments between them, atoms
//! and quoted strings. Never fails for good: what is no word is told as none, and the caller steps over it.

/// Octets of a value, read from the left.
#[derive(Debug, Clone, Copy)]
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
        let mut depth = 0u32;
        while let Some((octet, rest)) = self.rest.split_first() {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b'\\' if depth > 0 => {
                    self.rest = rest.get(1..).unwrap_or_default();
                    continue;
                }
                _ if depth > 0 => {}
                _ => return,
            }
            self.rest = rest;
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
}
