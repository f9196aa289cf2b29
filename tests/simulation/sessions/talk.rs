//! A connection to an IMAP server in the simulated network: commands out, responses in.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mailcore::base::World;
use mailcore::base::world::{BoxStream, TlsPeer};
use mailcore::net::pump::within;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::pop::PASSWORD;
use crate::response::{Response, announced, as_quoted, parsed};

/// Port of IMAP under TLS.
pub const PORT: u16 = 993;
/// How long a user waits for an answer.
const PATIENCE: Duration = Duration::from_secs(300);
/// Lines kept of what was said and heard.
const LOG_LINES: usize = 200;

/// A connection with somebody logged in.
pub struct Talk {
    world: World,
    stream: BoxStream,
    received: Vec<u8>,
    tags: u32,
    /// What was said and heard lately, for whoever looks into a failure.
    pub log: Vec<String>,
}

impl Talk {
    /// Connects, and logs `user` in.
    pub async fn open(world: &World, server: SocketAddr, user: &str) -> io::Result<Talk> {
        let at = world.clock.now() + PATIENCE;
        let open = async {
            let stream = world.network.connect(server, None).await?;
            let peer = TlsPeer { name: "imap".to_owned(), must_verify: false };
            let (stream, _) = world.tls.connect(stream, peer).await?;
            let mut talk = Talk { world: world.clone(), stream, received: Vec::new(), tags: 0, log: Vec::new() };
            talk.next().await?;
            let tag = talk.ask(&format!("LOGIN \"{user}\" \"{PASSWORD}\"")).await?;
            loop {
                let response = talk.next().await?;
                if let Some(answer) = response.line.strip_prefix(&format!("{tag} ")) {
                    let refused = || io::Error::new(io::ErrorKind::PermissionDenied, answer.to_owned());
                    return if answer.starts_with("OK") { Ok(talk) } else { Err(refused()) };
                }
            }
        };
        within(&*world.clock, at, open).await
    }

    /// Sends a command. Gives its tag.
    pub async fn ask(&mut self, command: &str) -> io::Result<String> {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(&format!("{tag} {command}")).await?;
        Ok(tag)
    }

    /// Sends a line as it is.
    pub async fn send(&mut self, line: &str) -> io::Result<()> {
        self.note(line);
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await
    }

    /// The next response. A server that says nothing for too long is an error.
    pub async fn response(&mut self) -> io::Result<Response> {
        let clock = self.world.clock.clone();
        within(&*clock, clock.now() + PATIENCE, self.next()).await
    }

    /// The next response, however long it takes. Nothing is lost where it is not waited for to the end.
    pub async fn next(&mut self) -> io::Result<Response> {
        loop {
            if let Some((text, used)) = cut(&self.received) {
                self.received.drain(..used);
                self.note(&text);
                return Ok(parsed(text));
            }
            let mut piece = vec![0; 4096];
            let n = self.stream.read(&mut piece).await?;
            if n == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            self.received.extend_from_slice(&piece[..n]);
        }
    }

    fn note(&mut self, line: &str) {
        let short = line.char_indices().nth(300).map_or(line, |(end, _)| &line[..end]);
        self.log.push(format!("{} ms {short}", self.world.clock.now().0 / 1_000_000));
        if self.log.len() > 2 * LOG_LINES {
            self.log.drain(..LOG_LINES);
        }
    }
}

/// The first response of what was received, literals made strings, and how many octets it took.
fn cut(received: &[u8]) -> Option<(String, usize)> {
    let (mut text, mut at) = (String::new(), 0);
    loop {
        let rest = &received[at..];
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let line = String::from_utf8_lossy(&rest[..end]);
        at += end + 2;
        let Some((head, octets)) = announced(&line) else { return Some((text + &line, at)) };
        text.push_str(head);
        text.push_str(&as_quoted(received.get(at..at + octets)?.to_vec()));
        at += octets;
    }
}
