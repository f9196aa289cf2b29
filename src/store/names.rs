//! Names on disk: which mailboxes an account has, what it subscribed, and the numbers given to new mailboxes.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::MailboxInfo;
use crate::base::{AccountId, Error, ErrorKind, MailboxId, Result, SpecialUse, Timestamp, UidValidity};

const INFO: &str = "SELECT m.id, m.account, m.name, m.uidvalidity, m.uidnext, m.modseq, m.special_use,
  s.name IS NOT NULL, m.selectable, m.total, m.unseen, m.deleted, m.octets
  FROM mailbox m LEFT JOIN subscription s ON s.account = m.account AND s.name = m.name";

fn read_info(row: &Row<'_>) -> rusqlite::Result<MailboxInfo> {
    Ok(MailboxInfo {
        id: MailboxId(row.get(0)?),
        account: AccountId(row.get(1)?),
        name: row.get(2)?,
        uid_validity: row.get(3)?,
        uid_next: row.get(4)?,
        mod_seq: row.get::<_, i64>(5)? as u64,
        special_use: SpecialUse::parse(row.get_ref(6)?.as_str()?),
        subscribed: row.get(7)?,
        selectable: row.get(8)?,
        total: row.get(9)?,
        unseen: row.get(10)?,
        deleted: row.get(11)?,
        octets: row.get::<_, i64>(12)? as u64,
    })
}

/// A mailbox by name, as it was committed.
pub(super) fn info(db: &Connection, account: AccountId, name: &str) -> Result<Option<MailboxInfo>> {
    let mut one = db.prepare_cached(&format!("{INFO} WHERE m.account = ?1 AND m.name = ?2"))?;
    Ok(one.query_row(params![account.0, name], read_info).optional()?)
}

/// All mailboxes of an account, by name.
pub(super) fn list(db: &Connection, account: AccountId) -> Result<Vec<MailboxInfo>> {
    let mut list = db.prepare_cached(&format!("{INFO} WHERE m.account = ?1 ORDER BY m.name"))?;
    let rows = list.query_map([account.0], read_info)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The first mailbox of an account that is for `special_use`.
pub(super) fn first_for(db: &Connection, account: AccountId, special_use: SpecialUse) -> Result<Option<MailboxId>> {
    let mut find = db.prepare_cached(
        "SELECT id FROM mailbox WHERE account = ?1 AND special_use = ?2 AND selectable = 1 ORDER BY id LIMIT 1",
    )?;
    let id = find.query_row(params![account.0, special_use.attribute()], |row| row.get(0).map(MailboxId));
    Ok(id.optional()?)
}

/// How many mailboxes an account has, those that are only names among them.
pub(super) fn count(db: &Connection, account: AccountId) -> Result<usize> {
    counted(db, "SELECT count(*) FROM mailbox WHERE account = ?1", account)
}

/// How many names an account subscribed.
pub(super) fn subscriptions(db: &Connection, account: AccountId) -> Result<usize> {
    counted(db, "SELECT count(*) FROM subscription WHERE account = ?1", account)
}

fn counted(db: &Connection, sql: &str, account: AccountId) -> Result<usize> {
    let count: i64 = db.prepare_cached(sql)?.query_row([account.0], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The id of a mailbox by name.
pub(super) fn id_of(db: &Connection, account: AccountId, name: &str) -> Result<Option<MailboxId>> {
    let mut find = db.prepare_cached("SELECT id FROM mailbox WHERE account = ?1 AND name = ?2")?;
    Ok(find.query_row(params![account.0, name], |row| row.get(0).map(MailboxId)).optional()?)
}

// `0` is the character behind `/`.
const BELOW: &str = "FROM mailbox WHERE account = ?1 AND name >= ?2 || '/' AND name < ?2 || '0'";

/// Mailboxes below a name, by name.
pub(super) fn children(db: &Connection, account: AccountId, name: &str) -> Result<Vec<MailboxId>> {
    let mut list = db.prepare_cached(&format!("SELECT id {BELOW} ORDER BY name"))?;
    let rows = list.query_map(params![account.0, name], |row| row.get(0).map(MailboxId))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether there are mailboxes below a name.
pub(super) fn has_children(db: &Connection, account: AccountId, name: &str) -> Result<bool> {
    let mut any = db.prepare_cached(&format!("SELECT 1 {BELOW} LIMIT 1"))?;
    Ok(any.exists(params![account.0, name])?)
}

/// Subscribed names, sorted.
pub(super) fn subscribed(db: &Connection, account: AccountId) -> Result<Vec<String>> {
    let mut list = db.prepare_cached("SELECT name FROM subscription WHERE account = ?1 ORDER BY name")?;
    let names = list.query_map([account.0], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

/// Whether a name is subscribed.
pub(super) fn is_subscribed(db: &Connection, account: AccountId, name: &str) -> Result<bool> {
    let mut one = db.prepare_cached("SELECT 1 FROM subscription WHERE account = ?1 AND name = ?2")?;
    Ok(one.exists(params![account.0, name])?)
}

/// Subscribes or unsubscribes.
pub(super) fn subscribe(db: &Connection, account: AccountId, name: &str, on: bool) -> Result<()> {
    let sql = match on {
        true => "INSERT OR IGNORE INTO subscription(account, name) VALUES (?1, ?2)",
        false => "DELETE FROM subscription WHERE account = ?1 AND name = ?2",
    };
    db.prepare_cached(sql)?.execute(params![account.0, name])?;
    Ok(())
}

/// The id of the next new mailbox.
pub(super) fn next_mailbox(db: &Connection) -> Result<MailboxId> {
    let mut last = db.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'mailbox'")?;
    let last: Option<i64> = last.query_row([], |row| row.get(0)).optional()?;
    let id = last.unwrap_or(0) + 1;
    match id > i64::from(i32::MAX) {
        true => Err(Error::new(ErrorKind::Limit, "the store has no mailbox ids left")),
        false => Ok(MailboxId(id)),
    }
}

/// A UIDVALIDITY higher than any given out: by the clock, and by the store's own count where the clock is behind.
pub(super) fn next_uid_validity(db: &Connection, now: Timestamp) -> Result<UidValidity> {
    let last: i64 = db
        .prepare_cached("SELECT value FROM store_meta WHERE name = 'uidvalidity'")?
        .query_row([], |row| row.get(0))?;
    let next = now.seconds().clamp(1, i64::from(i32::MAX)).max(last + 1);
    db.prepare_cached("UPDATE store_meta SET value = ?1 WHERE name = 'uidvalidity'")?.execute([next])?;
    UidValidity::try_from(next).map_err(|_| Error::new(ErrorKind::Limit, "the store has no UIDVALIDITY left"))
}
