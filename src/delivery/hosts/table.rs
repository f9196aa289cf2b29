//! The table of hosts: their state, who waits for them, and whom a free place calls. Pure: the time is given.
//!
//! Hosts that somebody waits for are also in an index, so that a look at them costs nothing for all others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use smol::channel::Sender;

use crate::base::Mono;
use crate::base::limits::{HOSTS_MAX, WINDOW_FIRST};
use crate::delivery::outcome::Outcome;

/// How long a place is kept for the destination whose turn it is.
pub(super) const TURN_SECONDS: u64 = 2;

/// All hosts by address.
pub(super) struct Table {
    hosts: BTreeMap<SocketAddr, Host>,
    /// Those that somebody waits for.
    wanted: BTreeSet<SocketAddr>,
    window_max: usize,
    /// Where those are called whose turn has come.
    calls: Sender<String>,
}

/// What is known of one host.
pub(super) struct Host {
    /// Connections of ours.
    pub connections: usize,
    /// How many it may have, as its answers showed.
    pub window: usize,
    /// Times in a row that it did not answer.
    pub failures: u32,
    /// Left alone until then.
    pub until: Mono,
    /// Why it is left alone.
    pub error: Option<Outcome>,
    /// Whose turn it is, and until when its place is kept.
    pub turns: BTreeMap<String, Mono>,
    waiting: VecDeque<String>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            connections: 0,
            window: WINDOW_FIRST,
            failures: 0,
            until: Mono::default(),
            error: None,
            turns: BTreeMap::new(),
            waiting: VecDeque::new(),
        }
    }
}

impl Host {
    /// How many connections it may have; one where it was left alone before.
    pub fn limit(&self, window_max: usize) -> usize {
        if self.failures > 0 { 1 } else { self.window.min(window_max) }
    }

    /// Whether a destination waits for it.
    pub fn waits(&self, destination: &str) -> bool {
        self.waiting.iter().any(|waits| waits == destination)
    }

    /// How many wait for it.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Lets a destination wait behind all others.
    pub fn queue(&mut self, destination: &str) {
        self.waiting.push_back(destination.to_owned());
    }

    /// Ends turns whose time is over.
    pub fn forget_turns(&mut self, now: Mono) {
        self.turns.retain(|_, until| now < *until);
    }

    /// Calls whoever waits while `more` says that there is another place.
    fn call(&mut self, now: Mono, calls: &Sender<String>, more: impl Fn(&Host) -> bool) {
        self.forget_turns(now);
        while more(self)
            && let Some(next) = self.waiting.pop_front()
        {
            self.turns.insert(next.clone(), now + Duration::from_secs(TURN_SECONDS));
            let _ = calls.try_send(next);
        }
    }
}

impl Table {
    /// An empty table; no host gets more than `window_max` connections.
    pub fn new(window_max: usize, calls: Sender<String>) -> Self {
        Self { hosts: BTreeMap::new(), wanted: BTreeSet::new(), window_max, calls }
    }

    /// The most connections that any host may have.
    pub fn window_max(&self) -> usize {
        self.window_max
    }

    /// A host, new where it was not known. Who waits for it does not change here.
    pub fn host(&mut self, at: SocketAddr) -> &mut Host {
        self.hosts.entry(at).or_default()
    }

    /// Changes a host that is known, and calls as many of those who wait as there are places then.
    pub fn change<T>(&mut self, at: SocketAddr, now: Mono, change: impl FnOnce(&mut Host) -> T) -> Option<T> {
        let host = self.hosts.get_mut(&at)?;
        let result = change(host);
        let window_max = self.window_max;
        host.call(now, &self.calls, |host| host.connections + host.turns.len() < host.limit(window_max));
        self.note(at);
        Some(result)
    }

    /// Calls so many of those who wait that `idle` have their turn.
    pub fn give_turns(&mut self, at: SocketAddr, idle: usize, now: Mono) {
        let Some(host) = self.hosts.get_mut(&at) else { return };
        host.call(now, &self.calls, |host| host.turns.len() < idle);
        self.note(at);
    }

    /// Calls all who wait for a host, without a turn.
    pub fn call_all(&mut self, at: SocketAddr) {
        let Some(host) = self.hosts.get_mut(&at) else { return };
        for destination in std::mem::take(&mut host.waiting) {
            let _ = self.calls.try_send(destination);
        }
        self.note(at);
    }

    /// Keeps the index in step with who waits for a host.
    fn note(&mut self, at: SocketAddr) {
        match self.hosts.get(&at).is_some_and(|host| !host.waiting.is_empty()) {
            true => self.wanted.insert(at),
            false => self.wanted.remove(&at),
        };
    }

    /// Whether anybody waits for a place at a host.
    pub fn is_wanted(&self, at: SocketAddr) -> bool {
        self.wanted.contains(&at)
    }

    /// Hosts that somebody waits for.
    pub fn wanted(&self) -> Vec<SocketAddr> {
        self.wanted.iter().copied().collect()
    }

    /// Whether anybody waits for a place at any host.
    pub fn anybody_waits(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Connections to a host.
    pub fn connections(&self, at: SocketAddr) -> usize {
        self.hosts.get(&at).map_or(0, |host| host.connections)
    }

    /// Hosts known.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Forgets hosts nothing is to be remembered of, where there are too many; then any that is not in use.
    pub fn make_room(&mut self, now: Mono) {
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
