//! What is kept for outgoing mail beside the queue: TLS policies of other domains, what happened in attempts,
//! destinations that are paused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use super::transaction::WriteTx;
use super::{Accepted, DestinationRow, ExplainedAttempt, Paused, Store, StsRow};
use crate::base::limits::{DESTINATIONS_COUNTED_MAX, PAUSED_DESTINATIONS_MAX, STS_DOMAINS_MAX, SUBMIT_KEY_SECONDS};
use crate::base::{Error, ErrorKind, QueueId, Result, Timestamp};

impl Store {
    /// The MTA-STS policy that is kept of a domain; its time may be over.
    pub async fn sts_row(&self, domain: String) -> Result<Option<StsRow>> {
        self.read(move |db| db.sts_row(&domain)).await
    }

    /// Policies of domains behind `after`, by domain, at most `limit`.
    pub async fn sts_rows(&self, after: String, limit: usize) -> Result<Vec<StsRow>> {
        self.read(move |db| db.sts_rows(&after, limit)).await
    }

    /// Keeps a policy, in the place of one of its domain. `Limit` beyond `STS_DOMAINS_MAX` domains.
    pub async fn sts_put(&self, row: StsRow) -> Result<()> {
        self.write(0, move |tx| {
            if tx.db.sts_row(&row.domain)?.is_none() && tx.db.sts_count()? >= STS_DOMAINS_MAX as u64 {
                return Err(Error::new(ErrorKind::Limit, format!("more than {STS_DOMAINS_MAX} policies")));
            }
            tx.db.sts_put(&row)
        })
        .await
    }

    /// Forgets policies whose time was over at `now`.
    pub async fn sts_forget(&self, now: Timestamp) -> Result<()> {
        self.write(0, move |tx| tx.db.sts_forget(now)).await
    }

    /// Attempts of an item with what happened in them, oldest first; the newest `limit` of them.
    pub async fn explained(&self, id: QueueId, limit: usize) -> Result<Vec<ExplainedAttempt>> {
        self.read(move |db| db.explained(id, limit)).await
    }

    /// Destinations of an item's recipients, by their places.
    pub async fn queue_destinations_of(&self, id: QueueId) -> Result<BTreeMap<u32, String>> {
        self.read(move |db| {
            let Some(item) = db.queue_item(id)? else { return Ok(BTreeMap::new()) };
            let mut found = BTreeMap::new();
            for to in &item.recipients {
                if let Some((_, destination)) = db.queue_recipient(id, to.index)? {
                    found.insert(to.index, destination);
                }
            }
            Ok(found)
        })
        .await
    }

    /// Lets a destination get no mail until [`Store::destination_resume`]; what is under way is let end. `Limit` beyond
    /// `PAUSED_DESTINATIONS_MAX`.
    pub async fn destination_pause(&self, paused: Paused) -> Result<()> {
        let now = self.write(0, move |tx| {
            let known = tx.db.paused()?;
            let is_known = known.iter().any(|one| one.destination == paused.destination);
            if !is_known && known.len() >= PAUSED_DESTINATIONS_MAX {
                return Err(Error::new(ErrorKind::Limit, format!("more than {PAUSED_DESTINATIONS_MAX} are paused")));
            }
            tx.db.paused_put(&paused)?;
            names(tx)
        });
        self.shared().queue.set_paused(now.await?);
        Ok(())
    }

    /// Ends that. `NotFound` where it was not paused.
    pub async fn destination_resume(&self, destination: String) -> Result<()> {
        let now = self.write(0, move |tx| match tx.db.paused_remove(&destination)? {
            true => names(tx),
            false => Err(Error::new(ErrorKind::NotFound, "this destination is not paused")),
        });
        self.shared().queue.set_paused(now.await?);
        // What waits is looked at now that it may go.
        self.shared().watchers.wake_queue();
        Ok(())
    }

    /// Destinations that are paused, by name.
    pub async fn destinations_paused(&self) -> Result<Vec<Paused>> {
        self.read(|db| db.paused()).await
    }

    /// What waits for destinations behind `after`, by name, at most `limit`.
    pub async fn destinations(&self, after: Option<String>, limit: usize) -> Result<Vec<DestinationRow>> {
        self.read(move |db| db.destination_rows(after.as_deref(), limit)).await
    }

    /// Counts what an attempt at a destination came to: recipients delivered, and the others. Costs no commit; of more
    /// than `DESTINATIONS_COUNTED_MAX` destinations the first are counted.
    pub fn destination_tried(&self, destination: &str, delivered: u64, others: u64) {
        let mut tried = self.shared().tried.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = tried.len() < DESTINATIONS_COUNTED_MAX;
        if !has_room && !tried.contains_key(destination) {
            return;
        }
        let counts = tried.entry(destination.to_owned()).or_default();
        *counts = (counts.0.saturating_add(delivered), counts.1.saturating_add(others));
    }

    /// What attempts at a destination came to since the store was opened: recipients delivered, and the others.
    pub fn destination_counts(&self, destination: &str) -> (u64, u64) {
        let tried = self.shared().tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.get(destination).copied().unwrap_or_default()
    }

    /// Reads which destinations are paused; `queue_is_paused` knows none before.
    pub async fn queue_know_paused(&self) -> Result<()> {
        let now = self.write(0, names).await?;
        self.shared().queue.set_paused(now);
        Ok(())
    }

    /// Whether a destination is paused.
    pub fn queue_is_paused(&self, destination: &str) -> bool {
        self.shared().queue.is_paused(destination)
    }
}

/// Names of paused destinations, with a number that grows from one change to the next.
fn names(tx: &mut WriteTx<'_>) -> Result<(u64, BTreeSet<String>)> {
    let names = tx.db.paused()?.into_iter().map(|paused| paused.destination).collect();
    Ok((tx.shared.queue.next_pause(), names))
}

/// The submission that was taken under a key.
pub(super) fn taken_before(tx: &WriteTx<'_>, key: &str) -> Result<Option<Accepted>> {
    let taken = tx.db.submit_key(key)?;
    let queued = |id: i64| (id != 0).then_some(QueueId(id)).into_iter().collect();
    Ok(taken.map(|id| Accepted { queued: queued(id), ..Accepted::default() }))
}

/// Notes that a submission was taken under a key.
pub(super) fn note_taken(tx: &WriteTx<'_>, key: &str, accepted: &Accepted) -> Result<()> {
    let now = tx.shared.world.clock.wall();
    let id = accepted.queued.first().map_or(0, |id| id.0);
    tx.db.submit_keys_forget(Timestamp(now.0.saturating_sub(SUBMIT_KEY_SECONDS * 1_000)))?;
    tx.db.submit_key_insert(key, id, now)
}
