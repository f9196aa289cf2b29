//! IMAP dialogues as text (`tests/transcripts/imap/*.txt`), played against the real session over a pipe and the
//! real store.
//!
//! ```text
//! C: text        the client sends text and CRLF; several in a row arrive in one piece
//! C= text        the client sends text without CRLF
//! C* n text      the client sends text n times and CRLF
//! S: text        the server says exactly this line; `{*}` stands for anything
//! S~ text        the server says a line that begins so
//! ! deliver who mailbox text     a message is filed
//! ! advance n    n seconds pass
//! ! drain        the engine drains
//! ! end          the client is gone
//! ! close        the server closes; nothing may follow
//! # anything     nothing
//! ```
//!
//! `C2:` and `S2:` are a second connection, and so on; connections begin at their first line. In texts `\r \n \t \0
//! \\ \xHH` stand for octets. Everything the server says must be named. The head, up to an empty line, has
//! `account: address password`, `tls: no`, `login: plain` (passwords without TLS) and `large: octets`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mailcore::base::event::Silence;
use mailcore::base::settings::{Ends, PasswordCost};
use mailcore::base::world::{
    Answer, BoxFuture, BoxStream, Listener, Network, NoRecords, RecordKind, Resolver, Tls, TlsInfo, TlsPeer,
};
use mailcore::base::{Address, Content, Flags, Secret, Service, Settings, World};
use mailcore::delivery::local;
use mailcore::os::{RealDisk, RealEntropy, SteppedClock, ThreadOptions, Threads};
use mailcore::sasl::credential;
use mailcore::server::{Accepted, Shared, accounts::Logins, imap};
use mailcore::store::{Acceptance, Filing, Store, StoreOptions};

#[test]
fn dialogues() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/imap");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    files.sort();
    assert!(files.len() > 5, "no transcripts");
    let mut failures = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("transcript");
        if let Err(why) = play(&text) {
            failures.push(format!("{}: {why}", file.file_name().unwrap_or_default().to_string_lossy()));
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

fn play(text: &str) -> Result<(), String> {
    let (head, body) = text.split_once("\n\n").ok_or("no head")?;
    let mut stage = Stage::new(head);
    let head_lines = head.lines().count() + 1;
    let result = body.lines().enumerate().try_for_each(|(number, line)| {
        stage.line(line).map_err(|why| format!("line {}: {why}\n    {line}", head_lines + number + 1))
    });
    let result = result.and_then(|()| stage.nothing_left());
    stage.end();
    result
}

/// A server, its store and the connections to it.
struct Stage {
    threads: Option<Threads>,
    clock: SteppedClock,
    shared: Arc<Shared>,
    drain: Option<smol::channel::Sender<()>>,
    folder: PathBuf,
    clients: BTreeMap<u32, Client>,
    implicit_tls: bool,
}

struct Client {
    write: UnixStream,
    read: BufReader<UnixStream>,
    unsent: Vec<u8>,
}

impl Stage {
    fn new(head: &str) -> Stage {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("mailcore-imap-{}-{number}", std::process::id()));
        let threads = Threads::start(ThreadOptions::usual()).expect("threads");
        let clock = SteppedClock::new();
        let nothing = Arc::new(Outside);
        let world = World {
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(RealEntropy),
            network: nothing.clone(),
            resolver: nothing.clone(),
            disk: Arc::new(RealDisk),
            tls: nothing,
            run: threads.spawner(),
        };
        let options = StoreOptions { folder: folder.clone(), events: Arc::new(Silence), readers: 2 };
        let store = smol::block_on(Store::open(&world, options)).expect("store");
        let mut settings = Settings {
            hostname: "mail.example.org".to_owned(),
            login_failure_pause: Duration::ZERO,
            password_cost: PasswordCost { argon2_kib: 8, argon2_passes: 1, scram_iterations: 4096 },
            ..Settings::default()
        };
        let mut implicit_tls = true;
        for line in head.lines().filter(|line| !line.starts_with('#')) {
            let (key, value) = line.split_once(": ").expect("head");
            match key {
                "account" => {
                    let (address, password) = value.split_once(' ').expect("account");
                    let made = credential::make(&Secret::new(password), &[7; 32], settings.password_cost);
                    let address = Address::parse(address).expect("address");
                    smol::block_on(store.account_put(&address, Some(made.expect("credential")))).expect("account");
                }
                "tls" => implicit_tls = value == "yes",
                "login" => settings.allow_plaintext_login = value == "plain",
                "large" => settings.message_octets_max = value.parse().expect("octets"),
                _ => panic!("head: {line}"),
            }
        }
        let (drain, draining) = smol::channel::bounded(1);
        let logins = Arc::new(Logins::new(&*world.entropy));
        let shared = shared(world, store, settings, logins, draining);
        let (threads, drain) = (Some(threads), Some(drain));
        Stage { threads, clock, shared: Arc::new(shared), drain, folder, clients: BTreeMap::new(), implicit_tls }
    }

    fn client(&mut self, number: u32) -> &mut Client {
        let (shared, implicit_tls) = (self.shared.clone(), self.implicit_tls);
        self.clients.entry(number).or_insert_with(|| {
            let (ours, theirs) = UnixStream::pair().expect("pair");
            ours.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
            let here = "127.0.0.1:1143".parse().expect("address");
            let accepted = Accepted {
                stream: Box::new(smol::Async::new(theirs).expect("stream")),
                ends: Ends { peer: here, local: here },
                service: Service::Imap,
                tls: implicit_tls.then(TlsInfo::default),
            };
            let spawner = shared.world.run.clone();
            spawner.task("imap", Box::pin(imap::serve(shared, accepted))).detach();
            let read = BufReader::new(ours.try_clone().expect("clone"));
            Client { write: ours, read, unsent: Vec::new() }
        })
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(order) = line.strip_prefix("! ") {
            return self.order(order);
        }
        let (who, text) = line.split_at_checked(1).ok_or("what is this?")?;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number = if digits == 0 { 1 } else { text[..digits].parse().map_err(|_| "number")? };
        let (mark, text) = text[digits..].split_at_checked(1).ok_or("mark expected")?;
        let text = text.strip_prefix(' ').unwrap_or(text);
        let client = self.client(number);
        match (who, mark) {
            ("C", ":") => client.unsent.extend([unescape(text), b"\r\n".to_vec()].concat()),
            ("C", "=") => client.unsent.extend(unescape(text)),
            ("C", "*") => {
                let (n, text) = text.split_once(' ').ok_or("n expected")?;
                let text = unescape(text).repeat(n.parse().map_err(|_| "number")?);
                client.unsent.extend([text, b"\r\n".to_vec()].concat());
            }
            ("S", ":" | "~") => {
                client.send();
                let said = client.receive()?;
                let want = if mark == "~" { format!("{text}{{*}}") } else { text.to_owned() };
                if !fits(&want, &said) {
                    return Err(format!("the server said\n    {said}"));
                }
            }
            _ => return Err("what is this?".to_owned()),
        }
        Ok(())
    }

    fn order(&mut self, order: &str) -> Result<(), String> {
        self.clients.values_mut().for_each(Client::send);
        let (word, rest) = order.split_once(' ').unwrap_or((order, ""));
        match word {
            "deliver" => {
                let mut words = rest.splitn(3, ' ');
                let mut next = || words.next().ok_or("who, mailbox and text expected");
                self.deliver(next()?, next()?, next()?);
            }
            "advance" => self.clock.advance(Duration::from_secs(rest.parse().map_err(|_| "seconds")?)),
            "drain" => self.drain = None,
            "end" => self.clients.values().for_each(|client| {
                let _ = client.write.shutdown(Shutdown::Both);
            }),
            "close" => {
                for client in self.clients.values_mut() {
                    client.closed()?;
                }
                self.clients.clear();
            }
            _ => return Err("what is this?".to_owned()),
        }
        Ok(())
    }

    fn deliver(&self, who: &str, mailbox: &str, text: &str) {
        let store = &self.shared.store;
        smol::block_on(async {
            let account = store.directory().account(who).expect("account");
            let mailbox = store.mailbox(account.id, mailbox).await.expect("store").expect("mailbox").id;
            let now = mailcore::base::Timestamp::from_civil(2026, 11, 22, 1, 42, 4);
            let filing = Filing { mailbox, flags: Flags::NONE, keywords: Vec::new(), internal_date: now };
            let arrival = local::arrival(Content::from_octets(unescape(text)), vec![filing], now).expect("arrival");
            let acceptance = Acceptance { arrivals: vec![arrival], items: Vec::new() };
            store.accept(acceptance).await.expect("accepted");
        });
    }

    /// The client hangs up; what the server said and nobody named is an error.
    fn nothing_left(&mut self) -> Result<(), String> {
        for (number, client) in &mut self.clients {
            client.send();
            let _ = client.write.shutdown(Shutdown::Write);
            if let Ok(more) = client.receive() {
                return Err(format!("connection {number}: nobody named\n    {more}"));
            }
        }
        Ok(())
    }

    fn end(mut self) {
        self.clients.clear();
        smol::block_on(self.shared.store.close()).expect("closed");
        let threads = self.threads.take().expect("threads");
        threads.stop(Duration::from_secs(10)).expect("threads stop");
        fs::remove_dir_all(&self.folder).expect("folder removed");
    }
}

impl Client {
    fn send(&mut self) {
        // A peer that is gone is found out when it is read from.
        let _ = self.write.write_all(&std::mem::take(&mut self.unsent));
    }

    /// The next line, its CRLF left off, octets that are not UTF-8 escaped.
    fn receive(&mut self) -> Result<String, String> {
        let mut line = Vec::new();
        match self.read.read_until(b'\n', &mut line) {
            Ok(0) => return Err("the server closed".to_owned()),
            Ok(_) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err("the server says nothing".to_owned());
            }
            Err(e) => return Err(e.to_string()),
        }
        let line = line.strip_suffix(b"\r\n").map(<[u8]>::to_vec).unwrap_or(line);
        Ok(String::from_utf8(line).unwrap_or_else(|e| e.as_bytes().escape_ascii().to_string()))
    }

    fn closed(&mut self) -> Result<(), String> {
        match self.receive() {
            Err(why) if why == "the server says nothing" => Err(why),
            Err(_) => Ok(()),
            Ok(more) => Err(format!("the server said\n    {more}")),
        }
    }
}

/// Whether what was said is what was wanted; `{*}` fits anything.
fn fits(want: &str, said: &str) -> bool {
    let want = String::from_utf8_lossy(&unescape(want)).into_owned();
    let mut parts = want.split("{*}");
    let Some(mut rest) = said.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut octets = text.bytes();
    while let Some(c) = octets.next() {
        if c != b'\\' {
            out.push(c);
            continue;
        }
        match octets.next() {
            Some(b'r') => out.push(b'\r'),
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'0') => out.push(0),
            Some(b'x') => {
                let digits: String = octets.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&digits, 16).expect("\\xHH"));
            }
            // `\Seen` and its like stay as they are.
            Some(other) if other != b'\\' => out.extend([b'\\', other]),
            _ => out.push(b'\\'),
        }
    }
    out
}

fn shared(
    world: World,
    store: Store,
    settings: Settings,
    logins: Arc<Logins>,
    draining: smol::channel::Receiver<()>,
) -> Shared {
    let (settings, events, maildrops) = (Arc::new(settings), Arc::new(Silence), Arc::default());
    Shared { world, store, settings, events, logins, maildrops, draining }
}

/// No network and no names; TLS that changes nothing.
struct Outside;

impl Network for Outside {
    fn connect(
        &self,
        _: std::net::SocketAddr,
        _: Option<std::net::IpAddr>,
    ) -> BoxFuture<'static, std::io::Result<BoxStream>> {
        Box::pin(async { Err(ErrorKind::Unsupported.into()) })
    }
    fn listen(&self, _: std::net::SocketAddr) -> BoxFuture<'static, std::io::Result<Box<dyn Listener>>> {
        Box::pin(async { Err(ErrorKind::Unsupported.into()) })
    }
}

impl Resolver for Outside {
    fn ask(&self, _: &str, _: RecordKind) -> BoxFuture<'static, Answer> {
        Box::pin(async { Answer { records: Err(NoRecords::NoData), ttl: Duration::ZERO, secure: false } })
    }
}

impl Tls for Outside {
    fn can_accept(&self) -> bool {
        true
    }
    fn accept(&self, stream: BoxStream) -> BoxFuture<'static, std::io::Result<(BoxStream, TlsInfo)>> {
        Box::pin(async { Ok((stream, TlsInfo::default())) })
    }
    fn connect(&self, _: BoxStream, _: TlsPeer) -> BoxFuture<'static, std::io::Result<(BoxStream, TlsInfo)>> {
        Box::pin(async { Err(ErrorKind::Unsupported.into()) })
    }
    fn set_identity(&self, _: Option<&str>, _: &[u8], _: &[u8]) -> mailcore::base::Result<()> {
        Ok(())
    }
    fn trust(&self, _: &[u8]) -> mailcore::base::Result<()> {
        Ok(())
    }
}
