//! What a message looks like once it is taken: submitted by a user, by the host program, or brought by a stranger, and
//! filed here. One engine, real sessions, IMAP to look.

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::wire;

use mailcore::base::{Secret, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine};
use wire::Wire;

const FROM: &str = "From: alice@example.org\r\n";
const REST: &str = "Subject: x\r\nDate: Sat, 28 Nov 2026 00:00:00 +0000\r\nMessage-ID: <1@x.test>\r\n\r\nbody\r\n";

struct Office {
    engine: Engine,
    mx: std::net::SocketAddr,
    submission: std::net::SocketAddr,
    imap: std::net::SocketAddr,
    filed: u32,
    _folder: wire::Scratch,
}

impl Office {
    fn new() -> Office {
        let folder = wire::scratch("wire");
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
        smol::block_on(engine.start()).unwrap();
        let at = |service| smol::block_on(engine.listen(service, wire::LOOPBACK)).unwrap().1;
        let (mx, submission, imap) = (at(Service::Mx), at(Service::Submission), at(Service::Imap));
        Office { engine, mx, submission, imap, filed: 0, _folder: folder }
    }

    fn bring(&self, mut wire: Wire, from: &str, message: &str) -> String {
        wire.say(&format!("MAIL FROM:<{from}>"), "250");
        wire.say("RCPT TO:<bob@example.org>", "250");
        wire.say("DATA", "354");
        wire.send(message.as_bytes());
        wire.say(".", "")
    }

    fn session(at: std::net::SocketAddr) -> Wire {
        let mut wire = Wire::connect(at);
        wire.expect("220");
        wire.say("EHLO client.test", "250");
        wire
    }

    fn submit(&self, message: &str) -> String {
        let mut wire = Office::session(self.submission);
        wire.say(&format!("AUTH PLAIN {}", wire::plain("alice@example.org", "secret")), "235");
        self.bring(wire, "alice@example.org", message)
    }

    fn receive(&self, message: &str) -> String {
        self.bring(Office::session(self.mx), "a@far.test", message)
    }

    /// The next message that was filed for Bob.
    fn next(&mut self) -> String {
        self.filed += 1;
        let mut wire = Wire::connect(self.imap);
        wire.expect("* OK");
        wire.tagged("a LOGIN bob@example.org secret");
        wire.tagged("b SELECT INBOX");
        String::from_utf8(wire.literal(&format!("c FETCH {} BODY.PEEK[]", self.filed))).unwrap()
    }
}

/// Its header fields by name, unfolded.
fn header(message: &str) -> Vec<(String, String)> {
    let fields = mailcore::message::fields(message.as_bytes());
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    fields.map(|field| (text(field.name).to_lowercase(), text(&field.value()))).collect()
}

fn all(message: &str, name: &str) -> Vec<String> {
    header(message).into_iter().filter(|(n, _)| n == name).map(|(_, value)| value).collect()
}

#[test]
fn what_is_not_to_be_seen_does_not_leave() {
    let mut office = Office::new();
    for cut in [
        "Bcc: secret@far.test\r\n",
        "bCC :\r\n secret@far.test\r\n",
        "Resent-Bcc: secret@far.test\r\n",
        "Return-Path: <secret@far.test>\r\n",
        "Authentication-Results: mx.example.org; dkim=pass header.d=secret\r\n",
        "BIMI-Location: v=BIMI1; l=https://secret/\r\n",
    ] {
        let reply = office.submit(&format!("{FROM}{cut}{REST}"));
        assert!(reply.starts_with("250"), "{cut:?}: {reply}");
        let filed = office.next();
        assert!(!filed.contains("secret"), "{cut:?}: {filed}");
        assert_eq!(all(&filed, "return-path"), ["<alice@example.org>"]);
        assert!(filed.ends_with("\r\n\r\nbody\r\n"));
    }
}

#[test]
fn strangers_bring_one_return_path_and_no_line_that_is_no_field() {
    let mut office = Office::new();
    for top in [
        "Return-Path: <evil@far.test>\r\nReturn-path :\r\n <evil@far.test>\r\n",
        "From evil Sat Nov 28 00:00:00 2026\r\n",
        ">From evil Sat Nov 28 00:00:00 2026\r\n",
    ] {
        let reply = office.receive(&format!("{top}From: a@far.test\r\n{REST}"));
        assert!(reply.starts_with("250"), "{top:?}: {reply}");
        let filed = office.next();
        assert!(!filed.contains("evil"), "{top:?}: {filed}");
        assert_eq!(all(&filed, "return-path"), ["<a@far.test>"]);
        assert!(header(&filed).iter().all(|(name, _)| !name.is_empty()), "{filed}");
    }
}

#[test]
fn no_first_line_continues_a_field_of_ours() {
    let mut office = Office::new();
    for blank in [" <ceo@bank.test>\r\n", "\t, ceo@bank.test\r\n", " \r\n"] {
        let reply = office.submit(&format!("{blank}{FROM}{REST}"));
        assert!(reply.starts_with("250"), "{blank:?}: {reply}");
        let filed = office.next();
        assert_eq!(all(&filed, "from"), ["<alice@example.org>"], "{filed}");
        // What came is all body.
        assert!(filed.ends_with(&format!("\r\n\r\n{blank}{FROM}{REST}")), "{filed}");
        let reply = office.receive(&format!("{blank}From: a@far.test\r\n{REST}"));
        assert!(reply.starts_with("550 5.7.1"), "{blank:?}: {reply}");
    }
}

#[test]
fn lines_are_made_to_fit_or_refused() {
    let mut office = Office::new();
    let long = "long ".repeat(600);
    for (header, body) in [
        ("", format!("{long}\r\n")),
        ("", "a\0b\r\n".to_owned()),
        ("Content-Type: application/octet-stream\r\n", format!("{long}\r\n")),
    ] {
        let reply = office.submit(&format!("{FROM}{header}\r\n{body}"));
        assert!(reply.starts_with("250"), "{reply}");
        let filed = office.next();
        assert!(filed.split("\r\n").all(|line| line.len() <= 998) && !filed.contains('\0'), "{filed}");
        let read = mail_parser::MessageParser::default().parse(filed.as_bytes()).unwrap();
        let part = &read.parts[0];
        assert_eq!(String::from_utf8_lossy(part.contents()), body);
    }
    let references = format!("References: {}\r\n", "<a@b.test> ".repeat(200));
    assert!(office.submit(&format!("{FROM}{references}\r\nbody\r\n")).starts_with("250"));
    let filed = office.next();
    assert!(filed.split("\r\n").all(|line| line.len() <= 998));
    assert_eq!(all(&filed, "references"), ["<a@b.test> ".repeat(200).trim()]);
    for (message, refused) in [
        (format!("{FROM}X: {}\r\n\r\nbody\r\n", "x".repeat(1000)), "554 5.6.0"),
        (format!("{FROM}X: a\0b\r\n\r\nbody\r\n"), "554 5.6.0"),
        (format!("{FROM}Content-Transfer-Encoding: x-odd\r\n\r\n{long}\r\n"), "554 5.6.0"),
        (format!("{FROM}To: no address\r\n\r\nbody\r\n"), "554 5.6.0"),
        (format!("{FROM}{}\r\nbody\r\n", "X: padding padding padding\r\n".repeat(10_000)), "552 5.3.4"),
    ] {
        let reply = office.submit(&message);
        assert!(reply.starts_with(refused), "{reply}");
    }
}

#[test]
fn the_host_programs_line_ends_are_made_right() {
    let mut office = Office::new();
    let message = format!("{FROM}{REST}").replace("\r\n", "\n");
    smol::block_on(office.engine.send("alice@example.org", &["bob@example.org"], message)).unwrap();
    let filed = office.next();
    assert!(filed.ends_with(&format!("\r\n{FROM}{REST}")), "{filed}");
    assert!(!filed.replace("\r\n", "").contains('\n'));
    // A From that names nobody for certain does not leave either.
    let refused = smol::block_on(office.engine.send("alice@example.org", &["bob@example.org"], "From: a@b@c\n\nx\n"));
    assert_eq!(refused.unwrap_err().kind(), mailcore::base::ErrorKind::Policy);
}
