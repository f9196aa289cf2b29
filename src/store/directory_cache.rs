//! What is known of the directory: single answers, all of them as of one commit.
//!
//! The directory has a version, which each commit that changes it raises. An answer is kept only where it was read at
//! the version of those that are there: the cache is a part of the directory at that version. Our own commits take out
//! what they changed. An answer of a newer version empties the cache first, so another process that changes the
//! database need do nothing but raise the version.
//!
//! Answers are of a bounded size together. That a name is nobody's is an answer too, with room of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::database::{Read, StoredAccount};
use crate::base::limits::{ALIAS_EXPANSIONS_MAX, DIRECTORY_ABSENT_OCTETS_MAX, DIRECTORY_KNOWN_OCTETS_MAX};
use crate::base::{Account, AccountId, Error, ErrorKind, Result};

/// Octets of an entry beside what its key and its answer hold.
const ENTRY_OCTETS: usize = 128;

/// What can be asked. Texts are in the form that names are looked up by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// Whether a domain is local.
    Domain(String),
    /// The first local domain.
    FirstDomain,
    /// The account of an address.
    Account(String),
    /// The account with an id.
    Id(AccountId),
    /// The first account of a domain, or of all.
    FirstAccount(Option<String>),
    /// The targets of an alias.
    Alias(String),
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// There is no such thing.
    Nothing,
    /// A local domain.
    Domain(Arc<str>),
    Account(Arc<Account>),
    Targets(Arc<Vec<String>>),
    /// The account is there and cannot be read.
    Unreadable(Error),
}

impl Key {
    /// What a change of this account changes.
    pub fn of_account(account: &Account) -> [Key; 4] {
        let domain = account.address.domain().key();
        [
            Key::Account(account.address.key()),
            Key::Id(account.id),
            Key::FirstAccount(Some(domain)),
            Key::FirstAccount(None),
        ]
    }

    /// Reads the answer: one row, or those of one alias.
    pub fn read(&self, db: &dyn Read) -> Result<Known> {
        let domain = |name: Option<String>| name.map_or(Known::Nothing, |name| Known::Domain(name.into()));
        Ok(match self {
            Key::Domain(name) => domain(db.is_domain(name)?.then(|| name.clone())),
            Key::FirstDomain => domain(db.domains_behind("", 1)?.into_iter().next()),
            Key::Account(address) => Known::of_account(db.account_of(address)?),
            Key::Id(id) => Known::of_account(db.account(*id)?),
            Key::FirstAccount(domain) => Known::of_account(db.first_account(domain.as_deref())?),
            // More targets than a message may take steps say as much as all of them.
            Key::Alias(pattern) => match db.alias_targets(pattern, ALIAS_EXPANSIONS_MAX + 1)? {
                none if none.is_empty() => Known::Nothing,
                targets => Known::Targets(Arc::new(targets)),
            },
        })
    }

    fn octets(&self) -> usize {
        match self {
            Key::Domain(text) | Key::Account(text) | Key::Alias(text) | Key::FirstAccount(Some(text)) => text.len(),
            Key::FirstDomain | Key::Id(_) | Key::FirstAccount(None) => 0,
        }
    }
}

impl Known {
    fn of_account(account: Option<StoredAccount>) -> Known {
        match account {
            None => Known::Nothing,
            Some(Ok(account)) => Known::Account(Arc::new(account)),
            Some(Err((AccountId(id), e))) => {
                let text = format!("account {id} cannot be read and is set aside: {}", e.text());
                Known::Unreadable(Error::new(ErrorKind::Store, text))
            }
        }
    }

    fn octets(&self) -> usize {
        match self {
            Known::Nothing => 0,
            Known::Domain(name) => name.len(),
            Known::Account(account) => {
                let credential = account.credential.as_ref();
                let secret = |made: &crate::base::account::Credential| {
                    made.argon2id.len() + made.scram_sha_256.salt.len() + size_of_val(made)
                };
                size_of::<Account>() + 2 * account.address.local().len() + credential.map_or(0, secret)
            }
            Known::Targets(targets) => targets.iter().map(|target| size_of::<String>() + target.len()).sum(),
            Known::Unreadable(e) => e.text().len(),
        }
    }
}

/// The cache, shared by all who ask.
#[derive(Debug, Default)]
pub(super) struct DirectoryCache(Mutex<Answers>);

impl DirectoryCache {
    /// The answers, for a moment: nobody else asks meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers that are known.
#[derive(Debug)]
pub(super) struct Answers {
    /// Their version; none where nothing is known.
    version: Option<i64>,
    /// Times everything was forgotten.
    forgotten: u64,
    present: Generations,
    absent: Generations,
}

impl Default for Answers {
    fn default() -> Self {
        Answers {
            version: None,
            forgotten: 0,
            present: Generations::new(DIRECTORY_KNOWN_OCTETS_MAX),
            absent: Generations::new(DIRECTORY_ABSENT_OCTETS_MAX),
        }
    }
}

impl Answers {
    /// The answer, where it is known.
    pub fn get(&mut self, key: &Key) -> Option<Known> {
        self.present.get(key).or_else(|| self.absent.get(key))
    }

    /// The version of the answers; none where nothing is known.
    pub fn version(&self) -> Option<i64> {
        self.version
    }

    /// How often everything was forgotten: what was asked for before the last time is not kept.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Keeps what was asked for when `forgotten` was so and read at `version`. False: it is older than what is known.
    pub fn keep(&mut self, forgotten: u64, version: i64, read: impl IntoIterator<Item = (Key, Known)>) -> bool {
        if forgotten != self.forgotten || self.version.is_some_and(|known| version < known) {
            return false;
        }
        if self.version != Some(version) {
            self.empty();
            self.version = Some(version);
        }
        for (key, answer) in read {
            match answer {
                Known::Nothing => self.absent.insert(key, answer),
                _ => self.present.insert(key, answer),
            }
        }
        true
    }

    /// After a commit that made the version `version` and changed the answers to these.
    pub fn changed(&mut self, version: i64, keys: &BTreeSet<Key>) {
        match self.version {
            None => {}
            // Who read it before us has emptied the cache, or the commit before this one was ours.
            Some(known) if known == version || known.checked_add(1) == Some(version) => {
                keys.iter().for_each(|key| {
                    self.present.remove(key);
                    self.absent.remove(key);
                });
                self.version = Some(version);
            }
            Some(_) => self.forget(),
        }
    }

    /// Forgets everything, and what is being read now.
    pub fn forget(&mut self) {
        self.forgotten = self.forgotten.wrapping_add(1);
        self.version = None;
        self.empty();
    }

    fn empty(&mut self) {
        self.present.clear();
        self.absent.clear();
    }
}

/// Entries of a bounded size together. Where the younger half is full it becomes the older one, and what nobody asked
/// for since the last time goes.
#[derive(Debug)]
struct Generations {
    young: BTreeMap<Key, Known>,
    old: BTreeMap<Key, Known>,
    /// Octets of the young ones.
    octets: usize,
    /// Octets at which they are old.
    most: usize,
}

impl Generations {
    fn new(octets_max: usize) -> Self {
        Generations { young: BTreeMap::new(), old: BTreeMap::new(), octets: 0, most: octets_max / 2 }
    }

    fn get(&mut self, key: &Key) -> Option<Known> {
        if let Some(answer) = self.young.get(key) {
            return Some(answer.clone());
        }
        let (key, answer) = self.old.remove_entry(key)?;
        self.insert(key, answer.clone());
        Some(answer)
    }

    fn insert(&mut self, key: Key, answer: Known) {
        let octets = ENTRY_OCTETS + key.octets() + answer.octets();
        if self.octets.saturating_add(octets) > self.most {
            self.old = std::mem::take(&mut self.young);
            self.octets = 0;
        }
        self.octets = self.octets.saturating_add(octets);
        self.young.insert(key, answer);
    }

    fn remove(&mut self, key: &Key) {
        // What it took is counted until the young ones are old.
        self.young.remove(key);
        self.old.remove(key);
    }

    fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.octets = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        Key::Alias(format!("a{n}@example.net"))
    }

    fn targets() -> Known {
        Known::Targets(Arc::new(vec!["bob@example.net".to_owned()]))
    }

    fn known(answers: &mut Answers, n: usize) -> bool {
        answers.get(&key(n)).is_some()
    }

    #[test]
    fn all_answers_are_of_one_version() {
        let mut answers = Answers::default();
        assert!(answers.keep(0, 5, [(key(1), targets()), (key(2), Known::Nothing)]));
        assert!(answers.keep(0, 5, [(key(3), targets())]));
        assert!(!answers.keep(0, 4, [(key(4), targets())]), "older than the others");
        assert!([1, 2, 3].iter().all(|n| known(&mut answers, *n)) && !known(&mut answers, 4));
        answers.changed(6, &BTreeSet::from([key(1), key(2)]));
        assert_eq!([1, 2, 3].map(|n| known(&mut answers, n)), [false, false, true]);
        assert!(!answers.keep(0, 5, [(key(1), targets())]), "read before the commit");
        // A reader saw the next commit before it was published.
        assert!(answers.keep(0, 7, [(key(1), targets())]));
        assert_eq!([1, 3].map(|n| known(&mut answers, n)), [true, false]);
        answers.changed(7, &BTreeSet::from([key(3)]));
        assert!(known(&mut answers, 1));
        // Somebody else committed in between.
        answers.changed(9, &BTreeSet::new());
        assert_eq!((known(&mut answers, 1), answers.version()), (false, None));
        assert!(!answers.keep(0, 9, [(key(1), targets())]), "asked for before everything was forgotten");
        assert!(answers.keep(1, 3, [(key(1), targets())]), "what was in doubt did not come back");
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_bounded() {
        let mut answers = Answers::default();
        answers.keep(0, 1, [(Key::FirstDomain, Known::Domain("example.net".into()))]);
        for n in 0..500_000 {
            answers.keep(0, 1, [(key(n), Known::Nothing)]);
            assert!(answers.get(&key(0)).is_some(), "asked for all the time");
        }
        let absent = answers.absent.young.len() + answers.absent.old.len();
        assert!((1_000..=DIRECTORY_ABSENT_OCTETS_MAX / ENTRY_OCTETS).contains(&absent), "{absent}");
        assert!(answers.get(&Key::FirstDomain).is_some(), "guesses drive out nothing else");
    }
}
