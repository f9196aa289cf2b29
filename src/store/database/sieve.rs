//! Sieve scripts, and what they remember.

use super::super::{ScriptOwner, StoredScript};
use crate::base::{AccountId, Result, Timestamp};

/// What is read of scripts.
pub(in super::super) trait ReadSieve {
    /// All scripts of an owner, by name.
    fn scripts(&self, owner: &ScriptOwner) -> Result<Vec<StoredScript>>;

    /// One of them.
    fn script(&self, owner: &ScriptOwner, name: &str) -> Result<Option<StoredScript>>;

    /// Whether a key is remembered at `now`.
    fn is_remembered(&self, account: AccountId, key: &str, now: Timestamp) -> Result<bool>;
}

/// What is changed of scripts.
pub(in super::super) trait WriteSieve {
    /// Writes a script, in the place of one of its name.
    fn script_put(&self, owner: &ScriptOwner, script: &StoredScript) -> Result<()>;

    /// Removes a script; false where it was not there.
    fn script_remove(&self, owner: &ScriptOwner, name: &str) -> Result<bool>;

    /// Makes a script the active one, and no other; with `None` none is.
    fn script_activate(&self, owner: &ScriptOwner, name: Option<&str>) -> Result<()>;

    /// Removes all scripts of an account.
    fn scripts_forget(&self, account: AccountId) -> Result<()>;

    /// Remembers a key.
    fn remember(&self, account: AccountId, key: &str, until: Timestamp) -> Result<()>;

    /// Forgets what ended before `now`, and then what ends first, down to `most` keys.
    fn forget_remembered(&self, account: AccountId, now: Timestamp, most: usize) -> Result<()>;

    /// Forgets some of what a deleted account remembered, `most` at most; how many.
    fn left_account_remembered(&self, account: AccountId, most: usize) -> Result<usize>;
}
