//! Mailboxes: their rows, names, keywords and subscriptions; and what is left of deleted ones.

use std::sync::Arc;

use tokio_postgres::Row;

use super::super::MailboxInfo;
use super::super::database::{ReadMailboxes, WriteMailboxes};
use super::super::row::MailboxRow;
use super::value::{Columns, Value, values};
use super::varint::torn;
use super::{Postgres, Role};
use crate::base::snapshot::BLOCK_UIDS;
use crate::base::{AccountId, Error, ErrorKind, Flags, MailboxId, Result, SpecialUse, Timestamp, Uid, UidValidity};

const INFO: &str = "SELECT m.id, m.account, m.name, m.uidvalidity, m.uidnext, m.modseq, m.special_use,
  s.name IS NOT NULL, m.selectable, m.total, m.unseen, m.deleted, m.octets, m.recent_from
  FROM mailbox m LEFT JOIN subscription s ON s.account = m.account AND s.name = m.name";

// `0` is the character behind `/`.
const BELOW: &str = "FROM mailbox WHERE account = $1 AND name >= $2 || '/' AND name < $2 || '0'";

const ROW: &str =
    "SELECT account, name, uidvalidity, uidnext, modseq, expunges, vanished_floor, total, unseen, deleted,
  octets, selectable, special_use, recent_from FROM mailbox WHERE id = $1";

impl ReadMailboxes for Postgres {
    /// The writer locks the row: nobody else changes the mailbox before the transaction ends.
    fn mailbox_row(&self, mailbox: MailboxId) -> Result<Option<MailboxRow>> {
        let found = match self.role == Role::Writer && self.inside.get() {
            true => self.row(&format!("{ROW} FOR UPDATE"), values![mailbox.0])?,
            false => self.row(ROW, values![mailbox.0])?,
        };
        let Some(mut row) = found.as_ref().map(read_row).transpose()? else { return Ok(None) };
        row.covered = self.covered(mailbox)?;
        row.reserved = Arc::new(self.reserved(mailbox, row.uid_next)?);
        row.keywords = Arc::new(self.keywords(mailbox)?);
        Ok(Some(row))
    }

    fn mailbox_info(&self, account: AccountId, name: &str) -> Result<Option<MailboxInfo>> {
        let row = self.row(&format!("{INFO} WHERE m.account = $1 AND m.name = $2"), values![account.0, name])?;
        row.as_ref().map(read_info).transpose()
    }

    fn mailbox_infos(&self, account: AccountId) -> Result<Vec<MailboxInfo>> {
        let rows = self.rows(&format!("{INFO} WHERE m.account = $1 ORDER BY m.name"), values![account.0])?;
        rows.iter().map(read_info).collect()
    }

    fn mailbox_named(&self, account: AccountId, name: &str) -> Result<Option<MailboxId>> {
        let row = self.row("SELECT id FROM mailbox WHERE account = $1 AND name = $2", values![account.0, name])?;
        row.map(|row| row.number(0).map(MailboxId)).transpose()
    }

    fn mailbox_for(&self, account: AccountId, special_use: SpecialUse) -> Result<Option<MailboxId>> {
        let row = self.row(
            "SELECT id FROM mailbox WHERE account = $1 AND special_use = $2 AND selectable ORDER BY id LIMIT 1",
            values![account.0, special_use.attribute()],
        )?;
        row.map(|row| row.number(0).map(MailboxId)).transpose()
    }

    fn mailboxes_of(&self, account: AccountId) -> Result<Vec<MailboxId>> {
        self.mailbox_ids("SELECT id FROM mailbox WHERE account = $1", values![account.0])
    }

    fn mailbox_count(&self, account: AccountId) -> Result<usize> {
        self.counted("SELECT count(*) FROM mailbox WHERE account = $1", account)
    }

    fn mailboxes_below(&self, account: AccountId, name: &str) -> Result<Vec<MailboxId>> {
        self.mailbox_ids(&format!("SELECT id {BELOW} ORDER BY name"), values![account.0, name])
    }

    fn has_mailboxes_below(&self, account: AccountId, name: &str) -> Result<bool> {
        self.exists(&format!("SELECT 1 {BELOW} LIMIT 1"), values![account.0, name])
    }

    fn subscriptions(&self, account: AccountId) -> Result<Vec<String>> {
        let rows = self.rows("SELECT name FROM subscription WHERE account = $1 ORDER BY name", values![account.0])?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    fn subscription_count(&self, account: AccountId) -> Result<usize> {
        self.counted("SELECT count(*) FROM subscription WHERE account = $1", account)
    }

    fn is_subscribed(&self, account: AccountId, name: &str) -> Result<bool> {
        self.exists("SELECT 1 FROM subscription WHERE account = $1 AND name = $2", values![account.0, name])
    }

    fn left_account(&self) -> Result<Option<AccountId>> {
        let first = self.row("SELECT account FROM remains_account ORDER BY account LIMIT 1", values![])?;
        first.map(|row| row.number(0).map(AccountId)).transpose()
    }

    fn left_mailbox(&self) -> Result<Option<MailboxId>> {
        let first = self.row("SELECT mailbox FROM remains_mailbox ORDER BY mailbox LIMIT 1", values![])?;
        first.map(|row| row.number(0).map(MailboxId)).transpose()
    }
}

impl WriteMailboxes for Postgres {
    fn next_mailbox(&self) -> Result<MailboxId> {
        let id = self.next_id("mailbox_id")?;
        match id > i64::from(i32::MAX) {
            true => Err(Error::new(ErrorKind::Limit, "the store has no mailbox ids left")),
            false => Ok(MailboxId(id)),
        }
    }

    fn mailbox_reserve(&self) -> Result<MailboxId> {
        // What a sequence gave is never given again.
        self.next_mailbox()
    }

    fn next_uid_validity(&self, now: Timestamp) -> Result<UidValidity> {
        let row = self.row(
            "UPDATE store_meta SET value = greatest($1, value + 1) WHERE name = 'uidvalidity' RETURNING value",
            values![now.seconds().clamp(1, i64::from(i32::MAX))],
        )?;
        let next = row.ok_or_else(|| Error::new(ErrorKind::Store, "store: its UIDVALIDITY is gone"))?.number(0)?;
        UidValidity::try_from(next).map_err(|_| Error::new(ErrorKind::Limit, "the store has no UIDVALIDITY left"))
    }

    fn mailbox_insert(&self, mailbox: MailboxId, row: &MailboxRow) -> Result<()> {
        self.run(
            "INSERT INTO mailbox(id, account, name, uidvalidity, special_use, selectable)
               VALUES ($1, $2, $3, $4, $5, $6)",
            name_values(mailbox, row),
        )?;
        self.mailbox_write_counts(mailbox, row)
    }

    fn mailbox_write_name(&self, mailbox: MailboxId, row: &MailboxRow) -> Result<()> {
        let written = "UPDATE mailbox SET account = $2, name = $3, uidvalidity = $4, special_use = $5, selectable = $6
          WHERE id = $1";
        self.run(written, name_values(mailbox, row)).map(drop)
    }

    fn mailbox_write_counts(&self, mailbox: MailboxId, row: &MailboxRow) -> Result<()> {
        let written = self.run(
            "UPDATE mailbox SET uidnext = $2, modseq = $3, expunges = $4, vanished_floor = $5, total = $6, unseen = $7,
               deleted = $8, octets = $9, recent_from = $10 WHERE id = $1",
            values![
                mailbox.0,
                row.uid_next,
                row.mod_seq,
                row.expunges,
                row.vanished_floor,
                row.total,
                row.unseen,
                row.deleted,
                row.octets,
                row.recent_from
            ],
        )?;
        match written {
            1 => Ok(()),
            _ => Err(Error::new(ErrorKind::Bug, "a changed mailbox has no row")),
        }
    }

    fn keyword_put(&self, mailbox: MailboxId, bit: u32, name: &str) -> Result<()> {
        self.send(
            "INSERT INTO keyword(mailbox, bit, name) VALUES ($1, $2, $3)
               ON CONFLICT (mailbox, bit) DO UPDATE SET name = excluded.name",
            values![mailbox.0, bit, name],
        )
    }

    fn subscribe(&self, account: AccountId, name: &str, on: bool) -> Result<()> {
        let change = match on {
            true => "INSERT INTO subscription(account, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            false => "DELETE FROM subscription WHERE account = $1 AND name = $2",
        };
        self.send(change, values![account.0, name])
    }

    fn mailbox_leave(&self, mailbox: MailboxId) -> Result<()> {
        self.send("DELETE FROM mailbox WHERE id = $1", values![mailbox.0])?;
        self.send("INSERT INTO remains_mailbox(mailbox) VALUES ($1)", values![mailbox.0])
    }

    fn account_leave(&self, account: AccountId) -> Result<()> {
        self.send("DELETE FROM account WHERE id = $1", values![account.0])?;
        self.send("INSERT INTO remains_account(account) VALUES ($1)", values![account.0])
    }

    fn left_account_mailboxes(&self, account: AccountId, most: usize) -> Result<usize> {
        let left = self.run(
            "WITH gone AS (DELETE FROM mailbox WHERE id IN
               (SELECT id FROM mailbox WHERE account = $1 ORDER BY id LIMIT $2) RETURNING id)
             INSERT INTO remains_mailbox(mailbox) SELECT id FROM gone",
            values![account.0, most],
        )?;
        Ok(usize::try_from(left).unwrap_or(usize::MAX))
    }

    fn left_account_subscriptions(&self, account: AccountId, most: usize) -> Result<usize> {
        let left = self.run(
            "DELETE FROM subscription WHERE account = $1
               AND name IN (SELECT name FROM subscription WHERE account = $1 LIMIT $2)",
            values![account.0, most],
        )?;
        Ok(usize::try_from(left).unwrap_or(usize::MAX))
    }

    fn left_account_done(&self, account: AccountId) -> Result<()> {
        self.send("DELETE FROM remains_account WHERE account = $1", values![account.0])
    }

    fn left_mailbox_done(&self, mailbox: MailboxId) -> Result<()> {
        self.send("DELETE FROM keyword WHERE mailbox = $1", values![mailbox.0])?;
        self.send("DELETE FROM hidden WHERE mailbox = $1", values![mailbox.0])?;
        self.send("DELETE FROM remains_mailbox WHERE mailbox = $1", values![mailbox.0])
    }
}

impl Postgres {
    fn mailbox_ids(&self, sql: &str, values: Vec<Value>) -> Result<Vec<MailboxId>> {
        self.rows(sql, values)?.iter().map(|row| row.number(0).map(MailboxId)).collect()
    }

    fn counted(&self, sql: &str, account: AccountId) -> Result<usize> {
        Ok(usize::try_from(self.number(sql, values![account.0])?).unwrap_or(0))
    }

    /// The last UID that blocks describe, without reading them.
    fn covered(&self, mailbox: MailboxId) -> Result<Uid> {
        let newest = self.row(
            "SELECT block, length(flags)::bigint / width FROM state WHERE mailbox = $1 ORDER BY block DESC LIMIT 1",
            values![mailbox.0],
        )?;
        let Some(row) = newest else { return Ok(0) };
        let end = row.number(0)?.saturating_mul(i64::from(BLOCK_UIDS)).saturating_add(row.number(1)? - 1);
        Uid::try_from(end).map_err(|_| torn())
    }

    /// Hidden stretches that reach the UIDs to come.
    fn reserved(&self, mailbox: MailboxId, uid_next: Uid) -> Result<Vec<(Uid, Uid)>> {
        let rows = self.rows(
            "SELECT first, last FROM hidden WHERE mailbox = $1 AND last >= $2 ORDER BY first",
            values![mailbox.0, uid_next],
        )?;
        rows.iter().map(|row| Ok((row.small(0)?, row.small(1)?))).collect()
    }

    fn keywords(&self, mailbox: MailboxId) -> Result<Vec<String>> {
        let rows = self.rows("SELECT name FROM keyword WHERE mailbox = $1 ORDER BY bit", values![mailbox.0])?;
        rows.iter().take(Flags::KEYWORDS_MAX).map(|row| row.text(0)).collect()
    }
}

fn name_values(mailbox: MailboxId, row: &MailboxRow) -> Vec<Value> {
    values![
        mailbox.0,
        row.account.0,
        &*row.name,
        row.uid_validity,
        row.special_use.map_or("", SpecialUse::attribute),
        row.selectable
    ]
}

fn read_row(row: &Row) -> Result<MailboxRow> {
    Ok(MailboxRow {
        account: AccountId(row.number(0)?),
        name: row.text(1)?.into(),
        uid_validity: row.small(2)?,
        uid_next: row.small(3)?,
        mod_seq: row.large(4)?,
        expunges: row.large(5)?,
        vanished_floor: row.large(6)?,
        total: row.small(7)?,
        unseen: row.small(8)?,
        deleted: row.small(9)?,
        octets: row.large(10)?,
        selectable: row.flag(11)?,
        special_use: SpecialUse::parse(row.column(12)?),
        recent_from: row.small(13)?,
        keywords: Arc::default(),
        covered: 0,
        reserved: Arc::default(),
    })
}

fn read_info(row: &Row) -> Result<MailboxInfo> {
    Ok(MailboxInfo {
        id: MailboxId(row.number(0)?),
        account: AccountId(row.number(1)?),
        name: row.text(2)?,
        uid_validity: row.small(3)?,
        uid_next: row.small(4)?,
        mod_seq: row.large(5)?,
        special_use: SpecialUse::parse(row.column(6)?),
        subscribed: row.flag(7)?,
        selectable: row.flag(8)?,
        total: row.small(9)?,
        unseen: row.small(10)?,
        deleted: row.small(11)?,
        octets: row.large(12)?,
        recent_from: row.small(13)?,
    })
}
