//! What is seen of mail in other domains' names, kept until it is reported to them.
//!
//! An observation is no mail: it waits in memory, counted together with those like it, and is written a minute later
//! in one commit for all, so that acceptance pays nothing for it. A crash costs the reports that minute.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::PoisonError;

use super::database::Write;
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
        self.read(move |db| db.observed_due(today, after.as_ref().map(|(day, domain)| (*day, domain.as_str())))).await
    }

    /// The oldest day of which a domain waits for its report.
    pub async fn dmarc_oldest(&self) -> Result<Option<i64>> {
        self.read(|db| db.observed_oldest()).await
    }

    /// Forgets what was observed on a day about a domain though no report was made of it: nobody can be sent one.
    /// `NotFound` where it was reported before.
    pub async fn dmarc_unreported(&self, day: i64, domain: String) -> Result<()> {
        self.write(0, move |tx| reported(tx, day, &domain)).await
    }

    /// Forgets days before `day`, reported or not.
    pub async fn dmarc_forget(&self, day: i64) -> Result<()> {
        self.write(0, move |tx| tx.db.observed_forget(day)).await
    }
}

/// Marks a day and a domain as done with and forgets what was observed. `NotFound` where that was done before.
pub(super) fn reported(tx: &WriteTx<'_>, day: i64, domain: &str) -> Result<()> {
    match tx.db.observed_reported(day, domain)? {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::NotFound, "nothing waits to be reported")),
    }
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
            if !tx.db.observed_count(*day, domain, row, messages)? && left > 0 {
                tx.db.observed_insert(*day, domain, row, messages)?;
                left -= 1;
            }
        }
        tx.db.observed_more(*day, domain, room - left)?;
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
    fn count(db: &dyn Write, day: i64) -> Result<Day> {
        let (domains, rows) = db.observed_totals(day)?;
        Ok(Day { day, domains, rows })
    }
}

/// Notes a domain and its record, and tells how many rows it may still have; `None` where it can have no report.
fn open(db: &dyn Write, total: &mut Day, domain: &str, record: &str) -> Result<Option<i64>> {
    let day = total.day;
    let own = match db.observed_domain(day, domain)? {
        Some((_, true)) => return Ok(None),
        None if total.domains >= DMARC_REPORT_DOMAINS_MAX as i64 => return Ok(None),
        Some((own, _)) => own,
        None => {
            total.domains += 1;
            0
        }
    };
    db.observed_note(day, domain, record)?;
    Ok(Some((DMARC_REPORT_ROWS_MAX as i64 - own).min(DMARC_DAY_ROWS_MAX as i64 - total.rows).max(0)))
}
