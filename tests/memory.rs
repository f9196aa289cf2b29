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

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
