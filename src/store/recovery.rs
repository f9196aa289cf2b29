//! After a failed sync or other I/O error of the writer or the checkpoint: the cure.
//!
//! The kernel may have marked pages clean that never reached the disk, in the log or in the database. So every
//! connection is closed without a checkpoint, the log's own bytes are read, written back and synced, and the file is
//! reopened: recovery then reads the whole log anew, and the next checkpoint copies all of it. Going on, or merely
//! reopening, loses acknowledged mail at the next power cut. A commit that failed is in doubt: it may be there now.
//!
//! Where the cure fails, readers go on, each with an index of the log of its own, and the cure is tried again with
//! growing pauses; so it is where it does not help for long.

use std::io;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::connection::Index;
use super::directory::Directory;
use super::lane::Lanes;
use super::shared::Shared;
use super::{check, checkpoint, connection, room};
use crate::base::limits::{CURE_PAUSE_MILLISECONDS, CURE_PAUSE_MILLISECONDS_MAX, CURE_QUIET_SECONDS};
use crate::base::{Error, ErrorKind, Mono, Result};

/// Octets of log rewritten at a time.
const PIECE_OCTETS: usize = 256 * 1024;

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

/// Closes every connection, and lets readers go on with an index of their own.
pub(super) async fn leave_readers(shared: &Shared, lanes: &Lanes, writer: &mut Option<Connection>) {
    // Closing may report the old error once more; what counts is that nothing stays open.
    let closed = lanes.close().await;
    check::end(shared);
    let closed = closed.and(writer.take().map_or(Ok(()), connection::close));
    if let Err(e) = closed {
        log::warn!("store: while closing after an error: {e}");
    }
    reopen_readers(lanes).await;
}

async fn reopen_readers(lanes: &Lanes) {
    if let Err(e) = lanes.open(Index::Own).await {
        log::warn!("store: readers could not go on: {e}");
    }
}

/// Cures, once no connection but readers with an index of their own is open. Where it fails those are open again.
pub(super) async fn cure(shared: &Shared, lanes: &Lanes) -> Result<(Connection, Directory)> {
    rewrite_log(shared).map_err(|e| Error::of_disk("making the log durable", &e))?;
    let closed = lanes.close().await;
    check::end(shared);
    let opened = match closed {
        Ok(()) => open(shared),
        Err(e) => Err(e),
    };
    let failed = match opened {
        Ok((db, directory)) => match lanes.open(Index::Shared).await {
            Ok(()) => return Ok((db, directory)),
            Err(e) => {
                // Half open is not open.
                let _ = lanes.close().await;
                let _ = connection::close(db);
                e
            }
        },
        Err(e) => e,
    };
    reopen_readers(lanes).await;
    Err(failed)
}

/// The files at the start: folders are there and the lock is ours.
pub(super) fn open_first(shared: &Shared) -> Result<(Connection, Directory)> {
    // The process before us may have died of a failed sync: what it left in the page cache reads as if it were
    // on disk, and mail acknowledged behind it would be lost with it at the next power cut.
    rewrite_log(shared).map_err(|e| Error::of_disk("making the log durable", &e))?;
    open(shared)
}

/// Folders and the lock of a store.
pub(super) fn take_folder(shared: &Shared) -> Result<Box<dyn Send + Sync>> {
    let (disk, files) = (&shared.world.disk, &shared.files);
    let failed = |e: io::Error| Error::of_disk(&files.folder.display().to_string(), &e);
    super::sqlite::check()?;
    disk.make_dir(&files.folder).map_err(failed)?;
    match disk.make_dir(&files.scratch) {
        // Mail that needs a scratch file is refused then.
        Err(e) if matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::ReadOnlyFilesystem) => {}
        made => made.map_err(failed)?,
    }
    let lock = disk.lock(&files.lock).map_err(|e| match e.kind() {
        io::ErrorKind::AddrInUse => Error::new(
            ErrorKind::Busy,
            format!("the store in {} is in use by another process or engine", files.folder.display()),
        ),
        _ => failed(e),
    })?;
    // SQLite gives the log the mode of the database, and older stores were made with that of the process.
    for file in [&files.database, &files.wal, &files.shm, &files.lock] {
        disk.make_private(file).map_err(failed)?;
    }
    Ok(lock)
}

fn open(shared: &Shared) -> Result<(Connection, Directory)> {
    let (disk, files) = (&shared.world.disk, &shared.files);
    let failed = |e: io::Error| Error::of_disk("mail.db", &e);
    if disk.identity(&files.database).map_err(failed)?.is_none() {
        // SQLite would make it with the mode of the process, and gives the log and its index the mode it finds.
        disk.open(&files.database, true).map_err(failed)?;
    }
    let db = connection::open_writer(&shared.world, &shared.files)?;
    let directory = super::migrate::migrate(&db).and_then(|()| Directory::load(&db));
    match directory {
        Ok(directory) => Ok((db, directory)),
        Err(e) => {
            let _ = connection::close(db);
            Err(e)
        }
    }
}

/// After the log or its index was removed or replaced by another program: what only the log has, the writer, whose
/// file it still is, copies into the database. True: all of it is there and synced. A reader may hold it back.
pub(super) fn copy_log(db: &Connection) -> Result<bool> {
    // One that copies everything syncs the database as well.
    match db.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE).map_err(Error::from) {
        Ok((pages, copied)) => Ok(pages == copied),
        Err(e) if e.kind() == ErrorKind::Busy => Ok(false),
        Err(e) => Err(e),
    }
}

/// A log that came where ours was removed belongs to a database that had not what ours held: it is set aside.
pub(super) fn set_foreign_log_aside(shared: &Shared) -> io::Result<()> {
    let (disk, wal) = (&shared.world.disk, &shared.files.wal);
    let length = match disk.open(wal, false) {
        Ok(file) => file.len()?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    if length == 0 {
        return Ok(());
    }
    let mut aside = wal.clone().into_os_string();
    aside.push(".foreign");
    disk.rename(wal, aside.as_ref())?;
    disk.sync_dir(&shared.files.folder)
}

/// Reads the log, writes the same bytes back, and syncs them and their name.
pub(super) fn rewrite_log(shared: &Shared) -> io::Result<()> {
    let disk = &shared.world.disk;
    let file = match disk.open(&shared.files.wal, false) {
        Ok(file) => file,
        // Without a log everything is in the database.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let mut piece = vec![0; PIECE_OCTETS];
    let mut at = 0;
    loop {
        let n = file.read_at(at, &mut piece)?;
        let octets = piece.get(..n).unwrap_or_default();
        if octets.is_empty() {
            break;
        }
        file.write_at(at, octets)?;
        at += n as u64;
    }
    file.sync()?;
    disk.sync_dir(&shared.files.folder)
}

/// The last checkpoint before the file is closed: the log is emptied, or stays whole, as it does on a full disk.
pub(super) fn empty_log(shared: &Shared, db: &Connection) -> Result<()> {
    match checkpoint::checkpoint(db, CheckpointMode::TRUNCATE) {
        Err(e) if e.kind() == ErrorKind::DiskFull => {
            room::run_out(shared);
            Ok(())
        }
        emptied => emptied.map(|_| ()),
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
