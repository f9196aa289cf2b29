//! 300 mails of every shape go the whole road, engine to engine over real sockets, and come out as they went in.
//!
//! Submission (DATA and BDAT) -> queue -> MX by the host's own zone -> STARTTLS -> mailbox; then RETR and BODY[] are
//! compared octet for octet with what was submitted, the trace fields in front aside.

#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::wire;

use std::net::SocketAddr;
use std::time::Duration;

use mailcore::base::event::Event;
use mailcore::base::{Secret, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine, Interrupt};
use wire::Wire;

const PASSWORD: &str = "correct horse";
const MAILS: usize = 300;

#[test]
fn mails_of_every_shape_arrive_octet_for_octet() {
    let folder = wire::scratch("road");
    let net = engine(&folder.path().join("net"), "mx.example.net", 25);
    let mx = listen(&net, Service::Mx);
    let org = engine(&folder.path().join("org"), "mx.example.org", mx.port());
    org.dns_set(Some("example.net"), Some("MX"), Some("10 mx.example.net."), 3600).expect("zone");
    org.dns_set(Some("mx.example.net"), Some("A"), Some("127.0.0.1"), 3600).expect("zone");
    account(&org, "alice@example.org");
    account(&net, "bob@example.net");

    let mails: Vec<Vec<u8>> = (0..MAILS).map(mail).collect();
    let mut smtp = Wire::connect(listen(&org, Service::Submission));
    smtp.expect("220");
    smtp.say("EHLO laptop.example.org", "250");
    smtp.say(&format!("AUTH PLAIN {}", wire::plain("alice@example.org", PASSWORD)), "235");
    for (n, mail) in mails.iter().enumerate() {
        if is_binary(n) || n % 5 == 4 {
            let body = if is_binary(n) { "BINARYMIME" } else { "8BITMIME" };
            smtp.say(&format!("MAIL FROM:<alice@example.org> BODY={body}"), "250");
            smtp.say("RCPT TO:<bob@example.net>", "250");
            for (i, chunk) in mail.chunks(300_000).enumerate() {
                let last = if (i + 1) * 300_000 >= mail.len() { " LAST" } else { "" };
                smtp.send(format!("BDAT {}{last}\r\n", chunk.len()).as_bytes());
                smtp.send(chunk);
                smtp.expect("250");
            }
        } else {
            smtp.say("MAIL FROM:<alice@example.org> BODY=8BITMIME", "250");
            smtp.say("RCPT TO:<bob@example.net>", "250");
            smtp.say("DATA", "354");
            smtp.send(&wire::dotted(mail));
            smtp.expect("250");
        }
    }
    smtp.say("QUIT", "221");

    let mut filed = 0;
    while filed < MAILS {
        let next =
            net.wait(&Interrupt::default(), Some(Duration::from_secs(120)), async { Ok(net.events().next().await) });
        let event = next.expect("mail is still on its way").expect("events").event;
        filed += usize::from(matches!(event, Event::Filed { .. }));
    }
    compare(&mails, listen(&net, Service::Pop3), listen(&net, Service::Imap));
    for engine in [org, net] {
        smtp_free(engine);
    }
}

/// Each mail over POP3 and over IMAP against what was submitted.
fn compare(mails: &[Vec<u8>], pop3: SocketAddr, imap: SocketAddr) {
    let mut pop = Wire::connect(pop3);
    pop.expect("+OK");
    pop.say("USER bob@example.net", "+OK");
    pop.say(&format!("PASS {PASSWORD}"), "+OK");
    pop.say("STAT", &format!("+OK {} ", mails.len()));
    let mut imap = Wire::connect(imap);
    imap.expect("* OK");
    imap.tagged(&format!("a LOGIN bob@example.net \"{PASSWORD}\""));
    imap.tagged("b EXAMINE INBOX");
    let mut seen = vec![false; mails.len()];
    for number in 1..=mails.len() {
        pop.say(&format!("RETR {number}"), "+OK");
        let over_pop3 = pop.read_dotted();
        let over_imap = imap.literal(&format!("c FETCH {number} BODY.PEEK[]"));
        let n = index_of(&over_imap);
        let mail = mails.get(n).expect("a mail we sent");
        assert!(over_imap.ends_with(mail), "mail {n} changed on the way");
        let trace = &over_imap[..over_imap.len() - mail.len()];
        assert!(trace.starts_with(b"Return-Path: <alice@example.org>\r\n"), "{}", String::from_utf8_lossy(trace));
        // POP3 is made of lines: one that lacks its end gets it, and a bare CR or LF of a binary body is just an octet.
        let as_lines =
            if mail.ends_with(b"\r\n") { over_imap.clone() } else { [over_imap.as_slice(), b"\r\n"].concat() };
        assert!(is_binary(n) || over_pop3 == as_lines, "mail {n}: POP3 and IMAP differ");
        assert!(!std::mem::replace(&mut seen[n], true), "mail {n} came twice");
    }
    assert!(seen.iter().all(|s| *s));
}

/// Mail number `n`: a shape, and content that no other mail has.
fn mail(n: usize) -> Vec<u8> {
    let mut random = wire::Random::new(n as u64);
    let mut mail = format!(
        "From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: number {n}\r\n\
         Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{n}.road@example.org>\r\nX-Road: {n};\r\n"
    )
    .into_bytes();
    match n % 10 {
        0 => mail.extend_from_slice(b"\r\n"),
        1 => {
            mail.extend_from_slice(b"\r\n");
            lines(&mut mail, &mut random, 40, 72, b' '..=b'~');
        }
        2 => {
            mail.extend_from_slice(
                b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
            );
            lines(&mut mail, &mut random, 60, 70, 0xa0..=0xff);
        }
        3 => {
            mail.extend_from_slice(b"\r\n");
            lines(&mut mail, &mut random, 50, 998, b'!'..=b'~');
        }
        4 | 5 => multipart(&mut mail, &mut random, n % 4 + 1),
        6 => {
            mail.extend_from_slice(b"\r\n");
            for dots in 1..40 {
                mail.extend(std::iter::repeat_n(b'.', dots));
                mail.extend_from_slice(b"\r\n");
            }
        }
        7 => {
            mail.extend_from_slice(
                b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n",
            );
            mail.extend((0..20_000).map(|_| random.below(255) as u8 + 1));
        }
        8 => {
            mail.extend_from_slice("X-Folded: eins\r\n\tzwei\r\n  drei\r\nX-Latin: gr\u{fc}n\r\n\r\n".as_bytes());
            lines(&mut mail, &mut random, 2_000, 76, b'A'..=b'Z');
        }
        _ => {
            mail.extend_from_slice(b"\r\n\r\n\r\n  \r\n\t\r\n");
            lines(&mut mail, &mut random, 3, 998, b'a'..=b'z');
        }
    }
    if n == 151 {
        let target = 20 * 1024 * 1024;
        while mail.len() < target {
            lines(&mut mail, &mut random, 1_000, 76, b'0'..=b'z');
        }
    }
    mail
}

fn is_binary(n: usize) -> bool {
    n % 10 == 7
}

fn lines(
    mail: &mut Vec<u8>,
    random: &mut wire::Random,
    count: usize,
    octets: usize,
    from: std::ops::RangeInclusive<u8>,
) {
    let width = u64::from(from.end() - from.start()) + 1;
    for _ in 0..count {
        mail.extend((0..octets).map(|_| from.start() + random.below(width) as u8));
        mail.extend_from_slice(b"\r\n");
    }
}

fn multipart(mail: &mut Vec<u8>, random: &mut wire::Random, depth: usize) {
    let boundary = format!("=_{depth}_{}", random.below(1 << 30));
    mail.extend_from_slice(
        format!("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\npreamble\r\n")
            .as_bytes(),
    );
    for part in 0..3 {
        mail.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        if part == 1 && depth > 1 {
            multipart(mail, random, depth - 1);
        } else {
            mail.extend_from_slice(b"Content-Type: text/plain\r\n\r\n");
            lines(mail, random, 10, 60, b' '..=b'~');
        }
    }
    mail.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
}

/// Which mail this is, by its X-Road field.
fn index_of(mail: &[u8]) -> usize {
    let at = memchr::memmem::find(mail, b"X-Road: ").expect("X-Road") + 8;
    let digits: String = mail[at..].iter().take_while(|c| c.is_ascii_digit()).map(|c| *c as char).collect();
    digits.parse().expect("a number")
}

fn engine(folder: &std::path::Path, hostname: &str, remote_port: u16) -> Engine {
    let engine = Engine::open(Config::new(folder)).expect("open");
    for (key, value) in [
        ("hostname", hostname.to_owned()),
        ("login.allow_plaintext", "1".to_owned()),
        ("login.argon2_kib", "64".to_owned()),
        ("dns.host_only", "1".to_owned()),
        ("outbound.port", remote_port.to_string()),
    ] {
        engine.set(key, Value::Text(value)).expect(key);
    }
    smol::block_on(engine.start()).expect("start");
    engine
}

fn listen(engine: &Engine, service: Service) -> SocketAddr {
    smol::block_on(engine.listen(service, wire::LOOPBACK)).expect("listen").1
}

fn account(engine: &Engine, address: &str) {
    smol::block_on(engine.account_put(address, Some(&Secret::new(PASSWORD)))).expect("account");
}

fn smtp_free(engine: Engine) {
    smol::block_on(engine.stop(Duration::from_secs(5))).expect("stop");
    engine.close().expect("close");
}
