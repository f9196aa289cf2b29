//! Durable acceptance: messages a second through SMTP, ours and (where given) other servers', in turn.
//!
//! `cargo bench --bench smtp -- [--peer NAME=HOST:PORT,RECIPIENT]... [--n N] [--sessions S] [--octets O] [--rounds R]`
//!
//! Every message differs; each session pipelines MAIL, RCPT and DATA in one write, then the body. Rounds alternate
//! between the servers, so that a drift of the machine touches all of them: read the ratio, not the rates. Ours
//! runs in this process, its store in a scratch folder; a message is counted at its 250, which means synced.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a program that measures")]

use std::net::SocketAddr;
use std::time::Instant;

use mailcore::base::{Secret, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine};
use mailcore_tests::wire::{self, Wire};

struct Load {
    n: usize,
    sessions: usize,
    octets: usize,
    rounds: usize,
}

struct Target {
    name: String,
    at: SocketAddr,
    recipient: String,
    rates: Vec<f64>,
    latencies_us: Vec<u64>,
}

fn main() {
    let mut load = Load { n: 3000, sessions: 10, octets: 10 * 1024, rounds: 3 };
    let mut targets = Vec::new();
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    while let Some(flag) = args.next() {
        let value = args.next().unwrap_or_default();
        let number = || value.parse().unwrap_or_else(|_| panic!("{flag} {value:?}: a number is needed"));
        match flag.as_str() {
            "--n" => load.n = number(),
            "--sessions" => load.sessions = number(),
            "--octets" => load.octets = number(),
            "--rounds" => load.rounds = number(),
            "--peer" => targets.push(peer(&value)),
            _ => panic!("unknown flag {flag}"),
        }
    }
    let folder = wire::scratch("bench-smtp");
    let engine = engine(folder.path());
    let at = smol::block_on(engine.listen(Service::Mx, wire::LOOPBACK)).expect("listen").1;
    targets.insert(0, target("libmailcore", at, "u1@example.test"));
    for round in 0..load.rounds {
        for target in &mut targets {
            run(&load, round, target);
        }
    }
    report(&load, &mut targets);
    engine.close().expect("close");
}

fn peer(text: &str) -> Target {
    let (name, rest) = text.split_once('=').expect("NAME=HOST:PORT[,RECIPIENT]");
    let (at, recipient) = rest.split_once(',').unwrap_or((rest, "u1@example.test"));
    target(name, at.parse().expect("HOST:PORT"), recipient)
}

fn target(name: &str, at: SocketAddr, recipient: &str) -> Target {
    Target { name: name.to_owned(), at, recipient: recipient.to_owned(), rates: Vec::new(), latencies_us: Vec::new() }
}

fn run(load: &Load, round: usize, target: &mut Target) {
    let each = load.n / load.sessions;
    let began = Instant::now();
    let sessions: Vec<_> = (0..load.sessions)
        .map(|session| {
            let (at, recipient, octets) = (target.at, target.recipient.clone(), load.octets);
            let seed = (round * 1000 + session) as u64;
            std::thread::spawn(move || send(at, &recipient, octets, each, seed))
        })
        .collect();
    for session in sessions {
        target.latencies_us.extend(session.join().expect("a session"));
    }
    target.rates.push((each * load.sessions) as f64 / began.elapsed().as_secs_f64());
}

/// One session's messages; gives how long each took, in microseconds.
fn send(at: SocketAddr, recipient: &str, octets: usize, count: usize, seed: u64) -> Vec<u64> {
    let mut random = wire::Random::new(seed + 1);
    let mut filler = Vec::with_capacity(octets + 80);
    while filler.len() < octets {
        filler.extend((0..76).map(|_| b'a' + random.below(26) as u8));
        filler.extend_from_slice(b"\r\n");
    }
    let mut smtp = Wire::connect(at);
    smtp.expect("220");
    smtp.say("EHLO load.example.com", "250");
    let head = format!("MAIL FROM:<sender@example.com>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n");
    (0..count)
        .map(|n| {
            let began = Instant::now();
            smtp.send(head.as_bytes());
            for wanted in ["250", "250", "354"] {
                smtp.expect(wanted);
            }
            let id = format!("{seed}.{n}.{}", random.below(u64::MAX));
            let mut mail =
                format!("From: sender@example.com\r\nMessage-ID: <{id}@load>\r\nSubject: {id}\r\n\r\n").into_bytes();
            mail.extend_from_slice(&filler);
            mail.extend_from_slice(b".\r\n");
            smtp.send(&mail);
            smtp.expect("250");
            began.elapsed().as_micros() as u64
        })
        .collect()
}

fn report(load: &Load, targets: &mut [Target]) {
    println!("{} messages of {} octets, {} sessions, {} rounds", load.n, load.octets, load.sessions, load.rounds);
    let ours = targets.first().map(|t| t.rates.clone()).unwrap_or_default();
    for target in targets {
        target.latencies_us.sort_unstable();
        let at = |part: f64| {
            target.latencies_us.get((target.latencies_us.len() as f64 * part) as usize).copied().unwrap_or(0) as f64
                / 1000.0
        };
        let ratio = median(ours.iter().zip(&target.rates).map(|(a, b)| a / b).collect());
        println!(
            "{:14} {:8.0} msgs/s   p50 {:7.2} ms   p99 {:7.2} ms   libmailcore is {ratio:.2} times as fast",
            target.name,
            median(target.rates.clone()),
            at(0.5),
            at(0.99)
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn engine(folder: &std::path::Path) -> Engine {
    let engine = Engine::open(Config::new(folder)).expect("open");
    engine.set("hostname", Value::Text("mx.example.test".into())).expect("hostname");
    engine.set("dns.host_only", Value::Number(1)).expect("dns");
    smol::block_on(async {
        engine.start().await.expect("start");
        engine.account_put("u1@example.test", None::<&Secret>).await.expect("account");
    });
    // Nobody pulls events here: they are dropped once the queue is full, which costs what it costs a host.
    engine
}
