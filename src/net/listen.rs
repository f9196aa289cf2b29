//! The accept loop: takes connections from a listener and spawns a task for each, under caps.
//!
//! Full, it stops taking: further callers wait in the kernel's backlog instead of in our memory. A peer over
//! its own cap is closed at once, so that one address cannot fill the house. A failing `accept` (no
//! descriptors left) pauses and goes on. Ends when told to stop; sessions end by themselves.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use smol::channel::Receiver;
use smol::future::FutureExt;

use crate::base::world::{BoxStream, Listener, World};

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many sessions at a time.
#[derive(Debug, Clone, Copy)]
pub struct ListenLimits {
    /// Of the listener.
    pub sessions_max: usize,
    /// Of one peer address (IPv6: of one /64, which is what one subscriber has).
    pub sessions_per_peer_max: usize,
}

/// Takes connections until `stop` is closed. `serve` is run as a task of its own for each.
pub async fn accept_loop<F, S>(
    world: World,
    listener: Box<dyn Listener>,
    limits: ListenLimits,
    stop: Receiver<()>,
    serve: F,
) where
    F: Fn(BoxStream, SocketAddr) -> S + Send,
    S: Future<Output = ()> + Send + 'static,
{
    let sessions = Arc::new(Sessions::default());
    let (ended_tx, ended) = smol::channel::bounded::<()>(1);
    loop {
        if sessions.total() >= limits.sessions_max {
            let stopped = async { stop.recv().await.is_err() };
            let room = async {
                let _ = ended.recv().await;
                false
            };
            if room.or(stopped).await {
                return;
            }
            continue;
        }
        let stopped = async {
            let _ = stop.recv().await;
            None
        };
        let Some(taken) = async { Some(listener.accept().await) }.or(stopped).await else { return };
        let taken = match taken {
            // Gone before we came to it: the caller's doing, and no reason to let others wait.
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => continue,
            taken => taken,
        };
        let Ok((stream, peer)) = taken else {
            world.clock.sleep_until(world.clock.now() + ACCEPT_PAUSE).await;
            continue;
        };
        let Some(session) = sessions.enter(peer.ip(), limits.sessions_per_peer_max, &ended_tx) else {
            continue;
        };
        let work = serve(stream, peer);
        let task = async move {
            work.await;
            drop(session);
        };
        world.run.task("session", Box::pin(task)).detach();
    }
}

/// Sessions under way, by peer.
#[derive(Default)]
struct Sessions {
    by_peer: Mutex<(usize, BTreeMap<IpAddr, usize>)>,
}

/// A place taken; given back when dropped, also where the session's task is cancelled.
struct Session {
    sessions: Arc<Sessions>,
    peer: IpAddr,
    ended: smol::channel::Sender<()>,
}

impl Sessions {
    fn total(&self) -> usize {
        self.by_peer.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn enter(
        self: &Arc<Sessions>,
        peer: IpAddr,
        per_peer_max: usize,
        ended: &smol::channel::Sender<()>,
    ) -> Option<Session> {
        let peer = network_of(peer);
        let mut guard = self.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        let (total, by_peer) = &mut *guard;
        let count = by_peer.entry(peer).or_insert(0);
        if *count >= per_peer_max {
            return None;
        }
        *count += 1;
        *total += 1;
        Some(Session { sessions: Arc::clone(self), peer, ended: ended.clone() })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut guard = self.sessions.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        let (total, by_peer) = &mut *guard;
        *total = total.saturating_sub(1);
        if let Some(count) = by_peer.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                by_peer.remove(&self.peer);
            }
        }
        drop(guard);
        let _ = self.ended.try_send(());
    }
}

/// The address that counts as one peer.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(std::net::Ipv6Addr::from_bits(v6.to_bits() & !0 << 64)),
        },
    }
}
