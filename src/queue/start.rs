//! Giving out places: which destinations may begin another attempt, what is claimed for them, and whose place is taken
//! where none is left.
//!
//! What is filed here or given up takes no place. A place whose host keeps silent is given to a destination that never
//! failed, where there is no other place: mail for hosts that answer does not wait for those that hang. An attempt that
//! waits for the reply to a message cannot be stopped; as many again as there are places may do so.

use std::sync::Arc;
use std::time::Duration;

use super::deliver::Delivery;
use super::destinations::{List, Now};
use super::runner::{Done, Runner, UnderWay, until};
use crate::base::Mono;
use crate::base::limits::{
    CATCH_UP_ATTEMPTS_MAX, QUEUE_ATTEMPT_RECIPIENTS_MAX, QUEUE_ATTEMPT_RECIPIENTS_MIN, QUEUE_LOCAL_MAX,
    QUEUE_RECIPIENTS_MAX,
};
use crate::delivery::route::KeyKind;
use crate::delivery::{Outcome, Progress};
use crate::store::{Claim, Want};

/// How soon it is looked again for a place where all are in use.
const PLACE_PAUSE: Duration = Duration::from_millis(50);
/// How long a paused destination is left alone before it is asked again; it is told when the pause ends.
const PAUSED_LOOK: Duration = Duration::from_secs(600);
/// Destinations that one call to the store claims for.
const WANTS_MAX: usize = 64;

/// Says `Done` however its task ends.
struct Guard {
    sender: smol::channel::Sender<Done>,
    done: Option<Done>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            let _ = self.sender.try_send(done);
        }
    }
}

impl Runner {
    /// Starts what may be started; when to look again though nothing happens.
    pub(super) async fn start_ready(&mut self) -> Option<Mono> {
        loop {
            let now = self.now();
            self.destinations.wake(now);
            let mut wants = self.local_wants();
            wants.extend(self.away_wants(now));
            if wants.is_empty() {
                return self.make_room(now);
            }
            if let Err(again) = self.claim(wants, now).await {
                return Some(again);
            }
        }
    }

    fn rest(&mut self, why: &str) -> Mono {
        log::warn!("no queued mail could be claimed: {why}");
        let now = self.now().mono;
        self.look.fail(now);
        // At least one pause ahead.
        now + Duration::from_millis(250)
    }

    /// What is wanted of destinations that take no connection.
    fn local_wants(&mut self) -> Vec<Want> {
        let mut wants = Vec::new();
        while let Some(key) = self.destinations.pick(List::Local) {
            let kind = self.destinations.get(&key).map(|found| found.kind);
            let items_max = self.destinations.room(&key).min(QUEUE_LOCAL_MAX);
            let want = self.want(&key, items_max, kind == Some(KeyKind::Here));
            self.given_up_waits |= kind == Some(KeyKind::Over) && !want.skip.is_empty();
            wants.push(want);
        }
        wants
    }

    /// What is wanted of destinations that are ready, as far as there are places.
    fn away_wants(&mut self, now: Now) -> Vec<Want> {
        let mut free = self.free_places(now);
        let mut wants = Vec::new();
        while free > 0
            && wants.len() < WANTS_MAX
            && let Some(key) = self.destinations.pick(List::Ready)
        {
            if self.pauses(&key, now) {
                continue;
            }
            // Those that are ready too shall have a place as well.
            let others = self.destinations.len(List::Ready);
            let items_max = self.destinations.room(&key).min((free / (others + 1)).max(1));
            free -= items_max.min(free);
            wants.push(self.want(&key, items_max, true));
        }
        wants
    }

    /// Whether a destination is paused by the host; then it is asked again when that ends.
    fn pauses(&mut self, key: &str, now: Now) -> bool {
        if !self.context.store.queue_is_paused(key) {
            return false;
        }
        self.paused.insert(key.to_owned());
        self.destinations.park(key, now.mono + PAUSED_LOOK);
        self.destinations.next_due(key, Some(now.wall), now);
        true
    }

    /// Destinations that were paused and are no more may have mail again.
    pub(super) fn resume(&mut self) {
        let resumed: Vec<String> =
            self.paused.iter().filter(|key| !self.context.store.queue_is_paused(key)).cloned().collect();
        for key in resumed {
            self.paused.remove(&key);
            let now = self.now();
            self.destinations.unpark(&key, now);
        }
    }

    fn want(&self, key: &str, items_max: usize, counts: bool) -> Want {
        let left = QUEUE_RECIPIENTS_MAX.saturating_sub(self.recipients) / 4;
        let recipients_max = left.clamp(QUEUE_ATTEMPT_RECIPIENTS_MIN, QUEUE_ATTEMPT_RECIPIENTS_MAX);
        let found = self.destinations.get(key);
        let skip = match found.map(|found| found.kind) {
            // What the host gave up may be under way to anywhere.
            Some(KeyKind::Over) => self.under_way.values().map(|under_way| under_way.id).collect(),
            _ => found.map(|found| found.under_way.clone()).unwrap_or_default(),
        };
        Want { destination: key.to_owned(), items_max, recipients_max, skip, counts }
    }

    /// Claims, and begins what was claimed; `Err` says when to try again.
    async fn claim(&mut self, wants: Vec<Want>, now: Now) -> Result<(), Mono> {
        let keys: Vec<String> = wants.iter().map(|want| want.destination.clone()).collect();
        let lease = self.lease(now.wall);
        let taken = match self.context.store.queue_take(wants, now.wall, lease).await {
            Ok(taken) => taken,
            Err(e) => {
                keys.iter().for_each(|key| self.destinations.next_due(key, Some(now.wall), now));
                return Err(self.rest(&e.to_string()));
            }
        };
        self.look.succeed();
        for one in taken {
            for claim in one.claims {
                self.begin(&one.destination, claim, None, now);
            }
            self.destinations.next_due(&one.destination, one.next, now);
        }
        Ok(())
    }

    /// Deals with a claim; with `put_off`, without trying.
    pub(super) fn begin(&mut self, key: &str, claim: Claim, put_off: Option<Outcome>, now: Now) {
        let number = self.number;
        self.number += 1;
        let kind = self.destinations.get(key).map_or(KeyKind::Stale, |found| found.kind);
        let away = kind == KeyKind::Away && put_off.is_none();
        // Where the host moves the clock, what was due on the way is done as of then.
        let catches_up = self.context.world.clock.stands() && claim.attempts < CATCH_UP_ATTEMPTS_MAX;
        let late = if catches_up { until(claim.due, now.wall) } else { Duration::ZERO };
        let progress = Arc::new(Progress::new(now.mono));
        self.destinations.begin(key, claim.id);
        self.away += usize::from(away);
        self.recipients += claim.places.len();
        let id = claim.id;
        let delivery = Delivery { kind, key: key.to_owned(), claim: claim.clone(), late, put_off };
        let done = Done { number, claim, late, end: None };
        let mut guard = Guard { sender: self.done.0.clone(), done: Some(done) };
        let (context, outlet, inside) = (self.context.clone(), self.outlet.clone(), Arc::clone(&progress));
        let deal = async move {
            let end = match delivery.deal(&context, &outlet, &inside).await {
                Ok(end) => Some(end),
                Err(e) => {
                    log::warn!("queued message {} was left as it is: {e}", id.0);
                    None
                }
            };
            if let Some(done) = guard.done.as_mut() {
                done.end = end;
            }
        };
        let task = self.context.world.run.task("delivery", Box::pin(deal));
        let under_way = UnderWay { key: key.to_owned(), id, progress, away, stopped: false, _task: task };
        self.under_way.insert(number, under_way);
    }

    /// Places free for connections.
    fn free_places(&self, now: Now) -> usize {
        let places = self.context.settings.outbound.deliveries_max;
        if self.away < places {
            return places - self.away;
        }
        let awaits = |one: &&UnderWay| one.away && one.progress.awaits_reply(now.mono);
        let waiting = self.under_way.values().filter(awaits).count().min(places);
        places.saturating_sub(self.away - waiting)
    }

    /// Where a destination that never failed has to wait for a place, the place that has waited longest in vain is
    /// taken; when to look again.
    fn make_room(&mut self, now: Now) -> Option<Mono> {
        if self.destinations.len(List::Ready) == 0 {
            return None;
        }
        let again = Some(now.mono + PLACE_PAUSE);
        // One that was told so in vain waits for the reply to a message by now.
        let leaving = self.under_way.values().filter(|one| one.stopped && one.progress.stalls_at().is_some());
        // Two at a time: one for whoever waits longest, one for whoever came last.
        if leaving.count() > 1 || !self.destinations.has_fresh() {
            return again;
        }
        let stalled = self.under_way.iter().filter_map(|(number, one)| {
            let since = one.progress.stalls_at().filter(|at| one.away && !one.stopped && *at <= now.mono)?;
            let found = self.destinations.get(&one.key);
            // Of those that failed before, or have several places, rather than of others.
            let (failures, places) = found.map_or((0, 0), |found| (found.failures, found.under_way.len()));
            Some(((failures, places, std::cmp::Reverse(since)), *number))
        });
        let victim = stalled.max().map(|(_, number)| number);
        if let Some(one) = victim.and_then(|number| self.under_way.get_mut(&number)) {
            one.stopped = true;
            one.progress.stop();
        }
        again
    }
}
