//! Sequence sets (RFC 9051 §9): as a command writes them, and as places in a view.

use std::ops::Range;

use super::command::Partial;
use crate::base::snapshot::{Messages, Part};
use crate::base::{Uid, UidSet};

/// A message number or UID in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// This one.
    Is(u32),
    /// `*`, the last message.
    Last,
}

/// A set as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SequenceSet {
    /// Ranges in any order and direction.
    Ranges(Vec<(Number, Number)>),
    /// `$`: what the last SEARCH saved.
    Saved,
}

/// A message number beyond the last message (RFC 9051 §9, `seq-number`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeyondLast;

/// Places in a view: ascending, disjoint ranges of indexes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places(Vec<Range<usize>>);

impl Places {
    /// The first `n` places.
    pub fn first(n: usize) -> Places {
        if n == 0 { Places::default() } else { Places(vec![Range { start: 0, end: n }]) }
    }

    fn normal(mut ranges: Vec<Range<usize>>) -> Places {
        ranges.retain(|r| !r.is_empty());
        ranges.sort_unstable_by_key(|r| r.start);
        let mut places = Places(Vec::with_capacity(ranges.len()));
        for range in ranges {
            match places.0.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => places.0.push(range),
            }
        }
        places
    }

    /// Adds a place above all others.
    pub fn push(&mut self, place: usize) {
        match self.0.last_mut() {
            Some(last) if last.end == place => last.end += 1,
            _ => self.0.push(place..place + 1),
        }
    }

    /// The places one by one, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().cloned().flatten()
    }

    /// The ranges.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `place` is among them.
    pub fn contains(&self, place: usize) -> bool {
        let behind = self.0.partition_point(|r| r.start <= place);
        behind.checked_sub(1).and_then(|i| self.0.get(i)).is_some_and(|r| r.contains(&place))
    }

    /// Adds places above all others, side by side.
    pub fn push_range(&mut self, places: Range<usize>) {
        match self.0.last_mut() {
            _ if places.is_empty() => {}
            Some(last) if last.end == places.start => last.end = places.end,
            _ => self.0.push(places),
        }
    }

    /// The part of them that `partial` means (RFC 9394 §3.3).
    pub fn part_of(&self, partial: Partial) -> Places {
        let Range { start, end } = partial.places(self.count());
        let mut rest = self.clone();
        rest.take_first(start);
        rest.take_first(end.saturating_sub(start))
    }

    /// The first `n` places, which are taken away.
    pub fn take_first(&mut self, n: usize) -> Places {
        let mut left = n;
        let mut taken = Places::default();
        let mut whole = 0;
        for range in &mut self.0 {
            let here = range.len().min(left);
            taken.push_range(range.start..range.start + here);
            range.start += here;
            left -= here;
            whole += usize::from(range.start >= range.end);
            if left == 0 {
                break;
            }
        }
        self.0.drain(..whole);
        taken
    }

    /// These places but for those of `others`.
    pub fn without(&self, others: &Places) -> Places {
        let mut left = Places::default();
        let mut others = others.0.iter().peekable();
        for range in &self.0 {
            let mut start = range.start;
            while others.next_if(|other| other.end <= start).is_some() {}
            while let Some(other) = others.peek().filter(|other| other.start < range.end) {
                left.push_range(start..other.start);
                start = other.end;
                if other.end >= range.end {
                    break;
                }
                others.next();
            }
            left.push_range(start..range.end);
        }
        left
    }

    /// The places that are among these and among others.
    pub fn both(&self, others: &Places) -> Places {
        self.without(&self.without(others))
    }

    /// The messages at these places, block by block: the place of the first, and what of the block is meant.
    pub fn parts<'a>(&'a self, messages: &'a Messages) -> impl Iterator<Item = (usize, Part<'a>)> + 'a {
        self.0.iter().flat_map(|range| messages.parts(range.clone()))
    }

    /// The UIDs at these places.
    pub fn uids(&self, messages: &Messages) -> UidSet {
        let mut set = UidSet::new();
        self.parts(messages).for_each(|(_, part)| part.uids.iter().for_each(|uid| set.push(*uid)));
        set
    }
}

impl SequenceSet {
    /// Places of the messages with these numbers, in a view of `count` messages. `*` in an empty view is no
    /// message; a number beyond the last is an error.
    pub fn by_number(&self, messages: &Messages, saved: &UidSet) -> Result<Places, BeyondLast> {
        let SequenceSet::Ranges(ranges) = self else {
            return Ok(places_of(saved, messages));
        };
        let count = messages.len();
        let mut places = Vec::with_capacity(ranges.len());
        for (low, high) in ranges {
            let number = |n: &Number| match n {
                Number::Is(n) => *n as usize,
                Number::Last => count,
            };
            let (low, high) = (number(low).min(number(high)), number(low).max(number(high)));
            if high > count && !(count == 0 && low <= 1 && self.has_last()) {
                return Err(BeyondLast);
            }
            places.push(low.saturating_sub(1)..high.min(count));
        }
        Ok(Places::normal(places))
    }

    /// As [`SequenceSet::by_number`] for SEARCH, where numbers are a key: one beyond the last fits no message.
    pub fn by_number_found(&self, messages: &Messages, saved: &UidSet) -> Places {
        let SequenceSet::Ranges(ranges) = self else {
            return places_of(saved, messages);
        };
        let count = messages.len();
        let places = ranges.iter().map(|(low, high)| {
            let number = |n: &Number| match n {
                Number::Is(n) => *n as usize,
                Number::Last => count,
            };
            let (low, high) = (number(low).min(number(high)), number(low).max(number(high)));
            low.saturating_sub(1)..high.min(count)
        });
        Places::normal(places.collect())
    }

    /// Places of the messages with these UIDs; UIDs that are not there are passed over. `*` is the last
    /// message, and `n:*` therefore always holds it (RFC 9051 §9, `seq-range`).
    pub fn by_uid(&self, messages: &Messages, saved: &UidSet) -> Places {
        let SequenceSet::Ranges(ranges) = self else {
            return places_of(saved, messages);
        };
        let last = messages.last_uid().unwrap_or(0);
        let places = ranges.iter().map(|(low, high)| {
            let uid = |n: &Number| match n {
                Number::Is(n) => *n,
                Number::Last => last,
            };
            between(messages, uid(low).min(uid(high)), uid(low).max(uid(high)))
        });
        Places::normal(places.collect())
    }

    /// The set as UIDs, there or not; `n:*` reaches beyond all, `*` alone is the last message.
    pub fn uids(&self, messages: &Messages, saved: &UidSet) -> UidSet {
        let SequenceSet::Ranges(ranges) = self else { return saved.clone() };
        let last = messages.last_uid().unwrap_or(0);
        let ranges = ranges.iter().map(|(low, high)| match (low, high) {
            (Number::Is(low), Number::Is(high)) => (*low.min(high), *low.max(high)),
            (Number::Last, Number::Last) => (last, last),
            (Number::Is(uid), Number::Last) | (Number::Last, Number::Is(uid)) => ((*uid).min(last), Uid::MAX),
        });
        UidSet::from_ranges(ranges.filter(|(_, high)| *high > 0).map(|(low, high)| (low.max(1), high)).collect())
    }

    /// Whether `*` stands in it.
    pub fn has_last(&self) -> bool {
        match self {
            SequenceSet::Ranges(ranges) => ranges.iter().any(|(l, h)| *l == Number::Last || *h == Number::Last),
            SequenceSet::Saved => false,
        }
    }
}

fn between(messages: &Messages, low: Uid, high: Uid) -> Range<usize> {
    let behind = high.checked_add(1).map_or(messages.len(), |above| messages.place_from(above));
    messages.place_from(low)..behind
}

/// Places of the members of `set` that are in the view.
pub fn places_of(set: &UidSet, messages: &Messages) -> Places {
    Places::normal(set.ranges().iter().map(|(low, high)| between(messages, *low, *high)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::grammar::Cursor;
    use super::*;
    use crate::base::Flags;
    use crate::base::snapshot::Message;

    fn view(uids: &[Uid]) -> Messages {
        Messages::of(uids.iter().map(|uid| Message { uid: *uid, flags: Flags::NONE, mod_seq: 1 }))
    }

    fn set(text: &str) -> SequenceSet {
        Cursor::new(text.as_bytes(), false).sequence_set().expect(text)
    }

    #[test]
    fn a_part_of_a_result() {
        let mut places = Places::default();
        [1, 2, 5, 6, 7, 9].into_iter().for_each(|place| places.push(place));
        for (low, high, from_end, want) in [
            (1, 2, false, vec![1, 2]),
            (3, 4, false, vec![5, 6]),
            (6, 100, false, vec![9]),
            (7, 9, false, vec![]),
            (1, 2, true, vec![7, 9]),
            (2, 4, true, vec![5, 6, 7]),
            (5, 99, true, vec![1, 2]),
            (7, 9, true, vec![]),
        ] {
            let part = places.part_of(Partial { one: low, other: high, from_end });
            assert_eq!(part.iter().collect::<Vec<_>>(), want, "{low} {high} {from_end}");
        }
    }

    #[test]
    fn sets_as_uids_that_need_not_be_there() {
        let view = view(&[3, 5, 20]);
        for (text, want) in [("1:4", "1:4"), ("7", "7"), ("*", "20"), ("30:*", "20:4294967295"), ("$", "9")] {
            assert_eq!(set(text).uids(&view, &[9].into_iter().collect()).to_string(), want);
        }
    }

    #[test]
    fn numbers_and_uids_find_their_places() {
        for (text, by_number, by_uid) in [
            ("1", Some(vec![0]), vec![]),
            ("1:3", Some(vec![0, 1, 2]), vec![0]),
            ("*", Some(vec![4]), vec![4]),
            ("3:*", Some(vec![2, 3, 4]), vec![0, 1, 2, 3, 4]),
            ("*:2", Some(vec![1, 2, 3, 4]), vec![0, 1, 2, 3, 4]),
            ("5,1,2:1", Some(vec![0, 1, 4]), vec![1]),
            ("6", None, vec![]),
            ("4:9", None, vec![1, 2, 3]),
            ("100:*", None, vec![4]),
            ("$", Some(vec![1, 4]), vec![1, 4]),
        ] {
            let saved = [5, 6, 20].into_iter().collect();
            let view = view(&[3, 5, 8, 9, 20]);
            let numbers = set(text).by_number(&view, &saved).ok().map(|p| p.iter().collect::<Vec<_>>());
            assert_eq!(numbers, by_number, "{text}");
            let places = set(text).by_uid(&view, &saved);
            assert_eq!(places.iter().collect::<Vec<_>>(), by_uid, "{text}");
            assert_eq!(places.count(), by_uid.len());
            assert!((0..6).all(|i| places.contains(i) == by_uid.contains(&i)));
        }
    }

    #[test]
    fn places_are_taken_in_order() {
        let all = [0, 1, 2, 5, 7, 8, 9];
        for n in 1..9 {
            let mut places = Places::default();
            all.iter().for_each(|place| places.push(*place));
            let mut taken = Vec::new();
            while !places.is_empty() {
                let first = places.take_first(n);
                assert_eq!(first.count(), n.min(all.len() - taken.len()));
                taken.extend(first.iter());
            }
            assert_eq!(taken, all);
        }
        assert!(Places::default().take_first(3).is_empty());
    }

    #[test]
    fn places_without_others() {
        let places = |bits: u32| {
            let mut places = Places::default();
            (0..7).filter(|place| bits & 1 << place != 0).for_each(|place| places.push(place));
            places
        };
        for (a, b) in (0..128).flat_map(|a| (0..128).map(move |b| (a, b))) {
            assert_eq!(places(a).without(&places(b)), places(a & !b), "{a:b} {b:b}");
            assert_eq!(places(a).both(&places(b)), places(a & b), "{a:b} {b:b}");
        }
    }

    #[test]
    fn an_empty_mailbox_has_no_last_message() {
        let none = UidSet::new();
        assert_eq!(set("1:*").by_number(&view(&[]), &none), Ok(Places::default()));
        assert_eq!(set("*").by_number(&view(&[]), &none), Ok(Places::default()));
        assert_eq!(set("1").by_number(&view(&[]), &none), Err(BeyondLast));
        assert!(set("1:*").by_uid(&view(&[]), &none).is_empty());
    }
}
