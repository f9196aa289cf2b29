//! The directory as one JSON document: exported, and read as changes.
//!
//! `{"version": "...", "domains": {...}, "accounts": {...}, "aliases": {...}, "groups": {...}}`. A document of changes
//! names what it changes; `null` removes. The version is a digest of all the rest, so that it says whether anything
//! changed, by whatever call.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::Book;
use super::book::with_member;
use super::database::Read;
use crate::base::document::{Members, wrong};
use crate::base::limits::{DIRECTORY_DOCUMENT_OCTETS_MAX, DIRECTORY_PAGE_ROWS_MAX, LISTED_MAX};
use crate::base::{Address, Domain, DomainSettings, Group, Result};

/// What a document wants changed.
#[derive(Debug, Clone, Default)]
pub struct DirectoryChange {
    /// The version it is a change of; `None`: of any.
    pub version: Option<String>,
    /// Domains with their settings; `None` makes a domain foreign.
    pub domains: BTreeMap<String, Option<DomainSettings>>,
    /// Accounts with their quota in octets.
    pub accounts: BTreeMap<String, (Address, Option<u64>)>,
    /// Aliases with all their targets; none removes an alias.
    pub aliases: BTreeMap<String, Vec<Address>>,
    /// Groups; `None` removes one.
    pub groups: BTreeMap<String, Option<Group>>,
    /// Whether domains, aliases and groups that it does not name are removed.
    pub whole: bool,
}

impl DirectoryChange {
    /// Reads a document. `Invalid`, with the place, for what is none.
    pub fn parse(text: &str, whole: bool) -> Result<DirectoryChange> {
        if text.len() > DIRECTORY_DOCUMENT_OCTETS_MAX {
            return Err(wrong("", format!("longer than {DIRECTORY_DOCUMENT_OCTETS_MAX} bytes")));
        }
        let mut document = Members::parse(text)?;
        let mut change = DirectoryChange { version: document.text("version")?, whole, ..DirectoryChange::default() };
        for (name, value) in section(&mut document, "domains")? {
            let place = format!("domains.{name}");
            let domain = Domain::parse(&name).map_err(|e| wrong(&place, e))?;
            let read = |value| DomainSettings::read(Members::of(&place, value)?);
            change.domains.insert(domain.key(), some(value).map(read).transpose()?);
        }
        for (name, value) in section(&mut document, "accounts")? {
            let place = format!("accounts.{name}");
            let address = Address::parse(&name).map_err(|e| wrong(&place, e))?;
            let mut members = Members::of(&place, value)?;
            let quota = match members.value("quota_octets").and_then(some) {
                None => None,
                Some(octets) => Some(octets.as_u64().ok_or_else(|| wrong(&place, "quota_octets is no number"))?),
            };
            members.finish()?;
            change.accounts.insert(address.key(), (address, quota));
        }
        for (name, value) in section(&mut document, "aliases")? {
            let place = format!("aliases.{name}");
            let mut members = Members::of("", json!({ place.as_str(): value }))?;
            let target = |text: String| Address::parse(&text).map_err(|e| wrong(&place, format!("{text:?}: {e}")));
            let targets = members.texts(&place, LISTED_MAX)?.into_iter().map(target).collect::<Result<_>>()?;
            change
                .aliases
                .insert(pattern_key(&name).ok_or_else(|| wrong(&place, "neither an address nor @domain"))?, targets);
        }
        for (name, value) in section(&mut document, "groups")? {
            let place = format!("groups.{name}");
            let address = Address::parse(&name).map_err(|e| wrong(&place, e))?;
            let key = address.key();
            let read = |value| Group::read(address, Members::of(&place, value)?);
            change.groups.insert(key, some(value).map(read).transpose()?);
        }
        document.finish()?;
        Ok(change)
    }
}

fn section(document: &mut Members, name: &str) -> Result<Map<String, Value>> {
    Ok(document.object(name)?.map(Members::all).unwrap_or_default())
}

fn some(value: Value) -> Option<Value> {
    Some(value).filter(|value| !value.is_null())
}

/// The key of `name@domain` or `@domain`.
fn pattern_key(text: &str) -> Option<String> {
    match text.strip_prefix('@') {
        Some(domain) => Domain::parse(domain).ok().map(|domain| format!("@{}", domain.key())),
        None => Address::parse(text).ok().map(|address| address.key()),
    }
}

/// The document of a directory, as a connection sees it.
pub(super) fn export(db: &dyn Read, book: &Book) -> Result<Value> {
    let (mut domains, mut accounts, mut aliases) = (Map::new(), Map::new(), Map::new());
    let mut after = String::new();
    while let Some(last) = {
        let page = db.domains_behind(&after, DIRECTORY_PAGE_ROWS_MAX)?;
        for name in &page {
            let settings = book.domain(name).map_or_else(|| json!({}), |settings| settings.to_value());
            domains.insert(name.clone(), settings);
        }
        page.into_iter().last()
    } {
        after = last;
    }
    let mut after = String::new();
    while let Some(last) = {
        let page = db.accounts_behind(&after, DIRECTORY_PAGE_ROWS_MAX)?;
        for name in &page {
            let quota = db.account(name.id)?.and_then(std::result::Result::ok).and_then(|account| account.quota_octets);
            let members = quota.map_or_else(|| json!({}), |octets| json!({ "quota_octets": octets }));
            accounts.insert(name.address.clone(), members);
        }
        page.into_iter().last()
    } {
        after = last.key;
    }
    let mut after = (String::new(), String::new());
    while let Some(last) = {
        let page = db.aliases_behind(&after.0, &after.1, DIRECTORY_PAGE_ROWS_MAX)?;
        for (pattern, target) in &page {
            if let Value::Array(targets) = aliases.entry(pattern.clone()).or_insert_with(|| json!([])) {
                targets.push(target.as_str().into());
            }
        }
        page.into_iter().last()
    } {
        after = last;
    }
    let groups: Map<_, _> = book.groups.values().map(|group| (group.address.to_string(), group.to_value())).collect();
    let document = json!({ "domains": domains, "accounts": accounts, "aliases": aliases, "groups": groups });
    let digest = Sha256::digest(document.to_string());
    let version: String = digest.iter().take(16).map(|octet| format!("{octet:02x}")).collect();
    Ok(with_member(document, "version", &version))
}
