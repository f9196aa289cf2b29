//! A mail host of the outside world, with moods: it defers, refuses, greylists, falls silent, and hangs up
//! after the final dot. It remembers what it took, for ever: what it answered 250 to is delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::World;
use mailcore::base::world::BoxStream;
use mailcore::net::pump::within;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::disk::lock;
use crate::rng::Rng;

const PATIENCE: Duration = Duration::from_secs(900);
const LINE_OCTETS_MAX: usize = 4096;

/// How moody a host is, in parts of 1000 of the commands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mood {
    /// 421 instead of a greeting.
    pub closed: u64,
    /// 4xx to MAIL, RCPT, DATA or the final dot.
    pub defers: u64,
    /// No answer ever.
    pub silent: u64,
    /// Takes the message and hangs up without a reply.
    pub takes_and_hangs_up: u64,
}

impl Mood {
    /// What the campaigns meet.
    pub const BAD: Mood = Mood { closed: 60, defers: 80, silent: 10, takes_and_hangs_up: 20 };
}

/// A message taken for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// Forward-path, without the angle brackets.
    pub recipient: String,
    /// Reverse-path, likewise.
    pub sender: String,
    /// Octets, transparency undone.
    pub octets: Vec<u8>,
    /// Whether the client never got the reply.
    pub unanswered: bool,
}

/// A host. Clones share it.
#[derive(Clone)]
pub struct Peer {
    inner: Arc<Mutex<Inner>>,
    world: World,
    name: &'static str,
}

struct Inner {
    rng: Rng,
    mood: Mood,
    taken: Vec<Taken>,
    /// Recipients asked for before: those called `grey...` are deferred the first two times.
    asked: BTreeMap<String, u32>,
    starttls: bool,
}

impl Peer {
    /// A host in a good mood.
    pub fn new(world: World, rng: Rng, name: &'static str, starttls: bool) -> Self {
        let inner = Inner { rng, mood: Mood::default(), taken: Vec::new(), asked: BTreeMap::new(), starttls };
        Self { inner: Arc::new(Mutex::new(inner)), world, name }
    }

    /// Changes its mood.
    pub fn set_mood(&self, mood: Mood) {
        lock(&self.inner).mood = mood;
    }

    /// What it took.
    pub fn taken(&self) -> Vec<Taken> {
        lock(&self.inner).taken.clone()
    }

    /// Recipients it took something for.
    pub fn recipients(&self) -> BTreeSet<String> {
        lock(&self.inner).taken.iter().map(|taken| taken.recipient.clone()).collect()
    }

    /// Serves at `at` for ever.
    pub async fn serve(self, at: SocketAddr) {
        let listener = self.world.network.listen(at).await.expect("the port is free");
        while let Ok((stream, _)) = listener.accept().await {
            let peer = self.clone();
            let session = async move {
                // A peer that is gone is no news here.
                let _ = Session::new(peer, stream).run().await;
            };
            self.world.run.task("peer", Box::pin(session)).detach();
        }
    }

    fn chance(&self, part: impl Fn(&Mood) -> u64) -> bool {
        let mut inner = lock(&self.inner);
        let part = part(&inner.mood);
        inner.rng.per_mille(part)
    }
}

struct Session {
    peer: Peer,
    stream: Option<BoxStream>,
    received: Vec<u8>,
    sender: Option<String>,
    recipients: Vec<String>,
}

impl Session {
    fn new(peer: Peer, stream: BoxStream) -> Self {
        Self { peer, stream: Some(stream), received: Vec::new(), sender: None, recipients: Vec::new() }
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        if self.peer.chance(|mood| mood.silent) {
            std::future::pending::<()>().await;
        }
        let clock = self.peer.world.clock.clone();
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        within(&*clock, clock.now() + PATIENCE, stream.write_all(format!("{text}\r\n").as_bytes())).await
    }

    async fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.received.windows(2).position(|two| two == b"\r\n") {
                let rest = self.received.split_off(end + 2);
                let mut line = std::mem::replace(&mut self.received, rest);
                line.truncate(end);
                return Ok(line);
            }
            if self.received.len() > LINE_OCTETS_MAX {
                return Err(io::Error::from(io::ErrorKind::InvalidData));
            }
            let clock = self.peer.world.clock.clone();
            let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            let mut piece = vec![0; 2048];
            let n = within(&*clock, clock.now() + PATIENCE, stream.read(&mut piece)).await?;
            if n == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            self.received.extend_from_slice(&piece[..n]);
        }
    }

    async fn run(mut self) -> io::Result<()> {
        // A silent session must end too: its connection is dropped after a while.
        let clock = self.peer.world.clock.clone();
        let end = clock.now() + PATIENCE * 4;
        within(&*clock, end, self.talk()).await
    }

    async fn talk(&mut self) -> io::Result<()> {
        if self.peer.chance(|mood| mood.closed) {
            return self.say("421 4.3.2 busy, come back later").await;
        }
        let name = self.peer.name;
        self.say(&format!("220 {name} ESMTP")).await?;
        loop {
            let line = self.line().await?;
            let text = String::from_utf8_lossy(&line).into_owned();
            let verb = text.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.hello().await?,
                "HELO" => self.say(&format!("250 {name}")).await?,
                "STARTTLS" => self.start_tls().await?,
                "MAIL" => self.mail(&text).await?,
                "RCPT" => self.rcpt(&text).await?,
                "DATA" => self.data().await?,
                "RSET" => {
                    self.sender = None;
                    self.recipients.clear();
                    self.say("250 2.0.0 ok").await?;
                }
                "NOOP" => self.say("250 2.0.0 ok").await?,
                "QUIT" => return self.say("221 2.0.0 bye").await,
                _ => self.say("502 5.5.1 what?").await?,
            }
        }
    }

    async fn hello(&mut self) -> io::Result<()> {
        let offers = lock(&self.peer.inner).starttls;
        let tls = if offers { "250-STARTTLS\r\n" } else { "" };
        let name = self.peer.name;
        self.say(&format!("250-{name}\r\n{tls}250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES"))
            .await
    }

    async fn start_tls(&mut self) -> io::Result<()> {
        self.say("220 2.0.0 go ahead").await?;
        let plain = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        let (stream, _) = self.peer.world.tls.accept(plain).await?;
        self.received.clear();
        self.stream = Some(stream);
        Ok(())
    }

    async fn mail(&mut self, text: &str) -> io::Result<()> {
        self.sender = None;
        self.recipients.clear();
        if self.peer.chance(|mood| mood.defers) {
            return self.say("451 4.3.0 not now").await;
        }
        self.sender = Some(path(text));
        self.say("250 2.1.0 ok").await
    }

    async fn rcpt(&mut self, text: &str) -> io::Result<()> {
        let recipient = path(text);
        if self.sender.is_none() {
            return self.say("503 5.5.1 MAIL first").await;
        }
        if recipient.starts_with("nobody") {
            return self.say("550 5.1.1 no such user").await;
        }
        let times = {
            let mut inner = lock(&self.peer.inner);
            let times = inner.asked.entry(recipient.clone()).or_default();
            *times += 1;
            *times
        };
        if (recipient.starts_with("grey") && times <= 2) || self.peer.chance(|mood| mood.defers) {
            return self.say("450 4.2.0 greylisted").await;
        }
        if recipient.starts_with("full") {
            return self.say("452 4.2.2 mailbox full").await;
        }
        self.recipients.push(recipient);
        self.say("250 2.1.5 ok").await
    }

    async fn data(&mut self) -> io::Result<()> {
        if self.recipients.is_empty() {
            return self.say("503 5.5.1 no valid recipients").await;
        }
        if self.peer.chance(|mood| mood.defers) {
            return self.say("451 4.3.0 not now").await;
        }
        self.say("354 go").await?;
        let mut octets = Vec::new();
        loop {
            let line = self.line().await?;
            if line == b"." {
                break;
            }
            octets.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            octets.extend_from_slice(b"\r\n");
        }
        if self.peer.chance(|mood| mood.defers) {
            return self.say("452 4.3.1 no room").await;
        }
        let unanswered = self.peer.chance(|mood| mood.takes_and_hangs_up);
        let recipients = std::mem::take(&mut self.recipients);
        let sender = self.sender.take().unwrap_or_default();
        let taken = recipients.into_iter().map(|recipient| Taken {
            recipient,
            sender: sender.clone(),
            octets: octets.clone(),
            unanswered,
        });
        lock(&self.peer.inner).taken.extend(taken);
        if unanswered {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
        self.say("250 2.0.0 taken").await
    }
}

/// What stands in angle brackets.
fn path(text: &str) -> String {
    let inside = text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map(|(path, _)| path.to_owned()).unwrap_or_default()
}
