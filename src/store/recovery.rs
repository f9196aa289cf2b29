//! After a failed sync or other I/O error of the writer or the checkpoint: the cure.
//!
//! The kernel may have marked pages clean that never reached the disk, in the log or in the database. So every
//! connection is closed without a checkpoint, the log is made durable (`Database::make_durable`), and the file is
//! reopened: the database then reads the whole log anew, and the next checkpoint copies all of it. Going on, or merely
//! reopening, loses acknowledged mail at the next power cut. A commit that failed is in doubt: it may be there now.
//!
//! Where the cure fails, readers go on alone, and the cure is tried again with growing pauses; so it is where it does
//! not help for long.

use std::time::Duration;

use super::check;
use super::database::{Connected, Readers, Write};
use super::lane::Lanes;
use super::room;
use super::shared::Shared;
use crate::base::limits::{CURE_PAUSE_MILLISECONDS, CURE_PAUSE_MILLISECONDS_MAX, CURE_QUIET_SECONDS};
use crate::base::{ErrorKind, Mono, Result};

/// When the cure may be tried: at once after a quiet time, then with pauses that double.
#[derive(Debug, Default)]
pub(super) struct Patience {
    pause: Duration,
    well_since: Option<Mono>,
}

impl Patience {
    /// The pause before the cure is tried, now that something failed.
    pub fn failed(&mut self, now: Mono) -> Duration {
        let quiet = |since: Mono| now - since >= Duration::from_secs(CURE_QUIET_SECONDS);
        if self.well_since.take().is_some_and(quiet) {
            self.pause = Duration::ZERO;
        }
        let pause = self.pause;
        let least = Duration::from_millis(CURE_PAUSE_MILLISECONDS);
        self.pause = (pause * 2).clamp(least, Duration::from_millis(CURE_PAUSE_MILLISECONDS_MAX));
        pause
    }

    /// The store is well again.
    pub fn cured(&mut self, now: Mono) {
        self.well_since = Some(now);
    }
}

/// Closes every connection, and lets readers go on alone.
pub(super) async fn leave_readers(shared: &Shared, lanes: &Lanes, writer: &mut Option<Box<dyn Write>>) {
    // Closing may report the old error once more; what counts is that nothing stays open.
    let closed = lanes.close().await;
    check::end(shared);
    let closed = closed.and(writer.take().map_or(Ok(()), Connected::close));
    if let Err(e) = closed {
        log::warn!("store: while closing after an error: {e}");
    }
    reopen_readers(lanes).await;
}

async fn reopen_readers(lanes: &Lanes) {
    if let Err(e) = lanes.open(Readers::Alone).await {
        log::warn!("store: readers could not go on: {e}");
    }
}

/// Cures, once no connection but those of readers that go on alone is open. Where it fails those are open again.
pub(super) async fn cure(shared: &Shared, lanes: &Lanes) -> Result<Box<dyn Write>> {
    shared.database.make_durable()?;
    let closed = lanes.close().await;
    check::end(shared);
    let opened = match closed {
        Ok(()) => shared.database.open_writer(),
        Err(e) => Err(e),
    };
    let failed = match opened {
        Ok(db) => match lanes.open(Readers::BesideWriter).await {
            Ok(()) => return Ok(db),
            Err(e) => {
                // Half open is not open.
                let _ = lanes.close().await;
                let _ = db.close();
                e
            }
        },
        Err(e) => e,
    };
    reopen_readers(lanes).await;
    Err(failed)
}

/// The files at the start: folders are there and the lock is ours.
pub(super) fn open_first(shared: &Shared) -> Result<Box<dyn Write>> {
    // The process before us may have died of a failed sync: what it left in the page cache reads as if it were
    // on disk, and mail acknowledged behind it would be lost with it at the next power cut.
    shared.database.make_durable()?;
    shared.database.open_writer()
}

/// The last checkpoint before the file is closed: the log is emptied, or stays whole, as it does on a full disk.
pub(super) fn empty_log(shared: &Shared, db: &dyn Write) -> Result<()> {
    match db.empty_log() {
        Err(e) if e.kind() == ErrorKind::DiskFull => {
            room::run_out(shared);
            Ok(())
        }
        emptied => emptied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_a_quiet_time_ends_them() {
        let mut patience = Patience::default();
        let mut now = Mono::default();
        let pauses: Vec<u128> = (0..9).map(|_| patience.failed(now).as_millis()).collect();
        assert_eq!(pauses, [0, 250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        patience.cured(now);
        now = now + Duration::from_secs(CURE_QUIET_SECONDS - 1);
        assert_eq!(patience.failed(now).as_millis(), 10_000, "it did not help for long");
        patience.cured(now);
        now = now + Duration::from_secs(CURE_QUIET_SECONDS);
        assert_eq!(patience.failed(now).as_millis(), 0);
    }
}
