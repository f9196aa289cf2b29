//! Aggregate reports others sent us: their mail waits to be read, their rows to be asked for.

use std::collections::VecDeque;
use std::sync::Arc;

use super::database::{BegunReport, Read, Write};
use super::transaction::WriteTx;
use super::{ReportInfo, Store};
use crate::base::event::Event;
use crate::base::limits::{DMARC_REPORTS_KEPT_MAX, DMARC_ROWS_KEPT_MAX, DMARC_ROWS_PER_COMMIT};
use crate::base::{BlobId, Result, Timestamp};
use crate::feedback::{AggregateReport, ReportRow};

impl Store {
    /// The body of the oldest mail for the reports' address that was not read yet.
    pub async fn dmarc_unread(&self) -> Result<Option<BlobId>> {
        self.read(|db| db.unread_report()).await
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
            self.write(0, move |tx| tx.db.unread_report_remove(blob)).await?;
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
        self.read(move |db| db.reports(after, limit)).await
    }

    /// Rows of a report behind the place `after` (0 for all), at most `limit`, with their places.
    pub async fn dmarc_records(&self, report: i64, after: i64, limit: usize) -> Result<Vec<(i64, ReportRow)>> {
        self.read(move |db| db.report_rows(report, after, limit)).await
    }

    /// Forgets reports on times that ended before `before` and that were read before it too, and the oldest where
    /// there are more than `DMARC_REPORTS_KEPT_MAX`, or of more rows than `DMARC_ROWS_KEPT_MAX`; the newest stays. In
    /// as many commits as mail on its way in can wait between.
    pub async fn dmarc_prune(&self, before: Timestamp) -> Result<()> {
        let mut ids = self.read(move |db| db.reports_before(before)).await?;
        while !ids.is_empty() {
            ids = self.write(0, move |tx| remove_some(tx.db, ids.clone())).await?;
        }
        let mut ids = self.read(|db| surplus(db, DMARC_REPORTS_KEPT_MAX, DMARC_ROWS_KEPT_MAX)).await?;
        while !ids.is_empty() {
            ids = self.write(0, move |tx| remove_some(tx.db, ids.clone())).await?;
        }
        Ok(())
    }
}

/// Notes mail to be read.
pub(super) fn unread(tx: &mut WriteTx<'_>, blob: BlobId) -> Result<()> {
    tx.db.unread_report_insert(blob)?;
    tx.wake_feedback();
    Ok(())
}

/// How much of a report is kept.
#[derive(Clone, Copy)]
struct Progress {
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
    begun: Option<Progress>,
    report: &AggregateReport,
    now: Timestamp,
) -> Result<Progress> {
    let mut kept = match begun {
        Some(kept) => kept,
        None => begin(tx.db, report, now)?,
    };
    if kept.is_news {
        kept.rows = insert_rows(tx.db, kept.id, &report.rows, kept.rows)?;
        kept.is_all = kept.rows >= report.rows.len();
    }
    if kept.is_all {
        tx.db.unread_report_remove(blob)?;
    }
    if kept.is_all && kept.is_news {
        tx.db.report_complete(kept.id, true)?;
        let (domain, organization) = (report.published.domain.clone(), report.organization.clone());
        tx.say(Event::DmarcReport { id: kept.id, domain, organization });
    }
    Ok(kept)
}

/// Finds what there is of a report, and otherwise writes it without its rows.
fn begin(db: &dyn Write, report: &AggregateReport, now: Timestamp) -> Result<Progress> {
    if let Some(BegunReport { id, is_complete, length, rows }) = db.report_named(report)? {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        // What is complete stands, and another of the same name and length is the same.
        if is_complete || usize::try_from(length) == Ok(report.rows.len()) {
            return Ok(Progress { id, rows, is_all: is_complete, is_news: !is_complete });
        }
        db.report_remove(id)?;
    }
    let id = db.report_insert(report, now)?;
    Ok(Progress { id, rows: 0, is_all: false, is_news: true })
}

/// Writes rows from a place on, as many as one commit may have; how many are there then.
fn insert_rows(db: &dyn Write, id: i64, rows: &[ReportRow], from: usize) -> Result<usize> {
    let mut done = from;
    for row in rows.iter().skip(from).take(DMARC_ROWS_PER_COMMIT) {
        done += 1;
        db.report_row_insert(id, i64::try_from(done).unwrap_or(i64::MAX), row)?;
    }
    Ok(done)
}

/// The oldest reports, as many as have to go until what is left is within its limits; the newest is not among them.
fn surplus(db: &dyn Read, reports_max: i64, rows_max: i64) -> Result<VecDeque<i64>> {
    let (mut reports, mut rows) = db.report_totals()?;
    let mut ids = VecDeque::new();
    if reports <= reports_max && rows <= rows_max {
        return Ok(ids);
    }
    for (id, length) in db.reports_oldest(usize::try_from(reports - 1).unwrap_or(0))? {
        if reports <= reports_max && rows <= rows_max {
            break;
        }
        ids.push_back(id);
        reports -= 1;
        rows -= length;
    }
    Ok(ids)
}

/// Removes what one commit may of these reports; those that are left. The last rows of one go first, and it is listed
/// no more: should its mail come again, it is completed from where it then ends.
fn remove_some(db: &dyn Write, mut ids: VecDeque<i64>) -> Result<VecDeque<i64>> {
    let mut room = DMARC_ROWS_PER_COMMIT as i64;
    while let (Some(id), true) = (ids.front(), room > 0) {
        let last = db.report_last_row(*id)?;
        if last > room {
            db.report_complete(*id, false)?;
            db.report_rows_remove(*id, last - room)?;
            break;
        }
        db.report_remove(*id)?;
        room -= last + 1;
        ids.pop_front();
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::super::sqlite;
    use super::*;

    /// Reports of these lengths.
    fn reports(lengths: &[usize]) -> Box<dyn Write> {
        let db = sqlite::in_memory();
        let row = crate::feedback::parse(
            b"<feedback><policy_published><domain>a.example</domain></policy_published>\
              <record><row><source_ip>192.0.2.1</source_ip></row></record></feedback>",
        )
        .unwrap()
        .rows;
        for (n, length) in lengths.iter().enumerate() {
            let rows = vec![row.first().unwrap().clone(); *length];
            let report = AggregateReport { report_id: n.to_string(), rows, ..AggregateReport::default() };
            let id = db.report_insert(&report, Timestamp(0)).unwrap();
            let mut done = 0;
            while done < *length {
                done = insert_rows(&*db, id, &report.rows, done).unwrap();
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
            assert_eq!(surplus(&*db, reports_max, rows_max).unwrap(), wanted, "{reports_max} {rows_max}");
        }
        assert!(surplus(&*reports(&[]), 0, 0).unwrap().is_empty());
    }

    #[test]
    fn removing_takes_as_many_commits_as_others_can_wait_between() {
        let most = DMARC_ROWS_PER_COMMIT;
        let db = reports(&[2, most + 10, 1, most]);
        let rows = |id| db.report_rows(id, 0, usize::MAX).unwrap();
        let left = || (db.report_totals().unwrap().0, (1..=4).map(|id| rows(id).len() as i64).sum::<i64>());
        let most = most as i64;
        let mut ids: VecDeque<i64> = (1..=4).collect();
        for wanted in [(3, most + 14), (2, most + 1), (1, most), (0, 0)] {
            let before = left().1;
            ids = remove_some(&*db, ids).unwrap();
            assert!(before - left().1 <= most);
            assert!(left() <= wanted, "{:?} {wanted:?}", left());
            // What is left of a report is its beginning.
            for id in 1..=4 {
                assert_eq!(db.report_last_row(id).unwrap(), rows(id).len() as i64);
            }
        }
        assert!(ids.is_empty());
    }
}
