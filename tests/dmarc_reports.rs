//! DMARC reports the whole way, over real sockets: mail that fails for a domain comes in at one engine's MX; when the
//! day is over that engine mails its report to the domain; the engine there files it and reads it to rows.

#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::wire;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mailcore::base::event::Event;
use mailcore::base::{Secret, Service, Timestamp};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine, Interrupt};
use mailcore::feedback::{Checked, Disposition, Reason};
use wire::Wire;

const PASSWORD: &str = "correct horse";
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// Noon of a day.
const NOON: i64 = 1_795_305_600 + 12 * HOUR as i64;

#[test]
fn a_day_s_mail_is_reported_and_read() {
    let folder = wire::scratch("dmarc-reports");
    // victim.example is what the forger claims to be; its engine reads reports.
    let victim =
        open(&folder.path().join("victim"), "mx.victim.example", &[("dmarc.report_address", "dmarc@victim.example")]);
    start(&victim);
    account(&victim, "dmarc@victim.example");
    let victim_mx = listen(&victim, Service::Mx);
    let port = victim_mx.port().to_string();
    let settings = [("dmarc.report_from", "reports@receiver.example"), ("outbound.port", port.as_str())];
    let receiver = open(&folder.path().join("receiver"), "mx.receiver.example", &settings);
    let zone = [
        ("_dmarc.victim.example", "TXT", "v=DMARC1; p=reject; sp=quarantine; rua=mailto:dmarc@victim.example!1m"),
        ("victim.example", "TXT", "v=spf1 -all"),
        ("victim.example", "MX", "10 mx.victim.example."),
        ("mx.victim.example", "A", "127.0.0.1"),
        // Asks that its reports go to somebody who did not ask for them.
        ("_dmarc.sly.example", "TXT", "v=DMARC1; p=none; rua=mailto:dmarc@victim.example"),
        // Asks for none.
        ("_dmarc.quiet.example", "TXT", "v=DMARC1; p=reject"),
    ];
    for (name, kind, data) in zone {
        receiver.dns_set(Some(name), Some(kind), Some(data), 3600).expect("zone");
    }
    receiver.clock_set(Timestamp::from_seconds(NOON)).expect("clock");
    start(&receiver);
    account(&receiver, "bob@receiver.example");
    let mut smtp = Wire::connect(listen(&receiver, Service::Mx));
    smtp.expect("220");
    smtp.say("EHLO forger.example", "250");
    deliver(&mut smtp, "ceo@victim.example", "550");
    deliver(&mut smtp, "boss@victim.example", "550");
    deliver(&mut smtp, "shop@mail.victim.example", "250");
    deliver(&mut smtp, "a@sly.example", "250");
    deliver(&mut smtp, "a@quiet.example", "550");
    smtp.say("QUIT", "221");

    assert!(smol::block_on(receiver.queue_list(mailcore::base::QueueId(0), 10)).expect("queue").is_empty());
    receiver.clock_advance(Duration::from_secs(DAY)).expect("clock");
    event(&receiver, |event| matches!(event, Event::Queued { to, .. } if *to == ["dmarc@victim.example"]));
    let filed = event(&victim, |event| matches!(event, Event::Filed { .. }));
    let Event::Filed { address, .. } = filed else { unreachable!() };
    assert_eq!(address, "dmarc@victim.example");
    check_letter(listen(&victim, Service::Pop3));
    check_rows(&victim);

    // A second day: nothing is reported twice.
    receiver.clock_advance(Duration::from_secs(2 * DAY)).expect("clock");
    let mx = listen(&receiver, Service::Mx);
    let mut smtp = Wire::connect(mx);
    smtp.expect("220");
    smtp.say("EHLO forger.example", "250");
    deliver(&mut smtp, "ceo@victim.example", "550");
    // What is not written yet is when the engine stops, what its last sessions bring included; the next reports it.
    smtp.say("MAIL FROM:<cfo@victim.example>", "250");
    smtp.say("RCPT TO:<bob@receiver.example>", "250");
    smtp.say("DATA", "354");
    std::thread::scope(|scope| {
        scope.spawn(|| smol::block_on(receiver.stop(Duration::from_secs(60))).expect("stop"));
        while std::net::TcpStream::connect(mx).is_ok() {}
        smtp.send(b"From: <cfo@victim.example>\r\nSubject: pay\r\n\r\nat once\r\n.\r\n");
        smtp.expect("550");
    });
    stop(receiver);
    let receiver = open(&folder.path().join("receiver"), "mx.receiver.example", &settings);
    for (name, kind, data) in zone {
        receiver.dns_set(Some(name), Some(kind), Some(data), 3600).expect("zone");
    }
    receiver.clock_set(Timestamp::from_seconds(NOON + 4 * DAY as i64)).expect("clock");
    start(&receiver);
    event(&victim, |event| matches!(event, Event::Filed { .. }));
    let reports = reports(&victim, 2);
    let begins: Vec<i64> = reports.iter().map(|info| (info.report.period.begin - NOON) / HOUR as i64).collect();
    assert_eq!(begins, [-12, 3 * 24 - 12]);
    assert_eq!(reports[1].messages, 2);
    for engine in [receiver, victim] {
        stop(engine);
    }
}

/// The letter as it stands in the mailbox.
fn check_letter(pop3: SocketAddr) {
    let mut pop = Wire::connect(pop3);
    pop.expect("+OK");
    pop.say("USER dmarc@victim.example", "+OK");
    pop.say(&format!("PASS {PASSWORD}"), "+OK");
    pop.say("STAT", "+OK 1 ");
    pop.say("RETR 1", "+OK");
    let letter = String::from_utf8(pop.read_dotted()).expect("ASCII");
    pop.say("QUIT", "+OK");
    assert!(letter.starts_with("Return-Path: <reports@receiver.example>\r\n"), "{letter}");
    let unfolded = letter.replace("\r\n ", " ");
    assert!(unfolded.contains("\r\nSubject: Report Domain: victim.example Submitter: receiver.example Report-ID: <"));
    assert!(unfolded.contains("\r\nFrom: reports@receiver.example\r\nTo: dmarc@victim.example\r\n"), "{unfolded}");
    let file = format!("mx.receiver.example!victim.example!{}!{}.xml.gz", NOON - 43_200, NOON + 43_199);
    assert!(unfolded.contains(&format!("filename=\"{file}\"")), "{unfolded}");
}

fn check_rows(victim: &Engine) {
    let reports = reports(victim, 1);
    let info = &reports[0];
    assert_eq!((info.messages, info.failed, info.row_count), (3, 3, 2));
    let report = &info.report;
    assert_eq!((report.organization.as_str(), report.email.as_str()), ("receiver.example", "reports@receiver.example"));
    assert_eq!((report.period.begin, report.period.end), (NOON - 43_200, NOON + 43_199));
    let published = &report.published;
    assert_eq!((published.domain.as_str(), published.policy), ("victim.example", Disposition::Reject));
    assert_eq!((published.subdomain_policy, published.percent), (Some(Disposition::Quarantine), Some(100)));
    let mut rows = smol::block_on(victim.dmarc_records(info.id, 0, 10)).expect("rows");
    rows.sort_by_key(|(_, row)| row.count);
    let said: Vec<String> = rows
        .iter()
        .map(|(_, row)| {
            assert!(row.source.is_loopback() && !row.dkim_aligned && !row.spf_aligned && row.dkim.is_empty());
            let (from, path, spf) = (&row.header_from, &row.envelope_from, Checked::list_text(&row.spf));
            let reasons = Reason::list_text(&row.reasons);
            format!("{} {} {from} {path} [{spf}] [{reasons}]", row.count, row.disposition.word())
        })
        .collect();
    assert_eq!(
        said,
        [
            "1 quarantine mail.victim.example mail.victim.example [none mail.victim.example mfrom] []",
            "2 reject victim.example victim.example [fail victim.example mfrom] []",
        ]
    );
}

/// All reports, once the next is read: that happens behind its filing.
fn reports(engine: &Engine, count: usize) -> Vec<mailcore::store::ReportInfo> {
    let read = event(engine, |event| matches!(event, Event::DmarcReport { .. }));
    let reports = smol::block_on(engine.dmarc_reports(0, 10)).expect("reports");
    assert_eq!(reports.len(), count);
    let Event::DmarcReport { id, domain, organization } = read else { unreachable!() };
    let last = &reports[count - 1];
    assert_eq!((id, &domain, &organization), (last.id, &last.report.published.domain, &last.report.organization));
    reports
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

fn deliver(smtp: &mut Wire, from: &str, reply: &str) {
    smtp.say(&format!("MAIL FROM:<{from}>"), "250");
    smtp.say("RCPT TO:<bob@receiver.example>", "250");
    smtp.say("DATA", "354");
    smtp.send(format!("From: <{from}>\r\nSubject: pay\r\n\r\nat once\r\n.\r\n").as_bytes());
    smtp.expect(reply);
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
