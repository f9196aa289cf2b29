//! Hidden stretches: UIDs whose facts are on disk and are no messages, unless a block says so.
//!
//! A COPY or MOVE in steps hides the UIDs it writes to until its last step; an EXPUNGE or MOVE of many messages hides
//! what went, which is removed in the background. Which stretches are still being written is known in memory only:
//! after a restart none is, and what a COPY left is removed as well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::database::{Hidden, Read};
use super::delta::Delta;
use super::transaction::WriteTx;
use super::{Fact, Store, free};
use crate::base::limits::REMAINS_ROWS_PER_COMMIT_MAX as MOST;
use crate::base::snapshot::{Block, block_of};
use crate::base::{MailboxId, Result, Uid};

/// The stretches that are being written.
#[derive(Debug, Default)]
pub(super) struct Stretches {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// By writer: the id of its stretch.
    stretches: BTreeMap<u64, i64>,
    number: u64,
    /// One was let go since the writer lane last looked.
    freed: bool,
}

impl Stretches {
    /// Whether somebody still writes there.
    fn holds(&self, stretch: i64) -> bool {
        self.held().stretches.values().any(|held| *held == stretch)
    }

    /// Whether one was let go since the last time.
    pub fn take_freed(&self) -> bool {
        std::mem::take(&mut self.held().freed)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a stretch from being removed while it is being written. Dropping it lets it go.
pub(super) struct Stretch {
    store: Store,
    number: u64,
}

impl Stretch {
    /// Of no stretch yet.
    pub fn of(store: &Store) -> Stretch {
        let mut held = store.shared().stretches.held();
        held.number += 1;
        Stretch { store: store.clone(), number: held.number }
    }

    /// What a job names it by.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Stretch {
    fn drop(&mut self) {
        let mut held = self.store.shared().stretches.held();
        let began = held.stretches.remove(&self.number).is_some();
        held.freed |= began;
        drop(held);
        if began {
            self.store.tidy();
        }
    }
}

/// Hides the facts between two UIDs for the holder with this number; gives the id of the stretch. Within the job that
/// begins to write there, so that no background work comes in between.
pub(super) fn begin(tx: &WriteTx<'_>, holder: u64, mailbox: MailboxId, first: Uid, last: Uid) -> Result<i64> {
    let stretch = tx.db.hide(mailbox, first, last)?;
    tx.shared.stretches.held().stretches.insert(holder, stretch);
    Ok(stretch)
}

/// The stretches that reach UIDs to come.
pub(super) fn reserved(db: &dyn Read, mailbox: MailboxId, uid_next: Uid) -> Result<Arc<Vec<(Uid, Uid)>>> {
    let mut stretches = db.hidden(mailbox)?;
    stretches.retain(|(_, last)| *last >= uid_next);
    Ok(Arc::new(stretches))
}

/// Removes some facts of a stretch that nobody writes any more. Gives whether there was one.
pub(super) fn round(tx: &mut WriteTx<'_>) -> Result<bool> {
    let mut after = 0;
    while let Some(hidden) = tx.db.hidden_behind(after)? {
        if !tx.shared.stretches.holds(hidden.id) {
            step(tx, hidden)?;
            return Ok(true);
        }
        after = hidden.id;
    }
    Ok(false)
}

fn step(tx: &mut WriteTx<'_>, hidden: Hidden) -> Result<()> {
    let Hidden { id, mailbox, first, last } = hidden;
    let facts = tx.db.facts_from(mailbox, first, last, MOST)?;
    let gone = without_messages(tx, mailbox, &facts)?;
    let mut ranges: Vec<(Uid, Uid)> = Vec::new();
    for fact in &gone {
        match ranges.last_mut() {
            Some((_, high)) if high.checked_add(1) == Some(fact.uid) => *high = fact.uid,
            _ => ranges.push((fact.uid, fact.uid)),
        }
    }
    tx.db.messages_remove(mailbox, &ranges)?;
    free::release(tx, gone.into_iter().map(|fact| fact.blob).collect())?;
    match facts.last().filter(|furthest| facts.len() == MOST && furthest.uid < last) {
        Some(furthest) => tx.db.hidden_narrow(id, furthest.uid + 1, last),
        None => done(tx, hidden),
    }
}

/// Those of these facts that no block says to be messages.
fn without_messages(tx: &WriteTx<'_>, mailbox: MailboxId, facts: &[Fact]) -> Result<Vec<Fact>> {
    let mut gone = Vec::new();
    for facts in facts.chunk_by(|a, b| block_of(a.uid) == block_of(b.uid)) {
        let number = facts.first().map_or(0, |fact| block_of(fact.uid));
        let block = tx.db.block(mailbox, number)?;
        let uids = block.as_ref().map(Block::uids).unwrap_or_default();
        gone.extend(facts.iter().filter(|fact| uids.binary_search(&fact.uid).is_err()));
    }
    Ok(gone)
}

/// Nothing is left of a stretch: its UIDs may be given out, where none behind it was.
fn done(tx: &mut WriteTx<'_>, hidden: Hidden) -> Result<()> {
    tx.db.hidden_done(hidden.id)?;
    let Some(row) = tx.any_row(hidden.mailbox)?.filter(|row| !row.reserved.is_empty()) else { return Ok(()) };
    let mut delta = Delta::of(hidden.mailbox, row);
    delta.row.reserved = reserved(tx.db, hidden.mailbox, delta.row.uid_next)?;
    tx.apply(delta)?;
    tx.keep_job();
    Ok(())
}
