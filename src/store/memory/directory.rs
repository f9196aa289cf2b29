//! Domains, accounts, aliases, settings, keys.

use super::super::database::{ReadDirectory, StoredAccount, WriteDirectory};
use super::super::{DkimKey, DkimKeyState};
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

    fn targets(&self, pattern: &str) -> Vec<(String, String)> {
        let all = self.aliases.range_from((pattern.to_owned(), String::new()));
        all.take_while(|((of, _), ())| of == pattern).map(|(key, ())| key.clone()).collect()
    }
}

impl ReadDirectory for Connection {
    fn domains(&self) -> Result<Vec<String>> {
        self.ask(|tables| tables.domains.iter().map(|(name, ())| name.clone()).collect())
    }

    fn aliases(&self) -> Result<Vec<(String, String)>> {
        self.ask(|tables| tables.aliases.iter().map(|(pair, ())| pair.clone()).collect())
    }

    fn accounts(&self) -> Result<Vec<StoredAccount>> {
        self.ask(|tables| tables.accounts.iter().map(|(_, kept)| Ok(kept.account.clone())).collect())
    }

    fn account_octets(&self, account: AccountId) -> Result<Option<u64>> {
        self.ask(|tables| tables.accounts.get(&account).map(|kept| kept.octets))
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
