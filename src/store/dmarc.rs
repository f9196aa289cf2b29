//! What is seen of mail in other domains' names, kept until it is reported to them.
//!
//! An observation is no mail: it waits in memory, counted together with those like it, and is written a minute later
//! in one commit for all, so that acceptance pays nothing for it. A crash costs the reports that minute.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::PoisonError;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::dmarc_row::{read_row, values};
use super::transaction::WriteTx;
use super::{Observation, Observed, Store, Watch};
use crate::base::limits::{
    DMARC_DAY_ROWS_MAX, DMARC_OBSERVED_WAITING, DMARC_OBSERVED_WAITING_MAX, DMARC_REPORT_DOMAINS_MAX,
    DMARC_REPORT_ROWS_MAX,
};
use crate::base::{Error, ErrorKind, Result};
use crate::feedback::ReportRow as Row;

/// Observations that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// How many of each kind: rows with a count of 0, by day and domain.
    rows: BTreeMap<(i64, String), BTreeMap<Row, u64>>,
    /// The record each domain published last.
    records: BTreeMap<(i64, String), String>,
    kinds: usize,
}

impl Waiting {
    /// Counts a message; false where there is no room for another kind.
    fn add(&mut self, observation: Observation) -> bool {
        let Observation { day, policy_domain, record, row } = observation;
        let key = (day, policy_domain);
        let (messages, kind) = (row.count, Row { count: 0, ..row });
        let is_full = self.kinds >= DMARC_OBSERVED_WAITING_MAX;
        if is_full && !self.rows.get(&key).is_some_and(|rows| rows.contains_key(&kind)) {
            return false;
        }
        match self.rows.entry(key.clone()).or_default().entry(kind) {
            Entry::Occupied(mut count) => *count.get_mut() = count.get().saturating_add(messages),
            Entry::Vacant(place) => {
                place.insert(messages);
                self.kinds += 1;
            }
        }
        self.records.insert(key, record);
        true
    }
}

impl Store {
    /// Counts a message for the report to its domain. Neither waits nor fails: it is written with others later
    /// ([`Store::dmarc_flush`]), or lost with a crash.
    pub fn dmarc_observe(&self, observation: Observation) {
        let mut waiting = self.shared().observed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.kinds;
        let is_kept = waiting.add(observation);
        let after = waiting.kinds;
        drop(waiting);
        if !is_kept {
            log::debug!("an observation for an aggregate report found no room");
        }
        // The first begins a wait, which enough of them end.
        if (before == 0 && after > 0) || (before < DMARC_OBSERVED_WAITING && after >= DMARC_OBSERVED_WAITING) {
            self.shared().watchers.wake_feedback();
        }
    }

    /// Kinds of observation that wait in memory.
    pub fn dmarc_waiting(&self) -> usize {
        self.shared().observed.lock().unwrap_or_else(PoisonError::into_inner).kinds
    }

    /// Wakes when observations begin to wait, when many do, when they are written, and when mail for the reports'
    /// address came.
    pub fn watch_feedback(&self) -> Watch {
        self.shared().watchers.feedback()
    }

    /// Writes what waits in memory. What cannot be written is lost, as after a crash.
    pub async fn dmarc_flush(&self) -> Result<()> {
        let waiting = std::mem::take(&mut *self.shared().observed.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.kinds == 0 {
            return Ok(());
        }
        self.write(0, move |tx| write(tx, &waiting)).await
    }

    /// What waits to be reported of days before `today`: the first behind `after` (a day and a domain), oldest first.
    pub async fn dmarc_due(&self, today: i64, after: Option<(i64, String)>) -> Result<Option<Observed>> {
        self.read(move |db| due(db, today, after.as_ref())).await
    }

    /// The oldest day of which a domain waits for its report.
    pub async fn dmarc_oldest(&self) -> Result<Option<i64>> {
        self.read(|db| {
            let mut oldest = db.prepare_cached("SELECT min(day) FROM dmarc_policy WHERE reported = 0")?;
            Ok(oldest.query_row([], |row| row.get(0))?)
        })
        .await
    }

    /// Forgets what was observed on a day about a domain though no report was made of it: nobody can be sent one.
    /// `NotFound` where it was reported before.
    pub async fn dmarc_unreported(&self, day: i64, domain: String) -> Result<()> {
        self.write(0, move |tx| reported(tx, day, &domain)).await
    }

    /// Forgets days before `day`, reported or not.
    pub async fn dmarc_forget(&self, day: i64) -> Result<()> {
        self.write(0, move |tx| {
            tx.db.prepare_cached("DELETE FROM dmarc_observed WHERE day < ?1")?.execute([day])?;
            tx.db.prepare_cached("DELETE FROM dmarc_policy WHERE day < ?1")?.execute([day])?;
            Ok(())
        })
        .await
    }
}

/// Marks a day and a domain as done with and forgets what was observed. `NotFound` where that was done before.
pub(super) fn reported(tx: &WriteTx<'_>, day: i64, domain: &str) -> Result<()> {
    let mut done = tx.db.prepare_cached(
        "UPDATE dmarc_policy SET reported = 1, record = '' WHERE day = ?1 AND domain = ?2 AND reported = 0",
    )?;
    if done.execute(params![day, domain])? == 0 {
        return Err(Error::new(ErrorKind::NotFound, "nothing waits to be reported"));
    }
    let mut forget = tx.db.prepare_cached("DELETE FROM dmarc_observed WHERE day = ?1 AND domain = ?2")?;
    forget.execute(params![day, domain])?;
    Ok(())
}

/// Writes observations, as far as the limits of a day and of a report go.
fn write(tx: &mut WriteTx<'_>, waiting: &Waiting) -> Result<()> {
    let mut so_far: Option<Day> = None;
    for (key, rows) in &waiting.rows {
        let (day, domain) = key;
        let record = waiting.records.get(key).map(String::as_str).unwrap_or_default();
        // A stranger may have a domain for each message: its day is counted once, not once for each.
        let total = match &mut so_far {
            Some(known) if known.day == *day => known,
            other => other.insert(Day::count(tx.db, *day)?),
        };
        let Some(room) = open(tx.db, total, domain, record)? else { continue };
        let mut left = room;
        for (row, messages) in rows {
            let messages = i64::try_from(*messages).unwrap_or(i64::MAX);
            if !count(tx.db, *day, domain, row, messages)? && left > 0 {
                insert(tx.db, *day, domain, row, messages)?;
                left -= 1;
            }
        }
        let mut note = tx
            .db
            .prepare_cached("UPDATE dmarc_policy SET row_count = row_count + ?3 WHERE day = ?1 AND domain = ?2")?;
        note.execute(params![day, domain, room - left])?;
        total.rows += room - left;
    }
    tx.wake_feedback();
    Ok(())
}

/// What a day has so far.
struct Day {
    day: i64,
    domains: i64,
    rows: i64,
}

impl Day {
    fn count(db: &Connection, day: i64) -> Result<Day> {
        let mut total =
            db.prepare_cached("SELECT count(*), coalesce(sum(row_count), 0) FROM dmarc_policy WHERE day = ?1")?;
        let (domains, rows) = total.query_row([day], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Day { day, domains, rows })
    }
}

/// Notes a domain and its record, and tells how many rows it may still have; `None` where it can have no report.
fn open(db: &Connection, total: &mut Day, domain: &str, record: &str) -> Result<Option<i64>> {
    let day = total.day;
    let mut known = db.prepare_cached("SELECT row_count, reported FROM dmarc_policy WHERE day = ?1 AND domain = ?2")?;
    let known: Option<(i64, bool)> =
        known.query_row(params![day, domain], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let own = match known {
        Some((_, true)) => return Ok(None),
        None if total.domains >= DMARC_REPORT_DOMAINS_MAX as i64 => return Ok(None),
        Some((own, _)) => own,
        None => {
            total.domains += 1;
            0
        }
    };
    let mut note = db.prepare_cached(
        "INSERT INTO dmarc_policy(day, domain, record) VALUES (?1, ?2, ?3)
           ON CONFLICT(day, domain) DO UPDATE SET record = excluded.record",
    )?;
    note.execute(params![day, domain, record])?;
    Ok(Some((DMARC_REPORT_ROWS_MAX as i64 - own).min(DMARC_DAY_ROWS_MAX as i64 - total.rows).max(0)))
}

/// Counts messages of a kind that has a row; false where it has none.
fn count(db: &Connection, day: i64, domain: &str, row: &Row, messages: i64) -> Result<bool> {
    let mut update = db.prepare_cached(
        "UPDATE dmarc_observed SET messages = messages + ?12 WHERE day = ?1 AND domain = ?2 AND source = ?3
           AND disposition = ?4 AND aligned = ?5 AND header_from = ?6 AND envelope_from = ?7 AND envelope_to = ?8
           AND reasons = ?9 AND dkim = ?10 AND spf = ?11",
    )?;
    Ok(update.execute(params_from_iter(key(day, domain).into_iter().chain(values(row, messages))))? > 0)
}

fn key(day: i64, domain: &str) -> [Value; 2] {
    [day.into(), domain.to_owned().into()]
}

fn insert(db: &Connection, day: i64, domain: &str, row: &Row, messages: i64) -> Result<()> {
    let mut insert = db.prepare_cached(
        "INSERT INTO dmarc_observed(day, domain, source, disposition, aligned, header_from, envelope_from, envelope_to,
           reasons, dkim, spf, messages) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    insert.execute(params_from_iter(key(day, domain).into_iter().chain(values(row, messages))))?;
    Ok(())
}

fn due(db: &Connection, today: i64, after: Option<&(i64, String)>) -> Result<Option<Observed>> {
    let mut next = db.prepare_cached(
        "SELECT day, domain, record FROM dmarc_policy
           WHERE reported = 0 AND day < ?1 AND (day, domain) > (?2, ?3) ORDER BY day, domain LIMIT 1",
    )?;
    let (day, domain) = after.map_or((i64::MIN, ""), |(day, domain)| (*day, domain.as_str()));
    let next =
        next.query_row(params![today, day, domain], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let Some((day, policy_domain, record)) = next else { return Ok(None) };
    let mut rows = db.prepare_cached(
        "SELECT source, disposition, aligned, header_from, envelope_from, envelope_to, reasons, dkim, spf, messages
           FROM dmarc_observed WHERE day = ?1 AND domain = ?2",
    )?;
    let rows = rows.query_and_then(params![day, policy_domain], |row| read_row(row, 0))?;
    let rows = rows.collect::<Result<_>>()?;
    Ok(Some(Observed { day, rows, policy_domain, record }))
}
