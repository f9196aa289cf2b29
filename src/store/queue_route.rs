//! Rows whose destination or time is no longer right: routed anew, given up, judged anew after the wall clock was set
//! back. All in steps of a bounded number of rows.

use std::time::Duration;

use super::database::RoutedRow;
use super::queue_settle::GIVEN_UP;
use super::transaction::WriteTx;
use super::{QueueAction, RecipientState, Store};
use crate::base::{Address, QueueId, Result, Timestamp};

impl Store {
    /// Routes rows of `destination` anew, `limit` at most; gives how many were looked at. For names that mean nothing
    /// any more: a smart host of yesterday, rows that were queued before there was a router. A row whose address no
    /// longer parses, or that comes out as it was, is given up, so that this ends.
    pub async fn queue_reroute(&self, destination: String, limit: usize) -> Result<usize> {
        self.write(0, move |tx| {
            let found = tx.db.queue_routed(&destination, limit)?;
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
            for place in &places {
                found.extend(tx.db.queue_unclaim(id, *place, due)?);
            }
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
            tx.db.queue_shorten(now, lifetime)?;
            let found = tx.db.queue_late_now(now, now.after(pause_max))?;
            found.iter().for_each(|destination| tx.queue_due(destination, now));
            if !found.is_empty() {
                tx.wake_queue();
            }
            Ok(found.len() as u64)
        })
        .await
    }
}

fn route(tx: &mut WriteTx<'_>, found: &[RoutedRow], from: Option<&str>) -> Result<()> {
    let Some(router) = tx.shared.queue.router() else { return Ok(()) };
    for row in found {
        let routed = match Address::parse(&row.address) {
            Ok(address) => Some(tx.look_up(|directory| router.destination(directory, &address))?),
            Err(_) => None,
        };
        let routed = routed.filter(|routed| from != Some(routed)).unwrap_or_else(|| GIVEN_UP.to_owned());
        tx.db.queue_route(row.id, row.place, &routed)?;
        if !row.held {
            tx.queue_due(&routed, row.due);
        }
    }
    tx.wake_queue();
    Ok(())
}

/// Moves a message's waiting recipients to those that are given up.
pub(super) fn give_up(tx: &mut WriteTx<'_>, id: QueueId, now: Timestamp) -> Result<()> {
    if tx.db.queue_route_waiting(id, GIVEN_UP, now)? > 0 {
        tx.queue_due(GIVEN_UP, now);
    }
    Ok(())
}

/// Routes a message's waiting recipients anew, due at `now`.
pub(super) fn anew(tx: &mut WriteTx<'_>, id: QueueId, now: Timestamp) -> Result<()> {
    tx.db.queue_due_now(id, now)?;
    let Some(item) = tx.db.queue_item(id)? else { return Ok(()) };
    let waiting = item.recipients.iter().filter(|to| to.state == RecipientState::Waiting);
    let rows = waiting.map(|to| RoutedRow {
        id,
        place: to.index,
        address: to.recipient.address.to_string(),
        destination: String::new(),
        due: to.due,
        held: item.held,
    });
    let rows: Vec<RoutedRow> = rows.collect();
    route(tx, &rows, None)
}

/// Tells the runner that rows of an item may be due: at `now`, those it had for `action`.
pub(super) fn tell(tx: &mut WriteTx<'_>, id: QueueId, action: QueueAction) -> Result<()> {
    if matches!(action, QueueAction::Hold | QueueAction::Drop) {
        return Ok(());
    }
    let waiting = tx.db.queue_waiting(id)?;
    waiting.iter().for_each(|(destination, due)| tx.queue_due(destination, *due));
    Ok(())
}
