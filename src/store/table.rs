//! Tables about the messages of a mailbox, made of what was computed at delivery and kept in memory: what SEARCH reads
//! of headers, what SORT and THREAD compare.
//!
//! Nothing here is stored. A table is made when a mailbox is first asked about, and added to when it is asked about
//! again. All tables of one kind together stay below their limit; the one used longest ago goes first, and what is too
//! large alone is made anew each time, for the messages asked about only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::meta::described_together;
use super::{BlobMeta, Fact, MetaColumns, Store};
use crate::base::limits::{FETCH_BATCH_MESSAGES_MAX, FETCH_DAMAGED_MAX};
use crate::base::{Error, ErrorKind, MailboxId, Result, Uid, UidSet};

/// One kind of table: a line for each message, UIDs ascending.
pub(super) trait Table: Clone + Default {
    /// What it is made of.
    const WANTED: MetaColumns;
    /// Octets of all tables of this kind that are kept.
    const OCTETS_MAX: usize;
    /// Octets that a message takes of them, as a rule.
    const MESSAGE_OCTETS: usize;
    /// Octets of one that is not kept.
    const APART_OCTETS_MAX: usize;

    fn uids(&self) -> &[Uid];

    fn octets(&self) -> usize;

    /// Adds a message above all others.
    fn add(&mut self, fact: &Fact, meta: &BlobMeta);

    /// Gives back memory that is not used: what is kept is what is counted.
    fn shrink(&mut self);
}

/// The tables of one kind that are kept in memory.
#[derive(Debug)]
pub(super) struct Tables<T> {
    kept: Mutex<CachedTables<T>>,
}

#[derive(Debug)]
struct CachedTables<T> {
    /// With the tick of their last use.
    tables: BTreeMap<MailboxId, (Arc<T>, u64)>,
    tick: u64,
}

impl<T> Default for Tables<T> {
    fn default() -> Self {
        Self { kept: Mutex::new(CachedTables { tables: BTreeMap::new(), tick: 0 }) }
    }
}

impl Store {
    /// The table of at least the given messages, as far as they are still there. `Limit` where it would be too large.
    pub(super) async fn table<T: Table>(
        &self,
        tables: &Tables<T>,
        mailbox: MailboxId,
        uids: &UidSet,
    ) -> Result<Arc<T>> {
        let last = uids.ranges().last().map_or(0, |(_, last)| *last);
        let snapshot = self.snapshot(mailbox).await?;
        if snapshot.count().saturating_mul(T::MESSAGE_OCTETS) > T::OCTETS_MAX {
            return self.table_apart(mailbox, uids).await;
        }
        let kept = tables.get(mailbox).unwrap_or_default();
        let kept_last = kept.uids().last().copied().unwrap_or(0);
        if kept_last >= last {
            return Ok(kept);
        }
        // Where much of it is of messages that went, it is made anew.
        let many = kept.uids().len() / 2 > snapshot.count() + FETCH_BATCH_MESSAGES_MAX;
        let (kept, kept_last) = if many { Default::default() } else { (kept, kept_last) };
        let new = UidSet::from_ranges(vec![(kept_last + 1, last.max(snapshot.uid_next - 1))]);
        let facts = self.facts(mailbox, &new).await?;
        match self.add_to(kept, &facts, T::OCTETS_MAX).await? {
            Some(table) => {
                tables.keep(mailbox, &table);
                Ok(table)
            }
            // Its messages have more than messages have as a rule.
            None => self.table_apart(mailbox, uids).await,
        }
    }

    /// The table of these messages only.
    async fn table_apart<T: Table>(&self, mailbox: MailboxId, uids: &UidSet) -> Result<Arc<T>> {
        let facts = self.facts(mailbox, uids).await?;
        let table = self.add_to(Arc::default(), &facts, T::APART_OCTETS_MAX).await?;
        table.ok_or_else(|| Error::new(ErrorKind::Limit, "too many messages to compare at once"))
    }

    /// Adds messages that come behind those there are; `None` where all have more than `most` octets then.
    async fn add_to<T: Table>(&self, mut table: Arc<T>, mut facts: &[Fact], most: usize) -> Result<Option<Arc<T>>> {
        if facts.is_empty() {
            return Ok(Some(table));
        }
        let to = Arc::make_mut(&mut table);
        while !facts.is_empty() {
            let together = described_together(facts.iter().map(|fact| fact.size)).min(facts.len());
            let (these, rest) = facts.split_at(together);
            let metas = match self.metas_of(these.iter().map(|fact| fact.blob).collect(), T::WANTED).await {
                Err(e) if e.kind() == ErrorKind::Store => self.one_by_one::<T>(these).await?,
                metas => metas?,
            };
            for (fact, meta) in these.iter().zip(metas) {
                if let Some(meta) = meta {
                    to.add(fact, &meta);
                }
            }
            if to.octets() > most {
                return Ok(None);
            }
            facts = rest;
        }
        to.shrink();
        Ok(Some(table))
    }

    /// What was computed of bodies that could not be read together; nothing of those that cannot be read alone.
    async fn one_by_one<T: Table>(&self, facts: &[Fact]) -> Result<Vec<Option<BlobMeta>>> {
        let mut metas = Vec::with_capacity(facts.len());
        let mut in_a_row = 0;
        for fact in facts {
            match self.metas_of(vec![fact.blob], T::WANTED).await {
                Ok(meta) => {
                    in_a_row = 0;
                    metas.push(meta.into_iter().next().flatten());
                }
                Err(e) if e.kind() == ErrorKind::Store && in_a_row < FETCH_DAMAGED_MAX => {
                    in_a_row += 1;
                    metas.push(None);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(metas)
    }
}

impl<T: Table> Tables<T> {
    pub fn get(&self, mailbox: MailboxId) -> Option<Arc<T>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tick += 1;
        let tick = kept.tick;
        let (table, used) = kept.tables.get_mut(&mailbox)?;
        *used = tick;
        Some(table.clone())
    }

    pub fn keep(&self, mailbox: MailboxId, table: &Arc<T>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tick += 1;
        let tick = kept.tick;
        kept.tables.insert(mailbox, (table.clone(), tick));
        let mut octets: usize = kept.tables.values().map(|(table, _)| table.octets()).sum();
        while octets > T::OCTETS_MAX {
            let oldest = kept.tables.iter().min_by_key(|(_, (_, used))| *used).map(|(mailbox, _)| *mailbox);
            let Some((gone, _)) = oldest.and_then(|mailbox| kept.tables.remove(&mailbox)) else { break };
            octets -= gone.octets();
        }
    }

    /// Forgets all: after the store was reopened, a message may not be there any more whose commit was in doubt.
    pub fn clear(&self) {
        let before = std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner).tables);
        drop(before);
    }
}
