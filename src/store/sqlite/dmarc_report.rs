//! Aggregate reports others sent us, and the calls of both kinds of report.

use std::collections::VecDeque;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params, params_from_iter};

use super::super::database::{BegunReport, ReadReports, WriteReports};
use super::super::{Observed, ReportInfo};
use super::columns::{disposition, disposition_column};
use super::dmarc_row::{read_row, values};
use super::{Sqlite, dmarc};
use crate::base::{BlobId, Result, Timestamp};
use crate::feedback::{AggregateReport, Disposition, Period, PublishedPolicy, ReportRow as Row};

impl ReadReports for Sqlite {
    fn observed_totals(&self, day: i64) -> Result<(i64, i64)> {
        dmarc::totals(&self.db, day)
    }

    fn observed_domain(&self, day: i64, domain: &str) -> Result<Option<(i64, bool)>> {
        dmarc::domain(&self.db, day, domain)
    }

    fn observed_due(&self, today: i64, after: Option<(i64, &str)>) -> Result<Option<Observed>> {
        dmarc::due(&self.db, today, after)
    }

    fn observed_oldest(&self) -> Result<Option<i64>> {
        dmarc::oldest(&self.db)
    }

    fn unread_report(&self) -> Result<Option<BlobId>> {
        let mut first = self.db.prepare_cached("SELECT blob FROM dmarc_unread ORDER BY blob LIMIT 1")?;
        Ok(first.query_row([], |row| row.get(0)).optional()?.map(BlobId))
    }

    fn reports(&self, after: i64, limit: usize) -> Result<Vec<ReportInfo>> {
        let mut list = self.db.prepare_cached(
            "SELECT id, organization, email, contact, report_id, domain, begins, ends, arrived, policy,
               subdomain_policy, nonexistent_policy, strict, percent, testing, failure_on, errors, messages,
               row_count, failed FROM dmarc_report WHERE complete AND id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let rows = list.query_and_then(params![after, i64::try_from(limit).unwrap_or(i64::MAX)], info)?;
        rows.collect()
    }

    fn report_rows(&self, report: i64, after: i64, limit: usize) -> Result<Vec<(i64, Row)>> {
        let mut list = self.db.prepare_cached(
            "SELECT place, source, disposition, aligned, header_from, envelope_from, envelope_to, reasons, dkim,
               spf, messages FROM dmarc_record WHERE report = ?1 AND place > ?2 ORDER BY place LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = list.query_and_then(params![report, after, limit], |row| Ok((row.get(0)?, read_row(row, 1)?)))?;
        rows.collect()
    }

    fn report_last_row(&self, report: i64) -> Result<i64> {
        let mut last = self.db.prepare_cached("SELECT coalesce(max(place), 0) FROM dmarc_record WHERE report = ?1")?;
        Ok(last.query_row([report], |row| row.get(0))?)
    }

    fn report_named(&self, report: &AggregateReport) -> Result<Option<BegunReport>> {
        let mut find = self.db.prepare_cached(
            "SELECT id, complete, row_count, (SELECT count(*) FROM dmarc_record WHERE report = id) FROM dmarc_report
               WHERE domain = ?1 AND organization = ?2 AND report_id = ?3",
        )?;
        let count = |row: &SqlRow<'_>, at: usize| row.get(at).map(|n: i64| u64::try_from(n).unwrap_or(u64::MAX));
        let read = |row: &SqlRow<'_>| {
            let (length, rows) = (count(row, 2)?, count(row, 3)?);
            Ok(BegunReport { id: row.get(0)?, is_complete: row.get(1)?, length, rows })
        };
        let key = params![report.published.domain, report.organization, report.report_id];
        Ok(find.query_row(key, read).optional()?)
    }

    fn reports_before(&self, before: Timestamp) -> Result<VecDeque<i64>> {
        let mut list =
            self.db.prepare_cached("SELECT id FROM dmarc_report WHERE ends < ?1 AND arrived < ?2 ORDER BY id")?;
        let ids = list.query_map(params![before.seconds(), before.0], |row| row.get(0))?;
        Ok(ids.collect::<rusqlite::Result<_>>()?)
    }

    fn report_totals(&self) -> Result<(i64, i64)> {
        let mut total = self.db.prepare_cached("SELECT count(*), coalesce(sum(row_count), 0) FROM dmarc_report")?;
        Ok(total.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    fn reports_oldest(&self, limit: usize) -> Result<Vec<(i64, i64)>> {
        let mut list = self.db.prepare_cached("SELECT id, row_count FROM dmarc_report ORDER BY id LIMIT ?1")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = list.query_map([limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl WriteReports for Sqlite {
    fn observed_note(&self, day: i64, domain: &str, record: &str) -> Result<()> {
        dmarc::note(&self.db, day, domain, record)
    }

    fn observed_more(&self, day: i64, domain: &str, rows: i64) -> Result<()> {
        dmarc::more(&self.db, day, domain, rows)
    }

    fn observed_count(&self, day: i64, domain: &str, row: &Row, messages: i64) -> Result<bool> {
        dmarc::count(&self.db, day, domain, row, messages)
    }

    fn observed_insert(&self, day: i64, domain: &str, row: &Row, messages: i64) -> Result<()> {
        dmarc::insert(&self.db, day, domain, row, messages)
    }

    fn observed_reported(&self, day: i64, domain: &str) -> Result<bool> {
        dmarc::reported(&self.db, day, domain)
    }

    fn observed_forget(&self, day: i64) -> Result<()> {
        dmarc::forget(&self.db, day)
    }

    fn unread_report_insert(&self, blob: BlobId) -> Result<()> {
        self.db.prepare_cached("INSERT OR IGNORE INTO dmarc_unread(blob) VALUES (?1)")?.execute([blob.0])?;
        Ok(())
    }

    fn unread_report_remove(&self, blob: BlobId) -> Result<()> {
        self.db.prepare_cached("DELETE FROM dmarc_unread WHERE blob = ?1")?.execute([blob.0])?;
        Ok(())
    }

    fn report_insert(&self, report: &AggregateReport, now: Timestamp) -> Result<i64> {
        insert(&self.db, report, now)
    }

    fn report_row_insert(&self, report: i64, place: i64, row: &Row) -> Result<()> {
        let mut write = self.db.prepare_cached(
            "INSERT INTO dmarc_record(report, place, source, disposition, aligned, header_from, envelope_from,
               envelope_to, reasons, dkim, spf, messages) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        let messages = i64::try_from(row.count).unwrap_or(i64::MAX);
        let key = [Value::from(report), Value::from(place)];
        write.execute(params_from_iter(key.into_iter().chain(values(row, messages))))?;
        Ok(())
    }

    fn report_complete(&self, report: i64, complete: bool) -> Result<()> {
        self.db
            .prepare_cached("UPDATE dmarc_report SET complete = ?2 WHERE id = ?1")?
            .execute(params![report, complete])?;
        Ok(())
    }

    fn report_rows_remove(&self, report: i64, behind: i64) -> Result<()> {
        let mut some = self.db.prepare_cached("DELETE FROM dmarc_record WHERE report = ?1 AND place > ?2")?;
        some.execute([report, behind])?;
        Ok(())
    }

    fn report_remove(&self, report: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM dmarc_record WHERE report = ?1")?.execute([report])?;
        self.db.prepare_cached("DELETE FROM dmarc_report WHERE id = ?1")?.execute([report])?;
        Ok(())
    }
}

/// Writes a report without its rows, not complete; its id.
fn insert(db: &Connection, report: &AggregateReport, now: Timestamp) -> Result<i64> {
    let published = &report.published;
    let count = |rows: &mut dyn Iterator<Item = &Row>| -> i64 {
        i64::try_from(rows.fold(0u64, |sum, row| sum.saturating_add(row.count))).unwrap_or(i64::MAX)
    };
    let column = |policy: Option<Disposition>| policy.map(disposition_column);
    let mut write = db.prepare_cached(
        "INSERT INTO dmarc_report(organization, email, contact, report_id, domain, begins, ends, arrived,
           policy, subdomain_policy, nonexistent_policy, strict, percent, testing, failure_on, errors, messages,
           row_count, failed, complete)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, 0)",
    )?;
    write.execute(params![
        report.organization,
        report.email,
        report.contact,
        report.report_id,
        published.domain,
        report.period.begin,
        report.period.end,
        now.0,
        disposition_column(published.policy),
        column(published.subdomain_policy),
        column(published.nonexistent_policy),
        i64::from(published.strict_dkim) | i64::from(published.strict_spf) << 1,
        published.percent,
        published.is_testing,
        published.failure_on,
        report.errors.join("; "),
        count(&mut report.rows.iter()),
        i64::try_from(report.rows.len()).unwrap_or(i64::MAX),
        count(&mut report.rows.iter().filter(|row| !row.dkim_aligned && !row.spf_aligned)),
    ])?;
    Ok(db.last_insert_rowid())
}

fn info(row: &SqlRow<'_>) -> Result<ReportInfo> {
    let policy = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(disposition));
    let number = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.try_into().unwrap_or(0));
    let strict: i64 = row.get(12)?;
    let errors: String = row.get(16)?;
    let published = PublishedPolicy {
        domain: row.get(5)?,
        policy: policy(9)?.unwrap_or_default(),
        subdomain_policy: policy(10)?,
        nonexistent_policy: policy(11)?,
        strict_dkim: strict & 1 != 0,
        strict_spf: strict & 2 != 0,
        percent: row.get(13)?,
        is_testing: row.get(14)?,
        failure_on: row.get(15)?,
    };
    let report = AggregateReport {
        organization: row.get(1)?,
        email: row.get(2)?,
        contact: row.get(3)?,
        report_id: row.get(4)?,
        period: Period { begin: row.get(6)?, end: row.get(7)? },
        errors: errors.split("; ").filter(|error| !error.is_empty()).map(str::to_owned).collect(),
        published,
        rows: Vec::new(),
    };
    let arrived = Timestamp(row.get(8)?);
    Ok(ReportInfo {
        id: row.get(0)?,
        arrived,
        messages: number(17)?,
        row_count: number(18)?,
        failed: number(19)?,
        report,
    })
}
