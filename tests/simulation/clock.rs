//! Virtual time: it stands still while anything can run and jumps to the next deadline when nothing can.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mailcore::base::time::{Mono, Timestamp};
use mailcore::base::world::{BoxFuture, Clock};

/// Where the wall clock of every run begins: 2026-01-01T00:00:00Z.
const WALL_START_MILLIS: i64 = 1_767_225_600_000;

/// The clock of a simulation, shared by all its machines.
#[derive(Default)]
pub struct SimClock {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    now: u64,
    /// What the wall clock was set forward (or back) by.
    wall_offset_millis: i64,
    /// Tells timers with one deadline apart, in order of making.
    made: u64,
    timers: BTreeMap<(u64, u64), Waker>,
}

impl SimClock {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Jumps to the next deadline and wakes what waits for it; false where nothing waits.
    pub fn advance(&self) -> bool {
        let due = {
            let mut inner = self.lock();
            let Some((&(at, _), _)) = inner.timers.first_key_value() else { return false };
            inner.now = inner.now.max(at);
            let later = inner.timers.split_off(&(at.saturating_add(1), 0));
            std::mem::replace(&mut inner.timers, later)
        };
        // Woken, and dropped, outside the lock: dropping a waker may drop a task that locks again.
        due.into_values().for_each(Waker::wake);
        true
    }

    /// Sets the wall clock forward or back; the monotonic one goes on.
    pub fn set_wall(&self, by_millis: i64) {
        self.lock().wall_offset_millis += by_millis;
    }

    /// Timers that wait.
    pub fn waiting(&self) -> usize {
        self.lock().timers.len()
    }

    /// A sleep of `time` from now.
    pub fn sleep(self: &Arc<Self>, time: Duration) -> Sleep {
        let at = self.now() + time;
        Sleep { clock: self.clone(), at: at.0, seq: None }
    }
}

/// The engine's door to the clock.
pub struct ClockDoor(pub Arc<SimClock>);

impl Clock for ClockDoor {
    fn now(&self) -> Mono {
        self.0.now()
    }

    fn wall(&self) -> Timestamp {
        self.0.wall()
    }

    fn sleep_until(&self, at: Mono) -> BoxFuture<'static, ()> {
        Box::pin(Sleep { clock: self.0.clone(), at: at.0, seq: None })
    }
}

impl SimClock {
    /// The monotonic clock.
    pub fn now(&self) -> Mono {
        Mono(self.lock().now)
    }

    /// The wall clock.
    pub fn wall(&self) -> Timestamp {
        let inner = self.lock();
        Timestamp(WALL_START_MILLIS + inner.wall_offset_millis + (inner.now / 1_000_000) as i64)
    }
}

/// A timer. Dropping it forgets it, so that a timeout that did not come cannot keep the clock going.
pub struct Sleep {
    clock: Arc<SimClock>,
    at: u64,
    seq: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut inner = clock.lock();
        if inner.now >= self.at {
            return Poll::Ready(());
        }
        let seq = *self.seq.get_or_insert_with(|| {
            inner.made += 1;
            inner.made
        });
        let before = inner.timers.insert((self.at, seq), cx.waker().clone());
        drop(inner);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(seq) = self.seq {
            let waker = self.clock.lock().timers.remove(&(self.at, seq));
            drop(waker);
        }
    }
}
