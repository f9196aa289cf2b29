//! The body on SQLite: one file with a write-ahead log and `synchronous=FULL`. The only folder that knows SQL.
//!
//! The file's layout is in `schema.sql` and the files `schema_*.sql`. Each file here has the statements of one trait
//! of [`database`](super::database).

mod annotation;
mod body;
mod book;
mod check;
mod connection;
mod copy;
mod directory;
mod dkim;
mod dmarc;
mod dmarc_report;
mod dmarc_row;
mod files;
mod hidden;
mod left;
mod mailbox;
mod message;
mod meta;
mod migrate;
mod outward;
mod queue;
mod queue_read;
mod queue_row;
mod sending;
mod shrink;
mod sieve;
mod version;
#[cfg(target_os = "linux")]
mod vfs;
mod wal;

#[cfg(test)]
pub(super) use connection::in_memory;
pub(super) use files::Files;
#[cfg(test)]
pub(super) use migrate::newest;

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode};

use super::database::{Connected, Read, Write};
use super::shared::Log;
use super::{block, columns, varint};
use crate::base::{Error, ErrorKind, Result};

/// A connection to the file.
pub(super) struct Sqlite {
    /// SQLite's own.
    pub db: Connection,
}

impl Connected for Sqlite {
    fn close(self: Box<Self>) -> Result<()> {
        connection::close(self.db)
    }

    #[cfg(test)]
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Read for Sqlite {
    fn begin_reading(&self) -> Result<()> {
        Ok(self.db.prepare_cached("BEGIN")?.execute([]).map(drop)?)
    }

    fn end_reading(&self) {
        // A transaction that only read has nothing to lose.
        let ended = self.db.prepare_cached("ROLLBACK").and_then(|mut end| end.execute([]));
        if let Err(e) = ended {
            log::warn!("store: ending a reading: {e}");
        }
    }

    fn check_layout(&self) -> Result<()> {
        migrate::check_newest(&self.db)
    }
}

impl Write for Sqlite {
    fn begin(&self) -> Result<()> {
        Ok(self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)?)
    }

    fn begin_job(&self) -> Result<()> {
        Ok(self.db.prepare_cached("SAVEPOINT job")?.execute([]).map(drop)?)
    }

    fn keep_job(&self) -> Result<()> {
        Ok(self.db.prepare_cached("RELEASE job")?.execute([]).map(drop)?)
    }

    fn undo_job(&self) -> Result<()> {
        self.db.prepare_cached("ROLLBACK TO job")?.execute([])?;
        self.keep_job()
    }

    fn in_transaction(&self) -> bool {
        !self.db.is_autocommit()
    }

    fn commit(&self) -> Result<()> {
        // Any failure but a full disk leaves it in doubt.
        self.db.prepare_cached("COMMIT")?.execute([]).map_err(|e| match e.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Error::from(e),
            _ => Error::new(ErrorKind::StoreDown, format!("store: commit: {e}")),
        })?;
        Ok(())
    }

    fn rollback(&self) -> Result<()> {
        match self.in_transaction() {
            true => Ok(self.db.execute_batch("ROLLBACK")?),
            false => Ok(()),
        }
    }

    fn unused_octets(&self) -> Result<u64> {
        Ok(shrink::unused_pages(&self.db)?.saturating_mul(connection::PAGE_OCTETS))
    }

    fn shrink(&self) -> Result<bool> {
        shrink::round(&self.db)
    }

    fn follow_log(&mut self, log: Arc<Log>) {
        let hook = move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            log.grew(u64::try_from(pages).unwrap_or(0).saturating_mul(connection::PAGE_OCTETS));
            Ok(())
        };
        // Where it fails the log is only emptied when idle.
        let _ = self.db.wal_hook(Some(hook));
    }

    fn save_log(&self) -> Result<bool> {
        wal::save(&self.db)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Error {
        let kind = match &e {
            rusqlite::Error::QueryReturnedNoRows => ErrorKind::NotFound,
            e => match e.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::Busy,
                Some(ErrorCode::DiskFull) => ErrorKind::DiskFull,
                Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => ErrorKind::StoreDown,
                _ => ErrorKind::Store,
            },
        };
        Error::new(kind, format!("store: {e}"))
    }
}
