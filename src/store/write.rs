//! Writes deltas: the one place that changes mailboxes, messages and their blocks on disk.
//!
//! What SQL looks up (names, facts, keywords, expunges) is written when the change is made, within its savepoint; what
//! only the writer reads back from memory (counters, blocks) is written once, before the commit, however many changes
//! touched it.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::block::{encode, row_id};
use super::delta::{Delta, Gone, NewMessage};
use super::row::{self, Row};
use super::transaction::WriteTx;
use super::varint::uids_to_octets;
use super::{free, remains, view};
use crate::base::limits::VANISHED_ROWS_MAX;
use crate::base::snapshot::{BLOCK_UIDS, Block, Messages, block_of};
use crate::base::{Error, ErrorKind, Flags, MailboxId, ModSeq, Result, UidSet};

/// Expunges between which the record of expunges is not pruned.
const PRUNE_EVERY: u64 = 256;

/// Writes what of a change SQL looks up. `before` is the row as it was, none for a new mailbox. Gives the rows of
/// `dead` that its bodies came into.
pub(super) fn at_once(tx: &mut WriteTx<'_>, before: Option<&Row>, delta: &Delta) -> Result<Vec<i64>> {
    let (db, mailbox) = (tx.db, delta.mailbox);
    if delta.deleted {
        return remains::of_mailbox(tx, mailbox).map(|()| Vec::new());
    }
    let none = Vec::new();
    let known = match before {
        None => {
            row::insert(db, mailbox, &delta.row)?;
            &none
        }
        Some(before) => {
            if !before.is_named_as(&delta.row) {
                row::write_name(db, mailbox, &delta.row)?;
            }
            if before.vanished_floor != delta.row.vanished_floor {
                db.prepare_cached("DELETE FROM vanished WHERE mailbox = ?1 AND modseq <= ?2")?
                    .execute([mailbox.0, delta.row.vanished_floor as i64])?;
            }
            &*before.keywords
        }
    };
    for (index, name) in delta.row.keywords.iter().enumerate().filter(|(index, name)| known.get(*index) != Some(*name))
    {
        let bit = i64::from(Flags::KEYWORD_BIT_FIRST) + index as i64;
        db.prepare_cached("INSERT OR REPLACE INTO keyword(mailbox, bit, name) VALUES (?1, ?2, ?3)")?
            .execute(params![mailbox.0, bit, name])?;
    }
    delta.added.iter().try_for_each(|message| insert_fact(db, mailbox, message))?;
    match &delta.gone {
        Some(gone) => remove(tx, mailbox, gone, delta.row.mod_seq),
        None => Ok(Vec::new()),
    }
}

fn insert_fact(db: &Connection, mailbox: MailboxId, message: &NewMessage) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO fact(mailbox, uid, internaldate, size, blob, flags0, modseq0) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        mailbox.0,
        message.fact.uid,
        message.fact.internal_date.0,
        message.fact.size as i64,
        message.fact.blob.0,
        message.flags.0 as i64,
        message.mod_seq as i64
    ])?;
    Ok(())
}

fn remove(tx: &mut WriteTx<'_>, mailbox: MailboxId, gone: &Gone, mod_seq: ModSeq) -> Result<Vec<i64>> {
    let mut delete = tx.db.prepare_cached("DELETE FROM fact WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3")?;
    let mut deleted = 0;
    for (low, high) in &gone.runs {
        deleted += delete.execute(params![mailbox.0, low, high])?;
    }
    if deleted != gone.facts.len() {
        return Err(Error::new(ErrorKind::Bug, "an expunge removes other messages than it should"));
    }
    tx.db.prepare_cached("INSERT INTO vanished(mailbox, modseq, uids) VALUES (?1, ?2, ?3)")?.execute(params![
        mailbox.0,
        mod_seq as i64,
        uids_to_octets(&gone.uids)
    ])?;
    match gone.releases {
        true => free::release(tx, gone.facts.iter().map(|fact| fact.blob.0).collect()),
        false => Ok(Vec::new()),
    }
}

/// The modification sequence up to which the record of expunges is to be forgotten with the next expunge; `None` where
/// it is short enough, or was looked at lately.
pub(super) fn vanished_floor(db: &Connection, mailbox: MailboxId, row: &Row) -> Result<Option<ModSeq>> {
    if !(row.expunges + 1).is_multiple_of(PRUNE_EVERY) {
        return Ok(None);
    }
    let oldest = db
        .prepare_cached("SELECT modseq FROM vanished WHERE mailbox = ?1 ORDER BY modseq DESC LIMIT 1 OFFSET ?2")?
        .query_row(params![mailbox.0, VANISHED_ROWS_MAX as i64 - 1], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(oldest.map(|mod_seq| mod_seq as u64))
}

/// Blocks of a mailbox that must be written.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Flags changed here.
    restated: BTreeSet<u32>,
    /// Messages went from here.
    thinned: BTreeSet<u32>,
}

impl Touched {
    /// Notes the blocks that a change touches.
    pub fn note(&mut self, delta: &Delta) {
        if let Some(restated) = &delta.restated {
            note_blocks(&mut self.restated, &restated.uids);
        }
        if let Some(gone) = &delta.gone {
            note_blocks(&mut self.thinned, &gone.uids);
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
    db: &Connection,
    mailbox: MailboxId,
    row: &mut Row,
    view: Option<&Messages>,
    touched: Touched,
) -> Result<()> {
    match view {
        Some(view) => write_blocks(db, mailbox, row, view, touched)?,
        None if touched.is_empty() => settle_tail(db, mailbox, row)?,
        None => return Err(Error::new(ErrorKind::Bug, "messages changed without a view")),
    }
    row::write_counts(db, mailbox, row)
}

/// The last block that is full, where more than a block's worth of UIDs lies behind the blocks.
fn full_block(row: &Row) -> Option<u32> {
    let last = row.uid_next - 1;
    if last - row.covered.min(last) <= BLOCK_UIDS {
        return None;
    }
    // The block of the next UID is not full yet.
    block_of(row.uid_next).checked_sub(1)
}

fn write_blocks(db: &Connection, mailbox: MailboxId, row: &mut Row, view: &Messages, touched: Touched) -> Result<()> {
    let full = full_block(row);
    let mut blocks = touched.restated;
    blocks.extend(full);
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
fn settle_tail(db: &Connection, mailbox: MailboxId, row: &mut Row) -> Result<()> {
    let Some(full) = full_block(row) else { return Ok(()) };
    let tail = view::tail(db, mailbox, row.covered, full * BLOCK_UIDS + (BLOCK_UIDS - 1))?;
    for (_, block) in tail.blocks() {
        write_block(db, mailbox, block.number(), Some(block), row)?;
    }
    settle(row, Some(full));
    Ok(())
}

/// Behind the last message of a full block nothing will ever come in it.
fn settle(row: &mut Row, full: Option<u32>) {
    if let Some(full) = full {
        row.covered = row.covered.max(full * BLOCK_UIDS + (BLOCK_UIDS - 1));
    }
}

fn write_block(db: &Connection, mailbox: MailboxId, number: u32, block: Option<&Block>, row: &mut Row) -> Result<()> {
    let id = row_id(mailbox, number);
    let last = block.and_then(|block| block.uids().last());
    let (Some(block), Some(last)) = (block, last) else {
        db.prepare_cached("DELETE FROM state WHERE id = ?1")?.execute([id])?;
        return Ok(());
    };
    let packed = encode(block);
    db.prepare_cached("INSERT OR REPLACE INTO state(id, modseq, width, flags, modseqs) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![id, packed.mod_seq as i64, packed.width as i64, packed.flags, packed.mod_seqs])?;
    row.covered = row.covered.max(*last);
    Ok(())
}
