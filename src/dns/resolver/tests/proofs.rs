//! DNSSEC: a zone that is signed here, whose key is trusted in place of the root's.

use trust_dns_resolver::proto::dnssec::crypto::Ed25519SigningKey;
use trust_dns_resolver::proto::dnssec::rdata::{DNSKEY, DNSSECRData, RRSIG, SigInput};
use trust_dns_resolver::proto::dnssec::{DnssecSigner, SigningKey, TBS};
use trust_dns_resolver::proto::rr::{DNSClass, LowerName, SerialNumber};

use super::*;

/// Signatures hold from 2012 to 2046, in seconds since 1970.
const INCEPTION: u32 = 0x5000_0000;
const EXPIRATION: u32 = 0x9000_0000;

fn zone() -> Name {
    absolute("test").unwrap()
}

/// The zone's key, its record, and who trusts it.
fn signer() -> (DnssecSigner, Arc<TrustAnchors>) {
    let key = Ed25519SigningKey::from_pkcs8(&Ed25519SigningKey::generate_pkcs8().unwrap()).unwrap();
    let public = key.to_public_key().unwrap();
    let mut trusted = TrustAnchors::empty();
    trusted.insert_with_name(&public, LowerName::new(&zone()));
    let dnskey = DNSKEY::new(true, true, false, public);
    (DnssecSigner::new(dnskey, Box::new(key), zone(), Duration::from_secs(1)), Arc::new(trusted))
}

/// The signature of a set of records.
fn signature(signer: &DnssecSigner, records: &[rr::Record]) -> rr::Record {
    let first = &records[0];
    let input = SigInput {
        type_covered: first.record_type(),
        algorithm: signer.key().algorithm(),
        num_labels: first.name.num_labels(),
        original_ttl: first.ttl,
        sig_expiration: SerialNumber::new(EXPIRATION),
        sig_inception: SerialNumber::new(INCEPTION),
        key_tag: signer.calculate_key_tag().unwrap(),
        signer_name: zone(),
    };
    let signed = TBS::from_input(&first.name, DNSClass::IN, &input, records.iter()).unwrap();
    let rrsig = RRSIG::from_sig(input, signer.sign(&signed).unwrap());
    rr::Record::from_rdata(first.name.clone(), first.ttl, RData::DNSSEC(DNSSECRData::RRSIG(rrsig)))
}

/// Answers for `test`: whatever is not known does not exist, which nothing proves.
fn answer(signer: &DnssecSigner, question: &Message, response: &mut Message) {
    let query = &question.queries[0];
    let records = match (query.name().to_ascii().to_ascii_lowercase().as_str(), query.query_type()) {
        ("test.", RecordType::DNSKEY) => {
            let key = RData::DNSSEC(DNSSECRData::DNSKEY(signer.to_dnskey()));
            vec![rr::Record::from_rdata(zone(), 60, key)]
        }
        ("signed.test.", RecordType::MX) => vec![exchanger("signed.test", "mx.test")],
        ("alias.test.", RecordType::MX) => {
            let alias = record_of("alias.test", RData::CNAME(CNAME(absolute("signed.test").unwrap())));
            response.add_answer(signature(signer, std::slice::from_ref(&alias)));
            response.add_answer(alias);
            vec![exchanger("signed.test", "mx.test")]
        }
        ("forged.test.", RecordType::MX) => {
            response.add_answer(exchanger("forged.test", "evil.test"));
            response.add_answer(signature(signer, &[exchanger("forged.test", "mx.test")]));
            return;
        }
        ("unsigned.test.", RecordType::MX) => {
            response.add_answer(exchanger("unsigned.test", "mx.test"));
            return;
        }
        ("signed.test." | "forged.test." | "unsigned.test." | "test." | ".", _) => return,
        _ => {
            response.metadata.response_code = ResponseCode::NXDomain;
            return;
        }
    };
    response.add_answer(signature(signer, &records));
    response.add_answers(records);
}

#[test]
fn what_is_proved_is_secure_and_what_is_not_is_bogus() {
    let (signer, trusted) = signer();
    let signer = Arc::new(signer);
    let server = server_of(move |question, response, _| answer(&signer, question, response));
    let executor = Arc::new(smol::Executor::new());
    let run: Arc<dyn Spawner> = Arc::new(Runs(executor.clone()));
    let options = ResolverOptions { server: Some(server), validate: true, ..ResolverOptions::default() };
    let hickory = hickory(&run, &options, true, Transport::Either, Some(trusted)).unwrap();
    let lookups = Lookups { first: hickory, streams: None };
    let resolver = RealResolver { lookups, plain: None, trust: Trust { validate: true, trust_ad: false } };
    let bench = Bench { executor, resolver, _server: None };
    for name in ["signed.test", "alias.test"] {
        let answer = bench.ask(name, RecordKind::Mx);
        assert_eq!(answer.records, Ok(vec![Record::Mx { preference: 10, exchange: "mx.test".into() }]), "{name}");
        assert!(answer.secure, "{name}");
    }
    // Mail waits for what cannot be proved: neither an exchanger nor its absence is believed.
    for name in ["forged.test", "unsigned.test", "absent.test"] {
        let answer = bench.ask(name, RecordKind::Mx);
        assert_eq!((answer.records, answer.secure), (Err(NoRecords::Bogus), false), "{name}");
    }
}
