//! How much memory the sessions of an engine may take, and who has how much of it. Pure: what the machine has is told.
//!
//! A [`Charge`] is a part of the budget and is given back when it is dropped. It is a promise of the caller about what
//! it holds, counted in octets, and no allocation. Where the machine itself runs short ([`Budget::set_room`]), the
//! budget counts as used up before its own limit is reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The memory of an engine's sessions. Clones are the same budget.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    octets_max: AtomicU64,
    used: AtomicU64,
    /// Octets the process may still take from the machine, as of the last look.
    room: AtomicU64,
    /// Octets charged since that look.
    since: AtomicU64,
}

/// How much of the budget is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Enough.
    None,
    /// Half is used: what can be on the disk should be.
    Some,
    /// Hardly anything: nothing new is begun.
    High,
}

/// A part of the budget.
#[derive(Debug)]
pub struct Charge {
    budget: Budget,
    octets: u64,
}

/// Octets of the machine's room that are left alone: for the store, the queue and what is under way.
const ROOM_KEPT_OCTETS: u64 = 40 * 1024 * 1024;
/// Below so much room memory is saved where the disk can do.
const ROOM_SHORT_OCTETS: u64 = 96 * 1024 * 1024;

impl Default for Budget {
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

impl Budget {
    /// A budget of `octets_max`, of which nothing is used.
    pub fn new(octets_max: u64) -> Self {
        Self(Arc::new(Counts {
            octets_max: AtomicU64::new(octets_max),
            used: AtomicU64::new(0),
            room: AtomicU64::new(u64::MAX),
            since: AtomicU64::new(0),
        }))
    }

    /// Sets how much there is.
    pub fn set_max(&self, octets_max: u64) {
        self.0.octets_max.store(octets_max, Ordering::SeqCst);
    }

    /// Octets in use.
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::SeqCst)
    }

    /// Octets there are.
    pub fn max(&self) -> u64 {
        self.0.octets_max.load(Ordering::SeqCst)
    }

    /// Tells what the process may still take from the machine.
    pub fn set_room(&self, octets: u64) {
        self.0.since.store(0, Ordering::SeqCst);
        self.0.room.store(octets, Ordering::SeqCst);
    }

    /// Octets charged since the last look at the machine.
    pub fn charged_since(&self) -> u64 {
        self.0.since.load(Ordering::SeqCst)
    }

    /// How much is left.
    pub fn pressure(&self) -> Pressure {
        let (used, max, room) = (self.used(), self.max(), self.room());
        if used >= max || room < ROOM_KEPT_OCTETS {
            Pressure::High
        } else if used >= max / 2 || room < ROOM_SHORT_OCTETS {
            Pressure::Some
        } else {
            Pressure::None
        }
    }

    fn room(&self) -> u64 {
        self.0.room.load(Ordering::SeqCst).saturating_sub(self.charged_since())
    }

    /// Takes `octets`; `None` where there is not so much.
    pub fn charge(&self, octets: u64) -> Option<Charge> {
        let mut charge = Charge { budget: self.clone(), octets: 0 };
        charge.grow(octets).then_some(charge)
    }
}

impl Charge {
    /// Takes `octets` more; false where there is not so much, and then nothing is taken.
    pub fn grow(&mut self, octets: u64) -> bool {
        let counts = &self.budget.0;
        let max = self.budget.max();
        let take = |used: u64| used.checked_add(octets).filter(|used| *used <= max);
        let has_room = octets == 0 || self.budget.room() >= ROOM_KEPT_OCTETS.saturating_add(octets);
        if !has_room || counts.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_err() {
            return false;
        }
        counts.since.fetch_add(octets, Ordering::SeqCst);
        self.octets += octets;
        true
    }

    /// Whether nothing is charged.
    pub fn is_empty(&self) -> bool {
        self.octets == 0
    }

    /// Whether memory should be saved where the disk can do.
    pub fn is_pressed(&self) -> bool {
        self.budget.pressure() != Pressure::None
    }

    /// Gives back all above `octets`.
    pub fn shrink(&mut self, octets: u64) {
        let back = self.octets.saturating_sub(octets);
        self.octets -= back;
        self.budget.0.used.fetch_sub(back, Ordering::SeqCst);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_come_and_go() {
        let budget = Budget::new(100);
        let mut one = budget.charge(40).unwrap();
        assert_eq!((budget.used(), budget.pressure()), (40, Pressure::None));
        assert!(one.grow(20) && !one.grow(41) && budget.charge(41).is_none());
        assert_eq!(budget.pressure(), Pressure::Some);
        let rest = budget.charge(40).unwrap();
        assert_eq!((budget.used(), budget.pressure()), (100, Pressure::High));
        one.shrink(10);
        drop(rest);
        assert_eq!(budget.used(), 10);
        drop(one);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_machine_without_room_is_a_budget_used_up() {
        let budget = Budget::new(u64::MAX);
        budget.set_room(ROOM_KEPT_OCTETS + 100);
        assert_eq!(budget.pressure(), Pressure::Some);
        assert!(budget.charge(101).is_none());
        let charge = budget.charge(100).unwrap();
        assert!(budget.charge(1).is_none());
        // What was charged since the look counts, until the next look tells.
        budget.set_room(ROOM_KEPT_OCTETS - 1);
        assert_eq!(budget.pressure(), Pressure::High);
        drop(charge);
        assert!(budget.charge(1).is_none());
        budget.set_room(u64::MAX);
        assert!(budget.charge(1).is_some());
    }
}
