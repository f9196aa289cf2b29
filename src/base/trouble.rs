//! Trouble that a program scripts for its tests: what a session, or a delivery in a sink, does at a stage in place of
//! going on: refuse, defer, wait, end the connection; for some addresses, for some times.
//!
//! A [`Trouble`] is a list of rules. The first rule that fits decides and uses up one of its times; a rule without
//! times left is gone. Rules may be added and removed while the engine runs. Clones share the list.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::error::{Error, ErrorKind, Result};
use super::limits::{HOOK_REPLY_LINE_OCTETS_MAX, TROUBLE_RULES_MAX, TROUBLE_WAIT_SECONDS_MAX};
use super::settings::Service;
use super::status::{Enhanced, Reply};

/// Where a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// A connection was made, before the greeting. The address is the peer's IP address.
    Connect,
    /// EHLO, HELO, LHLO. The address is the name given.
    Hello,
    /// A login, of any protocol. The address is the user name.
    Login,
    /// MAIL. The address is the sender.
    Mail,
    /// RCPT. The address is the recipient.
    Rcpt,
    /// DATA, before the message. The addresses are sender and recipients.
    Data,
    /// The message is complete and not yet accepted. The addresses are sender and recipients.
    Message,
    /// The message is accepted and on disk, its reply is not sent yet. The addresses are sender and recipients.
    Accepted,
    /// In a sink: a delivery of a queued message. The address is the recipient.
    Deliver,
}

impl Stage {
    /// All stages with their names.
    pub const NAMES: [(Stage, &'static str); 9] = [
        (Stage::Connect, "connect"),
        (Stage::Hello, "hello"),
        (Stage::Login, "login"),
        (Stage::Mail, "mail"),
        (Stage::Rcpt, "rcpt"),
        (Stage::Data, "data"),
        (Stage::Message, "message"),
        (Stage::Accepted, "accepted"),
        (Stage::Deliver, "deliver"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(stage, _)| *stage == self).map_or("", |(_, name)| name)
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Where it applies.
    pub stage: Stage,
    /// Which protocol it is about: `smtp`, `lmtp`, `imap`, `pop3`; empty for any.
    pub protocol: String,
    /// Which addresses it is about: `*` stands for any characters, `?` for one; in any case. Empty for any.
    pub address: String,
    /// How long it waits first, on the engine's clock.
    pub wait: Duration,
    /// What happens then.
    pub act: Act,
    /// How many times it lets pass before it applies.
    pub skip: u32,
    /// How many times it applies; 0 for always.
    pub times: u32,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Goes on.
    GoOn,
    /// Refuses with this reply.
    Refuse(Reply),
    /// Ends the connection without a word.
    Drop,
}

impl Rule {
    /// The reply of a rule at `stage`; `Invalid` for a code that refuses nothing, or a text that is no line. Without
    /// a text there is a usual one.
    pub fn reply(stage: Stage, code: u16, text: &str) -> Result<Reply> {
        let invalid = |text: String| Err(Error::new(ErrorKind::Invalid, text));
        if !(400..=599).contains(&code) {
            return invalid(format!("code {code}: not a reply code from 400 to 599"));
        }
        if text.chars().any(char::is_control) || text.len() > HOOK_REPLY_LINE_OCTETS_MAX {
            return invalid(format!("text: not one line of at most {HOOK_REPLY_LINE_OCTETS_MAX} octets"));
        }
        let class = (code / 100) as u8;
        let (subject, detail) = match (class, stage) {
            (5, Stage::Rcpt | Stage::Deliver) => (1, 1),
            (_, Stage::Login) => (7, 8),
            _ => (3, 0),
        };
        let usual = if class == 4 { "Refused for now by a test" } else { "Refused by a test" };
        let text = if text.is_empty() { usual } else { text };
        Ok(Reply { code, enhanced: Some(Enhanced::new(class, subject, detail)), text: text.to_owned() })
    }

    fn fits(&self, stage: Stage, protocol: &str, addresses: &[&str]) -> bool {
        self.stage == stage
            && (self.protocol.is_empty() || self.protocol.eq_ignore_ascii_case(protocol))
            && (self.address.is_empty() || addresses.iter().any(|address| is_like(address, &self.address)))
    }
}

/// What is to be done where a rule fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// How long to wait first.
    pub wait: Duration,
    /// What to do then.
    pub act: Act,
}

/// The rules of an engine.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<Vec<Rule>>>);

impl Trouble {
    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule behind those there are: `Limit` where there are `TROUBLE_RULES_MAX`, `Invalid` for a wait over
    /// `TROUBLE_WAIT_SECONDS_MAX`.
    pub fn add(&self, rule: Rule) -> Result<()> {
        if rule.wait > Duration::from_secs(TROUBLE_WAIT_SECONDS_MAX) {
            let text = format!("a wait of more than {TROUBLE_WAIT_SECONDS_MAX} seconds");
            return Err(Error::new(ErrorKind::Invalid, text));
        }
        let mut rules = self.rules();
        if rules.len() >= TROUBLE_RULES_MAX {
            return Err(Error::new(ErrorKind::Limit, format!("more than {TROUBLE_RULES_MAX} rules")));
        }
        rules.push(rule);
        Ok(())
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules().is_empty()
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.rules().clear();
    }

    /// What happens at `stage` to one of `addresses`; `None` where no rule fits.
    pub fn at(&self, stage: Stage, service: Option<Service>, addresses: &[&str]) -> Option<Met> {
        let mut rules = self.rules();
        let protocol = service.map_or("", Service::protocol);
        let place = rules.iter_mut().position(|rule| {
            let fits = rule.fits(stage, protocol, addresses);
            if fits && rule.skip > 0 {
                rule.skip -= 1;
                return false;
            }
            fits
        })?;
        let rule = rules.get_mut(place)?;
        let met = Met { wait: rule.wait, act: rule.act.clone() };
        if rule.times == 1 {
            rules.remove(place);
        } else {
            rule.times = rule.times.saturating_sub(1);
        }
        Some(met)
    }

    /// Whether a rule is about `address` at `stage`; nothing is used up.
    pub fn concerns(&self, stage: Stage, address: &str) -> bool {
        self.rules().iter().any(|rule| rule.fits(stage, &rule.protocol, &[address]))
    }
}

/// Whether `text` is like `pattern`, in any case. Time grows with the product of both lengths at most.
fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.to_lowercase(), pattern.to_lowercase());
    let (mut text, mut pattern) = (text.chars(), pattern.chars());
    // Where to go on if the present way fails: behind the last star, one character later.
    let mut again = None;
    loop {
        let (text_before, mut rest) = (text.clone(), pattern.clone());
        match (rest.next(), text.next()) {
            (Some('*'), _) => {
                text = text_before;
                again = Some((rest.clone(), text.clone()));
                pattern = rest;
            }
            (None, None) => return true,
            (Some(wanted), Some(is)) if wanted == '?' || wanted == is => pattern = rest,
            _ => {
                let Some((behind_star, from)) = &mut again else { return false };
                if from.next().is_none() {
                    return false;
                }
                (pattern, text) = (behind_star.clone(), from.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(stage: Stage, address: &str, skip: u32, times: u32) -> Rule {
        let act = Act::Refuse(Rule::reply(stage, 451, "").unwrap());
        Rule { stage, protocol: String::new(), address: address.to_owned(), wait: Duration::ZERO, act, skip, times }
    }

    #[test]
    fn patterns() {
        for (pattern, text, like) in [
            ("*", "", true),
            ("*@x.org", "A@X.org", true),
            ("*@x.org", "a@x.orgs", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*a*b", "aaaaaaaaaaaaaaaaaaaac", false),
            ("*a*b", "xaxxab", true),
            ("", "a", false),
            ("gone@x", "gone@x", true),
            ("**", "anything", true),
        ] {
            assert_eq!(is_like(text, pattern), like, "{pattern} {text}");
        }
    }

    #[test]
    fn rules_are_used_up_in_order() {
        let trouble = Trouble::default();
        trouble.add(rule(Stage::Rcpt, "gone@*", 1, 2)).unwrap();
        trouble.add(rule(Stage::Rcpt, "*@x.org", 0, 0)).unwrap();
        let met = |address: &str| trouble.at(Stage::Rcpt, Some(Service::Mx), &[address]).is_some();
        assert!(!met("a@y.org"));
        assert!(!met("gone@y.org"), "skipped");
        assert!(met("gone@y.org") && met("gone@y.org"));
        assert!(!met("gone@y.org"), "used up");
        assert!(met("a@x.org") && met("a@x.org"));
        assert!(trouble.at(Stage::Mail, Some(Service::Mx), &["a@x.org"]).is_none());
        assert!(trouble.concerns(Stage::Rcpt, "b@x.org") && !trouble.concerns(Stage::Deliver, "b@x.org"));
        trouble.clear();
        assert!(!met("a@x.org"));
    }

    #[test]
    fn rules_know_their_protocol() {
        let trouble = Trouble::default();
        trouble.add(Rule { protocol: "imap".to_owned(), ..rule(Stage::Login, "", 0, 1) }).unwrap();
        assert!(trouble.at(Stage::Login, Some(Service::Pop3), &["bob"]).is_none());
        assert!(trouble.at(Stage::Login, Some(Service::Imaps), &["bob"]).is_some());
    }

    #[test]
    fn replies_are_checked() {
        assert_eq!(Rule::reply(Stage::Rcpt, 550, "").unwrap(), Reply::new(550, 1, 1, "Refused by a test"));
        assert_eq!(Rule::reply(Stage::Mail, 451, "later").unwrap(), Reply::new(451, 3, 0, "later"));
        assert!(Rule::reply(Stage::Mail, 250, "").is_err());
        assert!(Rule::reply(Stage::Mail, 550, "a\r\nb").is_err());
    }

    #[test]
    fn the_list_is_bounded() {
        let trouble = Trouble::default();
        for _ in 0..TROUBLE_RULES_MAX {
            trouble.add(rule(Stage::Rcpt, "x", 0, 0)).unwrap();
        }
        assert_eq!(trouble.add(rule(Stage::Rcpt, "x", 0, 0)).unwrap_err().kind(), ErrorKind::Limit);
        let long = Rule { wait: Duration::from_secs(TROUBLE_WAIT_SECONDS_MAX + 1), ..rule(Stage::Rcpt, "x", 0, 0) };
        assert_eq!(trouble.add(long).unwrap_err().kind(), ErrorKind::Invalid);
    }
}
