//! A mailbox as one session knows it from what it was told, and what all sessions know together.
//!
//! Everything a server says is held against both: numbers that cannot be, messages that change their UID, flags that
//! change without their modification sequence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::response::{Response, Value, flags, numbers};

/// What no two sessions may be told differently.
#[derive(Default)]
pub struct Shared {
    /// Flags of a message (mailbox, UID) at a modification sequence.
    states: Mutex<BTreeMap<(String, u32, u64), BTreeSet<String>>>,
    /// Text of a message.
    texts: Mutex<BTreeMap<(String, u32), String>>,
}

/// What is known of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    pub uid: Option<u32>,
    pub flags: Option<BTreeSet<String>>,
    pub mod_seq: u64,
    /// How often its flags were told.
    pub told: u64,
    /// Tells it from all others, whatever its number becomes.
    id: u64,
}

/// A silent change of flags under way: what it was to change, and how often the flags of each had been told.
pub struct Silent {
    messages: BTreeMap<u64, u64>,
    flag: String,
    on: bool,
}

/// What a command under way lets the server say (RFC 9051 §7.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum May {
    /// EXPUNGE and all else.
    Expunge,
    /// All but EXPUNGE.
    Rest,
}

#[derive(Clone)]
pub struct Model {
    pub mailbox: String,
    pub messages: Vec<Known>,
    /// UIDs that were expunged: they never come back.
    gone: BTreeSet<u32>,
    /// MODSEQ must be in every FETCH (RFC 7162 §3.1) or in none.
    pub condstore: bool,
    pub rev2: bool,
    /// Messages that were ever told of.
    ids: u64,
}

impl Model {
    /// Just selected, with so many messages.
    pub fn new(mailbox: &str, condstore: bool, rev2: bool) -> Model {
        let (mailbox, messages, gone) = (mailbox.to_owned(), Vec::new(), BTreeSet::new());
        Model { mailbox, messages, gone, condstore, rev2, ids: 0 }
    }

    pub fn uids(&self) -> impl Iterator<Item = u32> + '_ {
        self.messages.iter().filter_map(|known| known.uid)
    }

    /// Before a silent change of the messages that `are` chosen.
    pub fn begin_silent(&self, flag: &str, on: bool, are: impl Fn(usize, &Known) -> bool) -> Silent {
        let chosen = self.messages.iter().enumerate().filter(|(place, known)| are(*place, known));
        Silent { messages: chosen.map(|(_, known)| (known.id, known.told)).collect(), flag: flag.to_owned(), on }
    }

    /// Behind it: what was not told otherwise is as it was but for the change; what was told meanwhile may have been
    /// told in front of it.
    pub fn end_silent(&mut self, silent: &Silent) {
        for known in &mut self.messages {
            let Some(told) = silent.messages.get(&known.id) else { continue };
            match &mut known.flags {
                Some(flags) if known.told == *told && silent.on => drop(flags.insert(silent.flag.clone())),
                Some(flags) if known.told == *told => drop(flags.remove(&silent.flag)),
                _ => known.flags = None,
            }
        }
    }

    /// Takes in an untagged response about the mailbox; false where it is about something else.
    pub fn hear(&mut self, response: &Response, may: May, shared: &Shared) -> bool {
        let line = &response.line;
        if let [_, word, set] = response.values.as_slice()
            && word.word() == "VANISHED"
        {
            assert!(may == May::Expunge, "{line}: not during this command");
            numbers(set.word()).into_iter().for_each(|uid| self.vanished(uid, line));
            return true;
        }
        let [_, number, word, rest @ ..] = response.values.as_slice() else { return false };
        match word.word() {
            "EXISTS" => {
                let count = number.number() as usize;
                assert!(count >= self.messages.len(), "{line}: there were {}", self.messages.len());
                while self.messages.len() < count {
                    self.ids += 1;
                    self.messages.push(Known { id: self.ids, ..Known::default() });
                }
            }
            "EXPUNGE" => {
                assert!(may == May::Expunge, "{line}: not during this command");
                let gone = self.messages.remove(self.place(number, line));
                self.gone.extend(gone.uid);
            }
            "RECENT" => {
                assert!(!self.rev2, "{line}: IMAP4rev2 has no RECENT");
                assert!(number.number() as usize <= self.messages.len(), "{line}");
            }
            "FETCH" => {
                let place = self.place(number, line);
                self.fetched(place, rest.first().expect("items").list(), line, shared);
            }
            _ => return false,
        }
        true
    }

    /// A message went that is told by its UID, which need not have been known.
    fn vanished(&mut self, uid: u32, line: &str) {
        self.gone.insert(uid);
        if let Some(at) = self.messages.iter().position(|known| known.uid == Some(uid)) {
            self.messages.remove(at);
            return;
        }
        let from = self.messages.iter().rposition(|known| known.uid.is_some_and(|other| other < uid));
        let behind = self.messages.iter().position(|known| known.uid.is_some_and(|other| other > uid));
        let (from, behind) = (from.map_or(0, |at| at + 1), behind.unwrap_or(self.messages.len()));
        // Of the messages between these two nothing is known: one of them had this UID.
        assert!(from < behind, "{line}: there is no {uid}");
        self.messages.remove(from);
    }

    /// The messages of which nothing was told are those that were known before and are not gone, but for at most `came`
    /// at the end, which came meanwhile.
    pub fn fill(&mut self, before: &Model, gone: &BTreeSet<u32>, came: usize) {
        let told: BTreeSet<u32> = self.uids().collect();
        let is_kept = |uid: &u32| !gone.contains(uid) && !told.contains(uid);
        let mut kept = before.messages.iter().filter(|known| known.uid.as_ref().is_some_and(is_kept));
        for known in self.messages.iter_mut().filter(|known| known.uid.is_none()) {
            let Some(was) = kept.next() else { break };
            *known = Known { id: known.id, ..was.clone() };
        }
        let unknown = self.messages.iter().filter(|known| known.uid.is_none()).count();
        assert!(unknown <= came, "{unknown} messages are neither known nor told, {came} came meanwhile");
        assert!(self.messages.iter().rev().take(unknown).all(|known| known.uid.is_none()), "the last ones");
        assert_eq!(kept.next(), None, "it went without a word");
        assert!(self.uids().is_sorted(), "{:?}", self.uids().collect::<Vec<_>>());
        self.gone = before.gone.iter().copied().chain(before.uids().filter(|uid| gone.contains(uid))).collect();
    }

    fn place(&self, number: &Value, line: &str) -> usize {
        let number = number.number() as usize;
        assert!((1..=self.messages.len()).contains(&number), "{line}: there are {}", self.messages.len());
        number - 1
    }

    fn fetched(&mut self, place: usize, items: &[Value], line: &str, shared: &Shared) {
        let item = |name: &str| items.chunks(2).find(|pair| pair[0].word() == name).map(|pair| &pair[1]);
        if let Some(uid) = item("UID") {
            self.is_uid(place, uid.number() as u32, line);
        }
        let known = &mut self.messages[place];
        assert!(!self.condstore || item("FLAGS").is_none() || item("MODSEQ").is_some(), "{line}: without MODSEQ");
        let mod_seq = item("MODSEQ").map(|list| list.list().first().expect("a number").number());
        if let Some(mod_seq) = mod_seq {
            assert!(self.condstore, "{line}: MODSEQ was not asked for");
            assert!(mod_seq >= known.mod_seq, "{line}: it was {}", known.mod_seq);
        }
        if let Some(mut now) = item("FLAGS").map(flags) {
            // Each session has its own: it is no state of the message.
            assert!(!now.remove("\\Recent") || !self.rev2, "{line}");
            if let (Some(mod_seq), Some(before)) = (mod_seq, &known.flags) {
                assert!(mod_seq > known.mod_seq || *before == now, "{line}: they were {before:?}");
            }
            if let (Some(uid), Some(mod_seq)) = (known.uid, mod_seq) {
                let key = (self.mailbox.clone(), uid, mod_seq);
                let mut states = shared.states.lock().expect("lock");
                let told = states.entry(key).or_insert_with(|| now.clone());
                assert_eq!(*told, now, "{line}: somebody was told otherwise");
            }
            known.flags = Some(now);
            known.told += 1;
        }
        known.mod_seq = mod_seq.unwrap_or(known.mod_seq);
        if let (Some(text), Some(uid)) = (item("BODY[TEXT]"), known.uid) {
            let mut texts = shared.texts.lock().expect("lock");
            let told = texts.entry((self.mailbox.clone(), uid)).or_insert_with(|| text.word().to_owned());
            assert_eq!(told, text.word(), "{line}: somebody was told otherwise");
        }
    }

    /// A UID stays with its message, and UIDs ascend.
    fn is_uid(&mut self, place: usize, uid: u32, line: &str) {
        let before = self.messages[..place].iter().rev().find_map(|known| known.uid);
        let behind = self.messages[place + 1..].iter().find_map(|known| known.uid);
        assert!(before.is_none_or(|b| b < uid) && behind.is_none_or(|b| b > uid), "{line}: {before:?} {behind:?}");
        assert!(!self.gone.contains(&uid), "{line}: it was expunged");
        let known = self.messages[place].uid.get_or_insert(uid);
        assert_eq!(*known, uid, "{line}");
    }
}
