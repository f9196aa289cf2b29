//! COPY and MOVE: new rows for the same bodies; all messages or none.

use rusqlite::params;

use super::flags::places;
use super::message::{Appended, NewMessage, append, check_uids, keyword_flags, show};
use super::transaction::WriteTx;
use super::{Copied, Store, expunge, free};
use crate::base::{BlobId, Error, ErrorKind, Flags, MailboxId, Result, Timestamp, UidSet};

impl Store {
    /// COPY: all or none.
    pub async fn copy(&self, from: MailboxId, uids: UidSet, to: MailboxId) -> Result<Copied> {
        self.write(0, move |tx| {
            let (copied, appended) = copy(tx, from, &uids, to, Bodies::Shared)?;
            show(tx, &appended);
            Ok(copied)
        })
        .await
    }

    /// MOVE: all or none, in one transaction.
    pub async fn move_messages(&self, from: MailboxId, uids: UidSet, to: MailboxId) -> Result<Copied> {
        self.write(0, move |tx| move_all(tx, from, uids, to)).await
    }
}

/// Whether both places will have the bodies, or only the new one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bodies {
    Shared,
    Moved,
}

/// Moves.
pub(super) fn move_all(tx: &mut WriteTx<'_>, from: MailboxId, uids: UidSet, to: MailboxId) -> Result<Copied> {
    let (mut copied, appended) = copy(tx, from, &uids, to, Bodies::Moved)?;
    if copied.from.is_empty() {
        copied.mod_seq = tx.row(from)?.mod_seq;
        return Ok(copied);
    }
    let gone: UidSet = copied.from.iter().copied().collect();
    // Shown first: where both are one mailbox the removal works on the whole of it.
    show(tx, &appended);
    copied.mod_seq = expunge::remove(tx, from, &gone, false)?.mod_seq;
    Ok(copied)
}

fn copy(
    tx: &mut WriteTx<'_>,
    from: MailboxId,
    uids: &UidSet,
    to: MailboxId,
    bodies: Bodies,
) -> Result<(Copied, Vec<Appended>)> {
    let view = tx.view(from)?;
    if view.gone {
        return Err(super::transaction::no_mailbox());
    }
    let mut copied = Copied::default();
    let mut flags = Vec::new();
    for (first, behind) in places(&view.uids, uids) {
        copied.from.extend_from_slice(view.uids.get(first..behind).unwrap_or_default());
        flags.extend_from_slice(view.flags.get(first..behind).unwrap_or_default());
    }
    let mut messages = facts(tx, from, &copied.from)?;
    let (account_from, keywords_from) = (tx.row(from)?.account, tx.row(from)?.keywords.clone());
    let target = tx.row(to)?;
    let account = target.account;
    copied.uid_validity = target.uid_validity;
    if messages.is_empty() {
        return Ok((copied, Vec::new()));
    }
    check_uids(tx, to, messages.len() as u32)?;
    if bodies == Bodies::Shared || account != account_from {
        tx.check_quota(account, messages.iter().map(|message| message.size).sum())?;
    }
    // The same keyword has another bit over there.
    let used = flags.iter().fold(Flags::NONE, |all, flags| all | *flags);
    let mut bits = Vec::new();
    for (index, name) in keywords_from.iter().enumerate() {
        let here = Flags::keyword(index);
        if used.contains(here) {
            bits.push((here, keyword_flags(tx, to, std::slice::from_ref(name), true)?.0));
        }
    }
    let row = tx.row_mut(to)?;
    row.mod_seq += 1;
    let mod_seq = row.mod_seq;
    let mut appended = Vec::with_capacity(messages.len());
    for (message, flags) in messages.iter_mut().zip(flags) {
        let keywords = bits.iter().filter(|(here, _)| flags.contains(*here));
        message.flags = keywords.fold(flags & Flags::SYSTEM, |all, (_, there)| all | *there);
        message.mod_seq = mod_seq;
        let new = append(tx, to, message)?;
        copied.to.push(new.uid);
        appended.push(new);
    }
    if bodies == Bodies::Shared {
        let blobs: Vec<BlobId> = messages.iter().map(|message| message.blob).collect();
        free::share(tx, &blobs)?;
    }
    Ok((copied, appended))
}

/// What does not change about these messages, which are there, in their order.
fn facts(tx: &WriteTx<'_>, mailbox: MailboxId, uids: &[u32]) -> Result<Vec<NewMessage>> {
    let mut messages = Vec::with_capacity(uids.len());
    let mut statement = tx.db.prepare_cached(
        "SELECT internaldate, size, blob FROM fact WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid",
    )?;
    for (low, high) in uids.iter().copied().collect::<UidSet>().ranges() {
        let mut rows = statement.query(params![mailbox.0, low, high])?;
        while let Some(row) = rows.next()? {
            messages.push(NewMessage {
                internal_date: Timestamp(row.get(0)?),
                size: row.get::<_, i64>(1)? as u64,
                blob: BlobId(row.get(2)?),
                flags: Flags::NONE,
                mod_seq: 0,
            });
        }
    }
    if messages.len() != uids.len() {
        return Err(Error::new(ErrorKind::Store, "store: a message of the view has no row"));
    }
    Ok(messages)
}
