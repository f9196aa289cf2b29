//! A stream whose octets travel compressed by DEFLATE (as RFC 4978 uses it), over any other stream.
//!
//! Reading gives no more than its caller has room for, so that however well the peer's octets are packed, memory stays
//! flat; what passes counts against the limits of who reads. A flush ends a block, so that the peer can read all that
//! was written before it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use futures_io::{AsyncRead, AsyncWrite};

use crate::base::world::BoxStream;

/// Octets of compressed input and output held.
const HELD_OCTETS: usize = 4 * 1024;

/// The stream.
pub struct Deflated {
    inner: BoxStream,
    packer: Compress,
    unpacker: Decompress,
    /// Compressed octets received, and how many of them are unpacked.
    received: Vec<u8>,
    used: usize,
    ended: bool,
    /// Compressed octets to be sent, and how many of them went.
    packed: Vec<u8>,
    sent: usize,
    /// Something was written since the last block ended.
    dirty: bool,
}

impl Deflated {
    /// Over `inner`; `received` are compressed octets that were read from it already.
    pub fn new(inner: BoxStream, received: Vec<u8>) -> Deflated {
        Deflated {
            inner,
            packer: Compress::new(Compression::fast(), false),
            unpacker: Decompress::new(false),
            received,
            used: 0,
            ended: false,
            packed: Vec::with_capacity(HELD_OCTETS),
            sent: 0,
            dirty: false,
        }
    }

    /// Unpacks into `out`; gives how many octets came of what was received.
    fn unpack(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let input = self.received.get(self.used..).unwrap_or_default();
        let (read, made) = (self.unpacker.total_in(), self.unpacker.total_out());
        let broken = |_| io::Error::new(io::ErrorKind::InvalidData, "octets that are no DEFLATE");
        let status = self.unpacker.decompress(input, out, FlushDecompress::None).map_err(broken)?;
        self.ended |= status == Status::StreamEnd;
        let taken = (self.unpacker.total_in() - read) as usize;
        let made = (self.unpacker.total_out() - made) as usize;
        if taken == 0 && made == 0 && !self.ended && self.used < self.received.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.used += taken;
        Ok(made)
    }

    /// Packs into what is to be sent; gives how many octets of `input` were taken.
    fn pack(&mut self, input: &[u8], flush: FlushCompress) -> io::Result<usize> {
        let before = self.packer.total_in();
        let broken = |_| io::Error::from(io::ErrorKind::InvalidData);
        self.packer.compress_vec(input, &mut self.packed, flush).map_err(broken)?;
        Ok((self.packer.total_in() - before) as usize)
    }

    /// Sends what is packed.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.packed.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let n = ready!(Pin::new(&mut self.inner).poll_write(cx, rest))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += n;
        }
        self.packed.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Ends the block and sends it.
    fn poll_end_block(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_send(cx))?;
            if !self.dirty {
                return Poll::Ready(Ok(()));
            }
            self.pack(&[], FlushCompress::Sync)?;
            // Room that is left says that all of the block is there.
            self.dirty = self.packed.len() == self.packed.capacity();
        }
    }
}

impl AsyncRead for Deflated {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        if out.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            if stream.ended {
                return Poll::Ready(Ok(0));
            }
            // What the unpacker holds back comes without new input, too.
            let n = stream.unpack(out)?;
            if n > 0 {
                return Poll::Ready(Ok(n));
            }
            if stream.ended || stream.used < stream.received.len() {
                continue;
            }
            stream.received.resize(HELD_OCTETS, 0);
            stream.used = HELD_OCTETS;
            let read = Pin::new(&mut stream.inner).poll_read(cx, &mut stream.received);
            let n = match read {
                Poll::Ready(Ok(n)) => n,
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending => 0,
            };
            stream.received.truncate(n);
            stream.used = 0;
            match read {
                Poll::Pending => return Poll::Pending,
                _ if n == 0 => stream.ended = true,
                _ => {}
            }
        }
    }
}

impl AsyncWrite for Deflated {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        if octets.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            ready!(stream.poll_send(cx))?;
            let n = stream.pack(octets, FlushCompress::None)?;
            if n > 0 {
                stream.dirty = true;
                return Poll::Ready(Ok(n));
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        ready!(stream.poll_end_block(cx))?;
        Pin::new(&mut stream.inner).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        ready!(stream.poll_end_block(cx))?;
        Pin::new(&mut stream.inner).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::io::{AsyncReadExt, AsyncWriteExt};

    /// A stream that gives `input`, in small pieces, and keeps what is written.
    struct Pipe {
        input: Vec<u8>,
        at: usize,
        written: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
    }

    impl AsyncRead for Pipe {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
            let n = (self.input.len() - self.at).min(out.len()).min(7);
            out[..n].copy_from_slice(&self.input[self.at..self.at + n]);
            self.at += n;
            Poll::Ready(Ok(n))
        }
    }

    impl AsyncWrite for Pipe {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
            let n = octets.len().min(1_000);
            self.written.lock().expect("lock").extend_from_slice(&octets[..n]);
            Poll::Ready(Ok(n))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn pipe(input: Vec<u8>) -> (Pipe, std::sync::Arc<std::sync::Mutex<Vec<u8>>>) {
        let written = std::sync::Arc::default();
        (Pipe { input, at: 0, written: std::sync::Arc::clone(&written) }, written)
    }

    fn packed(pieces: &[&[u8]]) -> Vec<u8> {
        let (pipe, written) = pipe(Vec::new());
        let mut stream = Deflated::new(Box::new(pipe), Vec::new());
        smol::block_on(async {
            for piece in pieces {
                stream.write_all(piece).await.expect("write");
                stream.flush().await.expect("flush");
            }
        });

        written.lock().expect("lock").clone()
    }

    fn unpacked(octets: Vec<u8>, before: usize) -> io::Result<Vec<u8>> {
        let (before, rest) = octets.split_at(before);
        let mut stream = Deflated::new(Box::new(pipe(rest.to_vec()).0), before.to_vec());
        let mut all = Vec::new();
        smol::block_on(stream.read_to_end(&mut all)).map(|_| all)
    }

    #[test]
    fn what_is_written_is_read() {
        let noise: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let zeros = vec![0; 1_000_000];
        let cases: [&[&[u8]]; 4] = [&[b"a NOOP\r\n"], &[b"a", b"b", b"c"], &[&noise, b"end"], &[&zeros, &noise]];
        for pieces in cases {
            let octets = packed(pieces);
            for before in [0, 1, octets.len()] {
                assert!(unpacked(octets.clone(), before).expect("read") == pieces.concat());
            }
        }
    }

    #[test]
    fn a_flush_lets_the_peer_read_all() {
        let octets = packed(&[b"first", b"second"]);
        for cut in 1..octets.len() {
            let read = unpacked(octets[..cut].to_vec(), 0).expect("read");
            assert!(b"firstsecond".starts_with(&read[..]));
        }
    }

    #[test]
    fn other_octets_are_an_error() {
        assert!(unpacked(b"\xff\xff\xff\xff a NOOP\r\n".to_vec(), 0).is_err());
    }
}
