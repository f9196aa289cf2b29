//! The shared view of each mailbox in use: UIDs, flags and modification sequences in memory.
//!
//! The writer owns the views: it takes one out for the length of a transaction, changes it, and puts it back
//! after the commit; meanwhile, and where there is none, sessions ask the writer. Snapshots share the vectors;
//! the writer copies one only where a session still holds it. Views nobody watches go when there are too many.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::Snapshot;
use super::block::{decode, row_ids};
use super::varint::torn;
use super::watch::Watchers;
use crate::base::limits::{VIEW_MESSAGES_MAX, VIEWS_MAX};
use crate::base::{Flags, MailboxId, ModSeq, Result, Uid};

/// The three vectors of a view, and the last UID its blocks describe.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub uids: Vec<Uid>,
    pub flags: Vec<Flags>,
    pub mod_seqs: Vec<ModSeq>,
    pub covered: Uid,
}

/// Reads a view: the blocks, then the messages that came after them.
pub(super) fn load(db: &Connection, mailbox: MailboxId, total: u32) -> Result<Columns> {
    let room = total as usize;
    let mut columns = Columns {
        uids: Vec::with_capacity(room),
        flags: Vec::with_capacity(room),
        mod_seqs: Vec::with_capacity(room),
        covered: 0,
    };
    let (first, last) = row_ids(mailbox);
    let mut blocks =
        db.prepare_cached("SELECT id, width, flags, modseqs FROM state WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
    let mut rows = blocks.query([first, last])?;
    while let Some(row) = rows.next()? {
        let block = u32::try_from(row.get::<_, i64>(0)? - first).map_err(|_| torn())?;
        let width = usize::try_from(row.get::<_, i64>(1)?).map_err(|_| torn())?;
        let flags = row.get_ref(2)?.as_blob().map_err(|_| torn())?;
        let mod_seqs = row.get_ref(3)?.as_blob().map_err(|_| torn())?;
        let Columns { uids, flags: all_flags, mod_seqs: all_mod_seqs, .. } = &mut columns;
        columns.covered = decode(block, width, flags, mod_seqs, (uids, all_flags, all_mod_seqs))?;
    }
    let mut facts =
        db.prepare_cached("SELECT uid, flags0, modseq0 FROM fact WHERE mailbox = ?1 AND uid > ?2 ORDER BY uid")?;
    let mut rows = facts.query([mailbox.0, i64::from(columns.covered)])?;
    while let Some(row) = rows.next()? {
        columns.uids.push(row.get(0)?);
        columns.flags.push(Flags(row.get::<_, i64>(1)? as u64));
        columns.mod_seqs.push(row.get::<_, i64>(2)? as u64);
    }
    Ok(columns)
}

/// The last UID that blocks describe, without reading them.
pub(super) fn covered(db: &Connection, mailbox: MailboxId) -> Result<Uid> {
    let (first, last) = row_ids(mailbox);
    let mut newest = db.prepare_cached(
        "SELECT id, length(flags) / width FROM state WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1",
    )?;
    let mut rows = newest.query([first, last])?;
    let Some(row) = rows.next()? else { return Ok(0) };
    let end = (row.get::<_, i64>(0)? - first) * i64::from(super::block::BLOCK_UIDS) + row.get::<_, i64>(1)? - 1;
    Uid::try_from(end).map_err(|_| torn())
}

/// The views that are shared now.
#[derive(Debug, Default)]
pub(super) struct Views {
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_mailbox: BTreeMap<MailboxId, Slot>,
    tick: u64,
}

#[derive(Debug)]
struct Slot {
    view: Snapshot,
    used: u64,
}

impl Views {
    /// A snapshot, where there is a view and the writer does not have it.
    pub fn snapshot(&self, mailbox: MailboxId) -> Option<Snapshot> {
        let mut slots = self.slots();
        slots.tick += 1;
        let tick = slots.tick;
        let slot = slots.by_mailbox.get_mut(&mailbox)?;
        slot.used = tick;
        Some(slot.view.clone())
    }

    /// Gives the view to the writer. Until it comes back nobody else finds it.
    pub fn take(&self, mailbox: MailboxId) -> Option<Snapshot> {
        Some(self.slots().by_mailbox.remove(&mailbox)?.view)
    }

    /// Shares a view.
    pub fn put(&self, view: Snapshot) {
        let mut slots = self.slots();
        slots.tick += 1;
        let used = slots.tick;
        slots.by_mailbox.insert(view.mailbox, Slot { view, used });
    }

    /// Forgets all views.
    pub fn clear(&self) {
        let before = std::mem::take(&mut self.slots().by_mailbox);
        drop(before);
    }

    /// Forgets views nobody watches, longest unused first, until the rest fits.
    pub fn trim(&self, watchers: &Watchers) {
        let mut slots = self.slots();
        let messages = |slots: &Slots| slots.by_mailbox.values().map(|s| s.view.uids.len()).sum::<usize>();
        let mut left = messages(&slots);
        if slots.by_mailbox.len() <= VIEWS_MAX && left <= VIEW_MESSAGES_MAX {
            return;
        }
        let mut idle: Vec<_> = slots
            .by_mailbox
            .iter()
            .filter(|(mailbox, _)| !watchers.is_watched(**mailbox))
            .map(|(mailbox, slot)| (slot.used, *mailbox, slot.view.uids.len()))
            .collect();
        idle.sort_unstable();
        for (_, mailbox, len) in idle {
            if slots.by_mailbox.len() <= VIEWS_MAX && left <= VIEW_MESSAGES_MAX {
                break;
            }
            slots.by_mailbox.remove(&mailbox);
            left -= len;
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
