//! What is kept about outgoing mail as a whole: addresses that get none, levels of TLS that hosts had, results of TLS,
//! TLS reports that came, and which queued message has a Message-ID.

use super::super::{Suppressed, TlsLevel, TlsReportRow, TlsResultRow};
use crate::base::{QueueId, Result, Timestamp};

/// What is read of it.
pub(in super::super) trait ReadSending {
    /// An address as it is suppressed for an account (0: for everybody); its time may be over.
    fn suppressed(&self, account: i64, address: &str) -> Result<Option<Suppressed>>;

    /// Suppressed addresses behind this account and address, in this order, at most `limit`.
    fn suppressed_rows(&self, after: (i64, &str), limit: usize) -> Result<Vec<Suppressed>>;

    /// How many there are.
    fn suppressed_count(&self) -> Result<i64>;

    /// The level of TLS that is remembered of a host.
    fn tls_level(&self, host: &str) -> Result<Option<TlsLevel>>;

    /// How many hosts there are with one.
    fn tls_levels_count(&self) -> Result<i64>;

    /// The first day and domain behind `after` with results, of days before `today`; oldest first.
    fn tls_results_due(&self, today: i64, after: (i64, &str)) -> Result<Option<(i64, String)>>;

    /// Results of a day for a domain.
    fn tls_results(&self, day: i64, domain: &str) -> Result<Vec<TlsResultRow>>;

    /// How many kinds of result a day has.
    fn tls_results_count(&self, day: i64) -> Result<i64>;

    /// TLS reports with ids above `after`, in order, at most `limit`.
    fn tls_reports(&self, after: i64, limit: usize) -> Result<Vec<TlsReportRow>>;

    /// The queued message that has a Message-ID.
    fn sent_item(&self, message_id: &str) -> Result<Option<QueueId>>;
}

/// What is changed of it.
pub(in super::super) trait WriteSending {
    /// Suppresses an address, in the place of what there was of it.
    fn suppressed_put(&self, row: &Suppressed) -> Result<()>;

    /// Ends that; false where it was not suppressed.
    fn suppressed_remove(&self, account: i64, address: &str) -> Result<bool>;

    /// Forgets those whose time was over at `now`.
    fn suppressed_forget(&self, now: Timestamp) -> Result<()>;

    /// Forgets those of an account.
    fn suppressed_forget_of(&self, account: i64) -> Result<()>;

    /// Remembers the level of TLS of a host.
    fn tls_level_put(&self, row: &TlsLevel) -> Result<()>;

    /// Forgets levels that were seen last before `before`.
    fn tls_levels_forget(&self, before: Timestamp) -> Result<()>;

    /// Counts sessions of a kind that has a row; false where it has none.
    fn tls_result_count(&self, row: &TlsResultRow) -> Result<bool>;

    /// Writes a row.
    fn tls_result_insert(&self, row: &TlsResultRow) -> Result<()>;

    /// Removes the results of a day for a domain; false where there are none.
    fn tls_results_remove(&self, day: i64, domain: &str) -> Result<bool>;

    /// Removes results of days before `day`.
    fn tls_results_forget(&self, day: i64) -> Result<()>;

    /// Keeps a TLS report; its id, `None` where one of its name is there.
    fn tls_report_insert(&self, row: &TlsReportRow) -> Result<Option<i64>>;

    /// Forgets reports that were read before `before`, and all but the newest `keep`.
    fn tls_reports_forget(&self, before: Timestamp, keep: i64) -> Result<()>;

    /// Notes that a queued message has a Message-ID, which another one may have had.
    fn sent_insert(&self, message_id: &str, item: QueueId, at: Timestamp) -> Result<()>;

    /// Forgets those of messages that were queued before `before`.
    fn sent_forget(&self, before: Timestamp) -> Result<()>;
}
