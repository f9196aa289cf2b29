//! What is kept of TLS with hosts elsewhere: the best level each one did, results of sessions until they are reported,
//! reports that came; and which queued message has a Message-ID.
//!
//! A result is no mail: it waits in memory, counted together with those like it, and is written a minute later in one
//! commit for all. A crash costs the reports that minute.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::PoisonError;

use super::Store;
use super::suppress::{self, Suppressed};
use super::transaction::WriteTx;
use crate::base::event::{Event, RemoteReport};
use crate::base::limits::{TLS_LEVELS_MAX, TLS_REPORTS_KEPT_MAX, TLS_RESULTS_DAY_MAX, TLS_RESULTS_WAITING_MAX};
use crate::base::{BlobId, Error, ErrorKind, QueueId, Result, Timestamp};

/// The best TLS that a host did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsLevel {
    /// Its name, lower case.
    pub host: String,
    /// Whether its certificate verified for its name.
    pub is_verified: bool,
    /// When it did so last.
    pub seen: Timestamp,
}

/// Sessions of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsResultRow {
    /// UTC day since 1970.
    pub day: i64,
    /// Whose mail it was.
    pub domain: String,
    /// The policy that held, as JSON of RFC 8460.
    pub policy: String,
    /// What failed, as JSON of RFC 8460; empty for success.
    pub failure: String,
    /// How many.
    pub sessions: i64,
}

/// A TLS report that came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsReportRow {
    /// Its number.
    pub id: i64,
    /// Who reports.
    pub organization: String,
    /// What the reporter calls it.
    pub report_id: String,
    /// Whose mail it is about, by commas.
    pub domain: String,
    /// Begin of the time it is about.
    pub begins: Timestamp,
    /// End of it.
    pub ends: Timestamp,
    /// When it was read.
    pub arrived: Timestamp,
    /// Sessions that had TLS as demanded.
    pub succeeded: i64,
    /// Sessions that had not.
    pub failed: i64,
    /// The report as it was understood, JSON of RFC 8460.
    pub report: String,
}

/// Results that wait to be written: sessions by day, domain, policy and failure.
pub(super) type TlsResults = BTreeMap<(i64, String, String, String), i64>;

impl Store {
    /// The level of TLS that is remembered of a host.
    pub async fn tls_level(&self, host: String) -> Result<Option<TlsLevel>> {
        self.read(move |db| db.tls_level(&host)).await
    }

    /// Remembers it. Beyond `TLS_LEVELS_MAX` hosts a new one is not remembered.
    pub async fn tls_level_put(&self, row: TlsLevel) -> Result<()> {
        self.write(0, move |tx| {
            if tx.db.tls_level(&row.host)?.is_none() && tx.db.tls_levels_count()? >= TLS_LEVELS_MAX {
                return Ok(());
            }
            tx.db.tls_level_put(&row)
        })
        .await
    }

    /// Counts a session for the report to its domain. Neither waits nor fails: it is written with others later
    /// ([`Store::tls_flush`]), or lost with a crash.
    pub fn tls_observe(&self, row: TlsResultRow) {
        let mut waiting = self.shared().tls_results.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = waiting.is_empty();
        let key = (row.day, row.domain, row.policy, row.failure);
        let has_room = waiting.len() < TLS_RESULTS_WAITING_MAX;
        match waiting.entry(key) {
            Entry::Occupied(mut sessions) => *sessions.get_mut() = sessions.get().saturating_add(row.sessions),
            Entry::Vacant(place) if has_room => drop(place.insert(row.sessions)),
            Entry::Vacant(_) => log::debug!("a result for a TLS report found no room"),
        }
        drop(waiting);
        if is_first {
            self.shared().watchers.wake_feedback();
        }
    }

    /// Kinds of result that wait in memory.
    pub fn tls_waiting(&self) -> usize {
        self.shared().tls_results.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Writes what waits in memory. What cannot be written is lost, as after a crash.
    pub async fn tls_flush(&self) -> Result<()> {
        let waiting = std::mem::take(&mut *self.shared().tls_results.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return Ok(());
        }
        self.write(0, move |tx| write(tx, &waiting)).await
    }

    /// The first day and domain behind `after` with results, of days before `today`; oldest first.
    pub async fn tls_due(&self, today: i64, after: (i64, String)) -> Result<Option<(i64, String)>> {
        self.read(move |db| db.tls_results_due(today, (after.0, &after.1))).await
    }

    /// Results of a day for a domain.
    pub async fn tls_results(&self, day: i64, domain: String) -> Result<Vec<TlsResultRow>> {
        self.read(move |db| db.tls_results(day, &domain)).await
    }

    /// Forgets the results of a day for a domain: they were reported, or nobody wants them. `NotFound` where there are
    /// none.
    pub async fn tls_reported(&self, day: i64, domain: String) -> Result<()> {
        self.write(0, move |tx| reported(tx, day, &domain)).await
    }

    /// Forgets results of days before `day`.
    pub async fn tls_forget(&self, day: i64) -> Result<()> {
        self.write(0, move |tx| tx.db.tls_results_forget(day)).await
    }

    /// Notes that a mail was read, and keeps the TLS report that was in it; its id where none of its name is there.
    pub async fn tls_read(&self, blob: BlobId, row: TlsReportRow) -> Result<Option<i64>> {
        self.write(0, move |tx| {
            tx.db.unread_report_remove(blob)?;
            let id = tx.db.tls_report_insert(&row)?;
            if let Some(id) = id {
                let (domain, organization) = (row.domain.clone(), row.organization.clone());
                tx.say(Event::TlsReport { id, domain, organization });
            }
            Ok(id)
        })
        .await
    }

    /// TLS reports with ids above `after`, at most `limit`, in the order they were read.
    pub async fn tls_reports(&self, after: i64, limit: usize) -> Result<Vec<TlsReportRow>> {
        self.read(move |db| db.tls_reports(after, limit)).await
    }

    /// Forgets what is old: reports that were read before `reports`, and all but the newest `TLS_REPORTS_KEPT_MAX`;
    /// levels of TLS not seen since `levels`; Message-IDs of messages queued before `sent`.
    pub async fn tls_prune(&self, reports: Timestamp, levels: Timestamp, sent: Timestamp) -> Result<()> {
        self.write(0, move |tx| {
            tx.db.tls_reports_forget(reports, TLS_REPORTS_KEPT_MAX)?;
            tx.db.tls_levels_forget(levels)?;
            tx.db.sent_forget(sent)
        })
        .await
    }

    /// The queued message, which may be finished, that was noted under a name ([`Notes::sent`](super::Notes)).
    pub async fn sent_item(&self, name: String) -> Result<Option<QueueId>> {
        self.read(move |db| db.sent_item(&name)).await
    }

    /// Notes that a mail was read, says what it tells of messages of ours, and suppresses addresses because of it;
    /// those for which there is no room are left out.
    pub async fn remote_reports_read(
        &self,
        blob: BlobId,
        told: Vec<RemoteReport>,
        suppressed: Vec<Suppressed>,
    ) -> Result<()> {
        self.write(0, move |tx| {
            tx.db.unread_report_remove(blob)?;
            for row in &suppressed {
                match suppress::put(tx, row) {
                    Err(e) if e.kind() == ErrorKind::Limit => log::warn!("{}: {e}", row.address),
                    other => other?,
                }
            }
            told.iter().for_each(|report| tx.say(Event::Reported(Box::new(report.clone()))));
            Ok(())
        })
        .await
    }
}

/// Removes the results of a day for a domain.
pub(super) fn reported(tx: &WriteTx<'_>, day: i64, domain: &str) -> Result<()> {
    match tx.db.tls_results_remove(day, domain)? {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::NotFound, "nothing waits to be reported")),
    }
}

/// Notes under which name reports of others may speak of a queued message.
pub(super) fn note_sent(tx: &WriteTx<'_>, name: &str, id: QueueId) -> Result<()> {
    tx.db.sent_insert(name, id, tx.shared.world.clock.wall())
}

/// Writes results, as far as the limit of a day goes.
fn write(tx: &mut WriteTx<'_>, waiting: &TlsResults) -> Result<()> {
    let mut so_far: Option<(i64, i64)> = None;
    for ((day, domain, policy, failure), sessions) in waiting {
        let total = match &mut so_far {
            Some((known, total)) if known == day => total,
            other => &mut other.insert((*day, tx.db.tls_results_count(*day)?)).1,
        };
        let row = TlsResultRow {
            day: *day,
            domain: domain.clone(),
            policy: policy.clone(),
            failure: failure.clone(),
            sessions: *sessions,
        };
        if !tx.db.tls_result_count(&row)? && *total < TLS_RESULTS_DAY_MAX {
            tx.db.tls_result_insert(&row)?;
            *total += 1;
        }
    }
    tx.wake_feedback();
    Ok(())
}
