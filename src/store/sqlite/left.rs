//! What is left of deleted mailboxes and accounts, in steps of a bounded number of rows.

use rusqlite::{Connection, OptionalExtension, params};

use super::block::row_ids;
use crate::base::{AccountId, BlobId, MailboxId, Result};

/// Removes a mailbox's row, and notes the rest of it.
pub(super) fn leave_mailbox(db: &Connection, mailbox: MailboxId) -> Result<()> {
    db.prepare_cached("DELETE FROM mailbox WHERE id = ?1")?.execute([mailbox.0])?;
    db.prepare_cached("INSERT INTO remains_mailbox(mailbox) VALUES (?1)")?.execute([mailbox.0])?;
    Ok(())
}

/// Removes an account's row, and notes the rest of it.
pub(super) fn leave_account(db: &Connection, account: AccountId) -> Result<()> {
    db.prepare_cached("DELETE FROM account WHERE id = ?1")?.execute([account.0])?;
    db.prepare_cached("INSERT INTO remains_account(account) VALUES (?1)")?.execute([account.0])?;
    Ok(())
}

/// The first account that is noted.
pub(super) fn account(db: &Connection) -> Result<Option<AccountId>> {
    let mut first = db.prepare_cached("SELECT account FROM remains_account ORDER BY account LIMIT 1")?;
    Ok(first.query_row([], |row| row.get(0).map(AccountId)).optional()?)
}

/// The first mailbox that is noted.
pub(super) fn mailbox(db: &Connection) -> Result<Option<MailboxId>> {
    let mut first = db.prepare_cached("SELECT mailbox FROM remains_mailbox ORDER BY mailbox LIMIT 1")?;
    Ok(first.query_row([], |row| row.get(0).map(MailboxId)).optional()?)
}

/// Leaves some mailboxes of an account; gives how many.
pub(super) fn account_mailboxes(db: &Connection, account: AccountId, most: i64) -> Result<usize> {
    let some = "SELECT id FROM mailbox WHERE account = ?1 ORDER BY id LIMIT ?2";
    db.prepare_cached(&format!("INSERT INTO remains_mailbox(mailbox) {some}"))?.execute([account.0, most])?;
    Ok(db.prepare_cached(&format!("DELETE FROM mailbox WHERE id IN ({some})"))?.execute([account.0, most])?)
}

/// Removes some subscriptions of an account; gives how many.
pub(super) fn account_subscriptions(db: &Connection, account: AccountId, most: i64) -> Result<usize> {
    let subscriptions = "DELETE FROM subscription WHERE account = ?1
      AND name IN (SELECT name FROM subscription WHERE account = ?1 LIMIT ?2)";
    Ok(db.prepare_cached(subscriptions)?.execute([account.0, most])?)
}

/// Removes some messages of a mailbox; gives their bodies.
pub(super) fn messages(db: &Connection, mailbox: MailboxId, most: i64) -> Result<Vec<BlobId>> {
    let mut facts = db.prepare_cached("SELECT uid, blob FROM fact WHERE mailbox = ?1 ORDER BY uid LIMIT ?2")?;
    let rows = facts.query_map([mailbox.0, most], |row| Ok((row.get::<_, i64>(0)?, row.get(1).map(BlobId)?)))?;
    let (uids, blobs): (Vec<_>, Vec<_>) = rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().unzip();
    if let Some(last) = uids.last() {
        db.prepare_cached("DELETE FROM fact WHERE mailbox = ?1 AND uid <= ?2")?.execute([mailbox.0, *last])?;
    }
    Ok(blobs)
}

/// Removes some blocks of a mailbox; gives how many.
pub(super) fn blocks(db: &Connection, mailbox: MailboxId, most: i64) -> Result<usize> {
    let (first, last) = row_ids(mailbox);
    let blocks = "DELETE FROM state WHERE id IN (SELECT id FROM state WHERE id BETWEEN ?1 AND ?2 LIMIT ?3)";
    Ok(db.prepare_cached(blocks)?.execute([first, last, most])?)
}

/// Forgets some expunges of a mailbox; gives how many.
pub(super) fn vanished(db: &Connection, mailbox: MailboxId, most: i64) -> Result<usize> {
    let vanished = "DELETE FROM vanished WHERE mailbox = ?1
      AND modseq IN (SELECT modseq FROM vanished WHERE mailbox = ?1 LIMIT ?2)";
    Ok(db.prepare_cached(vanished)?.execute(params![mailbox.0, most])?)
}
