//! What is kept about outgoing mail as a whole.

use tokio_postgres::Row;

use super::super::database::{ReadSending, WriteSending};
use super::super::{Suppressed, TlsLevel, TlsReportRow, TlsResultRow};
use super::Postgres;
use super::dmarc_row::digest;
use super::value::{Columns, values};
use crate::base::{QueueId, Result, Timestamp};

const SUPPRESSED: &str = "SELECT account, address, reason, detail, since, until FROM suppressed";

impl ReadSending for Postgres {
    fn suppressed(&self, account: i64, address: &str) -> Result<Option<Suppressed>> {
        let row = self.row(&format!("{SUPPRESSED} WHERE account = $1 AND address = $2"), values![account, address])?;
        row.as_ref().map(read_suppressed).transpose()
    }

    fn suppressed_rows(&self, after: (i64, &str), limit: usize) -> Result<Vec<Suppressed>> {
        let rows = self.rows(
            &format!("{SUPPRESSED} WHERE (account, address) > ($1, $2) ORDER BY account, address LIMIT $3"),
            values![after.0, after.1, limit],
        )?;
        rows.iter().map(read_suppressed).collect()
    }

    fn suppressed_count(&self) -> Result<i64> {
        self.number("SELECT count(*) FROM suppressed", values![])
    }

    fn tls_level(&self, host: &str) -> Result<Option<TlsLevel>> {
        let row = self.row("SELECT host, level, seen FROM tls_level WHERE host = $1", values![host])?;
        let read = |row: Row| {
            Ok(TlsLevel { host: row.text(0)?, is_verified: row.number(1)? != 0, seen: Timestamp(row.number(2)?) })
        };
        row.map(read).transpose()
    }

    fn tls_levels_count(&self) -> Result<i64> {
        self.number("SELECT count(*) FROM tls_level", values![])
    }

    fn tls_results_due(&self, today: i64, after: (i64, &str)) -> Result<Option<(i64, String)>> {
        let row = self.row(
            "SELECT day, domain FROM tls_result WHERE day < $1 AND (day, domain) > ($2, $3) ORDER BY day, domain
               LIMIT 1",
            values![today, after.0, after.1],
        )?;
        row.map(|row| Ok((row.number(0)?, row.text(1)?))).transpose()
    }

    fn tls_results(&self, day: i64, domain: &str) -> Result<Vec<TlsResultRow>> {
        let rows = self.rows(
            "SELECT policy, failure, sessions FROM tls_result WHERE day = $1 AND domain = $2 ORDER BY policy, failure",
            values![day, domain],
        )?;
        let read = |row: &Row| {
            let (policy, failure) = (row.text(0)?, row.text(1)?);
            Ok(TlsResultRow { day, domain: domain.to_owned(), policy, failure, sessions: row.number(2)? })
        };
        rows.iter().map(read).collect()
    }

    fn tls_results_count(&self, day: i64) -> Result<i64> {
        self.number("SELECT count(*) FROM tls_result WHERE day = $1", values![day])
    }

    fn tls_reports(&self, after: i64, limit: usize) -> Result<Vec<TlsReportRow>> {
        let rows = self.rows(
            "SELECT id, organization, report_id, domain, begins, ends, arrived, succeeded, failed, report
               FROM tls_report WHERE id > $1 ORDER BY id LIMIT $2",
            values![after, limit],
        )?;
        rows.iter().map(read_report).collect()
    }

    fn sent_item(&self, message_id: &str) -> Result<Option<QueueId>> {
        let row = self.row("SELECT item FROM sent_message WHERE message_id = $1", values![message_id])?;
        row.map(|row| Ok(QueueId(row.number(0)?))).transpose()
    }
}

/// What tells a kind of result from others.
fn kind(row: &TlsResultRow) -> Vec<u8> {
    digest(&[&row.domain, &row.policy, &row.failure])
}

impl WriteSending for Postgres {
    fn suppressed_put(&self, row: &Suppressed) -> Result<()> {
        self.send(
            "INSERT INTO suppressed(account, address, reason, detail, since, until) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (account, address) DO UPDATE SET reason = excluded.reason, detail = excluded.detail,
               since = excluded.since, until = excluded.until",
            values![row.account, &row.address, &row.reason, &row.detail, row.since.0, row.until.0],
        )
    }

    fn suppressed_remove(&self, account: i64, address: &str) -> Result<bool> {
        Ok(self.run("DELETE FROM suppressed WHERE account = $1 AND address = $2", values![account, address])? > 0)
    }

    fn suppressed_forget(&self, now: Timestamp) -> Result<()> {
        self.send("DELETE FROM suppressed WHERE until > 0 AND until <= $1", values![now.0])
    }

    fn suppressed_forget_of(&self, account: i64) -> Result<()> {
        self.send("DELETE FROM suppressed WHERE account = $1", values![account])
    }

    fn tls_level_put(&self, row: &TlsLevel) -> Result<()> {
        self.send(
            "INSERT INTO tls_level(host, level, seen) VALUES ($1, $2, $3)
               ON CONFLICT (host) DO UPDATE SET level = excluded.level, seen = excluded.seen",
            values![&row.host, i64::from(row.is_verified), row.seen.0],
        )
    }

    fn tls_levels_forget(&self, before: Timestamp) -> Result<()> {
        self.send("DELETE FROM tls_level WHERE seen < $1", values![before.0])
    }

    fn tls_result_count(&self, row: &TlsResultRow) -> Result<bool> {
        let counted = self.run(
            "UPDATE tls_result SET sessions = sessions + $3 WHERE day = $1 AND kind = $2",
            values![row.day, kind(row), row.sessions],
        )?;
        Ok(counted > 0)
    }

    fn tls_result_insert(&self, row: &TlsResultRow) -> Result<()> {
        self.send(
            "INSERT INTO tls_result(day, kind, domain, policy, failure, sessions) VALUES ($1, $2, $3, $4, $5, $6)",
            values![row.day, kind(row), &row.domain, &row.policy, &row.failure, row.sessions],
        )
    }

    fn tls_results_remove(&self, day: i64, domain: &str) -> Result<bool> {
        Ok(self.run("DELETE FROM tls_result WHERE day = $1 AND domain = $2", values![day, domain])? > 0)
    }

    fn tls_results_forget(&self, day: i64) -> Result<()> {
        self.send("DELETE FROM tls_result WHERE day < $1", values![day])
    }

    fn tls_report_insert(&self, row: &TlsReportRow) -> Result<Option<i64>> {
        let id = self.next_id("tls_report_id")?;
        let inserted = self.run(
            "INSERT INTO tls_report(id, name, organization, report_id, domain, begins, ends, arrived, succeeded, failed,
               report) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (name) DO NOTHING",
            values![
                id,
                digest(&[&row.organization, &row.report_id]),
                &row.organization,
                &row.report_id,
                &row.domain,
                row.begins.0,
                row.ends.0,
                row.arrived.0,
                row.succeeded,
                row.failed,
                &row.report
            ],
        )?;
        Ok((inserted > 0).then_some(id))
    }

    fn tls_reports_forget(&self, before: Timestamp, keep: i64) -> Result<()> {
        self.send(
            "DELETE FROM tls_report WHERE arrived < $1
               OR id <= (SELECT id FROM tls_report ORDER BY id DESC LIMIT 1 OFFSET $2)",
            values![before.0, keep],
        )
    }

    fn sent_insert(&self, message_id: &str, item: QueueId, at: Timestamp) -> Result<()> {
        self.send(
            "INSERT INTO sent_message(message_id, item, at) VALUES ($1, $2, $3)
               ON CONFLICT (message_id) DO UPDATE SET item = excluded.item, at = excluded.at",
            values![message_id, item.0, at.0],
        )
    }

    fn sent_forget(&self, before: Timestamp) -> Result<()> {
        self.send("DELETE FROM sent_message WHERE at < $1", values![before.0])
    }
}

fn read_suppressed(row: &Row) -> Result<Suppressed> {
    Ok(Suppressed {
        account: row.number(0)?,
        address: row.text(1)?,
        reason: row.text(2)?,
        detail: row.text(3)?,
        since: Timestamp(row.number(4)?),
        until: Timestamp(row.number(5)?),
    })
}

fn read_report(row: &Row) -> Result<TlsReportRow> {
    Ok(TlsReportRow {
        id: row.number(0)?,
        organization: row.text(1)?,
        report_id: row.text(2)?,
        domain: row.text(3)?,
        begins: Timestamp(row.number(4)?),
        ends: Timestamp(row.number(5)?),
        arrived: Timestamp(row.number(6)?),
        succeeded: row.number(7)?,
        failed: row.number(8)?,
        report: row.text(9)?,
    })
}
