//! Values the engine keeps under names: keys and certificates it minted.

use super::Store;
use crate::base::Result;

impl Store {
    /// A value kept under a name (certificates we minted, keys).
    pub async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let name = name.to_owned();
        self.read(move |db| db.setting(&name)).await
    }

    /// Keeps a value under a name; `None` removes it.
    pub async fn setting_put(&self, name: &str, value: Option<Vec<u8>>) -> Result<()> {
        let name = name.to_owned();
        self.write(0, move |tx| tx.db.setting_put(&name, value.as_deref())).await
    }
}
