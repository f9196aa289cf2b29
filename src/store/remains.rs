//! What is left of deleted mailboxes and accounts, and of messages that went many at once (`hidden`): unreachable from
//! their commit on, removed in the background, a bounded number of rows a commit, also after a restart.

use super::transaction::WriteTx;
use super::{free, hidden};
use crate::base::limits::REMAINS_ROWS_PER_COMMIT_MAX as MOST;
use crate::base::{AccountId, MailboxId, Result};

/// Removes a mailbox's row and leaves the rest of it to [`round`].
pub(super) fn of_mailbox(tx: &mut WriteTx<'_>, mailbox: MailboxId) -> Result<()> {
    tx.bodies_died = true;
    tx.db.mailbox_leave(mailbox)
}

/// Leaves the mailboxes and subscriptions of an account, whose row is removed, to [`round`].
pub(super) fn of_account(tx: &mut WriteTx<'_>, account: AccountId) -> Result<()> {
    tx.bodies_died = true;
    tx.db.account_leave(account)
}

/// Removes some rows. Gives whether more wait.
pub(super) fn round(tx: &mut WriteTx<'_>) -> Result<bool> {
    if let Some(account) = tx.db.left_account()? {
        account_step(tx, account)?;
        return Ok(true);
    }
    let Some(mailbox) = tx.db.left_mailbox()? else { return hidden::round(tx) };
    mailbox_step(tx, mailbox)?;
    Ok(true)
}

/// Deletes mailboxes of a deleted account, then its subscriptions, then the note of it.
fn account_step(tx: &WriteTx<'_>, account: AccountId) -> Result<()> {
    if tx.db.left_account_mailboxes(account, MOST)? > 0 || tx.db.left_account_subscriptions(account, MOST)? > 0 {
        return Ok(());
    }
    if tx.db.left_account_remembered(account, MOST)? > 0 || tx.db.left_account_annotations(account, MOST)? > 0 {
        return Ok(());
    }
    tx.db.left_account_done(account)
}

/// Removes messages of a deleted mailbox, then its blocks, its expunges, its annotations, its keywords, then the note
/// of it.
fn mailbox_step(tx: &mut WriteTx<'_>, mailbox: MailboxId) -> Result<()> {
    let blobs = tx.db.left_messages(mailbox, MOST)?;
    if !blobs.is_empty() {
        return free::release(tx, blobs).map(drop);
    }
    if tx.db.left_blocks(mailbox, MOST)? > 0 || tx.db.left_vanished(mailbox, MOST)? > 0 {
        return Ok(());
    }
    if tx.db.left_annotations(mailbox, MOST)? > 0 {
        return Ok(());
    }
    tx.db.left_mailbox_done(mailbox)
}
