//! Floor 3: everything that is kept, in one SQLite file. The only room that knows SQL.
//!
//! One writer lane drains its channel into one transaction, commits, publishes, then answers everyone
//! (group commit); a few reader lanes answer questions beside it; a checkpoint lane keeps the write-ahead
//! log short. A call that returned `Ok` is on disk and synced. A call that returned an error is in doubt
//! after `StoreDown`, undone otherwise.

mod types;

pub use types::*;

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::account::Credential;
use crate::base::event::EventSink;
use crate::base::{
    Account, AccountId, Address, BlobId, MailboxId, ModSeq, QueueId, Result, SpecialUse, Timestamp, UidSet, World,
};

/// How a store is opened.
#[derive(Clone)]
pub struct StoreOptions {
    /// Folder that holds `mail.db`, its WAL, the lock file and scratch files; made where missing.
    pub folder: PathBuf,
    /// Told of `Filed`, `Queued` and `Store` after their commit.
    pub events: Arc<dyn EventSink>,
    /// Reader lanes.
    pub readers: usize,
}

/// The store. Clones share it.
#[derive(Clone)]
pub struct Store {}

/// Accounts, domains and aliases at one commit: looked up without touching the disk.
#[derive(Debug, Clone, Default)]
pub struct Directory {}

impl Directory {
    /// Whether mail for this domain (`Domain::key` form) is ours.
    pub fn is_local_domain(&self, _domain_key: &str) -> bool {
        todo!()
    }
    /// The local domains, sorted.
    pub fn domains(&self) -> Vec<String> {
        todo!()
    }
    /// The account of this address (`Address::key` form).
    pub fn account(&self, _address_key: &str) -> Option<Arc<Account>> {
        todo!()
    }
    /// The account with this id.
    pub fn account_by_id(&self, _id: AccountId) -> Option<Arc<Account>> {
        todo!()
    }
    /// All accounts, by address.
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        todo!()
    }
    /// Targets of the alias with exactly this pattern: `name@domain`, or `@domain` for the catch-all.
    pub fn alias(&self, _pattern_key: &str) -> Option<&[String]> {
        todo!()
    }
    /// All aliases as (pattern, target), sorted.
    pub fn aliases(&self) -> Vec<(String, String)> {
        todo!()
    }
}

/// Wakes its owner when the mailbox it watches, or the queue, may have changed. Level-triggered: compare
/// snapshots afterwards.
pub struct Watch {}

impl Watch {
    /// Completes at the next change since the last call (at once, where there was one meanwhile).
    pub async fn changed(&mut self) {
        todo!()
    }
}

impl Store {
    /// Opens the store, making it where there is none, migrating it where it is older. `Busy` where
    /// another process or engine has it.
    pub async fn open(_world: &World, _options: StoreOptions) -> Result<Store> {
        todo!()
    }
    /// Answers what was handed in, checkpoints, closes every connection.
    pub async fn close(&self) -> Result<()> {
        todo!()
    }
    /// Folder for scratch files.
    pub fn scratch_folder(&self) -> PathBuf {
        todo!()
    }

    // -- accounts, domains, aliases (store/account) ------------------------------------------------
    /// The directory as of the last commit.
    pub fn directory(&self) -> Arc<Directory> {
        todo!()
    }
    /// Makes a domain local. Not an error where it is already.
    pub async fn domain_put(&self, _domain_key: &str) -> Result<()> {
        todo!()
    }
    /// Makes a domain foreign again; `State` while it has accounts.
    pub async fn domain_delete(&self, _domain_key: &str) -> Result<()> {
        todo!()
    }
    /// Makes an account with INBOX and the default mailboxes (its domain becomes local), or changes the
    /// credential of one there is.
    pub async fn account_put(&self, _address: &Address, _credential: Option<Credential>) -> Result<AccountId> {
        todo!()
    }
    /// Sets or lifts (`None`) a quota.
    pub async fn account_quota(&self, _account: AccountId, _octets: Option<u64>) -> Result<()> {
        todo!()
    }
    /// Removes an account with all its mail.
    pub async fn account_delete(&self, _address_key: &str) -> Result<()> {
        todo!()
    }
    /// Octets an account keeps now.
    pub async fn account_octets(&self, _account: AccountId) -> Result<u64> {
        todo!()
    }
    /// Adds `target` to the alias `pattern` (`name@domain` or `@domain`).
    pub async fn alias_put(&self, _pattern_key: &str, _target: &Address) -> Result<()> {
        todo!()
    }
    /// Removes an alias with all its targets.
    pub async fn alias_delete(&self, _pattern_key: &str) -> Result<()> {
        todo!()
    }

    // -- settings the engine keeps (store/setting) --------------------------------------------------
    /// A value kept under a name (certificates we minted, keys).
    pub async fn setting(&self, _name: &str) -> Result<Option<Vec<u8>>> {
        todo!()
    }
    /// Keeps a value under a name; `None` removes it.
    pub async fn setting_put(&self, _name: &str, _value: Option<Vec<u8>>) -> Result<()> {
        todo!()
    }

    // -- mailboxes (store/mailbox) -------------------------------------------------------------------
    /// All mailboxes of an account, by name.
    pub async fn mailboxes(&self, _account: AccountId) -> Result<Vec<MailboxInfo>> {
        todo!()
    }
    /// One mailbox by name (INBOX in any case).
    pub async fn mailbox(&self, _account: AccountId, _name: &str) -> Result<Option<MailboxInfo>> {
        todo!()
    }
    /// Makes a mailbox and the levels above it. `Exists`, `Invalid`, `Limit`.
    pub async fn mailbox_create(
        &self,
        _account: AccountId,
        _name: &str,
        _special_use: Option<SpecialUse>,
    ) -> Result<MailboxInfo> {
        todo!()
    }
    /// Deletes a mailbox and its mail; with children it stays as a name that cannot be selected. INBOX: `Invalid`.
    pub async fn mailbox_delete(&self, _account: AccountId, _name: &str) -> Result<()> {
        todo!()
    }
    /// Renames a mailbox and its children; INBOX gives its messages away and stays (RFC 9051 §6.3.6).
    pub async fn mailbox_rename(&self, _account: AccountId, _from: &str, _to: &str) -> Result<()> {
        todo!()
    }
    /// Subscribes or unsubscribes a name, which need not exist (RFC 9051 §6.3.7).
    pub async fn mailbox_subscribe(&self, _account: AccountId, _name: &str, _on: bool) -> Result<()> {
        todo!()
    }
    /// Subscribed names, sorted, those without a mailbox included.
    pub async fn subscriptions(&self, _account: AccountId) -> Result<Vec<String>> {
        todo!()
    }

    // -- messages: reading (store/view, store/message) -----------------------------------------------
    /// The mailbox's present state, from the shared view (read from disk at first need).
    pub async fn snapshot(&self, _mailbox: MailboxId) -> Result<Snapshot> {
        todo!()
    }
    /// Wakes when the mailbox changes.
    pub fn watch(&self, _mailbox: MailboxId) -> Watch {
        todo!()
    }
    /// Facts of the given messages, ascending; expunged ones are missing.
    pub async fn facts(&self, _mailbox: MailboxId, _uids: &UidSet) -> Result<Vec<Fact>> {
        todo!()
    }
    /// What was computed at delivery, one for each blob in order; `None` for freed blobs.
    pub async fn metas(&self, _blobs: Vec<BlobId>) -> Result<Vec<Option<BlobMeta>>> {
        todo!()
    }
    /// Up to `octets_max` octets of a body from `offset`; empty at its end; `NotFound` for a freed one.
    pub async fn body(&self, _blob: BlobId, _offset: u64, _octets_max: usize) -> Result<Vec<u8>> {
        todo!()
    }
    /// Whole bodies, in order, until `octets_max` is passed: at least one unless it alone is larger (then
    /// none: read it with `body`). Freed ones come as `None`.
    pub async fn bodies(&self, _blobs: Vec<BlobId>, _octets_max: usize) -> Result<Vec<Option<Vec<u8>>>> {
        todo!()
    }
    /// UIDs expunged after `since`, as ranges; a superset where the log was pruned (RFC 7162 §3.2.6).
    pub async fn vanished(&self, _mailbox: MailboxId, _since: ModSeq) -> Result<UidSet> {
        todo!()
    }

    // -- messages: writing (store/message) -------------------------------------------------------------
    /// Files and queues in one transaction. `Quota` where an account has no room (nothing is done then),
    /// `NotFound` where a mailbox is gone.
    pub async fn accept(&self, _acceptance: Acceptance) -> Result<Accepted> {
        todo!()
    }
    /// STORE.
    pub async fn change_flags(
        &self,
        _mailbox: MailboxId,
        _uids: UidSet,
        _change: FlagChange,
        _unchanged_since: Option<ModSeq>,
    ) -> Result<FlagsChanged> {
        todo!()
    }
    /// COPY: all or none.
    pub async fn copy(&self, _from: MailboxId, _uids: UidSet, _to: MailboxId) -> Result<Copied> {
        todo!()
    }
    /// MOVE: all or none, in one transaction.
    pub async fn move_messages(&self, _from: MailboxId, _uids: UidSet, _to: MailboxId) -> Result<Copied> {
        todo!()
    }
    /// EXPUNGE.
    pub async fn expunge(&self, _mailbox: MailboxId, _which: Expunge) -> Result<Expunged> {
        todo!()
    }

    // -- queue (store/queue): rows only; times are decided in `queue` -----------------------------------
    /// Items with a recipient `Waiting` and due at `now`, not held, oldest due first, at most `limit`.
    pub async fn queue_due(&self, _now: Timestamp, _limit: usize) -> Result<Vec<Item>> {
        todo!()
    }
    /// When the next recipient will be due.
    pub async fn queue_next_due(&self) -> Result<Option<Timestamp>> {
        todo!()
    }
    /// Before dialling: counts an attempt for these recipients and writes when they are due again, so that
    /// a crash cannot hammer a peer.
    pub async fn queue_begin(&self, _recipients: Vec<(QueueId, u32)>, _next: Timestamp) -> Result<()> {
        todo!()
    }
    /// After an attempt: writes one attempt row for each and the recipients' new states, files and queues
    /// the reports that follow from it, and removes items all of whose recipients are finished; one transaction.
    pub async fn queue_settle(&self, _settled: Vec<Settle>, _reports: Acceptance) -> Result<Accepted> {
        todo!()
    }
    /// Notes that the sender was told of the delay, and files or queues that report; one transaction.
    pub async fn queue_delay_reported(&self, _id: QueueId, _report: Acceptance) -> Result<Accepted> {
        todo!()
    }
    /// One item; `None` once it is finished.
    pub async fn queue_item(&self, _id: QueueId) -> Result<Option<Item>> {
        todo!()
    }
    /// Items with ids above `after`, at most `limit`.
    pub async fn queue_list(&self, _after: QueueId, _limit: usize) -> Result<Vec<Item>> {
        todo!()
    }
    /// Attempt rows of an item, finished or not, oldest first, with the recipient each was for.
    pub async fn attempts(&self, _id: QueueId) -> Result<Vec<(String, AttemptResult)>> {
        todo!()
    }
    /// What the host decided; `None` is every item. Gives how many items it touched.
    pub async fn queue_control(&self, _id: Option<QueueId>, _action: QueueAction, _now: Timestamp) -> Result<u64> {
        todo!()
    }
    /// Wakes when the queue changes.
    pub fn watch_queue(&self) -> Watch {
        todo!()
    }
}
