//! Messages: facts, which never change; blocks, which say how the messages of 512 UIDs are; and what went.
//!
//! Flags and modification sequence with which a message came stand until a block covers it.

use super::super::Fact;
use super::super::delta::NewMessage;
use super::hidden::WriteHidden;
use crate::base::snapshot::{Block, Message};
use crate::base::{BlobId, MailboxId, ModSeq, Result, Uid, UidSet};

/// What is read of messages.
pub(in super::super) trait ReadMessages {
    /// The blocks of a mailbox with their numbers, in order; where `since` is given, those that changed after it.
    fn blocks(&self, mailbox: MailboxId, since: Option<ModSeq>) -> Result<Vec<(u32, Block)>>;

    /// One block.
    fn block(&self, mailbox: MailboxId, number: u32) -> Result<Option<Block>>;

    /// Messages above `after` and up to `to` as they came, ascending.
    fn messages_between(&self, mailbox: MailboxId, after: Uid, to: Uid) -> Result<Vec<Message>>;

    /// Facts of messages in these ranges, in their order.
    fn facts(&self, mailbox: MailboxId, ranges: &[(Uid, Uid)]) -> Result<Vec<Fact>>;

    /// What went after `since`, as far as it is remembered: ranges, in no order.
    fn vanished(&self, mailbox: MailboxId, since: ModSeq) -> Result<Vec<(Uid, Uid)>>;

    /// The modification sequence from which on what went is remembered. `NotFound` where there is no such mailbox.
    fn vanished_floor(&self, mailbox: MailboxId) -> Result<ModSeq>;

    /// The modification sequence of the newest expunge but `newer`.
    fn vanished_before(&self, mailbox: MailboxId, newer: usize) -> Result<Option<ModSeq>>;
}

/// What is changed of messages.
pub(in super::super) trait WriteMessages: WriteHidden {
    /// Writes a new message.
    fn message_insert(&self, mailbox: MailboxId, message: &NewMessage) -> Result<()>;

    /// Removes the messages of these ranges; gives how many there were.
    fn messages_remove(&self, mailbox: MailboxId, ranges: &[(Uid, Uid)]) -> Result<usize>;

    /// Removes some messages of a mailbox that was left, `most` at most; gives their bodies.
    fn left_messages(&self, mailbox: MailboxId, most: usize) -> Result<Vec<BlobId>>;

    /// Removes some blocks of a mailbox that was left, `most` at most. Gives how many.
    fn left_blocks(&self, mailbox: MailboxId, most: usize) -> Result<usize>;

    /// Forgets some expunges of a mailbox that was left, `most` at most. Gives how many.
    fn left_vanished(&self, mailbox: MailboxId, most: usize) -> Result<usize>;

    /// Writes a block, which has a message at least.
    fn block_put(&self, mailbox: MailboxId, block: &Block) -> Result<()>;

    /// Removes a block.
    fn block_remove(&self, mailbox: MailboxId, number: u32) -> Result<()>;

    /// Remembers what an expunge took.
    fn vanished_insert(&self, mailbox: MailboxId, mod_seq: ModSeq, uids: &UidSet) -> Result<()>;

    /// Forgets expunges up to `floor`.
    fn vanished_forget(&self, mailbox: MailboxId, floor: ModSeq) -> Result<()>;
}
