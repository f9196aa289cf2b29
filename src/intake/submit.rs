//! Mail of our own users and of the host program: completed, split into what stays here and what goes out, and
//! kept in one transaction.
//!
//! What is submitted is made fit for the wire once (`message::fit`, RFC 6409 §8), judged as it will be seen, and signed
//! last.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::examine::unreadable;
use super::hook::Policy;
use super::policy;
use super::receive::{directory_changed, judge, taken};
use super::sign::Seal;
use super::trace::{self, Passage};
use super::{Intake, front, reply_of};
use crate::base::{
    Account, AccountId, Address, Content, Envelope, Error, ErrorKind, QueueId, Recipient, Reply, Result, Timestamp,
};
use crate::delivery::directory::{Nowhere, is_local, may_send_as, resolve};
use crate::message::fit::{self, Filling, is_whole};
use crate::message::header::header_len;
use crate::smtp::server::Client;
use crate::store::{Acceptance, Accepted, Filed, NewItem, Notes};

/// Where a message goes, once for each account and each address.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    /// For INBOXes here.
    pub(super) accounts: Vec<Arc<Account>>,
    /// Whether it is filed as junk instead.
    pub(super) junk: bool,
    /// What is put on the copies for hosts elsewhere, for mail of others.
    pub(super) seal: Option<Seal>,
    /// For hosts elsewhere.
    pub(super) remote: Vec<Recipient>,
    /// Keys of `remote`.
    elsewhere: BTreeSet<String>,
    /// Recipients that come to rest here and whose sender wants to hear of it.
    pub(super) reported: Vec<Recipient>,
    /// What is noted in its transaction.
    pub(super) notes: Notes,
}

/// What became of a submitted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Its queue id, where it has recipients elsewhere.
    pub queued: Option<QueueId>,
    /// Where it was filed here.
    pub filed: Vec<Filed>,
    /// The id its Received field has.
    pub passage: String,
}

impl Intake {
    /// Submits for the host program: as `account`, which must own the reverse-path, or as the host itself, which may
    /// send as anybody. Errors: `Invalid` (no recipient), `NotFound` (no such local user), `Policy` (not the account's
    /// address), `Limit` (too large, too many recipients, a loop), `Quota`, and the store's; each with the reply codes
    /// that a session would have given.
    pub async fn submit(&self, account: Option<&Account>, envelope: &Envelope, content: Content) -> Result<Submitted> {
        let submitted = self.submit_as(account, envelope, content, Notes::default()).await;
        // Refusals have their codes already; the rest is what a session would say to the same trouble.
        submitted.map_err(|e| {
            let reply = reply_of(&e);
            e.with_reply(&reply)
        })
    }

    /// Submits for the engine itself, with what is to be noted in the same transaction.
    pub(super) async fn submit_noting(&self, envelope: &Envelope, content: Content, notes: Notes) -> Result<Submitted> {
        self.submit_as(None, envelope, content, notes).await
    }

    async fn submit_as(
        &self,
        account: Option<&Account>,
        envelope: &Envelope,
        content: Content,
        notes: Notes,
    ) -> Result<Submitted> {
        let refused = |kind, reply: Reply, text: String| Err(Error::new(kind, text).with_reply(&reply));
        let (recipients_max, octets_max) = (self.settings.recipients_max, self.settings.message_octets_max);
        if envelope.recipients.is_empty() {
            let reply = Reply::new(554, 5, 1, "No recipient");
            return refused(ErrorKind::Invalid, reply, "a message needs a recipient".to_owned());
        }
        if envelope.recipients.len() > recipients_max {
            let reply = Reply::new(452, 5, 3, "Too many recipients");
            return refused(ErrorKind::Limit, reply, format!("more than {recipients_max} recipients"));
        }
        if content.len() > octets_max {
            let reply = Reply::new(552, 3, 4, "Message too large");
            return refused(ErrorKind::Limit, reply, format!("more than {octets_max} octets"));
        }
        if let (Some(account), Some(address)) = (account, &envelope.reverse_path)
            && !may_send_as(&*self.store.directory(), &self.settings, account, address)
        {
            let text = format!("{} may not send as {address}", account.address);
            return refused(ErrorKind::Policy, policy::not_yours(), text);
        }
        let plan = match self.plan(envelope) {
            Ok(plan) => plan.noting(notes),
            Err((address, why)) => {
                let (kind, text) = match why {
                    Nowhere::Unknown => (ErrorKind::NotFound, "no such user"),
                    Nowhere::TooMany => (ErrorKind::Limit, "alias circle"),
                };
                return refused(kind, policy::nowhere(why), format!("{text}: {address}"));
            }
        };
        let id = self.passage_id();
        let now = self.world.clock.wall();
        let accepted = match self.complete(None, account, envelope, content, &id, now)? {
            Ok(content) => {
                let content = self.signed(content, now).await?;
                self.carry_out(plan, envelope, content, account.map(|a| a.id), now).await?
            }
            Err(reply) => {
                let kind = kind_of(&reply);
                let text = reply.text.clone();
                return refused(kind, reply, text);
            }
        };
        Ok(Submitted { queued: accepted.queued.first().copied(), filed: accepted.filed, passage: id })
    }

    /// Takes a message from a session that has logged in. Its addresses were checked when they were said.
    pub async fn submit_from(&self, client: &Client, envelope: &Envelope, content: Content) -> Reply {
        let taken_as = match self.decide(client, envelope, &content, None, Policy::Accept).await {
            Ok(taken_as) => taken_as,
            Err(reply) => return reply,
        };
        let envelope = &*taken_as.envelope;
        let plan = match self.plan(envelope) {
            Ok(plan) => plan.filed(taken_as.junk),
            Err(_) => return directory_changed(),
        };
        let id = self.passage_id();
        let account = client.account.as_deref();
        let now = self.world.clock.wall();
        let done = match self.complete(Some(client), account, envelope, content, &id, now) {
            Ok(Ok(content)) => match self.signed(content, now).await {
                Ok(content) => self.carry_out(plan, envelope, content, account.map(|a| a.id), now).await,
                Err(e) => Err(e),
            },
            Ok(Err(reply)) => return reply,
            Err(e) => Err(e),
        };
        done.map_or_else(|e| reply_of(&e), |accepted| taken(&accepted, &id))
    }

    /// The content as it is kept and sent: Received in front, the header fit for the wire and its author judged. The
    /// inner error is a refusal.
    fn complete(
        &self,
        client: Option<&Client>,
        account: Option<&Account>,
        envelope: &Envelope,
        content: Content,
        id: &str,
        now: Timestamp,
    ) -> Result<std::result::Result<Content, Reply>> {
        let front = front(&content.body).map_err(unreadable)?;
        if !is_whole(&front, content.body.len()) {
            return Ok(Err(Reply::new(552, 3, 4, "Header too large")));
        }
        if let Err(reply) = judge(&front) {
            return Ok(Err(reply));
        }
        let host = &self.settings.hostname;
        let daemon = Address::parse(&format!("MAILER-DAEMON@{host}")).ok();
        let author = account.map(|account| &account.address).or(envelope.reverse_path.as_ref()).or(daemon.as_ref());
        let domain = author.map_or_else(|| host.clone(), |author| author.domain().key());
        let message_id = format!("{id}{:016x}@{domain}", self.world.entropy.u64());
        let filling = Filling { author, domain: &domain, message_id: &message_id, now };
        // What the engine puts in front of its own mail belongs to its header.
        let given = [content.prefix.as_slice(), &front].concat();
        let header = match fit::submitted(&given, &filling, |field| self.is_foreign(field)) {
            Ok(header) => header,
            Err(unfit) => return Ok(Err(Reply::new(554, 6, 0, unfit.to_string()))),
        };
        let kept = content.prefix.get(header.replaced..).unwrap_or_default();
        let replaced = header.replaced.saturating_sub(content.prefix.len());
        let ends = header_len(&header.octets).is_some();
        let rest = if ends { &[] } else { front.get(replaced..).unwrap_or_default() };
        if let Err(reply) = self.judge_author(account, &[&header.octets, if ends { &[] } else { kept }, rest]) {
            return Ok(Err(reply));
        }
        let mut prefix = trace::received(&Passage { client, host, id, at: now }, envelope);
        prefix.extend_from_slice(&header.octets);
        prefix.extend_from_slice(kept);
        let body = content.body.behind(replaced);
        Ok(Ok(Content { prefix, body }))
    }

    /// Where each recipient's copy goes; the first address that leads nowhere otherwise.
    pub(super) fn plan(&self, envelope: &Envelope) -> std::result::Result<Plan, (Address, Nowhere)> {
        let directory = self.store.directory();
        let mut plan = Plan::default();
        for recipient in &envelope.recipients {
            if !is_local(&*directory, &self.settings, &recipient.address) {
                plan.send(recipient.clone());
                continue;
            }
            let found = resolve(&*directory, &self.settings, &recipient.address)
                .map_err(|why| (recipient.address.clone(), why))?;
            plan.notes.unread_report |= self.reads_reports_of(&recipient.address);
            if recipient.notify.success && found.remote.is_empty() {
                plan.reported.push(recipient.clone());
            }
            for account in found.accounts {
                if !plan.accounts.iter().any(|known| known.id == account.id) {
                    plan.accounts.push(account);
                }
            }
            for address in found.remote {
                // RFC 3461 §5.2.7: what the sender asked for goes on with it, and whom it first was for.
                let original = recipient.original.clone().unwrap_or_else(|| format!("rfc822;{}", recipient.address));
                plan.send(Recipient { address, notify: recipient.notify, original: Some(original) });
            }
        }
        Ok(plan)
    }

    /// Files and queues, in one transaction.
    pub(super) async fn carry_out(
        &self,
        plan: Plan,
        envelope: &Envelope,
        content: Content,
        submitter: Option<AccountId>,
        now: Timestamp,
    ) -> Result<Accepted> {
        let mut acceptance = Acceptance::default();
        let report = self.success_report(&plan, envelope, &content, now).await?;
        if !plan.remote.is_empty() {
            let envelope = Envelope { recipients: plan.remote, ..envelope.clone() };
            let content = self.sealed(plan.seal.as_ref(), content.clone(), now).await;
            acceptance.items.push(self.new_item(envelope, content, submitter, now));
        }
        if !plan.accounts.is_empty() {
            let mut own = trace::return_path(envelope.reverse_path.as_ref());
            own.extend_from_slice(&content.prefix);
            let content = Content { prefix: own, body: content.body };
            let filings = self.filings(&plan.accounts, plan.junk, now).await?;
            acceptance.arrivals.push(self.arrival(content, filings, now).await?);
        }
        let notes = plan.notes;
        let Some(report) = report else { return self.store.accept_noting(acceptance, notes).await };
        let mut both = acceptance.clone();
        both.arrivals.extend(report.arrivals);
        both.items.extend(report.items);
        let (filed, queued) = (count_filings(&acceptance), acceptance.items.len());
        match self.store.accept_noting(both, notes.clone()).await {
            // A report that has no room does not keep the message out.
            Err(e) if e.kind() == ErrorKind::Quota => self.store.accept_noting(acceptance, notes).await,
            Err(e) => Err(e),
            Ok(mut accepted) => {
                accepted.filed.truncate(filed);
                accepted.queued.truncate(queued);
                Ok(accepted)
            }
        }
    }

    /// An item of the queue, due at once.
    pub(super) fn new_item(
        &self,
        envelope: Envelope,
        content: Content,
        submitter: Option<AccountId>,
        now: Timestamp,
    ) -> NewItem {
        let expires = now.after(self.settings.outbound.lifetime);
        NewItem { envelope, content, submitter, created: now, due: now, expires }
    }
}

impl Plan {
    /// With what the caller wants noted, beside what the recipients ask for.
    fn noting(mut self, notes: Notes) -> Plan {
        self.notes = Notes { unread_report: self.notes.unread_report || notes.unread_report, ..notes };
        self
    }

    fn send(&mut self, recipient: Recipient) {
        if self.elsewhere.insert(recipient.address.key()) {
            self.remote.push(recipient);
        }
    }
}

fn count_filings(acceptance: &Acceptance) -> usize {
    acceptance.arrivals.iter().map(|arrival| arrival.filings.len()).sum()
}

/// What a refusal is for the host's call.
fn kind_of(reply: &Reply) -> ErrorKind {
    match reply.enhanced.map(|status| (status.subject, status.detail)) {
        Some((7, _)) => ErrorKind::Policy,
        Some((6, _)) => ErrorKind::Invalid,
        _ => ErrorKind::Limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_elsewhere_counts_once() {
        let mut plan = Plan::default();
        for text in ["a@x.org", "A@X.ORG", "b@x.org"] {
            plan.send(Recipient::new(Address::parse(text).unwrap()));
        }
        assert_eq!(plan.remote.len(), 2);
    }
}
