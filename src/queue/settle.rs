//! The end of an attempt, written down: new states, attempt rows and the reports that follow, in one transaction; then
//! the host is told.
//!
//! What was delivered must not be forgotten, or it is delivered twice: where the store fails, this waits and tries
//! again, with the same number, by which the store knows a settlement whose commit it was not sure of.

use std::time::Duration;

use super::{Context, bounce};
use crate::base::envelope::Notify;
use crate::base::event::{Event, Outcome as Kind};
use crate::base::limits::{SETTLE_PAUSE_SECONDS_MAX, SETTLE_TRIES_MAX};
use crate::base::{ErrorKind, Result, Timestamp};
use crate::dsn::Action;
use crate::dsn::remote::{Class, classify};
use crate::store::{Acceptance, AttemptResult, EVERYBODY, Item, ItemRecipient, Past, Settle, Settled, Suppressed};

/// What was decided about one recipient.
#[derive(Clone)]
pub(super) struct Decided {
    /// The recipient as it was before; its last attempt as it is now where `attempt` is there.
    pub(super) to: ItemRecipient,
    /// An attempt that came before the decision, to be written too.
    pub(super) attempt: Option<AttemptResult>,
    /// The decision.
    pub(super) result: AttemptResult,
    /// When it is due again, for a deferral.
    pub(super) next: Option<Timestamp>,
    /// Reports of success are the next host's business.
    pub(super) dsn: bool,
}

/// Writes decisions down; `filed` is what they file or queue themselves. Gives the last attempt row.
pub(super) async fn settle(
    context: &Context,
    item: &Item,
    mut decided: Vec<Decided>,
    filed: Option<Acceptance>,
    trail: &str,
) -> Result<i64> {
    let here = filed.is_some();
    let own = filed.unwrap_or_default();
    // 0 is that of rows without a settlement.
    let settlement = (context.world.entropy.u64() >> 1).max(1) as i64;
    let mut by_queue = false;
    let (settled, told) = loop {
        let (acceptance, told) = reports(context, item, &decided, here, own.clone(), by_queue).await?;
        match settle_surely(context, item, settlement, &decided, &acceptance, trail).await {
            // The sender's inbox is full, or went away this moment: the report waits in the queue.
            Err(e)
                if matches!(e.kind(), ErrorKind::Quota | ErrorKind::NotFound)
                    && !by_queue
                    && acceptance.arrivals.len() > own.arrivals.len() =>
            {
                by_queue = true;
            }
            Ok(Settled::Held) => decided.iter_mut().for_each(hold),
            other => break (other?, told),
        }
    };
    for one in &decided {
        for result in one.attempt.iter().chain([&one.result]) {
            context.events.say(attempted(item, one, result));
        }
    }
    match settled {
        Settled::Done { accepted, attempt } => {
            suppress_failed(context, item, &decided).await;
            if let Some((to, place)) = told {
                let report = place.and_then(|place| accepted.queued.get(place).copied());
                context.events.say(Event::Bounced { id: item.id, report, to });
            }
            Ok(attempt)
        }
        Settled::Dropped | Settled::Held => Ok(0),
    }
}

/// Suppresses addresses that a host says do not exist, for the account that wrote to them, where the program wants it.
async fn suppress_failed(context: &Context, item: &Item, decided: &[Decided]) {
    let sending = &context.settings.sending;
    if !sending.suppress_failed {
        return;
    }
    let failed = decided.iter().filter(|one| one.result.outcome == Kind::Failed && one.result.code >= 500);
    for one in failed {
        let result = &one.result;
        let (class, rule) = classify(result.enhanced, result.code, &result.text);
        if class != Class::Hard {
            continue;
        }
        let row = Suppressed {
            account: item.submitter.map_or(EVERYBODY, |account| account.0),
            address: one.to.recipient.address.key(),
            reason: "hard-bounce".to_owned(),
            detail: format!("{} ({rule})", result.text),
            since: result.at,
            until: result.at.after(sending.suppress_for),
        };
        if let Err(e) = context.store.suppress(row).await {
            log::warn!("an address that failed could not be suppressed: {e}");
        }
    }
}

/// The host holds the message since: who would have failed waits, and is due as soon as it is released.
fn hold(one: &mut Decided) {
    if matches!(one.result.outcome, Kind::Failed | Kind::Expired) {
        let result = one.attempt.take().unwrap_or_else(|| one.result.clone());
        one.next = Some(result.at);
        one.result = AttemptResult { outcome: Kind::Deferred, ..result };
    }
}

/// The reports that follow: of failures in one mail, of successes in another. Beside them, whom the failure is
/// reported to, and the place of its item where it is queued.
async fn reports(
    context: &Context,
    item: &Item,
    decided: &[Decided],
    here: bool,
    own: Acceptance,
    by_queue: bool,
) -> Result<(Acceptance, Option<(String, Option<usize>)>)> {
    let mut acceptance = own;
    let failed = decided
        .iter()
        .filter(|one| matches!(one.result.outcome, Kind::Failed | Kind::Expired) && one.to.recipient.notify.failure);
    let failed = failed.map(|one| bounce::about(&one.to, Action::Failed, &one.result, None)).collect();
    let told = match bounce::report(context, item, failed, by_queue).await? {
        Some(bounce) => {
            let to = bounce.to.to_string();
            Some((to, bounce.join(&mut acceptance)))
        }
        None => None,
    };
    // RFC 3461 §6.2.2: where the next host cannot report, we say that the mail was relayed.
    let action = if here { Action::Delivered } else { Action::Relayed };
    let delivered = decided.iter().filter(|one| one.result.outcome == Kind::Delivered && is_reported(item, one, here));
    let delivered = delivered.map(|one| bounce::about(&one.to, action, &one.result, None)).collect();
    if let Some(bounce) = bounce::report(context, item, delivered, by_queue).await? {
        bounce.join(&mut acceptance);
    }
    Ok((acceptance, told))
}

/// Whether the sender is told that it was delivered, or passed on: NOTIFY=SUCCESS where the next host does not report,
/// and the trace of BY (RFC 2852 §4).
fn is_reported(item: &Item, one: &Decided, here: bool) -> bool {
    let notify = one.to.recipient.notify;
    let traced = !here && item.envelope.terms.deliver_by.is_some_and(|by| by.trace) && notify != Notify::NEVER;
    traced || (notify.success && !one.dsn)
}

/// Settles, through failures of the store that pass.
async fn settle_surely(
    context: &Context,
    item: &Item,
    settlement: i64,
    decided: &[Decided],
    acceptance: &Acceptance,
    trail: &str,
) -> Result<Settled> {
    let outbound = &context.settings.outbound;
    // What waits still has its history.
    let history = outbound.history.max(outbound.lifetime);
    let ago = i64::try_from(history.as_millis()).unwrap_or(i64::MAX);
    let forget_before = Timestamp(context.world.clock.wall().0.saturating_sub(ago));
    let past = Past { trail: trail.to_owned(), forget_before };
    let settled: Vec<_> = decided.iter().flat_map(|one| rows(item, one)).collect();
    let mut tries = 0;
    loop {
        let error = match context
            .store
            .queue_settle_with(settlement, settled.clone(), acceptance.clone(), past.clone())
            .await
        {
            Ok(settled) => return Ok(settled),
            Err(e) => e,
        };
        tries += 1;
        if !error.kind().is_of_disk() || tries >= SETTLE_TRIES_MAX {
            return Err(error);
        }
        log::warn!("queued message {} could not be settled, trying again: {error}", item.id.0);
        let pause = Duration::from_secs(SETTLE_PAUSE_SECONDS_MAX.min(1 << tries.min(32)));
        context.world.clock.sleep_until(context.world.clock.now() + pause).await;
    }
}

/// What is written of one recipient.
fn rows(item: &Item, one: &Decided) -> impl Iterator<Item = Settle> {
    let row =
        |result: &AttemptResult| Settle { id: item.id, index: one.to.index, result: result.clone(), next: one.next };
    one.attempt.iter().map(row).chain([row(&one.result)]).collect::<Vec<_>>().into_iter()
}

fn attempted(item: &Item, one: &Decided, result: &AttemptResult) -> Event {
    let AttemptResult { outcome, host, code, enhanced, text, .. } = result.clone();
    Event::Attempted {
        id: item.id,
        recipient: one.to.recipient.address.to_string(),
        outcome,
        host,
        code,
        enhanced: enhanced.map(|enhanced| enhanced.to_string()).unwrap_or_default(),
        text,
        next: one.next,
    }
}
