//! The engine as programs in Rust see it: from the root of the crate and nothing else.

#![allow(clippy::disallowed_methods, reason = "a test runs a program and looks at files")]

#[macro_use]
extern crate mailcore_watchdog;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use mailcore::{Engine, ErrorKind, Service};

const MAIL: &str = "From: alice@example.com\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nHello Bob.\r\n";
const SOON: Duration = Duration::from_secs(20);

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

/// An engine with cheap passwords that asks no DNS server.
fn engine(name: &str) -> Engine {
    let engine = Engine::open(folder(name), "mx.example.org").expect("open");
    engine.set("login.argon2_kib", 8).expect("argon2");
    engine.set("dns.host_only", 1).expect("dns");
    engine
}

#[test]
fn a_mail_is_filed_read_and_told_of() {
    let engine = engine("facade-filed");
    engine.put_account("bob@example.org", Some("builder")).expect("account");
    engine.put_alias("info@example.org", "bob@example.org").expect("alias");
    engine.start().expect("start");
    assert_eq!(engine.send("alice@example.com", &["info@example.org"], MAIL).expect("send"), None);

    assert!(engine.mailboxes("bob@example.org").expect("mailboxes").contains(&"INBOX".to_owned()));
    let messages = engine.messages("bob@example.org", "INBOX").expect("messages");
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    let octets = engine.read(message).expect("read");
    assert_eq!((message.uid, message.size), (1, octets.len() as u64));
    assert!(String::from_utf8_lossy(&octets).ends_with("\r\n\r\nHello Bob.\r\n"));
    assert!(message.received > SystemTime::UNIX_EPOCH);

    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != "filed") {
        let event = engine.next_event(SOON).expect("event").expect("an event in time");
        assert!(event.json.starts_with(&format!("{{\"event\":\"{}\",\"seq\":{}", event.name, event.sequence)));
        names.push(event.name);
    }
    assert_eq!(names[0], "started");

    engine.delete_account("bob@example.org").expect("delete");
    let gone = engine.messages("bob@example.org", "INBOX").expect_err("no account");
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    engine.stop(Duration::ZERO).expect("stop");
    engine.close().expect("close");
}

#[test]
fn errors_say_what_and_why() {
    let engine = engine("facade-errors");
    let unknown = engine.set("outbound.prot", 25).expect_err("no such property");
    assert!(unknown.to_string().contains("outbound.port"), "{unknown}");
    let early = engine.send("", &["bob@example.org"], MAIL).expect_err("not started");
    assert_eq!((early.kind(), early.smtp_code()), (ErrorKind::State, None));
    engine.put_account("bob@example.org", None).expect("account");
    engine.start().expect("start");
    assert_eq!(engine.set("outbound.port", 25).expect_err("started").kind(), ErrorKind::State);
    let nobody = engine.send("", &["nobody@example.org"], MAIL).expect_err("no such recipient");
    assert_eq!((nobody.kind(), nobody.smtp_code()), (ErrorKind::NotFound, Some(550)));
    assert_eq!(engine.wait(99, SOON).expect_err("no such message").kind(), ErrorKind::NotFound);
    let again = Engine::open(folder("facade-errors-none"), "not a host").map(drop).expect_err("hostname");
    assert_eq!(again.kind(), ErrorKind::Invalid);
}

#[test]
fn two_engines_deliver_and_a_wait_can_be_interrupted() {
    let there = engine("facade-there");
    there.put_account("bob@example.org", None).expect("account");
    there.start().expect("start");
    let at = there.listen(Service::Mx, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("listen");
    let here = engine("facade-here");
    here.set("outbound.smart_host", format!("127.0.0.1:{}", at.port())).expect("smart host");
    here.start().expect("start");
    let id = here.send("alice@example.com", &["bob@example.org"], MAIL).expect("send").expect("queued");
    let delivered = here.wait(id, SOON).expect("wait");
    assert_eq!((delivered.len(), delivered[0].delivered, delivered[0].code), (1, true, Some(250)), "{delivered:?}");
    assert_eq!(there.messages("bob@example.org", "INBOX").expect("messages").len(), 1);

    std::thread::scope(|threads| {
        let waits = threads.spawn(|| {
            loop {
                if let Err(e) = there.next_event(SOON) {
                    return e.kind();
                }
            }
        });
        while !waits.is_finished() {
            there.interrupt();
            std::thread::yield_now();
        }
        assert_eq!(waits.join().expect("thread"), ErrorKind::Interrupted);
    });
}

#[test]
fn the_example_runs_and_is_short() {
    let store = folder("facade-example");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["run", "--quiet", "--example", "first_mail", "--"]).arg(&store);
    let out = cargo.output().expect("cargo");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains("Hello Bob.\r\nBob has the mail; his mail program finds it at 127.0.0.1:"), "{said}");
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/first_mail.rs"));
    let source = source.expect("examples/first_mail.rs");
    let code = source.lines().filter(|line| !line.is_empty() && !line.starts_with("//!") && !line.starts_with("#!"));
    assert!(code.count() <= 20, "the example is longer than 20 lines");
}
