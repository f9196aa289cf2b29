//! Accounts, domains and aliases: changed by the writer, looked up by `directory`.

use std::sync::atomic::Ordering;

use super::directory_cache::Key;
use super::transaction::WriteTx;
use super::{ScriptOwner, Store, Watch, mailbox, remains};
use crate::base::account::Credential;
use crate::base::{Account, AccountId, Address, Error, ErrorKind, Result, SpecialUse};

impl Store {
    /// Makes a domain local. Not an error where it is already.
    pub async fn domain_put(&self, domain_key: &str) -> Result<()> {
        let name = domain_key.to_owned();
        self.write(0, move |tx| put_domain(tx, &name)).await
    }

    /// Makes a domain foreign again; `State` while it has accounts.
    pub async fn domain_delete(&self, domain_key: &str) -> Result<()> {
        let name = domain_key.to_owned();
        self.write(0, move |tx| remove_domain(tx, &name)).await
    }

    /// Makes an account with INBOX and the default mailboxes (its domain becomes local), or changes the
    /// credential of one there is.
    pub async fn account_put(&self, address: &Address, credential: Option<Credential>) -> Result<AccountId> {
        let address = address.clone();
        self.write(0, move |tx| match tx.look_up(|directory| directory.account(&address.key()))? {
            Some(account) => {
                let mut account = Account::clone(&account);
                account.credential.clone_from(&credential);
                let id = account.id;
                tx.directory_changes(Key::of_account(&account));
                tx.db.account_write_credential(&account)?;
                Ok(id)
            }
            None => create(tx, &address, credential.as_ref()),
        })
        .await
    }

    /// Makes an account nobody can log in to where there is none of this address.
    pub async fn account_make(&self, address: &Address) -> Result<AccountId> {
        let address = address.clone();
        self.write(0, move |tx| match tx.look_up(|directory| directory.account(&address.key()))? {
            Some(account) => Ok(account.id),
            None => create(tx, &address, None),
        })
        .await
    }

    /// Sets or lifts (`None`) a quota.
    pub async fn account_quota(&self, account: AccountId, octets: Option<u64>) -> Result<()> {
        self.write(0, move |tx| {
            let changed = tx.account(account)?.ok_or_else(no_account)?;
            tx.directory_changes(Key::of_account(&changed));
            tx.db.account_write_quota(account, octets)
        })
        .await
    }

    /// Sets how many messages an account may have in all its mailboxes; at first `ACCOUNT_MESSAGES_MAX`. What would be
    /// more is refused with `Quota`.
    pub fn set_account_messages_max(&self, most: u64) {
        self.shared().account_messages_max.store(most, Ordering::SeqCst);
    }

    /// Removes an account with all its mail: unreachable at once, removed from the disk in the background.
    pub async fn account_delete(&self, address_key: &str) -> Result<()> {
        let key = address_key.to_owned();
        self.write(0, move |tx| {
            let gone = tx.look_up(|directory| directory.account(&key))?.ok_or_else(no_account)?;
            let account = gone.id;
            tx.directory_changes(Key::of_account(&gone));
            tx.close_account(account)?;
            remains::of_account(tx, account)?;
            tx.db.scripts_forget(account)?;
            tx.db.suppressed_forget_of(account.0)
        })
        .await
    }

    /// Wakes when the account is deleted.
    pub fn watch_account(&self, account: AccountId) -> Watch {
        self.shared().watchers.account(account)
    }

    /// Wakes when accounts, domains or aliases change.
    pub fn watch_directory(&self) -> Watch {
        self.shared().watchers.directory()
    }

    /// Octets an account keeps now.
    pub async fn account_octets(&self, account: AccountId) -> Result<u64> {
        self.read(move |db| db.account_octets(account)?.ok_or_else(no_account)).await
    }

    /// Adds `target` to the alias `pattern` (`name@domain` or `@domain`).
    pub async fn alias_put(&self, pattern_key: &str, target: &Address) -> Result<()> {
        let (pattern, target) = (pattern_key.to_owned(), target.to_string());
        if !pattern.contains('@') {
            return Err(Error::new(ErrorKind::Invalid, "an alias is name@domain or @domain"));
        }
        self.write(0, move |tx| {
            tx.directory_changes([Key::Alias(pattern.clone())]);
            tx.db.alias_insert(&pattern, &target)
        })
        .await
    }

    /// Removes an alias with all its targets.
    pub async fn alias_delete(&self, pattern_key: &str) -> Result<()> {
        let pattern = pattern_key.to_owned();
        self.write(0, move |tx| {
            if !tx.db.alias_remove(&pattern)? {
                return Err(Error::new(ErrorKind::NotFound, "no such alias"));
            }
            tx.directory_changes([Key::Alias(pattern.clone())]);
            Ok(())
        })
        .await
    }
}

fn no_account() -> Error {
    Error::new(ErrorKind::NotFound, "no such account")
}

pub(super) fn put_domain(tx: &mut WriteTx<'_>, name: &str) -> Result<()> {
    if !tx.db.is_domain(name)? {
        tx.directory_changes([Key::Domain(name.to_owned()), Key::FirstDomain]);
        tx.db.domain_insert(name)?;
    }
    Ok(())
}

pub(super) fn remove_domain(tx: &mut WriteTx<'_>, name: &str) -> Result<()> {
    if tx.db.first_account(Some(name))?.is_some() {
        return Err(Error::new(ErrorKind::State, format!("the domain {name} still has accounts")));
    }
    let owner = ScriptOwner::Domain(name.to_owned());
    for script in tx.db.scripts(&owner)? {
        tx.db.script_remove(&owner, &script.name)?;
    }
    if !tx.db.domain_remove(name)? {
        return Err(Error::new(ErrorKind::NotFound, "no such domain"));
    }
    tx.directory_changes([Key::Domain(name.to_owned()), Key::FirstDomain]);
    tx.forget_domain(name)
}

pub(super) fn create(tx: &mut WriteTx<'_>, address: &Address, credential: Option<&Credential>) -> Result<AccountId> {
    put_domain(tx, &address.domain().key())?;
    let id = tx.db.account_insert(address)?;
    let (inbox, _) = mailbox::insert(tx, id, "INBOX", None)?;
    tx.subscribe(id, "INBOX", true)?;
    for (name, special_use) in SpecialUse::DEFAULT_MAILBOXES {
        mailbox::insert(tx, id, name, Some(special_use))?;
        tx.subscribe(id, name, true)?;
    }
    tx.db.account_write_inbox(id, inbox)?;
    let (address, credential) = (address.clone(), credential.cloned());
    let account = Account { id, address, credential, inbox, quota_octets: None };
    tx.db.account_write_credential(&account)?;
    tx.directory_changes(Key::of_account(&account));
    Ok(id)
}
