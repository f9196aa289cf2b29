//! What is kept of other domains for outgoing mail.

use rusqlite::{OptionalExtension, Row, params};

use super::super::database::{ReadOutward, WriteOutward, WriteQueue};
use super::super::{DestinationRow, ExplainedAttempt, Paused, StsRow};
use super::Sqlite;
use super::queue_row;
use crate::base::{QueueId, Result, Timestamp};

const STS: &str = "SELECT domain, id, policy, fetched, used, expires FROM sts_policy";

impl ReadOutward for Sqlite {
    fn sts_row(&self, domain: &str) -> Result<Option<StsRow>> {
        let mut get = self.db.prepare_cached(&format!("{STS} WHERE domain = ?1"))?;
        Ok(get.query_row([domain], read_sts).optional()?)
    }

    fn sts_rows(&self, after: &str, limit: usize) -> Result<Vec<StsRow>> {
        let mut list = self.db.prepare_cached(&format!("{STS} WHERE domain > ?1 ORDER BY domain LIMIT ?2"))?;
        let rows = list.query_map(params![after, many(limit)], read_sts)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn sts_count(&self) -> Result<u64> {
        let mut count = self.db.prepare_cached("SELECT count(*) FROM sts_policy")?;
        Ok(count.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    fn explained(&self, id: QueueId, limit: usize) -> Result<Vec<ExplainedAttempt>> {
        let mut list = self.db.prepare_cached(&format!(
            "SELECT {}, a.id, a.settlement, t.lines FROM attempt a LEFT JOIN trail t ON t.attempt = a.id
               WHERE a.item = ?1 ORDER BY a.id DESC LIMIT ?2",
            queue_row::ATTEMPT_COLUMNS
        ))?;
        let read = |row: &Row<'_>| {
            Ok(ExplainedAttempt {
                id: row.get(10)?,
                recipient: row.get(8)?,
                result: queue_row::read_attempt(row)?,
                settlement: row.get(11)?,
                trail: row.get(12)?,
            })
        };
        let rows = list.query_map(params![id.0, many(limit)], read)?;
        let mut rows: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
        rows.reverse();
        Ok(rows)
    }

    fn attempt_oldest(&self) -> Result<Option<Timestamp>> {
        let mut oldest = self.db.prepare_cached("SELECT at FROM attempt ORDER BY id LIMIT 1")?;
        Ok(oldest.query_row([], |row| row.get(0).map(Timestamp)).optional()?)
    }

    fn submit_key(&self, key: &str) -> Result<Option<i64>> {
        let mut find = self.db.prepare_cached("SELECT item FROM submit_key WHERE key = ?1")?;
        Ok(find.query_row([key], |row| row.get(0)).optional()?)
    }

    fn paused(&self) -> Result<Vec<Paused>> {
        let mut list = self.db.prepare_cached("SELECT destination, since, reason FROM paused ORDER BY destination")?;
        let read =
            |row: &Row<'_>| Ok(Paused { destination: row.get(0)?, since: Timestamp(row.get(1)?), reason: row.get(2)? });
        Ok(list.query_map([], read)?.collect::<rusqlite::Result<_>>()?)
    }

    fn destination_rows(&self, after: Option<&str>, limit: usize) -> Result<Vec<DestinationRow>> {
        let mut list = self.db.prepare_cached(
            "SELECT r.destination, count(*), sum(r.held), min(r.due), min(i.created), max(r.attempts),
               max(r.last_attempt) FROM queue_recipient r JOIN queue_item i ON i.id = r.item
               WHERE r.state = 0 AND (?1 IS NULL OR r.destination > ?1) GROUP BY r.destination
               ORDER BY r.destination LIMIT ?2",
        )?;
        let mut rows = list.query(params![after, many(limit)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(DestinationRow {
                destination: row.get(0)?,
                waiting: row.get::<_, i64>(1)?.unsigned_abs(),
                held: row.get::<_, i64>(2)?.unsigned_abs(),
                due: Timestamp(row.get(3)?),
                oldest: Timestamp(row.get(4)?),
                attempts: row.get(5)?,
                last: match row.get(6)? {
                    0 => None,
                    last => queue_row::attempt(&self.db, last)?,
                },
            });
        }
        Ok(found)
    }
}

fn many(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl WriteOutward for Sqlite {
    fn sts_put(&self, row: &StsRow) -> Result<()> {
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO sts_policy(domain, id, policy, fetched, used, expires)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![row.domain, row.id, row.policy, row.fetched.0, row.used.0, row.expires.0])?;
        Ok(())
    }

    fn sts_forget(&self, now: Timestamp) -> Result<()> {
        self.db.prepare_cached("DELETE FROM sts_policy WHERE expires <= ?1")?.execute([now.0])?;
        Ok(())
    }

    fn queue_expires(&self, id: QueueId, at: Timestamp) -> Result<()> {
        self.db.prepare_cached("UPDATE queue_item SET expires = ?2 WHERE id = ?1")?.execute([id.0, at.0])?;
        self.db
            .prepare_cached("UPDATE queue_recipient SET due = ?2 WHERE item = ?1 AND state = 0 AND due > ?2")?
            .execute([id.0, at.0])?;
        Ok(())
    }

    fn trail_insert(&self, attempt: i64, lines: &str) -> Result<()> {
        let mut insert = self.db.prepare_cached("INSERT INTO trail(attempt, lines) VALUES (?1, ?2)")?;
        insert.execute(params![attempt, lines])?;
        Ok(())
    }

    fn attempts_forget_before(&self, before: Timestamp, limit: i64) -> Result<()> {
        let last: Option<i64> = self
            .db
            .prepare_cached("SELECT max(id) FROM (SELECT id, at FROM attempt ORDER BY id LIMIT ?2) WHERE at < ?1")?
            .query_row([before.0, limit], |row| row.get(0))?;
        match last {
            Some(last) => self.attempts_forget(last),
            None => Ok(()),
        }
    }

    fn submit_key_insert(&self, key: &str, item: i64, at: Timestamp) -> Result<()> {
        let mut insert = self.db.prepare_cached("INSERT INTO submit_key(key, item, at) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![key, item, at.0])?;
        Ok(())
    }

    fn submit_keys_forget(&self, before: Timestamp) -> Result<()> {
        self.db.prepare_cached("DELETE FROM submit_key WHERE at < ?1")?.execute([before.0])?;
        Ok(())
    }

    fn paused_put(&self, paused: &Paused) -> Result<()> {
        let mut put =
            self.db.prepare_cached("INSERT OR REPLACE INTO paused(destination, since, reason) VALUES (?1, ?2, ?3)")?;
        put.execute(params![paused.destination, paused.since.0, paused.reason])?;
        Ok(())
    }

    fn paused_remove(&self, destination: &str) -> Result<bool> {
        Ok(self.db.prepare_cached("DELETE FROM paused WHERE destination = ?1")?.execute([destination])? > 0)
    }
}

fn read_sts(row: &Row<'_>) -> rusqlite::Result<StsRow> {
    Ok(StsRow {
        domain: row.get(0)?,
        id: row.get(1)?,
        policy: row.get(2)?,
        fetched: Timestamp(row.get(3)?),
        used: Timestamp(row.get(4)?),
        expires: Timestamp(row.get(5)?),
    })
}
