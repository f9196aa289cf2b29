//! Mail of our own users and of the host program: completed, split into what stays here and what goes out, and
//! kept in one transaction.
//!
//! Only what RFC 6409 §8 allows is added (Date, Message-ID, From), in front of what was given; nothing given is
//! changed or removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::examine::unreadable;
use super::hook::Policy;
use super::policy;
use super::receive::{directory_changed, judge, taken};
use super::sign::{Seal, not_own};
use super::trace::{self, Passage};
use super::{Intake, front, reply_of};
use crate::base::event::Origin;
use crate::base::{
    Account, AccountId, Address, Content, Envelope, Error, ErrorKind, QueueId, Recipient, Reply, Result, Timestamp,
};
use crate::delivery::directory::{Nowhere, is_local, may_send_as, resolve};
use crate::message::header::fields;
use crate::smtp::server::{Client, too_large, too_many_recipients};
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
    /// Where it came from, for the event; its sender is the envelope's.
    pub(super) origin: Origin,
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
            let reply = too_many_recipients(recipients_max);
            return refused(ErrorKind::Limit, reply, format!("more than {recipients_max} recipients"));
        }
        if content.len() > octets_max {
            let reply = too_large(octets_max);
            return refused(ErrorKind::Limit, reply, format!("more than {octets_max} bytes"));
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
        let accepted = match self.complete(None, account, envelope, &content, &id)? {
            Ok((now, prefix)) => {
                let prefix = self.signed(prefix, &content, now).await?;
                let plan = plan.of(None, "", &id);
                self.carry_out(plan, envelope, content, prefix, account.map(|a| a.id), now).await?
            }
            Err(reply) => {
                let kind = if reply == not_own() { ErrorKind::Policy } else { ErrorKind::Limit };
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
        let plan = plan.of(Some(client), "", &id);
        let account = client.account.as_deref();
        let done = match self.complete(Some(client), account, envelope, &content, &id) {
            Ok(Ok((now, prefix))) => match self.signed(prefix, &content, now).await {
                Ok(prefix) => self.carry_out(plan, envelope, content, prefix, account.map(|a| a.id), now).await,
                Err(e) => Err(e),
            },
            Ok(Err(reply)) => return reply,
            Err(e) => Err(e),
        };
        done.map_or_else(|e| reply_of(&e), |accepted| taken(&accepted, &id))
    }

    /// What is put in front: Received and the fields that are missing. The inner error is a refusal.
    fn complete(
        &self,
        client: Option<&Client>,
        account: Option<&Account>,
        envelope: &Envelope,
        content: &Content,
        id: &str,
    ) -> Result<std::result::Result<(Timestamp, Vec<u8>), Reply>> {
        let now = self.world.clock.wall();
        let front = front(&content.body).map_err(unreadable)?;
        if let Err(reply) = judge(&front) {
            return Ok(Err(reply));
        }
        if let Some(account) = account.filter(|_| self.settings.checking.from_is_own)
            && !self.is_own_author(account, [&content.prefix, &front])
        {
            return Ok(Err(not_own()));
        }
        let host = &self.settings.hostname;
        let mut prefix = trace::received(&Passage { client, host, id, at: now }, envelope);
        let author = account.map(|account| &account.address).or(envelope.reverse_path.as_ref());
        let domain = author.map_or_else(|| host.clone(), |author| author.domain().key());
        let message_id = format!("{id}{:016x}@{domain}", self.world.entropy.u64());
        prefix.extend_from_slice(&content.prefix);
        prefix.extend_from_slice(&missing_fields([&content.prefix, &front], author, &message_id, now));
        Ok(Ok((now, prefix)))
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

    /// Files and queues, in one transaction. `prefix` is what both copies have in front.
    pub(super) async fn carry_out(
        &self,
        plan: Plan,
        envelope: &Envelope,
        content: Content,
        prefix: Vec<u8>,
        submitter: Option<AccountId>,
        now: Timestamp,
    ) -> Result<Accepted> {
        let mut acceptance = Acceptance::default();
        let report = self.success_report(&plan, envelope, &prefix, &content, now).await?;
        if !plan.remote.is_empty() {
            let envelope = Envelope { recipients: plan.remote, ..envelope.clone() };
            let content = Content { prefix: prefix.clone(), body: content.body.clone() };
            let content = self.sealed(plan.seal.as_ref(), content, now).await;
            acceptance.items.push(self.new_item(envelope, content, submitter, now));
        }
        if !plan.accounts.is_empty() {
            let mut own = trace::return_path(envelope.reverse_path.as_ref());
            own.extend_from_slice(&prefix);
            let content = Content { prefix: own, body: content.body };
            let filings = self.filings(&plan.accounts, plan.junk, now).await?;
            let mut arrival = self.arrival(content, filings, now).await?;
            let from = envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
            arrival.origin = Origin { from, ..plan.origin };
            acceptance.arrivals.push(arrival);
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

    /// With where it came from: the client, where there is one, what its checks came to, and its passage.
    pub(super) fn of(mut self, client: Option<&Client>, verdicts: &str, passage: &str) -> Plan {
        let peer = client.map(|client| client.ends.peer.to_string()).unwrap_or_default();
        let (verdicts, trace) = (verdicts.to_owned(), passage.to_owned());
        self.origin = Origin { from: String::new(), peer, verdicts, trace };
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

/// The fields RFC 5322 §3.6 asks for and `given`, prefix and front of the body, has not, and an empty line where it
/// has no header at all.
fn missing_fields(given: [&[u8]; 2], author: Option<&Address>, message_id: &str, now: Timestamp) -> Vec<u8> {
    let (mut date, mut from, mut id, mut any) = (false, false, false, false);
    for field in given.into_iter().flat_map(fields) {
        date |= field.is("Date");
        from |= field.is("From");
        id |= field.is("Message-ID");
        any |= !field.name.is_empty();
    }
    let mut added = String::new();
    if let (false, Some(author)) = (from, author) {
        added.push_str(&format!("From: <{author}>\r\n"));
    }
    if !date {
        added.push_str(&format!("Date: {}\r\n", now.rfc5322()));
    }
    if !id {
        added.push_str(&format!("Message-ID: <{message_id}>\r\n"));
    }
    let [_, body] = given;
    let begins_with_its_end = body.starts_with(b"\r\n") || body.starts_with(b"\n");
    if !any && !begins_with_its_end {
        added.push_str("\r\n");
    }
    added.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_added() {
        let author = Address::parse("bob@x.org").unwrap();
        let added = |given: &str| {
            String::from_utf8(missing_fields([b"", given.as_bytes()], Some(&author), "i@x", Timestamp(0))).unwrap()
        };
        let (from, date, id) =
            ("From: <bob@x.org>\r\n", "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n", "Message-ID: <i@x>\r\n");
        assert_eq!(added("From: a\r\nDate: b\r\nMessage-ID: c\r\n\r\nbody"), "");
        assert_eq!(added("from: a\r\nmessage-id: c\r\n\r\nDate: in the body"), date);
        assert_eq!(added("Subject: x\r\n\r\n"), [from, date, id].concat());
        assert_eq!(added("\r\njust a body"), [from, date, id].concat());
        assert_eq!(added("just a body\r\n"), [from, date, id, "\r\n"].concat());
        assert_eq!(added(""), [from, date, id, "\r\n"].concat());
    }

    #[test]
    fn each_address_elsewhere_counts_once() {
        let mut plan = Plan::default();
        for text in ["a@x.org", "A@X.ORG", "b@x.org"] {
            plan.send(Recipient::new(Address::parse(text).unwrap()));
        }
        assert_eq!(plan.remote.len(), 2);
    }
}
