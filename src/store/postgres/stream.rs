//! The way to the server: TCP and TLS of the engine's world, or a Unix socket; and the adapter between its kind of
//! stream and the one that the client library wants.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead as _, AsyncWrite as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::Host;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::url::Address;
use crate::base::World;
use crate::base::world::{BoxFuture, BoxStream, TlsPeer};

/// PostgreSQL's port.
const PORT: u16 = 5432;

/// A stream of ours as the client library wants it.
pub(super) struct Wire(BoxStream);

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let octets = ready!(Pin::new(&mut self.get_mut().0).poll_read(cx, into.initialize_unfilled()))?;
        into.advance(octets);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_close(cx)
    }
}

impl TlsStream for Wire {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// TLS of the engine's world.
pub(super) struct WorldTls {
    pub world: World,
    pub peer: TlsPeer,
}

impl TlsConnect<Wire> for WorldTls {
    type Stream = Wire;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Wire>>;

    fn connect(self, stream: Wire) -> Self::Future {
        Box::pin(async move {
            let (stream, _) = self.world.tls.connect(stream.0, self.peer).await?;
            Ok(Wire(stream))
        })
    }
}

/// Dials the first host of an address that answers, in its order. Gives the stream and the host's name for TLS, none
/// over a Unix socket.
pub(super) async fn dial(world: &World, address: &Address) -> io::Result<(Wire, Option<String>)> {
    let (hosts, ips) = (address.config.get_hosts(), address.config.get_hostaddrs());
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no host");
    for at in 0..hosts.len().max(ips.len()) {
        let port = address.config.get_ports().get(at).or(address.config.get_ports().first()).copied().unwrap_or(PORT);
        let dialled = match (hosts.get(at), ips.get(at)) {
            (Some(Host::Tcp(name)), ip) => dial_host(world, name, ip.copied(), port).await,
            #[cfg(unix)]
            (Some(Host::Unix(folder)), _) => dial_socket(folder, port).await,
            (None, Some(ip)) => dial_host(world, &ip.to_string(), Some(*ip), port).await,
            (None, None) => break,
        };
        match dialled {
            Ok(dialled) => return Ok(dialled),
            Err(e) => last = e,
        }
    }
    Err(last)
}

async fn dial_host(world: &World, name: &str, ip: Option<IpAddr>, port: u16) -> io::Result<(Wire, Option<String>)> {
    let found = match ip.or_else(|| name.parse().ok()) {
        Some(ip) => vec![SocketAddr::new(ip, port)],
        // The system's names, hosts file included, as every client of PostgreSQL asks for them. The lane may block.
        None => (name, port).to_socket_addrs()?.collect(),
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{name} has no address"));
    for to in found {
        match world.network.connect(to, None).await {
            Ok(stream) => return Ok((Wire(stream), Some(name.to_owned()))),
            Err(e) => last = e,
        }
    }
    Err(last)
}

#[cfg(unix)]
async fn dial_socket(folder: &std::path::Path, port: u16) -> io::Result<(Wire, Option<String>)> {
    let path = folder.join(format!(".s.PGSQL.{port}"));
    let stream = smol::net::unix::UnixStream::connect(path).await?;
    Ok((Wire(Box::new(stream)), None))
}
