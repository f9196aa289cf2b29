//! Queued mail for recipients that live here: filed, and sent on for those whose alias leads elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::deliver::{End, Job};
use super::rules::Ruled;
use super::{Context, kept, schedule, settle};
use crate::base::event::Origin;
use crate::base::trouble::{Act, Stage};
use crate::base::{Account, Address, Enhanced, Envelope, ErrorKind, Group, Recipient, Reply, Result};
use crate::delivery::directory::{self, Destinations, Nowhere, resolve};
use crate::delivery::filing::{self, Action, Place};
use crate::delivery::group::{self, Term};
use crate::delivery::rules::Passage;
use crate::delivery::{Outcome, Verdict, sink};
use crate::store::{Acceptance, Arrival, NewItem};

/// Files for all recipients of a job.
pub(super) async fn file(job: &Job<'_>) -> Result<End> {
    let (context, item) = (job.context, &job.item);
    let mut addresses: Vec<_> = item.recipients.iter().map(|to| to.recipient.address.clone()).collect();
    addresses.extend(item.envelope.reverse_path.clone());
    sink::prepare(&context.store, &context.settings, addresses).await?;
    let mut actions: Vec<Action> = Vec::new();
    let mut onward: BTreeMap<Option<Address>, Vec<Recipient>> = BTreeMap::new();
    let mut outcomes = Vec::new();
    let mut ruled: Vec<Ruled> = Vec::new();
    let mut copies: Vec<NewItem> = Vec::new();
    for to in &item.recipients {
        let refused = |status, text: &str| Outcome::unreached(Verdict::Failed, status, text);
        if let Some(outcome) = scripted(context, &to.recipient.address.to_string()).await {
            outcomes.push(outcome);
            continue;
        }
        let (address, reverse_path) = (&to.recipient.address, item.envelope.reverse_path.as_ref());
        let found = directory::known(&context.store, |known| {
            (resolve(known, &context.settings, address), known.onward_path(reverse_path, address))
        });
        let (found, path) = found.await?;
        if let Ok(found) = &found
            && let Some(outcome) = distribute(job, &found.groups, &mut copies).await?
        {
            outcomes.push(outcome);
            continue;
        }
        outcomes.push(match found {
            Err(Nowhere::Unknown) => refused(Enhanced::new(5, 1, 1), "no such user here"),
            Err(Nowhere::TooMany) => refused(Enhanced::new(5, 4, 6), "aliases lead in a circle"),
            Ok(Destinations { accounts, remote: away, groups }) => {
                // Whoever takes it further reports further.
                let dsn = accounts.is_empty() && groups.is_empty();
                let is_new = |account: &Arc<Account>| actions.iter().all(|known| known.account.id != account.id);
                let new: Vec<_> = accounts.into_iter().filter(is_new).collect();
                if !away.is_empty() {
                    let away = away.into_iter().map(|address| directory::onward(&to.recipient, address));
                    onward.entry(path).or_default().extend(away);
                }
                let mut rejected = None;
                for account in new {
                    let mut action = Action::to(Place::Inbox, account);
                    let of_account = rule(job, &mut action, &to.recipient).await?;
                    rejected = rejected.or(of_account.rejected.clone());
                    actions.push(action);
                    ruled.push(of_account);
                }
                ended(rejected, dsn)
            }
        });
    }
    let mut acceptance = acceptance(job, &actions, onward, ruled).await?;
    acceptance.items.extend(copies);
    let decided = job.decided(&outcomes, Duration::ZERO);
    // A script may have put some off: the runner must know when they are due again.
    let due = decided.iter().filter_map(|one| one.next).min();
    match settle::settle(context, item, decided, Some(acceptance), "").await {
        Ok(attempt) => Ok(End::Settled { reach: None, attempt, delayed: due.is_some() && job.is_delayed(), due }),
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

/// How a recipient ends whose accounts rejected the message, or not.
fn ended(rejected: Option<(String, bool)>, dsn: bool) -> Outcome {
    match rejected {
        Some((reason, _)) => Outcome::unreached(Verdict::Failed, Enhanced::new(5, 7, 1), &reason),
        None => Outcome { dsn, ..Outcome::unreached(Verdict::Delivered, Enhanced::new(2, 1, 5), "filed here") },
    }
}

/// Adds the copies for groups; how it ends where the message came through one of them before.
async fn distribute(job: &Job<'_>, groups: &[Arc<Group>], copies: &mut Vec<NewItem>) -> Result<Option<Outcome>> {
    if groups.is_empty() {
        return Ok(None);
    }
    let (context, item) = (job.context, &job.item);
    let content = kept::content(context, item).await?;
    let now = context.world.clock.wall();
    let term = Term { now, expires: schedule::expires(&context.settings.outbound, now) };
    for copy in group::copies(&context.world, groups, &item.envelope, &content, term).await? {
        match copy {
            Some(copy) if copy.envelope.recipients.is_empty() => {}
            Some(copy) => copies.push(copy),
            None => return Ok(Some(Outcome::unreached(Verdict::Failed, Enhanced::new(5, 4, 6), group::LOOP))),
        }
    }
    Ok(None)
}

/// What the host's script has a sink's delivery come to.
async fn scripted(context: &Context, to: &str) -> Option<Outcome> {
    let met = context.settings.trouble.at(Stage::Deliver, None, &[to]).filter(|_| context.settings.sink.is_on())?;
    if !met.wait.is_zero() {
        context.world.clock.pause(met.wait).await;
    }
    let refused = |verdict, reply: Reply| Outcome {
        code: reply.code,
        host: context.settings.hostname.clone(),
        ..Outcome::unreached(verdict, reply.enhanced.unwrap_or(Enhanced::new(5, 0, 0)), reply.text)
    };
    match met.act {
        Act::GoOn => None,
        Act::Refuse(reply) if reply.is_transient() => Some(refused(Verdict::Deferred, reply)),
        Act::Refuse(reply) => Some(refused(Verdict::Failed, reply)),
        Act::Drop => {
            Some(Outcome::unreached(Verdict::Deferred, Enhanced::new(4, 4, 2), "connection lost, as a test wants"))
        }
    }
}

/// Lets the rules of an account change an action.
async fn rule(job: &Job<'_>, action: &mut Action, to: &Recipient) -> Result<Ruled> {
    let (context, item) = (job.context, &job.item);
    let passage =
        Passage { from: item.envelope.reverse_path.clone(), to: Some(to.address.clone()), ..Passage::default() };
    if !cfg!(feature = "sieve") || context.store.rules(&action.account).await?.is_empty() {
        return Ok(Ruled::default());
    }
    let (content, now) = (kept::content(context, item).await?, context.world.clock.wall());
    context.reporter().rule(action, &passage, &item.envelope, to, &content, now).await
}

async fn acceptance(
    job: &Job<'_>,
    actions: &[Action],
    onward: BTreeMap<Option<Address>, Vec<Recipient>>,
    ruled: Vec<Ruled>,
) -> Result<Acceptance> {
    let (context, item) = (job.context, &job.item);
    let mut acceptance = Acceptance::default();
    if actions.is_empty() && onward.is_empty() {
        return Ok(acceptance);
    }
    let now = context.world.clock.wall();
    let content = kept::content(context, item).await?;
    let reverse_path = item.envelope.reverse_path.as_ref();
    let filed = filing::file(&context.world, &context.store, actions, reverse_path, content.clone(), now).await?;
    let from = reverse_path.map(ToString::to_string).unwrap_or_default();
    let origin = Origin { from, ..Origin::default() };
    acceptance.arrivals.extend(filed.map(|arrival| Arrival { origin: origin.clone(), ..arrival }));
    ruled.into_iter().for_each(|ruled| ruled.join(&mut acceptance, &origin));
    for (reverse_path, recipients) in onward {
        let envelope = Envelope { reverse_path, recipients, ..item.envelope.clone() };
        let (submitter, expires, content) = (item.submitter, item.expires, content.clone());
        acceptance.items.push(NewItem { envelope, content, submitter, created: now, due: now, expires });
    }
    Ok(acceptance)
}
