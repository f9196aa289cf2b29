//! A tap on the line between the two mail servers: passes on what they say, and remembers it.
//!
//! The sending server takes it for the other one. It ends TLS on both sides, as anybody on the path could: between
//! mail servers certificates are not verified unless a policy asks for it. Every command has one reply, so the tap
//! passes one command, then its reply, and the record has the order of the talk.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use mailcore::base::world::{BoxStream, TlsPeer, World};
use smol::io::{AsyncReadExt, AsyncWriteExt};

/// What was said, in order.
pub type Record = Arc<Mutex<Vec<Said>>>;

/// A piece of the talk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A command of the server that sends.
    Command(String),
    /// The lines of a reply of the server that receives.
    Reply(Vec<String>),
    /// So many bytes of a message.
    Message(usize),
    /// TLS from here on, of this version.
    Tls(String),
}

/// Listens on a free port and passes every connection on to `to`.
pub async fn start(world: &World, to: SocketAddr, record: Record) -> Result<SocketAddr> {
    let listener = world.network.listen(super::LOOPBACK).await?;
    let at = listener.local_addr();
    let inner = world.clone();
    let accept = async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (world, record) = (inner.clone(), Arc::clone(&record));
            let session = async move {
                // The end of a connection is the end of the session: nobody is told.
                let _ = pass(&world, stream, to, &record).await;
            };
            inner.run.task("tap session", Box::pin(session)).detach();
        }
    };
    world.run.task("tap", Box::pin(accept)).detach();
    Ok(at)
}

async fn pass(world: &World, stream: BoxStream, to: SocketAddr, record: &Record) -> Result<()> {
    let say = |said| record.lock().unwrap_or_else(|e| e.into_inner()).push(said);
    let mut sender = Line::new(stream);
    let mut receiver = Line::new(world.network.connect(to, None).await?);
    say(Said::Reply(reply(&mut receiver, &mut sender).await?));
    loop {
        let command = sender.line().await?;
        let text = String::from_utf8_lossy(&command).trim_end().to_owned();
        say(Said::Command(text.clone()));
        receiver.write(&command).await?;
        let words: Vec<&str> = text.split(' ').collect();
        if words[0] == "BDAT" {
            let size =
                words.get(1).and_then(|size| size.parse().ok()).ok_or_else(|| Error::other("size of a chunk"))?;
            let chunk = sender.exactly(size).await?;
            say(Said::Message(size));
            receiver.write(&chunk).await?;
        }
        let answer = reply(&mut receiver, &mut sender).await?;
        let code = answer[0].get(..3).unwrap_or_default().to_owned();
        say(Said::Reply(answer));
        match (words[0], code.as_str()) {
            ("STARTTLS", "220") => {
                let peer = TlsPeer { name: "mx.example.net".to_owned(), must_verify: false };
                let (stream, info) = world.tls.connect(receiver.stream, peer).await?;
                receiver = Line::new(stream);
                sender = Line::new(world.tls.accept(sender.stream).await?.0);
                say(Said::Tls(info.version));
            }
            ("DATA", "354") => {
                let message = sender.message().await?;
                say(Said::Message(message.len()));
                receiver.write(&message).await?;
                say(Said::Reply(reply(&mut receiver, &mut sender).await?));
            }
            ("QUIT", _) => return Ok(()),
            _ => {}
        }
    }
}

/// Passes a reply on, the lines of one that has several included; gives them.
async fn reply(from: &mut Line, to: &mut Line) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let line = from.line().await?;
        to.write(&line).await?;
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let more = text.as_bytes().get(3) == Some(&b'-');
        lines.push(text);
        if !more {
            return Ok(lines);
        }
    }
}

/// A stream that is read by lines.
struct Line {
    stream: BoxStream,
    received: Vec<u8>,
}

impl Line {
    fn new(stream: BoxStream) -> Line {
        Line { stream, received: Vec::new() }
    }

    async fn line(&mut self) -> Result<Vec<u8>> {
        self.until(|received| received.iter().position(|c| *c == b'\n').map(|at| at + 1)).await
    }

    async fn exactly(&mut self, size: usize) -> Result<Vec<u8>> {
        self.until(|received| (received.len() >= size).then_some(size)).await
    }

    /// A message up to and with its final dot.
    async fn message(&mut self) -> Result<Vec<u8>> {
        const END: &[u8] = b"\r\n.\r\n";
        self.until(|received| received.windows(END.len()).position(|w| w == END).map(|at| at + END.len())).await
    }

    async fn until(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> Result<Vec<u8>> {
        loop {
            if let Some(size) = end(&self.received) {
                return Ok(self.received.drain(..size).collect());
            }
            let mut piece = [0; 16 * 1024];
            let n = self.stream.read(&mut piece).await?;
            if n == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.received.extend_from_slice(&piece[..n]);
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }
}
