//! Stretches of UIDs whose facts are no messages, unless a block says so.

use rusqlite::{OptionalExtension, params};

use super::super::Fact;
use super::super::database::{Hidden, ReadHidden, WriteHidden};
use super::Sqlite;
use super::message::read_fact;
use crate::base::{MailboxId, Result, Uid};

impl ReadHidden for Sqlite {
    fn hidden(&self, mailbox: MailboxId) -> Result<Vec<(Uid, Uid)>> {
        let mut list = self.db.prepare_cached("SELECT first, last FROM hidden WHERE mailbox = ?1 ORDER BY first")?;
        let rows = list.query_map([mailbox.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn hidden_behind(&self, after: i64) -> Result<Option<Hidden>> {
        let mut next =
            self.db.prepare_cached("SELECT id, mailbox, first, last FROM hidden WHERE id > ?1 ORDER BY id LIMIT 1")?;
        let next = next.query_row([after], |row| {
            Ok(Hidden { id: row.get(0)?, mailbox: MailboxId(row.get(1)?), first: row.get(2)?, last: row.get(3)? })
        });
        Ok(next.optional()?)
    }

    fn facts_from(&self, mailbox: MailboxId, first: Uid, last: Uid, most: usize) -> Result<Vec<Fact>> {
        let mut select = self.db.prepare_cached(
            "SELECT uid, internaldate, size, blob FROM fact WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid
               LIMIT ?4",
        )?;
        let rows = select.query_map(params![mailbox.0, first, last, most as i64], read_fact)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl WriteHidden for Sqlite {
    fn hide(&self, mailbox: MailboxId, first: Uid, last: Uid) -> Result<i64> {
        self.db
            .prepare_cached("INSERT INTO hidden(mailbox, first, last) VALUES (?1, ?2, ?3)")?
            .execute(params![mailbox.0, first, last])?;
        Ok(self.db.last_insert_rowid())
    }

    fn hidden_narrow(&self, id: i64, first: Uid, last: Uid) -> Result<()> {
        self.db
            .prepare_cached("UPDATE hidden SET first = ?2, last = ?3 WHERE id = ?1")?
            .execute(params![id, first, last])?;
        Ok(())
    }

    fn hidden_done(&self, id: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM hidden WHERE id = ?1")?.execute([id])?;
        Ok(())
    }
}
