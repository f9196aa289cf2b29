//! What a session is given, asks and is answered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::base::account::ScramKeys;
use crate::base::event::Refused;
use crate::base::settings::Ends;
use crate::base::time::Timestamp;
use crate::base::world::TlsInfo;
use crate::base::{Account, Envelope, Recipient, Reply, Secret, Service};

/// What a session is given at its beginning.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which listener took the connection.
    pub service: Service,
    /// Our name.
    pub hostname: String,
    /// Both ends.
    pub ends: Ends,
    /// Largest message taken.
    pub octets_max: u64,
    /// Recipients in one transaction.
    pub recipients_max: usize,
    /// How long it waits for a command or a piece of data.
    pub command_wait: Duration,
    /// How long the data of one message may take in all.
    pub data_time: Duration,
    /// Octets of message data a second that must come at least; 0 for any.
    pub data_rate_min: u32,
    /// Whether STARTTLS can be offered.
    pub start_tls: bool,
    /// What the handshake came to, where TLS began with the first octet.
    pub tls: Option<TlsInfo>,
    /// Whether passwords may cross this connection without TLS.
    pub plaintext_login: bool,
    /// Whether bare CR and LF are repaired.
    pub repair_line_ends: bool,
    /// Fresh random octets: nonces come from them.
    pub seed: [u8; 32],
    /// When the session began.
    pub begun: Timestamp,
    /// For how many seconds submitted mail may be held (RFC 4865); 0 switches it off.
    pub hold_seconds_max: u64,
    /// Classes of solicitation that are not wanted, by commas (RFC 3865); `None` does not announce it.
    pub no_soliciting: Option<String>,
    /// Whether this peer submits without a login.
    pub relays: bool,
    /// Whether XCLIENT and XFORWARD of this peer are believed.
    pub trusted: bool,
    /// What is out of the ordinary.
    pub manner: Manner,
}

/// How a session differs from an ordinary one of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manner {
    /// Whether it asks before the greeting, at EHLO and at DATA too.
    pub asks_more: bool,
    /// Whether every service takes logins and none needs one.
    pub open: bool,
    /// Whether logins show the password: SCRAM is not offered.
    pub plain_only: bool,
}

/// Who hands a message in: what trace fields and policy want to know.
#[derive(Debug, Clone)]
pub struct Client {
    /// Which listener took the connection.
    pub service: Service,
    /// Both ends.
    pub ends: Ends,
    /// The name it gave in EHLO, HELO or LHLO.
    pub hello: String,
    /// Whether it said EHLO or LHLO.
    pub extended: bool,
    /// The connection's TLS.
    pub tls: Option<TlsInfo>,
    /// Who logged in.
    pub account: Option<Arc<Account>>,
    /// Whether it submits without a login.
    pub relays: bool,
    /// Whom a trusted peer says it passes mail on for (XFORWARD).
    pub forwarded: Option<Arc<Forwarded>>,
}

/// What XFORWARD says of the client that a message came from first. It is told in Received and decides nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forwarded {
    /// Its host name.
    pub name: Option<String>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// What it called itself.
    pub hello: Option<String>,
    /// The id of the message there.
    pub ident: Option<String>,
}

/// What a session asks. The answer to each is named with it.
#[derive(Debug)]
pub enum Ask {
    /// May this client be here at all? Asked before the greeting. [`Answer::Verdict`]
    Connect(Arc<Client>),
    /// May a client of this name go on? [`Answer::Verdict`]
    Hello(Arc<Client>),
    /// May the message of this transaction come, by DATA? [`Answer::Verdict`]
    Data(Arc<Client>, Box<Envelope>),
    /// May mail come from here? [`Answer::Verdict`], or [`Answer::Began`] where the envelope has times in it
    Sender(Arc<Client>, Box<Envelope>),
    /// Is there such an address (VRFY)? [`Answer::Replies`]
    Verify(Arc<Client>, String),
    /// Who is behind this address (EXPN)? [`Answer::Replies`]
    Expand(Arc<Client>, String),
    /// Will mail for this recipient, the only one in the transaction's envelope, be taken? [`Answer::Verdict`], or
    /// [`Answer::Redirected`]
    Recipient(Arc<Client>, Box<Envelope>),
    /// Check a password; say and punish a failure. [`Answer::Account`], [`Answer::Later`]
    Login(String, Secret),
    /// SCRAM keys of a user, or decoys. [`Answer::Keys`], [`Answer::Later`]
    Keys(String),
    /// The peer was refused something: say it. Not asked for failed logins, which [`Ask::Login`] and
    /// [`Ask::LoginEnded`] tell. [`Answer::Done`]
    Refused(Vec<Refused>),
    /// A SCRAM exchange ended; say and punish a failure. [`Answer::Done`], [`Answer::Later`], or
    /// [`Answer::Account`] without one where a right proof came too late: the account changed.
    LoginEnded(String, bool),
    /// A piece of a body. [`Answer::Buffer`] gives an empty buffer back.
    Piece(Vec<u8>),
    /// The body given so far will not be accepted: forget it. [`Answer::Done`]
    Abandon,
    /// The message is complete with this last piece: take responsibility for it. [`Answer::Replies`]
    Accept(Arc<Client>, Box<Envelope>, Vec<u8>),
}

/// What a session is answered.
#[derive(Debug)]
pub enum Answer {
    /// Yes, or the reply to refuse with. To a login: the reply, where it is no ordinary one.
    Verdict(Result<(), Reply>),
    /// Yes, and the transaction begins at this time.
    Began(Timestamp),
    /// Yes, but for this recipient.
    Redirected(Box<Recipient>),
    /// To any question: the connection ends without a word.
    HangUp,
    /// Who logged in.
    Account(Option<Arc<Account>>),
    /// Keys, and the account they are of, where it can log in.
    Keys(ScramKeys, Option<Arc<Account>>),
    /// The login was not checked: too many fail or wait.
    Later,
    /// An empty buffer.
    Buffer(Vec<u8>),
    /// The reply; for LMTP one for each recipient, in order.
    Replies(Vec<Reply>),
    /// Done.
    Done,
}
