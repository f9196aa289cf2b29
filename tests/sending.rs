//! Outgoing mail as a whole, over real sockets: TLS reports from one engine to the other, bounces that come later and the
//! addresses that get no more mail, what to publish in DNS.

#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

#[macro_use]
extern crate mailcore_watchdog;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mailcore::base::event::{Event, RemoteReport};
use mailcore::base::{ErrorKind, Secret, Service, Timestamp};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine, Interrupt};
use mailcore_tests::wire::{self, Wire};

const PASSWORD: &str = "correct horse";
const DAY: u64 = 86_400;
/// Noon of a day.
const NOON: i64 = 1_795_305_600 + DAY as i64 / 2;
const ZONE: [(&str, &str, &str); 4] = [
    ("receiver.example", "MX", "10 mx.receiver.example."),
    ("mx.receiver.example", "A", "127.0.0.1"),
    ("_smtp._tls.receiver.example", "TXT", "v=TLSRPTv1; rua=mailto:tls@receiver.example"),
    ("sender.example", "MX", "10 mx.sender.example."),
];

#[test]
fn a_day_s_tls_is_reported_and_read() {
    let folder = wire::scratch("tls-reports");
    let receiver = open(
        &folder.path().join("receiver"),
        "mx.receiver.example",
        &[("tlsrpt.report_address", "tls@receiver.example")],
    );
    start(&receiver);
    account(&receiver, "tls@receiver.example");
    account(&receiver, "bob@receiver.example");
    let port = listen(&receiver, Service::Mx).port().to_string();
    let settings = [("tlsrpt.report_from", "reports@sender.example"), ("outbound.port", port.as_str())];
    let sender = open(&folder.path().join("sender"), "mx.sender.example", &settings);
    zone(&sender);
    sender.clock_set(Timestamp::from_seconds(NOON)).expect("clock");
    start(&sender);
    send(&sender, "bob@receiver.example", "m1@sender.example").expect("submit");
    event(&sender, |event| matches!(event, Event::Attempted { .. }));
    assert_eq!(sender.destination_counts("receiver.example"), (1, 0));
    sender.clock_advance(Duration::from_secs(DAY)).expect("clock");
    event(&sender, |event| matches!(event, Event::Queued { to, .. } if *to == ["tls@receiver.example"]));
    let read = event(&receiver, |event| matches!(event, Event::TlsReport { .. }));
    let Event::TlsReport { id, domain, organization } = read else { unreachable!() };
    assert_eq!((domain.as_str(), organization.as_str()), ("receiver.example", "sender.example"));
    let reports = smol::block_on(receiver.tls_reports(0, 10)).expect("reports");
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!((report.id, report.succeeded, report.failed), (id, 1, 0), "{report:?}");
    assert_eq!(report.begins, Timestamp::from_seconds(NOON - DAY as i64 / 2));
    assert!(report.report.contains("\"policy-type\":\"no-policy-found\""), "{}", report.report);
    stop(sender);
    stop(receiver);
}

#[test]
fn what_bounces_later_is_told_and_suppressed() {
    let folder = wire::scratch("bounces-later");
    let receiver = open(&folder.path().join("receiver"), "mx.receiver.example", &[]);
    start(&receiver);
    account(&receiver, "bob@receiver.example");
    let port = listen(&receiver, Service::Mx).port().to_string();
    let settings = [("bounces.read", "1"), ("suppress.failed", "1"), ("outbound.port", port.as_str())];
    let sender = open(&folder.path().join("sender"), "mx.sender.example", &settings);
    zone(&sender);
    start(&sender);
    account(&sender, "alice@sender.example");
    let mx = listen(&sender, Service::Mx);
    send(&sender, "bob@receiver.example", "m1@sender.example").expect("submit");
    let attempted = event(&sender, |event| matches!(event, Event::Attempted { .. }));
    let Event::Attempted { id, .. } = attempted else { unreachable!() };

    // One that names no message of ours, and one about somebody the message did not go to, suppress nobody.
    for (message_id, recipient, matched) in [
        ("other@sender.example", "bob@receiver.example", ""),
        ("m1@sender.example", "eve@receiver.example", "message_id"),
    ] {
        bounce(mx, recipient, message_id);
        let told = reported(&sender);
        assert_eq!((told.matched, told.recipient.as_str(), told.suppressed), (matched, recipient, false));
    }
    send(&sender, "bob@receiver.example", "m2@sender.example").expect("submit");
    bounce(mx, "bob@receiver.example", "m1@sender.example");
    let told = reported(&sender);
    assert_eq!((told.id, told.matched, told.kind, told.class), (Some(id), "message_id", "failed", "hard"));
    assert_eq!((told.rule, told.code, told.enhanced.as_str()), ("status-5.1.1", 550, "5.1.1"));
    assert!(told.suppressed);
    let refused = send(&sender, "bob@receiver.example", "m3@sender.example").expect_err("it is suppressed");
    assert_eq!((refused.kind(), refused.smtp().0), (ErrorKind::Policy, 550));
    let rows = smol::block_on(sender.suppressed((i64::MIN, String::new()), 9)).expect("rows");
    assert_eq!((rows[0].address.as_str(), rows[0].reason.as_str()), ("bob@receiver.example", "hard-bounce"));
    smol::block_on(sender.unsuppress(None, "bob@receiver.example")).expect("unsuppress");
    send(&sender, "bob@receiver.example", "m4@sender.example").expect("submit");
    stop(sender);
    stop(receiver);
}

/// What is queued when its recipient is suppressed is not sent; an account's own list holds for its own mail.
#[test]
fn suppressed_addresses_are_asked_at_submission_and_at_each_attempt() {
    let folder = wire::scratch("suppressed");
    let sender = open(&folder.path().join("sender"), "mx.sender.example", &[("outbound.port", "1")]);
    zone(&sender);
    start(&sender);
    account(&sender, "alice@sender.example");
    let alice = smol::block_on(sender.account("alice@sender.example")).expect("account").id;
    let submission = listen(&sender, Service::Submission);
    send(&sender, "bob@receiver.example", "m1@sender.example").expect("submit");
    event(&sender, |event| matches!(event, Event::Attempted { .. }));
    assert_eq!(sender.destination_counts("receiver.example"), (0, 1));
    smol::block_on(sender.suppress(Some(alice), "@receiver.example", "manual", "closed", None)).expect("suppress");
    let mut smtp = Wire::connect(submission);
    smtp.expect("220");
    smtp.say("EHLO client", "250");
    smtp.say(&format!("AUTH PLAIN {}", wire::plain("alice@sender.example", PASSWORD)), "235");
    smtp.say("MAIL FROM:<alice@sender.example>", "250");
    let reply = smtp.say("RCPT TO:<carol@receiver.example>", "550");
    assert!(reply.contains("5.7.1 Recipient is suppressed (manual: closed)"), "{reply}");
    smtp.say("QUIT", "221");
    // The program's own mail is not alice's.
    send(&sender, "carol@receiver.example", "m2@sender.example").expect("submit");
    smol::block_on(sender.suppress(None, "bob@receiver.example", "complaint", "", None)).expect("suppress");
    sender.clock_advance(Duration::from_secs(3_600)).expect("clock");
    let ended = event(
        &sender,
        |event| matches!(event, Event::Attempted { recipient, next: None, .. } if recipient == "bob@receiver.example"),
    );
    let Event::Attempted { enhanced, text, .. } = ended else { unreachable!() };
    assert_eq!((enhanced.as_str(), text.as_str()), ("5.7.1", "the address is suppressed (complaint): "));
    for (address, reason) in [("no address", "manual"), ("a@b.example", "Two words")] {
        let wrong = smol::block_on(sender.suppress(None, address, reason, "", None));
        assert_eq!(wrong.expect_err("it is wrong").kind(), ErrorKind::Invalid);
    }
    stop(sender);
}

#[test]
fn advice_compares_what_is_published() {
    let folder = wire::scratch("advice");
    let engine = open(&folder.path().join("engine"), "mx.receiver.example", &[]);
    zone(&engine);
    let set =
        |name: &str, kind: &str, data: &str| engine.dns_set(Some(name), Some(kind), Some(data), 60).expect("zone");
    let advice = || -> serde_json::Value {
        let told = smol::block_on(engine.dns_advice("Receiver.example")).expect("advice");
        serde_json::from_str(&told).expect("JSON")
    };
    let states = |advice: &serde_json::Value| -> Vec<String> {
        let records = advice["records"].as_array().expect("records");
        records
            .iter()
            .map(|one| format!("{} {}", one["what"].as_str().unwrap(), one["state"].as_str().unwrap()))
            .collect()
    };
    let before = advice();
    assert_eq!(
        states(&before),
        [
            "mx ok",
            "address ok",
            "ptr missing",
            "spf missing",
            "dkim missing",
            "dmarc missing",
            "mta-sts optional",
            "tls-rpt ok",
            "tlsa optional",
            "autoconfig optional"
        ]
    );
    assert_eq!((&before["domain"], &before["ok"]), (&"receiver.example".into(), &false.into()));
    let key = smol::block_on(engine.dkim_generate(
        "receiver.example",
        "s1",
        mailcore::engine::dkim::Algorithm::Ed25519Sha256,
    ));
    key.expect("key");
    let dkim = advice()["records"].as_array().unwrap().iter().find(|one| one["what"] == "dkim").unwrap().clone();
    assert_eq!((&dkim["name"], &dkim["state"]), (&"s1._domainkey.receiver.example".into(), &"missing".into()));
    set("s1._domainkey.receiver.example", "TXT", dkim["value"].as_str().unwrap());
    set("receiver.example", "TXT", "v=spf1 ip4:192.0.2.1 -all");
    set("_dmarc.receiver.example", "TXT", "v=DMARC1; p=reject");
    set("1.0.0.127.in-addr.arpa", "PTR", "mx.receiver.example.");
    set("_mta-sts.receiver.example", "TXT", "v=STSv1; id=1;");
    set("autoconfig.receiver.example", "A", "127.0.0.1");
    let after = states(&advice());
    let wanted =
        ["ptr ok", "spf wrong", "dkim ok", "dmarc ok", "mta-sts ok", "tls-rpt ok", "tlsa optional", "autoconfig ok"];
    assert_eq!(after[2..], wanted);
    engine.dns_set(Some("receiver.example"), Some("TXT"), None, 0).expect("zone");
    set("receiver.example", "TXT", "v=spf1 mx -all");
    let advice = advice();
    assert_eq!(advice["ok"], true, "{advice}");
    assert!(smol::block_on(engine.dns_advice("[192.0.2.1]")).is_err());
    engine.close().expect("close");
}

fn reported(engine: &Engine) -> RemoteReport {
    match event(engine, |event| matches!(event, Event::Reported(_))) {
        Event::Reported(report) => *report,
        _ => unreachable!(),
    }
}

/// A bounce that comes by SMTP.
fn bounce(mx: SocketAddr, recipient: &str, message_id: &str) {
    let mut smtp = Wire::connect(mx);
    smtp.expect("220");
    smtp.say("EHLO mx.inside.example", "250");
    smtp.say("MAIL FROM:<>", "250");
    smtp.say("RCPT TO:<alice@sender.example>", "250");
    smtp.say("DATA", "354");
    let mail = format!(
        "From: MAILER-DAEMON@mx.inside.example\r\nTo: alice@sender.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=B\r\n\r\n--B\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.inside.example\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--B\r\nContent-Type: text/rfc822-headers\r\n\r\n\
         Message-ID: <{message_id}>\r\n\r\n--B--\r\n.\r\n"
    );
    smtp.send(mail.as_bytes());
    smtp.expect("250");
    smtp.say("QUIT", "221");
}

fn send(engine: &Engine, to: &str, message_id: &str) -> mailcore::base::Result<()> {
    let from = "alice@sender.example";
    let mail = format!("From: {from}\r\nTo: {to}\r\nSubject: x\r\nMessage-ID: <{message_id}>\r\n\r\nhello\r\n");
    smol::block_on(engine.send(from, &[to], mail)).map(drop)
}

fn zone(engine: &Engine) {
    for (name, kind, data) in ZONE {
        engine.dns_set(Some(name), Some(kind), Some(data), 3600).expect("zone");
    }
}

fn event(engine: &Engine, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let next = engine
            .wait(&Interrupt::default(), Some(Duration::from_secs(60)), async { Ok(engine.events().next().await) })
            .expect("nothing happens")
            .expect("events")
            .event;
        if wanted(&next) {
            return next;
        }
    }
}

fn open(folder: &Path, hostname: &str, settings: &[(&str, &str)]) -> Engine {
    let engine = Engine::open(Config::new(folder)).expect("open");
    let own =
        [("hostname", hostname), ("login.allow_plaintext", "1"), ("login.argon2_kib", "64"), ("dns.host_only", "1")];
    for (key, value) in own.iter().chain(settings) {
        engine.set(key, Value::Text((*value).to_owned())).expect(key);
    }
    engine
}

fn start(engine: &Engine) {
    smol::block_on(engine.start()).expect("start");
}

fn listen(engine: &Engine, service: Service) -> SocketAddr {
    smol::block_on(engine.listen(service, wire::LOOPBACK)).expect("listen").1
}

fn account(engine: &Engine, address: &str) {
    smol::block_on(engine.account_put(address, Some(&Secret::new(PASSWORD)))).expect("account");
}

fn stop(engine: Engine) {
    smol::block_on(engine.stop(Duration::from_secs(5))).expect("stop");
    engine.close().expect("close");
}
