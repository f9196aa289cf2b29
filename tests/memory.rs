//! Bad peers cost the engine no memory, and an engine that cannot be opened nothing at all. A program of its own, since
//! it looks at the whole process.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::wire;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mailcore::base::{ErrorKind, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine};
use wire::Wire;

/// Both tests count what the process has.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn an_engine_that_cannot_be_opened_leaves_nothing_behind() {
    let _alone = alone();
    let folder = wire::scratch("refused");
    let engine = Engine::open(Config::new(folder.path())).expect("open");
    let refused = || Engine::open(Config::new(folder.path())).err().map(|e| e.kind());
    assert_eq!(refused(), Some(ErrorKind::Busy));
    let before = (descriptors(), threads());
    for _ in 0..20 {
        assert_eq!(refused(), Some(ErrorKind::Busy));
    }
    assert_eq!((descriptors(), threads()), before);
    engine.close().expect("close");
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("/proc").count()
}

/// Threads of the library: those of the tests and of the watchdog come when they like.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc");
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let count = names.filter(|name| name.starts_with("mailcore") || name.starts_with("async-io")).count();
    assert!(count > 1, "an engine is open");
    count
}

#[test]
fn memory_stays_flat_under_bad_peers() {
    let _alone = alone();
    let folder = wire::scratch("memory");
    let engine = Engine::open(Config::new(folder.path())).expect("open");
    engine.set("login.allow_plaintext", Value::Number(1)).expect("setting");
    smol::block_on(engine.start()).expect("start");
    let listen = |service| smol::block_on(engine.listen(service, wire::LOOPBACK)).expect("listen").1;
    let (imap, mx, pop3) = (listen(Service::Imap), listen(Service::Mx), listen(Service::Pop3));
    let storm = || {
        for _ in 0..40 {
            let garbage = [vec![b'x'; 65_536], vec![b'('; 30_000], b"\r\n".to_vec()].concat();
            for (at, opening) in [(imap, "a LOGIN {65536+}\r\n"), (mx, "EHLO x\r\nBDAT 99999\r\n"), (pop3, "USER ")] {
                let mut wire = Wire::connect(at);
                wire.line().expect("greeting");
                wire.try_send(opening.as_bytes());
                wire.try_send(&garbage);
                wire.shut();
                while wire.line().is_some() {}
            }
        }
    };
    storm();
    let before = resident_kib();
    for _ in 0..5 {
        storm();
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more after 600 bad sessions");
    smol::block_on(engine.stop(Duration::from_secs(5))).expect("stop");
    engine.close().expect("close");
}

/// The test below, in a process of its own whose descriptors are few.
#[test]
fn callers_leave_descriptors_to_the_store() {
    let this = std::env::current_exe().expect("this program");
    let few = format!("ulimit -n {DESCRIPTORS} && exec \"$0\" --ignored --exact with_few_descriptors");
    let run = std::process::Command::new("sh").arg("-c").arg(few).arg(this).output().expect("sh");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}

/// With 200, callers get none of the last 50.
const DESCRIPTORS: usize = 200;

#[test]
#[ignore = "callers_leave_descriptors_to_the_store runs it"]
fn with_few_descriptors() {
    let folder = wire::scratch("descriptors");
    let engine = Engine::open(Config::new(folder.path())).expect("open");
    smol::block_on(engine.start()).expect("start");
    let (mut sessions, at) =
        (Vec::new(), smol::block_on(engine.listen(Service::Mx, wire::LOOPBACK)).expect("listen").1);
    let refusal = loop {
        let mut wire = Wire::connect(at);
        let greeting = wire.line().expect("a greeting or a reason");
        if greeting.starts_with("421") {
            break greeting;
        }
        sessions.push(wire);
        assert!(sessions.len() < DESCRIPTORS / 2, "each takes two here: its caller is in this process");
    };
    assert!(refusal.starts_with("421 4.3.2 "), "{refusal}");
    assert!(sessions.len() > 20, "{} sessions", sessions.len());
    // What needs files and descriptors goes on.
    let other = wire::scratch("descriptors-other");
    Engine::open(Config::new(other.path())).expect("descriptors for a whole engine are left").close().expect("close");
    // Where sessions end, others are served again.
    sessions.clear();
    loop {
        if Wire::connect(at).line().is_some_and(|greeting| greeting.starts_with("220")) {
            break;
        }
    }
    engine.close().expect("close");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
