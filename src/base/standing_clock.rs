//! A clock for tests that stands where it is put. Who sleeps on it never wakes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::time::{Mono, Timestamp};
use super::world::{BoxFuture, Clock};

/// Stands at 0 first; its wall clock stays in 1970.
#[derive(Default)]
pub struct StandingClock(AtomicU64);

impl StandingClock {
    /// Moves it ahead.
    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1_000_000_000, Ordering::SeqCst);
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Mono {
        Mono(self.0.load(Ordering::SeqCst))
    }
    fn wall(&self) -> Timestamp {
        Timestamp(0)
    }
    fn sleep_until(&self, _: Mono) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}
