//! Reports to senders: the one place that writes them, and the one rule of who gets them.
//!
//! A report goes to the reverse-path of the message it is about, and nowhere where that is null; its own reverse-path
//! is null and it asks for no report, so that nothing it meets on its way causes another. A sender here finds it filed,
//! in the transaction of what it tells; targets elsewhere, those of the sender's aliases too, get it by the queue.

use std::sync::Arc;
use std::time::Duration;

use super::{Context, schedule};
use crate::base::envelope::{Notify, Returns};
use crate::base::event::Outcome;
use crate::base::limits::{BOUNCE_RETURNS_OCTETS_MAX, CHUNK_OCTETS_MAX, FILE_INLINE_OCTETS_MAX};
use crate::base::terms::{Terms, TlsTerm};
use crate::base::{
    Address, BlobId, Content, Enhanced, Envelope, ErrorKind, QueueId, Recipient, Result, Settings, Timestamp, World,
};
use crate::delivery::directory::{known, resolve};
use crate::delivery::filing::{Action as Filed, Place, file};
use crate::dsn::{Action, Letter, Original, RecipientReport, Report, Typed, compose};
use crate::mailauth::Keyring;
use crate::os::aside::aside;
use crate::store::{Acceptance, Arrival, AttemptResult, Item, ItemRecipient, NewItem, RecipientState, Store};

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
    let last = to.last.as_ref().filter(|_| result.outcome == Outcome::Expired);
    let said = last.unwrap_or(result);
    RecipientReport {
        original: to.recipient.original.as_deref().and_then(Typed::parse),
        recipient: Typed::address(&to.recipient.address),
        action,
        status,
        remote_mta: (!result.host.is_empty()).then(|| Typed::new("dns", result.host.as_str())),
        diagnostic: (status.class != 2).then(|| diagnostic(said)),
        last_attempt: Some(said.at),
        will_retry_until: until,
    }
}

/// The reply of a host in its own words, or what we found ourselves.
fn diagnostic(said: &AttemptResult) -> Typed {
    let text = said.text.trim();
    if said.code == 0 {
        let text = if text.is_empty() { "no reason was noted" } else { text };
        return Typed::new(Typed::OURS, text);
    }
    // Where the host gave no status code, ours of the class alone is not among its words.
    let given = said.enhanced.filter(|enhanced| (enhanced.subject, enhanced.detail) != (0, 0));
    let given = given.map(|enhanced| enhanced.to_string());
    let words = [Some(said.code.to_string()), given, Some(text.to_owned()).filter(|text| !text.is_empty())];
    Typed::new("smtp", words.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// A report on its way, and whom it goes to.
pub struct Bounce {
    /// The reverse-path.
    pub to: Address,
    /// Filed here.
    pub arrival: Option<Arrival>,
    /// Queued.
    pub item: Option<NewItem>,
}

impl Bounce {
    /// Adds it to a transaction; the place of its item among the items there.
    pub fn join(self, acceptance: &mut Acceptance) -> Option<usize> {
        acceptance.arrivals.extend(self.arrival);
        let place = self.item.as_ref().map(|_| acceptance.items.len());
        acceptance.items.extend(self.item);
        place
    }
}

/// The message that a report is about.
pub struct Subject<'a> {
    /// Its envelope.
    pub envelope: &'a Envelope,
    /// When it came here.
    pub arrival: Timestamp,
    /// Its octets from the beginning, as many as may be returned.
    pub beginning: Vec<u8>,
    /// Whether they are all of it.
    pub complete: bool,
    /// What may be brought back of it.
    pub returns: Option<Returns>,
}

/// What reports are written with.
#[derive(Clone, Copy)]
pub struct Reporter<'a> {
    /// The world outside.
    pub world: &'a World,
    /// Where they are filed.
    pub store: &'a Store,
    /// What the host set.
    pub settings: &'a Arc<Settings>,
    /// Keys they are signed with.
    pub keyring: &'a Keyring,
}

impl Reporter<'_> {
    /// Writes a report on `recipients`; `None` where nobody is to be told. With `by_queue`, it is queued even for a
    /// sender here: an inbox that is full today may have room tomorrow.
    pub async fn write(
        &self,
        subject: Subject<'_>,
        recipients: Vec<RecipientReport>,
        by_queue: bool,
    ) -> Result<Option<Bounce>> {
        let reverse_path = subject.envelope.reverse_path.clone();
        let Some(to) = reverse_path.filter(|_| !recipients.is_empty()) else { return Ok(None) };
        let (actions, away) = match known(self.store, |known| resolve(known, self.settings, &to)).await? {
            Ok(_) if by_queue => (Vec::new(), vec![to.clone()]),
            Ok(found) => (found.accounts, found.remote),
            // The sender's account is gone, or its aliases lead nowhere: there is nobody to tell.
            Err(_) => return Ok(None),
        };
        let actions: Vec<_> = actions.into_iter().map(|account| Filed::to(Place::Inbox, account)).collect();
        let now = self.world.clock.wall();
        let (content, envelope) = self.letter(subject, recipients, &to, now).await?;
        let arrival = file(self.world, self.store, &actions, None, content.clone(), now).await?;
        let item = (!away.is_empty()).then(|| {
            let recipient = |address| Recipient { notify: Notify::NEVER, ..Recipient::new(address) };
            let envelope = Envelope { recipients: away.into_iter().map(recipient).collect(), ..envelope };
            let expires = schedule::expires(&self.settings.outbound, now);
            NewItem { envelope, content, submitter: None, created: now, due: now, expires }
        });
        Ok(Some(Bounce { to, arrival, item }))
    }

    /// The mail, signed where there is a key, and what its envelope must say.
    async fn letter(
        &self,
        subject: Subject<'_>,
        recipients: Vec<RecipientReport>,
        to: &Address,
        now: Timestamp,
    ) -> Result<(Content, Envelope)> {
        let (mut boundary, mut message_id) = ([0; 16], [0; 16]);
        self.world.entropy.fill(&mut boundary);
        self.world.entropy.fill(&mut message_id);
        let report = Report {
            reporting_mta: self.settings.hostname.clone(),
            envelope_id: subject.envelope.envelope_id.clone(),
            arrival: Some(subject.arrival),
            recipients,
        };
        let (to, inline) = (to.clone(), subject.beginning.len() as u64 <= FILE_INLINE_OCTETS_MAX);
        let (beginning, complete, returns) = (subject.beginning, subject.complete, subject.returns);
        let written = aside(&*self.world.run, inline, move || {
            let original = Original { octets: &beginning, complete, returns };
            compose(&Letter { report: &report, to: &to, date: now, boundary, message_id, original })
        });
        let written = written.await?;
        let mut content = Content::from_octets(written.octets);
        if self.settings.checking.signs {
            // A report that cannot be signed is still a report.
            content.prefix = self.keyring.sign(&*self.world.run, &content, now).await.unwrap_or_default();
        }
        let terms = Terms { tls: subject.envelope.terms.tls, ..Terms::default() };
        Ok((content, Envelope { body: written.body, smtputf8: written.smtputf8, terms, ..Envelope::default() }))
    }
}

/// Writes a report on `recipients` of `item`; see [`Reporter::write`].
pub(super) async fn report(
    context: &Context,
    item: &Item,
    recipients: Vec<RecipientReport>,
    by_queue: bool,
) -> Result<Option<Bounce>> {
    if recipients.is_empty() || item.envelope.reverse_path.is_none() {
        return Ok(None);
    }
    let beginning = surely_beginning(context, item).await;
    let complete = beginning.len() as u64 == item.size;
    let envelope = &item.envelope;
    // RFC 8689 §5: what had to travel under TLS does not come back whole.
    let is_strict = envelope.terms.tls == TlsTerm::Required;
    let returns = if is_strict { Some(Returns::Headers) } else { envelope.returns };
    let subject = Subject { envelope, arrival: item.created, beginning, complete, returns };
    context.reporter().write(subject, recipients, by_queue).await
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
        for (code, enhanced, text, status, quoted) in [
            (550, Some(Enhanced::new(5, 1, 1)), "no", "5.1.1", Typed::new("smtp", "550 5.1.1 no")),
            // What `delivery::error` gives a reply without one.
            (550, Some(Enhanced::new(5, 0, 0)), "no", "5.0.0", Typed::new("smtp", "550 no")),
            (550, None, "no", "5.0.0", Typed::new("smtp", "550 no")),
            (550, None, "", "5.0.0", Typed::new("smtp", "550")),
            (0, Some(Enhanced::new(5, 6, 3)), "no 8BITMIME", "5.6.3", Typed::new(Typed::OURS, "no 8BITMIME")),
        ] {
            let (host, text, tls) = ("mx.y".to_owned(), text.to_owned(), String::new());
            let (at, outcome, took) = (Timestamp(0), Outcome::Failed, Duration::ZERO);
            let result = AttemptResult { at, outcome, host, code, enhanced, text, took, tls, policy: String::new() };
            let report = about(&to, Action::Failed, &result, None);
            assert_eq!(report.status.to_string(), status);
            assert_eq!(report.diagnostic, Some(quoted));
        }
    }

    #[test]
    fn who_gave_up_tells_what_was_said_last() {
        let (host, tls, took) = (String::new(), String::new(), Duration::ZERO);
        let result = |code, text: &str, outcome| AttemptResult {
            at: Timestamp(i64::from(code)),
            outcome,
            host: host.clone(),
            code,
            enhanced: None,
            text: text.to_owned(),
            took,
            tls: tls.clone(),
            policy: String::new(),
        };
        let to = ItemRecipient {
            index: 0,
            recipient: Recipient::new(Address::parse("b@y").unwrap()),
            state: RecipientState::Waiting,
            attempts: 1,
            due: Timestamp(0),
            last: Some(result(450, "later", Outcome::Deferred)),
        };
        let expired = result(450, "given up after 1 attempts; the last one: later", Outcome::Expired);
        let report = about(&to, Action::Failed, &expired, None);
        assert_eq!(report.diagnostic, Some(Typed::new("smtp", "450 later")));
        let never = ItemRecipient { last: None, ..to };
        let given_up = result(0, "given up before an attempt was made", Outcome::Expired);
        let report = about(&never, Action::Failed, &given_up, None);
        assert_eq!(report.diagnostic, Some(Typed::new(Typed::OURS, "given up before an attempt was made")));
    }
}
