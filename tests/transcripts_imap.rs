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
//! ! remove who   the account is deleted
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

#[macro_use]
extern crate mailcore_watchdog;

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
    BoxFuture, BoxStream, DnsAnswer, Listener, Network, NoRecords, RecordKind, Resolver, Tls, TlsInfo, TlsPeer,
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

/// A header longer than what is looked at of others: the fields behind its long lists are there for all who ask.
#[test]
fn long_headers() {
    let mut stage = Stage::new("account: alice@example.org secret\ntls: yes");
    let people = (0..6_000).map(|n| format!("\"Recipient {n}\" <recipient-{n}@example.test>")).collect::<Vec<_>>();
    let parts = "--b\r\nContent-Type: text/plain\r\n\r\none\r\n--b\r\nContent-Type: x/pdf\r\n\r\ntwo\r\n--b--\r\n";
    let message = format!(
        "From: a@x.test\r\nTo: {}\r\nX-Long: {}\r\nX-Needle: in a haystack\r\nSubject: behind it\r\n\
         Message-ID: <big@x.test>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{parts}",
        people.join(",\r\n "),
        "hay ".repeat(150_000)
    );
    let client = stage.client(1);
    client.say("* LOGIN\r\na LOGIN alice@example.org secret\r\n");
    for message in ["Subject: small\r\nX-Needle: no\r\n\r\nx\r\n", &message, "Subject: small too\r\n\r\nx\r\n"] {
        client.say(&format!("a APPEND INBOX {{{}+}}\r\n{message}\r\n", message.len()));
    }
    client.say("a SELECT INBOX\r\n");
    let mut holds = |command: &str, text: &str| {
        let said = String::from_utf8_lossy(&client.say(&format!("a {command}\r\n"))).into_owned();
        assert!(said.contains(text), "{command}: {}", &said[..said.len().min(300)]);
    };
    holds(
        "FETCH 2 BODY.PEEK[HEADER.FIELDS (Subject X-Needle)]",
        "{47}\r\nX-Needle: in a haystack\r\nSubject: behind it\r\n\r\n)",
    );
    holds("FETCH 2 BODY.PEEK[HEADER.FIELDS (Subject X-Needle)]<3.5>", "{5}\r\needle)");
    holds(
        "FETCH 1:3 BODY.PEEK[HEADER.FIELDS.NOT (To X-Long X-Needle From Content-Type Message-ID)]",
        "{22}\r\nSubject: behind it\r\n\r\n)",
    );
    holds("FETCH 2 ENVELOPE", "\"behind it\"");
    holds("FETCH 2 ENVELOPE", "recipient-5999");
    holds("FETCH 2 BODYSTRUCTURE", "\"pdf\"");
    holds("FETCH 2 BODY.PEEK[2]", "two");
    for key in ["HEADER Subject \"behind it\"", "TEXT \"behind it\"", "HEADER X-Needle haystack", "TO recipient-5999@"]
    {
        holds(&format!("SEARCH {key}"), "* SEARCH 2\r\n");
    }
    holds("SEARCH HEADER X-Needle \"\"", "* SEARCH 1 2\r\n");
    holds("SEARCH HEADER X-Long \"hay hay\" NOT HEADER X-Needle zebra", "* SEARCH 2\r\n");
}

/// A message far larger than any buffer comes back octet for octet, whole, in parts, decoded; and is searched.
#[test]
fn large_messages() {
    let mut stage = Stage::new("account: alice@example.org secret\ntls: yes");
    // Five octets a line and no period of a power of two: a needle crosses every kind of border somewhere.
    let text: String = (0..600_000).map(|n| format!("{:03}\r\n", n % 997)).collect();
    let octets: Vec<u8> = (0..1_700_000u32).map(|n| (n * 7 + n / 251) as u8).collect();
    let coded = mailcore::base::base64::lines(&octets);
    let head = "Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
    let middle = "\r\n--b\r\nContent-Transfer-Encoding: base64\r\nContent-Type: x/y\r\n\r\n";
    let coded = String::from_utf8(coded).expect("base64");
    let message = format!("{head}{text}Needle\r\nend{middle}{coded}\r\n--b--\r\n");
    assert!(message.len() > 5_000_000);
    let client = stage.client(1);
    let mut say = |command: &str| client.say(command);
    say("* LOGIN\r\na LOGIN alice@example.org secret\r\n");
    say(&format!("a APPEND INBOX {{{}+}}\r\n{message}\r\n", message.len()));
    say("a SELECT INBOX\r\n");
    let literal = |said: Vec<u8>| {
        let at = said.iter().position(|c| *c == b'\n').expect("announcement") + 1;
        let announcement = String::from_utf8_lossy(&said[..at]).into_owned();
        let digits = announcement.trim_end().trim_end_matches('}').rsplit('{').next().expect("length").to_owned();
        said[at..at + digits.parse::<usize>().expect("length")].to_vec()
    };
    let body = literal(say("a FETCH 1 BODY.PEEK[]\r\n"));
    assert!(body == message.as_bytes(), "{} octets", body.len());
    assert!(literal(say("a FETCH 1 BODY.PEEK[1]\r\n")) == format!("{text}Needle\r\nend").as_bytes());
    assert!(literal(say("a FETCH 1 BODY.PEEK[]<3000000.300000>\r\n")) == message.as_bytes()[3_000_000..3_300_000]);
    assert!(literal(say("a FETCH 1 BINARY.PEEK[2]\r\n")) == octets);
    assert!(literal(say("a FETCH 1 BINARY.PEEK[2]<1000000.9>\r\n")) == octets[1_000_000..1_000_009]);
    let size = say("a FETCH 1 BINARY.SIZE[2]\r\n");
    assert!(size.starts_with(b"* 1 FETCH (BINARY.SIZE[2] 1700000)"), "{}", size.escape_ascii());
    assert_eq!(literal(say("a FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]\r\n")), b"Subject: large\r\n\r\n");
    for (key, found) in [("BODY needle", true), ("BODY nadel", false), ("TEXT large", true), ("BODY \"996\"", true)] {
        let said = say(&format!("a SEARCH {key}\r\n"));
        assert_eq!(said.starts_with(b"* SEARCH 1\r\n"), found, "{key}");
    }
    stage.end();
}

/// Whether the last line is the answer to command `a`.
fn is_last(said: &[u8]) -> bool {
    let line = said[..said.len() - 2].rsplit(|c| *c == b'\n').next().unwrap_or_default();
    [&b"a OK"[..], b"a NO", b"a BAD"].iter().any(|end| line.starts_with(end))
}

/// Many sessions change one mailbox at once; in the end every client knows what is there.
#[test]
fn sessions_agree() {
    let mut stage = Stage::new("account: alice@example.org secret\ntls: yes");
    for n in 0..20 {
        stage.deliver("alice@example.org", "INBOX", &format!("Subject: {n}\\r\\n\\r\\nbody {n}"));
    }
    let clients: Vec<u32> = (1..=4).collect();
    for &number in &clients {
        let client = stage.client(number);
        client.unsent.extend(b"a LOGIN alice@example.org secret\r\na SELECT INBOX\r\n");
        // Pipelined, so that the commands of the four run into each other.
        for round in 0..30u32 {
            let seed = number * 7 + round * 13;
            let command = match seed % 5 {
                0 => format!("a UID STORE {} +FLAGS (\\Deleted)", 1 + seed % 20),
                1 => format!("a UID STORE {}:* -FLAGS.SILENT (\\Seen)", 1 + seed % 20),
                2 => "a EXPUNGE".to_owned(),
                3 => format!("a UID FETCH {}:* (FLAGS BODY[TEXT])", 1 + seed % 20),
                _ => "a APPEND INBOX {4+}\r\nnew!".to_owned(),
            };
            client.unsent.extend(format!("{command}\r\n").as_bytes());
        }
        client.send();
    }
    let mut counts = Vec::new();
    for &number in &clients {
        let client = stage.client(number);
        client.unsent.extend(b"z NOOP\r\n");
        client.send();
        let mut count = 0usize;
        loop {
            let line = client.receive().expect("line");
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["*", n, "EXISTS"] => count = n.parse().expect("number"),
                ["*", n, "EXPUNGE"] => {
                    assert!((1..=count).contains(&n.parse().expect("number")), "{line} of {count}");
                    count -= 1;
                }
                ["*", n, "FETCH", ..] => assert!((1..=count).contains(&n.parse().expect("number")), "{line}"),
                ["z", "OK", ..] => break,
                [_, "BAD", ..] => panic!("{line}"),
                _ => {}
            }
        }
        counts.push(count);
    }
    // The last to finish has seen everything; the others once they are asked again.
    for (&number, count) in clients.iter().zip(&mut counts) {
        let client = stage.client(number);
        client.unsent.extend(b"y NOOP\r\ny UID SEARCH RETURN (COUNT) ALL\r\n");
        client.send();
        let mut done = 0;
        while done < 2 {
            let line = client.receive().expect("line");
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["*", n, "EXISTS"] => *count = n.parse().expect("number"),
                ["*", _, "EXPUNGE"] => *count -= 1,
                ["*", "ESEARCH", ..] => assert!(line.ends_with(&format!(" COUNT {count}")), "{line} {count}"),
                ["y", ..] => done += 1,
                _ => {}
            }
        }
    }
    assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{counts:?}");
    stage.end();
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
            let session = Box::pin(imap::serve(shared, accepted));
            // A thousand idle sessions are to cost little.
            assert!(size_of_val(&*session) < 4_096, "{} octets", size_of_val(&*session));
            spawner.task("imap", session).detach();
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
            "remove" => {
                let deleted = smol::block_on(self.shared.store.account_delete(rest));
                deleted.map_err(|e| e.to_string())?;
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
    /// Sends commands and gives all that is said up to the tagged answer of the last.
    fn say(&mut self, command: &str) -> Vec<u8> {
        self.unsent.extend(command.as_bytes());
        self.send();
        let mut said = Vec::new();
        while !said.ends_with(b"\r\n") || !is_last(&said) {
            let before = said.len();
            self.read.read_until(b'\n', &mut said).expect("read");
            assert!(said.len() > before, "{}", said[said.len().saturating_sub(100)..].escape_ascii());
        }
        said
    }

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
    let keyring = Arc::default();
    Shared { world, store, settings, keyring, events, host: None, logins, maildrops, draining }
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
    fn ask(&self, _: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        Box::pin(async { DnsAnswer { records: Err(NoRecords::NoData), ttl: Duration::ZERO, secure: false } })
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
