//! Mailboxes: their rows, names, keywords and subscriptions.

use super::super::MailboxInfo;
use super::super::row::MailboxRow;
use crate::base::{AccountId, MailboxId, Result, SpecialUse, Timestamp, UidValidity};

/// What is read of mailboxes.
pub(in super::super) trait ReadMailboxes {
    /// A mailbox's row, its keywords and how far its blocks reach included.
    fn mailbox_row(&self, mailbox: MailboxId) -> Result<Option<MailboxRow>>;

    /// A mailbox by name.
    fn mailbox_info(&self, account: AccountId, name: &str) -> Result<Option<MailboxInfo>>;

    /// All mailboxes of an account, by name.
    fn mailbox_infos(&self, account: AccountId) -> Result<Vec<MailboxInfo>>;

    /// The id of a mailbox by name.
    fn mailbox_named(&self, account: AccountId, name: &str) -> Result<Option<MailboxId>>;

    /// The first mailbox of an account that is for `special_use` and can be selected.
    fn mailbox_for(&self, account: AccountId, special_use: SpecialUse) -> Result<Option<MailboxId>>;

    /// Ids of the mailboxes of an account, those that are only names among them.
    fn mailboxes_of(&self, account: AccountId) -> Result<Vec<MailboxId>>;

    /// How many they are.
    fn mailbox_count(&self, account: AccountId) -> Result<usize>;

    /// Mailboxes below a name, by name.
    fn mailboxes_below(&self, account: AccountId, name: &str) -> Result<Vec<MailboxId>>;

    /// Whether there are mailboxes below a name.
    fn has_mailboxes_below(&self, account: AccountId, name: &str) -> Result<bool>;

    /// Subscribed names, sorted.
    fn subscriptions(&self, account: AccountId) -> Result<Vec<String>>;

    /// How many names are subscribed.
    fn subscription_count(&self, account: AccountId) -> Result<usize>;

    /// Whether a name is subscribed.
    fn is_subscribed(&self, account: AccountId, name: &str) -> Result<bool>;

    /// The first account with something to be removed.
    fn left_account(&self) -> Result<Option<AccountId>>;

    /// The first mailbox with something to be removed.
    fn left_mailbox(&self) -> Result<Option<MailboxId>>;
}

/// What is changed of mailboxes.
pub(in super::super) trait WriteMailboxes {
    /// The id of the next new mailbox, never given out before. `Limit` where there is none left.
    fn next_mailbox(&self) -> Result<MailboxId>;

    /// The same for one that is not made yet: its id is not given out again, whatever becomes of it.
    fn mailbox_reserve(&self) -> Result<MailboxId>;

    /// A UIDVALIDITY higher than any given out: by the clock, and by the store's own count where the clock is behind.
    fn next_uid_validity(&self, now: Timestamp) -> Result<UidValidity>;

    /// Writes a new mailbox, without its keywords.
    fn mailbox_insert(&self, mailbox: MailboxId, row: &MailboxRow) -> Result<()>;

    /// Writes what [`MailboxRow::is_named_as`] compares.
    fn mailbox_write_name(&self, mailbox: MailboxId, row: &MailboxRow) -> Result<()>;

    /// Writes the other columns. `Bug` where there is no such mailbox.
    fn mailbox_write_counts(&self, mailbox: MailboxId, row: &MailboxRow) -> Result<()>;

    /// Writes the name of a keyword's bit.
    fn keyword_put(&self, mailbox: MailboxId, bit: u32, name: &str) -> Result<()>;

    /// Subscribes or unsubscribes a name.
    fn subscribe(&self, account: AccountId, name: &str, on: bool) -> Result<()>;

    /// Removes a mailbox's row, and notes that the rest of it is to be removed.
    fn mailbox_leave(&self, mailbox: MailboxId) -> Result<()>;

    /// Removes an account's row, and notes that its mailboxes and subscriptions are to be removed.
    fn account_leave(&self, account: AccountId) -> Result<()>;

    /// Leaves some mailboxes of an account that was left, `most` at most. Gives how many.
    fn left_account_mailboxes(&self, account: AccountId, most: usize) -> Result<usize>;

    /// Removes some subscriptions of an account that was left, `most` at most. Gives how many.
    fn left_account_subscriptions(&self, account: AccountId, most: usize) -> Result<usize>;

    /// Nothing of the account is left.
    fn left_account_done(&self, account: AccountId) -> Result<()>;

    /// Nothing of the mailbox is left but its keywords and hidden stretches, which are removed.
    fn left_mailbox_done(&self, mailbox: MailboxId) -> Result<()>;
}
