//! What DKIM costs beside the bare arithmetic it rests on: signatures made and checked, messages of four sizes.
//!
//! `cargo bench --bench mailauth`; beside other programs: `benches/mailauth.py`.
//!
//! The raw limit of an operation is SHA-256 over the message's octets and one RSA or Ed25519 operation, by the same
//! OpenSSL: what `openssl speed` measures. Rounds of both alternate, and the quickest of each counts, so that a
//! machine shared with others disturbs neither side more.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a program that measures and prints")]

use std::future::ready;
use std::hint::black_box;
use std::time::{Duration, Instant};

use mailcore::base::Timestamp;
use mailcore::base::world::{BoxFuture, DnsAnswer, Record, RecordKind, Resolver};
use mailcore::mailauth::dkim::{Algorithm, Canonicalization, DkimResult, Signer, SigningKey, dns_record, generate};
use mailcore::mailauth::{Checks, Verifier};

#[path = "mailauth/message.rs"]
mod message;
#[path = "mailauth/raw.rs"]
mod raw;

use message::message;
use raw::Raw;

const SIZES: [usize; 4] = [1024, 10 * 1024, 100 * 1024, 1024 * 1024];
const ROUNDS: u32 = 15;
const ROUND: Duration = Duration::from_millis(20);
const NOW_SECONDS: i64 = 1_800_000_000;

fn main() {
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
    let mut verifier = Verifier::new(header, Checks { dkim: true, ..Checks::NONE });
    verifier.push(body.as_bytes());
    let (verdicts, _) = smol::block_on(verifier.finish(zone, Timestamp::from_seconds(NOW_SECONDS)));
    assert!(matches!(verdicts.as_slice(), [v] if v.result == DkimResult::Pass), "{verdicts:?}");
}

struct OneKey(Vec<u8>);

impl Resolver for OneKey {
    fn ask(&self, _: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        let records = Ok(vec![Record::Txt(self.0.clone())]);
        Box::pin(ready(DnsAnswer { records, ttl: Duration::ZERO, secure: false }))
    }
}
