//! Mail between two engines that prove who wrote it: signed where it is submitted, checked where it arrives. Zones are
//! the hosts' own; what is looked at is what stands in the mailbox, and what the sender was told.

#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mailcore::base::event::{Event, Outcome};
use mailcore::base::limits::HEADER_OCTETS_MAX;
use mailcore::base::{ErrorKind, Secret, Service};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine, Interrupt};
use mailcore::mailauth::dkim::{Algorithm, ExternalKey, SigningKey, dns_record, generate};
use mailcore::mailauth::results::{ArcResult, ArcVerdict, AuthenticationResults, MethodResult};
use mailcore::store::DkimKeyState;
use wire::Wire;

const PASSWORD: &str = "correct horse";
const MAIL: &str = "From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: x\r\n\r\nHello.\r\n";

/// example.org sends, example.net receives.
struct Post {
    org: Engine,
    net: Engine,
    submission: SocketAddr,
    mx: SocketAddr,
    _folder: wire::Scratch,
}

impl Post {
    fn new(name: &str, net_settings: &[(&str, &str)]) -> Post {
        let folder = wire::scratch(name);
        let net = engine(&folder.path().join("net"), "mx.example.net", 25, net_settings);
        let mx = smol::block_on(net.listen(Service::Mx, wire::LOOPBACK)).unwrap().1;
        let org = engine(&folder.path().join("org"), "mx.example.org", mx.port(), &[]);
        let submission = smol::block_on(org.listen(Service::Submission, wire::LOOPBACK)).unwrap().1;
        for (engine, address) in [(&org, "alice@example.org"), (&org, "amy@example.org"), (&net, "bob@example.net")] {
            smol::block_on(engine.account_put(address, Some(&Secret::new(PASSWORD)))).unwrap();
        }
        let post = Post { org, net, submission, mx, _folder: folder };
        post.zone("example.net", "MX", "10 mx.example.net");
        post.zone("mx.example.net", "A", "127.0.0.1");
        post
    }

    /// A record in the zones of both.
    fn zone(&self, name: &str, kind: &str, rdata: &str) {
        for engine in [&self.org, &self.net] {
            let rdata = if kind == "TXT" { format!("\"{rdata}\"") } else { rdata.to_owned() };
            engine.dns_set(Some(name), Some(kind), Some(&rdata), 60).unwrap();
        }
    }

    /// What the host sends: what its first attempt came to.
    fn send(&self, mail: &str) -> (Outcome, String) {
        smol::block_on(self.org.send("alice@example.org", &["bob@example.net"], mail)).unwrap();
        let attempted = wait(&self.org, |event| match event {
            Event::Attempted { outcome, text, code, .. } => Some((*outcome, format!("{code} {text}"))),
            _ => None,
        });
        assert!(attempted.1.starts_with("250") == (attempted.0 == Outcome::Delivered), "{attempted:?}");
        attempted
    }

    /// The message filed next at example.net: its mailbox and its octets.
    fn filed(&self) -> (String, String) {
        filed(&self.net)
    }

    /// What a foreign client that says this is told after the dot, or when it is first refused.
    fn bring(&self, reverse_path: &str, mail: &str) -> String {
        let mut smtp = Wire::connect(self.mx);
        smtp.expect("220");
        smtp.say("EHLO client.far.example", "250");
        smtp.say(&format!("MAIL FROM:<{reverse_path}>"), "250");
        smtp.say("RCPT TO:<bob@example.net>", "250");
        smtp.say("DATA", "354");
        smtp.send(&wire::dotted(mail.as_bytes()));
        smtp.expect("")
    }

    /// What amy's or alice's program is told after the dot.
    fn submit(&self, account: &str, mail: &str) -> String {
        let mut smtp = Wire::connect(self.submission);
        smtp.expect("220");
        smtp.say("EHLO laptop", "250");
        smtp.say(&format!("AUTH PLAIN {}", wire::plain(account, PASSWORD)), "235");
        smtp.say(&format!("MAIL FROM:<{account}>"), "250");
        smtp.say("RCPT TO:<bob@example.net>", "250");
        smtp.say("DATA", "354");
        smtp.send(&wire::dotted(mail.as_bytes()));
        smtp.expect("")
    }

    /// A key that signs, its record in both zones.
    fn key(&self, selector: &str, algorithm: Algorithm) -> Secret {
        let pem = Secret::new(generate(algorithm).unwrap());
        let record = dns_record(&SigningKey::parse(pem.expose()).unwrap()).unwrap();
        self.zone(&format!("{selector}._domainkey.example.org"), "TXT", &record);
        smol::block_on(self.org.dkim_set("example.org", selector, &pem)).unwrap();
        pem
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        for engine in [&self.org, &self.net] {
            smol::block_on(engine.stop(Duration::from_secs(5))).unwrap();
            engine.close().unwrap();
        }
    }
}

fn engine(folder: &std::path::Path, hostname: &str, remote_port: u16, settings: &[(&str, &str)]) -> Engine {
    let engine = Engine::open(Config::new(folder)).unwrap();
    let port = remote_port.to_string();
    let usual = [
        ("hostname", hostname),
        ("login.allow_plaintext", "1"),
        ("login.argon2_kib", "64"),
        ("dns.host_only", "1"),
        ("outbound.port", &port),
    ];
    for (key, value) in usual.iter().chain(settings) {
        engine.set(key, Value::Text((*value).to_owned())).unwrap();
    }
    smol::block_on(engine.start()).unwrap();
    engine
}

/// Waits for an event.
fn wait<T>(engine: &Engine, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
    loop {
        let next = engine
            .wait(&Interrupt::default(), Some(Duration::from_secs(60)), async { Ok(engine.events().next().await) });
        if let Some(found) = wanted(&next.expect("nothing happens").expect("events").event) {
            return found;
        }
    }
}

fn filed(engine: &Engine) -> (String, String) {
    let (mailbox, name, uid) = wait(engine, |event| match event {
        Event::Filed { mailbox, mailbox_name, uid, .. } => Some((*mailbox, mailbox_name.clone(), *uid)),
        _ => None,
    });
    let octets = smol::block_on(async {
        let facts = engine.facts(mailbox, &[uid].into_iter().collect()).await.unwrap();
        engine.read(facts[0].blob, 0, facts[0].size as usize).await.unwrap()
    });
    (name, String::from_utf8(octets).unwrap())
}

/// The value of the first field of this name, unfolded.
fn field(mail: &str, name: &str) -> Option<String> {
    let found = mailcore::message::header::find(mail.as_bytes(), name)?;
    Some(String::from_utf8_lossy(&found.value()).replace('\t', " "))
}

fn count(mail: &str, name: &str) -> usize {
    mailcore::message::header::fields(mail.as_bytes()).filter(|field| field.is(name)).count()
}

#[test]
fn a_signature_proves_what_a_policy_wants() {
    let post = Post::new("auth-signed", &[]);
    post.zone("_dmarc.example.org", "TXT", "v=DMARC1; p=reject");
    let (outcome, text) = post.send(MAIL);
    assert_eq!(outcome, Outcome::Failed);
    assert!(text.contains("Not accepted by the DMARC policy of example.org (spf=none dkim=none"), "{text}");

    post.key("rsa", Algorithm::RsaSha256);
    assert_eq!(post.send(MAIL).0, Outcome::Delivered);
    let (_, mail) = post.filed();
    assert_eq!(count(&mail, "DKIM-Signature"), 1);
    assert!(field(&mail, "DKIM-Signature").unwrap().contains("d=example.org; s=rsa;"), "{mail}");
    // What was missing was added before it was signed.
    assert!(mail.contains("\r\nMessage-ID: <"), "{mail}");

    // Another algorithm signs beside it; another key of the same one in its place.
    post.key("ed", Algorithm::Ed25519Sha256);
    post.key("rsa2", Algorithm::RsaSha256);
    assert_eq!(post.send(MAIL).0, Outcome::Delivered);
    let (_, mail) = post.filed();
    let signatures = mailcore::message::header::fields(mail.as_bytes()).filter(|f| f.is("DKIM-Signature"));
    let mut selectors: Vec<bool> = signatures.map(|f| String::from_utf8_lossy(f.body).contains("s=ed;")).collect();
    selectors.sort_unstable();
    assert_eq!(selectors, [false, true]);
    assert!(mail.contains("s=rsa2;") && !mail.contains("s=rsa;"), "{mail}");

    // A name below the domain is signed by the same keys; another domain's is not signed.
    assert_eq!(post.send(&MAIL.replace("alice@example.org", "alice@sub.example.org")).0, Outcome::Delivered);
    assert_eq!(count(&post.filed().1, "DKIM-Signature"), 2);
    assert_eq!(post.send(&MAIL.replace("alice@example.org", "alice@example.com")).0, Outcome::Delivered);
    assert_eq!(count(&post.filed().1, "DKIM-Signature"), 0);
}

#[test]
fn accounts_write_in_their_own_name() {
    let post = Post::new("auth-from", &[]);
    post.key("rsa", Algorithm::RsaSha256);
    for (account, from, wanted) in [
        ("alice@example.org", "Alice <alice@example.org>", "250"),
        ("alice@example.org", "Alice <Alice+list@EXAMPLE.org>", "250"),
        ("amy@example.org", "Alice <alice@example.org>", "550 5.7.1"),
        ("alice@example.org", "alice@example.org, amy@example.org", "550 5.7.1"),
        ("alice@example.org", "boss@example.com", "550 5.7.1"),
        ("alice@example.org", "\"alice@example.org\" <amy@example.org>", "550 5.7.1"),
    ] {
        let reply = post.submit(account, &MAIL.replace("Alice <alice@example.org>", from));
        assert!(reply.starts_with(wanted), "{from}: {reply}");
    }
    // Both From fields count.
    let reply = post.submit("alice@example.org", &format!("From: amy@example.org\r\n{MAIL}"));
    assert!(reply.starts_with("550 5.7.1"), "{reply}");
    assert_eq!(count(&post.filed().1, "DKIM-Signature"), 1);
}

#[test]
fn large_mail_is_signed_and_checked_from_its_file() {
    let post = Post::new("auth-large", &[]);
    post.zone("_dmarc.example.org", "TXT", "v=DMARC1; p=reject");
    post.key("rsa", Algorithm::RsaSha256);
    let line = "What is said  here is said again. \t\r\n";
    let mail = format!("{MAIL}{}", line.repeat(20 * 1024 * 1024 / line.len()));
    assert_eq!(post.send(&mail).0, Outcome::Delivered);
    assert_eq!(post.filed().0, "INBOX");
}

#[test]
fn a_new_key_signs_once_its_record_is_seen() {
    let post = Post::new("auth-rotation", &[]);
    post.org.clock_advance(Duration::ZERO).unwrap();
    post.key("old", Algorithm::RsaSha256);
    let record = smol::block_on(post.org.dkim_generate("example.org", "new", Algorithm::RsaSha256)).unwrap();
    assert!(record.starts_with("v=DKIM1; k=rsa; p="), "{record}");
    let again = smol::block_on(post.org.dkim_generate("example.org", "new", Algorithm::RsaSha256));
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Exists);
    let states = || {
        let keys = smol::block_on(post.org.dkim_keys()).unwrap();
        keys.into_iter().map(|key| (key.selector, key.state)).collect::<Vec<_>>()
    };
    let until = |wanted: [DkimKeyState; 2], step: Duration| {
        while states().iter().map(|(_, state)| *state).ne(wanted) {
            std::thread::yield_now();
            post.org.clock_advance(step).unwrap();
        }
    };
    assert_eq!(states(), [("new".to_owned(), DkimKeyState::Pending), ("old".to_owned(), DkimKeyState::Active)]);
    post.send(MAIL);
    assert!(field(&post.filed().1, "DKIM-Signature").unwrap().contains("s=old;"));

    post.zone("new._domainkey.example.org", "TXT", &record);
    until([DkimKeyState::Active, DkimKeyState::Published], Duration::from_secs(60));
    post.send(MAIL);
    assert!(field(&post.filed().1, "DKIM-Signature").unwrap().contains("s=new;"));
    until([DkimKeyState::Active, DkimKeyState::Retired], Duration::from_secs(86_400));
    let back = smol::block_on(post.org.dkim_activate("example.org", "old"));
    assert_eq!(back.unwrap_err().kind(), ErrorKind::State);

    // Nobody has to wait for DNS.
    smol::block_on(post.org.dkim_generate("example.org", "third", Algorithm::Ed25519Sha256)).unwrap();
    smol::block_on(post.org.dkim_activate("example.org", "third")).unwrap();
    smol::block_on(post.org.dkim_remove("example.org", "old")).unwrap();
    let gone = smol::block_on(post.org.dkim_remove("example.org", "old"));
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
    let wanted = [("new".to_owned(), DkimKeyState::Active), ("third".to_owned(), DkimKeyState::Active)];
    assert_eq!(states(), wanted);
}

/// A key in another place, which is a key all the same.
struct Vault(SigningKey, bool);

impl ExternalKey for Vault {
    fn sign(&self, digest: &[u8; 32]) -> mailcore::base::Result<Vec<u8>> {
        if self.1 { self.0.sign_digest(digest) } else { Err(mailcore::base::Error::new(ErrorKind::Busy, "locked")) }
    }
}

#[test]
fn the_host_signs_with_a_key_of_its_own() {
    let post = Post::new("auth-vault", &[]);
    post.zone("_dmarc.example.org", "TXT", "v=DMARC1; p=reject");
    for (selector, algorithm) in [("hsm", Algorithm::RsaSha256), ("tpm", Algorithm::Ed25519Sha256)] {
        let key = SigningKey::parse(&generate(algorithm).unwrap()).unwrap();
        post.zone(&format!("{selector}._domainkey.example.org"), "TXT", &dns_record(&key).unwrap());
        let vault = Arc::new(Vault(key, true));
        smol::block_on(post.org.dkim_external("example.org", selector, algorithm, vault)).unwrap();
        assert_eq!(post.send(MAIL).0, Outcome::Delivered, "{selector}");
        post.filed();
        smol::block_on(post.org.dkim_remove("example.org", selector)).unwrap();
    }
    // One that does not sign keeps mail back, with its author.
    let key = SigningKey::parse(&generate(Algorithm::Ed25519Sha256).unwrap()).unwrap();
    let vault = Arc::new(Vault(key, false));
    smol::block_on(post.org.dkim_external("example.org", "hsm", Algorithm::Ed25519Sha256, vault)).unwrap();
    let reply = post.submit("alice@example.org", MAIL);
    assert!(reply.starts_with("451 "), "{reply}");
}

#[test]
fn policies_of_strangers_are_obeyed() {
    let post = Post::new("auth-policies", &[]);
    post.zone("_dmarc.reject.example", "TXT", "v=DMARC1; p=reject");
    post.zone("_dmarc.junk.example", "TXT", "v=DMARC1; p=quarantine");
    post.zone("_dmarc.watch.example", "TXT", "v=DMARC1; p=none");
    post.zone("good.reject.example", "TXT", "v=spf1 ip4:127.0.0.1 -all");
    post.zone("bad.reject.example", "TXT", "v=spf1 -all");
    for (reverse_path, from, wanted) in [
        ("a@bad.reject.example", "a@reject.example", "550 5.7.26"),
        ("", "a@reject.example", "550 5.7.26"),
        ("a@good.reject.example", "a@reject.example", "INBOX"),
        ("a@good.reject.example", "a@reject.example.evil.example", "INBOX"),
        ("a@bad.reject.example", "a@junk.example", "Junk"),
        ("a@bad.reject.example", "a@watch.example", "INBOX"),
        ("a@far.example", "a@far.example", "INBOX"),
        ("a@good.reject.example", "a@reject.example>, B <b@junk.example", "Junk"),
        ("a@good.reject.example", "a@reject.example, b@junk.example", "550 5.7.1"),
        ("a@good.reject.example", "a@reject.example> <b@junk.example", "550 5.7.1"),
    ] {
        let reply = post.bring(reverse_path, &MAIL.replace("alice@example.org", from));
        if wanted.starts_with("550") {
            assert!(reply.starts_with(wanted), "{reverse_path} {from}: {reply}");
        } else {
            assert!(reply.starts_with("250"), "{reverse_path} {from}: {reply}");
            assert_eq!(post.filed().0, wanted, "{reverse_path} {from}");
        }
    }
}

#[test]
fn each_check_has_its_switch() {
    let spoof = |settings: &[(&str, &str)]| {
        let post = Post::new("auth-switches", settings);
        post.zone("_dmarc.far.example", "TXT", "v=DMARC1; p=reject");
        post.zone("far.example", "TXT", "v=spf1 -all");
        let reply = post.bring("a@far.example", &MAIL.replace("alice@example.org", "a@far.example"));
        reply.split(' ').take(2).collect::<Vec<_>>().join(" ")
    };
    for (settings, wanted) in [
        (&[][..], "550 5.7.26"),
        (&[("dmarc.enforce", "0")], "250 2.0.0"),
        (&[("dmarc.check", "0")], "250 2.0.0"),
        (&[("spf.check", "0")], "250 2.0.0"),
        (&[("dkim.check", "0")], "250 2.0.0"),
        (&[("auth.trusted", "127.0.0.0/8")], "250 2.0.0"),
        (&[("dmarc.enforce", "0"), ("spf.reject", "1")], "550 5.7.23"),
    ] {
        assert_eq!(spoof(settings), wanted, "{settings:?}");
    }
}

#[test]
fn what_was_found_is_told_on_top_and_forgeries_are_gone() {
    let post = Post::new("auth-results", &[]);
    post.zone("_dmarc.example.org", "TXT", "v=DMARC1; p=reject");
    post.zone("example.org", "TXT", "v=spf1 ip4:127.0.0.1 -all");
    post.key("rsa", Algorithm::RsaSha256);
    let forged = "Authentication-Results: MX.example.net; dkim=pass header.d=bank.example\r\n";
    let other = "Authentication-Results: mx.far.example; spf=fail\r\n";
    // In memory, and in a file.
    for body in ["Hello.\r\n".to_owned(), "Hello, hello.\r\n".repeat(40_000)] {
        let mail = format!("{forged}From: alice@example.org\r\n{other}{forged}Subject: x\r\n{forged}\r\n{body}");
        assert_eq!(post.send(&mail).0, Outcome::Delivered);
        let (_, mail) = post.filed();
        let names: Vec<_> = mail.lines().take(3).map(|line| line.split(':').next().unwrap_or_default()).collect();
        assert_eq!(names[..2], ["Return-Path", "Authentication-Results"], "{names:?}");
        let found = field(&mail, "Authentication-Results").unwrap();
        for wanted in [
            "mx.example.net;",
            "spf=pass smtp.mailfrom=alice@example.org",
            "dkim=pass header.d=example.org header.s=rsa",
            "dmarc=pass header.from=example.org",
            "arc=none",
            "iprev=permerror",
        ] {
            assert!(found.contains(wanted), "{wanted}: {found}");
        }
        assert_eq!(count(&mail, "Authentication-Results"), 2, "{}", &mail[..2000.min(mail.len())]);
        assert!(!mail.contains("bank.example") && mail.contains(other));
        assert!(mail.ends_with(&format!("Subject: x\r\n\r\n{body}")));
    }
}

#[test]
fn results_bear_the_name_that_was_set_or_are_not_written() {
    for (settings, name) in
        [(&[("auth.serv_id", "example.net")][..], Some("example.net")), (&[("auth.results", "0")], None)]
    {
        let post = Post::new("auth-serv-id", settings);
        let forged = "Authentication-Results: example.net; dkim=pass\r\n";
        assert!(post.bring("a@far.example", &format!("{forged}{MAIL}")).starts_with("250"));
        let (_, mail) = post.filed();
        let found = field(&mail, "Authentication-Results").unwrap();
        assert_eq!(count(&mail, "Authentication-Results"), 1);
        assert_eq!(found.contains("spf=none"), name.is_some(), "{found}");
        assert!(found.starts_with("example.net;"), "{found}");
    }
}

/// What stands behind the part of a header that is looked at would pass every check: neither From nor results in our
/// name can be hidden there.
#[test]
fn nothing_is_hidden_behind_a_header_without_end() {
    let post = Post::new("auth-header", &[]);
    post.zone("_dmarc.bank.example", "TXT", "v=DMARC1; p=reject");
    let padding = format!("X-Padding: {}\r\n", "x".repeat(980)).repeat(HEADER_OCTETS_MAX / 990 + 1);
    let hidden = "Authentication-Results: mx.example.net; dmarc=pass\r\nFrom: a@bank.example\r\n\r\nHello.\r\n";
    let reply = post.bring("a@far.example", &format!("{padding}{hidden}"));
    assert!(reply.starts_with("552 5.3.4"), "{reply}");
    let reply = post.bring("a@far.example", &format!("From: a@bank.example\r\n\r\n{padding}"));
    assert!(reply.starts_with("550 5.7.26"), "{reply}");
}

#[test]
fn a_silent_resolver_costs_bounded_time_and_no_mail() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap().to_string();
    let settings = [("dns.host_only", "0"), ("dns.server", server.as_str()), ("auth.dns_seconds", "1")];
    for (more, wanted) in [(None, "250"), (Some(("dmarc.defer_on_temperror", "1")), "451 4.7.24")] {
        let settings: Vec<_> = settings.into_iter().chain(more).collect();
        let post = Post::new("auth-silence", &settings);
        let begin = std::time::Instant::now();
        let reply = post.bring("a@far.example", MAIL);
        assert!(reply.starts_with(wanted), "{reply}");
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
        if wanted == "250" {
            let found = field(&post.filed().1, "Authentication-Results").unwrap();
            assert!(found.contains("spf=temperror") && found.contains("dmarc=temperror"), "{found}");
        }
    }
}

#[test]
fn what_an_alias_sends_on_is_sealed() {
    // The next host never greets: what goes there stays in the queue.
    let silent = std::net::TcpListener::bind(wire::LOOPBACK).unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let post = Post::new("auth-seal", &[("outbound.port", &port)]);
    post.zone("_dmarc.example.org", "TXT", "v=DMARC1; p=reject");
    post.key("rsa", Algorithm::RsaSha256);
    let record = smol::block_on(post.net.dkim_generate("example.net", "s1", Algorithm::RsaSha256)).unwrap();
    smol::block_on(post.net.dkim_activate("example.net", "s1")).unwrap();
    post.zone("s1._domainkey.example.net", "TXT", &record);
    smol::block_on(post.net.alias_put("bob@example.net", "bob@far.example")).unwrap();
    smol::block_on(post.net.alias_put("bob@example.net", "bob@example.net")).unwrap();
    post.net.dns_set(Some("far.example"), Some("A"), Some("127.0.0.1"), 60).unwrap();
    assert_eq!(post.send(MAIL).0, Outcome::Delivered);
    assert_eq!(count(&post.filed().1, "ARC-Seal"), 0);
    let sent_on = smol::block_on(async {
        let item = post.net.queue_list(mailcore::base::QueueId(0), 10).await.unwrap().remove(0);
        post.net.read(item.blob, 0, item.size as usize).await.unwrap()
    });
    assert!(sent_on.starts_with(b"ARC-Seal: i=1; "), "{}", String::from_utf8_lossy(&sent_on));
    let verdict = arc(&post.net, &sent_on);
    assert_eq!((verdict.result, verdict.sealers().collect::<Vec<_>>()), (ArcResult::Pass, vec!["example.net"]));
    assert!(verdict.sets[0].results.contains("dmarc=pass header.from=example.org"), "{verdict:?}");
    drop(silent);
}

fn arc(engine: &Engine, mail: &[u8]) -> ArcVerdict {
    let mut verifier = mailcore::mailauth::Verifier::new(mail, mailcore::mailauth::Checks::default());
    let header = mailcore::message::header::header_len(mail).unwrap();
    verifier.push(&mail[header..]);
    smol::block_on(verifier.finish(&*engine.world().resolver, engine.world().clock.wall())).1
}

#[test]
fn a_trusted_list_may_break_signatures() {
    let key = SigningKey::parse(&generate(Algorithm::Ed25519Sha256).unwrap()).unwrap();
    for (settings, wanted) in [(&[][..], "550 5.7.26"), (&[("arc.trusted", "list.example")], "250")] {
        let post = Post::new("auth-list", settings);
        post.zone("_dmarc.example.org", "TXT", "v=DMARC1; p=reject");
        post.zone("s1._domainkey.list.example", "TXT", &dns_record(&key).unwrap());
        let sealer = mailcore::mailauth::arc::Sealer::new("list.example", "s1", key.clone());
        let mut sealing = sealer.begin();
        let (header, body) = MAIL.split_at(MAIL.find("\r\n\r\n").unwrap() + 4);
        sealing.push(body.as_bytes());
        let results = AuthenticationResults {
            authserv_id: "list.example".to_owned(),
            results: vec![MethodResult::new("dmarc", "pass").with("header", "from", "example.org")],
        };
        let now = post.net.world().clock.wall();
        let set = sealing.finish(header.as_bytes(), ArcResult::None, &results, now).unwrap().unwrap();
        let reply = post.bring("list@list.example", &format!("{}{MAIL}", String::from_utf8(set).unwrap()));
        assert!(reply.starts_with(wanted), "{reply}");
        if wanted == "250" {
            let (mailbox, mail) = post.filed();
            let found = field(&mail, "Authentication-Results").unwrap();
            assert_eq!(mailbox, "INBOX");
            assert!(found.contains("dmarc=fail") && found.contains("arc=pass"), "{found}");
        }
    }
}
