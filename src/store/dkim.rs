//! The keys our mail is signed with, and where each stands in its life.

use super::{DkimKey, DkimKeyState, Store};
use crate::base::limits::DKIM_KEYS_MAX;
use crate::base::{Error, ErrorKind, Result, Secret, Timestamp};

impl Store {
    /// All keys, by domain and selector.
    pub async fn dkim_keys(&self) -> Result<Vec<DkimKey>> {
        self.read(|db| db.dkim_keys()).await
    }

    /// Keeps a key. One that is active takes the place of the domain's active key of its algorithm. `Exists` where
    /// the name is taken, unless `replace`; `Limit` beyond `DKIM_KEYS_MAX`.
    pub async fn dkim_key_put(&self, key: DkimKey, replace: bool) -> Result<()> {
        self.write(0, move |tx| {
            let is_known = tx.db.dkim_key(&key.domain, &key.selector)?.is_some();
            if is_known && !replace {
                return Err(Error::new(ErrorKind::Exists, "there is a key of that name"));
            }
            if !is_known && tx.db.dkim_key_count()? >= DKIM_KEYS_MAX {
                return Err(Error::new(ErrorKind::Limit, format!("more than {DKIM_KEYS_MAX} keys")));
            }
            if key.state == DkimKeyState::Active {
                tx.db.dkim_keys_step_back(&key.domain, &key.algorithm, key.changed)?;
            }
            tx.db.dkim_key_put(&key)
        })
        .await
    }

    /// Moves a key on. One that becomes active takes the place of the domain's active key of its algorithm; of one that
    /// is retired the private half is forgotten. `NotFound` where the key is not there as `seen`: it was removed, or
    /// another key has its name now, or it has moved on already.
    pub async fn dkim_key_state(&self, seen: &DkimKey, state: DkimKeyState, now: Timestamp) -> Result<()> {
        let seen = seen.clone();
        self.write(0, move |tx| {
            let found = tx.db.dkim_key(&seen.domain, &seen.selector)?;
            let same = |key: &DkimKey| key.state == seen.state && key.key.expose() == seen.key.expose();
            let mut key = found.filter(same).ok_or_else(no_key)?;
            if state == DkimKeyState::Active {
                tx.db.dkim_keys_step_back(&key.domain, &key.algorithm, now)?;
            }
            if state == DkimKeyState::Retired {
                key.key = Secret::new(Vec::new());
            }
            (key.state, key.changed) = (state, now);
            tx.db.dkim_key_put(&key)
        })
        .await
    }

    /// Removes a key. `NotFound`.
    pub async fn dkim_key_delete(&self, domain: &str, selector: &str) -> Result<()> {
        let (domain, selector) = (domain.to_owned(), selector.to_owned());
        self.write(0, move |tx| match tx.db.dkim_key_remove(&domain, &selector)? {
            true => Ok(()),
            false => Err(no_key()),
        })
        .await
    }
}

fn no_key() -> Error {
    Error::new(ErrorKind::NotFound, "no such key")
}
