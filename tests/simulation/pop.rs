//! A user who fetches mail by POP3 over TLS and takes it off the server, over the same bad network.
//!
//! What was fetched whole counts as had; what a `+OK` to QUIT confirmed as taken away must never come back.
//! A unique-id means the same octets for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mailcore::base::World;
use mailcore::base::world::{BoxStream, TlsPeer};
use mailcore::net::pump::within;
use smol::io::{AsyncReadExt, AsyncWriteExt};

/// Port of POP3 under TLS.
pub const PORT: u16 = 995;
/// Everybody's.
pub const PASSWORD: &str = "open sesame";

const PATIENCE: Duration = Duration::from_secs(300);

/// A user's mail at home.
#[derive(Debug, Default)]
pub struct Fetched {
    /// By unique-id.
    pub mails: BTreeMap<String, Vec<u8>>,
    /// Unique-ids that the server confirmed as gone.
    pub gone: BTreeSet<String>,
    /// Unique-ids whose QUIT got no answer: gone or still there.
    pub doubted: BTreeSet<String>,
}

impl Fetched {
    /// One session: fetches what is new; with `delete`, takes everything off the server.
    pub async fn fetch(&mut self, world: &World, server: SocketAddr, user: &str, delete: bool) -> io::Result<()> {
        let at = world.clock.now() + PATIENCE;
        within(&*world.clock, at, self.session(world, server, user, delete)).await
    }

    async fn session(&mut self, world: &World, server: SocketAddr, user: &str, delete: bool) -> io::Result<()> {
        let stream = world.network.connect(server, None).await?;
        let peer = TlsPeer { name: "pop".to_owned(), must_verify: false };
        let (stream, _) = world.tls.connect(stream, peer).await?;
        let mut talk = Talk { stream, received: Vec::new() };
        talk.reply().await?;
        talk.ask(&format!("USER {user}")).await?;
        talk.ask(&format!("PASS {PASSWORD}")).await?;
        talk.ask("UIDL").await?;
        let mut offered = Vec::new();
        for line in talk.lines().await? {
            let line = String::from_utf8_lossy(&line).into_owned();
            let (number, id) = line.split_once(' ').ok_or(io::ErrorKind::InvalidData)?;
            offered.push((number.to_owned(), id.to_owned()));
        }
        let mut taken = Vec::new();
        for (number, id) in offered {
            assert!(!self.gone.contains(&id), "{user}: {id} was taken off the server and is back");
            talk.ask(&format!("RETR {number}")).await?;
            let octets: Vec<u8> =
                talk.lines().await?.into_iter().flat_map(|line| [&line[..], b"\r\n"].concat()).collect();
            let before = self.mails.insert(id.clone(), octets.clone());
            assert!(before.is_none_or(|before| before == octets), "{user}: {id} has other octets than before");
            if delete {
                talk.ask(&format!("DELE {number}")).await?;
                taken.push(id);
            }
        }
        // Only QUIT takes away; marks of a session that broke before it mean nothing (RFC 1939).
        self.doubted.extend(taken.iter().cloned());
        talk.ask("QUIT").await?;
        self.gone.extend(taken);
        Ok(())
    }
}

struct Talk {
    stream: BoxStream,
    received: Vec<u8>,
}

impl Talk {
    async fn ask(&mut self, command: &str) -> io::Result<()> {
        self.stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        self.reply().await
    }

    async fn reply(&mut self) -> io::Result<()> {
        let line = self.line().await?;
        if line.starts_with(b"+OK") {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, String::from_utf8_lossy(&line).into_owned()))
    }

    async fn lines(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            if line == b"." {
                return Ok(lines);
            }
            lines.push(line.strip_prefix(b".").unwrap_or(&line).to_vec());
        }
    }

    async fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.received.windows(2).position(|two| two == b"\r\n") {
                let line = self.received[..end].to_vec();
                self.received.drain(..end + 2);
                return Ok(line);
            }
            let mut piece = vec![0; 4096];
            let n = self.stream.read(&mut piece).await?;
            if n == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            self.received.extend_from_slice(&piece[..n]);
        }
    }
}
