//! Queued mail for recipients that live here: filed, and sent on for those whose alias leads elsewhere.

use std::time::Duration;

use super::deliver::{End, Job};
use super::settle;
use crate::base::content::Spool;
use crate::base::limits::CHUNK_OCTETS_MAX;
use crate::base::{Content, Enhanced, Envelope, Error, ErrorKind, MailboxId, Recipient, Result};
use crate::delivery::directory::{Destinations, Nowhere, resolve};
use crate::delivery::local::{arrival, filings};
use crate::delivery::{Outcome, Verdict};
use crate::store::{Acceptance, NewItem};

/// Files for all recipients of a job.
pub(super) async fn file(job: &Job<'_>) -> Result<End> {
    let (context, item) = (job.context, &job.item);
    let directory = context.store.directory();
    let mut inboxes: Vec<MailboxId> = Vec::new();
    let mut onward: Vec<Recipient> = Vec::new();
    let mut outcomes = Vec::new();
    for to in &item.recipients {
        let refused = |status, text: &str| Outcome::unreached(Verdict::Failed, status, text);
        outcomes.push(match resolve(&*directory, &context.settings, &to.recipient.address) {
            Err(Nowhere::Unknown) => refused(Enhanced::new(5, 1, 1), "no such user here"),
            Err(Nowhere::TooMany) => refused(Enhanced::new(5, 4, 6), "aliases lead in a circle"),
            Ok(Destinations { accounts, remote: away }) => {
                // Whoever takes it further reports further.
                let dsn = accounts.is_empty();
                inboxes.extend(accounts.iter().map(|account| account.inbox));
                // The sender's wish for reports goes along; the address it was sent to stays known.
                let original = to.recipient.original.clone();
                let original = original.or(Some(format!("rfc822;{}", to.recipient.address)));
                let onto = |address| Recipient { address, original: original.clone(), ..to.recipient.clone() };
                onward.extend(away.into_iter().map(onto));
                Outcome { dsn, ..Outcome::unreached(Verdict::Delivered, Enhanced::new(2, 1, 5), "filed here") }
            }
        });
    }
    inboxes.sort();
    inboxes.dedup();
    let acceptance = acceptance(job, &inboxes, onward).await?;
    let decided = job.decided(&outcomes, Duration::ZERO);
    match settle::settle(context, item, decided, Some(acceptance)).await {
        Ok(attempt) => Ok(End::Settled { reach: None, attempt, delayed: false, due: None }),
        Err(e) if e.kind() == ErrorKind::Quota => {
            // One account without room holds back the others of this message: filing is one transaction.
            let full = Outcome::unreached(Verdict::Deferred, Enhanced::new(4, 2, 2), "mailbox full");
            let full = |outcome: Outcome| if outcome.verdict == Verdict::Delivered { full.clone() } else { outcome };
            let outcomes: Vec<_> = outcomes.into_iter().map(full).collect();
            job.settle(&outcomes, Duration::ZERO, None).await
        }
        Err(e) => Err(e),
    }
}

async fn acceptance(job: &Job<'_>, inboxes: &[MailboxId], onward: Vec<Recipient>) -> Result<Acceptance> {
    let (context, item) = (job.context, &job.item);
    let mut acceptance = Acceptance::default();
    if inboxes.is_empty() && onward.is_empty() {
        return Ok(acceptance);
    }
    let now = context.world.clock.wall();
    let content = content(job).await?;
    if !inboxes.is_empty() {
        let from = item.envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
        let prefix = format!("Return-Path: <{from}>\r\n").into_bytes();
        let filed = Content { prefix, body: content.body.clone() };
        acceptance.arrivals.push(arrival(filed, filings(inboxes, now), now)?);
    }
    if !onward.is_empty() {
        let envelope = Envelope { recipients: onward, ..item.envelope.clone() };
        let (submitter, expires) = (item.submitter, item.expires);
        acceptance.items.push(NewItem { envelope, content, submitter, created: now, due: now, expires });
    }
    Ok(acceptance)
}

/// The message, in memory or a scratch file.
async fn content(job: &Job<'_>) -> Result<Content> {
    let (context, item) = (job.context, &job.item);
    let mut spool = Spool::new(context.world.disk.clone(), context.store.scratch_folder(), item.size);
    while spool.octets() < item.size {
        let piece = context.store.body(item.blob, spool.octets(), CHUNK_OCTETS_MAX).await?;
        if piece.is_empty() || spool.push(&piece).is_err() {
            return Err(Error::new(ErrorKind::Store, "a queued message could not be read"));
        }
    }
    Ok(spool.finish())
}
