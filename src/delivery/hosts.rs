//! What is known of other hosts, by address: how many connections there are, how many there may be, and until when a
//! host is left alone that did not answer or did not greet.
//!
//! One host behind many domains is one host here. A destination that finds all connections to a host in use may wait
//! for one; those who wait take turns, and a place that became free is kept for whoever's turn it is for a moment.
//! Bounded by `HOSTS_MAX` and `HOST_WAITING_MAX`; hosts of which nothing is worth remembering are forgotten first.
//! Whether anybody waits is known without a look at any host.

mod table;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smol::channel::{Receiver, unbounded};

use self::table::Table;
use super::outcome::Outcome;
use crate::base::Mono;
use crate::base::limits::{BACK_OFF_SECONDS_MAX, HOST_WAITING_MAX};
use crate::base::world::Clock;

/// All hosts. Clones share them.
#[derive(Clone)]
pub struct Hosts {
    table: Arc<Mutex<Table>>,
    clock: Arc<dyn Clock>,
    free: Receiver<String>,
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
        let (calls, free) = unbounded();
        Self { table: Arc::new(Mutex::new(Table::new(window_max.max(1), calls))), clock, free }
    }

    /// Destinations whose turn has come at a host they waited for.
    pub fn free(&self) -> Receiver<String> {
        self.free.clone()
    }

    /// A place at a host for one connection on behalf of `destination`.
    pub(super) fn enter(&self, at: SocketAddr, destination: &str) -> Result<HostPlace, Refusal> {
        let now = self.clock.now();
        let mut table = self.lock();
        table.make_room(now);
        let window_max = table.window_max();
        let host = table.host(at);
        if let Some(error) = host.error.as_ref().filter(|_| now < host.until) {
            return Err(Refusal::LeftAlone { until: host.until, error: error.clone() });
        }
        host.forget_turns(now);
        let kept = host.turns.keys().filter(|whose| *whose != destination).count();
        if host.connections + kept >= host.limit(window_max) {
            return Err(Refusal::Full);
        }
        host.turns.remove(destination);
        host.connections += 1;
        Ok(HostPlace { hosts: self.clone(), at })
    }

    /// Lets a destination wait for its turn at a host; false where it need not, since there is room by now, or may not.
    pub fn wait(&self, at: SocketAddr, destination: &str) -> bool {
        let now = self.clock.now();
        let waits = self.lock().change(at, now, |host| {
            if host.connections == 0 || (host.error.is_some() && now < host.until) {
                return false;
            }
            if !host.waits(destination) {
                if host.waiting() >= HOST_WAITING_MAX {
                    return false;
                }
                host.queue(destination);
            }
            true
        });
        waits.unwrap_or(false)
    }

    /// Whether anybody waits for a place at a host.
    pub(super) fn is_wanted(&self, at: SocketAddr) -> bool {
        self.lock().is_wanted(at)
    }

    /// A host greeted and took commands: it may have one connection more.
    pub(super) fn answered(&self, at: SocketAddr) {
        let mut table = self.lock();
        let window_max = table.window_max();
        table.change(at, self.clock.now(), |host| {
            host.window = (host.window + 1).min(window_max);
            (host.failures, host.error) = (0, None);
        });
    }

    /// A host broke off, or has too much to do: it gets fewer connections.
    pub(super) fn strained(&self, at: SocketAddr) {
        self.lock().change(at, self.clock.now(), |host| host.window = (host.window / 2).max(1));
    }

    /// A host did not answer or greet: it is left alone for `pause` of its failures in a row (1 and up), less `late`.
    pub(super) fn failed(&self, at: SocketAddr, error: &Outcome, late: Duration, pause: impl Fn(u32) -> Duration) {
        let now = self.clock.now();
        let mut table = self.lock();
        let host = table.host(at);
        // Several that were under way together failed once.
        if now >= host.until || host.failures == 0 {
            host.failures = host.failures.saturating_add(1);
        }
        host.window = 1;
        host.until = now + pause(host.failures).saturating_sub(late);
        host.error = Some(error.clone());
        host.turns.clear();
        // They learn why when they come.
        table.call_all(at);
    }

    /// Connections to a host are idle, `idle` of them: as many of those who wait may use one each, or have its place.
    pub(super) fn give_turns(&self, at: SocketAddr, idle: usize) {
        self.lock().give_turns(at, idle, self.clock.now());
    }

    /// A destination uses an idle connection: its turn is over.
    pub(super) fn take_turn(&self, at: SocketAddr, destination: &str) {
        self.lock().change(at, self.clock.now(), |host| host.turns.remove(destination));
    }

    /// Calls the next where somebody's turn came to nothing. To be done now and then while anybody waits. `idle` counts
    /// a host's idle connections: where all its connections are idle, no place becomes free.
    pub fn refresh(&self, idle: impl Fn(SocketAddr) -> usize) {
        let wanted = self.lock().wanted();
        for at in wanted {
            self.lock().change(at, self.clock.now(), |_| ());
            self.give_turns(at, idle(at));
        }
    }

    /// Whether any destination waits for its turn at a host. Takes no longer the more hosts are known.
    pub fn anybody_waits(&self) -> bool {
        self.lock().anybody_waits()
    }

    /// Whether a host has more than one connection of ours.
    pub(super) fn has_others(&self, at: SocketAddr) -> bool {
        self.lock().connections(at) > 1
    }

    fn leave(&self, at: SocketAddr) {
        self.lock().change(at, self.clock.now(), |host| host.connections = host.connections.saturating_sub(1));
    }

    /// Hosts known.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
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
mod tests;
