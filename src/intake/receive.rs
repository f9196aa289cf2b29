//! Mail from the world (MX) and from a relay of ours (LMTP): checked for loops, examined, marked with its trace, filed
//! in one transaction, and only then answered.
//!
//! The content is complete and nothing is decided when [`Intake::receive`] begins: what judges a message has its place
//! in [`Intake::admit`], between reading the header and filing. The host has the last word.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::disposition::Disposition;
use super::door::Writer;
use super::policy::{nowhere, returns_unknown, unknown_user};
use super::sign::Seal;
use super::trace::{self, Passage};
use super::{Intake, reply_of};
use crate::base::limits::{HEADER_OCTETS_MAX, RECEIVED_FIELDS_MAX};
use crate::base::{Content, Envelope, Error, ErrorKind, Reply, Result, Service, Timestamp};
use crate::delivery::directory::{Nowhere, known, resolve};
use crate::mailauth::Verdicts;
use crate::mailauth::dmarc::DmarcResult;
use crate::mailauth::spf::SpfResult;
use crate::message::fit::is_whole;
use crate::message::header::{fields, find, split_entity};
use crate::message::parameter;
use crate::smtp::server::Client;
use crate::store::Accepted;

/// A message that is taken.
struct Admitted<'a> {
    /// From whom and for whom; other than it was said where the host redirects it.
    envelope: Cow<'a, Envelope>,
    /// Whether it goes to where junk is kept.
    junk: bool,
    /// What is put on it where it is sent on.
    seal: Option<Seal>,
    /// Fields of ours above Received.
    prefix: Vec<u8>,
    /// What is kept of what came.
    content: Content,
    /// What its checks came to, in short.
    verdicts: String,
    /// Whether its sender may be forged, and is told nothing that can be left out.
    is_quiet: bool,
    /// Whether it may tell what became of a message of ours.
    is_report: bool,
    /// Whether SPF or DMARC failed.
    is_forged: bool,
}

impl Intake {
    /// Takes responsibility for a message, or says why not: one reply, or with LMTP one for each recipient.
    pub async fn receive(&self, client: &Client, envelope: &Envelope, content: Content) -> Vec<Reply> {
        let lmtp = client.service == Service::Lmtp;
        let same_for_all = |reply: Reply| vec![reply; if lmtp { envelope.recipients.len() } else { 1 }];
        let (id, now) = (self.passage_id(), self.world.clock.wall());
        if let Err(e) = self.prepare_sink(envelope).await {
            return same_for_all(reply_of(&e));
        }
        let admitted = match self.admit(client, envelope, content, now).await {
            Ok(admitted) => admitted,
            Err(reply) => return same_for_all(reply),
        };
        let received = self.received(client, &admitted.envelope, &id, now);
        let whom = if self.settings.sink.is_on() { trace::envelope_to(&admitted.envelope) } else { Vec::new() };
        let prefix = [whom.as_slice(), &admitted.prefix, &received, &admitted.content.prefix].concat();
        let content = Content { prefix, body: admitted.content.body };
        let admitted = Admitted { content, prefix: Vec::new(), ..admitted };
        if lmtp {
            let replies = self.receive_each(client, admitted, &id, now).await;
            // Of several recipients that were redirected to one, its reply is everybody's.
            let [only] = replies.as_slice() else { return replies };
            return same_for_all(only.clone());
        }
        let plan = match self.plan(&admitted.envelope).await {
            Ok(plan) => {
                let plan = plan
                    .read_by(admitted.is_report)
                    .filed(admitted.junk)
                    .sealed(admitted.seal)
                    .quiet(admitted.is_quiet)
                    .forged(admitted.is_forged);
                plan.of(Some(client), &admitted.verdicts, &id)
            }
            Err(why) => return vec![why.reply()],
        };
        let done = self.carry_out(plan, &admitted.envelope, admitted.content, None, now).await;
        vec![done.map_or_else(|e| reply_of(&e), |accepted| taken(&accepted, &id))]
    }

    /// Judges a message by its header and by what its checks come to, and asks the host. The error is the reply to
    /// refuse it with.
    async fn admit<'a>(
        &self,
        client: &Client,
        envelope: &'a Envelope,
        content: Content,
        now: Timestamp,
    ) -> std::result::Result<Admitted<'a>, Reply> {
        let (is_header_whole, is_report, terms) = {
            let front = self.front(&content.body).await.map_err(|e| reply_of(&e))?;
            judge(&front)?;
            let is_report = self.settings.sending.read_reports && may_be_report(envelope, &front);
            let terms = self.terms(&envelope.terms, &[&front], false)?;
            (is_whole(&front, content.body.len()), is_report, terms)
        };
        let examined = self.examine(client, envelope, &content, now).await.map_err(|e| reply_of(&e))?;
        if examined.is_some() && !is_header_whole {
            // Who could hide From, or results in our name, behind what is looked at would pass every check.
            return Err(Reply::new(
                552,
                3,
                4,
                format!("Header too large to be checked, at most {HEADER_OCTETS_MAX} bytes"),
            ));
        }
        let verdicts = examined.as_ref().map(|examined| &examined.verdicts);
        // A sink checks mail for who reads the verdicts, and takes it all.
        let judged = verdicts.filter(|_| !self.settings.sink.is_on());
        let disposition = judged.map_or(Disposition::TAKEN, |verdicts| self.dispose(verdicts));
        let policy = {
            let front = self.front(&content.body).await.map_err(|e| reply_of(&e))?;
            let writer = Writer::of(client, verdicts, split_entity(&front).0);
            let policy = self.at_door(client, envelope, &writer, disposition.policy()).await;
            policy.map_err(|e| reply_of(&e))?
        };
        let decided = self.decide(client, envelope, &content, verdicts, policy).await;
        if let Some(examined) = &examined
            && let Some((applied, reasons)) = disposition.outcome(&decided)
        {
            self.observe(&examined.origin, &examined.verdicts, applied, reasons, now);
        }
        let taken = decided?;
        let results = examined.as_ref().map(|examined| self.results(examined));
        let (prefix, content) = self.fit(results.as_ref(), content).await.map_err(|e| reply_of(&e))?;
        let seal = examined.as_ref().and_then(|examined| self.seal(examined, envelope));
        let mut envelope = taken.envelope;
        if envelope.terms != terms {
            envelope.to_mut().terms = terms;
        }
        let is_quiet = verdicts.is_some_and(|verdicts| taken.junk || !may_be_told(verdicts.spf.result));
        let fails = |verdicts: &Verdicts| verdicts.dmarc.result == DmarcResult::Fail;
        let is_forged = is_quiet || verdicts.is_some_and(fails);
        if is_quiet {
            // Whose name stands in MAIL need not be who asked for it.
            envelope.to_mut().recipients.iter_mut().for_each(|to| to.notify.success = false);
        }
        let verdicts = results.map(|results| results.summary()).unwrap_or_default();
        Ok(Admitted { envelope, junk: taken.junk, seal, prefix, content, verdicts, is_quiet, is_forged, is_report })
    }

    fn received(&self, client: &Client, envelope: &Envelope, id: &str, at: Timestamp) -> Vec<u8> {
        trace::received(&Passage { client: Some(client), host: &self.settings.hostname, id, at }, envelope)
    }

    /// LMTP (RFC 2033 §4.2): one transaction for all while that works; where a mailbox is full, one for each.
    async fn receive_each(&self, client: &Client, admitted: Admitted<'_>, id: &str, now: Timestamp) -> Vec<Reply> {
        let Admitted { envelope, junk, seal, content, verdicts, is_quiet, is_forged, is_report, .. } = admitted;
        let envelope = &*envelope;
        let mut known_ones = Envelope { recipients: Vec::new(), ..envelope.clone() };
        let mut replies = Vec::with_capacity(envelope.recipients.len());
        for recipient in &envelope.recipients {
            let address = &recipient.address;
            let found = known(&self.store, |directory| match resolve(directory, &self.settings, address) {
                Err(Nowhere::Unknown) if returns_unknown(directory, address) => None,
                found => found.err(),
            });
            let found = found.await;
            let is_taken = matches!(found, Ok(None));
            replies.push(match found {
                Ok(None) => Reply::plain(250, ""),
                Ok(Some(why)) => nowhere(why),
                Err(e) => reply_of(&e),
            });
            if is_taken {
                known_ones.recipients.push(recipient.clone());
            }
        }
        let together: Result<Accepted> = match self.plan(&known_ones).await {
            Ok(plan) if !plan.is_empty() => {
                let plan = plan.read_by(is_report).filed(junk).sealed(seal.clone()).quiet(is_quiet).forged(is_forged);
                let plan = plan.of(Some(client), &verdicts, id);
                self.carry_out(plan, envelope, content.clone(), None, now).await
            }
            Ok(_) => return replies,
            Err(_) => Err(Error::new(ErrorKind::Store, "the directory changed")),
        };
        let full = matches!(&together, Err(e) if e.kind() == ErrorKind::Quota) && known_ones.recipients.len() > 1;
        let all = together.map_or_else(|e| reply_of(&e), |accepted| taken(&accepted, id));
        let mut served = BTreeSet::new();
        for (recipient, reply) in envelope.recipients.iter().zip(&mut replies).filter(|(_, r)| r.is_positive()) {
            if !full {
                *reply = all.clone();
                continue;
            }
            let alone = envelope.for_one(recipient.clone());
            *reply = match self.plan(&alone).await {
                Ok(plan) => {
                    let plan =
                        plan.read_by(is_report).filed(junk).sealed(seal.clone()).quiet(is_quiet).forged(is_forged);
                    let mut plan = plan.of(Some(client), &verdicts, id);
                    plan.actions.retain(|action| !served.contains(&action.account.id));
                    let ids: Vec<_> = plan.actions.iter().map(|action| action.account.id).collect();
                    let done = self.carry_out(plan, &alone, content.clone(), None, now).await;
                    if done.is_ok() {
                        served.extend(ids);
                    }
                    done.map_or_else(|e| reply_of(&e), |accepted| taken(&accepted, id))
                }
                Err(_) => unknown_user(),
            };
        }
        replies
    }
}

/// What a message's header alone decides: too many Received fields are a loop (RFC 5321 §6.3).
pub(super) fn judge(front: &[u8]) -> std::result::Result<(), Reply> {
    let passages = fields(front).filter(|field| field.is("Received")).take(RECEIVED_FIELDS_MAX + 1).count();
    if passages > RECEIVED_FIELDS_MAX {
        Err(Reply::new(554, 4, 6, format!("Mail loop, more than {RECEIVED_FIELDS_MAX} Received fields")))
    } else {
        Ok(())
    }
}

/// Whether a message may be a bounce, a receipt or a complaint: it has no sender, or it is a report by its type.
fn may_be_report(envelope: &Envelope, front: &[u8]) -> bool {
    let is_typed = || {
        let field = find(front, "content-type");
        field.is_some_and(|field| parameter::parse(field.body).token.eq_ignore_ascii_case(b"multipart/report"))
    };
    envelope.reverse_path.is_none() || is_typed()
}

/// Whether a stranger's reverse-path gets reports of success: where its domain allows the host that sent the mail, or
/// says nothing about hosts.
fn may_be_told(spf: SpfResult) -> bool {
    matches!(spf, SpfResult::Pass | SpfResult::None)
}

/// A recipient that was good at RCPT leads nowhere now: asked again, RCPT will say which.
pub(super) fn directory_changed() -> Reply {
    Reply::new(451, 3, 0, "Recipients changed meanwhile, try again")
}

/// The good reply.
pub(super) fn taken(accepted: &Accepted, id: &str) -> Reply {
    match accepted.queued.first() {
        Some(queued) => Reply::new(250, 0, 0, format!("Ok: queued as {}", queued.0)),
        None => Reply::new(250, 0, 0, format!("Ok: filed as {id}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_found_at_the_limit() {
        for (n, fits) in [(0, true), (RECEIVED_FIELDS_MAX, true), (RECEIVED_FIELDS_MAX + 1, false)] {
            let header = "Received: by x\r\n\t; now\r\n".repeat(n) + "\r\nReceived: not me\r\n";
            assert_eq!(judge(header.as_bytes()).is_ok(), fits, "{n}");
        }
    }
}
