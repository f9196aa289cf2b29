//! What STATUS tells of a mailbox, kept from one commit to the next: asking again costs neither a question to the
//! disk nor a change of threads.
//!
//! The writer forgets what a transaction changed after its COMMIT and before it answers. A reader may keep what it
//! read only if nothing was forgotten meanwhile: what it has may be older than that.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::MailboxInfo;
use crate::base::limits::MAILBOX_COUNTS_MAX;
use crate::base::{AccountId, MailboxId};

/// Mailboxes by account and name, as of the last commit.
#[derive(Debug, Default)]
pub(super) struct Counts {
    kept: Mutex<CachedCounts>,
}

#[derive(Debug, Default)]
struct CachedCounts {
    by_name: BTreeMap<AccountId, BTreeMap<String, MailboxInfo>>,
    names: BTreeMap<MailboxId, (AccountId, String)>,
    /// Counts up whenever something is forgotten.
    generation: u64,
}

impl Counts {
    /// A mailbox by its name as it is kept; else the generation to give to [`Counts::keep`] after reading it.
    pub fn find(&self, account: AccountId, name: &str) -> Result<MailboxInfo, u64> {
        let kept = self.kept();
        let found = kept.by_name.get(&account).and_then(|mailboxes| mailboxes.get(name));
        found.cloned().ok_or(kept.generation)
    }

    /// Keeps what was read since `generation`.
    pub fn keep(&self, generation: u64, info: &MailboxInfo) {
        let mut kept = self.kept();
        if kept.generation != generation {
            return;
        }
        if kept.names.len() >= MAILBOX_COUNTS_MAX {
            kept.forget_all();
        }
        kept.names.insert(info.id, (info.account, info.name.clone()));
        kept.by_name.entry(info.account).or_default().insert(info.name.clone(), info.clone());
    }

    /// Forgets mailboxes whose counts changed.
    pub fn forget<'a>(&self, mailboxes: impl ExactSizeIterator<Item = &'a MailboxId>) {
        if mailboxes.len() == 0 {
            return;
        }
        let mut kept = self.kept();
        kept.generation += 1;
        for mailbox in mailboxes {
            if let Some((account, name)) = kept.names.remove(mailbox)
                && let Some(of_account) = kept.by_name.get_mut(&account)
            {
                of_account.remove(&name);
            }
        }
    }

    /// Forgets everything: names, subscriptions or accounts changed.
    pub fn forget_all(&self) {
        self.kept().forget_all();
    }

    fn kept(&self) -> MutexGuard<'_, CachedCounts> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CachedCounts {
    fn forget_all(&mut self) {
        *self = CachedCounts { generation: self.generation + 1, ..CachedCounts::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(id: i64, name: &str) -> MailboxInfo {
        MailboxInfo {
            id: MailboxId(id),
            account: AccountId(1),
            name: name.to_owned(),
            uid_validity: 1,
            uid_next: 1,
            mod_seq: 1,
            special_use: None,
            subscribed: false,
            selectable: true,
            total: 0,
            unseen: 0,
            deleted: 0,
            octets: 0,
            recent_from: 1,
        }
    }

    #[test]
    fn what_may_be_old_is_not_kept() {
        let counts = Counts::default();
        let early = counts.find(AccountId(1), "INBOX").unwrap_err();
        counts.forget([MailboxId(9)].iter());
        counts.keep(early, &info(1, "INBOX"));
        let now = counts.find(AccountId(1), "INBOX").unwrap_err();
        counts.keep(now, &info(1, "INBOX"));
        counts.keep(now, &info(2, "Sent"));
        assert_eq!(counts.find(AccountId(1), "INBOX").unwrap(), info(1, "INBOX"));
        assert!(counts.find(AccountId(2), "INBOX").is_err());
        counts.forget([MailboxId(1)].iter());
        assert!(counts.find(AccountId(1), "INBOX").is_err() && counts.find(AccountId(1), "Sent").is_ok());
        counts.forget_all();
        assert!(counts.find(AccountId(1), "Sent").is_err());
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let counts = Counts::default();
        for n in 0..=MAILBOX_COUNTS_MAX {
            let generation = counts.find(AccountId(1), "").unwrap_err();
            counts.keep(generation, &info(n as i64, &n.to_string()));
            assert!(counts.kept().names.len() <= MAILBOX_COUNTS_MAX);
        }
        assert_eq!(counts.kept().names.len(), 1);
    }
}
