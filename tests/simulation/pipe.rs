//! TCP between simulated machines: octets arrive late and in pieces, connections stall, break and are
//! refused, as the weather has it.
//!
//! A stalled direction swallows what is written and delivers nothing more: only a deadline ends that. A
//! machine that loses power takes its connections with it, with a reset or in silence.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mailcore::base::world::{AsyncRead, AsyncWrite, BoxFuture, BoxStream, Listener, Network};
use smol::channel::{Receiver, Sender};

use crate::clock::{SimClock, Sleep};
use crate::disk::lock;
use crate::rng::Rng;
use crate::run::Trace;

/// Octets on their way in one direction before a writer waits.
const FLIGHT_OCTETS_MAX: usize = 64 * 1024;

/// How bad the network is, in parts of 1000.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Writes that break the connection.
    pub resets: u64,
    /// Writes after which a direction is silent.
    pub stalls: u64,
    /// Connects refused.
    pub refusals: u64,
    /// Connects that never come to an end.
    pub hangs: u64,
    /// Longest way of a piece, in milliseconds.
    pub latency_millis: u64,
}

impl Weather {
    /// Late and in pieces, but sound.
    pub const CALM: Weather = Weather { resets: 0, stalls: 0, refusals: 0, hangs: 0, latency_millis: 40 };
    /// What the campaigns run in.
    pub const ROUGH: Weather = Weather { resets: 8, stalls: 3, refusals: 30, hangs: 10, latency_millis: 200 };
}

/// The network all machines are on.
#[derive(Clone)]
pub struct Net {
    inner: Arc<Mutex<Inner>>,
    clock: Arc<SimClock>,
    trace: Arc<Trace>,
}

struct Inner {
    rng: Rng,
    weather: Weather,
    made: u64,
    listeners: BTreeMap<SocketAddr, (u64, Sender<(BoxStream, SocketAddr)>)>,
    links: BTreeMap<u64, (Arc<Mutex<Link>>, [IpAddr; 2])>,
    connections: u64,
}

impl Net {
    /// A network with nobody on it.
    pub fn new(seed: u64, clock: Arc<SimClock>, trace: Arc<Trace>) -> Self {
        let inner = Inner {
            rng: Rng::new(seed, "network"),
            weather: Weather::CALM,
            made: 0,
            listeners: BTreeMap::new(),
            links: BTreeMap::new(),
            connections: 0,
        };
        Self { inner: Arc::new(Mutex::new(inner)), clock, trace }
    }

    /// Changes the weather from now on.
    pub fn set_weather(&self, weather: Weather) {
        lock(&self.inner).weather = weather;
    }

    /// Connections made so far.
    pub fn connections(&self) -> u64 {
        lock(&self.inner).connections
    }

    /// Takes a machine off the network: its listeners close, its connections break or fall silent.
    pub fn unplug(&self, ip: IpAddr) {
        let mut inner = lock(&self.inner);
        inner.listeners.retain(|at, _| at.ip() != ip);
        let links: Vec<_> = inner.links.values().filter(|(_, ends)| ends.contains(&ip)).cloned().collect();
        let mut wakers = Vec::new();
        for (link, ends) in links {
            let reset = inner.rng.per_mille(500);
            let mut link = lock(&link);
            for side in [0, 1] {
                link.gone[side] |= ends[side] == ip;
                link.ways[side].stalled = true;
            }
            if reset {
                wakers.extend(link.break_off());
            }
        }
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A machine's door to the network.
pub struct NetDoor {
    /// The network.
    pub net: Net,
    /// The machine's address.
    pub ip: IpAddr,
}

impl Network for NetDoor {
    fn connect(&self, to: SocketAddr, from: Option<IpAddr>) -> BoxFuture<'static, io::Result<BoxStream>> {
        let net = self.net.clone();
        let ip = from.unwrap_or(self.ip);
        Box::pin(async move {
            let (late, refused, hangs) = {
                let mut inner = lock(&net.inner);
                let weather = inner.weather;
                let late = inner.rng.between(0, weather.latency_millis);
                (late, inner.rng.per_mille(weather.refusals), inner.rng.per_mille(weather.hangs))
            };
            net.clock.sleep(Duration::from_millis(late)).await;
            if hangs {
                std::future::pending::<()>().await;
            }
            if refused {
                return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
            }
            net.join(ip, to)
        })
    }

    fn listen(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let net = self.net.clone();
        let ip = if at.ip().is_unspecified() { self.ip } else { at.ip() };
        Box::pin(async move {
            let mut inner = lock(&net.inner);
            inner.made += 1;
            let id = inner.made;
            let port = if at.port() == 0 { 20_000 + (id % 10_000) as u16 } else { at.port() };
            let at = SocketAddr::new(ip, port);
            if inner.listeners.contains_key(&at) {
                return Err(io::Error::from(io::ErrorKind::AddrInUse));
            }
            let (sender, receiver) = smol::channel::unbounded();
            inner.listeners.insert(at, (id, sender));
            drop(inner);
            Ok(Box::new(SimListener { net, at, id, receiver }) as Box<dyn Listener>)
        })
    }
}

impl Net {
    fn join(&self, ip: IpAddr, to: SocketAddr) -> io::Result<BoxStream> {
        let mut inner = lock(&self.inner);
        let Some((_, listener)) = inner.listeners.get(&to).cloned() else {
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
        };
        inner.made += 1;
        inner.connections += 1;
        let id = inner.made;
        let from = SocketAddr::new(ip, 30_000 + (id % 30_000) as u16);
        let link = Arc::new(Mutex::new(Link::default()));
        inner.links.insert(id, (link.clone(), [ip, to.ip()]));
        drop(inner);
        self.trace.note("connect", id, u64::from(to.port()));
        let end = |side| SimStream { net: self.clone(), link: link.clone(), id, side, sleep: None };
        let (near, far) = (end(0), end(1));
        listener.try_send((Box::new(far), from)).map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Box::new(near))
    }
}

struct SimListener {
    net: Net,
    at: SocketAddr,
    id: u64,
    receiver: Receiver<(BoxStream, SocketAddr)>,
}

impl Listener for SimListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>> {
        Box::pin(async { self.receiver.recv().await.map_err(|_| io::Error::from(io::ErrorKind::NotConnected)) })
    }

    fn local_addr(&self) -> SocketAddr {
        self.at
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let mut inner = lock(&self.net.inner);
        if inner.listeners.get(&self.at).is_some_and(|(id, _)| *id == self.id) {
            inner.listeners.remove(&self.at);
        }
    }
}

// -- one connection ------------------------------------------------------------------------------------------

#[derive(Default)]
struct Link {
    /// What side 0 and side 1 write.
    ways: [Way; 2],
    reset: bool,
    /// Ends whose machine lost power: their streams are dropped without a word to the other side.
    gone: [bool; 2],
    dropped: usize,
}

#[derive(Default)]
struct Way {
    pieces: VecDeque<(u64, Vec<u8>)>,
    flight: usize,
    stalled: bool,
    /// The writer is done.
    closed: bool,
    /// Nobody will read.
    deaf: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Link {
    fn break_off(&mut self) -> Vec<Waker> {
        self.reset = true;
        self.ways.iter_mut().flat_map(|way| [way.reader.take(), way.writer.take()]).flatten().collect()
    }
}

struct SimStream {
    net: Net,
    link: Arc<Mutex<Link>>,
    id: u64,
    side: usize,
    sleep: Option<Sleep>,
}

impl AsyncRead for SimStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let now = this.net.clock.now().0;
        let mut link = lock(&this.link);
        if link.reset {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionReset)));
        }
        let way = &mut link.ways[1 - this.side];
        let Some((at, piece)) = way.pieces.front_mut() else {
            if way.closed && !way.stalled {
                return Poll::Ready(Ok(0));
            }
            way.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        if *at > now {
            let wait = Duration::from_nanos(*at - now);
            way.reader = Some(cx.waker().clone());
            drop(link);
            let mut sleep = this.net.clock.sleep(wait);
            let slept = Pin::new(&mut sleep).poll(cx);
            this.sleep = Some(sleep);
            assert!(slept.is_pending(), "time stands still while a task runs");
            return Poll::Pending;
        }
        let most = piece.len().min(out.len());
        let n = {
            let mut inner = lock(&this.net.inner);
            if inner.rng.per_mille(700) { most } else { inner.rng.index(most).max(1).min(most) }
        };
        for (to, from) in out.iter_mut().zip(piece.drain(..n)) {
            *to = from;
        }
        if piece.is_empty() {
            way.pieces.pop_front();
        }
        way.flight -= n;
        let writer = way.writer.take();
        drop(link);
        this.sleep = None;
        this.net.trace.note("read", this.id, n as u64);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let mut link = lock(&self.link);
        if link.reset {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionReset)));
        }
        let (reset, stall, whole, part, late) = {
            let mut inner = lock(&self.net.inner);
            let weather = inner.weather;
            let reset = inner.rng.per_mille(weather.resets);
            let stall = inner.rng.per_mille(weather.stalls);
            let (whole, part) = (inner.rng.per_mille(800), inner.rng.index(octets.len()));
            (reset, stall, whole, part, inner.rng.between(0, weather.latency_millis))
        };
        if reset {
            let wakers = link.break_off();
            drop(link);
            self.net.trace.note("reset", self.id, 0);
            wakers.into_iter().for_each(Waker::wake);
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionReset)));
        }
        let way = &mut link.ways[self.side];
        way.stalled |= stall;
        if way.stalled {
            return Poll::Ready(Ok(octets.len()));
        }
        if way.deaf {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::BrokenPipe)));
        }
        if way.flight >= FLIGHT_OCTETS_MAX {
            way.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = if whole { octets.len() } else { part.max(1).min(octets.len()) };
        let at = self.net.clock.now().0 + late * 1_000_000;
        let at = way.pieces.back().map_or(at, |(before, _)| at.max(*before));
        way.pieces.push_back((at, octets[..n].to_vec()));
        way.flight += n;
        let reader = way.reader.take();
        drop(link);
        self.net.trace.note("write", self.id, n as u64);
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut link = lock(&self.link);
        link.ways[self.side].closed = true;
        let reader = link.ways[self.side].reader.take();
        drop(link);
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let mut link = lock(&self.link);
        link.dropped += 1;
        let last = link.dropped == 2;
        let mut wakers = Vec::new();
        if !link.gone[self.side] {
            link.ways[self.side].closed = true;
            link.ways[1 - self.side].deaf = true;
            wakers.extend(link.ways[self.side].reader.take());
            wakers.extend(link.ways[1 - self.side].writer.take());
        }
        drop(link);
        if last {
            lock(&self.net.inner).links.remove(&self.id);
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}
