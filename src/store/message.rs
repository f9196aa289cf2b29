//! Messages in: filed and queued in one transaction.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::delta::{Arriving, Delta};
use super::transaction::{Usage, WriteTx};
use super::{Acceptance, Accepted, Arrival, Expunge, Filed, Notes, Snapshot, Store};
use super::{dmarc, dmarc_report, expunge, outward, queue, room, sieve, tls};
use crate::base::event::Event;
use crate::base::snapshot::Messages;
use crate::base::{AccountId, BlobId, Error, ErrorKind, Flags, MailboxId, Result, Uid};

impl Store {
    /// Files and queues in one transaction, or does nothing: `Quota` where an account has no room, `NotFound` where a
    /// mailbox is gone, `Limit` where one has no room for a keyword or no UID left.
    pub async fn accept(&self, acceptance: Acceptance) -> Result<Accepted> {
        self.accept_noting(acceptance, Notes::default()).await
    }

    /// [`Store::accept`], with what is to be noted beside it. `NotFound` also where a report was made before.
    pub async fn accept_noting(&self, acceptance: Acceptance, notes: Notes) -> Result<Accepted> {
        let filings = || acceptance.arrivals.iter().flat_map(|arrival| &arrival.filings);
        let marked: BTreeSet<MailboxId> =
            filings().filter(|filing| !filing.keywords.is_empty()).map(|filing| filing.mailbox).collect();
        let replaced = match notes.replaces {
            Some((mailbox, _)) => Some(self.snapshot(mailbox).await?),
            None => None,
        };
        let wanted = Arc::new((acceptance, notes, replaced));
        match self.accept_knowing(wanted.clone(), Vec::new()).await {
            // Perhaps a keyword that no message has can make room.
            Err(e) if e.kind() == ErrorKind::Limit && !marked.is_empty() => {
                let mut known = Vec::new();
                for mailbox in marked {
                    known.push(self.snapshot(mailbox).await?);
                }
                self.accept_knowing(wanted, known).await
            }
            done => done,
        }
    }

    async fn accept_knowing(&self, wanted: Arc<Wanted>, known: Vec<Snapshot>) -> Result<Accepted> {
        self.write(octets(&wanted.0), move |tx| {
            let (acceptance, notes, replaced) = &*wanted;
            if let Some(key) = &notes.submit_key
                && let Some(taken) = outward::taken_before(tx, key)?
            {
                return Ok(taken);
            }
            room::take(tx.shared, octets(acceptance))?;
            if let Some((day, domain)) = &notes.reported {
                dmarc::reported(tx, *day, domain)?;
            }
            if let Some((day, domain)) = &notes.tls_reported {
                tls::reported(tx, *day, domain)?;
            }
            // Before what goes is taken away: then nobody may look any more.
            let views = known.iter().map(|known| Ok((known.mailbox, tx.view(known)?))).collect::<Result<_>>()?;
            if let (Some((_, uid)), Some(replaced)) = (notes.replaces, replaced) {
                replace(tx, replaced, uid)?;
            }
            let (accepted, first) = accept_blobs(tx, acceptance, &views)?;
            if let (true, Some(blob)) = (notes.unread_report, first) {
                dmarc_report::unread(tx, blob)?;
            }
            if let Some(id) = accepted.queued.first() {
                notes.sent.iter().try_for_each(|name| tls::note_sent(tx, name, *id))?;
            }
            if let Some(key) = &notes.submit_key {
                outward::note_taken(tx, key, &accepted)?;
            }
            Ok(accepted)
        })
        .await
    }
}

/// What is accepted, what is noted with it, and a state of the mailbox whose message it replaces.
type Wanted = (Acceptance, Notes, Option<Snapshot>);

/// Takes away the message that is replaced.
fn replace(tx: &mut WriteTx<'_>, known: &Snapshot, uid: Uid) -> Result<()> {
    let gone = expunge::expunge(tx, known, &Expunge::Among([uid].into_iter().collect()), &[], 1)?;
    match gone.uids.is_empty() {
        true => Err(Error::new(ErrorKind::NotFound, "the message to be replaced is gone")),
        false => Ok(()),
    }
}

/// Octets of the bodies in it.
pub(super) fn octets(acceptance: &Acceptance) -> u64 {
    let arrivals = acceptance.arrivals.iter().map(|arrival| arrival.content.len());
    arrivals.chain(acceptance.items.iter().map(|item| item.content.len())).sum()
}

/// Files and queues.
pub(super) fn accept(tx: &mut WriteTx<'_>, acceptance: &Acceptance) -> Result<Accepted> {
    Ok(accept_blobs(tx, acceptance, &BTreeMap::new())?.0)
}

/// Files and queues; gives the first arrival's body too. `views` are those of mailboxes whose keywords need room.
fn accept_blobs(
    tx: &mut WriteTx<'_>,
    acceptance: &Acceptance,
    views: &BTreeMap<MailboxId, Messages>,
) -> Result<(Accepted, Option<BlobId>)> {
    check(tx, acceptance)?;
    let mut accepted = Accepted::default();
    let mut deltas = BTreeMap::new();
    let mut first = None;
    for arrival in &acceptance.arrivals {
        let blob = file(tx, arrival, views, &mut accepted, &mut deltas)?;
        first = first.or(blob);
    }
    deltas.into_values().try_for_each(|delta| tx.apply(delta))?;
    for item in &acceptance.items {
        accepted.queued.push(queue::insert(tx, item)?);
    }
    sieve::carry_out(tx, &mut accepted, &acceptance.replies)?;
    acceptance.events.iter().for_each(|event| tx.say(event.clone()));
    Ok((accepted, first))
}

/// What is refused before any body is written.
fn check(tx: &mut WriteTx<'_>, acceptance: &Acceptance) -> Result<()> {
    let mut more: BTreeMap<AccountId, Usage> = BTreeMap::new();
    for arrival in &acceptance.arrivals {
        for filing in &arrival.filings {
            let account = tx.row(filing.mailbox)?.account;
            let more = more.entry(account).or_default();
            more.octets = more.octets.saturating_add(arrival.content.len());
            more.messages += 1;
        }
    }
    more.into_iter().try_for_each(|(account, more)| tx.check_quota(account, more))?;
    let letters = acceptance.replies.iter().filter_map(|reply| reply.item.as_ref());
    acceptance.items.iter().chain(letters).try_for_each(queue::check)
}

fn file(
    tx: &mut WriteTx<'_>,
    arrival: &Arrival,
    views: &BTreeMap<MailboxId, Messages>,
    accepted: &mut Accepted,
    deltas: &mut BTreeMap<MailboxId, Delta>,
) -> Result<Option<BlobId>> {
    let Some((_, more)) = arrival.filings.split_first() else { return Ok(None) };
    let blob = tx.db.body_insert(&arrival.content)?;
    tx.db.meta_insert(blob, &arrival.meta)?;
    tx.db.uses_add(&vec![blob; more.len()])?;
    let size = arrival.content.len();
    for filing in &arrival.filings {
        let mailbox = filing.mailbox;
        let delta = match deltas.entry(mailbox) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => place.insert(Delta::of(mailbox, tx.row(mailbox)?)),
        };
        let keywords = delta.keywords(&filing.keywords, views.get(&mailbox))?;
        delta.row.mod_seq += 1;
        let arriving = Arriving {
            internal_date: filing.internal_date,
            size,
            blob,
            flags: filing.flags & Flags::SYSTEM | keywords,
            mod_seq: delta.row.mod_seq,
        };
        let uid = delta.append(&arriving)?;
        let row = &delta.row;
        accepted.filed.push(Filed { mailbox, uid_validity: row.uid_validity, uid, mod_seq: row.mod_seq });
        let address = tx.account(row.account)?.map(|account| account.address.to_string());
        let event = Event::Filed {
            account: row.account,
            address: address.unwrap_or_default(),
            mailbox,
            mailbox_name: row.name.to_string(),
            uid,
            size,
            origin: arrival.origin.clone(),
        };
        tx.say(event);
    }
    Ok(Some(blob))
}
