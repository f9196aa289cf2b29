//! Lets one thread of the host wake calls of another that block on the same handle.

use std::sync::Mutex;
use std::time::Duration;

use smol::channel::{Receiver, Sender, bounded};
use smol::future::{FutureExt, block_on};

use crate::base::world::Clock;
use crate::base::{Error, ErrorKind, Result};

/// Calls that block now on one handle.
#[derive(Default)]
pub struct Interrupt {
    blocked: Mutex<Vec<Sender<()>>>,
}

impl Interrupt {
    /// Makes every call that blocks now return `Interrupted`. Later calls are not touched.
    pub fn interrupt(&self) {
        for call in std::mem::take(&mut *lock(&self.blocked)) {
            let _ = call.try_send(());
        }
    }

    /// Waits for `work` on the calling thread, which does nothing else (sockets are the runners' affair): `Interrupted`
    /// when [`Interrupt::interrupt`] is called meanwhile, `Timeout` after `timeout` of `clock` (`None` waits for ever).
    pub fn wait<T>(
        &self,
        clock: &dyn Clock,
        timeout: Option<Duration>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let interrupted = self.register();
        let stopped = async move {
            let _ = interrupted.recv().await;
            Err(Error::new(ErrorKind::Interrupted, "interrupted"))
        };
        let work = work.or(stopped);
        match timeout {
            None => block_on(work),
            Some(timeout) => {
                let late = clock.sleep_until(clock.now() + timeout);
                block_on(work.or(async move {
                    late.await;
                    Err(Error::new(ErrorKind::Timeout, "timed out"))
                }))
            }
        }
    }

    fn register(&self) -> Receiver<()> {
        let (tx, rx) = bounded(1);
        let mut blocked = lock(&self.blocked);
        blocked.retain(|call| !call.is_closed());
        blocked.push(tx);
        rx
    }
}

/// A panic under a short lock leaves plain data behind: go on with it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
