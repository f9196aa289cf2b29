//! Mail from other hosts is examined before it is taken: SPF, DKIM and DMARC over the spooled body, in bounded time.
//!
//! A check that cannot be made is a verdict (`temperror`), not a failure of ours: a dead DNS server keeps no mail out.

use std::sync::Arc;
use std::time::Duration;

use super::Intake;
use crate::base::limits::{
    CHECK_INLINE_OCTETS_MAX, CHECK_POLICY_QUESTIONS_MAX, CHECK_POLICY_SECONDS, CHECK_QUESTION_SECONDS,
    CHECK_QUESTIONS_MAX, HEADER_OCTETS_MAX,
};
use crate::base::{Body, Content, Envelope, Error, Result, Timestamp};
use crate::dns::patient::PatientResolver;
use crate::mailauth::results::{AuthenticationResults, is_foreign};
use crate::mailauth::{Checks, Examination, Origin, Verdicts};
use crate::message::fit::{self, Header};
use crate::message::header::{Field, split_entity};
use crate::os::aside::aside;
use crate::smtp::server::Client;

/// What is known of a message that was checked.
pub(super) struct Examined {
    /// Where it came from.
    pub(super) origin: Origin,
    /// What the checks came to.
    pub(super) verdicts: Verdicts,
}

impl Intake {
    /// What the checks of a message came to; `None` for mail that is not checked: of an account, of a trusted client,
    /// or from a relay of ours by LMTP.
    pub(super) async fn examine(
        &self,
        client: &Client,
        envelope: &Envelope,
        content: &Content,
        now: Timestamp,
    ) -> Result<Option<Examined>> {
        let checking = &self.settings.checking;
        let peer = client.ends.peer.ip().to_canonical();
        if !self.checks(client) {
            return Ok(None);
        }
        let front = self.front(&content.body).await?;
        let header = split_entity(&front).0.len().min(HEADER_OCTETS_MAX);
        let checks = Checks {
            spf: checking.spf,
            dkim: checking.dkim,
            dmarc: checking.dmarc,
            arc: checking.arc,
            iprev: checking.iprev,
            bimi: checking.bimi,
        };
        let examination = Examination::begin(front.get(..header).unwrap_or(&front), checks);
        let examination = if examination.wants_body() {
            self.with_body(examination, content.body.clone(), header as u64).await?
        } else {
            examination
        };
        let origin = Origin {
            ip: peer,
            helo: client.hello.clone(),
            reverse_path: envelope.reverse_path.clone(),
            receiver: self.settings.hostname.clone(),
        };
        let patient = |total: Duration, questions: u32| {
            let (resolver, clock) = (Arc::clone(&self.world.resolver), Arc::clone(&self.world.clock));
            PatientResolver::new(resolver, clock, total, Duration::from_secs(CHECK_QUESTION_SECONDS), questions)
        };
        // The sender chooses what SPF and DKIM ask, and whom: DMARC's policy has a reserve of its own.
        let policies = patient(checking.dns + Duration::from_secs(CHECK_POLICY_SECONDS), CHECK_POLICY_QUESTIONS_MAX);
        let resolver = patient(checking.dns, CHECK_QUESTIONS_MAX);
        let verdicts = examination.finish_with(&resolver, &policies, &origin, now).await;
        Ok(Some(Examined { origin, verdicts }))
    }

    /// Authentication-Results to put in front of a message that was examined with these `results`, and the content fit
    /// to be kept: without what strangers wrote in our name (RFC 8601 §5). What its header begins with is its prefix
    /// then.
    pub(super) async fn fit(
        &self,
        results: Option<&AuthenticationResults>,
        content: Content,
    ) -> Result<(Vec<u8>, Content)> {
        let results = results.filter(|_| self.settings.checking.results);
        let field = results.map(AuthenticationResults::field);
        let front = self.front(&content.body).await?;
        let mended = fit::received(&front, |field| results.is_some() && self.is_foreign(field));
        let content = match mended {
            Some(Header { octets, replaced }) => content.with_front(octets, replaced),
            None => content,
        };
        Ok((field.unwrap_or_default(), content))
    }

    /// Whether a field is one that only we may write.
    pub(super) fn is_foreign(&self, field: &Field<'_>) -> bool {
        is_foreign(field, self.serv_id())
    }

    fn serv_id(&self) -> &str {
        self.settings.checking.serv_id.as_ref().unwrap_or(&self.settings.hostname)
    }

    /// What was found, under our name.
    pub(super) fn results(&self, examined: &Examined) -> AuthenticationResults {
        examined.verdicts.authentication_results(self.serv_id(), &examined.origin)
    }

    /// Gives it all behind the header.
    async fn with_body(&self, mut examination: Examination, body: Body, from: u64) -> Result<Examination> {
        let inline = matches!(body, Body::Memory(_)) && body.len() <= CHECK_INLINE_OCTETS_MAX;
        let read = move || {
            body.for_each_from(from, |piece| {
                examination.push(piece);
                Ok::<(), std::io::Error>(())
            })?;
            Ok(examination)
        };
        aside(&*self.world.run, inline, read).await?.map_err(unreadable)
    }
}

pub(super) fn unreadable(e: std::io::Error) -> Error {
    Error::of_disk("scratch file", &e)
}
