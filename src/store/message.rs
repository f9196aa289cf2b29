//! Messages in: filed and queued in one transaction.

use rusqlite::params;

use super::transaction::WriteTx;
use super::{
    Acceptance, Accepted, Arrival, Filed, Notes, Snapshot, Store, body, dmarc, dmarc_report, free, meta, queue,
};
use crate::base::event::Event;
use crate::base::limits::KEYWORD_OCTETS_MAX;
use crate::base::{AccountId, BlobId, Error, ErrorKind, Flags, MailboxId, ModSeq, Result, Timestamp, Uid};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Store {
    /// The mailbox's present state, from the shared view (read from disk at first need).
    pub async fn snapshot(&self, mailbox: MailboxId) -> Result<Snapshot> {
        self.shared().check_up()?;
        match self.shared().views.snapshot(mailbox) {
            Some(snapshot) => Ok(snapshot),
            // The writer has it now, or there is none yet.
            None => self.write(0, move |tx| tx.snapshot(mailbox)).await,
        }
    }

    /// Files and queues in one transaction. `Quota` where an account has no room (nothing is done then),
    /// `NotFound` where a mailbox is gone.
    pub async fn accept(&self, acceptance: Acceptance) -> Result<Accepted> {
        self.accept_noting(acceptance, Notes::default()).await
    }

    /// [`Store::accept`], with what is to be noted beside it. `NotFound` also where a report was made before.
    pub async fn accept_noting(&self, acceptance: Acceptance, notes: Notes) -> Result<Accepted> {
        self.write(octets(&acceptance), move |tx| {
            if let Some((day, domain)) = &notes.reported {
                dmarc::reported(tx, *day, domain)?;
            }
            let (accepted, first) = accept_blobs(tx, &acceptance)?;
            if let (true, Some(blob)) = (notes.unread_report, first) {
                dmarc_report::unread(tx, blob)?;
            }
            Ok(accepted)
        })
        .await
    }
}

/// Octets of the bodies in it.
pub(super) fn octets(acceptance: &Acceptance) -> u64 {
    let arrivals = acceptance.arrivals.iter().map(|arrival| arrival.content.len());
    arrivals.chain(acceptance.items.iter().map(|item| item.content.len())).sum()
}

/// A message about to stand in a mailbox.
pub(super) struct NewMessage {
    pub internal_date: Timestamp,
    pub size: u64,
    pub blob: BlobId,
    pub flags: Flags,
    pub mod_seq: ModSeq,
}

/// A message whose row is written and that the view does not show yet.
pub(super) struct Appended {
    pub mailbox: MailboxId,
    pub uid: Uid,
    pub flags: Flags,
    pub mod_seq: ModSeq,
}

/// Files and queues.
pub(super) fn accept(tx: &mut WriteTx<'_>, acceptance: &Acceptance) -> Result<Accepted> {
    Ok(accept_blobs(tx, acceptance)?.0)
}

/// Files and queues; gives the first arrival's body too.
fn accept_blobs(tx: &mut WriteTx<'_>, acceptance: &Acceptance) -> Result<(Accepted, Option<BlobId>)> {
    check(tx, acceptance)?;
    let mut accepted = Accepted::default();
    let mut appended = Vec::new();
    let mut first = None;
    for arrival in &acceptance.arrivals {
        let blob = file(tx, arrival, &mut accepted, &mut appended)?;
        first = first.or(blob);
    }
    for item in &acceptance.items {
        accepted.queued.push(queue::insert(tx, item)?);
    }
    show(tx, &appended);
    Ok((accepted, first))
}

/// Everything that can be refused, before anything is done.
fn check(tx: &mut WriteTx<'_>, acceptance: &Acceptance) -> Result<()> {
    let mut octets: BTreeMap<AccountId, u64> = BTreeMap::new();
    let mut messages: BTreeMap<MailboxId, u32> = BTreeMap::new();
    for arrival in &acceptance.arrivals {
        for filing in &arrival.filings {
            let account = tx.row(filing.mailbox)?.account;
            *octets.entry(account).or_default() += arrival.content.len();
            *messages.entry(filing.mailbox).or_default() += 1;
        }
    }
    for (mailbox, messages) in messages {
        check_uids(tx, mailbox, messages)?;
    }
    octets.into_iter().try_for_each(|(account, octets)| tx.check_quota(account, octets))?;
    acceptance.items.iter().try_for_each(queue::check)
}

/// `Limit` where a mailbox has too few UIDs left.
pub(super) fn check_uids(tx: &mut WriteTx<'_>, mailbox: MailboxId, messages: u32) -> Result<()> {
    match tx.row(mailbox)?.uid_next.checked_add(messages) {
        Some(_) => Ok(()),
        None => Err(Error::new(ErrorKind::Limit, "the mailbox has no UIDs left")),
    }
}

fn file(
    tx: &mut WriteTx<'_>,
    arrival: &Arrival,
    accepted: &mut Accepted,
    appended: &mut Vec<Appended>,
) -> Result<Option<BlobId>> {
    let Some((_, more)) = arrival.filings.split_first() else { return Ok(None) };
    let blob = body::insert(tx, &arrival.content)?;
    meta::insert(tx, blob, &arrival.meta)?;
    free::share(tx, &vec![blob; more.len()])?;
    let size = arrival.content.len();
    for filing in &arrival.filings {
        let (keywords, _) = keyword_flags(tx, filing.mailbox, &filing.keywords, true)?;
        let row = tx.row_mut(filing.mailbox)?;
        row.mod_seq += 1;
        let message = NewMessage {
            internal_date: filing.internal_date,
            size,
            blob,
            flags: filing.flags & Flags::SYSTEM | keywords,
            mod_seq: row.mod_seq,
        };
        let (account, uid_validity, name) = (row.account, row.uid_validity, row.name.clone());
        let new = append(tx, filing.mailbox, &message)?;
        accepted.filed.push(Filed { mailbox: filing.mailbox, uid_validity, uid: new.uid, mod_seq: new.mod_seq });
        let address = tx.directory.account_by_id(account).map(|account| account.address.to_string());
        tx.say(Event::Filed {
            account,
            address: address.unwrap_or_default(),
            mailbox: filing.mailbox,
            mailbox_name: name.to_string(),
            uid: new.uid,
            size,
        });
        appended.push(new);
    }
    Ok(Some(blob))
}

/// Writes the row of one message; [`show`] it when nothing can be refused any more.
pub(super) fn append(tx: &mut WriteTx<'_>, mailbox: MailboxId, message: &NewMessage) -> Result<Appended> {
    let row = tx.row_mut(mailbox)?;
    let uid = row.uid_next;
    row.uid_next += 1;
    row.total += 1;
    row.unseen += u32::from(!message.flags.contains(Flags::SEEN));
    row.deleted += u32::from(message.flags.contains(Flags::DELETED));
    row.octets += message.size;
    let account = row.account;
    tx.charge(account, message.size as i64)?;
    tx.db
        .prepare_cached(
            "INSERT INTO fact(mailbox, uid, internaldate, size, blob, flags0, modseq0)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            mailbox.0,
            uid,
            message.internal_date.0,
            message.size as i64,
            message.blob.0,
            message.flags.0 as i64,
            message.mod_seq as i64
        ])?;
    Ok(Appended { mailbox, uid, flags: message.flags, mod_seq: message.mod_seq })
}

/// Shows new messages in the views that are in memory.
pub(super) fn show(tx: &mut WriteTx<'_>, appended: &[Appended]) {
    for run in appended.chunk_by(|a, b| a.mailbox == b.mailbox) {
        let Some(mailbox) = run.first().map(|new| new.mailbox) else { continue };
        let Some(view) = tx.view_mut_if_there(mailbox) else { continue };
        Arc::make_mut(&mut view.uids).extend(run.iter().map(|new| new.uid));
        Arc::make_mut(&mut view.flags).extend(run.iter().map(|new| new.flags));
        Arc::make_mut(&mut view.mod_seqs).extend(run.iter().map(|new| new.mod_seq));
    }
}

/// The bits of these keywords in a mailbox, and whether one was left out. New ones are made where `create`.
pub(super) fn keyword_flags(
    tx: &mut WriteTx<'_>,
    mailbox: MailboxId,
    names: &[String],
    create: bool,
) -> Result<(Flags, bool)> {
    let (mut flags, mut left_out) = (Flags::NONE, false);
    for name in names {
        let known = &tx.row(mailbox)?.keywords;
        if let Some(index) = known.iter().position(|k| k.eq_ignore_ascii_case(name)) {
            flags = flags | Flags::keyword(index);
            continue;
        }
        let index = known.len();
        if !create || index >= Flags::KEYWORDS_MAX || name.is_empty() || name.len() > KEYWORD_OCTETS_MAX {
            left_out = true;
            continue;
        }
        tx.db.prepare_cached("INSERT INTO keyword(mailbox, bit, name) VALUES (?1, ?2, ?3)")?.execute(params![
            mailbox.0,
            i64::from(Flags::KEYWORD_BIT_FIRST) + index as i64,
            name
        ])?;
        Arc::make_mut(&mut tx.row_mut(mailbox)?.keywords).push(name.clone());
        flags = flags | Flags::keyword(index);
    }
    Ok((flags, left_out))
}
