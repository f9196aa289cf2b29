//! A set of UIDs as sorted, disjoint, non-adjacent ranges: what STORE, COPY, EXPUNGE and SEARCH speak in.

use std::fmt;

use super::mailbox::Uid;

/// A set of UIDs. Always normal: ranges ascend and neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UidSet(Vec<(Uid, Uid)>);

impl UidSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every UID.
    pub fn all() -> Self {
        Self(vec![(1, Uid::MAX)])
    }

    /// From ranges in any order and direction, overlapping or not.
    pub fn from_ranges(mut ranges: Vec<(Uid, Uid)>) -> Self {
        for (low, high) in &mut ranges {
            if low > high {
                std::mem::swap(low, high);
            }
        }
        ranges.sort_unstable();
        let mut set = Self(Vec::with_capacity(ranges.len()));
        for (low, high) in ranges {
            set.push_range(low, high);
        }
        set
    }

    /// Adds a range that begins at or behind the beginning of the last one.
    pub fn push_range(&mut self, low: Uid, high: Uid) {
        match self.0.last_mut() {
            Some((_, end)) if low <= end.saturating_add(1) => *end = (*end).max(high),
            _ => self.0.push((low, high)),
        }
    }

    /// Adds a UID not below the last one.
    pub fn push(&mut self, uid: Uid) {
        self.push_range(uid, uid);
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[(Uid, Uid)] {
        &self.0
    }

    /// Whether `uid` is in it.
    pub fn contains(&self, uid: Uid) -> bool {
        let behind = self.0.partition_point(|(low, _)| *low <= uid);
        behind.checked_sub(1).and_then(|i| self.0.get(i)).is_some_and(|(_, high)| uid <= *high)
    }

    /// What is in both sets.
    pub fn both(&self, other: &UidSet) -> UidSet {
        let (mut one, mut two) = (self.0.as_slice(), other.0.as_slice());
        let mut both = UidSet::new();
        while let ([(low, high), rest @ ..], [(other_low, other_high), other_rest @ ..]) = (one, two) {
            let (from, to) = (*low.max(other_low), *high.min(other_high));
            if from <= to {
                both.push_range(from, to);
            }
            if high <= other_high {
                one = rest;
            } else {
                two = other_rest;
            }
        }
        both
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many UIDs it spans.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(low, high)| u64::from(high - low) + 1).sum()
    }

    /// The UIDs one by one; only for sets known to be of existing messages.
    pub fn iter(&self) -> impl Iterator<Item = Uid> + '_ {
        self.0.iter().flat_map(|(low, high)| *low..=*high)
    }
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        let mut set = Self::new();
        let mut uids = uids.into_iter();
        while let Some(uid) = uids.next() {
            match set.0.last() {
                Some((_, high)) if uid < *high => {
                    // Not ascending: all are sorted.
                    let rest = std::iter::once(uid).chain(uids).map(|uid| (uid, uid));
                    return Self::from_ranges(set.0.into_iter().chain(rest).collect());
                }
                _ => set.push(uid),
            }
        }
        set
    }
}

impl fmt::Display for UidSet {
    /// As a sequence-set of RFC 9051 §9: `1:3,7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (low, high)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            if low == high { write!(f, "{comma}{low}")? } else { write!(f, "{comma}{low}:{high}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_both() {
        let set = |ranges: &[(Uid, Uid)]| UidSet::from_ranges(ranges.to_vec());
        let one = set(&[(1, 5), (9, 9), (20, 30)]);
        for (other, want) in [
            (set(&[]), ""),
            (set(&[(3, 25)]), "3:5,9,20:25"),
            (UidSet::all(), "1:5,9,20:30"),
            (set(&[(5, 8), (10, 19), (30, 40)]), "5,30"),
        ] {
            assert_eq!((one.both(&other).to_string(), other.both(&one).to_string()), (want.into(), want.into()));
        }
    }

    #[test]
    fn normalises() {
        let set = UidSet::from_ranges(vec![(9, 7), (1, 2), (3, 3), (8, 12), (20, 20)]);
        assert_eq!(set.to_string(), "1:3,7:12,20");
        assert_eq!(set.count(), 10);
        for (uid, inside) in
            [(0, false), (1, true), (3, true), (4, false), (12, true), (13, false), (20, true), (21, false)]
        {
            assert_eq!(set.contains(uid), inside, "{uid}");
        }
        assert!(UidSet::all().contains(Uid::MAX));
        for (uids, set) in
            [(&[5, 3, 4][..], "3:5"), (&[], ""), (&[1, 2, 2, 9], "1:2,9"), (&[1, 2, 9, 9, 3, 8, 20], "1:3,8:9,20")]
        {
            assert_eq!(uids.iter().copied().collect::<UidSet>().to_string(), set);
        }
    }
}
