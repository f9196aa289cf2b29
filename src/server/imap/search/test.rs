//! A search key made ready for one mailbox, and deciding it with what is known of a message so far.

use std::sync::atomic::AtomicBool;

use memchr::memmem::Finder;

use crate::base::snapshot::Message;
use crate::base::{BlobId, Flags, MailboxId, Snapshot, Timestamp, UidSet};
use crate::imap::command::Key;
use crate::imap::query::{Term, decide, must_hold};
use crate::imap::sequence::{Places, places_of};
use crate::store::{Fact, MessageWords, WordField};

use super::text::Hits;

/// How much must be known of a message, in the order of what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Facts,
    Words,
    Octets,
}

/// What is known of a message.
pub(super) struct Seen<'a> {
    pub place: usize,
    pub message: Message,
    pub fact: Option<&'a Fact>,
    pub words: Option<MessageWords<'a>>,
    pub hits: Option<&'a Hits>,
}

impl Seen<'_> {
    /// Only what the view says.
    pub fn view(place: usize, message: Message) -> Self {
        Self { place, message, fact: None, words: None, hits: None }
    }
}

/// Where a search looks.
pub(super) struct Within<'a> {
    pub mailbox: MailboxId,
    pub view: &'a Snapshot,
    /// What `$` means.
    pub saved: &'a UidSet,
    /// The messages that are `\Recent` here.
    pub recent: &'a UidSet,
}

/// A SEARCH made ready.
pub(super) struct Question {
    pub mailbox: MailboxId,
    pub view: Snapshot,
    /// Whether MODSEQ is a key.
    pub mod_seq: bool,
    /// Texts looked for in the octets.
    pub needles: Vec<Needle>,
    test: Vec<Term<Test>>,
    now: Timestamp,
    levels: Vec<Level>,
    /// Whether a message could not be read, and so was not found.
    pub damaged: AtomicBool,
}

/// A text looked for in the octets.
pub(super) struct Needle {
    pub place: NeedlePlace,
    /// Folded (`message::fold`).
    pub text: Finder<'static>,
}

/// Where a text is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NeedlePlace {
    /// In the fields of this name (lower case).
    Field(String),
    Body,
    /// Header and body.
    Text,
}

enum Test {
    Known(bool),
    Places(Places),
    Flags(Flags),
    ModSeq(u64),
    Body(BlobId),
    Arrived(Days),
    Younger(u32),
    Larger(u64),
    Smaller(u64),
    Sent(Days),
    Word(WordField, Box<Finder<'static>>),
    Needle(usize),
}

/// Days since 1970 from one, up to and without the other.
struct Days(i64, i64);

impl Question {
    pub fn new(keys: &[Term<Key>], within: &Within<'_>, now: Timestamp) -> Question {
        let mut question = Question {
            mailbox: within.mailbox,
            view: within.view.clone(),
            mod_seq: false,
            needles: Vec::new(),
            test: Vec::new(),
            now,
            levels: Vec::new(),
            damaged: AtomicBool::new(false),
        };
        question.test = keys.iter().map(|term| term.map(|key| question.test(key, within))).collect();
        question
    }

    /// Whether some key needs this level.
    pub fn uses(&self, level: Level) -> bool {
        self.levels.contains(&level)
    }

    /// Whether all texts are looked for in the message's own header.
    pub fn only_fields(&self) -> bool {
        self.needles.iter().all(|needle| matches!(needle.place, NeedlePlace::Field(_)))
    }

    /// The places that can fit, ascending: all, or those of a set that must hold, so that a search for a few messages
    /// of a large mailbox costs what these few cost.
    pub fn candidates(&self) -> Places {
        let sets = must_hold(&self.test).into_iter().filter_map(|test| match test {
            Test::Places(places) => Some(places),
            _ => None,
        });
        let must = sets.min_by_key(|places| places.count()).cloned();
        must.unwrap_or_else(|| Places::first(self.view.count()))
    }

    fn test(&mut self, key: &Key, within: &Within<'_>) -> Test {
        match key {
            Key::All => Test::Known(true),
            Key::Recent => Test::Places(places_of(within.recent, &within.view.messages)),
            Key::Numbers(set) => Test::Places(set.by_number_found(&within.view.messages, within.saved)),
            Key::Uids(set) => Test::Places(set.by_uid(&within.view.messages, within.saved)),
            Key::New => Test::Places(unseen(&places_of(within.recent, &within.view.messages), within.view)),
            Key::Has(flags) => Test::Flags(*flags),
            Key::Keyword(name) => {
                match self.view.keywords.iter().position(|keyword| keyword.eq_ignore_ascii_case(name)) {
                    Some(index) => Test::Flags(Flags::keyword(index)),
                    None => Test::Known(false),
                }
            }
            Key::ModSeq(mod_seq) => {
                self.mod_seq = true;
                Test::ModSeq(*mod_seq)
            }
            Key::EmailId(id) => match id.strip_prefix('M').and_then(|id| id.parse().ok()) {
                Some(id) => self.level(Level::Facts, Test::Body(BlobId(id))),
                None => Test::Known(false),
            },
            Key::ThreadId(_) | Key::Filter(_) => Test::Known(false),
            Key::Before(day) => self.level(Level::Facts, Test::Arrived(Days(i64::MIN, *day))),
            Key::On(day) => self.level(Level::Facts, Test::Arrived(Days(*day, *day + 1))),
            Key::Since(day) => self.level(Level::Facts, Test::Arrived(Days(*day, i64::MAX))),
            Key::Younger(seconds) => self.level(Level::Facts, Test::Younger(*seconds)),
            Key::Larger(octets) => self.level(Level::Facts, Test::Larger(*octets)),
            Key::Smaller(octets) => self.level(Level::Facts, Test::Smaller(*octets)),
            Key::SentBefore(day) => self.sent(Days(i64::MIN, *day)),
            Key::SentOn(day) => self.sent(Days(*day, *day + 1)),
            Key::SentSince(day) => self.sent(Days(*day, i64::MAX)),
            Key::Header { name, text } => self.header(name, text),
            Key::Body(text) => self.needle(NeedlePlace::Body, text),
            Key::Text(text) => self.needle(NeedlePlace::Text, text),
        }
    }

    fn level(&mut self, level: Level, test: Test) -> Test {
        if !self.levels.contains(&level) {
            self.levels.push(level);
        }
        test
    }

    fn sent(&mut self, days: Days) -> Test {
        self.level(Level::Words, Test::Sent(days))
    }

    /// A field that was read at delivery, or one that is looked for. An empty text asks whether the field is there.
    fn header(&mut self, name: &str, text: &str) -> Test {
        let field = match name {
            "from" => WordField::From,
            "to" => WordField::To,
            "cc" => WordField::Cc,
            "subject" => WordField::Subject,
            "message-id" => WordField::MessageId,
            _ => return self.needle(NeedlePlace::Field(name.to_owned()), text),
        };
        if text.is_empty() {
            return self.needle(NeedlePlace::Field(name.to_owned()), text);
        }
        let finder = Finder::new(text).into_owned();
        self.level(Level::Words, Test::Word(field, Box::new(finder)))
    }

    fn needle(&mut self, place: NeedlePlace, text: &str) -> Test {
        if text.is_empty() && !matches!(place, NeedlePlace::Field(_)) {
            return Test::Known(true);
        }
        self.needles.push(Needle { place, text: Finder::new(text).into_owned() });
        self.level(Level::Octets, Test::Needle(self.needles.len() - 1))
    }

    /// Whether the message fits; `None` while too little is known.
    pub fn decide(&self, seen: &Seen<'_>) -> Option<bool> {
        decide(&self.test, |test| self.decide_one(test, seen))
    }

    fn decide_one(&self, test: &Test, seen: &Seen<'_>) -> Option<bool> {
        match test {
            Test::Known(answer) => Some(*answer),
            Test::Places(places) => Some(places.contains(seen.place)),
            Test::Flags(flags) => Some(seen.message.flags.contains(*flags)),
            Test::ModSeq(least) => Some(seen.message.mod_seq >= *least),
            Test::Body(id) => Some(seen.fact?.blob == *id),
            Test::Arrived(days) => Some(days.hold(seen.fact?.internal_date.seconds().div_euclid(86_400))),
            Test::Younger(seconds) => {
                let age = self.now.seconds().saturating_sub(seen.fact?.internal_date.seconds());
                Some(age <= i64::from(*seconds))
            }
            Test::Larger(octets) => Some(seen.fact?.size > *octets),
            Test::Smaller(octets) => Some(seen.fact?.size < *octets),
            Test::Sent(days) => Some(days.hold(seen.words?.sent_day())),
            Test::Word(field, finder) => Some(finder.find(seen.words?.field(*field).as_bytes()).is_some()),
            Test::Needle(index) => Some(seen.hits?.has(*index)),
        }
    }
}

/// Those of these places whose messages nobody read.
fn unseen(places: &Places, view: &Snapshot) -> Places {
    let mut unseen = Places::default();
    for (first, part) in places.parts(&view.messages) {
        let flags = (first..).zip(part.flags);
        flags.filter(|(_, flags)| !flags.contains(Flags::SEEN)).for_each(|(place, _)| unseen.push(place));
    }
    unseen
}

impl Days {
    fn hold(&self, day: i64) -> bool {
        self.0 <= day && day < self.1
    }
}
