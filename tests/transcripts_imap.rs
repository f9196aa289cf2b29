//! IMAP dialogues as text (`tests/transcripts/imap/*.txt`), played against the real session over a pipe and the
//! real store.
//!
//! What may happen:
//!
//! ```text
//! ! deliver who mailbox text     a message is filed
//! ! remove who                   the account is deleted
//! ! advance n                    n seconds pass
//! ! drain                        the engine drains
//! ! end                          the clients are gone
//! ! close                        the server closes; nothing may follow
//! ```
//!
//! The head has `account: address password`, `tls: no`, `login: plain` (passwords without TLS) and `large: octets`.

#[macro_use]
extern crate mailcore_watchdog;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
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
use mailcore_tests::transcript::{Head, Stage, Tested, octets, play_folder, shown};

#[test]
fn dialogues() {
    play_folder("imap", Tested::Server, ImapStage::new);
}

/// A header longer than what is looked at of others: the fields behind its long lists are there for all who ask.
#[test]
fn long_headers() {
    let mut stage = ImapStage::new(&Head::from([("account", "alice@example.org secret"), ("tls", "yes")]));
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

/// A message that cannot be read ends neither FETCH nor SEARCH for others.
#[test]
fn damaged_messages() {
    let mut stage = ImapStage::new(&Head::from([("account", "alice@example.org secret"), ("tls", "yes")]));
    for n in 1..=5 {
        stage.deliver("alice@example.org", "INBOX", &format!("Subject: s{n}\\r\\n\\r\\nwords {n}"));
    }
    let database = rusqlite::Connection::open(stage.folder.join("mail.db")).expect("database");
    database.execute_batch("UPDATE blob SET body = x'00' WHERE id = 2; DELETE FROM blob WHERE id = 4").expect("damage");
    drop(database);
    let client = stage.client(1);
    client.say("* LOGIN\r\na LOGIN alice@example.org secret\r\n");
    client.say("a SELECT INBOX\r\n");
    let mut say = |command: &str| String::from_utf8_lossy(&client.say(&format!("a {command}\r\n"))).into_owned();
    for items in ["BODY.PEEK[]", "BODY.PEEK[TEXT]", "BODY.PEEK[HEADER]", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"] {
        let said = say(&format!("FETCH 1:* (UID {items})"));
        for uid in [1, 3, 5] {
            assert!(said.contains(&format!("(UID {uid} {items} {{").replace(".PEEK", "")), "{items}: {said}");
        }
        for uid in [2, 4] {
            assert!(said.contains(&format!("(UID {uid} {items} NIL)").replace(".PEEK", "")), "{items}: {said}");
        }
        assert!(said.contains("a NO [CORRUPTION]"), "{said}");
    }
    assert!(say("FETCH 1:* (UID ENVELOPE)").contains("\"s5\""));
    for (command, found) in [
        ("SEARCH BODY words", "* SEARCH 1 3 5\r\na OK [CORRUPTION]"),
        ("SEARCH SUBJECT s", "* SEARCH 1 2 3 4 5\r\na OK"),
        ("SORT (REVERSE SUBJECT) UTF-8 BODY words", "* SORT 5 3 1\r\na OK [CORRUPTION]"),
    ] {
        let said = say(command);
        assert!(said.contains(found), "{command}: {said}");
    }
}

/// A message far larger than any buffer comes back octet for octet, whole, in parts, decoded; and is searched.
#[test]
fn large_messages() {
    let mut stage = ImapStage::new(&Head::from([("account", "alice@example.org secret"), ("tls", "yes")]));
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
}

/// Whether the last line is the answer to command `a`.
fn is_last(said: &[u8]) -> bool {
    let line = said[..said.len() - 2].rsplit(|c| *c == b'\n').next().unwrap_or_default();
    [&b"a OK"[..], b"a NO", b"a BAD"].iter().any(|end| line.starts_with(end))
}

/// Many sessions change one mailbox at once; in the end every client knows what is there.
#[test]
fn sessions_agree() {
    let mut stage = ImapStage::new(&Head::from([("account", "alice@example.org secret"), ("tls", "yes")]));
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
            let line = client.text();
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
            let line = client.text();
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
}

/// A server, its store and the connections to it.
struct ImapStage {
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

impl ImapStage {
    fn new(head: &Head) -> ImapStage {
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
        for (key, value) in head.pairs() {
            match key {
                "account" => {
                    let (address, password) = value.split_once(' ').expect("account");
                    let made = credential::make(&Secret::new(password), &[7; 32], settings.password_cost);
                    let address = Address::parse(address).expect("address");
                    smol::block_on(store.account_put(&address, Some(made.expect("credential")))).expect("account");
                }
                "tls" => implicit_tls = value == "yes",
                "login" => settings.allow_plaintext_login = value == "plain",
                "store-step" => store.set_store_step_messages(value.parse().expect("messages")),
                "large" => settings.message_octets_max = value.parse().expect("octets"),
                _ => panic!("head: {key}: {value}"),
            }
        }
        let (drain, draining) = smol::channel::bounded(1);
        let logins = Arc::new(Logins::new(&*world.entropy));
        let shared = shared(world, store, settings, logins, draining);
        let (threads, drain) = (Some(threads), Some(drain));
        ImapStage { threads, clock, shared: Arc::new(shared), drain, folder, clients: BTreeMap::new(), implicit_tls }
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
                trace: None,
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

    fn deliver(&self, who: &str, mailbox: &str, text: &str) {
        let store = &self.shared.store;
        smol::block_on(async {
            let account = store.account(who).await.expect("store").expect("account");
            let mailbox = store.mailbox(account.id, mailbox).await.expect("store").expect("mailbox").id;
            let now = mailcore::base::Timestamp::from_civil(2026, 11, 22, 1, 42, 4);
            let filing = Filing { mailbox, flags: Flags::NONE, keywords: Vec::new(), internal_date: now };
            let arrival =
                local::arrival(Content::from_octets(octets(text).expect("text")), vec![filing], now).expect("arrival");
            let acceptance = Acceptance { arrivals: vec![arrival], items: Vec::new(), ..Acceptance::default() };
            store.accept(acceptance).await.expect("accepted");
        });
    }
}

impl Drop for ImapStage {
    fn drop(&mut self) {
        self.clients.clear();
        let closed = smol::block_on(self.shared.store.close());
        let stopped = self.threads.take().map(|threads| threads.stop(Duration::from_secs(10)));
        let removed = fs::remove_dir_all(&self.folder);
        if !std::thread::panicking() {
            closed.expect("closed");
            stopped.expect("threads").expect("threads stop");
            removed.expect("folder removed");
        }
    }
}

impl Stage for ImapStage {
    fn send(&mut self, connection: u32, octets: &[u8]) -> Result<(), String> {
        let client = self.client(connection);
        client.unsent.extend(octets);
        client.send();
        Ok(())
    }

    fn said(&mut self, connection: u32) -> Result<Vec<u8>, String> {
        self.client(connection).receive()
    }

    fn happens(&mut self, what: &str, argument: &str) -> Result<(), String> {
        match what {
            "deliver" => {
                let mut words = argument.splitn(3, ' ');
                let mut next = || words.next().ok_or("who, mailbox and text expected");
                self.deliver(next()?, next()?, next()?);
            }
            "remove" => {
                let deleted = smol::block_on(self.shared.store.account_delete(argument));
                deleted.map_err(|e| e.to_string())?;
            }
            "advance" => self.clock.advance(Duration::from_secs(argument.parse().map_err(|_| "seconds")?)),
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
            _ => return Err("unknown happening".to_owned()),
        }
        Ok(())
    }

    /// The client hangs up; what the server said and nobody named is an error.
    fn nothing_left(&mut self) -> Result<(), String> {
        for (number, client) in &mut self.clients {
            let _ = client.write.shutdown(Shutdown::Write);
            if let Ok(more) = client.receive() {
                return Err(format!("connection {number}: nobody named\n    {}", shown(&more)));
            }
        }
        Ok(())
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

    /// The next line, of text.
    fn text(&mut self) -> String {
        String::from_utf8(self.receive().expect("line")).expect("text")
    }

    fn send(&mut self) {
        // A peer that is gone is found out when it is read from.
        let _ = self.write.write_all(&std::mem::take(&mut self.unsent));
    }

    /// The next line, its CRLF left off.
    fn receive(&mut self) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        match self.read.read_until(b'\n', &mut line) {
            Ok(0) => return Err("the server closed".to_owned()),
            Ok(_) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err("the server says nothing".to_owned());
            }
            Err(e) => return Err(e.to_string()),
        }
        Ok(line.strip_suffix(b"\r\n").map(<[u8]>::to_vec).unwrap_or(line))
    }

    fn closed(&mut self) -> Result<(), String> {
        match self.receive() {
            Err(why) if why == "the server says nothing" => Err(why),
            Err(_) => Ok(()),
            Ok(more) => Err(format!("the server said\n    {}", shown(&more))),
        }
    }
}

fn shared(
    world: World,
    store: Store,
    settings: Settings,
    logins: Arc<Logins>,
    draining: smol::channel::Receiver<()>,
) -> Shared {
    let (settings, events, maildrops) = (Arc::new(settings), Arc::new(Silence), Arc::default());
    let (keyring, returns) = (Arc::default(), Arc::default());
    Shared { world, store, settings, keyring, events, host: None, logins, maildrops, returns, draining }
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
