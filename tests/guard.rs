//! Who gets in: guesses are slowed and blocked, unknown names look like known ones, honest logins go on beside both.

#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::wire;

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mailcore::base::event::Event;
use mailcore::base::settings::Ends;
use mailcore::base::{Secret, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine, Interrupt};
use wire::{Scratch, Wire};

struct TestEngine {
    engine: Engine,
    folder: Scratch,
}

fn engine(folder: &Scratch, settings: &[(&str, &str)]) -> Engine {
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
    smol::block_on(engine.start()).unwrap();
    engine
}

impl TestEngine {
    fn new(name: &str, settings: &[(&str, &str)]) -> TestEngine {
        let folder = wire::scratch(name);
        let engine = engine(&folder, settings);
        let test = TestEngine { engine, folder };
        for user in ["bob", "ann"] {
            test.password(user, "secret");
        }
        test
    }

    fn password(&self, user: &str, password: &str) {
        smol::block_on(self.engine.account_put(&format!("{user}@example.net"), Some(&Secret::new(password)))).unwrap();
    }

    fn listen(&self, service: Service) -> SocketAddr {
        smol::block_on(self.engine.listen(service, wire::LOOPBACK)).unwrap().1
    }

    /// A connection whose peer is said to be `ip`.
    fn call_from(&self, ip: IpAddr, service: Service) -> Wire {
        let listener = TcpListener::bind(wire::LOOPBACK).unwrap();
        let local = listener.local_addr().unwrap();
        let wire = Wire::connect(local);
        let stream = smol::net::TcpStream::try_from(listener.accept().unwrap().0).unwrap();
        let (engine, ends) = (self.engine.clone(), Ends { peer: SocketAddr::new(ip, 4000), local });
        std::thread::spawn(move || smol::block_on(engine.serve_stream(service, Box::new(stream), ends)));
        wire
    }

    fn wait<T>(&self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            let next = self.engine.next_event(&Interrupt::default(), Some(Duration::from_secs(60)));
            if let Some(found) = wanted(next.expect("nothing happens").expect("events").event) {
                return found;
            }
        }
    }

    fn stop(&self) {
        smol::block_on(self.engine.stop(Duration::from_secs(5))).unwrap();
        self.engine.close().unwrap();
    }
}

/// The salt a SCRAM exchange is told for `user`.
fn salt(at: SocketAddr, user: &str) -> String {
    let mut wire = Wire::connect(at);
    wire.expect("220");
    wire.say("EHLO c", "250");
    let reply =
        wire.say(&format!("AUTH SCRAM-SHA-256 {}", wire::base64(format!("n,,n={user},r=abc").as_bytes())), "334");
    let told = wire::from_base64(&reply[4..]);
    let told = String::from_utf8(told).unwrap();
    told.split(',').skip(1).collect::<Vec<_>>().join(",")
}

#[test]
fn unknown_names_look_like_known_ones_after_a_restart_too() {
    let test = TestEngine::new("guard-scram", &[]);
    let at = test.listen(Service::Submission);
    let names =
        ["bob@example.net", "BOB@Example.net", "nobody@example.net", "NoBody@EXAMPLE.net", "nobody", "bad name"];
    let first: Vec<String> = names.iter().map(|name| salt(at, name)).collect();
    assert_eq!((&first[0], &first[2]), (&first[1], &first[3]));
    assert_eq!(first[2], first[4], "a bare name is one of the first domain");
    assert_ne!(first[0], first[2]);
    assert!(first.iter().all(|told| told.ends_with(",i=4096")), "{first:?}");
    test.stop();
    let engine = engine(&test.folder, &[("login.scram_iterations", "8192")]);
    let (_, at) = smol::block_on(engine.listen(Service::Submission, wire::LOOPBACK)).unwrap();
    // The accounts there are have the old cost, and so have those that are not there.
    assert_eq!(names.map(|name| salt(at, name)).to_vec(), first);
    smol::block_on(engine.stop(Duration::from_secs(5))).unwrap();
    engine.close().unwrap();
}

/// Guesses until no more are checked; gives how many were.
fn guess(test: &TestEngine, service: Service, user: &str) -> usize {
    let at = test.listen(service);
    for n in 0..200 {
        let mut wire = Wire::connect(at);
        wire.line().expect("greeting");
        let said = match service {
            Service::Imap => wire.say(&format!("a LOGIN {user} wrong{n}"), "a NO"),
            Service::Pop3 => {
                wire.say(&format!("USER {user}"), "+OK");
                wire.say(&format!("PASS wrong{n}"), "-ERR")
            }
            _ => {
                wire.say("EHLO c", "250");
                wire.say(&format!("AUTH PLAIN {}", wire::plain(user, &format!("wrong{n}"))), "")
            }
        };
        if ["454 4.7.0", "a NO [UNAVAILABLE]", "-ERR [SYS/TEMP]"].iter().any(|later| said.starts_with(later)) {
            return n;
        }
    }
    panic!("guesses are never stopped");
}

#[test]
fn guesses_are_blocked_over_all_protocols_and_known_accounts_are_not() {
    let test = TestEngine::new("guard-block", &[("login.failures_per_peer_max", "9")]);
    // Bob logs in from here before it begins.
    let imap = test.listen(Service::Imap);
    let mut known = Wire::connect(imap);
    known.expect("* OK");
    known.say("a LOGIN bob@example.net secret", "a OK");
    let mut guesses = guess(&test, Service::Imap, "eve@example.net");
    assert_eq!(guesses, 9);
    guesses = guess(&test, Service::Pop3, "ann@example.net") + guess(&test, Service::Submission, "bob2@example.net");
    assert_eq!(guesses, 0, "blocked for all");
    let penalty = test.wait(|event| match event {
        Event::Penalty { about, who, cause, count, seconds, .. } => Some((about, who, cause, count, seconds)),
        _ => None,
    });
    assert_eq!(penalty, ("address", "127.0.0.1".to_owned(), "login", 9, 60));
    // Right or wrong: a stranger's password is not looked at any more. Bob's is.
    let mut wire = Wire::connect(imap);
    wire.expect("* OK");
    wire.say("a LOGIN ann@example.net secret", "a NO [UNAVAILABLE]");
    wire.say("b LOGIN bob@example.net secret", "b OK");
    let mut wire = Wire::connect(test.listen(Service::Submission));
    wire.expect("220");
    wire.say("EHLO c", "250");
    wire.say(&format!("AUTH SCRAM-SHA-256 {}", wire::base64(b"n,,n=ann@example.net,r=abc")), "454 4.7.0");
    // From elsewhere everybody may try.
    let mut elsewhere = test.call_from([192, 0, 2, 1].into(), Service::Imap);
    elsewhere.expect("* OK");
    elsewhere.say("a LOGIN ann@example.net secret", "a OK");
    test.stop();
}

#[test]
fn an_old_password_in_a_program_blocks_nobody() {
    let test = TestEngine::new("guard-old", &[("login.failures_per_peer_max", "5")]);
    let at = test.listen(Service::Imap);
    for _ in 0..20 {
        let mut wire = Wire::connect(at);
        wire.expect("* OK");
        wire.say("a LOGIN bob@example.net old", "a NO [AUTHENTICATIONFAILED]");
    }
    let mut wire = Wire::connect(at);
    wire.expect("* OK");
    wire.say("a LOGIN ann@example.net secret", "a OK");
    test.stop();
}

#[test]
fn the_pause_ends_with_the_engine() {
    let test = TestEngine::new("guard-pause", &[("login.failure_pause_seconds", "60")]);
    let mut wire = Wire::connect(test.listen(Service::Imap));
    wire.expect("* OK");
    wire.send(b"a LOGIN bob@example.net wrong\r\n");
    test.wait(|event| matches!(event, Event::Login(login) if !login.ok).then_some(()));
    test.stop();
    wire.expect("a NO [AUTHENTICATIONFAILED]");
}

/// Logs bob in on each protocol; gives the connections.
fn logged_in(test: &TestEngine) -> [(Service, Wire); 3] {
    [Service::Imap, Service::Pop3, Service::Submission].map(|service| {
        let mut wire = Wire::connect(test.listen(service));
        wire.line().expect("greeting");
        match service {
            Service::Imap => {
                wire.say("a LOGIN bob@example.net secret", "a OK");
                wire.tagged("b SELECT INBOX");
                wire.say("c IDLE", "+");
            }
            Service::Pop3 => {
                wire.say("USER bob@example.net", "+OK");
                wire.say("PASS secret", "+OK");
            }
            _ => {
                wire.say("EHLO c", "250");
                wire.say(&format!("AUTH PLAIN {}", wire::plain("bob@example.net", "secret")), "235");
                wire.say("MAIL FROM:<bob@example.net>", "250");
            }
        }
        (service, wire)
    })
}

/// Each connection ends, with these words.
fn ended(sessions: [(Service, Wire); 3], text: &str) {
    for (service, mut wire) in sessions {
        let said = wire.line().expect("a goodbye");
        let begin = match service {
            Service::Imap => "* BYE ",
            Service::Pop3 => "-ERR [",
            _ => "421 ",
        };
        assert!(said.starts_with(begin) && said.contains(text), "{said}");
        assert_eq!(wire.line(), None, "{service:?}");
    }
}

#[test]
fn a_changed_password_ends_the_sessions_of_its_account() {
    let test = TestEngine::new("guard-password", &[]);
    let sessions = logged_in(&test);
    let mut other = Wire::connect(test.listen(Service::Imap));
    other.expect("* OK");
    other.say("a LOGIN ann@example.net secret", "a OK");
    test.password("bob", "another");
    ended(sessions, "The password was changed");
    other.say("b NOOP", "b OK");
    let mut wire = Wire::connect(test.listen(Service::Imap));
    wire.expect("* OK");
    wire.say("a LOGIN bob@example.net secret", "a NO");
    wire.say("b LOGIN bob@example.net another", "b OK");
    test.stop();
}

#[test]
fn a_deleted_account_ends_its_sessions() {
    let test = TestEngine::new("guard-deleted", &[]);
    let sessions = logged_in(&test);
    smol::block_on(test.engine.account_delete("bob@example.net")).unwrap();
    ended(sessions, "The account was deleted");
    test.stop();
}

#[test]
fn the_host_sees_sessions_and_ends_them() {
    let test = TestEngine::new("guard-sessions", &[]);
    let sessions = logged_in(&test);
    let mut stranger = Wire::connect(test.listen(Service::Mx));
    stranger.expect("220");
    let list = test.engine.sessions();
    let seen: Vec<_> = list.iter().map(|info| (info.service, info.account.as_deref())).collect();
    let bob = Some("bob@example.net");
    let wanted = [(Service::Imap, bob), (Service::Pop3, bob), (Service::Submission, bob), (Service::Mx, None)];
    assert_eq!(seen, wanted);
    for info in list.iter().filter(|info| info.account.is_some()) {
        assert!(info.peer.ip().is_loopback() && info.began.0 > 0);
        test.engine.session_end(info.id).unwrap();
    }
    ended(sessions, "Closed by the administrator");
    stranger.say("NOOP", "250");
    assert!(test.engine.session_end(1 << 40).is_err());
    test.stop();
    assert!(test.engine.sessions().is_empty());
}

#[test]
fn accounts_and_addresses_have_so_many_sessions_over_all_listeners() {
    let test =
        TestEngine::new("guard-caps", &[("sessions.per_account_max", "3"), ("sessions.per_peer_total_max", "5")]);
    let _sessions = logged_in(&test);
    let mut fourth = Wire::connect(test.listen(Service::Imap));
    fourth.expect("* OK");
    fourth.say("a LOGIN bob@example.net secret", "a NO [UNAVAILABLE]");
    fourth.say("b LOGIN ann@example.net secret", "b OK");
    let mut fifth = Wire::connect(test.listen(Service::Mx));
    fifth.expect("220");
    let mut sixth = Wire::connect(test.listen(Service::Lmtp));
    sixth.expect("421 4.7.0");
    test.stop();
}

#[test]
fn a_full_listener_lets_the_oldest_stranger_go() {
    let test = TestEngine::new("guard-room", &[("sessions.per_listener_max", "3")]);
    let at = test.listen(Service::Imap);
    let mut bob = Wire::connect(at);
    bob.expect("* OK");
    bob.say("a LOGIN bob@example.net secret", "a OK");
    let mut strangers = [Wire::connect(at), Wire::connect(at)];
    strangers.iter_mut().for_each(|wire| drop(wire.expect("* OK")));
    let mut waits = Wire::connect(at);
    test.engine.clock_advance(Duration::from_secs(20)).unwrap();
    assert_eq!(strangers[0].line().as_deref(), Some("* BYE Too many connections, try again later"));
    waits.expect("* OK");
    bob.say("b NOOP", "b OK");
    test.stop();
}

/// How many seconds a session lives whose client says these lines, one each second.
fn lifetime(test: &TestEngine, service: Service, first: &[&str], lines: &[&str]) -> usize {
    let mut wire = Wire::connect(test.listen(service));
    wire.line().expect("greeting");
    for line in first {
        wire.send(format!("{line}\r\n").as_bytes());
        wire.line().expect("answer");
    }
    for (n, line) in lines.iter().cycle().enumerate().take(400) {
        test.engine.clock_advance(Duration::from_secs(1)).unwrap();
        if !wire.try_send(format!("{line}\r\n").as_bytes()) {
            return n;
        }
        match wire.line() {
            Some(said) if !said.starts_with("421") && !said.starts_with("-ERR no login") => {}
            _ => return n,
        }
    }
    panic!("{service:?} {lines:?} goes on for ever");
}

#[test]
fn commands_that_bring_nothing_win_no_time() {
    let test = TestEngine::new("guard-drip", &[("smtp.wait_seconds", "5"), ("pop3.wait_seconds", "5")]);
    let mail = ["HELO c", "MAIL FROM:<a@b.example>"];
    for (service, first, lines, most) in [
        (Service::Mx, &[][..], &["NOOP"][..], 6),
        (Service::Mx, &[], &["HELO c", "RSET", "VRFY x"], 6),
        (Service::Mx, &mail, &["RSET", "MAIL FROM:<a@b.example>"], 6),
        (Service::Mx, &mail, &["RCPT TO:<bob@example.net>"], 5 * 24 + 2),
        (Service::Submission, &[], &["AUTH PLAIN", "*"], 6),
        (Service::Pop3, &[], &["USER bob@example.net"], 6),
    ] {
        let lived = lifetime(&test, service, first, lines);
        assert!(lived <= most, "{service:?} {lines:?}: {lived}");
        assert!(lived >= 4, "{service:?} {lines:?}: {lived}");
    }
    test.stop();
}

#[test]
fn a_message_in_append_comes_at_the_pace_of_others() {
    let test = TestEngine::new("guard-append", &[("smtp.wait_seconds", "5")]);
    let mut wire = Wire::connect(test.listen(Service::Imap));
    wire.expect("* OK");
    wire.say("a LOGIN bob@example.net secret", "a OK");
    wire.say("b APPEND INBOX {100000}", "+");
    // Octets drip in until the server has had enough of it: when it begins to count is its own affair.
    let (mut writer, over) = (wire.clone_writer(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) && writer.write_all(b"x").is_ok() {
                test.engine.clock_advance(Duration::from_secs(1)).unwrap();
            }
        });
        let said = wire.line();
        over.store(true, Ordering::SeqCst);
        assert_eq!(said.as_deref(), Some("* BYE The message comes too slowly"));
    });
    test.stop();
}

#[test]
fn memory_has_a_budget() {
    // A quiet session takes 32 KiB of it.
    let test = TestEngine::new("guard-memory", &[("memory.octets_max", "400000")]);
    let at = test.listen(Service::Mx);
    let greeted = |wire: &mut Wire| wire.line().is_some_and(|line| line.starts_with("220"));
    let mut wires: Vec<Wire> = (0..12).map(|_| Wire::connect(at)).collect();
    assert!(wires.iter_mut().all(greeted));
    let mut more = Wire::connect(at);
    more.expect("421 4.3.2");
    assert_eq!(more.line(), None);
    // Others are served; what they send finds no room, and is put off.
    for line in ["HELO c", "MAIL FROM:<a@b.example>"] {
        wires[0].say(line, "250");
    }
    wires[0].say("RCPT TO:<bob@example.net>", "452 4.3.1");
    wires.drain(1..7).for_each(drop);
    let mut reply = String::new();
    for _ in 0..600 {
        // The places of those who went come back as their ends are seen.
        wires[0].send(b"RCPT TO:<bob@example.net>\r\n");
        reply = wires[0].line().expect("reply");
        if reply.starts_with("250") {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(reply.starts_with("250"), "{reply}");
    wires[0].say("DATA", "354");
    // Half of the budget is used: the body goes to a scratch file, and is taken all the same.
    let line = [b"y".repeat(70), b"\r\n".to_vec()].concat().repeat(3_000);
    wires[0].send(&[b"From: a@b.example\r\n\r\n".to_vec(), line, b".\r\n".to_vec()].concat());
    wires[0].expect("250");
    test.stop();
}

#[test]
fn recipients_are_not_guessed_for_ever() {
    let pause = ("smtp.unknown_recipient_pause_ms", "0");
    let test = TestEngine::new("guard-harvest", &[("smtp.unknown_recipients_per_peer_max", "12"), pause]);
    let at = test.listen(Service::Mx);
    let mut unknown = 0;
    for _ in 0..4 {
        let mut wire = Wire::connect(at);
        wire.expect("220");
        wire.say("HELO c", "250");
        wire.say("MAIL FROM:<a@b.example>", "250");
        for n in 0..5 {
            let said = wire.say(&format!("RCPT TO:<nobody{n}@example.net>"), "");
            unknown += usize::from(said.starts_with("550"));
        }
        if unknown >= 12 {
            wire.say("RCPT TO:<bob@example.net>", "450 4.7.1");
        }
    }
    assert_eq!(unknown, 12);
    let penalty = test.wait(|event| match event {
        Event::Penalty { about, cause, count, .. } => Some((about, cause, count)),
        _ => None,
    });
    assert_eq!(penalty, ("address", "rcpt", 12));
    // Others are heard.
    let mut wire = test.call_from([192, 0, 2, 1].into(), Service::Mx);
    wire.expect("220");
    wire.say("HELO c", "250");
    wire.say("MAIL FROM:<a@b.example>", "250");
    wire.say("RCPT TO:<bob@example.net>", "250");
    test.stop();
}
