//! Reports to senders: who gets them, and how they go there.
//!
//! A report goes to the reverse-path of the message it is about, with a null reverse-path of its own, so that nothing
//! it meets on its way causes another. A sender here finds it in the inbox, filed in the transaction that settles the
//! attempt; one elsewhere gets it by the queue.

use std::time::Duration;

use super::{Context, schedule};
use crate::base::envelope::Notify;
use crate::base::event::Outcome;
use crate::base::limits::{BOUNCE_RETURNS_OCTETS_MAX, CHUNK_OCTETS_MAX};
use crate::base::{Address, BlobId, Content, Enhanced, Envelope, ErrorKind, QueueId, Recipient, Result, Timestamp};
use crate::delivery::directory::resolve;
use crate::delivery::local::{arrival, filings};
use crate::dsn::{Action, Letter, Original, RecipientReport, Report, Typed, compose};
use crate::store::{Acceptance, Arrival, AttemptResult, Item, ItemRecipient, NewItem, RecipientState};

/// What is said of one recipient.
pub(super) fn about(
    to: &ItemRecipient,
    action: Action,
    result: &AttemptResult,
    until: Option<Timestamp>,
) -> RecipientReport {
    let status = match (action, result.enhanced) {
        // What the host said of its own doing is not what we say of ours.
        (Action::Delivered | Action::Relayed | Action::Expanded, _) => Enhanced::new(2, 0, 0),
        // A 5yz we do not take for the last word is none.
        (Action::Delayed, status) => Enhanced { class: 4, ..status.unwrap_or(Enhanced::new(4, 0, 0)) },
        (Action::Failed, status) => status.unwrap_or(Enhanced::new(5, 0, 0)),
    };
    // Time ran out over what was said at the last attempt.
    let said = if result.outcome == Outcome::Expired { to.last.as_ref() } else { Some(result) };
    let said = said.filter(|said| status.class != 2 && !said.text.is_empty());
    let diagnostic = said.map(|said| match said.code {
        0 => Typed::new("x-unknown", said.text.as_str()),
        code => {
            // Where the host gave no status code, ours of the class alone is not among its words.
            let given = said.enhanced.filter(|enhanced| (enhanced.subject, enhanced.detail) != (0, 0));
            let enhanced = given.map_or(String::new(), |enhanced| format!("{enhanced} "));
            Typed::new("smtp", format!("{code} {enhanced}{}", said.text))
        }
    });
    RecipientReport {
        original: to.recipient.original.as_deref().and_then(Typed::parse),
        recipient: Typed::address(&to.recipient.address),
        action,
        status,
        remote_mta: (!result.host.is_empty()).then(|| Typed::new("dns", result.host.as_str())),
        diagnostic,
        last_attempt: Some(said.map_or(result.at, |said| said.at)),
        will_retry_until: until,
    }
}

/// A report on its way, and whom it goes to.
pub(super) struct Bounce {
    /// The reverse-path.
    pub(super) to: Address,
    /// Filed here.
    pub(super) arrival: Option<Arrival>,
    /// Queued.
    pub(super) item: Option<NewItem>,
}

impl Bounce {
    /// Adds it to a transaction; the place of its item among the items there.
    pub(super) fn join(self, acceptance: &mut Acceptance) -> Option<usize> {
        acceptance.arrivals.extend(self.arrival);
        let place = self.item.as_ref().map(|_| acceptance.items.len());
        acceptance.items.extend(self.item);
        place
    }
}

/// Writes a report on `recipients` of `item`; `None` where nobody is to be told. With `by_queue`, it is queued even
/// for a sender here: an inbox that is full today may have room tomorrow.
pub(super) async fn report(
    context: &Context,
    item: &Item,
    recipients: Vec<RecipientReport>,
    by_queue: bool,
) -> Result<Option<Bounce>> {
    let Some(to) = item.envelope.reverse_path.clone().filter(|_| !recipients.is_empty()) else { return Ok(None) };
    let (world, settings) = (&context.world, &context.settings);
    let directory = context.store.directory();
    let (inboxes, away) = match resolve(&*directory, settings, &to) {
        Ok(_) if by_queue => (Vec::new(), vec![to.clone()]),
        Ok(found) => (found.accounts.iter().map(|account| account.inbox).collect::<Vec<_>>(), found.remote),
        // The sender's account is gone, or its aliases lead nowhere: there is nobody to tell.
        Err(_) => return Ok(None),
    };
    let now = world.clock.wall();
    let beginning = surely_beginning(context, item).await;
    let (mut boundary, mut message_id) = ([0; 16], [0; 16]);
    world.entropy.fill(&mut boundary);
    world.entropy.fill(&mut message_id);
    let report = Report {
        reporting_mta: settings.hostname.clone(),
        envelope_id: item.envelope.envelope_id.clone(),
        arrival: Some(item.created),
        recipients,
    };
    let complete = beginning.len() as u64 == item.size;
    let original = Original { octets: &beginning, complete, returns: item.envelope.returns };
    let written = compose(&Letter { report: &report, to: &to, date: now, boundary, message_id, original });
    let mut content = Content::from_octets(written.octets);
    if settings.checking.signs {
        // A report that cannot be signed is still a report.
        content.prefix = context.keyring.sign(&*world.run, &content, now).await.unwrap_or_default();
    }
    let mut bounce = Bounce { to, arrival: None, item: None };
    if !inboxes.is_empty() {
        let prefix = [b"Return-Path: <>\r\n", content.prefix.as_slice()].concat();
        let filed = Content { prefix, ..content.clone() };
        bounce.arrival = Some(arrival(filed, filings(&inboxes, now), now)?);
    }
    if !away.is_empty() {
        let recipient = |address| Recipient { notify: Notify::NEVER, ..Recipient::new(address) };
        let envelope = Envelope {
            reverse_path: None,
            recipients: away.into_iter().map(recipient).collect(),
            body: written.body,
            smtputf8: written.smtputf8,
            ..Envelope::default()
        };
        let expires = schedule::expires(&settings.outbound, now);
        bounce.item = Some(NewItem { envelope, content, submitter: None, created: now, due: now, expires });
    }
    Ok(Some(bounce))
}

/// As much of the message as a report may bring back; nothing where it cannot be read: the sender learns of the
/// failure all the same.
async fn surely_beginning(context: &Context, item: &Item) -> Vec<u8> {
    for pause_seconds in [1, 5] {
        match beginning(context, item.blob, item.size).await {
            Ok(octets) => return octets,
            Err(e) if e.kind().is_of_disk() => {
                log::warn!("queued message {} could not be read for a report: {e}", item.id.0);
                let clock = &context.world.clock;
                clock.sleep_until(clock.now() + Duration::from_secs(pause_seconds)).await;
            }
            Err(_) => return Vec::new(),
        }
    }
    beginning(context, item.blob, item.size).await.unwrap_or_default()
}

async fn beginning(context: &Context, blob: BlobId, size: u64) -> Result<Vec<u8>> {
    let wanted = size.min(BOUNCE_RETURNS_OCTETS_MAX);
    let mut octets = Vec::new();
    while (octets.len() as u64) < wanted {
        let left = usize::try_from(wanted - octets.len() as u64).unwrap_or(CHUNK_OCTETS_MAX);
        let piece = context.store.body(blob, octets.len() as u64, left.min(CHUNK_OCTETS_MAX)).await?;
        if piece.is_empty() {
            break;
        }
        octets.extend_from_slice(&piece);
    }
    Ok(octets)
}

/// Tells the sender of the delay, where it is time to and nobody did.
pub(super) async fn report_delay(context: &Context, id: QueueId) -> Result<()> {
    let Some(item) = context.store.queue_item(id).await? else { return Ok(()) };
    let outbound = &context.settings.outbound;
    let due = schedule::delay_mark(outbound, &item).is_some_and(|mark| context.world.clock.wall() >= mark);
    if !due {
        return Ok(());
    }
    let waiting = item.recipients.iter().filter(|to| to.state == RecipientState::Waiting && to.recipient.notify.delay);
    let recipients: Vec<_> =
        waiting.filter_map(|to| Some(about(to, Action::Delayed, to.last.as_ref()?, Some(item.expires)))).collect();
    let mut acceptance = Acceptance::default();
    if let Some(bounce) = report(context, &item, recipients, false).await? {
        bounce.join(&mut acceptance);
    }
    match context.store.queue_delay_reported(id, acceptance).await {
        // An inbox without room: the delay is not worth another message in the queue.
        Err(e) if e.kind() == ErrorKind::Quota => {
            context.store.queue_delay_reported(id, Acceptance::default()).await.map(drop)
        }
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_quoted_with_its_own_words() {
        let to = ItemRecipient {
            index: 0,
            recipient: Recipient::new(Address::parse("b@y").unwrap()),
            state: RecipientState::Waiting,
            attempts: 1,
            due: Timestamp(0),
            last: None,
        };
        for (enhanced, status, quoted) in [
            (Some(Enhanced::new(5, 1, 1)), "5.1.1", "550 5.1.1 no"),
            // What `delivery::trouble` gives a reply without one.
            (Some(Enhanced::new(5, 0, 0)), "5.0.0", "550 no"),
            (None, "5.0.0", "550 no"),
        ] {
            let (host, text, tls) = ("mx.y".to_owned(), "no".to_owned(), String::new());
            let (at, outcome, took) = (Timestamp(0), Outcome::Failed, Duration::ZERO);
            let result = AttemptResult { at, outcome, host, code: 550, enhanced, text, took, tls };
            let report = about(&to, Action::Failed, &result, None);
            assert_eq!(report.status.to_string(), status);
            assert_eq!(report.diagnostic, Some(Typed::new("smtp", quoted)));
        }
    }
}
