//! Domains, accounts, aliases, settings, keys.

use std::collections::BTreeMap;

use super::super::database::{ReadDirectory, StoredAccount, WriteDirectory};
use super::super::row::MailboxRow;
use super::super::{AccountName, DkimKey, DkimKeyState};
use super::Connection;
use super::tables::{AccountRow, Tables, next};
use crate::base::{Account, AccountId, Address, Error, ErrorKind, MailboxId, Result, Timestamp};

fn there() -> Error {
    Error::new(ErrorKind::Store, "it is there already")
}

impl Tables {
    /// Changes an account; nothing happens where it was deleted.
    fn account(&mut self, id: AccountId, change: impl FnOnce(&mut AccountRow)) {
        if let Some(mut kept) = self.accounts.get(&id).cloned() {
            change(&mut kept);
            self.accounts.insert(id, kept);
        }
    }

    fn by_address(&self) -> BTreeMap<String, &AccountRow> {
        self.accounts.iter().map(|(_, kept)| (kept.account.address.key(), kept)).collect()
    }

    fn targets(&self, pattern: &str) -> Vec<(String, String)> {
        let all = self.aliases.range_from((pattern.to_owned(), String::new()));
        all.take_while(|((of, _), ())| of == pattern).map(|(key, ())| key.clone()).collect()
    }
}

impl ReadDirectory for Connection {
    fn directory_version(&self) -> Result<i64> {
        self.ask(|tables| tables.last.directory)
    }

    fn is_domain(&self, name: &str) -> Result<bool> {
        self.ask(|tables| tables.domains.get(name).is_some())
    }

    fn domains_behind(&self, after: &str, limit: usize) -> Result<Vec<String>> {
        self.ask(|tables| {
            let from = tables.domains.range_from(after.to_owned()).map(|(name, ())| name);
            from.filter(|name| name.as_str() > after).take(limit).cloned().collect()
        })
    }

    fn account_of(&self, address_key: &str) -> Result<Option<StoredAccount>> {
        self.ask(|tables| tables.by_address().remove(address_key).map(|kept| Ok(kept.account.clone())))
    }

    fn account(&self, account: AccountId) -> Result<Option<StoredAccount>> {
        self.ask(|tables| tables.accounts.get(&account).map(|kept| Ok(kept.account.clone())))
    }

    fn first_account(&self, domain_key: Option<&str>) -> Result<Option<StoredAccount>> {
        let is_of = |kept: &&AccountRow| domain_key.is_none_or(|domain| kept.account.address.domain().key() == domain);
        self.ask(|tables| tables.by_address().into_values().find(is_of).map(|kept| Ok(kept.account.clone())))
    }

    fn accounts_behind(&self, after: &str, limit: usize) -> Result<Vec<AccountName>> {
        self.ask(|tables| {
            let behind = tables.by_address().into_iter().filter(|(key, _)| key.as_str() > after).take(limit);
            let name = |(key, kept): (String, &AccountRow)| AccountName {
                id: kept.account.id,
                key,
                address: kept.account.address.to_string(),
            };
            behind.map(name).collect()
        })
    }

    fn account_count(&self) -> Result<u64> {
        self.ask(|tables| tables.accounts.iter().count() as u64)
    }

    fn password_cost_behind(&self, after: &str) -> Result<Option<String>> {
        let cost = |kept: &AccountRow| {
            let made = kept.account.credential.as_ref()?;
            Some(format!("{} {}", made.argon2id.split('$').nth(3)?, made.scram_sha_256.iterations))
        };
        let costs = |tables: &Tables| tables.accounts.iter().filter_map(|(_, kept)| cost(kept)).collect::<Vec<_>>();
        self.ask(|tables| costs(tables).into_iter().filter(|cost| cost.as_str() > after).min())
    }

    fn alias_targets(&self, pattern: &str, limit: usize) -> Result<Vec<String>> {
        self.ask(|tables| tables.targets(pattern).into_iter().map(|(_, target)| target).take(limit).collect())
    }

    fn aliases_behind(&self, pattern: &str, target: &str, limit: usize) -> Result<Vec<(String, String)>> {
        let after = (pattern.to_owned(), target.to_owned());
        self.ask(|tables| {
            let from = tables.aliases.range_from(after.clone()).map(|(pair, ())| pair);
            from.filter(|pair| **pair > after).take(limit).cloned().collect()
        })
    }

    fn account_octets(&self, account: AccountId) -> Result<Option<u64>> {
        self.ask(|tables| tables.accounts.get(&account).map(|kept| kept.octets))
    }

    fn account_messages(&self, account: AccountId) -> Result<u64> {
        let is_its = |row: &&MailboxRow| row.account == account;
        self.ask(|tables| {
            let rows = tables.mailboxes.iter().map(|(_, row)| row).filter(is_its);
            rows.map(|row| u64::from(row.total)).sum()
        })
    }

    fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.ask(|tables| tables.settings.get(name).cloned())
    }

    fn dkim_keys(&self) -> Result<Vec<DkimKey>> {
        self.ask(|tables| tables.keys.iter().map(|(_, key)| key.clone()).collect())
    }

    fn dkim_key_count(&self) -> Result<i64> {
        self.ask(|tables| tables.keys.iter().count() as i64)
    }

    fn dkim_key(&self, domain: &str, selector: &str) -> Result<Option<DkimKey>> {
        self.ask(|tables| tables.keys.get(&(domain.to_owned(), selector.to_owned())).cloned())
    }
}

impl WriteDirectory for Connection {
    fn directory_raise(&self) -> Result<i64> {
        self.change(|tables| Ok(next(&mut tables.last.directory)))
    }

    fn domain_insert(&self, name: &str) -> Result<()> {
        self.change(|tables| tables.domains.insert(name.to_owned(), ()).map_or(Ok(()), |()| Err(there())))
    }

    fn domain_remove(&self, name: &str) -> Result<bool> {
        self.change(|tables| Ok(tables.domains.remove(name).is_some()))
    }

    fn account_insert(&self, address: &Address) -> Result<AccountId> {
        self.change(|tables| {
            if tables.accounts.iter().any(|(_, kept)| kept.account.address.key() == address.key()) {
                return Err(there());
            }
            let id = AccountId(next(&mut tables.last.account));
            let account =
                Account { id, address: address.clone(), credential: None, inbox: MailboxId(0), quota_octets: None };
            tables.accounts.insert(id, AccountRow { account, octets: 0 });
            Ok(id)
        })
    }

    fn account_write_inbox(&self, account: AccountId, inbox: MailboxId) -> Result<()> {
        self.edit(|tables| tables.account(account, |kept| kept.account.inbox = inbox))
    }

    fn account_write_credential(&self, account: &Account) -> Result<()> {
        let credential = account.credential.clone();
        self.edit(|tables| tables.account(account.id, |kept| kept.account.credential = credential))
    }

    fn account_write_quota(&self, account: AccountId, octets: Option<u64>) -> Result<()> {
        self.edit(|tables| tables.account(account, |kept| kept.account.quota_octets = octets))
    }

    fn account_write_octets(&self, account: AccountId, octets: u64) -> Result<()> {
        self.edit(|tables| tables.account(account, |kept| kept.octets = octets))
    }

    fn alias_insert(&self, pattern: &str, target: &str) -> Result<()> {
        self.edit(|tables| tables.aliases.put((pattern.to_owned(), target.to_owned()), ()))
    }

    fn alias_remove(&self, pattern: &str) -> Result<bool> {
        self.change(|tables| {
            let gone = tables.targets(pattern);
            gone.iter().for_each(|pair| tables.aliases.discard(pair));
            Ok(!gone.is_empty())
        })
    }

    fn setting_put(&self, name: &str, value: Option<&[u8]>) -> Result<()> {
        self.edit(|tables| match value {
            Some(value) => tables.settings.put(name.to_owned(), value.to_vec()),
            None => tables.settings.discard(name),
        })
    }

    fn dkim_key_put(&self, key: &DkimKey) -> Result<()> {
        let name = (key.domain.clone(), key.selector.clone());
        self.edit(|tables| tables.keys.put(name, key.clone()))
    }

    fn dkim_keys_step_back(&self, domain: &str, algorithm: &str, now: Timestamp) -> Result<()> {
        let signs =
            |key: &DkimKey| key.domain == domain && key.algorithm == algorithm && key.state == DkimKeyState::Active;
        self.change(|tables| {
            let active: Vec<_> = tables.keys.iter().filter(|(_, key)| signs(key)).map(|(_, key)| key.clone()).collect();
            for key in active {
                let name = (key.domain.clone(), key.selector.clone());
                tables.keys.insert(name, DkimKey { state: DkimKeyState::Published, changed: now, ..key });
            }
            Ok(())
        })
    }

    fn dkim_key_remove(&self, domain: &str, selector: &str) -> Result<bool> {
        self.change(|tables| Ok(tables.keys.remove(&(domain.to_owned(), selector.to_owned())).is_some()))
    }
}
