//! The write-ahead log: copying it back into the database.

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::super::database::Tend;
use super::super::shared::Log;
use super::{Sqlite, connection};
use crate::base::{Error, ErrorKind, Result};
use std::sync::atomic::Ordering;

impl Tend for Sqlite {
    fn copy_log(&self, log: &Log) -> Result<()> {
        let restarts = log.restarts.load(Ordering::SeqCst);
        let copied = checkpoint(&self.db, CheckpointMode::PASSIVE)?;
        if let (Some(pages), true) = (copied, log.restarts.load(Ordering::SeqCst) == restarts) {
            log.copied.store(pages.saturating_mul(connection::PAGE_OCTETS), Ordering::SeqCst);
        }
        Ok(())
    }

    fn empty_log(&self) -> Result<()> {
        checkpoint(&self.db, CheckpointMode::TRUNCATE).map(drop)
    }
}

/// One checkpoint; gives the pages of log that the database has now. That somebody was in the way is no error: the
/// next one goes on.
fn checkpoint(db: &Connection, mode: CheckpointMode) -> Result<Option<u64>> {
    match db.wal_checkpoint_v2(None::<&str>, mode).map_err(Error::from) {
        Err(e) if e.kind() == ErrorKind::Busy => Ok(None),
        Err(e) if e.kind() == ErrorKind::DiskFull => Err(e.while_doing("checkpoint")),
        Err(e) => Err(Error::new(ErrorKind::StoreDown, e.text()).while_doing("checkpoint")),
        Ok((_, copied)) => Ok(u64::try_from(copied).ok()),
    }
}

/// After the log or its index was removed or replaced by another program: what only the log has, the writer, whose
/// file it still is, copies into the database. True: all of it is there and synced. A reader may hold it back.
pub(super) fn save(db: &Connection) -> Result<bool> {
    // One that copies everything syncs the database as well.
    match db.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE).map_err(Error::from) {
        Ok((pages, copied)) => Ok(pages == copied),
        Err(e) if e.kind() == ErrorKind::Busy => Ok(false),
        Err(e) => Err(e),
    }
}
