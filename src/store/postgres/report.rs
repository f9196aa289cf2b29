//! Aggregate reports others sent us, and the calls of both kinds of report.

use std::collections::VecDeque;

use tokio_postgres::Row as SqlRow;

use super::super::database::{BegunReport, ReadReports, WriteReports};
use super::super::{Observed, ReportInfo};
use super::Postgres;
use super::columns::{disposition, disposition_column};
use super::dmarc_row::{digest, read_row, row_values};
use super::value::{Columns, values};
use crate::base::{BlobId, Result, Timestamp};
use crate::feedback::{AggregateReport, Disposition, Period, PublishedPolicy, ReportRow as Row};

impl ReadReports for Postgres {
    fn observed_totals(&self, day: i64) -> Result<(i64, i64)> {
        self.totals_of_day(day)
    }

    fn observed_domain(&self, day: i64, domain: &str) -> Result<Option<(i64, bool)>> {
        self.domain_of_day(day, domain)
    }

    fn observed_due(&self, today: i64, after: Option<(i64, &str)>) -> Result<Option<Observed>> {
        self.due_behind(today, after)
    }

    fn observed_oldest(&self) -> Result<Option<i64>> {
        let row = self.row("SELECT min(day) FROM dmarc_policy WHERE NOT reported", values![])?;
        row.map_or(Ok(None), |row| row.column(0))
    }

    fn unread_report(&self) -> Result<Option<BlobId>> {
        let first = self.row("SELECT blob FROM dmarc_unread ORDER BY blob LIMIT 1", values![])?;
        first.map(|row| row.number(0).map(BlobId)).transpose()
    }

    fn reports(&self, after: i64, limit: usize) -> Result<Vec<ReportInfo>> {
        let rows = self.rows(
            "SELECT id, organization, email, contact, report_id, domain, begins, ends, arrived, policy,
               subdomain_policy, nonexistent_policy, strict, percent, testing, failure_on, errors, messages,
               row_count, failed FROM dmarc_report WHERE complete AND id > $1 ORDER BY id LIMIT $2",
            values![after, limit],
        )?;
        rows.iter().map(info).collect()
    }

    fn report_rows(&self, report: i64, after: i64, limit: usize) -> Result<Vec<(i64, Row)>> {
        let rows = self.rows(
            "SELECT place, source, disposition, aligned, header_from, envelope_from, envelope_to, reasons, dkim,
               spf, messages FROM dmarc_record WHERE report = $1 AND place > $2 ORDER BY place LIMIT $3",
            values![report, after, limit],
        )?;
        rows.iter().map(|row| Ok((row.number(0)?, read_row(row, 1)?))).collect()
    }

    fn report_last_row(&self, report: i64) -> Result<i64> {
        self.number("SELECT coalesce(max(place), 0) FROM dmarc_record WHERE report = $1", values![report])
    }

    fn report_named(&self, report: &AggregateReport) -> Result<Option<BegunReport>> {
        let row = self.row(
            "SELECT id, complete, row_count, (SELECT count(*) FROM dmarc_record WHERE report = id) FROM dmarc_report
               WHERE name = $1",
            values![name(report)],
        )?;
        let read = |row: SqlRow| {
            let (length, rows) = (row.large(2)?, row.large(3)?);
            Ok(BegunReport { id: row.number(0)?, is_complete: row.flag(1)?, length, rows })
        };
        row.map(read).transpose()
    }

    fn reports_before(&self, before: Timestamp) -> Result<VecDeque<i64>> {
        let rows = self.rows(
            "SELECT id FROM dmarc_report WHERE ends < $1 AND arrived < $2 ORDER BY id",
            values![before.seconds(), before.0],
        )?;
        rows.iter().map(|row| row.number(0)).collect()
    }

    fn report_totals(&self) -> Result<(i64, i64)> {
        let row = self.row("SELECT count(*), coalesce(sum(row_count), 0)::bigint FROM dmarc_report", values![])?;
        row.map_or(Ok((0, 0)), |row| Ok((row.number(0)?, row.number(1)?)))
    }

    fn reports_oldest(&self, limit: usize) -> Result<Vec<(i64, i64)>> {
        let rows = self.rows("SELECT id, row_count FROM dmarc_report ORDER BY id LIMIT $1", values![limit])?;
        rows.iter().map(|row| Ok((row.number(0)?, row.number(1)?))).collect()
    }
}

impl WriteReports for Postgres {
    fn observed_note(&self, day: i64, domain: &str, record: &str) -> Result<()> {
        self.note_domain(day, domain, record)
    }

    fn observed_more(&self, day: i64, domain: &str, rows: i64) -> Result<()> {
        self.send(
            "UPDATE dmarc_policy SET row_count = row_count + $3 WHERE day = $1 AND domain = $2",
            values![day, domain, rows],
        )
    }

    fn observed_count(&self, day: i64, domain: &str, row: &Row, messages: i64) -> Result<bool> {
        self.count_row(day, domain, row, messages)
    }

    fn observed_insert(&self, day: i64, domain: &str, row: &Row, messages: i64) -> Result<()> {
        self.insert_row(day, domain, row, messages)
    }

    fn observed_reported(&self, day: i64, domain: &str) -> Result<bool> {
        self.done_with(day, domain)
    }

    fn observed_forget(&self, day: i64) -> Result<()> {
        self.forget_days(day)
    }

    fn unread_report_insert(&self, blob: BlobId) -> Result<()> {
        self.send("INSERT INTO dmarc_unread(blob) VALUES ($1) ON CONFLICT DO NOTHING", values![blob.0])
    }

    fn unread_report_remove(&self, blob: BlobId) -> Result<()> {
        self.send("DELETE FROM dmarc_unread WHERE blob = $1", values![blob.0])
    }

    fn report_insert(&self, report: &AggregateReport, now: Timestamp) -> Result<i64> {
        self.insert_report(report, now)
    }

    fn report_row_insert(&self, report: i64, place: i64, row: &Row) -> Result<()> {
        let mut columns = values![report, place];
        columns.extend(row_values(row, i64::try_from(row.count).unwrap_or(i64::MAX)));
        self.send(
            "INSERT INTO dmarc_record(report, place, source, disposition, aligned, header_from, envelope_from,
               envelope_to, reasons, dkim, spf, messages) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            columns,
        )
    }

    fn report_complete(&self, report: i64, complete: bool) -> Result<()> {
        self.send("UPDATE dmarc_report SET complete = $2 WHERE id = $1", values![report, complete])
    }

    fn report_rows_remove(&self, report: i64, behind: i64) -> Result<()> {
        self.send("DELETE FROM dmarc_record WHERE report = $1 AND place > $2", values![report, behind])
    }

    fn report_remove(&self, report: i64) -> Result<()> {
        self.send("DELETE FROM dmarc_record WHERE report = $1", values![report])?;
        self.send("DELETE FROM dmarc_report WHERE id = $1", values![report])
    }
}

/// What tells a report from others.
fn name(report: &AggregateReport) -> Vec<u8> {
    digest(&[&report.published.domain, &report.organization, &report.report_id])
}

impl Postgres {
    /// Writes a report without its rows, not complete; its id.
    fn insert_report(&self, report: &AggregateReport, now: Timestamp) -> Result<i64> {
        let (published, id) = (&report.published, self.next_id("dmarc_report_id")?);
        let count = |rows: &mut dyn Iterator<Item = &Row>| -> i64 {
            i64::try_from(rows.fold(0u64, |sum, row| sum.saturating_add(row.count))).unwrap_or(i64::MAX)
        };
        let column = |policy: Option<Disposition>| policy.map(disposition_column);
        self.send(
            "INSERT INTO dmarc_report(id, name, organization, email, contact, report_id, domain, begins, ends, arrived,
               policy, subdomain_policy, nonexistent_policy, strict, percent, testing, failure_on, errors, messages,
               row_count, failed, complete) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
               $16, $17, $18, $19, $20, $21, false)",
            values![
                id,
                name(report),
                &report.organization,
                &report.email,
                &report.contact,
                &report.report_id,
                &published.domain,
                report.period.begin,
                report.period.end,
                now.0,
                disposition_column(published.policy),
                column(published.subdomain_policy),
                column(published.nonexistent_policy),
                i64::from(published.strict_dkim) | i64::from(published.strict_spf) << 1,
                published.percent,
                published.is_testing,
                &published.failure_on,
                report.errors.join("; "),
                count(&mut report.rows.iter()),
                report.rows.len(),
                count(&mut report.rows.iter().filter(|row| !row.dkim_aligned && !row.spf_aligned))
            ],
        )?;
        Ok(id)
    }
}

fn info(row: &SqlRow) -> Result<ReportInfo> {
    let policy = |at: usize| Ok::<_, crate::base::Error>(row.column::<Option<i64>>(at)?.map(disposition));
    let number = |at: usize| Ok::<_, crate::base::Error>(row.number(at)?.try_into().unwrap_or(0));
    let percent = row.column::<Option<i64>>(13)?.and_then(|percent| percent.try_into().ok());
    let (strict, errors) = (row.number(12)?, row.text(16)?);
    let published = PublishedPolicy {
        domain: row.text(5)?,
        policy: policy(9)?.unwrap_or_default(),
        subdomain_policy: policy(10)?,
        nonexistent_policy: policy(11)?,
        strict_dkim: strict & 1 != 0,
        strict_spf: strict & 2 != 0,
        percent,
        is_testing: row.flag(14)?,
        failure_on: row.text(15)?,
    };
    let report = AggregateReport {
        organization: row.text(1)?,
        email: row.text(2)?,
        contact: row.text(3)?,
        report_id: row.text(4)?,
        period: Period { begin: row.number(6)?, end: row.number(7)? },
        errors: errors.split("; ").filter(|error| !error.is_empty()).map(str::to_owned).collect(),
        published,
        rows: Vec::new(),
    };
    let (id, arrived) = (row.number(0)?, Timestamp(row.number(8)?));
    Ok(ReportInfo { id, arrived, messages: number(17)?, row_count: number(18)?, failed: number(19)?, report })
}
