//! Attempts from beginning to end in a simulated world: names, hosts that follow scripts, a clock that jumps.

#[macro_use]
extern crate mailcore_watchdog;

use std::sync::Arc;
use std::time::Duration;

use mailcore::base::settings::{OutboundTls, SmartHost};
use mailcore::base::world::{BoxFuture, Record};
use mailcore::base::{Address, Domain, Envelope, Recipient, Secret, Settings};
use mailcore::delivery::{BodySource, Destination, Outcome, Outlet, Progress, Verdict, Work, attempt};
use mailcore::dns::mx;
use mailcore_tests::peers::Seen;
use mailcore_tests::world::{Host, Sim};
use mailcore_tests::{disk, one_at_a_time};

struct Text(&'static str);

impl BodySource for Text {
    fn piece(&self, offset: u64, octets_max: usize) -> BoxFuture<'_, Option<Vec<u8>>> {
        let rest = &self.0.as_bytes()[offset as usize..];
        Box::pin(std::future::ready(Some(rest[..rest.len().min(octets_max)].to_vec())))
    }
}

const TEXT: &str = "Subject: x\r\n\r\nhello\r\n";

struct Stage {
    sim: Sim,
    seen: Seen,
    client: Host,
    outlet: Outlet,
    _alone: std::sync::MutexGuard<'static, ()>,
}

impl Stage {
    fn new() -> Stage {
        Stage::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Stage {
        let _alone = one_at_a_time();
        let sim = Sim::new(7);
        let client = sim.host("mail.example.org", [10, 0, 0, 1]);
        let mut settings = Settings { hostname: "mail.example.org".to_owned(), ..Settings::default() };
        change(&mut settings);
        let outlet = Outlet::new(client.world(), Arc::new(settings));
        Stage { sim, seen: Seen::default(), client, outlet, _alone }
    }

    fn mx(&self, domain: &str, preference: u16, exchange: &str) {
        self.sim.zone.add(domain, Record::Mx { preference, exchange: exchange.to_owned() });
    }

    fn host(&self, name: &'static str, last: u8, scripts: &[&str]) {
        self.seen.host(&self.sim, name, [10, 0, 1, last], 25, scripts);
    }

    /// One attempt; outcomes as text: `verdict code status host text`.
    fn attempt(&self, to: &[&str]) -> Vec<String> {
        self.attempt_whole(to).iter().map(show).collect()
    }

    fn attempt_whole(&self, to: &[&str]) -> Vec<Outcome> {
        self.attempt_text(to, TEXT)
    }

    fn attempt_text(&self, to: &[&str], text: &'static str) -> Vec<Outcome> {
        let outlet = self.outlet.clone();
        let recipients: Vec<_> = to.iter().map(|to| Recipient::new(Address::parse(to).unwrap())).collect();
        self.sim.executor.run(async move {
            let destination = Destination::of(&recipients[0].address, &outlet.settings.outbound);
            let reverse_path = Some(Address::parse("alice@example.org").unwrap());
            let envelope = Envelope { reverse_path, ..Envelope::default() };
            let (size, body) = (text.len() as u64, &Text(text));
            let (progress, late) = (&Progress::new(outlet.world.clock.now()), Duration::ZERO);
            let (destination, envelope, recipients) = (&destination, &envelope, &recipients);
            let work = Work { destination, envelope, recipients, size, body, progress, late };
            attempt(&outlet, &work).await.outcomes
        })
    }

    /// Lets time pass.
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

fn show(outcome: &Outcome) -> String {
    let status = outcome.enhanced.map_or("-".to_owned(), |e| e.to_string());
    format!("{:?} {} {status} {} {}", outcome.verdict, outcome.code, outcome.host, outcome.text)
}

const TAKES: &str = "S: 220 mx\nC: EHLO mail.example.org\nS: 250 mx\nC: MAIL FROM:<alice@example.org>\nS: 250 ok
    C: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\nS: 354 go\nC*\nS: 250 2.0.0 kept\nC: QUIT\nS: 221 bye";

#[test]
fn the_straight_way() {
    let stage = Stage::new();
    stage.mx("example.net", 10, "mx.example.net");
    stage.host("mx.example.net", 1, &[TAKES]);
    assert_eq!(stage.attempt(&["bob@example.net"]), ["Delivered 250 2.0.0 mx.example.net kept"]);
    assert_eq!(stage.outlet.pool.len(), 1);
    stage.end();
    assert!(stage.outlet.pool.is_empty());
    assert_eq!(*disk::lock(&stage.seen.messages), ["Subject: x\n\nhello\n"]);
}

#[test]
fn hosts_are_tried_in_order_until_one_takes_it() {
    let stage = Stage::new();
    for (preference, exchange) in [(30, "c.example.net"), (10, "a.example.net"), (20, "b.example.net")] {
        stage.mx("example.net", preference, exchange);
    }
    stage.mx("example.net", 5, "nowhere.example.net");
    stage.host("a.example.net", 1, &["S: 421 4.3.2 too many\n(close)"]);
    stage.host("b.example.net", 2, &["(stall)"]);
    stage.host("c.example.net", 3, &[TAKES]);
    assert_eq!(stage.attempt(&["bob@example.net"]), ["Delivered 250 2.0.0 c.example.net kept"]);
    assert_eq!(*disk::lock(&stage.seen.connections), ["a.example.net", "b.example.net", "c.example.net"]);
    stage.end();
}

#[test]
fn what_a_host_refuses_for_good_is_not_asked_elsewhere() {
    let stage = Stage::new();
    stage.mx("example.net", 10, "a.example.net");
    stage.mx("example.net", 20, "b.example.net");
    let mixed = "S: 220 mx\nC: EHLO mail.example.org\nS: 250-mx\nS: 250 PIPELINING\nC: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob@example.net>\nC: RCPT TO:<carol@example.net>\nC: RCPT TO:<dave@example.net>\nC: DATA
        S: 250 ok\nS: 550 5.1.1 no bob\nS: 450 4.2.0 carol later\nS: 250 ok\nS: 354 go\nC*\nS: 250 kept\nC: QUIT\nS: 221 x";
    let later = "S: 220 mx\nC: EHLO mail.example.org\nS: 250 mx\nC: MAIL FROM:<alice@example.org>\nS: 250 ok
        C: RCPT TO:<carol@example.net>\nS: 451 4.7.1 carol much later\nC: QUIT\nS: 221 bye";
    stage.host("a.example.net", 1, &[mixed]);
    stage.host("b.example.net", 2, &[later]);
    assert_eq!(
        stage.attempt(&["bob@example.net", "carol@example.net", "dave@example.net"]),
        [
            "Failed 550 5.1.1 a.example.net no bob",
            "Deferred 451 4.7.1 b.example.net carol much later",
            "Delivered 250 - a.example.net kept",
        ]
    );
    stage.end();
}

#[test]
fn lost_after_the_dot_is_deferred_and_no_other_host_asked() {
    let stage = Stage::new();
    stage.mx("example.net", 10, "a.example.net");
    stage.mx("example.net", 20, "b.example.net");
    let lost = "S: 220 mx\nC: EHLO mail.example.org\nS: 250 mx\nC: MAIL FROM:<alice@example.org>\nS: 250 ok
        C: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\nS: 354 go\nC*\n(close)";
    stage.host("a.example.net", 1, &[lost]);
    stage.host("b.example.net", 2, &[]);
    let outcome = stage.attempt(&["bob@example.net"]).remove(0);
    assert!(outcome.starts_with("Deferred 0 4.4.2 a.example.net"), "{outcome}");
    assert!(outcome.ends_with("it may have been delivered"), "{outcome}");
    stage.end();
}

#[test]
fn too_many_recipients_are_asked_for_again_at_once() {
    let stage = Stage::new();
    stage.mx("example.net", 10, "mx.example.net");
    let two = "S: 220 mx\nC: EHLO mail.example.org\nS: 250 mx
        C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<a@example.net>\nS: 250 ok
        C: RCPT TO:<b@example.net>\nS: 452 4.5.3 one at a time\nC: DATA\nS: 354 go\nC*\nS: 250 first
        C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<b@example.net>\nS: 250 ok
        C: DATA\nS: 354 go\nC*\nS: 250 second\nC: QUIT\nS: 221 bye";
    stage.host("mx.example.net", 1, &[two]);
    let (a, b) = ("Delivered 250 - mx.example.net first", "Delivered 250 - mx.example.net second");
    assert_eq!(stage.attempt(&["a@example.net", "b@example.net"]), [a, b]);
    stage.end();
}

#[test]
fn connections_are_used_again_and_dead_ones_replaced() {
    let stage = Stage::with(|settings| settings.outbound.keep_connection = Duration::from_secs(60));
    stage.mx("example.net", 10, "mx.example.net");
    let message = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok
        C: DATA\nS: 354 go\nC*\nS: 250 kept\n";
    let hello = "S: 220 mx\nC: EHLO mail.example.org\nS: 250 mx\n";
    let twice_then_closing = format!("{hello}{message}{message}S: 421 4.4.2 idle\n(close)");
    let once = format!("{hello}{message}(close)");
    stage.host("mx.example.net", 1, &[&twice_then_closing, &once, &once]);
    for connections in [1, 1, 2, 3] {
        assert_eq!(stage.attempt(&["bob@example.net"]), ["Delivered 250 - mx.example.net kept"]);
        assert_eq!(disk::lock(&stage.seen.connections).len(), connections);
        stage.pass(Duration::from_secs(1));
    }
    stage.end();
}

#[test]
fn what_a_kept_connection_says_is_heard_once() {
    let stage = Stage::with(|settings| settings.outbound.keep_connection = Duration::from_secs(60));
    stage.mx("example.net", 10, "mx.example.net");
    let hello = "S: 220 mx\nC: EHLO mail.example.org\nS: 250 mx\n";
    let mail = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\n";
    let kept = "S: 250 ok\nC: DATA\nS: 354 go\nC*\nS: 250 kept\n";
    // Grey-listed on the second message: not asked again over a new connection.
    let first = format!(
        "{hello}{mail}{kept}{mail}S: 451 4.7.1 grey\nC: RSET\nS: 250 ok
        C: MAIL FROM:<alice@example.org>\nS: 451 4.7.0 enough messages\nC: QUIT\nS: 221 bye"
    );
    // Enough of this connection, says the host of the third: a new one does.
    let second = format!("{hello}{mail}{kept}C: QUIT\nS: 221 bye");
    stage.host("mx.example.net", 1, &[&first, &second]);
    assert_eq!(stage.attempt(&["bob@example.net"]), ["Delivered 250 - mx.example.net kept"]);
    assert_eq!(stage.attempt(&["bob@example.net"]), ["Deferred 451 4.7.1 mx.example.net grey"]);
    assert_eq!(disk::lock(&stage.seen.connections).len(), 1);
    assert_eq!(stage.attempt(&["bob@example.net"]), ["Delivered 250 - mx.example.net kept"]);
    assert_eq!(disk::lock(&stage.seen.connections).len(), 2);
    stage.end();
}

#[test]
fn tls_where_offered_and_in_the_clear_where_it_breaks() {
    let secured = "S: 220 mx\nC: EHLO mail.example.org\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n(tls)
        C: EHLO mail.example.org\nS: 250 mx\nC: MAIL FROM:<alice@example.org>\nS: 250 ok
        C: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\nS: 354 go\nC*\nS: 250 kept\nC: QUIT\nS: 221 bye";
    let breaks = "S: 220 mx\nC: EHLO mail.example.org\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n(close)";
    let clear = "S: 220 mx\nC: EHLO mail.example.org\nS: 250-mx\nS: 250 STARTTLS
        C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok
        C: DATA\nS: 354 go\nC*\nS: 250 kept\nC: QUIT\nS: 221 bye";
    let none = "S: 220 mx\nC: EHLO mail.example.org\nS: 250 mx\nC: QUIT";
    // A host that wants a certificate of ours ends TLS 1.3 behind the handshake.
    let starts = "S: 220 mx\nC: EHLO mail.example.org\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\n";
    let (mute, denies) = (&format!("{starts}S: 220 go\n(tls)\nC: EHLO mail.example.org\n(close)"), "454 4.7.0 not now");
    let injects: &str = &format!("{starts}S: 220 go | 250 said before TLS\n(tls)");
    let refuses = "C: MAIL FROM:<alice@example.org>\nS: 530 5.7.0 Must issue STARTTLS first\nC: QUIT\nS: 221 bye";
    let in_the_clear: &str = &format!("S: 220 mx\nC: EHLO mail.example.org\nS: 250-mx\nS: 250 STARTTLS\n{refuses}");
    let denied: &str = &format!("{starts}S: {denies}\n{refuses}");
    let opportunistic = OutboundTls::Opportunistic;
    for (tls, name, scripts, verdict, secure) in [
        (opportunistic, "mx.example.net", vec![secured], Verdict::Delivered, "TLSv1.3 TLS_SIMULATED"),
        (OutboundTls::Verified, "mx.example.net", vec![secured], Verdict::Delivered, "TLSv1.3 TLS_SIMULATED"),
        (opportunistic, "mx.example.net", vec![breaks, clear], Verdict::Delivered, ""),
        (opportunistic, "mx.example.net", vec![mute, clear], Verdict::Delivered, ""),
        (OutboundTls::Required, "mx.example.net", vec![mute], Verdict::Deferred, "TLSv1.3 TLS_SIMULATED"),
        // Octets behind the 220 to STARTTLS belong to nobody: no TLS on that connection.
        (opportunistic, "mx.example.net", vec![injects, clear], Verdict::Delivered, ""),
        (OutboundTls::Required, "mx.example.net", vec![injects], Verdict::Deferred, ""),
        // A refusal in the clear by a host that offered TLS may pass.
        (opportunistic, "mx.example.net", vec![breaks, in_the_clear], Verdict::Deferred, ""),
        (opportunistic, "mx.example.net", vec![denied], Verdict::Deferred, ""),
        (OutboundTls::Required, "mx.example.net", vec![breaks], Verdict::Deferred, ""),
        (OutboundTls::Required, "mx.example.net", vec![none], Verdict::Deferred, ""),
    ] {
        let stage = Stage::with(|settings| settings.outbound.tls = tls);
        stage.mx("example.net", 10, name);
        stage.host("mx.example.net", 1, &scripts);
        let outcome = stage.attempt_whole(&["bob@example.net"]).remove(0);
        assert_eq!((outcome.verdict, outcome.tls.as_str()), (verdict, secure), "{tls:?} {scripts:?} {outcome:?}");
        stage.end();
    }
}

/// Hosts that want no more of a message say so in the middle of it, and hang up.
#[test]
fn what_a_host_says_before_it_hangs_up_counts() {
    let text: &'static str = format!("Subject: x\r\n\r\n{}", "0123456789\r\n".repeat(50_000)).leak();
    let opening = TAKES.split_once("S: 250 2.0.0").unwrap().0.replace("C*\n", "");
    for (said, outcome) in [
        ("552 5.3.4 too large", "Failed 552 5.3.4 mx.example.net too large"),
        ("451 4.3.0 no room", "Deferred 451 4.3.0 mx.example.net no room"),
        ("421 4.3.2 closing", "Deferred 421 4.3.2 mx.example.net closing"),
    ] {
        let stage = Stage::new();
        stage.mx("example.net", 10, "mx.example.net");
        stage.host("mx.example.net", 1, &[&format!("{opening}S: {said}\n(close)")]);
        let outcomes = stage.attempt_text(&["bob@example.net"], text);
        assert_eq!(outcomes.iter().map(show).collect::<Vec<_>>(), [outcome]);
        stage.end();
    }
}

/// An address where a name belongs is taken as it is meant, as other hosts take it.
#[test]
fn a_numeric_exchanger_is_an_address() {
    let stage = Stage::new();
    stage.mx("example.net", 10, "10.0.1.7");
    stage.host("seven.example.net", 7, &[TAKES]);
    assert_eq!(stage.attempt(&["bob@example.net"]), ["Delivered 250 2.0.0 10.0.1.7 kept"]);
    stage.end();
}

/// A smart host whose name leads nowhere is our trouble, not the sender's.
#[test]
fn a_smart_host_without_an_address_makes_mail_wait() {
    let host = || SmartHost { host: "gone.example.org".to_owned(), port: 25, login: None };
    let stage = Stage::with(|settings| settings.outbound.smart_host = Some(host()));
    let outcome = stage.attempt(&["bob@example.net"]).remove(0);
    assert!(outcome.starts_with("Deferred 0 4.3.5"), "{outcome}");
    stage.end();
}

/// One host behind two domains is dialled once while it says nothing, and then left alone by both.
#[test]
fn a_host_that_did_not_greet_is_left_alone() {
    let stage = Stage::with(|settings| settings.outbound.waits.greeting = Duration::from_secs(7));
    stage.mx("example.net", 10, "mx.example.net");
    stage.mx("example.com", 10, "mx.example.net");
    stage.host("mx.example.net", 1, &["(stall)"]);
    for domain in ["example.net", "example.com"] {
        let outcome = stage.attempt(&[&format!("bob@{domain}")]).remove(0);
        assert!(outcome.ends_with("no reply in time (waiting for the greeting)"), "{outcome}");
    }
    assert_eq!(disk::lock(&stage.seen.connections).len(), 1);
    stage.end();
}

#[test]
fn a_smart_host_takes_everything_and_sees_the_password_under_verified_tls_only() {
    let login = Some(("alice".to_owned(), Secret::new("secret")));
    let through = "S: 220 relay\nC: EHLO mail.example.org\nS: 250-relay\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n(tls)
        C: EHLO mail.example.org\nS: 250-relay\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nS: 235 ok
        C: MAIL FROM:<alice@example.org> AUTH=<>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok
        C: RCPT TO:<carol@example.com>\nS: 250 ok\nC: DATA\nS: 354 go\nC*\nS: 250 kept\nC: QUIT\nS: 221 bye";
    let implicit = "(tls)\nS: 220 relay\nC: EHLO mail.example.org\nS: 250-relay\nS: 250 AUTH PLAIN
        C: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nS: 235 ok\nC: MAIL FROM:<alice@example.org> AUTH=<>\nS: 250 ok
        C: RCPT TO:<bob@example.net>\nS: 250 ok\nC: RCPT TO:<carol@example.com>\nS: 250 ok
        C: DATA\nS: 354 go\nC*\nS: 250 kept\nC: QUIT\nS: 221 bye";
    let other = "S: 220 relay\nC: EHLO mail.example.org\nS: 250-relay\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n(tls)";
    for (port, host, script, verdict) in [
        (587, "relay.example", through, Verdict::Delivered),
        (465, "relay.example", implicit, Verdict::Delivered),
        // Its certificate is another's.
        (587, "alias.example", other, Verdict::Deferred),
    ] {
        let host = host.to_owned();
        let login = login.clone();
        let stage = Stage::with(|settings| settings.outbound.smart_host = Some(SmartHost { host, port, login }));
        stage.seen.host(&stage.sim, "relay.example", [10, 0, 1, 9], port, &[script]);
        stage.sim.zone.add("alias.example", Record::A([10, 0, 1, 9].into()));
        let outcomes = stage.attempt_whole(&["bob@example.net", "carol@example.com"]);
        assert!(outcomes.iter().all(|outcome| outcome.verdict == verdict), "{outcomes:?}");
        stage.end();
    }
}

#[test]
fn trouble_before_any_host() {
    let stage = Stage::new();
    stage.mx("null.example", 0, "");
    stage.mx("dangling.example", 10, "nowhere.example");
    stage.mx("self.example", 10, "mail.example.org");
    stage.mx("down.example", 10, "down.example.net");
    stage.sim.zone.add("down.example.net", Record::A([10, 0, 1, 77].into()));
    for (to, outcome) in [
        ("a@gone.example", "Failed 0 5.1.2  domain gone.example does not exist"),
        ("a@null.example", "Failed 0 5.1.10  domain null.example does not accept mail (null MX)"),
        ("a@dangling.example", "Failed 0 5.4.4  host nowhere.example has no address"),
        ("a@self.example", "Failed 0 5.4.6  mail for self.example loops back to mail.example.org"),
        ("a@down.example", "Deferred 0 4.4.1 down.example.net connecting to 10.0.1.77:25: connection refused"),
        ("a@[10.0.1.78]", "Deferred 0 4.4.1 [10.0.1.78] connecting to 10.0.1.78:25: connection refused"),
    ] {
        assert_eq!(stage.attempt(&[to]), [outcome]);
    }
    stage.sim.zone.set_faults(1000, 0);
    assert_eq!(stage.attempt(&["a@down.example"]), ["Deferred 0 4.4.3  DNS server fails on MX of down.example"]);
    stage.sim.zone.set_faults(0, 1000);
    assert_eq!(stage.attempt(&["a@down.example"]), ["Deferred 0 4.4.3  no DNS answer for MX of down.example"]);
    stage.end();
}

#[test]
fn an_attempt_that_meets_only_silence_ends() {
    let stage = Stage::new();
    for (n, name) in
        ["a.example.net", "b.example.net", "c.example.net", "d.example.net", "e.example.net"].into_iter().enumerate()
    {
        stage.mx("example.net", n as u16, name);
        stage.host(name, n as u8, if n < 3 { &["(stall)"] } else { &[] });
    }
    let begun = stage.client.world().clock.now();
    assert_eq!(
        stage.attempt(&["bob@example.net"]),
        ["Deferred 0 4.4.2 c.example.net no reply in time (waiting for the greeting)"]
    );
    let took = stage.client.world().clock.now() - begun;
    assert!(took < Duration::from_secs(3 * 300 + 60), "{took:?}");
    stage.end();
}

// -- names -------------------------------------------------------------------------------------------

fn exchangers(stage: &Stage, domain: &str) -> String {
    let world = stage.client.world();
    let domain = Domain::parse(domain).unwrap();
    let found = stage.sim.executor.run(async move { mx::exchangers(&world, &domain, "mail.example.org").await });
    match found {
        Ok(hosts) => hosts.iter().map(|h| format!("{}:{}", h.preference, h.name)).collect::<Vec<_>>().join(" "),
        Err(no_route) => no_route.status.to_string(),
    }
}

#[test]
fn exchangers_by_preference() {
    let stage = Stage::new();
    type Row = (&'static str, &'static [(u16, &'static str)], &'static str);
    let table: &[Row] = &[
        ("one.example", &[(10, "MX.one.example.")], "10:mx.one.example"),
        ("order.example", &[(30, "c.x"), (10, "a.x"), (20, "b.x")], "10:a.x 20:b.x 30:c.x"),
        ("twice.example", &[(30, "a.x"), (10, "a.x"), (20, "b.x")], "10:a.x 20:b.x"),
        ("we.example", &[(10, "a.x"), (20, "Mail.Example.ORG"), (20, "b.x"), (30, "c.x")], "10:a.x"),
        ("best.example", &[(10, "mail.example.org"), (20, "b.x")], "5.4.6"),
        ("null.example", &[(0, "")], "5.1.10"),
        // RFC 7505 §3 forbids it; the real one counts.
        ("halfnull.example", &[(0, ""), (10, "a.x")], "10:a.x"),
        ("xn--mnchen-3ya.example", &[(1, "a.x")], "1:a.x"),
    ];
    for (domain, records, expected) in table {
        for (preference, exchange) in *records {
            stage.mx(domain, *preference, exchange);
        }
        assert_eq!(exchangers(&stage, domain), *expected, "{domain}");
    }
    assert_eq!(exchangers(&stage, "münchen.example"), "1:a.x");
    stage.sim.zone.add("implicit.example", Record::A([10, 0, 0, 9].into()));
    assert_eq!(exchangers(&stage, "implicit.example"), "0:implicit.example");
    assert_eq!(exchangers(&stage, "absent.example"), "5.1.2");
    assert_eq!(exchangers(&stage, "[192.0.2.1]"), "0:[192.0.2.1]");
    stage.end();
}

#[test]
fn hosts_and_addresses_at_their_limits() {
    use mailcore::base::limits::{ADDRESSES_PER_HOST_MAX, MX_HOSTS_MAX};
    let stage = Stage::new();
    for n in [MX_HOSTS_MAX - 1, MX_HOSTS_MAX, MX_HOSTS_MAX + 1] {
        let domain = format!("hosts{n}.example");
        (0..n).for_each(|host| stage.mx(&domain, 10, &format!("mx{host}.example")));
        assert_eq!(exchangers(&stage, &domain).split(' ').count(), n.min(MX_HOSTS_MAX));
    }
    for n in [ADDRESSES_PER_HOST_MAX - 1, ADDRESSES_PER_HOST_MAX, ADDRESSES_PER_HOST_MAX + 1] {
        let name = format!("addresses{n}.example");
        (0..n).for_each(|last| stage.sim.zone.add(&name, Record::A([10, 9, 9, last as u8].into())));
        assert_eq!(addresses(&stage, &name, true).unwrap().len(), n.min(ADDRESSES_PER_HOST_MAX));
    }
    stage.end();
}

fn addresses(stage: &Stage, name: &str, ipv6: bool) -> Result<Vec<String>, String> {
    let world = stage.client.world();
    let exchanger = mx::Exchanger::new(name, 0);
    let found = stage.sim.executor.run(async move { mx::addresses(&world, &exchanger, ipv6).await });
    found.map(|found| found.ips.iter().map(ToString::to_string).collect()).map_err(|e| e.status.to_string())
}

#[test]
fn families_take_turns() {
    let stage = Stage::new();
    for ip in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        stage.sim.zone.add("both.example", Record::A(ip.parse().unwrap()));
    }
    stage.sim.zone.add("both.example", Record::Aaaa("2001:db8::1".parse().unwrap()));
    stage.sim.zone.add("six.example", Record::Aaaa("2001:db8::2".parse().unwrap()));
    assert_eq!(addresses(&stage, "both.example", true).unwrap(), ["2001:db8::1", "10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    assert_eq!(addresses(&stage, "both.example", false).unwrap(), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    assert_eq!(addresses(&stage, "six.example", true).unwrap(), ["2001:db8::2"]);
    assert_eq!(addresses(&stage, "six.example", false), Err("5.4.4".to_owned()));
    assert_eq!(addresses(&stage, "absent.example", true), Err("5.4.4".to_owned()));
    stage.sim.zone.set_faults(1000, 0);
    assert_eq!(addresses(&stage, "both.example", true), Err("4.4.3".to_owned()));
    stage.end();
}

/// RFC 9422: a host that takes few recipients and messages gets no more, and each recipient is asked for.
#[test]
fn limits_of_a_host_are_obeyed() {
    let stage = Stage::new();
    stage.mx("example.net", 10, "mx.example.net");
    let taking = |limits: &str, groups: &[&[&str]]| {
        let mut script = format!("S: 220 mx\nC: EHLO mail.example.org\nS: 250-mx\nS: 250 LIMITS {limits}\n");
        for group in groups {
            script += "C: MAIL FROM:<alice@example.org>\nS: 250 ok\n";
            for name in *group {
                script += &format!("C: RCPT TO:<{name}@example.net>\nS: 250 ok\n");
            }
            script += "C: DATA\nS: 354 go\nC*\nS: 250 2.0.0 kept\n";
        }
        script + "C: QUIT\nS: 221 bye"
    };
    let first = taking("RCPTMAX=2", &[&["bob", "carol"], &["dave"]]);
    stage.host("mx.example.net", 1, &[&first]);
    let delivered = "Delivered 250 2.0.0 mx.example.net kept";
    assert_eq!(stage.attempt(&["bob@example.net", "carol@example.net", "dave@example.net"]), [delivered; 3]);
    assert_eq!(disk::lock(&stage.seen.connections).len(), 1);
    stage.end();
    drop(stage);

    let stage = Stage::new();
    stage.mx("example.net", 10, "mx.example.net");
    let (first, second) = (taking("MAILMAX=1 RCPTMAX=1", &[&["bob"]]), taking("MAILMAX=1 RCPTMAX=1", &[&["carol"]]));
    stage.host("mx.example.net", 1, &[&first, &second]);
    assert_eq!(stage.attempt(&["bob@example.net", "carol@example.net"]), [delivered; 2]);
    assert_eq!(disk::lock(&stage.seen.connections).len(), 2);
    assert!(stage.outlet.pool.is_empty());
    stage.end();
}
