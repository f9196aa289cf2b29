//! Whether the parts of the store agree, for a host that asks.

use super::Engine;
use crate::base::Result;
use crate::store::{Backup, Check};

impl Engine {
    /// Begins a backup of the store into `folder`, where no store may be: call [`Backup::step`] until it is over. The
    /// folder is a store then, as of the beginning of the backup.
    pub fn backup(&self, folder: impl Into<std::path::PathBuf>) -> Backup {
        self.store().backup(&*self.world().run, folder.into())
    }

    /// Begins a check of the store: call [`Check::step`] until it is over. `Busy` where one is under way.
    pub fn check(&self) -> Result<Check> {
        self.store().check()
    }
}
