//! Changes of the directory by one document: all of it or nothing, in one transaction.

use serde_json::{Value, json};

use super::database::{Read, of_one_commit};
use super::directory_cache::Key;
use super::directory_document::{DirectoryChange, export};
use super::transaction::WriteTx;
use super::{Book, Store, account};
use crate::base::limits::{DOMAIN_SETTINGS_MAX, GROUPS_MAX};
use crate::base::{Address, DomainSettings, Error, ErrorKind, Group, Result};

impl Store {
    /// Domains, accounts, aliases and groups as one JSON document, with its version.
    pub async fn directory_export(&self) -> Result<String> {
        let read = |db: &dyn Read| Ok(export(db, &Book::load(db)?.0)?.to_string());
        self.read(move |db| of_one_commit(db, read)).await
    }

    /// Makes the changes, all or none; with `dry` none. Gives what changes, and the version then, as JSON. `State`
    /// where the directory has another version than the change is of, or a domain that goes has accounts; `Exists`
    /// where an address would be two things; `NotFound` for an address in a domain that is not local; `Limit`.
    pub async fn directory_change(&self, change: DirectoryChange, dry: bool) -> Result<String> {
        let planned = self.write(0, move |tx| {
            let before = export(tx.db, &tx.book())?;
            if change
                .version
                .as_ref()
                .is_some_and(|version| before.get("version") != Some(&Value::from(version.as_str())))
            {
                return Err(Error::new(ErrorKind::State, "the directory changed since the document was exported"));
            }
            apply(tx, &change, &before)?;
            let after = export(tx.db, &tx.book())?;
            let told = json!({ "version": after.get("version"), "changes": differences(&before, &after) }).to_string();
            // The error undoes the job.
            if dry { Err(Error::new(ErrorKind::Interrupted, told)) } else { Ok(told) }
        });
        match planned.await {
            Err(e) if dry && e.kind() == ErrorKind::Interrupted && e.text().starts_with('{') => Ok(e.text().to_owned()),
            done => done,
        }
    }
}

/// What is in one document and not, or otherwise, in the other.
fn differences(before: &Value, after: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for (section, about) in [("domains", "domain"), ("accounts", "account"), ("aliases", "alias"), ("groups", "group")]
    {
        let empty = serde_json::Map::new();
        let of = |document: &Value| document.get(section).and_then(Value::as_object).unwrap_or(&empty).clone();
        let (old, new) = (of(before), of(after));
        let told = |name: &str, change: &str| json!({ "about": about, "name": name, "change": change });
        found.extend(old.keys().filter(|name| !new.contains_key(*name)).map(|name| told(name, "removed")));
        for (name, value) in &new {
            match old.get(name) {
                None => found.push(told(name, "added")),
                Some(same) if same == value => {}
                Some(_) => found.push(told(name, "changed")),
            }
        }
    }
    found
}

fn apply(tx: &mut WriteTx<'_>, change: &DirectoryChange, before: &Value) -> Result<()> {
    if change.whole {
        remove_unnamed(tx, change, before)?;
    }
    for (name, settings) in change.domains.iter().filter_map(|(name, settings)| Some((name, settings.as_ref()?))) {
        account::put_domain(tx, name)?;
        let settings = Some(settings).filter(|settings| **settings != DomainSettings::default());
        tx.put_domain_settings(name, settings)?;
    }
    for (key, (address, quota)) in &change.accounts {
        put_account(tx, key, address, *quota)?;
    }
    for (pattern, targets) in &change.aliases {
        put_alias(tx, pattern, targets)?;
    }
    for (key, group) in &change.groups {
        tx.put_group(key, group.as_ref())?;
    }
    for (name, _) in change.domains.iter().filter(|(_, settings)| settings.is_none()) {
        remove_domain(tx, name)?;
    }
    judge(tx)
}

/// Names in a section of a document.
fn members<'a>(document: &'a Value, section: &str) -> impl Iterator<Item = &'a String> {
    document.get(section).and_then(Value::as_object).into_iter().flat_map(serde_json::Map::keys)
}

/// Removes what a whole document does not name; accounts stay.
fn remove_unnamed(tx: &mut WriteTx<'_>, change: &DirectoryChange, before: &Value) -> Result<()> {
    for pattern in members(before, "aliases").filter(|pattern| !change.aliases.contains_key(*pattern)) {
        put_alias(tx, pattern, &[])?;
    }
    let book = tx.book();
    for key in book.groups.keys().filter(|key| !change.groups.contains_key(*key)) {
        tx.put_group(key, None)?;
    }
    for name in members(before, "domains").filter(|name| !change.domains.contains_key(*name)) {
        remove_domain(tx, name)?;
    }
    Ok(())
}

fn remove_domain(tx: &mut WriteTx<'_>, name: &str) -> Result<()> {
    match tx.db.is_domain(name)? {
        true => account::remove_domain(tx, name),
        false => Ok(()),
    }
}

fn put_account(tx: &mut WriteTx<'_>, key: &str, address: &Address, quota: Option<u64>) -> Result<()> {
    let mut found = tx.look_up(|directory| directory.account(key))?;
    if found.is_none() {
        account::create(tx, address, None)?;
        found = tx.look_up(|directory| directory.account(key))?;
    }
    let account = found.ok_or_else(|| Error::new(ErrorKind::Bug, "a new account is missing"))?;
    if account.quota_octets != quota {
        tx.directory_changes(Key::of_account(&account));
        tx.db.account_write_quota(account.id, quota)?;
    }
    Ok(())
}

/// Sets all targets of an alias.
fn put_alias(tx: &mut WriteTx<'_>, pattern: &str, targets: &[Address]) -> Result<()> {
    tx.db.alias_remove(pattern)?;
    tx.directory_changes([Key::Alias(pattern.to_owned())]);
    for target in targets {
        tx.db.alias_insert(pattern, &target.to_string())?;
    }
    Ok(())
}

/// Whether the directory may be as it is now.
fn judge(tx: &WriteTx<'_>) -> Result<()> {
    let book = tx.book();
    let limit = |what: &str, most: usize| Err(Error::new(ErrorKind::Limit, format!("more than {most} {what}")));
    if book.domains.len() > DOMAIN_SETTINGS_MAX {
        return limit("domains with settings", DOMAIN_SETTINGS_MAX);
    }
    if book.groups.len() > GROUPS_MAX {
        return limit("groups", GROUPS_MAX);
    }
    for (key, Group { address, .. }) in book.groups.iter().map(|(key, group)| (key, &**group)) {
        if !tx.db.is_domain(&address.domain().key())? {
            return Err(Error::new(ErrorKind::NotFound, format!("the domain of the group {address} is not local")));
        }
        if tx.db.account_of(key)?.is_some() || !tx.db.alias_targets(key, 1)?.is_empty() {
            return Err(Error::new(ErrorKind::Exists, format!("{address} is an account or an alias already")));
        }
    }
    Ok(())
}
