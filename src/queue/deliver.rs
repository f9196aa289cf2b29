//! One message's recipients at one destination, and what is done with them: given up, filed here, or handed over.
//!
//! The message is read when its turn has come. What changed meanwhile counts: recipients that were finished or dropped
//! are left out, a message that is held goes back, recipients that live elsewhere now are routed anew.

use std::net::SocketAddr;
use std::time::Duration;

use super::kept::QueuedBody;
use super::settle::{self, Decided};
use super::{Context, bounce, local, schedule};
use crate::base::event::{Event, Outcome as Kind};
use crate::base::{Enhanced, Error, ErrorKind, QueueId, Recipient, Result, Timestamp};
use crate::delivery::route::{KeyKind, Route};
use crate::delivery::{Outcome, Outlet, Progress, Reach, Report, Verdict, Work, attempt};
use crate::store::{AttemptResult, Claim, Item, ItemRecipient, QueueAction, RecipientState};

/// A claim, about to be dealt with.
pub(super) struct Delivery {
    /// What its destination's name says.
    pub(super) kind: KeyKind,
    /// The destination.
    pub(super) key: String,
    /// Which recipients.
    pub(super) claim: Claim,
    /// How much later than it was due it is dealt with, where the host moved the clock past its time.
    pub(super) late: Duration,
    /// What happened to others a moment ago: nothing is tried.
    pub(super) put_off: Option<Outcome>,
}

/// How it ended.
pub(super) enum End {
    /// What came of it is written down.
    Settled {
        /// How far an attempt got; `None` where none was made.
        reach: Option<Reach>,
        /// The last row written of it.
        attempt: i64,
        /// The sender is to be told of the delay.
        delayed: bool,
        /// When those that were put off are due again.
        due: Option<Timestamp>,
    },
    /// It went back, and is due as before.
    PutBack {
        /// A host that has as many connections as it may.
        full: Option<SocketAddr>,
    },
    /// There was nothing left to do here.
    Nothing,
}

/// The message with those of its recipients that are dealt with, and when that is.
pub(super) struct Job<'a> {
    pub(super) context: &'a Context,
    pub(super) item: Item,
    /// As of when it is dealt with: now, or when it was due.
    pub(super) as_of: Timestamp,
    /// When all are due again that are put off: they stay together.
    next: Timestamp,
    /// What happened in its attempt, line by line.
    trail: String,
}

impl Delivery {
    /// Deals with it.
    pub(super) async fn deal(&self, context: &Context, outlet: &Outlet, progress: &Progress) -> Result<End> {
        let (id, places) = (self.claim.id, self.claim.places.clone());
        let mut item = match context.store.queue_claimed(id, places).await {
            Ok(Some(item)) => item,
            Ok(None) => return Ok(End::Nothing),
            Err(e) if e.kind() == ErrorKind::Invalid => return set_aside(context, id, &e).await,
            Err(e) => return Err(e),
        };
        item.recipients.retain(|to| to.state == RecipientState::Waiting);
        if item.held {
            self.put_back(context).await?;
            return Ok(End::PutBack { full: None });
        }
        let route = match self.kind {
            KeyKind::Over => Route::Over,
            _ => match self.route(context, &mut item).await? {
                Some(route) => route,
                None => return Ok(End::Nothing),
            },
        };
        if item.recipients.is_empty() {
            return Ok(End::Nothing);
        }
        let mut job = Job::new(context, item, self.late);
        match (&route, &self.put_off) {
            (Route::Over, _) => job.give_up().await,
            (Route::Here, _) => local::file(&job).await,
            (Route::Away(_), Some(outcome)) => {
                let outcomes = vec![outcome.clone(); job.item.recipients.len()];
                job.settle(&outcomes, Duration::ZERO, None).await
            }
            (Route::Away(destination), None) => {
                if let Some(end) = job.keep_back_suppressed().await? {
                    return Ok(end);
                }
                let (report, took) = job.hand_over(outlet, destination, progress, self.late).await;
                job.trail = progress.trail();
                if let Reach::Full(at) = report.reach {
                    self.put_back(context).await?;
                    return Ok(End::PutBack { full: Some(at) });
                }
                let delivered = report.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Delivered).count();
                let others = report.outcomes.len() - delivered;
                context.store.destination_tried(&self.key, delivered as u64, others as u64);
                job.settle(&report.outcomes, took, Some(report.reach)).await
            }
        }
    }

    /// The route its recipients share by the directory as it is; those who go elsewhere are routed anew.
    async fn route(&self, context: &Context, item: &mut Item) -> Result<Option<Route>> {
        let recipients = &item.recipients;
        let routes = context.store.look_up(|directory| {
            let of = |to: &ItemRecipient| Route::of(&to.recipient.address, directory, &context.settings);
            recipients.iter().map(of).collect::<Vec<_>>()
        });
        let mut routes = routes.await?.into_iter();
        let mut route = None;
        let mut elsewhere = Vec::new();
        item.recipients.retain(|to| {
            // One for each, in their order.
            let Some(its) = routes.next() else { return true };
            let stays = its.key() == self.key;
            if stays {
                route.get_or_insert(its);
            } else {
                elsewhere.push(to.index);
            }
            stays
        });
        if !elsewhere.is_empty() {
            let now = context.world.clock.wall();
            context.store.queue_reroute_places(self.claim.id, elsewhere, now).await?;
        }
        Ok(route)
    }

    async fn put_back(&self, context: &Context) -> Result<()> {
        context.store.queue_put_back(vec![self.claim.clone()]).await
    }
}

impl<'a> Job<'a> {
    fn new(context: &'a Context, item: Item, late: Duration) -> Self {
        let now = context.world.clock.wall();
        let as_of = Timestamp(now.0.saturating_sub(i64::try_from(late.as_millis()).unwrap_or(0)));
        let outbound = &context.settings.outbound;
        let attempts = item.recipients.iter().map(|to| to.attempts).max().unwrap_or(1);
        let mark = schedule::delay_mark(outbound, &item);
        let random = context.world.entropy.u64();
        let next = schedule::next_attempt(outbound, attempts, as_of, mark, item.expires, random);
        Self { context, item, as_of, next, trail: String::new() }
    }

    /// Gives up recipients whose addresses are suppressed by now; how it ended where that is all of them.
    async fn keep_back_suppressed(&mut self) -> Result<Option<End>> {
        let recipients = &self.item.recipients;
        let addresses = recipients.iter().map(|to| to.recipient.address.clone()).collect();
        let now = self.context.world.clock.wall();
        let found = self.context.store.suppressed(self.item.submitter, addresses, now).await?;
        if found.iter().all(Option::is_none) {
            return Ok(None);
        }
        let (mut kept_back, mut others) = (Vec::new(), Vec::new());
        let mut outcomes = Vec::new();
        for (to, row) in recipients.iter().cloned().zip(found) {
            let Some(row) = row else {
                others.push(to);
                continue;
            };
            let text = format!("the address is suppressed ({}): {}", row.reason, row.detail);
            outcomes.push(Outcome::unreached(Verdict::Failed, Enhanced::new(5, 7, 1), text));
            kept_back.push(to);
        }
        let item = Item { recipients: kept_back, ..self.item.clone() };
        let end = Job { item, trail: String::new(), ..*self }.settle(&outcomes, Duration::ZERO, None).await?;
        self.item.recipients = others;
        Ok(self.item.recipients.is_empty().then_some(end))
    }

    async fn give_up(&self) -> Result<End> {
        let at = self.context.world.clock.wall();
        let decided = self.item.recipients.iter().map(|to| {
            let result = expired(to.attempts, to.last.as_ref(), at);
            Decided { to: to.clone(), attempt: None, result, next: None, dsn: false }
        });
        let attempt = settle::settle(self.context, &self.item, decided.collect(), None, "").await?;
        Ok(End::Settled { reach: None, attempt, delayed: false, due: None })
    }

    async fn hand_over(
        &self,
        outlet: &Outlet,
        destination: &crate::delivery::Destination,
        progress: &Progress,
        late: Duration,
    ) -> (Report, Duration) {
        let clock = &self.context.world.clock;
        let begun = clock.now();
        let recipients: Vec<Recipient> = self.item.recipients.iter().map(|to| to.recipient.clone()).collect();
        let body = QueuedBody { context: self.context, item: &self.item };
        let (envelope, size) = (&self.item.envelope, self.item.size);
        let work = Work { destination, envelope, recipients: &recipients, size, body: &body, progress, late };
        let report = attempt(outlet, &work).await;
        (report, clock.now() - begun)
    }

    /// Writes down what came of it.
    pub(super) async fn settle(&self, outcomes: &[Outcome], took: Duration, reach: Option<Reach>) -> Result<End> {
        let decided = self.decided(outcomes, took);
        let due = decided.iter().filter_map(|one| one.next).min();
        let attempt = settle::settle(self.context, &self.item, decided, None, &self.trail).await?;
        Ok(End::Settled { reach, attempt, delayed: due.is_some() && self.is_delayed(), due })
    }

    /// Whether it is time to tell the sender of the delay.
    pub(super) fn is_delayed(&self) -> bool {
        let mark = schedule::delay_mark(&self.context.settings.outbound, &self.item);
        mark.is_some_and(|mark| self.as_of >= mark)
    }

    /// What was decided about each recipient. Who is put off behind the end of the message's life has had the last
    /// attempt.
    pub(super) fn decided(&self, outcomes: &[Outcome], took: Duration) -> Vec<Decided> {
        let at = self.context.world.clock.wall();
        let over = self.as_of >= self.item.expires;
        let decided = self.item.recipients.iter().zip(outcomes).map(|(to, outcome)| {
            let result = outcome.result(at, took);
            if outcome.verdict == Verdict::Deferred && over {
                let to = ItemRecipient { last: Some(result.clone()), ..to.clone() };
                let end = expired(to.attempts, to.last.as_ref(), at);
                return Decided { to, attempt: Some(result), result: end, next: None, dsn: false };
            }
            let next = outcome.is_deferred().then_some(self.next);
            Decided { to: to.clone(), attempt: None, result, next, dsn: outcome.dsn }
        });
        decided.collect()
    }
}

/// The end of a recipient whose time has run out.
fn expired(attempts: u32, last: Option<&AttemptResult>, at: Timestamp) -> AttemptResult {
    let text = match last {
        Some(last) => format!("given up after {attempts} attempts; the last one: {}", last.text),
        None => "given up before an attempt was made".to_owned(),
    };
    // RFC 3463 §3.5: delivery time expired.
    AttemptResult {
        at,
        outcome: Kind::Expired,
        host: last.map_or(String::new(), |last| last.host.clone()),
        code: last.map_or(0, |last| last.code),
        enhanced: Some(Enhanced::new(4, 4, 7)),
        text,
        took: Duration::ZERO,
        tls: String::new(),
        policy: String::new(),
    }
}

/// A message whose rows cannot be understood keeps nobody else waiting: it is held, and the program is told.
async fn set_aside(context: &Context, id: QueueId, why: &Error) -> Result<End> {
    context.store.queue_control(Some(id), QueueAction::Hold, context.world.clock.wall()).await?;
    let text = format!("queued message {} cannot be read and is held: {}", id.0, why.text());
    context.events.say(Event::Store { down: false, text });
    Ok(End::Nothing)
}

/// Tells the sender of a delay, where that is still to be done.
pub(super) async fn report_delay(context: &Context, id: QueueId) {
    if let Err(e) = bounce::report_delay(context, id).await {
        log::warn!("the delay of queued message {} was not reported: {e}", id.0);
    }
}
