//! What is kept about outgoing mail as a whole.

use super::super::database::{ReadSending, WriteSending};
use super::super::shared_map::SharedMap;
use super::super::{Suppressed, TlsLevel, TlsReportRow, TlsResultRow};
use super::Connection;
use super::tables::next;
use crate::base::{QueueId, Result, Timestamp};

impl ReadSending for Connection {
    fn suppressed(&self, account: i64, address: &str) -> Result<Option<Suppressed>> {
        let key = (account, address.to_owned());
        self.ask(|tables| tables.suppressed.get(&key).cloned())
    }

    fn suppressed_rows(&self, after: (i64, &str), limit: usize) -> Result<Vec<Suppressed>> {
        let after = (after.0, after.1.to_owned());
        self.ask(|tables| {
            let behind = tables.suppressed.iter().filter(|(key, _)| **key > after);
            behind.take(limit).map(|(_, row)| row.clone()).collect()
        })
    }

    fn suppressed_count(&self) -> Result<i64> {
        self.ask(|tables| tables.suppressed.iter().count() as i64)
    }

    fn tls_level(&self, host: &str) -> Result<Option<TlsLevel>> {
        self.ask(|tables| tables.tls_levels.get(host).cloned())
    }

    fn tls_levels_count(&self) -> Result<i64> {
        self.ask(|tables| tables.tls_levels.iter().count() as i64)
    }

    fn tls_results_due(&self, today: i64, after: (i64, &str)) -> Result<Option<(i64, String)>> {
        self.ask(|tables| {
            let mut days = tables.tls_results.iter().map(|((day, domain, ..), _)| (*day, domain.clone()));
            days.find(|(day, domain)| *day < today && (*day, domain.as_str()) > after)
        })
    }

    fn tls_results(&self, day: i64, domain: &str) -> Result<Vec<TlsResultRow>> {
        self.ask(|tables| {
            let rows = tables.tls_results.iter().filter(|((on, of, ..), _)| *on == day && of == domain);
            let row =
                |((day, domain, policy, failure), sessions): (&(i64, String, String, String), &i64)| TlsResultRow {
                    day: *day,
                    domain: domain.clone(),
                    policy: policy.clone(),
                    failure: failure.clone(),
                    sessions: *sessions,
                };
            rows.map(row).collect()
        })
    }

    fn tls_results_count(&self, day: i64) -> Result<i64> {
        self.ask(|tables| tables.tls_results.iter().filter(|((on, ..), _)| *on == day).count() as i64)
    }

    fn tls_reports(&self, after: i64, limit: usize) -> Result<Vec<TlsReportRow>> {
        self.ask(|tables| tables.tls_reports.range_from(after + 1).take(limit).map(|(_, row)| row.clone()).collect())
    }

    fn sent_item(&self, message_id: &str) -> Result<Option<QueueId>> {
        self.ask(|tables| tables.sent.get(message_id).map(|(item, _)| *item))
    }
}

/// Removes what is meant; whether anything was.
fn discard<K: Ord + Clone, V: Clone>(map: &mut SharedMap<K, V>, which: impl Fn(&K, &V) -> bool) -> bool {
    let gone: Vec<K> = map.iter().filter(|(key, value)| which(key, value)).map(|(key, _)| key.clone()).collect();
    gone.iter().for_each(|key| map.discard(key));
    !gone.is_empty()
}

fn key(row: &TlsResultRow) -> (i64, String, String, String) {
    (row.day, row.domain.clone(), row.policy.clone(), row.failure.clone())
}

impl WriteSending for Connection {
    fn suppressed_put(&self, row: &Suppressed) -> Result<()> {
        self.edit(|tables| tables.suppressed.put((row.account, row.address.clone()), row.clone()))
    }

    fn suppressed_remove(&self, account: i64, address: &str) -> Result<bool> {
        self.change(|tables| Ok(tables.suppressed.remove(&(account, address.to_owned())).is_some()))
    }

    fn suppressed_forget(&self, now: Timestamp) -> Result<()> {
        self.edit(|tables| _ = discard(&mut tables.suppressed, |_, row| row.until.0 > 0 && row.until <= now))
    }

    fn suppressed_forget_of(&self, account: i64) -> Result<()> {
        self.edit(|tables| _ = discard(&mut tables.suppressed, |_, row| row.account == account))
    }

    fn tls_level_put(&self, row: &TlsLevel) -> Result<()> {
        self.edit(|tables| tables.tls_levels.put(row.host.clone(), row.clone()))
    }

    fn tls_levels_forget(&self, before: Timestamp) -> Result<()> {
        self.edit(|tables| _ = discard(&mut tables.tls_levels, |_, row| row.seen < before))
    }

    fn tls_result_count(&self, row: &TlsResultRow) -> Result<bool> {
        self.change(|tables| {
            let Some(sessions) = tables.tls_results.get(&key(row)).copied() else { return Ok(false) };
            tables.tls_results.put(key(row), sessions + row.sessions);
            Ok(true)
        })
    }

    fn tls_result_insert(&self, row: &TlsResultRow) -> Result<()> {
        self.edit(|tables| tables.tls_results.put(key(row), row.sessions))
    }

    fn tls_results_remove(&self, day: i64, domain: &str) -> Result<bool> {
        self.change(|tables| Ok(discard(&mut tables.tls_results, |key, _| key.0 == day && key.1 == domain)))
    }

    fn tls_results_forget(&self, day: i64) -> Result<()> {
        self.edit(|tables| _ = discard(&mut tables.tls_results, |key, _| key.0 < day))
    }

    fn tls_report_insert(&self, row: &TlsReportRow) -> Result<Option<i64>> {
        self.change(|tables| {
            let same =
                |other: &TlsReportRow| other.organization == row.organization && other.report_id == row.report_id;
            if tables.tls_reports.iter().any(|(_, other)| same(other)) {
                return Ok(None);
            }
            let id = next(&mut tables.last.tls_report);
            tables.tls_reports.put(id, TlsReportRow { id, ..row.clone() });
            Ok(Some(id))
        })
    }

    fn tls_reports_forget(&self, before: Timestamp, keep: i64) -> Result<()> {
        self.edit(|tables| {
            let surplus = (tables.tls_reports.iter().count()).saturating_sub(usize::try_from(keep).unwrap_or(0));
            let oldest = tables.tls_reports.iter().map(|(id, _)| *id).take(surplus).last().unwrap_or(0);
            discard(&mut tables.tls_reports, |id, row| *id <= oldest || row.arrived < before);
        })
    }

    fn sent_insert(&self, message_id: &str, item: QueueId, at: Timestamp) -> Result<()> {
        self.edit(|tables| tables.sent.put(message_id.to_owned(), (item, at)))
    }

    fn sent_forget(&self, before: Timestamp) -> Result<()> {
        self.edit(|tables| _ = discard(&mut tables.sent, |_, (_, at)| *at < before))
    }
}
