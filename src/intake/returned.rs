//! Mail for users that do not exist, in domains that take it and send it back: its sender gets a report.
//!
//! Nobody gets one who may not have sent the mail: not the null reverse-path, nobody for whom SPF or DMARC failed, and
//! one sender only so many in an hour. What is not told is an event.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Intake;
use super::plan::Plan;
use crate::base::envelope::Returns;
use crate::base::event::Event;
use crate::base::limits::{RETURNS_PER_HOUR_MAX, RETURNS_SENDERS_MAX};
use crate::base::{Content, Enhanced, Envelope, Mono, Recipient, Result, Timestamp};
use crate::dsn::{Action, RecipientReport, Typed};
use crate::message::header::split_entity;
use crate::queue::bounce::Subject;
use crate::queue::rules::Ruled;

const HOUR: Duration = Duration::from_secs(3_600);

/// How many reports senders got in the last hour. Kept in memory.
#[derive(Debug, Default)]
pub struct ReturnCounts(Mutex<BTreeMap<String, (Mono, u32)>>);

impl ReturnCounts {
    /// Counts a report for a sender, and says whether it may be sent.
    fn may_send(&self, sender: &str, now: Mono) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= RETURNS_SENDERS_MAX && !counts.contains_key(sender) {
            counts.retain(|_, (begun, _)| *begun + HOUR > now);
            if counts.len() >= RETURNS_SENDERS_MAX {
                return false;
            }
        }
        let (begun, count) = counts.entry(sender.to_owned()).or_insert((now, 0));
        if *begun + HOUR <= now {
            (*begun, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= RETURNS_PER_HOUR_MAX
    }
}

impl Intake {
    /// The report on recipients that do not exist, and events on what is not told.
    pub(super) async fn returned(
        &self,
        plan: &Plan,
        envelope: &Envelope,
        content: &Content,
        now: Timestamp,
    ) -> Result<Ruled> {
        let mut ruled = Ruled::default();
        if plan.returned.is_empty() {
            return Ok(ruled);
        }
        let why = match &envelope.reverse_path {
            None => Some("it has no reverse-path"),
            Some(_) if plan.is_forged => Some("it may be forged"),
            Some(from) if !self.returns.may_send(&from.key(), self.world.clock.now()) => {
                Some("its sender got too many reports in this hour")
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            let from = envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
            for to in &plan.returned {
                let text = format!("a message from <{from}> for {}, who does not exist, is dropped: {why}", to.address);
                ruled.acceptance.events.push(Event::Warning { about: "unknown", text });
            }
            return Ok(ruled);
        }
        let front = self.front(&content.body).await?;
        let (header, _) = split_entity(&front);
        let beginning = [content.prefix.as_slice(), header].concat();
        let told = plan.returned.iter().filter(|to| to.notify.failure);
        let recipients = told.map(|to| about(to, now)).collect();
        let subject = Subject { envelope, arrival: now, beginning, complete: false, returns: Some(Returns::Headers) };
        if let Some(bounce) = self.reporter().write(subject, recipients, true).await? {
            ruled.letters.extend(bounce.arrival);
            ruled.acceptance.items.extend(bounce.item);
        }
        Ok(ruled)
    }
}

fn about(to: &Recipient, now: Timestamp) -> RecipientReport {
    RecipientReport {
        original: to.original.as_deref().and_then(Typed::parse),
        recipient: Typed::address(&to.address),
        action: Action::Failed,
        status: Enhanced::new(5, 1, 1),
        remote_mta: None,
        diagnostic: Some(Typed::new(Typed::OURS, "No such user here")),
        last_attempt: Some(now),
        will_retry_until: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_gets_so_many_reports_in_an_hour() {
        let counts = ReturnCounts::default();
        let told = |sender: &str, at: u64| counts.may_send(sender, Mono(0) + Duration::from_secs(at));
        let first: Vec<_> = (0..=RETURNS_PER_HOUR_MAX).map(|n| told("a@x", u64::from(n))).collect();
        assert_eq!(first.iter().filter(|told| **told).count(), RETURNS_PER_HOUR_MAX as usize);
        assert!(!first.last().unwrap() && told("b@x", 10) && told("a@x", 3_600));
    }

    #[test]
    fn senders_are_counted_within_bounds() {
        let counts = ReturnCounts::default();
        let told = |n: usize, at: u64| counts.may_send(&n.to_string(), Mono(0) + Duration::from_secs(at));
        assert!((0..RETURNS_SENDERS_MAX).all(|n| told(n, 0)));
        assert!(!told(RETURNS_SENDERS_MAX, 1) && told(7, 1));
        assert!(told(RETURNS_SENDERS_MAX, 3_600));
    }
}
