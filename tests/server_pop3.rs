//! POP3 from socket to store: sessions of the real server on a real store, in a simulated world.

#[macro_use]
extern crate mailcore_watchdog;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::event::{Event, EventSink};
use mailcore::base::settings::{Ends, PasswordCost};
use mailcore::base::world::{BoxStream, TlsPeer, World};
use mailcore::base::{Address, Content, Flags, Secret, Service, Settings, Timestamp, UidSet};
use mailcore::delivery::local::arrival;
use mailcore::sasl::{self, client::Scram, credential};
use mailcore::server::accounts::Logins;
use mailcore::server::maildrops::Maildrops;
use mailcore::server::{Accepted, Shared, pop3};
use mailcore::store::{Acceptance, Expunge, Filing, Store, StoreOptions};
use mailcore_tests::disk;
use mailcore_tests::world::Sim;
use smol::io::{AsyncReadExt, AsyncWriteExt};

const COST: PasswordCost = PasswordCost { argon2_kib: 8, argon2_passes: 1, scram_iterations: 4096 };

#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl EventSink for Heard {
    fn say(&self, event: Event) {
        disk::lock(&self.0).push(event);
    }
}

/// A server with bob's maildrop.
struct Stage {
    shared: Arc<Shared>,
    heard: Arc<Heard>,
    client: World,
    at: SocketAddr,
    drain: smol::channel::Sender<()>,
    inbox: mailcore::base::MailboxId,
}

impl Stage {
    async fn new(server: World, client: World, at: SocketAddr, bodies: Vec<Vec<u8>>) -> Stage {
        let heard = Arc::new(Heard::default());
        let options = StoreOptions { folder: "/mail".into(), events: heard.clone(), readers: 2 };
        let store = Store::open(&server, options).await.expect("store");
        let bob = Address::parse("bob@example.net").expect("address");
        let credential = credential::make(&Secret::new("secret"), &[3; 32], COST).expect("credential");
        let account = store.account_put(&bob, Some(credential)).await.expect("account");
        let inbox = store.account_by_id(account).await.expect("store").expect("account").inbox;
        let now = server.clock.wall();
        let arrivals = bodies.into_iter().map(|body| {
            let internal_date = Timestamp(1_000);
            let filing = Filing { mailbox: inbox, flags: Flags::NONE, keywords: Vec::new(), internal_date };
            arrival(Content::from_octets(body), vec![filing], now).expect("arrival")
        });
        store
            .accept(Acceptance { arrivals: arrivals.collect(), items: Vec::new(), ..Acceptance::default() })
            .await
            .expect("accepted");
        let (drain, draining) = smol::channel::bounded(1);
        let settings = Settings {
            hostname: "pop.example.net".to_owned(),
            password_cost: COST,
            allow_plaintext_login: true,
            ..Settings::default()
        };
        let shared = Arc::new(Shared {
            host: None,
            keyring: Arc::default(),
            logins: Arc::new(Logins::new(&*server.entropy)),
            maildrops: Arc::new(Maildrops::default()),
            returns: Arc::default(),
            settings: Arc::new(settings),
            events: heard.clone(),
            world: server,
            store,
            draining,
        });
        let stage = Stage { shared, heard, client, at, drain, inbox };
        stage.listen().await;
        stage
    }

    async fn listen(&self) {
        let listener = self.shared.world.network.listen(self.at).await.expect("listener");
        let shared = self.shared.clone();
        let local = self.at;
        let accepting = async move {
            while let Ok((stream, peer)) = listener.accept().await {
                // Loopback as seen from a plain port, so that passwords may be tried without TLS.
                let local = if local.port() == 110 { "127.0.0.1:110".parse().expect("address") } else { local };
                let accepted =
                    Accepted { stream, ends: Ends { peer, local }, service: Service::Pop3, tls: None, trace: None };
                let task = shared.world.run.task("pop3", Box::pin(pop3::serve(shared.clone(), accepted)));
                task.detach();
            }
        };
        self.shared.world.run.task("accept", Box::pin(accepting)).detach();
    }

    async fn connect(&self) -> Talk {
        let stream = self.client.network.connect(self.at, None).await.expect("connection");
        let mut talk = Talk { stream };
        assert_eq!(talk.line().await, "+OK pop.example.net POP3 server ready");
        talk
    }

    async fn log_in(&self) -> Talk {
        let mut talk = self.connect().await;
        talk.ask("USER bob@example.net").await;
        let answer = talk.ask("PASS secret").await;
        assert!(answer.starts_with("+OK maildrop has"), "{answer}");
        talk
    }

    async fn uids(&self) -> Vec<u32> {
        self.shared.store.snapshot(self.inbox).await.expect("snapshot").messages.uids().collect()
    }

    fn logins(&self) -> Vec<(String, bool)> {
        let events = disk::lock(&self.heard.0);
        let login = |event: &Event| match event {
            Event::Login(login) if login.service.protocol() == "pop3" => Some((login.user.clone(), login.ok)),
            _ => None,
        };
        events.iter().filter_map(login).collect()
    }
}

struct Talk {
    stream: BoxStream,
}

impl Talk {
    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("written");
        self.stream.flush().await.expect("flushed");
    }

    /// A line; empty at the end of the connection.
    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut octet = [0];
        while self.stream.read(&mut octet).await.unwrap_or(0) == 1 {
            if octet == *b"\n" {
                break;
            }
            line.push(octet[0]);
        }
        String::from_utf8(line).expect("ASCII").trim_end_matches('\r').to_owned()
    }

    async fn ask(&mut self, command: &str) -> String {
        self.say(&format!("{command}\r\n")).await;
        self.line().await
    }

    /// The octets of a multi-line reply behind its first line, dots undone.
    async fn body(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut piece = vec![0; 65_536];
        while all != b".\r\n" && !all.ends_with(b"\r\n.\r\n") {
            let n = self.stream.read(&mut piece).await.expect("octets");
            assert!(n > 0, "the end in the middle of a message");
            all.extend_from_slice(&piece[..n]);
        }
        all.truncate(all.len() - 3);
        let mut out = Vec::with_capacity(all.len());
        for line in all.split_inclusive(|c| *c == b'\n') {
            out.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        out
    }
}

fn play<F: Future<Output = ()> + Send + 'static>(
    bodies: Vec<Vec<u8>>,
    port: u16,
    script: impl FnOnce(Arc<Stage>) -> F + Send + 'static,
) {
    let _alone = mailcore_tests::one_at_a_time();
    let sim = Sim::new(7);
    let server = sim.host("pop.example.net", [10, 0, 0, 1]);
    let client = sim.host("client", [10, 0, 0, 2]);
    let (server, client) = (server.world(), client.world());
    sim.executor.run(async move {
        let stage = Arc::new(Stage::new(server, client, SocketAddr::from(([10, 0, 0, 1], port)), bodies).await);
        script(stage.clone()).await;
        stage.shared.store.close().await.expect("closed");
    });
    sim.executor.shut();
}

/// A message of about `octets`, with lines of every kind.
fn message(number: usize, octets: usize) -> Vec<u8> {
    let mut text = format!("Subject: message {number}\r\n\r\n");
    let lines = [".", "..dots", "plain text in a line", "", "ünïcödé", "--x"];
    let mut i = number;
    while text.len() < octets {
        text.push_str(lines[i % lines.len()]);
        text.push_str("\r\n");
        i += 1;
    }
    text.into_bytes()
}

#[test]
fn everything_comes_out_as_it_went_in() {
    let sizes = [10, 100, 5_000, 65_000, 66_000, 300_000, 1, 200, 2_000_000, 3];
    let bodies: Vec<_> =
        (0..150).map(|i| message(i, sizes[i % sizes.len()].min(if i > 20 { 9_000 } else { 3_000_000 }))).collect();
    let want = bodies.clone();
    play(bodies, 110, |stage| async move {
        let mut talk = stage.log_in().await;
        for (i, body) in want.iter().enumerate() {
            assert_eq!(talk.ask(&format!("RETR {}", i + 1)).await, format!("+OK {} octets", body.len()));
            assert!(talk.body().await == *body, "message {}", i + 1);
        }
        // Backwards, and all at once.
        for i in (0..150).rev().step_by(7) {
            talk.ask(&format!("RETR {}", i + 1)).await;
            assert!(talk.body().await == want[i], "message {}", i + 1);
        }
        let commands: String = (30..150).map(|i| format!("RETR {}\r\n", i + 1)).collect();
        talk.say(&commands).await;
        for (i, body) in want.iter().enumerate().skip(30) {
            assert_eq!(talk.line().await, format!("+OK {} octets", body.len()), "message {}", i + 1);
            for line in body.split_inclusive(|c| *c == b'\n') {
                let got = talk.line().await;
                assert_eq!(got.strip_prefix('.').unwrap_or(&got).as_bytes(), line.trim_ascii_end());
            }
            assert_eq!(talk.line().await, ".");
        }
        assert_eq!(talk.ask("TOP 6 1").await, "+OK top of message follows");
        assert_eq!(talk.body().await, b"Subject: message 5\r\n\r\n--x\r\n");
        assert_eq!(talk.ask("QUIT").await, "+OK goodbye");
        assert_eq!(talk.line().await, "");
        assert_eq!(stage.uids().await.len(), 150);
    });
}

#[test]
fn quit_deletes_and_nothing_else_does() {
    play((0..5).map(|i| message(i, 50)).collect(), 110, |stage| async move {
        let mut talk = stage.log_in().await;
        talk.ask("DELE 1").await;
        drop(talk);
        let mut talk = loop {
            // The server learns of the end a moment later.
            let mut talk = stage.connect().await;
            talk.ask("USER bob").await;
            let answer = talk.ask("PASS secret").await;
            if answer.starts_with("+OK") {
                break talk;
            }
            assert_eq!(answer, "-ERR [IN-USE] another session has the maildrop");
        };
        assert_eq!(talk.ask("STAT").await.split(' ').nth(1), Some("5"));
        let first_id = talk.ask("UIDL 1").await;
        for command in ["DELE 2", "DELE 3", "DELE 5"] {
            assert_eq!(talk.ask(command).await, "+OK marked");
        }
        assert_eq!(stage.uids().await, [1, 2, 3, 4, 5]);
        // Somebody else takes one of them away meanwhile.
        stage.shared.store.expunge(stage.inbox, Expunge::Among(UidSet::from_iter([3]))).await.expect("expunged");
        assert_eq!(talk.ask("RETR 4").await.get(..3), Some("+OK"));
        talk.body().await;
        assert_eq!(talk.ask("QUIT").await, "+OK goodbye");
        assert_eq!(stage.uids().await, [1, 4]);
        let mut talk = stage.log_in().await;
        assert_eq!(talk.ask("UIDL 1").await, first_id);
        assert!(talk.ask("UIDL 2").await.ends_with(".4"));
    });
}

#[test]
fn one_session_for_each_maildrop() {
    play(vec![message(0, 50)], 110, |stage| async move {
        let first = stage.log_in().await;
        let mut second = stage.connect().await;
        second.ask("USER bob").await;
        assert_eq!(second.ask("PASS secret").await, "-ERR [IN-USE] another session has the maildrop");
        second.ask("USER bob").await;
        let before = stage.client.clock.now();
        assert_eq!(second.ask("PASS wrong").await, "-ERR [AUTH] wrong user name or password");
        assert!(stage.client.clock.now() - before >= Duration::from_secs(1), "a failed login is answered late");
        assert_eq!(
            stage.logins(),
            [("bob@example.net".to_owned(), true), ("bob".to_owned(), true), ("bob".to_owned(), false)]
        );
        drop(first);
    });
}

#[test]
fn tls_and_scram() {
    play(vec![message(0, 50)], 1110, |stage| async move {
        let mut talk = stage.connect().await;
        assert_eq!(talk.ask("USER bob").await, "-ERR [AUTH] use STLS first");
        assert_eq!(talk.ask("STLS").await, "+OK begin TLS");
        let peer = TlsPeer { name: "pop.example.net".to_owned(), must_verify: true };
        let (stream, _) = stage.client.tls.connect(talk.stream, peer).await.expect("handshake");
        let mut talk = Talk { stream };
        let mut scram = Scram::new("bob@example.net", &Secret::new("secret"), "cnonce", None);
        let mut said = talk.ask(&format!("AUTH SCRAM-SHA-256 {}", sasl::encode(&scram.first()))).await;
        while let Some(challenge) = said.strip_prefix("+ ") {
            let answer = scram.answer(&sasl::decode(challenge.as_bytes()).expect("base64")).expect("answer");
            said = talk.ask(&sasl::encode(&answer)).await;
        }
        assert!(said.starts_with("+OK maildrop has 1 messages"), "{said}");
        assert_eq!(stage.logins(), [("bob@example.net".to_owned(), true)]);

        // Commands behind STLS in one piece were somebody else's: no handshake.
        let mut talk = stage.connect().await;
        talk.say("STLS\r\nUSER bob\r\n").await;
        let answer = talk.line().await;
        assert!(answer.starts_with("-ERR nothing may follow STLS") || answer == "+OK begin TLS", "{answer}");
        assert_eq!(talk.line().await, "");
    });
}

#[test]
fn silence_and_draining_end_a_session() {
    play(vec![message(0, 50)], 110, |stage| async move {
        let mut talk = stage.log_in().await;
        let before = stage.client.clock.now();
        assert_eq!(talk.line().await, "-ERR idle for more than 600 seconds, closing");
        assert_eq!(talk.line().await, "");
        let waited = stage.client.clock.now() - before;
        assert!(waited >= Duration::from_secs(599) && waited < Duration::from_secs(700), "{waited:?}");

        let mut talk = stage.log_in().await;
        talk.ask("DELE 1").await;
        stage.drain.close();
        assert_eq!(talk.line().await, "-ERR [SYS/TEMP] server shutting down, closing");
        assert_eq!(talk.line().await, "");
        assert_eq!(stage.uids().await, [1]);
    });
}

#[test]
fn what_goes_meanwhile_stays_readable_and_a_deleted_account_ends_the_session() {
    play(vec![message(0, 50), message(1, 50)], 110, |stage| async move {
        let mut talk = stage.log_in().await;
        let store = &stage.shared.store;
        store.expunge(stage.inbox, Expunge::Among([1].into_iter().collect())).await.expect("expunge");
        assert!(talk.ask("RETR 1").await.starts_with("+OK"));
        assert_eq!(talk.body().await, message(0, 50));
        let account = store.accounts("").await.expect("accounts").remove(0);
        store.account_delete(&account.key).await.expect("deleted");
        assert_eq!(talk.ask("RETR 2").await, "-ERR [SYS/PERM] the account was deleted");
        assert_eq!(talk.line().await, "");
    });
}
