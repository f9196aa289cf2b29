//! The clock on the wall, and the same clock in the hands of a host.
//!
//! [`RealClock`] is the machine's. [`SteppedClock`] runs with it until a host sets it; from then on it stands still
//! and moves only when the host says so, and whoever sleeps wakes exactly when the host moved past his deadline.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::base::time::{Mono, Timestamp};
use crate::base::world::{BoxFuture, Clock};

/// The machine's clock. [`Mono`] counts from the moment it was made.
#[derive(Debug, Clone)]
pub struct RealClock {
    start: Instant,
}

impl RealClock {
    /// A clock that starts now.
    #[allow(clippy::new_without_default, reason = "two of them differ")]
    #[allow(clippy::disallowed_methods, reason = "the real body of World::clock")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// A timer that rings at `at`; never, where that lies beyond what the machine can count.
    #[allow(clippy::disallowed_methods, reason = "the real body of World::clock")]
    fn timer(&self, at: Mono) -> smol::Timer {
        match self.start.checked_add(Duration::from_nanos(at.0)) {
            Some(at) => smol::Timer::at(at),
            None => smol::Timer::never(),
        }
    }
}

impl Clock for RealClock {
    #[allow(clippy::disallowed_methods, reason = "the real body of World::clock")]
    fn now(&self) -> Mono {
        Mono(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    #[allow(clippy::disallowed_methods, reason = "the real body of World::clock")]
    fn wall(&self) -> Timestamp {
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp(millis(since)),
            Err(before) => Timestamp(-millis(before.duration())),
        }
    }

    fn sleep_until(&self, at: Mono) -> BoxFuture<'static, ()> {
        let timer = self.timer(at);
        Box::pin(async move {
            timer.await;
        })
    }
}

/// The machine's clock until a host sets it, then the host's. Clones share it.
#[derive(Clone)]
pub struct SteppedClock {
    real: RealClock,
    shared: Arc<Mutex<Stepped>>,
}

#[derive(Default)]
struct Stepped {
    /// Where the clock stands once a host has set it.
    stands: Option<(Mono, Timestamp)>,
    next_sleeper: u64,
    /// By deadline, then by who came first.
    sleepers: BTreeMap<(Mono, u64), Waker>,
}

impl SteppedClock {
    /// A clock that runs with the machine's.
    #[allow(clippy::new_without_default, reason = "two of them differ")]
    pub fn new() -> Self {
        Self { real: RealClock::new(), shared: Arc::default() }
    }

    /// Whether a host has set it, so that it stands still between calls.
    pub fn stands_still(&self) -> bool {
        self.lock().stands.is_some()
    }

    /// Sets the wall clock and stops it there. Forwards, deadlines come nearer by as much and those passed ring;
    /// backwards, only the wall clock jumps, since the monotonic one never goes back.
    pub fn set(&self, wall: Timestamp) {
        self.step(|_, _| wall);
    }

    /// Stops the clock, if it still runs, and moves it on: sleepers wake in the order of their deadlines.
    pub fn advance(&self, by: Duration) {
        self.step(|_, wall| wall.after(by));
    }

    fn step(&self, to: impl FnOnce(Mono, Timestamp) -> Timestamp) {
        let mut shared = self.lock();
        let first = shared.stands.is_none();
        let (now, wall) = shared.stands.unwrap_or_else(|| (self.real.now(), self.real.wall()));
        let wall_then = to(now, wall);
        let forward = u64::try_from(wall_then.0.saturating_sub(wall.0)).unwrap_or(0);
        let then = now + Duration::from_millis(forward);
        shared.stands = Some((then, wall_then));
        // At the first step all wake: they sleep on the machine's timers and must learn that those are void.
        let later =
            if first { BTreeMap::new() } else { shared.sleepers.split_off(&(Mono(then.0.saturating_add(1)), 0)) };
        let due = std::mem::replace(&mut shared.sleepers, later);
        drop(shared);
        // Wakers run and drop foreign code: never under the lock.
        due.into_values().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Stepped> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Mono {
        match self.lock().stands {
            Some((now, _)) => now,
            None => self.real.now(),
        }
    }

    fn wall(&self) -> Timestamp {
        match self.lock().stands {
            Some((_, wall)) => wall,
            None => self.real.wall(),
        }
    }

    fn sleep_until(&self, at: Mono) -> BoxFuture<'static, ()> {
        Box::pin(Sleep { clock: self.clone(), at, key: None, timer: None })
    }
}

/// One sleeper. It lies in the map of sleepers even while the clock runs, so that the first step finds it.
struct Sleep {
    clock: SteppedClock,
    at: Mono,
    key: Option<u64>,
    timer: Option<smol::Timer>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.get_mut();
        let clock = sleep.clock.clone();
        let mut shared = clock.lock();
        let stands = shared.stands;
        if stands.map_or_else(|| clock.real.now(), |(now, _)| now) >= sleep.at {
            let gone = sleep.key.take().and_then(|key| shared.sleepers.remove(&(sleep.at, key)));
            drop(shared);
            drop(gone);
            return Poll::Ready(());
        }
        let key = *sleep.key.get_or_insert_with(|| {
            shared.next_sleeper += 1;
            shared.next_sleeper
        });
        let replaced = shared.sleepers.insert((sleep.at, key), cx.waker().clone());
        drop(shared);
        drop(replaced);
        if stands.is_some() {
            sleep.timer = None;
            return Poll::Pending;
        }
        let timer = sleep.timer.get_or_insert_with(|| clock.real.timer(sleep.at));
        Pin::new(timer).poll(cx).map(|_| ())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let gone = self.clock.lock().sleepers.remove(&(self.at, key));
            drop(gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future::{block_on, poll_once};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_real_clock_sleeps_and_never_goes_back() {
        let clock = RealClock::new();
        let before = clock.now();
        smol::block_on(clock.sleep_until(before + Duration::from_millis(5)));
        assert!(clock.now() - before >= Duration::from_millis(5));
        assert!(clock.wall() > Timestamp::from_civil(2025, 1, 1, 0, 0, 0));
        block_on(async { assert!(poll_once(clock.sleep_until(Mono(u64::MAX))).await.is_none()) });
    }

    #[test]
    fn runs_with_the_machine_until_it_is_set() {
        let clock = SteppedClock::new();
        let before = clock.now();
        smol::block_on(clock.sleep_until(before + Duration::from_millis(5)));
        assert!(clock.now() - before >= Duration::from_millis(5));
        assert!(!clock.stands_still());
        clock.set(Timestamp(1_000));
        let now = clock.now();
        assert_eq!(clock.wall(), Timestamp(1_000));
        clock.advance(SECOND);
        assert_eq!((clock.wall(), clock.now() - now), (Timestamp(2_000), SECOND));
        assert!(clock.stands_still());
    }

    #[test]
    fn set_goes_back_on_the_wall_only() {
        let clock = SteppedClock::new();
        clock.set(Timestamp(10_000));
        let now = clock.now();
        clock.set(Timestamp(4_000));
        assert_eq!((clock.wall(), clock.now()), (Timestamp(4_000), now));
        clock.set(Timestamp(5_000));
        assert_eq!((clock.wall(), clock.now()), (Timestamp(5_000), now + SECOND));
    }

    #[test]
    fn sleepers_wake_in_order_and_not_early() {
        let clock = SteppedClock::new();
        clock.set(Timestamp(0));
        let executor = smol::LocalExecutor::new();
        let woken = Arc::new(Mutex::new(Vec::new()));
        let start = clock.now();
        for seconds in [3, 1, 2, 2, 9] {
            let (clock, woken) = (clock.clone(), woken.clone());
            executor
                .spawn(async move {
                    clock.sleep_until(start + seconds * SECOND).await;
                    woken.lock().unwrap().push(seconds);
                })
                .detach();
        }
        while executor.try_tick() {}
        assert!(woken.lock().unwrap().is_empty());
        clock.advance(SECOND - Duration::from_millis(1));
        while executor.try_tick() {}
        assert!(woken.lock().unwrap().is_empty());
        clock.advance(3 * SECOND);
        while executor.try_tick() {}
        assert_eq!(*woken.lock().unwrap(), [1, 2, 2, 3]);
        clock.advance(6 * SECOND);
        while executor.try_tick() {}
        assert_eq!(*woken.lock().unwrap(), [1, 2, 2, 3, 9]);
        assert!(clock.lock().sleepers.is_empty());
    }

    #[test]
    fn the_first_step_reaches_those_asleep_on_machine_time() {
        let clock = SteppedClock::new();
        let executor = smol::LocalExecutor::new();
        let hour = clock.sleep_until(clock.now() + 3600 * SECOND);
        let task = executor.spawn(hour);
        while executor.try_tick() {}
        clock.advance(7200 * SECOND);
        while executor.try_tick() {}
        assert!(task.is_finished());
    }

    #[test]
    fn a_dropped_sleeper_is_forgotten() {
        let clock = SteppedClock::new();
        clock.set(Timestamp(0));
        let mut sleep = clock.sleep_until(clock.now() + SECOND);
        block_on(async { assert!(poll_once(&mut sleep).await.is_none()) });
        assert_eq!(clock.lock().sleepers.len(), 1);
        drop(sleep);
        assert!(clock.lock().sleepers.is_empty());
    }
}
