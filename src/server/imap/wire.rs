//! The connection under an IMAP session: octets in and out with deadlines, and what may end a wait.
//!
//! Answers gather in `out` and leave in large writes. While a session idles it holds no read buffer of size, so that
//! a thousand idle sessions cost little.

use std::io;
use std::sync::Arc;

use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::base::dialog::Input;
use crate::base::limits::{OUTPUT_OCTETS_MAX, READ_OCTETS};
use crate::base::time::Mono;
use crate::base::world::BoxStream;
use crate::net::deflate::Deflated;
use crate::net::pump::{of_handshake, within};
use crate::net::trace::{Side, Trace};
use crate::server::Shared;
use crate::server::sessions::Notice;
use crate::store::Watch;

use super::goodbye::Goodbye;

/// Octets read at once while the peer only says commands.
const SMALL_READ_OCTETS: usize = 2 * 1024;
/// Octets of output kept allocated while nothing is written.
const OUTPUT_KEPT_OCTETS: usize = 4 * 1024;

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woke {
    /// Octets came.
    Octets,
    /// The peer sends nothing more.
    End,
    /// What is watched changed.
    Changed,
    /// The engine drains, or the session is dismissed.
    Leave(Goodbye),
    /// The deadline passed.
    Late,
}

/// A place in the output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    writes: u64,
    octets: usize,
}

pub(super) struct Wire {
    shared: Arc<Shared>,
    stream: Option<BoxStream>,
    /// Received and not consumed.
    pub input: Input,
    /// To be written.
    pub out: Vec<u8>,
    /// Writes begun.
    writes: u64,
    piece: Vec<u8>,
    full_reads: bool,
    /// Tells of a dismissal.
    pub notice: Notice,
    compressed: bool,
    trace: Option<Box<Trace>>,
}

/// Completes with a change of what is watched, if anything is.
async fn changed(watch: Option<&mut Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

impl Wire {
    pub fn new(shared: Arc<Shared>, stream: BoxStream, notice: Notice) -> Self {
        let (out, piece) = (Vec::new(), Vec::new());
        Self {
            shared,
            stream: Some(stream),
            input: Input::new(),
            out,
            writes: 0,
            piece,
            full_reads: false,
            notice,
            compressed: false,
            trace: None,
        }
    }

    /// The same, traced.
    pub fn traced(mut self, trace: Option<Box<Trace>>) -> Self {
        self.trace = trace;
        self
    }

    /// Where a response begins that may have to be taken back.
    pub fn mark(&self) -> Mark {
        Mark { writes: self.writes, octets: self.out.len() }
    }

    /// Takes back what was gathered since; false where some of it was written already.
    pub fn take_back(&mut self, mark: Mark) -> bool {
        let all_here = self.writes == mark.writes;
        if all_here {
            self.out.truncate(mark.octets);
        }
        all_here
    }

    /// Writes all there is.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let out = std::mem::take(&mut self.out);
        self.write(&out).await?;
        self.out = out;
        self.out.clear();
        self.out.shrink_to(OUTPUT_OCTETS_MAX);
        Ok(())
    }

    /// Writes what there is once it is much.
    pub async fn relieve(&mut self) -> io::Result<()> {
        if self.out.len() >= OUTPUT_OCTETS_MAX { self.flush().await } else { Ok(()) }
    }

    /// Writes octets that stand elsewhere; what was gathered must be flushed before. The deadline is for each piece
    /// the peer takes, so that a slow one that goes on reading is not cut off.
    pub async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.writes += 1;
        let clock = &*self.shared.world.clock;
        let wait = self.shared.settings.waits.write;
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        if let Some(trace) = &mut self.trace {
            trace.octets(Side::Server, octets);
        }
        let mut rest = octets;
        while !rest.is_empty() {
            let n = within(clock, clock.now() + wait, stream.write(rest)).await?;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = rest.get(n..).unwrap_or_default();
        }
        within(clock, clock.now() + wait, stream.flush()).await
    }

    /// Writes what there is, then waits for octets, for a change of what is watched, for the engine to drain, or for
    /// the deadline; in this order, where several are there.
    pub async fn wait(&mut self, deadline: Mono, watched: [Option<&mut Watch>; 3]) -> io::Result<Woke> {
        self.flush().await?;
        self.out.shrink_to(OUTPUT_KEPT_OCTETS);
        let room = self.input.room().min(if self.full_reads { READ_OCTETS } else { SMALL_READ_OCTETS });
        if room == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "session left the input full"));
        }
        self.piece.resize(room, 0);
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let piece = &mut self.piece;
        let read = async { stream.read(piece).await.map(Ok) };
        let changed = async {
            let [first, second, third] = watched;
            changed(first).or(changed(second)).or(changed(third)).await;
            Ok(Err(Woke::Changed))
        };
        let draining = async {
            while self.shared.draining.recv().await.is_ok() {}
            Ok(Err(Woke::Leave(Goodbye::Draining)))
        };
        let dismissed = async { Ok(Err(Woke::Leave(Goodbye::Dismissed(self.notice.dismissed().await)))) };
        let late = async {
            self.shared.world.clock.sleep_until(deadline).await;
            Ok(Err(Woke::Late))
        };
        match read.or(changed).or(dismissed).or(draining).or(late).await? {
            Ok(0) => Ok(Woke::End),
            Ok(n) => {
                if let Some(trace) = &mut self.trace {
                    trace.octets(Side::Client, self.piece.get(..n).unwrap_or_default());
                }
                self.input.push(self.piece.get(..n).unwrap_or_default());
                // A read that filled the buffer has more behind it.
                self.full_reads = n == room;
                if !self.full_reads {
                    self.piece.truncate(SMALL_READ_OCTETS);
                    self.piece.shrink_to(SMALL_READ_OCTETS);
                }
                Ok(Woke::Octets)
            }
            Err(woke) => Ok(woke),
        }
    }

    /// Whether octets travel compressed.
    pub fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Writes what there is, and from then on compresses. What was received and not consumed is compressed already.
    pub async fn start_compression(&mut self) -> io::Result<()> {
        self.flush().await?;
        let plain = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        let received = self.input.peek().to_vec();
        self.input.consume(received.len());
        self.stream = Some(Box::new(Deflated::new(plain, received)));
        self.compressed = true;
        Ok(())
    }

    /// Our side of a TLS handshake. Octets in front of it end the connection (RFC 9051 §6.2.1).
    pub async fn start_tls(&mut self) -> io::Result<crate::base::world::TlsInfo> {
        if !self.input.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "octets in front of the TLS handshake"));
        }
        self.flush().await?;
        let plain = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        let clock = &*self.shared.world.clock;
        let at = clock.now() + self.shared.settings.waits.tls_handshake;
        let (stream, info) =
            within(clock, at, self.shared.world.tls.accept(plain)).await.map_err(|e| of_handshake(&e))?;
        if let Some(trace) = &mut self.trace {
            trace.tls(&info.version);
        }
        self.stream = Some(stream);
        Ok(info)
    }

    /// Says goodbye to the transport; how it takes it does not matter.
    pub async fn close(&mut self) {
        if self.flush().await.is_err() {
            return;
        }
        if let Some(mut stream) = self.stream.take() {
            let clock = &*self.shared.world.clock;
            let _ = within(clock, clock.now() + std::time::Duration::from_secs(1), stream.close()).await;
        }
    }
}
