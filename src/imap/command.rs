//! Commands as typed values, and the table that says in which state each is legal (RFC 9051 §6).

use super::query::Term;
use crate::base::{Flags, Secret, SpecialUse};

use super::grammar::{FlagNames, Parse};
use super::sequence::SequenceSet;

/// A command that parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its tag.
    pub tag: String,
    /// Its row in the table.
    pub row: &'static Row,
    /// What it asks.
    pub request: Request,
}

/// A session's state, as bits of [`Row::states`].
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
pub struct Row {
    /// The verb, `UID` verbs in two words.
    pub name: &'static str,
    /// States it is legal in.
    pub states: u8,
    /// Whether untagged EXPUNGE may come while it runs (RFC 9051 §7.5.1).
    pub expunge: bool,
    /// Whether it looks at the mailbox as it is now, so that what is new is told before.
    pub looks: bool,
    /// Reads what stands behind the verb.
    pub parse: fn(&mut super::grammar::Cursor<'_>) -> Parse<Request>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Row {}

impl Row {
    /// Whether the verb is legal in `state`.
    pub fn legal_in(&self, state: State) -> bool {
        self.states & state as u8 != 0
    }
}

macro_rules! rows {
    ($($name:literal $states:ident $expunge:literal $looks:literal $parse:path;)*) => {
        &[$(Row { name: $name, states: $states, expunge: $expunge, looks: $looks, parse: $parse }),*]
    };
}

use super::parse::{
    append, authenticate, copy, create, enable, expunge, fetch, id, list, login, mailbox, plain, search, select,
    status, store,
};

/// Every verb.
pub const VERBS: &[Row] = rows! {
    "CAPABILITY"   ANY       true  false plain::capability;
    "NOOP"         ANY       true  false plain::noop;
    "LOGOUT"       ANY       true  false plain::logout;
    "ID"           ANY       true  false id::parse;
    "STARTTLS"     START     true  false plain::starttls;
    "LOGIN"        START     true  false login::parse;
    "AUTHENTICATE" START     true  false authenticate::parse;
    "ENABLE"       LOGGED_IN true  false enable::parse;
    "SELECT"       LOGGED_IN true  false select::select;
    "EXAMINE"      LOGGED_IN true  false select::examine;
    "CREATE"       LOGGED_IN true  false create::parse;
    "DELETE"       LOGGED_IN true  false mailbox::delete;
    "RENAME"       LOGGED_IN true  false mailbox::rename;
    "SUBSCRIBE"    LOGGED_IN true  false mailbox::subscribe;
    "UNSUBSCRIBE"  LOGGED_IN true  false mailbox::unsubscribe;
    "LIST"         LOGGED_IN true  false list::list;
    "LSUB"         LOGGED_IN true  false list::lsub;
    "NAMESPACE"    LOGGED_IN true  false plain::namespace;
    "STATUS"       LOGGED_IN true  false status::parse;
    "APPEND"       LOGGED_IN true  false append::without_message;
    "IDLE"         LOGGED_IN true  false plain::idle;
    "CHECK"        SELECTED  true  false plain::check;
    "CLOSE"        SELECTED  true  false plain::close;
    "UNSELECT"     SELECTED  true  false plain::unselect;
    "EXPUNGE"      SELECTED  true  false expunge::all;
    "SEARCH"       SELECTED  false true  search::by_number;
    "FETCH"        SELECTED  false true  fetch::by_number;
    "STORE"        SELECTED  false false store::by_number;
    "COPY"         SELECTED  true  false copy::copy;
    "MOVE"         SELECTED  true  false copy::mv;
    "UID EXPUNGE"  SELECTED  true  false expunge::by_uid;
    "UID SEARCH"   SELECTED  true  true  search::by_uid;
    "UID FETCH"    SELECTED  true  true  fetch::by_uid;
    "UID STORE"    SELECTED  true  false store::by_uid;
    "UID COPY"     SELECTED  true  false copy::uid_copy;
    "UID MOVE"     SELECTED  true  false copy::uid_move;
};

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
}

impl StatusItem {
    /// All of them by name.
    pub const NAMES: [(StatusItem, &'static str); 9] = [
        (StatusItem::Messages, "MESSAGES"),
        (StatusItem::Recent, "RECENT"),
        (StatusItem::UidNext, "UIDNEXT"),
        (StatusItem::UidValidity, "UIDVALIDITY"),
        (StatusItem::Unseen, "UNSEEN"),
        (StatusItem::Deleted, "DELETED"),
        (StatusItem::Size, "SIZE"),
        (StatusItem::HighestModSeq, "HIGHESTMODSEQ"),
        (StatusItem::AppendLimit, "APPENDLIMIT"),
    ];
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
    /// What is looked for.
    pub keys: Vec<Term<Key>>,
}

/// RETURN options of RFC 4731 and RFC 5182.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Returns {
    pub min: bool,
    pub max: bool,
    pub all: bool,
    pub count: bool,
    pub save: bool,
}

/// A search key. Texts are UTF-8 in lower case, days are counted from 1970-01-01.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Key {
    All,
    Numbers(SequenceSet),
    Uids(SequenceSet),
    /// Has all of these system flags.
    Has(Flags),
    Keyword(String),
    /// RECENT and NEW: no message is recent here.
    Nothing,
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
}
