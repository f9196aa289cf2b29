//! Claiming work: rows of the queue that are due, taken by destination.
//!
//! A claim is a lease. The row says when it ends (`due` is moved ahead before anybody dials, so that a crash neither
//! loses the row nor makes us call a host again at once); who holds it is known to the one process that has the
//! store open, and until it lets go it does not claim the same message for the same destination again (`Want::skip`).
//! A store that several hosts share would keep the owner in the row too.
//!
//! Costs follow what is claimed, not what is queued: rows are found by (destination, due).

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{CachedStatement, OptionalExtension, params};

use super::transaction::WriteTx;
use super::{GIVEN_UP, Item, Store, queue_row};
use crate::base::{QueueId, Result, Timestamp};

/// Work that is wanted for one destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Want {
    /// The destination.
    pub destination: String,
    /// Messages at most.
    pub items_max: usize,
    /// Recipients of one message at most; the rest of it is claimed another time.
    pub recipients_max: usize,
    /// Messages that are under way to this destination.
    pub skip: Vec<QueueId>,
    /// Whether this counts as an attempt.
    pub counts: bool,
}

/// What one destination gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// As it was wanted.
    pub destination: String,
    /// What was claimed, oldest due first.
    pub claims: Vec<Claim>,
    /// When the first of the rows left is due.
    pub next: Option<Timestamp>,
}

/// Recipients of one message at one destination, claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The message.
    pub id: QueueId,
    /// Which recipients.
    pub places: Vec<u32>,
    /// When the first of them was due.
    pub due: Timestamp,
    /// Attempts begun before, the most any of them has seen.
    pub attempts: u32,
    /// The message may have further rows here that are due.
    pub more: bool,
}

/// How rows of a destination are put off whose hosts cannot be reached just now.
#[derive(Debug, Clone)]
pub struct PutOff {
    /// The destination.
    pub destination: String,
    /// Messages at most.
    pub items_max: usize,
    /// Messages that are under way to this destination.
    pub skip: Vec<QueueId>,
    /// The attempt row that says why.
    pub attempt: i64,
    /// When they are due again.
    pub due: Timestamp,
    /// When senders are told of a delay, after acceptance.
    pub delay_report_after: Option<Duration>,
}

impl Store {
    /// Claims what is due at `now`: for each destination wanted, whole messages, oldest due first. `lease` says for a
    /// number of attempts when a claim ends by itself. A message that expires sooner is due again then.
    pub async fn queue_take(
        &self,
        wants: Vec<Want>,
        now: Timestamp,
        lease: impl Fn(u32) -> Timestamp + Send + 'static,
    ) -> Result<Vec<Taken>> {
        self.write(0, move |tx| wants.iter().map(|want| take(tx, want, now, &lease)).collect()).await
    }

    /// Gives claims back: due as before, no attempt counted.
    pub async fn queue_put_back(&self, claims: Vec<Claim>) -> Result<()> {
        self.write(0, move |tx| {
            let mut back = tx.db.prepare_cached(
                "UPDATE queue_recipient SET attempts = max(attempts - 1, 0), due = ?3
                   WHERE item = ?1 AND place = ?2 AND state = 0 RETURNING destination",
            )?;
            let mut found = Vec::new();
            for claim in &claims {
                for place in &claim.places {
                    let row = params![claim.id.0, place, claim.due.0];
                    let destination = back.query_row(row, |row| row.get::<_, String>(0)).optional()?;
                    found.extend(destination.map(|destination| (destination, claim.due)));
                }
            }
            drop(back);
            found.iter().for_each(|(destination, due)| tx.queue_due(destination, *due));
            tx.wake_queue();
            Ok(())
        })
        .await
    }

    /// Puts off what is due at `now`, as [`PutOff`] says, and claims of it what somebody is to be told of: messages
    /// that have expired, or whose delay is to be reported. Gives those, and when the first of the other rows is due.
    pub async fn queue_put_off(
        &self,
        off: PutOff,
        now: Timestamp,
        lease: impl Fn(u32) -> Timestamp + Send + 'static,
    ) -> Result<Taken> {
        self.write(0, move |tx| put_off(tx, &off, now, &lease)).await
    }

    /// One item with these of its recipients only; `None` once it is finished.
    pub async fn queue_claimed(&self, id: QueueId, places: Vec<u32>) -> Result<Option<Item>> {
        self.read(move |db| queue_row::item_with(db, id, &places)).await
    }

    /// Destinations behind `after` with rows that wait and are not held, by name, at most `limit`; with each, when its
    /// first row is due. Costs one search for each.
    pub async fn queue_destinations(&self, after: Option<String>, limit: usize) -> Result<Vec<(String, Timestamp)>> {
        self.read(move |db| {
            let mut first = db.prepare_cached(
                "SELECT destination, due FROM queue_recipient WHERE state = 0 AND held = 0 AND destination >= ''
                   ORDER BY destination, due LIMIT 1",
            )?;
            let mut next = db.prepare_cached(
                "SELECT destination, due FROM queue_recipient WHERE state = 0 AND held = 0 AND destination > ?1
                   ORDER BY destination, due LIMIT 1",
            )?;
            let mut found: Vec<(String, Timestamp)> = Vec::new();
            while found.len() < limit {
                let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Timestamp(row.get(1)?)));
                let last = found.last().map(|(name, _)| name).or(after.as_ref());
                let row = match last {
                    Some(last) => next.query_row([last], read).optional()?,
                    None => first.query_row([], read).optional()?,
                };
                let Some(row) = row else { break };
                found.push(row);
            }
            Ok(found)
        })
        .await
    }

    /// Messages that expired at `before` or earlier, are not held, and wait for something else than to be given up;
    /// oldest first.
    pub async fn queue_expired(&self, before: Timestamp, limit: usize) -> Result<Vec<QueueId>> {
        self.read(move |db| {
            let mut expired = db.prepare_cached(
                "SELECT id FROM queue_item WHERE held = 0 AND expires <= ?1 AND EXISTS(
                   SELECT 1 FROM queue_recipient WHERE item = id AND state = 0 AND destination <> ?3)
                   ORDER BY expires LIMIT ?2",
            )?;
            let ids = expired.query_map(params![before.0, limit as i64, GIVEN_UP], |row| Ok(QueueId(row.get(0)?)))?;
            Ok(ids.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}

/// A claim in the making, with the places' rows.
fn take(tx: &mut WriteTx<'_>, want: &Want, now: Timestamp, lease: &dyn Fn(u32) -> Timestamp) -> Result<Taken> {
    let due = due_rows(tx, &want.destination, now, want.items_max, want.recipients_max, &want.skip)?;
    let mut claims = Vec::new();
    for claim in due {
        claims.push(hold(tx, claim, now, lease, want.counts)?);
    }
    let next = next_due(tx, &want.destination, &want.skip, &claims)?;
    Ok(Taken { destination: want.destination.clone(), claims, next })
}

/// Rows that are due, by message, in the order of the index; not more messages than `items_max`, nor more of one than
/// `recipients_max`.
fn due_rows(
    tx: &WriteTx<'_>,
    destination: &str,
    now: Timestamp,
    items_max: usize,
    recipients_max: usize,
    skip: &[QueueId],
) -> Result<Vec<Claim>> {
    let mut select = tx.db.prepare_cached(
        "SELECT item, place, due, attempts FROM queue_recipient
           WHERE state = 0 AND held = 0 AND destination = ?1 AND due <= ?2 ORDER BY due, item",
    )?;
    let mut rows = select.query(params![destination, now.0])?;
    let mut order: Vec<Claim> = Vec::new();
    let mut at: BTreeMap<QueueId, usize> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let id = QueueId(row.get(0)?);
        if skip.contains(&id) {
            continue;
        }
        let (place, due, attempts) = (row.get(1)?, Timestamp(row.get(2)?), row.get::<_, u32>(3)?);
        let known = order.len();
        match at.get(&id).and_then(|at| order.get_mut(*at)) {
            Some(claim) if claim.places.len() < recipients_max => {
                claim.places.push(place);
                claim.attempts = claim.attempts.max(attempts);
            }
            // Full: whoever is left of it is taken another time, and nobody in between is looked for.
            Some(claim) => {
                claim.more = true;
                break;
            }
            None if known >= items_max => break,
            None => {
                at.insert(id, known);
                order.push(Claim { id, places: vec![place], due, attempts, more: false });
            }
        }
    }
    Ok(order)
}

/// Moves the rows of a claim ahead to its end.
fn hold(
    tx: &WriteTx<'_>,
    claim: Claim,
    now: Timestamp,
    lease: &dyn Fn(u32) -> Timestamp,
    counts: bool,
) -> Result<Claim> {
    let expires = tx
        .db
        .prepare_cached("SELECT expires FROM queue_item WHERE id = ?1")?
        .query_row([claim.id.0], |row| row.get(0))
        .optional()?
        .map_or(now, Timestamp);
    // Never due at once: what is lost with us must not make a host be called in a loop.
    let end = lease(claim.attempts.saturating_add(1)).min(expires.max(now.after(Duration::from_secs(60))));
    let mut hold = tx.db.prepare_cached(
        "UPDATE queue_recipient SET attempts = attempts + ?4, due = ?3 WHERE item = ?1 AND place = ?2 AND state = 0",
    )?;
    for place in &claim.places {
        hold.execute(params![claim.id.0, place, end.0, i64::from(counts)])?;
    }
    Ok(claim)
}

/// When the first row of a destination is due that belongs to no message under way.
fn next_due(tx: &WriteTx<'_>, destination: &str, skip: &[QueueId], claims: &[Claim]) -> Result<Option<Timestamp>> {
    let mut select = tx.db.prepare_cached(
        "SELECT item, due FROM queue_recipient WHERE state = 0 AND held = 0 AND destination = ?1 ORDER BY due, item",
    )?;
    let mut rows = select.query([destination])?;
    while let Some(row) = rows.next()? {
        let id = QueueId(row.get(0)?);
        // A message that was claimed in part has more to do once that is over.
        if !skip.contains(&id) && !claims.iter().any(|claim| claim.id == id) {
            return Ok(Some(Timestamp(row.get(1)?)));
        }
    }
    Ok(None)
}

fn put_off(tx: &mut WriteTx<'_>, off: &PutOff, now: Timestamp, lease: &dyn Fn(u32) -> Timestamp) -> Result<Taken> {
    let due = due_rows(tx, &off.destination, now, off.items_max, usize::MAX, &off.skip)?;
    let mut told = Vec::new();
    for claim in due {
        match Told::of(tx, &claim, off, now)? {
            Told::Nobody { due } => {
                let mut later = tx.db.prepare_cached(
                    "UPDATE queue_recipient SET due = ?3, last_attempt = ?4 WHERE item = ?1 AND place = ?2",
                )?;
                for place in &claim.places {
                    later.execute(params![claim.id.0, place, due.0, off.attempt])?;
                }
            }
            Told::Somebody => told.push(hold(tx, claim, now, lease, true)?),
        }
    }
    let next = next_due(tx, &off.destination, &off.skip, &told)?;
    Ok(Taken { destination: off.destination.clone(), claims: told, next })
}

/// Whether somebody is to be told of a message that is put off.
enum Told {
    Nobody { due: Timestamp },
    Somebody,
}

impl Told {
    fn of(tx: &WriteTx<'_>, claim: &Claim, off: &PutOff, now: Timestamp) -> Result<Told> {
        let mut select: CachedStatement<'_> = tx.db.prepare_cached(
            "SELECT created, expires, delay_reported = 0 AND reverse_path <> '' FROM queue_item WHERE id = ?1",
        )?;
        let read = |row: &rusqlite::Row<'_>| Ok((Timestamp(row.get(0)?), Timestamp(row.get(1)?), row.get(2)?));
        let Some((created, expires, untold)) = select.query_row([claim.id.0], read).optional()? else {
            return Ok(Told::Nobody { due: off.due });
        };
        let mark: Option<Timestamp> = off.delay_report_after.filter(|_| untold).map(|after| created.after(after));
        if now >= expires || mark.is_some_and(|mark| now >= mark) {
            return Ok(Told::Somebody);
        }
        let due = mark.map_or(off.due, |mark| off.due.min(mark)).min(expires);
        Ok(Told::Nobody { due })
    }
}
