//! Refusals as the host program is told of them: who, when, why; and what the peer hears before it is closed.

#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::wire;

use std::net::SocketAddr;
use std::time::Duration;

use mailcore::base::event::{Event, Login, Origin, Refused};
use mailcore::base::limits::{EVENT_REFUSED_PER_PEER_MAX, LOGIN_FAILURES_MAX};
use mailcore::base::{Secret, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine, Interrupt};
use wire::Wire;

/// example.net with bob, on every kind of listener.
struct TestEngine {
    engine: Engine,
    _folder: wire::Scratch,
}

impl TestEngine {
    fn new(name: &str, settings: &[(&str, &str)]) -> TestEngine {
        let folder = wire::scratch(name);
        let engine = Engine::open(Config::new(folder.path())).unwrap();
        let usual = [
            ("hostname", "mx.example.net"),
            ("login.allow_plaintext", "1"),
            ("login.argon2_kib", "64"),
            ("login.failure_pause_seconds", "0"),
            ("dns.host_only", "1"),
        ];
        for (key, value) in usual.iter().chain(settings) {
            engine.set(key, Value::Text((*value).to_owned())).unwrap();
        }
        smol::block_on(async {
            engine.start().await.unwrap();
            engine.account_put("bob@example.net", Some(&Secret::new("secret"))).await.unwrap();
            engine.account_put("closed@example.net", None).await.unwrap();
        });
        TestEngine { engine, _folder: folder }
    }

    fn listen(&self, service: Service) -> SocketAddr {
        smol::block_on(self.engine.listen(service, wire::LOOPBACK)).unwrap().1
    }

    fn wait<T>(&self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            let next = self.engine.next_event(&Interrupt::default(), Some(Duration::from_secs(60)));
            if let Some(found) = wanted(next.expect("nothing happens").expect("events").event) {
                return found;
            }
        }
    }

    fn refused(&self) -> Refused {
        self.wait(|event| match event {
            Event::Refused(refused) => Some(*refused),
            _ => None,
        })
    }

    fn login(&self) -> Login {
        self.wait(|event| match event {
            Event::Login(login) => Some(login),
            _ => None,
        })
    }

    fn origin(&self) -> Origin {
        self.wait(|event| match event {
            Event::Filed { origin, .. } => Some(origin),
            _ => None,
        })
    }
}

impl Drop for TestEngine {
    fn drop(&mut self) {
        smol::block_on(self.engine.stop(Duration::from_secs(5))).unwrap();
        self.engine.close().unwrap();
    }
}

fn short(refused: &Refused) -> String {
    let Refused { service, stage, code, enhanced, from, to, user, .. } = refused;
    format!("{} {user} {stage} {code} {enhanced} {from} > {}", service.name(), to.join(" "))
}

#[test]
fn recipients_relays_and_policies_are_told() {
    let test = TestEngine::new("refused", &[]);
    for (kind, text) in [("_dmarc.bank.example", "v=DMARC1; p=reject"), ("far.example", "v=spf1 -all")] {
        test.engine.dns_set(Some(kind), Some("TXT"), Some(&format!("\"{text}\"")), 60).unwrap();
    }
    let mut smtp = Wire::connect(test.listen(Service::Mx));
    smtp.expect("220");
    smtp.say("EHLO client.far.example", "250");
    smtp.say("MAIL FROM:<a@far.example>", "250");
    smtp.say("RCPT TO:<nobody@example.net>", "550 5.1.1");
    let refused = test.refused();
    assert_eq!(short(&refused), "mx  rcpt 550 5.1.1 a@far.example > nobody@example.net");
    assert_eq!((refused.helo.as_str(), refused.reason.as_str()), ("client.far.example", "No such user here"));
    assert!(refused.peer.starts_with("127.0.0.1:") && refused.count == 1);
    smtp.say("RCPT TO:<x@far.example>", "550 5.7.1");
    assert_eq!(short(&test.refused()), "mx  rcpt 550 5.7.1 a@far.example > x@far.example");
    smtp.say("RCPT TO:<bob@example.net>", "250");
    smtp.say("DATA", "354");
    smtp.send(b"From: a@bank.example\r\n\r\nHello\r\n.\r\n");
    smtp.expect("550 5.7.26");
    let refused = test.refused();
    assert_eq!(short(&refused), "mx  data 550 5.7.26 a@far.example > bob@example.net");
    assert!(refused.reason.contains("bank.example"), "{}", refused.reason);
}

#[test]
fn filed_says_where_a_message_came_from() {
    let test = TestEngine::new("refused-filed", &[]);
    test.engine.dns_set(Some("far.example"), Some("TXT"), Some("\"v=spf1 ip4:127.0.0.1 -all\""), 60).unwrap();
    let mut smtp = Wire::connect(test.listen(Service::Mx));
    smtp.expect("220");
    smtp.say("EHLO client.far.example", "250");
    smtp.say("MAIL FROM:<a@far.example>", "250");
    smtp.say("RCPT TO:<bob@example.net>", "250");
    smtp.say("DATA", "354");
    smtp.send(b"From: a@far.example\r\n\r\nHello\r\n.\r\n");
    let reply = smtp.expect("250");
    let origin = test.origin();
    assert_eq!(origin.from, "a@far.example");
    assert!(origin.peer.starts_with("127.0.0.1:"), "{origin:?}");
    for verdict in ["spf=pass smtp.mailfrom=a@far.example", "; dkim=none", "; dmarc=none header.from=far.example"] {
        assert!(origin.verdicts.contains(verdict), "{origin:?}");
    }
    assert!(!origin.trace.is_empty() && reply.ends_with(&origin.trace), "{reply} {origin:?}");

    let mut imap = Wire::connect(test.listen(Service::Imap));
    imap.expect("* OK");
    imap.tagged("a LOGIN bob@example.net secret");
    imap.tagged("a APPEND INBOX {5+}\r\nA: b\r");
    let origin = test.origin();
    assert!(origin.peer.starts_with("127.0.0.1:"), "{origin:?}");
    assert_eq!((origin.from.as_str(), origin.verdicts.as_str(), origin.trace.as_str()), ("", "", ""));

    smol::block_on(test.engine.send("bob@example.net", &["bob@example.net"], "From: bob@example.net\r\n\r\nx\r\n"))
        .unwrap();
    let origin = test.origin();
    assert_eq!((origin.from.as_str(), origin.peer.as_str()), ("bob@example.net", ""));
    assert!(!origin.trace.is_empty());
}

#[test]
fn logins_say_why_they_failed() {
    let test = TestEngine::new("refused-login", &[]);
    let (smtp, imap, pop3) = (test.listen(Service::Submission), test.listen(Service::Imap), test.listen(Service::Pop3));
    for (user, password, reason) in [
        ("bob@example.net", "wrong", "wrong password"),
        ("eve@example.net", "secret", "unknown user"),
        ("closed@example.net", "secret", "the account has no password"),
        ("bob@example.net", "secret", ""),
    ] {
        let ok = reason.is_empty();
        let told = |stage: &str, code: u16, enhanced: &str| {
            let login = test.login();
            assert_eq!((login.ok, login.reason, login.stage, login.user.as_str()), (ok, reason, stage, user));
            assert_eq!((login.code, login.enhanced, login.count), (code, if ok { "" } else { enhanced }, 1));
            assert!(login.peer.starts_with("127.0.0.1:"));
        };
        let mut wire = Wire::connect(smtp);
        wire.expect("220");
        wire.say("EHLO c", "250");
        let code = if ok { 235 } else { 535 };
        wire.say(&format!("AUTH PLAIN {}", wire::plain(user, password)), &code.to_string());
        told("auth", code, "5.7.8");
        let mut wire = Wire::connect(imap);
        wire.expect("* OK");
        wire.say(&format!("a LOGIN {user} {password}"), if ok { "a OK" } else { "a NO [AUTHENTICATIONFAILED]" });
        told("login", 0, "AUTHENTICATIONFAILED");
        wire.say(&format!("b AUTHENTICATE PLAIN {}", wire::plain(user, password)), if ok { "b BAD" } else { "b NO" });
        if !ok {
            told("authenticate", 0, "AUTHENTICATIONFAILED");
        }
        let mut wire = Wire::connect(pop3);
        wire.expect("+OK");
        wire.say(&format!("USER {user}"), "+OK");
        wire.say(&format!("PASS {password}"), if ok { "+OK" } else { "-ERR [AUTH] wrong user name or password" });
        told("pass", 0, "AUTH");
    }
    // None of them is said twice.
    smol::block_on(test.engine.stop(Duration::from_secs(5))).unwrap();
    test.wait(|event| match event {
        Event::Stopped => Some(()),
        Event::Refused(refused) => panic!("{refused:?}"),
        _ => None,
    });
}

/// Every limit that ends a session names itself to the peer, and is told to the host.
#[test]
fn limits_are_named_before_the_end() {
    let test = TestEngine::new("refused-limits", &[]);
    let attempts = LOGIN_FAILURES_MAX as usize;
    for (service, dialogue, last, stage) in [
        (Service::Mx, vec!["XYZZY"; 20], "421 4.7.0 mx.example.net Too many errors, at most 20", "command"),
        (
            Service::Mx,
            vec!["NOOP"; 101],
            "421 4.7.0 mx.example.net Too many commands without a message, at most 100",
            "command",
        ),
        (Service::Imap, vec!["a XYZZY"; 20], "* BYE Too many errors, at most 20 in a row", "command"),
        (Service::Imap, vec!["a LOGIN eve x"; attempts], "* BYE Too many failed logins, at most 3", "login"),
        (Service::Pop3, vec!["XYZZY"; 20], "-ERR too many errors, at most 20", "login"),
        (
            Service::Pop3,
            ["USER eve", "PASS x"].repeat(attempts),
            "-ERR [AUTH] wrong user name or password; too many failed logins, at most 3, closing",
            "login",
        ),
    ] {
        let mut wire = Wire::connect(test.listen(service));
        for line in dialogue {
            wire.send(format!("{line}\r\n").as_bytes());
        }
        let mut said = String::new();
        while let Some(line) = wire.line() {
            said = line;
        }
        assert_eq!(said, last);
        let told = test.wait(|event| match event {
            Event::Refused(refused) if refused.closed => Some(refused),
            _ => None,
        });
        assert!(last.ends_with(&told.reason), "{}", told.reason);
        assert_eq!((told.stage, told.service), (stage, service));
    }
}

#[test]
fn a_peer_with_too_many_connections_hears_why() {
    for (service, begin, wanted, enhanced) in [
        (Service::Mx, "220", "421 4.7.0 mx.example.net Too many connections from your address, at most 1", "4.7.0"),
        (Service::Lmtp, "220", "421 4.7.0 mx.example.net Too many connections from your address, at most 1", "4.7.0"),
        (Service::Imap, "* OK", "* BYE [LIMIT] Too many connections from your address, at most 1", "LIMIT"),
        (Service::Pop3, "+OK", "-ERR [SYS/TEMP] Too many connections from your address, at most 1", "SYS/TEMP"),
    ] {
        // The sessions of all listeners count together: each has an engine of its own.
        let test = TestEngine::new("refused-connections", &[("sessions.per_peer_max", "1")]);
        let at = test.listen(service);
        let mut first = Wire::connect(at);
        first.expect(begin);
        let mut second = Wire::connect(at);
        assert_eq!(second.line().as_deref(), Some(wanted));
        assert_eq!(second.line(), None);
        let refused = test.refused();
        assert_eq!((refused.service, refused.stage, refused.enhanced.as_str()), (service, "connect", enhanced));
        // The first one goes on.
        first.say(if service == Service::Imap { "a NOOP" } else { "NOOP" }, "");
    }
}

#[test]
fn a_full_listener_is_warned_of() {
    let test = TestEngine::new("refused-full", &[("sessions.per_listener_max", "1")]);
    let at = test.listen(Service::Mx);
    let mut first = Wire::connect(at);
    first.expect("220");
    let mut second = Wire::connect(at);
    let text = test.wait(|event| match event {
        Event::Warning { about: "sessions", text } => Some(text),
        _ => None,
    });
    assert!(
        text.starts_with(&format!("mx at {at} has 1 sessions")) && text.contains("sessions.per_listener_max"),
        "{text}"
    );
    first.say("QUIT", "221");
    second.expect("220");
}

#[test]
fn a_flood_of_refusals_is_counted() {
    let test = TestEngine::new("refused-flood", &[]);
    let at = test.listen(Service::Mx);
    let flood = EVENT_REFUSED_PER_PEER_MAX + 30;
    let mut wire = Wire::connect(at);
    for n in 0..flood {
        if n % 15 == 0 {
            wire = Wire::connect(at);
            wire.expect("220");
            wire.say("EHLO c", "250");
            wire.say("MAIL FROM:<a@b.example>", "250");
        }
        wire.say(&format!("RCPT TO:<nobody{n}@example.net>"), "550");
    }
    smol::block_on(test.engine.stop(Duration::from_secs(5))).unwrap();
    let (mut events, mut sum) = (0, 0);
    test.wait(|event| match event {
        Event::Refused(refused) if refused.code == 550 => {
            (events, sum) = (events + 1, sum + refused.count);
            None
        }
        Event::Stopped => Some(()),
        _ => None,
    });
    assert!(events <= EVENT_REFUSED_PER_PEER_MAX + 1, "{events}");
    assert_eq!(sum, flood);
}
