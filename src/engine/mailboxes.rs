//! Mailboxes and messages, as the host reads and changes them. The same store calls that IMAP makes.

use super::Engine;
use crate::base::{
    AccountId, BlobId, Content, Error, ErrorKind, Flags, MailboxId, Result, SpecialUse, Timestamp, UidSet,
};
use crate::store::{Acceptance, BlobMeta, Copied, Expunge, Expunged, Fact, Filed, Filing, FlagChange, FlagsChanged};
use crate::store::{MailboxInfo, Snapshot, Watch};

impl Engine {
    /// All mailboxes of an account, by name.
    pub async fn mailboxes(&self, account: AccountId) -> Result<Vec<MailboxInfo>> {
        self.store().mailboxes(account).await
    }

    /// A mailbox by name; `NotFound`.
    pub async fn mailbox(&self, account: AccountId, name: &str) -> Result<MailboxInfo> {
        let found = self.store().mailbox(account, name).await?;
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no mailbox {name:?}")))
    }

    /// Makes a mailbox and the levels above it.
    pub async fn mailbox_create(
        &self,
        account: AccountId,
        name: &str,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxInfo> {
        self.store().mailbox_create(account, name, special_use).await
    }

    /// Deletes a mailbox and its mail.
    pub async fn mailbox_delete(&self, account: AccountId, name: &str) -> Result<()> {
        self.store().mailbox_delete(account, name).await
    }

    /// Renames a mailbox and its children.
    pub async fn mailbox_rename(&self, account: AccountId, from: &str, to: &str) -> Result<()> {
        self.store().mailbox_rename(account, from, to).await
    }

    /// Subscribes or unsubscribes a name.
    pub async fn mailbox_subscribe(&self, account: AccountId, name: &str, on: bool) -> Result<()> {
        self.store().mailbox_subscribe(account, name, on).await
    }

    /// The mailbox's present state: UIDs, flags and modification sequences in step.
    pub async fn snapshot(&self, mailbox: MailboxId) -> Result<Snapshot> {
        self.store().snapshot(mailbox).await
    }

    /// Wakes when the mailbox changes.
    pub fn watch(&self, mailbox: MailboxId) -> Watch {
        self.store().watch(mailbox)
    }

    /// What never changes about messages; expunged ones are missing.
    pub async fn facts(&self, mailbox: MailboxId, uids: &UidSet) -> Result<Vec<Fact>> {
        self.store().facts(mailbox, uids).await
    }

    /// What was computed of messages when they came; `None` for freed ones.
    pub async fn metas(&self, blobs: Vec<BlobId>) -> Result<Vec<Option<BlobMeta>>> {
        self.store().metas(blobs).await
    }

    /// Up to `octets_max` octets of a message from `offset`; empty at its end.
    pub async fn read(&self, blob: BlobId, offset: u64, octets_max: usize) -> Result<Vec<u8>> {
        self.store().body(blob, offset, octets_max).await
    }

    /// Puts a message into a mailbox, durably.
    pub async fn append(
        &self,
        mailbox: MailboxId,
        content: Content,
        flags: Flags,
        keywords: Vec<String>,
        internal_date: Option<Timestamp>,
    ) -> Result<Filed> {
        let now = self.world().clock.wall();
        let filing = Filing { mailbox, flags, keywords, internal_date: internal_date.unwrap_or(now) };
        let arrival = crate::delivery::local::arrival(content, vec![filing], now)?;
        let accepted = self
            .store()
            .accept(Acceptance { arrivals: vec![arrival], items: Vec::new(), ..Acceptance::default() })
            .await?;
        accepted.filed.first().copied().ok_or_else(|| Error::new(ErrorKind::Bug, "a filing without a place"))
    }

    /// Changes flags of messages.
    pub async fn change_flags(&self, mailbox: MailboxId, uids: UidSet, change: FlagChange) -> Result<FlagsChanged> {
        self.store().change_flags(mailbox, uids, change, None).await
    }

    /// Copies messages, all or none.
    pub async fn copy(&self, from: MailboxId, uids: UidSet, to: MailboxId) -> Result<Copied> {
        self.store().copy(from, uids, to).await
    }

    /// Moves messages, all or none.
    pub async fn move_messages(&self, from: MailboxId, uids: UidSet, to: MailboxId) -> Result<Copied> {
        self.store().move_messages(from, uids, to).await
    }

    /// Takes messages away for good.
    pub async fn expunge(&self, mailbox: MailboxId, which: Expunge) -> Result<Expunged> {
        self.store().expunge(mailbox, which).await
    }
}
