//! Mail of our own users and of the host program: completed, split into what stays here and what goes out, and
//! kept in one transaction.
//!
//! What is submitted is made fit for the wire once (`message::fit`, RFC 6409 §8), judged as it will be seen, and signed
//! last.

use super::door::Writer;
use super::hook::Policy;
use super::plan::{Plan, Unplanned};
use super::policy;
use super::receive::{judge, taken};
use super::terms::priority_field;
use super::trace::{self, Passage};
use super::{Intake, reply_of};
use crate::base::envelope::BodyKind;
use crate::base::limits::{HEADER_OCTETS_MAX, SENT_NAME_OCTETS_MAX, SUBMIT_KEY_OCTETS_MAX};
use crate::base::terms::Terms;
use crate::base::{Account, Address, Content, Envelope, Error, ErrorKind, QueueId, Reply, Result, Timestamp};
use crate::delivery::directory::{Nowhere, known, may_send_as};
use crate::delivery::wire::{as_lines, with_line_ends};
use crate::message::fit::{self, Filling, is_whole};
use crate::message::header::{find, header_len};
use crate::message::message_id::message_id;
use crate::smtp::server::{Client, too_large, too_many_recipients};
use crate::store::{Filed, Notes};

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

/// What the host program wants of a submission beside its envelope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubmitOptions {
    /// What the program calls it, at most `SUBMIT_KEY_OCTETS_MAX` octets: a second submission under the same key gets
    /// the queue id of the first, and is not taken.
    pub key: Option<String>,
    /// Nobody gets it before this time, recipients here neither.
    pub not_before: Option<Timestamp>,
}

/// The plan, where all recipients exist: the program hears of others at once, also where mail for them is returned.
fn all_exist(plan: Plan) -> std::result::Result<Plan, Unplanned> {
    match plan.returned.first() {
        Some(to) => Err(Unplanned::Nowhere(to.address.clone(), Nowhere::Unknown)),
        None => Ok(plan),
    }
}

impl Intake {
    /// Submits for the host program: as `account`, which must own the reverse-path, or as the host itself, which may
    /// send as anybody. Errors: `Invalid` (no recipient), `NotFound` (no such local user), `Policy` (not the account's
    /// address), `Limit` (too large, too many recipients, a loop), `Quota`, and the store's; each with the reply codes
    /// that a session would have given.
    pub async fn submit(&self, account: Option<&Account>, envelope: &Envelope, content: Content) -> Result<Submitted> {
        self.submit_with(account, envelope, content, SubmitOptions::default()).await
    }

    /// [`Intake::submit`], with what the program wants beside it. `Invalid` also where the key is empty or too long.
    pub async fn submit_with(
        &self,
        account: Option<&Account>,
        envelope: &Envelope,
        content: Content,
        options: SubmitOptions,
    ) -> Result<Submitted> {
        let key = options.key;
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > SUBMIT_KEY_OCTETS_MAX) {
            let text = format!("a key of a submission has 1 to {SUBMIT_KEY_OCTETS_MAX} bytes");
            return Err(Error::new(ErrorKind::Invalid, text));
        }
        let notes = Notes { submit_key: key, ..Notes::default() };
        let submitted = self.submit_as(account, envelope, content, notes, options.not_before).await;
        // Refusals have their codes already; the rest is what a session would say to the same trouble.
        submitted.map_err(|e| {
            let reply = reply_of(&e);
            e.with_reply(&reply)
        })
    }

    /// Submits for the engine itself, with what is to be noted in the same transaction.
    pub(super) async fn submit_noting(&self, envelope: &Envelope, content: Content, notes: Notes) -> Result<Submitted> {
        self.submit_as(None, envelope, content, notes, None).await
    }

    async fn submit_as(
        &self,
        account: Option<&Account>,
        envelope: &Envelope,
        content: Content,
        notes: Notes,
        not_before: Option<Timestamp>,
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
            && !known(&self.store, |directory| may_send_as(directory, &self.settings, account, address)).await?
        {
            let text = format!("{} may not send as {address}", account.address);
            return refused(ErrorKind::Policy, policy::not_yours(), text);
        }
        self.prepare_sink(envelope).await?;
        let writer = account.map_or(Writer::Program, Writer::Account);
        if let Some(reply) = known(&self.store, |known| self.refused_by_group(known, envelope, &writer)).await? {
            let text = reply.text.clone();
            return refused(ErrorKind::Policy, reply, text);
        }
        let plan = match self.plan(envelope).await.and_then(all_exist) {
            Ok(plan) => plan.noting(notes).later(envelope, not_before.filter(|at| *at > self.world.clock.wall())),
            Err(Unplanned::Trouble(e)) => return Err(e),
            Err(Unplanned::Nowhere(address, why)) => {
                let (kind, text) = match why {
                    Nowhere::Unknown => (ErrorKind::NotFound, "no such user"),
                    Nowhere::TooMany => (ErrorKind::Limit, "alias circle"),
                };
                return refused(kind, policy::nowhere(why), format!("{text}: {address}"));
            }
        };
        self.refuse_suppressed(account, &plan.remote).await?;
        let id = self.passage_id();
        let now = self.world.clock.wall();
        let content = with_line_ends(&self.world, &self.store, content).await?;
        let accepted = match self.ready(None, account, envelope, content, &id, now).await? {
            Ok((content, body, terms)) => {
                let plan = plan.named(self.names_of(envelope, &content).await?).of(None, "", &id);
                let envelope = Envelope { body, terms, ..envelope.clone() };
                self.carry_out(plan, &envelope, content, account.map(|a| a.id), now).await?
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
        let policy = match self.at_door(client, envelope, &Writer::of(client, None, &[]), Policy::Accept).await {
            Ok(policy) => policy,
            Err(e) => return reply_of(&e),
        };
        let taken_as = match self.decide(client, envelope, &content, None, policy).await {
            Ok(taken_as) => taken_as,
            Err(reply) => return reply,
        };
        let (envelope, now) = (&*taken_as.envelope, self.world.clock.wall());
        let plan = match self.plan(envelope).await {
            Ok(plan) => {
                let hold = envelope.terms.hold.map(|until| until.at(now)).filter(|until| *until > now);
                plan.later(envelope, hold).filed(taken_as.junk)
            }
            Err(why) => return why.reply(),
        };
        let id = self.passage_id();
        let plan = plan.of(Some(client), "", &id);
        let account = client.account.as_deref();
        let done = match self.ready(Some(client), account, envelope, content, &id, now).await {
            Ok(Ok((content, body, terms))) => {
                let plan = match self.names_of(envelope, &content).await {
                    Ok(names) => plan.named(names),
                    Err(e) => return reply_of(&e),
                };
                let envelope = Envelope { body, terms, ..envelope.clone() };
                self.carry_out(plan, &envelope, content, account.map(|a| a.id), now).await
            }
            Ok(Err(reply)) => return reply,
            Err(e) => Err(e),
        };
        done.map_or_else(|e| reply_of(&e), |accepted| taken(&accepted, &id))
    }

    /// What reports of others may call a message of ours, where they are read.
    async fn names_of(&self, envelope: &Envelope, content: &Content) -> Result<Vec<String>> {
        if !self.settings.sending.read_reports {
            return Ok(Vec::new());
        }
        // A header that needed no change stands in the body.
        let front = self.front(&content.body).await?;
        let header = [content.prefix.as_slice(), &front].concat();
        let message_id = find(&header, "message-id").and_then(|field| message_id(&field.value()));
        let message_id = message_id.map(|id| String::from_utf8_lossy(&id).into_owned());
        let envelope_id = envelope.envelope_id.as_ref().map(|id| format!("envid {id}"));
        let names = message_id.into_iter().chain(envelope_id);
        Ok(names.filter(|name| name.len() <= SENT_NAME_OCTETS_MAX).collect())
    }

    /// The content as it is kept and sent, what BODY says of it, and the terms of its way: complete, its author judged,
    /// fit for the wire, and signed last. The inner error is a refusal.
    async fn ready(
        &self,
        client: Option<&Client>,
        account: Option<&Account>,
        envelope: &Envelope,
        content: Content,
        id: &str,
        now: Timestamp,
    ) -> Result<std::result::Result<(Content, BodyKind, Terms), Reply>> {
        let (content, terms) = match self.complete(client, account, envelope, content, id, now).await? {
            Ok(completed) => completed,
            Err(reply) => return Ok(Err(reply)),
        };
        match as_lines(&self.world, &self.store, content, envelope.body).await? {
            Ok((content, body)) => Ok(Ok((self.signed(content, now).await?, body, terms))),
            Err(_) => Ok(Err(Reply::new(554, 6, 0, "Lines over 998 octets or NUL where nothing can be encoded"))),
        }
    }

    /// The content with Received in front, its header fit for the wire and its author judged. The inner error is a
    /// refusal.
    async fn complete(
        &self,
        client: Option<&Client>,
        account: Option<&Account>,
        envelope: &Envelope,
        content: Content,
        id: &str,
        now: Timestamp,
    ) -> Result<std::result::Result<(Content, Terms), Reply>> {
        let front = self.front(&content.body).await?;
        if !is_whole(&front, content.body.len()) {
            return Ok(Err(Reply::new(552, 3, 4, format!("Header too large, at most {HEADER_OCTETS_MAX} bytes"))));
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
        let rest =
            if header_len(&header.octets).is_some() { &[] } else { given.get(header.replaced..).unwrap_or_default() };
        if let Err(reply) = self.judge_author(account, &[&header.octets, rest]).await {
            return Ok(Err(reply));
        }
        let terms = match self.terms(&envelope.terms, &[&header.octets, rest], true) {
            Ok(terms) => terms,
            Err(reply) => return Ok(Err(reply)),
        };
        let received = trace::received(&Passage { client, host, id, at: now }, envelope);
        let priority = priority_field(&terms, &[&header.octets, rest]);
        let front = [received, priority, header.octets].concat();
        Ok(Ok((content.with_front(front, header.replaced), terms)))
    }
}

/// What a refusal is for the host's call.
fn kind_of(reply: &Reply) -> ErrorKind {
    match reply.enhanced.map(|status| (status.subject, status.detail)) {
        Some((7, _)) => ErrorKind::Policy,
        Some((6, _)) => ErrorKind::Invalid,
        _ => ErrorKind::Limit,
    }
}
