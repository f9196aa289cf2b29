//! Who a message is from: every line of `vectors/from/fields.tsv` read by `message::author`, received by an engine with
//! the policies named there in its DNS, and submitted by one of its users.

#![allow(clippy::disallowed_methods, reason = "vectors are files")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::wire;

use std::net::SocketAddr;

use mailcore::base::{Secret, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine};
use mailcore::message::author::author;

use wire::Wire;

struct Vector {
    header: Vec<u8>,
    authors: String,
    received: String,
    submitted: String,
}

fn vectors() -> Vec<Vector> {
    let path = format!("{}/tests/vectors/from/fields.tsv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let vector = |line: &str| {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_else(|| panic!("four columns: {line}")).to_owned();
        Vector { header: unescaped(&next()), authors: next(), received: next(), submitted: next() }
    };
    text.lines().map(vector).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((c, behind)) = rest.split_first() {
        rest = behind;
        if *c != b'\\' {
            out.push(*c);
            continue;
        }
        let (escape, behind) = rest.split_first().expect("an escape");
        rest = behind;
        match escape {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'0' => out.push(0),
            b'x' => {
                let (hex, behind) = rest.split_at(2);
                rest = behind;
                out.push(u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap());
            }
            other => out.push(*other),
        }
    }
    out
}

#[test]
fn authors_are_certain_or_doubted() {
    let vectors = vectors();
    assert!(vectors.len() >= 80, "{} vectors", vectors.len());
    for vector in vectors {
        let header = [&vector.header[..], b"\r\nSubject: x\r\n\r\nFrom: in the body\r\n"].concat();
        let read = match author(&[&header]) {
            Ok(authors) => authors.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Err(doubt) => format!("?{doubt}"),
        };
        assert_eq!(read, vector.authors, "{}", String::from_utf8_lossy(&vector.header));
    }
}

/// An engine for example.org, and its folder.
fn engine() -> (Engine, wire::Scratch) {
    let folder = wire::scratch("from");
    let engine = Engine::open(Config::new(folder.path().join("store"))).unwrap();
    for (key, value) in [
        ("hostname", "mx.example.org"),
        ("login.argon2_kib", "8"),
        ("dns.host_only", "1"),
        ("login.allow_plaintext", "1"),
    ] {
        engine.set(key, Value::Text(value.to_owned())).unwrap();
    }
    for address in ["alice@example.org", "bob@example.org"] {
        smol::block_on(engine.account_put(address, Some(&Secret::new("secret")))).unwrap();
    }
    let txt = |name: &str, value: &str| engine.dns_set(Some(name), Some("TXT"), Some(value), 60).unwrap();
    for domain in ["evil.test", "bank.test", "example.org"] {
        txt(&format!("_dmarc.{domain}"), "v=DMARC1; p=reject");
    }
    txt("evil.test", "v=spf1 ip4:127.0.0.1 -all");
    smol::block_on(engine.start()).unwrap();
    (engine, folder)
}

fn session(at: SocketAddr) -> Wire {
    let mut wire = Wire::connect(at);
    wire.expect("220");
    wire.say("EHLO evil.test", "250");
    wire
}

/// The last reply to a message that begins with this header.
fn bring(wire: &mut Wire, from: &str, header: &[u8]) -> String {
    wire.say(&format!("MAIL FROM:<{from}>"), "250");
    wire.say("RCPT TO:<bob@example.org>", "250");
    wire.say("DATA", "354");
    wire.send(header);
    wire.send(b"\r\nSubject: x\r\n\r\nHello.\r\n");
    wire.say(".", "")
}

#[test]
fn reception_and_submission_judge_them() {
    let (engine, _folder) = engine();
    let at = |service| smol::block_on(engine.listen(service, wire::LOOPBACK)).unwrap().1;
    let (mx, submission) = (at(Service::Mx), at(Service::Submission));
    for vector in vectors().iter().filter(|vector| vector.received != "-") {
        let shown = String::from_utf8_lossy(&vector.header).into_owned();
        let reply = bring(&mut session(mx), "a@evil.test", &vector.header);
        let received = match &reply {
            reply if reply.starts_with("250") => "taken",
            reply if reply.contains("DMARC policy") => "dmarc",
            reply if reply.starts_with("550 5.7.1 From does not name the author for certain") => "doubt",
            _ => "other",
        };
        assert_eq!(received, vector.received, "{shown}: {reply}");
        let mut submission = session(submission);
        submission.say("AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlY3JldA==", "235");
        let reply = bring(&mut submission, "alice@example.org", &vector.header);
        let submitted = if reply.starts_with("250") { "taken" } else { "refused" };
        assert_eq!(submitted, vector.submitted, "{shown}: {reply}");
    }
    engine.close().unwrap();
}
