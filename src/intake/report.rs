//! NOTIFY=SUCCESS for recipients that come to rest here: the report is kept in the same transaction as the
//! message it speaks of (RFC 3461 §6.2).

use super::examine::unreadable;
use super::submit::Plan;
use super::{Intake, front};
use crate::base::envelope::{Notify, Returns};
use crate::base::{Content, Enhanced, Envelope, Recipient, Result, Timestamp};
use crate::delivery::directory::{is_local, resolve};
use crate::dsn::{Action, Letter, Original, RecipientReport, Report, Typed, compose};
use crate::message::header::header_len;
use crate::store::Acceptance;

impl Intake {
    /// The report, ready to be filed or queued; `None` where nobody asked for one, or nobody would get it.
    pub(super) async fn success_report(
        &self,
        plan: &Plan,
        envelope: &Envelope,
        content: &Content,
        now: Timestamp,
    ) -> Result<Option<Acceptance>> {
        let (Some(sender), false) = (&envelope.reverse_path, plan.reported.is_empty()) else { return Ok(None) };
        let front = front(&content.body).map_err(unreadable)?;
        let header = header_len(&front).and_then(|len| front.get(..len)).unwrap_or(&front);
        let octets = [content.prefix.as_slice(), header].concat();
        let report = Report {
            reporting_mta: self.settings.hostname.clone(),
            envelope_id: envelope.envelope_id.clone(),
            arrival: Some(now),
            recipients: plan.reported.iter().map(|recipient| delivered(recipient, now)).collect(),
        };
        let (mut boundary, mut message_id) = ([0; 16], [0; 16]);
        self.world.entropy.fill(&mut boundary);
        self.world.entropy.fill(&mut message_id);
        let original = Original { octets: &octets, complete: false, returns: Some(Returns::Headers) };
        let written = compose(&Letter { report: &report, to: sender, date: now, boundary, message_id, original });
        let mut to = Recipient::new(sender.clone());
        to.notify = Notify::NEVER;
        let letter =
            Envelope { recipients: vec![to], body: written.body, smtputf8: written.smtputf8, ..Envelope::default() };
        let mut content = Content::from_octets(written.octets);
        // A report that cannot be signed is still a report.
        content.prefix = self.signatures(&content, now).await.unwrap_or_default();
        let directory = self.store.directory();
        let mut acceptance = Acceptance::default();
        if !is_local(&*directory, &self.settings, sender) {
            acceptance.items.push(self.new_item(letter, content, None, now));
            return Ok(Some(acceptance));
        }
        let Ok(found) = resolve(&*directory, &self.settings, sender) else { return Ok(None) };
        if found.accounts.is_empty() {
            return Ok(None);
        }
        let prefix = [super::trace::return_path(None), content.prefix].concat();
        let content = Content { prefix, ..content };
        let filings = self.filings(&found.accounts, false, now).await?;
        acceptance.arrivals.push(self.arrival(content, filings, now).await?);
        Ok(Some(acceptance))
    }
}

fn delivered(recipient: &Recipient, now: Timestamp) -> RecipientReport {
    RecipientReport {
        original: recipient.original.as_deref().and_then(Typed::parse),
        recipient: Typed::address(&recipient.address),
        action: Action::Delivered,
        status: Enhanced::new(2, 0, 0),
        remote_mta: None,
        diagnostic: None,
        last_attempt: Some(now),
        will_retry_until: None,
    }
}
