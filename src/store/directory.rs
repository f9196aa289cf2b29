//! Accounts, domains and aliases: who is here.
//!
//! A question is a function that looks up what it needs in a [`Directory`]. What is in memory costs no wait. Where
//! something is not, it is read by a reader, all that was lacking at once, and the question is asked again: so what a
//! question finds is of one commit. Within a transaction of the writer the transaction's own tables are asked.
//!
//! Where the disk does not answer, or an account's row cannot be read, the question fails: nobody is taken for unknown.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard};

use super::Store;
use super::database::{Read, Write, of_one_commit};
use super::directory_cache::{Answers, DirectoryCache, Key, Known};
use super::shared::Shared;
use crate::base::event::Event;
use crate::base::limits::{DIRECTORY_PAGE_ROWS_MAX, DIRECTORY_READS_MAX, PASSWORD_COSTS_MAX};
use crate::base::settings::PasswordCost;
use crate::base::{Account, AccountId, Error, ErrorKind, Result};
use crate::sasl::credential;

/// Accounts, domains and aliases, as a question sees them. An answer may be a wrong "nothing" while something is
/// lacking; the question is asked again then, and what it gave is dropped.
pub struct Directory<'a> {
    source: Source<'a>,
    lacking: RefCell<BTreeSet<Key>>,
    failed: RefCell<Option<Error>>,
}

/// An account in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountName {
    /// Its id.
    pub id: AccountId,
    /// Its address in the form it is looked up by: what the next page is behind of.
    pub key: String,
    /// Its address as it was spelled.
    pub address: String,
}

enum Source<'a> {
    /// What is in memory.
    Memory(RefCell<MutexGuard<'a, Answers>>),
    /// A transaction of the writer, which changed the answers to these.
    Writer { db: &'a dyn Write, shared: &'a Shared, changed: &'a BTreeSet<Key> },
}

impl<'a> Directory<'a> {
    fn of(source: Source<'a>) -> Self {
        Directory { source, lacking: RefCell::default(), failed: RefCell::default() }
    }

    /// Whether mail for this domain (`Domain::key` form) is ours.
    pub fn is_local_domain(&self, domain_key: &str) -> bool {
        self.find(Key::Domain(domain_key.to_owned())).is_some()
    }

    /// The first local domain, by name.
    pub fn first_domain(&self) -> Option<Arc<str>> {
        match self.find(Key::FirstDomain)? {
            Known::Domain(name) => Some(name),
            _ => None,
        }
    }

    /// The account of this address (`Address::key` form).
    pub fn account(&self, address_key: &str) -> Option<Arc<Account>> {
        self.find_account(Key::Account(address_key.to_owned()))
    }

    /// The account with this id.
    pub fn account_by_id(&self, id: AccountId) -> Option<Arc<Account>> {
        self.find_account(Key::Id(id))
    }

    /// The first account by address: of this domain where it has one, else of all.
    pub fn first_account(&self, domain_key: &str) -> Option<Arc<Account>> {
        let of_domain = self.find_account(Key::FirstAccount(Some(domain_key.to_owned())));
        of_domain.or_else(|| self.find_account(Key::FirstAccount(None)))
    }

    /// Targets of the alias with exactly this pattern, sorted: `name@domain`, or `@domain` for the catch-all. At most
    /// one more than `ALIAS_EXPANSIONS_MAX`.
    pub fn alias(&self, pattern_key: &str) -> Option<Arc<Vec<String>>> {
        match self.find(Key::Alias(pattern_key.to_owned()))? {
            Known::Targets(targets) => Some(targets),
            _ => None,
        }
    }

    fn find_account(&self, key: Key) -> Option<Arc<Account>> {
        match self.find(key)? {
            Known::Account(account) => Some(account),
            _ => None,
        }
    }

    /// What there is; nothing where there is none, and where it is not known.
    fn find(&self, key: Key) -> Option<Known> {
        let answer = match &self.source {
            Source::Memory(answers) => match answers.borrow_mut().get(&key) {
                Some(answer) => Ok(answer),
                None => {
                    self.lacking.borrow_mut().insert(key);
                    return None;
                }
            },
            Source::Writer { db, shared, changed } => find_in_transaction(*db, shared, changed, key),
        };
        match answer {
            Ok(Known::Nothing) => None,
            Ok(Known::Unreadable(e)) | Err(e) => {
                self.failed.borrow_mut().get_or_insert(e);
                None
            }
            Ok(answer) => Some(answer),
        }
    }

    /// What was lacking; why the question cannot be answered.
    fn end(self) -> Result<BTreeSet<Key>> {
        match self.failed.into_inner() {
            Some(e) => Err(e),
            None => Ok(self.lacking.into_inner()),
        }
    }
}

/// What this transaction did not change is as it was committed.
fn find_in_transaction(db: &dyn Write, shared: &Shared, changed: &BTreeSet<Key>, key: Key) -> Result<Known> {
    if changed.contains(&key) {
        return key.read(db);
    }
    let mut answers = shared.directory.lock();
    if let Some(answer) = answers.get(&key) {
        return Ok(answer);
    }
    let (forgotten, version) = (answers.forgotten(), answers.version());
    drop(answers);
    let version = version.map_or_else(|| db.directory_version(), Ok)?;
    let answer = key.read(db)?;
    told(shared, &answer);
    shared.directory.lock().keep(forgotten, version, [(key, answer.clone())]);
    Ok(answer)
}

/// Asks within a transaction of the writer that changed the answers to `changed`.
pub(super) fn ask_in_transaction<T>(
    db: &dyn Write,
    shared: &Shared,
    changed: &BTreeSet<Key>,
    ask: impl FnOnce(&Directory<'_>) -> T,
) -> Result<T> {
    let directory = Directory::of(Source::Writer { db, shared, changed });
    let given = ask(&directory);
    directory.end().map(|_| given)
}

/// Says where a row cannot be read.
fn told(shared: &Shared, answer: &Known) {
    if let Known::Unreadable(e) = answer {
        shared.options.events.say(Event::Store { down: false, text: e.text().to_owned() });
    }
}

/// Asks what is in memory: the answer, or what is lacking.
fn ask_memory<T>(
    cache: &DirectoryCache,
    ask: impl FnOnce(&Directory<'_>) -> T,
) -> Result<std::result::Result<T, BTreeSet<Key>>> {
    let directory = Directory::of(Source::Memory(RefCell::new(cache.lock())));
    let given = ask(&directory);
    let lacking = directory.end()?;
    Ok(if lacking.is_empty() { Ok(given) } else { Err(lacking) })
}

impl Store {
    /// Answers a question about the directory as of the last commit, or one that is about to be told. `ask` may be run
    /// more than once, must be quick and must not call the store. Fails where the disk does not answer.
    pub async fn look_up<T>(&self, ask: impl Fn(&Directory<'_>) -> T) -> Result<T> {
        for _ in 0..DIRECTORY_READS_MAX {
            match ask_memory(&self.shared().directory, &ask)? {
                Ok(given) => return Ok(given),
                Err(lacking) => self.learn(lacking).await?,
            }
        }
        Err(Error::new(ErrorKind::Busy, "the directory changes all the time"))
    }

    /// Reads answers into memory.
    async fn learn(&self, lacking: BTreeSet<Key>) -> Result<()> {
        let shared = self.shared();
        let forgotten = shared.directory.lock().forgotten();
        let read = |db: &dyn Read, lacking: &BTreeSet<Key>| {
            let answers = lacking.iter().map(|key| Ok((key.clone(), key.read(db)?)));
            Ok((db.directory_version()?, answers.collect::<Result<Vec<_>>>()?))
        };
        let (version, answers) = self.read(move |db| of_one_commit(db, |db| read(db, &lacking))).await?;
        answers.iter().for_each(|(_, answer)| told(shared, answer));
        // What is older than what is known is read again.
        shared.directory.lock().keep(forgotten, version, answers);
        Ok(())
    }

    /// The account of this address (`Address::key` form).
    pub async fn account(&self, address_key: &str) -> Result<Option<Arc<Account>>> {
        self.look_up(|directory| directory.account(address_key)).await
    }

    /// The account with this id.
    pub async fn account_by_id(&self, id: AccountId) -> Result<Option<Arc<Account>>> {
        self.look_up(|directory| directory.account_by_id(id)).await
    }

    /// Whether mail for this domain (`Domain::key` form) is ours.
    pub async fn is_local_domain(&self, domain_key: &str) -> Result<bool> {
        self.look_up(|directory| directory.is_local_domain(domain_key)).await
    }

    /// The version of the directory that is in memory; none where nothing is. Another number: it changed.
    pub fn directory_version(&self) -> Option<i64> {
        self.shared().directory.lock().version()
    }

    /// Local domains behind `after`, sorted, a page of them; nothing at the end.
    pub async fn domains(&self, after: &str) -> Result<Vec<String>> {
        let after = after.to_owned();
        self.read(move |db| db.domains_behind(&after, DIRECTORY_PAGE_ROWS_MAX)).await
    }

    /// Accounts behind the address `after` (`Address::key` form), by address, a page of them.
    pub async fn accounts(&self, after: &str) -> Result<Vec<AccountName>> {
        let after = after.to_owned();
        self.read(move |db| db.accounts_behind(&after, DIRECTORY_PAGE_ROWS_MAX)).await
    }

    /// How many accounts there are.
    pub async fn account_count(&self) -> Result<u64> {
        self.read(|db| db.account_count()).await
    }

    /// Aliases behind this pattern and target, as such pairs, sorted, a page of them.
    pub async fn aliases(&self, after: (&str, &str)) -> Result<Vec<(String, String)>> {
        let (pattern, target) = (after.0.to_owned(), after.1.to_owned());
        self.read(move |db| db.aliases_behind(&pattern, &target, DIRECTORY_PAGE_ROWS_MAX)).await
    }

    /// The costs of passwords that accounts have, at most `PASSWORD_COSTS_MAX`.
    pub async fn password_costs(&self) -> Result<Vec<PasswordCost>> {
        self.read(|db| {
            let (mut costs, mut after) = (Vec::new(), String::new());
            for _ in 0..PASSWORD_COSTS_MAX {
                let Some(next) = db.password_cost_behind(&after)? else { break };
                costs.extend(credential::cost_of_text(&next));
                after = next;
            }
            Ok(costs)
        })
        .await
    }
}
