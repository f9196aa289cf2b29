//! Delays and aborts, drawn from a seed.

use std::sync::atomic::{AtomicU64, Ordering};

/// One of so many beginnings and questions is to be tried again.
const DELAYED: u64 = 4;
/// One of so many transactions is aborted.
const ABORTED: u64 = 4;
/// An abort strikes at one of the first so many changes of a transaction, or else at its commit.
const CHANGES: u64 = 60;

/// Draws numbers.
pub(in super::super) struct Chance {
    state: AtomicU64,
    aborts: AtomicU64,
}

impl Chance {
    /// The same seed draws the same numbers.
    pub fn of(seed: u64) -> Chance {
        Chance { state: AtomicU64::new(seed), aborts: AtomicU64::new(0) }
    }

    /// Transactions that were to be aborted so far.
    pub fn aborts(&self) -> u64 {
        self.aborts.load(Ordering::SeqCst)
    }

    /// A number below `below` (SplitMix64).
    fn draw(&self, below: u64) -> u64 {
        let mut n = self.state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (n ^ (n >> 31)) % below
    }

    /// Whether something is to be tried again.
    pub(super) fn delays(&self) -> bool {
        self.draw(DELAYED) == 0
    }

    /// What becomes of a transaction.
    pub(super) fn fate(&self) -> Fate {
        if self.draw(ABORTED) > 0 {
            return Fate::default();
        }
        self.aborts.fetch_add(1, Ordering::SeqCst);
        Fate { changes_left: Some(self.draw(CHANGES)) }
    }
}

/// What becomes of a transaction: how many more changes it lives for; none where it is not aborted.
#[derive(Default)]
pub(super) struct Fate {
    changes_left: Option<u64>,
}

impl Fate {
    /// One more change: whether it ends the transaction.
    pub fn strikes(&mut self) -> bool {
        match &mut self.changes_left {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    /// Whether the commit fails.
    pub fn is_doomed(&self) -> bool {
        self.changes_left.is_some()
    }
}
