//! The tables.

use std::borrow::Borrow;
use std::sync::Arc;

use super::super::book::BookKind;
use super::super::database::Hidden;
use super::super::delta::NewMessage;
use super::super::row::MailboxRow;
use super::super::shared_map::SharedMap;
use super::super::{
    Annotation, AttemptResult, BlobMeta, DkimKey, Item, Paused, RecipientState, ReportInfo, ScriptOwner, StoredScript,
    StsRow, Suppressed, TlsLevel, TlsReportRow,
};
use crate::base::snapshot::Block;
use crate::base::{Account, AccountId, BlobId, MailboxId, ModSeq, QueueId, Recipient, Timestamp, Uid, UidSet};
use crate::feedback;

/// Everything that is kept, as of one moment.
#[derive(Clone, Default)]
pub(super) struct Tables {
    pub last: Last,
    pub settings: SharedMap<String, Vec<u8>>,
    pub keys: SharedMap<(String, String), DkimKey>,
    pub domains: SharedMap<String, ()>,
    pub aliases: SharedMap<(String, String), ()>,
    pub accounts: SharedMap<AccountId, AccountRow>,
    /// Without keywords, and without how far blocks reach.
    pub mailboxes: SharedMap<MailboxId, MailboxRow>,
    pub names: SharedMap<(AccountId, Arc<str>), MailboxId>,
    pub subscriptions: SharedMap<(AccountId, String), ()>,
    pub keywords: SharedMap<(MailboxId, u32), String>,
    pub messages: SharedMap<(MailboxId, Uid), NewMessage>,
    pub blocks: SharedMap<(MailboxId, u32), Arc<Block>>,
    pub vanished: SharedMap<(MailboxId, ModSeq), UidSet>,
    pub hidden: SharedMap<i64, Hidden>,
    pub left_accounts: SharedMap<AccountId, ()>,
    pub left_mailboxes: SharedMap<MailboxId, ()>,
    pub bodies: SharedMap<BlobId, Arc<Vec<u8>>>,
    pub metas: SharedMap<BlobId, Arc<BlobMeta>>,
    /// How often each body is used.
    pub uses: SharedMap<BlobId, u64>,
    pub dead: SharedMap<i64, Vec<BlobId>>,
    /// Without recipients.
    pub items: SharedMap<QueueId, Item>,
    pub recipients: SharedMap<(QueueId, u32), Queued>,
    pub attempts: SharedMap<i64, Attempt>,
    pub observed_domains: SharedMap<(i64, String), ObservedDomain>,
    /// Messages of each kind, which is a row that counts nothing.
    pub observed: SharedMap<(i64, String, feedback::ReportRow), i64>,
    pub unread: SharedMap<BlobId, ()>,
    pub reports: SharedMap<i64, Report>,
    pub report_rows: SharedMap<(i64, i64), feedback::ReportRow>,
    pub sts: SharedMap<String, StsRow>,
    pub scripts: SharedMap<(ScriptOwner, String), StoredScript>,
    pub remembered: SharedMap<(AccountId, String), Timestamp>,
    pub annotations: SharedMap<(Option<MailboxId>, AccountId, String), Annotation>,
    pub trails: SharedMap<i64, String>,
    /// Queue id, and when.
    pub submit_keys: SharedMap<String, (i64, Timestamp)>,
    pub paused: SharedMap<String, Paused>,
    pub suppressed: SharedMap<(i64, String), Suppressed>,
    pub tls_levels: SharedMap<String, TlsLevel>,
    /// Sessions by day, domain, policy and failure.
    pub tls_results: SharedMap<(i64, String, String, String), i64>,
    pub tls_reports: SharedMap<i64, TlsReportRow>,
    pub sent: SharedMap<String, (QueueId, Timestamp)>,
    pub book: SharedMap<(BookKind, String), String>,
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// Sets the value of a key, whatever was there.
    pub(super) fn put(&mut self, key: K, value: V) {
        self.insert(key, value);
    }

    /// Removes a key, if it is there.
    pub(super) fn discard<Q: Ord + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.remove(key);
    }
}

/// The last ids that were given out.
#[derive(Clone, Copy, Default)]
pub(super) struct Last {
    /// The version of the directory.
    pub directory: i64,
    pub account: i64,
    pub mailbox: i64,
    pub uid_validity: i64,
    pub blob: i64,
    pub dead: i64,
    pub hidden: i64,
    pub item: i64,
    pub attempt: i64,
    pub report: i64,
    pub tls_report: i64,
}

/// The next id.
pub(super) fn next(last: &mut i64) -> i64 {
    *last += 1;
    *last
}

/// An account.
#[derive(Clone)]
pub(super) struct AccountRow {
    pub account: Account,
    pub octets: u64,
}

/// A recipient of an item.
#[derive(Clone)]
pub(super) struct Queued {
    pub recipient: Recipient,
    pub destination: String,
    pub state: RecipientState,
    pub attempts: u32,
    pub due: Timestamp,
    pub held: bool,
    pub last_attempt: i64,
    pub priority: i8,
}

/// An attempt for a recipient.
#[derive(Clone)]
pub(super) struct Attempt {
    pub item: QueueId,
    pub recipient: String,
    pub result: AttemptResult,
    pub settlement: i64,
}

/// A domain that was observed on a day.
#[derive(Clone, Default)]
pub(super) struct ObservedDomain {
    pub record: String,
    pub rows: i64,
    pub reported: bool,
}

/// A report of others.
#[derive(Clone)]
pub(super) struct Report {
    pub info: ReportInfo,
    pub complete: bool,
}
