//! Brings a schema to the present layout, one version after the other, in one transaction under an advisory lock.
//!
//! `store_meta` holds the version. A schema that a newer engine wrote, or another program, is refused and not changed.

use super::session::Session;
use super::value::{Columns, values};
use crate::base::{Error, ErrorKind, Result};

/// What leads from version `i` to `i + 1`. Never changed once released: append.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// The version this engine writes.
pub(super) fn newest() -> i64 {
    MIGRATIONS.len() as i64
}

/// Refuses a schema that cannot be read as it is: another program's, a newer one, an older one.
pub(super) fn check_newest(session: &Session) -> Result<()> {
    match version(session)? == newest() {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Store, "the store is older than this engine and cannot be migrated now")),
    }
}

/// Makes the schema where there is none, and migrates it.
pub(super) fn migrate(session: &Session, schema: &str) -> Result<()> {
    session.batch("BEGIN")?;
    let migrated = migrate_inside(session, schema);
    session.forgive();
    let ended = session.batch(if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" });
    migrated.and(ended)
}

fn migrate_inside(session: &Session, schema: &str) -> Result<()> {
    let key = format!("mailcore migration {schema}");
    session.rows("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", values![key])?;
    let there = session.rows("SELECT 1 FROM pg_namespace WHERE nspname = $1", values![schema])?;
    if there.is_empty() {
        // Only where it is missing: an operator may have made it for a user who cannot.
        session.batch(&format!("CREATE SCHEMA {schema}"))?;
    }
    let version = version(session)?;
    for (from, sql) in (0..).zip(MIGRATIONS).skip_while(|(from, _)| *from < version) {
        let to: i64 = from + 1;
        session
            .batch(&format!("{sql} UPDATE store_meta SET value = {to} WHERE name = 'schema'"))
            .map_err(|e| e.while_doing(&format!("schema {to}")))?;
    }
    Ok(())
}

/// The version of the schema; 0 for an empty one. `Invalid` where it is newer than this engine, or not ours.
fn version(session: &Session) -> Result<i64> {
    let tables = "SELECT count(*), count(*) FILTER (WHERE relname = 'store_meta') FROM pg_class
      WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')";
    let found = session.rows(tables, values![])?;
    let (all, ours) = match found.first() {
        Some(row) => (row.number(0)?, row.number(1)?),
        None => (0, 0),
    };
    if all == 0 {
        return Ok(0);
    }
    let foreign = || Error::new(ErrorKind::Invalid, "the schema has tables of another program");
    if ours == 0 {
        return Err(foreign());
    }
    let version = session.rows("SELECT value FROM store_meta WHERE name = 'schema'", values![])?;
    let version = version.first().ok_or_else(foreign)?.number(0)?;
    match version > newest() {
        true => Err(Error::new(
            ErrorKind::Invalid,
            format!("the store has schema {version}, this engine knows {}: a newer engine wrote it", newest()),
        )),
        false => Ok(version),
    }
}
