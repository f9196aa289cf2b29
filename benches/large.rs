//! What a mailbox of 400 000 messages costs those who use it, and those who do not.
//!
//! `cargo bench --bench large -- [--n MESSAGES] [--rounds R]`
//!
//! First: a mail filed into a mailbox that another session has selected, and what that session is told by NOOP, for a
//! mailbox of 10 messages and for one of `--n`, in turn. The large one shall cost at most twice the small one.
//! Second: an engine just opened, which knows nothing of the large mailbox, while one session files mail after mail and
//! another one selects the large mailbox. No commit shall take 20 ms longer for it; commits take what the disk takes, so
//! that the longest of as many commits just before stands beside it.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a program that measures")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mailcore::base::{Secret, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine};
use mailcore_tests::wire::{self, Wire};

const MAIL: &str = "From: a@example.org\r\nTo: u1@example.test\r\nSubject: one of many\r\n\r\nA line of text.\r\n";
/// Messages filed one by one; the rest are copies of them.
const SEED: usize = 1_000;
/// Commits in front of a cold SELECT.
const COMMITS_BEFORE: usize = 300;

fn main() {
    let (mut n, mut rounds) = (400_000, 60);
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    while let Some(flag) = args.next() {
        let value = args.next().unwrap_or_default().parse().expect("a number");
        match flag.as_str() {
            "--n" => n = value,
            "--rounds" => rounds = value,
            _ => panic!("unknown flag {flag}"),
        }
    }
    let folder = wire::scratch("bench-large");
    let (engine, at) = open(folder.path());
    fill(at, n);
    file_into_selected(at, n, rounds);
    engine.close().expect("close");
    for _ in 0..(rounds / 10).max(3) {
        select_cold(folder.path(), n);
    }
}

fn open(folder: &Path) -> (Engine, SocketAddr) {
    let engine = Engine::open(Config::new(folder)).expect("open");
    engine.set("login.allow_plaintext", Value::Number(1)).expect("login");
    engine.set("dns.host_only", Value::Number(1)).expect("dns");
    smol::block_on(async {
        engine.start().await.expect("start");
        engine.account_put("u1@example.test", Some(&Secret::new("pass"))).await.expect("account");
    });
    let at = smol::block_on(engine.listen(Service::Imap, wire::LOOPBACK)).expect("listen").1;
    (engine, at)
}

fn login(at: SocketAddr) -> Wire {
    let mut session = Wire::connect(at);
    session.expect("* OK");
    session.tagged("a LOGIN u1@example.test pass");
    session
}

fn append(session: &mut Wire, mailbox: &str) -> Duration {
    let began = Instant::now();
    session.tagged(&format!("a APPEND {mailbox} {{{}+}}\r\n{MAIL}", MAIL.len()));
    began.elapsed()
}

fn fill(at: SocketAddr, n: usize) {
    let mut session = login(at);
    for mailbox in ["Seed", "Small", "Large"] {
        session.tagged(&format!("a CREATE {mailbox}"));
    }
    for _ in 0..SEED {
        append(&mut session, "Seed");
    }
    for _ in 0..10 {
        append(&mut session, "Small");
    }
    session.tagged("a SELECT Seed");
    let mut filled = 0;
    while filled < n {
        let more = SEED.min(n - filled);
        session.tagged(&format!("a COPY 1:{more} Large"));
        filled += more;
    }
}

fn file_into_selected(at: SocketAddr, n: usize, rounds: usize) {
    let mut writer = login(at);
    let mut sides = ["Small", "Large"].map(|mailbox| {
        let mut watcher = login(at);
        watcher.tagged(&format!("a SELECT {mailbox}"));
        (mailbox, watcher, Vec::new(), Vec::new())
    });
    for _ in 0..rounds {
        for (mailbox, watcher, filing, telling) in &mut sides {
            filing.push(append(&mut writer, mailbox));
            let began = Instant::now();
            let told = watcher.tagged("a NOOP");
            telling.push(began.elapsed());
            assert!(told.iter().any(|line| line.ends_with("EXISTS")), "{told:?}");
        }
    }
    let [small, large] = sides.map(|(.., filing, telling)| (median(filing), median(telling)));
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    for (name, (filing, telling)) in [("10".to_owned(), small), (n.to_string(), large)] {
        println!(
            "a mail into a selected mailbox of {name:>7}: APPEND {:7.0} us, NOOP {:7.0} us",
            us(filing),
            us(telling)
        );
    }
    println!("the large one costs {:.2} times the small one", us(large.0 + large.1) / us(small.0 + small.1));
}

fn select_cold(folder: &Path, n: usize) {
    let (engine, at) = open(folder);
    let stop = Arc::new(AtomicBool::new(false));
    let (done, commits) = mpsc::channel();
    let writer = {
        let stop = stop.clone();
        thread::spawn(move || {
            let mut session = login(at);
            while !stop.load(Ordering::SeqCst) {
                let began = Instant::now();
                let took = append(&mut session, "Small");
                done.send((began, took)).expect("the reader of times");
            }
        })
    };
    let mut before: Vec<Duration> = (0..COMMITS_BEFORE).map(|_| commits.recv().expect("a commit").1).collect();
    let mut session = login(at);
    let began = Instant::now();
    session.tagged("a SELECT Large");
    let took = began.elapsed();
    stop.store(true, Ordering::SeqCst);
    writer.join().expect("the writer");
    let meanwhile: Vec<Duration> =
        commits.iter().filter(|(at, took)| *at + *took >= began).map(|(_, took)| took).collect();
    before.sort_unstable();
    let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e3);
    println!(
        "cold SELECT of {n}: {:6.1} ms; commits meanwhile {:4}, the longest {:6.2} ms (before: median {:.2}, the longest {:.2})",
        ms(Some(&took)),
        meanwhile.len(),
        ms(meanwhile.iter().max()),
        ms(before.get(before.len() / 2)),
        ms(before.last()),
    );
    engine.close().expect("close");
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
