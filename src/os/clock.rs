//! The clock on the wall, and the same clock in the hands of a host.
//!
//! [`RealClock`] is the machine's. [`SteppedClock`] runs with it until a host sets it; from then on it stands still
//! and moves only when the host says so, and whoever sleeps wakes exactly when the host moved past his deadline.
//!
//! Nearly all deadlines are dropped before they come: every wait for a peer has one. So one task
//! ([`SteppedClock::drive`]) keeps the machine's timer for the nearest of them, and a sleeper is a line in a map; a
//! timer of its own for each would wake the reactor twice for every read.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use smol::channel::{Sender, bounded};
use smol::future::FutureExt;

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
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Whether a host has set it: spares those who only look at the clock the lock.
    stands: AtomicBool,
    stepped: Mutex<Stepped>,
}

#[derive(Default)]
struct Stepped {
    /// Where the clock stands once a host has set it.
    stands: Option<(Mono, Timestamp)>,
    next_sleeper: u64,
    /// By deadline, then by who came first.
    sleepers: BTreeMap<(Mono, u64), Waker>,
    /// Who keeps the machine's timer for all, while somebody does.
    driver: Option<Driver>,
}

struct Driver {
    /// When it will look at the sleepers.
    rings: Option<Mono>,
    /// Tells it to look sooner.
    sooner: Sender<()>,
}

impl SteppedClock {
    /// A clock that runs with the machine's.
    #[allow(clippy::new_without_default, reason = "two of them differ")]
    pub fn new() -> Self {
        Self { real: RealClock::new(), shared: Arc::default() }
    }

    /// Whether a host has set it, so that it stands still between calls.
    pub fn stands_still(&self) -> bool {
        self.shared.stands.load(Ordering::Acquire)
    }

    /// Rings for all sleepers while the clock runs with the machine. Never ends; dropped, each sleeper goes on with a
    /// timer of its own.
    pub async fn drive(self) {
        let (sooner, told) = bounded(1);
        self.lock().driver = Some(Driver { rings: None, sooner });
        let _leave = Leave(self.clone());
        loop {
            let (due, rings) = self.due();
            due.into_values().for_each(Waker::wake);
            let told = async {
                let _ = told.recv().await;
            };
            match rings {
                Some(at) => {
                    let timer = self.real.timer(at);
                    told.or(async move {
                        timer.await;
                    })
                    .await;
                }
                None => told.await,
            }
        }
    }

    /// Who has slept long enough, and when to look again.
    fn due(&self) -> (BTreeMap<(Mono, u64), Waker>, Option<Mono>) {
        let mut shared = self.lock();
        if shared.stands.is_some() {
            return (BTreeMap::new(), None);
        }
        let later = shared.sleepers.split_off(&(Mono(self.real.now().0.saturating_add(1)), 0));
        let due = std::mem::replace(&mut shared.sleepers, later);
        let rings = shared.sleepers.first_key_value().map(|((at, _), _)| *at);
        if let Some(driver) = &mut shared.driver {
            driver.rings = rings;
        }
        (due, rings)
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
        self.shared.stands.store(true, Ordering::Release);
        // At the first step all wake: they sleep on the machine's timers and must learn that those are void.
        let later =
            if first { BTreeMap::new() } else { shared.sleepers.split_off(&(Mono(then.0.saturating_add(1)), 0)) };
        let due = std::mem::replace(&mut shared.sleepers, later);
        drop(shared);
        // Wakers run and drop foreign code: never under the lock.
        due.into_values().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Stepped> {
        self.shared.stepped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Mono {
        if !self.stands_still() {
            return self.real.now();
        }
        self.lock().stands.map_or_else(|| self.real.now(), |(now, _)| now)
    }

    fn wall(&self) -> Timestamp {
        if !self.stands_still() {
            return self.real.wall();
        }
        self.lock().stands.map_or_else(|| self.real.wall(), |(_, wall)| wall)
    }

    fn stands(&self) -> bool {
        self.stands_still()
    }

    fn pause(&self, length: Duration) -> BoxFuture<'static, ()> {
        self.real.pause(length)
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
        let driven = shared.driver.is_some();
        let sooner = match &mut shared.driver {
            Some(driver) if stands.is_none() && driver.rings.is_none_or(|rings| sleep.at < rings) => {
                driver.rings = Some(sleep.at);
                Some(driver.sooner.clone())
            }
            _ => None,
        };
        drop(shared);
        drop(replaced);
        if let Some(sooner) = sooner {
            // A full channel is a driver about to look.
            let _ = sooner.try_send(());
        }
        if stands.is_some() || driven {
            sleep.timer = None;
            return Poll::Pending;
        }
        let timer = sleep.timer.get_or_insert_with(|| clock.real.timer(sleep.at));
        Pin::new(timer).poll(cx).map(|_| ())
    }
}

/// Without its driver the clock goes on: everybody wakes once and takes a timer of his own.
struct Leave(SteppedClock);

impl Drop for Leave {
    fn drop(&mut self) {
        let mut shared = self.0.lock();
        let driver = shared.driver.take();
        let sleepers = std::mem::take(&mut shared.sleepers);
        drop(shared);
        drop(driver);
        sleepers.into_values().for_each(Waker::wake);
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
    fn one_driver_rings_for_all() {
        let clock = SteppedClock::new();
        let executor = Arc::new(smol::Executor::new());
        let driver = executor.spawn(clock.clone().drive());
        let start = clock.now();
        let woken = Arc::new(Mutex::new(Vec::new()));
        let sleepers: Vec<_> = [40, 10, 30, 20, 3_600_000]
            .map(|millis| {
                let (clock, woken) = (clock.clone(), woken.clone());
                executor.spawn(async move {
                    let at = start + Duration::from_millis(millis);
                    clock.sleep_until(at).await;
                    assert!(clock.now() >= at);
                    woken.lock().unwrap().push(millis);
                })
            })
            .into();
        let mut sleepers = sleepers.into_iter();
        smol::block_on(executor.run(async {
            for sleeper in sleepers.by_ref().take(4) {
                sleeper.await;
            }
            assert_eq!(*woken.lock().unwrap(), [10, 20, 30, 40]);
            // Without the driver the last one still sleeps, and a step still reaches it.
            driver.cancel().await;
            assert!(clock.lock().driver.is_none());
            clock.advance(3600 * SECOND);
            sleepers.next().unwrap().await;
        }));
        assert!(clock.lock().sleepers.is_empty());
    }

    #[test]
    fn a_sleeper_outlives_the_driver() {
        let clock = SteppedClock::new();
        let executor = smol::Executor::new();
        let driver = executor.spawn(clock.clone().drive());
        let sleeper = executor.spawn(clock.sleep_until(clock.now() + Duration::from_millis(20)));
        smol::block_on(executor.run(async {
            smol::future::yield_now().await;
            driver.cancel().await;
            sleeper.await;
        }));
    }

    #[test]
    fn a_pause_ends_though_the_clock_stands() {
        let clock = SteppedClock::new();
        clock.set(Timestamp(0));
        let before = clock.now();
        smol::block_on(clock.pause(Duration::from_millis(5)));
        assert_eq!(clock.now(), before);
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
