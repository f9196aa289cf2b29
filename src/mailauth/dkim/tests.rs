//! What we sign, we verify, whatever the message looks like; canonical bodies by the table of the standard.

use std::future::ready;
use std::time::Duration;

use super::canonical::relaxed_field;
use super::*;
use crate::base::Timestamp;
use crate::base::world::{BoxFuture, DnsAnswer, Record, RecordKind, Resolver};
use crate::mailauth::{Checks, Verifier};

struct OneKey(String);

impl Resolver for OneKey {
    fn ask(&self, name: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        assert_eq!(name, "sel._domainkey.example.org");
        let records = Ok(vec![Record::Txt(self.0.clone().into_bytes())]);
        Box::pin(ready(DnsAnswer { records, ttl: Duration::ZERO, secure: false }))
    }
}

#[test]
fn what_we_sign_verifies() {
    for algorithm in [Algorithm::RsaSha256, Algorithm::Ed25519Sha256] {
        let key = SigningKey::parse(&generate(algorithm).unwrap()).unwrap();
        let zone = OneKey(dns_record(&key).unwrap());
        for header in [Canonicalization::Simple, Canonicalization::Relaxed] {
            for body in [Canonicalization::Simple, Canonicalization::Relaxed] {
                let signer = Signer { header, body, ..Signer::new("example.org", "sel", key.clone()) };
                for (head, text) in [
                    ("From: a@example.org\r\nSubject: x\r\n", ""),
                    ("From: a@example.org\r\nTo: b,\r\n\tc\r\nTo:  d \r\n", "no end of line"),
                    ("From:a@example.org \r\nSubject:\r\n =?utf-8?q?x?=\r\n", " white \t space \r\n\r\n\r\n"),
                    ("Received: x\r\nFrom: gr\u{fc}n@example.org\r\n", "\r\n\r\nbody\rbare\nends\r\n"),
                ] {
                    check(&signer, &zone, head, text);
                }
            }
        }
    }
}

fn check(signer: &Signer, zone: &OneKey, head: &str, text: &str) {
    let mut signing = signer.begin();
    text.as_bytes().chunks(3).for_each(|piece| signing.push(piece));
    let mut signed = signing.finish(head.as_bytes(), Timestamp(1_000_000)).unwrap();
    assert!(signed.split(|c| *c == b'\n').all(|line| line.len() <= 79), "{}", String::from_utf8_lossy(&signed));
    signed.extend_from_slice(head.as_bytes());
    let verify = |header: &[u8], body: &[u8]| {
        let mut verifier = Verifier::new(header, Checks::default());
        verifier.push(body);
        smol::block_on(verifier.finish(zone, Timestamp(2_000_000))).0.remove(0)
    };
    let verdict = verify(&signed, text.as_bytes());
    assert_eq!(verdict.result, DkimResult::Pass, "{head:?} {text:?}: {}", verdict.why);
    assert_eq!(verify(&signed, b"another body").result, DkimResult::Fail);
    signed.extend_from_slice(b"From: b@evil.example\r\n");
    assert_eq!(verify(&signed, text.as_bytes()).result, DkimResult::Fail, "a second From");
}

/// A message that ends within its header, or with it, has an empty body, whatever the transport adds at its end.
#[test]
fn a_message_that_is_all_header_verifies() {
    let key = SigningKey::parse(&generate(Algorithm::Ed25519Sha256).unwrap()).unwrap();
    let zone = OneKey(dns_record(&key).unwrap());
    let ends = ["", "\r\n", "\r\n\r\n"];
    for header in [Canonicalization::Simple, Canonicalization::Relaxed] {
        for body in [Canonicalization::Simple, Canonicalization::Relaxed] {
            let signer = Signer { header, body, ..Signer::new("example.org", "sel", key.clone()) };
            for (at_signing, at_verifying) in ends.iter().flat_map(|one| ends.map(|other| (one, other))) {
                let head = |end: &str| format!("From: a@example.org\r\nSubject: no body{end}");
                let mut signed = signer.begin().finish(head(at_signing).as_bytes(), Timestamp(1_000_000)).unwrap();
                signed.extend_from_slice(head(at_verifying).as_bytes());
                let verifier = Verifier::new(&signed, Checks::default());
                let verdict = smol::block_on(verifier.finish(&zone, Timestamp(2_000_000))).0.remove(0);
                assert_eq!(verdict.result, DkimResult::Pass, "{at_signing:?} {at_verifying:?}: {}", verdict.why);
            }
        }
    }
}

/// A signature is signed without being named; a name in `h=` means those that were there before (RFC 6376 §5.4).
#[test]
fn a_signature_does_not_sign_itself_again() {
    let key = SigningKey::parse(&generate(Algorithm::Ed25519Sha256).unwrap()).unwrap();
    let zone = OneKey(dns_record(&key).unwrap());
    let fields = ["From", "DKIM-Signature", "DKIM-Signature"].map(str::to_owned);
    let signer = Signer { fields: Some(fields.to_vec()), ..Signer::new("example.org", "sel", key) };
    for before in ["", "DKIM-Signature: of an earlier host\r\n"] {
        check(&signer, &zone, &format!("{before}From: a@example.org\r\n"), "text\r\n");
    }
}

/// RFC 6376 §3.4.5, and what it says of empty bodies.
#[test]
fn canonical_bodies() {
    let hash = |how, body: &str| BodyCanon::new(how, None).hash_of(body);
    let plain = |text: &str| openssl::sha::sha256(text.as_bytes());
    for (body, simple, relaxed) in [
        (" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"),
        ("", "\r\n", ""),
        ("\r\n\r\n", "\r\n", ""),
        (" \t\r\n", " \t\r\n", ""),
        ("a", "a\r\n", "a\r\n"),
        ("a\r\n \r\nb", "a\r\n \r\nb\r\n", "a\r\n\r\nb\r\n"),
        ("a\r", "a\r\r\n", "a\r\r\n"),
    ] {
        assert_eq!(hash(Canonicalization::Simple, body), plain(simple), "simple {body:?}");
        assert_eq!(hash(Canonicalization::Relaxed, body), plain(relaxed), "relaxed {body:?}");
    }
}

/// Wherever in a long text there is white space to be changed, it is found; octet for octet nothing is searched.
#[test]
fn white_space_in_long_texts() {
    for (before, words) in (0..150).map(|n| (n, 0)).chain((0..90).map(|n| (n, 7 * n))) {
        for white in ["  ", "\t", " \r\n", " \t", " \r"] {
            let text = format!("{}{}b{white}c", "x".repeat(before), "a ".repeat(words));
            let body = format!("{text}{}{text} \t\r\n", "\r\nbase64".repeat(20));
            let mut whole = BodyCanon::new(Canonicalization::Relaxed, None);
            whole.push(body.as_bytes());
            let in_octets = BodyCanon::new(Canonicalization::Relaxed, None).hash_of(&body);
            assert_eq!(whole.finish().hash, in_octets, "{body:?}");
        }
    }
}

impl BodyCanon {
    fn hash_of(mut self, body: &str) -> [u8; 32] {
        body.as_bytes().chunks(1).for_each(|piece| self.push(piece));
        self.finish().hash
    }
}

#[test]
fn relaxed_fields() {
    for (raw, wanted) in [
        ("A: X\r\n", "a:X"),
        ("B : Y\t\r\n\tZ  \r\n", "b:Y Z"),
        ("C:\r\n", "c:"),
        ("SUBJect:  a   b\r\n \t c\r\n", "subject:a b c"),
    ] {
        let mut out = Vec::new();
        relaxed_field(raw.as_bytes(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), wanted);
    }
}
