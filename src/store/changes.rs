//! What changed: watches, and what went since a modification sequence.

use super::{Store, Watch};
use crate::base::{AccountId, MailboxId, ModSeq, Result, Uid, UidSet};

impl Store {
    /// Wakes when the mailbox changes.
    pub fn watch(&self, mailbox: MailboxId) -> Watch {
        self.shared().watchers.mailbox(mailbox)
    }

    /// Wakes when a mailbox of the account changes, or the names of its mailboxes and subscriptions.
    pub fn watch_mailboxes(&self, account: AccountId) -> Watch {
        self.shared().watchers.mailboxes(account)
    }

    /// Wakes when the queue changes.
    pub fn watch_queue(&self) -> Watch {
        self.shared().watchers.queue()
    }

    /// UIDs expunged after `since`, as ranges; a superset where the log was pruned (RFC 7162 §3.2.6). May include
    /// what went after the caller's own snapshot was taken.
    pub async fn vanished(&self, mailbox: MailboxId, since: ModSeq) -> Result<UidSet> {
        let snapshot = self.snapshot(mailbox).await?;
        let (complete, mut ranges) =
            self.read(move |db| Ok((since >= db.vanished_floor(mailbox)?, db.vanished(mailbox, since)?))).await?;
        if !complete {
            // Whatever was given out and is not there went at some time.
            ranges.extend(gaps(snapshot.messages.uids(), snapshot.uid_next));
        }
        Ok(UidSet::from_ranges(ranges))
    }
}

/// UIDs below `uid_next` that are not in the view.
fn gaps(uids: impl Iterator<Item = Uid>, uid_next: Uid) -> Vec<(Uid, Uid)> {
    let mut gaps = Vec::new();
    let mut free = 1;
    for uid in uids.chain([uid_next]) {
        if free < uid {
            gaps.push((free, uid - 1));
        }
        free = uid.saturating_add(1);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use crate::base::Uid;

    fn gaps(uids: &[Uid], uid_next: Uid) -> Vec<(Uid, Uid)> {
        super::gaps(uids.iter().copied(), uid_next)
    }

    #[test]
    fn gaps_of_a_view() {
        assert_eq!(gaps(&[], 1), []);
        assert_eq!(gaps(&[], 4), [(1, 3)]);
        assert_eq!(gaps(&[1, 2, 5], 8), [(3, 4), (6, 7)]);
        assert_eq!(gaps(&[2], 3), [(1, 1)]);
    }
}
