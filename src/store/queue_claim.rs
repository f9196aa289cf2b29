//! Claiming work: rows of the queue that are due, taken by destination.
//!
//! A claim is a lease. The row says when it ends (`due` is moved ahead before anybody dials, so that a crash neither
//! loses the row nor makes us call a host again at once); who holds it is known to the one process that has the
//! store open, and until it lets go it does not claim the same message for the same destination again (`Want::skip`).
//! A store that several hosts share would keep the owner in the row too.
//!
//! Costs follow what is claimed, not what is queued: rows are found by (destination, due).

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use super::database::QueuedRow;
use super::transaction::WriteTx;
use super::{GIVEN_UP, Item, Store};
use crate::base::limits::{PRIORITY_ROWS_LOOKED_AT, PRIORITY_STEP_MILLISECONDS};
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
            for claim in &claims {
                for place in &claim.places {
                    if let Some(row) = tx.db.queue_unclaim(claim.id, *place, claim.due)? {
                        tx.queue_due(&row.destination, claim.due);
                    }
                }
            }
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
        self.read(move |db| db.queue_item_with(id, &places)).await
    }

    /// Destinations behind `after` with rows that wait and are not held, by name, at most `limit`; with each, when its
    /// first row is due. Costs one search for each.
    pub async fn queue_destinations(&self, after: Option<String>, limit: usize) -> Result<Vec<(String, Timestamp)>> {
        self.read(move |db| {
            let mut found: Vec<(String, Timestamp)> = Vec::new();
            while found.len() < limit {
                let last = found.last().map(|(name, _)| name).or(after.as_ref());
                let Some(next) = db.queue_destination_behind(last.map(String::as_str))? else { break };
                found.push(next);
            }
            Ok(found)
        })
        .await
    }

    /// Messages that expired at `before` or earlier, are not held, and wait for something else than to be given up;
    /// oldest first.
    pub async fn queue_expired(&self, before: Timestamp, limit: usize) -> Result<Vec<QueueId>> {
        self.read(move |db| db.queue_expired(before, GIVEN_UP, limit)).await
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

/// Rows that are due, by message: oldest due first, where each step of priority is worth
/// `PRIORITY_STEP_MILLISECONDS`, so that a low one waits longer and not for ever. Not more messages than `items_max`,
/// nor more of one than `recipients_max`.
fn due_rows(
    tx: &WriteTx<'_>,
    destination: &str,
    now: Timestamp,
    items_max: usize,
    recipients_max: usize,
    skip: &[QueueId],
) -> Result<Vec<Claim>> {
    let mut found = Found { items_max, recipients_max, ..Found::default() };
    let urgent = tx.db.queue_urgent(destination, now, PRIORITY_ROWS_LOOKED_AT)?;
    let is_cut = urgent.len() >= PRIORITY_ROWS_LOOKED_AT;
    urgent.into_iter().filter(|row| !skip.contains(&row.id)).for_each(|row| {
        let _ = found.see(row);
    });
    found.urgent = found.claims.len();
    if let Some((_, last)) = found.claims.last_mut().filter(|_| is_cut) {
        last.more = true;
    }
    tx.db.queue_rows(destination, Some(now), &mut |row| {
        if skip.contains(&row.id) { ControlFlow::Continue(()) } else { found.see(row) }
    })?;
    Ok(found.first())
}

/// Claims in the making, each with the time that its place in the order follows from.
#[derive(Default)]
struct Found {
    items_max: usize,
    recipients_max: usize,
    claims: Vec<(i64, Claim)>,
    at: BTreeMap<QueueId, usize>,
    /// How many were found by their priority.
    urgent: usize,
    /// How many were found that may have to wait for others.
    patient: usize,
}

impl Found {
    /// Takes in a row; whether further ones are wanted.
    fn see(&mut self, row: QueuedRow) -> ControlFlow<()> {
        let known = self.claims.len();
        let is_enough = self.is_enough(known);
        match self.at.get(&row.id).and_then(|at| self.claims.get_mut(*at)) {
            Some((_, claim)) if claim.places.contains(&row.place) => {}
            Some((_, claim)) if claim.places.len() < self.recipients_max => {
                claim.places.push(row.place);
                claim.attempts = claim.attempts.max(row.attempts);
            }
            // Full: whoever is left of it is taken another time, and nobody in between is looked for.
            Some((_, claim)) => {
                claim.more = true;
                return ControlFlow::Break(());
            }
            None if is_enough => return ControlFlow::Break(()),
            None => {
                self.at.insert(row.id, known);
                self.patient += usize::from(row.priority < 0);
                let rank = row.due.0.saturating_sub(i64::from(row.priority) * PRIORITY_STEP_MILLISECONDS);
                let (id, due, attempts) = (row.id, row.due, row.attempts);
                self.claims.push((rank, Claim { id, places: vec![row.place], due, attempts, more: false }));
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether as many are known as are wanted, beside those that others may overtake; of these no more are looked at
    /// than `PRIORITY_ROWS_LOOKED_AT`.
    fn is_enough(&self, known: usize) -> bool {
        let passed_over = (self.patient + self.urgent).min(PRIORITY_ROWS_LOOKED_AT);
        known >= self.items_max.saturating_add(passed_over)
    }

    /// Those that come first.
    fn first(mut self) -> Vec<Claim> {
        self.claims.sort_by_key(|(rank, _)| *rank);
        self.claims.truncate(self.items_max);
        self.claims.into_iter().map(|(_, claim)| claim).collect()
    }
}

/// Moves the rows of a claim ahead to its end.
fn hold(
    tx: &WriteTx<'_>,
    claim: Claim,
    now: Timestamp,
    lease: &dyn Fn(u32) -> Timestamp,
    counts: bool,
) -> Result<Claim> {
    let expires = tx.db.queue_terms(claim.id)?.map_or(now, |terms| terms.expires);
    // Never due at once: what is lost with us must not make a host be called in a loop.
    let end = lease(claim.attempts.saturating_add(1)).min(expires.max(now.after(Duration::from_secs(60))));
    for place in &claim.places {
        tx.db.queue_claim(claim.id, *place, end, counts)?;
    }
    Ok(claim)
}

/// When the first row of a destination is due that belongs to no message under way.
fn next_due(tx: &WriteTx<'_>, destination: &str, skip: &[QueueId], claims: &[Claim]) -> Result<Option<Timestamp>> {
    let mut first = None;
    tx.db.queue_rows(destination, None, &mut |row| {
        // A message that was claimed in part has more to do once that is over.
        if skip.contains(&row.id) || claims.iter().any(|claim| claim.id == row.id) {
            return ControlFlow::Continue(());
        }
        first = Some(row.due);
        ControlFlow::Break(())
    })?;
    Ok(first)
}

fn put_off(tx: &mut WriteTx<'_>, off: &PutOff, now: Timestamp, lease: &dyn Fn(u32) -> Timestamp) -> Result<Taken> {
    let due = due_rows(tx, &off.destination, now, off.items_max, usize::MAX, &off.skip)?;
    let mut told = Vec::new();
    for claim in due {
        match Told::of(tx, &claim, off, now)? {
            Told::Nobody { due } => {
                for place in &claim.places {
                    tx.db.queue_put_off(claim.id, *place, due, off.attempt)?;
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
        let Some(terms) = tx.db.queue_terms(claim.id)? else { return Ok(Told::Nobody { due: off.due }) };
        let (created, expires) = (terms.created, terms.expires);
        let delayed = off.delay_report_after.map(|after| created.after(after));
        let mark = delayed.into_iter().chain(terms.late).min().filter(|_| terms.untold);
        if now >= expires || mark.is_some_and(|mark| now >= mark) {
            return Ok(Told::Somebody);
        }
        let due = mark.map_or(off.due, |mark| off.due.min(mark)).min(expires);
        Ok(Told::Nobody { due })
    }
}
