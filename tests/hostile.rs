//! Bad input over real sockets: the right reply, the session closed when due, memory flat, nothing lost.
//!
//! The dialogues in `tests/transcripts` say what each verb answers; here is what only a socket can show: octets in
//! front of TLS, floods, stalls, peers that go in the middle of a message.

#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::wire;

use std::net::SocketAddr;
use std::time::Duration;

use mailcore::base::{Secret, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine};
use wire::{Scratch, Wire};

const PASSWORD: &str = "correct horse";

struct TestEngine {
    engine: Engine,
    _folder: Scratch,
}

impl TestEngine {
    fn new(name: &str, settings: &[(&str, &str)]) -> TestEngine {
        let folder = wire::scratch(name);
        let engine = Engine::open(Config::new(folder.path())).expect("open");
        let usual = [("hostname", "mx.example.org"), ("login.allow_plaintext", "1"), ("login.argon2_kib", "64")];
        for (key, value) in usual.iter().chain(settings) {
            engine.set(key, Value::Text((*value).to_owned())).expect(key);
        }
        smol::block_on(engine.start()).expect("start");
        smol::block_on(engine.account_put("bob@example.org", Some(&Secret::new(PASSWORD)))).expect("account");
        TestEngine { engine, _folder: folder }
    }

    fn listen(&self, service: Service) -> SocketAddr {
        smol::block_on(self.engine.listen(service, wire::LOOPBACK)).expect("listen").1
    }

    /// How many messages bob has.
    fn mails(&self) -> usize {
        smol::block_on(async {
            let account = self.engine.account("bob@example.org").await.expect("account").id;
            let inbox = self.engine.mailbox(account, "INBOX").await.expect("INBOX").id;
            self.engine.snapshot(inbox).await.expect("snapshot").count()
        })
    }

    fn end(self) {
        smol::block_on(self.engine.stop(Duration::from_secs(5))).expect("stop");
        self.engine.close().expect("close");
    }
}

#[test]
fn octets_in_front_of_tls_end_the_connection() {
    let test = TestEngine::new("hostile-tls", &[]);
    for (service, commands, answers) in [
        (Service::Mx, "EHLO x\r\nSTARTTLS\r\nMAIL FROM:<a@x.example>\r\n", ["220 mx.example.org", "250", "220"]),
        (Service::Submission, "EHLO x\r\nSTARTTLS\r\nAUTH PLAIN AAAA\r\n", ["220 mx.example.org", "250", "220"]),
        (Service::Pop3, "CAPA\r\nSTLS\r\nUSER bob\r\n", ["+OK", "+OK", ""]),
        (Service::Imap, "a CAPABILITY\r\nb STARTTLS\r\nc LOGIN a b\r\n", ["* OK", "* CAPABILITY", "a OK"]),
    ] {
        let mut wire = Wire::connect(test.listen(service));
        let greeting = wire.line().expect("greeting");
        assert!(greeting.starts_with(answers[0]), "{greeting}");
        wire.send(commands.as_bytes());
        let mut heard = Vec::new();
        while let Some(line) = wire.line() {
            heard.push(line);
        }
        assert!(heard.iter().any(|l| l.starts_with(answers[1])), "{service:?}: {heard:?}");
        let injected = ["250 2.1.0", "235", "535", "c OK", "c NO", "c BAD"];
        assert!(!heard.iter().any(|l| injected.iter().any(|i| l.starts_with(i))), "{service:?}: {heard:?}");
    }
    test.end();
}

#[test]
fn lines_without_end_are_refused_under_their_cap() {
    let test = TestEngine::new("hostile-lines", &[]);
    for (service, answer) in
        [(Service::Mx, "500"), (Service::Submission, "500"), (Service::Pop3, "-ERR"), (Service::Imap, "* BAD")]
    {
        let mut wire = Wire::connect(test.listen(service));
        wire.line().expect("greeting");
        for _ in 0..64 {
            if !wire.try_send(&[b'x'; 16 * 1024]) {
                break;
            }
        }
        wire.try_send(b"\r\n");
        let heard = wire.line().unwrap_or_default();
        let closed_with = ["421", "* BYE", "x"];
        assert!(
            heard.starts_with(answer) || closed_with.iter().any(|c| heard.starts_with(c)),
            "{service:?}: {heard:?}"
        );
    }
    test.end();
}

#[test]
fn garbage_of_all_octets_gets_an_answer_and_an_end() {
    let test = TestEngine::new("hostile-garbage", &[]);
    let mut random = wire::Random::new(7);
    for service in [Service::Mx, Service::Submission, Service::Lmtp, Service::Pop3, Service::Imap] {
        let at = test.listen(service);
        for _ in 0..40 {
            let mut wire = Wire::connect(at);
            wire.line().expect("greeting");
            let octets: Vec<u8> = (0..2_000).map(|_| random.below(256) as u8).collect();
            wire.try_send(&octets);
            wire.try_send(b"\r\nQUIT\r\nz LOGOUT\r\n");
            wire.shut();
            // Every session ends by itself once the peer has.
            while wire.line().is_some() {}
        }
    }
    test.end();
}

#[test]
fn a_flood_of_commands_is_cut_off_or_answered_to_the_end() {
    let test = TestEngine::new("hostile-flood", &[]);
    for (service, command) in [
        (Service::Mx, "NOOP"),
        (Service::Mx, "RSET"),
        (Service::Mx, "FOO"),
        (Service::Pop3, "NOOP"),
        (Service::Pop3, "CAPA"),
        (Service::Imap, "a NOOP"),
        (Service::Imap, "a FOO"),
    ] {
        let mut wire = Wire::connect(test.listen(service));
        wire.line().expect("greeting");
        let writer = wire.clone_writer();
        let line = format!("{command}\r\n");
        let sending = std::thread::spawn(move || {
            let mut writer = writer;
            (0..10_000).all(|_| std::io::Write::write_all(&mut writer, line.as_bytes()).is_ok())
                && std::io::Write::write_all(&mut writer, b"QUIT\r\nz LOGOUT\r\n").is_ok()
        });
        let mut last = String::new();
        let mut answers = 0;
        while let Some(line) = wire.line() {
            last = line;
            answers += 1;
        }
        sending.join().expect("writer");
        assert!(answers > 5, "{service:?} {command}: {answers} answers, last {last:?}");
    }
    test.end();
}

#[test]
fn a_peer_that_stalls_is_let_go() {
    let waits = [
        ("smtp.wait_seconds", "1"),
        ("pop3.wait_seconds", "1"),
        ("imap.wait_seconds", "1"),
        ("imap.login_wait_seconds", "1"),
    ];
    let test = TestEngine::new("hostile-stall", &waits);
    for (service, half, farewell) in [
        (Service::Mx, "EHLO x\r\nMAIL FR", "421"),
        (Service::Mx, "EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nhalf a li", "421"),
        (Service::Pop3, "USER bo", ""),
        (Service::Imap, "a LOGIN {100}\r\nhalf", "* BYE"),
    ] {
        let mut wire = Wire::connect(test.listen(service));
        wire.line().expect("greeting");
        wire.send(half.as_bytes());
        let mut last = String::new();
        while let Some(line) = wire.line() {
            last = line;
        }
        assert!(last.starts_with(farewell), "{service:?} {half:?}: {last:?}");
    }
    assert_eq!(test.mails(), 0);
    test.end();
}

#[test]
fn half_a_message_is_no_message() {
    let test = TestEngine::new("hostile-half", &[]);
    let at = test.listen(Service::Mx);
    for cut in
        ["Subject: x\r\n", "Subject: x\r\n\r\nbody\r\n", "Subject: x\r\n\r\nbody\r\n.", "Subject: x\r\n\r\nbody\r\n.\r"]
    {
        let mut wire = Wire::connect(at);
        wire.expect("220");
        wire.say("EHLO x", "250");
        wire.say("MAIL FROM:<a@x.example>", "250");
        wire.say("RCPT TO:<bob@example.org>", "250");
        wire.say("DATA", "354");
        wire.send(cut.as_bytes());
        wire.shut();
        while wire.line().is_some() {}
    }
    let mut wire = Wire::connect(at);
    wire.expect("220");
    wire.say("EHLO x", "250");
    wire.say("MAIL FROM:<a@x.example>", "250");
    wire.say("RCPT TO:<bob@example.org>", "250");
    wire.send(b"BDAT 1000\r\nfewer");
    wire.shut();
    assert_eq!(test.mails(), 0);
    test.end();
}

#[test]
fn smuggled_ends_of_data_are_refused() {
    let test = TestEngine::new("hostile-smuggling", &[]);
    let at = test.listen(Service::Mx);
    for end in ["\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r\n\0.\r\n"] {
        let mut wire = Wire::connect(at);
        wire.expect("220");
        wire.say("EHLO x", "250");
        wire.say("MAIL FROM:<a@x.example>", "250");
        wire.say("RCPT TO:<bob@example.org>", "250");
        wire.say("DATA", "354");
        let smuggled = "MAIL FROM:<evil@x.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\n";
        wire.send(format!("Subject: x\r\n\r\nbody{end}{smuggled}\r\n.\r\n").as_bytes());
        let reply = wire.line().expect("one reply to one message");
        assert!(
            reply.starts_with("550") || reply.starts_with("554") || (end.contains('\0') && reply.starts_with("250")),
            "{end:?}: {reply}"
        );
        wire.say("QUIT", "221");
    }
    assert!(test.mails() <= 1, "{}", test.mails());
    test.end();
}
