//! Aggregate reports of DMARC: what was observed for those that we owe, and those that others sent.

use std::collections::VecDeque;

use super::super::{Observed, ReportInfo};
use crate::base::{BlobId, Result, Timestamp};
use crate::feedback::{AggregateReport, ReportRow as Row};

/// A report of others that is there, complete or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct BegunReport {
    pub id: i64,
    pub is_complete: bool,
    /// Rows it is to have.
    pub length: u64,
    /// Rows that are there.
    pub rows: u64,
}

/// What is read of reports.
pub(in super::super) trait ReadReports {
    /// Domains observed on a day, and rows of them all.
    fn observed_totals(&self, day: i64) -> Result<(i64, i64)>;

    /// Rows of a domain on a day, and whether its report is done with.
    fn observed_domain(&self, day: i64, domain: &str) -> Result<Option<(i64, bool)>>;

    /// The first day and domain behind `after` that waits for its report, of days before `today`; oldest first.
    fn observed_due(&self, today: i64, after: Option<(i64, &str)>) -> Result<Option<Observed>>;

    /// The oldest day of which a domain waits for its report.
    fn observed_oldest(&self) -> Result<Option<i64>>;

    /// The oldest mail for the reports' address that was not read.
    fn unread_report(&self) -> Result<Option<BlobId>>;

    /// Complete reports with ids above `after`, in order, at most `limit`, without their rows.
    fn reports(&self, after: i64, limit: usize) -> Result<Vec<ReportInfo>>;

    /// Rows of a report behind the place `after`, with their places, at most `limit`.
    fn report_rows(&self, report: i64, after: i64, limit: usize) -> Result<Vec<(i64, Row)>>;

    /// The place of a report's last row; 0 for none.
    fn report_last_row(&self, report: i64) -> Result<i64>;

    /// The report of an organization with this id on this domain.
    fn report_named(&self, report: &AggregateReport) -> Result<Option<BegunReport>>;

    /// Reports on times that ended before `before` and that were read before it too.
    fn reports_before(&self, before: Timestamp) -> Result<VecDeque<i64>>;

    /// How many reports there are, and how many rows they are to have.
    fn report_totals(&self) -> Result<(i64, i64)>;

    /// The oldest reports, `limit` at most, with the rows each is to have.
    fn reports_oldest(&self, limit: usize) -> Result<Vec<(i64, i64)>>;
}

/// What is changed of reports.
pub(in super::super) trait WriteReports {
    /// Notes a domain on a day, with the record it published last.
    fn observed_note(&self, day: i64, domain: &str, record: &str) -> Result<()>;

    /// A domain has so many rows more.
    fn observed_more(&self, day: i64, domain: &str, rows: i64) -> Result<()>;

    /// Counts messages of a kind that has a row; false where it has none.
    fn observed_count(&self, day: i64, domain: &str, row: &Row, messages: i64) -> Result<bool>;

    /// Writes a row.
    fn observed_insert(&self, day: i64, domain: &str, row: &Row, messages: i64) -> Result<()>;

    /// A domain's report is done with, and its rows are forgotten; false where it was before.
    fn observed_reported(&self, day: i64, domain: &str) -> Result<bool>;

    /// Forgets days before `day`.
    fn observed_forget(&self, day: i64) -> Result<()>;

    /// Notes mail for the reports' address, which may be noted already.
    fn unread_report_insert(&self, blob: BlobId) -> Result<()>;

    /// It was read.
    fn unread_report_remove(&self, blob: BlobId) -> Result<()>;

    /// Writes a report without its rows, not complete; its id.
    fn report_insert(&self, report: &AggregateReport, now: Timestamp) -> Result<i64>;

    /// Writes a row of a report.
    fn report_row_insert(&self, report: i64, place: i64, row: &Row) -> Result<()>;

    /// Says whether a report is complete.
    fn report_complete(&self, report: i64, complete: bool) -> Result<()>;

    /// Removes the rows of a report behind a place.
    fn report_rows_remove(&self, report: i64, behind: i64) -> Result<()>;

    /// Removes a report with its rows.
    fn report_remove(&self, report: i64) -> Result<()>;
}
