//! What is kept about outgoing mail as a whole.

use rusqlite::{OptionalExtension, Row, params};

use super::super::database::{ReadSending, WriteSending};
use super::super::{Suppressed, TlsLevel, TlsReportRow, TlsResultRow};
use super::Sqlite;
use crate::base::{QueueId, Result, Timestamp};

const SUPPRESSED: &str = "SELECT account, address, reason, detail, since, until FROM suppressed";

impl ReadSending for Sqlite {
    fn suppressed(&self, account: i64, address: &str) -> Result<Option<Suppressed>> {
        let mut get = self.db.prepare_cached(&format!("{SUPPRESSED} WHERE account = ?1 AND address = ?2"))?;
        Ok(get.query_row(params![account, address], read_suppressed).optional()?)
    }

    fn suppressed_rows(&self, after: (i64, &str), limit: usize) -> Result<Vec<Suppressed>> {
        let mut list = self.db.prepare_cached(&format!(
            "{SUPPRESSED} WHERE (account, address) > (?1, ?2) ORDER BY account, address LIMIT ?3"
        ))?;
        let rows = list.query_map(params![after.0, after.1, many(limit)], read_suppressed)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn suppressed_count(&self) -> Result<i64> {
        self.count("SELECT count(*) FROM suppressed")
    }

    fn tls_level(&self, host: &str) -> Result<Option<TlsLevel>> {
        let mut get = self.db.prepare_cached("SELECT host, level, seen FROM tls_level WHERE host = ?1")?;
        let read =
            |row: &Row<'_>| Ok(TlsLevel { host: row.get(0)?, is_verified: row.get(1)?, seen: Timestamp(row.get(2)?) });
        Ok(get.query_row([host], read).optional()?)
    }

    fn tls_levels_count(&self) -> Result<i64> {
        self.count("SELECT count(*) FROM tls_level")
    }

    fn tls_results_due(&self, today: i64, after: (i64, &str)) -> Result<Option<(i64, String)>> {
        let mut first = self.db.prepare_cached(
            "SELECT day, domain FROM tls_result WHERE day < ?1 AND (day, domain) > (?2, ?3) ORDER BY day, domain
               LIMIT 1",
        )?;
        Ok(first.query_row(params![today, after.0, after.1], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    fn tls_results(&self, day: i64, domain: &str) -> Result<Vec<TlsResultRow>> {
        let mut list = self.db.prepare_cached(
            "SELECT policy, failure, sessions FROM tls_result WHERE day = ?1 AND domain = ?2 ORDER BY policy, failure",
        )?;
        let read = |row: &Row<'_>| {
            let (policy, failure) = (row.get(0)?, row.get(1)?);
            Ok(TlsResultRow { day, domain: domain.to_owned(), policy, failure, sessions: row.get(2)? })
        };
        Ok(list.query_map(params![day, domain], read)?.collect::<rusqlite::Result<_>>()?)
    }

    fn tls_results_count(&self, day: i64) -> Result<i64> {
        let mut count = self.db.prepare_cached("SELECT count(*) FROM tls_result WHERE day = ?1")?;
        Ok(count.query_row([day], |row| row.get(0))?)
    }

    fn tls_reports(&self, after: i64, limit: usize) -> Result<Vec<TlsReportRow>> {
        let mut list = self.db.prepare_cached(
            "SELECT id, organization, report_id, domain, begins, ends, arrived, succeeded, failed, report
               FROM tls_report WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let rows = list.query_map(params![after, many(limit)], read_report)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn sent_item(&self, message_id: &str) -> Result<Option<QueueId>> {
        let mut get = self.db.prepare_cached("SELECT item FROM sent_message WHERE message_id = ?1")?;
        Ok(get.query_row([message_id], |row| row.get(0).map(QueueId)).optional()?)
    }
}

impl Sqlite {
    fn count(&self, question: &str) -> Result<i64> {
        Ok(self.db.prepare_cached(question)?.query_row([], |row| row.get(0))?)
    }
}

impl WriteSending for Sqlite {
    fn suppressed_put(&self, row: &Suppressed) -> Result<()> {
        let mut put = self.db.prepare_cached(
            "INSERT OR REPLACE INTO suppressed(account, address, reason, detail, since, until)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        put.execute(params![row.account, row.address, row.reason, row.detail, row.since.0, row.until.0])?;
        Ok(())
    }

    fn suppressed_remove(&self, account: i64, address: &str) -> Result<bool> {
        let mut remove = self.db.prepare_cached("DELETE FROM suppressed WHERE account = ?1 AND address = ?2")?;
        Ok(remove.execute(params![account, address])? > 0)
    }

    fn suppressed_forget(&self, now: Timestamp) -> Result<()> {
        self.db.prepare_cached("DELETE FROM suppressed WHERE until > 0 AND until <= ?1")?.execute([now.0])?;
        Ok(())
    }

    fn suppressed_forget_of(&self, account: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM suppressed WHERE account = ?1")?.execute([account])?;
        Ok(())
    }

    fn tls_level_put(&self, row: &TlsLevel) -> Result<()> {
        let mut put =
            self.db.prepare_cached("INSERT OR REPLACE INTO tls_level(host, level, seen) VALUES (?1, ?2, ?3)")?;
        put.execute(params![row.host, row.is_verified, row.seen.0])?;
        Ok(())
    }

    fn tls_levels_forget(&self, before: Timestamp) -> Result<()> {
        self.db.prepare_cached("DELETE FROM tls_level WHERE seen < ?1")?.execute([before.0])?;
        Ok(())
    }

    fn tls_result_count(&self, row: &TlsResultRow) -> Result<bool> {
        let mut count = self.db.prepare_cached(
            "UPDATE tls_result SET sessions = sessions + ?5
               WHERE day = ?1 AND domain = ?2 AND policy = ?3 AND failure = ?4",
        )?;
        Ok(count.execute(params![row.day, row.domain, row.policy, row.failure, row.sessions])? > 0)
    }

    fn tls_result_insert(&self, row: &TlsResultRow) -> Result<()> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO tls_result(day, domain, policy, failure, sessions) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        insert.execute(params![row.day, row.domain, row.policy, row.failure, row.sessions])?;
        Ok(())
    }

    fn tls_results_remove(&self, day: i64, domain: &str) -> Result<bool> {
        let mut remove = self.db.prepare_cached("DELETE FROM tls_result WHERE day = ?1 AND domain = ?2")?;
        Ok(remove.execute(params![day, domain])? > 0)
    }

    fn tls_results_forget(&self, day: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM tls_result WHERE day < ?1")?.execute([day])?;
        Ok(())
    }

    fn tls_report_insert(&self, row: &TlsReportRow) -> Result<Option<i64>> {
        let mut insert = self.db.prepare_cached(
            "INSERT OR IGNORE INTO tls_report(organization, report_id, domain, begins, ends, arrived, succeeded, failed,
               report) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        let inserted = insert.execute(params![
            row.organization,
            row.report_id,
            row.domain,
            row.begins.0,
            row.ends.0,
            row.arrived.0,
            row.succeeded,
            row.failed,
            row.report
        ])?;
        Ok((inserted > 0).then(|| self.db.last_insert_rowid()))
    }

    fn tls_reports_forget(&self, before: Timestamp, keep: i64) -> Result<()> {
        self.db
            .prepare_cached(
                "DELETE FROM tls_report WHERE arrived < ?1
                   OR id <= (SELECT id FROM tls_report ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute([before.0, keep])?;
        Ok(())
    }

    fn sent_insert(&self, message_id: &str, item: QueueId, at: Timestamp) -> Result<()> {
        let mut insert =
            self.db.prepare_cached("INSERT OR REPLACE INTO sent_message(message_id, item, at) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![message_id, item.0, at.0])?;
        Ok(())
    }

    fn sent_forget(&self, before: Timestamp) -> Result<()> {
        self.db.prepare_cached("DELETE FROM sent_message WHERE at < ?1")?.execute([before.0])?;
        Ok(())
    }
}

fn many(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn read_suppressed(row: &Row<'_>) -> rusqlite::Result<Suppressed> {
    Ok(Suppressed {
        account: row.get(0)?,
        address: row.get(1)?,
        reason: row.get(2)?,
        detail: row.get(3)?,
        since: Timestamp(row.get(4)?),
        until: Timestamp(row.get(5)?),
    })
}

fn read_report(row: &Row<'_>) -> rusqlite::Result<TlsReportRow> {
    Ok(TlsReportRow {
        id: row.get(0)?,
        organization: row.get(1)?,
        report_id: row.get(2)?,
        domain: row.get(3)?,
        begins: Timestamp(row.get(4)?),
        ends: Timestamp(row.get(5)?),
        arrived: Timestamp(row.get(6)?),
        succeeded: row.get(7)?,
        failed: row.get(8)?,
        report: row.get(9)?,
    })
}
