//! What DKIM costs beside the bare arithmetic it rests on: signatures made and checked, messages of four sizes.
//!
//! `cargo bench --bench mailauth [-- --messages FOLDER]`; with a folder, the signed messages and their key records are
//! written there for other programs to check (`benches/mailauth.py`, `tests/oracle`).
//!
//! The raw limit of an operation is SHA-256 over the message's octets and one RSA or Ed25519 operation, by the same
//! OpenSSL: what `openssl speed` measures. Rounds of both alternate, and the quickest of each counts, so that a
//! machine shared with others disturbs neither side more.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a program that measures and prints")]

use std::future::ready;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mailcore::base::Timestamp;
use mailcore::base::world::{Answer, BoxFuture, Record, RecordKind, Resolver};
use mailcore::mailauth::dkim::{
    Algorithm, Canonicalization, DkimResult, Signer, SigningKey, Verifier, dns_record, generate,
};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Padding;
use openssl::sha::sha256;

const SIZES: [usize; 4] = [1024, 10 * 1024, 100 * 1024, 1024 * 1024];
const ROUNDS: u32 = 15;
const ROUND: Duration = Duration::from_millis(20);
const NOW_SECONDS: i64 = 1_800_000_000;

fn main() {
    let folder = std::env::args().skip_while(|a| a != "--messages").nth(1).map(PathBuf::from);
    println!("operation algorithm       form            octets  per second     MB/s   raw limit  reached");
    for algorithm in [Algorithm::RsaSha256, Algorithm::Ed25519Sha256] {
        let pem = generate(algorithm).expect("key");
        let key = SigningKey::parse(&pem).expect("key");
        let raw = Raw::new(&pem, algorithm);
        let zone = OneKey(dns_record(&key).expect("record").into_bytes());
        for form in [Canonicalization::Simple, Canonicalization::Relaxed] {
            let signer = Signer { header: form, body: form, ..Signer::new("example.org", "sel", key.clone()) };
            for octets in SIZES {
                let (header, body) = message(octets);
                let signature = sign(&signer, &header, &body);
                let signed = [signature.as_slice(), header.as_bytes()].concat();
                if let Some(folder) = &folder {
                    let name = format!("{}-{}-{octets}", algorithm.word(), form.word());
                    let whole = [signed.as_slice(), b"\r\n", body.as_bytes()].concat();
                    std::fs::write(folder.join(format!("{name}.msg")), whole).expect("written");
                    std::fs::write(folder.join(format!("{name}.dns")), &zone.0).expect("written");
                }
                let whole = [header.as_bytes(), body.as_bytes()].concat();
                let (ours, limit) = race(
                    || drop(black_box(sign(&signer, &header, &body))),
                    || drop(black_box(raw.sign(black_box(&whole)))),
                );
                say("sign", algorithm, form, whole.len(), ours, limit);
                let (ours, limit) = race(|| verify(&zone, &signed, &body), || raw.verify(black_box(&whole)));
                say("verify", algorithm, form, whole.len(), ours, limit);
            }
        }
    }
}

fn say(what: &str, algorithm: Algorithm, form: Canonicalization, octets: usize, ours: Duration, raw: Duration) {
    let seconds = ours.as_secs_f64();
    println!(
        "{what:9} {:15} {:15} {octets:7} {:11.0} {:8.1} {:11.0} {:7.0}%",
        algorithm.word(),
        format!("{0}/{0}", form.word()),
        1.0 / seconds,
        octets as f64 / 1e6 / seconds,
        1.0 / raw.as_secs_f64(),
        100.0 * raw.as_secs_f64() / seconds,
    );
}

/// The shortest time of each over alternating rounds.
fn race(mut ours: impl FnMut(), mut raw: impl FnMut()) -> (Duration, Duration) {
    let (mut best_ours, mut best_raw) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        best_ours = best_ours.min(time(&mut ours));
        best_raw = best_raw.min(time(&mut raw));
    }
    (best_ours, best_raw)
}

/// The shortest run within a round.
fn time(work: &mut impl FnMut()) -> Duration {
    let begin = Instant::now();
    let mut best = Duration::MAX;
    while begin.elapsed() < ROUND {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed());
    }
    best
}

fn sign(signer: &Signer, header: &str, body: &str) -> Vec<u8> {
    let mut signing = signer.begin();
    signing.push(body.as_bytes());
    signing.finish(header.as_bytes(), Timestamp::from_seconds(NOW_SECONDS)).expect("signed")
}

fn verify(zone: &OneKey, header: &[u8], body: &str) {
    let mut verifier = Verifier::new(header);
    verifier.push(body.as_bytes());
    let verdicts = smol::block_on(verifier.finish(zone, Timestamp::from_seconds(NOW_SECONDS)));
    assert!(matches!(verdicts.as_slice(), [v] if v.result == DkimResult::Pass), "{verdicts:?}");
}

/// The arithmetic alone.
struct Raw {
    key: PKey<Private>,
    algorithm: Algorithm,
    signature: Vec<u8>,
}

impl Raw {
    fn new(pem: &[u8], algorithm: Algorithm) -> Raw {
        let key = PKey::private_key_from_pem(pem).expect("key");
        let mut raw = Raw { key, algorithm, signature: Vec::new() };
        raw.signature = raw.sign(b"");
        raw
    }

    fn sign(&self, octets: &[u8]) -> Vec<u8> {
        black_box(sha256(octets));
        let signer = match self.algorithm {
            Algorithm::RsaSha256 => openssl::sign::Signer::new(MessageDigest::sha256(), &self.key),
            Algorithm::Ed25519Sha256 => openssl::sign::Signer::new_without_digest(&self.key),
        };
        let mut signer = signer.expect("signer");
        if self.algorithm == Algorithm::RsaSha256 {
            signer.set_rsa_padding(Padding::PKCS1).expect("padding");
        }
        signer.sign_oneshot_to_vec(b"header").expect("signed")
    }

    fn verify(&self, octets: &[u8]) {
        black_box(sha256(octets));
        let verifier = match self.algorithm {
            Algorithm::RsaSha256 => openssl::sign::Verifier::new(MessageDigest::sha256(), &self.key),
            Algorithm::Ed25519Sha256 => openssl::sign::Verifier::new_without_digest(&self.key),
        };
        let mut verifier = verifier.expect("verifier");
        if self.algorithm == Algorithm::RsaSha256 {
            verifier.set_rsa_padding(Padding::PKCS1).expect("padding");
        }
        assert!(verifier.verify_oneshot(&self.signature, b"header").expect("verified"));
    }
}

struct OneKey(Vec<u8>);

impl Resolver for OneKey {
    fn ask(&self, _: &str, _: RecordKind) -> BoxFuture<'static, Answer> {
        let records = Ok(vec![Record::Txt(self.0.clone())]);
        Box::pin(ready(Answer { records, ttl: Duration::ZERO, secure: false }))
    }
}

/// Octets of the text of a message; what is more is an attachment.
const TEXT_OCTETS: usize = 4 * 1024;

/// A message of about `octets` octets: prose in lines of some 66 columns, one in ten of them with white space that the
/// relaxed form takes away, then base64.
fn message(octets: usize) -> (String, String) {
    let header = "Received: from client.example.org (client.example.org [192.0.2.1])\r\n\tby mx.example.org with ESMTPS; \
                  Sun, 22 Nov 2026 10:00:00 +0000\r\nFrom: Alice <alice@example.org>\r\nTo: Bob <bob@example.net>,\r\n \
                  Carol <carol@example.net>\r\nSubject: Figures of the week\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\
                  Message-ID: <1234567890.abcdef@example.org>\r\nMIME-Version: 1.0\r\n\
                  Content-Type: multipart/mixed; boundary=\"next part\"\r\n";
    let body_octets = octets - header.len();
    let mut body = String::with_capacity(octets);
    body.push_str("--next part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
    prose(&mut body, body_octets.min(TEXT_OCTETS));
    body.push_str("--next part\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    while body.len() + 78 < body_octets {
        body.push_str("JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0ZUR\r\n");
    }
    body.push_str("--next part--\r\n");
    (header.to_owned(), body)
}

fn prose(body: &mut String, octets: usize) {
    let words = ["the", "figures", "of", "this", "week", "are", "attached", "and", "better", "than", "expected,", "I"];
    let (mut line, mut number) = (String::new(), 0_usize);
    while body.len() + 72 < octets {
        line.clear();
        while line.len() < 62 {
            line.push_str(words.get(number % 12).copied().unwrap_or_default());
            line.push(' ');
            number = number * 5 % 7919 + 3;
        }
        line.truncate(line.trim_end().len());
        body.push_str(&line);
        body.push_str(if number % 10 == 0 { "  \t\r\n" } else { "\r\n" });
    }
}
