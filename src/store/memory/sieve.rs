//! Sieve scripts, and what they remember.

use super::super::database::{ReadSieve, WriteSieve};
use super::super::{ScriptOwner, StoredScript};
use super::Connection;
use super::tables::Tables;
use crate::base::{AccountId, Result, Timestamp};

impl Tables {
    fn scripts_of(&self, owner: &ScriptOwner) -> Vec<StoredScript> {
        let all = self.scripts.range_from((owner.clone(), String::new()));
        all.take_while(|((of, _), _)| of == owner).map(|(_, script)| script.clone()).collect()
    }

    /// Keys of an account and when each ends.
    fn remembered_of(&self, account: AccountId) -> Vec<(Timestamp, String)> {
        let all = self.remembered.range_from((account, String::new()));
        let own = all.take_while(|((of, _), _)| *of == account);
        own.map(|((_, key), until)| (*until, key.clone())).collect()
    }
}

impl ReadSieve for Connection {
    fn scripts(&self, owner: &ScriptOwner) -> Result<Vec<StoredScript>> {
        self.ask(|tables| tables.scripts_of(owner))
    }

    fn script(&self, owner: &ScriptOwner, name: &str) -> Result<Option<StoredScript>> {
        self.ask(|tables| tables.scripts.get(&(owner.clone(), name.to_owned())).cloned())
    }

    fn is_remembered(&self, account: AccountId, key: &str, now: Timestamp) -> Result<bool> {
        self.ask(|tables| tables.remembered.get(&(account, key.to_owned())).is_some_and(|until| *until > now))
    }
}

impl WriteSieve for Connection {
    fn script_put(&self, owner: &ScriptOwner, script: &StoredScript) -> Result<()> {
        self.edit(|tables| tables.scripts.put((owner.clone(), script.name.clone()), script.clone()))
    }

    fn script_remove(&self, owner: &ScriptOwner, name: &str) -> Result<bool> {
        self.change(|tables| Ok(tables.scripts.remove(&(owner.clone(), name.to_owned())).is_some()))
    }

    fn script_activate(&self, owner: &ScriptOwner, name: Option<&str>) -> Result<()> {
        self.edit(|tables| {
            for script in tables.scripts_of(owner) {
                let active = name == Some(script.name.as_str());
                tables.scripts.put((owner.clone(), script.name.clone()), StoredScript { active, ..script });
            }
        })
    }

    fn scripts_forget(&self, account: AccountId) -> Result<()> {
        self.edit(|tables| {
            let owner = ScriptOwner::Account(account);
            for script in tables.scripts_of(&owner) {
                tables.scripts.discard(&(owner.clone(), script.name));
            }
        })
    }

    fn remember(&self, account: AccountId, key: &str, until: Timestamp) -> Result<()> {
        self.edit(|tables| tables.remembered.put((account, key.to_owned()), until))
    }

    fn forget_remembered(&self, account: AccountId, now: Timestamp, most: usize) -> Result<()> {
        self.edit(|tables| {
            let mut there = tables.remembered_of(account);
            there.sort();
            let surplus = there.len().saturating_sub(most);
            let gone = there.into_iter().enumerate().filter(|(place, (until, _))| *place < surplus || *until <= now);
            gone.for_each(|(_, (_, key))| tables.remembered.discard(&(account, key)));
        })
    }

    fn left_account_remembered(&self, account: AccountId, most: usize) -> Result<usize> {
        self.change(|tables| {
            let gone: Vec<_> = tables.remembered_of(account).into_iter().take(most).collect();
            let count = gone.len();
            gone.into_iter().for_each(|(_, key)| tables.remembered.discard(&(account, key)));
            Ok(count)
        })
    }
}
