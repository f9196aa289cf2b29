//! Writes deltas: the one place that changes mailboxes, messages and their blocks on disk.
//!
//! What later jobs look up in the database (names, facts, keywords, expunges) is written when the change is made,
//! within its job; what the writer has in memory (counters, blocks) is written once, before the commit, however many
//! changes touched it.

use std::collections::BTreeSet;

use super::database::{Read, Write};
use super::delta::{Delta, Going, Gone, NewMessage, Shown};
use super::row::MailboxRow;
use super::transaction::WriteTx;
use super::{Fact, free, remains, view};
use crate::base::limits::VANISHED_ROWS_MAX;
use crate::base::snapshot::{BLOCK_UIDS, Block, Messages, block_of};
use crate::base::{BlobId, Error, ErrorKind, Flags, MailboxId, ModSeq, Result, Uid, UidSet};

/// Expunges between which the record of expunges is not pruned.
const PRUNE_EVERY: u64 = 256;

/// Writes what of a change is looked up in the database. `before` is the row as it was, none for a new mailbox. Gives
/// the notes of the dead that its bodies came into.
pub(super) fn at_once(tx: &mut WriteTx<'_>, before: Option<&MailboxRow>, delta: &Delta) -> Result<Vec<i64>> {
    let (db, mailbox) = (tx.db, delta.mailbox);
    if delta.deleted {
        return remains::of_mailbox(tx, mailbox).map(|()| Vec::new());
    }
    let none = Vec::new();
    let known = match before {
        None => {
            db.mailbox_insert(mailbox, &delta.row)?;
            &none
        }
        Some(before) => {
            if !before.is_named_as(&delta.row) {
                db.mailbox_write_name(mailbox, &delta.row)?;
            }
            if before.vanished_floor != delta.row.vanished_floor {
                db.vanished_forget(mailbox, delta.row.vanished_floor)?;
            }
            &*before.keywords
        }
    };
    let keywords = (Flags::KEYWORD_BIT_FIRST..).zip(delta.row.keywords.iter());
    for (index, (bit, name)) in keywords.enumerate() {
        if known.get(index) != Some(name) {
            db.keyword_put(mailbox, bit, name)?;
        }
    }
    delta.added.iter().try_for_each(|message| db.message_insert(mailbox, message))?;
    if let Some(Shown { stretch, rest, .. }) = &delta.shown {
        match rest {
            None => db.hidden_done(*stretch)?,
            Some((first, last)) => db.hidden_narrow(*stretch, *first, *last)?,
        }
    }
    match &delta.gone {
        Some(gone) => remove(tx, mailbox, gone, delta.row.mod_seq),
        None => Ok(Vec::new()),
    }
}

fn remove(tx: &mut WriteTx<'_>, mailbox: MailboxId, gone: &Gone, mod_seq: ModSeq) -> Result<Vec<i64>> {
    tx.db.vanished_insert(mailbox, mod_seq, &gone.uids)?;
    if gone.how == Going::Hidden {
        if let (Some(first), Some(last)) = (gone.facts.first(), gone.facts.last()) {
            tx.db.hide(mailbox, first.uid, last.uid)?;
            tx.bodies_died = true;
        }
        return Ok(Vec::new());
    }
    // What is hidden between them goes in the background, with the uses of its bodies.
    let ranges = if tx.db.hidden(mailbox)?.is_empty() { &gone.runs } else { gone.uids.ranges() };
    if tx.db.messages_remove(mailbox, ranges)? != gone.facts.len() {
        return Err(Error::new(ErrorKind::Bug, "an expunge removes other messages than it should"));
    }
    match gone.how {
        Going::AtOnce => free::release(tx, gone.facts.iter().map(|fact| fact.blob).collect()),
        Going::Elsewhere | Going::Hidden => Ok(Vec::new()),
    }
}

/// Writes copies of messages into a hidden stretch, from the UID `first` on. Their flags are written with their blocks
/// when they are shown.
pub(super) fn stage(db: &dyn Write, mailbox: MailboxId, first: Uid, facts: &[Fact]) -> Result<()> {
    for (uid, fact) in (first..).zip(facts) {
        let fact = Fact { uid, ..*fact };
        db.message_insert(mailbox, &NewMessage { fact, flags: Flags::NONE, mod_seq: 0 })?;
    }
    let blobs: Vec<BlobId> = facts.iter().map(|fact| fact.blob).collect();
    db.uses_add(&blobs)
}

/// The modification sequence up to which the record of expunges is to be forgotten with the next expunge; `None` where
/// it is short enough, or was looked at lately.
pub(super) fn vanished_floor(db: &dyn Read, mailbox: MailboxId, row: &MailboxRow) -> Result<Option<ModSeq>> {
    if !(row.expunges + 1).is_multiple_of(PRUNE_EVERY) {
        return Ok(None);
    }
    db.vanished_before(mailbox, VANISHED_ROWS_MAX as usize - 1)
}

/// Blocks of a mailbox that must be written.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Flags changed here.
    restated: BTreeSet<u32>,
    /// Messages went from here.
    thinned: BTreeSet<u32>,
    /// Facts were hidden among messages: blocks must describe all of these.
    hidden: bool,
}

impl Touched {
    /// Notes the blocks that a change touches.
    pub fn note(&mut self, delta: &Delta) {
        if let Some(restated) = &delta.restated {
            note_blocks(&mut self.restated, &restated.uids);
        }
        if let Some(gone) = &delta.gone {
            note_blocks(&mut self.thinned, &gone.uids);
            self.hidden |= gone.how == Going::Hidden;
        }
        if let Some(last) = delta.shown.as_ref().and_then(|shown| shown.messages.last()) {
            // Blocks describe everything up to the last of them.
            self.restated.insert(block_of(last.uid));
        }
    }

    fn is_empty(&self) -> bool {
        self.restated.is_empty() && self.thinned.is_empty()
    }
}

fn note_blocks(blocks: &mut BTreeSet<u32>, uids: &UidSet) {
    for (low, high) in uids.ranges() {
        blocks.extend(block_of(*low)..=block_of(*high));
    }
}

/// Writes the blocks that changed and the counters. `view` is there where flags changed or messages went. Sets the
/// row's `covered`.
pub(super) fn before_commit(
    db: &dyn Write,
    mailbox: MailboxId,
    row: &mut MailboxRow,
    view: Option<&Messages>,
    touched: Touched,
) -> Result<()> {
    match view {
        Some(view) => write_blocks(db, mailbox, row, view, touched)?,
        None if touched.is_empty() => settle_tail(db, mailbox, row)?,
        None => return Err(Error::new(ErrorKind::Bug, "messages changed without a view")),
    }
    db.mailbox_write_counts(mailbox, row)
}

/// The last block that is full, where more than a block's worth of UIDs lies behind the blocks.
fn full_block(row: &MailboxRow) -> Option<u32> {
    let last = row.uid_next - 1;
    if last - row.covered.min(last) <= BLOCK_UIDS {
        return None;
    }
    // The block of the next UID is not full yet.
    block_of(row.uid_next).checked_sub(1)
}

fn write_blocks(
    db: &dyn Write,
    mailbox: MailboxId,
    row: &mut MailboxRow,
    view: &Messages,
    touched: Touched,
) -> Result<()> {
    let full = full_block(row);
    let mut blocks = touched.restated;
    blocks.extend(full);
    blocks.extend(view.last_uid().filter(|_| touched.hidden).map(block_of));
    if let Some(last) = blocks.last().copied() {
        // Blocks describe everything up to the last of them.
        let first = block_of(row.covered.saturating_add(1));
        let numbers = view.blocks().map(|(_, block)| block.number());
        blocks.extend(numbers.filter(|number| (first..=last).contains(number)));
    }
    if row.covered > 0 {
        blocks.extend(touched.thinned.into_iter().filter(|block| *block <= block_of(row.covered)));
    }
    for block in blocks {
        write_block(db, mailbox, block, view.block_at(block).map(|block| &**block), row)?;
    }
    settle(row, full);
    Ok(())
}

/// The same for a mailbox that only got new messages: what they came with is what their blocks say.
fn settle_tail(db: &dyn Write, mailbox: MailboxId, row: &mut MailboxRow) -> Result<()> {
    let Some(full) = full_block(row) else { return Ok(()) };
    let tail = view::tail(db, mailbox, row.covered, full * BLOCK_UIDS + (BLOCK_UIDS - 1))?;
    for (_, block) in tail.blocks() {
        write_block(db, mailbox, block.number(), Some(block), row)?;
    }
    settle(row, Some(full));
    Ok(())
}

/// Behind the last message of a full block nothing will ever come in it.
fn settle(row: &mut MailboxRow, full: Option<u32>) {
    if let Some(full) = full {
        row.covered = row.covered.max(full * BLOCK_UIDS + (BLOCK_UIDS - 1));
    }
}

fn write_block(
    db: &dyn Write,
    mailbox: MailboxId,
    number: u32,
    block: Option<&Block>,
    row: &mut MailboxRow,
) -> Result<()> {
    let last = block.and_then(|block| block.uids().last());
    let (Some(block), Some(last)) = (block, last) else {
        return db.block_remove(mailbox, number);
    };
    db.block_put(mailbox, block)?;
    row.covered = row.covered.max(*last);
    Ok(())
}
