//! kill -9 of `examples/mailserver.c` under load, ten times: everything acknowledged is there afterwards, once.
//!
//! Four sessions submit mail for a mailbox here and for a host that cannot be reached; the server is killed in the
//! middle of their transactions, after a number of acknowledgements that differs from round to round. Then the store is
//! opened and asked: each message that got its 250 is in the mailbox exactly once, and in the queue exactly once.
//!
//! And five times while it delivers to another host: everything acknowledged arrives there, and no more of it twice than
//! was under way when the server was killed.

#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test talks to the server as a foreign program would"
)]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::tools;
use mailcore_tests::wire;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use mailcore::base::QueueId;
use mailcore::base::uid_set::UidSet;
use mailcore::engine::{Config, Engine};
use tools::tool;

const ROUNDS: u64 = 10;
const ROUNDS_OUT: u64 = 5;
const SESSIONS: usize = 4;
/// Connections to one destination at a time.
const CONNECTIONS: usize = 5;
/// When whatever was queued must have arrived.
const ARRIVES_WITHIN: Duration = Duration::from_secs(120);
const PASSWORD: &str = "correct horse";

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_a_kill() {
    let folder = wire::scratch("kill");
    let Some(binary) = build(folder.path()) else { return };
    let store = folder.path().join("store");
    // No DNS server answers there: mail for elsewhere stays queued.
    let start = || start(&binary, &store, &["--dns", "127.0.0.1:9"]);
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        acknowledged.extend(load_and_kill(start(), round, "carol@far.example"));
        check(&store, &acknowledged);
    }
    assert!(acknowledged.len() >= ROUNDS as usize * 10);
}

#[test]
fn what_was_under_way_to_another_host_arrives() {
    let folder = wire::scratch("kill-out");
    let Some(binary) = build(folder.path()) else { return };
    let store = folder.path().join("store");
    let (took, taken) = channel();
    let port = other_host(took).to_string();
    let connections = format!("outbound.connections_per_destination_max={CONNECTIONS}");
    let start = || start(&binary, &store, &["--remote-port", &port, "--retry", "1", "--set", &connections]);
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS_OUT {
        acknowledged.extend(load_and_kill(start(), round, "carol@[127.0.0.1]"));
    }
    let (mut server, _) = start();
    let mut missing: BTreeSet<String> = acknowledged.iter().cloned().collect();
    let (mut arrived, mut again) = (BTreeSet::new(), 0);
    let deadline = Instant::now() + ARRIVES_WITHIN;
    while !missing.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(id) = taken.recv_timeout(left) else { panic!("lost: {missing:?}") };
        missing.remove(&id);
        again += usize::from(!arrived.insert(id));
    }
    server.kill().expect("kill -9");
    server.wait().expect("gone");
    assert!(again <= ROUNDS_OUT as usize * CONNECTIONS, "{again} came twice");
}

/// Submits from all sessions at once, kills the server in the middle of it; what was acknowledged.
fn load_and_kill((mut server, submission): (Child, SocketAddr), round: u64, to: &'static str) -> Vec<String> {
    let (said, heard) = channel();
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|session| {
            let said = said.clone();
            std::thread::spawn(move || while_it_lives(submission, round, session, to, |id| said.send(id).is_ok()))
        })
        .collect();
    drop(said);
    let enough = 10 + wire::Random::new(round + 1).below(120) as usize;
    let mut acknowledged = take(&heard, enough);
    server.kill().expect("kill -9");
    server.wait().expect("gone");
    for session in sessions {
        session.join().expect("a client");
    }
    acknowledged.extend(heard.try_iter());
    acknowledged
}

/// A host that takes everything; `took` hears each Message-ID. Gives its port.
fn other_host(took: Sender<String>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // It ends with the process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let took = took.clone();
            std::thread::spawn(move || take_mail(stream, &took));
        }
    });
    port
}

/// One session, until the client is gone.
fn take_mail(stream: TcpStream, took: &Sender<String>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut reply = "220 other.example".to_owned();
    loop {
        stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).ok()?;
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|n| *n > 0)?;
        if !line.starts_with("DATA") {
            reply = "250 ok".to_owned();
            continue;
        }
        stream.get_mut().write_all(b"354 go on\r\n").ok()?;
        let mut mail = Vec::new();
        while !mail.ends_with(b"\r\n.\r\n") {
            stream.read_until(b'\n', &mut mail).ok().filter(|n| *n > 0)?;
        }
        took.send(message_id(&mail)).ok()?;
        reply = "250 taken".to_owned();
    }
}

fn take(heard: &Receiver<String>, enough: usize) -> Vec<String> {
    let taken: Vec<String> = heard.iter().take(enough).collect();
    assert_eq!(taken.len(), enough, "the server died by itself");
    taken
}

/// Submits mail until the connection ends; `acknowledged` hears each Message-ID that got its 250.
fn while_it_lives(
    at: SocketAddr,
    round: u64,
    session: usize,
    to: &str,
    acknowledged: impl Fn(String) -> bool,
) -> Option<()> {
    let mut stream = BufReader::new(TcpStream::connect(at).ok()?);
    let mut say = |octets: &str| -> Option<String> {
        if !octets.is_empty() {
            stream.get_mut().write_all(octets.as_bytes()).ok()?;
        }
        let mut line = String::new();
        loop {
            line.clear();
            stream.read_line(&mut line).ok().filter(|n| *n > 0)?;
            if line.as_bytes().get(3) != Some(&b'-') {
                return Some(line);
            }
        }
    };
    say("")?;
    say("EHLO load.example.org\r\n")?;
    say(&format!("AUTH PLAIN {}\r\n", wire::plain("alice@example.org", PASSWORD)))?;
    for n in 0.. {
        let id = format!("{round}.{session}.{n}@load.example.org");
        say("MAIL FROM:<alice@example.org>\r\n")?;
        say("RCPT TO:<alice@example.org>\r\n")?;
        say(&format!("RCPT TO:<{to}>\r\n"))?;
        say("DATA\r\n")?;
        let body = "0123456789abcdef\r\n".repeat(1 + (n * 37) % 900);
        let mail = format!(
            "From: alice@example.org\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{id}>\r\n\r\n{body}.\r\n"
        );
        let reply = say(&mail)?;
        assert!(reply.starts_with("250"), "{reply}");
        if !acknowledged(id) {
            return None;
        }
    }
    None
}

/// Opens what the kill left and counts.
fn check(store: &Path, acknowledged: &[String]) {
    let engine = Engine::open(Config::new(store)).expect("the store opens after a kill");
    let mut in_mailbox = BTreeMap::new();
    let mut in_queue = BTreeMap::new();
    smol::block_on(async {
        let account = engine.account("alice@example.org").await.expect("account").id;
        let inbox = engine.mailbox(account, "INBOX").await.expect("INBOX").id;
        for fact in engine.facts(inbox, &UidSet::all()).await.expect("facts") {
            let id = message_id(&engine.read(fact.blob, 0, 4096).await.expect("body"));
            *in_mailbox.entry(id).or_insert(0) += 1;
        }
        let mut after = QueueId(0);
        loop {
            let items = engine.queue_list(after, 500).await.expect("queue");
            let Some(last) = items.last() else { break };
            after = last.id;
            for item in items {
                let id = message_id(&engine.read(item.blob, 0, 4096).await.expect("body"));
                *in_queue.entry(id).or_insert(0) += 1;
            }
        }
    });
    for id in acknowledged {
        assert_eq!(in_mailbox.get(id), Some(&1), "{id} in the mailbox");
        assert_eq!(in_queue.get(id), Some(&1), "{id} in the queue");
    }
    assert!(in_mailbox.values().chain(in_queue.values()).all(|n| *n == 1), "something came twice");
    assert_eq!(in_mailbox.keys().collect::<Vec<_>>(), in_queue.keys().collect::<Vec<_>>(), "half a transaction");
    smol::block_on(agrees(&engine));
    engine.close().expect("close");
}

/// The parts of the store agree.
async fn agrees(engine: &Engine) {
    let mut check = engine.check().expect("nobody else checks");
    loop {
        let step = check.step().await.expect("a step of the check");
        assert_eq!(step.found, [""; 0], "after a kill");
        if step.over {
            return;
        }
    }
}

fn message_id(mail: &[u8]) -> String {
    let text = String::from_utf8_lossy(mail);
    let begin = text.find("Message-ID: <").expect("Message-ID") + 13;
    text[begin..].split('>').next().expect("its end").to_owned()
}

/// Starts the server; gives it with its submission port.
fn start(binary: &Path, store: &Path, more: &[&str]) -> (Child, SocketAddr) {
    let mut server = Command::new(binary)
        // cargo's own folders, where an older library may lie, stand in this variable.
        .env("LD_LIBRARY_PATH", binary.parent().expect("a folder"))
        .args(["--hostname", "mail.example.org", "--domain", "example.org", "--allow-plaintext-login"])
        .args(["--account", &format!("alice@example.org:{PASSWORD}"), "--submission", "127.0.0.1:0"])
        .args(more)
        .args(["--set", "login.argon2_kib=64", "--store"])
        .arg(store)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("mailserver starts");
    let mut out = BufReader::new(server.stdout.take().expect("stdout"));
    let mut ready = String::new();
    out.read_line(&mut ready).expect("the ready line");
    let at = ready.split("\"submission\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("its port");
    let submission = at.parse().expect("an address");
    // Its events are read so that the pipe never fills.
    std::thread::spawn(move || out.read_to_end(&mut Vec::new()));
    (server, submission)
}

/// Compiles the example against the library of this build.
fn build(folder: &Path) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    wire::link_library(folder);
    let binary = folder.join("mailserver");
    let compiled = Command::new(tool("cc", "kill -9 of mailserver")?)
        .arg(root.join("examples/mailserver.c"))
        .arg(format!("-I{}", root.join("include").display()))
        .arg(format!("-L{}", folder.display()))
        .args(["-lmailcore", "-o"])
        .arg(&binary)
        .arg(format!("-Wl,-rpath,{}", folder.display()))
        .output()
        .expect("cc");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    Some(binary)
}
