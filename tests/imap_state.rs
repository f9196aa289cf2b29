//! Many IMAP sessions say random commands on two mailboxes at once, while POP3 deletes: each keeps its own model of its mailbox
//! from what it is told, and all of them are held against each other and, whenever all are quiet, against one that asks
//! anew (RFC 9051 §5.2, §7.5, RFC 7162 §3.1).
//!
//! `IMAP_STATE_SEED=n` and `IMAP_STATE_STEPS=n` make another run, or a long one.

#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as foreign programs would")]
#![allow(clippy::disallowed_macros, reason = "a failing run names its seed and what was said")]
#![allow(dead_code, reason = "the simulation's chance offers more than this test uses")]

#[macro_use]
extern crate mailcore_watchdog;

#[path = "imap_state/model.rs"]
mod model;
#[path = "imap_state/response.rs"]
mod response;
use mailcore_tests::rng;
#[path = "imap_state/session.rs"]
mod session;
use mailcore_tests::wire;

use std::net::SocketAddr;
use std::time::Duration;

use mailcore::base::{Secret, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine};
use model::Shared;
use session::{Dialect, Session};
use wire::Wire;

const SESSIONS: usize = 10;
/// Times all stop and compare.
const PAUSES: u64 = 4;

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

#[test]
fn sessions_are_told_the_truth() {
    let (seed, steps) = (setting("IMAP_STATE_SEED", 1), setting("IMAP_STATE_STEPS", 240));
    println!("IMAP_STATE_SEED={seed} IMAP_STATE_STEPS={steps}");
    let folder = wire::scratch("imap-state");
    let engine = Engine::open(Config::new(folder.path())).expect("open");
    for (key, value) in [("hostname", "mx.example.org"), ("login.allow_plaintext", "1"), ("login.argon2_kib", "64")] {
        engine.set(key, Value::Text(value.to_owned())).expect(key);
    }
    let (imap, pop3) = smol::block_on(async {
        engine.start().await.expect("start");
        engine.account_put("bob@example.org", Some(&Secret::new("secret"))).await.expect("account");
        let listen = async |service| engine.listen(service, wire::LOOPBACK).await.expect("listen").1;
        (listen(Service::Imap).await, listen(Service::Pop3).await)
    });
    let mut first = Wire::connect(imap);
    first.expect("* OK");
    first.tagged("a LOGIN bob@example.org secret");
    first.tagged("a CREATE Other");
    let shared: &'static Shared = Box::leak(Box::default());
    let open = |number: usize| {
        let dialect = [Dialect::Rev1, Dialect::Condstore, Dialect::Rev2, Dialect::Notify, Dialect::Qresync][number % 5];
        Session::open(imap, seed, number, dialect, shared)
    };
    let mut sessions: Vec<Session> = (0..SESSIONS).map(open).collect();
    for _ in 0..PAUSES {
        std::thread::scope(|scope| {
            for session in &mut sessions {
                scope.spawn(|| (0..steps / PAUSES).for_each(|_| session.step()));
            }
            (0..steps / PAUSES / 20).for_each(|_| take_by_pop3(pop3));
        });
        sessions.iter_mut().for_each(|session| session.compare(imap));
    }
    smol::block_on(engine.stop(Duration::from_secs(5))).expect("stop");
    engine.close().expect("close");
}

/// Deletes the first message of INBOX; its size and UIDL must stand where LIST and UIDL said.
fn take_by_pop3(at: SocketAddr) {
    let mut pop = Wire::connect(at);
    pop.expect("+OK");
    pop.say("USER bob@example.org", "+OK");
    pop.say("PASS secret", "+OK");
    let stat = pop.say("STAT", "+OK");
    if !stat.starts_with("+OK 0 ") {
        pop.say("DELE 1", "+OK");
    }
    pop.say("QUIT", "+OK");
}
