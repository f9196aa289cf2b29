//! Connections that rest after a message, kept for the next one to the same destination.
//!
//! At most `DELIVERIES_MAX` of them, each no longer than `settings.outbound.keep_connection`; then they take leave
//! with QUIT. Clones share the pool.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::attempt::Session;
use crate::base::limits::DELIVERIES_MAX;
use crate::base::world::World;
use crate::base::{Mono, Settings};

/// The pool.
#[derive(Clone, Default)]
pub struct Pool {
    resting: Arc<Mutex<Resting>>,
}

#[derive(Default)]
struct Resting {
    // By number, so that the newest is taken first and the oldest given up first.
    sessions: BTreeMap<u64, (String, Session)>,
    next: u64,
    closed: bool,
}

impl Pool {
    /// The newest session kept for this destination.
    pub(super) fn take(&self, key: &str) -> Option<Session> {
        let mut resting = self.lock();
        let number = resting.sessions.iter().rev().find(|(_, (kept, _))| kept == key).map(|(number, _)| *number)?;
        resting.sessions.remove(&number).map(|(_, session)| session)
    }

    /// Keeps a session for a while. A task of the world ends it in time.
    pub(super) fn put(&self, world: &World, settings: &Settings, key: &str, session: Session) {
        let keep = settings.outbound.keep_connection;
        let (number, surplus) = {
            let mut resting = self.lock();
            if keep.is_zero() || resting.closed || session.is_spent() {
                (None, Some(session))
            } else {
                let number = resting.next;
                resting.next += 1;
                resting.sessions.insert(number, (key.to_owned(), session));
                let full = resting.sessions.len() > DELIVERIES_MAX;
                (Some(number), if full { resting.sessions.pop_first().map(|(_, (_, oldest))| oldest) } else { None })
            }
        };
        let until = world.clock.now() + keep;
        // The task holds the list weakly: a pool that is gone closes its connections at once.
        let resting = Arc::downgrade(&self.resting);
        let (world, waits) = (world.clone(), settings.waits);
        let spawner = world.run.clone();
        let leave = async move {
            if let Some(surplus) = surplus {
                surplus.leave(&world, waits).await;
            }
            let Some(number) = number else { return };
            world.clock.sleep_until(until).await;
            let kept = resting.upgrade().and_then(|resting| {
                let mut resting = resting.lock().unwrap_or_else(PoisonError::into_inner);
                resting.sessions.remove(&number)
            });
            if let Some((_, session)) = kept {
                session.leave(&world, waits).await;
            }
        };
        spawner.task("idle connection", Box::pin(leave)).detach();
    }

    /// Takes leave of everybody until `deadline`; what is put afterwards is not kept.
    pub async fn close(&self, world: &World, settings: &Settings, deadline: Mono) {
        use smol::future::FutureExt;
        let sessions = {
            let mut resting = self.lock();
            resting.closed = true;
            std::mem::take(&mut resting.sessions)
        };
        let leave = async {
            for (_, (_, session)) in sessions {
                session.leave(world, settings.waits).await;
            }
        };
        leave.or(world.clock.sleep_until(deadline)).await;
    }

    /// How many rest.
    pub fn len(&self) -> usize {
        self.lock().sessions.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
