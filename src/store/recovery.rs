//! After a failed sync or other I/O error of the writer or the checkpoint: the cure.
//!
//! The kernel may have marked pages clean that never reached the disk, in the log or in the database. So every
//! connection is closed without a checkpoint, the log's own bytes are read, written back and synced, and the file is
//! reopened: recovery then reads the whole log anew, and the next checkpoint copies all of it. Going on, or merely
//! reopening, loses acknowledged mail at the next power cut. A commit that failed is in doubt: it may be there now.

use std::io;

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::directory::Directory;
use super::lane::Lanes;
use super::shared::Shared;
use super::{checkpoint, connection};
use crate::base::Result;

/// Octets of log rewritten at a time.
const PIECE_OCTETS: usize = 256 * 1024;

/// Cures. Where it fails nothing is open afterwards.
pub(super) async fn cure(shared: &Shared, lanes: &Lanes, writer: &mut Option<Connection>) -> Result<Directory> {
    // Closing may report the old error once more; what counts is that nothing stays open.
    let closed = lanes.close().await;
    let closed = closed.and(writer.take().map_or(Ok(()), connection::close));
    if let Err(e) = closed {
        log::warn!("store: while closing after an error: {e}");
    }
    rewrite_log(shared).map_err(|e| connection::disk_error("making the log durable", &e))?;
    let db = connection::open_writer(&shared.world, &shared.files)?;
    let directory = Directory::load(&db)?;
    let opened = lanes.open().await;
    if let Err(e) = opened {
        // Half open is not open.
        let _ = lanes.close().await;
        let _ = connection::close(db);
        return Err(e);
    }
    *writer = Some(db);
    Ok(directory)
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

/// The last checkpoint before the file is closed: the log is emptied, or stays whole.
pub(super) fn empty_log(db: &Connection) -> Result<()> {
    checkpoint::checkpoint(db, CheckpointMode::TRUNCATE).map(|_| ())
}
