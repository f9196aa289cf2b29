//! A session that says random commands and believes nothing: each answer is held against its model.

#[path = "qresync.rs"]
mod qresync;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::model::{May, Model, Shared};
use super::response::{Response, announced, as_quoted, numbers, parsed};
use crate::rng::Rng;
use crate::wire::Wire;

pub const MAILBOXES: [&str; 2] = ["INBOX", "Other"];

/// Reads the next response; literals take the place of strings.
fn read(wire: &mut Wire) -> Response {
    let mut text = String::new();
    let mut line = wire.line().expect("a response");
    while let Some((head, octets)) = announced(&line) {
        text.push_str(head);
        text.push_str(&as_quoted(wire.octets(octets)));
        line = wire.line().expect("the rest of a response");
    }
    parsed(text + &line)
}

/// What a session understands, and so may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Rev1,
    Condstore,
    Rev2,
    /// NOTIFY: changes come between commands too, expunges do not.
    Notify,
    /// Expunges come by UID, and a mailbox that is selected again is told by what changed.
    Qresync,
}

pub struct Session {
    wire: Wire,
    rng: Rng,
    model: Model,
    /// The mailbox that a SELECT under way opens: what comes before CLOSED is about the other one.
    next: Option<Model>,
    uid_validity: u64,
    /// Mailboxes that were left and are known.
    left: BTreeMap<String, qresync::Left>,
    shared: &'static Shared,
    tags: u32,
    /// A keyword that only this session sets, on messages of its mailbox, and where it is set as far as is known.
    keyword: String,
    marked: BTreeMap<u32, bool>,
    /// While a command of our own changes it, either state may be told.
    marking: bool,
    dialect: Dialect,
    /// What was said and heard lately, for whoever looks into a failure.
    log: Vec<String>,
}

/// Lines kept of it.
const LOG_LINES: usize = 400;

impl Drop for Session {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} in {}:\n{}", self.keyword, self.model.mailbox, self.log.join("\n"));
        }
    }
}

impl Session {
    pub fn open(at: SocketAddr, seed: u64, number: usize, dialect: Dialect, shared: &'static Shared) -> Session {
        let mut wire = Wire::connect(at);
        wire.expect("* OK");
        wire.tagged("l LOGIN bob@example.org secret");
        match dialect {
            Dialect::Rev1 => {}
            Dialect::Condstore => drop(wire.tagged("e ENABLE CONDSTORE")),
            Dialect::Notify => {
                let events = "(MessageNew (UID FLAGS) MessageExpunge FlagChange)";
                drop(wire.tagged(&format!("e NOTIFY SET (SELECTED-DELAYED {events})")));
            }
            Dialect::Qresync => drop(wire.tagged("e ENABLE QRESYNC")),
            Dialect::Rev2 => drop(wire.tagged("e ENABLE IMAP4rev2 CONDSTORE")),
        }
        let mut session = Session {
            wire,
            rng: Rng::new(seed, &format!("session {number}")),
            model: Model::new("", false, false),
            next: None,
            uid_validity: 0,
            left: BTreeMap::new(),
            shared,
            tags: 0,
            keyword: format!("k{number}"),
            marked: BTreeMap::new(),
            marking: false,
            dialect,
            log: Vec::new(),
        };
        session.select(MAILBOXES[number % 2]);
        session
    }

    fn select(&mut self, mailbox: &str) {
        if self.dialect == Dialect::Qresync && !self.model.mailbox.is_empty() {
            self.keep();
            if let Some(left) = self.left.remove(mailbox) {
                return self.come_back(mailbox, left);
            }
        }
        let condstore = matches!(self.dialect, Dialect::Condstore | Dialect::Rev2 | Dialect::Qresync);
        let model = Model::new(mailbox, condstore, self.dialect == Dialect::Rev2);
        if self.model.mailbox.is_empty() {
            self.model = model;
        } else {
            self.next = Some(model);
        }
        let (_, said) = self.say(&format!("SELECT {mailbox}"), May::Expunge);
        let validity = said.iter().find_map(|(response, _)| response.line.strip_prefix("* OK [UIDVALIDITY "));
        let digits = validity.and_then(|text| text.split(']').next()).expect("UIDVALIDITY");
        self.uid_validity = digits.parse().expect("a number");
    }

    /// Says a command and takes in all that comes up to its tagged answer, which must not be BAD. Gives the answer
    /// and what was not about the state of the mailbox, with the number of messages there were when it came.
    fn say(&mut self, command: &str, may: May) -> (String, Vec<(Response, usize)>) {
        self.tags += 1;
        let tag = format!("{}{}", self.keyword, self.tags);
        self.note(&format!("{tag} {command}"));
        self.wire.send(format!("{tag} {command}\r\n").as_bytes());
        let mut rest = Vec::new();
        loop {
            let response = read(&mut self.wire);
            if let Some(answer) = response.line.strip_prefix(&format!("{tag} ")) {
                self.note(&response.line);
                let fits =
                    ["OK ", "NO [MODIFIED ", "NO [EXPUNGEISSUED] "].iter().any(|begin| answer.starts_with(begin));
                assert!(fits, "{command}: {answer}");
                return (answer.to_owned(), rest);
            }
            assert!(response.line.starts_with("* "), "{command}: {}", response.line);
            if !self.hear(&response, may) {
                rest.push((response, self.model.messages.len()));
            }
        }
    }

    fn note(&mut self, line: &str) {
        self.log.push(line.to_owned());
        let old = self.log.len().saturating_sub(2 * LOG_LINES);
        self.log.drain(..if old > 0 { LOG_LINES } else { 0 });
    }

    fn hear(&mut self, response: &Response, may: May) -> bool {
        self.note(&response.line);
        if response.line.starts_with("* OK [CLOSED]") {
            self.model = self.next.take().expect("a SELECT");
            self.marked.clear();
        }
        let heard = self.model.hear(response, may, self.shared);
        if heard && !self.marking {
            // Where our own keyword is set only we decide, once it is known how the message came.
            for known in &self.model.messages {
                let (Some(uid), Some(flags)) = (known.uid, &known.flags) else { continue };
                let is = flags.contains(&self.keyword);
                let was = *self.marked.entry(uid).or_insert(is);
                assert_eq!(is, was, "{}: our keyword on {uid}", response.line);
            }
        }
        heard
    }

    /// One random command.
    pub fn step(&mut self) {
        match self.rng.below(100) {
            0..=7 => drop(self.say("NOOP", May::Expunge)),
            8..=27 => self.store(),
            28..=49 => self.fetch(),
            50..=64 => self.search(),
            65..=74 => self.append(),
            75..=82 => self.copy(),
            83..=90 => self.expunge(),
            91..=94 => self.pipelined(),
            95..=96 => self.idle(),
            97 => drop(self.say("STATUS Other (MESSAGES UIDNEXT UNSEEN)", May::Expunge)),
            _ => {
                let mailbox = MAILBOXES[self.rng.index(2)];
                self.select(mailbox);
            }
        }
    }

    /// A random set of message numbers, or of UIDs; and whether it is of UIDs.
    fn set(&mut self) -> Option<(String, bool)> {
        let count = self.model.messages.len();
        if count == 0 {
            return None;
        }
        let (one, other) = (self.rng.index(count), self.rng.index(count));
        let uids = (self.model.messages[one].uid, self.model.messages[other].uid);
        match (self.rng.below(4), uids) {
            (0, _) => Some((format!("{}", one + 1), false)),
            (1, _) => Some((format!("{}:{},{}", one + 1, other + 1, count), false)),
            (2, (Some(one), _)) => Some((format!("{one}"), true)),
            (3, (Some(one), Some(other))) => Some((format!("{one}:{other}"), true)),
            _ => Some(("1:*".to_owned(), true)),
        }
    }

    /// The UIDs a set of UIDs means now, as far as they are known.
    fn members(&self, set: &str) -> BTreeSet<u32> {
        let last = self.model.uids().last().unwrap_or(0);
        let range = set.split_once(':').unwrap_or((set, set));
        let number = |text: &str| text.parse().unwrap_or(last);
        let (low, high) = (number(range.0).min(number(range.1)), number(range.0).max(number(range.1)));
        self.model.uids().filter(|uid| (low..=high).contains(uid)).collect()
    }

    fn store(&mut self) {
        let Some((set, by_uid)) = self.set() else { return };
        let on = self.rng.per_mille(500);
        let silent = self.rng.per_mille(400);
        if by_uid && self.rng.per_mille(400) {
            return self.mark(&set, on, silent);
        }
        let flag = ["\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "common"][self.rng.index(5)];
        let unless = match self.model.messages.iter().map(|known| known.mod_seq).max() {
            Some(mod_seq) if self.model.condstore && mod_seq > 0 && !silent && self.rng.per_mille(400) => {
                format!(" (UNCHANGEDSINCE {mod_seq})")
            }
            _ => String::new(),
        };
        self.change(&set, by_uid, &unless, flag, on, silent);
    }

    fn change(&mut self, set: &str, by_uid: bool, unless: &str, flag: &str, on: bool, silent: bool) {
        let last = self.model.messages.len();
        let (uids, places) = (self.members(set), if by_uid { Vec::new() } else { numbers(set) });
        let chosen = |place: usize, uid: Option<u32>| match uid {
            _ if !by_uid => places.contains(&(place as u32 + 1)),
            Some(uid) => uids.contains(&uid) || (set.ends_with('*') && place + 1 == last),
            None => true,
        };
        let change = self.model.begin_silent(flag, on, |place, known| chosen(place, known.uid));
        let (uid, may) = if by_uid { ("UID ", May::Expunge) } else { ("", May::Rest) };
        let (sign, quiet) = (if on { "+" } else { "-" }, if silent { ".SILENT" } else { "" });
        self.say(&format!("{uid}STORE {set}{unless} {sign}FLAGS{quiet} ({flag})"), may);
        if silent {
            if !by_uid {
                // What is expunged and not yet told is not changed: only now it goes.
                self.say("NOOP", May::Expunge);
            }
            self.model.end_silent(&change);
        }
    }

    /// Sets our own keyword, or takes it away: nobody else does, so all that is known of it afterwards must fit.
    fn mark(&mut self, set: &str, on: bool, silent: bool) {
        let members = self.members(set);
        self.marked.retain(|uid, _| !members.contains(uid));
        let keyword = self.keyword.clone();
        self.marking = true;
        self.change(set, true, "", &keyword, on, silent);
        self.marking = false;
        let here: BTreeSet<u32> = self.model.uids().collect();
        self.marked.extend(members.intersection(&here).map(|uid| (*uid, on)));
        for known in &self.model.messages {
            let told = known.flags.as_ref().map(|flags| flags.contains(&self.keyword));
            let is = known.uid.and_then(|uid| self.marked.get(&uid).copied());
            assert!(told.is_none() || is.is_none() || told == is, "{set} {on} {silent}: {known:?}");
        }
    }

    fn fetch(&mut self) {
        let Some((set, by_uid)) = self.set() else { return };
        let items = ["(UID FLAGS)", "(UID FLAGS BODY[TEXT])", "(UID BODY.PEEK[TEXT])", "(FLAGS UID INTERNALDATE)"];
        let items = items[self.rng.index(items.len())];
        let (uid, may) = if by_uid { ("UID ", May::Expunge) } else { ("", May::Rest) };
        let since = if self.model.condstore && self.rng.per_mille(200) { " (CHANGEDSINCE 3)" } else { "" };
        self.say(&format!("{uid}FETCH {set} {items}{since}"), may);
    }

    fn search(&mut self) {
        let by_uid = self.rng.per_mille(500);
        let keyword = self.keyword.clone();
        let key = [keyword.as_str(), "ALL", "DELETED", "UNSEEN"][self.rng.index(4)];
        let word = if key == keyword { format!("KEYWORD {key}") } else { key.to_owned() };
        let (uid, may) = if by_uid { ("UID ", May::Expunge) } else { ("", May::Rest) };
        let (_, said) = self.say(&format!("{uid}SEARCH {word}"), may);
        let (response, count) = said.iter().find(|(r, _)| r.line.contains("SEARCH")).expect("a result");
        let line = &response.values;
        let found: Vec<u32> = match line.iter().position(|value| value.word() == "ALL") {
            Some(at) => numbers(line[at + 1].word()),
            None if self.model.rev2 => Vec::new(),
            None => line.iter().skip(2).map(|value| value.number() as u32).collect(),
        };
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
        if by_uid {
            for (uid, marked) in self.marked.iter().filter(|_| key == keyword) {
                let is_here = self.model.uids().any(|here| here == *uid);
                assert!(!is_here || found.contains(uid) == *marked, "{uid} {marked}: {found:?}");
            }
        } else {
            let count = *count as u32;
            assert!(key != "ALL" || found.len() as u32 == count, "{found:?} of {count}");
            assert!(found.iter().all(|number| (1..=count).contains(number)), "{found:?} of {count}");
        }
    }

    fn append(&mut self) {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mailbox = MAILBOXES[self.rng.index(2)];
        let text = format!("text {}", NUMBER.fetch_add(1, Ordering::SeqCst));
        let message = format!("Subject: x\r\n\r\n{text}");
        let command = format!("APPEND {mailbox} (\\Flagged) {{{}+}}\r\n{message}", message.len());
        let (answer, _) = self.say(&command, May::Expunge);
        assert!(answer.starts_with("OK [APPENDUID "), "{answer}");
    }

    fn copy(&mut self) {
        let Some((set, by_uid)) = self.set() else { return };
        // Copies of copies would fill the mailboxes.
        let verb = if self.model.messages.len() > 30 { "MOVE" } else { ["COPY", "MOVE"][self.rng.index(2)] };
        let to = MAILBOXES.into_iter().find(|name| *name != self.model.mailbox).expect("another");
        let uid = if by_uid { "UID " } else { "" };
        let (answer, said) = self.say(&format!("{uid}{verb} {set} {to}"), May::Expunge);
        let code =
            said.iter().map(|(r, _)| r.line.as_str()).chain([answer.as_str()]).find(|line| line.contains("[COPYUID"));
        if let Some(code) = code {
            let words: Vec<&str> = code.split([' ', ']']).collect();
            let at = words.iter().position(|word| *word == "[COPYUID").expect("code");
            assert_eq!(numbers(words[at + 2]).len(), numbers(words[at + 3]).len(), "{code}");
        }
    }

    fn expunge(&mut self) {
        match self.set().filter(|(_, by_uid)| *by_uid) {
            Some((set, _)) => self.say(&format!("UID EXPUNGE {set}"), May::Expunge),
            None => self.say("EXPUNGE", May::Expunge),
        };
    }

    /// Several commands in one piece: none of them by number behind one that may tell of expunges.
    fn pipelined(&mut self) {
        let commands = ["UID FETCH 1:* (UID FLAGS)", "UID SEARCH ALL", "UID STORE 1:* +FLAGS (\\Seen)", "NOOP"];
        let tags: Vec<String> = (0..commands.len()).map(|n| format!("p{}x{n}", self.tags)).collect();
        let all: String = tags.iter().zip(commands).map(|(tag, command)| format!("{tag} {command}\r\n")).collect();
        self.note(&all);
        self.wire.send(all.as_bytes());
        for tag in &tags {
            loop {
                let response = read(&mut self.wire);
                if response.line.starts_with("* ") {
                    self.hear(&response, May::Expunge);
                    continue;
                }
                assert!(response.line.starts_with(&format!("{tag} OK")), "{}", response.line);
                break;
            }
        }
    }

    fn idle(&mut self) {
        self.wire.send(b"i IDLE\r\n");
        while !self.until("+", "+") {}
        self.wire.send(b"DONE\r\n");
        while !self.until("i", "i OK") {}
    }

    /// Takes in one response; true where it begins with `start`, which then must go on as `wanted`.
    fn until(&mut self, start: &str, wanted: &str) -> bool {
        let response = read(&mut self.wire);
        if response.line.starts_with("* ") {
            self.hear(&response, May::Expunge);
            return false;
        }
        assert!(response.line.starts_with(start) && response.line.starts_with(wanted), "{}", response.line);
        true
    }

    /// While nobody changes anything: what this session was told is what one that asks now is told.
    pub fn compare(&mut self, at: SocketAddr) {
        self.say("NOOP", May::Expunge);
        let told = self.model.messages.clone();
        let mut fresh = Session::open(at, 0, 0, self.dialect, self.shared);
        let mailbox = self.model.mailbox.clone();
        fresh.keyword = "nobody".to_owned();
        fresh.select(&mailbox);
        fresh.say("UID FETCH 1:* (UID FLAGS)", May::Expunge);
        assert_eq!(told.len(), fresh.model.messages.len(), "{mailbox}");
        for (told, is) in told.iter().zip(&fresh.model.messages) {
            assert!(told.uid.is_none_or(|uid| Some(uid) == is.uid), "{mailbox}: {told:?} {is:?}");
            assert!(told.flags.is_none() || told.flags == is.flags, "{mailbox}: {told:?} {is:?}");
        }
    }
}
