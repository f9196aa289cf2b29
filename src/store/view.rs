//! The messages of each mailbox in use, in memory: reading them from disk, bringing them up to date, sharing them.
//!
//! What is shared is what was committed last. The writer works on a copy (of the blocks it changes) and shares it
//! after the commit. A view that is not in memory is read by a reader lane, never by the writer: [`Building`] tells
//! whether a commit came in between. Views nobody watches go when there are too many.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::database::{Read, of_one_commit};
use super::row::{self, MailboxRow};
use super::watch::Watchers;
use super::{Snapshot, Store};
use crate::base::limits::{VIEW_MESSAGES_MAX, VIEWS_MAX};
use crate::base::snapshot::{Messages, block_of};
use crate::base::{MailboxId, Result, Uid, UidSet};

impl Store {
    /// The mailbox's present state, from the shared view (read from disk at first need). `NotFound` where it was
    /// deleted, or its account.
    pub async fn snapshot(&self, mailbox: MailboxId) -> Result<Snapshot> {
        self.shared().check_up()?;
        let building = match self.shared().views.find(mailbox) {
            Ok(snapshot) => return Ok(snapshot),
            Err(building) => building,
        };
        let read = self.read(move |db| read(db, mailbox)).await?.ok_or_else(row::no_mailbox)?;
        if building.share(&read) {
            self.shared().views.trim(&self.shared().watchers);
            return Ok(read);
        }
        if self.shared().is_down() {
            // Nobody changes it now, and the writer cannot be asked.
            return Ok(read);
        }
        // A commit changed the mailbox meanwhile: the writer brings what was read up to it.
        self.write(0, move |tx| tx.snapshot(&read)).await
    }
}

/// Reads a mailbox; `None` where there is none that messages can be in.
fn read(db: &dyn Read, mailbox: MailboxId) -> Result<Option<Snapshot>> {
    of_one_commit(db, |db| match db.mailbox_row(mailbox)?.filter(|row| row.selectable) {
        Some(row) => Ok(Some(snapshot(mailbox, &row, load(db, mailbox, &row)?))),
        None => Ok(None),
    })
}

/// The state of a mailbox with this row and these messages.
pub(super) fn snapshot(mailbox: MailboxId, row: &MailboxRow, messages: Messages) -> Snapshot {
    Snapshot {
        mailbox,
        uid_validity: row.uid_validity,
        uid_next: row.uid_next,
        mod_seq: row.mod_seq,
        expunges: row.expunges,
        recent_from: row.recent_from,
        keywords: row.keywords.clone(),
        messages,
    }
}

/// Reads the messages of a mailbox: the blocks, then what came after them.
fn load(db: &dyn Read, mailbox: MailboxId, row: &MailboxRow) -> Result<Messages> {
    let mut messages = Messages::default();
    db.blocks(mailbox, None)?.into_iter().for_each(|(_, block)| messages.push_block(block));
    let covered = messages.last_uid().unwrap_or(0);
    add_behind(&mut messages, db, mailbox, covered, row.uid_next - 1)?;
    Ok(messages)
}

/// The messages from the block on in which `covered` is, up to `to`.
pub(super) fn tail(db: &dyn Read, mailbox: MailboxId, covered: Uid, to: Uid) -> Result<Messages> {
    let mut messages = Messages::default();
    db.block(mailbox, block_of(covered))?.into_iter().for_each(|block| messages.push_block(block));
    add_behind(&mut messages, db, mailbox, covered, to)?;
    Ok(messages)
}

/// Adds the messages above `after` and up to `to` as they came: what hidden stretches have is none.
fn add_behind(messages: &mut Messages, db: &dyn Read, mailbox: MailboxId, after: Uid, to: Uid) -> Result<()> {
    let mut after = after;
    for (first, last) in db.hidden(mailbox)? {
        let before = first.saturating_sub(1).min(to);
        if before > after {
            messages.extend(db.messages_between(mailbox, after, before)?);
        }
        after = after.max(last);
    }
    if to > after {
        messages.extend(db.messages_between(mailbox, after, to)?);
    }
    Ok(())
}

/// The messages of `known`, brought up to `row` by what changed since: expunges, blocks, new messages.
pub(super) fn bring_up(db: &dyn Read, known: &Snapshot, row: &MailboxRow) -> Result<Messages> {
    let mailbox = known.mailbox;
    if known.uid_validity != row.uid_validity || known.mod_seq > row.mod_seq || known.mod_seq < row.vanished_floor {
        return load(db, mailbox, row);
    }
    let mut messages = known.messages.clone();
    if known.mod_seq == row.mod_seq {
        return Ok(messages);
    }
    messages.remove(&UidSet::from_ranges(db.vanished(mailbox, known.mod_seq)?));
    for (number, block) in db.blocks(mailbox, Some(known.mod_seq))? {
        messages.put_block(number, block);
    }
    add_behind(&mut messages, db, mailbox, row.covered.max(known.uid_next - 1), row.uid_next - 1)?;
    match messages.len() == row.total as usize {
        true => Ok(messages),
        false => load(db, mailbox, row),
    }
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
    /// Views being read, by a number of their own: whether the mailbox was changed meanwhile.
    building: BTreeMap<u64, (MailboxId, bool)>,
}

#[derive(Debug)]
struct Slot {
    view: Snapshot,
    used: u64,
}

/// A view being read, until it is shared or given up.
pub(super) struct Building<'a> {
    views: &'a Views,
    number: u64,
}

impl Building<'_> {
    /// Shares what was read since this began. False where it may be older than the last commit.
    fn share(self, read: &Snapshot) -> bool {
        let mut slots = self.views.slots();
        let unchanged = slots.building.get(&self.number).is_some_and(|(_, changed)| !changed);
        if unchanged {
            slots.tick += 1;
            let used = slots.tick;
            // Another reader may have been faster: both are of the same commit.
            slots.by_mailbox.entry(read.mailbox).or_insert_with(|| Slot { view: read.clone(), used });
        }
        unchanged
    }
}

impl Drop for Building<'_> {
    fn drop(&mut self) {
        self.views.slots().building.remove(&self.number);
    }
}

impl Views {
    /// A snapshot, where there is a view.
    pub fn snapshot(&self, mailbox: MailboxId) -> Option<Snapshot> {
        self.slots().snapshot(mailbox)
    }

    /// A snapshot, or the leave to read one.
    fn find(&self, mailbox: MailboxId) -> std::result::Result<Snapshot, Building<'_>> {
        let mut slots = self.slots();
        if let Some(snapshot) = slots.snapshot(mailbox) {
            return Ok(snapshot);
        }
        let number = slots.tick;
        slots.building.insert(number, (mailbox, false));
        Err(Building { views: self, number })
    }

    /// Shares views after a commit that changed these mailboxes; `None` where the writer has no view of one, so that
    /// the one there may be is old.
    pub fn publish(&self, changed: impl IntoIterator<Item = (MailboxId, Option<Snapshot>)>) {
        let mut before = Vec::new();
        let mut slots = self.slots();
        for (mailbox, view) in changed {
            slots.tick += 1;
            let used = slots.tick;
            for (of, changed) in slots.building.values_mut() {
                *changed |= *of == mailbox;
            }
            before.extend(match view {
                Some(view) => slots.by_mailbox.insert(mailbox, Slot { view, used }),
                None => slots.by_mailbox.remove(&mailbox),
            });
        }
        // Large views are freed where nobody waits for the lock.
        drop(slots);
        drop(before);
    }

    /// Forgets all views.
    pub fn clear(&self) {
        let mut slots = self.slots();
        slots.building.values_mut().for_each(|(_, changed)| *changed = true);
        let before = std::mem::take(&mut slots.by_mailbox);
        drop(slots);
        drop(before);
    }

    /// Forgets views nobody watches, longest unused first, until the rest fits.
    pub fn trim(&self, watchers: &Watchers) {
        let mut slots = self.slots();
        let messages = |slots: &Slots| slots.by_mailbox.values().map(|s| s.view.messages.len()).sum::<usize>();
        let mut left = messages(&slots);
        if slots.by_mailbox.len() <= VIEWS_MAX && left <= VIEW_MESSAGES_MAX {
            return;
        }
        let mut idle: Vec<_> = slots
            .by_mailbox
            .iter()
            .filter(|(mailbox, _)| !watchers.is_watched(**mailbox))
            .map(|(mailbox, slot)| (slot.used, *mailbox, slot.view.messages.len()))
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

impl Slots {
    fn snapshot(&mut self, mailbox: MailboxId) -> Option<Snapshot> {
        self.tick += 1;
        let slot = self.by_mailbox.get_mut(&mailbox)?;
        slot.used = self.tick;
        Some(slot.view.clone())
    }
}
