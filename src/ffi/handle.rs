//! The handle table: 64-bit tokens in place of addresses.
//!
//! A token holds a type tag, a slot and the slot's generation. Looking one up gives a clone of what it
//! stands for (an `Arc`), so an object closed by one thread lives on until the calls inside it have
//! returned. 0, a closed handle, a handle of another type and any random number are told apart from a live
//! one; none of them can do harm. No `unsafe`, nothing of the engine: the table runs under Miri.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

const SLOT_BITS: u32 = 24;
const GENERATION_BITS: u32 = 32;
/// Slots a table can have; one more object is refused.
const SLOTS_MAX: usize = 1 << SLOT_BITS;

/// What a handle stands for, as its first octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    Engine = 0x45,
    Account = 0x41,
    Mailbox = 0x42,
    Message = 0x4d,
    Cursor = 0x43,
    Listener = 0x4c,
    Resolver = 0x52,
}

/// Tokens and what they stand for.
pub(crate) struct Table<T> {
    slots: RwLock<Slots<T>>,
}

struct Slots<T> {
    slots: Vec<Slot<T>>,
    /// Free slots, the one longest free first: a stale token stays recognisable for as long as possible.
    free: VecDeque<u32>,
}

struct Slot<T> {
    generation: u32,
    tag: u8,
    object: Option<T>,
}

impl<T: Clone> Table<T> {
    pub const fn new() -> Self {
        Self { slots: RwLock::new(Slots { slots: Vec::new(), free: VecDeque::new() }) }
    }

    /// A token for `object`; `None` where there are 2^24 objects already.
    pub fn insert(&self, tag: Tag, object: T) -> Option<u64> {
        let mut table = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let index = match table.free.pop_front() {
            Some(index) => index,
            None if table.slots.len() < SLOTS_MAX => {
                table.slots.push(Slot { generation: 0, tag: 0, object: None });
                u32::try_from(table.slots.len() - 1).ok()?
            }
            None => return None,
        };
        let slot = table.slots.get_mut(index as usize)?;
        slot.generation += 1;
        slot.tag = tag as u8;
        slot.object = Some(object);
        Some(token(tag as u8, index, slot.generation))
    }

    /// What `token` stands for.
    pub fn get(&self, token: u64) -> Option<T> {
        let table = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        table.live(token).and_then(|slot| slot.object.clone())
    }

    /// Takes `token` out; from now on it stands for nothing.
    pub fn remove(&self, token: u64) -> Option<T> {
        let mut table = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        table.live(token)?;
        table.take(parts(token).1)
    }

    /// Takes out every object that `which` names, and puts what `instead` gives in its place, under the same token.
    /// Gives those taken out, for dropping outside the lock.
    pub fn remove_where(&self, which: impl Fn(&T) -> bool, instead: impl Fn(&T) -> Option<T>) -> Vec<T> {
        let mut table = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        for index in 0u32.. {
            let Some(slot) = table.slots.get_mut(index as usize) else { break };
            let Some(object) = slot.object.as_ref().filter(|object| which(object)) else { continue };
            match instead(object) {
                Some(other) => taken.extend(slot.object.replace(other)),
                None => taken.extend(table.take(index)),
            }
        }
        taken
    }
}

impl<T> Slots<T> {
    fn live(&self, token: u64) -> Option<&Slot<T>> {
        let (tag, index, generation) = parts(token);
        self.slots.get(index as usize).filter(|slot| slot.tag == tag && slot.generation == generation)
    }

    fn take(&mut self, index: u32) -> Option<T> {
        let slot = self.slots.get_mut(index as usize)?;
        let object = slot.object.take()?;
        slot.tag = 0;
        // A slot whose generations are used up is never used again.
        if slot.generation < u32::MAX {
            self.free.push_back(index);
        }
        Some(object)
    }
}

fn token(tag: u8, index: u32, generation: u32) -> u64 {
    u64::from(tag) << (SLOT_BITS + GENERATION_BITS) | u64::from(generation) << SLOT_BITS | u64::from(index)
}

fn parts(token: u64) -> (u8, u32, u32) {
    let tag = (token >> (SLOT_BITS + GENERATION_BITS)) as u8;
    let index = (token & (SLOTS_MAX as u64 - 1)) as u32;
    (tag, index, (token >> SLOT_BITS) as u32)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn stale_foreign_and_random_tokens_stand_for_nothing() {
        let table = Table::new();
        let first = table.insert(Tag::Engine, 1).unwrap();
        assert_eq!(table.get(first), Some(1));
        for wrong in [0, 1, u64::MAX, first ^ 1, first ^ (1 << 24), first ^ (1 << 60), first + (1 << 56)] {
            assert_eq!(table.get(wrong), None, "{wrong:x}");
            assert_eq!(table.remove(wrong), None, "{wrong:x}");
        }
        assert_eq!(table.remove(first), Some(1));
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(first), None);
        let second = table.insert(Tag::Engine, 2).unwrap();
        assert_ne!(first, second);
        assert_eq!((table.get(first), table.get(second)), (None, Some(2)));
    }

    #[test]
    fn a_slot_at_the_end_of_its_generations_retires() {
        let table = Table::new();
        let first = table.insert(Tag::Cursor, 1).unwrap();
        table.slots.write().unwrap().slots[0].generation = u32::MAX - 1;
        assert_eq!(table.get(first), None);
        table.remove_where(|_| true, |_| None);
        let last = table.insert(Tag::Cursor, 2).unwrap();
        assert_eq!(parts(last).1, 0);
        assert_eq!(table.remove(last), Some(2));
        assert_eq!(parts(table.insert(Tag::Cursor, 3).unwrap()).1, 1);
    }

    #[test]
    fn an_object_lives_while_a_call_is_inside() {
        let table = Table::new();
        let token = table.insert(Tag::Message, Arc::new(5)).unwrap();
        let inside = table.get(token).unwrap();
        table.remove(token);
        assert_eq!(*inside, 5);
        assert_eq!(Arc::strong_count(&inside), 1);
    }

    #[test]
    fn children_go_together() {
        let table = Table::new();
        let tokens: Vec<u64> = (0..6).map(|n| table.insert(Tag::Account, n).unwrap()).collect();
        let mut gone = table.remove_where(|n| n % 2 == 0, |n| (*n == 4).then_some(40));
        gone.sort_unstable();
        assert_eq!(gone, [0, 2, 4]);
        let left: Vec<Option<i32>> = tokens.iter().map(|token| table.get(*token)).collect();
        assert_eq!(left, [None, Some(1), None, Some(3), Some(40), Some(5)]);
    }
}
