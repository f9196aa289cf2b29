//! Commands as typed values, and the table that says in which state each is legal (RFC 9051 §6).

use super::query::Term;
use crate::base::{Flags, Secret, SpecialUse};

use super::grammar::{FlagNames, Parse};
use super::metadata::{GetMetadata, SetMetadata};
use super::notify::Notify;
use super::sequence::SequenceSet;

/// A command that parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its tag.
    pub tag: String,
    /// Its row in the table.
    pub row: &'static VerbRow,
    /// What it asks.
    pub request: Request,
}

/// A session's state, as bits of [`VerbRow::states`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Before login.
    NotAuthenticated = 1,
    /// Logged in.
    Authenticated = 2,
    /// With a mailbox open.
    Selected = 4,
}

const START: u8 = 1;
const LOGGED_IN: u8 = 2 | 4;
const SELECTED: u8 = 4;
const ANY: u8 = 7;

/// What is known of a verb before it is parsed.
pub struct VerbRow {
    /// The verb, `UID` verbs in two words.
    pub name: &'static str,
    /// States it is legal in.
    pub states: u8,
    /// Whether untagged EXPUNGE may come while it runs (RFC 9051 §7.5.1).
    pub may_expunge: bool,
    /// Whether it names messages by number, which UIDONLY forbids (RFC 9586).
    pub by_number: bool,
    /// Whether it looks at the mailbox as it is now, so that what is new is told before.
    pub looks: bool,
    /// Reads what stands behind the verb.
    pub parse: fn(&mut super::grammar::Cursor<'_>) -> Parse<Request>,
}

impl std::fmt::Debug for VerbRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for VerbRow {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for VerbRow {}

impl VerbRow {
    /// Whether the verb is legal in `state`.
    pub fn legal_in(&self, state: State) -> bool {
        self.states & state as u8 != 0
    }
}

const fn verb(name: &'static str, states: u8, parse: fn(&mut super::grammar::Cursor<'_>) -> Parse<Request>) -> VerbRow {
    VerbRow { name, states, may_expunge: true, by_number: false, looks: false, parse }
}

use super::parse::{
    append, authenticate, batches, compress, context, copy, create, enable, expunge, fetch, id, language, list, login,
    mailbox, metadata, multisearch, notify, plain, quota, search, select, sort, status, store,
};

/// Every verb.
pub const VERBS: &[VerbRow] = &[
    verb("CAPABILITY", ANY, plain::capability),
    verb("NOOP", ANY, plain::noop),
    verb("LOGOUT", ANY, plain::logout),
    verb("ID", ANY, id::parse),
    verb("STARTTLS", START, plain::starttls),
    verb("LOGIN", START, login::parse),
    verb("AUTHENTICATE", START, authenticate::parse),
    verb("COMPRESS", LOGGED_IN, compress::parse),
    verb("UNAUTHENTICATE", LOGGED_IN, plain::unauthenticate),
    verb("ENABLE", LOGGED_IN, enable::parse),
    verb("SELECT", LOGGED_IN, select::select),
    verb("EXAMINE", LOGGED_IN, select::examine),
    verb("CREATE", LOGGED_IN, create::parse),
    verb("DELETE", LOGGED_IN, mailbox::delete),
    verb("RENAME", LOGGED_IN, mailbox::rename),
    verb("SUBSCRIBE", LOGGED_IN, mailbox::subscribe),
    verb("UNSUBSCRIBE", LOGGED_IN, mailbox::unsubscribe),
    verb("LIST", LOGGED_IN, list::list),
    verb("LSUB", LOGGED_IN, list::lsub),
    verb("NAMESPACE", LOGGED_IN, plain::namespace),
    verb("STATUS", LOGGED_IN, status::parse),
    verb("APPEND", LOGGED_IN, append::without_message),
    verb("GETQUOTA", LOGGED_IN, quota::root),
    verb("GETQUOTAROOT", LOGGED_IN, quota::mailbox),
    VerbRow { by_number: true, ..verb("REPLACE", SELECTED, append::without_message) },
    verb("UID REPLACE", SELECTED, append::without_message),
    verb("IDLE", LOGGED_IN, plain::idle),
    verb("GETMETADATA", LOGGED_IN, metadata::get),
    verb("SETMETADATA", LOGGED_IN, metadata::set),
    verb("NOTIFY", LOGGED_IN, notify::parse),
    verb("CHECK", SELECTED, plain::check),
    verb("CLOSE", SELECTED, plain::close),
    verb("UNSELECT", SELECTED, plain::unselect),
    verb("EXPUNGE", SELECTED, expunge::all),
    VerbRow { may_expunge: false, by_number: true, looks: true, ..verb("SEARCH", SELECTED, search::by_number) },
    VerbRow { looks: true, ..verb("ESEARCH", LOGGED_IN, multisearch::parse) },
    verb("UIDBATCHES", SELECTED, batches::parse),
    verb("CANCELUPDATE", SELECTED, context::cancel_update),
    verb("LANGUAGE", ANY, language::parse),
    verb("COMPARATOR", LOGGED_IN, language::comparator),
    VerbRow { may_expunge: false, by_number: true, looks: true, ..verb("SORT", SELECTED, sort::sort) },
    VerbRow { may_expunge: false, by_number: true, looks: true, ..verb("THREAD", SELECTED, sort::thread) },
    VerbRow { may_expunge: false, by_number: true, looks: true, ..verb("FETCH", SELECTED, fetch::by_number) },
    VerbRow { may_expunge: false, by_number: true, ..verb("STORE", SELECTED, store::by_number) },
    VerbRow { by_number: true, ..verb("COPY", SELECTED, copy::copy) },
    VerbRow { by_number: true, ..verb("MOVE", SELECTED, copy::mv) },
    verb("UID EXPUNGE", SELECTED, expunge::by_uid),
    VerbRow { looks: true, ..verb("UID SEARCH", SELECTED, search::by_uid) },
    VerbRow { looks: true, ..verb("UID SORT", SELECTED, sort::uid_sort) },
    VerbRow { looks: true, ..verb("UID THREAD", SELECTED, sort::uid_thread) },
    VerbRow { looks: true, ..verb("UID FETCH", SELECTED, fetch::by_uid) },
    verb("UID STORE", SELECTED, store::by_uid),
    verb("UID COPY", SELECTED, copy::uid_copy),
    verb("UID MOVE", SELECTED, copy::uid_move),
];

/// What a command asks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Request {
    Capability,
    Noop,
    Logout,
    /// Field names and values a client told of itself.
    Id(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    StartTls,
    Login {
        user: Vec<u8>,
        password: Secret,
    },
    Authenticate {
        mechanism: String,
        initial: Option<Vec<u8>>,
    },
    /// Names in capitals.
    Enable(Vec<String>),
    Select(Select),
    Create {
        name: String,
        special_use: Option<SpecialUse>,
    },
    Delete(String),
    Rename {
        from: String,
        to: String,
    },
    Subscribe {
        name: String,
        on: bool,
    },
    List(List),
    Lsub {
        reference: Vec<u8>,
        pattern: Vec<u8>,
    },
    Namespace,
    Unauthenticate,
    /// By DEFLATE.
    Compress,
    /// A quota root's name (RFC 9208).
    GetQuota(Vec<u8>),
    /// A mailbox's name.
    GetQuotaRoot(String),
    Status {
        name: String,
        items: StatusItems,
    },
    Idle,
    Check,
    Close,
    Unselect,
    Expunge {
        uids: Option<SequenceSet>,
    },
    Search(Search),
    Sort(Sort),
    Thread(Thread),
    Multisearch(Multisearch),
    /// UIDBATCHES.
    UidBatches(UidBatches),
    /// Tags of commands whose results are no longer to be kept up to date.
    CancelUpdate(Vec<String>),
    /// Collations that would do, the one liked most first; none: which there is (RFC 5255).
    Comparator(Vec<Vec<u8>>),
    /// Language ranges, the one liked most first; none: which there are.
    Language(Vec<Vec<u8>>),
    GetMetadata(GetMetadata),
    SetMetadata(SetMetadata),
    /// `None`: NOTIFY NONE.
    Notify(Option<Notify>),
    Fetch(Fetch),
    Store(Store),
    Copy(Copy),
}

/// SELECT and EXAMINE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// Mailbox.
    pub name: String,
    /// EXAMINE.
    pub read_only: bool,
    /// The CONDSTORE parameter (RFC 7162 §3.1.8).
    pub condstore: bool,
    /// The QRESYNC parameter (RFC 7162 §3.2.5).
    pub resync: Option<Resync>,
}

/// What a client that comes back knows of a mailbox (RFC 7162 §3.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resync {
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// HIGHESTMODSEQ.
    pub mod_seq: u64,
    /// UIDs it knows; all where it does not say.
    pub known: Option<SequenceSet>,
    /// Whether it said which message numbers some of them had.
    pub numbers: bool,
}

/// LIST with RFC 5258, RFC 5819 and RFC 6154's options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// Reference name, as on the wire.
    pub reference: Vec<u8>,
    /// Patterns, as on the wire.
    pub patterns: Vec<Vec<u8>>,
    /// Whether extended syntax was used.
    pub extended: bool,
    /// Selection: SUBSCRIBED.
    pub select_subscribed: bool,
    /// Selection: REMOTE.
    pub select_remote: bool,
    /// Selection: RECURSIVEMATCH.
    pub recursive_match: bool,
    /// Selection: SPECIAL-USE.
    pub select_special_use: bool,
    /// Return: SUBSCRIBED.
    pub return_subscribed: bool,
    /// Return: CHILDREN.
    pub return_children: bool,
    /// Return: SPECIAL-USE.
    pub return_special_use: bool,
    /// Return: STATUS.
    pub return_status: Option<StatusItems>,
    /// Return: METADATA, these entries (RFC 9590).
    pub return_metadata: Vec<String>,
}

/// STATUS attributes, as bits in the order they are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusItems(pub u16);

/// A STATUS attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    Deleted,
    Size,
    HighestModSeq,
    AppendLimit,
    MailboxId,
    DeletedStorage,
}

impl StatusItems {
    /// Whether `item` is asked for.
    pub fn has(self, item: StatusItem) -> bool {
        self.0 & 1 << item as u16 != 0
    }

    /// Adds an item.
    pub fn add(&mut self, item: StatusItem) {
        self.0 |= 1 << item as u16;
    }
}

/// FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// UID FETCH.
    pub by_uid: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// What of them.
    pub items: Vec<FetchItem>,
    /// Only messages changed after this (RFC 7162 §3.1.4.1).
    pub changed_since: Option<u64>,
    /// Whether what vanished since is told too (RFC 7162 §3.2.6).
    pub vanished: bool,
    /// Only these of the set, counted from its first (positive) or last message (RFC 9394 §3.3).
    pub partial: Option<Partial>,
}

/// A FETCH data item.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FetchItem {
    Uid,
    Flags,
    InternalDate,
    Size,
    Envelope,
    /// BODY without a section.
    Body,
    BodyStructure,
    ModSeq,
    /// PREVIEW, with or without LAZY (RFC 8970).
    Preview,
    /// EMAILID and THREADID (RFC 8474).
    EmailId,
    ThreadId,
    /// BODY[...], RFC822, RFC822.HEADER, RFC822.TEXT, BINARY[...].
    Section(Section),
    /// BINARY.SIZE[...]
    BinarySize {
        part: Vec<u32>,
        label: Vec<u8>,
    },
}

/// A section of a message, RFC 9051 §6.4.5.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Part numbers; empty is the message itself.
    pub part: Vec<u32>,
    /// What of the part.
    pub text: SectionText,
    /// First octet and how many at most.
    pub partial: Option<(u64, u64)>,
    /// Whether `\Seen` stays as it is.
    pub peek: bool,
    /// Whether the transfer encoding is taken off (BINARY).
    pub decoded: bool,
    /// How the answer names it, origin octet included: `BODY[1.MIME]<0>`.
    pub label: Vec<u8>,
}

/// What of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionText {
    /// All of it.
    All,
    /// HEADER
    Header,
    /// HEADER.FIELDS (`false`) and HEADER.FIELDS.NOT (`true`), names as given.
    Fields {
        /// Names.
        names: Vec<Vec<u8>>,
        /// All but these.
        not: bool,
    },
    /// TEXT
    Text,
    /// MIME
    Mime,
}

/// STORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// UID STORE.
    pub by_uid: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// UNCHANGEDSINCE (RFC 7162 §3.1.3).
    pub unchanged_since: Option<u64>,
    /// `+`, `-` or neither.
    pub how: StoreHow,
    /// `.SILENT`
    pub silent: bool,
    /// The flags.
    pub flags: FlagNames,
}

/// How STORE changes flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum StoreHow {
    Replace,
    Add,
    Remove,
}

/// COPY and MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// UID COPY, UID MOVE.
    pub by_uid: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// Where to.
    pub to: String,
    /// MOVE.
    pub moves: bool,
}

/// SEARCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// UID SEARCH.
    pub by_uid: bool,
    /// RETURN options; `None` where RETURN was not said.
    pub returns: Option<Returns>,
    /// Whether CHARSET was said, which SORT and THREAD always do.
    pub charset: bool,
    /// What is looked for.
    pub keys: Vec<Term<Key>>,
    /// The same without FUZZY (RFC 6203), where that was said.
    pub exact: Option<Vec<Term<Key>>>,
    /// What UPDATE tells of new messages that fit (RFC 5465 §7).
    pub update_items: Vec<FetchItem>,
}

/// ESEARCH (RFC 7377).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multisearch {
    /// Where; empty: in the selected mailbox.
    pub sources: Vec<Source>,
    /// What, by UID.
    pub search: Search,
}

/// Mailboxes that ESEARCH looks into.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Source {
    Selected,
    Inboxes,
    Personal,
    Subscribed,
    /// These.
    Mailboxes(Vec<String>),
    /// These and all below them.
    Subtree(Vec<String>),
    /// These and those one level below them.
    SubtreeOne(Vec<String>),
}

/// UIDBATCHES: ranges of UIDs with so many messages each, the newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UidBatches {
    /// Messages of a batch.
    pub size: u32,
    /// The first and the last batch to be told, counted from 1; all where it does not say.
    pub batches: Option<(u32, u32)>,
}

/// SORT (RFC 5256, RFC 5957, RFC 5267).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// What is sorted, and how it is told.
    pub search: Search,
    /// By what, the most important first; not empty.
    pub criteria: Vec<Criterion>,
}

/// One criterion of SORT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Criterion {
    /// By what.
    pub key: SortKey,
    /// REVERSE: descending.
    pub reverse: bool,
}

/// What SORT compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SortKey {
    Arrival,
    Cc,
    Date,
    DisplayFrom,
    DisplayTo,
    From,
    /// How well it fits what FUZZY looks for, the best first (RFC 6203 §6).
    Relevancy,
    Size,
    Subject,
    To,
}

/// THREAD (RFC 5256).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// What is threaded.
    pub search: Search,
    /// How.
    pub algorithm: ThreadAlgorithm,
}

/// How THREAD puts messages together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ThreadAlgorithm {
    OrderedSubject,
    References,
    /// As REFERENCES, but subjects count for nothing, and threads are sorted by their latest arrival.
    Refs,
}

/// RETURN options of RFC 4731, RFC 5182, RFC 5267 and RFC 9394.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Returns {
    pub min: bool,
    pub max: bool,
    pub all: bool,
    pub count: bool,
    pub save: bool,
    pub partial: Option<Partial>,
    /// CONTEXT: a hint that needs nothing done.
    pub context: bool,
    /// UPDATE: later changes of the result are to be told.
    pub update: bool,
    /// RELEVANCY: how well each message fits (RFC 6203 §4).
    pub relevancy: bool,
}

impl Returns {
    /// Whether something is to be said at once.
    pub fn tells(self) -> bool {
        self.min || self.max || self.all || self.count || self.relevancy || self.partial.is_some()
    }
}

/// PARTIAL's range of results, counted from 1, as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// One end, included.
    pub one: u32,
    /// The other end, included.
    pub other: u32,
    /// Whether results are counted from the last one (RFC 9394: `-1:-100`).
    pub from_end: bool,
}

impl Partial {
    /// The results meant, of `count`: a range of places, empty where there are none.
    pub fn places(self, count: usize) -> std::ops::Range<usize> {
        let (low, high) = (self.one.min(self.other) as usize, self.one.max(self.other) as usize);
        if self.from_end {
            count.saturating_sub(high)..(count + 1).saturating_sub(low)
        } else {
            low.saturating_sub(1).min(count)..high.min(count)
        }
    }
}

/// A search key. Texts are folded (`message::fold`), days are counted from 1970-01-01.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Key {
    All,
    Numbers(SequenceSet),
    Uids(SequenceSet),
    /// Has all of these system flags.
    Has(Flags),
    Keyword(String),
    /// This session is the first that was told of it.
    Recent,
    /// Recent and not seen.
    New,
    Before(i64),
    On(i64),
    Since(i64),
    SentBefore(i64),
    SentOn(i64),
    SentSince(i64),
    /// Arrived within the last so many seconds (RFC 5032).
    Younger(u32),
    Larger(u64),
    Smaller(u64),
    /// A field named so (lower case) holds the text.
    Header {
        name: String,
        text: String,
    },
    Body(String),
    Text(String),
    ModSeq(u64),
    /// Has this EMAILID (RFC 8474 §5.1).
    EmailId(String),
    /// Has this THREADID: nothing has one here.
    ThreadId(String),
    /// What the filter of this name says (RFC 5466): replaced before the search begins.
    Filter(String),
}
