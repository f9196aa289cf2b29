//! What is kept of other domains for outgoing mail.

use tokio_postgres::Row;

use super::super::database::{ReadOutward, WriteOutward, WriteQueue};
use super::super::{DestinationRow, ExplainedAttempt, Paused, StsRow};
use super::value::{Columns, values};
use super::{Postgres, queue_row};
use crate::base::{QueueId, Result, Timestamp};

const STS: &str = "SELECT domain, id, policy, fetched, used, expires FROM sts_policy";

impl ReadOutward for Postgres {
    fn sts_row(&self, domain: &str) -> Result<Option<StsRow>> {
        let row = self.row(&format!("{STS} WHERE domain = $1"), values![domain])?;
        row.as_ref().map(read_sts).transpose()
    }

    fn sts_rows(&self, after: &str, limit: usize) -> Result<Vec<StsRow>> {
        let rows = self.rows(&format!("{STS} WHERE domain > $1 ORDER BY domain LIMIT $2"), values![after, limit])?;
        rows.iter().map(read_sts).collect()
    }

    fn sts_count(&self) -> Result<u64> {
        Ok(self.number("SELECT count(*) FROM sts_policy", values![])?.unsigned_abs())
    }

    fn explained(&self, id: QueueId, limit: usize) -> Result<Vec<ExplainedAttempt>> {
        let rows = self.rows(
            "SELECT a.at, a.outcome, a.host, a.code, a.enhanced, a.reason, a.took, a.tls, a.recipient, a.id, a.policy,
               a.settlement, t.lines FROM attempt a LEFT JOIN trail t ON t.attempt = a.id
               WHERE a.item = $1 ORDER BY a.id DESC LIMIT $2",
            values![id.0, limit],
        )?;
        let read = |row: &Row| {
            Ok(ExplainedAttempt {
                id: row.number(9)?,
                recipient: row.text(8)?,
                result: queue_row::read_attempt(row)?,
                settlement: row.number(11)?,
                trail: row.column(12)?,
            })
        };
        rows.iter().rev().map(read).collect()
    }

    fn attempt_oldest(&self) -> Result<Option<Timestamp>> {
        let row = self.row("SELECT at FROM attempt ORDER BY id LIMIT 1", values![])?;
        row.map(|row| Ok(Timestamp(row.number(0)?))).transpose()
    }

    fn submit_key(&self, key: &str) -> Result<Option<i64>> {
        let row = self.row("SELECT item FROM submit_key WHERE key = $1", values![key])?;
        row.map(|row| row.number(0)).transpose()
    }

    fn paused(&self) -> Result<Vec<Paused>> {
        let rows = self.rows("SELECT destination, since, reason FROM paused ORDER BY destination", values![])?;
        let read = |row: &Row| {
            Ok(Paused { destination: row.text(0)?, since: Timestamp(row.number(1)?), reason: row.text(2)? })
        };
        rows.iter().map(read).collect()
    }

    fn destination_rows(&self, after: Option<&str>, limit: usize) -> Result<Vec<DestinationRow>> {
        let behind = if after.is_some() { ">" } else { ">=" };
        let rows = self.rows(
            &format!(
                "SELECT r.destination, count(*), count(*) FILTER (WHERE r.held), min(r.due), min(i.created),
                   max(r.attempts), max(r.last_attempt) FROM queue_recipient r JOIN queue_item i ON i.id = r.item
                   WHERE r.state = 0 AND r.destination {behind} $1 GROUP BY r.destination
                   ORDER BY r.destination LIMIT $2"
            ),
            values![after.unwrap_or_default(), limit],
        )?;
        let read = |row: &Row| {
            let last = row.number(6)?;
            Ok(DestinationRow {
                destination: row.text(0)?,
                waiting: row.large(1)?,
                held: row.large(2)?,
                due: Timestamp(row.number(3)?),
                oldest: Timestamp(row.number(4)?),
                attempts: row.small(5)?,
                last: queue_row::attempts_by_id(self, vec![last])?.remove(&last),
            })
        };
        rows.iter().map(read).collect()
    }
}

impl WriteOutward for Postgres {
    fn sts_put(&self, row: &StsRow) -> Result<()> {
        self.send(
            "INSERT INTO sts_policy(domain, id, policy, fetched, used, expires) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (domain) DO UPDATE SET id = excluded.id, policy = excluded.policy,
               fetched = excluded.fetched, used = excluded.used, expires = excluded.expires",
            values![&row.domain, &row.id, &row.policy, row.fetched.0, row.used.0, row.expires.0],
        )
    }

    fn sts_forget(&self, now: Timestamp) -> Result<()> {
        self.send("DELETE FROM sts_policy WHERE expires <= $1", values![now.0])
    }

    fn queue_expires(&self, id: QueueId, at: Timestamp) -> Result<()> {
        self.send("UPDATE queue_item SET expires = $2 WHERE id = $1", values![id.0, at.0])?;
        self.send("UPDATE queue_recipient SET due = $2 WHERE item = $1 AND state = 0 AND due > $2", values![id.0, at.0])
    }

    fn trail_insert(&self, attempt: i64, lines: &str) -> Result<()> {
        self.send("INSERT INTO trail(attempt, lines) VALUES ($1, $2)", values![attempt, lines])
    }

    fn attempts_forget_before(&self, before: Timestamp, limit: i64) -> Result<()> {
        let row = self.row(
            "SELECT max(id) FROM (SELECT id, at FROM attempt ORDER BY id LIMIT $2) first WHERE at < $1",
            values![before.0, limit],
        )?;
        let last: Option<i64> = row.map(|row| row.column(0)).transpose()?.flatten();
        last.map_or(Ok(()), |last| self.attempts_forget(last))
    }

    fn submit_key_insert(&self, key: &str, item: i64, at: Timestamp) -> Result<()> {
        self.send("INSERT INTO submit_key(key, item, at) VALUES ($1, $2, $3)", values![key, item, at.0])
    }

    fn submit_keys_forget(&self, before: Timestamp) -> Result<()> {
        self.send("DELETE FROM submit_key WHERE at < $1", values![before.0])
    }

    fn paused_put(&self, paused: &Paused) -> Result<()> {
        self.send(
            "INSERT INTO paused(destination, since, reason) VALUES ($1, $2, $3)
               ON CONFLICT (destination) DO UPDATE SET since = excluded.since, reason = excluded.reason",
            values![&paused.destination, paused.since.0, &paused.reason],
        )
    }

    fn paused_remove(&self, destination: &str) -> Result<bool> {
        Ok(self.run("DELETE FROM paused WHERE destination = $1", values![destination])? > 0)
    }
}

fn read_sts(row: &Row) -> Result<StsRow> {
    Ok(StsRow {
        domain: row.text(0)?,
        id: row.text(1)?,
        policy: row.text(2)?,
        fetched: Timestamp(row.number(3)?),
        used: Timestamp(row.number(4)?),
        expires: Timestamp(row.number(5)?),
    })
}
