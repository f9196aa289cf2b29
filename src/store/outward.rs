//! What is kept of other domains for outgoing mail: their TLS policies.

use super::{Store, StsRow};
use crate::base::limits::STS_DOMAINS_MAX;
use crate::base::{Error, ErrorKind, Result, Timestamp};

impl Store {
    /// The MTA-STS policy that is kept of a domain; its time may be over.
    pub async fn sts_row(&self, domain: String) -> Result<Option<StsRow>> {
        self.read(move |db| db.sts_row(&domain)).await
    }

    /// Policies of domains behind `after`, by domain, at most `limit`.
    pub async fn sts_rows(&self, after: String, limit: usize) -> Result<Vec<StsRow>> {
        self.read(move |db| db.sts_rows(&after, limit)).await
    }

    /// Keeps a policy, in the place of one of its domain. `Limit` beyond `STS_DOMAINS_MAX` domains.
    pub async fn sts_put(&self, row: StsRow) -> Result<()> {
        self.write(0, move |tx| {
            if tx.db.sts_row(&row.domain)?.is_none() && tx.db.sts_count()? >= STS_DOMAINS_MAX as u64 {
                return Err(Error::new(ErrorKind::Limit, format!("more than {STS_DOMAINS_MAX} policies")));
            }
            tx.db.sts_put(&row)
        })
        .await
    }

    /// Forgets policies whose time was over at `now`.
    pub async fn sts_forget(&self, now: Timestamp) -> Result<()> {
        self.write(0, move |tx| tx.db.sts_forget(now)).await
    }
}
