//! Commands of POP3: one row for each verb says where it is legal, and one function takes a line apart.

use crate::base::Secret;

/// A command, as the peer said it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Command {
    User(String),
    Pass(Secret),
    Apop,
    /// Mechanism and initial response; without a mechanism it asks for their list.
    Auth(Option<(String, Option<Vec<u8>>)>),
    Stat,
    List(Option<u32>),
    Uidl(Option<u32>),
    Retr(u32),
    /// Message and lines of its body.
    Top(u32, u64),
    Dele(u32),
    Rset,
    Noop,
    Capa,
    Stls,
    Quit,
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandError {
    /// No such verb.
    Unknown,
    /// The arguments do not fit.
    Arguments,
    /// Not in this state, with what to say about it.
    State(&'static str),
}

/// States of a session (RFC 1939 §3); UPDATE takes no commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not logged in.
    Authorization,
    /// Logged in.
    Transaction,
}

/// When a verb may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    BeforeLogin,
    AfterLogin,
    Always,
}

/// What is known of a verb.
struct VerbRow {
    name: &'static str,
    when: When,
    /// Reads what stands behind the verb.
    parse: fn(&[u8]) -> Option<Command>,
}

const fn row(name: &'static str, when: When, parse: fn(&[u8]) -> Option<Command>) -> VerbRow {
    VerbRow { name, when, parse }
}

const ROWS: [VerbRow; 15] = [
    row("RETR", When::AfterLogin, |rest| Some(Command::Retr(number(rest)?))),
    row("LIST", When::AfterLogin, |rest| Some(Command::List(optional_number(rest)?))),
    row("UIDL", When::AfterLogin, |rest| Some(Command::Uidl(optional_number(rest)?))),
    row("TOP", When::AfterLogin, top),
    row("DELE", When::AfterLogin, |rest| Some(Command::Dele(number(rest)?))),
    row("STAT", When::AfterLogin, |rest| bare(rest, Command::Stat)),
    row("RSET", When::AfterLogin, |rest| bare(rest, Command::Rset)),
    row("NOOP", When::AfterLogin, |rest| bare(rest, Command::Noop)),
    row("CAPA", When::Always, |rest| bare(rest, Command::Capa)),
    row("QUIT", When::Always, |rest| bare(rest, Command::Quit)),
    row("USER", When::BeforeLogin, user),
    row("PASS", When::BeforeLogin, |rest| (!rest.is_empty()).then(|| Command::Pass(Secret::new(rest)))),
    row("AUTH", When::BeforeLogin, auth),
    row("STLS", When::BeforeLogin, |rest| bare(rest, Command::Stls)),
    row("APOP", When::BeforeLogin, |_| Some(Command::Apop)),
];

/// Reads a line, without its line end.
pub fn parse(line: &[u8], state: State) -> Result<Command, CommandError> {
    let at = line.iter().position(|c| *c == b' ').unwrap_or(line.len());
    let (verb, rest) = line.split_at_checked(at).unwrap_or((line, &[]));
    // A password may end in spaces; it begins behind the one space (RFC 1939 §7, PASS).
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let row = ROWS.iter().find(|row| verb.eq_ignore_ascii_case(row.name.as_bytes())).ok_or(CommandError::Unknown)?;
    match (state, row.when) {
        (State::Authorization, When::AfterLogin) => Err(CommandError::State("log in first")),
        (State::Transaction, When::BeforeLogin) => Err(CommandError::State("already logged in")),
        _ => (row.parse)(rest).ok_or(CommandError::Arguments),
    }
}

fn bare(rest: &[u8], command: Command) -> Option<Command> {
    rest.trim_ascii().is_empty().then_some(command)
}

fn words(rest: &[u8]) -> impl Iterator<Item = &str> {
    // What is not ASCII is no argument of ours: it comes out as a word nothing fits.
    std::str::from_utf8(rest).unwrap_or("\u{fffd}").split(' ').filter(|word| !word.is_empty())
}

fn digits(word: &str) -> Option<u64> {
    // Numbers beyond ours mean messages that do not exist.
    (word.bytes().all(|c| c.is_ascii_digit())).then(|| word.parse().unwrap_or(u64::MAX))
}

fn optional_number(rest: &[u8]) -> Option<Option<u32>> {
    let mut words = words(rest);
    let number = match words.next() {
        None => None,
        Some(word) => Some(u32::try_from(digits(word)?).unwrap_or(u32::MAX)),
    };
    words.next().is_none().then_some(number)
}

fn number(rest: &[u8]) -> Option<u32> {
    optional_number(rest)?
}

fn top(rest: &[u8]) -> Option<Command> {
    let mut words = words(rest);
    let number = u32::try_from(digits(words.next()?)?).unwrap_or(u32::MAX);
    let lines = digits(words.next()?)?;
    words.next().is_none().then_some(Command::Top(number, lines))
}

fn user(rest: &[u8]) -> Option<Command> {
    let name = std::str::from_utf8(rest).ok()?.trim_ascii();
    (!name.is_empty()).then(|| Command::User(name.to_owned()))
}

fn auth(rest: &[u8]) -> Option<Command> {
    let mut words = words(rest);
    let Some(mechanism) = words.next() else { return Some(Command::Auth(None)) };
    let initial = words.next().map(|word| word.as_bytes().to_vec());
    words.next().is_none().then(|| Command::Auth(Some((mechanism.to_owned(), initial))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_commands() {
        use Command::*;
        for (line, want) in [
            ("STAT", Ok(Stat)),
            ("stat  ", Ok(Stat)),
            ("STAT 1", Err(CommandError::Arguments)),
            ("LIST", Ok(List(None))),
            ("list 7", Ok(List(Some(7)))),
            ("LIST 7 8", Err(CommandError::Arguments)),
            ("LIST x", Err(CommandError::Arguments)),
            ("LIST -1", Err(CommandError::Arguments)),
            ("LIST +1", Err(CommandError::Arguments)),
            ("LIST 99999999999999999999999", Ok(List(Some(u32::MAX)))),
            ("RETR", Err(CommandError::Arguments)),
            ("RETR 0", Ok(Retr(0))),
            ("RETR \u{661}", Err(CommandError::Arguments)),
            ("TOP 1", Err(CommandError::Arguments)),
            ("TOP 1 0", Ok(Top(1, 0))),
            ("TOP 1 99999999999999999999999", Ok(Top(1, u64::MAX))),
            ("TOP 1 2 3", Err(CommandError::Arguments)),
            ("UIDL", Ok(Uidl(None))),
            ("XYZZY", Err(CommandError::Unknown)),
            ("", Err(CommandError::Unknown)),
            (" STAT", Err(CommandError::Unknown)),
            ("USER a", Err(CommandError::State("already logged in"))),
        ] {
            assert_eq!(parse(line.as_bytes(), State::Transaction), want, "{line}");
        }
    }

    #[test]
    fn reads_logins() {
        let read = |line: &[u8]| parse(line, State::Authorization);
        assert_eq!(read(b"USER bob@x.org "), Ok(Command::User("bob@x.org".to_owned())));
        assert_eq!(read(b"USER"), Err(CommandError::Arguments));
        assert_eq!(read(b"USER \xff"), Err(CommandError::Arguments));
        assert_eq!(read(b"PASS  a b "), Ok(Command::Pass(Secret::new(" a b "))));
        assert_eq!(read(b"PASS \xff"), Ok(Command::Pass(Secret::new(b"\xff"))));
        assert_eq!(read(b"PASS"), Err(CommandError::Arguments));
        assert_eq!(read(b"AUTH"), Ok(Command::Auth(None)));
        assert_eq!(read(b"AUTH PLAIN ="), Ok(Command::Auth(Some(("PLAIN".to_owned(), Some(b"=".to_vec()))))));
        assert_eq!(read(b"AUTH PLAIN a b"), Err(CommandError::Arguments));
        assert_eq!(read(b"STAT"), Err(CommandError::State("log in first")));
        assert_eq!(read(b"APOP bob c4c9334bac560ecc979e58001b3e22fb"), Ok(Command::Apop));
    }
}
