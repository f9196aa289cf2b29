//! What is kept for outgoing mail beside the queue: TLS policies of other domains, what happened in attempts, keys of
//! submissions, destinations that are paused.

use super::super::{DestinationRow, ExplainedAttempt, Paused, StsRow};
use crate::base::{QueueId, Result, Timestamp};

/// What is read of it.
pub(in super::super) trait ReadOutward {
    /// The MTA-STS policy that is kept of a domain.
    fn sts_row(&self, domain: &str) -> Result<Option<StsRow>>;

    /// Policies of domains behind `after`, by domain, at most `limit`.
    fn sts_rows(&self, after: &str, limit: usize) -> Result<Vec<StsRow>>;

    /// How many policies are kept.
    fn sts_count(&self) -> Result<u64>;

    /// Attempts of an item with what happened in them, oldest first; the newest `limit` of them.
    fn explained(&self, id: QueueId, limit: usize) -> Result<Vec<ExplainedAttempt>>;

    /// When the oldest attempt that is kept ended.
    fn attempt_oldest(&self) -> Result<Option<Timestamp>>;

    /// The queue id of the submission that was taken under a key.
    fn submit_key(&self, key: &str) -> Result<Option<i64>>;

    /// Destinations that are paused, by name.
    fn paused(&self) -> Result<Vec<Paused>>;

    /// What waits for destinations behind `after`, by name, at most `limit`.
    fn destination_rows(&self, after: Option<&str>, limit: usize) -> Result<Vec<DestinationRow>>;
}

/// What is changed of it.
pub(in super::super) trait WriteOutward {
    /// Keeps a policy, in the place of one of its domain.
    fn sts_put(&self, row: &StsRow) -> Result<()>;

    /// Forgets policies whose time was over at `now`.
    fn sts_forget(&self, now: Timestamp) -> Result<()>;

    /// An item expires at this time, and its recipients that wait are due then at the latest.
    fn queue_expires(&self, id: QueueId, at: Timestamp) -> Result<()>;

    /// Keeps what happened in the attempt that ends with this row.
    fn trail_insert(&self, attempt: i64, lines: &str) -> Result<()>;

    /// Forgets the oldest attempts that ended before `before`, `limit` at most.
    fn attempts_forget_before(&self, before: Timestamp, limit: i64) -> Result<()>;

    /// Notes that a submission was taken under a key.
    fn submit_key_insert(&self, key: &str, item: i64, at: Timestamp) -> Result<()>;

    /// Forgets keys of submissions before `before`.
    fn submit_keys_forget(&self, before: Timestamp) -> Result<()>;

    /// Pauses a destination, which may be paused already.
    fn paused_put(&self, paused: &Paused) -> Result<()>;

    /// Ends that; false where it was not paused.
    fn paused_remove(&self, destination: &str) -> Result<bool>;
}
