//! A stream under OpenSSL: octets of the wire go in and out of two buffers, OpenSSL never sees a socket.
//!
//! Reads end with 0 only after the peer's close_notify; a connection cut without it is
//! [`io::ErrorKind::UnexpectedEof`], so that a truncated body is never taken for a whole one (RFC 8446 §6.1).
//! Writes are sealed in batches of up to [`TLS_BATCH_OCTETS`] and leave at once; what the socket does not take then
//! leaves with the next read, write or flush. Dropping sends a close_notify where the socket takes it.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures_io::{AsyncRead, AsyncWrite};
use openssl::error::ErrorStack;
use openssl::ssl::{self, ErrorCode, Ssl, SslRef, SslStream};
use openssl::x509::X509VerifyResult;

use super::certificate;
use crate::base::limits::{TLS_BATCH_OCTETS, TLS_INPUT_IDLE_OCTETS};
use crate::base::world::BoxStream;

/// Which end of a handshake we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

/// A stream under TLS.
pub(super) struct TlsStream {
    ssl: SslStream<Wire>,
    inner: BoxStream,
    /// Our close_notify is sent, or need not be.
    closed: bool,
}

/// Sealed octets on their way in and out.
#[derive(Default)]
struct Wire {
    input: Vec<u8>,
    /// `input` holds what is unread between these two.
    from: usize,
    till: usize,
    ended: bool,
    output: Vec<u8>,
    /// How much of `output` the stream below has taken.
    sent: usize,
}

impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut unread = self.input.get(self.from..self.till).unwrap_or_default();
        if unread.is_empty() && !self.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = unread.read(out)?;
        self.from += n;
        Ok(n)
    }
}

impl Write for Wire {
    fn write(&mut self, sealed: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(sealed);
        Ok(sealed.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TlsStream {
    pub(super) fn new(ssl: Ssl, inner: BoxStream) -> Result<Self, ErrorStack> {
        Ok(Self { ssl: SslStream::new(ssl, Wire::default())?, inner, closed: true })
    }

    /// The session, for what the handshake came to.
    pub(super) fn ssl(&self) -> &SslRef {
        self.ssl.ssl()
    }

    pub(super) async fn handshake(&mut self, side: Side) -> io::Result<()> {
        poll_fn(|cx| self.poll_handshake(cx, side)).await?;
        self.closed = false;
        Ok(())
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>, side: Side) -> Poll<io::Result<()>> {
        loop {
            let step = match side {
                Side::Server => self.ssl.accept(),
                Side::Client => self.ssl.connect(),
            };
            match step {
                Ok(()) => return self.poll_push(cx),
                Err(e) if e.code() == ErrorCode::WANT_READ => {
                    ready!(self.poll_push(cx))?;
                    ready!(self.poll_fill(cx))?;
                }
                Err(e) => {
                    // The alert that tells the peer why; it may be gone already.
                    let _ = self.poll_push(cx);
                    return Poll::Ready(Err(self.failed(e)));
                }
            }
        }
    }

    /// Hands sealed octets to the stream below until there are none.
    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.ssl.get_mut();
        while let Some(rest) = wire.output.get(wire.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => wire.sent += n,
            }
        }
        wire.sent = 0;
        wire.output.clear();
        if wire.output.capacity() > TLS_INPUT_IDLE_OCTETS {
            wire.output = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    /// As [`Self::poll_push`], where it is not the caller's business to wait for it.
    fn push_what_goes(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.poll_push(cx) {
            Poll::Ready(pushed) => pushed,
            Poll::Pending => Ok(()),
        }
    }

    /// Takes sealed octets from the stream below; all earlier ones must have been read.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.ssl.get_mut();
        if wire.ended {
            return Poll::Ready(Err(truncated()));
        }
        // A peer that filled the buffer has more to say.
        let full = wire.till == wire.input.len();
        let size = if full && wire.till > 0 { TLS_BATCH_OCTETS } else { wire.input.len().max(TLS_INPUT_IDLE_OCTETS) };
        wire.input.resize(size, 0);
        let calm = wire.till <= TLS_INPUT_IDLE_OCTETS;
        (wire.from, wire.till) = (0, 0);
        match Pin::new(&mut self.inner).poll_read(cx, &mut wire.input) {
            Poll::Ready(Ok(n)) => {
                wire.till = n;
                wire.ended = n == 0;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            Poll::Pending => {
                // Not while much comes in: it would be given back and taken again for every piece.
                if calm && wire.input.len() > TLS_INPUT_IDLE_OCTETS {
                    wire.input.truncate(TLS_INPUT_IDLE_OCTETS);
                    wire.input.shrink_to_fit();
                }
                Poll::Pending
            }
        }
    }

    /// An error of OpenSSL's for people to read.
    fn failed(&mut self, e: ssl::Error) -> io::Error {
        self.closed = true;
        if self.ssl.get_ref().ended {
            return truncated();
        }
        let verified = self.ssl.ssl().verify_result();
        if self.ssl.ssl().verify_mode() != ssl::SslVerifyMode::NONE && verified != X509VerifyResult::OK {
            return io::Error::new(io::ErrorKind::InvalidData, certificate::refused_as(verified));
        }
        io::Error::new(io::ErrorKind::InvalidData, e)
    }
}

fn truncated() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "connection cut without TLS close_notify")
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        loop {
            let read = stream.ssl.ssl_read(out);
            // Earlier writes, and answers to key updates. Where the peer takes no more, what it said before still
            // counts; the next write tells.
            let _ = stream.push_what_goes(cx);
            match read {
                Ok(n) => return Poll::Ready(Ok(n)),
                Err(e) => match e.code() {
                    ErrorCode::ZERO_RETURN => return Poll::Ready(Ok(0)),
                    ErrorCode::WANT_READ => ready!(stream.poll_fill(cx))?,
                    _ => return Poll::Ready(Err(stream.failed(e))),
                },
            }
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        if stream.ssl.get_ref().output.len() >= TLS_BATCH_OCTETS {
            ready!(stream.poll_push(cx))?;
        }
        let batch = octets.get(..TLS_BATCH_OCTETS).unwrap_or(octets);
        // Each record of 16 KiB grows by some 30 octets.
        stream.ssl.get_mut().output.reserve(batch.len() + batch.len() / 256 + 64);
        loop {
            match stream.ssl.ssl_write(batch) {
                Ok(n) => {
                    stream.push_what_goes(cx)?;
                    return Poll::Ready(Ok(n));
                }
                Err(e) if e.code() == ErrorCode::WANT_READ => ready!(stream.poll_fill(cx))?,
                Err(e) => return Poll::Ready(Err(stream.failed(e))),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        ready!(stream.poll_push(cx))?;
        Pin::new(&mut stream.inner).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if !stream.closed {
            stream.closed = true;
            // Ours only: nobody waits for the peer's (RFC 8446 §6.1).
            let _ = stream.ssl.shutdown();
        }
        ready!(stream.poll_push(cx))?;
        Pin::new(&mut stream.inner).poll_close(cx)
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        if !self.closed {
            let _ = self.ssl.shutdown();
            let _ = self.push_what_goes(&mut Context::from_waker(Waker::noop()));
        }
    }
}
