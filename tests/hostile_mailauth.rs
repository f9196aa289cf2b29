//! Mail authentication against peers and name servers that mean harm: whatever they send, a verdict comes, after a
//! bounded number of questions and, on a clock that only jumps, in bounded time.

#[macro_use]
extern crate mailcore_watchdog;

use std::future::ready;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use mailcore::base::limits::{
    CHECK_DNS_SECONDS, CHECK_QUESTION_SECONDS, CHECK_QUESTIONS_MAX, DKIM_SIGNATURES_MAX, HEADER_OCTETS_MAX,
    SPF_LOOKUPS_MAX, SPF_NAMES_MAX,
};
use mailcore::base::time::Mono;
use mailcore::base::world::{BoxFuture, Clock, DnsAnswer, NoRecords, Record, RecordKind, Resolver};
use mailcore::base::{Address, Timestamp};
use mailcore::dns::patient::PatientResolver;
use mailcore::mailauth::dkim::{Algorithm, DkimResult, Signer, SigningKey, dns_record, generate};
use mailcore::mailauth::dmarc::{DmarcResult, Evidence, evaluate};
use mailcore::mailauth::spf::{Query, SpfResult, check};
use mailcore::mailauth::{Checks, Examination, Origin, Verdicts, Verifier};

const MEGABYTE: usize = 1024 * 1024;
/// Questions of one SPF check: the record, ten terms of at most a question and ten names each, PTR with its names, and
/// the explanation.
const SPF_QUESTIONS_MAX: usize = 1 + SPF_LOOKUPS_MAX * (1 + SPF_NAMES_MAX) + (1 + SPF_NAMES_MAX) + 1;

type Records = Result<Vec<Record>, NoRecords>;

/// Counts the questions, and answers by a function.
struct Liar<F> {
    asked: Arc<AtomicUsize>,
    answer: F,
}

impl<F: Fn(&str, RecordKind) -> Records + Send + Sync> Liar<F> {
    fn new(answer: F) -> Liar<F> {
        Liar { asked: Arc::default(), answer }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl<F: Fn(&str, RecordKind) -> Records + Send + Sync> Resolver for Liar<F> {
    fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(ready(DnsAnswer { records: (self.answer)(name, kind), ttl: Duration::ZERO, secure: false }))
    }
}

fn text(text: impl Into<Vec<u8>>) -> Records {
    Ok(vec![Record::Txt(text.into())])
}

fn spf(resolver: &dyn Resolver) -> SpfResult {
    let query = Query {
        ip: Ipv4Addr::new(192, 0, 2, 1).into(),
        helo: "client.example".to_owned(),
        sender_local: "alice".to_owned(),
        sender_domain: "a.example".to_owned(),
        receiver: "mx.example".to_owned(),
        now: Timestamp(0),
    };
    smol::block_on(check(resolver, &query)).result
}

fn dkim(resolver: &dyn Resolver, header: &[u8], body: &[u8]) -> Vec<DkimResult> {
    let mut verifier = Verifier::new(header, Checks::default());
    verifier.push(body);
    smol::block_on(verifier.finish(resolver, Timestamp(0))).0.into_iter().map(|v| v.result).collect()
}

fn signed() -> (String, Vec<u8>) {
    let key = SigningKey::parse(&generate(Algorithm::Ed25519Sha256).expect("key")).expect("key");
    let header = "From: a@example.org\r\nSubject: x\r\n";
    let mut signing = Signer::new("example.org", "sel", key.clone()).begin_with(b"body\r\n");
    signing.extend_from_slice(header.as_bytes());
    (dns_record(&key).expect("record"), signing)
}

/// The field of a message with this body.
trait BeginWith {
    fn begin_with(&self, body: &[u8]) -> Vec<u8>;
}

impl BeginWith for Signer {
    fn begin_with(&self, body: &[u8]) -> Vec<u8> {
        let mut signing = self.begin();
        signing.push(body);
        signing.finish(b"From: a@example.org\r\nSubject: x\r\n", Timestamp(0)).expect("signed")
    }
}

#[test]
fn records_of_a_megabyte() {
    let (key, header) = signed();
    let long = [key.as_bytes(), b"; n=", &vec![b'x'; MEGABYTE]].concat();
    let liar = Liar::new(move |_: &str, _| text(long.clone()));
    assert_eq!(dkim(&liar, &header, b"body\r\n"), [DkimResult::PermError]);
    for (filler, results) in [
        (" a", [SpfResult::PermError, SpfResult::PermError]),
        (" ip4:192.0.2.7", [SpfResult::Neutral, SpfResult::PermError]),
        (" include:a.example", [SpfResult::PermError, SpfResult::PermError]),
        (" x=%{d}%{d}%{d}", [SpfResult::Neutral, SpfResult::PermError]),
        ("x", [SpfResult::None, SpfResult::None]),
    ] {
        let record = format!("v=spf1{}", filler.repeat(MEGABYTE / filler.len()));
        let liar = Liar::new(move |_: &str, _| text(record.clone()));
        assert!(results.contains(&spf(&liar)), "{filler}");
        assert!(liar.asked() <= SPF_QUESTIONS_MAX, "{filler}: {}", liar.asked());
    }
    for filler in ["; p=reject", "; x=y", ";", "rua=mailto:a@b,"] {
        let record = format!("v=DMARC1; p=reject; {}", filler.repeat(MEGABYTE / filler.len()));
        let liar = Liar::new(move |_: &str, _| text(record.clone()));
        let evidence = Evidence {
            from_domain: "a.example".to_owned(),
            spf: (SpfResult::Fail, "a.example".to_owned()),
            dkim: Vec::new(),
        };
        let result = smol::block_on(evaluate(&liar, &evidence)).result;
        assert!(matches!(result, DmarcResult::None | DmarcResult::Fail | DmarcResult::PermError), "{result}");
    }
}

#[test]
fn a_hundred_signatures() {
    let field = |i: usize, length: usize| {
        format!(
            "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/simple; d=d{i}.example; s=s; h=From; l={length};\r\n \
             bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
        )
    };
    // All alike, and each with a body of its own.
    for different in [0, 1] {
        let fields: String = (0..100).map(|i| field(i, i * different)).collect();
        let header = fields + "From: a@d0.example\r\n";
        let liar = Liar::new(|_: &str, _| Err(NoRecords::NxDomain));
        let results = dkim(&liar, header.as_bytes(), &vec![b'x'; MEGABYTE]);
        assert_eq!(results.len(), DKIM_SIGNATURES_MAX);
        assert!(liar.asked() <= DKIM_SIGNATURES_MAX, "{}", liar.asked());
    }
}

#[test]
fn headers_as_large_as_they_may_be() {
    let names = vec!["x"; 499].join(":");
    let signature = format!(
        "DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=From:{names};\r\n \
         bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
    );
    let (key, _) = signed();
    let liar = Liar::new(move |_: &str, _| text(key.clone()));
    // Many fields with many names, one field of all octets, one line folded without end.
    let rest = HEADER_OCTETS_MAX - 10 * signature.len();
    for filler in [
        "x:\r\n".repeat(rest / 4),
        format!("x: {}\r\n", "y".repeat(rest)),
        "x:\r\n".to_owned() + &" \r\n".repeat(rest / 3),
    ] {
        let header = signature.repeat(10) + "From: a@a.example\r\n" + &filler;
        assert_eq!(dkim(&liar, header.as_bytes(), b"").len(), 10);
    }
    // Tags without end are no signature.
    for value in
        ["v=1;".repeat(60_000 / 4), "=".repeat(60_000), ";".repeat(60_000), format!("b={}", "A".repeat(60_000))]
    {
        let header = format!("DKIM-Signature: {value}\r\nFrom: a@a.example\r\n");
        assert_eq!(dkim(&liar, header.as_bytes(), b""), [DkimResult::PermError]);
    }
}

#[test]
fn names_that_lead_in_circles() {
    for record in [
        "v=spf1 include:a.example -all",
        "v=spf1 redirect=a.example",
        "v=spf1 include:b.a.example include:c.a.example include:d.a.example -all",
        "v=spf1 include:%{d}.example",
        "v=spf1 a mx ptr exists:%{p}.nowhere include:x.example redirect=y.example",
    ] {
        let liar = Liar::new(move |name: &str, kind| match kind {
            RecordKind::Txt => text(record),
            RecordKind::Mx => {
                Ok((0..10).map(|i| Record::Mx { preference: i, exchange: format!("{i}.{name}") }).collect())
            }
            RecordKind::Ptr => Ok((0..10).map(|i| Record::Ptr(format!("{i}.example"))).collect()),
            _ if name.ends_with("nowhere") => Err(NoRecords::NxDomain),
            _ => Ok(vec![Record::A(Ipv4Addr::new(198, 51, 100, 1))]),
        });
        assert_eq!(spf(&liar), SpfResult::PermError, "{record}");
        assert!(liar.asked() <= SPF_QUESTIONS_MAX, "{record}: {}", liar.asked());
    }
}

#[test]
fn answers_by_the_thousand_and_of_other_kinds() {
    let many = Liar::new(|name: &str, kind| {
        Ok((0..10_000_u32)
            .map(|i| match kind {
                RecordKind::Txt => Record::Txt(b"v=spf1 mx ptr a -all".to_vec()),
                RecordKind::Mx => Record::Mx { preference: 1, exchange: format!("{i}.{name}") },
                RecordKind::Ptr => Record::Ptr(format!("{i}.example")),
                _ => Record::A(Ipv4Addr::from(i)),
            })
            .collect())
    });
    assert_eq!(spf(&many), SpfResult::PermError);
    let (_, header) = signed();
    assert_eq!(dkim(&many, &header, b"body\r\n"), [DkimResult::PermError]);
    // Answers to another question, empty ones, names and texts of any octets.
    let lies: [fn() -> Records; 7] = [
        || Ok(Vec::new()),
        || Ok(vec![Record::A(Ipv4Addr::LOCALHOST), Record::Aaaa(Ipv6Addr::LOCALHOST)]),
        || Ok(vec![Record::Ptr(String::new()), Record::Ptr("..".to_owned()), Record::Ptr("\u{fc}".repeat(300))]),
        || Ok(vec![Record::Mx { preference: 0, exchange: ".".to_owned() }]),
        || text((0..=255).collect::<Vec<u8>>()),
        || text("v=spf1 exists:%{s1000000000r.-+,/_=}.%{d}.example -all"),
        || Err(NoRecords::Bogus),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let liar = Liar::new(move |_: &str, _| lie());
        let verdicts = examine(&liar, &header);
        assert_ne!(verdicts.dmarc.result, DmarcResult::Pass, "lie {number}");
        assert!(verdicts.dkim.iter().all(|v| v.result != DkimResult::Pass), "lie {number}");
        assert_ne!(verdicts.spf.result, SpfResult::Pass, "lie {number}");
    }
}

/// Time goes only where somebody waits for it.
#[derive(Default)]
struct Jumping(Arc<AtomicU64>);

impl Clock for Jumping {
    fn now(&self) -> Mono {
        Mono(self.0.load(Ordering::Relaxed))
    }
    fn wall(&self) -> Timestamp {
        Timestamp(0)
    }
    fn sleep_until(&self, at: Mono) -> BoxFuture<'static, ()> {
        let now = self.0.clone();
        Box::pin(async move {
            now.fetch_max(at.0, Ordering::Relaxed);
        })
    }
}

#[test]
fn servers_that_never_answer() {
    struct Silent;
    impl Resolver for Silent {
        fn ask(&self, _: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
            Box::pin(std::future::pending())
        }
    }
    let (_, header) = signed();
    let clock = Arc::new(Jumping::default());
    let (total, question) = (Duration::from_secs(CHECK_DNS_SECONDS), Duration::from_secs(CHECK_QUESTION_SECONDS));
    let resolver = PatientResolver::new(Arc::new(Silent), clock.clone(), total, question, CHECK_QUESTIONS_MAX);
    let verdicts = examine(&resolver, &header);
    assert_eq!(verdicts.spf.result, SpfResult::TempError);
    assert_eq!(verdicts.dkim.iter().map(|v| v.result).collect::<Vec<_>>(), [DkimResult::TempError]);
    assert_eq!(verdicts.dmarc.result, DmarcResult::TempError);
    assert!(clock.now() <= Mono(0) + total, "{:?}", clock.now());
}

#[test]
fn a_message_made_to_ask_as_much_as_it_can() {
    let signatures: String = (0..100)
        .map(|i| {
            format!(
                "DKIM-Signature: v=1; a=rsa-sha256; d=a.b.c.d.e.f.g.h.d{i}.example; s=s; h=From;\r\n \
                 bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
            )
        })
        .collect();
    let from = "From: a@1.2.3.4.5.6.7.8.x.example, b@1.2.3.4.5.6.7.8.y.example, c@1.2.3.4.5.6.7.8.z.example\r\n";
    let liar = Arc::new(Liar::new(|name: &str, kind| match kind {
        RecordKind::Txt if name.starts_with("_dmarc.") => text("v=DMARC1; p=reject"),
        RecordKind::Txt => text("v=spf1 mx:a.example mx:b.example mx:c.example ptr include:d.example -all"),
        RecordKind::Mx => Ok((0..10).map(|i| Record::Mx { preference: i, exchange: format!("{i}.{name}") }).collect()),
        RecordKind::Ptr => Ok((0..1_000).map(|i| Record::Ptr(format!("{i}.example"))).collect()),
        _ => Ok(vec![Record::A(Ipv4Addr::new(198, 51, 100, 1))]),
    }));
    let clock = Arc::new(Jumping::default());
    let (total, question) = (Duration::from_secs(CHECK_DNS_SECONDS), Duration::from_secs(CHECK_QUESTION_SECONDS));
    let resolver = PatientResolver::new(liar.clone(), clock, total, question, CHECK_QUESTIONS_MAX);
    let verdicts = examine(&resolver, (signatures + from).as_bytes());
    assert_eq!(verdicts.dkim.len(), DKIM_SIGNATURES_MAX);
    assert!(liar.asked() <= CHECK_QUESTIONS_MAX as usize, "{}", liar.asked());
}

fn examine(resolver: &dyn Resolver, header: &[u8]) -> Verdicts {
    let origin = Origin {
        ip: Ipv4Addr::new(192, 0, 2, 1).into(),
        helo: "client.example".to_owned(),
        reverse_path: Address::parse("a@a.example").ok(),
        receiver: "mx.example".to_owned(),
    };
    let mut examination = Examination::begin(header, Checks::default());
    examination.push(b"body\r\n");
    smol::block_on(examination.finish(resolver, &origin, Timestamp(0)))
}
