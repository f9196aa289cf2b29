//! TCP over the reactor.
//!
//! Every stream has Nagle's delay off (we write whole batches) and keep-alive on (a peer that vanished is found even
//! where a session has a long deadline). A listener takes its port at once after a restart.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use smol::Async;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::base::limits::{DESCRIPTORS_KEPT_MAX, DESCRIPTORS_KEPT_PART, LISTEN_BACKLOG_CONNECTIONS};
use crate::base::settings::Ends;
use crate::base::world::{BoxFuture, BoxStream, Listener, Network};

/// The machine's network.
#[derive(Debug, Clone, Copy)]
pub struct RealNetwork {
    /// A caller's descriptor with this number or a higher one is one too many. The system gives the lowest number that
    /// is free, so the number says how many are open.
    descriptors_max: u64,
}

impl Default for RealNetwork {
    /// Callers may take as many descriptors as there are.
    fn default() -> RealNetwork {
        RealNetwork { descriptors_max: u64::MAX }
    }
}

impl RealNetwork {
    /// Of a process that may have `descriptors` open: some are kept from callers, for the store's files, scratch files
    /// and outgoing mail.
    pub fn with_descriptors(descriptors: u64) -> RealNetwork {
        let kept = (descriptors / DESCRIPTORS_KEPT_PART).min(DESCRIPTORS_KEPT_MAX);
        RealNetwork { descriptors_max: descriptors - kept }
    }
}

impl Network for RealNetwork {
    fn connect(&self, to: SocketAddr, from: Option<IpAddr>) -> BoxFuture<'static, io::Result<BoxStream>> {
        Box::pin(async move {
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
            if let Some(from) = from {
                socket.bind(&SocketAddr::new(from, 0).into())?;
            }
            socket.set_nonblocking(true)?;
            match socket.connect(&to.into()) {
                Err(e) if !under_way(&e) => return Err(e),
                _ => {}
            }
            let stream = Async::new(TcpStream::from(socket))?;
            stream.writable().await?;
            match stream.get_ref().take_error()? {
                Some(e) => Err(e),
                None => Ok(ready(stream)),
            }
        })
    }

    fn listen(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let descriptors_max = self.descriptors_max;
        Box::pin(async move {
            let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
            // On Windows the option would let a second process take the port as well.
            if cfg!(unix) {
                socket.set_reuse_address(true)?;
            }
            socket.bind(&at.into())?;
            socket.listen(LISTEN_BACKLOG_CONNECTIONS)?;
            let listener = TcpListener::from(socket);
            let at = listener.local_addr()?;
            let (listener, most, last) = (Async::new(listener)?, descriptors_max, AtomicU64::new(0));
            Ok(Box::new(RealListener { listener, at, most, last }) as Box<dyn Listener>)
        })
    }
}

/// Whether a connect that does not block has begun.
fn under_way(e: &io::Error) -> bool {
    #[cfg(unix)]
    if e.raw_os_error() == Some(libc::EINPROGRESS) {
        return true;
    }
    e.kind() == io::ErrorKind::WouldBlock
}

fn ready(stream: Async<TcpStream>) -> BoxStream {
    // They fail on a connection the peer has reset already: its first read says so better.
    let _ = stream.get_ref().set_nodelay(true);
    let _ = SockRef::from(stream.get_ref()).set_keepalive(true);
    Box::new(Connection(stream))
}

/// Takes over a connected stream socket that somebody else made, of any family. Where it has no Internet addresses, as
/// a socket pair has none, both ends are 127.0.0.1.
#[cfg(unix)]
pub fn adopt(socket: std::os::fd::OwnedFd) -> io::Result<(BoxStream, Ends)> {
    let stream = Socket::from(socket);
    if stream.r#type()? != Type::STREAM {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a stream socket"));
    }
    let nowhere = || SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let peer = stream.peer_addr()?.as_socket().map_or_else(nowhere, unmapped);
    let local = stream.local_addr()?.as_socket().map_or_else(nowhere, unmapped);
    Ok((ready(Async::new(TcpStream::from(stream))?), Ends { peer, local }))
}

/// A stream whose close ends our direction: async-io's own leaves it open until the drop.
struct Connection(Async<TcpStream>);

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, out)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read_vectored(cx, out)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.get_ref().shutdown(Shutdown::Write) {
            // The peer was quicker.
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            ended => Poll::Ready(ended),
        }
    }
}

struct RealListener {
    listener: Async<TcpListener>,
    at: SocketAddr,
    /// The first descriptor that is not for callers.
    most: u64,
    /// The one of the last caller.
    last: AtomicU64,
}

impl Listener for RealListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>> {
        Box::pin(async move {
            let (stream, peer) = self.listener.accept().await?;
            #[cfg(unix)]
            self.last.store(u64::try_from(stream.as_raw_fd()).unwrap_or_default(), Ordering::Relaxed);
            Ok((ready(stream), unmapped(peer)))
        })
    }

    fn is_short(&self) -> bool {
        self.last.load(Ordering::Relaxed) >= self.most
    }

    fn local_addr(&self) -> SocketAddr {
        self.at
    }
}

/// An IPv4 peer of a socket that serves both families, as IPv4: SPF and access lists look at it.
fn unmapped(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::io::{AsyncReadExt, AsyncWriteExt};

    fn echo(at: &str, from: Option<IpAddr>) -> io::Result<SocketAddr> {
        smol::block_on(async {
            let listener = RealNetwork::default().listen(at.parse().unwrap()).await?;
            let to = listener.local_addr();
            assert_ne!(to.port(), 0);
            let server = async {
                let (mut stream, peer) = listener.accept().await?;
                let mut line = [0; 5];
                stream.read_exact(&mut line).await?;
                stream.write_all(&line).await?;
                stream.close().await?;
                // Kept open: the close alone must end the other side's reading.
                io::Result::Ok((peer, stream))
            };
            let client = async {
                let mut stream = RealNetwork::default().connect(to, from).await?;
                stream.write_all(b"hello").await?;
                let mut back = Vec::new();
                stream.read_to_end(&mut back).await?;
                assert_eq!(back, b"hello");
                io::Result::Ok(())
            };
            let (peer, client) = smol::future::zip(server, client).await;
            client?;
            peer.map(|(peer, _stream)| peer)
        })
    }

    #[test]
    #[cfg(unix)]
    fn a_caller_may_be_one_too_many() {
        smol::block_on(async {
            for (descriptors, is_short) in [(1, true), (1 << 40, false)] {
                let network = RealNetwork::with_descriptors(descriptors);
                let listener = network.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
                assert!(!listener.is_short(), "nobody called yet");
                let called = network.connect(listener.local_addr(), None);
                let (accepted, called) = smol::future::zip(listener.accept(), called).await;
                assert!(accepted.is_ok() && called.is_ok());
                assert_eq!(listener.is_short(), is_short);
            }
        });
    }

    #[test]
    fn octets_go_both_ways() {
        assert_eq!(echo("127.0.0.1:0", None).unwrap().ip().to_string(), "127.0.0.1");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn dials_from_the_address_it_was_told() {
        let from = "127.0.0.77".parse().unwrap();
        assert_eq!(echo("127.0.0.1:0", Some(from)).unwrap().ip(), from);
    }

    #[test]
    fn ipv6_where_the_machine_has_it() {
        match echo("[::1]:0", None) {
            Ok(peer) => assert_eq!(peer.ip().to_string(), "::1"),
            Err(e) => assert!(matches!(e.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported), "{e}"),
        }
    }

    #[test]
    fn a_closed_port_refuses_and_a_taken_one_is_in_use() {
        smol::block_on(async {
            let listener = RealNetwork::default().listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
            let at = listener.local_addr();
            assert_eq!(RealNetwork::default().listen(at).await.err().unwrap().kind(), io::ErrorKind::AddrInUse);
            drop(listener);
            assert_eq!(
                RealNetwork::default().connect(at, None).await.err().unwrap().kind(),
                io::ErrorKind::ConnectionRefused
            );
            RealNetwork::default().listen(at).await.unwrap();
        });
    }

    #[test]
    fn mapped_peers_are_ipv4() {
        let mapped = unmapped("[::ffff:192.0.2.1]:25".parse().unwrap());
        assert_eq!(mapped, "192.0.2.1:25".parse().unwrap());
    }
}
