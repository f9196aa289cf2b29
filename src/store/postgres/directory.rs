//! Domains, accounts, aliases, settings, and the keys our mail is signed with.

use tokio_postgres::Row;

use super::super::AccountName;
use super::super::DkimKey;
use super::super::DkimKeyState;
use super::super::database::{ReadDirectory, StoredAccount, WriteDirectory};
use super::value::{Columns, Value, values};
use super::{Postgres, columns};
use crate::base::account::{Credential, ScramKeys};
use crate::base::{Account, AccountId, Address, Error, ErrorKind, MailboxId, Result, Secret, Timestamp};

/// A statement up to its further columns; so many come first, in the order in which [`read_account`] reads them.
pub(super) const ACCOUNT_COLUMNS: &str = "SELECT id, address, inbox, quota_octets, argon2id, scram_salt,
  scram_iterations, scram_stored_key, scram_server_key";
pub(super) const ACCOUNT_COLUMNS_COUNT: usize = 9;

const KEY: &str = "SELECT domain, selector, algorithm, key, state, created, changed FROM dkim_key";

/// The cost of an account's password, as it is indexed: parameters of `$argon2id$v=19$m=8,t=1,p=1$`, rounds of SCRAM.
const COST_OF_ACCOUNT: &str = "(split_part(argon2id, '$', 4) || ' ' || scram_iterations)";

impl ReadDirectory for Postgres {
    fn directory_version(&self) -> Result<i64> {
        self.number("SELECT value FROM store_meta WHERE name = 'directory'", values![])
    }

    fn is_domain(&self, name: &str) -> Result<bool> {
        Ok(self.row("SELECT 1 FROM domain WHERE name = $1", values![name])?.is_some())
    }

    fn domains_behind(&self, after: &str, limit: usize) -> Result<Vec<String>> {
        let list = "SELECT name FROM domain WHERE name > $1 ORDER BY name LIMIT $2";
        self.rows(list, values![after, limit as i64])?.iter().map(|row| row.text(0)).collect()
    }

    fn account_of(&self, address_key: &str) -> Result<Option<StoredAccount>> {
        one_account(self, "WHERE address_key = $1", values![address_key])
    }

    fn account(&self, account: AccountId) -> Result<Option<StoredAccount>> {
        one_account(self, "WHERE id = $1", values![account.0])
    }

    fn first_account(&self, domain_key: Option<&str>) -> Result<Option<StoredAccount>> {
        let of_domain = "WHERE regexp_replace(address_key, '^.*@', '') = $1 ORDER BY address_key LIMIT 1";
        match domain_key {
            Some(domain) => one_account(self, of_domain, values![domain]),
            None => one_account(self, "ORDER BY address_key LIMIT 1", values![]),
        }
    }

    fn accounts_behind(&self, after: &str, limit: usize) -> Result<Vec<AccountName>> {
        let list = "SELECT id, address_key, address FROM account WHERE address_key > $1 ORDER BY address_key LIMIT $2";
        let rows = self.rows(list, values![after, limit as i64])?;
        let name =
            |row: &Row| Ok(AccountName { id: AccountId(row.number(0)?), key: row.text(1)?, address: row.text(2)? });
        rows.iter().map(name).collect()
    }

    fn account_count(&self) -> Result<u64> {
        Ok(self.number("SELECT count(*) FROM account", values![])? as u64)
    }

    fn password_cost_behind(&self, after: &str) -> Result<Option<String>> {
        let get = format!(
            "SELECT {COST_OF_ACCOUNT} FROM account WHERE argon2id <> '' AND {COST_OF_ACCOUNT} > $1
             ORDER BY {COST_OF_ACCOUNT} LIMIT 1"
        );
        self.row(&get, values![after])?.map(|row| row.text(0)).transpose()
    }

    fn alias_targets(&self, pattern: &str, limit: usize) -> Result<Vec<String>> {
        let list = "SELECT target FROM alias WHERE pattern = $1 ORDER BY target LIMIT $2";
        self.rows(list, values![pattern, limit as i64])?.iter().map(|row| row.text(0)).collect()
    }

    fn aliases_behind(&self, pattern: &str, target: &str, limit: usize) -> Result<Vec<(String, String)>> {
        let list =
            "SELECT pattern, target FROM alias WHERE (pattern, target) > ($1, $2) ORDER BY pattern, target LIMIT $3";
        let rows = self.rows(list, values![pattern, target, limit as i64])?;
        rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
    }

    fn account_octets(&self, account: AccountId) -> Result<Option<u64>> {
        let row = self.row("SELECT octets FROM account WHERE id = $1", values![account.0])?;
        row.map(|row| row.large(0)).transpose()
    }

    fn account_messages(&self, account: AccountId) -> Result<u64> {
        let sum = "SELECT coalesce(sum(total), 0)::bigint FROM mailbox WHERE account = $1";
        Ok(u64::try_from(self.number(sum, values![account.0])?).unwrap_or(0))
    }

    fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let row = self.row("SELECT value FROM setting WHERE name = $1", values![name])?;
        row.map(|row| row.octets(0)).transpose()
    }

    fn dkim_keys(&self) -> Result<Vec<DkimKey>> {
        let rows = self.rows(&format!("{KEY} ORDER BY domain, selector"), values![])?;
        rows.iter().map(read_key).collect()
    }

    fn dkim_key_count(&self) -> Result<i64> {
        self.number("SELECT count(*) FROM dkim_key", values![])
    }

    fn dkim_key(&self, domain: &str, selector: &str) -> Result<Option<DkimKey>> {
        let row = self.row(&format!("{KEY} WHERE domain = $1 AND selector = $2"), values![domain, selector])?;
        row.as_ref().map(read_key).transpose()
    }
}

impl WriteDirectory for Postgres {
    fn directory_raise(&self) -> Result<i64> {
        let raise = "UPDATE store_meta SET value = value + 1 WHERE name = 'directory' RETURNING value";
        self.number(raise, values![])
    }

    fn domain_insert(&self, name: &str) -> Result<()> {
        self.send("INSERT INTO domain(name) VALUES ($1)", values![name])
    }

    fn domain_remove(&self, name: &str) -> Result<bool> {
        Ok(self.run("DELETE FROM domain WHERE name = $1", values![name])? > 0)
    }

    fn account_insert(&self, address: &Address) -> Result<AccountId> {
        let id = self.next_id("account_id")?;
        self.run(
            "INSERT INTO account(id, address_key, address) VALUES ($1, $2, $3)",
            values![id, address.key(), address.to_string()],
        )?;
        Ok(AccountId(id))
    }

    fn account_write_inbox(&self, account: AccountId, inbox: MailboxId) -> Result<()> {
        self.send("UPDATE account SET inbox = $2 WHERE id = $1", values![account.0, inbox.0])
    }

    fn account_write_credential(&self, account: &Account) -> Result<()> {
        let none = ScramKeys { salt: Vec::new(), iterations: 0, stored_key: [0; 32], server_key: [0; 32] };
        let (argon2id, keys, octets) = match &account.credential {
            Some(Credential { argon2id, scram_sha_256 }) => (argon2id.as_str(), scram_sha_256, 32),
            None => ("", &none, 0),
        };
        self.send(
            "UPDATE account SET argon2id = $2, scram_salt = $3, scram_iterations = $4, scram_stored_key = $5,
               scram_server_key = $6 WHERE id = $1",
            values![
                account.id.0,
                argon2id,
                keys.salt.as_slice(),
                keys.iterations,
                keys.stored_key.get(..octets).unwrap_or_default(),
                keys.server_key.get(..octets).unwrap_or_default()
            ],
        )
    }

    fn account_write_quota(&self, account: AccountId, octets: Option<u64>) -> Result<()> {
        let column = octets.map_or(Ok(-1), i64::try_from).map_err(|_| Error::new(ErrorKind::Invalid, "quota"))?;
        self.send("UPDATE account SET quota_octets = $2 WHERE id = $1", values![account.0, column])
    }

    fn account_write_octets(&self, account: AccountId, octets: u64) -> Result<()> {
        self.send("UPDATE account SET octets = $2 WHERE id = $1", values![account.0, octets])
    }

    fn alias_insert(&self, pattern: &str, target: &str) -> Result<()> {
        let insert = "INSERT INTO alias(pattern, target) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        self.send(insert, values![pattern, target])
    }

    fn alias_remove(&self, pattern: &str) -> Result<bool> {
        Ok(self.run("DELETE FROM alias WHERE pattern = $1", values![pattern])? > 0)
    }

    fn setting_put(&self, name: &str, value: Option<&[u8]>) -> Result<()> {
        let put =
            "INSERT INTO setting(name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        match value {
            Some(value) => self.send(put, values![name, value]),
            None => self.send("DELETE FROM setting WHERE name = $1", values![name]),
        }
    }

    fn dkim_key_put(&self, key: &DkimKey) -> Result<()> {
        self.send(
            "INSERT INTO dkim_key(domain, selector, algorithm, key, state, created, changed)
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (domain, selector) DO UPDATE SET
               algorithm = excluded.algorithm, key = excluded.key, state = excluded.state, created = excluded.created,
               changed = excluded.changed",
            values![
                &key.domain,
                &key.selector,
                &key.algorithm,
                key.key.expose(),
                key.state as i64,
                key.created.0,
                key.changed.0
            ],
        )
    }

    fn dkim_keys_step_back(&self, domain: &str, algorithm: &str, now: Timestamp) -> Result<()> {
        self.send(
            "UPDATE dkim_key SET state = $3, changed = $4 WHERE domain = $1 AND algorithm = $2 AND state = $5",
            values![domain, algorithm, DkimKeyState::Published as i64, now.0, DkimKeyState::Active as i64],
        )
    }

    fn dkim_key_remove(&self, domain: &str, selector: &str) -> Result<bool> {
        Ok(self.run("DELETE FROM dkim_key WHERE domain = $1 AND selector = $2", values![domain, selector])? > 0)
    }
}

fn one_account(body: &Postgres, terms: &str, values: Vec<Value>) -> Result<Option<StoredAccount>> {
    let row = body.row(&format!("{ACCOUNT_COLUMNS} FROM account {terms}"), values)?;
    let Some(row) = row else { return Ok(None) };
    let id = AccountId(row.number(0)?);
    Ok(Some(read_account(&row).map_err(|e| (id, e))))
}

/// An account of a row of [`ACCOUNT_COLUMNS`].
pub(super) fn read_account(row: &Row) -> Result<Account> {
    let address = row.text(1)?;
    let address = Address::parse(&address)
        .map_err(|e| Error::new(ErrorKind::Store, format!("store: account address {address}: {e}")))?;
    Ok(Account {
        id: AccountId(row.number(0)?),
        address,
        credential: read_credential(row)?,
        inbox: MailboxId(row.number(2)?),
        quota_octets: u64::try_from(row.number(3)?).ok(),
    })
}

fn read_credential(row: &Row) -> Result<Option<Credential>> {
    let argon2id = row.text(4)?;
    if argon2id.is_empty() {
        return Ok(None);
    }
    let key = |at| -> Result<[u8; 32]> {
        let octets: &[u8] = row.column(at)?;
        octets.try_into().map_err(|_| Error::new(ErrorKind::Store, "store: a SCRAM key is not 32 octets"))
    };
    let scram_sha_256 =
        ScramKeys { salt: row.octets(5)?, iterations: row.small(6)?, stored_key: key(7)?, server_key: key(8)? };
    Ok(Some(Credential { argon2id, scram_sha_256 }))
}

fn read_key(row: &Row) -> Result<DkimKey> {
    Ok(DkimKey {
        domain: row.text(0)?,
        selector: row.text(1)?,
        algorithm: row.text(2)?,
        key: Secret::new(row.octets(3)?),
        state: columns::dkim_state(row.number(4)?),
        created: Timestamp(row.number(5)?),
        changed: Timestamp(row.number(6)?),
    })
}
