//! Commands (RFC 5804 §4): framed with their literals, then parsed. And the strings of responses.

use crate::base::Secret;
use crate::base::limits::{MANAGESIEVE_ARGUMENTS_MAX, MANAGESIEVE_COMMAND_OCTETS_MAX, MANAGESIEVE_LITERALS_OCTETS_MAX};

/// A command with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// AUTHENTICATE mechanism, initial response.
    Authenticate(String, Option<Secret>),
    /// STARTTLS
    StartTls,
    /// LOGOUT
    Logout,
    /// CAPABILITY
    Capability,
    /// HAVESPACE name, octets.
    HaveSpace(String, u64),
    /// PUTSCRIPT name, script.
    PutScript(String, Vec<u8>),
    /// LISTSCRIPTS
    ListScripts,
    /// SETACTIVE name; empty: none.
    SetActive(String),
    /// GETSCRIPT name.
    GetScript(String),
    /// DELETESCRIPT name.
    DeleteScript(String),
    /// RENAMESCRIPT old name, new name.
    RenameScript(String, String),
    /// CHECKSCRIPT script.
    CheckScript(Vec<u8>),
    /// NOOP, with what is to be echoed.
    Noop(Option<Vec<u8>>),
    /// UNAUTHENTICATE
    Unauthenticate,
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandError {
    /// There is no such command.
    Unknown,
    /// Its arguments are wrong.
    Arguments,
}

/// What came of the octets that there are.
#[derive(Debug, PartialEq, Eq)]
pub enum Framed {
    /// More must come.
    More,
    /// A command, its final CRLF left out.
    Command(Vec<u8>),
    /// A command that is too long, and over.
    TooLong,
    /// A line that ends within a string, or a literal that waits for a leave we do not give: nothing behind it can be
    /// trusted.
    Broken,
}

/// Gathers the octets of a command, over as many reads as it takes.
#[derive(Debug, Default)]
pub struct Framer {
    held: Vec<u8>,
    state: State,
    /// Where the present line began in `held`.
    line: usize,
    /// Octets of literals so far.
    literals: usize,
    overflows: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Line,
    Quoted,
    Escaped,
    Literal(u64),
}

impl Framer {
    /// Takes octets; how many were taken, and what came of it.
    pub fn take(&mut self, octets: &[u8]) -> (usize, Framed) {
        let mut taken = 0;
        let mut rest = octets;
        while let Some((first, behind)) = rest.split_first() {
            if let State::Literal(left) = self.state {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                let (piece, behind) = rest.split_at_checked(most).unwrap_or((rest, &[]));
                if !self.overflows {
                    self.held.extend_from_slice(piece);
                }
                (taken, rest) = (taken + piece.len(), behind);
                self.state = match left.saturating_sub(piece.len() as u64) {
                    0 => State::Line,
                    left => State::Literal(left),
                };
                self.line = self.held.len();
                continue;
            }
            (taken, rest) = (taken + 1, behind);
            if let Some(framed) = self.octet(*first) {
                return (taken, framed);
            }
        }
        (taken, Framed::More)
    }

    /// An octet outside literals.
    fn octet(&mut self, octet: u8) -> Option<Framed> {
        if self.held.len() - self.line.min(self.held.len()) >= MANAGESIEVE_COMMAND_OCTETS_MAX {
            self.overflows = true;
            self.held.truncate(self.line);
        }
        self.held.push(octet);
        self.state = match (self.state, octet) {
            (State::Line, b'"') => State::Quoted,
            (State::Line, b'\n') => return self.line_end(),
            (State::Quoted, b'\\') => State::Escaped,
            (State::Quoted, b'"') => State::Line,
            (State::Quoted | State::Escaped, b'\n') => {
                *self = Framer::default();
                return Some(Framed::Broken);
            }
            (State::Escaped, _) => State::Quoted,
            (state, _) => state,
        };
        None
    }

    fn line_end(&mut self) -> Option<Framed> {
        let line = self.held.get(self.line..).unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let literal = line.strip_suffix(b"}").and_then(|line| {
            let open = line.iter().rposition(|c| *c == b'{')?;
            line.get(open + 1..)
        });
        let Some(literal) = literal else {
            let Framer { mut held, line, overflows, .. } = std::mem::take(self);
            if overflows {
                return Some(Framed::TooLong);
            }
            // One line end: a literal in front of it may end in others.
            held.pop();
            if held.len() > line && held.last() == Some(&b'\r') {
                held.pop();
            }
            return Some(Framed::Command(held));
        };
        let length = literal.strip_suffix(b"+").and_then(|n| std::str::from_utf8(n).ok()?.parse::<u64>().ok());
        let Some(length) = length.filter(|length| *length <= u64::from(u32::MAX)) else {
            *self = Framer::default();
            return Some(Framed::Broken);
        };
        self.literals = self.literals.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        self.overflows |= self.literals > MANAGESIEVE_LITERALS_OCTETS_MAX;
        if self.overflows {
            self.held.clear();
        }
        self.line = self.held.len();
        self.state = if length == 0 { State::Line } else { State::Literal(length) };
        None
    }

    /// Whether part of a command is held.
    pub fn is_within(&self) -> bool {
        !self.held.is_empty() || self.overflows || !matches!(self.state, State::Line)
    }
}

/// A word of a command.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Atom(Vec<u8>),
    Text(Vec<u8>),
}

/// The words of a command; `None` where it is no sequence of words and strings.
fn words(mut rest: &[u8]) -> Option<Vec<Word>> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        let Some(first) = rest.first() else { return Some(found) };
        if found.len() > MANAGESIEVE_ARGUMENTS_MAX {
            return None;
        }
        match first {
            b'"' => {
                let mut text = Vec::new();
                let mut octets = rest.iter().copied().enumerate().skip(1);
                let end = loop {
                    match octets.next()? {
                        (at, b'"') => break at + 1,
                        (_, b'\\') => text.push(octets.next()?.1),
                        (_, b'\0') => return None,
                        (_, octet) => text.push(octet),
                    }
                };
                found.push(Word::Text(text));
                rest = rest.get(end..)?;
            }
            b'{' => {
                let end = rest.iter().position(|c| *c == b'\n')?;
                let head = rest.get(1..end)?.trim_ascii_end();
                let length = std::str::from_utf8(head.strip_suffix(b"+}")?).ok()?.parse::<usize>().ok()?;
                let text = rest.get(end + 1..)?.get(..length)?;
                found.push(Word::Text(text.to_vec()));
                rest = rest.get(end + 1 + length..)?;
            }
            _ => {
                let end = rest.iter().position(|c| c.is_ascii_whitespace()).unwrap_or(rest.len());
                let (atom, behind) = rest.split_at_checked(end)?;
                if atom.contains(&b'"') {
                    return None;
                }
                found.push(Word::Atom(atom.to_vec()));
                rest = behind;
            }
        }
    }
}

/// One string alone: a response within an exchange.
pub fn only_string(line: &[u8]) -> Option<Vec<u8>> {
    let mut words = words(line)?.into_iter();
    match (words.next(), words.next()) {
        (Some(Word::Text(text)), None) => Some(text),
        (Some(Word::Atom(atom)), None) if atom == b"*" => Some(atom),
        _ => None,
    }
}

/// Parses a command that [`Framer`] gave.
pub fn parse(line: &[u8]) -> Result<Command, CommandError> {
    use CommandError::{Arguments, Unknown};
    let mut words = words(line).ok_or(Arguments)?.into_iter();
    let Some(Word::Atom(verb)) = words.next() else { return Err(Unknown) };
    let verb = verb.to_ascii_uppercase();
    let mut texts = Vec::new();
    let mut number = None;
    for word in words {
        match word {
            Word::Text(text) if number.is_none() => texts.push(text),
            Word::Atom(digits) if number.is_none() => {
                let digits = std::str::from_utf8(&digits).ok().filter(|d| d.bytes().all(|c| c.is_ascii_digit()));
                number = Some(digits.and_then(|digits| digits.parse::<u64>().ok()).ok_or(Arguments)?);
            }
            _ => return Err(Arguments),
        }
    }
    let name = |text: Vec<u8>| String::from_utf8(text).map_err(|_| Arguments);
    let mut texts = texts.into_iter();
    let arguments = (texts.next(), texts.next(), number);
    if texts.next().is_some() {
        return Err(Arguments);
    }
    Ok(match (verb.as_slice(), arguments) {
        (b"AUTHENTICATE", (Some(mechanism), initial, None)) => {
            let initial = initial.map(|initial| name(initial).map(|initial| Secret::new(initial.as_str()))).transpose();
            Command::Authenticate(name(mechanism)?, initial?)
        }
        (b"STARTTLS", (None, None, None)) => Command::StartTls,
        (b"LOGOUT", (None, None, None)) => Command::Logout,
        (b"CAPABILITY", (None, None, None)) => Command::Capability,
        (b"HAVESPACE", (Some(script), None, Some(octets))) => Command::HaveSpace(name(script)?, octets),
        (b"PUTSCRIPT", (Some(script), Some(text), None)) => Command::PutScript(name(script)?, text),
        (b"LISTSCRIPTS", (None, None, None)) => Command::ListScripts,
        (b"SETACTIVE", (Some(script), None, None)) => Command::SetActive(name(script)?),
        (b"GETSCRIPT", (Some(script), None, None)) => Command::GetScript(name(script)?),
        (b"DELETESCRIPT", (Some(script), None, None)) => Command::DeleteScript(name(script)?),
        (b"RENAMESCRIPT", (Some(from), Some(to), None)) => Command::RenameScript(name(from)?, name(to)?),
        (b"CHECKSCRIPT", (Some(text), None, None)) => Command::CheckScript(text),
        (b"NOOP", (echo, None, None)) => Command::Noop(echo),
        (b"UNAUTHENTICATE", (None, None, None)) => Command::Unauthenticate,
        (
            b"AUTHENTICATE" | b"STARTTLS" | b"LOGOUT" | b"CAPABILITY" | b"HAVESPACE" | b"PUTSCRIPT" | b"LISTSCRIPTS"
            | b"SETACTIVE" | b"GETSCRIPT" | b"DELETESCRIPT" | b"RENAMESCRIPT" | b"CHECKSCRIPT" | b"NOOP"
            | b"UNAUTHENTICATE",
            _,
        ) => return Err(Arguments),
        _ => return Err(Unknown),
    })
}

/// A string as a response has it: quoted, or a literal where quotes cannot hold it.
pub fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    let quotable = text.len() <= 1024 && !text.iter().any(|c| matches!(c, b'\r' | b'\n' | b'\0'));
    if !quotable {
        out.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for octet in text {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*octet);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(octets: &[u8], step: usize) -> Vec<Framed> {
        let (mut framer, mut found) = (Framer::default(), Vec::new());
        for mut piece in octets.chunks(step) {
            while !piece.is_empty() {
                let (taken, framed) = framer.take(piece);
                piece = &piece[taken..];
                if framed != Framed::More {
                    found.push(framed);
                }
            }
        }
        found
    }

    #[test]
    fn commands_in_pieces_of_any_size() {
        let octets = b"NOOP\r\nPUTSCRIPT \"a\\\"b\" {9+}\r\nkeep;}\r\n\n\r\nNOOP \"{3+}\"\r\nLOGOUT\n";
        for step in [1, 2, 7, 100] {
            let found = frames(octets, step);
            let commands: Vec<_> = found
                .iter()
                .map(|framed| match framed {
                    Framed::Command(line) => parse(line),
                    other => panic!("{other:?}"),
                })
                .collect();
            let wanted = [
                Ok(Command::Noop(None)),
                Ok(Command::PutScript("a\"b".into(), b"keep;}\r\n\n".to_vec())),
                Ok(Command::Noop(Some(b"{3+}".to_vec()))),
                Ok(Command::Logout),
            ];
            assert_eq!(commands, wanted, "{step}");
        }
    }

    #[test]
    fn what_is_too_long_is_passed_over() {
        let long = MANAGESIEVE_LITERALS_OCTETS_MAX + 1;
        let mut octets = format!("PUTSCRIPT \"a\" {{{long}+}}\r\n").into_bytes();
        octets.extend(vec![b'x'; long]);
        octets.extend_from_slice(b"\r\nNOOP\r\n");
        assert_eq!(frames(&octets, 4096), [Framed::TooLong, Framed::Command(b"NOOP".to_vec())]);
        let line = format!("{}\r\nNOOP\r\n", "x".repeat(3 * MANAGESIEVE_COMMAND_OCTETS_MAX));
        assert_eq!(frames(line.as_bytes(), 777), [Framed::TooLong, Framed::Command(b"NOOP".to_vec())]);
        for broken in ["NOOP \"a\r\n", "PUTSCRIPT \"a\" {3}\r\n", "NOOP {99999999999+}\r\n", "NOOP {x+}\r\n"] {
            assert_eq!(frames(broken.as_bytes(), 100), [Framed::Broken], "{broken}");
        }
    }

    #[test]
    fn wrong_commands() {
        for (line, error) in [
            ("", CommandError::Unknown),
            ("FROB", CommandError::Unknown),
            ("\"NOOP\"", CommandError::Unknown),
            ("LOGOUT now", CommandError::Arguments),
            ("HAVESPACE \"a\"", CommandError::Arguments),
            ("HAVESPACE \"a\" x", CommandError::Arguments),
            ("HAVESPACE 5 \"a\"", CommandError::Arguments),
            ("PUTSCRIPT \"a\" \"b\" \"c\"", CommandError::Arguments),
            ("GETSCRIPT a", CommandError::Arguments),
        ] {
            assert_eq!(parse(line.as_bytes()), Err(error), "{line}");
        }
    }
}
