//! Stopping an engine: however it is interrupted, repeated or raced with a start, it ends in one state and says STOPPED
//! once. And a clock in the host's hand: everything due by then is done.
#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::wire;

use std::time::Duration;

use mailcore::base::event::{Event, Outcome};
use mailcore::base::{ErrorKind, Service, Timestamp};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine, Interrupt, Phase};
use wire::Wire;

const SECOND: Duration = Duration::from_secs(1);

fn engine(folder: &std::path::Path, more: &[(&str, &str)]) -> Engine {
    let engine = Engine::open(Config::new(folder)).expect("open");
    let usual = [("hostname", "mx.example.org"), ("dns.host_only", "1"), ("login.argon2_kib", "64")];
    for (key, value) in usual.iter().chain(more) {
        engine.set(key, Value::Text((*value).to_owned())).expect(key);
    }
    engine
}

fn events(engine: &Engine) -> Vec<Event> {
    let mut events = Vec::new();
    while let (Some(said), _) = engine.events().try_next() {
        events.push(said.event);
    }
    events
}

fn stops(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Stopped)).count()
}

#[test]
fn an_interrupted_stop_goes_on_and_is_said_once() {
    let folder = wire::scratch("stop");
    let engine = engine(folder.path(), &[]);
    smol::block_on(engine.start()).expect("start");
    smol::block_on(engine.account_put("alice@example.org", None)).expect("account");
    let at = smol::block_on(engine.listen(Service::Mx, wire::LOOPBACK)).expect("listen").1;
    // A session in the middle of a message keeps the stop waiting.
    let mut session = Wire::connect(at);
    session.expect("220");
    session.say("EHLO x", "250");
    session.say("MAIL FROM:<a@example.net>", "250");
    session.say("RCPT TO:<alice@example.org>", "250");
    session.say("DATA", "354");
    let never = Duration::from_secs(3_600);
    let waited = engine.wait(&Interrupt::default(), Some(SECOND / 10), engine.stop(never));
    // Either it is over at once, since the session was told to go, or its caller gave up.
    assert!(waited.as_ref().map_or_else(|e| e.kind() == ErrorKind::Timeout, |()| true), "{waited:?}");
    assert!(matches!(engine.phase(), Phase::Stopping | Phase::Stopped));
    assert_eq!(smol::block_on(engine.start()).expect_err("no start").kind(), ErrorKind::State);
    // Others wait for it, and make it end sooner.
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| smol::block_on(engine.stop(SECOND / 10)).expect("stops"));
        }
    });
    assert!(begun.elapsed() < 10 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(engine.phase(), Phase::Stopped);
    // Nothing is taken behind the end.
    session.try_send(b"From: a@example.net\r\n\r\nx\r\n.\r\n");
    while let Some(line) = session.line() {
        assert!(!line.starts_with("250"), "{line}");
    }
    smol::block_on(engine.stop(never)).expect("nothing to do");
    assert_eq!(smol::block_on(engine.start()).expect_err("no start").kind(), ErrorKind::State);
    engine.close().expect("close");
    assert_eq!(stops(&events(&engine)), 1);
}

#[test]
fn a_start_that_is_given_up_or_stopped_on_the_way_has_one_end() {
    let folder = wire::scratch("start");
    let first = engine(&folder.path().join("given-up"), &[]);
    smol::block_on(async {
        // Begun, and dropped at its first wait.
        let _ = smol::future::poll_once(first.start()).await;
    });
    if first.phase() == Phase::Open {
        smol::block_on(first.start()).expect("starts all the same");
    }
    smol::block_on(first.stop(SECOND)).expect("stops");
    first.close().expect("close");
    assert_eq!(stops(&events(&first)), 1);

    let second = engine(&folder.path().join("stopped"), &[]);
    let started = std::thread::scope(|scope| {
        let start = scope.spawn(|| smol::block_on(second.start()));
        smol::block_on(second.stop(SECOND)).expect("stops");
        start.join().expect("no panic")
    });
    // Whoever came first: it is stopped, and says so only if it was started.
    assert_eq!(second.phase(), Phase::Stopped);
    second.close().expect("close");
    let said = events(&second);
    assert_eq!(stops(&said), usize::from(started.is_ok()), "{said:?}");
}

/// Five days of retries in one step: every attempt due on the way is made, then the mail comes back.
#[test]
fn what_is_due_by_then_is_done() {
    let folder = wire::scratch("clock");
    // Nobody listens at port 9.
    let engine = engine(folder.path(), &[("outbound.port", "9"), ("outbound.retry_jitter_percent", "0")]);
    engine.dns_set(Some("example.net"), Some("MX"), Some("10 mx.example.net."), 3600).expect("zone");
    engine.dns_set(Some("mx.example.net"), Some("A"), Some("127.0.0.1"), 3600).expect("zone");
    engine.clock_set(Timestamp(1_800_000_000_000)).expect("clock");
    smol::block_on(engine.start()).expect("start");
    smol::block_on(engine.account_put("alice@example.org", None)).expect("account");
    let message = "From: alice@example.org\r\n\r\nx\r\n";
    let sent = smol::block_on(engine.send("alice@example.org", &["bob@example.net"], message)).expect("sent");
    let id = sent.queued.expect("queued");
    let attempts = |outcome| {
        let attempts = smol::block_on(engine.attempts(id)).expect("attempts");
        attempts.iter().filter(|(_, result)| result.outcome == outcome).count()
    };
    let wait = |wanted: usize| {
        let begun = std::time::Instant::now();
        while attempts(Outcome::Deferred) < wanted {
            assert!(begun.elapsed() < 30 * SECOND, "{} of {wanted} attempts", attempts(Outcome::Deferred));
            std::thread::sleep(SECOND / 100);
        }
    };
    wait(1);
    // 5, 15, 30 minutes after each other: three more within an hour.
    engine.clock_advance(3_600 * SECOND).expect("clock");
    wait(4);
    engine.clock_advance(6 * 86_400 * SECOND).expect("clock");
    engine.wait(&Interrupt::default(), Some(60 * SECOND), engine.queue_wait(id)).expect("comes to its end");
    assert_eq!((attempts(Outcome::Deferred), attempts(Outcome::Expired)), (36, 1));
    engine.close().expect("close");
}
