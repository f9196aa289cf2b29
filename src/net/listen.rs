//! The accept loop: takes connections from a listener and spawns a task for each, under caps.
//!
//! Full, it stops taking: further callers wait in the kernel's backlog instead of in our memory. A peer over
//! its own cap is told so and closed, so that one address cannot take all places; only so many are told at a time.
//! A failing `accept` (no descriptors left) pauses and goes on. Ends when told to stop; sessions end by themselves.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use smol::channel::Receiver;
use smol::future::FutureExt;

use crate::base::limits::LISTEN_REFUSALS_MAX;
use crate::base::world::{BoxStream, Listener, World};

/// Name of the tasks that serve a peer each.
pub const SESSION: &str = "session";
/// Name of the tasks that refuse a peer each.
const REFUSAL: &str = "refusal";
/// Pause between two looks at a full listener.
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many sessions at a time.
#[derive(Debug, Clone)]
pub struct ListenLimits {
    /// Of the listener.
    pub sessions_max: usize,
    /// Of one peer address (IPv6: of one /64, which is what one subscriber has).
    pub sessions_per_peer_max: usize,
    /// The same over all listeners that share `peers`.
    pub sessions_per_peer_total_max: usize,
    /// Sessions of all of them by peer.
    pub peers: Peers,
}

/// Sessions under way, by peer. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Peers(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// What becomes of those who call. A function from stream and address to a session serves, and refuses without a word.
pub trait Reception: Send {
    /// Serves a caller.
    fn serve(&self, stream: BoxStream, peer: SocketAddr) -> impl Future<Output = ()> + Send + 'static;

    /// Refuses a caller that has `most` sessions, which is its cap. Without the stream the connection is closed
    /// already: too many are being told just now.
    fn refuse(
        &self,
        stream: Option<BoxStream>,
        _peer: SocketAddr,
        _most: usize,
    ) -> impl Future<Output = ()> + Send + 'static {
        drop(stream);
        std::future::ready(())
    }

    /// Refuses a caller whose descriptor is needed for other work.
    fn no_room(&self, stream: BoxStream, _peer: SocketAddr) -> impl Future<Output = ()> + Send + 'static {
        drop(stream);
        std::future::ready(())
    }

    /// Whether callers from here speak for others: then the limits for one peer are not theirs.
    fn is_proxy(&self, _peer: IpAddr) -> bool {
        false
    }

    /// The listener is full; asked again while it is, about once a second.
    fn full(&self) {}
}

impl<F, S> Reception for F
where
    F: Fn(BoxStream, SocketAddr) -> S + Send,
    S: Future<Output = ()> + Send + 'static,
{
    fn serve(&self, stream: BoxStream, peer: SocketAddr) -> impl Future<Output = ()> + Send + 'static {
        self(stream, peer)
    }
}

/// Takes connections until `stop` is closed. Each caller is served, or refused, by a task of its own.
pub async fn accept_loop(
    world: World,
    listener: Box<dyn Listener>,
    limits: ListenLimits,
    stop: Receiver<()>,
    reception: impl Reception,
) {
    let total = AtomicUsize::new(0);
    let sessions = Arc::new(Sessions { total, mine: Peers::default(), peers: limits.peers.clone() });
    let refusals = Arc::new(());
    let (ended_tx, ended) = smol::channel::bounded::<()>(1);
    loop {
        if sessions.total() >= limits.sessions_max {
            reception.full();
            if stops_while_full(&world, &stop, &ended).await {
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
        if listener.is_short() {
            // One by one: who is told so has a descriptor meanwhile.
            reception.no_room(stream, peer).await;
            reception.full();
            world.clock.sleep_until(world.clock.now() + ACCEPT_PAUSE).await;
            continue;
        }
        let (of_listener, of_all) = match reception.is_proxy(peer.ip()) {
            true => (usize::MAX, usize::MAX),
            false => (limits.sessions_per_peer_max, limits.sessions_per_peer_total_max),
        };
        let entered = sessions.enter(peer.ip(), of_listener, of_all, &ended_tx);
        let session = match entered {
            Ok(session) => session,
            Err(most) => {
                // Each refusal under way holds one of these.
                let place = Arc::clone(&refusals);
                let stream = (Arc::strong_count(&place) <= LISTEN_REFUSALS_MAX + 1).then_some(stream);
                let work = reception.refuse(stream, peer, most);
                let task = async move {
                    work.await;
                    drop(place);
                };
                world.run.task(REFUSAL, Box::pin(task)).detach();
                continue;
            }
        };
        let work = reception.serve(stream, peer);
        let task = async move {
            work.await;
            drop(session);
        };
        world.run.task(SESSION, Box::pin(task)).detach();
    }
}

/// Waits until a session ended, or for a while: who may have to make room by then is told so. Whether `stop` came.
async fn stops_while_full(world: &World, stop: &Receiver<()>, ended: &Receiver<()>) -> bool {
    let stopped = async { stop.recv().await.is_err() };
    let room = async {
        let _ = ended.recv().await;
        false
    };
    let later = async {
        world.clock.sleep_until(world.clock.now() + FULL_PAUSE).await;
        false
    };
    room.or(stopped).or(later).await
}

/// Sessions under way of one listener.
struct Sessions {
    total: AtomicUsize,
    /// Of this listener.
    mine: Peers,
    /// Of all.
    peers: Peers,
}

/// A place taken; given back when dropped, also where the session's task is cancelled.
struct Session {
    sessions: Arc<Sessions>,
    peer: IpAddr,
    ended: smol::channel::Sender<()>,
}

impl Sessions {
    fn total(&self) -> usize {
        self.total.load(Ordering::SeqCst)
    }

    /// Takes a place; the cap that the peer has reached where there is none for it.
    fn enter(
        self: &Arc<Sessions>,
        peer: IpAddr,
        of_listener: usize,
        of_all: usize,
        ended: &smol::channel::Sender<()>,
    ) -> Result<Session, usize> {
        let peer = network_of(peer);
        self.mine.enter(peer, of_listener)?;
        self.peers.enter(peer, of_all).inspect_err(|_| self.mine.leave(peer))?;
        self.total.fetch_add(1, Ordering::SeqCst);
        Ok(Session { sessions: Arc::clone(self), peer, ended: ended.clone() })
    }
}

/// A session of a peer that is counted while this lives.
pub struct Held {
    peers: Peers,
    peer: IpAddr,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.peers.leave(self.peer);
    }
}

impl Peers {
    /// Counts a session of a peer that was found out later, and has fewer than `most`; otherwise `most`.
    pub fn hold(&self, peer: IpAddr, most: usize) -> Result<Held, usize> {
        let peer = network_of(peer);
        self.enter(peer, most)?;
        Ok(Held { peers: self.clone(), peer })
    }

    /// Counts a session of `peer`, which has fewer than `most`; otherwise `most`.
    fn enter(&self, peer: IpAddr, most: usize) -> Result<(), usize> {
        let mut by_peer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_peer.entry(peer).or_insert(0);
        if *count >= most {
            return Err(most);
        }
        *count += 1;
        Ok(())
    }

    fn leave(&self, peer: IpAddr) {
        let mut by_peer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_peer.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                by_peer.remove(&peer);
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sessions.mine.leave(self.peer);
        self.sessions.peers.leave(self.peer);
        self.sessions.total.fetch_sub(1, Ordering::SeqCst);
        let _ = self.ended.try_send(());
    }
}

/// Bits that all addresses of one subscriber have in common.
const SUBSCRIBER_BITS: u8 = 64;

/// The address that counts as one peer: an IPv4 address, or the /64 that one subscriber has of IPv6.
pub fn network_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpNet::new(ip, SUBSCRIBER_BITS).map_or(ip, |network| network.network()),
        },
    }
}

#[cfg(test)]
mod tests {
    use smol::channel::{Sender, bounded, unbounded};
    use std::io;

    use super::*;
    use crate::base::world::BoxFuture;
    use crate::os::{RealClock, RealDisk, RealEntropy, ThreadOptions, Threads};

    /// Callers as a test lets them come.
    struct Scripted(Receiver<io::Result<SocketAddr>>);

    impl Listener for Scripted {
        fn accept(&self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>> {
            Box::pin(async {
                match self.0.recv().await {
                    Ok(caller) => caller.map(|peer| (Box::new(smol::io::Cursor::new(Vec::new())) as BoxStream, peer)),
                    Err(_) => std::future::pending().await,
                }
            })
        }
        fn local_addr(&self) -> SocketAddr {
            ([127, 0, 0, 1], 25).into()
        }
    }

    struct Bench {
        threads: Threads,
        callers: Sender<io::Result<SocketAddr>>,
        /// Who was served, in order.
        served: Receiver<SocketAddr>,
        /// One message ends one session.
        end: Sender<()>,
        under_way: Arc<AtomicUsize>,
        stop: Sender<()>,
        stopped: crate::base::world::Task<()>,
    }

    fn bench(sessions_max: usize, sessions_per_peer_max: usize) -> Bench {
        let threads = Threads::start(ThreadOptions::usual()).unwrap();
        let world = World {
            clock: Arc::new(RealClock::new()),
            entropy: Arc::new(RealEntropy),
            network: Arc::new(crate::net::tcp::RealNetwork::default()),
            resolver: Arc::new(crate::dns::zone::SharedZone::default()),
            disk: Arc::new(RealDisk),
            tls: crate::net::tls::real_tls(),
            run: threads.spawner(),
        };
        let ((callers, listened), (told, served)) = (unbounded(), unbounded());
        let ((end, ends), (stop, stops)) = (unbounded::<()>(), bounded(1));
        let under_way = Arc::new(AtomicUsize::new(0));
        let count = under_way.clone();
        let serve = move |_stream: BoxStream, peer: SocketAddr| {
            let (told, ends, count) = (told.clone(), ends.clone(), count.clone());
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = told.send(peer).await;
                let _ = ends.recv().await;
                count.fetch_sub(1, Ordering::SeqCst);
            }
        };
        let limits = ListenLimits {
            sessions_max,
            sessions_per_peer_max,
            sessions_per_peer_total_max: 99,
            peers: Peers::default(),
        };
        let looping = accept_loop(world.clone(), Box::new(Scripted(listened)), limits, stops, serve);
        let stopped = world.run.task("listen", Box::pin(looping));
        Bench { threads, callers, served, end, under_way, stop, stopped }
    }

    impl Bench {
        fn call(&self, peer: &str) {
            self.callers.try_send(Ok(peer.parse().unwrap())).unwrap();
        }

        fn fail(&self, kind: io::ErrorKind) {
            self.callers.try_send(Err(kind.into())).unwrap();
        }

        fn next(&self) -> String {
            smol::block_on(self.served.recv()).unwrap().to_string()
        }
    }

    #[test]
    fn full_it_leaves_callers_in_the_backlog() {
        let bench = bench(2, 9);
        for port in 1..=4 {
            bench.call(&format!("192.0.2.1:{port}"));
        }
        assert_eq!([bench.next(), bench.next()].map(|peer| peer.ends_with(":1") || peer.ends_with(":2")), [true; 2]);
        // Two are served, two wait unaccepted until one of them ends.
        assert_eq!((bench.callers.len(), bench.under_way.load(Ordering::SeqCst)), (2, 2));
        bench.end.try_send(()).unwrap();
        assert_eq!(bench.next(), "192.0.2.1:3");
        assert!(bench.under_way.load(Ordering::SeqCst) <= 2);
        bench.threads.stop(Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn one_peer_does_not_take_all_places() {
        let bench = bench(9, 1);
        for peer in ["192.0.2.1:1", "192.0.2.1:2", "[2001:db8::1]:3", "[2001:db8::ffff]:4", "[2001:db8:0:1::]:5"] {
            bench.call(peer);
        }
        let mut served = [bench.next(), bench.next(), bench.next()];
        served.sort();
        assert_eq!(served, ["192.0.2.1:1", "[2001:db8:0:1::]:5", "[2001:db8::1]:3"]);
        assert!(bench.callers.is_empty());
        bench.threads.stop(Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn failures_are_outlived_and_a_stop_is_heard() {
        let bench = bench(9, 9);
        bench.fail(io::ErrorKind::ConnectionAborted);
        bench.fail(io::ErrorKind::OutOfMemory);
        bench.call("192.0.2.1:1");
        assert_eq!(bench.next(), "192.0.2.1:1");
        bench.stop.close();
        smol::block_on(bench.stopped);
        // The session goes on.
        assert_eq!(bench.under_way.load(Ordering::SeqCst), 1);
        bench.threads.stop(Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn networks_of_a_peer() {
        for (ip, network) in
            [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
        {
            assert_eq!(network_of(ip.parse().unwrap()), network.parse::<IpAddr>().unwrap());
        }
    }
}
