//! How every connection to the store's file is opened.
//!
//! No connection checkpoints when it closes: after a failed sync that would make lost pages look safe. An I/O
//! error becomes `StoreDown`, which makes the writer close and reopen everything (see `recovery`).

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::base::limits::STORE_CACHE_OCTETS;
use crate::base::{Error, Result, World};

/// Octets of a page: bodies of a few KiB fit one, blocks of `state` fit well.
pub(super) const PAGE_OCTETS: u64 = 8192;
/// Prepared statements a connection keeps; more than there are in this room.
const STATEMENTS_MAX: usize = 160;

/// Which index of the log a connection uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    /// The one in `-shm`, which all programs share.
    Shared,
    /// One of its own, in memory: for connections that read while the writer is down. It needs neither room on the
    /// disk nor leave to write there. Where the platform's VFS has no such index it is the shared one.
    Own,
}

/// Opens the file for writing, making it where it is missing.
pub(super) fn open_writer(world: &World, database: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let db = open(world, database, flags, Index::Shared)?;
    super::migrate::check(&db)?;
    // The first two are for a file that is still empty; in any other they change nothing.
    db.execute_batch(
        "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;",
    )?;
    Ok(db)
}

/// Opens the file, which is there and in WAL mode, for reading.
pub(super) fn open_reader(world: &World, database: &Path, index: Index) -> Result<Connection> {
    // Read-write, since a reader takes part in the WAL's shared index; `query_only` keeps it honest.
    let db = open(world, database, OpenFlags::SQLITE_OPEN_READ_WRITE, index)?;
    db.execute_batch("PRAGMA query_only = ON;")?;
    Ok(db)
}

/// Opens the file, which is there and in WAL mode, for checkpoints.
pub(super) fn open_checkpointer(world: &World, database: &Path) -> Result<Connection> {
    let db = open(world, database, OpenFlags::SQLITE_OPEN_READ_WRITE, Index::Shared)?;
    db.execute_batch("PRAGMA synchronous = FULL;")?;
    Ok(db)
}

/// Opens a copy that is being made, or was just made: nobody else has it.
pub(super) fn open_copy(world: &World, copy: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = match world.disk.vfs() {
        Some(vfs) => Connection::open_with_flags_and_vfs(copy, flags, vfs)?,
        None => Connection::open_with_flags(copy, flags)?,
    };
    db.execute_batch("PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;")?;
    Ok(db)
}

/// The VFS whose locks nobody else can lift, where the platform has such locks.
#[cfg(target_os = "linux")]
fn own_vfs(index: Index) -> Option<&'static str> {
    super::vfs::name(index)
}

#[cfg(not(target_os = "linux"))]
fn own_vfs(_: Index) -> Option<&'static str> {
    None
}

fn open(world: &World, database: &Path, flags: OpenFlags, index: Index) -> Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = match world.disk.vfs().or_else(|| own_vfs(index)) {
        Some(vfs) => Connection::open_with_flags_and_vfs(database, flags, vfs)?,
        None => Connection::open_with_flags(database, flags)?,
    };
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    distrust(&db)?;
    db.busy_timeout(std::time::Duration::ZERO)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    db.execute_batch(&format!(
        "PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -{};",
        STORE_CACHE_OCTETS / 1024
    ))?;
    Ok(db)
}

/// A file that somebody else wrote runs nothing of theirs: no functions in views or triggers, no writes past the
/// tables.
fn distrust(db: &Connection) -> Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(())
}

/// Closes a connection and says where that failed (dropping one would not).
pub(super) fn close(db: Connection) -> Result<()> {
    db.flush_prepared_statement_cache();
    db.close().map_err(|(_, e)| Error::from(e))
}

/// A database in memory, for tests of single statements.
#[cfg(test)]
pub(in super::super) fn in_memory() -> Box<dyn super::super::database::Write> {
    let db = Connection::open_in_memory().unwrap();
    super::migrate::migrate(&db).unwrap();
    Box::new(super::Sqlite { db })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_schema_is_not_trusted() {
        let folder = std::env::temp_dir().join(format!("mailcore-connection-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let place = folder.join("mail.db");
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let db = Connection::open_with_flags(&place, flags).unwrap();
        distrust(&db).unwrap();
        assert!(!db.db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA).unwrap());
        assert!(db.db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE).unwrap());
        assert!(db.execute_batch("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'x';").is_err());
        close(db).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
