//! Aggregate reports others sent us: their mail waits to be read, their rows to be asked for.

use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params, params_from_iter};

use super::dmarc_row::{disposition, disposition_column, read_row, values};
use super::transaction::WriteTx;
use super::{ReportInfo, Store};
use crate::base::limits::{DMARC_REPORTS_KEPT_MAX, DMARC_ROWS_KEPT_MAX, DMARC_ROWS_PER_COMMIT};
use crate::base::{BlobId, Result, Timestamp};
use crate::feedback::{AggregateReport, Disposition, Period, PublishedPolicy, Row};

impl Store {
    /// The body of the oldest mail for the reports' address that was not read yet.
    pub async fn dmarc_unread(&self) -> Result<Option<BlobId>> {
        self.read(|db| {
            let mut first = db.prepare_cached("SELECT blob FROM dmarc_unread ORDER BY blob LIMIT 1")?;
            Ok(first.query_row([], |row| row.get(0)).optional()?.map(BlobId))
        })
        .await
    }

    /// Notes that a mail was read, and keeps the report that was in it, if any. False where there is nothing to keep,
    /// or it is there already: the same reporter, domain and report id. A long report takes several commits, so that
    /// mail on its way in need not wait for all of it; one cut short is completed when its mail is read again. The
    /// oldest reports go where there are more than `DMARC_REPORTS_KEPT_MAX`, or of more rows than
    /// `DMARC_ROWS_KEPT_MAX`.
    pub async fn dmarc_read(&self, blob: BlobId, report: Option<AggregateReport>, now: Timestamp) -> Result<bool> {
        let Some(report) = report.map(Arc::new) else {
            self.write(0, move |tx| read(tx, blob)).await?;
            return Ok(false);
        };
        let shared = Arc::clone(&report);
        let (id, begun, is_new) = self.write(0, move |tx| insert(tx.db, &shared, now)).await?;
        let mut done = begun;
        loop {
            let (shared, from) = (Arc::clone(&report), done);
            done = self.write(0, move |tx| insert_rows(tx.db, id, &shared.rows, from)).await?;
            if done >= report.rows.len() {
                break;
            }
        }
        self.write(0, move |tx| {
            make_room(tx.db)?;
            read(tx, blob)
        })
        .await?;
        Ok(is_new)
    }

    /// Reports with ids above `after`, at most `limit`, in the order they were read; without their rows.
    pub async fn dmarc_reports(&self, after: i64, limit: usize) -> Result<Vec<ReportInfo>> {
        self.read(move |db| {
            let mut list = db.prepare_cached(
                "SELECT id, organization, email, contact, report_id, domain, begins, ends, arrived, policy,
                   subdomain_policy, nonexistent_policy, strict, percent, testing, failure_on, errors, messages,
                   row_count, failed FROM dmarc_report WHERE id > ?1 ORDER BY id LIMIT ?2",
            )?;
            let rows = list.query_and_then(params![after, i64::try_from(limit).unwrap_or(i64::MAX)], info)?;
            rows.collect()
        })
        .await
    }

    /// Rows of a report behind the place `after` (0 for all), at most `limit`, with their places.
    pub async fn dmarc_records(&self, report: i64, after: i64, limit: usize) -> Result<Vec<(i64, Row)>> {
        self.read(move |db| {
            let mut list = db.prepare_cached(
                "SELECT place, source, disposition, aligned, header_from, envelope_from, envelope_to, reasons, dkim,
                   spf, messages FROM dmarc_record WHERE report = ?1 AND place > ?2 ORDER BY place LIMIT ?3",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows =
                list.query_and_then(params![report, after, limit], |row| Ok((row.get(0)?, read_row(row, 1)?)))?;
            rows.collect()
        })
        .await
    }

    /// Forgets reports on times that ended before `before` and that were read before it too.
    pub async fn dmarc_prune(&self, before: Timestamp) -> Result<()> {
        self.write(0, move |tx| {
            let old = "ends < ?1 AND arrived < ?2";
            let values = params![before.seconds(), before.0];
            let rows = format!("DELETE FROM dmarc_record WHERE report IN (SELECT id FROM dmarc_report WHERE {old})");
            tx.db.prepare_cached(&rows)?.execute(values)?;
            tx.db.prepare_cached(&format!("DELETE FROM dmarc_report WHERE {old}"))?.execute(values)?;
            Ok(())
        })
        .await
    }
}

/// Notes mail to be read.
pub(super) fn unread(tx: &mut WriteTx<'_>, blob: BlobId) -> Result<()> {
    tx.db.prepare_cached("INSERT OR IGNORE INTO dmarc_unread(blob) VALUES (?1)")?.execute([blob.0])?;
    tx.wake_feedback();
    Ok(())
}

/// Writes a report without its rows; its id, how many of its rows are there, and whether it was not.
fn insert(db: &Connection, report: &AggregateReport, now: Timestamp) -> Result<(i64, usize, bool)> {
    let published = &report.published;
    let count = |rows: &mut dyn Iterator<Item = &Row>| -> i64 {
        i64::try_from(rows.fold(0u64, |sum, row| sum.saturating_add(row.count))).unwrap_or(i64::MAX)
    };
    let column = |policy: Option<Disposition>| policy.map(disposition_column);
    let mut write = db.prepare_cached(
        "INSERT OR IGNORE INTO dmarc_report(organization, email, contact, report_id, domain, begins, ends, arrived,
           policy, subdomain_policy, nonexistent_policy, strict, percent, testing, failure_on, errors, messages,
           row_count, failed)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
    )?;
    let is_new = write.execute(params![
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
    ])? > 0;
    if is_new {
        return Ok((db.last_insert_rowid(), 0, true));
    }
    let mut find = db.prepare_cached(
        "SELECT id, row_count, (SELECT count(*) FROM dmarc_record WHERE report = id) FROM dmarc_report
           WHERE domain = ?1 AND organization = ?2 AND report_id = ?3",
    )?;
    let key = params![published.domain, report.organization, report.report_id];
    let (id, rows, begun): (i64, i64, i64) = find.query_row(key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    // Another of the same name and length is the same; else the first stands as it is.
    let is_same = usize::try_from(rows) == Ok(report.rows.len());
    let begun = usize::try_from(begun).unwrap_or(usize::MAX);
    Ok((id, if is_same { begun } else { report.rows.len() }, false))
}

/// Writes rows from a place on, as many as one commit may have; how many are there then.
fn insert_rows(db: &Connection, id: i64, rows: &[Row], from: usize) -> Result<usize> {
    let mut write = db.prepare_cached(
        "INSERT INTO dmarc_record(report, place, source, disposition, aligned, header_from, envelope_from, envelope_to,
           reasons, dkim, spf, messages) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    let mut done = from;
    for row in rows.iter().skip(from).take(DMARC_ROWS_PER_COMMIT) {
        done += 1;
        let key = [Value::from(id), Value::from(i64::try_from(done).unwrap_or(i64::MAX))];
        let messages = i64::try_from(row.count).unwrap_or(i64::MAX);
        write.execute(params_from_iter(key.into_iter().chain(values(row, messages))))?;
    }
    Ok(done)
}

/// Notes that a mail was read.
fn read(tx: &WriteTx<'_>, blob: BlobId) -> Result<()> {
    tx.db.prepare_cached("DELETE FROM dmarc_unread WHERE blob = ?1")?.execute([blob.0])?;
    Ok(())
}

/// Removes the oldest reports until what is left is within its limits; the newest stays.
fn make_room(db: &Connection) -> Result<()> {
    let mut total = db.prepare_cached(
        "SELECT count(*), coalesce(sum(row_count), 0), coalesce(min(id), 0), coalesce(max(id), 0) FROM dmarc_report",
    )?;
    loop {
        let (reports, rows, oldest, newest): (i64, i64, i64, i64) =
            total.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        if oldest == newest || (reports <= DMARC_REPORTS_KEPT_MAX && rows <= DMARC_ROWS_KEPT_MAX) {
            return Ok(());
        }
        db.prepare_cached("DELETE FROM dmarc_record WHERE report = ?1")?.execute([oldest])?;
        db.prepare_cached("DELETE FROM dmarc_report WHERE id = ?1")?.execute([oldest])?;
    }
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
