//! Drives a [`Dialog`] over a stream: octets in and out, TLS upgrades, questions, deadlines.
//!
//! One pump serves SMTP on both sides and POP3. It keeps the rules of `base::dialog`, holds at most
//! `INPUT_OCTETS_MAX` of input and one write's worth of output, and ends when the session closes, the peer
//! goes, or a deadline passes. Every wait has a deadline on the world's clock.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use smol::future::FutureExt;
use smol::io::{AsyncRead as _, AsyncWriteExt};

use super::trace::{Side, Trace};
use crate::base::dialog::{Dialog, Dismissal, Input, Step};
use crate::base::limits::READ_OCTETS;
use crate::base::time::Mono;
use crate::base::world::{BoxFuture, BoxStream, Clock, TlsPeer, World};

/// Answers a session's questions.
pub trait Answerer<D: Dialog>: Send {
    /// The answer to `ask`; may take its time. Dropped where the connection ends meanwhile.
    fn answer(&mut self, ask: D::Ask) -> impl Future<Output = D::Answer> + Send;
}

/// Which side of a handshake a `StartTls` means.
#[derive(Debug, Clone)]
pub enum TlsRole {
    /// We serve.
    Server,
    /// We dialled.
    Client(TlsPeer),
}

/// How long a pump waits for what is not the session's own deadline.
#[derive(Debug, Clone, Copy)]
pub struct PumpWaits {
    /// For a handshake.
    pub tls_handshake: Duration,
    /// For the peer to take one write.
    pub write: Duration,
}

/// A connection with what was received and not yet consumed.
pub struct Connection {
    /// The stream, in the clear or under TLS.
    pub stream: BoxStream,
    /// Received and not consumed.
    pub input: Input,
    /// Ends when the engine drains, or the session is dismissed: one that waits for input is told so, once. Kept
    /// between reads, since listening anew for each of them costs a place in a list that all sessions share.
    notice: Option<BoxFuture<'static, Option<Dismissal>>>,
    output: Vec<u8>,
    /// Told of every octet, where the connection is traced.
    pub trace: Option<Box<Trace>>,
}

impl Connection {
    /// A connection nothing was received on.
    pub fn new(stream: BoxStream) -> Self {
        Self { stream, input: Input::new(), notice: None, output: Vec::new(), trace: None }
    }

    /// The session is told to finish once `draining` is closed, or to end when `dismissed` completes.
    pub fn end_with(
        &mut self,
        draining: smol::channel::Receiver<()>,
        dismissed: impl Future<Output = Dismissal> + Send + 'static,
    ) {
        let drains = async move {
            while draining.recv().await.is_ok() {}
            None
        };
        self.notice = Some(Box::pin(async move { Some(dismissed.await) }.or(drains)));
    }
}

/// Why [`pump`] came back.
#[derive(Debug)]
pub enum PumpEnd {
    /// The session said `Close`; its output was written.
    Closed,
    /// The connection broke, or the handshake failed. The session was told nothing.
    Broken(io::Error),
}

/// Runs `dialog` until it closes. The connection stays with the caller.
pub async fn pump<D, A>(
    world: &World,
    waits: PumpWaits,
    role: &TlsRole,
    connection: &mut Connection,
    dialog: &mut D,
    answerer: &mut A,
) -> PumpEnd
where
    D: Dialog + Send,
    D::Ask: Send,
    D::Answer: Send,
    A: Answerer<D>,
{
    loop {
        let step = dialog.step(world.clock.now(), &mut connection.input, &mut connection.output);
        let done = match step {
            Step::Ask(ask) => {
                let answer = answerer.answer(ask).await;
                dialog.answer(answer);
                Ok(false)
            }
            Step::Write => connection.flush(world, waits.write).await.map(|()| false),
            Step::Read => connection.read(world, waits.write, dialog).await.map(|()| false),
            Step::StartTls => connection.start_tls(world, waits, role, dialog).await.map(|()| false),
            Step::Close => connection.flush(world, waits.write).await.map(|()| true),
        };
        match done {
            Ok(false) => {}
            Ok(true) => return PumpEnd::Closed,
            Err(e) => return PumpEnd::Broken(e),
        }
    }
}

impl Connection {
    /// Takes in what the peer said before a connection broke, as far as it is here: nothing is waited for.
    pub async fn last_words(&mut self) {
        loop {
            let room = self.input.room().min(READ_OCTETS);
            let (stream, input, output) = (&mut self.stream, &mut self.input, &mut self.output);
            let read = poll_fn(|cx| match poll_input(stream, room, input, output, cx) {
                Poll::Ready(Ok(octets)) => Poll::Ready(octets),
                _ => Poll::Ready(0),
            });
            if room == 0 || read.await == 0 {
                return;
            }
        }
    }

    async fn flush(&mut self, world: &World, wait: Duration) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        if let Some(trace) = &mut self.trace {
            trace.octets(Side::Server, &self.output);
        }
        let at = world.clock.now() + wait;
        let stream = &mut self.stream;
        let output = &self.output;
        within(&*world.clock, at, async move {
            stream.write_all(output).await?;
            stream.flush().await
        })
        .await?;
        self.output.clear();
        Ok(())
    }

    /// Writes what there is, then waits for octets, the end, or the session's deadline.
    async fn read<D: Dialog>(&mut self, world: &World, wait: Duration, dialog: &mut D) -> io::Result<()> {
        self.flush(world, wait).await?;
        let room = self.input.room().min(READ_OCTETS);
        if room == 0 {
            // Every line cap is below the input's; a session that still wants more is at fault.
            return Err(io::Error::new(io::ErrorKind::InvalidData, "session left the input full"));
        }
        let (stream, input, output) = (&mut self.stream, &mut self.input, &mut self.output);
        let notice = &mut self.notice;
        let read = poll_fn(|cx| match poll_input(stream, room, input, output, cx) {
            Poll::Pending => match notice {
                Some(told) => told.as_mut().poll(cx).map(|why| Ok(Received::Told(why))),
                None => Poll::Pending,
            },
            Poll::Ready(read) => Poll::Ready(read.map(Received::Octets)),
        });
        let received = match dialog.deadline() {
            Some(at) => within(&*world.clock, at, read).await,
            None => read.await,
        };
        match received {
            Ok(Received::Told(why)) => {
                self.notice = None;
                match why {
                    Some(why) => dialog.dismiss(why),
                    None => dialog.drain(),
                }
            }
            Ok(Received::Octets(0)) => dialog.end(),
            Ok(Received::Octets(n)) => {
                if let Some(trace) = &mut self.trace {
                    let all = self.input.peek();
                    trace.octets(Side::Client, all.get(all.len().saturating_sub(n)..).unwrap_or_default());
                }
            }
            Err(e) if e.kind() == io::ErrorKind::TimedOut => dialog.expire(),
            Err(e) => return Err(e),
        }
        Ok(())
    }

    async fn start_tls<D: Dialog>(
        &mut self,
        world: &World,
        waits: PumpWaits,
        role: &TlsRole,
        dialog: &mut D,
    ) -> io::Result<()> {
        self.flush(world, waits.write).await?;
        if !self.input.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "octets in front of the TLS handshake"));
        }
        let plain = std::mem::replace(&mut self.stream, Box::new(Closed));
        let handshake = match role {
            TlsRole::Server => world.tls.accept(plain),
            TlsRole::Client(peer) => world.tls.connect(plain, peer.clone()),
        };
        let at = world.clock.now() + waits.tls_handshake;
        let (stream, info) = within(&*world.clock, at, handshake).await.map_err(|e| of_handshake(&e))?;
        if let Some(trace) = &mut self.trace {
            trace.tls(&info.version);
        }
        self.stream = stream;
        self.input.clear();
        dialog.tls_started(info);
        Ok(())
    }
}

/// An error of a handshake, which says that it is one.
pub fn of_handshake(e: &io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("TLS handshake failed: {e}"))
}

/// What a wait for input came to.
enum Received {
    /// So many octets.
    Octets(usize),
    /// The session is dismissed, or the engine drains.
    Told(Option<Dismissal>),
}

/// Takes octets in by way of the stack: a session that waits holds no buffer for what may come, and gives those
/// back that it used before. A thousand idle connections are a thousand small states.
fn poll_input(
    stream: &mut BoxStream,
    room: usize,
    input: &mut Input,
    output: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut piece = [0; READ_OCTETS];
    let piece = piece.get_mut(..room).unwrap_or_default();
    match Pin::new(stream).poll_read(cx, piece) {
        Poll::Ready(Ok(n)) => {
            input.push(piece.get(..n).unwrap_or_default());
            Poll::Ready(Ok(n))
        }
        Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
        Poll::Pending => {
            input.give_back();
            output.shrink_to(0);
            Poll::Pending
        }
    }
}

/// `work`, or [`io::ErrorKind::TimedOut`] at `at`. Work that is ready wins.
pub async fn within<T>(clock: &dyn Clock, at: Mono, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let deadline = clock.sleep_until(at);
    work.or(async move {
        deadline.await;
        Err(io::Error::from(io::ErrorKind::TimedOut))
    })
    .await
}

/// What stands in a connection's place while its stream is in a handshake.
struct Closed;

impl futures_io::AsyncRead for Closed {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }
}

impl futures_io::AsyncWrite for Closed {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::Error::from(io::ErrorKind::NotConnected)))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
