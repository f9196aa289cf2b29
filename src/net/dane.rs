//! A peer's certificates judged by TLSA records (RFC 6698 §2.1, RFC 7671, RFC 7672 §3.1): usage 3 means the peer's own
//! certificate or key, usage 2 an authority in its chain.
//!
//! With usage 3 nothing else counts: neither names nor dates (RFC 7672 §3.1.1). With usage 2 the chain must verify up
//! to the authority that the record means, and the leaf must be for one of the names given (§3.1.2, §3.2.2).

use openssl::error::ErrorStack;
use openssl::sha::{sha256, sha512};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509PurposeId, X509StoreContext, X509VerifyResult};

use super::certificate;
use crate::base::time::Timestamp;
use crate::base::world::{CertificateRefused, CertificateTrouble, Tlsa};

/// The peer's own certificate.
const DANE_EE: u8 = 3;
/// An authority.
const DANE_TA: u8 = 2;

/// Whether one of the records means this chain.
pub(super) fn check(
    chain: &[Vec<u8>],
    names: &[String],
    records: &[Tlsa],
    now: Timestamp,
) -> Result<(), CertificateRefused> {
    let Some(leaf) = chain.first() else { return Err(not_of_records("the host showed no certificate")) };
    let own = records.iter().filter(|record| record.usage == DANE_EE);
    if own.into_iter().any(|record| means(record, leaf)) {
        return Ok(());
    }
    let mut refused = not_of_records("no TLSA record means the certificate of the host");
    for record in records.iter().filter(|record| record.usage == DANE_TA) {
        let shown = chain.iter().skip(1).find(|authority| means(record, authority));
        // The whole certificate of an authority may stand in the record alone.
        let in_record = (record.selector, record.matching) == (0, 0);
        let Some(authority) = shown.or(in_record.then_some(&record.data)) else { continue };
        match verify(chain, authority, names, now) {
            Ok(()) => return Ok(()),
            Err(why) => refused = why,
        }
    }
    Err(refused)
}

fn not_of_records(text: &str) -> CertificateRefused {
    CertificateRefused { trouble: CertificateTrouble::NotOfRecords, text: text.to_owned() }
}

/// Whether a record means a certificate.
fn means(record: &Tlsa, certificate: &[u8]) -> bool {
    let selected = match record.selector {
        0 => Some(certificate),
        1 => public_key(certificate),
        _ => None,
    };
    let Some(selected) = selected else { return false };
    match record.matching {
        0 => selected == record.data,
        1 => sha256(selected)[..] == record.data[..],
        2 => sha512(selected)[..] == record.data[..],
        _ => false,
    }
}

/// The SubjectPublicKeyInfo of a certificate as it stands there (RFC 5280 §4.1): the seventh part of what is signed,
/// or the sixth of one without a version.
fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    const VERSION: u8 = 0xa0;
    let (whole, _) = element(certificate)?;
    let (signed, _) = element(whole.content)?;
    let mut rest = signed.content;
    let first = element(rest)?.0;
    let before = if first.tag == VERSION { 6 } else { 5 };
    for _ in 0..before {
        rest = element(rest)?.1;
    }
    Some(element(rest)?.0.whole)
}

/// An element of DER.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// The first element, and what follows it.
fn element(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, first) = (*der.first()?, usize::from(*der.get(1)?));
    let (length, header) = match first {
        0..=0x7f => (first, 2),
        0x81..=0x84 => {
            let octets = der.get(2..2 + (first & 0x7f))?;
            let length = octets.iter().try_fold(0usize, |sum, octet| Some(sum.checked_mul(256)? + usize::from(*octet)));
            (length?, 2 + octets.len())
        }
        _ => return None,
    };
    let end = header.checked_add(length)?;
    let element = Element { tag, content: der.get(header..end)?, whole: der.get(..end)? };
    Some((element, der.get(end..)?))
}

/// Verifies a chain up to an authority.
fn verify(chain: &[Vec<u8>], authority: &[u8], names: &[String], now: Timestamp) -> Result<(), CertificateRefused> {
    let mut result = X509VerifyResult::APPLICATION_VERIFICATION;
    for name in names {
        result = verified(chain, authority, name, now).unwrap_or(X509VerifyResult::APPLICATION_VERIFICATION);
        if result == X509VerifyResult::OK {
            return Ok(());
        }
    }
    Err(certificate::refused_as(result))
}

fn verified(chain: &[Vec<u8>], authority: &[u8], name: &str, now: Timestamp) -> Result<X509VerifyResult, ErrorStack> {
    let mut param = X509VerifyParam::new()?;
    // The authority need not be a root.
    param.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    param.set_time(now.seconds() as _);
    param.set_purpose(X509PurposeId::SSL_SERVER)?;
    certificate::must_be_for(&mut param, name)?;
    let mut trusted = X509StoreBuilder::new()?;
    trusted.add_cert(X509::from_der(authority)?)?;
    trusted.set_param(&param)?;
    let mut between = Stack::new()?;
    for certificate in chain.iter().skip(1) {
        between.push(X509::from_der(certificate)?)?;
    }
    let leaf = X509::from_der(chain.first().map_or(&[][..], Vec::as_slice))?;
    X509StoreContext::new()?.init(&trusted.build(), &leaf, &between, |context| {
        context.verify_cert()?;
        Ok(context.error())
    })
}

#[cfg(test)]
mod tests;
