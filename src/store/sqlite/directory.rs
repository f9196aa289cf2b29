//! Domains, accounts, aliases and settings.

use rusqlite::{OptionalExtension, Row, params};

use super::super::database::{ReadDirectory, StoredAccount, WriteDirectory};
use super::super::{AccountName, DkimKey};
use super::{Sqlite, dkim};
use crate::base::account::{Credential, ScramKeys};
use crate::base::{Account, AccountId, Address, Error, ErrorKind, MailboxId, Result, Timestamp};

/// A statement up to its further columns; so many come first, in the order in which [`read_account`] reads them.
pub(super) const ACCOUNT_COLUMNS: &str =
    "SELECT id, address, inbox, quota_octets, argon2id, scram_salt, scram_iterations,
   scram_stored_key, scram_server_key";
pub(super) const ACCOUNT_COLUMNS_COUNT: usize = 9;

/// The domain of an account, as it is indexed: what follows the last `@`.
const DOMAIN_OF_ACCOUNT: &str = "substr(address_key, length(rtrim(address_key, replace(address_key, '@', ''))) + 1)";
/// The cost of an account's password, as it is indexed: parameters of `$argon2id$v=19$m=8,t=1,p=1$`, rounds of SCRAM.
const COST_OF_ACCOUNT: &str = "substr(argon2id, 16, instr(substr(argon2id, 16), '$') - 1) || ' ' || scram_iterations";

impl ReadDirectory for Sqlite {
    fn directory_version(&self) -> Result<i64> {
        let mut get = self.db.prepare_cached("SELECT value FROM store_meta WHERE name = 'directory'")?;
        Ok(get.query_row([], |row| row.get(0))?)
    }

    fn is_domain(&self, name: &str) -> Result<bool> {
        Ok(self.db.prepare_cached("SELECT 1 FROM domain WHERE name = ?1")?.exists([name])?)
    }

    fn domains_behind(&self, after: &str, limit: usize) -> Result<Vec<String>> {
        let mut list = self.db.prepare_cached("SELECT name FROM domain WHERE name > ?1 ORDER BY name LIMIT ?2")?;
        let names = list.query_map(params![after, limit as i64], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    fn account_of(&self, address_key: &str) -> Result<Option<StoredAccount>> {
        one_account(self, "WHERE address_key = ?1", [address_key])
    }

    fn account(&self, account: AccountId) -> Result<Option<StoredAccount>> {
        one_account(self, "WHERE id = ?1", [account.0])
    }

    fn first_account(&self, domain_key: Option<&str>) -> Result<Option<StoredAccount>> {
        let of_domain = format!("WHERE {DOMAIN_OF_ACCOUNT} = ?1 ORDER BY address_key LIMIT 1");
        match domain_key {
            Some(domain) => one_account(self, &of_domain, [domain]),
            None => one_account(self, "ORDER BY address_key LIMIT 1", []),
        }
    }

    fn accounts_behind(&self, after: &str, limit: usize) -> Result<Vec<AccountName>> {
        let mut list = self.db.prepare_cached(
            "SELECT id, address_key, address FROM account WHERE address_key > ?1 ORDER BY address_key LIMIT ?2",
        )?;
        let accounts = list.query_map(params![after, limit as i64], |row| {
            Ok(AccountName { id: AccountId(row.get(0)?), key: row.get(1)?, address: row.get(2)? })
        })?;
        Ok(accounts.collect::<rusqlite::Result<_>>()?)
    }

    fn account_count(&self) -> Result<u64> {
        let count: i64 = self.db.prepare_cached("SELECT count(*) FROM account")?.query_row([], |row| row.get(0))?;
        Ok(count as u64)
    }

    fn password_cost_behind(&self, after: &str) -> Result<Option<String>> {
        let mut get = self.db.prepare_cached(&format!(
            "SELECT {COST_OF_ACCOUNT} FROM account WHERE argon2id <> '' AND {COST_OF_ACCOUNT} > ?1
             ORDER BY {COST_OF_ACCOUNT} LIMIT 1"
        ))?;
        Ok(get.query_row([after], |row| row.get(0)).optional()?)
    }

    fn alias_targets(&self, pattern: &str, limit: usize) -> Result<Vec<String>> {
        let mut list =
            self.db.prepare_cached("SELECT target FROM alias WHERE pattern = ?1 ORDER BY target LIMIT ?2")?;
        let targets = list.query_map(params![pattern, limit as i64], |row| row.get(0))?;
        Ok(targets.collect::<rusqlite::Result<_>>()?)
    }

    fn aliases_behind(&self, pattern: &str, target: &str, limit: usize) -> Result<Vec<(String, String)>> {
        let mut list = self.db.prepare_cached(
            "SELECT pattern, target FROM alias WHERE (pattern, target) > (?1, ?2) ORDER BY pattern, target LIMIT ?3",
        )?;
        let pairs = list.query_map(params![pattern, target, limit as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(pairs.collect::<rusqlite::Result<_>>()?)
    }

    fn account_octets(&self, account: AccountId) -> Result<Option<u64>> {
        let mut get = self.db.prepare_cached("SELECT octets FROM account WHERE id = ?1")?;
        let octets: Option<i64> = get.query_row([account.0], |row| row.get(0)).optional()?;
        Ok(octets.map(|octets| octets as u64))
    }

    fn account_messages(&self, account: AccountId) -> Result<u64> {
        let mut sum = self.db.prepare_cached("SELECT coalesce(sum(total), 0) FROM mailbox WHERE account = ?1")?;
        let messages: i64 = sum.query_row([account.0], |row| row.get(0))?;
        Ok(u64::try_from(messages).unwrap_or(0))
    }

    fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let mut get = self.db.prepare_cached("SELECT value FROM setting WHERE name = ?1")?;
        Ok(get.query_row([name], |row| row.get(0)).optional()?)
    }

    fn dkim_keys(&self) -> Result<Vec<DkimKey>> {
        dkim::list(&self.db)
    }

    fn dkim_key_count(&self) -> Result<i64> {
        Ok(self.db.prepare_cached("SELECT count(*) FROM dkim_key")?.query_row([], |row| row.get(0))?)
    }

    fn dkim_key(&self, domain: &str, selector: &str) -> Result<Option<DkimKey>> {
        dkim::get(&self.db, domain, selector)
    }
}

impl WriteDirectory for Sqlite {
    fn directory_raise(&self) -> Result<i64> {
        let mut raise = self
            .db
            .prepare_cached("UPDATE store_meta SET value = value + 1 WHERE name = 'directory' RETURNING value")?;
        Ok(raise.query_row([], |row| row.get(0))?)
    }

    fn domain_insert(&self, name: &str) -> Result<()> {
        self.db.prepare_cached("INSERT INTO domain(name) VALUES (?1)")?.execute([name])?;
        Ok(())
    }

    fn domain_remove(&self, name: &str) -> Result<bool> {
        Ok(self.db.prepare_cached("DELETE FROM domain WHERE name = ?1")?.execute([name])? > 0)
    }

    fn account_insert(&self, address: &Address) -> Result<AccountId> {
        self.db
            .prepare_cached("INSERT INTO account(address_key, address) VALUES (?1, ?2)")?
            .execute([address.key(), address.to_string()])?;
        Ok(AccountId(self.db.last_insert_rowid()))
    }

    fn account_write_inbox(&self, account: AccountId, inbox: MailboxId) -> Result<()> {
        self.db.prepare_cached("UPDATE account SET inbox = ?2 WHERE id = ?1")?.execute([account.0, inbox.0])?;
        Ok(())
    }

    fn account_write_credential(&self, account: &Account) -> Result<()> {
        let mut update = self.db.prepare_cached(
            "UPDATE account SET argon2id = ?2, scram_salt = ?3, scram_iterations = ?4, scram_stored_key = ?5,
               scram_server_key = ?6 WHERE id = ?1",
        )?;
        match &account.credential {
            Some(Credential { argon2id, scram_sha_256: keys }) => update.execute(params![
                account.id.0,
                argon2id,
                keys.salt,
                keys.iterations,
                keys.stored_key.as_slice(),
                keys.server_key.as_slice()
            ])?,
            None => update.execute(params![account.id.0, "", [].as_slice(), 0, [].as_slice(), [].as_slice()])?,
        };
        Ok(())
    }

    fn account_write_quota(&self, account: AccountId, octets: Option<u64>) -> Result<()> {
        let column = octets.map_or(Ok(-1), i64::try_from).map_err(|_| Error::new(ErrorKind::Invalid, "quota"))?;
        self.db
            .prepare_cached("UPDATE account SET quota_octets = ?2 WHERE id = ?1")?
            .execute(params![account.0, column])?;
        Ok(())
    }

    fn account_write_octets(&self, account: AccountId, octets: u64) -> Result<()> {
        self.db.prepare_cached("UPDATE account SET octets = ?2 WHERE id = ?1")?.execute([account.0, octets as i64])?;
        Ok(())
    }

    fn alias_insert(&self, pattern: &str, target: &str) -> Result<()> {
        self.db
            .prepare_cached("INSERT OR IGNORE INTO alias(pattern, target) VALUES (?1, ?2)")?
            .execute([pattern, target])?;
        Ok(())
    }

    fn alias_remove(&self, pattern: &str) -> Result<bool> {
        Ok(self.db.prepare_cached("DELETE FROM alias WHERE pattern = ?1")?.execute([pattern])? > 0)
    }

    fn setting_put(&self, name: &str, value: Option<&[u8]>) -> Result<()> {
        match value {
            Some(value) => self
                .db
                .prepare_cached("INSERT OR REPLACE INTO setting(name, value) VALUES (?1, ?2)")?
                .execute(params![name, value])?,
            None => self.db.prepare_cached("DELETE FROM setting WHERE name = ?1")?.execute([name])?,
        };
        Ok(())
    }

    fn dkim_key_put(&self, key: &DkimKey) -> Result<()> {
        dkim::put(&self.db, key)
    }

    fn dkim_keys_step_back(&self, domain: &str, algorithm: &str, now: Timestamp) -> Result<()> {
        dkim::step_back(&self.db, domain, algorithm, now)
    }

    fn dkim_key_remove(&self, domain: &str, selector: &str) -> Result<bool> {
        let mut delete = self.db.prepare_cached("DELETE FROM dkim_key WHERE domain = ?1 AND selector = ?2")?;
        Ok(delete.execute([domain, selector])? > 0)
    }
}

fn one_account(body: &Sqlite, terms: &str, values: impl rusqlite::Params) -> Result<Option<StoredAccount>> {
    let mut get = body.db.prepare_cached(&format!("{ACCOUNT_COLUMNS} FROM account {terms}"))?;
    let mut rows = get.query(values)?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let id = AccountId(row.get(0)?);
    Ok(Some(read_account(row).map_err(|e| (id, e))))
}

/// An account of a row of [`ACCOUNT_COLUMNS`].
pub(super) fn read_account(row: &Row<'_>) -> Result<Account> {
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
