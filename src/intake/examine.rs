//! Mail from other hosts is examined before it is taken: SPF, DKIM and DMARC over the spooled body, in bounded time.
//!
//! A check that cannot be made is a verdict (`temperror`), not a failure of ours: a dead DNS server keeps no mail out.

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use super::Intake;
use crate::base::limits::{CHECK_INLINE_OCTETS_MAX, CHECK_QUESTION_SECONDS, CHECK_QUESTIONS_MAX, HEADER_OCTETS_MAX};
use crate::base::world::BoxFuture;
use crate::base::{Body, Content, Envelope, Error, ErrorKind, Result, Service, Timestamp};
use crate::dns::patient::PatientResolver;
use crate::mailauth::results::{AuthenticationResults, foreign};
use crate::mailauth::{Checks, Examination, Origin, Verdicts};
use crate::message::header::header_len;
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
        let service = client.service == Service::Mx || (client.service == Service::Lmtp && checking.lmtp);
        let peer = client.ends.peer.ip().to_canonical();
        if !service || client.account.is_some() || checking.trusts(peer) {
            return Ok(None);
        }
        let front = super::front(&content.body).map_err(unreadable)?;
        let header = header_len(&front).unwrap_or(front.len()).min(HEADER_OCTETS_MAX);
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
        let resolver = PatientResolver::new(
            Arc::clone(&self.world.resolver),
            Arc::clone(&self.world.clock),
            checking.dns,
            std::time::Duration::from_secs(CHECK_QUESTION_SECONDS),
            CHECK_QUESTIONS_MAX,
        );
        let verdicts = examination.finish(&resolver, &origin, now).await;
        Ok(Some(Examined { origin, verdicts }))
    }

    /// Authentication-Results to put in front, and the content without what strangers wrote in our name (RFC 8601 §5):
    /// what was left of its header up to there is its prefix then.
    pub(super) fn with_results(&self, examined: &Examined, content: Content) -> std::io::Result<(Vec<u8>, Content)> {
        if !self.settings.checking.results {
            return Ok((Vec::new(), content));
        }
        let found = self.results(examined);
        let pieces = foreign(&super::front(&content.body)?, &found.authserv_id);
        if pieces.is_empty() {
            return Ok((found.field(), content));
        }
        let (kept, body) = content.body.without(&pieces)?;
        Ok((found.field(), Content { prefix: [content.prefix, kept].concat(), body }))
    }

    /// What was found, under our name.
    pub(super) fn results(&self, examined: &Examined) -> AuthenticationResults {
        let serv_id = self.settings.checking.serv_id.as_ref().unwrap_or(&self.settings.hostname);
        examined.verdicts.authentication_results(serv_id, &examined.origin)
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
        self.compute(inline, read).await?.map_err(unreadable)
    }

    /// Does a piece of computing: here where it is small, else off the tasks.
    pub(super) fn compute<T: Send + 'static>(
        &self,
        inline: bool,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        if inline {
            return Box::pin(ready(Ok(job())));
        }
        let done = Arc::new(Mutex::new(None));
        let place = done.clone();
        let job = move || {
            let result = job();
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        };
        let computed = self.world.run.compute(Box::new(job));
        Box::pin(async move {
            computed.await;
            let result = done.lock().unwrap_or_else(PoisonError::into_inner).take();
            result.ok_or_else(|| Error::new(ErrorKind::Bug, "a piece of computing did not end"))
        })
    }
}

pub(super) fn unreadable(e: std::io::Error) -> Error {
    Error::of_disk("scratch file", &e)
}
