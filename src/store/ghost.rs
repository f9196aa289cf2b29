//! Messages that went and that an open session may still name: their facts stay known and their bodies stay readable
//! until the last session that was not told of the expunge knows of it, or ends.
//!
//! A session takes a [`Hold`] on the mailbox it opens. Nothing of this is on disk: after a restart nobody holds.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Fact, Store};
use crate::base::limits::GHOST_MESSAGES_MAX;
use crate::base::{BlobId, MailboxId, UidSet};

/// Keeps messages of a mailbox readable that its owner was not told to be gone.
#[must_use]
pub struct Hold {
    store: Store,
    mailbox: MailboxId,
    number: u64,
    /// `Snapshot::expunges` of what the owner was told.
    known: u64,
}

impl Store {
    /// Holds what goes from now on from a mailbox. Take it before the snapshot, then say what that is with
    /// [`Hold::knows`].
    pub fn hold(&self, mailbox: MailboxId) -> Hold {
        let number = self.shared().ghosts.hold(mailbox);
        Hold { store: self.clone(), mailbox, number, known: 0 }
    }
}

impl Hold {
    /// The owner was told of all expunges up to a snapshot's `expunges`.
    pub fn knows(&mut self, expunges: u64) {
        if expunges > self.known {
            self.known = expunges;
            if self.store.shared().ghosts.known(self.mailbox, self.number, expunges) {
                self.store.tidy();
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.store.shared().ghosts.let_go(self.mailbox, self.number) {
            self.store.tidy();
        }
    }
}

/// What one expunge took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ghost {
    /// The mailbox's count of expunges with it.
    pub expunges: u64,
    /// Ascending.
    pub facts: Vec<Fact>,
    /// Rows of `dead` its bodies are in.
    pub dead: Vec<i64>,
}

/// What is held.
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    kept: Mutex<HeldMessages>,
}

#[derive(Debug, Default)]
struct HeldMessages {
    mailboxes: BTreeMap<MailboxId, Held>,
    /// Rows of `dead` that must stay.
    dead: BTreeSet<i64>,
    /// Bodies that messages held here have. They may be used elsewhere and die there, in a row of another expunge.
    bodies: BTreeMap<BlobId, Named>,
    messages: usize,
    number: u64,
    /// Rows of `dead` were let go since the writer last looked.
    freed: bool,
}

/// A body that can still be named.
#[derive(Debug, Default)]
struct Named {
    messages: usize,
    /// The writer wanted to remove it.
    died: bool,
}

#[derive(Debug, Default)]
struct Held {
    /// What each holder knows.
    holders: BTreeMap<u64, u64>,
    /// By expunge.
    ghosts: VecDeque<Ghost>,
}

impl Ghosts {
    fn hold(&self, mailbox: MailboxId) -> u64 {
        let mut kept = self.kept();
        kept.number += 1;
        let number = kept.number;
        kept.mailboxes.entry(mailbox).or_default().holders.insert(number, 0);
        number
    }

    /// True where something may be removed now.
    fn known(&self, mailbox: MailboxId, number: u64, expunges: u64) -> bool {
        let mut kept = self.kept();
        if let Some(known) = kept.mailboxes.get_mut(&mailbox).and_then(|held| held.holders.get_mut(&number)) {
            *known = expunges;
        }
        kept.release(mailbox)
    }

    /// True where something may be removed now.
    fn let_go(&self, mailbox: MailboxId, number: u64) -> bool {
        let mut kept = self.kept();
        if let Some(held) = kept.mailboxes.get_mut(&mailbox) {
            held.holders.remove(&number);
        }
        kept.release(mailbox)
    }

    /// Keeps what an expunge takes, where somebody was not told of it. Before COMMIT, so that who reads that it is gone
    /// finds it here; and once more behind it, for those who came meanwhile. What was kept of the same expunge, or of
    /// one that came to nothing, is replaced: messages that did not go are kept for a while in vain.
    pub fn add(&self, mailbox: MailboxId, ghost: &Ghost) {
        let mut kept = self.kept();
        let kept = &mut *kept;
        let Some(held) = kept.mailboxes.get_mut(&mailbox) else { return };
        let place = held.ghosts.partition_point(|before| before.expunges < ghost.expunges);
        if held.ghosts.get(place) == Some(ghost) {
            return;
        }
        let replaced = held.ghosts.split_off(place);
        let is_wanted = held.holders.values().any(|known| *known < ghost.expunges);
        if is_wanted {
            held.ghosts.push_back(ghost.clone());
        }
        for ghost in &replaced {
            kept.forget(ghost);
        }
        if is_wanted {
            for fact in &ghost.facts {
                kept.bodies.entry(fact.blob).or_default().messages += 1;
            }
            kept.messages += ghost.facts.len();
            kept.dead.extend(&ghost.dead);
        }
        while kept.messages > GHOST_MESSAGES_MAX && kept.forget_one(mailbox) {}
    }

    /// What is known of messages among these that went, ascending.
    pub fn facts(&self, mailbox: MailboxId, uids: &UidSet) -> Vec<Fact> {
        let kept = self.kept();
        let mut facts = Vec::new();
        for ghost in kept.mailboxes.get(&mailbox).into_iter().flat_map(|held| &held.ghosts) {
            for (low, high) in uids.ranges() {
                let first = ghost.facts.partition_point(|fact| fact.uid < *low);
                let behind = ghost.facts.partition_point(|fact| fact.uid <= *high);
                facts.extend_from_slice(ghost.facts.get(first..behind).unwrap_or_default());
            }
        }
        facts.sort_unstable_by_key(|fact| fact.uid);
        facts
    }

    /// Whether the bodies of a row of `dead` must stay.
    pub fn holds(&self, dead: i64) -> bool {
        self.kept().dead.contains(&dead)
    }

    /// Whether a body, which nobody uses any more, must stay all the same; it is told when it need not.
    pub fn names(&self, body: BlobId) -> bool {
        let mut kept = self.kept();
        let named = kept.bodies.get_mut(&body);
        named.map(|named| named.died = true).is_some()
    }

    /// Whether rows of `dead` were let go since the last time.
    pub fn take_freed(&self) -> bool {
        std::mem::take(&mut self.kept().freed)
    }

    fn kept(&self) -> MutexGuard<'_, HeldMessages> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldMessages {
    /// Lets go what everyone knows to be gone. True where bodies may be removed.
    fn release(&mut self, mailbox: MailboxId) -> bool {
        let Some(held) = self.mailboxes.get_mut(&mailbox) else { return false };
        let known = held.holders.values().min().copied().unwrap_or(u64::MAX);
        let behind = held.ghosts.partition_point(|ghost| ghost.expunges <= known);
        let gone: Vec<Ghost> = held.ghosts.drain(..behind).collect();
        if held.holders.is_empty() {
            self.mailboxes.remove(&mailbox);
        }
        // Each is forgotten, also behind the first that freed something.
        gone.iter().map(|ghost| self.forget(ghost)).filter(|freed| *freed).count() > 0
    }

    /// Lets go the oldest of a mailbox, which others may still name. False where it has none.
    fn forget_one(&mut self, mailbox: MailboxId) -> bool {
        let oldest = self.mailboxes.get_mut(&mailbox).and_then(|held| held.ghosts.pop_front());
        oldest.is_some_and(|ghost| {
            self.forget(&ghost);
            true
        })
    }

    /// True where bodies may be removed.
    fn forget(&mut self, ghost: &Ghost) -> bool {
        self.messages -= ghost.facts.len();
        for row in &ghost.dead {
            self.dead.remove(row);
        }
        let mut freed = !ghost.dead.is_empty();
        for fact in &ghost.facts {
            let Entry::Occupied(mut named) = self.bodies.entry(fact.blob) else { continue };
            named.get_mut().messages -= 1;
            if named.get().messages == 0 {
                freed |= named.remove().died;
            }
        }
        self.freed |= freed;
        freed
    }
}
