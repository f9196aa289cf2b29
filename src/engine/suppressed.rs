//! Suppressed addresses, as the host program sets and lists them.

use super::Engine;
use crate::base::limits::SUPPRESSED_DETAIL_OCTETS_MAX;
use crate::base::{AccountId, Address, Domain, Error, ErrorKind, Result, Timestamp};
use crate::store::{EVERYBODY, Suppressed};

/// Octets of the word that says why an address is suppressed.
const REASON_OCTETS_MAX: usize = 40;

impl Engine {
    /// Lets an address, or `@domain` all of a domain's, get no mail of an account, or of nobody without one, until
    /// `until` (`None`: for good). `Invalid` where it is no address or the reason no word; `Limit` beyond
    /// `SUPPRESSED_MAX`.
    pub async fn suppress(
        &self,
        account: Option<AccountId>,
        address: &str,
        reason: &str,
        detail: &str,
        until: Option<Timestamp>,
    ) -> Result<()> {
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if reason.is_empty() || reason.len() > REASON_OCTETS_MAX || !reason.chars().all(is_word) {
            return Err(Error::new(ErrorKind::Invalid, format!("reason {reason:?}: not a word of a-z, 0-9 and -")));
        }
        if detail.len() > SUPPRESSED_DETAIL_OCTETS_MAX {
            let text = format!("detail has more than {SUPPRESSED_DETAIL_OCTETS_MAX} bytes");
            return Err(Error::new(ErrorKind::Invalid, text));
        }
        let row = Suppressed {
            account: account.map_or(EVERYBODY, |account| account.0),
            address: suppressed_key(address)?,
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            since: self.world().clock.wall(),
            until: until.unwrap_or_default(),
        };
        self.store().suppress(row).await
    }

    /// Ends that. `NotFound` where the address was not suppressed for this account, or for everybody without one.
    pub async fn unsuppress(&self, account: Option<AccountId>, address: &str) -> Result<()> {
        self.store().unsuppress(account.map_or(EVERYBODY, |account| account.0), suppressed_key(address)?).await
    }

    /// Suppressed addresses behind an account (0: everybody) and address, in this order, at most `limit`; without those
    /// whose time is over.
    pub async fn suppressed(&self, after: (i64, String), limit: usize) -> Result<Vec<Suppressed>> {
        let (now, mut after) = (self.world().clock.wall(), after);
        // A page of rows whose time is over is no end.
        loop {
            let rows = self.store().suppressed_rows(after.clone(), limit).await?;
            let Some(last) = rows.last() else { return Ok(Vec::new()) };
            after = (last.account, last.address.clone());
            let rows: Vec<Suppressed> = rows.into_iter().filter(|row| row.holds(now)).collect();
            if !rows.is_empty() {
                return Ok(rows);
            }
        }
    }
}

/// The name an address, or `@domain`, is suppressed by.
fn suppressed_key(address: &str) -> Result<String> {
    let invalid = |e: &dyn std::fmt::Display| Error::new(ErrorKind::Invalid, format!("address {address:?}: {e}"));
    match address.strip_prefix('@') {
        Some(domain) => Domain::parse(domain).map(|domain| format!("@{}", domain.key())).map_err(|e| invalid(&e)),
        None => Address::parse(address).map(|address| address.key()).map_err(|e| invalid(&e)),
    }
}
