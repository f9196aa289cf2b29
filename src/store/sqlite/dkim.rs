//! The keys our mail is signed with.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{DkimKey, DkimKeyState};
use super::columns;
use crate::base::{Result, Secret, Timestamp};

const KEY: &str = "SELECT domain, selector, algorithm, key, state, created, changed FROM dkim_key";

/// All keys, by domain and selector.
pub(super) fn list(db: &Connection) -> Result<Vec<DkimKey>> {
    let mut list = db.prepare_cached(&format!("{KEY} ORDER BY domain, selector"))?;
    let keys = list.query_map([], read_key)?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

/// One key.
pub(super) fn get(db: &Connection, domain: &str, selector: &str) -> Result<Option<DkimKey>> {
    let mut get = db.prepare_cached(&format!("{KEY} WHERE domain = ?1 AND selector = ?2"))?;
    Ok(get.query_row([domain, selector], read_key).optional()?)
}

/// Writes a key, in the place of one of its name.
pub(super) fn put(db: &Connection, key: &DkimKey) -> Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO dkim_key(domain, selector, algorithm, key, state, created, changed)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        key.domain,
        key.selector,
        key.algorithm,
        key.key.expose(),
        key.state as i64,
        key.created.0,
        key.changed.0
    ])?;
    Ok(())
}

/// The active keys of a domain and algorithm are only published from now on.
pub(super) fn step_back(db: &Connection, domain: &str, algorithm: &str, now: Timestamp) -> Result<()> {
    db.prepare_cached(
        "UPDATE dkim_key SET state = ?3, changed = ?4 WHERE domain = ?1 AND algorithm = ?2 AND state = ?5",
    )?
    .execute(params![domain, algorithm, DkimKeyState::Published as i64, now.0, DkimKeyState::Active as i64])?;
    Ok(())
}

fn read_key(row: &Row<'_>) -> rusqlite::Result<DkimKey> {
    Ok(DkimKey {
        domain: row.get(0)?,
        selector: row.get(1)?,
        algorithm: row.get(2)?,
        key: Secret::new(row.get::<_, Vec<u8>>(3)?),
        state: columns::dkim_state(row.get(4)?),
        created: Timestamp(row.get(5)?),
        changed: Timestamp(row.get(6)?),
    })
}
