//! The executor: one thread, every ready task may be next, the seed says which.
//!
//! Every task belongs to a [`Machine`] whose power may fail: then its futures are dropped in the order they
//! were spawned. A run that has nothing to do and no timer to wait for has lost a wakeup; one that polls for
//! ever without time passing is a livelock; both panic with the seed.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_task::Runnable;
use mailcore::base::world::{BoxFuture, Clock, Spawner, Task};

use crate::clock::{ClockDoor, SimClock};
use crate::rng::Rng;

/// Polls without time passing that are taken for a livelock.
const POLLS_WITHOUT_TIME_MAX: u64 = 2_000_000;

/// What a run did, as a hash: two runs of one seed must come to the same.
#[derive(Default)]
pub struct Trace {
    inner: Mutex<TraceInner>,
}

#[derive(Default)]
struct TraceInner {
    hash: u64,
    notes: u64,
    /// Kept only where a difference is looked for.
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace that also keeps what it is told, to find where two runs part.
    pub fn keeping_lines() -> Self {
        Self { inner: Mutex::new(TraceInner { lines: Some(Vec::new()), ..TraceInner::default() }) }
    }

    /// Adds what happened.
    pub fn note(&self, what: &str, a: u64, b: u64) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let octets = what.bytes().chain(a.to_le_bytes()).chain(b.to_le_bytes());
        inner.hash = octets.fold(inner.hash ^ 0xCBF2_9CE4_8422_2325, |hash, octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        inner.notes += 1;
        if let Some(lines) = &mut inner.lines {
            lines.push(format!("{what} {a} {b}"));
        }
    }

    /// Hash and number of notes so far.
    pub fn sum(&self) -> (u64, u64) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.hash, inner.notes)
    }

    /// The notes, where they were kept.
    pub fn lines(&self) -> Vec<String> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).lines.clone().unwrap_or_default()
    }
}

/// The run queue.
pub struct Executor {
    ready: Mutex<Vec<Runnable>>,
    rng: Mutex<Rng>,
    clock: Arc<SimClock>,
    trace: Arc<Trace>,
    seed: u64,
}

impl Executor {
    /// An executor without tasks.
    pub fn new(seed: u64, clock: Arc<SimClock>, trace: Arc<Trace>) -> Arc<Self> {
        let rng = Mutex::new(Rng::new(seed, "executor"));
        Arc::new(Self { ready: Mutex::default(), rng, clock, trace, seed })
    }

    fn ready(&self) -> MutexGuard<'_, Vec<Runnable>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(self: &Arc<Self>, future: BoxFuture<'static, ()>) -> Task<()> {
        let executor = self.clone();
        let (runnable, task) = async_task::spawn(future, move |runnable| executor.ready().push(runnable));
        runnable.schedule();
        task
    }

    /// Runs everything until `main` is done and gives its value.
    pub fn run<T: Send + 'static>(self: &Arc<Self>, main: impl Future<Output = T> + Send + 'static) -> T {
        let result = Arc::new(Mutex::new(None));
        let slot = result.clone();
        let main = self.spawn(Box::pin(async move {
            let value = main.await;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        }));
        let mut polls = 0;
        while !main.is_finished() {
            let runnable = {
                let mut ready = self.ready();
                let at = self.rng.lock().unwrap_or_else(PoisonError::into_inner).index(ready.len());
                self.trace.note("pick", at as u64, ready.len() as u64);
                if ready.is_empty() { None } else { Some(ready.swap_remove(at)) }
            };
            match runnable {
                Some(runnable) => {
                    runnable.run();
                    polls += 1;
                    assert!(polls < POLLS_WITHOUT_TIME_MAX, "SIM_SEED={}: livelock: time stands still", self.seed);
                }
                None => {
                    polls = 0;
                    assert!(self.clock.advance(), "SIM_SEED={}: lost wakeup: all wait, nothing will come", self.seed);
                    self.trace.note("time", self.clock.now().0, 0);
                }
            }
        }
        let value = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.expect("main has finished")
    }

    /// Drops every runnable: the end of a simulation. Tasks hold the executor; this breaks the circle.
    pub fn shut(&self) {
        loop {
            let runnables = std::mem::take(&mut *self.ready());
            if runnables.is_empty() {
                return;
            }
        }
    }
}

// -- machines ------------------------------------------------------------------------------------------

type Slot = Arc<Mutex<Option<BoxFuture<'static, ()>>>>;

/// The tasks of one machine.
pub struct Machine {
    executor: Arc<Executor>,
    slots: Mutex<Vec<Slot>>,
    /// Where lanes are late: what says when.
    late: Mutex<Option<Rng>>,
}

impl Machine {
    /// A machine nothing runs on.
    pub fn new(executor: Arc<Executor>) -> Arc<Self> {
        Arc::new(Self { executor, slots: Mutex::default(), late: Mutex::default() })
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) -> Task<()> {
        let slot: Slot = Arc::new(Mutex::new(Some(future)));
        {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            // Finished tasks have left their slots; what remains keeps its order.
            slots.retain(|slot| Arc::strong_count(slot) > 1);
            slots.push(slot.clone());
        }
        self.executor.spawn(Box::pin(Mortal(slot)))
    }

    /// From now on lanes that are woken run at once or some milliseconds later, as threads do on a busy machine: jobs
    /// that come meanwhile share a commit.
    pub fn wake_lanes_late(&self, rng: Rng) {
        *self.late.lock().unwrap_or_else(PoisonError::into_inner) = Some(rng);
    }

    /// Drops every task, in the order they were spawned. Call from a task of no machine, after the disk died.
    pub fn kill(&self) {
        loop {
            let slots = std::mem::take(&mut *self.slots.lock().unwrap_or_else(PoisonError::into_inner));
            if slots.is_empty() {
                return;
            }
            for slot in slots {
                let future = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
                drop(future);
            }
        }
    }
}

/// The engine's door to a machine.
pub struct MachineDoor(pub Arc<Machine>);

impl Spawner for MachineDoor {
    fn task(&self, _name: &'static str, future: BoxFuture<'static, ()>) -> Task<()> {
        self.0.spawn(future)
    }

    fn lane(&self, _name: &'static str, future: BoxFuture<'static, ()>) -> Task<()> {
        let mut late = self.0.late.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rng) = late.as_mut() else { return self.0.spawn(future) };
        let (rng, clock) = (Rng::new(rng.next(), "lane"), self.0.executor.clock.clone());
        drop(late);
        self.0.spawn(Box::pin(Late { future, rng, clock, pause: None }))
    }

    fn compute(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        Box::pin(async move { job() })
    }
}

/// Milliseconds that a late lane is late at most. Mostly few, so that lanes overtake each other; at times so many that
/// all that users ask on one beat meets in one commit.
const LATE_MILLIS: u64 = 4;
const VERY_LATE_MILLIS: u64 = 30;

/// A lane that is late half of the time.
struct Late {
    future: BoxFuture<'static, ()>,
    rng: Rng,
    clock: Arc<SimClock>,
    pause: Option<BoxFuture<'static, ()>>,
}

impl Future for Late {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.pause.is_none() && self.rng.per_mille(500) {
            let most = if self.rng.per_mille(400) { VERY_LATE_MILLIS } else { LATE_MILLIS };
            let until = self.clock.now() + Duration::from_millis(self.rng.between(1, most));
            self.pause = Some(ClockDoor(self.clock.clone()).sleep_until(until));
        }
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        self.future.as_mut().poll(cx)
    }
}

/// A task that ends when its future is taken away.
struct Mortal(Slot);

impl Future for Mortal {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let future = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut future) = future else { return Poll::Ready(()) };
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(future);
        }
        polled
    }
}
