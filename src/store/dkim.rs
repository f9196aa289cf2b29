//! The keys our mail is signed with, and where each stands in its life.

use rusqlite::{OptionalExtension, Row, params};

use super::transaction::WriteTx;
use super::{DkimKey, DkimKeyState, Store};
use crate::base::limits::DKIM_KEYS_MAX;
use crate::base::{Error, ErrorKind, Result, Secret, Timestamp};

impl Store {
    /// All keys, by domain and selector.
    pub async fn dkim_keys(&self) -> Result<Vec<DkimKey>> {
        self.read(|db| {
            let mut list = db.prepare_cached(
                "SELECT domain, selector, algorithm, key, state, created, changed FROM dkim_key
                 ORDER BY domain, selector",
            )?;
            let mut rows = list.query([])?;
            let mut keys = Vec::new();
            while let Some(row) = rows.next()? {
                keys.push(read_key(row)?);
            }
            Ok(keys)
        })
        .await
    }

    /// Keeps a key. One that is active takes the place of the domain's active key of its algorithm. `Exists` where
    /// the name is taken, unless `replace`; `Limit` beyond `DKIM_KEYS_MAX`.
    pub async fn dkim_key_put(&self, key: DkimKey, replace: bool) -> Result<()> {
        self.write(0, move |tx| {
            let count: i64 = tx.db.prepare_cached("SELECT count(*) FROM dkim_key")?.query_row([], |row| row.get(0))?;
            let is_known = algorithm_of(tx, &key.domain, &key.selector)?.is_some();
            if is_known && !replace {
                return Err(Error::new(ErrorKind::Exists, "there is a key of that name"));
            }
            if !is_known && count >= DKIM_KEYS_MAX {
                return Err(Error::new(ErrorKind::Limit, format!("more than {DKIM_KEYS_MAX} keys")));
            }
            if key.state == DkimKeyState::Active {
                make_room(tx, &key.domain, &key.algorithm, key.changed)?;
            }
            tx.db
                .prepare_cached(
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
        })
        .await
    }

    /// Moves a key on. One that becomes active takes the place of the domain's active key of its algorithm; of one that
    /// is retired the private half is forgotten. `NotFound` where the key is not there as `seen`: it was removed, or
    /// another key has its name now, or it has moved on already.
    pub async fn dkim_key_state(&self, seen: &DkimKey, state: DkimKeyState, now: Timestamp) -> Result<()> {
        let (domain, selector) = (seen.domain.clone(), seen.selector.clone());
        let (old, key) = (seen.state, seen.key.clone());
        self.write(0, move |tx| {
            let algorithm = algorithm_as(tx, [&domain, &selector], old, &key)?.ok_or_else(no_key)?;
            if state == DkimKeyState::Active {
                make_room(tx, &domain, &algorithm, now)?;
            }
            if state == DkimKeyState::Retired {
                tx.db
                    .prepare_cached("UPDATE dkim_key SET key = x'' WHERE domain = ?1 AND selector = ?2")?
                    .execute([&domain, &selector])?;
            }
            tx.db
                .prepare_cached("UPDATE dkim_key SET state = ?3, changed = ?4 WHERE domain = ?1 AND selector = ?2")?
                .execute(params![domain, selector, state as i64, now.0])?;
            Ok(())
        })
        .await
    }

    /// Removes a key. `NotFound`.
    pub async fn dkim_key_delete(&self, domain: &str, selector: &str) -> Result<()> {
        let (domain, selector) = (domain.to_owned(), selector.to_owned());
        self.write(0, move |tx| {
            let mut delete = tx.db.prepare_cached("DELETE FROM dkim_key WHERE domain = ?1 AND selector = ?2")?;
            if delete.execute([&domain, &selector])? == 0 { Err(no_key()) } else { Ok(()) }
        })
        .await
    }
}

fn no_key() -> Error {
    Error::new(ErrorKind::NotFound, "no such key")
}

fn algorithm_of(tx: &WriteTx<'_>, domain: &str, selector: &str) -> Result<Option<String>> {
    let mut get = tx.db.prepare_cached("SELECT algorithm FROM dkim_key WHERE domain = ?1 AND selector = ?2")?;
    Ok(get.query_row([domain, selector], |row| row.get(0)).optional()?)
}

/// The algorithm of a key that is still in this state and has this private half.
fn algorithm_as(tx: &WriteTx<'_>, name: [&str; 2], state: DkimKeyState, key: &Secret) -> Result<Option<String>> {
    let mut get = tx.db.prepare_cached(
        "SELECT algorithm FROM dkim_key WHERE domain = ?1 AND selector = ?2 AND state = ?3 AND key = ?4",
    )?;
    let [domain, selector] = name;
    Ok(get.query_row(params![domain, selector, state as i64, key.expose()], |row| row.get(0)).optional()?)
}

/// The active key of this domain and algorithm signs no more.
fn make_room(tx: &WriteTx<'_>, domain: &str, algorithm: &str, now: Timestamp) -> Result<()> {
    tx.db
        .prepare_cached(
            "UPDATE dkim_key SET state = ?3, changed = ?4 WHERE domain = ?1 AND algorithm = ?2 AND state = ?5",
        )?
        .execute(params![domain, algorithm, DkimKeyState::Published as i64, now.0, DkimKeyState::Active as i64])?;
    Ok(())
}

fn read_key(row: &Row<'_>) -> Result<DkimKey> {
    let state = match row.get::<_, i64>(4)? {
        0 => DkimKeyState::Pending,
        1 => DkimKeyState::Active,
        2 => DkimKeyState::Published,
        _ => DkimKeyState::Retired,
    };
    Ok(DkimKey {
        domain: row.get(0)?,
        selector: row.get(1)?,
        algorithm: row.get(2)?,
        key: Secret::new(row.get::<_, Vec<u8>>(3)?),
        state,
        created: Timestamp(row.get(5)?),
        changed: Timestamp(row.get(6)?),
    })
}
