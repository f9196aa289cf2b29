//! Facts of messages: what never changes. Kept in memory as columns beside the blocks of the view, a block's when many
//! of its messages are asked for, or a few for the second time; bounded in all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::database::Read;
use super::{Fact, Snapshot, Store};
use crate::base::limits::{FACTS_ASKED_MAX, FACTS_DIRECT_MAX, FACTS_MAX};
use crate::base::snapshot::{BLOCK_UIDS, block_of};
use crate::base::{Error, ErrorKind, MailboxId, Result, Uid, UidSet};

/// The facts of one block up to some UID; those of expunged messages may linger.
#[derive(Debug, Clone, Default)]
struct Column {
    facts: Arc<Vec<Fact>>,
    up_to: Uid,
}

/// The facts kept in memory.
#[derive(Debug, Default)]
pub(super) struct FactTables {
    kept: Mutex<FactBlocks>,
}

#[derive(Debug, Default)]
struct FactBlocks {
    /// By mailbox and block, with the tick of their last use.
    columns: BTreeMap<(MailboxId, u32), (Column, u64)>,
    count: usize,
    tick: u64,
    /// Blocks of which a few messages were asked for, the latest behind.
    asked: VecDeque<(MailboxId, u32)>,
}

/// What is wanted of a block: its number and UIDs, ascending.
type Wanted = (u32, Vec<Uid>);

impl Store {
    /// Facts of the given messages, ascending; expunged ones are missing, but for those somebody holds
    /// ([`Store::hold`]).
    pub async fn facts(&self, mailbox: MailboxId, uids: &UidSet) -> Result<Vec<Fact>> {
        let snapshot = self.snapshot(mailbox).await?;
        let mut facts = self.present_facts(&snapshot, uids).await?;
        // After reading: what went since the snapshot was kept before it went.
        let went = self.shared().ghosts.facts(mailbox, uids);
        if !went.is_empty() {
            facts.extend(went);
            facts.sort_unstable_by_key(|fact| fact.uid);
            facts.dedup_by_key(|fact| fact.uid);
        }
        Ok(facts)
    }

    async fn present_facts(&self, snapshot: &Snapshot, uids: &UidSet) -> Result<Vec<Fact>> {
        let mailbox = snapshot.mailbox;
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut count = 0;
        for (block, range) in snapshot.messages.matching(uids) {
            let uids = block.uids().get(range).unwrap_or_default();
            count += uids.len();
            match wanted.last_mut() {
                Some((number, more)) if *number == block.number() => more.extend_from_slice(uids),
                _ => wanted.push((block.number(), uids.to_vec())),
            }
        }
        let tables = &self.shared().facts;
        let mut columns = tables.columns(mailbox, &wanted);
        let lacks = |column: &Column, uids: &[Uid]| uids.last().is_some_and(|last| column.up_to < *last);
        // Whoever goes through a mailbox by one FETCH for each message shall not ask twice for each.
        let again = || match (wanted.as_slice(), columns.as_slice()) {
            ([(number, uids)], [column]) => lacks(column, uids) && tables.asked_before(mailbox, *number),
            _ => false,
        };
        let keeps = count > FACTS_DIRECT_MAX || again();
        let mut missing: Vec<(Uid, Uid)> = Vec::new();
        for ((number, uids), column) in wanted.iter().zip(&columns) {
            if !lacks(column, uids) {
                continue;
            }
            if !keeps {
                let unknown = uids.iter().copied().filter(|uid| *uid > column.up_to).collect::<UidSet>();
                missing.extend(unknown.ranges());
            } else {
                let first = (number * BLOCK_UIDS).max(column.up_to.saturating_add(1));
                missing.push((first, block_end(*number).min(snapshot.uid_next - 1)));
            }
        }
        if missing.is_empty() {
            return Ok(pick_all(&wanted, &columns));
        }
        let ranges = UidSet::from_ranges(missing);
        let read = self.read(move |db| db.facts(mailbox, ranges.ranges())).await?;
        let mut read = read.as_slice();
        for ((number, uids), column) in wanted.iter().zip(&mut columns) {
            if lacks(column, uids) {
                let behind = read.partition_point(|fact| block_of(fact.uid) <= *number);
                let (mine, rest) = read.split_at_checked(behind).unwrap_or_default();
                Arc::make_mut(&mut column.facts).extend_from_slice(mine);
                column.up_to = block_end(*number).min(snapshot.uid_next - 1);
                read = rest;
            }
        }
        if keeps {
            tables.keep(mailbox, &wanted, &columns);
        }
        Ok(pick_all(&wanted, &columns))
    }
}

fn block_end(number: u32) -> Uid {
    number * BLOCK_UIDS + (BLOCK_UIDS - 1)
}

fn pick_all(wanted: &[Wanted], columns: &[Column]) -> Vec<Fact> {
    let mut picked = Vec::with_capacity(wanted.iter().map(|(_, uids)| uids.len()).sum());
    for ((_, uids), column) in wanted.iter().zip(columns) {
        pick(&column.facts, uids, &mut picked);
    }
    picked
}

/// Those of these UIDs.
fn pick(facts: &[Fact], wanted: &[Uid], picked: &mut Vec<Fact>) {
    let first = wanted.first().map_or(0, |uid| facts.partition_point(|fact| fact.uid < *uid));
    let mut rest = facts.get(first..).unwrap_or_default();
    // Mostly all of them, one behind the other.
    if let Some(run) = rest.get(..wanted.len())
        && run.iter().map(|fact| &fact.uid).eq(wanted)
    {
        picked.extend_from_slice(run);
        return;
    }
    for uid in wanted {
        while let Some((fact, behind)) = rest.split_first() {
            if fact.uid > *uid {
                break;
            }
            rest = behind;
            if fact.uid == *uid {
                picked.push(*fact);
                break;
            }
        }
    }
}

/// The facts of messages all of which are there.
pub(super) fn of_all(db: &dyn Read, mailbox: MailboxId, uids: &UidSet) -> Result<Vec<Fact>> {
    let facts = db.facts(mailbox, uids.ranges())?;
    match facts.len() as u64 == uids.count() {
        true => Ok(facts),
        false => Err(Error::new(ErrorKind::Bug, "a message of the view has no fact")),
    }
}

impl FactTables {
    /// What is kept of these blocks, one for each.
    fn columns(&self, mailbox: MailboxId, wanted: &[Wanted]) -> Vec<Column> {
        let mut kept = self.kept();
        kept.tick += 1;
        let tick = kept.tick;
        let mut column = |(number, _): &Wanted| {
            let Some((column, used)) = kept.columns.get_mut(&(mailbox, *number)) else { return Column::default() };
            *used = tick;
            column.clone()
        };
        wanted.iter().map(&mut column).collect()
    }

    /// Whether messages of this block were asked for lately; from now on they were.
    fn asked_before(&self, mailbox: MailboxId, number: u32) -> bool {
        let mut kept = self.kept();
        let known = kept.asked.iter().position(|asked| *asked == (mailbox, number));
        if let Some(known) = known {
            kept.asked.remove(known);
        }
        if kept.asked.len() >= FACTS_ASKED_MAX {
            kept.asked.pop_front();
        }
        kept.asked.push_back((mailbox, number));
        known.is_some()
    }

    fn keep(&self, mailbox: MailboxId, wanted: &[Wanted], columns: &[Column]) {
        let mut kept = self.kept();
        kept.tick += 1;
        let tick = kept.tick;
        for ((number, _), column) in wanted.iter().zip(columns) {
            let before = kept.columns.insert((mailbox, *number), (column.clone(), tick));
            kept.count += column.facts.len();
            kept.count -= before.map_or(0, |(before, _)| before.facts.len());
        }
        if kept.count > FACTS_MAX {
            kept.shrink(FACTS_MAX / 4 * 3);
        }
    }

    /// Forgets all: after the store was reopened, a message may not be there any more whose commit was in doubt.
    pub fn clear(&self) {
        let before = std::mem::take(&mut *self.kept());
        drop(before);
    }

    fn kept(&self) -> MutexGuard<'_, FactBlocks> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FactBlocks {
    /// Forgets what was used longest ago until no more than `most` facts are left.
    fn shrink(&mut self, most: usize) {
        let mut oldest: Vec<_> = self.columns.iter().map(|(key, (_, used))| (*used, *key)).collect();
        oldest.sort_unstable();
        for (_, key) in oldest {
            if self.count <= most {
                break;
            }
            self.count -= self.columns.remove(&key).map_or(0, |(column, _)| column.facts.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{BlobId, Timestamp};

    #[test]
    fn blocks_asked_for_lately_are_known() {
        let tables = FactTables::default();
        let (one, other) = (MailboxId(1), MailboxId(2));
        assert!(!tables.asked_before(one, 7) && !tables.asked_before(other, 7) && !tables.asked_before(one, 8));
        assert!(tables.asked_before(one, 7));
        for number in 0..FACTS_ASKED_MAX as u32 - 1 {
            assert!(!tables.asked_before(MailboxId(3), number));
        }
        assert!(tables.asked_before(one, 7) && !tables.asked_before(other, 7));
        assert_eq!(tables.kept().asked.len(), FACTS_ASKED_MAX);
    }

    #[test]
    fn the_blocks_used_longest_ago_go() {
        let tables = FactTables::default();
        let fact = |uid| Fact { uid, internal_date: Timestamp(1), size: 1, blob: BlobId(1) };
        let column =
            |number: u32| Column { facts: Arc::new((0..512).map(|n| fact(number * 512 + n)).collect()), up_to: 9 };
        let number_of = FACTS_MAX as u32 / 512;
        for number in 0..=number_of {
            tables.keep(MailboxId(1), &[(number, vec![])], &[column(number)]);
            // The first is in use all the time.
            assert_eq!(tables.columns(MailboxId(1), &[(0, vec![])])[0].facts.len(), 512);
        }
        let kept = tables.kept();
        assert!(kept.count <= FACTS_MAX && kept.count > FACTS_MAX / 2, "{}", kept.count);
        assert_eq!(kept.count, kept.columns.len() * 512);
        assert!(!kept.columns.contains_key(&(MailboxId(1), 1)));
    }
}
