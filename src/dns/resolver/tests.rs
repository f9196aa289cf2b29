//! Tests of the real resolver against our own server, over real packets on loopback.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use trust_dns_resolver::proto::op::Message;
use trust_dns_resolver::proto::rr::rdata::{A, CNAME, MX};

use super::*;

mod proofs;

use crate::base::standing_clock::StandingClock;
use crate::base::world::Task;
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
    let server = DnsServer::start(&run, Arc::new(StandingClock::default()), loopback, SharedZone::new(zone)).unwrap();
    let options = ResolverOptions { server: Some(server.local_addr()), ..ResolverOptions::default() };
    Bench { resolver: RealResolver::new(run, &options).unwrap(), executor, _server: Some(server) }
}

impl Bench {
    fn ask(&self, name: &str, kind: RecordKind) -> DnsAnswer {
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

/// Answers as a script says: given a question, the response prepared for it, and whether it came over UDP.
fn scripted(script: fn(&Message, &mut Message, bool)) -> Bench {
    let executor = Arc::new(smol::Executor::new());
    let options = ResolverOptions { server: Some(server_of(script)), ..ResolverOptions::default() };
    let resolver = RealResolver::new(Arc::new(Runs(executor.clone())), &options).unwrap();
    Bench { executor, resolver, _server: None }
}

#[allow(clippy::disallowed_methods, reason = "a server that lies, on threads of its own")]
fn server_of(script: impl Fn(&Message, &mut Message, bool) + Clone + Send + 'static) -> SocketAddr {
    let respond = move |question: &[u8], datagram: bool| {
        let question = Message::from_vec(question).unwrap();
        let mut response = Message::response(question.metadata.id, question.metadata.op_code);
        response.add_queries(question.queries.clone());
        script(&question, &mut response, datagram);
        response.to_vec().unwrap()
    };
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        // The port may be in use by another's TCP.
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            break (udp, tcp);
        }
    };
    let server = udp.local_addr().unwrap();
    // These end with the process.
    let by_udp = respond.clone();
    std::thread::spawn(move || {
        let mut octets = [0; 4096];
        while let Ok((n, peer)) = udp.recv_from(&mut octets) {
            let _ = udp.send_to(&by_udp(&octets[..n], true), peer);
        }
    });
    std::thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            let mut length = [0; 2];
            while stream.read_exact(&mut length).is_ok() {
                let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut question).unwrap();
                let response = respond(&question, false);
                let length = u16::try_from(response.len()).unwrap().to_be_bytes();
                stream.write_all(&[&length[..], &response].concat()).unwrap();
            }
        }
    });
    server
}

fn record_of(owner: &str, data: RData) -> rr::Record {
    rr::Record::from_rdata(absolute(owner).unwrap(), 60, data)
}

fn exchanger(owner: &str, exchange: &str) -> rr::Record {
    record_of(owner, RData::MX(MX::new(10, absolute(exchange).unwrap())))
}

#[test]
fn records_of_other_names_are_no_answer() {
    let bench = scripted(|_, response, _| {
        response.add_answer(exchanger("other.test", "evil.test"));
        response.add_answer(exchanger("b.test", "mx.test"));
        response.add_answer(record_of("a.test", RData::CNAME(CNAME(absolute("B.test").unwrap()))));
        response.add_answer(exchanger("a.test", "evil.test"));
        response.add_additional(record_of("mx.test", RData::A(A(Ipv4Addr::new(192, 0, 2, 66)))));
    });
    let mx = Record::Mx { preference: 10, exchange: "mx.test".into() };
    assert_eq!(bench.ask("a.test", RecordKind::Mx).records, Ok(vec![mx.clone()]));
    assert_eq!(bench.ask("b.test", RecordKind::Mx).records, Ok(vec![mx]));
}

#[test]
fn a_response_without_its_question_denies_nothing() {
    let bench = scripted(|_, response, datagram| {
        response.metadata.truncation = datagram;
        if !datagram {
            response.queries.clear();
            response.add_answer(exchanger("a.test", "mx.test"));
        }
    });
    assert_eq!(bench.ask("a.test", RecordKind::Mx).records, Err(NoRecords::ServFail));
}

#[test]
fn servers_that_cannot_read_edns_are_asked_without() {
    for code in [ResponseCode::FormErr, ResponseCode::NotImp] {
        let bench = match code {
            ResponseCode::FormErr => {
                scripted(|question, response, _| refuse(question, response, ResponseCode::FormErr))
            }
            _ => scripted(|question, response, _| refuse(question, response, ResponseCode::NotImp)),
        };
        let mx = Record::Mx { preference: 10, exchange: "mx.test".into() };
        assert_eq!(bench.ask("a.test", RecordKind::Mx).records, Ok(vec![mx]), "{code}");
    }
}

fn refuse(question: &Message, response: &mut Message, code: ResponseCode) {
    if question.edns.is_some() {
        response.metadata.response_code = code;
    } else {
        response.add_answer(exchanger("a.test", "mx.test"));
    }
}

#[test]
fn a_server_that_is_not_there_is_known_at_once() {
    let executor = Arc::new(smol::Executor::new());
    let run: Arc<dyn Spawner> = Arc::new(Runs(executor.clone()));
    // A port that was free a moment ago.
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Longer than a test run: only an error that is heard at once ends this.
    let options =
        ResolverOptions { server: Some(free), timeout: Duration::from_secs(86_400), ..ResolverOptions::default() };
    let resolver = RealResolver::new(run, &options).unwrap();
    let answer = smol::block_on(executor.run(resolver.ask("a.test", RecordKind::A)));
    assert_eq!(answer.records, Err(NoRecords::ServFail));
}

#[test]
fn an_answer_that_does_not_fit_moves_its_own_question_to_tcp_and_no_other() {
    let long = "x".repeat(250);
    let zone: String = (0..20).map(|n| format!("long.test TXT \"{n}{long}\"\n")).collect();
    let bench = bench(&format!("{zone}short.test A 192.0.2.1"));
    assert_eq!(bench.ask("long.test", RecordKind::Txt).records.unwrap().len(), 20);
    // Without streams, what fits is still answered, and what does not is not.
    let datagrams = bench.resolver.lookups.first.clone();
    let name = |text: &str| absolute(text).unwrap();
    for _ in 0..3 {
        assert_eq!(bench.ask("short.test", RecordKind::A).records.unwrap().len(), 1);
    }
    let asked = smol::block_on(bench.executor.run(datagrams.lookup(name("long.test"), RecordType::TXT)));
    assert!(matches!(asked, Err(NetError::Truncated)), "{asked:?}");
    let asked = smol::block_on(bench.executor.run(datagrams.lookup(name("short.test"), RecordType::A)));
    assert_eq!(asked.unwrap().answers().len(), 1);
}

/// A server that says of `signed.test` that DNSSEC proves it, where it is asked for that word.
fn validating(question: &Message, response: &mut Message, datagram: bool) {
    let query = &question.queries[0];
    let name = query.name().to_ascii().to_ascii_lowercase();
    response.metadata.truncation = datagram && query.query_type() == RecordType::TXT;
    response.metadata.authentic_data = question.metadata.authentic_data && name == "signed.test.";
    if response.metadata.truncation {
        return;
    }
    match query.query_type() {
        RecordType::MX => _ = response.add_answer(exchanger(&name, "mx.test")),
        RecordType::TXT => {
            let text = trust_dns_resolver::proto::rr::rdata::TXT::from_bytes(vec![b"x"]);
            response.add_answer(record_of(&name, RData::TXT(text)));
        }
        _ => {}
    }
}

#[test]
fn a_trusted_server_is_asked_for_its_word_and_believed() {
    for (trust_ad, name, secure) in
        [(true, "signed.test", true), (true, "unsigned.test", false), (false, "signed.test", false)]
    {
        let executor = Arc::new(smol::Executor::new());
        let server = Some(server_of(validating));
        let options = ResolverOptions { server, trust_ad, ..ResolverOptions::default() };
        let resolver = RealResolver::new(Arc::new(Runs(executor.clone())), &options).unwrap();
        let bench = Bench { executor, resolver, _server: None };
        // TXT comes over TCP, several questions on one connection.
        for kind in [RecordKind::Mx, RecordKind::Txt, RecordKind::Txt] {
            let answer = bench.ask(name, kind);
            assert!(answer.records.is_ok(), "{name} {kind:?}");
            assert_eq!(answer.secure, secure, "{name} {kind:?} {trust_ad}");
        }
    }
}
