//! Chains made by OpenSSL, judged by records of every kind.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509NameBuilder;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};

use super::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

struct Made {
    der: Vec<u8>,
    key: PKey<Private>,
    certificate: X509,
}

/// A certificate for `name`, signed by `issuer` or itself, good until `until` seconds since 1970.
fn made(name: &str, issuer: Option<&Made>, is_authority: bool, until: i64) -> Made {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(issuer.map_or(&*subject, |issuer| issuer.certificate.subject_name())).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(1_700_000_000).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(until as _).unwrap()).unwrap();
    if is_authority {
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    } else {
        let names = SubjectAlternativeName::new().dns(name).build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(names).unwrap();
    }
    builder.sign(issuer.map_or(&*key, |issuer| &*issuer.key), MessageDigest::sha256()).unwrap();
    let certificate = builder.build();
    Made { der: certificate.to_der().unwrap(), key, certificate }
}

fn tlsa(usage: u8, selector: u8, matching: u8, certificate: &Made) -> Tlsa {
    let key = certificate.key.public_key_to_der().unwrap();
    let selected = if selector == 0 { &certificate.der } else { &key };
    let data = match matching {
        0 => selected.clone(),
        1 => sha256(selected).to_vec(),
        _ => sha512(selected).to_vec(),
    };
    Tlsa { usage, selector, matching, data }
}

const LATER: i64 = 1_900_000_000;
const BEFORE: i64 = 1_750_000_000;

fn judged(chain: &[&Made], names: &[&str], records: &[Tlsa]) -> Option<CertificateTrouble> {
    let chain: Vec<_> = chain.iter().map(|made| made.der.clone()).collect();
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    check(&chain, &names, records, NOW).err().map(|refused| refused.trouble)
}

#[test]
fn usage_3_means_the_leaf_alone_whatever_its_name_and_dates() {
    let (own, other) = (made("wrong.test", None, false, BEFORE), made("mx.test", None, false, LATER));
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            let record = tlsa(3, selector, matching, &own);
            assert_eq!(judged(&[&own], &["mx.test"], std::slice::from_ref(&record)), None, "{selector} {matching}");
            let two = [tlsa(3, 1, 1, &other), record];
            assert_eq!(judged(&[&own], &["mx.test"], &two), None);
            assert_eq!(judged(&[&other], &["mx.test"], &two[1..]), Some(CertificateTrouble::NotOfRecords));
        }
    }
    for (selector, matching) in [(2, 1), (0, 3), (255, 255)] {
        let record = Tlsa { selector, matching, ..tlsa(3, 0, 1, &own) };
        assert_eq!(judged(&[&own], &["mx.test"], &[record]), Some(CertificateTrouble::NotOfRecords));
    }
    assert_eq!(judged(&[], &["mx.test"], &[tlsa(3, 1, 1, &own)]), Some(CertificateTrouble::NotOfRecords));
    assert_eq!(judged(&[&own], &["mx.test"], &[tlsa(1, 1, 1, &own)]), Some(CertificateTrouble::NotOfRecords));
}

#[test]
fn usage_2_means_an_authority_that_the_leaf_verifies_under() {
    let root = made("root", None, true, LATER);
    let between = made("between", Some(&root), true, LATER);
    let leaf = made("mx.test", Some(&between), false, LATER);
    let old = made("mx.test", Some(&between), false, BEFORE);
    let chain = [&leaf, &between, &root];
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            assert_eq!(judged(&chain, &["mx.test"], &[tlsa(2, selector, matching, &root)]), None);
            assert_eq!(judged(&chain[..2], &["mx.test"], &[tlsa(2, selector, matching, &between)]), None);
        }
    }
    let record = [tlsa(2, 1, 1, &root)];
    assert_eq!(judged(&chain, &["other.test", "mx.test"], &record), None);
    assert_eq!(judged(&chain, &["other.test"], &record), Some(CertificateTrouble::OtherName));
    assert_eq!(judged(&[&old, &between, &root], &["mx.test"], &record), Some(CertificateTrouble::Expired));
    // The authority is not shown, and only its digest is known.
    assert_eq!(judged(&chain[..2], &["mx.test"], &record), Some(CertificateTrouble::NotOfRecords));
    assert_eq!(judged(&chain[..2], &["mx.test"], &[tlsa(2, 0, 0, &root)]), None);
    // It stands in the chain, and did not sign.
    let stranger = made("mx.test", None, false, LATER);
    assert!(judged(&[&stranger, &root], &["mx.test"], &record).is_some());
    // The leaf is no authority of its own.
    assert_eq!(judged(&chain, &["mx.test"], &[tlsa(2, 0, 1, &leaf)]), Some(CertificateTrouble::NotOfRecords));
}

#[test]
fn octets_that_are_no_certificate_match_nothing() {
    let own = made("mx.test", None, false, LATER);
    for cut in 0..own.der.len() {
        assert!(public_key(&own.der[..cut]).is_none(), "{cut}");
    }
    assert_eq!(public_key(&own.der), own.key.public_key_to_der().ok().as_deref());
    for der in [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..], &[0x30, 0x80, 0], &[0x30], &[0x30, 0x85, 1, 1, 1, 1, 1]] {
        assert!(element(der).is_none());
    }
}
