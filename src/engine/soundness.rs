//! Whether the parts of the store agree, for a host that asks.

use super::Engine;
use crate::base::Result;
use crate::store::Check;

impl Engine {
    /// Begins a check of the store: call [`Check::step`] until it is over. `Busy` where one is under way.
    pub fn check(&self) -> Result<Check> {
        self.store().check()
    }
}
