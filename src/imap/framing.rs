//! Finds the commands in what a client sends: lines joined with their literals, under caps (RFC 9051 §2.2.1, RFC 7888).
//!
//! This comes before any parsing, so a command that is refused can be passed over without its literal being
//! read as the next command. The body of an APPEND is not gathered: its announcement is handed out and the
//! session takes the octets itself. A line may end in a bare LF.

use crate::base::dialog::Input;
use crate::base::limits::{
    IMAP_COMMAND_LINE_OCTETS_MAX, IMAP_EARLY_COMMAND_LINE_OCTETS_MAX, IMAP_EARLY_LITERALS_OCTETS_MAX,
    IMAP_LITERAL_OCTETS_MAX, IMAP_LITERALS_OCTETS_MAX, IMAP_SKIP_OCTETS_MAX, SASL_LINE_OCTETS_MAX,
};

use super::parse::append;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// More octets are needed.
    More,
    /// A synchronizing literal will be taken: send a continuation request, then go on.
    Invite,
    /// A complete command, or the rest of one behind a message: lines without their last line end, literals in place.
    Command(Vec<u8>),
    /// APPEND, up to a message; its octets follow in the input (behind a continuation request where `sync`).
    Message {
        /// The command up to the literal's announcement, which is left off.
        head: Vec<u8>,
        /// What was announced.
        literal: Announced,
    },
    /// A command that was passed over; already consumed.
    Refused {
        /// Its tag, where it could be made out.
        tag: Option<String>,
        /// Why.
        why: Refusal,
    },
    /// A literal was announced that is too large to pass over, and its octets are already coming: say BYE.
    Hopeless,
}

/// A literal's announcement: `{n}`, `{n+}`, `~{n}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Its length.
    pub octets: u64,
    /// Whether the client waits for a continuation request.
    pub sync: bool,
    /// Whether it may hold NUL (literal8).
    pub binary: bool,
}

/// Why a command was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The line is too long.
    LineTooLong,
    /// A literal, or all of them, are too large.
    LiteralTooLarge,
}

/// The cutter: one for each connection.
#[derive(Debug, Default)]
pub struct Framing {
    command: Vec<u8>,
    /// Where the present line begins in `command`.
    line_start: usize,
    /// Octets of the command outside and inside literals.
    line_octets: usize,
    literal_octets: usize,
    state: State,
    /// Whether somebody logged in: commands may be longer.
    wide: bool,
    /// Behind a message: what is announced next is another one (RFC 3502).
    behind_message: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Line,
    Literal(usize),
    /// Passing over a refused command: the octets of a literal left, then lines.
    Skip {
        left: u64,
        skipped: u64,
        why: Refusal,
    },
}

impl Framing {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on commands may be as long as those of a client that logged in.
    pub fn widen(&mut self) {
        self.wide = true;
    }

    /// Octets a command line may have now.
    pub fn line_octets_max(&self) -> usize {
        if self.wide { IMAP_COMMAND_LINE_OCTETS_MAX } else { IMAP_EARLY_COMMAND_LINE_OCTETS_MAX }
    }

    fn literals_octets_max(&self) -> usize {
        if self.wide { IMAP_LITERALS_OCTETS_MAX } else { IMAP_EARLY_LITERALS_OCTETS_MAX }
    }

    /// Whether a command has begun and is not complete.
    pub fn in_command(&self) -> bool {
        !self.command.is_empty() || !matches!(self.state, State::Line)
    }

    /// Takes the next piece off `input`.
    pub fn cut(&mut self, input: &mut Input) -> Cut {
        loop {
            let done = match &mut self.state {
                State::Line => self.line(input),
                State::Literal(_) => self.literal(input),
                State::Skip { .. } => self.skip(input),
            };
            if let Some(cut) = done {
                return cut;
            }
        }
    }

    /// Finds one plain line, for DONE and for SASL answers; `Command` holds it.
    pub fn cut_line(&mut self, input: &mut Input) -> Cut {
        match line_end(input.peek()) {
            Some((line, consumed)) if line.len() <= SASL_LINE_OCTETS_MAX => {
                let line = line.to_vec();
                input.consume(consumed);
                Cut::Command(line)
            }
            None if input.len() <= SASL_LINE_OCTETS_MAX => Cut::More,
            _ => Cut::Hopeless,
        }
    }

    /// What follows is the rest of a command whose message was taken, perhaps up to another message.
    pub fn message_taken(&mut self) {
        self.reset();
        self.behind_message = true;
    }

    /// The client was refused and sends no more of its command: the next one follows.
    pub fn command_refused(&mut self) {
        self.reset();
    }

    fn reset(&mut self) {
        *self = Self { wide: self.wide, ..Self::default() };
    }

    fn line(&mut self, input: &mut Input) -> Option<Cut> {
        let octets = input.peek();
        let Some((line, consumed)) = line_end(octets) else {
            if self.line_octets + octets.len() > self.line_octets_max() {
                return self.refuse(Refusal::LineTooLong, 0);
            }
            // Its last octets stay: they may announce a literal.
            let part = octets.get(..octets.len().saturating_sub(ANNOUNCEMENT_OCTETS_MAX)).unwrap_or_default();
            self.command.extend_from_slice(part);
            self.line_octets += part.len();
            let consumed = part.len();
            input.consume(consumed);
            return Some(Cut::More);
        };
        if self.line_octets + line.len() > self.line_octets_max() {
            return self.refuse(Refusal::LineTooLong, 0);
        }
        self.command.extend_from_slice(line);
        self.line_octets += line.len();
        input.consume(consumed);
        let line = self.command.get(self.line_start..).unwrap_or_default();
        let Some((announced, length)) = announcement(line) else {
            let command = std::mem::take(&mut self.command);
            self.reset();
            return Some(Cut::Command(command));
        };
        let head_octets = self.command.len() - length;
        if self.behind_message || append::is_at_message(self.command.get(..head_octets).unwrap_or_default()) {
            let mut head = std::mem::take(&mut self.command);
            head.truncate(head_octets);
            self.reset();
            return Some(Cut::Message { head, literal: announced });
        }
        self.begin_literal(announced)
    }

    fn begin_literal(&mut self, announced: Announced) -> Option<Cut> {
        let octets = usize::try_from(announced.octets).unwrap_or(usize::MAX);
        let fits = octets <= IMAP_LITERAL_OCTETS_MAX && self.literal_octets + octets <= self.literals_octets_max();
        if !fits && announced.sync {
            // The client waits for an answer and, refused, sends nothing more of this command.
            let tag = tag_of(&self.command);
            self.reset();
            return Some(Cut::Refused { tag, why: Refusal::LiteralTooLarge });
        }
        if !fits {
            return self.refuse(Refusal::LiteralTooLarge, announced.octets);
        }
        self.literal_octets += octets;
        self.command.extend_from_slice(b"\r\n");
        self.state = State::Literal(octets);
        announced.sync.then_some(Cut::Invite)
    }

    fn literal(&mut self, input: &mut Input) -> Option<Cut> {
        let State::Literal(left) = &mut self.state else { return None };
        let piece = input.peek();
        let n = (*left).min(piece.len());
        self.command.extend(piece.iter().take(n));
        input.consume(n);
        *left -= n;
        if *left > 0 {
            return Some(Cut::More);
        }
        self.line_start = self.command.len();
        self.state = State::Line;
        None
    }

    /// Begins to pass over the command, `left` octets of a literal first.
    fn refuse(&mut self, why: Refusal, left: u64) -> Option<Cut> {
        if left > IMAP_SKIP_OCTETS_MAX {
            return Some(Cut::Hopeless);
        }
        self.state = State::Skip { left, skipped: left, why };
        None
    }

    fn skip(&mut self, input: &mut Input) -> Option<Cut> {
        let State::Skip { left, skipped, why } = &mut self.state else { return None };
        let n = (*left).min(input.len() as u64);
        if self.command.is_empty() {
            // Only the tag is wanted of a line that never ended.
            self.command.extend(input.peek().iter().take(256));
        }
        input.consume(n as usize);
        *left -= n;
        if *left > 0 {
            return Some(Cut::More);
        }
        let Some((line, consumed)) = line_end(input.peek()) else {
            // Its last octets stay: they may announce a literal.
            let drop = input.len().saturating_sub(ANNOUNCEMENT_OCTETS_MAX);
            *skipped += drop as u64;
            input.consume(drop);
            return Some(if *skipped > IMAP_SKIP_OCTETS_MAX { Cut::Hopeless } else { Cut::More });
        };
        let announced = announcement(line).filter(|(a, _)| !a.sync);
        *skipped += consumed as u64;
        input.consume(consumed);
        if let Some((announced, _)) = announced {
            *left = announced.octets;
            *skipped = skipped.saturating_add(announced.octets);
            return (*skipped > IMAP_SKIP_OCTETS_MAX).then_some(Cut::Hopeless);
        }
        let why = *why;
        let tag = tag_of(&self.command);
        self.reset();
        Some(Cut::Refused { tag, why })
    }
}

/// `~{18446744073709551615+}` with CR and room to spare.
const ANNOUNCEMENT_OCTETS_MAX: usize = 32;

/// The first line and how many octets it takes with its line end.
fn line_end(octets: &[u8]) -> Option<(&[u8], usize)> {
    let at = memchr::memchr(b'\n', octets)?;
    let line = octets.get(..at).unwrap_or_default();
    Some((line.strip_suffix(b"\r").unwrap_or(line), at + 1))
}

/// The literal a line announces at its end, and how long the announcement is.
fn announcement(line: &[u8]) -> Option<(Announced, usize)> {
    let inside = line.strip_suffix(b"}")?;
    let (inside, sync) = match inside.strip_suffix(b"+").or_else(|| inside.strip_suffix(b"-")) {
        Some(inside) => (inside, false),
        None => (inside, true),
    };
    let digits = inside.iter().rev().take_while(|c| c.is_ascii_digit()).count();
    let (before, number) = inside.split_at_checked(inside.len() - digits)?;
    let before = before.strip_suffix(b"{")?;
    let binary = before.strip_suffix(b"~").is_some_and(|before| matches!(before.last(), None | Some(b' ' | b'(')));
    let text = std::str::from_utf8(number).ok().filter(|t| !t.is_empty())?;
    let octets = text.parse().unwrap_or(u64::MAX);
    let length = line.len() - before.len() + usize::from(binary);
    Some((Announced { octets, sync, binary }, length))
}

/// The tag at the beginning of a command, where there is one.
pub fn tag_of(command: &[u8]) -> Option<String> {
    super::grammar::Cursor::new(command, false).tag().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts everything, fed `piece` octets at a time; `Invite` and `More` are passed over.
    fn cuts(octets: &[u8], piece: usize) -> Vec<Cut> {
        let mut framing = Framing::new();
        framing.widen();
        cuts_of(framing, octets, piece)
    }

    fn cuts_of(mut framing: Framing, octets: &[u8], piece: usize) -> Vec<Cut> {
        let (mut input, mut cuts) = (Input::new(), Vec::new());
        for part in octets.chunks(piece) {
            input.push(part);
            loop {
                match framing.cut(&mut input) {
                    Cut::More => break,
                    Cut::Invite => {}
                    cut @ Cut::Hopeless => {
                        cuts.push(cut);
                        return cuts;
                    }
                    cut => cuts.push(cut),
                }
            }
        }
        cuts
    }

    fn commands(octets: &[u8], piece: usize) -> Vec<String> {
        cuts(octets, piece)
            .into_iter()
            .map(|cut| match cut {
                Cut::Command(c) => c.escape_ascii().to_string(),
                Cut::Refused { tag, why } => format!("{} {why:?}", tag.unwrap_or_default()),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn lines_and_literals() {
        let wire = b"a NOOP\r\nb LOGIN {3}\r\nx\r\n {2+}\r\n{}\r\nc NOOP\nd X \"{3}\"\r\n\r\n";
        let wanted = ["a NOOP", r"b LOGIN {3}\r\nx\r\n {2+}\r\n{}", "c NOOP", r#"d X \"{3}\""#, ""];
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(commands(wire, piece), wanted, "{piece}");
        }
    }

    #[test]
    fn a_synchronizing_literal_is_invited() {
        let (mut framing, mut input) = (Framing::new(), Input::new());
        input.push(b"a LOGIN {1}\r\n");
        assert_eq!(framing.cut(&mut input), Cut::Invite);
        assert_eq!(framing.cut(&mut input), Cut::More);
        assert!(framing.in_command());
        input.push(b"u p\r\n");
        assert_eq!(framing.cut(&mut input), Cut::Command(b"a LOGIN {1}\r\nu p".to_vec()));
        assert!(!framing.in_command());
    }

    #[test]
    fn messages_are_announced_not_gathered() {
        let mut framing = Framing::new();
        for (command, octets, sync, binary, head) in [
            ("a APPEND INBOX {310}\r\n", 310, true, false, "a APPEND INBOX "),
            ("a append \"x y\" (\\Seen) {5+}\r\n", 5, false, false, "a append \"x y\" (\\Seen) "),
            (
                "a APPEND x \" 1-Feb-1994 21:52:25 -0800\" ~{9}\r\n",
                9,
                true,
                true,
                "a APPEND x \" 1-Feb-1994 21:52:25 -0800\" ",
            ),
            ("a APPEND {1+}\r\nx (\\Seen) {7}\r\n", 7, true, false, "a APPEND {1+}\r\nx (\\Seen) "),
        ] {
            let mut input = Input::new();
            input.push(command.as_bytes());
            let wanted = Cut::Message { head: head.as_bytes().to_vec(), literal: Announced { octets, sync, binary } };
            assert_eq!(framing.cut(&mut input), wanted, "{command}");
            assert!(input.is_empty());
            framing.message_taken();
            input.push(b"\r\n");
            assert_eq!(framing.cut(&mut input), Cut::Command(Vec::new()), "{command}");
        }
    }

    #[test]
    fn line_length_at_the_limit() {
        let line = |n: usize| {
            let mut wire = b"a ".to_vec();
            wire.resize(n, b'x');
            wire.extend_from_slice(b"\r\nb NOOP\r\n");
            commands(&wire, 4096)
        };
        for n in [IMAP_COMMAND_LINE_OCTETS_MAX - 1, IMAP_COMMAND_LINE_OCTETS_MAX] {
            assert_eq!(line(n).first().map(String::len), Some(n));
        }
        assert_eq!(line(IMAP_COMMAND_LINE_OCTETS_MAX + 1), ["a LineTooLong", "b NOOP"]);
        assert_eq!(line(IMAP_COMMAND_LINE_OCTETS_MAX * 3), ["a LineTooLong", "b NOOP"]);
    }

    #[test]
    fn commands_before_login_are_shorter() {
        let line = |n: usize| [vec![b'x'; n], b"\r\n".to_vec()].concat();
        for (n, fits) in [(IMAP_EARLY_COMMAND_LINE_OCTETS_MAX, true), (IMAP_EARLY_COMMAND_LINE_OCTETS_MAX + 1, false)] {
            let cut = cuts_of(Framing::new(), &line(n), 999);
            assert_eq!(matches!(cut.first(), Some(Cut::Command(_))), fits, "{n}");
        }
    }

    #[test]
    fn literals_at_the_limit() {
        let wire = |n: usize, plus: &str| {
            let mut wire = format!("a X {{{n}{plus}}}\r\n").into_bytes();
            if n <= IMAP_LITERAL_OCTETS_MAX || plus == "+" {
                wire.extend(std::iter::repeat_n(b'\n', n));
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"b NOOP\r\n");
            wire
        };
        for plus in ["", "+"] {
            for n in [IMAP_LITERAL_OCTETS_MAX - 1, IMAP_LITERAL_OCTETS_MAX] {
                let cut = cuts(&wire(n, plus), 4096);
                assert!(matches!(cut.first(), Some(Cut::Command(c)) if c.len() > n), "{n}{plus}");
                assert_eq!(cut.get(1), Some(&Cut::Command(b"b NOOP".to_vec())));
            }
            let over = commands(&wire(IMAP_LITERAL_OCTETS_MAX + 1, plus), 4096);
            assert_eq!(over, ["a LiteralTooLarge", "b NOOP"], "{plus}");
        }
        assert_eq!(cuts(format!("a X {{{}+}}\r\n", u64::MAX).as_bytes(), 99), [Cut::Hopeless]);
        assert_eq!(cuts(format!("a X {{{}+}}\r\n", IMAP_SKIP_OCTETS_MAX + 1).as_bytes(), 99), [Cut::Hopeless]);
    }

    #[test]
    fn all_literals_together_are_capped() {
        let mut wire = b"a X".to_vec();
        for _ in 0..=IMAP_LITERALS_OCTETS_MAX / IMAP_LITERAL_OCTETS_MAX {
            wire.extend_from_slice(format!(" {{{IMAP_LITERAL_OCTETS_MAX}+}}\r\n").as_bytes());
            wire.resize(wire.len() + IMAP_LITERAL_OCTETS_MAX, b'y');
        }
        wire.extend_from_slice(b" {3+}\r\nabc\r\nb NOOP\r\n");
        assert_eq!(commands(&wire, 10_000), ["a LiteralTooLarge", "b NOOP"]);
    }
}
