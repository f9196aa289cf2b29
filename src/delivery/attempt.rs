//! One attempt: a message, some of its recipients, one destination; every host and address in order until each
//! recipient is decided.
//!
//! What an error means is `error`'s; which hosts may be dialled now is `hosts`'; when to try again is the queue's.
//! Bounded in hosts, addresses, recipients per transaction and time.

mod tally;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use self::tally::{Next, Talk, Tally};
use super::hosts::{HostPlace, Hosts, Refusal, back_off};
use super::outcome::{Outcome, Report, Verdict};
use super::policy::{self, Decision, PassedOver, StsKeeper, TlsEnd, TlsNotes, TlsPolicy, Wanted};
use super::pool::Pool;
use super::progress::{Progress, Waiting};
use super::route::Destination;
pub(super) use super::session::Session;
use super::session::{BodySource, NoSession, Peer, told};
use super::trail::TrailKind;
use crate::base::limits::{
    ATTEMPT_DIALS_SECONDS_MAX, MESSAGES_PER_TURN_MAX, RECIPIENTS_PER_TRANSACTION, TLS_POLICY_HOLDS_SECONDS,
};
use crate::base::terms::TlsTerm;
use crate::base::{Enhanced, Envelope, Mono, Recipient, Settings, World};
use crate::dns::mx::{self, Exchanger, NoRoute};
use crate::smtp::client::{Delivery, Fate, Stage, Transaction};

/// What all attempts share.
#[derive(Clone)]
pub struct Outlet {
    /// The world outside.
    pub world: World,
    /// What the host set.
    pub settings: Arc<Settings>,
    /// Idle connections.
    pub pool: Pool,
    /// What is known of other hosts.
    pub hosts: Hosts,
    /// TLS policies of other domains.
    pub sts: StsKeeper,
    /// What the TLS of sessions came to.
    pub tls: TlsNotes,
}

impl Outlet {
    /// Without connections and without knowledge of any host. Policies of other domains are kept in memory.
    pub fn new(world: World, settings: Arc<Settings>) -> Self {
        let hosts = Hosts::new(Arc::clone(&world.clock), settings.outbound.connections_per_destination_max);
        Self { world, settings, pool: Pool::default(), hosts, sts: StsKeeper::default(), tls: TlsNotes::default() }
    }
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
    /// How it gets on.
    pub progress: &'a Progress,
    /// How much later it is made than it was due, where the clock was moved past its time.
    pub late: Duration,
}

/// Makes an attempt.
pub async fn attempt(outlet: &Outlet, work: &Work<'_>) -> Report {
    let mut attempt = Attempt {
        outlet,
        work,
        key: work.destination.key(),
        tally: Tally::new(work.recipients.len()),
        dials_until: outlet.world.clock.now() + Duration::from_secs(ATTEMPT_DIALS_SECONDS_MAX),
        heard: BTreeSet::new(),
        is_cut_short: false,
    };
    // An idle connection may have been made under a weaker policy than REQUIRETLS.
    if attempt.tls_term() != TlsTerm::Required {
        attempt.over_idle_connections().await;
    }
    if attempt.tally.is_open() && !work.progress.is_stopped() {
        attempt.over_all_hosts().await;
    }
    work.progress.note(Waiting::Nobody, outlet.world.clock.now());
    attempt.tally.report()
}

struct Attempt<'a> {
    outlet: &'a Outlet,
    work: &'a Work<'a>,
    /// Of the destination.
    key: String,
    tally: Tally,
    dials_until: Mono,
    /// Hosts that said what they had to say over an idle connection.
    heard: BTreeSet<String>,
    /// A session had its share of messages before all recipients were asked for.
    is_cut_short: bool,
}

impl Attempt<'_> {
    /// What TLS the message asks for. What a report asks for does not keep it from its sender (RFC 8689 §5).
    fn tls_term(&self) -> TlsTerm {
        match self.work.envelope.terms.tls {
            TlsTerm::Required if self.work.envelope.reverse_path.is_none() => TlsTerm::Usual,
            term => term,
        }
    }

    fn is_over(&self) -> bool {
        !self.tally.is_open() || self.work.progress.is_stopped()
    }

    /// Tries connections kept for this destination. One that turns out to be dead means nothing.
    async fn over_idle_connections(&mut self) {
        let now = self.outlet.world.clock.now();
        let since = Mono(now.0.saturating_sub(TLS_POLICY_HOLDS_SECONDS * 1_000_000_000));
        while let Some(session) = self.outlet.pool.take(&self.key, since) {
            self.outlet.hosts.take_turn(session.at(), &self.key);
            let host = session.host().to_owned();
            match self.over_idle(session).await {
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
            Err(no_route) => return self.no_route(no_route),
        };
        self.say(TrailKind::Route, &listed(&hosts));
        let term = self.tls_term();
        let wanted = policy::wanted(world, settings, &self.outlet.sts, self.work.destination, term).await;
        if wanted.sts().is_none()
            && let Some(trouble) = self.outlet.sts.trouble(wanted.domain())
        {
            self.outlet.tls.observe_fetch((world, settings), &wanted, &trouble);
        }
        for exchanger in hosts {
            // A worse host is not for mail that has only to wait for a better one.
            let worse = self.tally.full.is_some_and(|(_, preference)| exchanger.preference > preference);
            if worse || self.is_over() {
                return;
            }
            if !self.heard.contains(&exchanger.name) {
                self.over_host(&exchanger, &wanted).await;
            }
        }
    }

    async fn over_host(&mut self, exchanger: &Exchanger, wanted: &Wanted) {
        let (world, settings) = (&self.outlet.world, &self.outlet.settings);
        let addresses = match mx::addresses(world, exchanger, settings.outbound.ipv6).await {
            Ok(addresses) => addresses,
            Err(no_route) => return self.no_route(no_route),
        };
        let ips: Vec<String> = addresses.ips.iter().map(ToString::to_string).collect();
        self.say(TrailKind::Route, &format!("{} is at {}", exchanger.name, ips.join(", ")));
        let port = self.work.destination.port(&settings.outbound);
        let decision = match wanted.at_host(world, settings, exchanger, addresses.secure, port).await {
            Ok(decision) => decision,
            Err(passed_over) => {
                self.outlet.tls.observe_passed_over((world, settings), wanted, &exchanger.name, &passed_over);
                return self.pass_over(&exchanger.name, &passed_over);
            }
        };
        let decision = self.outlet.tls.remembered((world, settings), &exchanger.name, decision).await;
        self.say(TrailKind::Policy, &format!("{decision} at {}", exchanger.name));
        for address in addresses.ips {
            if world.clock.now() >= self.dials_until {
                // Only stalled hosts use up the time: what they did is on record.
                return;
            }
            let at = SocketAddr::new(address, port);
            if self.at_address(exchanger, at, &decision, wanted).await == Next::Host || self.is_over() {
                return;
            }
        }
    }

    /// A host may get no mail under the TLS policy that holds, or the policy cannot be known now.
    fn pass_over(&mut self, host: &str, why: &PassedOver) {
        self.say(TrailKind::Policy, &format!("{}: {}", why.policy, why.text));
        let is_final = why.status.class == 5;
        let verdict = if is_final { Verdict::Failed } else { Verdict::Deferred };
        let error = Outcome::unreached(verdict, why.status, why.text.as_str());
        let error = Outcome { host: host.to_owned(), policy: why.policy.to_owned(), ..error };
        self.tally.note_all(&error);
        match is_final {
            true => self.tally.answered = true,
            false => self.tally.unreachable = Some(error),
        }
    }

    fn no_route(&mut self, no_route: NoRoute) {
        self.say(TrailKind::Route, &no_route.text);
        self.tally.note_route(no_route, self.is_to_smart_host());
    }

    fn say(&self, kind: TrailKind, text: &str) {
        self.work.progress.say(self.outlet.world.clock.now(), kind, text);
    }

    /// Talks to one address; a second time in the clear where an opportunistic handshake broke (RFC 7435 §4).
    async fn at_address(
        &mut self,
        exchanger: &Exchanger,
        at: SocketAddr,
        decision: &Decision,
        wanted: &Wanted,
    ) -> Next {
        let host = exchanger.name.as_str();
        while let Some(mut session) = self.outlet.pool.take_from(host, at, &decision.policy) {
            self.outlet.hosts.take_turn(at, &self.key);
            session.note_served(self.outlet.world.clock.now());
            if let Some(next) = self.over_idle(session).await {
                return next;
            }
        }
        let Some(mut place) = self.enter(exchanger, at) else { return Next::Address };
        let mut peer = self.peer(host, at, decision);
        loop {
            let is_opportunistic = decision.policy == TlsPolicy::Opportunistic && !peer.clear;
            let may_fall_back = is_opportunistic && peer.login.is_none() && !peer.implicit_tls;
            let (world, settings) = (&self.outlet.world, &self.outlet.settings);
            let mut session = match Session::dial(world, settings, peer.clone(), place, self.work.progress).await {
                Ok(session) => session,
                Err(no_session) => {
                    let (status, doing, e) = match &no_session {
                        NoSession::Connect(e) => (Enhanced::new(4, 4, 1), "connecting to", e),
                        NoSession::Handshake(e) => (Enhanced::new(4, 7, 5), "TLS handshake with", e),
                    };
                    if let NoSession::Handshake(e) = &no_session {
                        let end = TlsEnd::of_error(e);
                        self.outlet.tls.observe((world, settings), wanted, decision, (host, at), &end);
                    }
                    self.note_unreachable(at, status, decision, host, &format!("{doing} {at}: {}", told(e)));
                    return Next::Address;
                }
            };
            let open = self.tally.open();
            let (first, more) = open.split_at(open.len().min(RECIPIENTS_PER_TRANSACTION));
            let delivery = self.deliver(&mut session, first).await;
            if let Some(end) = session.tls_end().filter(|_| !peer.clear) {
                self.outlet.tls.observe((world, settings), wanted, decision, (host, at), &end);
                if let TlsEnd::Done { verified } = end {
                    self.outlet.tls.learn(world, settings, host, verified).await;
                }
            }
            if session.broke_in_handshake()
                && may_fall_back
                && !self.work.progress.is_stopped()
                && let Some(again) = session.take_place()
            {
                self.say(TrailKind::Policy, "the handshake failed: again in the clear, since nothing demands TLS");
                place = again;
                peer.clear = true;
                continue;
            }
            let denied_tls = peer.clear || session.was_denied_tls();
            let next = self.go_on(session, first, delivery, more, denied_tls).await;
            let is_in_time = self.outlet.world.clock.now() < self.dials_until;
            if std::mem::take(&mut self.is_cut_short) && is_in_time && !self.work.progress.is_stopped() {
                let Some(another) = self.enter(exchanger, at) else { return next };
                place = another;
                continue;
            }
            return next;
        }
    }

    /// A place for a connection; `None` where there is none, which is noted.
    fn enter(&mut self, exchanger: &Exchanger, at: SocketAddr) -> Option<HostPlace> {
        match self.outlet.hosts.enter(at, &self.key) {
            Ok(place) => Some(place),
            Err(Refusal::LeftAlone { error, .. }) => {
                let error = Outcome { host: exchanger.name.clone(), ..error };
                self.tally.unreachable = Some(error.clone());
                self.tally.note_all(&error);
                None
            }
            Err(Refusal::Full) => {
                // An idle connection, kept under another name of the host, makes room.
                if let Some(mut idle) = self.outlet.pool.take_at(at)
                    && let Some(place) = idle.take_place()
                {
                    let (world, settings) = (self.outlet.world.clone(), Arc::clone(&self.outlet.settings));
                    let spawner = world.run.clone();
                    spawner.task("quit", Box::pin(async move { idle.quit(&world, &settings).await })).detach();
                    self.outlet.hosts.take_turn(at, &self.key);
                    return Some(place);
                }
                self.tally.full = self.tally.full.or(Some((at, exchanger.preference)));
                None
            }
        }
    }

    fn peer(&self, host: &str, at: SocketAddr, decision: &Decision) -> Peer {
        let login = match self.work.destination {
            Destination::SmartHost(smart_host) => smart_host.login.clone(),
            Destination::Domain(_) => None,
        };
        let implicit_tls = self.work.destination.implicit_tls();
        Peer { host: host.to_owned(), at, login, implicit_tls, decision: decision.clone(), clear: false }
    }

    /// Uses an idle session. `None` where it says nothing of this message: it was dead, or the host wants no further
    /// messages on it.
    async fn over_idle(&mut self, mut session: Session) -> Option<Next> {
        let made = session.decision();
        self.say(TrailKind::Connect, &format!("idle one to {} at {}, {made}", session.host(), session.at()));
        let open = self.tally.open();
        let (first, more) = open.split_at(open.len().min(RECIPIENTS_PER_TRANSACTION));
        let delivery = self.deliver(&mut session, first).await;
        if !session.is_open() && !session.was_alive(&delivery) {
            return None;
        }
        let enough = |fate: &Fate| matches!(fate, Fate::Refused(Stage::Mail, reply) if reply.is_transient());
        if delivery.fates.iter().all(enough) {
            session.quit(&self.outlet.world, &self.outlet.settings).await;
            return None;
        }
        let denied_tls = session.was_denied_tls();
        Some(self.go_on(session, first, delivery, more, denied_tls).await)
    }

    async fn deliver(&self, session: &mut Session, to: &[usize]) -> Delivery {
        let recipients = to.iter().filter_map(|at| self.work.recipients.get(*at)).cloned().collect();
        let now = self.outlet.world.clock.wall();
        let terms = self.work.envelope.terms.clone().as_of(now);
        let envelope = Envelope { recipients, terms, ..self.work.envelope.clone() };
        let transaction = Transaction { envelope, size: self.work.size };
        let Outlet { world, settings, .. } = self.outlet;
        session.deliver(world, settings, transaction, self.work.body, self.work.progress).await
    }

    /// Takes in what came of a transaction, and makes further ones on the same session while they lead anywhere.
    async fn go_on(
        &mut self,
        mut session: Session,
        to: &[usize],
        delivery: Delivery,
        more: &[usize],
        denied_tls: bool,
    ) -> Next {
        let mut waiting = more.to_vec();
        let (mut next, again) = self.tally.take_in(&talk(&session, denied_tls), to, &delivery);
        waiting.extend(again);
        while session.is_open() && !session.is_spent() && !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(RECIPIENTS_PER_TRANSACTION));
            let now = std::mem::replace(&mut waiting, rest);
            let delivery = self.deliver(&mut session, &now).await;
            let (then, again) = self.tally.take_in(&talk(&session, denied_tls), &now, &delivery);
            next = then;
            waiting.extend(again);
        }
        if session.is_open() {
            if !waiting.is_empty() {
                // It takes no further message (RFC 9422): the rest goes over another connection.
                self.is_cut_short = true;
                self.tally.note_ended(session.host(), &waiting);
                next = Next::Address;
            }
            self.keep(session, denied_tls);
            return next;
        }
        if !waiting.is_empty() {
            self.tally.note_ended(session.host(), &waiting);
            next = Next::Address;
        }
        self.note_end(&session, to.first().copied());
        next
    }

    /// An open session is kept for the next message; where others wait for the host, not for ever. One in the clear
    /// with a host that offered TLS is not: the next message may have it.
    fn keep(&mut self, session: Session, denied_tls: bool) {
        let Outlet { world, settings, pool, hosts, .. } = self.outlet;
        let at = session.at();
        self.tally.answered = true;
        hosts.answered(at);
        let wanted = hosts.is_wanted(at);
        if denied_tls || (wanted && session.messages() >= MESSAGES_PER_TURN_MAX) {
            let (world, settings) = (world.clone(), Arc::clone(settings));
            let spawner = world.run.clone();
            spawner.task("quit", Box::pin(async move { session.quit(&world, &settings).await })).detach();
            return;
        }
        pool.put(world, settings, &self.key, session);
        if wanted {
            hosts.give_turns(at, pool.idle_at(at));
        }
    }

    /// What the end of a session says of its host; `first` is a recipient it was used for.
    fn note_end(&mut self, session: &Session, first: Option<usize>) {
        let at = session.at();
        if session.greeted() && !session.timed_out() && !self.work.progress.is_stopped() {
            self.tally.answered = true;
            self.outlet.hosts.strained(at);
            return;
        }
        let Some(error) = first.and_then(|at| self.tally.told(at)).cloned() else { return };
        let busy = error.code == 421 || error.code / 100 == 4;
        if !session.greeted() && busy && self.outlet.hosts.has_others(at) {
            // It has as many of our connections as it wants.
            self.outlet.hosts.strained(at);
            self.tally.full = self.tally.full.or(Some((at, 0)));
            return;
        }
        self.fail(at, Outcome { verdict: Verdict::Deferred, ..error });
    }

    fn fail(&mut self, at: SocketAddr, error: Outcome) {
        let Outlet { settings, hosts, .. } = self.outlet;
        let pause = |failures| back_off(&settings.outbound.retry, failures);
        hosts.failed(at, &error, self.work.late, pause);
        self.tally.unreachable = Some(error);
    }

    fn is_to_smart_host(&self) -> bool {
        matches!(self.work.destination, Destination::SmartHost(_))
    }

    fn note_unreachable(&mut self, at: SocketAddr, status: Enhanced, decision: &Decision, host: &str, text: &str) {
        self.say(TrailKind::Note, text);
        let error = Outcome::unreached(Verdict::Deferred, status, text);
        let error = Outcome { host: host.to_owned(), policy: decision.to_string(), ..error };
        self.tally.note_all(&error);
        self.fail(at, error);
    }
}

fn talk(session: &Session, denied_tls: bool) -> Talk<'_> {
    Talk { host: session.host(), tls: session.tls(), policy: session.decision().to_string(), denied_tls }
}

/// The hosts of a destination, for people.
fn listed(hosts: &[Exchanger]) -> String {
    let host =
        |host: &Exchanger| format!("{} {}{}", host.preference, host.name, if host.secure { " (proved)" } else { "" });
    let shown: Vec<String> = hosts.iter().map(host).collect();
    format!("hosts: {}", shown.join(", "))
}
