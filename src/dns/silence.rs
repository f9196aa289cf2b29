//! A resolver that notices when no DNS server answers at all, so that silence is waited for once and not by every
//! message.
//!
//! After `DNS_UNANSWERED_MAX` questions without an answer it asks one that every living server answers. Where that is
//! answered, it was the others' names, not our server: all goes on, and nobody can make us deaf by sending mail from
//! domains whose servers are dead. Where it is not, questions end with `Timeout` at once, and every
//! `DNS_PROBE_PAUSE_SECONDS` whoever asks next asks that one again first; its answer ends the silence. While it is
//! under way others wait for it, so that the first message after a silence is checked whole.
//!
//! A server that lives, while those it asks are silent, says so itself (RFC 9520 §3.2).

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smol::channel::{Receiver, Sender};
use smol::future::FutureExt;

use super::zone::no_records;
use crate::base::limits::{DNS_GIVEN_UP_SECONDS, DNS_PROBE_PAUSE_SECONDS, DNS_PROBE_SECONDS, DNS_UNANSWERED_MAX};
use crate::base::time::Mono;
use crate::base::world::{BoxFuture, Clock, DnsAnswer, NoRecords, RecordKind, Resolver};

/// A resolver that asks nothing while no server answers.
pub struct VigilantResolver(Arc<Shared>);

struct Shared {
    beyond: Arc<dyn Resolver>,
    clock: Arc<dyn Clock>,
    hearing: Mutex<Hearing>,
}

#[derive(Default)]
struct Hearing {
    /// Questions without an answer since a server was last known to live.
    unanswered: u32,
    /// Set while there is silence: when to probe next.
    silent_until: Option<Mono>,
    /// Ends when the probe under way does.
    probe: Option<Receiver<Infallible>>,
    /// Probes so far.
    probes: u64,
}

impl VigilantResolver {
    /// Watches how `beyond` answers.
    pub fn new(beyond: Arc<dyn Resolver>, clock: Arc<dyn Clock>) -> VigilantResolver {
        VigilantResolver(Arc::new(Shared { beyond, clock, hearing: Mutex::default() }))
    }
}

impl Resolver for VigilantResolver {
    fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        let (shared, name) = (self.0.clone(), name.to_owned());
        Box::pin(async move {
            loop {
                match shared.look() {
                    Look::Open => return shared.asked(&name, kind).await,
                    // Not to be remembered: the next probe may be answered.
                    Look::Silent => return DnsAnswer { ttl: Duration::ZERO, ..no_records(NoRecords::Timeout) },
                    Look::Probed(ends) => drop(ends.recv().await),
                    Look::Ours(probe) => probe.ask().await,
                }
            }
        })
    }
}

enum Look {
    Open,
    Silent,
    Probed(Receiver<Infallible>),
    Ours(Probe),
}

impl Shared {
    fn hearing(&self) -> MutexGuard<'_, Hearing> {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(self: &Arc<Self>) -> Look {
        let since = self.clock.now();
        let mut hearing = self.hearing();
        if let Some(probe) = &hearing.probe {
            return Look::Probed(probe.clone());
        }
        match hearing.silent_until {
            Some(until) if since < until => return Look::Silent,
            None if hearing.unanswered < DNS_UNANSWERED_MAX => return Look::Open,
            _ => {}
        }
        let (ends_tx, ends) = smol::channel::bounded(1);
        hearing.probe = Some(ends);
        hearing.probes += 1;
        Look::Ours(Probe { shared: self.clone(), number: hearing.probes, since, is_heard: None, _ends: ends_tx })
    }

    async fn asked(self: &Arc<Self>, name: &str, kind: RecordKind) -> DnsAnswer {
        let mut question = Question { shared: self, since: self.clock.now(), is_answered: None };
        let answer = self.beyond.ask(name, kind).await;
        question.is_answered = Some(answer.records != Err(NoRecords::Timeout));
        answer
    }

    /// Whether a question given up now, asked `since`, was met by silence.
    fn was_long(&self, since: Mono) -> bool {
        self.clock.now() - since >= Duration::from_secs(DNS_GIVEN_UP_SECONDS)
    }
}

/// A question under way; `is_answered` is `None` where its asker gives it up.
struct Question<'a> {
    shared: &'a Shared,
    since: Mono,
    is_answered: Option<bool>,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if !self.is_answered.unwrap_or_else(|| !self.shared.was_long(self.since)) {
            let mut hearing = self.shared.hearing();
            hearing.unanswered = hearing.unanswered.saturating_add(1);
        }
    }
}

/// The question whether any server lives; `is_heard` is `None` where its asker gives it up.
struct Probe {
    shared: Arc<Shared>,
    number: u64,
    since: Mono,
    is_heard: Option<bool>,
    _ends: Sender<Infallible>,
}

impl Probe {
    /// Every server knows that there is nothing under `test` (RFC 6761 §6.2). The names differ, so that no cache on
    /// our side answers.
    async fn ask(mut self) {
        let name = format!("probe-{}.test", self.number);
        let late = async {
            self.shared.clock.sleep_until(self.since + Duration::from_secs(DNS_PROBE_SECONDS)).await;
            no_records(NoRecords::Timeout)
        };
        let answer = self.shared.beyond.ask(&name, RecordKind::A).or(late).await;
        self.is_heard = Some(answer.records != Err(NoRecords::Timeout));
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let is_heard = self.is_heard.or_else(|| self.shared.was_long(self.since).then_some(false));
        let now = self.shared.clock.now();
        let mut hearing = self.shared.hearing();
        hearing.probe = None;
        match is_heard {
            Some(true) => {
                hearing.unanswered = 0;
                if hearing.silent_until.take().is_some() {
                    log::info!("a DNS server answers again");
                }
            }
            Some(false) => {
                let until = now + Duration::from_secs(DNS_PROBE_PAUSE_SECONDS);
                if hearing.silent_until.replace(until).is_none() {
                    log::warn!("no DNS server answers: names are not looked up for now");
                }
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
