//! The end of an attempt, written down: new states, attempt rows and the reports that follow, in one transaction; then
//! the host is told.
//!
//! What was delivered must not be forgotten, or it is delivered twice: where the store fails, this waits and tries
//! again, looking first whether the commit it was not sure of took place.

use std::time::Duration;

use super::{Context, bounce};
use crate::base::event::{Event, Outcome as Kind};
use crate::base::limits::{SETTLE_PAUSE_SECONDS_MAX, SETTLE_TRIES_MAX};
use crate::base::{ErrorKind, Result, Timestamp};
use crate::dsn::Action;
use crate::store::{Acceptance, Accepted, AttemptResult, Item, ItemRecipient, RecipientState, Settle};

/// What was decided about one recipient.
pub(super) struct Decided<'a> {
    /// The recipient as it was before.
    pub(super) to: &'a ItemRecipient,
    /// The attempt.
    pub(super) result: AttemptResult,
    /// When it is due again, for a deferral.
    pub(super) next: Option<Timestamp>,
    /// Reports of success are the next host's business.
    pub(super) dsn: bool,
}

/// Writes decisions down; `filed` is what they file or queue themselves. Whether recipients were deferred.
pub(super) async fn settle(
    context: &Context,
    item: &Item,
    decided: Vec<Decided<'_>>,
    filed: Option<Acceptance>,
) -> Result<bool> {
    let here = filed.is_some();
    let own = filed.unwrap_or_default();
    let mut by_queue = false;
    let (accepted, told) = loop {
        let (acceptance, told) = reports(context, item, &decided, here, own.clone(), by_queue).await?;
        match settle_surely(context, item, &decided, &acceptance).await {
            // The sender's inbox is full, or went away this moment: the report waits in the queue.
            Err(e)
                if matches!(e.kind(), ErrorKind::Quota | ErrorKind::NotFound)
                    && !by_queue
                    && acceptance.arrivals.len() > own.arrivals.len() =>
            {
                by_queue = true;
            }
            other => break (other?, told),
        }
    };
    for one in &decided {
        context.events.say(attempted(item, one));
    }
    if let Some((to, place)) = told {
        let report = place.and_then(|place| accepted.queued.get(place).copied());
        context.events.say(Event::Bounced { id: item.id, report, to });
    }
    Ok(decided.iter().any(|one| one.result.outcome == Kind::Deferred))
}

/// The reports that follow: of failures in one mail, of successes in another. Beside them, whom the failure is
/// reported to, and the place of its item where it is queued.
async fn reports(
    context: &Context,
    item: &Item,
    decided: &[Decided<'_>],
    here: bool,
    own: Acceptance,
    by_queue: bool,
) -> Result<(Acceptance, Option<(String, Option<usize>)>)> {
    let mut acceptance = own;
    let failed = decided
        .iter()
        .filter(|one| matches!(one.result.outcome, Kind::Failed | Kind::Expired) && one.to.recipient.notify.failure);
    let failed = failed.map(|one| bounce::about(one.to, Action::Failed, &one.result, None)).collect();
    let told = match bounce::report(context, item, failed, by_queue).await? {
        Some(bounce) => {
            let to = bounce.to.to_string();
            Some((to, bounce.join(&mut acceptance)))
        }
        None => None,
    };
    // RFC 3461 §6.2.2: where the next host cannot report, we say that the mail was relayed.
    let action = if here { Action::Delivered } else { Action::Relayed };
    let delivered = decided
        .iter()
        .filter(|one| one.result.outcome == Kind::Delivered && one.to.recipient.notify.success && !one.dsn);
    let delivered = delivered.map(|one| bounce::about(one.to, action, &one.result, None)).collect();
    if let Some(bounce) = bounce::report(context, item, delivered, by_queue).await? {
        bounce.join(&mut acceptance);
    }
    Ok((acceptance, told))
}

/// Settles, through failures of the store that pass.
async fn settle_surely(
    context: &Context,
    item: &Item,
    decided: &[Decided<'_>],
    acceptance: &Acceptance,
) -> Result<Accepted> {
    let settled: Vec<_> = decided
        .iter()
        .map(|one| Settle { id: item.id, index: one.to.index, result: one.result.clone(), next: one.next })
        .collect();
    let mut tries = 0;
    loop {
        let error = match context.store.queue_settle(settled.clone(), acceptance.clone()).await {
            Ok(accepted) => return Ok(accepted),
            Err(e) => e,
        };
        tries += 1;
        if !error.kind().is_of_disk() || tries >= SETTLE_TRIES_MAX {
            return Err(error);
        }
        log::warn!("queued message {} could not be settled, trying again: {error}", item.id.0);
        let pause = Duration::from_secs(SETTLE_PAUSE_SECONDS_MAX.min(1 << tries.min(32)));
        context.world.clock.sleep_until(context.world.clock.now() + pause).await;
        // A commit that failed is in doubt.
        match context.store.queue_item(item.id).await {
            Ok(None) => return Ok(Accepted::default()),
            Ok(Some(now)) if is_settled(&now, decided) => return Ok(Accepted::default()),
            Ok(Some(_)) | Err(_) => {}
        }
    }
}

fn is_settled(now: &Item, decided: &[Decided<'_>]) -> bool {
    decided.iter().all(|one| {
        let there = now.recipients.iter().find(|recipient| recipient.index == one.to.index);
        there.is_none_or(|recipient| {
            recipient.state != RecipientState::Waiting
                || recipient.last.as_ref().is_some_and(|last| last.at == one.result.at)
        })
    })
}

fn attempted(item: &Item, one: &Decided<'_>) -> Event {
    let AttemptResult { outcome, host, code, enhanced, text, .. } = one.result.clone();
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
