//! NOTIFY=SUCCESS for recipients that come to rest here: the report is kept in the same transaction as the
//! message it speaks of (RFC 3461 §6.2).

use super::Intake;
use super::plan::Plan;
use crate::base::envelope::Returns;
use crate::base::{Content, Enhanced, Envelope, Recipient, Result, Timestamp};
use crate::dsn::{Action, RecipientReport, Typed};
use crate::message::header::split_entity;
use crate::queue::bounce::{Bounce, Reporter, Subject};

impl Intake {
    /// The report, ready to be filed or queued; `None` where nobody asked for one, or nobody would get it.
    pub(super) async fn success_report(
        &self,
        plan: &Plan,
        envelope: &Envelope,
        content: &Content,
        now: Timestamp,
    ) -> Result<Option<Bounce>> {
        if plan.reported.is_empty() || envelope.reverse_path.is_none() {
            return Ok(None);
        }
        let front = self.front(&content.body).await?;
        let (header, _) = split_entity(&front);
        let beginning = [content.prefix.as_slice(), header].concat();
        let recipients = plan.reported.iter().map(|recipient| delivered(recipient, now)).collect();
        let returns = Some(Returns::Headers);
        let subject = Subject { envelope, arrival: now, beginning, complete: false, returns };
        let (world, store, settings, keyring) = (&self.world, &self.store, &self.settings, &*self.keyring);
        Reporter { world, store, settings, keyring }.write(subject, recipients, false).await
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
