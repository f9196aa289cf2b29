//! Accounts, domains and aliases in memory, as of one commit: who is here, without a question to the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, Row};

use crate::base::account::{Credential, ScramKeys};
use crate::base::{Account, AccountId, Address, Error, ErrorKind, MailboxId, Result};

/// Accounts, domains and aliases at one commit: looked up without touching the disk.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    domains: BTreeSet<String>,
    accounts: BTreeMap<String, Arc<Account>>,
    keys: BTreeMap<AccountId, String>,
    aliases: BTreeMap<String, Vec<String>>,
}

impl Directory {
    /// Whether mail for this domain (`Domain::key` form) is ours.
    pub fn is_local_domain(&self, domain_key: &str) -> bool {
        self.domains.contains(domain_key)
    }
    /// The local domains, sorted.
    pub fn domains(&self) -> Vec<String> {
        self.domains.iter().cloned().collect()
    }
    /// The account of this address (`Address::key` form).
    pub fn account(&self, address_key: &str) -> Option<Arc<Account>> {
        self.accounts.get(address_key).cloned()
    }
    /// The account with this id.
    pub fn account_by_id(&self, id: AccountId) -> Option<Arc<Account>> {
        self.accounts.get(self.keys.get(&id)?).cloned()
    }
    /// All accounts, by address.
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        self.accounts.values().cloned().collect()
    }
    /// Targets of the alias with exactly this pattern: `name@domain`, or `@domain` for the catch-all.
    pub fn alias(&self, pattern_key: &str) -> Option<&[String]> {
        self.aliases.get(pattern_key).map(Vec::as_slice)
    }
    /// All aliases as (pattern, target), sorted.
    pub fn aliases(&self) -> Vec<(String, String)> {
        let pairs = self.aliases.iter();
        pairs.flat_map(|(pattern, targets)| targets.iter().map(|t| (pattern.clone(), t.clone()))).collect()
    }

    pub(super) fn put_domain(&mut self, name: &str) {
        self.domains.insert(name.to_owned());
    }

    pub(super) fn remove_domain(&mut self, name: &str) {
        self.domains.remove(name);
    }

    pub(super) fn put_account(&mut self, account: Account) {
        let key = account.address.key();
        self.keys.insert(account.id, key.clone());
        self.accounts.insert(key, Arc::new(account));
    }

    pub(super) fn remove_account(&mut self, id: AccountId) {
        if let Some(key) = self.keys.remove(&id) {
            self.accounts.remove(&key);
        }
    }

    pub(super) fn put_alias(&mut self, pattern: &str, target: &str) {
        let targets = self.aliases.entry(pattern.to_owned()).or_default();
        if let Err(place) = targets.binary_search_by(|t| t.as_str().cmp(target)) {
            targets.insert(place, target.to_owned());
        }
    }

    pub(super) fn remove_alias(&mut self, pattern: &str) {
        self.aliases.remove(pattern);
    }

    /// Reads all of it.
    pub(super) fn load(db: &Connection) -> Result<Directory> {
        let mut directory = Directory::default();
        let mut statement = db.prepare("SELECT name FROM domain")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            directory.domains.insert(row.get(0)?);
        }
        let mut statement = db.prepare("SELECT pattern, target FROM alias ORDER BY pattern, target")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            directory.aliases.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        let mut statement = db.prepare(
            "SELECT id, address, inbox, quota_octets, argon2id, scram_salt, scram_iterations, scram_stored_key,
               scram_server_key FROM account",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            directory.put_account(read_account(row)?);
        }
        Ok(directory)
    }
}

fn read_account(row: &Row<'_>) -> Result<Account> {
    let address: String = row.get(1)?;
    let address = Address::parse(&address)
        .map_err(|e| Error::new(ErrorKind::Store, format!("store: account address {address}: {e}")))?;
    Ok(Account {
        id: AccountId(row.get(0)?),
        address,
        credential: read_credential(row)?,
        inbox: MailboxId(row.get(2)?),
        quota_octets: u64::try_from(row.get::<_, i64>(3)?).ok(),
    })
}

fn read_credential(row: &Row<'_>) -> Result<Option<Credential>> {
    let argon2id: String = row.get(4)?;
    if argon2id.is_empty() {
        return Ok(None);
    }
    let key = |at| -> Result<[u8; 32]> {
        let octets: Vec<u8> = row.get(at)?;
        octets.try_into().map_err(|_| Error::new(ErrorKind::Store, "store: a SCRAM key is not 32 octets"))
    };
    let scram_sha_256 =
        ScramKeys { salt: row.get(5)?, iterations: row.get(6)?, stored_key: key(7)?, server_key: key(8)? };
    Ok(Some(Credential { argon2id, scram_sha_256 }))
}
