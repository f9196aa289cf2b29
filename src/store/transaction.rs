//! One write transaction: what jobs work on between BEGIN and COMMIT.
//!
//! Jobs give [`Delta`]s. Those of the job under way stand apart: where it fails they are dropped with its savepoint,
//! where it succeeds they join what the jobs before it changed. Rows are only read through here, so that each job sees
//! what the ones before it did, and each changed row is written before the commit. What is shared with readers is
//! replaced after the commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::book::Book;
use super::database::Write;
use super::delta::Delta;
use super::directory::{self, Directory};
use super::directory_cache::Key;
use super::ghost::Ghost;
use super::queue_board::QueueNews;
use super::row::{MailboxRow, no_mailbox};
use super::shared::Shared;
use super::write::{self, Touched};
use super::{Snapshot, view};
use crate::base::event::Event;
use crate::base::limits::WRITER_ROWS_MAX;
use crate::base::snapshot::Messages;
use crate::base::{Account, AccountId, Error, ErrorKind, MailboxId, Result, Timestamp, UidValidity};

/// What the writer keeps from one transaction to the next: a cache of what was committed.
#[derive(Debug, Default)]
pub(super) struct WriterCache {
    rows: BTreeMap<MailboxId, MailboxRow>,
    usage: BTreeMap<AccountId, Usage>,
}

/// What an account or a mailbox keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    pub octets: u64,
    pub messages: u64,
}

impl Usage {
    fn of(row: &MailboxRow) -> Usage {
        Usage { octets: row.octets, messages: u64::from(row.total) }
    }
}

/// What jobs that succeeded changed.
#[derive(Default)]
struct Done {
    mailboxes: BTreeMap<MailboxId, Changed>,
    /// The views of mailboxes in it or looked at, as of now.
    views: BTreeMap<MailboxId, Messages>,
    usage: BTreeMap<AccountId, Usage>,
    /// Views came into memory.
    loaded: bool,
    said: Said,
}

/// A mailbox that was changed.
struct Changed {
    /// Its row as of now; none where it is deleted.
    row: Option<MailboxRow>,
    touched: Touched,
}

/// What the job under way changes.
#[derive(Default)]
struct Mine {
    deltas: Vec<Applied>,
    /// The rows as of now; none where a mailbox is deleted.
    rows: BTreeMap<MailboxId, Option<MailboxRow>>,
    usage: BTreeMap<AccountId, Usage>,
    said: Said,
}

/// A change that is a part of the job.
struct Applied {
    /// The row before; none for a new mailbox.
    before: Option<MailboxRow>,
    delta: Delta,
    /// Rows of `dead` that its bodies came into.
    dead: Vec<i64>,
}

/// What is told after the commit.
#[derive(Default)]
struct Said {
    events: Vec<Event>,
    woken: BTreeSet<MailboxId>,
    /// Accounts whose mailboxes or subscriptions changed.
    changed: BTreeSet<AccountId>,
    /// Accounts whose annotations changed.
    annotated: BTreeSet<AccountId>,
    /// Accounts that were deleted, and mailboxes they had.
    accounts: Vec<AccountId>,
    closed: Vec<MailboxId>,
    ghosts: Vec<(MailboxId, Ghost)>,
    names: bool,
    queue: bool,
    /// Destinations with rows that became due, or will.
    queue_due: QueueNews,
    feedback: bool,
    /// Settings of domains and groups, where they changed.
    book: Option<Arc<Book>>,
}

impl Said {
    fn join(&mut self, more: Said) {
        self.events.extend(more.events);
        self.woken.extend(more.woken);
        self.changed.extend(more.changed);
        self.annotated.extend(more.annotated);
        self.accounts.extend(more.accounts);
        self.closed.extend(more.closed);
        self.ghosts.extend(more.ghosts);
        self.names |= more.names;
        self.queue |= more.queue;
        self.queue_due.join(more.queue_due);
        self.feedback |= more.feedback;
        self.book = more.book.or(self.book.take());
    }
}

/// The transaction.
pub(super) struct WriteTx<'a> {
    /// The connection, inside its transaction.
    pub db: &'a dyn Write,
    /// Clock, options, what is shared.
    pub shared: &'a Shared,
    /// What jobs changed of the directory, those that failed too.
    directory_changed: BTreeSet<Key>,
    /// The version it has then.
    directory_version: Option<i64>,
    cache: &'a mut WriterCache,
    done: Done,
    mine: Mine,
    /// Whether there is something to be removed in the background.
    pub bodies_died: bool,
}

impl<'a> WriteTx<'a> {
    /// The transaction just begun on `db`.
    pub fn new(db: &'a dyn Write, shared: &'a Shared, cache: &'a mut WriterCache) -> Self {
        if cache.rows.len() > WRITER_ROWS_MAX {
            *cache = WriterCache::default();
        }
        Self {
            db,
            shared,
            directory_changed: BTreeSet::new(),
            directory_version: None,
            cache,
            done: Done::default(),
            mine: Mine::default(),
            bodies_died: shared.ghosts.take_freed() | shared.stretches.take_freed(),
        }
    }

    // -- mailboxes ---------------------------------------------------------------------------------------

    /// A mailbox that messages can be in; `NotFound` where there is none.
    pub fn row(&mut self, mailbox: MailboxId) -> Result<MailboxRow> {
        self.any_row(mailbox)?.filter(|row| row.selectable).ok_or_else(no_mailbox)
    }

    /// A mailbox's row, also of one that is only a name. None where its account was deleted.
    pub fn any_row(&mut self, mailbox: MailboxId) -> Result<Option<MailboxRow>> {
        match self.find_row(mailbox)? {
            Some(row) if self.account(row.account)?.is_some() => Ok(Some(row)),
            _ => Ok(None),
        }
    }

    fn find_row(&mut self, mailbox: MailboxId) -> Result<Option<MailboxRow>> {
        if let Some(row) = self.mine.rows.get(&mailbox) {
            return Ok(row.clone());
        }
        if let Some(changed) = self.done.mailboxes.get(&mailbox) {
            return Ok(changed.row.clone());
        }
        if let Some(row) = self.cache.rows.get(&mailbox) {
            return Ok(Some(row.clone()));
        }
        // No job changed it, so that what is read was committed.
        let row = self.db.mailbox_row(mailbox)?;
        if let Some(row) = &row {
            self.cache.rows.insert(mailbox, row.clone());
        }
        Ok(row)
    }

    /// The messages of a mailbox as of now. `known` is a state of it at some commit: what is in memory by now, or else
    /// this, brought up to the present row.
    pub fn view(&mut self, known: &Snapshot) -> Result<Messages> {
        let mailbox = known.mailbox;
        let row = self.row(mailbox)?;
        if self.mine.rows.contains_key(&mailbox) {
            return Err(Error::new(ErrorKind::Bug, "a change looks at messages it changed itself"));
        }
        if let Some(view) = self.done.views.get(&mailbox) {
            return Ok(view.clone());
        }
        let view = match self.shared_view(mailbox, &row) {
            Some(view) => view,
            None => {
                self.done.loaded = true;
                view::bring_up(self.db, known, &row)?
            }
        };
        self.done.views.insert(mailbox, view.clone());
        Ok(view)
    }

    /// The shared view, where it is of this row.
    fn shared_view(&self, mailbox: MailboxId, row: &MailboxRow) -> Option<Messages> {
        let shared = self.shared.views.snapshot(mailbox)?;
        let same = shared.mod_seq == row.mod_seq && shared.uid_validity == row.uid_validity;
        same.then_some(shared.messages)
    }

    /// A snapshot as of now, this transaction's changes included.
    pub fn snapshot(&mut self, known: &Snapshot) -> Result<Snapshot> {
        let messages = self.view(known)?;
        Ok(view::snapshot(known.mailbox, &self.row(known.mailbox)?, messages))
    }

    /// The id of the next new mailbox.
    pub fn next_mailbox(&self) -> Result<MailboxId> {
        self.db.next_mailbox()
    }

    /// A UIDVALIDITY higher than any given out.
    pub fn next_uid_validity(&self) -> Result<UidValidity> {
        self.db.next_uid_validity(self.shared.world.clock.wall())
    }

    /// Subscribes or unsubscribes a name.
    pub fn subscribe(&mut self, account: AccountId, name: &str, on: bool) -> Result<()> {
        self.mine.said.names = true;
        self.mine.said.changed.insert(account);
        self.db.subscribe(account, name, on)
    }

    /// Makes a change part of the job: what is looked up in the database is written now, the rest before the commit.
    pub fn apply(&mut self, delta: Delta) -> Result<()> {
        let mailbox = delta.mailbox;
        let before = self.any_row(mailbox)?;
        if before.is_none() && delta.deleted {
            return Err(Error::new(ErrorKind::Bug, "a mailbox that is not there is deleted"));
        }
        let had = before.as_ref().map_or(Usage::default(), Usage::of);
        let has = if delta.deleted { Usage::default() } else { Usage::of(&delta.row) };
        if had != has {
            // Before anything is written: the rows of mailboxes are read for it.
            self.charge(delta.row.account, had, has)?;
        }
        let dead = write::at_once(self, before.as_ref(), &delta)?;
        let said = &mut self.mine.said;
        said.names |= delta.deleted || before.as_ref().is_none_or(|before| !before.is_named_as(&delta.row));
        said.woken.insert(mailbox);
        said.changed.insert(delta.row.account);
        self.mine.rows.insert(mailbox, (!delta.deleted).then(|| delta.row.clone()));
        self.mine.deltas.push(Applied { before, delta, dead });
        Ok(())
    }

    // -- accounts ----------------------------------------------------------------------------------------

    /// What an account keeps.
    pub fn usage(&mut self, account: AccountId) -> Result<Usage> {
        let known = self.mine.usage.get(&account).or_else(|| self.done.usage.get(&account));
        if let Some(usage) = known.or_else(|| self.cache.usage.get(&account)) {
            return Ok(*usage);
        }
        let octets = self.db.account_octets(account)?;
        let octets = octets.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such account"))?;
        let usage = Usage { octets, messages: self.db.account_messages(account)? };
        self.cache.usage.insert(account, usage);
        Ok(usage)
    }

    /// A mailbox of the account has `has` in place of `had`.
    fn charge(&mut self, account: AccountId, had: Usage, has: Usage) -> Result<()> {
        let mut usage = self.usage(account)?;
        usage.octets = usage.octets.saturating_sub(had.octets).saturating_add(has.octets);
        usage.messages = usage.messages.saturating_sub(had.messages).saturating_add(has.messages);
        self.mine.usage.insert(account, usage);
        Ok(())
    }

    /// `Quota` where the account has no room for `more`.
    pub fn check_quota(&mut self, account: AccountId, more: Usage) -> Result<()> {
        let usage = self.usage(account)?;
        let most = self.shared.account_messages_max.load(Ordering::SeqCst);
        if usage.messages.saturating_add(more.messages) > most {
            return Err(Error::new(ErrorKind::Quota, format!("the account would have more than {most} messages")));
        }
        let quota = self.account(account)?.and_then(|account| account.quota_octets);
        match quota {
            Some(quota) if usage.octets.saturating_add(more.octets) > quota => {
                Err(Error::new(ErrorKind::Quota, "the account's quota is used up"))
            }
            _ => Ok(()),
        }
    }

    /// An account is deleted: its mailboxes are not there any more.
    pub fn close_account(&mut self, account: AccountId) -> Result<()> {
        let closed = self.db.mailboxes_of(account)?;
        let said = &mut self.mine.said;
        said.closed = closed;
        said.woken.extend(&said.closed);
        said.accounts.push(account);
        said.names = true;
        Ok(())
    }

    // -- the directory -----------------------------------------------------------------------------------

    /// Answers a question about the directory, this transaction's changes included.
    pub fn look_up<T>(&self, ask: impl FnOnce(&Directory<'_>) -> T) -> Result<T> {
        directory::ask_in_transaction(self.db, self.shared, &self.directory_changed, ask)
    }

    /// The account with this id, where it is there.
    pub fn account(&self, account: AccountId) -> Result<Option<Arc<Account>>> {
        self.look_up(|directory| directory.account_by_id(account))
    }

    /// Answers of the directory are other ones from now on.
    pub fn directory_changes(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.directory_changed.extend(keys);
    }

    /// Settings of domains and groups, this transaction's changes included.
    pub fn book(&self) -> Arc<Book> {
        let changed = self.mine.said.book.as_ref().or(self.done.said.book.as_ref());
        changed.map_or_else(|| self.shared.book(), Arc::clone)
    }

    /// The same, to be changed.
    pub fn book_mut(&mut self) -> &mut Book {
        let before = match self.mine.said.book.take() {
            Some(book) => book,
            None => self.book(),
        };
        Arc::make_mut(self.mine.said.book.insert(before))
    }

    // -- what is said after the commit ----------------------------------------------------------------------

    /// Says `event` after the commit.
    pub fn say(&mut self, event: Event) {
        self.mine.said.events.push(event);
    }

    /// Tells after the commit that annotations of the account changed.
    pub fn annotated(&mut self, account: AccountId) {
        self.mine.said.annotated.insert(account);
        self.mine.said.changed.insert(account);
    }

    /// Wakes those who watch the queue after the commit.
    pub fn wake_queue(&mut self) {
        self.mine.said.queue = true;
    }

    /// Tells the queue's runner after the commit that a row of this destination is due at `due`.
    pub fn queue_due(&mut self, destination: &str, due: Timestamp) {
        self.mine.said.queue_due.note(destination, due);
    }

    /// Wakes those who read reports after the commit.
    pub fn wake_feedback(&mut self) {
        self.mine.said.feedback = true;
    }

    // -- the writer's side ------------------------------------------------------------------------------------

    /// After a job that succeeded: what it changed joins the rest.
    pub fn keep_job(&mut self) {
        let mine = std::mem::take(&mut self.mine);
        for Applied { before, delta, dead } in mine.deltas {
            let mailbox = delta.mailbox;
            if delta.deleted {
                self.done.views.remove(&mailbox);
            } else {
                let view = self.done.views.remove(&mailbox);
                let view = match before {
                    Some(before) => view.or_else(|| self.shared_view(mailbox, &before)),
                    // New, and filled by the same change.
                    None => delta.shown.is_some().then(Messages::default),
                };
                if let Some(mut view) = view {
                    delta.show_in(&mut view);
                    self.done.views.insert(mailbox, view);
                }
            }
            let changed = self
                .done
                .mailboxes
                .entry(mailbox)
                .or_insert_with(|| Changed { row: None, touched: Touched::default() });
            changed.touched.note(&delta);
            if let Some(gone) = delta.gone {
                // Kept for those who were not told of it.
                let ghost = Ghost { expunges: delta.row.expunges, facts: gone.facts, dead };
                self.done.said.ghosts.push((mailbox, ghost));
            }
            changed.row = (!delta.deleted).then_some(delta.row);
        }
        self.done.usage.extend(mine.usage);
        self.done.said.join(mine.said);
    }

    /// After a job that failed, and was undone in the database: what it changed is dropped.
    pub fn drop_job(&mut self) {
        self.mine = Mine::default();
    }

    /// Writes what is changed in memory only. Right before COMMIT.
    pub fn flush(&mut self) -> Result<()> {
        for (mailbox, changed) in &mut self.done.mailboxes {
            if let Some(row) = &mut changed.row {
                let touched = std::mem::take(&mut changed.touched);
                write::before_commit(self.db, *mailbox, row, self.done.views.get(mailbox), touched)?;
            }
        }
        for (account, usage) in &self.done.usage {
            // Where the account was deleted there is no row.
            self.db.account_write_octets(*account, usage.octets)?;
        }
        if !self.directory_changed.is_empty() {
            self.directory_version = Some(self.db.directory_raise()?);
        }
        self.keep_ghosts();
        Ok(())
    }

    /// Keeps what goes for those who were not told of it.
    fn keep_ghosts(&self) {
        let ghosts = &self.done.said.ghosts;
        ghosts.iter().for_each(|(mailbox, ghost)| self.shared.ghosts.add(*mailbox, ghost));
    }

    /// After COMMIT: shares what changed and wakes everybody, then says the events.
    pub fn publish(self) {
        // Before anybody can see in a view that they are gone.
        self.keep_ghosts();
        let Done { mailboxes, mut views, usage, loaded, said } = self.done;
        let shared = self.shared;
        if let Some(version) = self.directory_version {
            shared.directory.lock().changed(version, &self.directory_changed);
        }
        said.book.into_iter().for_each(|book| shared.set_book(book));
        match said.names {
            true => shared.counts.forget_all(),
            false => shared.counts.forget(mailboxes.keys()),
        }
        let mut changed = Vec::with_capacity(mailboxes.len() + views.len());
        for (mailbox, Changed { row, .. }) in mailboxes {
            let view = row.as_ref().and_then(|row| Some(view::snapshot(mailbox, row, views.remove(&mailbox)?)));
            changed.push((mailbox, view));
            match row {
                Some(row) => drop(self.cache.rows.insert(mailbox, row)),
                None => drop(self.cache.rows.remove(&mailbox)),
            }
        }
        if loaded {
            // Those that were only looked at.
            let rows = &self.cache.rows;
            let seen =
                |(mailbox, messages)| Some((mailbox, Some(view::snapshot(mailbox, rows.get(&mailbox)?, messages))));
            changed.extend(views.into_iter().filter_map(seen));
        }
        changed.extend(said.closed.into_iter().map(|mailbox| (mailbox, None)));
        shared.views.publish(changed);
        if loaded {
            shared.views.trim(&shared.watchers);
        }
        self.cache.usage.extend(usage);
        said.woken.into_iter().for_each(|mailbox| shared.watchers.wake_mailbox(mailbox));
        said.annotated.into_iter().for_each(|account| shared.annotations.note(account));
        said.changed.into_iter().for_each(|account| shared.watchers.wake_mailboxes(account));
        said.accounts.into_iter().for_each(|account| shared.watchers.wake_account(account));
        if self.directory_version.is_some() {
            shared.watchers.wake_directory();
        }
        shared.queue.publish(said.queue_due);
        if said.queue {
            shared.watchers.wake_queue();
        }
        if said.feedback {
            shared.watchers.wake_feedback();
        }
        if !said.events.is_empty() {
            shared.options.events.say_all(said.events);
        }
    }
}
