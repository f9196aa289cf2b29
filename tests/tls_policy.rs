//! TLS policies of outgoing mail in a simulated world: DANE, MTA-STS, rules and settings, against hosts with working
//! TLS, with a wrong certificate, with broken TLS, and without.

#[macro_use]
extern crate mailcore_watchdog;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::settings::OutboundTls;
use mailcore::base::terms::{Terms, TlsTerm};
use mailcore::base::tls_rule::TlsRule;
use mailcore::base::world::{BoxFuture, Record};
use mailcore::base::{Address, Envelope, Recipient, Settings};
use mailcore::delivery::{BodySource, Destination, Outcome, Outlet, Progress, Verdict, Work, attempt};
use mailcore_tests::peers::Seen;
use mailcore_tests::world::{Host, Sim};
use mailcore_tests::{disk, one_at_a_time};
use smol::io::{AsyncReadExt, AsyncWriteExt};

struct Text;

const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";

impl BodySource for Text {
    fn piece(&self, offset: u64, octets_max: usize) -> BoxFuture<'_, Option<Vec<u8>>> {
        let rest = &TEXT.as_bytes()[offset as usize..];
        Box::pin(std::future::ready(Some(rest[..rest.len().min(octets_max)].to_vec())))
    }
}

struct Stage {
    sim: Sim,
    seen: Seen,
    client: Host,
    outlet: Outlet,
    _alone: std::sync::MutexGuard<'static, ()>,
}

/// An outcome, and the trail of its attempt.
struct Came {
    outcome: Outcome,
    trail: String,
}

impl Stage {
    fn with(change: impl FnOnce(&mut Settings)) -> Stage {
        let _alone = one_at_a_time();
        let sim = Sim::new(7);
        let client = sim.host("mail.example.org", [10, 0, 0, 1]);
        let mut settings = Settings { hostname: "mail.example.org".to_owned(), ..Settings::default() };
        change(&mut settings);
        let outlet = Outlet::new(client.world(), Arc::new(settings));
        Stage { sim, seen: Seen::default(), client, outlet, _alone }
    }

    fn mx(&self, preference: u16, exchange: &str) {
        self.sim.zone.add("example.net", Record::Mx { preference, exchange: exchange.to_owned() });
    }

    fn host(&self, name: &'static str, last: u8, scripts: &[&str]) {
        self.seen.host(&self.sim, name, [10, 0, 1, last], 25, scripts);
    }

    /// A record that means the certificate of this name.
    fn tlsa(&self, owner: &str, usage: u8, certificate: &str) {
        let data = certificate.as_bytes().to_vec();
        self.sim.zone.add(owner, Record::Tlsa { usage, selector: 0, matching: 0, data });
    }

    fn attempt(&self) -> Came {
        self.attempt_on(TlsTerm::Usual)
    }

    /// The same for a message that asks for TLS, or asks not to.
    fn attempt_on(&self, tls: TlsTerm) -> Came {
        let outlet = self.outlet.clone();
        self.sim.executor.run(async move {
            let recipients = [Recipient::new(Address::parse("bob@example.net").unwrap())];
            let destination = Destination::of(&recipients[0].address, &outlet.settings.outbound);
            let reverse_path = Some(Address::parse("alice@example.org").unwrap());
            let terms = Terms { tls, ..Terms::default() };
            let envelope = Envelope { reverse_path, terms, ..Envelope::default() };
            let progress = Progress::new(outlet.world.clock.now());
            let work = Work {
                destination: &destination,
                envelope: &envelope,
                recipients: &recipients,
                size: TEXT.len() as u64,
                body: &Text,
                progress: &progress,
                late: Duration::ZERO,
            };
            let outcome = attempt(&outlet, &work).await.outcomes.remove(0);
            Came { outcome, trail: progress.trail() }
        })
    }

    fn pass(&self, time: Duration) {
        let world = self.client.world();
        self.sim.executor.run(async move { world.clock.sleep_until(world.clock.now() + time).await });
    }

    fn end(&self) {
        self.pass(Duration::from_secs(3600));
        self.seen.check();
        self.sim.executor.shut();
    }
}

const TAKEN: &str = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok
    C: DATA\nS: 354 go\nC*\nS: 250 kept\n";

fn secured() -> String {
    format!("{}(tls)\nC: EHLO mail.example.org\nS: 250 mx\n{TAKEN}C: QUIT\nS: 221 bye", starts())
}

fn starts() -> String {
    "S: 220 mx\nC: EHLO mail.example.org\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n".to_owned()
}

fn breaks() -> String {
    format!("{}(close)", starts())
}

/// The certificate is refused: nothing is said under it.
fn refused() -> String {
    format!("{}(tls)\n(close)", starts())
}

fn plain() -> String {
    format!("S: 220 mx\nC: EHLO mail.example.org\nS: 250 mx\n{TAKEN}C: QUIT\nS: 221 bye")
}

fn plain_left() -> String {
    "S: 220 mx\nC: EHLO mail.example.org\nS: 250 mx\nC: QUIT".to_owned()
}

/// A host that offers TLS, asked in the clear.
fn clear() -> String {
    let hello = "S: 220 mx\nC: EHLO mail.example.org\nS: 250-mx\nS: 250 STARTTLS\n";
    format!("{hello}{TAKEN}C: QUIT\nS: 221 bye")
}

/// A host of MTA-STS: what it serves, and how often it was asked.
#[derive(Clone)]
struct PolicyHost {
    serves: Arc<Mutex<String>>,
    asked: Arc<Mutex<usize>>,
    _host: Host,
}

impl PolicyHost {
    fn new(sim: &Sim, name: &'static str, response: &str) -> PolicyHost {
        let ip = [10, 0, 2, 1];
        sim.zone.add("mta-sts.example.net", Record::A(ip.into()));
        let host = sim.host(name, ip);
        let serves = Arc::new(Mutex::new(response.to_owned()));
        let asked = Arc::new(Mutex::new(0));
        let (world, response, count) = (host.world(), serves.clone(), asked.clone());
        let serve = async move {
            let listener = world.network.listen(SocketAddr::new(IpAddr::from(ip), 443)).await.expect("listens");
            while let Ok((stream, _)) = listener.accept().await {
                *disk::lock(&count) += 1;
                let Ok((mut stream, _)) = world.tls.accept(stream).await else { continue };
                let mut request = Vec::new();
                let mut octet = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut octet).await.is_ok_and(|n| n > 0) {
                    request.push(octet[0]);
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                if text.is_empty() {
                    continue;
                }
                assert!(text.starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n"), "{text}");
                assert!(text.contains("\r\nHost: mta-sts.example.net\r\n"), "{text}");
                let response = disk::lock(&response).clone();
                let _ = stream.write_all(response.as_bytes()).await;
                let _ = stream.close().await;
            }
        };
        host.world().run.task("policy host", Box::pin(serve)).detach();
        PolicyHost { serves, asked, _host: host }
    }

    fn serve(&self, response: &str) {
        response.clone_into(&mut disk::lock(&self.serves));
    }

    fn asked(&self) -> usize {
        *disk::lock(&self.asked)
    }
}

fn ok(policy: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{policy}")
}

fn policy(mode: &str, hosts: &[&str]) -> String {
    let hosts: String = hosts.iter().map(|host| format!("mx: {host}\r\n")).collect();
    ok(&format!("version: STSv1\r\nmode: {mode}\r\n{hosts}max_age: 604800\r\n"))
}

fn sts_id(stage: &Stage, id: &str) {
    stage.sim.zone.remove("_mta-sts.example.net");
    stage.sim.zone.add("_mta-sts.example.net", Record::Txt(format!("v=STSv1; id={id};").into_bytes()));
}

#[test]
fn each_policy_against_each_kind_of_host() {
    let (secured, breaks, refused) = (secured(), breaks(), refused());
    let (plain, plain_left, clear) = (plain(), plain_left(), clear());
    let (good, wrong) = ("mx.example.net", "other.example.net");
    let (delivered, deferred) = (Verdict::Delivered, Verdict::Deferred);
    // Policy, name on the host's certificate, scripts, verdict, status.
    let table: &[(&str, &'static str, &[&str], Verdict, &str)] = &[
        ("opportunistic", good, &[&secured], delivered, "-"),
        ("opportunistic", wrong, &[&secured], delivered, "-"),
        ("opportunistic", good, &[&breaks, &clear], delivered, "-"),
        ("opportunistic", good, &[&plain], delivered, "-"),
        ("mta-sts", good, &[&secured], delivered, "-"),
        ("mta-sts", wrong, &[&refused], deferred, "4.7.5"),
        ("mta-sts", good, &[&breaks], deferred, "4.7.5"),
        ("mta-sts", good, &[&plain_left], deferred, "4.7.4"),
        ("dane", good, &[&secured], delivered, "-"),
        ("dane", wrong, &[&refused], deferred, "4.7.5"),
        ("dane", good, &[&breaks], deferred, "4.7.5"),
        ("dane", good, &[&plain_left], deferred, "4.7.4"),
        ("required", wrong, &[&secured], delivered, "-"),
        ("required", good, &[&breaks], deferred, "4.7.5"),
        ("required", good, &[&plain_left], deferred, "4.7.4"),
        ("verified", good, &[&secured], delivered, "-"),
        ("verified", wrong, &[&refused], deferred, "4.7.5"),
        ("verified", good, &[&plain_left], deferred, "4.7.4"),
    ];
    for (name, certificate, scripts, verdict, status) in table {
        let stage = Stage::with(|settings| {
            let rule = format!("example.net={name}");
            settings.outbound.tls_rules = TlsRule::parse(&rule).filter(|_| *name != "dane").into_iter().collect();
        });
        stage.mx(10, "mx.example.net");
        let _policy_host = PolicyHost::new(&stage.sim, "mta-sts.example.net", &policy("enforce", &["*.example.net"]));
        match *name {
            "mta-sts" => sts_id(&stage, "1"),
            "dane" => {
                stage.sim.zone.set_secure(true);
                stage.tlsa("_25._tcp.mx.example.net", 3, "mx.example.net");
            }
            _ => {}
        }
        stage.host(certificate, 1, scripts);
        if *certificate != good {
            stage.sim.zone.add(good, Record::A([10, 0, 1, 1].into()));
        }
        let Came { outcome, trail } = stage.attempt();
        let found = outcome.enhanced.map_or("-".to_owned(), |status| status.to_string());
        assert_eq!((outcome.verdict, found.as_str()), (*verdict, *status), "{name} {certificate}\n{trail}");
        assert!(outcome.policy.starts_with(&format!("{name} (")), "{name}: {}", outcome.policy);
        let in_the_clear = scripts.contains(&&*clear) || scripts.contains(&&*plain);
        assert_eq!(outcome.verdict == delivered && outcome.tls.is_empty(), in_the_clear, "{name} {certificate}");
        assert_eq!(trail.contains("again in the clear"), scripts.contains(&&*clear), "{trail}");
        stage.end();
    }
}

#[test]
fn dane_needs_proof_and_a_question_that_fails_is_no_denial() {
    let (secured, plain) = (secured(), plain());
    // Whether DNS proves, TLSA record of this certificate, verdict, policy.
    for (secure, certificate, script, verdict, policy) in [
        (false, "other", &*plain, Verdict::Delivered, "opportunistic ("),
        (true, "mx.example.net", &secured, Verdict::Delivered, "dane ("),
    ] {
        let stage = Stage::with(|_| ());
        stage.sim.zone.set_secure(secure);
        stage.mx(10, "mx.example.net");
        stage.tlsa("_25._tcp.mx.example.net", 3, certificate);
        stage.host("mx.example.net", 1, &[script]);
        let Came { outcome, trail } = stage.attempt();
        assert_eq!(outcome.verdict, verdict, "{trail}");
        assert!(outcome.policy.starts_with(policy), "{}", outcome.policy);
        stage.end();
    }
    // All records of a kind that SMTP does not use: TLS is demanded, and no certificate.
    let stage = Stage::with(|_| ());
    stage.sim.zone.set_secure(true);
    stage.mx(10, "mx.example.net");
    stage.tlsa("_25._tcp.mx.example.net", 1, "mx.example.net");
    stage.host("mx.example.net", 1, &[&plain_left(), &secured]);
    assert_eq!(stage.attempt().outcome.enhanced.unwrap().to_string(), "4.7.4");
    stage.pass(Duration::from_secs(3600));
    let came = stage.attempt();
    assert_eq!(came.outcome.verdict, Verdict::Delivered);
    assert!(came.outcome.policy.starts_with("required (TLSA records"), "{}", came.outcome.policy);
    stage.end();
}

#[test]
fn an_alias_of_a_host_leads_to_its_records() {
    let stage = Stage::with(|_| ());
    stage.sim.zone.set_secure(true);
    stage.mx(10, "mx.example.net");
    stage.sim.zone.add("mx.example.net", Record::Cname("real.example.com".to_owned()));
    stage.tlsa("_25._tcp.real.example.com", 3, "mx.example.net");
    stage.tlsa("_25._tcp.mx.example.net", 3, "another");
    stage.host("mx.example.net", 1, &[&secured()]);
    let came = stage.attempt();
    assert_eq!(came.outcome.verdict, Verdict::Delivered, "{}", came.trail);
    assert_eq!(came.outcome.policy, "dane (TLSA records of _25._tcp.real.example.com)");
    stage.end();
}

#[test]
fn a_domain_without_mx_is_its_own_host_for_dane() {
    let stage = Stage::with(|_| ());
    stage.sim.zone.set_secure(true);
    stage.tlsa("_25._tcp.example.net", 3, "someone else");
    stage.host("example.net", 1, &[&refused()]);
    let came = stage.attempt();
    assert_eq!(came.outcome.enhanced.unwrap().to_string(), "4.7.5", "{}", came.trail);
    stage.end();
}

#[test]
fn the_port_that_stands_for_25_may_have_records_of_its_own() {
    for owner in ["_25._tcp.mx.example.net", "_2525._tcp.mx.example.net"] {
        let stage = Stage::with(|settings| settings.outbound.port = 2525);
        stage.sim.zone.set_secure(true);
        stage.mx(10, "mx.example.net");
        stage.tlsa(owner, 3, "someone else");
        stage.seen.host(&stage.sim, "mx.example.net", [10, 0, 1, 1], 2525, &[&refused()]);
        assert_eq!(stage.attempt().outcome.enhanced.unwrap().to_string(), "4.7.5");
        stage.end();
    }
}

#[test]
fn a_host_that_the_domain_does_not_name_gets_no_mail() {
    for (mode, delivered) in [("enforce", false), ("testing", true), ("none", true)] {
        let stage = Stage::with(|_| ());
        stage.mx(10, "evil.example.com");
        stage.mx(20, "mx.example.net");
        sts_id(&stage, "1");
        let _policy_host = PolicyHost::new(&stage.sim, "mta-sts.example.net", &policy(mode, &["mx.example.net"]));
        let (evil, good): (&[&str], &[&str]) = if delivered { (&[&plain()], &[]) } else { (&[], &[&secured()]) };
        stage.host("evil.example.com", 1, evil);
        stage.host("mx.example.net", 2, good);
        let came = stage.attempt();
        assert_eq!(came.outcome.verdict, Verdict::Delivered, "{}", came.trail);
        assert_eq!(came.outcome.host, if delivered { "evil.example.com" } else { "mx.example.net" });
        assert_eq!(came.trail.contains("does not name host evil.example.com"), !delivered);
        stage.end();
    }
}

#[test]
fn a_policy_is_kept_over_failures_until_its_time_is_over() {
    let stage = Stage::with(|_| ());
    stage.mx(10, "mx.example.net");
    sts_id(&stage, "1");
    let policy_host = PolicyHost::new(&stage.sim, "mta-sts.example.net", &policy("enforce", &["mx.example.net"]));
    let left = plain_left();
    let plain = plain();
    stage.host("mx.example.net", 1, &[&left, &left, &left, &left, &left, &plain]);
    let hour = Duration::from_secs(3600);
    let refused = |stage: &Stage| {
        let came = stage.attempt();
        assert_eq!(came.outcome.enhanced.unwrap().to_string(), "4.7.4", "{}", came.trail);
        stage.pass(hour);
    };
    refused(&stage);
    refused(&stage);
    assert_eq!(policy_host.asked(), 1);
    // Another id: fetched anew, and what cannot be used changes nothing.
    sts_id(&stage, "2");
    for broken in ["HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 301 Moved\r\nLocation: https://a.test/\r\n\r\n"] {
        policy_host.serve(broken);
        refused(&stage);
    }
    assert_eq!(policy_host.asked(), 3);
    // No record any more: what is kept holds.
    stage.sim.zone.remove("_mta-sts.example.net");
    refused(&stage);
    stage.pass(Duration::from_secs(604_800));
    assert_eq!(stage.attempt().outcome.verdict, Verdict::Delivered);
    assert_eq!(policy_host.asked(), 3);
    stage.end();
}

#[test]
fn a_policy_that_cannot_be_trusted_is_none() {
    let good = policy("enforce", &["mx.example.net"]);
    let html = good.replace("text/plain", "text/html");
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n\
        3F\r\nversion: STSv1\nmode: enforce\nmx: mx.example.net\nmax_age: 86400\n\r\n0\r\n\r\n";
    let long = ok(&"x".repeat(70_000));
    for (host, response, holds) in [
        ("mta-sts.example.net", &*good, true),
        ("mta-sts.example.net", &chunked.replace("3F", "3f"), true),
        ("other.example.net", &good, false),
        ("mta-sts.example.net", &html, false),
        ("mta-sts.example.net", &long, false),
        ("mta-sts.example.net", &good.replace("\r\n\r\n", "\r\nContent-Length: 9999\r\n\r\n"), false),
        ("mta-sts.example.net", &ok("version: STSv1\nmode: enforce\nmax_age: 1\n"), false),
        ("mta-sts.example.net", "nonsense\r\n", false),
    ] {
        let stage = Stage::with(|_| ());
        stage.mx(10, "mx.example.net");
        sts_id(&stage, "1");
        let _policy_host = PolicyHost::new(&stage.sim, host, response);
        let script = if holds { secured() } else { plain() };
        stage.host("mx.example.net", 1, &[&script]);
        let came = stage.attempt();
        assert_eq!(came.outcome.verdict, Verdict::Delivered, "{response}\n{}", came.trail);
        assert_eq!(came.outcome.policy.starts_with("mta-sts"), holds, "{host} {response}");
        stage.end();
    }
}

/// An idle connection in the clear, or under any certificate, is not used once the domain's policy asks for more.
#[test]
fn a_connection_of_a_weaker_policy_is_not_used() {
    let stage = Stage::with(|settings| settings.outbound.keep_connection = Duration::from_secs(3_000));
    stage.mx(10, "mx.example.net");
    let _policy_host = PolicyHost::new(&stage.sim, "mta-sts.example.net", &policy("enforce", &["mx.example.net"]));
    let plain_twice = format!("S: 220 mx\nC: EHLO mail.example.org\nS: 250 mx\n{TAKEN}{TAKEN}C: QUIT\nS: 221 bye");
    stage.host("mx.example.net", 1, &[&plain_twice, &secured()]);
    for (pass, policy, tls) in [
        (0, "opportunistic", ""),
        (10, "opportunistic", ""),
        // By now it is looked at again what the domain wants.
        (120, "mta-sts", "TLSv1.3 TLS_SIMULATED"),
    ] {
        stage.pass(Duration::from_secs(pass));
        if pass == 10 {
            sts_id(&stage, "1");
        }
        let Came { outcome, trail } = stage.attempt();
        assert_eq!((outcome.verdict, outcome.tls.as_str()), (Verdict::Delivered, tls), "{trail}");
        assert!(outcome.policy.starts_with(policy), "{}", outcome.policy);
    }
    stage.end();
}

#[test]
fn rules_of_the_host_program_win() {
    for (rules, script, policy) in [
        ("example.net=off", clear(), "off (rule example.net=off)"),
        ("example.org=required", plain(), "opportunistic (nothing demands TLS)"),
        (".net=off", clear(), "off (rule .net=off)"),
    ] {
        let stage = Stage::with(|settings| {
            settings.outbound.tls_rules = TlsRule::parse(rules).into_iter().collect();
        });
        stage.sim.zone.set_secure(rules.ends_with("off"));
        stage.tlsa("_25._tcp.mx.example.net", 3, "someone else");
        stage.mx(10, "mx.example.net");
        stage.host("mx.example.net", 1, &[&script]);
        let came = stage.attempt();
        assert_eq!(
            (came.outcome.verdict, came.outcome.policy.as_str()),
            (Verdict::Delivered, policy),
            "{}",
            came.trail
        );
        stage.end();
    }
    let stage = Stage::with(|settings| {
        settings.outbound.tls_rules = TlsRule::parse("example.net=dane").into_iter().collect();
    });
    stage.mx(10, "mx.example.net");
    stage.host("mx.example.net", 1, &[]);
    let came = stage.attempt();
    assert!(came.outcome.text.contains("no TLSA records that DNSSEC proves"), "{}", came.outcome.text);
    stage.end();
    // Two simulations must not live at a time.
    drop(stage);
    let stage = Stage::with(|settings| settings.outbound.tls = OutboundTls::Off);
    stage.mx(10, "mx.example.net");
    sts_id(&stage, "1");
    stage.host("mx.example.net", 1, &[&clear()]);
    assert_eq!(stage.attempt().outcome.policy, "off (setting outbound.tls)");
    stage.end();
}

#[test]
fn a_trail_tells_what_was_said_and_no_secrets() {
    let stage = Stage::with(|_| ());
    stage.mx(10, "mx.example.net");
    stage.host("mx.example.net", 1, &[&secured()]);
    let trail = stage.attempt().trail;
    let kinds: Vec<_> =
        mailcore::delivery::trail::lines(&trail).map(|(_, kind, text)| format!("{kind} {text}")).collect();
    let wanted = [
        "route hosts: 10 mx.example.net",
        "route mx.example.net is at 10.0.1.1",
        "policy opportunistic (nothing demands TLS) at mx.example.net",
        "connect to mx.example.net at 10.0.1.1:25",
        "received 220 mx",
        "sent EHLO mail.example.org",
        "received 250-mx",
        "received 250 STARTTLS",
        "sent STARTTLS",
        "received 220 go",
        "tls TLSv1.3 TLS_SIMULATED, certificate verified",
        "sent EHLO mail.example.org",
        "received 250 mx",
        "sent MAIL FROM:<alice@example.org>",
        "received 250 ok",
        "sent RCPT TO:<bob@example.net>",
        "received 250 ok",
        "sent DATA",
        "received 354 go",
        "sent (the message, 24 octets)",
        "received 250 kept",
    ];
    assert_eq!(kinds, wanted);
    stage.end();
}

/// A host that did TLS gets no mail without it until the time for which that is remembered is over.
#[test]
fn a_host_that_did_tls_must_do_it_again() {
    const WINDOW: u64 = 86_400;
    let stage = Stage::with(|settings| {
        settings.sending.remember_tls = true;
        settings.sending.remember_tls_for = Duration::from_secs(WINDOW);
        settings.outbound.keep_connection = Duration::ZERO;
    });
    stage.mx(10, "mx.example.net");
    stage.host("mx.example.net", 1, &[&plain(), &secured(), &plain_left(), &plain()]);
    for (pass, verdict, policy) in [
        (0, Verdict::Delivered, "opportunistic (nothing demands TLS)"),
        (60, Verdict::Delivered, "opportunistic (nothing demands TLS)"),
        (WINDOW / 2, Verdict::Deferred, "on Thu, "),
        (WINDOW, Verdict::Delivered, "opportunistic (nothing demands TLS)"),
    ] {
        stage.pass(Duration::from_secs(pass));
        let Came { outcome, trail } = stage.attempt();
        assert_eq!(outcome.verdict, verdict, "{trail}");
        assert!(outcome.policy.contains(policy), "{}", outcome.policy);
    }
    stage.end();
}

/// A host that offers REQUIRETLS under TLS, and gets the message with it.
fn strict() -> String {
    let taken = TAKEN.replace("org>\nS: 250 ok\nC: RCPT", "org> REQUIRETLS\nS: 250 ok\nC: RCPT");
    format!("{}(tls)\nC: EHLO mail.example.org\nS: 250-mx\nS: 250 REQUIRETLS\n{taken}C: QUIT\nS: 221 bye", starts())
}

/// A host that does not offer it.
fn lax() -> String {
    format!("{}(tls)\nC: EHLO mail.example.org\nS: 250 mx\nC: QUIT\nS: 221 bye", starts())
}

/// RFC 8689 §4.2.1: what proves the host, the certificate, and the offer.
#[test]
fn a_message_with_requiretls_goes_to_proven_hosts_only() {
    let (strict, lax, refused, plain_left) = (strict(), lax(), refused(), plain_left());
    let (good, wrong) = ("mx.example.net", "other.example.net");
    let (delivered, deferred, failed) = (Verdict::Delivered, Verdict::Deferred, Verdict::Failed);
    let table: &[(&str, &'static str, &[&str], Verdict, &str)] = &[
        ("nothing", good, &[], failed, "5.7.10"),
        ("dnssec", good, &[&strict], delivered, "-"),
        ("dnssec", good, &[&lax], failed, "5.7.30"),
        ("dnssec", good, &[&plain_left], failed, "5.7.10"),
        ("dnssec", wrong, &[&refused], deferred, "4.7.5"),
        ("mta-sts", good, &[&strict], delivered, "-"),
        ("mta-sts", good, &[&lax], failed, "5.7.30"),
        ("dane", good, &[&strict], delivered, "-"),
        ("dane", wrong, &[&refused], deferred, "4.7.5"),
    ];
    for (proof, certificate, scripts, verdict, status) in table {
        let stage = Stage::with(|_| ());
        stage.mx(10, "mx.example.net");
        let _policy_host = PolicyHost::new(&stage.sim, "mta-sts.example.net", &policy("enforce", &["*.example.net"]));
        match *proof {
            "mta-sts" => sts_id(&stage, "1"),
            "dnssec" => stage.sim.zone.set_secure(true),
            "dane" => {
                stage.sim.zone.set_secure(true);
                stage.tlsa("_25._tcp.mx.example.net", 3, "mx.example.net");
            }
            _ => {}
        }
        stage.host(certificate, 1, scripts);
        if *certificate != good {
            stage.sim.zone.add(good, Record::A([10, 0, 1, 1].into()));
        }
        let Came { outcome, trail } = stage.attempt_on(TlsTerm::Required);
        let found = outcome.enhanced.map_or("-".to_owned(), |status| status.to_string());
        assert_eq!((outcome.verdict, found.as_str()), (*verdict, *status), "{proof} {certificate}\n{trail}");
        stage.end();
    }
}

/// RFC 8689 §4.2.2: delivery goes before what the domain demands, and not before what our program does.
#[test]
fn a_message_that_needs_no_tls_passes_by_policies_of_the_domain() {
    let (breaks, clear, plain_left) = (breaks(), clear(), plain_left());
    for (rule, scripts, verdict) in [
        ("", vec![&*breaks, &clear], Verdict::Delivered),
        ("example.net=required", vec![&*plain_left], Verdict::Deferred),
    ] {
        let stage = Stage::with(|settings| settings.outbound.tls_rules = TlsRule::parse(rule).into_iter().collect());
        stage.mx(10, "mx.example.net");
        stage.sim.zone.set_secure(true);
        stage.tlsa("_25._tcp.mx.example.net", 3, "someone else");
        stage.host("mx.example.net", 1, &scripts);
        let Came { outcome, trail } = stage.attempt_on(TlsTerm::Optional);
        assert_eq!(outcome.verdict, verdict, "{trail}");
        stage.end();
    }
}
