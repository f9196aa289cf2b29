//! Mailboxes: their rows, names, keywords and subscriptions.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::MailboxInfo;
use super::super::database::{ReadMailboxes, WriteMailboxes};
use super::super::row::MailboxRow;
use super::block::row_ids;
use super::varint::torn;
use super::{Sqlite, left};
use crate::base::snapshot::BLOCK_UIDS;
use crate::base::{AccountId, Error, ErrorKind, Flags, MailboxId, Result, SpecialUse, Timestamp, Uid, UidValidity};

const INFO: &str = "SELECT m.id, m.account, m.name, m.uidvalidity, m.uidnext, m.modseq, m.special_use,
  s.name IS NOT NULL, m.selectable, m.total, m.unseen, m.deleted, m.octets, m.recent_from
  FROM mailbox m LEFT JOIN subscription s ON s.account = m.account AND s.name = m.name";

// `0` is the character behind `/`.
const BELOW: &str = "FROM mailbox WHERE account = ?1 AND name >= ?2 || '/' AND name < ?2 || '0'";

impl ReadMailboxes for Sqlite {
    fn mailbox_row(&self, mailbox: MailboxId) -> Result<Option<MailboxRow>> {
        row(&self.db, mailbox)
    }

    fn mailbox_info(&self, account: AccountId, name: &str) -> Result<Option<MailboxInfo>> {
        let mut one = self.db.prepare_cached(&format!("{INFO} WHERE m.account = ?1 AND m.name = ?2"))?;
        Ok(one.query_row(params![account.0, name], read_info).optional()?)
    }

    fn mailbox_infos(&self, account: AccountId) -> Result<Vec<MailboxInfo>> {
        let mut list = self.db.prepare_cached(&format!("{INFO} WHERE m.account = ?1 ORDER BY m.name"))?;
        let rows = list.query_map([account.0], read_info)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn mailbox_named(&self, account: AccountId, name: &str) -> Result<Option<MailboxId>> {
        let mut find = self.db.prepare_cached("SELECT id FROM mailbox WHERE account = ?1 AND name = ?2")?;
        Ok(find.query_row(params![account.0, name], |row| row.get(0).map(MailboxId)).optional()?)
    }

    fn mailbox_for(&self, account: AccountId, special_use: SpecialUse) -> Result<Option<MailboxId>> {
        let mut find = self.db.prepare_cached(
            "SELECT id FROM mailbox WHERE account = ?1 AND special_use = ?2 AND selectable = 1 ORDER BY id LIMIT 1",
        )?;
        let id = find.query_row(params![account.0, special_use.attribute()], |row| row.get(0).map(MailboxId));
        Ok(id.optional()?)
    }

    fn mailboxes_of(&self, account: AccountId) -> Result<Vec<MailboxId>> {
        let mut list = self.db.prepare_cached("SELECT id FROM mailbox WHERE account = ?1")?;
        let ids = list.query_map([account.0], |row| row.get(0).map(MailboxId))?;
        Ok(ids.collect::<rusqlite::Result<_>>()?)
    }

    fn mailbox_count(&self, account: AccountId) -> Result<usize> {
        counted(&self.db, "SELECT count(*) FROM mailbox WHERE account = ?1", account)
    }

    fn mailboxes_below(&self, account: AccountId, name: &str) -> Result<Vec<MailboxId>> {
        let mut list = self.db.prepare_cached(&format!("SELECT id {BELOW} ORDER BY name"))?;
        let rows = list.query_map(params![account.0, name], |row| row.get(0).map(MailboxId))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn has_mailboxes_below(&self, account: AccountId, name: &str) -> Result<bool> {
        let mut any = self.db.prepare_cached(&format!("SELECT 1 {BELOW} LIMIT 1"))?;
        Ok(any.exists(params![account.0, name])?)
    }

    fn subscriptions(&self, account: AccountId) -> Result<Vec<String>> {
        let mut list = self.db.prepare_cached("SELECT name FROM subscription WHERE account = ?1 ORDER BY name")?;
        let names = list.query_map([account.0], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    fn subscription_count(&self, account: AccountId) -> Result<usize> {
        counted(&self.db, "SELECT count(*) FROM subscription WHERE account = ?1", account)
    }

    fn is_subscribed(&self, account: AccountId, name: &str) -> Result<bool> {
        let mut one = self.db.prepare_cached("SELECT 1 FROM subscription WHERE account = ?1 AND name = ?2")?;
        Ok(one.exists(params![account.0, name])?)
    }

    fn left_account(&self) -> Result<Option<AccountId>> {
        left::account(&self.db)
    }

    fn left_mailbox(&self) -> Result<Option<MailboxId>> {
        left::mailbox(&self.db)
    }
}

impl WriteMailboxes for Sqlite {
    fn next_mailbox(&self) -> Result<MailboxId> {
        let mut last = self.db.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'mailbox'")?;
        let last: Option<i64> = last.query_row([], |row| row.get(0)).optional()?;
        let id = last.unwrap_or(0) + 1;
        match id > i64::from(i32::MAX) {
            true => Err(Error::new(ErrorKind::Limit, "the store has no mailbox ids left")),
            false => Ok(MailboxId(id)),
        }
    }

    fn mailbox_reserve(&self) -> Result<MailboxId> {
        let id = self.next_mailbox()?;
        let mut advance = self.db.prepare_cached("UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'mailbox'")?;
        if advance.execute([id.0])? == 0 {
            self.db.prepare_cached("INSERT INTO sqlite_sequence(name, seq) VALUES ('mailbox', ?1)")?.execute([id.0])?;
        }
        Ok(id)
    }

    fn next_uid_validity(&self, now: Timestamp) -> Result<UidValidity> {
        let last: i64 = self
            .db
            .prepare_cached("SELECT value FROM store_meta WHERE name = 'uidvalidity'")?
            .query_row([], |row| row.get(0))?;
        let next = now.seconds().clamp(1, i64::from(i32::MAX)).max(last + 1);
        self.db.prepare_cached("UPDATE store_meta SET value = ?1 WHERE name = 'uidvalidity'")?.execute([next])?;
        UidValidity::try_from(next).map_err(|_| Error::new(ErrorKind::Limit, "the store has no UIDVALIDITY left"))
    }

    fn mailbox_insert(&self, mailbox: MailboxId, row: &MailboxRow) -> Result<()> {
        self.db
            .prepare_cached(
                "INSERT INTO mailbox(id, account, name, uidvalidity, special_use, selectable)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                mailbox.0,
                row.account.0,
                &*row.name,
                row.uid_validity,
                row.special_use.map_or("", SpecialUse::attribute),
                row.selectable
            ])?;
        self.mailbox_write_counts(mailbox, row)
    }

    fn mailbox_write_name(&self, mailbox: MailboxId, row: &MailboxRow) -> Result<()> {
        self.db
            .prepare_cached(
                "UPDATE mailbox SET account = ?2, name = ?3, uidvalidity = ?4, special_use = ?5, selectable = ?6
                   WHERE id = ?1",
            )?
            .execute(params![
                mailbox.0,
                row.account.0,
                &*row.name,
                row.uid_validity,
                row.special_use.map_or("", SpecialUse::attribute),
                row.selectable
            ])?;
        Ok(())
    }

    fn mailbox_write_counts(&self, mailbox: MailboxId, row: &MailboxRow) -> Result<()> {
        let written = self
            .db
            .prepare_cached(
                "UPDATE mailbox SET uidnext = ?2, modseq = ?3, expunges = ?4, vanished_floor = ?5, total = ?6,
                   unseen = ?7, deleted = ?8, octets = ?9, recent_from = ?10 WHERE id = ?1",
            )?
            .execute(params![
                mailbox.0,
                row.uid_next,
                row.mod_seq as i64,
                row.expunges as i64,
                row.vanished_floor as i64,
                row.total,
                row.unseen,
                row.deleted,
                row.octets as i64,
                row.recent_from
            ])?;
        match written {
            1 => Ok(()),
            _ => Err(Error::new(ErrorKind::Bug, "a changed mailbox has no row")),
        }
    }

    fn keyword_put(&self, mailbox: MailboxId, bit: u32, name: &str) -> Result<()> {
        self.db
            .prepare_cached("INSERT OR REPLACE INTO keyword(mailbox, bit, name) VALUES (?1, ?2, ?3)")?
            .execute(params![mailbox.0, bit, name])?;
        Ok(())
    }

    fn subscribe(&self, account: AccountId, name: &str, on: bool) -> Result<()> {
        let sql = match on {
            true => "INSERT OR IGNORE INTO subscription(account, name) VALUES (?1, ?2)",
            false => "DELETE FROM subscription WHERE account = ?1 AND name = ?2",
        };
        self.db.prepare_cached(sql)?.execute(params![account.0, name])?;
        Ok(())
    }

    fn mailbox_leave(&self, mailbox: MailboxId) -> Result<()> {
        left::leave_mailbox(&self.db, mailbox)
    }

    fn account_leave(&self, account: AccountId) -> Result<()> {
        left::leave_account(&self.db, account)
    }

    fn left_account_mailboxes(&self, account: AccountId, most: usize) -> Result<usize> {
        left::account_mailboxes(&self.db, account, most as i64)
    }

    fn left_account_subscriptions(&self, account: AccountId, most: usize) -> Result<usize> {
        left::account_subscriptions(&self.db, account, most as i64)
    }

    fn left_account_done(&self, account: AccountId) -> Result<()> {
        self.db.prepare_cached("DELETE FROM remains_account WHERE account = ?1")?.execute([account.0])?;
        Ok(())
    }

    fn left_mailbox_done(&self, mailbox: MailboxId) -> Result<()> {
        self.db.prepare_cached("DELETE FROM keyword WHERE mailbox = ?1")?.execute([mailbox.0])?;
        self.db.prepare_cached("DELETE FROM hidden WHERE mailbox = ?1")?.execute([mailbox.0])?;
        self.db.prepare_cached("DELETE FROM remains_mailbox WHERE mailbox = ?1")?.execute([mailbox.0])?;
        Ok(())
    }
}

/// Reads a row; `None` where there is no such mailbox.
pub(super) fn row(db: &Connection, mailbox: MailboxId) -> Result<Option<MailboxRow>> {
    let row = db
        .prepare_cached(
            "SELECT account, name, uidvalidity, uidnext, modseq, expunges, vanished_floor, total, unseen, deleted,
               octets, selectable, special_use, recent_from FROM mailbox WHERE id = ?1",
        )?
        .query_row([mailbox.0], read_row)
        .optional()?;
    let Some(mut row) = row else { return Ok(None) };
    row.covered = covered(db, mailbox)?;
    row.reserved = Arc::new(reserved(db, mailbox, row.uid_next)?);
    row.keywords = Arc::new(keywords(db, mailbox)?);
    Ok(Some(row))
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<MailboxRow> {
    Ok(MailboxRow {
        account: AccountId(row.get(0)?),
        name: row.get::<_, String>(1)?.into(),
        uid_validity: row.get(2)?,
        uid_next: row.get(3)?,
        mod_seq: row.get::<_, i64>(4)? as u64,
        expunges: row.get::<_, i64>(5)? as u64,
        vanished_floor: row.get::<_, i64>(6)? as u64,
        total: row.get(7)?,
        unseen: row.get(8)?,
        deleted: row.get(9)?,
        octets: row.get::<_, i64>(10)? as u64,
        selectable: row.get(11)?,
        special_use: SpecialUse::parse(row.get_ref(12)?.as_str()?),
        recent_from: row.get(13)?,
        keywords: Arc::default(),
        covered: 0,
        reserved: Arc::default(),
    })
}

/// The last UID that blocks describe, without reading them.
fn covered(db: &Connection, mailbox: MailboxId) -> Result<Uid> {
    let (first, last) = row_ids(mailbox);
    let mut newest = db.prepare_cached(
        "SELECT id, length(flags) / width FROM state WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1",
    )?;
    let mut rows = newest.query([first, last])?;
    let Some(row) = rows.next()? else { return Ok(0) };
    let end = (row.get::<_, i64>(0)? - first) * i64::from(BLOCK_UIDS) + row.get::<_, i64>(1)? - 1;
    Uid::try_from(end).map_err(|_| torn())
}

/// Hidden stretches that reach the UIDs to come.
fn reserved(db: &Connection, mailbox: MailboxId, uid_next: Uid) -> Result<Vec<(Uid, Uid)>> {
    let mut list =
        db.prepare_cached("SELECT first, last FROM hidden WHERE mailbox = ?1 AND last >= ?2 ORDER BY first")?;
    let rows = list.query_map(params![mailbox.0, uid_next], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn keywords(db: &Connection, mailbox: MailboxId) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut statement = db.prepare_cached("SELECT name FROM keyword WHERE mailbox = ?1 ORDER BY bit")?;
    let mut rows = statement.query([mailbox.0])?;
    while let Some(row) = rows.next()? {
        names.push(row.get(0)?);
    }
    names.truncate(Flags::KEYWORDS_MAX);
    Ok(names)
}

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
        recent_from: row.get(13)?,
    })
}

fn counted(db: &Connection, sql: &str, account: AccountId) -> Result<usize> {
    let count: i64 = db.prepare_cached(sql)?.query_row([account.0], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}
