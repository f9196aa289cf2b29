//! One message's recipients that go the same way, and what is done with them: given up, filed here, or handed over.

use std::sync::Arc;

use super::kept::{self, Kept};
use super::settle::{self, Decided};
use super::{Context, bounce, schedule};
use crate::base::event::Outcome as Kind;
use crate::base::{Account, Enhanced, ErrorKind, QueueId, Recipient, Result, Timestamp};
use crate::delivery::directory::{self, Destinations, Nowhere, is_local, resolve};
use crate::delivery::filing::{Action, Place, file};
use crate::delivery::{Destination, Outcome, Outlet, Verdict, Work, attempt};
use crate::store::{Acceptance, AttemptResult, Item, ItemRecipient};

/// Which way recipients go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// Their time is over.
    Over,
    /// They live here.
    Here,
    /// To other hosts.
    Away(Destination),
}

impl Way {
    /// Recipients with equal keys may share a connection.
    pub(super) fn key(&self) -> String {
        match self {
            // No domain has a key that begins with a space.
            Way::Over => " over".to_owned(),
            Way::Here => " here".to_owned(),
            Way::Away(destination) => destination.key(),
        }
    }
}

/// Recipients of one message that go one way.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    pub(super) item: Arc<Item>,
    pub(super) way: Way,
    pub(super) recipients: Vec<ItemRecipient>,
}

impl Parcel {
    /// Parts those recipients of an item that are to be dealt with now.
    pub(super) fn part(context: &Context, item: Item, recipients: Vec<ItemRecipient>, now: Timestamp) -> Vec<Parcel> {
        let directory = context.store.directory();
        let item = Arc::new(item);
        let mut parcels: Vec<Parcel> = Vec::new();
        for recipient in recipients {
            let address = &recipient.recipient.address;
            let way = if now >= item.expires {
                Way::Over
            } else if is_local(&*directory, &context.settings, address) {
                Way::Here
            } else {
                Way::Away(Destination::of(address, &context.settings.outbound))
            };
            let key = way.key();
            match parcels.iter_mut().find(|parcel| parcel.way.key() == key) {
                Some(parcel) => parcel.recipients.push(recipient),
                None => parcels.push(Parcel { item: item.clone(), way, recipients: vec![recipient] }),
            }
        }
        parcels
    }

    /// What it claims.
    pub(super) fn places(&self) -> impl Iterator<Item = (QueueId, u32)> {
        self.recipients.iter().map(|recipient| (self.item.id, recipient.index))
    }

    /// Whether it is time to tell the sender of the delay.
    pub(super) fn is_delayed(&self, context: &Context) -> bool {
        let mark = schedule::delay_mark(&context.settings.outbound, &self.item);
        mark.is_some_and(|mark| context.world.clock.wall() >= mark)
    }

    /// Deals with it; whether recipients were deferred.
    pub(super) async fn deal(&self, context: &Context, outlet: &Outlet) -> Result<bool> {
        match &self.way {
            Way::Over => self.give_up(context).await.map(|()| false),
            Way::Here => self.file(context).await,
            Way::Away(destination) => self.hand_over(context, outlet, destination).await,
        }
    }

    async fn give_up(&self, context: &Context) -> Result<()> {
        let at = context.world.clock.wall();
        let decided = self.recipients.iter().map(|to| {
            let before = to.last.clone();
            let text = match &before {
                Some(last) => format!("given up after {} attempts; the last one: {}", to.attempts, last.text),
                None => "given up before an attempt was made".to_owned(),
            };
            // RFC 3463 §3.5: delivery time expired.
            let result = AttemptResult {
                at,
                outcome: Kind::Expired,
                host: before.as_ref().map_or(String::new(), |last| last.host.clone()),
                code: before.as_ref().map_or(0, |last| last.code),
                enhanced: Some(Enhanced::new(4, 4, 7)),
                text,
                took: std::time::Duration::ZERO,
                tls: String::new(),
            };
            Decided { result, next: None, dsn: false, to }
        });
        settle::settle(context, &self.item, decided.collect(), None).await.map(drop)
    }

    /// Before an attempt: counts it, and writes when the next would be, should we die within. `None` where a
    /// recipient was dropped or held meanwhile: then nothing is done.
    async fn begin(&self, context: &Context) -> Result<Option<()>> {
        let attempts = self.recipients.iter().map(|to| to.attempts).max().unwrap_or(0).saturating_add(1);
        let next = self.next(context, attempts);
        match context.store.queue_begin(self.places().collect(), next).await {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    fn next(&self, context: &Context, attempts: u32) -> Timestamp {
        let (outbound, now) = (&context.settings.outbound, context.world.clock.wall());
        let mark = schedule::delay_mark(outbound, &self.item);
        schedule::next_attempt(outbound, attempts, now, mark, self.item.expires, context.world.entropy.u64())
    }

    async fn hand_over(&self, context: &Context, outlet: &Outlet, destination: &Destination) -> Result<bool> {
        if self.begin(context).await?.is_none() {
            return Ok(false);
        }
        let begun = context.world.clock.now();
        let recipients: Vec<Recipient> = self.recipients.iter().map(|to| to.recipient.clone()).collect();
        let body = Kept { context, item: &self.item };
        let (envelope, size) = (&self.item.envelope, self.item.size);
        let outcomes =
            attempt(outlet, &Work { destination, envelope, recipients: &recipients, size, body: &body }).await;
        let took = context.world.clock.now() - begun;
        let mut decided = self.decided(context, outcomes.iter(), took);
        if decided.iter().any(|one| one.next.is_some()) {
            // The host may have given it up meanwhile: then it is over at once, not at the next attempt.
            let expires = context.store.queue_item(self.item.id).await.ok().flatten().map(|now| now.expires);
            let now = context.world.clock.wall();
            for one in &mut decided {
                one.next = one.next.map(|next| expires.map_or(next, |expires| next.min(expires.max(now))));
            }
        }
        settle::settle(context, &self.item, decided, None).await
    }

    fn decided<'a>(
        &'a self,
        context: &Context,
        outcomes: impl Iterator<Item = &'a Outcome>,
        took: std::time::Duration,
    ) -> Vec<Decided<'a>> {
        let at = context.world.clock.wall();
        let decided = self.recipients.iter().zip(outcomes).map(|(to, outcome)| {
            let again = outcome.verdict == Verdict::Deferred;
            let next = again.then(|| self.next(context, to.attempts.saturating_add(1)));
            Decided { result: outcome.result(at, took), next, dsn: outcome.dsn, to }
        });
        decided.collect()
    }

    // -- here ------------------------------------------------------------------------------------------

    /// Files for recipients that live here, and sends on for those whose alias leads elsewhere.
    async fn file(&self, context: &Context) -> Result<bool> {
        if self.begin(context).await?.is_none() {
            return Ok(false);
        }
        let directory = context.store.directory();
        let mut actions: Vec<Action> = Vec::new();
        let mut onward: Vec<Recipient> = Vec::new();
        let mut outcomes = Vec::new();
        for to in &self.recipients {
            let refused = |status, text: &str| Outcome::unreached(Verdict::Failed, status, text);
            outcomes.push(match resolve(&*directory, &context.settings, &to.recipient.address) {
                Err(Nowhere::Unknown) => refused(Enhanced::new(5, 1, 1), "no such user here"),
                Err(Nowhere::TooMany) => refused(Enhanced::new(5, 4, 6), "aliases lead in a circle"),
                Ok(Destinations { accounts, remote: away }) => {
                    // Whoever takes it further reports further.
                    let dsn = accounts.is_empty();
                    let is_new = |account: &Arc<Account>| actions.iter().all(|known| known.account.id != account.id);
                    let new: Vec<_> = accounts.into_iter().filter(is_new).collect();
                    actions.extend(new.into_iter().map(|account| Action::to(Place::Inbox, account)));
                    onward.extend(away.into_iter().map(|address| directory::onward(&to.recipient, address)));
                    Outcome { dsn, ..Outcome::unreached(Verdict::Delivered, Enhanced::new(2, 1, 5), "filed here") }
                }
            });
        }
        let acceptance = self.acceptance(context, &actions, onward).await?;
        let took = std::time::Duration::ZERO;
        let decided = self.decided(context, outcomes.iter(), took);
        match settle::settle(context, &self.item, decided, Some(acceptance)).await {
            Err(e) if e.kind() == ErrorKind::Quota => {
                // One account without room holds back the others of this message: filing is one transaction.
                let full = Outcome::unreached(Verdict::Deferred, Enhanced::new(4, 2, 2), "mailbox full");
                let outcomes: Vec<_> = outcomes
                    .into_iter()
                    .map(|outcome| if outcome.verdict == Verdict::Delivered { full.clone() } else { outcome })
                    .collect();
                settle::settle(context, &self.item, self.decided(context, outcomes.iter(), took), None).await
            }
            other => other,
        }
    }

    async fn acceptance(&self, context: &Context, actions: &[Action], onward: Vec<Recipient>) -> Result<Acceptance> {
        let mut acceptance = Acceptance::default();
        if actions.is_empty() && onward.is_empty() {
            return Ok(acceptance);
        }
        let now = context.world.clock.wall();
        let (content, reverse_path) =
            (kept::content(context, &self.item).await?, self.item.envelope.reverse_path.as_ref());
        acceptance
            .arrivals
            .extend(file(&context.world, &context.store, actions, reverse_path, content.clone(), now).await?);
        if !onward.is_empty() {
            let envelope = crate::base::Envelope { recipients: onward, ..self.item.envelope.clone() };
            let (submitter, expires) = (self.item.submitter, self.item.expires);
            let item = crate::store::NewItem { envelope, content, submitter, created: now, due: now, expires };
            acceptance.items.push(item);
        }
        Ok(acceptance)
    }
}

/// Tells the sender of a delay, where that is still to be done.
pub(super) async fn report_delay(context: &Context, id: QueueId) {
    if let Err(e) = bounce::report_delay(context, id).await {
        log::warn!("the delay of queued message {} was not reported: {e}", id.0);
    }
}
