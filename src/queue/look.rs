//! What is due: news of the store, a walk through all destinations where news may be missing, rows that are to be put
//! off, routed anew or given up, and a wall clock that was set back.
//!
//! One look does a bounded piece of each; while the store fails, looks grow rarer.

use std::collections::BTreeSet;
use std::time::Duration;

use super::destinations::{List, Now};
use super::runner::Runner;
use crate::base::limits::{LAST_ATTEMPT_SECONDS, QUEUE_DESTINATIONS_PER_LOOK, QUEUE_ROWS_PER_COMMIT};
use crate::base::{Mono, QueueId, Result, Timestamp};
use crate::store::PutOff;

/// Pause between pieces of work that wait for nobody: mail that leaves goes first.
const PIECE_PAUSE: Duration = Duration::from_millis(50);
/// First pause after the store failed; it doubles up to the longest.
const FAILED_PAUSE: Duration = Duration::from_millis(250);
const FAILED_PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often it is looked for places kept at hosts for destinations that did not come.
const HOSTS_PAUSE: Duration = Duration::from_secs(1);
/// Room for a clock that runs unevenly.
const CLOCK_SLACK: Duration = Duration::from_secs(60);
/// A wall clock behind by more than this was set back.
const SET_BACK_MILLIS: i64 = 2_000;

/// Where the looking stands.
pub(super) struct Look {
    /// The walk through all destinations: `None` where none is under way, else the last one seen.
    walk: Option<Option<String>>,
    /// Both clocks at the last look; `None` at first.
    clocks: Option<Now>,
    /// Nothing is asked of the store before.
    rest_until: Mono,
    failures: u32,
    piece_after: Mono,
    /// A moment that was looked at, on both clocks: what had expired then and still waits when the time for a last
    /// attempt is over is given up. Not by the wall clock alone: that may have been moved, or we have slept.
    witnessed: Now,
    /// Messages to be given up may be left.
    giving_up: Option<Timestamp>,
    hosts_after: Mono,
}

impl Look {
    pub(super) fn new(now: Now) -> Self {
        Self {
            walk: Some(None),
            clocks: None,
            rest_until: now.mono,
            failures: 0,
            piece_after: now.mono,
            hosts_after: now.mono,
            witnessed: now,
            giving_up: None,
        }
    }

    /// The store did not take part.
    pub(super) fn fail(&mut self, now: Mono) {
        let pause = FAILED_PAUSE * 2_u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.rest_until = now + pause.min(FAILED_PAUSE_MAX);
    }

    /// Claims were lost sight of: they are due again when their lease ends, and found by a walk.
    pub(super) fn lose(&mut self, now: Mono) {
        self.fail(now);
        self.walk.get_or_insert(None);
    }

    pub(super) fn is_resting(&self, now: Mono) -> bool {
        now < self.rest_until
    }

    pub(super) fn succeed(&mut self) {
        self.failures = 0;
    }
}

impl Runner {
    /// One look; when to look again though nothing happens.
    pub(super) async fn look_around(&mut self) -> Option<Mono> {
        let now = self.now();
        if self.look.is_resting(now.mono) {
            return Some(self.look.rest_until);
        }
        match self.look_once(now).await {
            Ok(again) => again,
            Err(e) => {
                log::warn!("the queue could not be looked through: {e}");
                self.look.fail(now.mono);
                Some(self.look.rest_until)
            }
        }
    }

    async fn look_once(&mut self, now: Now) -> Result<Option<Mono>> {
        self.judge_clock(now).await?;
        self.take_news(now);
        self.walk(now).await?;
        let mut again = self.look.walk.is_some().then_some(now.mono);
        if now.mono >= self.look.witnessed.mono + Duration::from_secs(LAST_ATTEMPT_SECONDS) {
            self.look.giving_up = Some(self.look.witnessed.wall);
            self.look.witnessed = now;
        }
        if let Some(before) = self.look.giving_up {
            self.give_up_expired(before, now).await?;
            again = Some(now.mono);
        }
        let pool = &self.outlet.pool;
        if now.mono >= self.look.hosts_after {
            self.outlet.hosts.refresh(|at| pool.idle_at(at));
            self.look.hosts_after = now.mono + HOSTS_PAUSE;
        }
        // A look that came for another reason must not put the next one off.
        if self.outlet.hosts.anybody_waits() {
            again = again.into_iter().chain([self.look.hosts_after]).min();
        }
        self.destinations.wake(now);
        if self.destinations.len(List::Stale) > 0 {
            self.reroute(now).await?;
            again = Some(now.mono);
        }
        if self.destinations.len(List::PutOff) > 0 {
            if now.mono >= self.look.piece_after {
                self.put_off(now).await?;
                self.look.piece_after = self.now().mono + PIECE_PAUSE;
            }
            again = again.into_iter().chain([self.look.piece_after]).min();
        }
        Ok(again)
    }

    /// A wall clock that was set back, now or before the engine started, makes due times void.
    async fn judge_clock(&mut self, now: Now) -> Result<()> {
        let set_back = self.look.clocks.is_none_or(|before| {
            let passed = i64::try_from((now.mono - before.mono).as_millis()).unwrap_or(i64::MAX);
            now.wall.0 < before.wall.0.saturating_add(passed).saturating_sub(SET_BACK_MILLIS)
        });
        if set_back {
            let outbound = &self.context.settings.outbound;
            let longest = outbound.retry.iter().max().copied().unwrap_or_default();
            let longest = longest + longest * outbound.retry_jitter_percent / 100 + CLOCK_SLACK;
            let judged = self.context.store.queue_judge_anew(now.wall, longest, outbound.lifetime).await?;
            if judged > 0 {
                log::warn!("the wall clock went back: {judged} queued recipients are due at once");
            }
            // What the runner knows of times is void too.
            self.look.walk.get_or_insert(None);
            (self.look.witnessed, self.look.giving_up) = (now, None);
        }
        self.look.clocks = Some(now);
        Ok(())
    }

    fn take_news(&mut self, now: Now) {
        let news = self.context.store.queue_news();
        let kind = self.kind();
        for (key, due) in &news.due {
            self.destinations.note(key, *due, &kind, now);
        }
        if news.everywhere || self.destinations.take_overflow() {
            self.look.walk.get_or_insert(None);
        }
    }

    /// The next piece of a walk through all destinations.
    async fn walk(&mut self, now: Now) -> Result<()> {
        let Some(after) = self.look.walk.clone() else { return Ok(()) };
        let found = self.context.store.queue_destinations(after, QUEUE_DESTINATIONS_PER_LOOK).await?;
        let kind = self.kind();
        for (key, due) in &found {
            self.destinations.note(key, *due, &kind, now);
        }
        self.look.walk = match found.len() < QUEUE_DESTINATIONS_PER_LOOK {
            true => None,
            false => found.into_iter().next_back().map(|(key, _)| Some(key)),
        };
        Ok(())
    }

    /// Routes a piece of what stands under a name anew that means nothing any more.
    async fn reroute(&mut self, now: Now) -> Result<()> {
        let Some(key) = self.destinations.pick(List::Stale) else { return Ok(()) };
        let routed = self.context.store.queue_reroute(key.clone(), QUEUE_ROWS_PER_COMMIT).await;
        // Less than was asked for is all there was.
        let more = !matches!(routed, Ok(found) if found < QUEUE_ROWS_PER_COMMIT);
        self.destinations.next_due(&key, more.then_some(now.wall), now);
        self.take_news(now);
        routed.map(drop)
    }

    /// Puts off a piece of what is due at a destination that is left alone.
    async fn put_off(&mut self, now: Now) -> Result<()> {
        let Some(key) = self.destinations.pick(List::PutOff) else { return Ok(()) };
        let Some(found) = self.destinations.get(&key) else { return Ok(()) };
        let Some((error, attempt)) = found.error.clone() else { return Ok(()) };
        let off = PutOff {
            destination: key.clone(),
            items_max: QUEUE_ROWS_PER_COMMIT,
            skip: found.under_way.clone(),
            attempt,
            due: now.wall.after(self.destinations.left_alone(&key, now) + Duration::from_millis(1)),
            delay_report_after: self.context.settings.outbound.delay_report_after,
        };
        let lease = self.lease(now.wall);
        let taken = self.context.store.queue_put_off(off, now.wall, lease).await;
        let next = match &taken {
            Ok(taken) => taken.next,
            Err(_) => Some(now.wall),
        };
        for claim in taken.as_ref().map(|taken| taken.claims.clone()).unwrap_or_default() {
            self.begin(&key, claim, Some(error.clone()), now);
        }
        self.destinations.next_due(&key, next, now);
        taken.map(drop)
    }

    /// Gives up a piece of what has expired long since and was given no attempt: its destination has none to give.
    async fn give_up_expired(&mut self, before: Timestamp, now: Now) -> Result<()> {
        let found = self.context.store.queue_expired(before, QUEUE_ROWS_PER_COMMIT).await?;
        let under_way: BTreeSet<QueueId> = self.under_way.values().map(|under_way| under_way.id).collect();
        let ids: Vec<_> = found.iter().filter(|id| !under_way.contains(*id)).copied().collect();
        // What is under way to the last waits for the next time.
        if found.len() < QUEUE_ROWS_PER_COMMIT || ids.is_empty() {
            self.look.giving_up = None;
        }
        if !ids.is_empty() {
            self.context.store.queue_give_up(ids, now.wall).await?;
        }
        Ok(())
    }
}
