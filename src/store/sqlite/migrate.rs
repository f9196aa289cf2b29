//! Brings a store's file to the present schema, one version after the other, each in its own transaction.
//!
//! `PRAGMA user_version` holds the version. A file newer than this engine is refused and left as it is.

use rusqlite::Connection;

use crate::base::{Error, ErrorKind, Result};

/// What leads from version `i` to `i + 1`. Never changed once released: append.
const MIGRATIONS: [&str; 15] = [
    include_str!("schema.sql"),
    include_str!("schema_dmarc.sql"),
    include_str!("schema_dkim.sql"),
    include_str!("schema_remains.sql"),
    include_str!("schema_queue.sql"),
    include_str!("schema_recent.sql"),
    include_str!("schema_policy.sql"),
    include_str!("schema_hidden.sql"),
    include_str!("schema_sieve.sql"),
    include_str!("schema_trail.sql"),
    include_str!("schema_directory.sql"),
    include_str!("schema_out.sql"),
    include_str!("schema_annotation.sql"),
    include_str!("schema_terms.sql"),
    include_str!("schema_door.sql"),
];

/// `mail` in ASCII: tells our files from other SQLite databases.
const APPLICATION_ID: i32 = 0x6d61_696c;

/// Refuses a file that is not ours or that a newer engine wrote. Writes nothing.
pub(super) fn check(db: &Connection) -> Result<()> {
    let version = version(db)?;
    let application: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let newest = MIGRATIONS.len() as i64;
    if version > newest {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("the store has schema {version}, this engine knows {newest}: a newer engine wrote it"),
        ));
    }
    let foreign = match version {
        0 => db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))? > 0,
        _ => application != APPLICATION_ID,
    };
    if foreign {
        return Err(Error::new(ErrorKind::Invalid, "mail.db is a database of another program"));
    }
    Ok(())
}

/// Refuses a file that cannot be read as it is: one for which [`check`] fails, or an older one.
pub(super) fn check_newest(db: &Connection) -> Result<()> {
    check(db)?;
    match version(db)? == MIGRATIONS.len() as i64 {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Store, "the store is older than this engine and cannot be migrated now")),
    }
}

/// Migrates a checked file.
pub(super) fn migrate(db: &Connection) -> Result<()> {
    let version = version(db)?;
    for (from, sql) in (0..).zip(MIGRATIONS).skip_while(|(from, _)| *from < version) {
        let to: i64 = from + 1;
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {sql} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {to}; COMMIT;"
        ))
        .map_err(|e| Error::from(e).while_doing(&format!("schema {to}")))?;
    }
    Ok(())
}

/// The version this engine writes.
#[cfg(test)]
pub(in super::super) fn newest() -> usize {
    MIGRATIONS.len()
}

fn version(db: &Connection) -> Result<i64> {
    Ok(db.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}
