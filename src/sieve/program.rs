//! A compiled script: names resolved, arguments checked, texts split at their variables. Nothing in it can be of the
//! wrong type, so running it checks no syntax.

use super::capability::Capabilities;
use super::place::Place;

/// A script that was compiled and can be run any number of times.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    pub(super) body: Block,
    pub(super) capabilities: Capabilities,
    pub(super) reads_body: bool,
    pub(super) includes: bool,
}

impl Program {
    /// Whether running it reads more of the message than its header, as far as this script itself tells.
    pub fn reads_body(&self) -> bool {
        self.reads_body
    }

    /// Whether it may run other scripts.
    pub fn includes(&self) -> bool {
        self.includes
    }
}

pub(super) type Block = Vec<Statement>;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    pub at: Place,
    pub command: Command,
}

/// A string, perhaps with variables in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text {
    Plain(Box<str>),
    Pieces(Box<[Piece]>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Plain(Box<str>),
    /// A variable, named in lower case; `global` is the namespace of RFC 6609 §3.4.2.
    Variable {
        global: bool,
        name: Box<str>,
    },
    /// `${0}` and on.
    Matched(usize),
}

pub(super) type Texts = Vec<Text>;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Command {
    If { arms: Vec<(Test, Block)>, otherwise: Block },
    Stop,
    Return,
    Keep { flags: Option<Texts> },
    Discard,
    FileInto(Box<FileInto>),
    Redirect { to: Text, copy: bool },
    Reject { reason: Text, hard: bool },
    Vacation(Box<Vacation>),
    Notify(Box<Notify>),
    Set { global: bool, name: Box<str>, value: Text, modifiers: Vec<Modifier> },
    Flags { how: FlagHow, variable: Option<Text>, flags: Texts },
    AddHeader { last: bool, name: Text, value: Text },
    DeleteHeader(Box<DeleteHeader>),
    Include { global: bool, once: bool, optional: bool, name: Box<str> },
    Global(Vec<Box<str>>),
    Error(Text),
    ForEveryPart { name: Option<Box<str>>, block: Block },
    Break(Option<Box<str>>),
    ExtractText { global: bool, name: Box<str>, first: Option<u64>, modifiers: Vec<Modifier> },
}

/// RFC 5228 §4.1, with what RFC 3894, RFC 5490 and RFC 8579 add to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FileInto {
    pub mailbox: Text,
    pub copy: bool,
    pub create: bool,
    pub flags: Option<Texts>,
    pub special_use: Option<Text>,
}

/// Where a copy of a reply is filed (RFC 8580).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fcc {
    pub mailbox: Text,
    pub create: bool,
    pub flags: Option<Texts>,
    pub special_use: Option<Text>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Vacation {
    pub seconds: u64,
    pub subject: Option<Text>,
    pub from: Option<Text>,
    pub addresses: Texts,
    pub mime: bool,
    pub handle: Option<Text>,
    pub fcc: Option<Fcc>,
    pub reason: Text,
}

/// RFC 5435 §3
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Notify {
    pub from: Option<Text>,
    pub importance: Option<Text>,
    pub message: Option<Text>,
    pub options: Texts,
    pub fcc: Option<Fcc>,
    pub method: Text,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct DeleteHeader {
    pub index: Option<Index>,
    pub name: Text,
    /// All values, where there is none.
    pub values: Option<(How, Texts)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlagHow {
    Set,
    Add,
    Remove,
}

/// In the order they are applied (RFC 5229 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Modifier {
    Lower,
    Upper,
    LowerFirst,
    UpperFirst,
    QuoteWildcard,
    EncodeUrl,
    Length,
}

/// How values are compared with keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct How {
    pub kind: Kind,
    pub comparator: Comparator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    #[default]
    Is,
    Contains,
    Matches,
    Value(Relation),
    Count(Relation),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Gt,
    Ge,
    Lt,
    Le,
    Eq,
    Ne,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Comparator {
    Octet,
    #[default]
    AsciiCasemap,
    AsciiNumeric,
    UnicodeCasemap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressPart {
    All,
    LocalPart,
    Domain,
    User,
    Detail,
}

/// `:index n`, `:last`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Index {
    pub number: u64,
    pub last: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Keys {
    pub how: How,
    pub keys: Texts,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Test {
    pub at: Place,
    pub what: Condition,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Always(bool),
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
    Exists { names: Texts, mime: Option<Mime> },
    Size { over: bool, limit: u64 },
    Header { names: Texts, index: Option<Index>, mime: Option<Mime>, keys: Keys },
    Address { names: Texts, part: AddressPart, index: Option<Index>, mime: Option<Mime>, keys: Keys },
    Envelope { parts: Texts, part: AddressPart, keys: Keys },
    Body { of: BodyOf, keys: Keys },
    Text { source: Texts, keys: Keys },
    HasFlag { variables: Texts, keys: Keys },
    Date { name: Text, index: Option<Index>, zone: Zone, part: Text, keys: Keys },
    CurrentDate { zone: Zone, part: Text, keys: Keys },
    MailboxExists(Texts),
    Metadata { mailbox: Option<Text>, annotation: Text, keys: Keys },
    MetadataExists { mailbox: Option<Text>, annotations: Texts },
    SpecialUseExists { mailbox: Option<Text>, uses: Texts },
    Environment { name: Text, keys: Keys },
    Duplicate(Box<Duplicate>),
    ValidNotifyMethod(Texts),
    NotifyCapability { method: Text, capability: Text, keys: Keys },
    Spam { percent: bool, keys: Keys },
    Virus { keys: Keys },
}

/// What of the MIME parts a header test looks at (RFC 5703 §4).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mime {
    pub any_child: bool,
    pub what: MimePart,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum MimePart {
    Whole,
    Type,
    Subtype,
    ContentType,
    Parameters(Texts),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum BodyOf {
    Raw,
    Text,
    Content(Texts),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Zone {
    /// UTC: the engine has no other.
    Ours,
    /// That of the date itself.
    Original,
    Given(Text),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Duplicate {
    pub handle: Option<Text>,
    pub id: DuplicateId,
    pub seconds: u64,
    pub last: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum DuplicateId {
    MessageId,
    Header(Text),
    Unique(Text),
}
