//! Delivery status notifications: reports of other mail systems read; our own written, judged for legality, and read
//! back by our own reader and by an independent one (mail-parser).

#[macro_use]
extern crate mailcore_watchdog;

use mail_parser::{MessageParser, MimeHeaders, PartType};
use mailcore::base::envelope::{BodyKind, Returns};
use mailcore::base::{Address, Enhanced, Timestamp};
use mailcore::dsn::{Action, Letter, Original, RecipientReport, Report, Typed, Written, compose, parse};

fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/vectors/dsn/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().replace('\n', "\r\n").into_bytes()
}

fn failure(address: &str) -> RecipientReport {
    RecipientReport {
        original: None,
        recipient: Typed::address(&Address::parse(address).unwrap()),
        action: Action::Failed,
        status: Enhanced::new(5, 1, 1),
        remote_mta: Some(Typed::new("dns", "mx.example.net")),
        diagnostic: Some(Typed::new("smtp", "550 5.1.1 no such user here")),
        last_attempt: Some(Timestamp::from_civil(2026, 11, 22, 2, 0, 0)),
        will_retry_until: None,
    }
}

fn report(recipients: Vec<RecipientReport>) -> Report {
    Report {
        reporting_mta: "mail.example.org".to_owned(),
        envelope_id: Some("QQ314159".to_owned()),
        arrival: Some(Timestamp::from_civil(2026, 11, 22, 1, 42, 4)),
        recipients,
    }
}

fn write(report: &Report, to: &str, original: &[u8], complete: bool, returns: Option<Returns>) -> Written {
    let written = compose(&Letter {
        report,
        to: &Address::parse(to).unwrap(),
        date: Timestamp::from_civil(2026, 11, 22, 2, 0, 1),
        boundary: [0xB0; 16],
        message_id: [0x1D; 16],
        original: Original { octets: original, complete, returns },
    });
    legal(&written);
    written
}

/// What every report must be, whatever it is about.
fn legal(written: &Written) {
    let octets = &written.octets;
    assert!(octets.ends_with(b"\r\n"));
    for line in octets.strip_suffix(b"\r\n").unwrap().split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(line.len() <= 998, "line of {} octets", line.len());
        assert!(!line.contains(&b'\r') && !line.contains(&0));
    }
    assert_eq!(octets.iter().filter(|b| **b == b'\n').count(), octets.windows(2).filter(|w| w == b"\r\n").count());
    assert_eq!(octets.is_ascii(), written.body == BodyKind::SevenBit);
    let header = &octets[..octets.windows(4).position(|w| w == b"\r\n\r\n").unwrap()];
    assert!(header.is_ascii() || written.smtputf8);
}

/// Types of the three parts, and the third one's octets, as mail-parser sees them.
fn third_part(octets: &[u8]) -> (Vec<String>, Vec<u8>) {
    let message = MessageParser::default().parse(octets).unwrap();
    let kinds = message.parts.iter().skip(1).map(|part| {
        let kind = part.content_type().unwrap();
        format!("{}/{}", kind.ctype(), kind.subtype().unwrap())
    });
    let kinds: Vec<String> = kinds.collect();
    let third = match &message.parts[3].body {
        PartType::Message(inner) => inner.raw_message().to_vec(),
        other => match other {
            PartType::Text(text) => text.as_bytes().to_vec(),
            _ => message.parts[3].contents().to_vec(),
        },
    };
    (kinds, third)
}

#[test]
fn reads_reports_of_others() {
    let postfix = parse(&vector("postfix.eml")).unwrap();
    assert_eq!(postfix.reporting_mta, "mx.example.com");
    assert_eq!(postfix.arrival, Some(Timestamp::from_civil(2026, 3, 3, 9, 15, 29)));
    assert_eq!(
        postfix.recipients,
        [RecipientReport {
            original: Some(Typed::new("rfc822", "bob@example.net")),
            recipient: Typed::new("rfc822", "bob@example.net"),
            action: Action::Failed,
            status: Enhanced::new(5, 1, 1),
            remote_mta: Some(Typed::new("dns", "mail.example.net")),
            diagnostic: Some(Typed::new(
                "smtp",
                "550 5.1.1 <bob@example.net>: Recipient address    rejected: User unknown"
            )),
            last_attempt: None,
            will_retry_until: None,
        }]
    );
    let sendmail = parse(&vector("rfc3464-d1.eml")).unwrap();
    assert_eq!(sendmail.recipients[0].status, Enhanced::new(4, 0, 0));
    assert_eq!(sendmail.recipients[0].last_attempt, Some(Timestamp::from_civil(1994, 7, 7, 21, 15, 49)));
    let global = parse(&vector("global.eml")).unwrap();
    assert_eq!(global.recipients[0].original, Some(Typed::new("utf-8", "jürgen@example.net")));
    assert_eq!(global.recipients[0].action, Action::Failed);
}

#[test]
fn what_is_no_report_is_none() {
    let whole = vector("postfix.eml");
    assert_eq!(parse(b""), None);
    assert_eq!(parse(b"Subject: hi\r\n\r\nbody\r\n"), None);
    for (from, to) in [
        ("multipart/report", "multipart/mixed"),
        ("report-type=delivery-status", "report-type=disposition-notification"),
        ("message/delivery-status", "text/plain"),
        ("Action: failed", "Action: sulking"),
        ("Reporting-MTA:", "Reporting-Cat:"),
    ] {
        let text = String::from_utf8(whole.clone()).unwrap().replace(from, to);
        assert_eq!(parse(text.as_bytes()), None, "{to}");
    }
    // Cut anywhere, it is read or not, and never breaks.
    for end in 0..whole.len() {
        let _ = parse(&whole[..end]);
    }
}

#[test]
fn reports_come_back_as_they_were_written() {
    let mut delayed = failure("carol@example.com");
    delayed.action = Action::Delayed;
    delayed.status = Enhanced::new(4, 4, 1);
    delayed.will_retry_until = Some(Timestamp::from_civil(2026, 11, 27, 1, 42, 4));
    let mut relayed = failure("dave@example.com");
    relayed.action = Action::Relayed;
    relayed.status = Enhanced::new(2, 0, 0);
    relayed.diagnostic = None;
    relayed.remote_mta = None;
    relayed.original = Some(Typed::new("rfc822", "D.D@example.com"));
    let mut wordy = failure("\"a b\"@example.net");
    wordy.diagnostic = Some(Typed::new("smtp", format!("554 {} {}", "x".repeat(960), "many words ".repeat(60).trim())));
    let mut foreign = failure("jürgen@münchen.example");
    foreign.original = Some(Typed::new("utf-8", "jürgen@münchen.example"));
    foreign.diagnostic = Some(Typed::new("smtp", "550 5.1.1 unbekannt: jürgen"));
    for recipients in [
        vec![failure("bob@example.net")],
        vec![delayed.clone()],
        vec![relayed],
        vec![wordy],
        vec![foreign],
        vec![failure("a@example.net"), failure("b@example.net"), delayed],
    ] {
        let report = report(recipients);
        for to in ["alice@example.org", "älice@example.org"] {
            let written = write(&report, to, b"Subject: x\r\n\r\nbody\r\n", true, None);
            let read = parse(&written.octets).unwrap();
            // Fields longer than a line are cut into lines, which reading joins with a space.
            let joined = |r: &Report| format!("{r:?}").replace(' ', "");
            assert_eq!(joined(&read), joined(&report));
        }
    }
}

#[test]
fn a_person_can_read_it() {
    let original = b"Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@example.org>\r\n\r\nhello\r\n";
    let written = write(&report(vec![failure("bob@example.net")]), "alice@example.org", original, true, None);
    let message = MessageParser::default().parse(&written.octets).unwrap();
    assert_eq!(message.subject(), Some("Undelivered mail returned to sender"));
    assert_eq!(message.from().unwrap().first().unwrap().address(), Some("MAILER-DAEMON@mail.example.org"));
    assert_eq!(message.header_raw("Auto-Submitted").unwrap().trim(), "auto-replied");
    assert_eq!(message.in_reply_to().as_text(), Some("1@example.org"));
    let text = message.body_text(0).unwrap();
    for words in [
        "This is the mail system at mail.example.org.",
        "could not be delivered",
        "Subject: Grüße",
        "<bob@example.net>",
        "There is no such mailbox. (status 5.1.1)",
        "mx.example.net said: 550 5.1.1 no such user here",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
}

#[test]
fn the_original_comes_back_in_a_legal_form() {
    let seven = b"Subject: x\r\n\r\nbody\r\n".to_vec();
    let eight = b"Subject: x\r\n\r\nb\xC3\xB6dy\r\n".to_vec();
    let binary = b"Subject: x\r\n\r\nb\0dy\nbare\r\n".to_vec();
    let long = [b"Subject: x\r\n\r\n".to_vec(), vec![b'l'; 999], b"\r\n".to_vec()].concat();
    let global = "Subject: ö\r\n\r\nbody\r\n".as_bytes().to_vec();
    let (header, headers, text) = (b"Subject: x\r\n".to_vec(), Some(Returns::Headers), "text/rfc822-headers");
    let failed = report(vec![failure("bob@example.net")]);
    for (original, complete, returns, kind, third, body) in [
        (&seven, true, None, "message/rfc822", &seven, BodyKind::SevenBit),
        (&seven, true, Some(Returns::Full), "message/rfc822", &seven, BodyKind::SevenBit),
        (&seven, true, headers, text, &header, BodyKind::SevenBit),
        (&seven, false, Some(Returns::Full), text, &header, BodyKind::SevenBit),
        (&eight, true, None, "message/rfc822", &eight, BodyKind::EightBit),
        (&eight, true, headers, text, &header, BodyKind::SevenBit),
        (&binary, true, None, text, &header, BodyKind::SevenBit),
        (&long, true, None, text, &header, BodyKind::SevenBit),
        (&global, true, None, "message/global", &global, BodyKind::SevenBit),
    ] {
        let written = write(&failed, "alice@example.org", original, complete, returns);
        assert_eq!(written.body, body);
        let (kinds, returned) = third_part(&written.octets);
        assert_eq!(kinds[..3], ["text/plain", "message/delivery-status", kind]);
        assert_eq!(String::from_utf8_lossy(&returned).trim_end(), String::from_utf8_lossy(third).trim_end());
    }
    // A sender whose own address needs SMTPUTF8 gets UTF-8 as it is.
    let written = write(&failed, "älice@example.org", &global, true, None);
    assert!(written.smtputf8 && written.body == BodyKind::EightBit);
    // Only a failure brings the whole message.
    let mut delayed = failure("bob@example.net");
    delayed.action = Action::Delayed;
    let written = write(&report(vec![delayed]), "alice@example.org", &seven, true, Some(Returns::Full));
    assert_eq!(third_part(&written.octets).0[2], text);
}

#[test]
fn odd_headers_stay_inside_their_lines() {
    let mut evil = failure("bob@example.net");
    evil.diagnostic = Some(Typed::new("smtp", "550 no\r\nAction: delivered\r\n\r\n--x"));
    evil.original = Some(Typed::new("rfc822", "a\r\nStatus: 2.0.0"));
    let header = [b"Subject: ".to_vec(), vec![b's'; 3000], b"\nX: \0\rY: z\r\n\r\n".to_vec()].concat();
    let written = write(&report(vec![evil]), "alice@example.org", &header, false, None);
    let read = parse(&written.octets).unwrap();
    assert_eq!(read.recipients.len(), 1);
    assert_eq!((read.recipients[0].action, read.recipients[0].status), (Action::Failed, Enhanced::new(5, 1, 1)));
}

/// The sender reads the report in the language that the message says he reads.
#[test]
fn reports_are_in_the_sender_s_language() {
    for (language, subject, meaning, remedy) in [
        ("en", "Undelivered mail returned to sender", "There is no such mailbox.", "typing errors"),
        ("de-DE, en;q=0.3", "Nachricht nicht zustellbar", "Dieses Postfach gibt es nicht.", "Tippfehler"),
        ("fr", "Message non remis", "Cette boîte aux lettres n'existe pas.", "l'orthographe"),
        ("es", "Mensaje no entregado", "Este buzón no existe.", "bien escrita"),
        ("ja", "メールを配信できませんでした", "このメールボックスは存在しません。", "確認してください"),
    ] {
        let original = format!("Subject: x\r\nAccept-Language: {language}\r\n\r\nhello\r\n");
        let written = write(&report(vec![failure("bob@example.net")]), "a@b.example", original.as_bytes(), true, None);
        let message = MessageParser::default().parse(&written.octets).unwrap();
        assert_eq!(message.subject(), Some(subject));
        let text = message.body_text(0).unwrap();
        for words in [meaning, remedy, "(", "5.1.1", "550 5.1.1 no such user here"] {
            assert!(text.contains(words), "{words} in {text}");
        }
        assert_eq!(parse(&written.octets).unwrap().recipients.len(), 1);
    }
}
