//! Facts of messages: what never changes. A mailbox's are read whole at first need and kept; new ones are added.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, params};

use super::flags::places;
use super::{Fact, Store};
use crate::base::limits::{FACTS_DIRECT_MAX, FACTS_MAX};
use crate::base::{BlobId, MailboxId, Result, Timestamp, Uid, UidSet};

/// The facts of one mailbox up to some UID; those of expunged messages may linger.
#[derive(Debug, Clone, Default)]
struct Table {
    facts: Arc<Vec<Fact>>,
    up_to: Uid,
    used: u64,
}

/// The facts kept in memory.
#[derive(Debug, Default)]
pub(super) struct FactTables {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    tables: BTreeMap<MailboxId, Table>,
    tick: u64,
}

impl Store {
    /// Facts of the given messages, ascending; expunged ones are missing.
    pub async fn facts(&self, mailbox: MailboxId, uids: &UidSet) -> Result<Vec<Fact>> {
        let snapshot = self.snapshot(mailbox).await?;
        let places = places(&snapshot.uids, uids);
        let wanted: Vec<Uid> =
            places.iter().flat_map(|(a, b)| snapshot.uids.get(*a..*b).unwrap_or_default()).copied().collect();
        let Some(last) = wanted.last().copied() else { return Ok(Vec::new()) };
        let tables = &self.shared().facts;
        let mut table = match tables.get(mailbox) {
            // Much of it is of messages that went: read anew.
            Some(table) if table.facts.len() / 2 > snapshot.uids.len() + FACTS_DIRECT_MAX => Table::default(),
            Some(table) => table,
            None if wanted.len() <= FACTS_DIRECT_MAX => {
                let wanted: UidSet = wanted.into_iter().collect();
                return self.read(move |db| read(db, mailbox, wanted.ranges())).await;
            }
            None => Table::default(),
        };
        if table.up_to < last {
            let (from, to) = (table.up_to + 1, snapshot.uid_next - 1);
            let new = self.read(move |db| read(db, mailbox, &[(from, to)])).await?;
            Arc::make_mut(&mut table.facts).extend(new);
            table.up_to = to;
            tables.keep(mailbox, table.clone());
        }
        Ok(pick(&table.facts, &wanted))
    }
}

/// Those of these UIDs.
fn pick(facts: &[Fact], wanted: &[Uid]) -> Vec<Fact> {
    let first = wanted.first().map_or(0, |uid| facts.partition_point(|fact| fact.uid < *uid));
    let mut rest = facts.get(first..).unwrap_or_default();
    let mut picked = Vec::with_capacity(wanted.len());
    for uid in wanted {
        // Mostly the very next one.
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
    picked
}

fn read(db: &Connection, mailbox: MailboxId, ranges: &[(Uid, Uid)]) -> Result<Vec<Fact>> {
    let mut facts = Vec::new();
    let mut select = db.prepare_cached(
        "SELECT uid, internaldate, size, blob FROM fact WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid",
    )?;
    for (low, high) in ranges {
        let mut rows = select.query(params![mailbox.0, low, high])?;
        while let Some(row) = rows.next()? {
            facts.push(Fact {
                uid: row.get(0)?,
                internal_date: Timestamp(row.get(1)?),
                size: row.get::<_, i64>(2)? as u64,
                blob: BlobId(row.get(3)?),
            });
        }
    }
    Ok(facts)
}

impl FactTables {
    fn get(&self, mailbox: MailboxId) -> Option<Table> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tick += 1;
        let tick = kept.tick;
        let table = kept.tables.get_mut(&mailbox)?;
        table.used = tick;
        Some(table.clone())
    }

    fn keep(&self, mailbox: MailboxId, mut table: Table) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tick += 1;
        table.used = kept.tick;
        kept.tables.insert(mailbox, table);
        let mut left: usize = kept.tables.values().map(|table| table.facts.len()).sum();
        while left > FACTS_MAX && kept.tables.len() > 1 {
            let oldest = kept.tables.iter().min_by_key(|(_, table)| table.used).map(|(mailbox, _)| *mailbox);
            left -= oldest.and_then(|mailbox| kept.tables.remove(&mailbox)).map_or(0, |table| table.facts.len());
        }
    }

    /// Forgets all: after the store was reopened, a message may not be there any more whose commit was in doubt.
    pub fn clear(&self) {
        let before = std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner).tables);
        drop(before);
    }
}
