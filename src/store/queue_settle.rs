//! The end of an attempt in the queue's rows: new states, attempt rows, reports that follow, items that are finished;
//! one transaction.
//!
//! A settlement has a number, drawn by its caller and written into its attempt rows. Settling once more with the same
//! number does nothing, so that a commit in doubt may simply be tried again. What the host did to the message during
//! the attempt wins: a message it dropped gets no report, a message it holds does not fail.

use std::collections::BTreeSet;

use super::transaction::WriteTx;
use super::{Acceptance, Accepted, Past, RecipientState, Settle, Store, message, queue};
use crate::base::event::Outcome;
use crate::base::limits::{ATTEMPTS_FORGOTTEN_AT_ONCE, ATTEMPTS_KEPT_MAX};
use crate::base::{QueueId, Result};

/// The destination of rows that are to be given up at once (`queue_row.destination`).
pub const GIVEN_UP: &str = " over";

/// What became of a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It is written.
    Done {
        /// What became of the reports.
        accepted: Accepted,
        /// The last attempt row written; 0 where this was settled before.
        attempt: i64,
    },
    /// The host dropped the message meanwhile: the attempts are on record, the reports were left out.
    Dropped,
    /// The host holds the message, and a recipient would have failed: nothing was written. Only deferrals and
    /// deliveries may be settled now.
    Held,
}

impl Store {
    /// After an attempt for one item: writes an attempt row for each result and the recipients' new states, files and
    /// queues `reports`, and removes the item where all of its recipients are finished. `settlement` is a random
    /// number other than 0.
    pub async fn queue_settle(&self, settlement: i64, settled: Vec<Settle>, reports: Acceptance) -> Result<Settled> {
        self.queue_settle_with(settlement, settled, reports, Past::default()).await
    }

    /// [`Store::queue_settle`], with what is kept of the attempt beside its results.
    pub async fn queue_settle_with(
        &self,
        settlement: i64,
        settled: Vec<Settle>,
        reports: Acceptance,
        past: Past,
    ) -> Result<Settled> {
        self.write(message::octets(&reports), move |tx| settle(tx, settlement, &settled, &reports, &past)).await
    }
}

fn settle(
    tx: &mut WriteTx<'_>,
    settlement: i64,
    settled: &[Settle],
    reports: &Acceptance,
    past: &Past,
) -> Result<Settled> {
    let Some(id) = settled.first().map(|settle| settle.id) else {
        return Ok(Settled::Done { accepted: message::accept(tx, reports)?, attempt: 0 });
    };
    if tx.db.is_settled(id, settlement)? {
        return Ok(Settled::Done { accepted: Accepted::default(), attempt: 0 });
    }
    let held = tx.db.queue_terms(id)?.map(|terms| terms.held);
    let fails = |settle: &Settle| matches!(settle.result.outcome, Outcome::Failed | Outcome::Expired);
    if held == Some(true) && settled.iter().any(fails) {
        return Ok(Settled::Held);
    }
    let attempt = write(tx, settlement, settled)?;
    if !past.trail.is_empty() && attempt > 0 {
        tx.db.trail_insert(attempt, &past.trail)?;
    }
    if tx.db.attempt_oldest()?.is_some_and(|oldest| oldest < past.forget_before) {
        tx.db.attempts_forget_before(past.forget_before, ATTEMPTS_FORGOTTEN_AT_ONCE)?;
    }
    tx.wake_queue();
    if held.is_none() {
        return Ok(Settled::Dropped);
    }
    let accepted = message::accept(tx, reports)?;
    finish(tx, settled)?;
    Ok(Settled::Done { accepted, attempt })
}

/// Writes attempts and states; gives the last attempt row.
fn write(tx: &mut WriteTx<'_>, settlement: i64, settled: &[Settle]) -> Result<i64> {
    let mut attempt = 0;
    for Settle { id, index, result, next } in settled {
        // Where the host dropped the item meanwhile, the attempt is recorded all the same.
        let (address, destination) = tx.db.queue_recipient(*id, *index)?.unwrap_or_default();
        attempt = tx.db.attempt_insert(*id, &address, result, settlement)?;
        let state = match result.outcome {
            Outcome::Delivered => RecipientState::Delivered,
            Outcome::Deferred => RecipientState::Waiting,
            Outcome::Failed | Outcome::Expired => RecipientState::Failed,
        };
        // A message the host gave up during the attempt stays due.
        let due = tx.db.queue_settle(*id, *index, state, *next, attempt, GIVEN_UP)?;
        if let (Some(due), RecipientState::Waiting) = (due, state) {
            tx.queue_due(&destination, due);
        }
    }
    tx.db.attempts_forget(attempt - ATTEMPTS_KEPT_MAX)?;
    Ok(attempt)
}

/// Removes items none of whose recipients waits.
fn finish(tx: &mut WriteTx<'_>, settled: &[Settle]) -> Result<()> {
    let ids: BTreeSet<QueueId> = settled.iter().map(|settle| settle.id).collect();
    for id in ids {
        if !tx.db.queue_has_waiting(id)? {
            queue::remove(tx, id)?;
        }
    }
    Ok(())
}
