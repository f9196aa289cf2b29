//! A small DNS server over a [`SharedZone`], so that tests and first steps look names up over real packets.
//!
//! UDP and TCP on one port; what does not fit in a datagram is asked again over TCP. It answers as if the zone were all
//! the world: what is not in it does not exist. Dropping the server stops it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use smol::Async;
use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::base::limits::{DNS_CONNECTION_SECONDS, DNS_CONNECTIONS_MAX};
use crate::base::world::{Clock, Spawner, Task};

use super::wire;
use super::zone::SharedZone;

/// Pause after a socket failed, so that a lasting failure does not spin.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);
/// Times a port that is free for one protocol is tried for the other.
const PORT_ATTEMPTS: usize = 16;

/// A running server.
pub struct DnsServer {
    at: SocketAddr,
    _datagrams: Task<()>,
    _connections: Task<()>,
}

impl DnsServer {
    /// Serves `zone` at `at`; port 0 takes one that is free for both protocols.
    pub fn start(run: &Arc<dyn Spawner>, clock: Arc<dyn Clock>, at: SocketAddr, zone: SharedZone) -> io::Result<Self> {
        let (udp, tcp) = bind(at)?;
        let at = udp.get_ref().local_addr()?;
        let datagrams = run.task("dns udp", Box::pin(serve_datagrams(udp, clock.clone(), zone.clone())));
        let connections = run.task("dns tcp", Box::pin(serve_connections(tcp, run.clone(), clock, zone)));
        Ok(Self { at, _datagrams: datagrams, _connections: connections })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.at
    }
}

#[allow(clippy::disallowed_methods, reason = "a server of its own protocol, not one of the engine's")]
fn bind(at: SocketAddr) -> io::Result<(Async<UdpSocket>, Async<TcpListener>)> {
    let mut attempts = PORT_ATTEMPTS;
    loop {
        let udp = UdpSocket::bind(at)?;
        match TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => return Ok((Async::new(udp)?, Async::new(tcp)?)),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && at.port() == 0 && attempts > 0 => attempts -= 1,
            Err(e) => return Err(e),
        }
    }
}

async fn serve_datagrams(udp: Async<UdpSocket>, clock: Arc<dyn Clock>, zone: SharedZone) {
    let mut message = vec![0; 4096];
    loop {
        let Ok((octets, peer)) = udp.recv_from(&mut message).await else {
            clock.sleep_until(clock.now() + FAILURE_PAUSE).await;
            continue;
        };
        let reply = wire::reply(message.get(..octets).unwrap_or_default(), &zone.read(), true);
        if let Some(reply) = reply {
            // Lost datagrams are asked for again.
            let _ = udp.send_to(&reply, peer).await;
        }
    }
}

async fn serve_connections(tcp: Async<TcpListener>, run: Arc<dyn Spawner>, clock: Arc<dyn Clock>, zone: SharedZone) {
    let places = Arc::new(());
    loop {
        let Ok((stream, _)) = tcp.accept().await else {
            clock.sleep_until(clock.now() + FAILURE_PAUSE).await;
            continue;
        };
        if Arc::strong_count(&places) > DNS_CONNECTIONS_MAX {
            continue;
        }
        let (place, zone) = (places.clone(), zone.clone());
        let deadline = clock.sleep_until(clock.now() + Duration::from_secs(DNS_CONNECTION_SECONDS));
        let work = async move {
            let _ = serve_connection(stream, zone).await;
        };
        let task = async move {
            work.or(deadline).await;
            drop(place);
        };
        run.task("dns connection", Box::pin(task)).detach();
    }
}

/// Messages with their length in front (RFC 1035 §4.2.2), until the peer ends.
async fn serve_connection(mut stream: Async<TcpStream>, zone: SharedZone) -> io::Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length).await?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut message).await?;
        let reply = wire::reply(&message, &zone.read(), false);
        let Some(reply) = reply else { return Ok(()) };
        let length = u16::try_from(reply.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        stream.write_all(&[&length.to_be_bytes()[..], &reply].concat()).await?;
    }
}
