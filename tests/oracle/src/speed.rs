//! How fast `mailauth`, mail-auth and the bare arithmetic sign and verify the same messages, by turns in one process.
//!
//! One line a figure on standard output: who, operation, algorithm, octets, seconds; between tabs. Messages, keys and
//! key records are left in a folder for other programs (`benches/mailauth.py` runs them all and prints a table).

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use mail_auth::common::headers::HeaderWriter;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dkim::{Canonicalization as TheirForm, DkimSigner};
use mail_auth::{AuthenticatedMessage, DkimResult as Their, MessageAuthenticator, Txt};
use mailcore::base::Timestamp;
use mailcore::mailauth::dkim::{Algorithm, DkimResult, Signer};
use mailcore::mailauth::{Checks, Verifier};
use mailcore::message::header::header_len;

use crate::bench_message::message;
use crate::bench_raw::Raw;
use crate::keys::{Key, Theirs};
use crate::zone::{Warm, Zone};

const SIZES: [usize; 2] = [4 * 1024, 100 * 1024];
const ROUNDS: u32 = 10;
const ROUND: Duration = Duration::from_millis(20);
const NOW_SECONDS: i64 = 1_700_000_000;
const FIELDS: [&str; 7] = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"];

pub fn measure(theirs: &MessageAuthenticator, folder: &Path) {
    for algorithm in [Algorithm::RsaSha256, Algorithm::Ed25519Sha256] {
        let key = Key::generate(algorithm);
        let write = |name: &str, octets: &[u8]| std::fs::write(folder.join(name), octets).expect("written");
        write(&format!("{}.pem", algorithm.word()), &key.pem);
        write(&format!("{}.dns", algorithm.word()), key.record.as_bytes());
        let mut zone = Zone::default();
        zone.text("sel._domainkey.example.org", &key.record);
        let warm = Warm(Txt::DomainKey(DomainKey::parse(key.record.as_bytes()).expect("record").into()));
        let raw = Raw::new(&key.pem, algorithm);
        let signer = Signer::new("example.org", "sel", key.ours.clone());
        let their_signer = their_signer(&key);
        for octets in SIZES {
            let (header, body) = message(octets);
            let whole = [header.as_bytes(), b"\r\n", body.as_bytes()].concat();
            let signed = [sign(&signer, &whole), whole.clone()].concat();
            write(&format!("{}-{octets}.eml", algorithm.word()), &whole);
            write(&format!("{}-{octets}.msg", algorithm.word()), &signed);
            let mut figures = [
                ("mailcore", "sign", &mut (|| drop(sign(&signer, &whole))) as &mut dyn FnMut()),
                ("mail-auth", "sign", &mut || drop(black_box(their_signer(&whole)))),
                ("arithmetic", "sign", &mut || drop(black_box(raw.sign(&whole)))),
                ("mailcore", "verify", &mut || verify(&zone, &signed)),
                ("mail-auth", "verify", &mut || their_verify(theirs, &zone, &warm, &signed)),
                ("arithmetic", "verify", &mut || raw.verify(&whole)),
            ];
            let mut best = [Duration::MAX; 6];
            for _ in 0..ROUNDS {
                for ((_, _, work), best) in figures.iter_mut().zip(&mut best) {
                    *best = quickest(work).min(*best);
                }
            }
            for ((who, operation, _), best) in figures.iter().zip(best) {
                println!("{who}\t{operation}\t{}\t{octets}\t{}", algorithm.word(), best.as_secs_f64());
            }
        }
    }
}

/// The shortest run within a round.
fn quickest(work: &mut dyn FnMut()) -> Duration {
    let begin = Instant::now();
    let mut best = Duration::MAX;
    while begin.elapsed() < ROUND {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed());
    }
    best
}

fn sign(signer: &Signer, message: &[u8]) -> Vec<u8> {
    let (header, body) = message.split_at(header_len(message).expect("header"));
    let mut signing = signer.begin();
    signing.push(body);
    signing.finish(header, Timestamp::from_seconds(NOW_SECONDS)).expect("signed")
}

fn verify(zone: &Zone, message: &[u8]) {
    let (header, body) = message.split_at(header_len(message).expect("header"));
    let mut verifier = Verifier::new(header, Checks { dkim: true, ..Checks::NONE });
    verifier.push(body);
    let (verdicts, _) = smol::block_on(verifier.finish(zone, Timestamp::from_seconds(NOW_SECONDS)));
    assert!(matches!(verdicts.as_slice(), [v] if v.result == DkimResult::Pass), "{verdicts:?}");
}

fn their_signer(key: &Key) -> Box<dyn Fn(&[u8]) -> String> {
    macro_rules! signer {
        ($key:expr) => {{
            let signer = DkimSigner::from_key($key)
                .domain("example.org")
                .selector("sel")
                .headers(FIELDS)
                .header_canonicalization(TheirForm::Relaxed)
                .body_canonicalization(TheirForm::Relaxed);
            Box::new(move |message| signer.sign(message).expect("signed").to_header())
        }};
    }
    match key.theirs() {
        Theirs::Rsa(key) => signer!(key),
        Theirs::Ed25519(key) => signer!(key),
    }
}

fn their_verify(theirs: &MessageAuthenticator, zone: &Zone, warm: &Warm, message: &[u8]) {
    let parsed = AuthenticatedMessage::parse(message).expect("message");
    // The parsed key is in the cache, as it would be.
    let output = smol::block_on(theirs.verify_dkim(zone.parameters(&parsed).with_txt_cache(warm)));
    assert!(matches!(output.as_slice(), [o] if *o.result() == Their::Pass));
}
