//! Reading and marking a large mailbox over IMAP: ours and (where given) other servers', in turn.
//!
//! `cargo bench --bench imap -- [--peer NAME=HOST:PORT,USER,PASSWORD]... [--n MESSAGES] [--rounds R]`
//!
//! Fills a mailbox `Bench` on each server with the same messages (APPEND, LITERAL+), then times FETCH of all FLAGS, of
//! all envelopes and of all bodies, STORE on all, a search through all bodies, and small commands one after the other.
//! Rounds alternate between the servers: read the ratios. Our STORE is synced before its OK; not every server's is.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a program that measures")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use mailcore::base::{Secret, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine};
use mailcore_tests::wire;

struct Target {
    name: String,
    at: SocketAddr,
    user: String,
    password: String,
    /// Milliseconds, by measure, one a round.
    times: Vec<Vec<f64>>,
    octets: Vec<u64>,
}

const MEASURES: [(&str, &str); 8] = [
    ("SELECT", "SELECT Bench"),
    ("FETCH FLAGS", "FETCH 1:* (FLAGS)"),
    ("FETCH ENVELOPE", "FETCH 1:* (UID FLAGS ENVELOPE)"),
    ("FETCH BODYSTRUCTURE", "FETCH 1:* (UID BODYSTRUCTURE)"),
    ("FETCH all bodies", "FETCH 1:* (BODY.PEEK[])"),
    ("STORE +FLAGS", "STORE 1:* +FLAGS (\\Flagged)"),
    ("STORE -FLAGS.SILENT", "STORE 1:* -FLAGS.SILENT (\\Flagged)"),
    ("SEARCH BODY, no hit", "SEARCH BODY \"no such words in here\""),
];

fn main() {
    let (mut n, mut rounds) = (20_000, 3);
    let mut targets = Vec::new();
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    while let Some(flag) = args.next() {
        let value = args.next().unwrap_or_default();
        match flag.as_str() {
            "--n" => n = value.parse().expect("a number"),
            "--rounds" => rounds = value.parse().expect("a number"),
            "--peer" => targets.push(peer(&value)),
            _ => panic!("unknown flag {flag}"),
        }
    }
    let folder = wire::scratch("bench-imap");
    let engine = engine(folder.path());
    let at = smol::block_on(engine.listen(Service::Imap, wire::LOOPBACK)).expect("listen").1;
    targets.insert(0, target("libmailcore", at, "u1@example.test", "pass"));
    for target in &targets {
        let began = Instant::now();
        fill(target, n);
        println!(
            "{:14} filled with {n} messages, one APPEND each: {:.1} s",
            target.name,
            began.elapsed().as_secs_f64()
        );
    }
    for _ in 0..rounds {
        for target in &mut targets {
            measure(target);
        }
    }
    report(&targets);
    engine.close().expect("close");
}

fn peer(text: &str) -> Target {
    let (name, rest) = text.split_once('=').expect("NAME=HOST:PORT,USER,PASSWORD");
    let mut parts = rest.splitn(3, ',');
    let mut part = || parts.next().expect("HOST:PORT,USER,PASSWORD");
    target(name, part().parse().expect("HOST:PORT"), part(), part())
}

fn target(name: &str, at: SocketAddr, user: &str, password: &str) -> Target {
    let (user, password) = (user.to_owned(), password.to_owned());
    Target {
        name: name.to_owned(),
        at,
        user,
        password,
        times: vec![Vec::new(); MEASURES.len() + 1],
        octets: vec![0; MEASURES.len()],
    }
}

/// Octets at the end of an answer among which its tagged line is looked for: longer than any such line.
const TAIL_OCTETS: usize = 4096;

/// A client that counts octets and looks for the tagged line only.
struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
    count: u32,
}

impl Reader {
    fn login(target: &Target) -> Reader {
        let stream = TcpStream::connect(target.at).expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        let mut reader = Reader { stream, buffer: vec![0; 1 << 20], count: 0 };
        let mut greeting = [0; 4096];
        let _ = reader.stream.read(&mut greeting).expect("greeting");
        reader.command(&format!("LOGIN {} {}", target.user, target.password));
        reader
    }

    /// Sends a command and reads to its tagged line; gives how many octets came.
    fn command(&mut self, command: &str) -> u64 {
        self.count += 1;
        let tag = format!("t{:06}", self.count);
        self.stream.write_all(format!("{tag} {command}\r\n").as_bytes()).expect("write");
        self.until(&tag, command)
    }

    fn until(&mut self, tag: &str, command: &str) -> u64 {
        let wanted = format!("{tag} OK");
        let mut tail: Vec<u8> = Vec::new();
        let mut octets = 0;
        loop {
            let n = self.stream.read(&mut self.buffer).expect("read");
            assert!(n > 0, "{command}: connection ended");
            octets += n as u64;
            let piece = &self.buffer[..n];
            tail.extend_from_slice(&piece[n.saturating_sub(TAIL_OCTETS)..]);
            let keep = tail.len().saturating_sub(2 * TAIL_OCTETS);
            tail.drain(..keep);
            if tail.ends_with(b"\r\n") {
                let text = String::from_utf8_lossy(&tail);
                if let Some(last) = text.trim_end().rsplit("\r\n").next().filter(|l| l.starts_with(tag)) {
                    assert!(last.starts_with(&wanted), "{command}: {last}");
                    return octets;
                }
            }
        }
    }
}

fn fill(target: &Target, n: usize) {
    let mut reader = Reader::login(target);
    reader.command("CREATE Bench");
    let mut random = wire::Random::new(99);
    for i in 0..n {
        let mail = mail(i, &mut random);
        reader.count += 1;
        let tag = format!("t{:06}", reader.count);
        let mut wire = format!("{tag} APPEND Bench {{{}+}}\r\n", mail.len()).into_bytes();
        wire.extend_from_slice(&mail);
        wire.extend_from_slice(b"\r\n");
        reader.stream.write_all(&wire).expect("write");
        reader.until(&tag, "APPEND");
    }
}

/// Mails as people have them: median about 2 KB, some ten times that, every seventh a multipart.
fn mail(i: usize, random: &mut wire::Random) -> Vec<u8> {
    let mut mail = format!(
        "Received: from a.example ([192.0.2.1]) by b.example; Sun, 22 Nov 2026 10:00:00 +0000\r\n\
         From: \"Person {i}\" <p{}@example.org>\r\nTo: u1@example.test, other{}@example.net\r\n\
         Subject: Message number {i} about things\r\nDate: Sun, 22 Nov 2026 10:{:02}:{:02} +0000\r\n\
         Message-ID: <{i}.{}@example.org>\r\nMIME-Version: 1.0\r\n",
        random.below(500),
        random.below(500),
        i / 60 % 60,
        i % 60,
        random.below(u64::MAX)
    );
    let lines = if random.below(10) == 0 { 250 } else { 10 + random.below(30) };
    let mut text = String::new();
    for _ in 0..lines {
        text.extend((0..12).map(|_| WORDS[random.below(WORDS.len() as u64) as usize]));
        text.push_str("\r\n");
    }
    match i % 7 {
        0 => mail.push_str(&format!(
            "Content-Type: multipart/alternative; boundary=\"b{i}\"\r\n\r\n--b{i}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
             {text}\r\n--b{i}\r\nContent-Type: text/html\r\n\r\n<p>{text}</p>\r\n--b{i}--\r\n"
        )),
        _ => mail.push_str(&format!("Content-Type: text/plain; charset=us-ascii\r\n\r\n{text}")),
    }
    mail.into_bytes()
}

const WORDS: [&str; 12] = [
    "mail ", "house ", "road ", "letter ", "box ", "engine ", "queue ", "world ", "clock ", "flag ", "seal ", "stamp ",
];

fn measure(target: &mut Target) {
    let mut reader = Reader::login(target);
    for (i, (_, command)) in MEASURES.iter().enumerate() {
        let began = Instant::now();
        target.octets[i] = reader.command(command);
        target.times[i].push(began.elapsed().as_secs_f64() * 1000.0);
    }
    let began = Instant::now();
    for n in 1..=2000 {
        reader.command(&format!("FETCH {n} (UID FLAGS)"));
    }
    target.times[MEASURES.len()].push(began.elapsed().as_secs_f64() * 1000.0);
}

fn report(targets: &[Target]) {
    let names = MEASURES.iter().map(|(name, _)| *name).chain(["2000 small FETCHes"]);
    for (i, name) in names.enumerate() {
        let ours = targets.first().map(|t| median(&t.times[i])).unwrap_or(0.0);
        for target in targets {
            let theirs = median(&target.times[i]);
            let mb = target.octets.get(i).copied().unwrap_or(0) as f64 / 1e6;
            println!(
                "{name:22} {:14} {theirs:9.2} ms  {mb:7.1} MB  libmailcore is {:.2} times as fast",
                target.name,
                theirs / ours
            );
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn engine(folder: &std::path::Path) -> Engine {
    let engine = Engine::open(Config::new(folder)).expect("open");
    engine.set("login.allow_plaintext", Value::Number(1)).expect("login");
    engine.set("dns.host_only", Value::Number(1)).expect("dns");
    smol::block_on(async {
        engine.start().await.expect("start");
        engine.account_put("u1@example.test", Some(&Secret::new("pass"))).await.expect("account");
    });
    engine
}
