//! SMTP, submission and LMTP over real sockets, with a real store: what is answered with 250 is there.

#[macro_use]
extern crate mailcore_watchdog;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::checking::UncertainFrom;
use mailcore::base::event::{Event, EventSink};
use mailcore::base::settings::{Ends, PasswordCost};
use mailcore::base::world::{BoxFuture, BoxStream, DnsAnswer, NoRecords, RecordKind, Resolver, TlsInfo, TlsPeer};
use mailcore::base::{
    AccountId, Address, Checking, Envelope, MailboxId, QueueId, Recipient, Secret, Service, Settings, UidSet,
};
use mailcore::base::{ErrorKind, World};
use mailcore::net::identity;
use mailcore::net::listen::{ListenLimits, Peers, accept_loop};
use mailcore::net::tcp::RealNetwork;
use mailcore::net::tls::real_tls;
use mailcore::os::clock::RealClock;
use mailcore::os::disk::RealDisk;
use mailcore::os::entropy::RealEntropy;
use mailcore::os::threads::{ThreadOptions, Threads};
use mailcore::sasl::{self, client::Scram, credential};
use mailcore::server::accounts::Logins;
use mailcore::server::{Accepted, Shared, smtp};
use mailcore::store::{Store, StoreOptions};
use smol::io::{AsyncReadExt, AsyncWriteExt};

const COST: PasswordCost = PasswordCost { argon2_kib: 8, argon2_passes: 1, scram_iterations: 4096 };

struct NoNames;

impl Resolver for NoNames {
    fn ask(&self, _: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        Box::pin(async { DnsAnswer { records: Err(NoRecords::NxDomain), ttl: Duration::ZERO, secure: false } })
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl EventSink for Heard {
    fn say(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// A mail system without its engine: example.net is ours; bob, carol and small (1000 octets) have accounts.
struct TestServer {
    threads: Threads,
    shared: Arc<Shared>,
    heard: Arc<Heard>,
    drain: Option<smol::channel::Sender<()>>,
    folder: PathBuf,
    accounts: Vec<AccountId>,
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

impl TestServer {
    fn new(name: &str) -> TestServer {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("mailcore-smtp-{}-{number}-{name}", std::process::id()));
        let threads = Threads::start(ThreadOptions::usual()).unwrap();
        let world = World {
            clock: Arc::new(RealClock::new()),
            entropy: Arc::new(RealEntropy),
            network: Arc::new(RealNetwork::default()),
            resolver: Arc::new(NoNames),
            disk: Arc::new(RealDisk),
            tls: real_tls(),
            run: threads.spawner(),
        };
        let identity = identity::mint("mx.example.net", world.clock.wall()).unwrap();
        world.tls.set_identity(None, &identity.certificate_pem, identity.key_pem.expose()).unwrap();
        let heard = Arc::new(Heard::default());
        let options = StoreOptions { folder: folder.clone(), events: heard.clone(), readers: 2 };
        let store = smol::block_on(Store::open(&world, options)).unwrap();
        // Most messages here are too short for a From.
        let checking = Checking { uncertain_from: UncertainFrom::Take, ..Checking::default() };
        let settings = Settings {
            checking,
            hostname: "mx.example.net".to_owned(),
            message_octets_max: 6_000_000,
            password_cost: COST,
            login_failure_pause: Duration::from_millis(1),
            allow_plaintext_login: true,
            ..Settings::default()
        };
        let (drain, draining) = smol::channel::bounded(1);
        let shared = Arc::new(Shared {
            host: None,
            logins: Arc::new(Logins::new(&*world.entropy)),
            maildrops: Arc::default(),
            returns: Arc::default(),
            keyring: Arc::default(),
            world,
            store,
            settings: Arc::new(settings),
            events: heard.clone(),
            draining,
        });
        let accounts = smol::block_on(furnish(&shared.store));
        TestServer { threads, shared, heard, drain: Some(drain), folder, accounts }
    }

    /// Listens as `service` and calls.
    fn call(&self, service: Service) -> Peer {
        let world = self.shared.world.clone();
        let at: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listener = smol::block_on(world.network.listen(at)).unwrap();
        let local = listener.local_addr();
        let shared = self.shared.clone();
        let serve = move |stream: BoxStream, peer| {
            let shared = shared.clone();
            async move {
                let (stream, tls) = if service.implicit_tls() {
                    let Ok((stream, info)) = shared.world.tls.accept(stream).await else { return };
                    (stream, Some(info))
                } else {
                    (stream, None)
                };
                smtp::serve(shared, Accepted { stream, ends: Ends { peer, local }, service, tls, trace: None }).await;
            }
        };
        let limits = ListenLimits {
            sessions_max: 10,
            sessions_per_peer_max: 10,
            sessions_per_peer_total_max: 10,
            peers: Peers::default(),
        };
        let stop = self.shared.draining.clone();
        let work = accept_loop(world.clone(), listener, limits, stop, serve);
        world.run.task("listener", Box::pin(work)).detach();
        let mut peer =
            Peer { stream: Some(smol::block_on(world.network.connect(local, None)).unwrap()), world, tls: None };
        if service.implicit_tls() {
            peer.start_tls();
        }
        peer
    }

    /// Whole messages of the INBOX of account number `n`, oldest first.
    fn inbox(&self, n: usize) -> Vec<String> {
        smol::block_on(async {
            let store = &self.shared.store;
            let inbox = store.mailbox(self.accounts[n], "INBOX").await.unwrap().unwrap();
            let all = UidSet::all();
            let facts = store.facts(inbox.id, &all).await.unwrap();
            let mut messages = Vec::new();
            for fact in facts {
                let mut octets = Vec::new();
                while (octets.len() as u64) < fact.size {
                    octets.extend(store.body(fact.blob, octets.len() as u64, 1 << 20).await.unwrap());
                }
                messages.push(String::from_utf8(octets).unwrap());
            }
            messages
        })
    }

    fn logins(&self) -> Vec<(String, bool)> {
        let heard = self.heard.0.lock().unwrap();
        let logins = heard.iter().filter_map(|event| match event {
            Event::Login(login) if login.service.protocol() == "smtp" => Some((login.user.clone(), login.ok)),
            _ => None,
        });
        logins.collect()
    }
}

async fn furnish(store: &Store) -> Vec<AccountId> {
    let mut ids = Vec::new();
    for name in ["bob", "carol", "small"] {
        let made = credential::make(&Secret::new("secret"), &[name.len() as u8; 32], COST).unwrap();
        ids.push(store.account_put(&address(&format!("{name}@example.net")), Some(made)).await.unwrap());
    }
    store.account_quota(ids[2], Some(1000)).await.unwrap();
    for (alias, target) in [
        ("team@example.net", "bob@example.net"),
        ("team@example.net", "carol@example.net"),
        ("away@example.net", "bob@far.example"),
    ] {
        store.alias_put(alias, &address(target)).await.unwrap();
    }
    ids
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.drain = None;
        let closed = smol::block_on(self.shared.store.close());
        let stopped = self.threads.stop(Duration::from_secs(10));
        std::fs::remove_dir_all(&self.folder).unwrap();
        if !std::thread::panicking() {
            closed.unwrap();
            stopped.unwrap();
        }
    }
}

/// The other end of a session.
struct Peer {
    world: World,
    stream: Option<BoxStream>,
    tls: Option<TlsInfo>,
}

impl Peer {
    fn start_tls(&mut self) {
        let peer = TlsPeer { name: "mx.example.net".to_owned(), must_verify: false };
        let (stream, info) = smol::block_on(self.world.tls.connect(self.stream.take().unwrap(), peer)).unwrap();
        self.stream = Some(stream);
        self.tls = Some(info);
    }

    fn send(&mut self, octets: &[u8]) {
        smol::block_on(async {
            let stream = self.stream.as_mut().unwrap();
            stream.write_all(octets).await.unwrap();
            stream.flush().await.unwrap();
        });
    }

    /// One reply, its lines joined.
    fn reply(&mut self) -> String {
        let mut text = String::new();
        loop {
            let line = self.line().unwrap();
            text += &line;
            if line.as_bytes().get(3) != Some(&b'-') {
                return text;
            }
            text += "\n";
        }
    }

    fn line(&mut self) -> io::Result<String> {
        smol::block_on(async {
            let (mut line, mut octet) = (Vec::new(), [0]);
            while !line.ends_with(b"\r\n") {
                self.stream.as_mut().unwrap().read_exact(&mut octet).await?;
                line.push(octet[0]);
            }
            Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
        })
    }

    /// Sends lines in one piece, then reads a reply that begins so for each.
    fn talk(&mut self, lines: &[(&str, &str)]) -> Vec<String> {
        let all: String = lines.iter().map(|(line, _)| format!("{line}\r\n")).collect();
        self.send(all.as_bytes());
        lines
            .iter()
            .map(|(line, expected)| {
                let reply = self.reply();
                assert!(reply.starts_with(expected), "{line}: {reply}");
                reply
            })
            .collect()
    }

    fn data(&mut self, message: &str, expected: &str) -> String {
        self.talk(&[("DATA", "354")]);
        self.send(message.as_bytes());
        self.send(b".\r\n");
        let reply = self.reply();
        assert!(reply.starts_with(expected), "{reply}");
        reply
    }

    fn gone(&mut self) -> bool {
        self.line().is_err()
    }
}

#[test]
fn the_world_writes_to_us() {
    let test = TestServer::new("mx");
    let mut peer = test.call(Service::Mx);
    assert!(peer.reply().starts_with("220 mx.example.net ESMTP"));
    let hello = peer.talk(&[("EHLO client.example", "250")]);
    assert!(hello[0].contains("STARTTLS") && !hello[0].contains("AUTH"), "{}", hello[0]);
    peer.talk(&[
        ("MAIL FROM:<alice@far.example>", "250 2.1.0"),
        ("RCPT TO:<nobody@example.net>", "550 5.1.1"),
        ("RCPT TO:<x@far.example>", "550 5.7.1"),
        ("RCPT TO:<small@example.net>", "250 2.1.5"),
        ("RCPT TO:<bob+news@example.net>", "250 2.1.5"),
        ("RCPT TO:<team@example.net>", "250 2.1.5"),
        ("RCPT TO:<Postmaster>", "250 2.1.5"),
    ]);
    peer.data("Subject: hi\r\n\r\n..dot\r\n", "250 2.0.0 Ok: filed as ");
    for n in 0..3 {
        let [message] = &test.inbox(n)[..] else { panic!("{n}: {:?}", test.inbox(n)) };
        let begin = "Return-Path: <alice@far.example>\r\nAuthentication-Results: mx.example.net;\r\n\t";
        assert!(message.starts_with(begin), "{message}");
        let received = "\r\nReceived: from client.example ([127.0.0.1])\r\n\tby mx.example.net with ESMTP id ";
        assert!(message.contains(received), "{message}");
        assert!(message.ends_with("+0000\r\nSubject: hi\r\n\r\n.dot\r\n"), "{message}");
    }
    peer.talk(&[("STARTTLS", "220")]);
    peer.start_tls();
    peer.talk(&[("EHLO client.example", "250"), ("MAIL FROM:<>", "250"), ("RCPT TO:<bob@example.net>", "250")]);
    peer.send(b"BDAT 3\r\nA: BDAT 6 LAST\r\nb\r\n\r\nc");
    assert!(peer.reply().starts_with("250 2.0.0 3 bytes"));
    assert!(peer.reply().starts_with("250 2.0.0 Ok: filed"));
    let message = test.inbox(0).pop().unwrap();
    assert!(message.starts_with("Return-Path: <>\r\n") && message.ends_with("A: b\r\n\r\nc"), "{message}");
    assert!(message.contains("with ESMTPS id ") && message.contains("\r\n\t(TLSv1."), "{message}");
    peer.talk(&[("", "500"), ("QUIT", "221")]);
    assert!(peer.gone());
}

#[test]
fn our_users_write_to_the_world() {
    let test = TestServer::new("msa");
    let mut peer = test.call(Service::Submission);
    peer.reply();
    peer.talk(&[("EHLO c", "250"), ("MAIL FROM:<bob@example.net>", "530 5.7.0"), ("STARTTLS", "220")]);
    peer.start_tls();
    let wrong = sasl::encode(b"\0bob\0wrong");
    let right = sasl::encode(b"\0bob@example.net\0secret");
    peer.talk(&[
        ("EHLO c", "250"),
        (&format!("AUTH PLAIN {wrong}"), "535 5.7.8"),
        (&format!("AUTH PLAIN {right}"), "235 2.7.0"),
        ("MAIL FROM:<carol@example.net>", "553 5.7.1"),
        ("MAIL FROM:<team@example.net> RET=HDRS ENVID=e1", "250"),
        ("RCPT TO:<dan@far.example> NOTIFY=NEVER", "250"),
        ("RCPT TO:<carol@example.net>", "250"),
        ("RCPT TO:<away@example.net>", "250"),
        ("RCPT TO:<none@example.net>", "550 5.1.1"),
    ]);
    assert_eq!(test.logins(), [("bob".to_owned(), false), ("bob@example.net".to_owned(), true)]);
    let reply = peer.data("Subject: hi\r\n\r\nx\r\n", "250 2.0.0 Ok: queued as ");
    let id: i64 = reply.rsplit(' ').next().unwrap().parse().unwrap();
    let item = smol::block_on(test.shared.store.queue_item(QueueId(id))).unwrap().unwrap();
    let recipients: Vec<String> = item.recipients.iter().map(|r| format!("{:?}", r.recipient.address)).collect();
    assert_eq!(recipients, ["<dan@far.example>", "<bob@far.example>"]);
    assert_eq!(item.recipients[1].recipient.original.as_deref(), Some("rfc822;away@example.net"));
    assert_eq!(item.envelope.envelope_id.as_deref(), Some("e1"));
    assert_eq!(item.submitter, Some(test.accounts[0]));
    let message = test.inbox(1).pop().unwrap();
    assert!(message.contains("with ESMTPSA id "), "{message}");
    for field in ["\r\nFrom: <bob@example.net>\r\n", "\r\nDate: ", "\r\nMessage-ID: <"] {
        assert!(message.contains(field), "{field} {message}");
    }
    assert!(message.ends_with("\r\nSubject: hi\r\n\r\nx\r\n"));
}

#[test]
fn scram_is_bound_to_the_connection() {
    let test = TestServer::new("scram");
    for (user, password, end) in [("bob", "secret", "235"), ("bob", "sekret", "535"), ("nobody", "secret", "535")] {
        let mut peer = test.call(Service::Submissions);
        peer.reply();
        let hello = peer.talk(&[("EHLO c", "250")]).remove(0);
        let binding = peer.tls.as_ref().and_then(|tls| tls.exporter.clone());
        assert_eq!(hello.contains("SCRAM-SHA-256-PLUS"), binding.is_some());
        let mechanism = if binding.is_some() { "SCRAM-SHA-256-PLUS" } else { "SCRAM-SHA-256" };
        let mut scram = Scram::new(user, &Secret::new(password), "cnonce", binding);
        let mut line = format!("AUTH {mechanism} {}", sasl::encode(&scram.first()));
        loop {
            peer.send(format!("{line}\r\n").as_bytes());
            let reply = peer.reply();
            let Some(challenge) = reply.strip_prefix("334 ") else {
                assert!(reply.starts_with(end), "{user} {reply}");
                break;
            };
            let challenge = sasl::decode(challenge.as_bytes()).unwrap();
            line = sasl::encode(&scram.answer(&challenge).expect("an honest server"));
        }
        assert_eq!(scram.is_verified(), end == "235");
    }
    let logins: Vec<bool> = test.logins().into_iter().map(|(_, ok)| ok).collect();
    assert_eq!(logins, [true, false, false]);
}

#[test]
fn lmtp_answers_for_each_recipient() {
    let test = TestServer::new("lmtp");
    let mut peer = test.call(Service::Lmtp);
    assert!(peer.reply().contains("LMTP"));
    peer.talk(&[
        ("LHLO relay", "250"),
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<bob@example.net>", "250"),
        ("RCPT TO:<small@example.net>", "250"),
        ("RCPT TO:<team@example.net>", "250"),
        ("RCPT TO:<x@far.example>", "550 5.7.1"),
    ]);
    peer.data(&format!("S: x\r\n\r\n{}\r\n", "y".repeat(900)), "250");
    assert!(peer.reply().starts_with("452 4.2.2"));
    assert!(peer.reply().starts_with("250"));
    assert_eq!([0, 1, 2].map(|n| test.inbox(n).len()), [1, 1, 0]);
    assert!(test.inbox(0)[0].contains("with LMTP id"));
}

#[test]
fn full_mailboxes_are_told_early() {
    let test = TestServer::new("full");
    let mut peer = test.call(Service::Mx);
    peer.reply();
    peer.talk(&[
        ("HELO c", "250"),
        ("MAIL FROM:<a@far.example> SIZE=1001", "250"),
        ("RCPT TO:<small@example.net>", "552 5.2.2"),
        ("RSET", "250"),
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<small@example.net>", "250"),
    ]);
    peer.data(&format!("{}\r\n", "y".repeat(990)), "452 4.2.2");
    peer.talk(&[("MAIL FROM:<a@far.example>", "250"), ("RCPT TO:<small@example.net>", "250")]);
    peer.data(&format!("{}\r\n", "y".repeat(400)), "250");
    peer.talk(&[
        ("MAIL FROM:<a@far.example> SIZE=500", "250"),
        ("RCPT TO:<small@example.net>", "452 4.2.2"),
        ("RCPT TO:<bob@example.net>", "250"),
    ]);
}

#[test]
fn large_messages_come_whole() {
    let test = TestServer::new("large");
    let mut peer = test.call(Service::Mx);
    peer.reply();
    let body: String = (0..60_000).map(|n| format!("{n:06} {}\r\n", ".".repeat(n % 90))).collect();
    let message = format!("Subject: large\r\n\r\n{body}");
    let stuffed = message.replace("\r\n.", "\r\n..");
    peer.talk(&[("HELO c", "250"), ("MAIL FROM:<a@x.example>", "250"), ("RCPT TO:<bob@example.net>", "250")]);
    peer.data(&stuffed, "250");
    let kept = test.inbox(0).remove(0);
    assert!(kept.ends_with(&message), "{} octets of {}", kept.len(), message.len());
    peer.talk(&[("MAIL FROM:<a@x.example>", "250"), ("RCPT TO:<bob@example.net>", "250")]);
    peer.data(&stuffed.repeat(3), "552 5.3.4");
    peer.talk(&[("MAIL FROM:<a@x.example>", "250"), ("RCPT TO:<bob@example.net>", "250")]);
    peer.data("", "250");
    assert_eq!(test.inbox(0).len(), 2);
    let scratch: Vec<_> = std::fs::read_dir(test.shared.store.scratch_folder()).unwrap().collect();
    assert!(
        scratch.iter().all(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with("mail.")),
        "{scratch:?}"
    );
}

#[test]
fn mail_that_goes_round_is_refused() {
    let test = TestServer::new("loop");
    let mut peer = test.call(Service::Mx);
    peer.reply();
    for (n, expected) in [(100, "250"), (101, "554 5.4.6")] {
        peer.talk(&[("HELO c", "250"), ("MAIL FROM:<a@x.example>", "250"), ("RCPT TO:<bob@example.net>", "250")]);
        peer.data(&("Received: by x; now\r\n".repeat(n) + "\r\n"), expected);
    }
}

#[test]
fn success_is_reported_where_asked() {
    let test = TestServer::new("report");
    let mut peer = test.call(Service::Submission);
    peer.reply();
    let right = sasl::encode(b"\0carol\0secret");
    peer.talk(&[
        ("EHLO c", "250"),
        (&format!("AUTH PLAIN {right}"), "235"),
        ("MAIL FROM:<carol@example.net> ENVID=mine", "250"),
        ("RCPT TO:<bob@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@old.example", "250"),
    ]);
    peer.data("Subject: hi\r\n\r\nx\r\n", "250 2.0.0 Ok: filed as");
    assert_eq!(test.inbox(0).len(), 1);
    let report = test.inbox(1).remove(0);
    for part in [
        "Return-Path: <>\r\n",
        "Original-Envelope-Id: mine\r\n",
        "Original-Recipient: rfc822; bob@old.example\r\n",
        "Action: delivered\r\n",
        "Subject: hi\r\n",
    ] {
        assert!(report.contains(part), "{part}\n{report}");
    }
}

#[test]
fn draining_ends_idle_sessions() {
    let mut test = TestServer::new("drain");
    let mut idle = test.call(Service::Mx);
    let mut busy = test.call(Service::Mx);
    idle.reply();
    busy.reply();
    busy.talk(&[("HELO c", "250"), ("MAIL FROM:<a@x.example>", "250"), ("RCPT TO:<bob@example.net>", "250")]);
    test.drain = None;
    assert!(idle.reply().starts_with("421 4.3.2"));
    assert!(idle.gone());
    busy.data("x: y\r\n\r\n", "250");
    assert!(busy.reply().starts_with("421 4.3.2"));
    assert!(busy.gone());
    assert_eq!(test.inbox(0).len(), 1);
}

#[test]
fn the_host_submits_too() {
    let test = TestServer::new("host");
    let intake = test.shared.intake();
    let envelope = |from: &str, to: &[&str]| Envelope {
        reverse_path: Some(address(from)),
        recipients: to.iter().map(|to| Recipient::new(address(to))).collect(),
        ..Envelope::default()
    };
    let text = || mailcore::base::Content::from_octets("Subject: s\r\n\r\n");
    let bob = smol::block_on(test.shared.store.account("bob@example.net")).unwrap().unwrap();
    let submit = |account, envelope: Envelope| smol::block_on(intake.submit(account, &envelope, text()));
    let done = submit(Some(&bob), envelope("bob@example.net", &["carol@example.net", "dan@far.example"])).unwrap();
    assert!(done.queued.is_some() && done.filed.len() == 1 && done.filed[0].mailbox != MailboxId(0));
    let carols = test.inbox(1).remove(0);
    assert!(carols.contains("\r\nReceived: by mx.example.net id "), "{carols}");
    for (account, from, to, kind) in [
        (Some(&*bob), "carol@example.net", &["dan@far.example"][..], ErrorKind::Policy),
        (None, "bob@example.net", &[], ErrorKind::Invalid),
        (None, "bob@example.net", &["none@example.net"], ErrorKind::NotFound),
    ] {
        assert_eq!(submit(account, envelope(from, to)).unwrap_err().kind(), kind);
    }
    assert!(submit(None, envelope("anybody@example.net", &["bob@example.net"])).is_ok());
}
