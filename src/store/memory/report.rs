//! Aggregate reports: what was observed, and those of others.

use std::collections::VecDeque;

use super::super::database::{BegunReport, ReadReports, WriteReports};
use super::super::{Observed, ReportInfo};
use super::Connection;
use super::tables::{ObservedDomain, Report, Tables, next};
use crate::base::{BlobId, Result, Timestamp};
use crate::feedback::{AggregateReport, ReportRow as Row};

impl Tables {
    /// The rows of a domain on a day.
    pub(super) fn observed_rows(&self, day: i64, domain: &str) -> Vec<Row> {
        let of = |(on, of, _): &(i64, String, Row)| *on == day && of == domain;
        let rows = self.observed.iter().filter(|(key, _)| of(key));
        rows.map(|((_, _, kind), count)| Row { count: *count as u64, ..kind.clone() }).collect()
    }

    fn forget_observed(&mut self, which: impl Fn(&(i64, String, Row)) -> bool) {
        let gone: Vec<_> = self.observed.iter().filter(|(key, _)| which(key)).map(|(key, _)| key.clone()).collect();
        gone.iter().for_each(|key| self.observed.discard(key));
    }

    fn note(&mut self, day: i64, domain: &str, change: impl FnOnce(&mut ObservedDomain)) {
        let key = (day, domain.to_owned());
        let mut noted = self.observed_domains.get(&key).cloned().unwrap_or_default();
        change(&mut noted);
        self.observed_domains.insert(key, noted);
    }

    fn rows_of(&self, report: i64) -> impl Iterator<Item = (i64, &Row)> {
        let all = self.report_rows.range_from((report, 0)).take_while(move |((of, _), _)| *of == report);
        all.map(|((_, place), row)| (*place, row))
    }

    fn remove_rows(&mut self, report: i64, behind: i64) {
        let gone: Vec<i64> = self.rows_of(report).map(|(place, _)| place).filter(|place| *place > behind).collect();
        gone.iter().for_each(|place| self.report_rows.discard(&(report, *place)));
    }
}

impl ReadReports for Connection {
    fn observed_totals(&self, day: i64) -> Result<(i64, i64)> {
        self.ask(|tables| {
            let domains = tables.observed_domains.iter().filter(|((on, _), _)| *on == day);
            domains.fold((0, 0), |(domains, rows), (_, noted)| (domains + 1, rows + noted.rows))
        })
    }

    fn observed_domain(&self, day: i64, domain: &str) -> Result<Option<(i64, bool)>> {
        let key = (day, domain.to_owned());
        self.ask(|tables| tables.observed_domains.get(&key).map(|noted| (noted.rows, noted.reported)))
    }

    fn observed_due(&self, today: i64, after: Option<(i64, &str)>) -> Result<Option<Observed>> {
        let behind = |(day, domain): &(i64, String)| after.is_none_or(|after| (*day, domain.as_str()) > after);
        self.ask(|tables| {
            let mut waiting = tables.observed_domains.iter().filter(|(_, noted)| !noted.reported);
            let ((day, domain), noted) = waiting.find(|(key, _)| key.0 < today && behind(key))?;
            let rows = tables.observed_rows(*day, domain);
            Some(Observed { day: *day, policy_domain: domain.clone(), record: noted.record.clone(), rows })
        })
    }

    fn observed_oldest(&self) -> Result<Option<i64>> {
        self.ask(|tables| {
            let mut waiting = tables.observed_domains.iter().filter(|(_, noted)| !noted.reported);
            waiting.next().map(|((day, _), _)| *day)
        })
    }

    fn unread_report(&self) -> Result<Option<BlobId>> {
        self.ask(|tables| tables.unread.iter().next().map(|(blob, ())| *blob))
    }

    fn reports(&self, after: i64, limit: usize) -> Result<Vec<ReportInfo>> {
        self.ask(|tables| {
            let complete = tables.reports.range_from(after + 1).filter(|(_, report)| report.complete);
            complete.take(limit).map(|(_, report)| report.info.clone()).collect()
        })
    }

    fn report_rows(&self, report: i64, after: i64, limit: usize) -> Result<Vec<(i64, Row)>> {
        self.ask(|tables| {
            let rows = tables.rows_of(report).filter(|(place, _)| *place > after);
            rows.take(limit).map(|(place, row)| (place, row.clone())).collect()
        })
    }

    fn report_last_row(&self, report: i64) -> Result<i64> {
        self.ask(|tables| tables.rows_of(report).last().map_or(0, |(place, _)| place))
    }

    fn report_named(&self, report: &AggregateReport) -> Result<Option<BegunReport>> {
        let same = |other: &AggregateReport| {
            other.published.domain == report.published.domain
                && other.organization == report.organization
                && other.report_id == report.report_id
        };
        self.ask(|tables| {
            let (id, found) = tables.reports.iter().find(|(_, found)| same(&found.info.report))?;
            let rows = tables.rows_of(*id).count() as u64;
            Some(BegunReport { id: *id, is_complete: found.complete, length: found.info.row_count, rows })
        })
    }

    fn reports_before(&self, before: Timestamp) -> Result<VecDeque<i64>> {
        let old = |info: &ReportInfo| info.report.period.end < before.seconds() && info.arrived < before;
        self.ask(|tables| tables.reports.iter().filter(|(_, report)| old(&report.info)).map(|(id, _)| *id).collect())
    }

    fn report_totals(&self) -> Result<(i64, i64)> {
        self.ask(|tables| {
            let rows = tables.reports.iter().map(|(_, report)| report.info.row_count as i64);
            rows.fold((0, 0), |(reports, sum), rows| (reports + 1, sum + rows))
        })
    }

    fn reports_oldest(&self, limit: usize) -> Result<Vec<(i64, i64)>> {
        self.ask(|tables| {
            let oldest = tables.reports.iter().take(limit);
            oldest.map(|(id, report)| (*id, report.info.row_count as i64)).collect()
        })
    }
}

impl WriteReports for Connection {
    fn observed_note(&self, day: i64, domain: &str, record: &str) -> Result<()> {
        self.edit(|tables| tables.note(day, domain, |noted| record.clone_into(&mut noted.record)))
    }

    fn observed_more(&self, day: i64, domain: &str, rows: i64) -> Result<()> {
        self.edit(|tables| tables.note(day, domain, |noted| noted.rows += rows))
    }

    fn observed_count(&self, day: i64, domain: &str, row: &Row, messages: i64) -> Result<bool> {
        let key = (day, domain.to_owned(), Row { count: 0, ..row.clone() });
        self.change(|tables| {
            let Some(count) = tables.observed.get(&key).copied() else { return Ok(false) };
            tables.observed.insert(key, count + messages);
            Ok(true)
        })
    }

    fn observed_insert(&self, day: i64, domain: &str, row: &Row, messages: i64) -> Result<()> {
        let key = (day, domain.to_owned(), Row { count: 0, ..row.clone() });
        self.edit(|tables| tables.observed.put(key, messages))
    }

    fn observed_reported(&self, day: i64, domain: &str) -> Result<bool> {
        self.change(|tables| {
            let noted = tables.observed_domains.get(&(day, domain.to_owned()));
            if noted.is_none_or(|noted| noted.reported) {
                return Ok(false);
            }
            tables.note(day, domain, |noted| {
                noted.reported = true;
                noted.record.clear();
            });
            tables.forget_observed(|(on, of, _)| *on == day && of == domain);
            Ok(true)
        })
    }

    fn observed_forget(&self, day: i64) -> Result<()> {
        self.change(|tables| {
            tables.forget_observed(|(on, ..)| *on < day);
            let old = tables.observed_domains.iter().map(|(key, _)| key.clone()).filter(|(on, _)| *on < day);
            let old: Vec<_> = old.collect();
            old.iter().for_each(|key| tables.observed_domains.discard(key));
            Ok(())
        })
    }

    fn unread_report_insert(&self, blob: BlobId) -> Result<()> {
        self.edit(|tables| tables.unread.put(blob, ()))
    }

    fn unread_report_remove(&self, blob: BlobId) -> Result<()> {
        self.edit(|tables| tables.unread.discard(&blob))
    }

    fn report_insert(&self, report: &AggregateReport, now: Timestamp) -> Result<i64> {
        let messages = |which: &dyn Fn(&Row) -> bool| {
            report.rows.iter().filter(|row| which(row)).fold(0u64, |sum, row| sum.saturating_add(row.count))
        };
        let info = ReportInfo {
            id: 0,
            arrived: now,
            messages: messages(&|_| true),
            failed: messages(&|row| !row.dkim_aligned && !row.spf_aligned),
            row_count: report.rows.len() as u64,
            report: AggregateReport { rows: Vec::new(), ..report.clone() },
        };
        self.change(|tables| {
            let id = next(&mut tables.last.report);
            tables.reports.insert(id, Report { info: ReportInfo { id, ..info }, complete: false });
            Ok(id)
        })
    }

    fn report_row_insert(&self, report: i64, place: i64, row: &Row) -> Result<()> {
        self.edit(|tables| tables.report_rows.put((report, place), row.clone()))
    }

    fn report_complete(&self, report: i64, complete: bool) -> Result<()> {
        self.change(|tables| {
            if let Some(found) = tables.reports.get(&report).cloned() {
                tables.reports.insert(report, Report { complete, ..found });
            }
            Ok(())
        })
    }

    fn report_rows_remove(&self, report: i64, behind: i64) -> Result<()> {
        self.edit(|tables| tables.remove_rows(report, behind))
    }

    fn report_remove(&self, report: i64) -> Result<()> {
        self.change(|tables| {
            tables.remove_rows(report, 0);
            tables.reports.remove(&report);
            Ok(())
        })
    }
}
