//! kill -9 of `examples/mailserver.c` under load, ten times: everything acknowledged is there afterwards, once.
//!
//! Four sessions submit mail for a mailbox here and for a host that cannot be reached; the server is killed in the
//! middle of their transactions, after a number of acknowledgements that differs from round to round. Then the store is
//! opened and asked: each message that got its 250 is in the mailbox exactly once, and in the queue exactly once.

#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test talks to the server as a foreign program would"
)]

mod wire;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use mailcore::base::QueueId;
use mailcore::base::uid_set::UidSet;
use mailcore::engine::{Config, Engine};

const ROUNDS: u64 = 10;
const SESSIONS: usize = 4;
const PASSWORD: &str = "correct horse";

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_a_kill() {
    let folder = wire::scratch("kill");
    let Some(binary) = build(folder.path()) else { return };
    let store = folder.path().join("store");
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let (mut server, submission) = start(&binary, &store);
        let (said, heard) = channel();
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|session| {
                let said = said.clone();
                std::thread::spawn(move || while_it_lives(submission, round, session, |id| said.send(id).is_ok()))
            })
            .collect();
        drop(said);
        let enough = 10 + wire::Random::new(round + 1).below(120) as usize;
        acknowledged.extend(take(&heard, enough));
        server.kill().expect("kill -9");
        server.wait().expect("gone");
        for session in sessions {
            session.join().expect("a client");
        }
        acknowledged.extend(heard.try_iter());
        check(&store, &acknowledged);
    }
    assert!(acknowledged.len() >= ROUNDS as usize * 10);
}

fn take(heard: &Receiver<String>, enough: usize) -> Vec<String> {
    let taken: Vec<String> = heard.iter().take(enough).collect();
    assert_eq!(taken.len(), enough, "the server died by itself");
    taken
}

/// Submits mail until the connection ends; `acknowledged` hears each Message-ID that got its 250.
fn while_it_lives(to: SocketAddr, round: u64, session: usize, acknowledged: impl Fn(String) -> bool) -> Option<()> {
    let mut stream = BufReader::new(TcpStream::connect(to).ok()?);
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
        say("RCPT TO:<carol@far.example>\r\n")?;
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
        let account = engine.account("alice@example.org").expect("account").id;
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
    engine.close().expect("close");
}

fn message_id(mail: &[u8]) -> String {
    let text = String::from_utf8_lossy(mail);
    let begin = text.find("Message-ID: <").expect("Message-ID") + 13;
    text[begin..].split('>').next().expect("its end").to_owned()
}

/// Starts the server; gives it with its submission port.
fn start(binary: &Path, store: &Path) -> (Child, SocketAddr) {
    let mut server = Command::new(binary)
        .args(["--hostname", "mail.example.org", "--domain", "example.org", "--allow-plaintext-login"])
        .args(["--account", &format!("alice@example.org:{PASSWORD}"), "--submission", "127.0.0.1:0"])
        // No DNS server answers there: mail for elsewhere stays queued.
        .args(["--dns", "127.0.0.1:9", "--set", "login.argon2_kib=64", "--store"])
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
    let compiled = Command::new("cc")
        .arg(root.join("examples/mailserver.c"))
        .arg(format!("-I{}", root.join("include").display()))
        .arg(format!("-L{}", folder.display()))
        .args(["-lmailcore", "-o"])
        .arg(&binary)
        .arg(format!("-Wl,-rpath,{}", folder.display()))
        .output();
    match compiled {
        Ok(done) => {
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            Some(binary)
        }
        Err(e) => {
            assert!(std::env::var_os("CI").is_none(), "no C compiler: {e}");
            println!("left out: kill -9 of mailserver, since there is no C compiler");
            None
        }
    }
}
