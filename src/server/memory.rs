//! The memory that sessions may take: who is let in, and what is refused, when it runs short.
//!
//! Each session is charged for what a quiet one holds, and more as it sends what is worth it: recipients, the message
//! under way, bodies kept in memory. Where half is used, bodies go to scratch files. Where hardly anything is left, new
//! sessions are refused, recipients are put off with 452, and the oldest session that nobody has logged in to goes. The
//! address space of the process (RLIMIT_AS) is looked at again and again, since a failed allocation would end it.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::base::budget::{Budget, Pressure};
use crate::base::limits::{MEMORY_LOOK_MILLISECONDS, MEMORY_LOOK_OCTETS};
use crate::base::time::Mono;

/// Asks the machine how many octets the process may still take.
pub type Look = fn() -> u64;

/// The budget, and the eye on the machine.
#[derive(Default)]
pub struct Memory {
    budget: Budget,
    look: OnceLock<Look>,
    looked: Mutex<Mono>,
}

impl Memory {
    /// The budget without a look at the machine.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Asks `look` from now on.
    pub fn look_with(&self, look: Look) {
        // The first one stays.
        let _ = self.look.set(look);
        self.budget.set_room(look());
    }

    /// The budget, after a look at the machine where one is due.
    pub fn at(&self, now: Mono) -> &Budget {
        let Some(look) = self.look.get() else { return &self.budget };
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = now >= *looked + Duration::from_millis(MEMORY_LOOK_MILLISECONDS);
        if is_due || self.budget.charged_since() >= MEMORY_LOOK_OCTETS {
            *looked = now;
            self.budget.set_room(look());
        }
        &self.budget
    }

    /// Whether hardly anything is left.
    pub fn is_short(&self, now: Mono) -> bool {
        self.at(now).pressure() == Pressure::High
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_looked_at_in_turn() {
        let memory = Memory::default();
        assert!(!memory.is_short(Mono(0)), "without a look there is room");
        memory.look_with(|| 0);
        assert!(memory.is_short(Mono(0)));
        memory.budget().set_room(u64::MAX);
        assert!(!memory.is_short(Mono(1)), "looked at a moment ago");
        assert!(memory.is_short(Mono(0) + Duration::from_millis(MEMORY_LOOK_MILLISECONDS)));
    }
}
