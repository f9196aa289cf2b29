//! What a session is, besides its connection: its state, what was enabled, what it may offer.

use super::command::State;
use crate::sasl;

/// What ENABLE switched on, and what else a client has said it understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enabled {
    /// MODSEQ in every FETCH response (RFC 7162 §3.1).
    pub condstore: bool,
    /// RFC 9051's differences: no RECENT, ESEARCH, UTF-8 names.
    pub rev2: bool,
    /// UTF-8 in names and strings (RFC 6855).
    pub utf8: bool,
    /// VANISHED in place of EXPUNGE (RFC 7162 §3.2).
    pub qresync: bool,
    /// No message numbers: UIDFETCH and VANISHED (RFC 9586).
    pub uid_only: bool,
    /// Changes of annotations are told (RFC 5464 §4.4).
    pub metadata: bool,
}

impl Enabled {
    /// Whether messages that go are told by UID.
    pub fn vanished(self) -> bool {
        self.qresync || self.uid_only
    }

    /// Whether mailbox names travel as UTF-8.
    pub fn utf8_names(self) -> bool {
        self.rev2 || self.utf8
    }
}

/// What a server can offer on this connection just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// The session's state.
    pub state: State,
    /// STARTTLS may be said.
    pub starttls: bool,
    /// What may be said to log in.
    pub sasl: sasl::Offer,
    /// Largest message taken.
    pub append_octets_max: u64,
}
