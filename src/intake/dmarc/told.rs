//! What mail that came tells of messages of ours, matched to the queue: by ENVID, by Message-ID, by the recipient that
//! an address of VERP names.
//!
//! Anybody can write such mail. So an address is suppressed only where the report names a message that was sent from
//! here, and a recipient that message had.

use crate::base::event::RemoteReport;
use crate::base::{Address, QueueId, Result};
use crate::dsn::remote::{Class, RemoteMail, RemoteStatus, Told, classify, verp};
use crate::intake::Intake;
use crate::store::{EVERYBODY, Suppressed};

/// A message that a report is about.
struct Matched {
    by: &'static str,
    id: QueueId,
    /// Recipients it had, as they were tried.
    recipients: Vec<String>,
}

impl Intake {
    /// What a mail tells, as events, and which addresses get no mail because of it.
    pub(super) async fn told_by(&self, mail: RemoteMail) -> Result<(Vec<RemoteReport>, Vec<Suppressed>)> {
        let matched = self.matched(&mail).await?;
        let named = mail.to.iter().find_map(|to| verp(to));
        let (mut reports, mut suppressed) = (Vec::new(), Vec::new());
        for status in &mail.statuses {
            let mut report = report(&mail, status);
            if report.recipient.is_empty() {
                let only = matched.as_ref().filter(|matched| matched.recipients.len() == 1);
                let only = only.and_then(|matched| matched.recipients.first().cloned());
                report.recipient = named.clone().or(only).unwrap_or_default();
            }
            let had = matched.as_ref().is_some_and(|matched| {
                matched.recipients.iter().any(|recipient| recipient.eq_ignore_ascii_case(&report.recipient))
            });
            if let Some(matched) = &matched {
                (report.id, report.matched) = (Some(matched.id), matched.by);
            } else if named.is_some() {
                report.matched = "verp";
                // Behind an alias the address is another one: the one that was written to counts.
                report.recipient = named.clone().unwrap_or_default();
            }
            let reason = reason_of(status, &report);
            if let (true, true, Some(reason)) = (had, self.settings.sending.suppress_failed, reason)
                && let Ok(address) = Address::parse(&report.recipient)
            {
                report.suppressed = true;
                suppressed.push(self.suppressed_for(&address, reason, &report.text));
            }
            reports.push(report);
        }
        Ok((reports, suppressed))
    }

    fn suppressed_for(&self, address: &Address, reason: &str, text: &str) -> Suppressed {
        let since = self.world.clock.wall();
        Suppressed {
            account: EVERYBODY,
            address: address.key(),
            reason: reason.to_owned(),
            detail: text.to_owned(),
            since,
            until: since.after(self.settings.sending.suppress_for),
        }
    }

    async fn matched(&self, mail: &RemoteMail) -> Result<Option<Matched>> {
        let envelope_id = mail.envelope_id.as_ref().map(|id| ("envelope_id", format!("envid {}", id.trim())));
        let message_id = mail.message_id.clone().map(|id| ("message_id", id));
        for (by, name) in envelope_id.into_iter().chain(message_id) {
            let Some(id) = self.store.sent_item(name).await? else { continue };
            let mut recipients: Vec<String> =
                self.store.attempts(id).await?.into_iter().map(|(recipient, _)| recipient).collect();
            recipients.sort_unstable();
            recipients.dedup();
            return Ok(Some(Matched { by, id, recipients }));
        }
        Ok(None)
    }
}

fn report(mail: &RemoteMail, status: &RemoteStatus) -> RemoteReport {
    let is_trouble = matches!(status.told, Told::Failed | Told::Delayed);
    let class = is_trouble.then(|| classify(status.status, status.code, &status.text));
    RemoteReport {
        kind: status.told.word(),
        recipient: status.recipient.clone(),
        class: class.map_or("", |(class, _)| class.word()),
        rule: class.map_or("", |(_, rule)| rule),
        code: status.code,
        enhanced: status.status.map(|status| status.to_string()).unwrap_or_default(),
        text: status.text.clone(),
        reporter: mail.reporter.clone(),
        message_id: mail.message_id.clone().unwrap_or_default(),
        envelope_id: mail.envelope_id.clone().unwrap_or_default(),
        ..RemoteReport::default()
    }
}

/// Why an address gets no more mail after this; `None` where it goes on.
fn reason_of(status: &RemoteStatus, report: &RemoteReport) -> Option<&'static str> {
    match status.told {
        Told::Failed if report.class == Class::Hard.word() => Some("hard-bounce"),
        Told::Complaint => Some("complaint"),
        Told::Unsubscribed => Some("unsubscribe"),
        _ => None,
    }
}
