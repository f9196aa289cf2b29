//! Stretches of UIDs whose facts are no messages, unless a block says so: of a COPY or MOVE that is not finished, or of
//! messages that went and whose facts are still to be removed.

use super::super::Fact;
use crate::base::{MailboxId, Result, Uid};

/// A stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Hidden {
    pub id: i64,
    pub mailbox: MailboxId,
    pub first: Uid,
    /// The last UID of it.
    pub last: Uid,
}

/// What is read of these.
pub(in super::super) trait ReadHidden {
    /// The stretches of a mailbox, by their first UID.
    fn hidden(&self, mailbox: MailboxId) -> Result<Vec<(Uid, Uid)>>;

    /// The first stretch of all whose id is above `after`.
    fn hidden_behind(&self, after: i64) -> Result<Option<Hidden>>;

    /// Facts between two UIDs, both included: the first `most` of them.
    fn facts_from(&self, mailbox: MailboxId, first: Uid, last: Uid, most: usize) -> Result<Vec<Fact>>;
}

/// What is changed of these.
pub(in super::super) trait WriteHidden {
    /// Hides the facts between two UIDs, both included; gives the id of the stretch.
    fn hide(&self, mailbox: MailboxId, first: Uid, last: Uid) -> Result<i64>;

    /// A stretch reaches from `first` to `last` from now on.
    fn hidden_narrow(&self, id: i64, first: Uid, last: Uid) -> Result<()>;

    /// Nothing is hidden by this stretch any more.
    fn hidden_done(&self, id: i64) -> Result<()>;
}
