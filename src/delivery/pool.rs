//! Idle connections, kept for the next message to the same destination, or to the same host for another one. One made
//! under a weaker TLS policy than a message wants does not serve it.
//!
//! At most `DELIVERIES_MAX` of them, each no longer than `settings.outbound.keep_connection`; then they end with QUIT.
//! Clones share the pool.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::attempt::Session;
use super::policy::TlsPolicy;
use crate::base::limits::DELIVERIES_MAX;
use crate::base::world::World;
use crate::base::{Mono, Settings};

/// The pool.
#[derive(Clone, Default)]
pub struct Pool {
    idle: Arc<Mutex<Idle>>,
}

#[derive(Default)]
struct Idle {
    // By number, so that the newest is taken first and the oldest given up first.
    sessions: BTreeMap<u64, (String, Session)>,
    next: u64,
    closed: bool,
}

impl Pool {
    /// The newest session kept for this destination whose TLS policy was decided, or found to serve, after `since`.
    pub(super) fn take(&self, key: &str, since: Mono) -> Option<Session> {
        self.take_where(|kept, session| kept == key && session.decided() >= since)
    }

    /// The newest session kept with a host of this name at this address that serves mail under this TLS policy,
    /// whatever it was used for.
    pub(super) fn take_from(&self, host: &str, at: SocketAddr, wanted: &TlsPolicy) -> Option<Session> {
        self.take_where(|_, session| session.at() == at && session.host() == host && session.serves(wanted))
    }

    /// The newest session kept with whoever is at this address.
    pub(super) fn take_at(&self, at: SocketAddr) -> Option<Session> {
        self.take_where(|_, session| session.at() == at)
    }

    fn take_where(&self, wanted: impl Fn(&str, &Session) -> bool) -> Option<Session> {
        let mut idle = self.lock();
        let found = idle.sessions.iter().rev().find(|(_, (kept, session))| wanted(kept, session));
        let number = found.map(|(number, _)| *number)?;
        idle.sessions.remove(&number).map(|(_, session)| session)
    }

    /// Keeps a session for a while. A task of the world ends it in time.
    pub(super) fn put(&self, world: &World, settings: &Arc<Settings>, key: &str, session: Session) {
        let keep = settings.outbound.keep_connection;
        let (number, surplus) = {
            let mut idle = self.lock();
            if keep.is_zero() || idle.closed || session.is_spent() {
                (None, Some(session))
            } else {
                let number = idle.next;
                idle.next += 1;
                idle.sessions.insert(number, (key.to_owned(), session));
                let full = idle.sessions.len() > DELIVERIES_MAX;
                (Some(number), if full { idle.sessions.pop_first().map(|(_, (_, oldest))| oldest) } else { None })
            }
        };
        let until = world.clock.now() + keep;
        // The task holds the list weakly: a pool that is gone closes its connections at once.
        let idle = Arc::downgrade(&self.idle);
        let (world, settings) = (world.clone(), Arc::clone(settings));
        let spawner = world.run.clone();
        let end = async move {
            if let Some(surplus) = surplus {
                surplus.quit(&world, &settings).await;
            }
            let Some(number) = number else { return };
            world.clock.sleep_until(until).await;
            let kept = idle.upgrade().and_then(|idle| {
                let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.sessions.remove(&number)
            });
            if let Some((_, session)) = kept {
                session.quit(&world, &settings).await;
            }
        };
        spawner.task("idle connection", Box::pin(end)).detach();
    }

    /// Ends all sessions with QUIT until `deadline`; what is put afterwards is not kept.
    pub async fn close(&self, world: &World, settings: &Settings, deadline: Mono) {
        use smol::future::FutureExt;
        let sessions = {
            let mut idle = self.lock();
            idle.closed = true;
            std::mem::take(&mut idle.sessions)
        };
        let quit = async {
            for (_, (_, session)) in sessions {
                session.quit(world, settings).await;
            }
        };
        quit.or(world.clock.sleep_until(deadline)).await;
    }

    /// How many are with whoever is at this address.
    pub fn idle_at(&self, at: SocketAddr) -> usize {
        self.lock().sessions.values().filter(|(_, session)| session.at() == at).count()
    }

    /// How many are idle.
    pub fn len(&self) -> usize {
        self.lock().sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
