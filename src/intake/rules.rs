//! Rules of accounts, for mail that comes in: their scripts change a plan before it is carried out.
//!
//! A message for one account alone that its script rejects is refused in the session. Where others get it too, the
//! sender has a report; a sender that may be forged has none, and the host is told.

use super::Intake;
use super::plan::Plan;
use crate::base::event::Event;
use crate::base::limits::HOOK_REPLY_LINE_OCTETS_MAX;
use crate::base::{Content, Enhanced, Envelope, Error, ErrorKind, Recipient, Reply, Result, Timestamp};
use crate::delivery::rules::Passage;
use crate::delivery::wire::as_lines;
use crate::dsn::{Action as Reported, RecipientReport, Typed};
use crate::message::header::split_entity;
use crate::queue::bounce::{Reporter, Subject};
use crate::queue::rules::Ruled;

impl Intake {
    /// Runs the scripts of all accounts of a plan. `Policy`, with the reply, where the message is refused.
    pub(super) async fn rule(
        &self,
        plan: &mut Plan,
        envelope: &Envelope,
        content: &Content,
        now: Timestamp,
    ) -> Result<Vec<Ruled>> {
        let is_alone = envelope.recipients.len() == 1 && plan.actions.len() == 1 && plan.stays_here();
        let mut actions = std::mem::take(&mut plan.actions);
        let (mut all, mut rejected) = (Vec::new(), Vec::new());
        for action in &mut actions {
            let found = plan.found_by.iter().find(|(account, _)| *account == action.account.id);
            let Some((_, to)) = found else { continue };
            let passage =
                Passage { from: envelope.reverse_path.clone(), to: Some(to.address.clone()), ..plan.passage.clone() };
            let mut ruled = self.reporter().rule(action, &passage, envelope, to, content, now).await?;
            for item in &mut ruled.redirected {
                let away = item.content.clone();
                if let Ok((fit, body)) = as_lines(&self.world, &self.store, away, item.envelope.body).await? {
                    (item.content, item.envelope.body) = (fit, body);
                }
                item.content = self.sealed(plan.seal.as_ref(), item.content.clone(), now).await;
            }
            if let Some((reason, hard)) = ruled.rejected.take() {
                if is_alone && (hard || reason.is_ascii()) {
                    return Err(refusal(&reason));
                }
                rejected.push((to.clone(), reason));
            }
            all.push(ruled);
        }
        plan.actions = actions;
        if !rejected.is_empty() {
            plan.reported.retain(|to| !rejected.iter().any(|(gone, _)| gone.address == to.address));
            all.push(self.rejections(plan, rejected, envelope, content, now).await?);
        }
        Ok(all)
    }

    pub(super) fn reporter(&self) -> Reporter<'_> {
        let (world, store, settings, keyring) = (&self.world, &self.store, &self.settings, &*self.keyring);
        Reporter { world, store, settings, keyring }
    }

    /// The report on recipients that rejected the message.
    async fn rejections(
        &self,
        plan: &Plan,
        rejected: Vec<(Recipient, String)>,
        envelope: &Envelope,
        content: &Content,
        now: Timestamp,
    ) -> Result<Ruled> {
        let mut ruled = Ruled::default();
        let from = envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
        if plan.is_quiet || from.is_empty() {
            for (to, _) in rejected {
                let text = format!("{} rejected a message from <{from}>, who is not told", to.address);
                ruled.acceptance.events.push(Event::Warning { about: "sieve", text });
            }
            return Ok(ruled);
        }
        let front = self.front(&content.body).await?;
        let (header, _) = split_entity(&front);
        let beginning = [content.prefix.as_slice(), header].concat();
        let recipients = rejected.iter().map(|(to, reason)| about(to, reason, now)).collect();
        let returns = Some(crate::base::envelope::Returns::Headers);
        let subject = Subject { envelope, arrival: now, beginning, complete: false, returns };
        if let Some(bounce) = self.reporter().write(subject, recipients, false).await? {
            ruled.letters.extend(bounce.arrival);
            ruled.acceptance.items.extend(bounce.item);
        }
        Ok(ruled)
    }
}

fn about(to: &Recipient, reason: &str, now: Timestamp) -> RecipientReport {
    RecipientReport {
        original: to.original.as_deref().and_then(Typed::parse),
        recipient: Typed::address(&to.address),
        action: Reported::Failed,
        status: Enhanced::new(5, 7, 1),
        remote_mta: None,
        diagnostic: Some(Typed::new(Typed::OURS, one_line(reason))),
        last_attempt: Some(now),
        will_retry_until: None,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a session says: the reason on one line, in ASCII (RFC 5429 §2.1.2).
fn refusal(reason: &str) -> Error {
    let reason = if reason.is_ascii() { one_line(reason) } else { String::new() };
    let text: String = reason.chars().filter(|c| !c.is_control()).take(HOOK_REPLY_LINE_OCTETS_MAX).collect();
    let text = if text.is_empty() { "The recipient does not take this message".to_owned() } else { text };
    Error::new(ErrorKind::Policy, text.clone()).with_reply(&Reply::new(550, 7, 1, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::reply_of;

    #[test]
    fn refusals_are_one_line_of_ascii() {
        for (reason, wanted) in [
            ("no\r\nthanks\r\n", "no thanks"),
            ("\u{7}", "The recipient does not take this message"),
            ("nö", "The recipient does not take this message"),
        ] {
            let reply = reply_of(&refusal(reason));
            assert_eq!((reply.code, reply.text.as_str()), (550, wanted), "{reason:?}");
        }
    }
}
