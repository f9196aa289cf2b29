//! Stretches of UIDs whose facts are no messages, unless a block says so.

use super::super::Fact;
use super::super::database::{Hidden, ReadHidden, WriteHidden};
use super::Postgres;
use super::message::read_fact;
use super::value::{Columns, values};
use crate::base::{MailboxId, Result, Uid};

impl ReadHidden for Postgres {
    fn hidden(&self, mailbox: MailboxId) -> Result<Vec<(Uid, Uid)>> {
        let rows = self.rows("SELECT first, last FROM hidden WHERE mailbox = $1 ORDER BY first", values![mailbox.0])?;
        rows.iter().map(|row| Ok((row.small(0)?, row.small(1)?))).collect()
    }

    fn hidden_behind(&self, after: i64) -> Result<Option<Hidden>> {
        let next = "SELECT id, mailbox, first, last FROM hidden WHERE id > $1 ORDER BY id LIMIT 1";
        let Some(row) = self.row(next, values![after])? else { return Ok(None) };
        let (id, mailbox) = (row.number(0)?, MailboxId(row.number(1)?));
        Ok(Some(Hidden { id, mailbox, first: row.small(2)?, last: row.small(3)? }))
    }

    fn facts_from(&self, mailbox: MailboxId, first: Uid, last: Uid, most: usize) -> Result<Vec<Fact>> {
        let rows = self.rows(
            "SELECT uid, internaldate, size, blob FROM fact WHERE mailbox = $1 AND uid BETWEEN $2 AND $3 ORDER BY uid
               LIMIT $4",
            values![mailbox.0, first, last, most],
        )?;
        rows.iter().map(read_fact).collect()
    }
}

impl WriteHidden for Postgres {
    fn hide(&self, mailbox: MailboxId, first: Uid, last: Uid) -> Result<i64> {
        let id = self.next_id("hidden_id")?;
        let insert = "INSERT INTO hidden(id, mailbox, first, last) VALUES ($1, $2, $3, $4)";
        self.send(insert, values![id, mailbox.0, first, last])?;
        Ok(id)
    }

    fn hidden_narrow(&self, id: i64, first: Uid, last: Uid) -> Result<()> {
        self.send("UPDATE hidden SET first = $2, last = $3 WHERE id = $1", values![id, first, last])
    }

    fn hidden_done(&self, id: i64) -> Result<()> {
        self.send("DELETE FROM hidden WHERE id = $1", values![id])
    }
}
