//! One POP3 session for each maildrop: the exclusive-access lock of RFC 1939 §4, within this engine.
//!
//! The store needs no lock: UIDs are never reused, and IMAP sessions go on beside it. The lock keeps two POP3
//! sessions from both downloading and then deleting the same mail.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::AccountId;

/// Maildrops that are open.
#[derive(Debug, Default)]
pub struct Maildrops {
    open: Mutex<BTreeSet<AccountId>>,
}

/// An open maildrop; closed when dropped.
#[derive(Debug)]
pub struct OpenMaildrop {
    maildrops: Arc<Maildrops>,
    account: AccountId,
}

impl Maildrops {
    /// Opens the maildrop of `account`; `None` while another session has it.
    pub fn open(self: &Arc<Self>, account: AccountId) -> Option<OpenMaildrop> {
        let fresh = self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(account);
        fresh.then(|| OpenMaildrop { maildrops: Arc::clone(self), account })
    }
}

impl Drop for OpenMaildrop {
    fn drop(&mut self) {
        self.maildrops.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_at_a_time() {
        let maildrops = Arc::new(Maildrops::default());
        let first = maildrops.open(AccountId(1));
        assert!(first.is_some());
        assert!(maildrops.open(AccountId(1)).is_none());
        assert!(maildrops.open(AccountId(2)).is_some());
        drop(first);
        assert!(maildrops.open(AccountId(1)).is_some());
    }
}
