//! What we seal, we verify, whatever the message looks like and however often it is sealed; what breaks a chain.

use std::collections::BTreeMap;
use std::future::ready;
use std::time::Duration;

use super::*;
use crate::base::Timestamp;
use crate::base::world::{BoxFuture, DnsAnswer, NoRecords, Record, RecordKind, Resolver};
use crate::mailauth::dkim::{Algorithm, Bodies, Header, SigningKey, dns_record, generate};
use crate::mailauth::results::{AuthenticationResults, MethodResult};
use crate::mailauth::{Checks, Verifier};

#[derive(Default)]
struct Zone(BTreeMap<String, String>);

impl Resolver for Zone {
    fn ask(&self, name: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        let txt = self.0.get(name).map(|txt| vec![Record::Txt(txt.clone().into_bytes())]);
        Box::pin(ready(DnsAnswer { records: txt.ok_or(NoRecords::NxDomain), ttl: Duration::ZERO, secure: false }))
    }
}

/// Sealers `a.example`, `b.example`, ... whose keys are in the zone.
fn sealers(count: u8, zone: &mut Zone) -> Vec<Sealer> {
    let sealer = |n: u8| {
        let algorithm = if n.is_multiple_of(2) { Algorithm::Ed25519Sha256 } else { Algorithm::RsaSha256 };
        let key = SigningKey::parse(&generate(algorithm).unwrap()).unwrap();
        let domain = format!("{}.example", char::from(b'a' + n));
        zone.0.insert(format!("arc._domainkey.{domain}"), dns_record(&key).unwrap());
        Sealer::new(domain, "arc", key)
    };
    (0..count).map(sealer).collect()
}

fn verify(zone: &Zone, header: &[u8], body: &[u8]) -> ArcVerdict {
    let mut verifier = Verifier::new(header, Checks::default());
    body.chunks(5).for_each(|piece| verifier.push(piece));
    smol::block_on(verifier.finish(zone, Timestamp(2_000_000))).1
}

fn seal(sealer: &Sealer, header: &[u8], body: &[u8], chain: ArcResult) -> Option<Vec<u8>> {
    let results = AuthenticationResults {
        authserv_id: "mx.example".to_owned(),
        results: vec![MethodResult::new("arc", chain.word()), MethodResult::new("dmarc", "pass").because("a; b")],
    };
    let mut sealing = sealer.begin();
    body.chunks(3).for_each(|piece| sealing.push(piece));
    let set = sealing.finish(header, chain, &results, Timestamp(1_000_000)).unwrap()?;
    assert!(set.split(|c| *c == b'\n').all(|line| line.len() <= 79), "{}", String::from_utf8_lossy(&set));
    Some([&set, header].concat())
}

#[test]
fn each_seal_survives_the_next() {
    let mut zone = Zone::default();
    let sealers = sealers(3, &mut zone);
    for (head, body) in [
        ("From: a@example.org\r\nSubject: x\r\n", ""),
        ("From: a@example.org\r\nTo: b,\r\n\tc\r\nTo:  d \r\n", "no end of line"),
        ("From:a@example.org \r\nSubject:\r\n =?utf-8?q?x?=\r\n", " white \t space \r\n\r\n\r\n"),
        ("Received: x\r\nFrom: gr\u{fc}n@example.org\r\nDKIM-Signature: v=1\r\n", "\r\n\r\nbody\rbare\nends\r\n"),
        ("", "no header"),
    ] {
        let mut header = head.as_bytes().to_vec();
        for (n, sealer) in sealers.iter().enumerate() {
            let before = verify(&zone, &header, body.as_bytes());
            assert_eq!((before.sets.len(), before.instances), (n, n), "{head:?}: {}", before.why);
            header = seal(sealer, &header, body.as_bytes(), before.result).unwrap();
        }
        let verdict = verify(&zone, &header, body.as_bytes());
        assert_eq!((verdict.result, verdict.oldest_pass), (ArcResult::Pass, Some(0)), "{head:?}: {}", verdict.why);
        assert_eq!(verdict.sealers().collect::<Vec<_>>(), ["c.example", "b.example", "a.example"]);
        assert_eq!(verdict.sets[0].results, "mx.example;\tarc=pass;\tdmarc=pass reason=\"a; b\"");
        let changed = verify(&zone, &header, b"another body");
        assert_eq!(
            (changed.result, changed.why.as_str()),
            (ArcResult::Fail, "ARC-Message-Signature 3: the body hash does not match")
        );
    }
}

/// A list that changes the body and seals again makes the older signatures over the message void, not the chain.
#[test]
fn a_list_may_change_the_message() {
    let mut zone = Zone::default();
    let sealers = sealers(3, &mut zone);
    let first = seal(&sealers[0], b"From: a@example.org\r\n", b"as written\r\n", ArcResult::None).unwrap();
    let second = seal(&sealers[1], &first, b"as written\r\n-- footer\r\n", ArcResult::Pass).unwrap();
    let third = seal(&sealers[2], &second, b"as written\r\n-- footer\r\n", ArcResult::Pass).unwrap();
    let verdict = verify(&zone, &third, b"as written\r\n-- footer\r\n");
    assert_eq!((verdict.result, verdict.oldest_pass), (ArcResult::Pass, Some(2)), "{}", verdict.why);
}

#[test]
fn nothing_follows_a_failed_chain_but_one_seal() {
    let mut zone = Zone::default();
    let sealers = sealers(1, &mut zone);
    let body = b"body\r\n";
    let first = seal(&sealers[0], b"From: a@example.org\r\n", body, ArcResult::None).unwrap();
    let failed = seal(&sealers[0], &first, b"another body\r\n", ArcResult::Fail).unwrap();
    let text = String::from_utf8_lossy(&failed);
    assert!(text.starts_with("ARC-Seal: i=2; a=ed25519-sha256; cv=fail;"), "{text}");
    let verdict = verify(&zone, &failed, b"another body\r\n");
    assert_eq!((verdict.result, verdict.instances), (ArcResult::Fail, 2));
    assert_eq!(verdict.why, "ARC-Seal 2 says that the chain had already failed");
    assert_eq!(seal(&sealers[0], &failed, body, ArcResult::Fail), None);
    let sealing = sealers[0].begin();
    let none = AuthenticationResults::default();
    assert!(sealing.finish(&first, ArcResult::None, &none, Timestamp(0)).is_err(), "not checked");
}

#[test]
fn fifty_sets_are_the_end() {
    let mut zone = Zone::default();
    let sealers = sealers(1, &mut zone);
    let mut header = b"From: a@example.org\r\n".to_vec();
    for _ in 0..50 {
        let before = if header.starts_with(b"ARC") { ArcResult::Pass } else { ArcResult::None };
        header = seal(&sealers[0], &header, b"", before).unwrap();
    }
    let verdict = verify(&zone, &header, b"");
    assert_eq!((verdict.result, verdict.sets.len()), (ArcResult::Pass, 50), "{}", verdict.why);
    assert_eq!(seal(&sealers[0], &header, b"", ArcResult::Pass), None);
}

/// Counts what it is asked, and knows nothing.
#[derive(Default)]
struct Counting(std::sync::atomic::AtomicUsize);

impl Resolver for Counting {
    fn ask(&self, _: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Box::pin(ready(DnsAnswer { records: Err(NoRecords::NxDomain), ttl: Duration::ZERO, secure: false }))
    }
}

fn set(instance: &str, cv: &str, more: &str) -> String {
    format!(
        "ARC-Seal: i={instance}; a=rsa-sha256; cv={cv}; d=a.example; s=s{instance}; b=YWJj{more}\r\n\
         ARC-Message-Signature: i={instance}; a=rsa-sha256; d=a.example; s=m{instance}; h=from; l={instance};\r\n\
         \tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=YWJj\r\n\
         ARC-Authentication-Results: i={instance}; x; none\r\n"
    )
}

/// What a stranger writes costs nothing but reading it: no key is asked for before the chain is in order, and one where
/// its first signature fails.
#[test]
fn strangers_cost_little() {
    let cv = |i: usize| if i == 1 { "none" } else { "pass" };
    let chain = |count: usize| (1..=count).rev().map(|i| set(&i.to_string(), cv(i), "")).collect::<String>();
    let megabyte = "a".repeat(1 << 20);
    for (header, why, questions) in [
        (chain(50), "ARC-Message-Signature 50: no key at m50._domainkey.a.example", 1),
        (chain(51), "more than 50 sets", 0),
        (chain(100), "more than 50 sets", 0),
        (set("1", "none", "").repeat(1_000), "more than one ARC-Seal of instance 1", 0),
        (set("18446744073709551617", "none", ""), "more than 50 sets", 0),
        (set(&"9".repeat(100_000), "none", ""), "more than 50 sets", 0),
        (set("-1", "none", ""), "ARC-Seal without a readable i=", 0),
        (set("", "none", ""), "ARC-Seal without a readable i=", 0),
        (set("1", &megabyte, ""), "ARC-Seal 1 says no cv= that is known where it must say cv=none", 0),
        (set("1", "none", &megabyte), "ARC-Message-Signature 1: no key at m1._domainkey.a.example", 1),
        (format!("ARC-Seal: {}", ";".repeat(1 << 20)), "ARC-Seal without a readable i=", 0),
        (format!("ARC-Seal: {}", "a=b;".repeat(1 << 12)), "ARC-Seal without a readable i=", 0),
        (
            format!("ARC-Authentication-Results: {}i=1;", "(".repeat(1 << 20)),
            "ARC-Authentication-Results without a readable i=",
            0,
        ),
        ("ARC-Seal: i=1; cv=none; \u{fc}\r\n".to_owned(), "ARC-Seal without a readable i=", 0),
    ] {
        let resolver = Counting::default();
        let mut verifier = Verifier::new(header.as_bytes(), Checks::default());
        verifier.push(b"body");
        let verdict = smol::block_on(verifier.finish(&resolver, Timestamp(0))).1;
        assert_eq!((verdict.result, verdict.why.as_str()), (ArcResult::Fail, why), "{:.80}", header);
        assert_eq!(resolver.0.into_inner(), questions, "{:.80}", header);
    }
}

/// However many forms of the body the older signatures name, few passes are made over it.
#[test]
fn passes_over_the_body_are_few() {
    let mut bodies = Bodies::default();
    let header: String =
        (1..=50).rev().map(|i| set(&i.to_string(), if i == 1 { "none" } else { "pass" }, "")).collect();
    Chained::read(&Header::read(header.as_bytes()), &mut bodies);
    assert_eq!(bodies.finish().len(), crate::base::limits::ARC_BODY_FORMS_MAX);
}

/// A chain with any tag of any field left out fails, and says so.
#[test]
fn no_tag_can_be_missing() {
    let mut zone = Zone::default();
    let sealers = sealers(2, &mut zone);
    let one = seal(&sealers[0], b"From: a@example.org\r\n", b"body\r\n", ArcResult::None).unwrap();
    let two = String::from_utf8(seal(&sealers[1], &one, b"body\r\n", ArcResult::Pass).unwrap()).unwrap();
    let semicolons: Vec<usize> = two.match_indices(';').map(|(at, _)| at).collect();
    assert!(semicolons.len() > 30);
    for at in semicolons {
        let begin = two[..at].rfind([';', ':']).unwrap() + 1;
        let without = format!("{}{}", &two[..begin], &two[at + 1..]);
        let verdict = verify(&zone, without.as_bytes(), b"body\r\n");
        assert_eq!(verdict.result, ArcResult::Fail, "{:?}", &two[begin..at]);
        assert_ne!(verdict.why, "");
    }
}
