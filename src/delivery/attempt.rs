//! One attempt: a message, some of its recipients, one destination; every host and address in order until each
//! recipient is decided.
//!
//! What a failure means is `trouble`'s; when to try again is the queue's. Bounded in hosts, addresses, recipients per
//! transaction and time.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::outcome::{Outcome, Verdict};
use super::pool::Pool;
use super::route::Destination;
pub(super) use super::session::Session;
use super::session::{BodySource, NoSession, Peer, told};
use super::trouble::{Judgement, Scope, describe, judge};
use crate::base::limits::{ATTEMPT_DIALS_SECONDS_MAX, RECIPIENTS_PER_TRANSACTION};
use crate::base::settings::OutboundTls;
use crate::base::{Enhanced, Envelope, Mono, Recipient, Settings, World};
use crate::dns::mx::{self, NoRoute};
use crate::smtp::client::{Delivery, Fate, Stage, Transaction};

/// What all attempts share.
#[derive(Clone)]
pub struct Outlet {
    /// The world outside.
    pub world: World,
    /// What the host set.
    pub settings: Arc<Settings>,
    /// Connections that rest.
    pub pool: Pool,
}

/// What is to be delivered.
pub struct Work<'a> {
    /// Where to.
    pub destination: &'a Destination,
    /// Reverse-path and parameters; its recipients are not looked at.
    pub envelope: &'a Envelope,
    /// For whom.
    pub recipients: &'a [Recipient],
    /// Octets of the message.
    pub size: u64,
    /// Its octets.
    pub body: &'a dyn BodySource,
}

/// Makes an attempt; one outcome for each recipient, in order.
pub async fn attempt(outlet: &Outlet, work: &Work<'_>) -> Vec<Outcome> {
    let places = vec![Place::default(); work.recipients.len()];
    let dials_until = outlet.world.clock.now() + Duration::from_secs(ATTEMPT_DIALS_SECONDS_MAX);
    let mut attempt = Attempt { outlet, work, places, dials_until, heard: BTreeSet::new() };
    attempt.over_kept_connections().await;
    if attempt.is_open() {
        attempt.over_all_hosts().await;
    }
    attempt.outcomes()
}

/// Where a recipient stands.
#[derive(Debug, Clone, Default)]
struct Place {
    decided: Option<Outcome>,
    /// Trouble so far, were it the last host.
    trouble: Option<Outcome>,
}

impl Place {
    /// Remembers trouble: later trouble says more, but what may pass outweighs what will not.
    fn note(&mut self, trouble: Outcome) {
        let outweighed = trouble.verdict == Verdict::Failed
            && self.trouble.as_ref().is_some_and(|before| before.verdict == Verdict::Deferred);
        if !outweighed {
            self.trouble = Some(trouble);
        }
    }
}

struct Attempt<'a> {
    outlet: &'a Outlet,
    work: &'a Work<'a>,
    places: Vec<Place>,
    dials_until: Mono,
    /// Hosts that said what they had to say over a kept connection.
    heard: BTreeSet<String>,
}

/// Where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Address,
    Host,
}

impl Attempt<'_> {
    fn is_open(&self) -> bool {
        self.places.iter().any(|place| place.decided.is_none())
    }

    fn open(&self) -> Vec<usize> {
        self.places.iter().enumerate().filter(|(_, place)| place.decided.is_none()).map(|(at, _)| at).collect()
    }

    /// Tries connections that rest from an earlier message. One that turns out to be dead means nothing.
    async fn over_kept_connections(&mut self) {
        let key = self.work.destination.key();
        while let Some(session) = self.outlet.pool.take(&key) {
            let host = session.host().to_owned();
            match self.over_kept(session).await {
                None => {}
                Some(Next::Address) => return,
                // It was heard: dialling it anew would only ask the same again.
                Some(Next::Host) => {
                    self.heard.insert(host);
                    return;
                }
            }
        }
    }

    async fn over_all_hosts(&mut self) {
        let (world, settings) = (&self.outlet.world, &self.outlet.settings);
        let hosts = match self.work.destination.hosts(world, &settings.hostname).await {
            Ok(hosts) => hosts,
            Err(no_route) => return self.note_route(&no_route),
        };
        for exchanger in hosts.into_iter().filter(|host| !self.heard.contains(&host.name)).collect::<Vec<_>>() {
            let addresses = match mx::addresses(world, &exchanger, settings.outbound.ipv6).await {
                Ok(addresses) => addresses,
                Err(no_route) => {
                    self.note_route(&no_route);
                    continue;
                }
            };
            for address in addresses {
                if world.clock.now() >= self.dials_until {
                    // Only stalled hosts use up the time: what they did is on record.
                    return;
                }
                let at = SocketAddr::new(address, self.work.destination.port(&settings.outbound));
                let next = self.at_address(&exchanger.name, at).await;
                if !self.is_open() {
                    return;
                }
                if next == Next::Host {
                    break;
                }
            }
        }
    }

    /// Dials one address; a second time in the clear where an opportunistic handshake broke (RFC 7435 §4).
    async fn at_address(&mut self, host: &str, at: SocketAddr) -> Next {
        let mut tls = self.outlet.settings.outbound.tls;
        loop {
            let peer = self.peer(host, at);
            let may_fall_back = tls == OutboundTls::Opportunistic && peer.login.is_none() && !peer.implicit_tls;
            let mut session = match Session::dial(&self.outlet.world, &self.outlet.settings, peer, tls).await {
                Ok(session) => session,
                Err(NoSession::Connect(e)) => {
                    self.note_all(&Enhanced::new(4, 4, 1), host, &format!("connecting to {at}: {}", told(&e)));
                    return Next::Address;
                }
                Err(NoSession::Handshake(e)) => {
                    self.note_all(&Enhanced::new(4, 7, 5), host, &format!("TLS handshake with {at}: {}", told(&e)));
                    return Next::Address;
                }
            };
            let open = self.open();
            let (first, more) = open.split_at(open.len().min(RECIPIENTS_PER_TRANSACTION));
            let delivery = self.deliver(&mut session, first).await;
            if session.broke_in_handshake() && may_fall_back {
                tls = OutboundTls::Off;
                continue;
            }
            return self.go_on(session, first, delivery, more).await;
        }
    }

    fn peer(&self, host: &str, at: SocketAddr) -> Peer {
        let login = match self.work.destination {
            Destination::SmartHost(smart_host) => smart_host.login.clone(),
            Destination::Domain(_) => None,
        };
        Peer { host: host.to_owned(), at, login, implicit_tls: self.work.destination.implicit_tls() }
    }

    /// Uses a session that rested. `None` where it says nothing of this message: it was dead, or the host wants no
    /// further messages on it.
    async fn over_kept(&mut self, mut session: Session) -> Option<Next> {
        let open = self.open();
        let (first, more) = open.split_at(open.len().min(RECIPIENTS_PER_TRANSACTION));
        let delivery = self.deliver(&mut session, first).await;
        if !session.is_open() && !session.was_alive(&delivery) {
            return None;
        }
        let enough = |fate: &Fate| matches!(fate, Fate::Refused(Stage::Mail, reply) if reply.is_transient());
        if delivery.fates.iter().all(enough) {
            session.leave(&self.outlet.world, self.outlet.settings.waits).await;
            return None;
        }
        Some(self.go_on(session, first, delivery, more).await)
    }

    async fn deliver(&self, session: &mut Session, to: &[usize]) -> Delivery {
        let recipients = to.iter().filter_map(|at| self.work.recipients.get(*at)).cloned().collect();
        let envelope = Envelope { recipients, ..self.work.envelope.clone() };
        let transaction = Transaction { envelope, size: self.work.size };
        session.deliver(&self.outlet.world, self.outlet.settings.waits, transaction, self.work.body).await
    }

    /// Takes in what came of a transaction, and makes further ones on the same session while they lead anywhere.
    async fn go_on(&mut self, mut session: Session, to: &[usize], delivery: Delivery, more: &[usize]) -> Next {
        let mut waiting = more.to_vec();
        let (mut next, again) = self.take_in(&session, to, &delivery);
        waiting.extend(again);
        while session.is_open() && !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(RECIPIENTS_PER_TRANSACTION));
            let now = std::mem::replace(&mut waiting, rest);
            let delivery = self.deliver(&mut session, &now).await;
            let (then, again) = self.take_in(&session, &now, &delivery);
            next = then;
            waiting.extend(again);
        }
        if session.is_open() {
            let key = self.work.destination.key();
            self.outlet.pool.put(&self.outlet.world, &self.outlet.settings, &key, session);
        } else if !waiting.is_empty() {
            // It ended with some not yet asked for: they have seen no trouble of their own.
            let (status, text) = (Enhanced::new(4, 4, 2), "the session ended early");
            for at in waiting {
                if let Some(place) = self.places.get_mut(at)
                    && place.trouble.is_none()
                {
                    place.note(Outcome {
                        host: session.host().to_owned(),
                        ..Outcome::unreached(Verdict::Deferred, status, text)
                    });
                }
            }
            next = Next::Address;
        }
        next
    }

    /// Writes down the fates of one transaction; gives where to go on, and who is to be asked for again here.
    fn take_in(&mut self, session: &Session, to: &[usize], delivery: &Delivery) -> (Next, Vec<usize>) {
        let taken = delivery.fates.iter().any(|fate| judge(fate, false) == Judgement::Done);
        let mut next = Next::Host;
        let mut again = Vec::new();
        for (at, fate) in to.iter().zip(&delivery.fates) {
            let Some(place) = self.places.get_mut(*at) else { continue };
            let (code, enhanced, text) = describe(fate);
            let outcome = |verdict| Outcome {
                verdict,
                host: session.host().to_owned(),
                code,
                enhanced,
                text: text.clone(),
                tls: session.tls(),
                dsn: delivery.dsn,
            };
            match judge(fate, taken) {
                Judgement::Done => place.decided = Some(outcome(Verdict::Delivered)),
                Judgement::Defer => place.decided = Some(outcome(Verdict::Deferred)),
                Judgement::Fail => place.decided = Some(outcome(Verdict::Failed)),
                Judgement::Again => again.push(*at),
                Judgement::Elsewhere { scope, hard } => {
                    if scope == Scope::Session {
                        next = Next::Address;
                    }
                    place.note(outcome(if hard { Verdict::Failed } else { Verdict::Deferred }));
                }
            }
        }
        (next, again)
    }

    fn note_route(&mut self, no_route: &NoRoute) {
        self.note_all(&no_route.status, "", &no_route.text);
    }

    /// The same trouble for everybody who is open.
    fn note_all(&mut self, status: &Enhanced, host: &str, text: &str) {
        let verdict = if status.class == 5 { Verdict::Failed } else { Verdict::Deferred };
        let trouble = Outcome { host: host.to_owned(), ..Outcome::unreached(verdict, *status, text) };
        for place in self.places.iter_mut().filter(|place| place.decided.is_none()) {
            place.note(trouble.clone());
        }
    }

    fn outcomes(self) -> Vec<Outcome> {
        let places = self.places.into_iter().map(|place| {
            place.decided.or(place.trouble).unwrap_or_else(|| {
                Outcome::unreached(Verdict::Deferred, Enhanced::new(4, 3, 0), "nothing came of the attempt")
            })
        });
        places.collect()
    }
}
