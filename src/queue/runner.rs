//! The runner: takes what is due and deals with it, with a bounded number of connections and of recipients in memory.
//!
//! It sleeps until the next row is due, the queue changes, a host has room, or an attempt ends. When `stop` closes it
//! begins nothing new, lets attempts under way end, and ends idle connections; whoever cannot wait drops its task: what
//! was not settled is due again when its lease ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use smol::channel::{Receiver, Sender};
use smol::future::FutureExt;

use super::deliver::{End, report_delay};
use super::destinations::{Destinations, Now};
use super::look::Look;
use super::{Context, schedule};
use crate::base::limits::{QUEUE_SLEEP_SECONDS_MAX, RETRY_SECONDS_MIN, STS_REFRESH_LOOK_SECONDS};
use crate::base::world::Task;
use crate::base::{Mono, QueueId, Timestamp};
use crate::delivery::hosts::back_off;
use crate::delivery::policy::{StsKeeper, TlsNotes};
use crate::delivery::route::{KeyKind, Routing, kind_of_key};
use crate::delivery::{Outlet, Progress, Reach};
use crate::store::{Claim, GIVEN_UP, Watch};

/// How long idle connections may take for QUIT when the engine stops.
const QUIT_SECONDS: u64 = 5;
/// Longest wait of a destination for a host that has as many connections as it may.
const PARK_SECONDS: u64 = 60;
/// The same where nobody will tell it.
const PARK_SECONDS_ALONE: u64 = 1;

/// Starts the runner; its task ends after `stop` has closed and attempts under way are over.
pub fn start(context: Context) -> Task<()> {
    let spawner = context.world.run.clone();
    context.store.queue_route_by(Arc::new(Routing(Arc::clone(&context.settings))));
    // Watching begins before the first look, so that nothing queued in between is missed.
    let watch = context.store.watch_queue();
    spawner.task("queue", Box::pin(Runner::new(context).run(watch)))
}

pub(super) struct Runner {
    pub(super) context: Context,
    pub(super) outlet: Outlet,
    pub(super) destinations: Destinations,
    pub(super) under_way: BTreeMap<u64, UnderWay>,
    /// Those of them that may use a connection.
    pub(super) away: usize,
    /// Recipients of all of them.
    pub(super) recipients: usize,
    pub(super) number: u64,
    pub(super) done: (Sender<Done>, Receiver<Done>),
    pub(super) look: Look,
    /// Messages that were given up may be among those under way: to be looked for when one of these ends.
    pub(super) given_up_waits: bool,
    /// Destinations that were found to be paused.
    pub(super) paused: BTreeSet<String>,
    /// Messages whose sender is to be told of their delay.
    delayed: Sender<QueueId>,
    reporter: Task<()>,
    /// Fetches MTA-STS policies again; ends with the runner.
    _refresh: Task<()>,
}

/// A message being dealt with at one destination.
pub(super) struct UnderWay {
    pub(super) key: String,
    pub(super) id: QueueId,
    pub(super) progress: Arc<Progress>,
    pub(super) away: bool,
    /// It was told to give up its place.
    pub(super) stopped: bool,
    pub(super) _task: Task<()>,
}

/// A message was dealt with.
pub(super) struct Done {
    pub(super) number: u64,
    pub(super) claim: Claim,
    pub(super) late: Duration,
    /// `None` where it came to no end: what was claimed is due again when its lease ends.
    pub(super) end: Option<End>,
}

impl Runner {
    fn new(context: Context) -> Self {
        let (world, settings) = (context.world.clone(), context.settings.clone());
        let destinations = Destinations::new(settings.outbound.connections_per_destination_max);
        let now = Now { mono: world.clock.now(), wall: world.clock.wall() };
        let (delayed, reports) = smol::channel::unbounded();
        let reporter = world.run.task("delay reports", Box::pin(report_delays(context.clone(), reports)));
        let sts = StsKeeper::new(context.store.clone());
        let tls = TlsNotes::new(context.store.clone());
        let refresh = refresh_policies(context.clone(), sts.clone());
        let refresh = world.run.task("mta-sts", Box::pin(refresh));
        Self {
            outlet: Outlet { sts, tls, ..Outlet::new(world, settings) },
            context,
            destinations,
            under_way: BTreeMap::new(),
            away: 0,
            recipients: 0,
            number: 0,
            done: smol::channel::unbounded(),
            look: Look::new(now),
            given_up_waits: false,
            paused: BTreeSet::new(),
            delayed,
            reporter,
            _refresh: refresh,
        }
    }

    pub(super) fn now(&self) -> Now {
        let clock = &self.context.world.clock;
        Now { mono: clock.now(), wall: clock.wall() }
    }

    pub(super) fn kind(&self) -> impl Fn(&str) -> KeyKind + use<> {
        let settings = Arc::clone(&self.context.settings);
        move |key| kind_of_key(key, &settings.outbound)
    }

    async fn run(mut self, mut watch: Watch) {
        let free = self.outlet.hosts.free();
        if let Err(e) = self.context.store.queue_know_paused().await {
            log::warn!("which destinations are paused could not be read: {e}");
        }
        review_suppressed(&self.context).await;
        loop {
            while let Ok(done) = self.done.1.try_recv() {
                self.on_done(done);
            }
            while let Ok(key) = free.try_recv() {
                let now = self.now();
                self.destinations.unpark(&key, now);
            }
            let wake_at = self.once().await;
            let clock = &self.context.world.clock;
            let changed = async {
                watch.changed().await;
                Wake::Look
            };
            let ended = async { self.done.1.recv().await.map_or(Wake::Look, Wake::Done) };
            let freed = async { free.recv().await.map_or(Wake::Look, Wake::Free) };
            let stopped = async {
                while self.context.stop.recv().await.is_ok() {}
                Wake::Stop
            };
            let due = async {
                clock.sleep_until(wake_at).await;
                Wake::Look
            };
            match stopped.or(ended).or(freed).or(changed).or(due).await {
                Wake::Look => {}
                Wake::Done(done) => {
                    self.on_done(done);
                    // Attempts settled by one commit end together: all their places are given out by one more commit.
                    smol::future::yield_now().await;
                }
                Wake::Free(key) => {
                    let now = self.now();
                    self.destinations.unpark(&key, now);
                }
                Wake::Stop => break,
            }
        }
        self.drain().await;
    }

    /// Looks and starts what may be started; when to look again if nothing happens.
    async fn once(&mut self) -> Mono {
        self.resume();
        let looked = self.look_around().await;
        let started = match looked {
            // Where the store fails, nothing is asked of it for a while.
            Some(again) if self.look.is_resting(self.now().mono) => again,
            again => self.start_ready().await.into_iter().chain(again).min().unwrap_or(Mono(u64::MAX)),
        };
        let now = self.now();
        let longest = now.mono + Duration::from_secs(QUEUE_SLEEP_SECONDS_MAX);
        let due = self.destinations.wake(now).map_or(longest, |due| now.mono + until(now.wall, due));
        started.min(due).min(longest)
    }

    /// Lets what is under way end.
    async fn drain(mut self) {
        while !self.under_way.is_empty() {
            match self.done.1.recv().await {
                Ok(done) => self.on_done(done),
                Err(_) => break,
            }
        }
        let Self { outlet, delayed, reporter, .. } = self;
        drop(delayed);
        reporter.await;
        let (world, settings) = (&outlet.world, &outlet.settings);
        let deadline = world.clock.now() + Duration::from_secs(QUIT_SECONDS);
        outlet.pool.close(world, settings, deadline).await;
    }

    pub(super) fn on_done(&mut self, done: Done) {
        let Done { number, claim, late, end } = done;
        let Some(UnderWay { key, id, away, .. }) = self.under_way.remove(&number) else { return };
        self.away -= usize::from(away);
        self.recipients -= claim.places.len().min(self.recipients);
        let now = self.now();
        let mut due = claim.more.then_some(now.wall);
        match end {
            Some(End::Settled { reach, attempt, delayed, due: next }) => {
                if delayed {
                    // In one place, one at a time: two attempts of one message must not both report.
                    let _ = self.delayed.try_send(id);
                }
                self.learn(&key, reach, attempt, late, now);
                due = due.or(next);
            }
            Some(End::PutBack { full }) => {
                // One that became idle meanwhile may be used at once.
                if let Some(at) = full.filter(|at| self.outlet.pool.idle_at(*at) == 0) {
                    let told = self.outlet.hosts.wait(at, &key);
                    let seconds = if told { PARK_SECONDS } else { PARK_SECONDS_ALONE };
                    self.destinations.park(&key, now.mono + Duration::from_secs(seconds));
                }
                due = Some(claim.due);
            }
            Some(End::Nothing) => {}
            None => self.look.lose(now.mono),
        }
        self.destinations.end(&key, id, now);
        // News of these rows may have come while they were under way, when they were nobody's to claim.
        if let Some(due) = due {
            self.destinations.note(&key, due, self.kind(), now);
        }
        if std::mem::take(&mut self.given_up_waits) {
            self.destinations.note(GIVEN_UP, now.wall, self.kind(), now);
        }
    }

    fn learn(&mut self, key: &str, reach: Option<Reach>, attempt: i64, late: Duration, now: Now) {
        match reach {
            Some(Reach::Unreachable(error)) => {
                let retry = self.context.settings.outbound.retry.clone();
                let pause = |failures| back_off(&retry, failures);
                self.destinations.failed(key, (error, attempt), late, pause, now);
            }
            Some(Reach::Answered) => self.destinations.answered(key),
            Some(Reach::Full(_)) | None => {}
        }
    }

    /// When a claim ends by itself, for a number of attempts.
    pub(super) fn lease(&self, now: Timestamp) -> impl Fn(u32) -> Timestamp + Send + use<> {
        let outbound = self.context.settings.outbound.clone();
        let shortest = now.after(Duration::from_secs(RETRY_SECONDS_MIN));
        move |attempts| schedule::next_attempt(&outbound, attempts, now, None, Timestamp(i64::MAX), 0).max(shortest)
    }
}

/// Time from `now` to `then`.
pub(super) fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(then.0.saturating_sub(now.0)).unwrap_or(0))
}

async fn report_delays(context: Context, reports: Receiver<QueueId>) {
    while let Ok(id) = reports.recv().await {
        report_delay(&context, id).await;
    }
}

/// Policies are fetched again before their time is over, also where no mail wants them (RFC 8461 §3.3); suppressed
/// addresses whose time is over are forgotten.
async fn refresh_policies(context: Context, sts: StsKeeper) {
    let clock = &context.world.clock;
    loop {
        clock.sleep_until(clock.now() + Duration::from_secs(STS_REFRESH_LOOK_SECONDS)).await;
        if context.settings.outbound.mta_sts {
            sts.refresh(&context.world, &context.settings).await;
        }
        review_suppressed(&context).await;
    }
}

/// Forgets suppressed addresses whose time is over, and learns whether there are any.
async fn review_suppressed(context: &Context) {
    if let Err(e) = context.store.suppressed_review(context.world.clock.wall()).await {
        log::warn!("suppressed addresses could not be reviewed: {e}");
    }
}

enum Wake {
    Look,
    Done(Done),
    Free(String),
    Stop,
}
