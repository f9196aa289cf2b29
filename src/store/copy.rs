//! COPY and MOVE: new rows for the same bodies; all messages or none. A few in one commit, many in steps (`transfer`).

use super::delta::{self, Delta, Going};
use super::transaction::{Usage, WriteTx};
use super::transfer::Destination;
use super::{Copied, Fact, Snapshot, Store, fact, write};
use crate::base::{BlobId, ErrorKind, Flags, MailboxId, Result, UidSet};

impl Store {
    /// COPY: all or none. `NotFound` where a mailbox is not there (any more), `Limit` where a keyword cannot be kept in
    /// `to`, `Quota`.
    pub async fn copy(&self, from: MailboxId, uids: UidSet, to: MailboxId) -> Result<Copied> {
        self.copy_or_move(from, uids, to, false).await
    }

    /// MOVE: all or none. Errors as of [`Store::copy`].
    pub async fn move_messages(&self, from: MailboxId, uids: UidSet, to: MailboxId) -> Result<Copied> {
        self.copy_or_move(from, uids, to, true).await
    }

    async fn copy_or_move(&self, from: MailboxId, uids: UidSet, to: MailboxId, moves: bool) -> Result<Copied> {
        let known = self.snapshot(from).await?;
        if self.are_many(&known, &uids) {
            let there = Destination::Mailbox(self.snapshot(to).await?);
            if let Some(copied) = self.transfer(known.clone(), uids.clone(), there, moves).await? {
                return Ok(copied);
            }
        }
        match self.at_once(known.clone(), uids.clone(), to, None, moves).await {
            Err(e) if e.kind() == ErrorKind::Limit => {
                let target = self.snapshot(to).await?;
                self.at_once(known, uids, to, Some(target), moves).await
            }
            done => done,
        }
    }

    /// In one commit. `target` is a state of `to`, where its keywords need room.
    async fn at_once(
        &self,
        known: Snapshot,
        uids: UidSet,
        to: MailboxId,
        target: Option<Snapshot>,
        moves: bool,
    ) -> Result<Copied> {
        self.write(0, move |tx| match moves {
            true => move_all(tx, &known, &uids, to, target.as_ref()),
            false => copy(tx, &known, &uids, to, target.as_ref()),
        })
        .await
    }
}

/// The messages among `uids`, with their flags.
fn chosen(tx: &mut WriteTx<'_>, known: &Snapshot, uids: &UidSet) -> Result<Vec<(Fact, Flags)>> {
    let view = tx.view(known)?;
    let (mut set, mut flags) = (UidSet::new(), Vec::new());
    for message in view.among(uids) {
        set.push(message.uid);
        flags.push(message.flags);
    }
    let facts = fact::of_all(tx.db, known.mailbox, &set)?;
    Ok(facts.into_iter().zip(flags).collect())
}

/// Copies. `target` is a state of `to`, where its keywords need room.
fn copy(
    tx: &mut WriteTx<'_>,
    known: &Snapshot,
    uids: &UidSet,
    to: MailboxId,
    target: Option<&Snapshot>,
) -> Result<Copied> {
    let messages = chosen(tx, known, uids)?;
    let from = tx.row(known.mailbox)?;
    let mut delta = Delta::of(to, tx.row(to)?);
    let mut copied = begin(&messages, &delta);
    if messages.is_empty() {
        return Ok(copied);
    }
    tx.check_quota(delta.row.account, usage(&messages))?;
    let view = target.map(|target| tx.view(target)).transpose()?;
    copied.to = delta::copy(&mut delta, view.as_ref(), &from, &messages)?;
    let blobs: Vec<BlobId> = messages.iter().map(|(fact, _)| fact.blob).collect();
    tx.db.uses_add(&blobs)?;
    tx.apply(delta)?;
    Ok(copied)
}

/// Moves. `target` as of [`copy`].
pub(super) fn move_all(
    tx: &mut WriteTx<'_>,
    known: &Snapshot,
    uids: &UidSet,
    to: MailboxId,
    target: Option<&Snapshot>,
) -> Result<Copied> {
    let messages = chosen(tx, known, uids)?;
    let (mailbox, from) = (known.mailbox, tx.row(known.mailbox)?);
    let target_view = target.map(|target| tx.view(target)).transpose()?;
    let mut target = Delta::of(to, tx.row(to)?);
    let mut copied = begin(&messages, &target);
    if messages.is_empty() {
        copied.mod_seq = from.mod_seq;
        return Ok(copied);
    }
    if target.row.account != from.account {
        tx.check_quota(target.row.account, usage(&messages))?;
    }
    copied.to = delta::copy(&mut target, target_view.as_ref(), &from, &messages)?;
    let view = tx.view(known)?;
    let floor = write::vanished_floor(tx.db, mailbox, &from)?;
    let facts = messages.into_iter().map(|(fact, _)| fact).collect();
    // Within one mailbox it is one change.
    let within = mailbox == to;
    let mut source = if within { target.clone() } else { Delta::of(mailbox, from) };
    source.remove(&view, facts, Going::Elsewhere, floor)?;
    copied.mod_seq = source.row.mod_seq;
    if !within {
        tx.apply(target)?;
    }
    tx.apply(source)?;
    Ok(copied)
}

fn begin(messages: &[(Fact, Flags)], to: &Delta) -> Copied {
    let from = messages.iter().map(|(fact, _)| fact.uid).collect();
    Copied { uid_validity: to.row.uid_validity, from, ..Copied::default() }
}

fn usage(messages: &[(Fact, Flags)]) -> Usage {
    Usage { octets: messages.iter().map(|(fact, _)| fact.size).sum(), messages: messages.len() as u64 }
}
