//! Aggregate reports others sent us: their mail waits to be read, their rows to be asked for.

use std::collections::VecDeque;
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params, params_from_iter};

use super::dmarc_row::{disposition, disposition_column, read_row, values};
use super::transaction::WriteTx;
use super::{ReportInfo, Store};
use crate::base::event::Event;
use crate::base::limits::{DMARC_REPORTS_KEPT_MAX, DMARC_ROWS_KEPT_MAX, DMARC_ROWS_PER_COMMIT};
use crate::base::{BlobId, Result, Timestamp};
use crate::feedback::{AggregateReport, Disposition, Period, PublishedPolicy, ReportRow as Row};

impl Store {
    /// The body of the oldest mail for the reports' address that was not read yet.
    pub async fn dmarc_unread(&self) -> Result<Option<BlobId>> {
        self.read(|db| {
            let mut first = db.prepare_cached("SELECT blob FROM dmarc_unread ORDER BY blob LIMIT 1")?;
            Ok(first.query_row([], |row| row.get(0)).optional()?.map(BlobId))
        })
        .await
    }

    /// Notes that a mail was read, and keeps the report that was in it, if any; its id where it is there now and was
    /// not before, `None` where there is nothing to keep, or the same reporter, domain and report id are there already.
    /// A long report takes several commits, so that mail on its way in need not wait for all of it, and is listed when
    /// all of it is there; one cut short is completed when its mail is read again. [`Store::dmarc_prune`] keeps all
    /// of them within their limits.
    pub async fn dmarc_read(
        &self,
        blob: BlobId,
        report: Option<AggregateReport>,
        now: Timestamp,
    ) -> Result<Option<i64>> {
        let Some(report) = report.map(Arc::new) else {
            self.write(0, move |tx| read(tx, blob)).await?;
            return Ok(None);
        };
        let mut begun = None;
        loop {
            let shared = Arc::clone(&report);
            let kept = self.write(0, move |tx| keep_more(tx, blob, begun, &shared, now)).await?;
            if kept.is_all {
                return Ok(kept.is_news.then_some(kept.id));
            }
            begun = Some(kept);
        }
    }

    /// Reports with ids above `after`, at most `limit`, in the order they were read; without their rows, all of which
    /// are there to be asked for.
    pub async fn dmarc_reports(&self, after: i64, limit: usize) -> Result<Vec<ReportInfo>> {
        self.read(move |db| {
            let mut list = db.prepare_cached(
                "SELECT id, organization, email, contact, report_id, domain, begins, ends, arrived, policy,
                   subdomain_policy, nonexistent_policy, strict, percent, testing, failure_on, errors, messages,
                   row_count, failed FROM dmarc_report WHERE complete AND id > ?1 ORDER BY id LIMIT ?2",
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

    /// Forgets reports on times that ended before `before` and that were read before it too, and the oldest where
    /// there are more than `DMARC_REPORTS_KEPT_MAX`, or of more rows than `DMARC_ROWS_KEPT_MAX`; the newest stays. In
    /// as many commits as mail on its way in can wait between.
    pub async fn dmarc_prune(&self, before: Timestamp) -> Result<()> {
        let mut ids = self.read(move |db| old(db, before)).await?;
        while !ids.is_empty() {
            ids = self.write(0, move |tx| remove_some(tx.db, ids)).await?;
        }
        let mut ids = self.read(|db| surplus(db, DMARC_REPORTS_KEPT_MAX, DMARC_ROWS_KEPT_MAX)).await?;
        while !ids.is_empty() {
            ids = self.write(0, move |tx| remove_some(tx.db, ids)).await?;
        }
        Ok(())
    }
}

/// Notes mail to be read.
pub(super) fn unread(tx: &mut WriteTx<'_>, blob: BlobId) -> Result<()> {
    tx.db.prepare_cached("INSERT OR IGNORE INTO dmarc_unread(blob) VALUES (?1)")?.execute([blob.0])?;
    tx.wake_feedback();
    Ok(())
}

/// How much of a report is kept.
#[derive(Clone, Copy)]
struct Kept {
    id: i64,
    rows: usize,
    /// It is complete, and its mail read.
    is_all: bool,
    /// It was not complete before this mail.
    is_news: bool,
}

/// One commit's share of a report. With the last rows it is listed, its mail counts as read, and the host is told.
fn keep_more(
    tx: &mut WriteTx<'_>,
    blob: BlobId,
    begun: Option<Kept>,
    report: &AggregateReport,
    now: Timestamp,
) -> Result<Kept> {
    let mut kept = match begun {
        Some(kept) => kept,
        None => begin(tx.db, report, now)?,
    };
    if kept.is_news {
        kept.rows = insert_rows(tx.db, kept.id, &report.rows, kept.rows)?;
        kept.is_all = kept.rows >= report.rows.len();
    }
    if kept.is_all {
        read(tx, blob)?;
    }
    if kept.is_all && kept.is_news {
        tx.db.prepare_cached("UPDATE dmarc_report SET complete = 1 WHERE id = ?1")?.execute([kept.id])?;
        let (domain, organization) = (report.published.domain.clone(), report.organization.clone());
        tx.say(Event::DmarcReport { id: kept.id, domain, organization });
    }
    Ok(kept)
}

/// Finds what there is of a report, and otherwise writes it without its rows.
fn begin(db: &Connection, report: &AggregateReport, now: Timestamp) -> Result<Kept> {
    let mut find = db.prepare_cached(
        "SELECT id, complete, row_count, (SELECT count(*) FROM dmarc_record WHERE report = id) FROM dmarc_report
           WHERE domain = ?1 AND organization = ?2 AND report_id = ?3",
    )?;
    let key = params![report.published.domain, report.organization, report.report_id];
    let there: Option<(i64, bool, i64, i64)> =
        find.query_row(key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).optional()?;
    if let Some((id, is_complete, length, rows)) = there {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        // What is complete stands, and another of the same name and length is the same.
        if is_complete || usize::try_from(length) == Ok(report.rows.len()) {
            return Ok(Kept { id, rows, is_all: is_complete, is_news: !is_complete });
        }
        remove(db, id)?;
    }
    let id = insert(db, report, now)?;
    Ok(Kept { id, rows: 0, is_all: false, is_news: true })
}

/// Writes a report without its rows; its id.
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

/// Reports on times that are over for so long that nobody wants to know.
fn old(db: &Connection, before: Timestamp) -> Result<VecDeque<i64>> {
    let mut list = db.prepare_cached("SELECT id FROM dmarc_report WHERE ends < ?1 AND arrived < ?2 ORDER BY id")?;
    let ids = list.query_map(params![before.seconds(), before.0], |row| row.get(0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// The oldest reports, as many as have to go until what is left is within its limits; the newest is not among them.
fn surplus(db: &Connection, reports_max: i64, rows_max: i64) -> Result<VecDeque<i64>> {
    let mut total = db.prepare_cached("SELECT count(*), coalesce(sum(row_count), 0) FROM dmarc_report")?;
    let (mut reports, mut rows): (i64, i64) = total.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut list = db.prepare_cached("SELECT id, row_count FROM dmarc_report ORDER BY id")?;
    let mut list = list.query([])?;
    let mut ids = VecDeque::new();
    while reports > 1 && (reports > reports_max || rows > rows_max) {
        let Some(row) = list.next()? else { break };
        ids.push_back(row.get(0)?);
        reports -= 1;
        rows -= row.get::<_, i64>(1)?;
    }
    Ok(ids)
}

/// Removes what one commit may of these reports; those that are left. The last rows of one go first, and it is listed
/// no more: should its mail come again, it is completed from where it then ends.
fn remove_some(db: &Connection, mut ids: VecDeque<i64>) -> Result<VecDeque<i64>> {
    let mut room = DMARC_ROWS_PER_COMMIT as i64;
    while let (Some(id), true) = (ids.front(), room > 0) {
        let mut last = db.prepare_cached("SELECT coalesce(max(place), 0) FROM dmarc_record WHERE report = ?1")?;
        let last: i64 = last.query_row([id], |row| row.get(0))?;
        if last > room {
            db.prepare_cached("UPDATE dmarc_report SET complete = 0 WHERE id = ?1")?.execute([id])?;
            let mut some = db.prepare_cached("DELETE FROM dmarc_record WHERE report = ?1 AND place > ?2")?;
            some.execute([*id, last - room])?;
            break;
        }
        remove(db, *id)?;
        room -= last + 1;
        ids.pop_front();
    }
    Ok(ids)
}

fn remove(db: &Connection, id: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM dmarc_record WHERE report = ?1")?.execute([id])?;
    db.prepare_cached("DELETE FROM dmarc_report WHERE id = ?1")?.execute([id])?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports of these lengths.
    fn reports(lengths: &[usize]) -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema_dmarc.sql")).unwrap();
        let row = crate::feedback::parse(
            b"<feedback><policy_published><domain>a.example</domain></policy_published>\
              <record><row><source_ip>192.0.2.1</source_ip></row></record></feedback>",
        )
        .unwrap()
        .rows;
        for (n, length) in lengths.iter().enumerate() {
            let rows = vec![row.first().unwrap().clone(); *length];
            let report = AggregateReport { report_id: n.to_string(), rows, ..AggregateReport::default() };
            let id = insert(&db, &report, Timestamp(0)).unwrap();
            let mut done = 0;
            while done < *length {
                done = insert_rows(&db, id, &report.rows, done).unwrap();
            }
        }
        db
    }

    #[test]
    fn the_oldest_go_until_the_rest_fits() {
        let db = reports(&[3, 1, 0, 2, 5]);
        for (reports_max, rows_max, wanted) in [
            (5, 11, &[][..]),
            (4, 11, &[1]),
            (5, 10, &[1]),
            (5, 7, &[1, 2]),
            (5, 6, &[1, 2, 3, 4]),
            (5, 0, &[1, 2, 3, 4]),
            (1, 100, &[1, 2, 3, 4]),
            (0, 0, &[1, 2, 3, 4]),
        ] {
            assert_eq!(surplus(&db, reports_max, rows_max).unwrap(), wanted, "{reports_max} {rows_max}");
        }
        assert!(surplus(&reports(&[]), 0, 0).unwrap().is_empty());
    }

    #[test]
    fn removing_takes_as_many_commits_as_others_can_wait_between() {
        let most = DMARC_ROWS_PER_COMMIT;
        let db = reports(&[2, most + 10, 1, most]);
        let left = |db: &Connection| -> (i64, i64) {
            let sql = "SELECT (SELECT count(*) FROM dmarc_report), (SELECT count(*) FROM dmarc_record)";
            db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
        };
        let most = most as i64;
        let mut ids: VecDeque<i64> = (1..=4).collect();
        for wanted in [(3, most + 14), (2, most + 1), (1, most), (0, 0)] {
            let before = left(&db).1;
            ids = remove_some(&db, ids).unwrap();
            assert!(before - left(&db).1 <= most);
            assert!(left(&db) <= wanted, "{:?} {wanted:?}", left(&db));
            // What is left of a report is its beginning.
            let gaps: i64 = db
                .query_row(
                    "SELECT count(*) FROM dmarc_record WHERE place > (SELECT count(*) FROM dmarc_record AS b
                              WHERE b.report = dmarc_record.report)",
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            assert_eq!(gaps, 0);
        }
        assert!(ids.is_empty());
    }
}
