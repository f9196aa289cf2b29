//! `\\Recent`: which messages no client was told of before (RFC 3501 §2.3.2).
//!
//! One UID for each mailbox says it: messages from there on are recent for the client that is told of them next. Who is
//! told claims them in memory, so that no two clients get the same ones and nobody waits for a disk. The claim is
//! written when the client leaves the mailbox; after a crash some messages are recent once more, which RFC 3501 allows.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::delta::Delta;
use super::{Snapshot, Store};
use crate::base::limits::RECENT_CLAIMS_MAX;
use crate::base::{MailboxId, Result, Uid};

/// First UIDs that nobody claimed, where a claim is newer than the mailbox's row.
#[derive(Debug, Default)]
pub(super) struct Recents(Mutex<BTreeMap<MailboxId, Uid>>);

impl Recents {
    fn claims(&self) -> MutexGuard<'_, BTreeMap<MailboxId, Uid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn from(&self, mailbox: MailboxId, written: Uid) -> Uid {
        self.claims().get(&mailbox).copied().unwrap_or(0).max(written)
    }

    fn claim(&self, mailbox: MailboxId, written: Uid, next: Uid) -> Uid {
        let mut claims = self.claims();
        let from = claims.get(&mailbox).copied().unwrap_or(0).max(written);
        if from < next {
            if claims.len() >= RECENT_CLAIMS_MAX {
                claims.clear();
            }
            claims.insert(mailbox, next);
        }
        from
    }
}

impl Store {
    /// The first UID that no client was told of; `written` is what the mailbox's row says.
    pub fn recent_from(&self, mailbox: MailboxId, written: Uid) -> Uid {
        self.shared().recents.from(mailbox, written)
    }

    /// The same for a client that is told of all messages of `snapshot` now: nobody else gets them.
    pub fn claim_recent(&self, snapshot: &Snapshot) -> Uid {
        self.shared().recents.claim(snapshot.mailbox, snapshot.recent_from, snapshot.uid_next)
    }

    /// Writes what was claimed of a mailbox, where the row does not say it yet.
    pub async fn keep_recent(&self, mailbox: MailboxId) -> Result<()> {
        if self.recent_from(mailbox, 0) == 0 {
            return Ok(());
        }
        self.write(0, move |tx| {
            let row = tx.row(mailbox)?;
            let from = tx.shared.recents.from(mailbox, row.recent_from).min(row.uid_next);
            if from <= row.recent_from {
                return Ok(());
            }
            let mut delta = Delta::of(mailbox, row);
            delta.row.recent_from = from;
            tx.apply(delta)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_claimed_once() {
        let recents = Recents::default();
        let mailbox = MailboxId(1);
        assert_eq!(recents.claim(mailbox, 4, 9), 4);
        assert_eq!(recents.claim(mailbox, 4, 9), 9);
        assert_eq!(recents.claim(mailbox, 4, 12), 9);
        assert_eq!((recents.from(mailbox, 4), recents.from(mailbox, 20), recents.from(MailboxId(2), 3)), (12, 20, 3));
    }

    #[test]
    fn claims_have_an_end() {
        let recents = Recents::default();
        for n in 0..=RECENT_CLAIMS_MAX {
            recents.claim(MailboxId(n as i64), 1, 2);
            assert!(recents.claims().len() <= RECENT_CLAIMS_MAX);
        }
    }
}
