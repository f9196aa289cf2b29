//! Addresses that get no mail from here: noted by the program, by hard bounces and by complaints, for one account or
//! for everybody, for a time or for good. They are asked at each submission and before each attempt, and cost nothing
//! while there are none.

use std::sync::atomic::Ordering;

use super::Store;
use super::transaction::WriteTx;
use crate::base::limits::{SUPPRESSED_DETAIL_OCTETS_MAX, SUPPRESSED_MAX};
use crate::base::text::cut;
use crate::base::{AccountId, Address, Error, ErrorKind, Result, Timestamp};

/// The account number of what holds for everybody.
pub const EVERYBODY: i64 = 0;

/// An address that gets no mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Suppressed {
    /// Whose mail is meant; [`EVERYBODY`]'s, or that of this account alone.
    pub account: i64,
    /// Key of the address, or `@` and a domain for all of its addresses.
    pub address: String,
    /// Why, as one word: `hard-bounce`, `complaint`, `unsubscribe`, `manual`, or one of the program's.
    pub reason: String,
    /// Why, in words; at most `SUPPRESSED_DETAIL_OCTETS_MAX` octets.
    pub detail: String,
    /// When it was noted.
    pub since: Timestamp,
    /// When it ends; 0 for never.
    pub until: Timestamp,
}

impl Suppressed {
    /// Whether it still holds.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.0 == 0 || now < self.until
    }
}

impl Store {
    /// Suppresses an address, in the place of what was noted of it for the same account. `Limit` beyond
    /// `SUPPRESSED_MAX`.
    pub async fn suppress(&self, row: Suppressed) -> Result<()> {
        self.write(0, move |tx| put(tx, &row)).await
    }

    /// Ends that. `NotFound` where it was not suppressed for this account.
    pub async fn unsuppress(&self, account: i64, address: String) -> Result<()> {
        self.write(0, move |tx| match tx.db.suppressed_remove(account, &address)? {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::NotFound, format!("{address} is not suppressed"))),
        })
        .await
    }

    /// Suppressed addresses behind this account and address, in this order, at most `limit`; the time of some may be
    /// over.
    pub async fn suppressed_rows(&self, after: (i64, String), limit: usize) -> Result<Vec<Suppressed>> {
        self.read(move |db| db.suppressed_rows((after.0, &after.1), limit)).await
    }

    /// What keeps mail of an account, or of nobody's, from each of these addresses now.
    pub async fn suppressed(
        &self,
        account: Option<AccountId>,
        addresses: Vec<Address>,
        now: Timestamp,
    ) -> Result<Vec<Option<Suppressed>>> {
        if !self.shared().suppresses.load(Ordering::Acquire) {
            return Ok(vec![None; addresses.len()]);
        }
        self.read(move |db| {
            let accounts = || account.map(|account| account.0).into_iter().chain([EVERYBODY]);
            let of = |address: &Address| {
                for key in [address.key(), format!("@{}", address.domain().key())] {
                    for account in accounts() {
                        if let Some(row) = db.suppressed(account, &key)?.filter(|row| row.holds(now)) {
                            return Ok(Some(row));
                        }
                    }
                }
                Ok(None)
            };
            addresses.iter().map(of).collect()
        })
        .await
    }

    /// Forgets those whose time was over at `now`, and reads whether any is left: without one nobody asks the store.
    pub async fn suppressed_review(&self, now: Timestamp) -> Result<()> {
        if !self.shared().suppresses.load(Ordering::Acquire) {
            return Ok(());
        }
        self.write(0, move |tx| {
            tx.db.suppressed_forget(now)?;
            // Asked in the writer: an address suppressed at the same time is suppressed before or after.
            tx.shared.suppresses.store(tx.db.suppressed_count()? > 0, Ordering::Release);
            Ok(())
        })
        .await
    }
}

/// Notes an address.
pub(super) fn put(tx: &mut WriteTx<'_>, row: &Suppressed) -> Result<()> {
    if tx.db.suppressed(row.account, &row.address)?.is_none() && tx.db.suppressed_count()? >= SUPPRESSED_MAX {
        return Err(Error::new(ErrorKind::Limit, format!("more than {SUPPRESSED_MAX} addresses are suppressed")));
    }
    // Before the commit is told of: who hears of it must not be able to send.
    tx.shared.suppresses.store(true, Ordering::Release);
    let detail = cut(&row.detail, SUPPRESSED_DETAIL_OCTETS_MAX).to_owned();
    tx.db.suppressed_put(&Suppressed { detail, ..row.clone() })
}
