//! What goes into the store and comes out of it: plain data that knows nothing of SQL.

use std::time::Duration;

pub use crate::base::Snapshot;
use crate::base::event::{Event, Origin, Outcome};
use crate::base::{AccountId, Enhanced, UidValidity};
use crate::base::{
    BlobId, Content, Envelope, Flags, MailboxId, ModSeq, QueueId, Recipient, Secret, SpecialUse, Timestamp, Uid,
};
use crate::feedback::{AggregateReport, ReportRow as Row};

// -- mailboxes ---------------------------------------------------------------------------------------

/// A mailbox and its counts, as LIST, STATUS and the host want them. Read from its row; nothing is scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxInfo {
    /// Row id, never reused.
    pub id: MailboxId,
    /// Whose.
    pub account: AccountId,
    /// Name in UTF-8, levels separated by `/`; `INBOX` in capitals.
    pub name: String,
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// HIGHESTMODSEQ; 1 for a mailbox nothing ever happened in.
    pub mod_seq: ModSeq,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// Whether it is subscribed.
    pub subscribed: bool,
    /// False for a name that only has children (left over by DELETE, RFC 9051 §6.3.5): `\NoSelect`.
    pub selectable: bool,
    /// Messages.
    pub total: u32,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// Messages with `\Deleted`.
    pub deleted: u32,
    /// Octets of all messages.
    pub octets: u64,
    /// Messages from this UID on no client was told of, as the row says; `Store::recent_from` knows of claims too.
    pub recent_from: Uid,
}

/// An annotation of a mailbox, or of an account itself (RFC 5464).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Its name, a path in lower case.
    pub entry: String,
    /// Its value.
    pub value: Vec<u8>,
    /// Higher than those of earlier changes of the account.
    pub revision: i64,
}

/// An annotation without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationKey {
    /// Of which mailbox; `None`: of the account itself.
    pub mailbox: Option<MailboxId>,
    /// Its name, a path in lower case.
    pub entry: String,
    /// As of [`Annotation`].
    pub revision: i64,
    /// Octets of the value.
    pub octets: u64,
}

/// What never changes about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// UID.
    pub uid: Uid,
    /// INTERNALDATE.
    pub internal_date: Timestamp,
    /// RFC822.SIZE.
    pub size: u64,
    /// Where its octets are.
    pub blob: BlobId,
}

// -- messages ----------------------------------------------------------------------------------------

/// One message on its way in, for any number of mailboxes; its octets are kept once.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Octets.
    pub content: Content,
    /// What was computed of them (`delivery::local` does it).
    pub meta: BlobMeta,
    /// Where it goes.
    pub filings: Vec<Filing>,
    /// Where it came from, for the event.
    pub origin: Origin,
}

/// One place a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filing {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// System flags it starts with.
    pub flags: Flags,
    /// Keywords it starts with; new ones are added to the mailbox. Where it has no room for one nothing is filed.
    pub keywords: Vec<String>,
    /// INTERNALDATE.
    pub internal_date: Timestamp,
}

/// What is computed once, at delivery, and read by FETCH, SORT, THREAD and SEARCH without the body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlobMeta {
    /// Octets of the header with its empty line.
    pub header_octets: u32,
    /// ENVELOPE as IMAP writes it, parentheses included.
    pub envelope: Vec<u8>,
    /// BODYSTRUCTURE as IMAP writes it, extension data included.
    pub structure: Vec<u8>,
    /// Part table of `message::structure`: where each part's header and body lie.
    pub parts: Vec<u8>,
    /// Date field as a moment; INTERNALDATE where there is none.
    pub sent: Timestamp,
    /// Base subject (RFC 5256 §2.1), lower case.
    pub subject: String,
    /// Decoded From field.
    pub from: String,
    /// Decoded To field.
    pub to: String,
    /// Decoded Cc field.
    pub cc: String,
    /// Message-ID without angle brackets.
    pub message_id: String,
    /// References and In-Reply-To, message ids separated by spaces.
    pub references: String,
}

/// Which columns of [`BlobMeta`] are read: the others come empty. `header_octets` and `sent` always come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MetaColumns {
    /// `envelope`
    pub envelope: bool,
    /// `structure`
    pub structure: bool,
    /// `parts`
    pub parts: bool,
    /// `from`, `to`, `cc`
    pub addresses: bool,
    /// `subject`, `message_id`, `references`
    pub thread: bool,
}

impl MetaColumns {
    /// All of them.
    pub const ALL: MetaColumns =
        MetaColumns { envelope: true, structure: true, parts: true, addresses: true, thread: true };
}

/// Where a filing ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filed {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// The message's UID there.
    pub uid: Uid,
    /// The modification sequence it was given.
    pub mod_seq: ModSeq,
}

/// What STORE does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagChange {
    /// Add, remove or replace.
    pub how: FlagHow,
    /// System flags.
    pub flags: Flags,
    /// Keywords by name. Adding one the mailbox does not have makes it; without room for it nothing is changed.
    pub keywords: Vec<String>,
}

/// How [`FlagChange`] changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FlagHow {
    Add,
    Remove,
    Replace,
}

impl FlagHow {
    /// What becomes of a message's flags.
    pub fn apply(self, old: Flags, flags: Flags) -> Flags {
        match self {
            FlagHow::Add => old | flags,
            FlagHow::Remove => old & !flags,
            FlagHow::Replace => flags,
        }
    }
}

/// What STORE did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlagsChanged {
    /// The highest modification sequence given to changed messages; the mailbox's present one where none changed.
    pub mod_seq: ModSeq,
    /// The modification sequences given, rising: each to the changed messages up to this UID and behind the one before.
    pub steps: Vec<(Uid, ModSeq)>,
    /// Messages whose flags are different now.
    pub changed: Vec<Uid>,
    /// Messages left alone since they changed after UNCHANGEDSINCE (RFC 7162 §3.1.3).
    pub modified: Vec<Uid>,
    /// The flags that were added, removed or put in place, keywords among them.
    pub flags: Flags,
}

impl FlagsChanged {
    /// The modification sequence that this message has where it was changed, and by nobody else since.
    pub fn mod_seq_of(&self, uid: Uid) -> Option<ModSeq> {
        let step = self.steps.partition_point(|(last, _)| *last < uid);
        self.steps.get(step).map(|(_, mod_seq)| *mod_seq)
    }
}

/// What COPY or MOVE did; `from` and `to` run in step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copied {
    /// UIDVALIDITY of the destination.
    pub uid_validity: UidValidity,
    /// UIDs in the source.
    pub from: Vec<Uid>,
    /// UIDs in the destination.
    pub to: Vec<Uid>,
    /// For MOVE: the source's modification sequence of the removal.
    pub mod_seq: ModSeq,
}

/// What EXPUNGE did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expunged {
    /// UIDs that are gone, ascending.
    pub uids: Vec<Uid>,
    /// The modification sequence of it.
    pub mod_seq: ModSeq,
}

/// Which messages EXPUNGE takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expunge {
    /// All with `\Deleted`.
    Deleted,
    /// Those of the set with `\Deleted` (UID EXPUNGE).
    DeletedAmong(crate::base::UidSet),
    /// Those of the set, whatever their flags (POP3's QUIT, the host).
    Among(crate::base::UidSet),
}

// -- DMARC -------------------------------------------------------------------------------------------

/// One message, as an aggregate report to its domain will count it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// When it came: UTC days since 1970.
    pub day: i64,
    /// Domain whose record was found: who gets the report.
    pub policy_domain: String,
    /// That record, as published.
    pub record: String,
    /// The message; `count` is how many there were.
    pub row: Row,
}

/// One day's observations about one domain, ready to be reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// UTC days since 1970.
    pub day: i64,
    /// Domain whose record was found.
    pub policy_domain: String,
    /// That record, as it was published last.
    pub record: String,
    /// What was seen.
    pub rows: Vec<Row>,
}

/// A report somebody sent us, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportInfo {
    /// Row id, never reused.
    pub id: i64,
    /// When it was read.
    pub arrived: Timestamp,
    /// Messages it counts.
    pub messages: u64,
    /// Those for which neither DKIM nor SPF was aligned.
    pub failed: u64,
    /// Its rows, not listed here.
    pub row_count: u64,
    /// The rest of it, without rows.
    pub report: AggregateReport,
}

// -- policies of other domains ------------------------------------------------------------------------

/// An MTA-STS policy that is kept of another domain (RFC 8461).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsRow {
    /// Whose, lower-case A-labels.
    pub domain: String,
    /// What its TXT record called it when it was fetched.
    pub id: String,
    /// Its lines.
    pub policy: String,
    /// When it was fetched.
    pub fetched: Timestamp,
    /// When mail wanted it last, by the day.
    pub used: Timestamp,
    /// When its time is over.
    pub expires: Timestamp,
}

/// A destination that gets no mail for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// As rows of the queue name it.
    pub destination: String,
    /// When that was said.
    pub since: Timestamp,
    /// Why, in the host's words.
    pub reason: String,
}

/// What waits for a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationRow {
    /// As rows of the queue name it; empty for what is not routed yet.
    pub destination: String,
    /// Recipients that wait, held ones among them.
    pub waiting: u64,
    /// Those of them that are held.
    pub held: u64,
    /// When the first of them is due.
    pub due: Timestamp,
    /// When the oldest message was accepted.
    pub oldest: Timestamp,
    /// Most attempts begun for one of them.
    pub attempts: u32,
    /// The newest attempt for any of them.
    pub last: Option<AttemptResult>,
}

/// An attempt as it is explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedAttempt {
    /// Row id, ascending.
    pub id: i64,
    /// For whom.
    pub recipient: String,
    /// What came of it.
    pub result: AttemptResult,
    /// Equal for all recipients of one attempt; 0 in rows of old versions.
    pub settlement: i64,
    /// What happened, line by line; at the last row of a settlement only.
    pub trail: Option<String>,
}

/// What is kept of an attempt beside its results, and for how long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// What happened, line by line; empty where nobody was talked to.
    pub trail: String,
    /// Attempts that ended before may be forgotten.
    pub forget_before: Timestamp,
}

// -- keys --------------------------------------------------------------------------------------------

/// A key our mail is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimKey {
    /// Signing domain, lower-case A-labels.
    pub domain: String,
    /// Selector, lower case.
    pub selector: String,
    /// `rsa-sha256` or `ed25519-sha256`.
    pub algorithm: String,
    /// Private key, PEM.
    pub key: Secret,
    /// Where it stands.
    pub state: DkimKeyState,
    /// When it was made or given.
    pub created: Timestamp,
    /// When it came into its state.
    pub changed: Timestamp,
}

/// The life of a key: its record is published, it signs, its signatures are still checked, it is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DkimKeyState {
    /// Made, and waiting for its record to be seen in DNS.
    Pending = 0,
    /// Signs.
    Active = 1,
    /// Signs no more, but mail that it signed is still under way: its record must stay.
    Published = 2,
    /// Its record may be taken out of DNS.
    Retired = 3,
}

// -- queue -------------------------------------------------------------------------------------------

/// A message for the outbound queue.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// From and for whom; at least one recipient.
    pub envelope: Envelope,
    /// Octets.
    pub content: Content,
    /// Who submitted it; `None` for our own reports.
    pub submitter: Option<AccountId>,
    /// When it was accepted.
    pub created: Timestamp,
    /// When the first attempt is due.
    pub due: Timestamp,
    /// When it is given up.
    pub expires: Timestamp,
}

/// A queued message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Queue id.
    pub id: QueueId,
    /// Envelope without recipients (they stand in `recipients`).
    pub envelope: Envelope,
    /// Where its octets are.
    pub blob: BlobId,
    /// Octets.
    pub size: u64,
    /// Who submitted it.
    pub submitter: Option<AccountId>,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it is given up.
    pub expires: Timestamp,
    /// Whether the host holds it back.
    pub held: bool,
    /// Whether the delay was reported to the sender.
    pub delay_reported: bool,
    /// Its recipients, finished ones included until all are.
    pub recipients: Vec<ItemRecipient>,
}

/// One recipient of a queued message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRecipient {
    /// Its place in the item, 0 and up.
    pub index: u32,
    /// Address and DSN parameters.
    pub recipient: Recipient,
    /// Where it stands.
    pub state: RecipientState,
    /// Attempts begun.
    pub attempts: u32,
    /// When the next attempt is due, while it waits.
    pub due: Timestamp,
    /// What the last attempt came to.
    pub last: Option<AttemptResult>,
}

/// Where a recipient stands. `Waiting` -> (attempt) -> `Waiting` | `Delivered` | `Failed`; a crash in the
/// middle of an attempt leaves `Waiting` with the next due time already written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientState {
    /// Due at some time.
    Waiting,
    /// The next host has it.
    Delivered,
    /// Given up; reported where a report was wanted.
    Failed,
}

/// What one attempt came to for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptResult {
    /// When.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: Outcome,
    /// Host talked to; empty where none was reached.
    pub host: String,
    /// Reply code; 0 where none was received.
    pub code: u16,
    /// Enhanced status code.
    pub enhanced: Option<Enhanced>,
    /// What the peer said, or what went wrong.
    pub text: String,
    /// How long it took.
    pub took: Duration,
    /// TLS version and cipher, empty where the connection was in the clear.
    pub tls: String,
    /// TLS policy it was made under and why that held, `dane (TLSA records of _25._tcp.mx.example.net)`; empty where no
    /// host was dialled.
    pub policy: String,
}

/// The end of an attempt, for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// The item.
    pub id: QueueId,
    /// Which recipient.
    pub index: u32,
    /// What came of it.
    pub result: AttemptResult,
    /// When it is due again; only for `Outcome::Deferred`.
    pub next: Option<Timestamp>,
}

/// What the host may do to queued messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueAction {
    /// Due now.
    Retry,
    /// Not due until released.
    Hold,
    /// Ends a hold.
    Release,
    /// Given up now, reported to the sender. The runner does it: this marks it expired.
    Bounce,
    /// Removed without a word.
    Drop,
    /// Given up at this time.
    Expire(Timestamp),
    /// Routed by the directory and the settings as they are, and due now.
    Reroute,
}

/// Which queued messages are meant: those that all of it fits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueFilter {
    /// This one.
    pub id: Option<QueueId>,
    /// Those with this reverse-path, as [`Address::key`](crate::base::Address::key) writes it; empty for the null one.
    pub from: Option<String>,
    /// Those with a recipient of this address that waits, written in the same way.
    pub to: Option<String>,
    /// Those with a recipient of this domain that waits, as [`Domain::key`](crate::base::Domain::key) writes it.
    pub domain: Option<String>,
    /// Held ones, or those that are not.
    pub held: Option<bool>,
}

impl QueueFilter {
    /// Whether it means this one.
    pub fn fits(&self, item: &Item) -> bool {
        let waiting = || item.recipients.iter().filter(|to| to.state == RecipientState::Waiting);
        let from = item.envelope.reverse_path.as_ref().map(|from| from.key()).unwrap_or_default();
        self.id.is_none_or(|id| id == item.id)
            && self.from.as_ref().is_none_or(|wanted| *wanted == from)
            && self.to.as_ref().is_none_or(|to| waiting().any(|one| one.recipient.address.key() == *to))
            && self.domain.as_ref().is_none_or(|of| waiting().any(|one| one.recipient.address.domain().key() == *of))
            && self.held.is_none_or(|held| held == item.held)
    }
}

/// One transaction of new mail: messages filed, messages queued, both or none (and the id the host may
/// know it by, so that a retry after a failed commit does no harm).
#[derive(Debug, Clone, Default)]
pub struct Acceptance {
    /// For mailboxes here.
    pub arrivals: Vec<Arrival>,
    /// For hosts elsewhere.
    pub items: Vec<NewItem>,
    /// What scripts remember and answer.
    pub replies: Vec<Reply>,
    /// What is said after the commit beside what the store says itself.
    pub events: Vec<Event>,
}

/// Something that a script of an account remembers, and perhaps a letter that is sent once within that time.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Whose script.
    pub account: AccountId,
    /// What is remembered.
    pub key: String,
    /// When it is filed.
    pub now: Timestamp,
    /// When it is forgotten.
    pub until: Timestamp,
    /// The letter, queued only where the key is not remembered.
    pub item: Option<NewItem>,
}

/// Whose a Sieve script is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScriptOwner {
    /// An account's.
    Account(AccountId),
    /// A domain's (`Domain::key` form).
    Domain(String),
    /// Of all domains.
    All,
}

/// A Sieve script as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredScript {
    /// Its name.
    pub name: String,
    /// UTF-8.
    pub script: Vec<u8>,
    /// Whether it is run for mail of its account.
    pub active: bool,
}

/// What is noted in the transaction of an [`Acceptance`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// It is the report on this day (UTC days since 1970) to this domain: what was observed is forgotten with it.
    pub reported: Option<(i64, String)>,
    /// Its first arrival came for the address of others' reports, and is to be read.
    pub unread_report: bool,
    /// A message that goes with it: REPLACE (RFC 8508). `NotFound` where it is gone already.
    pub replaces: Option<(MailboxId, Uid)>,
    /// It is the TLS report on this day (UTC days since 1970) to this domain: its results are forgotten with it.
    pub tls_reported: Option<(i64, String)>,
    /// What reports of others may call what is queued: its Message-ID, `envid` and its ENVID.
    pub sent: Vec<String>,
    /// What the host calls this submission: one that was taken under the same key is not taken again.
    pub submit_key: Option<String>,
}

/// What became of an [`Acceptance`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accepted {
    /// One for each filing, arrivals and filings in order.
    pub filed: Vec<Filed>,
    /// One for each item.
    pub queued: Vec<QueueId>,
    /// One for each reply that was sent.
    pub replied: Vec<QueueId>,
}
