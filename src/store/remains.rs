//! What is left of deleted mailboxes and accounts: unreachable from the commit of the deletion on, removed in the
//! background, a bounded number of rows a commit, also after a restart.

use rusqlite::{Connection, OptionalExtension, params};

use super::block::row_ids;
use super::free;
use super::transaction::WriteTx;
use crate::base::limits::REMAINS_ROWS_PER_COMMIT_MAX;
use crate::base::{AccountId, MailboxId, Result};

/// Removes a mailbox's row and leaves the rest of it to [`round`].
pub(super) fn of_mailbox(tx: &mut WriteTx<'_>, mailbox: MailboxId) -> Result<()> {
    tx.db.prepare_cached("DELETE FROM mailbox WHERE id = ?1")?.execute([mailbox.0])?;
    tx.db.prepare_cached("INSERT INTO remains_mailbox(mailbox) VALUES (?1)")?.execute([mailbox.0])?;
    tx.bodies_died = true;
    Ok(())
}

/// Leaves the mailboxes and subscriptions of an account, whose row is removed, to [`round`].
pub(super) fn of_account(tx: &mut WriteTx<'_>, account: AccountId) -> Result<()> {
    tx.db.prepare_cached("DELETE FROM account WHERE id = ?1")?.execute([account.0])?;
    tx.db.prepare_cached("INSERT INTO remains_account(account) VALUES (?1)")?.execute([account.0])?;
    tx.bodies_died = true;
    Ok(())
}

/// Removes some rows. Gives whether more wait.
pub(super) fn round(tx: &mut WriteTx<'_>) -> Result<bool> {
    let mut first = tx.db.prepare_cached("SELECT account FROM remains_account ORDER BY account LIMIT 1")?;
    if let Some(account) = first.query_row([], |row| row.get(0)).optional()? {
        account_step(tx.db, account)?;
        return Ok(true);
    }
    let mut first = tx.db.prepare_cached("SELECT mailbox FROM remains_mailbox ORDER BY mailbox LIMIT 1")?;
    let Some(mailbox) = first.query_row([], |row| row.get(0).map(MailboxId)).optional()? else { return Ok(false) };
    mailbox_step(tx, mailbox)?;
    Ok(true)
}

/// Deletes mailboxes of a deleted account, then its subscriptions, then the note of it.
fn account_step(db: &Connection, account: i64) -> Result<()> {
    let most = REMAINS_ROWS_PER_COMMIT_MAX as i64;
    let some = "SELECT id FROM mailbox WHERE account = ?1 ORDER BY id LIMIT ?2";
    db.prepare_cached(&format!("INSERT INTO remains_mailbox(mailbox) {some}"))?.execute([account, most])?;
    let gone = db.prepare_cached(&format!("DELETE FROM mailbox WHERE id IN ({some})"))?.execute([account, most])?;
    if gone > 0 {
        return Ok(());
    }
    let subscriptions = "DELETE FROM subscription WHERE account = ?1
      AND name IN (SELECT name FROM subscription WHERE account = ?1 LIMIT ?2)";
    if db.prepare_cached(subscriptions)?.execute([account, most])? == 0 {
        db.prepare_cached("DELETE FROM remains_account WHERE account = ?1")?.execute([account])?;
    }
    Ok(())
}

/// Removes messages of a deleted mailbox, then its blocks, its expunges, its keywords, then the note of it.
fn mailbox_step(tx: &mut WriteTx<'_>, mailbox: MailboxId) -> Result<()> {
    let (db, most) = (tx.db, REMAINS_ROWS_PER_COMMIT_MAX as i64);
    let mut facts = db.prepare_cached("SELECT uid, blob FROM fact WHERE mailbox = ?1 ORDER BY uid LIMIT ?2")?;
    let rows = facts.query_map([mailbox.0, most], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let (uids, blobs): (Vec<_>, Vec<_>) = rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().unzip();
    if let Some(last) = uids.last() {
        db.prepare_cached("DELETE FROM fact WHERE mailbox = ?1 AND uid <= ?2")?.execute([mailbox.0, *last])?;
        return free::release(tx, blobs).map(drop);
    }
    let (first, last) = row_ids(mailbox);
    let blocks = "DELETE FROM state WHERE id IN (SELECT id FROM state WHERE id BETWEEN ?1 AND ?2 LIMIT ?3)";
    if db.prepare_cached(blocks)?.execute([first, last, most])? > 0 {
        return Ok(());
    }
    let vanished = "DELETE FROM vanished WHERE mailbox = ?1
      AND modseq IN (SELECT modseq FROM vanished WHERE mailbox = ?1 LIMIT ?2)";
    if db.prepare_cached(vanished)?.execute(params![mailbox.0, most])? == 0 {
        db.prepare_cached("DELETE FROM keyword WHERE mailbox = ?1")?.execute([mailbox.0])?;
        db.prepare_cached("DELETE FROM remains_mailbox WHERE mailbox = ?1")?.execute([mailbox.0])?;
    }
    Ok(())
}
