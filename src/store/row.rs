//! A mailbox's row: what the writer knows of a mailbox beside its messages.
//!
//! Rows change only by a [`Delta`](super::delta::Delta), which holds the whole row as it is afterwards.

use std::sync::Arc;

use super::MailboxInfo;
use crate::base::{AccountId, Error, ErrorKind, Flags, MailboxId, ModSeq, SpecialUse, Uid, UidValidity};

/// All columns of a mailbox, its keywords, and how far its blocks reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MailboxRow {
    pub account: AccountId,
    pub name: Arc<str>,
    pub special_use: Option<SpecialUse>,
    pub selectable: bool,
    pub uid_validity: UidValidity,
    pub uid_next: Uid,
    pub mod_seq: ModSeq,
    pub expunges: u64,
    pub vanished_floor: ModSeq,
    pub total: u32,
    pub unseen: u32,
    pub deleted: u32,
    pub octets: u64,
    /// First UID that no client was told of.
    pub recent_from: Uid,
    pub keywords: Arc<Vec<String>>,
    /// Last UID that blocks describe.
    pub covered: Uid,
    /// Stretches of UIDs to come that are not given to new messages, ascending: a COPY or MOVE writes there.
    pub reserved: Arc<Vec<(Uid, Uid)>>,
}

impl MailboxRow {
    /// A new, empty mailbox.
    pub fn new(
        account: AccountId,
        name: &str,
        uid_validity: UidValidity,
        special_use: Option<SpecialUse>,
    ) -> MailboxRow {
        MailboxRow {
            account,
            name: name.into(),
            special_use,
            selectable: true,
            uid_validity,
            uid_next: 1,
            mod_seq: 1,
            expunges: 0,
            vanished_floor: 0,
            total: 0,
            unseen: 0,
            deleted: 0,
            octets: 0,
            recent_from: 1,
            keywords: Arc::default(),
            covered: 0,
            reserved: Arc::default(),
        }
    }

    /// Whether both have the same name, purpose and UIDVALIDITY: what others look up, so that it is written at once.
    pub fn is_named_as(&self, other: &MailboxRow) -> bool {
        self.account == other.account
            && self.name == other.name
            && self.special_use == other.special_use
            && self.selectable == other.selectable
            && self.uid_validity == other.uid_validity
    }

    /// Counts one more message.
    pub fn count(&mut self, flags: Flags, octets: u64) {
        self.total += 1;
        self.unseen += u32::from(!flags.contains(Flags::SEEN));
        self.deleted += u32::from(flags.contains(Flags::DELETED));
        self.octets += octets;
    }

    /// What LIST and STATUS tell of it.
    pub fn info(&self, id: MailboxId, subscribed: bool) -> MailboxInfo {
        MailboxInfo {
            id,
            account: self.account,
            name: self.name.to_string(),
            uid_validity: self.uid_validity,
            uid_next: self.uid_next,
            mod_seq: self.mod_seq,
            special_use: self.special_use,
            subscribed,
            selectable: self.selectable,
            total: self.total,
            unseen: self.unseen,
            deleted: self.deleted,
            octets: self.octets,
            recent_from: self.recent_from,
        }
    }
}

/// That mailbox is not there (any more).
pub(super) fn no_mailbox() -> Error {
    Error::new(ErrorKind::NotFound, "no such mailbox")
}
