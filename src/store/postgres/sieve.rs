//! Sieve scripts, and what they remember.

use tokio_postgres::Row;

use super::super::database::{ReadSieve, WriteSieve};
use super::super::{ScriptOwner, StoredScript};
use super::Postgres;
use super::value::{Columns, values};
use crate::base::{AccountId, Result, Timestamp};

/// The columns that name an owner.
fn columns(owner: &ScriptOwner) -> (i64, &str) {
    match owner {
        ScriptOwner::Account(account) => (account.0, ""),
        ScriptOwner::Domain(domain) => (0, domain),
        ScriptOwner::All => (0, ""),
    }
}

fn read(row: &Row) -> Result<StoredScript> {
    Ok(StoredScript { name: row.text(0)?, script: row.octets(1)?, active: row.flag(2)? })
}

impl ReadSieve for Postgres {
    fn scripts(&self, owner: &ScriptOwner) -> Result<Vec<StoredScript>> {
        let (account, scope) = columns(owner);
        let sql = "SELECT name, script, active FROM sieve_script WHERE account = $1 AND scope = $2 ORDER BY name";
        self.rows(sql, values![account, scope])?.iter().map(read).collect()
    }

    fn script(&self, owner: &ScriptOwner, name: &str) -> Result<Option<StoredScript>> {
        let (account, scope) = columns(owner);
        let sql = "SELECT name, script, active FROM sieve_script WHERE account = $1 AND scope = $2 AND name = $3";
        self.row(sql, values![account, scope, name])?.as_ref().map(read).transpose()
    }

    fn is_remembered(&self, account: AccountId, key: &str, now: Timestamp) -> Result<bool> {
        let sql = "SELECT 1 FROM sieve_remembered WHERE account = $1 AND key = $2 AND until > $3";
        self.exists(sql, values![account.0, key, now.0])
    }
}

impl WriteSieve for Postgres {
    fn script_put(&self, owner: &ScriptOwner, script: &StoredScript) -> Result<()> {
        let (account, scope) = columns(owner);
        self.send(
            "INSERT INTO sieve_script(account, scope, name, script, active) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (account, scope, name) DO UPDATE SET script = excluded.script, active = excluded.active",
            values![account, scope, &script.name, &script.script, script.active],
        )
    }

    fn script_remove(&self, owner: &ScriptOwner, name: &str) -> Result<bool> {
        let (account, scope) = columns(owner);
        let sql = "DELETE FROM sieve_script WHERE account = $1 AND scope = $2 AND name = $3";
        Ok(self.run(sql, values![account, scope, name])? > 0)
    }

    fn script_activate(&self, owner: &ScriptOwner, name: Option<&str>) -> Result<()> {
        let (account, scope) = columns(owner);
        let sql = "UPDATE sieve_script SET active = (name = $3) WHERE account = $1 AND scope = $2";
        self.send(sql, values![account, scope, name.unwrap_or_default()])
    }

    fn scripts_forget(&self, account: AccountId) -> Result<()> {
        self.send("DELETE FROM sieve_script WHERE account = $1", values![account.0])
    }

    fn remember(&self, account: AccountId, key: &str, until: Timestamp) -> Result<()> {
        self.send(
            "INSERT INTO sieve_remembered(account, key, until) VALUES ($1, $2, $3)
               ON CONFLICT (account, key) DO UPDATE SET until = excluded.until",
            values![account.0, key, until.0],
        )
    }

    fn forget_remembered(&self, account: AccountId, now: Timestamp, most: usize) -> Result<()> {
        self.send("DELETE FROM sieve_remembered WHERE account = $1 AND until <= $2", values![account.0, now.0])?;
        self.send(
            "DELETE FROM sieve_remembered WHERE account = $1 AND key IN
               (SELECT key FROM sieve_remembered WHERE account = $1 ORDER BY until DESC OFFSET $2)",
            values![account.0, most],
        )
    }

    fn left_account_remembered(&self, account: AccountId, most: usize) -> Result<usize> {
        let sql = "DELETE FROM sieve_remembered WHERE account = $1 AND key IN
          (SELECT key FROM sieve_remembered WHERE account = $1 LIMIT $2)";
        Ok(usize::try_from(self.run(sql, values![account.0, most])?).unwrap_or(usize::MAX))
    }
}
