//! Why a queued message is where it is: one JSON document for each, from its rows alone.
//!
//! `docs/queue.md` lists the members. Nothing is asked of DNS or of other hosts; what attempts found stands in their
//! trails.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Engine;
use crate::base::event::Outcome;
use crate::base::limits::EXPLAINED_ATTEMPTS_MAX;
use crate::base::{Error, ErrorKind, QueueId, Result, Timestamp};
use crate::delivery::trail;
use crate::store::{ExplainedAttempt, Item, ItemRecipient, RecipientState};

impl Engine {
    /// What is known of a queued message, or of one that is finished and remembered, as JSON. `NotFound` otherwise.
    pub async fn explain(&self, id: QueueId) -> Result<String> {
        let store = self.store();
        let item = store.queue_item(id).await?;
        let attempts = store.explained(id, EXPLAINED_ATTEMPTS_MAX).await?;
        if item.is_none() && attempts.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, format!("nothing is known of queue id {}", id.0)));
        }
        let destinations = match &item {
            Some(_) => store.queue_destinations_of(id).await?,
            None => BTreeMap::new(),
        };
        let now = self.world().clock.wall();
        let paused = |destination: &str| store.queue_is_paused(destination);
        Ok(Explained { id, item: item.as_ref(), attempts: &attempts, destinations, paused: &paused, now }
            .told()
            .to_string())
    }
}

struct Explained<'a> {
    id: QueueId,
    item: Option<&'a Item>,
    attempts: &'a [ExplainedAttempt],
    /// By the recipient's place.
    destinations: BTreeMap<u32, String>,
    paused: &'a dyn Fn(&str) -> bool,
    now: Timestamp,
}

impl Explained<'_> {
    fn told(&self) -> Value {
        let Some(item) = self.item else {
            return json!({
                "id": self.id.0,
                "now_ms": self.now.0,
                "queued": false,
                "attempts": self.told_attempts(),
                "recipients": self.finished(),
            });
        };
        json!({
            "id": self.id.0,
            "now_ms": self.now.0,
            "queued": true,
            "from": item.envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default(),
            "size": item.size,
            "accepted_ms": item.created.0,
            "expires_ms": item.expires.0,
            "held": item.held,
            "delay_reported": item.delay_reported,
            "envelope_id": item.envelope.envelope_id,
            "attempts": self.told_attempts(),
            "recipients": item.recipients.iter().map(|to| self.recipient(item, to)).collect::<Vec<_>>(),
        })
    }

    fn recipient(&self, item: &Item, to: &ItemRecipient) -> Value {
        let destination = self.destinations.get(&to.index).map(String::as_str).unwrap_or_default();
        let waits = to.state == RecipientState::Waiting;
        json!({
            "address": to.recipient.address.to_string(),
            "state": match to.state {
                RecipientState::Waiting => "waiting",
                RecipientState::Delivered => "delivered",
                RecipientState::Failed => "failed",
            },
            "route": route(destination),
            "destination": destination.trim_start(),
            "attempts": to.attempts,
            "next_ms": waits.then_some(to.due.0),
            "why": self.why(item, to, destination),
        })
    }

    /// A sentence for a person.
    fn why(&self, item: &Item, to: &ItemRecipient, destination: &str) -> String {
        let last = to.last.as_ref();
        let said = last.map(|last| match last.host.as_str() {
            "" => last.text.clone(),
            host => format!("{host}: {}", last.text),
        });
        let said = said.unwrap_or_default();
        match to.state {
            RecipientState::Delivered => return format!("delivered: {said}"),
            RecipientState::Failed => return format!("given up: {said}"),
            RecipientState::Waiting => {}
        }
        let when = if to.due > self.now { format!("due at {}", to.due.rfc5322()) } else { "due now".to_owned() };
        let waits = match (item.held, (self.paused)(destination), last) {
            (true, ..) => "held by the host program".to_owned(),
            (_, true, _) => format!("destination {} is paused by the host program", destination.trim_start()),
            (_, _, Some(_)) => format!("the last attempt was put off, the next one is {when}"),
            (_, _, None) => format!("no attempt has ended yet, {when}"),
        };
        if said.is_empty() { waits } else { format!("{waits}; last: {said}") }
    }

    /// Attempts, those for several recipients of one settlement together.
    fn told_attempts(&self) -> Vec<Value> {
        let same = |a: &ExplainedAttempt, b: &ExplainedAttempt| a.settlement == b.settlement && a.settlement != 0;
        self.attempts.chunk_by(same).filter_map(told_attempt).collect()
    }

    /// Recipients of a message that is no longer in the queue, by its attempts.
    fn finished(&self) -> Vec<Value> {
        let mut last: BTreeMap<&str, &ExplainedAttempt> = BTreeMap::new();
        for attempt in self.attempts {
            last.insert(&attempt.recipient, attempt);
        }
        let told = |(address, attempt): (&str, &ExplainedAttempt)| {
            json!({
                "address": address,
                "state": match attempt.result.outcome {
                    Outcome::Delivered => "delivered",
                    Outcome::Failed | Outcome::Expired => "failed",
                    Outcome::Deferred => "removed",
                },
                "why": attempt.result.text,
            })
        };
        last.into_iter().map(told).collect()
    }
}

fn told_attempt(rows: &[ExplainedAttempt]) -> Option<Value> {
    let last = rows.last()?;
    let recipients = rows.iter().map(|row| {
        json!({
            "address": row.recipient,
            "decision": word(row.result.outcome),
            "host": row.result.host,
            "code": row.result.code,
            "enhanced": row.result.enhanced.map(|enhanced| enhanced.to_string()).unwrap_or_default(),
            "text": row.result.text,
            "tls": row.result.tls,
            "tls_policy": row.result.policy,
        })
    });
    let lines = rows.iter().filter_map(|row| row.trail.as_deref()).flat_map(trail::lines);
    let lines = lines.map(|(ms, kind, text)| json!({"ms": ms, "kind": kind, "text": text}));
    let took = i64::try_from(last.result.took.as_millis()).unwrap_or(0);
    Some(json!({
        "began_ms": last.result.at.0.saturating_sub(took),
        "ended_ms": last.result.at.0,
        "recipients": recipients.collect::<Vec<_>>(),
        "trail": lines.collect::<Vec<_>>(),
    }))
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Deferred => "deferred",
        Outcome::Failed => "failed",
        Outcome::Expired => "expired",
    }
}

/// What the name of a destination says of the way.
fn route(destination: &str) -> &'static str {
    match destination {
        "" => "not routed yet",
        " here" => "filed here",
        " over" => "given up",
        smart if smart.contains(':') && !smart.starts_with('[') => "smart host",
        literal if literal.starts_with('[') => "address",
        _ => "mail exchangers",
    }
}
