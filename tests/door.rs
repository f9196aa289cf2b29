//! The way in: domains that return mail for users that do not exist, closed domains, groups, the directory as one
//! document. A foreign client speaks to an engine whose DNS has only what the test says.

#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

#[macro_use]
extern crate mailcore_watchdog;

use std::net::SocketAddr;
use std::time::Duration;

use mailcore::base::event::Event;
use mailcore::base::limits::RETURNS_PER_HOUR_MAX;
use mailcore::base::{ErrorKind, Secret, Service};
use mailcore::engine::accounts::Apply;
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine, Interrupt};
use mailcore_tests::wire::{self, Wire};

const PASSWORD: &str = "correct horse";

/// example.net is ours, with bob and carol; so is example.com, with info.
struct TestEngine {
    engine: Engine,
    mx: SocketAddr,
    submission: SocketAddr,
    _folder: wire::Scratch,
}

impl TestEngine {
    fn new(name: &str, document: &str) -> TestEngine {
        let folder = wire::scratch(name);
        let engine = Engine::open(Config::new(folder.path())).unwrap();
        for (key, value) in [
            ("hostname", "mx.example.net"),
            ("login.allow_plaintext", "1"),
            ("login.argon2_kib", "64"),
            ("dns.host_only", "1"),
            ("outbound.port", "1"), // where nobody listens
        ] {
            engine.set(key, Value::Text(value.to_owned())).unwrap();
        }
        smol::block_on(engine.start()).unwrap();
        for address in ["bob@example.net", "carol@example.net", "info@example.com"] {
            smol::block_on(engine.account_put(address, Some(&Secret::new(PASSWORD)))).unwrap();
        }
        let mx = smol::block_on(engine.listen(Service::Mx, wire::LOOPBACK)).unwrap().1;
        let submission = smol::block_on(engine.listen(Service::Submission, wire::LOOPBACK)).unwrap().1;
        let engine = TestEngine { engine, mx, submission, _folder: folder };
        engine.apply(document);
        // far.example and ours let this client send, forged.example does not.
        for (domain, spf) in [
            ("far.example", "v=spf1 ip4:127.0.0.1 -all"),
            ("partner.example", "v=spf1 ip4:127.0.0.1 -all"),
            ("example.com", "v=spf1 ip4:127.0.0.1 -all"),
            ("example.net", "v=spf1 ip4:127.0.0.1 -all"),
            ("forged.example", "v=spf1 -all"),
        ] {
            engine.text(domain, spf);
        }
        for domain in ["far.example", "partner.example", "example.com", "forged.example"] {
            engine.text(&format!("_dmarc.{domain}"), "v=DMARC1; p=none");
        }
        engine
    }

    fn text(&self, name: &str, text: &str) {
        self.record(name, "TXT", &format!("\"{text}\""));
    }

    fn record(&self, name: &str, kind: &str, data: &str) {
        self.engine.dns_set(Some(name), Some(kind), Some(data), 60).unwrap();
    }

    fn apply(&self, document: &str) -> String {
        smol::block_on(self.engine.directory_apply(document, Apply::default())).unwrap()
    }

    /// What a foreign client is told when it is first refused, or after the dot.
    fn bring(&self, reverse_path: &str, from: &str, to: &[&str]) -> String {
        self.bring_with(reverse_path, &format!("From: {from}\r\nSubject: x\r\n"), to)
    }

    fn bring_with(&self, reverse_path: &str, header: &str, to: &[&str]) -> String {
        let mut smtp = Wire::connect(self.mx);
        smtp.expect("220");
        smtp.say("EHLO client.far.example", "250");
        talk(&mut smtp, reverse_path, header, to)
    }

    /// What an account is told.
    fn submit(&self, account: &str, to: &[&str]) -> String {
        let mut smtp = Wire::connect(self.submission);
        smtp.expect("220");
        smtp.say("EHLO laptop", "250");
        smtp.say(&format!("AUTH PLAIN {}", wire::plain(account, PASSWORD)), "235");
        talk(&mut smtp, account, &format!("From: {account}\r\nSubject: x\r\n"), to)
    }

    fn wait<T>(&self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let events = async { Ok(self.engine.events().next().await) };
            let next = self.engine.wait(&Interrupt::default(), Some(Duration::from_secs(60)), events);
            if let Some(found) = wanted(&next.expect("nothing happens").expect("events").event) {
                return found;
            }
        }
    }

    /// The message filed next: for whom, and its octets.
    fn filed(&self) -> (String, String) {
        let (address, mailbox, uid) = self.wait(|event| match event {
            Event::Filed { address, mailbox, uid, .. } => Some((address.clone(), *mailbox, *uid)),
            _ => None,
        });
        let octets = smol::block_on(async {
            let facts = self.engine.facts(mailbox, &[uid].into_iter().collect()).await.unwrap();
            self.engine.read(facts[0].blob, 0, facts[0].size as usize).await.unwrap()
        });
        (address, String::from_utf8(octets).unwrap())
    }

    fn warning(&self, wanted: &str) -> String {
        self.wait(|event| match event {
            Event::Warning { about, text } if *about == wanted => Some(text.clone()),
            Event::Filed { .. } | Event::Queued { .. } => panic!("{event:?}"),
            _ => None,
        })
    }
}

impl Drop for TestEngine {
    fn drop(&mut self) {
        smol::block_on(self.engine.stop(Duration::from_secs(5))).unwrap();
        self.engine.close().unwrap();
    }
}

fn talk(smtp: &mut Wire, reverse_path: &str, header: &str, to: &[&str]) -> String {
    smtp.say(&format!("MAIL FROM:<{reverse_path}>"), "250");
    for to in to {
        let reply = smtp.say(&format!("RCPT TO:<{to}>"), "");
        if !reply.starts_with("250") {
            return reply;
        }
    }
    smtp.say("DATA", "354");
    smtp.send(&wire::dotted(format!("{header}\r\nHello.\r\n").as_bytes()));
    let reply = smtp.expect("");
    smtp.say("QUIT", "221");
    format!("after the dot: {reply}")
}

fn count(mail: &str, name: &str) -> usize {
    mailcore::message::header::fields(mail.as_bytes()).filter(|field| field.is(name)).count()
}

#[test]
fn mail_for_users_that_do_not_exist_is_returned() {
    let engine = TestEngine::new("door-returned", r#"{"domains": {"example.net": {"unknown": "return"}}}"#);
    // Another domain refuses as ever, and so does a circle.
    let refused = engine.bring("a@far.example", "a@far.example", &["nobody@example.com"]);
    assert!(refused.starts_with("550 5.1.1 "), "{refused}");
    let taken = engine.bring("bob@example.net", "bob@example.net", &["nobody@example.net", "carol@example.net"]);
    assert!(taken.starts_with("after the dot: 250 2.0.0"), "{taken}");
    let (first, second) = (engine.filed(), engine.filed());
    assert_eq!((first.0.as_str(), second.0.as_str()), ("carol@example.net", "bob@example.net"));
    let report = second.1;
    assert!(report.starts_with("Return-Path: <>\r\n"), "{report}");
    for part in [
        "report-type=delivery-status",
        "Final-Recipient: rfc822; nobody@example.net",
        "Action: failed",
        "Status: 5.1.1",
        "Reporting-MTA: dns; mx.example.net",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(!report.contains("carol@example.net"), "{report}");
}

#[test]
fn no_report_goes_to_who_may_not_have_sent_it() {
    let engine = TestEngine::new("door-forged", r#"{"domains": {"example.net": {"unknown": "return"}}}"#);
    engine.text("soft.example", "v=spf1 ~all");
    for (reverse_path, from, why) in [
        ("", "a@far.example", "no reverse-path"),
        ("a@forged.example", "a@far.example", "forged"),
        ("a@soft.example", "a@soft.example", "forged"),
        // SPF passes for the reverse-path, DMARC fails for From.
        ("a@far.example", "a@forged.example", "forged"),
    ] {
        let taken = engine.bring(reverse_path, from, &["nobody@example.net"]);
        assert!(taken.starts_with("after the dot: 250 "), "{taken}");
        let text = engine.warning("unknown");
        assert!(text.contains(why) && text.contains("nobody@example.net"), "{text}");
    }
    for n in 0..=RETURNS_PER_HOUR_MAX {
        engine.bring("a@far.example", "a@far.example", &["nobody@example.net"]);
        match n < RETURNS_PER_HOUR_MAX {
            true => {
                let to = engine.wait(|event| match event {
                    Event::Queued { to, from, .. } => Some((to.clone(), from.clone())),
                    _ => None,
                });
                assert_eq!(to, (vec!["a@far.example".to_owned()], String::new()));
            }
            false => assert!(engine.wait(|event| match event {
                Event::Warning { about: "unknown", text } => Some(text.contains("too many reports")),
                Event::Queued { .. } => Some(false),
                _ => None,
            })),
        }
    }
    // A program hears at once.
    let e = smol::block_on(engine.engine.send("bob@example.net", &["nobody@example.net"], "Subject: x\r\n\r\n"));
    assert_eq!(e.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_closed_domain_tells_outsiders_so() {
    let engine = TestEngine::new(
        "door-closed",
        r#"{"domains": {"example.net": {"closed": {"text": "Staff only, call us", "senders": ["@partner.example"]}},
            "example.com": {}}}"#,
    );
    engine.text("_dmarc.example.net", "v=DMARC1; p=none");
    let at_once = "550 5.7.1 Staff only, call us";
    let later = "after the dot: 550 5.7.1 Staff only, call us";
    let taken = "after the dot: 250";
    for (reverse_path, from, to, wanted) in [
        ("a@far.example", "a@far.example", "bob@example.net", at_once),
        ("a@far.example", "bob@example.net", "bob@example.net", at_once),
        ("", "bob@example.net", "bob@example.net", at_once),
        ("a@far.example", "a@far.example", "nobody@example.net", at_once),
        ("a@far.example", "a@far.example", "bob+x@example.net", at_once),
        ("a@far.example", "a@far.example", "info@example.com", taken),
        // Everybody reaches the postmaster.
        ("a@far.example", "a@far.example", "postmaster@example.net", taken),
        // A name alone opens nothing: DMARC has to pass for From.
        ("carol@example.net", "a@far.example", "bob@example.net", later),
        ("carol@example.net", "a@forged.example", "bob@example.net", later),
        ("a@partner.example", "a@far.example", "bob@example.net", later),
        ("a@partner.example", "carol@example.net", "bob@example.net", later),
        ("a@partner.example", "a@sub.forged.example", "bob@example.net", later),
        ("a@partner.example", "a@partner.example", "bob@example.net", taken),
        ("carol@example.net", "carol@example.net", "bob@example.net", taken),
        ("info@example.com", "info@example.com", "bob@example.net", taken),
        // Of ours, but DMARC says nothing.
        ("bob@example.net", "\"bob@example.net\" <a@far.example>", "bob@example.net", later),
    ] {
        let told = engine.bring(reverse_path, from, &[to]);
        assert!(told.starts_with(wanted), "{reverse_path} {from} {to}: {told}");
    }
    // Two authors of which one is outside, a second From.
    let two = engine.bring_with(
        "a@partner.example",
        "From: a@partner.example\r\nFrom: b@far.example\r\n",
        &["bob@example.net"],
    );
    assert!(two.starts_with("after the dot: 55"), "{two}");
    let account = engine.submit("info@example.com", &["bob@example.net"]);
    assert!(account.starts_with(taken), "{account}");
    // A listed network.
    engine.apply(r#"{"domains": {"example.net": {"closed": {"networks": ["127.0.0.0/8"]}}}}"#);
    assert!(engine.bring("", "a@far.example", &["bob@example.net"]).starts_with(taken));
}

#[test]
fn separators_postmaster_and_abuse_are_the_domains_own() {
    let engine = TestEngine::new(
        "door-names",
        r#"{"domains": {"example.net": {"separators": "-=", "postmaster": "carol@example.net",
            "abuse": "bob@example.net"}}}"#,
    );
    for (to, whom) in [
        ("bob-x@example.net", "bob@example.net"),
        ("bob=x-y@example.net", "bob@example.net"),
        ("postmaster@example.net", "carol@example.net"),
        ("ABUSE@example.net", "bob@example.net"),
        ("info+x@example.com", "info@example.com"),
    ] {
        let told = engine.bring("a@far.example", "a@far.example", &[to]);
        assert!(told.starts_with("after the dot: 250"), "{to}: {told}");
        assert_eq!(engine.filed().0, whom, "{to}");
    }
    for to in ["bob+x@example.net", "abuse@example.com"] {
        let told = engine.bring("a@far.example", "a@far.example", &[to]);
        assert!(told.starts_with("550 5.1.1"), "{to}: {told}");
    }
}

#[test]
fn a_group_sends_a_copy_to_each_member_in_its_own_name() {
    let engine = TestEngine::new(
        "door-group",
        r#"{"groups": {"Staff@example.net": {"members": ["bob@example.net", "info@example.com"], "owner":
            "carol@example.net", "name": "All of us", "unsubscribe": ["mailto:leave@example.net",
            "https://example.net/leave"], "one_click": true}}}"#,
    );
    let old = "From: a@far.example\r\nList-Id: <old.far.example>\r\nList-Unsubscribe: <mailto:x@far.example>\r\n";
    let told = engine.bring_with("a@far.example", old, &["staff@example.net"]);
    assert!(told.starts_with("after the dot: 250"), "{told}");
    let mut whom = Vec::new();
    let mut mail = String::new();
    for _ in 0..2 {
        let (address, octets) = engine.filed();
        whom.push(address);
        mail = octets;
    }
    whom.sort();
    assert_eq!(whom, ["bob@example.net", "info@example.com"]);
    for line in [
        "Return-Path: <Staff-owner@example.net>\r\n",
        "Delivered-To: Staff@example.net\r\n",
        "List-Id: All of us\r\n\t<staff.example.net>\r\n",
        "List-Post: <mailto:Staff@example.net>\r\n",
        "List-Unsubscribe: <mailto:leave@example.net>,\r\n\t<https://example.net/leave>\r\n",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
    ] {
        assert!(mail.contains(line), "{line}: {mail}");
    }
    assert_eq!((count(&mail, "List-Id"), count(&mail, "List-Unsubscribe")), (1, 1));
    // What comes back goes to the owner.
    let told = engine.bring("", "MAILER-DAEMON@far.example", &["staff-owner@example.net"]);
    assert!(told.starts_with("after the dot: 250"), "{told}");
    assert_eq!(engine.filed().0, "carol@example.net");
    // A copy that comes back to the group is a loop.
    let told = engine.bring_with("a@far.example", &mail[..mail.find("\r\n\r\n").unwrap() + 2], &["staff@example.net"]);
    assert!(told.starts_with("after the dot: 554 5.4.6"), "{told}");
}

#[test]
fn groups_in_each_other_end() {
    let engine = TestEngine::new(
        "door-circle",
        r#"{"groups": {"a@example.net": {"members": ["b@example.net"], "owner": "carol@example.net"},
                       "b@example.net": {"members": ["a@example.net", "bob@example.net"], "owner": "info@example.com"}}}"#,
    );
    let told = engine.bring("x@far.example", "x@far.example", &["a@example.net"]);
    assert!(told.starts_with("after the dot: 250"), "{told}");
    let mut filed = [engine.filed(), engine.filed()];
    filed.sort();
    // bob has the message once; the owner of b hears that it went in a circle.
    assert_eq!((filed[0].0.as_str(), count(&filed[0].1, "Delivered-To")), ("bob@example.net", 2));
    assert_eq!(filed[1].0, "info@example.com");
    assert!(filed[1].1.contains("Status: 5.4.6"), "{}", filed[1].1);
}

#[test]
fn who_may_write_to_a_group_is_proved() {
    let engine = TestEngine::new(
        "door-writers",
        r#"{"groups": {
            "members@example.net": {"members": ["bob@example.net", "a@far.example"], "owner": "carol@example.net",
              "writers": "members", "senders": ["boss@partner.example"]},
            "listed@example.net": {"members": ["bob@example.net"], "owner": "carol@example.net", "writers": "listed",
              "senders": ["carol@example.net", "@partner.example"]},
            "program@example.net": {"members": ["bob@example.net"], "owner": "carol@example.net",
              "writers": "program"}},
           "aliases": {"crew@example.net": ["members@example.net"]}}"#,
    );
    let (no, yes) = ("after the dot: 550 5.7.1 You may not write to", "after the dot: 250");
    for (reverse_path, from, to, wanted) in [
        ("a@far.example", "a@far.example", "members@example.net", yes),
        ("a@far.example", "b@far.example", "members@example.net", no),
        // In the member's name, by a stranger.
        ("a@partner.example", "a@far.example", "members@example.net", no),
        ("a@far.example", "bob@example.net", "members@example.net", no),
        ("a@far.example", "\"a@far.example\" <b@forged.example>", "members@example.net", no),
        ("boss@partner.example", "Boss <boss@partner.example>", "members@example.net", yes),
        ("b@partner.example", "b@partner.example", "members@example.net", no),
        ("b@partner.example", "b@partner.example", "crew@example.net", no),
        ("a@far.example", "a@far.example", "crew@example.net", yes),
        ("b@partner.example", "b@partner.example", "listed@example.net", yes),
        ("a@far.example", "a@far.example", "listed@example.net", no),
        ("a@far.example", "a@far.example", "program@example.net", no),
    ] {
        let told = engine.bring(reverse_path, from, &[to]);
        assert!(told.starts_with(wanted), "{reverse_path} {from} {to}: {told}");
    }
    for (account, to, wanted) in [
        ("bob@example.net", "members@example.net", yes),
        ("carol@example.net", "members@example.net", no),
        ("carol@example.net", "listed@example.net", yes),
        ("bob@example.net", "listed@example.net", no),
        ("bob@example.net", "program@example.net", no),
    ] {
        let told = engine.submit(account, &[to]);
        assert!(told.starts_with(wanted), "{account} {to}: {told}");
    }
    // The program itself may.
    let message = "From: bob@example.net\r\nSubject: x\r\n\r\n";
    smol::block_on(engine.engine.send("bob@example.net", &["program@example.net"], message)).unwrap();
}

#[test]
fn a_document_changes_all_or_nothing() {
    let engine = TestEngine::new("door-document", "{}");
    let apply =
        |document: &str, dry, whole| smol::block_on(engine.engine.directory_apply(document, Apply { dry, whole }));
    let export = || smol::block_on(engine.engine.directory_export()).unwrap();
    let before: serde_json::Value = serde_json::from_str(&export()).unwrap();
    assert_eq!(before["accounts"].as_object().unwrap().len(), 3);
    let change = r#"{"domains": {"new.example": {"unknown": "return"}}, "accounts": {"dan@new.example":
        {"quota_octets": 1000}}, "aliases": {"@new.example": ["bob@example.net"]},
        "groups": {"g@new.example": {"members": [], "owner": "dan@new.example"}}}"#;
    let told = apply(change, true, false).unwrap();
    assert_eq!(told.matches("\"added\"").count(), 4, "{told}");
    assert_eq!(export(), before.to_string());
    let done = apply(change, false, false).unwrap();
    assert_eq!(done, told);
    let after: serde_json::Value = serde_json::from_str(&export()).unwrap();
    assert_eq!(after["version"], serde_json::from_str::<serde_json::Value>(&done).unwrap()["version"]);
    assert_eq!(smol::block_on(engine.engine.account("dan@new.example")).unwrap().quota_octets, Some(1000));
    // What is exported changes nothing.
    assert!(apply(&after.to_string(), false, true).unwrap().contains("\"changes\":[]"));
    for (document, kind) in [
        (before.to_string(), ErrorKind::State),
        (
            r#"{"aliases": {"x@new.example": ["bob@example.net"]}, "domains": {"new.example": null}}"#.into(),
            ErrorKind::State,
        ),
        (r#"{"groups": {"bob@example.net": {"members": [], "owner": "a@x.example"}}}"#.into(), ErrorKind::Exists),
        (r#"{"groups": {"g@other.example": {"members": [], "owner": "a@x.example"}}}"#.into(), ErrorKind::NotFound),
        (r#"{"domains": {"new.example": {"unknown": "drop"}}}"#.into(), ErrorKind::Invalid),
        (r#"{"people": {}}"#.into(), ErrorKind::Invalid),
    ] {
        assert_eq!(apply(&document, false, false).unwrap_err().kind(), kind, "{document}");
        assert_eq!(export(), after.to_string());
    }
    let gone =
        apply(r#"{"groups": {"g@new.example": null}, "aliases": {"@new.example": null}}"#, false, false).unwrap();
    assert_eq!(gone.matches("\"removed\"").count(), 2, "{gone}");
}

#[test]
fn what_is_sent_on_comes_back_to_its_sender() {
    let engine = TestEngine::new(
        "door-srs",
        r#"{"domains": {"example.net": {"srs": true}}, "aliases": {"out@example.net": ["x@elsewhere.example"],
            "out@example.com": ["y@elsewhere.example"]}}"#,
    );
    // A host that does not answer: what is queued for it stays, and no report comes between.
    engine.record("elsewhere.example", "MX", "10 mx.elsewhere.example");
    engine.record("mx.elsewhere.example", "A", "127.0.0.1");
    let queued = || {
        engine.wait(|event| match event {
            Event::Queued { from, to, .. } => Some((from.clone(), to.join(" "))),
            _ => None,
        })
    };
    engine.bring("a@far.example", "a@far.example", &["out@example.net", "out@example.com"]);
    let mut both = [queued(), queued()];
    both.sort();
    let [(rewritten, to), (as_it_was, other)] = &both;
    assert_eq!((as_it_was.as_str(), other.as_str()), ("a@far.example", "y@elsewhere.example"));
    assert!(rewritten.starts_with("SRS0=") && rewritten.ends_with("=far.example=a@example.net"), "{rewritten}");
    assert_eq!(to, "x@elsewhere.example");
    // What comes back goes to who sent it first; what was not made here goes nowhere.
    let told = engine.bring("", "MAILER-DAEMON@elsewhere.example", &[rewritten]);
    assert!(told.starts_with("after the dot: 250"), "{told}");
    assert_eq!(queued(), (String::new(), "a@far.example".to_owned()));
    let told = engine.bring("", "MAILER-DAEMON@elsewhere.example", &[&rewritten.replace("=a@", "=eve@")]);
    assert!(told.starts_with("550 5.1.1"), "{told}");
    // Senders of ours and the null one stay as they are.
    for path in ["bob@example.net", ""] {
        let told = engine.bring(path, "bob@example.net", &["out@example.net"]);
        assert!(told.starts_with("after the dot: 250"), "{told}");
        assert_eq!(queued().0, path);
    }
}
