//! Commands as a server reads them (RFC 5321 §4.1): the verb first, its arguments once the verb may be said at all.
//!
//! Strict where it guards something, lenient where clients are known to stray: a space behind the colon of MAIL
//! and RCPT, a path without angle brackets, trailing spaces, verbs in any case. Whatever is wrong becomes the reply
//! that says so.

use super::extension::{Extensions, table};
use super::parameter::{self, MailParameters, RcptParameters};
use super::path::{self, ForwardPath};
use crate::base::limits::{DOMAIN_OCTETS_MAX, XCLIENT_ATTRIBUTES_MAX, XCLIENT_VALUE_OCTETS_MAX};
use crate::base::{Address, Reply, xtext};

/// The first word of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Verb {
    Ehlo,
    Helo,
    Lhlo,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Vrfy,
    Expn,
    Help,
    Quit,
    StartTls,
    Auth,
    XClient,
    XForward,
}

impl Verb {
    /// All verbs by name.
    pub const NAMES: [(Verb, &'static str); 17] = [
        (Verb::Ehlo, "EHLO"),
        (Verb::Helo, "HELO"),
        (Verb::Lhlo, "LHLO"),
        (Verb::Mail, "MAIL"),
        (Verb::Rcpt, "RCPT"),
        (Verb::Data, "DATA"),
        (Verb::Bdat, "BDAT"),
        (Verb::Rset, "RSET"),
        (Verb::Noop, "NOOP"),
        (Verb::Vrfy, "VRFY"),
        (Verb::Expn, "EXPN"),
        (Verb::Help, "HELP"),
        (Verb::Quit, "QUIT"),
        (Verb::StartTls, "STARTTLS"),
        (Verb::Auth, "AUTH"),
        (Verb::XClient, "XCLIENT"),
        (Verb::XForward, "XFORWARD"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Verb::NAMES.into_iter().find(|(verb, _)| *verb == self).map_or("", |(_, name)| name)
    }
}

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// EHLO, HELO or LHLO and the name the client goes by.
    Hello(String),
    /// MAIL FROM; `None` is the null reverse-path.
    Mail(Option<Address>, MailParameters),
    /// RCPT TO.
    Rcpt(ForwardPath, RcptParameters),
    /// BDAT (RFC 3030 §2).
    Bdat {
        /// Octets that follow.
        octets: u64,
        /// Whether they are the last ones.
        last: bool,
    },
    /// AUTH (RFC 4954 §4): mechanism, and the initial response in base64.
    Auth(String, Option<Vec<u8>>),
    /// VRFY, EXPN: what is asked about.
    About(String),
    /// XCLIENT, XFORWARD: names in capitals, and what they are said to be; `None` for what is not known there.
    Attributes(Vec<(String, Option<String>)>),
    /// A verb that takes no arguments, or whose arguments mean nothing.
    Bare,
}

/// Splits a line into its verb and the rest behind one space; `None` for a verb nobody knows.
pub fn verb(line: &[u8]) -> Option<(Verb, &[u8])> {
    let end = line.iter().position(|c| *c == b' ' || *c == b'\t').unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end)?;
    let (verb, _) = Verb::NAMES.into_iter().find(|(_, name)| word.eq_ignore_ascii_case(name.as_bytes()))?;
    Some((verb, rest.split_first().map_or(rest, |(_, rest)| rest)))
}

/// Whether a line that is no command we know, or a bad one, looks like BDAT: a client that says so sends content behind
/// it, whatever the reply.
pub fn looks_like_bdat(line: &[u8]) -> bool {
    let word = line.trim_ascii_start().get(..4).unwrap_or_default();
    word.eq_ignore_ascii_case(b"BDAT")
}

/// 500 for a verb nobody knows.
pub fn unknown(line: &[u8]) -> Reply {
    let word = line.split(|c| *c == b' ' || *c == b'\t').next().unwrap_or_default();
    let text = format!("Unknown command {}", shown(&String::from_utf8_lossy(word)));
    Reply::new(500, 5, 2, text.trim_end())
}

/// A peer's word as it may stand in a reply: printable ASCII, cut where it is long.
pub fn shown(word: &str) -> String {
    word.chars().take(40).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// Reads the arguments of `verb`, or says what is wrong with them. `offered`: extensions whose parameters may be said.
pub fn arguments(verb: Verb, rest: &[u8], offered: &Extensions) -> Result<Command, Reply> {
    let text = std::str::from_utf8(rest).map_err(|_| syntax("Arguments must be ASCII or UTF-8"))?;
    if text.chars().any(|c| c.is_control()) {
        return Err(syntax("Control character in command"));
    }
    let text = text.trim_end_matches(' ');
    match verb {
        Verb::Ehlo | Verb::Helo | Verb::Lhlo => hello(text),
        Verb::Mail => mail(text, offered),
        Verb::Rcpt => rcpt(text, offered),
        Verb::Bdat => bdat(text),
        Verb::Auth => auth(text),
        Verb::XClient => attributes(text, &table::XCLIENT),
        Verb::XForward => attributes(text, &table::XFORWARD),
        Verb::Vrfy | Verb::Expn if text.is_empty() => Err(syntax("Argument missing")),
        Verb::Vrfy | Verb::Expn => Ok(Command::About(text.to_owned())),
        // RFC 5321 §4.1.1.8 and .9 let these have arguments.
        Verb::Noop | Verb::Help => Ok(Command::Bare),
        Verb::Data | Verb::Rset | Verb::Quit | Verb::StartTls if text.is_empty() => Ok(Command::Bare),
        Verb::Data | Verb::Rset | Verb::Quit | Verb::StartTls => Err(syntax("No arguments allowed")),
    }
}

/// 501 with the status for wrong arguments (RFC 3463 §3.6).
pub(super) fn syntax(text: &str) -> Reply {
    Reply::new(501, 5, 4, text)
}

/// `( Domain / address-literal )`. What is neither is taken too, as long as it is one printable word: too many
/// clients call themselves by names that are none, and the name decides nothing.
fn hello(text: &str) -> Result<Command, Reply> {
    let name = text.trim_start_matches(' ');
    if name.is_empty() || name.len() > DOMAIN_OCTETS_MAX || name.contains([' ', '<', '>', '(', ')', '"']) {
        return Err(syntax("Syntax: EHLO hostname"));
    }
    Ok(Command::Hello(name.to_owned()))
}

fn mail(text: &str, offered: &Extensions) -> Result<Command, Reply> {
    let text = after_keyword(text, "FROM:").ok_or_else(|| syntax("Syntax: MAIL FROM:<address>"))?;
    let bad = |what: &str| Reply::new(501, 1, 7, format!("Bad sender address: {what}"));
    let (path, rest) = path::split(text).ok_or_else(|| bad("not an address"))?;
    let reverse_path = path::reverse(path).map_err(|e| bad(&e.to_string()))?;
    let parameters = parameter::mail(rest, offered)?;
    if !path.is_ascii() && !parameters.smtputf8 {
        return Err(Reply::new(553, 6, 7, "Non-ASCII address needs SMTPUTF8"));
    }
    Ok(Command::Mail(reverse_path, parameters))
}

fn rcpt(text: &str, offered: &Extensions) -> Result<Command, Reply> {
    let text = after_keyword(text, "TO:").ok_or_else(|| syntax("Syntax: RCPT TO:<address>"))?;
    let bad = |what: &str| Reply::new(501, 1, 3, format!("Bad recipient address: {what}"));
    let (path, rest) = path::split(text).ok_or_else(|| bad("not an address"))?;
    let forward_path = path::forward(path).map_err(|e| bad(&e.to_string()))?;
    Ok(Command::Rcpt(forward_path, parameter::rcpt(rest, offered)?))
}

/// What follows `FROM:` or `TO:`, spaces around it passed over.
fn after_keyword<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let (word, rest) = text.trim_start_matches(' ').split_at_checked(keyword.len())?;
    word.eq_ignore_ascii_case(keyword).then(|| rest.trim_start_matches(' '))
}

fn bdat(text: &str) -> Result<Command, Reply> {
    let wrong = || syntax("Syntax: BDAT octets [LAST]");
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let octets = words.next().and_then(parameter::number).ok_or_else(wrong)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(wrong()),
    };
    if words.next().is_some() { Err(wrong()) } else { Ok(Command::Bdat { octets, last }) }
}

fn auth(text: &str) -> Result<Command, Reply> {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let mechanism = words.next().ok_or_else(|| syntax("Syntax: AUTH mechanism [initial-response]"))?;
    let initial = words.next().map(|word| word.as_bytes().to_vec());
    if words.next().is_some() {
        return Err(syntax("Syntax: AUTH mechanism [initial-response]"));
    }
    Ok(Command::Auth(mechanism.to_owned(), initial))
}

/// `name=value` words, with values in xtext; `[UNAVAILABLE]` and `[TEMPUNAVAIL]` are no values.
fn attributes(text: &str, known: &[&str]) -> Result<Command, Reply> {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    if words.is_empty() || words.len() > XCLIENT_ATTRIBUTES_MAX {
        return Err(syntax("Syntax: attribute=value ..."));
    }
    let read = |word: &str| {
        let (name, value) = word.split_once('=')?;
        let name = name.to_ascii_uppercase();
        let value = xtext::decode(value).filter(|value| {
            known.contains(&name.as_str())
                && value.len() <= XCLIENT_VALUE_OCTETS_MAX
                && !value.contains(char::is_control)
        })?;
        let is_none = ["[UNAVAILABLE]", "[TEMPUNAVAIL]"].iter().any(|word| value.eq_ignore_ascii_case(word));
        Some((name, Some(value).filter(|value| !is_none && !value.is_empty())))
    };
    let bad = |word: &str| syntax(&format!("Bad attribute {}", shown(word)));
    let read = |word: &&str| read(word).ok_or_else(|| bad(word));
    Ok(Command::Attributes(words.iter().map(read).collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, u16> {
        let (verb, rest) = verb(line.as_bytes()).ok_or(500u16)?;
        arguments(verb, rest, &everything()).map_err(|reply| reply.code)
    }

    /// All extensions but those that need a login, TLS or trust.
    fn everything() -> Extensions {
        Extensions::offered(&table::Offer { no_soliciting: Some(""), ..table::Offer::default() })
    }

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn verbs_in_any_case() {
        assert_eq!(verb(b"mail FROM:<>"), Some((Verb::Mail, &b"FROM:<>"[..])));
        assert_eq!(verb(b"QUIT"), Some((Verb::Quit, &b""[..])));
        assert_eq!(verb(b"Noop  x"), Some((Verb::Noop, &b" x"[..])));
        for unknown in [&b""[..], b" ", b" QUIT", b"QUITX", b"XYZZY a", b"\xff", b"MAILFROM:<a@b>"] {
            assert_eq!(verb(unknown), None);
        }
    }

    #[test]
    fn names_of_clients() {
        for good in ["mail.example.org", "[192.0.2.1]", "[IPv6:2001:db8::1]", "my_pc", "WIN-1", "münchen.example"] {
            assert_eq!(parse(&format!("EHLO {good}")), Ok(Command::Hello(good.to_owned())));
        }
        assert_eq!(parse("HELO a "), Ok(Command::Hello("a".to_owned())));
        for bad in ["EHLO", "EHLO ", "HELO a b", "LHLO <a>", "EHLO a\tb", "EHLO a(b)"] {
            assert_eq!(parse(bad), Err(501), "{bad}");
        }
        assert!(parse(&format!("EHLO {}", "a".repeat(DOMAIN_OCTETS_MAX))).is_ok());
        assert!(parse(&format!("EHLO {}", "a".repeat(DOMAIN_OCTETS_MAX + 1))).is_err());
    }

    #[test]
    fn mail_and_rcpt() {
        for line in [
            "MAIL FROM:<bob@example.net>",
            "mail from:<bob@example.net>",
            "MAIL FROM: <bob@example.net> ",
            "MAIL  FROM:<bob@example.net>",
            "MAIL FROM:bob@example.net",
            "MAIL FROM:<@a.example,@b.example:bob@example.net>",
        ] {
            assert_eq!(parse(line), Ok(Command::Mail(Some(address("bob@example.net")), MailParameters::default())));
        }
        assert_eq!(parse("MAIL FROM:<>"), Ok(Command::Mail(None, MailParameters::default())));
        let to = |path| Ok(Command::Rcpt(path, RcptParameters::default()));
        assert_eq!(parse("RCPT TO:<\"a> b\"@x.org>"), to(ForwardPath::Address(address("\"a> b\"@x.org"))));
        assert_eq!(parse("RCPT TO:<postMaster>"), to(ForwardPath::Postmaster));
        for bad in [
            "MAIL",
            "MAIL FROM",
            "MAIL FROM:",
            "MAIL TO:<a@b>",
            "MAIL FROM:<a@b",
            "MAIL FROM:a@b>",
            "MAIL FROM:<a b@c>",
            "MAIL FROM:<a@b>SIZE=1",
            "MAIL FROM:<<a@b>>",
            "MAIL FROM:<postmaster>",
            "RCPT TO:<>",
            "RCPT TO:<bob>",
            "RCPT FROM:<a@b>",
            "RCPT TO:<a@b> x y",
        ] {
            assert!(matches!(parse(bad), Err(501 | 555)), "{bad}: {:?}", parse(bad));
        }
        assert_eq!(parse("MAIL FROM:<jürgen@x.org>"), Err(553));
        assert!(parse("MAIL FROM:<jürgen@x.org> SMTPUTF8").is_ok());
    }

    #[test]
    fn bdat_is_known_in_any_dress() {
        for line in [&b"BDAT"[..], b"bdat 1", b" BDAT 1 LAST", b"\tBDAT 1", b"BDAT1", b"BDAT:1", b"BDAT\0 1"] {
            assert!(looks_like_bdat(line), "{line:?}");
        }
        for line in [&b""[..], b"BDA", b"DATA", b"NOOP BDAT"] {
            assert!(!looks_like_bdat(line), "{line:?}");
        }
    }

    #[test]
    fn the_others() {
        assert_eq!(parse("BDAT 10"), Ok(Command::Bdat { octets: 10, last: false }));
        assert_eq!(parse("bdat 0 last"), Ok(Command::Bdat { octets: 0, last: true }));
        for bad in ["BDAT", "BDAT x", "BDAT -1", "BDAT 1 FIRST", "BDAT 1 LAST x", "BDAT 99999999999999999999999"] {
            assert_eq!(parse(bad), Err(501), "{bad}");
        }
        assert_eq!(parse("AUTH PLAIN"), Ok(Command::Auth("PLAIN".to_owned(), None)));
        assert_eq!(parse("AUTH plain AGE="), Ok(Command::Auth("plain".to_owned(), Some(b"AGE=".to_vec()))));
        assert_eq!(parse("AUTH"), Err(501));
        assert_eq!(parse("AUTH PLAIN a b"), Err(501));
        assert_eq!(parse("NOOP anything"), Ok(Command::Bare));
        assert_eq!(parse("RSET x"), Err(501));
        assert_eq!(parse("DATA  "), Ok(Command::Bare));
        assert_eq!(parse("VRFY"), Err(501));
        assert_eq!(parse("VRFY bob"), Ok(Command::About("bob".to_owned())));
        assert_eq!(parse("NOOP \0"), Err(501));
    }

    #[test]
    fn attributes_of_other_clients() {
        let some = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        let read = parse("XCLIENT NAME=[unavailable] addr=IPV6:2001:db8::1 HELO=a+20b");
        let none = ("NAME".to_owned(), None);
        let wanted = vec![none, some("ADDR", "IPV6:2001:db8::1"), some("HELO", "a b")];
        assert_eq!(read, Ok(Command::Attributes(wanted)));
        assert_eq!(parse("XFORWARD IDENT=1A"), Ok(Command::Attributes(vec![some("IDENT", "1A")])));
        for bad in
            ["XCLIENT", "XCLIENT ADDR", "XCLIENT IDENT=1", "XFORWARD DESTPORT=1", "XCLIENT NAME=+0A", "XCLIENT =x"]
        {
            assert_eq!(parse(bad), Err(501), "{bad}");
        }
        let long = |n| format!("XCLIENT HELO={}", "h".repeat(n));
        assert!(parse(&long(XCLIENT_VALUE_OCTETS_MAX)).is_ok() && parse(&long(XCLIENT_VALUE_OCTETS_MAX + 1)).is_err());
        assert!(parse(&format!("XCLIENT{}", " PORT=1".repeat(XCLIENT_ATTRIBUTES_MAX + 1))).is_err());
    }
}
