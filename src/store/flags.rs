//! STORE: changes flags in the view and in the blocks of `state`; no message's row is touched.
//!
//! Of many messages it is done in steps, a commit each, so that nobody else waits for long. Others see the steps; each
//! has a modification sequence of its own. A message that goes meanwhile is left out, UNCHANGEDSINCE is judged for each
//! message in its step.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::delta::{self, Flagged};
use super::transaction::WriteTx;
use super::{FlagChange, FlagsChanged, Snapshot, Store};
use crate::base::snapshot::Messages;
use crate::base::{MailboxId, ModSeq, Result, Uid, UidSet};

impl Store {
    /// Has STORE change this many messages at a time in place of the limit, at least one: for tests.
    #[doc(hidden)]
    pub fn set_store_step_messages(&self, most: usize) {
        self.shared().store_step_messages.store(most.max(1), Ordering::SeqCst);
    }

    /// STORE. Messages whose flags stay the same keep their modification sequence. `Limit`, and nothing is done,
    /// where a new keyword cannot be kept. After other errors some of many messages may be changed.
    pub async fn change_flags(
        &self,
        mailbox: MailboxId,
        uids: UidSet,
        change: FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<FlagsChanged> {
        let known = self.snapshot(mailbox).await?;
        let most = self.shared().store_step_messages.load(Ordering::SeqCst);
        let steps = steps(&known.messages, uids, most);
        let are_many = steps.len() > 1;
        let (known, change) = (Arc::new(known), Arc::new(change));
        let mut all = FlagsChanged::default();
        for uids in steps {
            let _turn = match are_many {
                true => Some(self.shared().turns.step().await),
                false => None,
            };
            let (known, change) = (known.clone(), change.clone());
            let done = self.write(0, move |tx| step(tx, &known, &uids, &change, unchanged_since)).await?;
            all.mod_seq = done.mod_seq;
            all.steps.extend(done.steps);
            all.changed.extend(done.changed);
            all.modified.extend(done.modified);
            all.flags = done.flags;
        }
        Ok(all)
    }
}

/// The UIDs, cut where so many messages are meant. One step at least; the last one has those behind all messages too.
fn steps(messages: &Messages, uids: UidSet, most: usize) -> Vec<UidSet> {
    if messages.matching(&uids).map(|(_, range)| range.len()).sum::<usize>() <= most {
        return vec![uids];
    }
    let meant: Vec<Uid> = messages.among(&uids).map(|message| message.uid).collect();
    let mut steps: Vec<UidSet> = meant.chunks(most).map(|some| some.iter().copied().collect()).collect();
    let last = meant.last().copied().unwrap_or(0);
    let behind = uids.ranges().iter().filter(|(_, high)| *high > last);
    let behind: Vec<(Uid, Uid)> = behind.map(|(low, high)| ((*low).max(last.saturating_add(1)), *high)).collect();
    if let Some(step) = steps.last_mut().filter(|_| !behind.is_empty()) {
        *step = UidSet::from_ranges(step.ranges().iter().copied().chain(behind).collect());
    }
    steps
}

fn step(
    tx: &mut WriteTx<'_>,
    known: &Snapshot,
    uids: &UidSet,
    change: &FlagChange,
    unchanged_since: Option<ModSeq>,
) -> Result<FlagsChanged> {
    let mailbox = known.mailbox;
    let (row, view) = (tx.row(mailbox)?, tx.view(known)?);
    let (found, delta) = delta::change_flags(mailbox, &row, &view, uids, change, unchanged_since)?;
    let mod_seq = delta.as_ref().map_or(row.mod_seq, |delta| delta.row.mod_seq);
    delta.map_or(Ok(()), |delta| tx.apply(delta))?;
    let Flagged { changed, modified, flags } = found;
    let steps = changed.last().map(|last| (*last, mod_seq)).into_iter().collect();
    Ok(FlagsChanged { mod_seq, steps, changed, modified, flags })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Flags;
    use crate::base::snapshot::Message;

    #[test]
    fn each_uid_is_in_one_step() {
        let message = |uid| Message { uid, flags: Flags::NONE, mod_seq: 1 };
        let messages = Messages::of([1, 2, 5, 9, 700].map(message));
        let ranges = |uids: UidSet, most| -> Vec<Vec<(Uid, Uid)>> {
            steps(&messages, uids, most).iter().map(|step| step.ranges().to_vec()).collect()
        };
        assert_eq!(ranges(UidSet::all(), 5), [[(1, Uid::MAX)]]);
        assert_eq!(ranges(UidSet::all(), 2), [vec![(1, 2)], vec![(5, 5), (9, 9)], vec![(700, Uid::MAX)]]);
        assert_eq!(ranges(UidSet::from_ranges(vec![(2, 9)]), 2), [vec![(2, 2), (5, 5)], vec![(9, 9)]]);
    }
}
