//! Records of other domains and the fields that refer to them.

use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mailcore::base::Timestamp;
use mailcore::base::world::{BoxFuture, DnsAnswer, NoRecords, Record, RecordKind, Resolver};
use mailcore::mailauth::dmarc::DmarcRecord;
use mailcore::mailauth::results::{ArcResult, AuthenticationResults, DkimResult, is_foreign};
use mailcore::mailauth::{Checks, Verifier, spf};
use mailcore::message::header;

const SIGNATURE: &[u8] =
    b" v=1; a=ed25519-sha256; c=relaxed/simple; d=example.org; s=sel; i=a@example.org; t=1; x=9; l=0; q=dns/txt;\r\n\
    \th=From:To:Subject; z=From:a=20b; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA";
/// DNS questions that one SPF check may take: RFC 7208 §4.6.4 allows 10 terms, each of 10 names at most.
const SPF_QUESTIONS_MAX: usize = 111;

/// Says the same to every question for text.
struct Text {
    text: Vec<u8>,
    asked: AtomicUsize,
}

impl Text {
    fn new(text: &[u8]) -> Text {
        Text { text: text.to_vec(), asked: AtomicUsize::new(0) }
    }
}

impl Resolver for Text {
    fn ask(&self, _: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let records = match kind {
            RecordKind::Txt => Ok(vec![Record::Txt(self.text.clone())]),
            _ => Err(NoRecords::NxDomain),
        };
        Box::pin(ready(DnsAnswer { records, ttl: Duration::ZERO, secure: false }))
    }
}

/// The number of questions is bounded, and the verdict is the same again.
pub fn spf_record(octets: &[u8]) {
    let query = spf::Query {
        ip: [192, 0, 2, 1].into(),
        helo: "client.example".to_owned(),
        sender_local: "a.b".to_owned(),
        sender_domain: "example.org".to_owned(),
        receiver: "mx.example".to_owned(),
        now: Timestamp(0),
    };
    let resolver = Text::new(octets);
    let verdict = smol::block_on(spf::check(&resolver, &query));
    let asked = resolver.asked.load(Ordering::Relaxed);
    assert!(asked <= SPF_QUESTIONS_MAX, "{asked} questions");
    assert_eq!(smol::block_on(spf::check(&resolver, &query)), verdict);
}

/// As [`spf_record`].
pub fn spf_macro(octets: &[u8]) {
    spf_record(&[b"v=spf1 exists:", octets, b".%{d} -all exp=", octets, b".%{d}"].concat());
}

/// Nothing passes whose signature was not made, and pieces of the body give the same verdict.
fn verify(header: &[u8], key: &[u8]) {
    super::in_pieces(b" body \r\n\r\nmore\r\n\r\n", |pieces| {
        let mut verifier = Verifier::new(header, Checks::default());
        pieces.for_each(|piece| verifier.push(piece));
        let (dkim, arc) = smol::block_on(verifier.finish(&Text::new(key), Timestamp(0)));
        assert!(dkim.iter().all(|verdict| verdict.result != DkimResult::Pass), "{dkim:?}");
        assert!(arc.result != ArcResult::Pass, "{arc:?}");
        (dkim, arc)
    });
}

/// As `verify`: the signature is the octets.
pub fn dkim_signature(octets: &[u8]) {
    verify(&[b"DKIM-Signature:", octets, b"\r\nFrom: a@example.org\r\n"].concat(), b"v=DKIM1; p=");
}

/// As `verify`: the key is the octets.
pub fn dkim_key(octets: &[u8]) {
    verify(&[b"DKIM-Signature:", SIGNATURE, b"\r\nFrom: a@example.org\r\n"].concat(), octets);
}

/// As `verify`: the header is the octets.
pub fn arc_header(octets: &[u8]) {
    verify(octets, b"v=DKIM1; p=");
}

/// The values are in their ranges, and the text that is kept reads the same.
pub fn dmarc_record(octets: &[u8]) {
    if let Some(record) = DmarcRecord::parse(octets) {
        assert!(record.percent <= 100);
        assert_eq!(DmarcRecord::parse(record.text.as_bytes()), Some(record));
    }
}

/// What was read and written reads the same once more.
pub fn authentication_results(octets: &[u8]) {
    if let Some(read) = AuthenticationResults::parse(octets) {
        // Values beyond a limit are cut at the first writing, so the second one is compared.
        let again = |results: &AuthenticationResults| AuthenticationResults::parse(results.payload().as_bytes());
        let written = again(&read).unwrap_or_else(|| panic!("not read again: {:?}", read.payload()));
        assert_eq!(again(&written).as_ref(), Some(&written));
        assert_eq!(written.results.len(), read.results.len());
    }
    let field = [b"Authentication-Results:", octets, b"\r\n"].concat();
    for field in header::fields(&field) {
        let _ = is_foreign(&field, "mx.example");
    }
}
