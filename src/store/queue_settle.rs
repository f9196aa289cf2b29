//! The end of an attempt in the queue's rows: new states, attempt rows, reports that follow, items that are finished;
//! one transaction.
//!
//! A settlement has a number, drawn by its caller and written into its attempt rows. Settling once more with the same
//! number does nothing, so that a commit in doubt may simply be tried again. What the host did to the message during
//! the attempt wins: a message it dropped gets no report, a message it holds does not fail.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};

use super::queue_row::{outcome_column, state_column};
use super::transaction::WriteTx;
use super::{Acceptance, Accepted, AttemptResult, RecipientState, Settle, Store, message, queue};
use crate::base::event::Outcome;
use crate::base::limits::ATTEMPTS_KEPT_MAX;
use crate::base::{QueueId, Result, Timestamp};

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
        self.write(message::octets(&reports), move |tx| settle(tx, settlement, &settled, &reports)).await
    }
}

fn settle(tx: &mut WriteTx<'_>, settlement: i64, settled: &[Settle], reports: &Acceptance) -> Result<Settled> {
    let Some(id) = settled.first().map(|settle| settle.id) else {
        return Ok(Settled::Done { accepted: message::accept(tx, reports)?, attempt: 0 });
    };
    if is_settled(tx, id, settlement)? {
        return Ok(Settled::Done { accepted: Accepted::default(), attempt: 0 });
    }
    let held: Option<bool> = tx
        .db
        .prepare_cached("SELECT held FROM queue_item WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    let fails = |settle: &Settle| matches!(settle.result.outcome, Outcome::Failed | Outcome::Expired);
    if held == Some(true) && settled.iter().any(fails) {
        return Ok(Settled::Held);
    }
    let attempt = write(tx, settlement, settled)?;
    tx.wake_queue();
    if held.is_none() {
        return Ok(Settled::Dropped);
    }
    let accepted = message::accept(tx, reports)?;
    finish(tx, settled)?;
    Ok(Settled::Done { accepted, attempt })
}

fn is_settled(tx: &WriteTx<'_>, id: QueueId, settlement: i64) -> Result<bool> {
    Ok(tx
        .db
        .prepare_cached("SELECT EXISTS(SELECT 1 FROM attempt WHERE item = ?1 AND settlement = ?2)")?
        .query_row(params![id.0, settlement], |row| row.get(0))?)
}

/// Writes attempts and states; gives the last attempt row.
fn write(tx: &mut WriteTx<'_>, settlement: i64, settled: &[Settle]) -> Result<i64> {
    let db = tx.db;
    let mut find =
        db.prepare_cached("SELECT address, destination FROM queue_recipient WHERE item = ?1 AND place = ?2")?;
    // A message the host gave up during the attempt stays due.
    let mut update = db.prepare_cached(
        "UPDATE queue_recipient SET state = ?3, last_attempt = ?5,
           due = CASE WHEN destination = ?6 THEN due ELSE coalesce(?4, due) END
           WHERE item = ?1 AND place = ?2 RETURNING due",
    )?;
    let (mut attempt, mut due) = (0, Vec::new());
    for Settle { id, index, result, next } in settled {
        // Where the host dropped the item meanwhile, the attempt is recorded all the same.
        let found = find.query_row(params![id.0, index], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let (address, destination): (String, String) = found.unwrap_or_default();
        attempt = write_attempt(tx, *id, &address, result, settlement)?;
        let state = match result.outcome {
            Outcome::Delivered => RecipientState::Delivered,
            Outcome::Deferred => RecipientState::Waiting,
            Outcome::Failed | Outcome::Expired => RecipientState::Failed,
        };
        let row = params![id.0, index, state_column(state), next.map(|next| next.0), attempt, GIVEN_UP];
        let then: Option<i64> = update.query_row(row, |row| row.get(0)).optional()?;
        if let (Some(then), RecipientState::Waiting) = (then, state) {
            due.push((destination, Timestamp(then)));
        }
    }
    due.iter().for_each(|(destination, due)| tx.queue_due(destination, *due));
    db.prepare_cached("DELETE FROM attempt WHERE id <= ?1")?.execute([attempt - ATTEMPTS_KEPT_MAX])?;
    Ok(attempt)
}

fn write_attempt(tx: &WriteTx<'_>, id: QueueId, address: &str, result: &AttemptResult, settlement: i64) -> Result<i64> {
    let mut write = tx.db.prepare_cached(
        "INSERT INTO attempt(item, recipient, at, outcome, host, code, enhanced, reason, took, tls, settlement)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    write.execute(params![
        id.0,
        address,
        result.at.0,
        outcome_column(result.outcome),
        result.host,
        result.code,
        result.enhanced.map(|enhanced| enhanced.to_string()).unwrap_or_default(),
        result.text,
        i64::try_from(result.took.as_micros()).unwrap_or(i64::MAX),
        result.tls,
        settlement
    ])?;
    Ok(tx.db.last_insert_rowid())
}

/// Removes items none of whose recipients waits.
fn finish(tx: &mut WriteTx<'_>, settled: &[Settle]) -> Result<()> {
    let ids: BTreeSet<QueueId> = settled.iter().map(|settle| settle.id).collect();
    for id in ids {
        let waiting: bool = tx
            .db
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM queue_recipient WHERE item = ?1 AND state = 0)")?
            .query_row([id.0], |row| row.get(0))?;
        if !waiting {
            queue::remove(tx, id)?;
        }
    }
    Ok(())
}
