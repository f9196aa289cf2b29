//! What is known of other hosts, by address: how many connections there are, how many there may be, and until when a
//! host is left alone that did not answer or did not greet.
//!
//! One host behind many domains is one host here. A destination that finds all connections to a host in use may wait
//! for one; those who wait take turns, and a place that became free is kept for whoever's turn it is for a moment.
//! Bounded by `HOSTS_MAX` and `HOST_WAITING_MAX`; hosts of which nothing is worth remembering are forgotten first.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smol::channel::{Receiver, Sender, unbounded};

use super::outcome::Outcome;
use crate::base::Mono;
use crate::base::limits::{BACK_OFF_SECONDS_MAX, HOST_WAITING_MAX, HOSTS_MAX, WINDOW_FIRST};
use crate::base::world::Clock;

/// How long a place is kept for the destination whose turn it is.
const TURN_SECONDS: u64 = 2;

/// All hosts. Clones share them.
#[derive(Clone)]
pub struct Hosts {
    table: Arc<Mutex<Table>>,
    clock: Arc<dyn Clock>,
    window_max: usize,
    free: (Sender<String>, Receiver<String>),
}

#[derive(Default)]
struct Table {
    hosts: BTreeMap<SocketAddr, Host>,
}

struct Host {
    connections: usize,
    window: usize,
    failures: u32,
    /// Left alone until then.
    until: Mono,
    error: Option<Outcome>,
    waiting: VecDeque<String>,
    /// Whose turn it is, and until when its place is kept.
    turns: BTreeMap<String, Mono>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            connections: 0,
            window: WINDOW_FIRST,
            failures: 0,
            until: Mono::default(),
            error: None,
            waiting: VecDeque::new(),
            turns: BTreeMap::new(),
        }
    }
}

impl Host {
    /// How many connections it may have; one where it was left alone before.
    fn limit(&self, window_max: usize) -> usize {
        if self.failures > 0 { 1 } else { self.window.min(window_max) }
    }
}

/// A connection's place at a host; given back when dropped.
pub struct HostPlace {
    hosts: Hosts,
    at: SocketAddr,
}

/// Why a host may not be dialled now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// As many connections as it may have.
    Full,
    /// It did not answer, or did not greet, a short while ago.
    LeftAlone {
        /// Until when.
        until: Mono,
        /// What happened.
        error: Outcome,
    },
}

impl Hosts {
    /// Hosts that get at most `window_max` connections each.
    pub fn new(clock: Arc<dyn Clock>, window_max: usize) -> Self {
        Self { table: Arc::default(), clock, window_max: window_max.max(1), free: unbounded() }
    }

    /// Destinations whose turn has come at a host they waited for.
    pub fn free(&self) -> Receiver<String> {
        self.free.1.clone()
    }

    /// A place at a host for one connection on behalf of `destination`.
    pub(super) fn enter(&self, at: SocketAddr, destination: &str) -> Result<HostPlace, Refusal> {
        let now = self.clock.now();
        let mut table = self.lock();
        table.make_room(now);
        let host = table.hosts.entry(at).or_default();
        if let Some(error) = host.error.as_ref().filter(|_| now < host.until) {
            return Err(Refusal::LeftAlone { until: host.until, error: error.clone() });
        }
        host.turns.retain(|_, until| now < *until);
        let kept = host.turns.keys().filter(|whose| *whose != destination).count();
        if host.connections + kept >= host.limit(self.window_max) {
            return Err(Refusal::Full);
        }
        host.turns.remove(destination);
        host.connections += 1;
        Ok(HostPlace { hosts: self.clone(), at })
    }

    /// Lets a destination wait for its turn at a host; false where it need not, since there is room by now, or may not.
    pub fn wait(&self, at: SocketAddr, destination: &str) -> bool {
        let now = self.clock.now();
        let mut table = self.lock();
        let Some(host) = table.hosts.get_mut(&at) else { return false };
        if host.connections == 0 || (host.error.is_some() && now < host.until) {
            return false;
        }
        if !host.waiting.iter().any(|waits| waits == destination) {
            if host.waiting.len() >= HOST_WAITING_MAX {
                return false;
            }
            host.waiting.push_back(destination.to_owned());
        }
        self.serve(host, now);
        true
    }

    /// Whether anybody waits for a place at a host.
    pub(super) fn is_wanted(&self, at: SocketAddr) -> bool {
        self.lock().hosts.get(&at).is_some_and(|host| !host.waiting.is_empty())
    }

    /// A host greeted and took commands: it may have one connection more.
    pub(super) fn answered(&self, at: SocketAddr) {
        let now = self.clock.now();
        if let Some(host) = self.lock().hosts.get_mut(&at) {
            host.window = (host.window + 1).min(self.window_max);
            (host.failures, host.error) = (0, None);
            self.serve(host, now);
        }
    }

    /// A host broke off, or has too much to do: it gets fewer connections.
    pub(super) fn strained(&self, at: SocketAddr) {
        if let Some(host) = self.lock().hosts.get_mut(&at) {
            host.window = (host.window / 2).max(1);
        }
    }

    /// A host did not answer or greet: it is left alone for `pause` of its failures in a row (1 and up), less `late`.
    pub(super) fn failed(&self, at: SocketAddr, error: &Outcome, late: Duration, pause: impl Fn(u32) -> Duration) {
        let now = self.clock.now();
        let mut table = self.lock();
        let host = table.hosts.entry(at).or_default();
        // Several that were under way together failed once.
        if now >= host.until || host.failures == 0 {
            host.failures = host.failures.saturating_add(1);
        }
        host.window = 1;
        host.until = now + pause(host.failures).saturating_sub(late);
        host.error = Some(error.clone());
        host.turns.clear();
        // They learn why when they come.
        for destination in std::mem::take(&mut host.waiting) {
            let _ = self.free.0.try_send(destination);
        }
    }

    /// Connections to a host are idle, `idle` of them: as many of those who wait may use one each, or have its place.
    pub(super) fn give_turns(&self, at: SocketAddr, idle: usize) {
        let now = self.clock.now();
        let mut table = self.lock();
        let Some(host) = table.hosts.get_mut(&at) else { return };
        host.turns.retain(|_, until| now < *until);
        while host.turns.len() < idle && !host.waiting.is_empty() {
            self.call(host, now);
        }
    }

    /// A destination uses an idle connection: its turn is over.
    pub(super) fn take_turn(&self, at: SocketAddr, destination: &str) {
        let now = self.clock.now();
        if let Some(host) = self.lock().hosts.get_mut(&at)
            && host.turns.remove(destination).is_some()
        {
            self.serve(host, now);
        }
    }

    /// Calls the next where somebody's turn came to nothing. To be done now and then while anybody waits. `idle` counts
    /// a host's idle connections: where all its connections are idle, no place becomes free.
    pub fn refresh(&self, idle: impl Fn(SocketAddr) -> usize) {
        let now = self.clock.now();
        let mut waiting = Vec::new();
        for (at, host) in self.lock().hosts.iter_mut().filter(|(_, host)| !host.waiting.is_empty()) {
            self.serve(host, now);
            waiting.push(*at);
        }
        waiting.into_iter().for_each(|at| self.give_turns(at, idle(at)));
    }

    /// Whether any destination waits for its turn at a host.
    pub fn anybody_waits(&self) -> bool {
        self.lock().hosts.values().any(|host| !host.waiting.is_empty())
    }

    /// Whether a host has more than one connection of ours.
    pub(super) fn has_others(&self, at: SocketAddr) -> bool {
        self.lock().hosts.get(&at).is_some_and(|host| host.connections > 1)
    }

    fn leave(&self, at: SocketAddr) {
        let now = self.clock.now();
        if let Some(host) = self.lock().hosts.get_mut(&at) {
            host.connections = host.connections.saturating_sub(1);
            self.serve(host, now);
        }
    }

    /// Calls as many of those who wait as there are places.
    fn serve(&self, host: &mut Host, now: Mono) {
        host.turns.retain(|_, until| now < *until);
        while host.connections + host.turns.len() < host.limit(self.window_max) && !host.waiting.is_empty() {
            self.call(host, now);
        }
    }

    fn call(&self, host: &mut Host, now: Mono) {
        if let Some(next) = host.waiting.pop_front() {
            host.turns.insert(next.clone(), now + Duration::from_secs(TURN_SECONDS));
            let _ = self.free.0.try_send(next);
        }
    }

    /// Hosts known.
    pub fn len(&self) -> usize {
        self.lock().hosts.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Forgets hosts nothing is to be remembered of, where there are too many; then any that is not in use.
    fn make_room(&mut self, now: Mono) {
        if self.hosts.len() < HOSTS_MAX {
            return;
        }
        let idle = |host: &Host| host.connections == 0 && host.waiting.is_empty();
        self.hosts.retain(|_, host| !(idle(host) && now >= host.until));
        if self.hosts.len() >= HOSTS_MAX {
            self.hosts.retain(|_, host| !idle(host));
        }
    }
}

impl Drop for HostPlace {
    fn drop(&mut self) {
        self.hosts.leave(self.at);
    }
}

/// How long a host or destination is left alone after so many failures in a row (1 and up): somewhat shorter than the
/// pause after which its mail is due again.
pub fn back_off(retry: &[Duration], failures: u32) -> Duration {
    let place = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = retry.get(place).or(retry.last()).copied().unwrap_or_default();
    (pause * 3 / 4).min(Duration::from_secs(BACK_OFF_SECONDS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::world::BoxFuture;
    use crate::base::{Enhanced, Timestamp};
    use crate::delivery::Verdict;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A clock that stands where it is put.
    #[derive(Default)]
    struct Standing(AtomicU64);

    impl Standing {
        fn pass(&self, seconds: u64) {
            self.0.fetch_add(seconds * 1_000_000_000, Ordering::SeqCst);
        }
    }

    impl Clock for Standing {
        fn now(&self) -> Mono {
            Mono(self.0.load(Ordering::SeqCst))
        }
        fn wall(&self) -> Timestamp {
            Timestamp(0)
        }
        fn sleep_until(&self, _: Mono) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    fn hosts(window_max: usize) -> (Hosts, Arc<Standing>) {
        let clock = Arc::new(Standing::default());
        (Hosts::new(clock.clone(), window_max), clock)
    }

    fn seconds(n: u32) -> Duration {
        Duration::from_secs(u64::from(n))
    }

    fn at(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 25))
    }

    fn error() -> Outcome {
        Outcome::unreached(Verdict::Deferred, Enhanced::new(4, 4, 1), "connection refused")
    }

    #[test]
    fn a_window_grows_with_success_and_shrinks_with_trouble() {
        let (hosts, _) = hosts(4);
        let mut places: Vec<_> = (0..WINDOW_FIRST).map(|_| hosts.enter(at(1), "a").ok().unwrap()).collect();
        assert_eq!(hosts.enter(at(1), "a").err(), Some(Refusal::Full));
        assert!(hosts.enter(at(2), "a").is_ok());
        for _ in 0..9 {
            hosts.answered(at(1));
        }
        while let Ok(place) = hosts.enter(at(1), "a") {
            places.push(place);
        }
        assert_eq!(places.len(), 4);
        places.clear();
        hosts.strained(at(1));
        let _two = (hosts.enter(at(1), "a").ok().unwrap(), hosts.enter(at(1), "a").ok().unwrap());
        assert_eq!(hosts.enter(at(1), "a").err(), Some(Refusal::Full));
    }

    #[test]
    fn a_dead_host_is_left_alone_and_then_tried_by_one() {
        let (hosts, clock) = hosts(4);
        drop(hosts.enter(at(1), "a"));
        // Two that were under way together fail once.
        hosts.failed(at(1), &error(), Duration::ZERO, seconds);
        hosts.failed(at(1), &error(), Duration::ZERO, seconds);
        let until = clock.now() + seconds(1);
        assert_eq!(hosts.enter(at(1), "b").err(), Some(Refusal::LeftAlone { until, error: error() }));
        clock.pass(1);
        let probe = hosts.enter(at(1), "b").ok().unwrap();
        assert_eq!(hosts.enter(at(1), "c").err(), Some(Refusal::Full));
        hosts.failed(at(1), &error(), Duration::ZERO, seconds);
        drop(probe);
        clock.pass(1);
        assert!(hosts.enter(at(1), "b").is_err());
        clock.pass(1);
        let probe = hosts.enter(at(1), "b").ok().unwrap();
        hosts.answered(at(1));
        assert!(hosts.enter(at(1), "c").is_ok());
        drop(probe);
        // What the host was late by is no time to be left alone.
        hosts.failed(at(1), &error(), seconds(60), seconds);
        assert!(hosts.enter(at(1), "b").is_ok());
    }

    #[test]
    fn those_who_wait_take_turns() {
        let (hosts, clock) = hosts(1);
        let free = hosts.free();
        let called = || free.try_recv().ok();
        let place = hosts.enter(at(1), "a").ok().unwrap();
        assert!(["b", "c", "b"].iter().all(|name| hosts.wait(at(1), name)) && hosts.is_wanted(at(1)));
        hosts.give_turns(at(1), 1);
        assert_eq!(called().as_deref(), Some("b"));
        drop(place);
        // The place is kept for whose turn it is, and nobody else has one meanwhile.
        assert_eq!(called(), None);
        assert_eq!(hosts.enter(at(1), "a").err(), Some(Refusal::Full));
        drop(hosts.enter(at(1), "b").ok().unwrap());
        assert_eq!(called().as_deref(), Some("c"));
        // Not for ever.
        assert_eq!(hosts.enter(at(1), "a").err(), Some(Refusal::Full));
        clock.pass(TURN_SECONDS);
        let place = hosts.enter(at(1), "a").ok().unwrap();
        assert!(hosts.wait(at(1), "a"));
        hosts.failed(at(1), &error(), Duration::ZERO, seconds);
        assert_eq!(called().as_deref(), Some("a"));
        assert!(!hosts.wait(at(1), "a"));
        drop(place);
        assert!(!hosts.wait(at(2), "a"));
    }

    #[test]
    fn a_window_that_grows_calls_those_who_wait() {
        let (hosts, _) = hosts(4);
        let free = hosts.free();
        let _places: Vec<_> = (0..WINDOW_FIRST).map(|_| hosts.enter(at(1), "a").ok().unwrap()).collect();
        assert!(hosts.wait(at(1), "b") && hosts.wait(at(1), "c"));
        assert!(free.try_recv().is_err());
        hosts.answered(at(1));
        assert_eq!((free.try_recv().ok().as_deref(), free.try_recv().ok()), (Some("b"), None));
    }

    #[test]
    fn hosts_are_forgotten_before_there_are_too_many() {
        let (hosts, _) = hosts(1);
        for n in 0..=HOSTS_MAX {
            let [a, b, c, d] = (n as u32).to_be_bytes();
            let one = SocketAddr::from(([a, b, c, d], 25));
            drop(hosts.enter(one, "a"));
            hosts.failed(one, &error(), Duration::ZERO, |_| Duration::from_secs(60));
        }
        assert!(hosts.len() <= HOSTS_MAX);
    }

    #[test]
    fn back_off_follows_the_schedule() {
        let retry = [300, 900, 14_400].map(Duration::from_secs);
        let seconds: Vec<_> = (1..5).map(|n| back_off(&retry, n).as_secs()).collect();
        assert_eq!(seconds, [225, 675, 1_800, 1_800]);
        assert_eq!(back_off(&[], 1), Duration::ZERO);
    }

    #[test]
    fn a_turn_that_came_to_nothing_is_given_to_the_next_though_all_connections_are_idle() {
        let (hosts, clock) = hosts(WINDOW_FIRST);
        let _places: Vec<_> = (0..WINDOW_FIRST).map(|_| hosts.enter(at(1), "a").ok().unwrap()).collect();
        assert!(hosts.wait(at(1), "b") && hosts.wait(at(1), "c"));
        // A connection is idle: b is called, and does not come.
        hosts.give_turns(at(1), 1);
        assert_eq!(hosts.free().try_recv().as_deref(), Ok("b"));
        hosts.refresh(|_| 1);
        assert!(hosts.free().try_recv().is_err(), "b may still come");
        clock.pass(TURN_SECONDS);
        hosts.refresh(|_| 0);
        assert!(hosts.free().try_recv().is_err(), "no place is free and no connection idle");
        hosts.refresh(|_| 1);
        assert_eq!(hosts.free().try_recv().as_deref(), Ok("c"));
        assert!(!hosts.anybody_waits());
    }
}
