//! STORE: changes flags in the view and in the blocks of `state`; no message's row is touched.

use std::sync::Arc;

use super::message::keyword_flags;
use super::transaction::WriteTx;
use super::{FlagChange, FlagHow, FlagsChanged, Store};
use crate::base::{Flags, MailboxId, ModSeq, Result, Uid, UidSet};

impl Store {
    /// STORE. Messages whose flags stay the same keep their modification sequence.
    pub async fn change_flags(
        &self,
        mailbox: MailboxId,
        uids: UidSet,
        change: FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<FlagsChanged> {
        self.write(0, move |tx| change_flags(tx, mailbox, &uids, &change, unchanged_since)).await
    }
}

/// Places in a view, as (first, behind) ranges, of the UIDs of a set.
pub(super) fn places(view: &[Uid], uids: &UidSet) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut from = 0;
    for (low, high) in uids.ranges() {
        let rest = view.get(from..).unwrap_or_default();
        let first = from + rest.partition_point(|uid| uid < low);
        let behind = from + rest.partition_point(|uid| uid <= high);
        if first < behind {
            places.push((first, behind));
        }
        from = behind;
    }
    places
}

fn change_flags(
    tx: &mut WriteTx<'_>,
    mailbox: MailboxId,
    uids: &UidSet,
    change: &FlagChange,
    unchanged_since: Option<ModSeq>,
) -> Result<FlagsChanged> {
    tx.row(mailbox)?;
    let create = change.how != FlagHow::Remove;
    let (keywords, left_out) = keyword_flags(tx, mailbox, &change.keywords, create)?;
    let bits = change.flags & Flags::SYSTEM | keywords;
    let new = |old: Flags| change.how.apply(old, bits);
    let view = tx.view(mailbox)?;
    let mut done = FlagsChanged { keywords_full: create && left_out, flags: bits, ..FlagsChanged::default() };
    let mut changed = Vec::new();
    let (mut unseen, mut deleted) = (0i64, 0i64);
    for (first, behind) in places(&view.uids, uids) {
        let (uids, flags, mod_seqs) = (
            view.uids.get(first..behind).unwrap_or_default(),
            view.flags.get(first..behind).unwrap_or_default(),
            view.mod_seqs.get(first..behind).unwrap_or_default(),
        );
        for (place, ((uid, old), mod_seq)) in (first..).zip(uids.iter().zip(flags).zip(mod_seqs)) {
            if unchanged_since.is_some_and(|since| *mod_seq > since) {
                done.modified.push(*uid);
                continue;
            }
            let now = new(*old);
            if now != *old {
                changed.push(place);
                done.changed.push(*uid);
                let count = |flag: Flags| i64::from(now.contains(flag)) - i64::from(old.contains(flag));
                unseen -= count(Flags::SEEN);
                deleted += count(Flags::DELETED);
            }
        }
    }
    if changed.is_empty() {
        done.mod_seq = tx.row(mailbox)?.mod_seq;
        return Ok(done);
    }
    let row = tx.row_mut(mailbox)?;
    row.mod_seq += 1;
    row.unseen = row.unseen.saturating_add_signed(unseen as i32);
    row.deleted = row.deleted.saturating_add_signed(deleted as i32);
    done.mod_seq = row.mod_seq;
    tx.restated(mailbox, done.changed.iter().copied());
    let view = tx.view_mut(mailbox)?;
    let (flags, mod_seqs) = (Arc::make_mut(&mut view.flags), Arc::make_mut(&mut view.mod_seqs));
    for place in changed {
        if let (Some(flags), Some(mod_seq)) = (flags.get_mut(place), mod_seqs.get_mut(place)) {
            *flags = new(*flags);
            *mod_seq = done.mod_seq;
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_a_set() {
        let view = [2, 4, 5, 9, 10];
        for (set, expected) in [
            (vec![], vec![]),
            (vec![(1, Uid::MAX)], vec![(0, 5)]),
            (vec![(1, 1), (3, 3), (11, 20)], vec![]),
            (vec![(2, 2), (5, 9)], vec![(0, 1), (2, 4)]),
            (vec![(1, 4), (10, 10)], vec![(0, 2), (4, 5)]),
        ] {
            assert_eq!(places(&view, &UidSet::from_ranges(set)), expected);
        }
    }
}
