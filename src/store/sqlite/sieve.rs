//! Sieve scripts, and what they remember.

use rusqlite::{OptionalExtension, Row, params};

use super::super::database::{ReadSieve, WriteSieve};
use super::super::{ScriptOwner, StoredScript};
use super::Sqlite;
use crate::base::{AccountId, Result, Timestamp};

/// The columns that name an owner.
fn columns(owner: &ScriptOwner) -> (i64, &str) {
    match owner {
        ScriptOwner::Account(account) => (account.0, ""),
        ScriptOwner::Domain(domain) => (0, domain),
        ScriptOwner::All => (0, ""),
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredScript> {
    Ok(StoredScript { name: row.get(0)?, script: row.get(1)?, active: row.get(2)? })
}

impl ReadSieve for Sqlite {
    fn scripts(&self, owner: &ScriptOwner) -> Result<Vec<StoredScript>> {
        let (account, scope) = columns(owner);
        let mut all = self.db.prepare_cached(
            "SELECT name, script, active FROM sieve_script WHERE account = ?1 AND scope = ?2 ORDER BY name",
        )?;
        let rows = all.query_map(params![account, scope], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn script(&self, owner: &ScriptOwner, name: &str) -> Result<Option<StoredScript>> {
        let (account, scope) = columns(owner);
        let mut one = self.db.prepare_cached(
            "SELECT name, script, active FROM sieve_script WHERE account = ?1 AND scope = ?2 AND name = ?3",
        )?;
        Ok(one.query_row(params![account, scope, name], read).optional()?)
    }

    fn is_remembered(&self, account: AccountId, key: &str, now: Timestamp) -> Result<bool> {
        let mut one =
            self.db.prepare_cached("SELECT 1 FROM sieve_remembered WHERE account = ?1 AND key = ?2 AND until > ?3")?;
        Ok(one.exists(params![account.0, key, now.0])?)
    }
}

impl WriteSieve for Sqlite {
    fn script_put(&self, owner: &ScriptOwner, script: &StoredScript) -> Result<()> {
        let (account, scope) = columns(owner);
        let mut put = self.db.prepare_cached(
            "INSERT OR REPLACE INTO sieve_script(account, scope, name, script, active) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        put.execute(params![account, scope, script.name, script.script, script.active])?;
        Ok(())
    }

    fn script_remove(&self, owner: &ScriptOwner, name: &str) -> Result<bool> {
        let (account, scope) = columns(owner);
        let mut remove =
            self.db.prepare_cached("DELETE FROM sieve_script WHERE account = ?1 AND scope = ?2 AND name = ?3")?;
        Ok(remove.execute(params![account, scope, name])? > 0)
    }

    fn script_activate(&self, owner: &ScriptOwner, name: Option<&str>) -> Result<()> {
        let (account, scope) = columns(owner);
        let mut activate = self.db.prepare_cached(
            "UPDATE sieve_script SET active = (name = coalesce(?3, '')) WHERE account = ?1 AND scope = ?2",
        )?;
        activate.execute(params![account, scope, name])?;
        Ok(())
    }

    fn scripts_forget(&self, account: AccountId) -> Result<()> {
        self.db.prepare_cached("DELETE FROM sieve_script WHERE account = ?1")?.execute([account.0])?;
        Ok(())
    }

    fn remember(&self, account: AccountId, key: &str, until: Timestamp) -> Result<()> {
        let mut put = self
            .db
            .prepare_cached("INSERT OR REPLACE INTO sieve_remembered(account, key, until) VALUES (?1, ?2, ?3)")?;
        put.execute(params![account.0, key, until.0])?;
        Ok(())
    }

    fn forget_remembered(&self, account: AccountId, now: Timestamp, most: usize) -> Result<()> {
        let mut over = self.db.prepare_cached("DELETE FROM sieve_remembered WHERE account = ?1 AND until <= ?2")?;
        over.execute(params![account.0, now.0])?;
        let mut count = self.db.prepare_cached("SELECT count(*) FROM sieve_remembered WHERE account = ?1")?;
        let there: i64 = count.query_row([account.0], |row| row.get(0))?;
        let surplus = there - i64::try_from(most).unwrap_or(i64::MAX);
        if surplus > 0 {
            let mut first = self.db.prepare_cached(
                "DELETE FROM sieve_remembered WHERE account = ?1 AND key IN
                   (SELECT key FROM sieve_remembered WHERE account = ?1 ORDER BY until LIMIT ?2)",
            )?;
            first.execute(params![account.0, surplus])?;
        }
        Ok(())
    }

    fn left_account_remembered(&self, account: AccountId, most: usize) -> Result<usize> {
        let mut some = self.db.prepare_cached(
            "DELETE FROM sieve_remembered WHERE account = ?1 AND key IN
               (SELECT key FROM sieve_remembered WHERE account = ?1 LIMIT ?2)",
        )?;
        Ok(some.execute(params![account.0, most as i64])?)
    }
}
