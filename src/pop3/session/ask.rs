//! What a session is told at its beginning, what it asks, and what it is answered.

use std::sync::Arc;
use std::time::Duration;

use crate::base::account::ScramKeys;
use crate::base::{BlobId, Secret, UidSet, UidValidity};
use crate::pop3::maildrop::Listing;

/// What a session is told when it begins.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// Our name, in the greeting.
    pub hostname: String,
    /// How long it waits for a command.
    pub idle: Duration,
    /// How long it waits for the login, from the greeting on.
    pub login: Duration,
    /// Whether STLS can be done.
    pub can_start_tls: bool,
    /// Whether passwords are taken without TLS.
    pub allow_plaintext_login: bool,
    /// Whether logins show the password: SCRAM is not offered.
    pub plain_only: bool,
    /// 32 random octets, for the nonces of SCRAM.
    pub nonce_seed: [u8; 32],
}

/// What a session asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// Check this password, then open the maildrop. Answer: `Login`.
    Login {
        /// Who.
        user: String,
        /// With which password.
        password: Secret,
    },
    /// The SCRAM keys of this user. Answer: `ScramKeys`; `Login` where there are none for now.
    ScramKeys(String),
    /// The exchange that asked for this user's keys ended: where it went well, open the maildrop. Answer: `Login`.
    ScramEnded {
        /// Who.
        user: String,
        /// Whether the proof was right.
        right: bool,
    },
    /// The next octets of a message. Answer: `Body`.
    Body {
        /// Its number, 1 and up.
        number: u32,
        /// Where its octets are.
        blob: BlobId,
        /// From where on.
        offset: u64,
    },
    /// The session is over: delete these, committed, and let the maildrop go. Answer: `Left`. Asked before QUIT is
    /// answered, so that who reads the answer finds the maildrop free.
    Leave(UidSet),
    /// The peer was refused something: tell the host. Not asked for failed logins, which `Login` and `ScramEnded` tell.
    /// Answer: `Told`.
    Refused(Refusal),
}

/// What a peer was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When: `login` before somebody has logged in, else `command`.
    pub stage: &'static str,
    /// Response code without its brackets; empty where there is none.
    pub code: String,
    /// What the peer was told.
    pub reason: String,
    /// Whether the connection ends with it.
    pub closed: bool,
}

/// What a session is answered.
#[derive(Debug)]
pub enum Answer {
    /// To `Login` and `ScramEnded`.
    Login(Result<OpenedMaildrop, LoginTrouble>),
    /// To `ScramKeys`: keys, and whether they are of somebody real. `Login` with a trouble ends the exchange.
    ScramKeys(ScramKeys, bool),
    /// To `Body`: at least one octet; `None` where it cannot be read.
    Body(Option<Vec<u8>>),
    /// To `Body`: the account was deleted meanwhile, and the session ends.
    Gone,
    /// To `Leave`: whether the deletion is committed.
    Left(bool),
    /// To `Refused`.
    Told,
}

/// An open maildrop.
#[derive(Debug, Clone)]
pub struct OpenedMaildrop {
    /// UIDVALIDITY of INBOX.
    pub uid_validity: UidValidity,
    /// Its messages, UIDs ascending.
    pub messages: Arc<Vec<Listing>>,
}

/// Why a maildrop was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginTrouble {
    /// Wrong user, password or proof.
    Refused,
    /// Nothing was checked: too many logins fail or wait.
    Later,
    /// Another session has it.
    InUse,
    /// The store cannot be read now, or the login cannot be checked.
    Unavailable,
    /// The connection ends without a word.
    HangUp,
}
