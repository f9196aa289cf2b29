//! The sink and scripted trouble over real sockets: mail for anybody is kept and none sent, any login does, and a test
//! has the engine refuse, wait and hang up where it wants.

#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

#[macro_use]
extern crate mailcore_watchdog;

use std::net::SocketAddr;
use std::time::Duration;

use mailcore::base::event::Event;
use mailcore::base::trouble::{Act, Rule, Stage};
use mailcore::base::{Secret, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine, Interrupt};
use mailcore_tests::wire::{self, Wire, plain};

struct Sink {
    engine: Engine,
    _folder: wire::Scratch,
}

impl Sink {
    fn new(sink: &str) -> Sink {
        let folder = wire::scratch("sink");
        let engine = Engine::open(Config::new(folder.path().join("store"))).unwrap();
        let usual = [("hostname", "mail.test"), ("login.argon2_kib", "8"), ("login.failure_pause_seconds", "0")];
        for (key, value) in usual.iter().chain(&[("sink", sink), ("tls.self_signed", "0")]) {
            engine.set(key, Value::Text((*value).to_owned())).unwrap();
        }
        smol::block_on(engine.start()).unwrap();
        Sink { engine, _folder: folder }
    }

    fn listen(&self, service: Service) -> SocketAddr {
        smol::block_on(self.engine.listen(service, wire::LOOPBACK)).unwrap().1
    }

    fn in_inbox(&self, address: &str) -> u32 {
        let account = smol::block_on(self.engine.account(address)).unwrap().id;
        smol::block_on(self.engine.mailbox(account, "INBOX")).unwrap().total
    }

    fn until(&self, is_it: impl Fn(&Event) -> bool) -> Event {
        loop {
            let next = async { Ok(self.engine.events().next().await) };
            let wait = Some(Duration::from_secs(60));
            let event = self.engine.wait(&Interrupt::default(), wait, next).unwrap().unwrap().event;
            if is_it(&event) {
                return event;
            }
        }
    }

    fn script(&self, stage: Stage, code: u16, address: &str, times: u32) {
        let act = match code {
            0 => Act::Drop,
            code => Act::Refuse(Rule::reply(stage, code, "").unwrap()),
        };
        let (protocol, address) = (String::new(), address.to_owned());
        let rule = Rule { stage, protocol, address, wait: Duration::ZERO, act, skip: 0, times };
        self.engine.trouble().add(rule).unwrap();
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let closed = self.engine.close();
        if !std::thread::panicking() {
            closed.unwrap();
        }
    }
}

fn greeted(at: SocketAddr) -> Wire {
    let mut wire = Wire::connect(at);
    wire.expect("220");
    wire.say("EHLO client.far.example", "250");
    wire
}

/// Hands a message in; what is said at its end begins with `wanted`.
fn hand_in(wire: &mut Wire, from: &str, to: &[&str], wanted: &str) {
    wire.say(&format!("MAIL FROM:<{from}>"), "250");
    for to in to {
        wire.say(&format!("RCPT TO:<{to}>"), "250");
    }
    wire.say("DATA", "354");
    wire.send(b"Subject: hello\r\n\r\nbody\r\n.\r\n");
    wire.expect(wanted);
}

fn closed(wire: &mut Wire) {
    assert_eq!(wire.line(), None);
}

#[test]
fn mail_for_anybody_is_filed_by_recipient() {
    let sink = Sink::new("each");
    for service in [Service::Mx, Service::Submission] {
        let mut wire = greeted(sink.listen(service));
        hand_in(&mut wire, "any@where.example", &["ann@far.example", "bob@elsewhere.example"], "250");
    }
    assert_eq!((sink.in_inbox("ann@far.example"), sink.in_inbox("bob@elsewhere.example")), (2, 2));
    assert!(smol::block_on(sink.engine.queue_list(mailcore::base::QueueId(0), 10)).unwrap().is_empty());
}

#[test]
fn mail_for_anybody_is_filed_in_one_account() {
    let sink = Sink::new("all@mail.test");
    let mut wire = greeted(sink.listen(Service::Mx));
    wire.say(&format!("AUTH PLAIN {}", plain("who", "ever")), "235");
    hand_in(&mut wire, "any@where.example", &["ann@far.example", "bob@elsewhere.example"], "250");
    assert_eq!(sink.in_inbox("all@mail.test"), 1);
    let mut imap = Wire::connect(sink.listen(Service::Imap));
    imap.expect("* OK");
    imap.tagged("a LOGIN somebody secret");
    imap.tagged("b SELECT INBOX");
    let octets = imap.literal("c FETCH 1 BODY[]");
    let text = String::from_utf8(octets).unwrap();
    assert!(text.contains("Envelope-To: <ann@far.example>,\r\n\t<bob@elsewhere.example>\r\n"), "{text}");
    assert!(text.ends_with("Subject: hello\r\n\r\nbody\r\n"), "{text}");
}

#[test]
fn any_login_does_but_for_accounts_with_a_password() {
    let sink = Sink::new("each");
    smol::block_on(sink.engine.account_put("carol@mail.test", Some(&Secret::new("secret")))).unwrap();
    let mut wire = greeted(sink.listen(Service::Mx));
    wire.say(&format!("AUTH PLAIN {}", plain("carol@mail.test", "wrong")), "535");
    wire.say(&format!("AUTH PLAIN {}", plain("carol@mail.test", "secret")), "235");
    let mut pop3 = Wire::connect(sink.listen(Service::Pop3));
    pop3.expect("+OK");
    pop3.say("USER new@far.example", "+OK");
    pop3.say("PASS anything", "+OK");
    assert_eq!(sink.in_inbox("new@far.example"), 0);
}

#[test]
fn each_stage_can_be_refused_once() {
    let sink = Sink::new("each");
    let at = sink.listen(Service::Mx);
    sink.script(Stage::Connect, 421, "127.*", 1);
    let mut wire = Wire::connect(at);
    wire.expect("421");
    closed(&mut wire);
    sink.script(Stage::Connect, 554, "", 1);
    let mut wire = Wire::connect(at);
    wire.expect("554");
    wire.say("EHLO a", "503");
    wire.say("QUIT", "221");
    let mut wire = Wire::connect(at);
    wire.expect("220");
    sink.script(Stage::Hello, 451, "client.*", 1);
    wire.say("EHLO client.far.example", "451");
    wire.say("EHLO client.far.example", "250");
    sink.script(Stage::Login, 454, "", 1);
    wire.say(&format!("AUTH PLAIN {}", plain("who", "ever")), "454");
    sink.script(Stage::Mail, 451, "", 1);
    wire.say("MAIL FROM:<a@far.example>", "451");
    wire.say("MAIL FROM:<a@far.example>", "250");
    sink.script(Stage::Rcpt, 550, "gone@*", 0);
    wire.say("RCPT TO:<gone@x.example>", "550 5.1.1");
    wire.say("RCPT TO:<here@x.example>", "250");
    sink.script(Stage::Data, 451, "", 1);
    wire.say("DATA", "451");
    sink.script(Stage::Message, 452, "here@x.example", 1);
    wire.say("DATA", "354");
    wire.send(b"\r\nbody\r\n.\r\n");
    wire.expect("452");
    hand_in(&mut wire, "a@far.example", &["here@x.example"], "250");
    sink.engine.trouble().clear();
    hand_in(&mut wire, "a@far.example", &["gone@x.example"], "250");
    assert_eq!(sink.in_inbox("here@x.example"), 1);
}

#[test]
fn connections_end_without_a_word() {
    let sink = Sink::new("each");
    let at = sink.listen(Service::Mx);
    sink.script(Stage::Rcpt, 0, "", 1);
    let mut wire = greeted(at);
    wire.say("MAIL FROM:<a@far.example>", "250");
    wire.send(b"RCPT TO:<b@far.example>\r\n");
    closed(&mut wire);
    // The message is kept although its sender never hears so.
    sink.script(Stage::Accepted, 0, "", 1);
    let mut wire = greeted(at);
    wire.say("MAIL FROM:<a@far.example>", "250");
    wire.say("RCPT TO:<b@far.example>", "250");
    wire.say("DATA", "354");
    wire.send(b"\r\nbody\r\n.\r\n");
    closed(&mut wire);
    assert_eq!(sink.in_inbox("b@far.example"), 1);
}

#[test]
fn logins_of_imap_and_pop3_are_refused() {
    let sink = Sink::new("each");
    sink.script(Stage::Login, 451, "", 2);
    let mut imap = Wire::connect(sink.listen(Service::Imap));
    imap.expect("* OK");
    imap.say("a LOGIN ann@far.example x", "a NO [UNAVAILABLE]");
    let at = sink.listen(Service::Pop3);
    let mut pop3 = Wire::connect(at);
    pop3.expect("+OK");
    pop3.say("USER ann@far.example", "+OK");
    pop3.say("PASS x", "-ERR [SYS/TEMP]");
    sink.script(Stage::Connect, 421, "", 1);
    let mut pop3 = Wire::connect(at);
    pop3.expect("-ERR [SYS/TEMP]");
    closed(&mut pop3);
    sink.script(Stage::Login, 535, "", 1);
    imap.say("b LOGIN ann@far.example x", "b NO [AUTHENTICATIONFAILED]");
    imap.say("c LOGIN ann@far.example x", "c OK");
}

#[test]
fn deliveries_fail_with_real_reports() {
    let sink = Sink::new("each");
    sink.script(Stage::Deliver, 550, "gone@x.example", 0);
    sink.script(Stage::Deliver, 451, "slow@x.example", 1);
    let mut wire = greeted(sink.listen(Service::Mx));
    hand_in(&mut wire, "ann@far.example", &["gone@x.example"], "250 2.0.0 Ok: queued");
    sink.until(|event| matches!(event, Event::Bounced { .. }));
    assert_eq!(sink.in_inbox("ann@far.example"), 1);
    hand_in(&mut wire, "ann@far.example", &["slow@x.example"], "250 2.0.0 Ok: queued");
    sink.until(|event| matches!(event, Event::Attempted { code: 451, .. }));
    sink.engine.clock_advance(Duration::from_secs(3600)).unwrap();
    sink.until(|event| matches!(event, Event::Filed { address, .. } if address == "slow@x.example"));
}
