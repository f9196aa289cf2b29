//! Values the engine keeps under names: keys and certificates it minted.

use rusqlite::{OptionalExtension, params};

use super::Store;
use crate::base::Result;

impl Store {
    /// A value kept under a name (certificates we minted, keys).
    pub async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let name = name.to_owned();
        self.read(move |db| {
            let mut get = db.prepare_cached("SELECT value FROM setting WHERE name = ?1")?;
            Ok(get.query_row([&name], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Keeps a value under a name; `None` removes it.
    pub async fn setting_put(&self, name: &str, value: Option<Vec<u8>>) -> Result<()> {
        let name = name.to_owned();
        self.write(0, move |tx| {
            match value {
                Some(value) => tx
                    .db
                    .prepare_cached("INSERT OR REPLACE INTO setting(name, value) VALUES (?1, ?2)")?
                    .execute(params![name, value])?,
                None => tx.db.prepare_cached("DELETE FROM setting WHERE name = ?1")?.execute([name])?,
            };
            Ok(())
        })
        .await
    }
}
