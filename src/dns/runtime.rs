//! What hickory runs on: our tasks, the reactor's sockets and timers, no runtime of its own.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use futures_io::{AsyncRead, AsyncWrite};
use smol::Async;
use smol::future::FutureExt;
use trust_dns_resolver::net::runtime::{DnsTcpStream, DnsUdpSocket, RuntimeProvider, Spawn, Time};

use crate::base::limits::CONNECT_WAIT_SECONDS;
use crate::base::world::Spawner;

/// Hickory's view of our world.
#[derive(Clone)]
pub(super) struct SmolRuntime {
    tasks: Tasks,
    ask_ad: bool,
}

impl SmolRuntime {
    /// With `ask_ad`, questions ask for the AD bit (RFC 6840 §5.7), which hickory never does.
    pub(super) fn new(run: Arc<dyn Spawner>, ask_ad: bool) -> Self {
        Self { tasks: Tasks(run), ask_ad }
    }
}

/// Where the AD bit of a message lies.
const AD_OCTET: usize = 3;
const AD_BIT: u8 = 0x20;

#[derive(Clone)]
pub(super) struct Tasks(Arc<dyn Spawner>);

impl Spawn for Tasks {
    fn spawn_bg(&mut self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.task("dns", Box::pin(future)).detach();
    }
}

impl RuntimeProvider for SmolRuntime {
    type Handle = Tasks;
    type Timer = Timer;
    type Udp = Udp;
    type Tcp = Tcp;

    fn create_handle(&self) -> Tasks {
        self.tasks.clone()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        _from: Option<SocketAddr>,
        wait: Option<Duration>,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<Tcp>>>> {
        let ask_ad = self.ask_ad;
        Box::pin(async move {
            let wait = wait.unwrap_or(Duration::from_secs(CONNECT_WAIT_SECONDS));
            let stream = Timer::timeout(wait, Async::<TcpStream>::connect(server)).await??;
            stream.get_ref().set_nodelay(true)?;
            Ok(Tcp { stream, marks: ask_ad.then(Marks::default) })
        })
    }

    /// Connected, so that the kernel tells of a server that is not there (ICMP) and drops what others send.
    fn bind_udp(&self, from: SocketAddr, server: SocketAddr) -> Pin<Box<dyn Send + Future<Output = io::Result<Udp>>>> {
        let connected = Async::<UdpSocket>::bind(from).and_then(|socket| {
            socket.get_ref().connect(server)?;
            Ok(Udp { socket, ask_ad: self.ask_ad })
        });
        Box::pin(std::future::ready(connected))
    }
}

pub(super) struct Timer;

#[async_trait]
impl Time for Timer {
    // Waits for packets are in real time, also where the engine's clock stands still.
    #[allow(clippy::disallowed_methods, reason = "hickory's timers have no clock to ask")]
    async fn delay_for(duration: Duration) {
        smol::Timer::after(duration).await;
    }

    async fn timeout<F: 'static + Future + Send>(duration: Duration, future: F) -> io::Result<F::Output> {
        let work = async { Ok(future.await) };
        let late = async {
            Self::delay_for(duration).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        work.or(late).await
    }
}

pub(super) struct Udp {
    socket: Async<UdpSocket>,
    ask_ad: bool,
}

#[async_trait]
impl DnsUdpSocket for Udp {
    type Time = Timer;

    fn poll_recv_from(&self, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut room = vec![0; out.len() + 1];
        let (octets, peer) = loop {
            match self.socket.get_ref().recv_from(&mut room) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => ready!(self.socket.poll_readable(cx))?,
                received => break received?,
            }
        };
        room.truncate(octets);
        if room.len() > out.len() {
            room = as_truncated(&room);
        }
        let octets = room.len().min(out.len());
        out.iter_mut().zip(&room).for_each(|(to, from)| *to = *from);
        Poll::Ready(Ok((octets, peer)))
    }

    fn poll_send_to(&self, cx: &mut Context<'_>, octets: &[u8], _server: SocketAddr) -> Poll<io::Result<usize>> {
        let mut marked;
        let mut octets = octets;
        if self.ask_ad {
            marked = octets.to_vec();
            marked.iter_mut().skip(AD_OCTET).take(1).for_each(|flags| *flags |= AD_BIT);
            octets = &marked;
        }
        loop {
            match self.socket.get_ref().send(octets) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => ready!(self.socket.poll_writable(cx))?,
                sent => return Poll::Ready(sent),
            }
        }
    }
}

/// An answer that is longer than we said we take (RFC 6891 §6.2.3), of which the end is lost: its header and question,
/// with the sign to ask again over TCP.
fn as_truncated(answer: &[u8]) -> Vec<u8> {
    let mut end = 12;
    while let Some(label @ 1..=63) = answer.get(end) {
        end += 1 + usize::from(*label);
    }
    // The root's label, type and class.
    let mut short = answer.get(..end + 5).unwrap_or(answer).to_vec();
    if let Some(flags) = short.get_mut(2) {
        *flags |= 0x02;
    }
    // No answers, authorities or additional records.
    short.iter_mut().take(12).skip(6).for_each(|octet| *octet = 0);
    short
}

pub(super) struct Tcp {
    stream: Async<TcpStream>,
    marks: Option<Marks>,
}

/// Sets the AD bit in messages on a stream, each behind two octets of its length (RFC 1035 §4.2.2).
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    /// Octets of the present message and its length that went by.
    at: usize,
    /// The message's length, as far as it is known.
    length: usize,
}

impl Marks {
    /// The next octet on the stream, marked where it is its turn.
    fn pass(&mut self, octet: u8) -> u8 {
        let place = self.at;
        self.at += 1;
        match place {
            0 => self.length = usize::from(octet) << 8,
            1 => self.length |= usize::from(octet),
            _ => {}
        }
        if place > 0 && self.at == self.length + 2 {
            *self = Marks::default();
        }
        if place == AD_OCTET + 2 { octet | AD_BIT } else { octet }
    }
}

impl DnsTcpStream for Tcp {
    type Time = Timer;
}

impl AsyncRead for Tcp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, out)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let Some(before) = self.marks else { return Pin::new(&mut self.stream).poll_write(cx, octets) };
        let mut marks = before;
        let marked: Vec<u8> = octets.iter().map(|octet| marks.pass(*octet)).collect();
        let taken = ready!(Pin::new(&mut self.stream).poll_write(cx, &marked))?;
        let mut marks = before;
        octets.iter().take(taken).for_each(|octet| _ = marks.pass(*octet));
        self.marks = Some(marks);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_on_a_stream_is_marked_once() {
        let mut marks = Marks::default();
        let stream = [0, 5, 9, 9, 1, 0, 7, 0, 4, 9, 9, 1, 0x80, 0, 0, 0, 3, 1, 2, 3];
        let marked: Vec<u8> = stream.iter().map(|octet| marks.pass(*octet)).collect();
        assert_eq!(marked, [0, 5, 9, 9, 1, 0x20, 7, 0, 4, 9, 9, 1, 0xa0, 0, 0, 0, 3, 1, 2, 3]);
        assert_eq!((marks.at, marks.length), (0, 0));
    }

    #[test]
    fn what_is_left_of_an_answer_that_is_too_long() {
        let header = |flags: u8, answers: u8| [7, 9, flags, 0x80, 0, 1, 0, answers, 0, 1, 0, 1];
        let question = b"\x01a\x04test\0\0\x10\0\x01";
        let long = [&header(0x85, 1)[..], question, &[0xc0; 2000]].concat();
        let short = [7, 9, 0x87, 0x80, 0, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(as_truncated(&long), [&short[..], question].concat());
        assert_eq!(as_truncated(&[0xff; 3]), [0xff; 3]);
        assert_eq!(as_truncated(&[63; 40]).len(), 40);
    }
}
