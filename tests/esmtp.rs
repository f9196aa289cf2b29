//! ESMTP over real sockets: what MAIL asks of a message's way is kept in the queue, and peers that speak for others,
//! proxies and XCLIENT, are believed where a setting says so and nowhere else.

#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

#[macro_use]
extern crate mailcore_watchdog;

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use mailcore::base::terms::TlsTerm;
use mailcore::base::{QueueId, Secret, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine};
use mailcore::store::Item;
use mailcore_tests::wire::{self, Wire, plain};

struct Served {
    engine: Engine,
    _folder: wire::Scratch,
}

impl Served {
    /// example.net is ours, bob and carol have accounts.
    fn new(settings: &[(&str, &str)]) -> Served {
        let folder = wire::scratch("esmtp");
        let engine = Engine::open(Config::new(folder.path().join("store"))).unwrap();
        let usual = [
            ("hostname", "mail.example.net"),
            ("login.argon2_kib", "8"),
            ("login.allow_plaintext", "1"),
            ("auth.results", "0"),
            ("spf.check", "0"),
            ("dkim.check", "0"),
            ("dmarc.check", "0"),
            ("tls.self_signed", "0"),
        ];
        for (key, value) in usual.iter().chain(settings) {
            engine.set(key, Value::Text((*value).to_owned())).unwrap();
        }
        smol::block_on(async {
            engine.start().await.unwrap();
            engine.domain_put("example.net").await.unwrap();
            for name in ["bob@example.net", "carol@example.net"] {
                engine.account_put(name, Some(&Secret::new("secret"))).await.unwrap();
            }
            for member in ["bob@example.net", "far@elsewhere.example"] {
                engine.alias_put("team@example.net", member).await.unwrap();
            }
        });
        Served { engine, _folder: folder }
    }

    fn listen(&self, service: Service) -> SocketAddr {
        smol::block_on(self.engine.listen(service, wire::LOOPBACK)).unwrap().1
    }

    /// The newest mail in bob's inbox.
    fn newest(&self) -> String {
        let mut imap = Wire::connect(self.listen(Service::Imap));
        imap.expect("* OK");
        imap.tagged("a LOGIN bob@example.net secret");
        imap.tagged("b SELECT INBOX");
        String::from_utf8(imap.literal("c FETCH * BODY[]")).unwrap()
    }

    fn queued(&self) -> Vec<Item> {
        smol::block_on(self.engine.queue_list(QueueId(0), 100)).unwrap()
    }

    fn user(&self) -> Wire {
        let mut wire = Wire::connect(self.listen(Service::Submission));
        wire.expect("220");
        wire.say("EHLO client", "250");
        wire.say(&format!("AUTH PLAIN {}", plain("bob@example.net", "secret")), "235");
        wire
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let closed = self.engine.close();
        if !std::thread::panicking() {
            closed.unwrap();
        }
    }
}

fn hand_in(wire: &mut Wire, mail: &str, to: &str, text: &str) {
    wire.say(&format!("MAIL FROM:{mail}"), "250");
    wire.say(&format!("RCPT TO:<{to}>"), "250");
    wire.say("DATA", "354");
    wire.send(format!("From: bob@example.net\r\n{text}\r\nbody\r\n.\r\n").as_bytes());
    wire.expect("250");
}

fn v2() -> Vec<u8> {
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[192, 0, 2, 8, 192, 0, 2, 1, 0, 99, 0, 25]].concat()
}

#[test]
fn a_proxy_says_who_calls() {
    let served = Served::new(&[("proxy.trusted", "127.0.0.0/8")]);
    let at = served.listen(Service::Mx);
    for (header, said) in [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 25\r\n".to_vec(), "192.0.2.7"),
        (v2(), "192.0.2.8"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
    ] {
        let mut wire = Wire::connect(at);
        wire.send(&header);
        wire.expect("220");
        wire.say("EHLO client.example", "250");
        hand_in(&mut wire, "<a@far.example>", "bob@example.net", "Subject: x\r\n");
        let mut imap = Wire::connect(served.listen(Service::Imap));
        imap.send(b"PROXY UNKNOWN\r\n");
        imap.expect("* OK");
        imap.tagged("a LOGIN bob@example.net secret");
        imap.tagged("b SELECT INBOX");
        let text = String::from_utf8(imap.literal("c FETCH * BODY[]")).unwrap();
        assert!(text.contains(&format!("client.example ([{said}])")), "{text}");
    }
}

#[test]
fn a_proxy_that_does_not_say_it_is_not_heard() {
    let served = Served::new(&[("proxy.trusted", "127.0.0.1")]);
    let at = served.listen(Service::Mx);
    for begin in [&b"EHLO client.example\r\n"[..], b"PROXY TCP4 x y 1 2\r\n", b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0"] {
        let mut wire = Wire::connect(at);
        wire.send(begin);
        assert_eq!(wire.line(), None);
    }
}

#[test]
fn one_caller_of_a_proxy_does_not_take_all_places() {
    let served = Served::new(&[("proxy.trusted", "127.0.0.1"), ("sessions.per_peer_max", "1")]);
    let at = served.listen(Service::Mx);
    let call = |address: &str, wanted: &str| {
        let mut wire = Wire::connect(at);
        wire.send(format!("PROXY TCP4 {address} 192.0.2.1 4000 25\r\n").as_bytes());
        wire.expect(wanted);
        wire
    };
    let _first = call("192.0.2.7", "220");
    let _other = call("192.0.2.8", "220");
    call("192.0.2.7", "421");
}

#[test]
fn nobody_else_is_taken_for_a_proxy() {
    let served = Served::new(&[("proxy.trusted", "192.0.2.0/24")]);
    let mut wire = Wire::connect(served.listen(Service::Mx));
    wire.expect("220");
    wire.say("PROXY TCP4 192.0.2.7 192.0.2.1 4000 25", "500");
}

#[test]
fn xclient_and_xforward_of_trusted_peers() {
    let served = Served::new(&[("xclient.trusted", "127.0.0.1")]);
    let mut wire = Wire::connect(served.listen(Service::Mx));
    wire.expect("220");
    wire.say("EHLO relay", "250");
    wire.say("XCLIENT ADDR=192.0.2.9 NAME=[UNAVAILABLE]", "220");
    wire.say("EHLO client.example", "250");
    wire.say("XFORWARD ADDR=192.0.2.5 NAME=first.example IDENT=4711", "250");
    hand_in(&mut wire, "<a@far.example>", "bob@example.net", "Subject: x\r\n");
    let text = served.newest();
    assert!(text.contains("client.example ([192.0.2.9])"), "{text}");
    assert!(text.contains("(forwarded for first.example [192.0.2.5] id=4711)"), "{text}");
}

#[test]
fn what_mail_asks_is_kept_in_the_queue() {
    let served = Served::new(&[]);
    let mut wire = served.user();
    let now = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let before = now();
    hand_in(&mut wire, "<bob@example.net> HOLDFOR=3600 MT-PRIORITY=4", "carol@example.net", "Subject: x\r\n");
    let [held] = &served.queued()[..] else { panic!("one is held") };
    let due = held.recipients[0].due.0;
    assert!((before + 3_600_000..=now() + 3_600_000).contains(&due), "{due}");
    assert_eq!(held.envelope.terms.priority, Some(4));
    hand_in(
        &mut wire,
        "<bob@example.net> HOLDFOR=60 BY=120;R",
        "a@far.example",
        "TLS-Required: No\r\nMT-Priority: -2\r\n",
    );
    let queued = served.queued();
    let last = queued.last().unwrap();
    assert_eq!(last.envelope.terms.tls, TlsTerm::Optional);
    assert_eq!(last.envelope.terms.priority, Some(-2));
    assert!((before + 120_000..=now() + 120_000).contains(&last.expires.0));
    wire.say("MAIL FROM:<bob@example.net> REQUIRETLS", "555");
    wire.say("MAIL FROM:<bob@example.net> HOLDFOR=99999999", "501");
}

#[test]
fn a_priority_travels_in_the_header() {
    let served = Served::new(&[]);
    let mut wire = served.user();
    hand_in(&mut wire, "<bob@example.net> MT-PRIORITY=3", "bob@example.net", "Subject: x\r\n");
    assert!(served.newest().contains("\r\nMT-Priority: 3\r\n"));
}

#[test]
fn solicitations_are_refused_by_parameter_and_header() {
    let served = Served::new(&[("smtp.no_soliciting", "org.example:adv")]);
    let mut wire = Wire::connect(served.listen(Service::Mx));
    wire.expect("220");
    wire.say("EHLO client.example", "250");
    wire.say("MAIL FROM:<a@far.example> SOLICIT=org.example:ADV", "550 5.7.1");
    wire.say("MAIL FROM:<a@far.example>", "250");
    wire.say("RCPT TO:<bob@example.net>", "250");
    wire.say("DATA", "354");
    wire.send(b"Solicitation: net.example, org.example:ADV\r\n\r\nbuy\r\n.\r\n");
    wire.expect("550 5.7.1");
}

#[test]
fn addresses_are_told_by_policy() {
    let said = |verify: &str, login: bool, command: &str| {
        let served = Served::new(&[("smtp.verify", verify)]);
        let mut wire = if login { served.user() } else { Wire::connect(served.listen(Service::Mx)) };
        if !login {
            wire.expect("220");
        }
        wire.say(command, "")
    };
    assert!(said("nobody", true, "VRFY bob@example.net").starts_with("252"));
    assert!(said("nobody", true, "EXPN team@example.net").starts_with("502"));
    assert!(said("users", false, "VRFY bob@example.net").starts_with("252"));
    assert!(said("users", true, "VRFY <bob@example.net>").starts_with("250 2.1.5 <bob@example.net>"));
    assert!(said("anybody", false, "VRFY nobody@example.net").starts_with("550 5.1.1"));
    assert!(said("anybody", false, "VRFY x@far.example").starts_with("252"));
    let told = said("anybody", false, "EXPN team@example.net");
    assert_eq!(told.trim_end(), "250 2.1.5 <far@elsewhere.example>", "the last of its lines");
}

#[test]
fn an_account_submits_within_its_limits() {
    let limits = [("submission.messages_per_hour_max", "2"), ("submission.recipients_per_day_max", "2")];
    let served = Served::new(&limits);
    let mut wire = served.user();
    wire.say("MAIL FROM:<bob@example.net>", "250");
    wire.say("RCPT TO:<bob@example.net>", "250");
    wire.say("RCPT TO:<carol@example.net>", "250");
    wire.say("RCPT TO:<carol@example.net>", "250");
    wire.say("RCPT TO:<a@far.example>", "452 4.7.1");
    wire.say("RSET", "250");
    hand_in(&mut wire, "<bob@example.net>", "bob@example.net", "Subject: x\r\n");
    hand_in(&mut wire, "<bob@example.net>", "bob@example.net", "Subject: x\r\n");
    wire.say("MAIL FROM:<bob@example.net>", "452 4.7.1");
}

#[test]
fn listed_networks_submit_without_a_login() {
    for (trusted, wanted) in [("127.0.0.0/8", "250"), ("192.0.2.0/24", "530")] {
        let served = Served::new(&[("submission.trusted", trusted)]);
        let mut wire = Wire::connect(served.listen(Service::Submission));
        wire.expect("220");
        wire.say("EHLO printer", "250");
        wire.say("MAIL FROM:<scanner@example.net> HOLDFOR=3600", wanted);
        if wanted == "250" {
            wire.say("RCPT TO:<a@far.example>", "250");
        }
        // Elsewhere the network means nothing.
        let mut wire = Wire::connect(served.listen(Service::Mx));
        wire.expect("220");
        wire.say("EHLO printer", "250");
        wire.say("MAIL FROM:<scanner@example.net>", "250");
        wire.say("RCPT TO:<a@far.example>", "550 5.7.1");
    }
}
