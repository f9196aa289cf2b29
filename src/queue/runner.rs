//! The runner: takes what is due, deals with it, a bounded number of messages and of connections at a time.
//!
//! It sleeps until the next recipient is due, the queue changes, or an attempt ends. Destinations take turns, so that
//! one with a thousand messages does not keep the others waiting. When `stop` closes it begins nothing new, lets
//! attempts under way end, and takes leave of resting connections; whoever cannot wait drops its task: what was not
//! settled is due again later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use smol::channel::{Receiver, Sender};
use smol::future::FutureExt;

use super::Context;
use super::parcel::{self, Parcel};
use crate::base::limits::{QUEUE_BATCH_ITEMS, QUEUE_READY_PARCELS_MAX, QUEUE_SLEEP_SECONDS_MAX};
use crate::base::world::Task;
use crate::base::{Mono, QueueId};
use crate::delivery::{Outlet, Pool};
use crate::store::RecipientState;

/// Pause after a look that showed too much, or failed.
const LOOK_PAUSE: Duration = Duration::from_millis(250);
/// Pause after something could not be settled: until then it stays as it is.
const FAILED_PAUSE: Duration = Duration::from_secs(5);
/// How long resting connections may take to say goodbye when the engine stops.
const LEAVE_SECONDS: u64 = 5;

/// Starts the runner; its task ends after `stop` has closed and attempts under way are over.
pub fn start(context: Context) -> Task<()> {
    let spawner = context.world.run.clone();
    spawner.task("queue", Box::pin(Runner::new(context).run()))
}

struct Runner {
    context: Context,
    outlet: Outlet,
    /// Ready and not begun, by destination.
    ready: BTreeMap<String, VecDeque<Parcel>>,
    ready_count: usize,
    /// How many are under way, by destination.
    active: BTreeMap<String, usize>,
    /// Recipients that are ready or under way: the store may still call them due.
    claimed: BTreeSet<(QueueId, u32)>,
    under_way: BTreeMap<u64, Task<()>>,
    number: u64,
    /// The destination served last.
    turn: String,
    done: (Sender<Done>, Receiver<Done>),
    look_after: Mono,
}

/// A parcel was dealt with.
struct Done {
    number: u64,
    key: String,
    places: Vec<(QueueId, u32)>,
    /// A message whose sender is to be told of its delay.
    delayed: Option<QueueId>,
    /// The store did not take part: what was claimed is due as before.
    failed: bool,
}

/// Says `Done` however its task ends.
struct Guard {
    sender: Sender<Done>,
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
    fn new(context: Context) -> Self {
        let (world, settings) = (context.world.clone(), context.settings.clone());
        let outlet = Outlet { world, settings, pool: Pool::default() };
        Self {
            context,
            outlet,
            ready: BTreeMap::new(),
            ready_count: 0,
            active: BTreeMap::new(),
            claimed: BTreeSet::new(),
            under_way: BTreeMap::new(),
            number: 0,
            turn: String::new(),
            done: smol::channel::unbounded(),
            look_after: Mono::default(),
        }
    }

    async fn run(mut self) {
        // Watching begins before the first look, so that nothing queued in between is missed.
        let mut watch = self.context.store.watch_queue();
        loop {
            while let Ok(done) = self.done.1.try_recv() {
                self.on_done(done).await;
            }
            let wake_at = self.look().await;
            self.start_ready();
            let clock = &self.context.world.clock;
            let changed = async {
                watch.changed().await;
                // Many changes make one look.
                if clock.now() < self.look_after {
                    clock.sleep_until(self.look_after).await;
                }
                Wake::Look
            };
            let ended = async { self.done.1.recv().await.map_or(Wake::Look, Wake::Done) };
            let stopped = async {
                while self.context.stop.recv().await.is_ok() {}
                Wake::Stop
            };
            let due = async {
                clock.sleep_until(wake_at).await;
                Wake::Look
            };
            match stopped.or(ended).or(changed).or(due).await {
                Wake::Look => {}
                Wake::Done(done) => self.on_done(done).await,
                Wake::Stop => break,
            }
        }
        self.drain().await;
    }

    /// Lets what is under way end.
    async fn drain(mut self) {
        self.ready.clear();
        while !self.under_way.is_empty() {
            match self.done.1.recv().await {
                Ok(done) => self.on_done(done).await,
                Err(_) => break,
            }
        }
        let (world, settings) = (&self.outlet.world, &self.outlet.settings);
        let deadline = world.clock.now() + Duration::from_secs(LEAVE_SECONDS);
        self.outlet.pool.close(world, settings, deadline).await;
    }

    async fn on_done(&mut self, done: Done) {
        self.under_way.remove(&done.number);
        for place in &done.places {
            self.claimed.remove(place);
        }
        if let Some(active) = self.active.get_mut(&done.key) {
            *active = active.saturating_sub(1);
            if *active == 0 {
                self.active.remove(&done.key);
            }
        }
        if done.failed {
            self.look_after = self.context.world.clock.now() + FAILED_PAUSE;
        }
        if let Some(id) = done.delayed {
            // Here, one at a time: two parcels of one message must not both report.
            parcel::report_delay(&self.context, id).await;
        }
    }

    // -- looking -----------------------------------------------------------------------------------------

    /// Takes in what is due; when to look again.
    async fn look(&mut self) -> Mono {
        let clock = self.context.world.clock.clone();
        let longest = clock.now() + Duration::from_secs(QUEUE_SLEEP_SECONDS_MAX);
        if self.under_way.len() >= self.context.settings.outbound.deliveries_max
            || self.ready_count >= QUEUE_READY_PARCELS_MAX
        {
            // The next look comes when something ends.
            return longest;
        }
        if clock.now() < self.look_after {
            return self.look_after;
        }
        let wall = clock.wall();
        let limit = self.claimed.len() + QUEUE_BATCH_ITEMS;
        let items = match self.context.store.queue_due(wall, limit).await {
            Ok(items) => items,
            Err(e) => {
                log::warn!("the queue could not be read: {e}");
                self.look_after = clock.now() + LOOK_PAUSE;
                return self.look_after;
            }
        };
        let full = items.len() >= limit;
        for item in items {
            let due = item.recipients.iter().filter(|to| {
                let waits = to.state == RecipientState::Waiting && to.due <= wall;
                waits && !self.claimed.contains(&(item.id, to.index))
            });
            let due: Vec<_> = due.cloned().collect();
            if !due.is_empty() {
                self.take(Parcel::part(&self.context, item, due, wall));
            }
        }
        if full || self.ready_count > QUEUE_BATCH_ITEMS {
            self.look_after = clock.now() + LOOK_PAUSE;
        }
        if full {
            return clock.now() + LOOK_PAUSE;
        }
        // What is due now is ready or under way, whatever the store says of it: its end wakes us.
        match self.context.store.queue_next_due(wall).await {
            Ok(None) => longest,
            Ok(Some(next)) => {
                let millis = u64::try_from(next.0.saturating_sub(wall.0)).unwrap_or(0);
                (clock.now() + Duration::from_millis(millis)).min(longest)
            }
            Err(_) => clock.now() + LOOK_PAUSE,
        }
    }

    fn take(&mut self, parcels: Vec<Parcel>) {
        for parcel in parcels {
            self.claimed.extend(parcel.places());
            self.ready.entry(parcel.way.key()).or_default().push_back(parcel);
            self.ready_count += 1;
        }
    }

    // -- starting ----------------------------------------------------------------------------------------

    /// Starts what may be started; destinations take turns.
    fn start_ready(&mut self) {
        while self.under_way.len() < self.context.settings.outbound.deliveries_max {
            let Some(key) = self.next_destination() else { return };
            let parcel = self.ready.get_mut(&key).and_then(VecDeque::pop_front);
            if self.ready.get(&key).is_none_or(VecDeque::is_empty) {
                self.ready.remove(&key);
            }
            self.turn.clone_from(&key);
            if let Some(parcel) = parcel {
                self.ready_count -= 1;
                self.start(key, parcel);
            }
        }
    }

    /// The next destination behind the one served last that may have another connection.
    fn next_destination(&self) -> Option<String> {
        use std::ops::Bound::{Excluded, Unbounded};
        let most = self.context.settings.outbound.connections_per_destination_max.max(1);
        let behind = self.ready.range::<str, _>((Excluded(self.turn.as_str()), Unbounded));
        let all = behind.chain(self.ready.iter()).map(|(key, _)| key);
        all.into_iter().find(|key| self.active.get(*key).is_none_or(|active| *active < most)).cloned()
    }

    fn start(&mut self, key: String, parcel: Parcel) {
        let number = self.number;
        self.number += 1;
        *self.active.entry(key.clone()).or_default() += 1;
        let done = Done { number, key, places: parcel.places().collect(), delayed: None, failed: true };
        let mut guard = Guard { sender: self.done.0.clone(), done: Some(done) };
        let (context, outlet) = (self.context.clone(), self.outlet.clone());
        let deal = async move {
            let dealt = parcel.deal(&context, &outlet).await;
            let Some(done) = guard.done.as_mut() else { return };
            match dealt {
                Ok(deferred) => {
                    done.delayed = (deferred && parcel.is_delayed(&context)).then_some(parcel.item.id);
                    done.failed = false;
                }
                Err(e) => log::warn!("queued message {} was left as it is: {e}", parcel.item.id.0),
            }
        };
        let task = self.context.world.run.task("delivery", Box::pin(deal));
        self.under_way.insert(number, task);
    }
}

enum Wake {
    Look,
    Done(Done),
    Stop,
}
