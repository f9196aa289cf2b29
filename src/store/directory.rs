//! Accounts, domains and aliases in memory, as of one commit: who is here, without a question to the disk.
//!
//! Each commit has a directory of its own. They share all that is the same, so that a change costs the same however
//! many accounts and aliases there are.

use std::sync::Arc;

use super::database::Read;
use super::shared_map::SharedMap;
use crate::base::{Account, AccountId, Result};

/// Accounts, domains and aliases at one commit: looked up without touching the disk. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// With the number of accounts in each.
    domains: SharedMap<Arc<str>, usize>,
    accounts: SharedMap<Arc<str>, Arc<Account>>,
    by_id: SharedMap<AccountId, Arc<Account>>,
    aliases: SharedMap<Arc<str>, Arc<Vec<String>>>,
    /// Accounts that could not be read: a sentence each.
    set_aside: Vec<String>,
}

impl Directory {
    /// Whether mail for this domain (`Domain::key` form) is ours.
    pub fn is_local_domain(&self, domain_key: &str) -> bool {
        self.domains.get(domain_key).is_some()
    }
    /// The local domains, sorted.
    pub fn domains(&self) -> Vec<String> {
        self.domains.iter().map(|(name, _)| name.to_string()).collect()
    }
    /// The account of this address (`Address::key` form).
    pub fn account(&self, address_key: &str) -> Option<Arc<Account>> {
        self.accounts.get(address_key).cloned()
    }
    /// The account with this id.
    pub fn account_by_id(&self, id: AccountId) -> Option<Arc<Account>> {
        self.by_id.get(&id).cloned()
    }
    /// All accounts, by address.
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        self.accounts.iter().map(|(_, account)| account.clone()).collect()
    }
    /// Targets of the alias with exactly this pattern: `name@domain`, or `@domain` for the catch-all.
    pub fn alias(&self, pattern_key: &str) -> Option<&[String]> {
        self.aliases.get(pattern_key).map(|targets| targets.as_slice())
    }
    /// All aliases as (pattern, target), sorted.
    pub fn aliases(&self) -> Vec<(String, String)> {
        let pairs = self.aliases.iter();
        pairs.flat_map(|(pattern, targets)| targets.iter().map(|t| (pattern.to_string(), t.clone()))).collect()
    }

    /// Whether an account has an address in this domain.
    pub(super) fn has_accounts_in(&self, domain_key: &str) -> bool {
        self.domains.get(domain_key).is_some_and(|accounts| *accounts > 0)
    }

    pub(super) fn put_domain(&mut self, name: &str) {
        if self.domains.get(name).is_none() {
            self.domains.insert(name.into(), 0);
        }
    }

    pub(super) fn remove_domain(&mut self, name: &str) {
        self.domains.remove(name);
    }

    /// An account put in by hand, for tests of other rooms.
    #[cfg(test)]
    pub(crate) fn put_account_for_test(&mut self, account: Account) {
        self.put_account(account);
    }

    pub(super) fn put_account(&mut self, account: Account) {
        let (key, account) = (account.address.key(), Arc::new(account));
        self.by_id.insert(account.id, account.clone());
        let domain = account.address.domain().key();
        if self.accounts.insert(key.into(), account).is_none() {
            let accounts = self.domains.get(domain.as_str()).copied().unwrap_or(0);
            self.domains.insert(domain.into(), accounts + 1);
        }
    }

    pub(super) fn remove_account(&mut self, id: AccountId) {
        let Some(account) = self.by_id.remove(&id) else { return };
        self.accounts.remove(account.address.key().as_str());
        let domain = account.address.domain().key();
        if let Some(accounts) = self.domains.get(domain.as_str()).copied() {
            self.domains.insert(domain.into(), accounts.saturating_sub(1));
        }
    }

    pub(super) fn put_alias(&mut self, pattern: &str, target: &str) {
        let mut targets = self.aliases.get(pattern).map_or_else(Vec::new, |targets| targets.to_vec());
        if let Err(place) = targets.binary_search_by(|t| t.as_str().cmp(target)) {
            targets.insert(place, target.to_owned());
            self.aliases.insert(pattern.into(), Arc::new(targets));
        }
    }

    pub(super) fn remove_alias(&mut self, pattern: &str) {
        self.aliases.remove(pattern);
    }

    fn put_aliases(&mut self, alias: Option<(String, Vec<String>)>) {
        if let Some((pattern, targets)) = alias {
            self.aliases.insert(pattern.into(), Arc::new(targets));
        }
    }

    /// What could not be read, told once.
    pub(super) fn take_set_aside(&mut self) -> Vec<String> {
        std::mem::take(&mut self.set_aside)
    }

    /// Reads all of it; accounts that cannot be read are set aside.
    pub(super) fn load(db: &dyn Read) -> Result<Directory> {
        let mut directory = Directory::default();
        db.domains()?.iter().for_each(|name| directory.put_domain(name));
        let mut next: Option<(String, Vec<String>)> = None;
        for (pattern, target) in db.aliases()? {
            match &mut next {
                Some((same, targets)) if *same == pattern => targets.push(target),
                _ => directory.put_aliases(next.replace((pattern, vec![target]))),
            }
        }
        directory.put_aliases(next);
        for account in db.accounts()? {
            // One row that cannot be read must not keep everybody else from their mail.
            match account {
                Ok(account) => directory.put_account(account),
                Err((AccountId(id), e)) => {
                    let text = format!("account {id} cannot be read and is set aside: {}", e.text());
                    directory.set_aside.push(text);
                }
            }
        }
        Ok(directory)
    }
}
