//! Rows whose destination or time is no longer right: routed anew, given up, judged anew after the wall clock was set
//! back. All in steps of a bounded number of rows.

use std::time::Duration;

use rusqlite::params;

use super::queue_settle::GIVEN_UP;
use super::transaction::WriteTx;
use super::{QueueAction, Store};
use crate::base::{Address, QueueId, Result, Timestamp};

/// Rows as they are found: item, place, forward-path, when due, whether held.
type Found = (i64, u32, String, i64, bool);

impl Store {
    /// Routes rows of `destination` anew, `limit` at most; gives how many were looked at. For names that mean nothing
    /// any more: a smart host of yesterday, rows that were queued before there was a router. A row whose address no
    /// longer parses, or that comes out as it was, is given up, so that this ends.
    pub async fn queue_reroute(&self, destination: String, limit: usize) -> Result<usize> {
        self.write(0, move |tx| {
            let found = {
                let mut select = tx.db.prepare_cached(
                    "SELECT item, place, address, due, held FROM queue_recipient
                       WHERE state = 0 AND destination = ?1 LIMIT ?2",
                )?;
                let rows = select.query_map(params![destination, limit as i64], read)?;
                rows.collect::<rusqlite::Result<Vec<Found>>>()?
            };
            route(tx, &found, Some(&destination))?;
            Ok(found.len())
        })
        .await
    }

    /// Routes these recipients of a message anew, due at `due`, and counts no attempt: the directory has changed since
    /// they were routed.
    pub async fn queue_reroute_places(&self, id: QueueId, places: Vec<u32>, due: Timestamp) -> Result<()> {
        self.write(0, move |tx| {
            let mut found = Vec::new();
            let mut select = tx.db.prepare_cached(
                "UPDATE queue_recipient SET due = ?3, attempts = max(attempts - 1, 0)
                   WHERE item = ?1 AND place = ?2 AND state = 0 RETURNING item, place, address, due, held",
            )?;
            for place in &places {
                let rows = select.query_map(params![id.0, place, due.0], read)?;
                found.extend(rows.collect::<rusqlite::Result<Vec<Found>>>()?);
            }
            drop(select);
            route(tx, &found, None)
        })
        .await
    }

    /// Gives up messages that have expired and still wait, whatever their destination: they are due at once, and
    /// reported without another attempt.
    pub async fn queue_give_up(&self, ids: Vec<QueueId>, now: Timestamp) -> Result<()> {
        self.write(0, move |tx| {
            ids.iter().try_for_each(|id| give_up(tx, *id, now))?;
            tx.wake_queue();
            Ok(())
        })
        .await
    }

    /// After the wall clock was set back to `now`: what would be due later than `pause_max` from now is due at once,
    /// what would live longer than `lifetime` from now lives as long, and nothing was accepted in the future.
    pub async fn queue_judge_anew(&self, now: Timestamp, pause_max: Duration, lifetime: Duration) -> Result<u64> {
        self.write(0, move |tx| {
            tx.db.execute(
                "UPDATE queue_item SET expires = min(expires, ?2), created = min(created, ?1)
                   WHERE expires > ?2 OR created > ?1",
                params![now.0, now.after(lifetime).0],
            )?;
            let found = {
                let mut late = tx.db.prepare(
                    "UPDATE queue_recipient SET due = ?1 WHERE state = 0 AND due > ?2 RETURNING destination",
                )?;
                let rows = late.query_map(params![now.0, now.after(pause_max).0], |row| row.get(0))?;
                rows.collect::<rusqlite::Result<Vec<String>>>()?
            };
            found.iter().for_each(|destination| tx.queue_due(destination, now));
            if !found.is_empty() {
                tx.wake_queue();
            }
            Ok(found.len() as u64)
        })
        .await
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Found> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn route(tx: &mut WriteTx<'_>, found: &[Found], from: Option<&str>) -> Result<()> {
    let Some(router) = tx.shared.queue.router() else { return Ok(()) };
    let directory = tx.directory.clone();
    let mut update =
        tx.db.prepare_cached("UPDATE queue_recipient SET destination = ?3 WHERE item = ?1 AND place = ?2")?;
    let mut due = Vec::new();
    for (item, place, address, at, held) in found {
        let routed = Address::parse(address).ok().map(|address| router.destination(&directory, &address));
        let routed = routed.filter(|routed| from != Some(routed)).unwrap_or_else(|| GIVEN_UP.to_owned());
        update.execute(params![item, place, routed])?;
        if !held {
            due.push((routed, Timestamp(*at)));
        }
    }
    drop(update);
    due.iter().for_each(|(destination, at)| tx.queue_due(destination, *at));
    tx.wake_queue();
    Ok(())
}

/// Moves a message's waiting recipients to those that are given up.
pub(super) fn give_up(tx: &mut WriteTx<'_>, id: QueueId, now: Timestamp) -> Result<()> {
    let moved = tx
        .db
        .prepare_cached("UPDATE queue_recipient SET destination = ?3, due = ?2 WHERE item = ?1 AND state = 0")?
        .execute(params![id.0, now.0, GIVEN_UP])?;
    if moved > 0 {
        tx.queue_due(GIVEN_UP, now);
    }
    Ok(())
}

/// Tells the runner that rows of an item may be due: at `now`, those it had for `action`.
pub(super) fn tell(tx: &mut WriteTx<'_>, id: QueueId, action: QueueAction) -> Result<()> {
    if matches!(action, QueueAction::Hold | QueueAction::Drop) {
        return Ok(());
    }
    let found = {
        let mut select = tx.db.prepare_cached(
            "SELECT destination, min(due) FROM queue_recipient WHERE item = ?1 AND state = 0 AND held = 0
               GROUP BY destination",
        )?;
        let rows = select.query_map([id.0], |row| Ok((row.get(0)?, Timestamp(row.get(1)?))))?;
        rows.collect::<rusqlite::Result<Vec<(String, Timestamp)>>>()?
    };
    found.iter().for_each(|(destination, due)| tx.queue_due(destination, *due));
    Ok(())
}
