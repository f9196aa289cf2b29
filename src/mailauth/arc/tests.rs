//! What we seal, we verify, whatever the message looks like and however often it is sealed; what breaks a chain.

use std::collections::BTreeMap;
use std::future::ready;
use std::time::Duration;

use super::*;
use crate::base::Timestamp;
use crate::base::world::{Answer, BoxFuture, NoRecords, Record, RecordKind, Resolver};
use crate::mailauth::dkim::{Algorithm, SigningKey, dns_record, generate};
use crate::mailauth::results::{AuthenticationResults, MethodResult};

#[derive(Default)]
struct Zone(BTreeMap<String, String>);

impl Resolver for Zone {
    fn ask(&self, name: &str, _: RecordKind) -> BoxFuture<'static, Answer> {
        let txt = self.0.get(name).map(|txt| vec![Record::Txt(txt.clone().into_bytes())]);
        Box::pin(ready(Answer { records: txt.ok_or(NoRecords::NxDomain), ttl: Duration::ZERO, secure: false }))
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
    let mut verifier = Verifier::new(header);
    body.chunks(5).for_each(|piece| verifier.push(piece));
    smol::block_on(verifier.finish(zone, Timestamp(2_000_000)))
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
            (ArcResult::Fail, "ARC-Message-Signature 3: body hash is another")
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
    assert_eq!(verdict.why, "seal 2 says that the chain had failed before");
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
