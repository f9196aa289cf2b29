//! Messages: facts, blocks, and what went.

use std::sync::Arc;

use super::super::Fact;
use super::super::database::{ReadMessages, WriteMessages};
use super::super::delta::NewMessage;
use super::Connection;
use super::tables::Tables;
use crate::base::snapshot::{Block, Message};
use crate::base::{BlobId, Error, ErrorKind, MailboxId, ModSeq, Result, Uid, UidSet};

impl Tables {
    /// The messages of a mailbox between two UIDs, both included.
    pub(super) fn between(&self, mailbox: MailboxId, low: Uid, high: Uid) -> impl Iterator<Item = &NewMessage> {
        let within = move |(of, uid): &(MailboxId, Uid)| *of == mailbox && *uid <= high;
        self.messages.range_from((mailbox, low)).take_while(move |(key, _)| within(key)).map(|(_, message)| message)
    }

    /// The blocks of a mailbox.
    pub(super) fn blocks_of(&self, mailbox: MailboxId) -> impl Iterator<Item = (u32, &Arc<Block>)> {
        let all = self.blocks.range_from((mailbox, 0)).take_while(move |((of, _), _)| *of == mailbox);
        all.map(|((_, number), block)| (*number, block))
    }

    /// The expunges of a mailbox.
    pub(super) fn vanished_of(&self, mailbox: MailboxId) -> impl Iterator<Item = (ModSeq, &UidSet)> {
        let all = self.vanished.range_from((mailbox, 0)).take_while(move |((of, _), _)| *of == mailbox);
        all.map(|((_, mod_seq), uids)| (*mod_seq, uids))
    }
}

impl ReadMessages for Connection {
    fn blocks(&self, mailbox: MailboxId, since: Option<ModSeq>) -> Result<Vec<(u32, Block)>> {
        let changed = |block: &Block| since.is_none_or(|since| block.mod_seqs().iter().any(|mod_seq| *mod_seq > since));
        self.ask(|tables| {
            let blocks = tables.blocks_of(mailbox).filter(|(_, block)| changed(block));
            blocks.map(|(number, block)| (number, Block::clone(block))).collect()
        })
    }

    fn block(&self, mailbox: MailboxId, number: u32) -> Result<Option<Block>> {
        self.ask(|tables| tables.blocks.get(&(mailbox, number)).map(|block| Block::clone(block)))
    }

    fn messages_between(&self, mailbox: MailboxId, after: Uid, to: Uid) -> Result<Vec<Message>> {
        let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
        self.ask(|tables| tables.between(mailbox, first, to).map(NewMessage::shown).collect())
    }

    fn facts(&self, mailbox: MailboxId, ranges: &[(Uid, Uid)]) -> Result<Vec<Fact>> {
        self.ask(|tables| {
            let messages = ranges.iter().flat_map(|(low, high)| tables.between(mailbox, *low, *high));
            messages.map(|message| message.fact).collect()
        })
    }

    fn vanished(&self, mailbox: MailboxId, since: ModSeq) -> Result<Vec<(Uid, Uid)>> {
        self.ask(|tables| {
            let newer = tables.vanished_of(mailbox).filter(|(mod_seq, _)| *mod_seq > since);
            newer.flat_map(|(_, uids)| uids.ranges().to_vec()).collect()
        })
    }

    fn vanished_floor(&self, mailbox: MailboxId) -> Result<ModSeq> {
        let floor = self.ask(|tables| tables.mailboxes.get(&mailbox).map(|row| row.vanished_floor))?;
        floor.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such mailbox"))
    }

    fn vanished_before(&self, mailbox: MailboxId, newer: usize) -> Result<Option<ModSeq>> {
        self.ask(|tables| {
            let all: Vec<ModSeq> = tables.vanished_of(mailbox).map(|(mod_seq, _)| mod_seq).collect();
            all.iter().rev().nth(newer).copied()
        })
    }
}

impl WriteMessages for Connection {
    fn message_insert(&self, mailbox: MailboxId, message: &NewMessage) -> Result<()> {
        self.change(|tables| match tables.messages.insert((mailbox, message.fact.uid), *message) {
            Some(_) => Err(Error::new(ErrorKind::Store, "a message of that UID is there")),
            None => Ok(()),
        })
    }

    fn messages_remove(&self, mailbox: MailboxId, ranges: &[(Uid, Uid)]) -> Result<usize> {
        self.change(|tables| {
            let gone = ranges.iter().flat_map(|(low, high)| tables.between(mailbox, *low, *high));
            let gone: Vec<Uid> = gone.map(|message| message.fact.uid).collect();
            gone.iter().for_each(|uid| tables.messages.discard(&(mailbox, *uid)));
            Ok(gone.len())
        })
    }

    fn left_messages(&self, mailbox: MailboxId, most: usize) -> Result<Vec<BlobId>> {
        self.change(|tables| {
            let some: Vec<Fact> = tables.between(mailbox, 0, Uid::MAX).take(most).map(|message| message.fact).collect();
            some.iter().for_each(|fact| tables.messages.discard(&(mailbox, fact.uid)));
            Ok(some.into_iter().map(|fact| fact.blob).collect())
        })
    }

    fn left_blocks(&self, mailbox: MailboxId, most: usize) -> Result<usize> {
        self.change(|tables| {
            let some: Vec<u32> = tables.blocks_of(mailbox).take(most).map(|(number, _)| number).collect();
            some.iter().for_each(|number| tables.blocks.discard(&(mailbox, *number)));
            Ok(some.len())
        })
    }

    fn left_vanished(&self, mailbox: MailboxId, most: usize) -> Result<usize> {
        self.change(|tables| {
            let some: Vec<ModSeq> = tables.vanished_of(mailbox).take(most).map(|(mod_seq, _)| mod_seq).collect();
            some.iter().for_each(|mod_seq| tables.vanished.discard(&(mailbox, *mod_seq)));
            Ok(some.len())
        })
    }

    fn block_put(&self, mailbox: MailboxId, block: &Block) -> Result<()> {
        self.edit(|tables| tables.blocks.put((mailbox, block.number()), Arc::new(block.clone())))
    }

    fn block_remove(&self, mailbox: MailboxId, number: u32) -> Result<()> {
        self.edit(|tables| tables.blocks.discard(&(mailbox, number)))
    }

    fn vanished_insert(&self, mailbox: MailboxId, mod_seq: ModSeq, uids: &UidSet) -> Result<()> {
        self.change(|tables| match tables.vanished.insert((mailbox, mod_seq), uids.clone()) {
            Some(_) => Err(Error::new(ErrorKind::Store, "an expunge of that modification sequence is there")),
            None => Ok(()),
        })
    }

    fn vanished_forget(&self, mailbox: MailboxId, floor: ModSeq) -> Result<()> {
        self.change(|tables| {
            let old = tables.vanished_of(mailbox).map(|(mod_seq, _)| mod_seq).take_while(|mod_seq| *mod_seq <= floor);
            let old: Vec<ModSeq> = old.collect();
            old.iter().for_each(|mod_seq| tables.vanished.discard(&(mailbox, *mod_seq)));
            Ok(())
        })
    }
}
