//! Tests of the real resolver against our own server, over real packets on loopback.

use std::net::{Ipv4Addr, UdpSocket};

use super::*;
use crate::base::time::{Mono, Timestamp};
use crate::base::world::{Clock, Task};
use crate::dns::server::DnsServer;
use crate::dns::zone::{SharedZone, Zone};

/// Tasks on an executor that runs while a test waits.
struct Runs(Arc<smol::Executor<'static>>);

impl Spawner for Runs {
    fn task(&self, _: &'static str, future: BoxFuture<'static, ()>) -> Task<()> {
        self.0.spawn(future)
    }
    fn lane(&self, name: &'static str, future: BoxFuture<'static, ()>) -> Task<()> {
        self.task(name, future)
    }
    fn compute(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        Box::pin(async { job() })
    }
}

struct Never;

impl Clock for Never {
    fn now(&self) -> Mono {
        Mono(0)
    }
    fn wall(&self) -> Timestamp {
        Timestamp(0)
    }
    fn sleep_until(&self, _: Mono) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

struct Bench {
    executor: Arc<smol::Executor<'static>>,
    resolver: RealResolver,
    _server: Option<DnsServer>,
}

fn bench(lines: &str) -> Bench {
    let mut zone = Zone::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut fields = line.splitn(3, ' ');
        let mut next = || fields.next().unwrap_or_default();
        zone.add(next(), next(), next(), 300).unwrap();
    }
    let executor = Arc::new(smol::Executor::new());
    let run: Arc<dyn Spawner> = Arc::new(Runs(executor.clone()));
    let loopback = "127.0.0.1:0".parse().unwrap();
    let server = DnsServer::start(&run, Arc::new(Never), loopback, SharedZone::new(zone)).unwrap();
    let options = ResolverOptions { server: Some(server.local_addr()), ..ResolverOptions::default() };
    Bench { resolver: RealResolver::new(run, &options).unwrap(), executor, _server: Some(server) }
}

impl Bench {
    fn ask(&self, name: &str, kind: RecordKind) -> Answer {
        smol::block_on(self.executor.run(self.resolver.ask(name, kind)))
    }
}

#[test]
fn every_kind_comes_over_the_wire() {
    let bench = bench(
        "a.test A 192.0.2.1
         a.test A 192.0.2.2
         a.test AAAA 2001:db8::1
         a.test MX 20 second.test
         a.test MX 10 first.test
         null.test MX 0 .
         s1_2048._domainkey.a.test TXT \"v=DKIM1; \" \"p=AB\"
         1.2.0.192.in-addr.arpa PTR a.test
         _25._tcp.a.test TLSA 3 1 1 00ff
         foo:bar/baz.test A 192.0.2.3
         odd.test MX 5 foo:bar/baz.test",
    );
    let ip = |last| Record::A(Ipv4Addr::new(192, 0, 2, last));
    let mx = |preference, exchange: &str| Record::Mx { preference, exchange: exchange.to_owned() };
    let cases = [
        ("a.test", RecordKind::A, vec![ip(1), ip(2)]),
        ("A.Test.", RecordKind::Aaaa, vec![Record::Aaaa("2001:db8::1".parse().unwrap())]),
        ("a.test", RecordKind::Mx, vec![mx(20, "second.test"), mx(10, "first.test")]),
        ("null.test", RecordKind::Mx, vec![mx(0, "")]),
        ("odd.test", RecordKind::Mx, vec![mx(5, "foo:bar/baz.test")]),
        ("foo:bar/baz.test", RecordKind::A, vec![ip(3)]),
        ("s1_2048._domainkey.a.test", RecordKind::Txt, vec![Record::Txt(b"v=DKIM1; p=AB".to_vec())]),
        ("1.2.0.192.in-addr.arpa", RecordKind::Ptr, vec![Record::Ptr("a.test".into())]),
        (
            "_25._tcp.a.test",
            RecordKind::Tlsa,
            vec![Record::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![0, 255] }],
        ),
    ];
    for (name, kind, records) in cases {
        let answer = bench.ask(name, kind);
        assert_eq!(answer.records, Ok(records), "{name}");
        assert_eq!((answer.ttl, answer.secure), (Duration::from_secs(300), false));
    }
}

#[test]
fn aliases_are_followed_and_circles_fail() {
    let bench = bench(
        "a.test CNAME b.test
         b.test CNAME c.test
         c.test MX 10 mx.test
         x.test CNAME y.test
         y.test CNAME x.test",
    );
    let mx = Record::Mx { preference: 10, exchange: "mx.test".into() };
    assert_eq!(bench.ask("a.test", RecordKind::Mx).records, Ok(vec![mx]));
    assert_eq!(bench.ask("a.test", RecordKind::Cname).records, Ok(vec![Record::Cname("b.test".into())]));
    assert_eq!(bench.ask("a.test", RecordKind::A).records, Err(NoRecords::NoData));
    assert_eq!(bench.ask("x.test", RecordKind::A).records, Err(NoRecords::ServFail));
}

#[test]
fn no_such_name_is_not_no_such_kind() {
    let bench = bench("a.test A 192.0.2.1");
    let (nx, nodata) = (bench.ask("b.test", RecordKind::A), bench.ask("a.test", RecordKind::Mx));
    assert_eq!((nx.records, nx.ttl), (Err(NoRecords::NxDomain), Duration::from_secs(60)));
    assert_eq!((nodata.records, nodata.ttl), (Err(NoRecords::NoData), Duration::from_secs(60)));
    for name in ["", ".", "a..test", "a\tb.test", &"a".repeat(64)] {
        assert_eq!(bench.ask(name, RecordKind::A).records, Err(NoRecords::BadName), "{name}");
    }
}

#[test]
fn names_in_other_scripts_are_asked_as_a_labels() {
    let bench = bench("xn--bcher-kva.test A 192.0.2.1");
    assert!(bench.ask("bücher.test", RecordKind::A).records.is_ok());
}

#[test]
fn what_is_too_long_for_a_datagram_comes_over_tcp() {
    let long = "x".repeat(3_000);
    let bench = bench(&format!("a.test TXT {long}"));
    assert_eq!(bench.ask("a.test", RecordKind::Txt).records, Ok(vec![Record::Txt(long.into_bytes())]));
}

#[test]
fn a_silent_server_is_a_timeout() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let executor = Arc::new(smol::Executor::new());
    let options = ResolverOptions {
        server: Some(silent.local_addr().unwrap()),
        timeout: Duration::from_millis(20),
        retries: 0,
        ..ResolverOptions::default()
    };
    let resolver = RealResolver::new(Arc::new(Runs(executor.clone())), &options).unwrap();
    let bench = Bench { executor, resolver, _server: None };
    let answer = bench.ask("a.test", RecordKind::A);
    assert_eq!(answer.records, Err(NoRecords::Timeout));
    assert!(answer.records.unwrap_err().is_transient());
}
