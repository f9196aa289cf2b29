//! What is kept of other domains and their hosts for outgoing mail: TLS policies.

use super::super::StsRow;
use crate::base::{Result, Timestamp};

/// What is read of it.
pub(in super::super) trait ReadOutward {
    /// The MTA-STS policy that is kept of a domain.
    fn sts_row(&self, domain: &str) -> Result<Option<StsRow>>;

    /// Policies of domains behind `after`, by domain, at most `limit`.
    fn sts_rows(&self, after: &str, limit: usize) -> Result<Vec<StsRow>>;

    /// How many policies are kept.
    fn sts_count(&self) -> Result<u64>;
}

/// What is changed of it.
pub(in super::super) trait WriteOutward {
    /// Keeps a policy, in the place of one of its domain.
    fn sts_put(&self, row: &StsRow) -> Result<()>;

    /// Forgets policies whose time was over at `now`.
    fn sts_forget(&self, now: Timestamp) -> Result<()>;
}
