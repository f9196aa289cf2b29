//! Certificates and keys as the host gives them: read from PEM with errors that say what is missing, and looked at for
//! what will make clients refuse them. Errors begin with `certificate: ` or `key: `, so that the host knows which of
//! its files is meant.

use std::net::IpAddr;

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509CheckFlags, X509VerifyFlags, X509VerifyParam, X509VerifyParamRef};
use openssl::x509::{X509, X509PurposeId, X509Ref, X509StoreContext, X509VerifyResult};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::limits::CERTIFICATE_EXPIRES_SOON_DAYS;
use crate::base::time::Timestamp;
use crate::base::world::{CertificateRefused, CertificateTrouble};

/// What OpenSSL's verifier may say (`X509_V_ERR_...` of x509_vfy.h, numbers of its stable ABI).
const NOT_YET_VALID: i32 = 9;
const HAS_EXPIRED: i32 = 10;
const NO_ISSUER: i32 = 2;
const SELF_SIGNED_LEAF: i32 = 18;
const SELF_SIGNED_ROOT: i32 = 19;
const NO_ISSUER_HERE: i32 = 20;
const NO_ISSUER_OF_LEAF: i32 = 21;
const UNTRUSTED: i32 = 27;
const INVALID_PURPOSE: i32 = 26;
const HOSTNAME_MISMATCH: i32 = 62;
const IP_ADDRESS_MISMATCH: i32 = 64;

const DAY_SECONDS: i64 = 86_400;

/// The certificates of a PEM text, the server's own first; at least one.
pub(super) fn chain(pem: &[u8]) -> Result<Vec<X509>> {
    let chain = X509::stack_from_pem(pem).map_err(|_| refused("certificate: damaged or cut short"))?;
    match (chain.is_empty(), holds(pem, "PRIVATE KEY-----"), holds(pem, "-----BEGIN CERTIFICATE-----")) {
        (false, ..) => Ok(chain),
        (true, _, true) => Err(refused("certificate: damaged or cut short")),
        (true, true, _) => Err(refused("certificate: a private key and no certificate; are the two files swapped?")),
        (true, false, _) => Err(refused("certificate: no certificate in it (no line -----BEGIN CERTIFICATE-----)")),
    }
}

/// The private keys of a PEM text: one for each kind of certificate. One must belong to `certificate`.
pub(super) fn keys(pem: &[u8], certificate: &X509Ref) -> Result<Vec<PKey<Private>>> {
    if holds(pem, "ENCRYPTED") {
        return Err(refused("key: protected by a passphrase; give it without one (openssl pkey -in OLD -out NEW)"));
    }
    // Without a passphrase given, OpenSSL would ask for one on the terminal.
    let read = |pem: &[u8]| PKey::private_key_from_pem_passphrase(pem, b"");
    let keys = key_blocks(pem).map(read).collect::<std::result::Result<Vec<_>, _>>();
    let keys = keys.map_err(|_| refused("key: damaged or cut short"))?;
    if keys.is_empty() {
        return Err(match holds(pem, "-----BEGIN CERTIFICATE-----") {
            true => refused("key: a certificate and no private key; are the two files swapped?"),
            false => refused("key: no private key in it (no line -----BEGIN PRIVATE KEY-----)"),
        });
    }
    let public = certificate.public_key().map_err(|_| refused("certificate: its public key cannot be read"))?;
    match keys.iter().any(|key| public.public_eq(key)) {
        true => Ok(keys),
        false => Err(refused("key: does not belong to the certificate")),
    }
}

/// The private keys of a PEM text, each with its BEGIN and END lines.
pub(super) fn key_blocks(pem: &[u8]) -> impl Iterator<Item = &[u8]> {
    let begins: Vec<usize> = memchr::memmem::find_iter(pem, b"-----BEGIN ").collect();
    let ends: Vec<usize> = begins.iter().skip(1).copied().chain([pem.len()]).collect();
    let blocks = begins.into_iter().zip(ends).filter_map(|(begin, end)| pem.get(begin..end));
    blocks.filter(|block| {
        let line = block.split(|c| *c == b'\n').next().unwrap_or_default();
        memchr::memmem::find(line, b"PRIVATE KEY-----").is_some()
    })
}

/// What will make clients refuse a certificate that is served as `name`, a sentence each. OpenSSL's verifier judges, as
/// it does for clients; who issued the certificate is not looked at, since each client has authorities of its own.
pub(super) fn concerns(certificate: &X509Ref, name: &str, now: Timestamp) -> Vec<String> {
    let mut concerns = Vec::new();
    let at = |now: Timestamp| {
        judged(certificate, |param| {
            param.set_time(now.seconds() as _);
            Ok(())
        })
    };
    let (from, until) = (certificate.not_before(), certificate.not_after());
    let soon = Timestamp::from_seconds(now.seconds().saturating_add(CERTIFICATE_EXPIRES_SOON_DAYS * DAY_SECONDS));
    match at(now).as_raw() {
        HAS_EXPIRED => {
            concerns.push(format!("the certificate for {name} expired on {until}: renew it"));
        }
        NOT_YET_VALID => {
            concerns.push(format!("the certificate for {name} is not valid before {from}: is the clock right?"));
        }
        _ if at(soon).as_raw() == HAS_EXPIRED => {
            let left = Asn1Time::from_unix(now.seconds() as _).and_then(|now| now.diff(until));
            let days = left.map_or(0, |left| left.days);
            concerns.push(format!("the certificate for {name} expires on {until}, in {days} days: renew it"));
        }
        _ => {}
    }
    let served = judged(certificate, |param| {
        param.set_flags(X509VerifyFlags::NO_CHECK_TIME)?;
        param.set_purpose(X509PurposeId::SSL_SERVER)?;
        must_be_for(param, name)
    });
    match served.as_raw() {
        HOSTNAME_MISMATCH | IP_ADDRESS_MISMATCH => {
            let names = names(certificate);
            let known = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            concerns.push(format!("the certificate is for {known}, not for {name}: clients that look at it refuse it"));
        }
        INVALID_PURPOSE => {
            concerns.push(format!("the certificate for {name} is not made for servers: clients refuse it"));
        }
        _ => {}
    }
    concerns
}

/// Makes a verification demand that a certificate is for this name or address, in the way the engine's own client does.
pub(super) fn must_be_for(param: &mut X509VerifyParamRef, name: &str) -> std::result::Result<(), ErrorStack> {
    let name = name.trim_end_matches('.');
    match name.parse::<IpAddr>() {
        Ok(ip) => param.set_ip(ip),
        Err(_) => {
            param.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
            param.set_host(name)
        }
    }
}

/// What OpenSSL's verifier says to a peer's certificate, for people and for reports.
pub(super) fn refused_as(verified: X509VerifyResult) -> CertificateRefused {
    let trouble = match verified.as_raw() {
        HOSTNAME_MISMATCH | IP_ADDRESS_MISMATCH => CertificateTrouble::OtherName,
        NOT_YET_VALID | HAS_EXPIRED => CertificateTrouble::Expired,
        NO_ISSUER | SELF_SIGNED_LEAF | SELF_SIGNED_ROOT | NO_ISSUER_HERE | NO_ISSUER_OF_LEAF | UNTRUSTED => {
            CertificateTrouble::NotTrusted
        }
        _ => CertificateTrouble::Other,
    };
    CertificateRefused { trouble, text: verified.error_string().to_owned() }
}

/// What OpenSSL's verifier says to a certificate that is trusted itself.
fn judged(
    certificate: &X509Ref,
    demand: impl FnOnce(&mut X509VerifyParamRef) -> std::result::Result<(), ErrorStack>,
) -> X509VerifyResult {
    let judge = || {
        let mut param = X509VerifyParam::new()?;
        // Without it, only a root may be trusted.
        param.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        demand(&mut param)?;
        let mut trusted = X509StoreBuilder::new()?;
        trusted.add_cert(certificate.to_owned())?;
        trusted.set_param(&param)?;
        X509StoreContext::new()?.init(&trusted.build(), certificate, &*Stack::new()?, |context| {
            context.verify_cert()?;
            Ok(context.error())
        })
    };
    judge().unwrap_or(X509VerifyResult::APPLICATION_VERIFICATION)
}

/// The names a certificate is for: its alternative names, or else its common name.
fn names(certificate: &X509Ref) -> Vec<String> {
    let mut names = Vec::new();
    for name in certificate.subject_alt_names().into_iter().flatten() {
        names.extend(name.dnsname().map(str::to_owned));
        let ip = name.ipaddress().and_then(|octets| match octets {
            [a, b, c, d] => Some(std::net::IpAddr::from([*a, *b, *c, *d])),
            octets => <[u8; 16]>::try_from(octets).ok().map(std::net::IpAddr::from),
        });
        names.extend(ip.map(|ip| ip.to_string()));
    }
    if names.is_empty() {
        let common = certificate.subject_name().entries_by_nid(openssl::nid::Nid::COMMONNAME).next();
        names.extend(common.and_then(|entry| entry.data().to_string().ok()));
    }
    names
}

fn holds(pem: &[u8], words: &str) -> bool {
    memchr::memmem::find(pem, words.as_bytes()).is_some()
}

fn refused(text: &str) -> Error {
    Error::new(ErrorKind::Tls, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::identity::mint;

    #[test]
    fn what_is_missing_is_said() {
        let now = Timestamp::from_civil(2026, 11, 22, 0, 0, 0);
        let (one, other) = (mint("mx.example.org", now).unwrap(), mint("mx.example.org", now).unwrap());
        let (certificate, key_pem) = (one.certificate_pem.as_slice(), one.key_pem.expose());
        let cut = |pem: &[u8]| pem[..pem.len() / 2].to_vec();
        for (pem, wanted) in [
            (b"".to_vec(), "certificate: no certificate in it (no line -----BEGIN CERTIFICATE-----)"),
            (b"hello".to_vec(), "certificate: no certificate in it (no line -----BEGIN CERTIFICATE-----)"),
            (key_pem.to_vec(), "certificate: a private key and no certificate; are the two files swapped?"),
            (cut(certificate), "certificate: damaged or cut short"),
        ] {
            assert_eq!(chain(&pem).map(|_| ()).map_err(|e| e.text().to_owned()), Err(wanted.to_owned()));
        }
        let leaf = chain(certificate).unwrap().remove(0);
        assert!(keys(key_pem, &leaf).is_ok());
        let rsa = openssl::rsa::Rsa::generate(2048).unwrap();
        let cipher = openssl::symm::Cipher::aes_128_cbc();
        let locked = PKey::from_rsa(rsa).unwrap().private_key_to_pem_pkcs8_passphrase(cipher, b"secret").unwrap();
        for (pem, wanted) in [
            (b"".to_vec(), "key: no private key in it (no line -----BEGIN PRIVATE KEY-----)"),
            (certificate.to_vec(), "key: a certificate and no private key; are the two files swapped?"),
            (cut(key_pem), "key: damaged or cut short"),
            (locked, "key: protected by a passphrase; give it without one (openssl pkey -in OLD -out NEW)"),
            (other.key_pem.expose().to_vec(), "key: does not belong to the certificate"),
        ] {
            assert_eq!(keys(&pem, &leaf).map(|_| ()).map_err(|e| e.text().to_owned()), Err(wanted.to_owned()));
        }
    }

    #[test]
    fn certificates_that_clients_refuse_are_found() {
        let minted = Timestamp::from_civil(2026, 11, 22, 0, 0, 0);
        let leaf = chain(&mint("mx.example.org", minted).unwrap().certificate_pem).unwrap().remove(0);
        let on = |year, month, day| Timestamp::from_civil(year, month, day, 0, 0, 0);
        let of = |what: &str| format!("the certificate for mx.example.org {what}");
        let other =
            "the certificate is for mx.example.org, localhost, 127.0.0.1, ::1, not for mx.example.net".to_owned();
        for (name, now, wanted) in [
            ("mx.example.org", minted, String::new()),
            ("MX.example.org.", minted, String::new()),
            ("mx.example.net", minted, other),
            ("mx.example.org", on(2036, 11, 20), of("expired on")),
            ("mx.example.org", on(2036, 11, 10), of("expires on")),
            ("mx.example.org", on(2026, 11, 20), of("is not valid before")),
        ] {
            let found = concerns(&leaf, name, now);
            assert_eq!(found.len(), usize::from(!wanted.is_empty()), "{found:?}");
            assert!(found.first().is_none_or(|text| text.starts_with(&wanted)), "{found:?}");
        }
    }

    #[test]
    fn names_are_judged_as_clients_judge_them() {
        let minted = Timestamp::from_civil(2026, 11, 22, 0, 0, 0);
        for (made_for, served_as, fits) in [
            ("*.example.org", "mx.example.org", true),
            ("*.example.org", "example.org", false),
            ("*.example.org", "a.mx.example.org", false),
            ("m*.example.org", "mx.example.org", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8:0::1", true),
            ("mx.example.org", "192.0.2.1", false),
        ] {
            let leaf = chain(&mint(made_for, minted).unwrap().certificate_pem).unwrap().remove(0);
            let names = format!("{made_for}, localhost, 127.0.0.1, ::1");
            let wanted =
                format!("the certificate is for {names}, not for {served_as}: clients that look at it refuse it");
            let wanted = if fits { vec![] } else { vec![wanted] };
            assert_eq!(concerns(&leaf, served_as, minted), wanted);
        }
    }

    #[test]
    fn a_certificate_that_is_not_for_servers_is_a_concern() {
        let minted = Timestamp::from_civil(2026, 11, 22, 0, 0, 0);
        let identity = mint("mx.example.org", minted).unwrap();
        let (leaf, key) = (chain(&identity.certificate_pem).unwrap().remove(0), identity.key_pem);
        let key = keys(key.expose(), &leaf).unwrap().remove(0);
        let mut client = X509::builder().unwrap();
        client.set_version(2).unwrap();
        client.set_subject_name(leaf.subject_name()).unwrap();
        client.set_issuer_name(leaf.subject_name()).unwrap();
        client.set_pubkey(&key).unwrap();
        client.set_not_before(leaf.not_before()).unwrap();
        client.set_not_after(leaf.not_after()).unwrap();
        let usage = openssl::x509::extension::ExtendedKeyUsage::new().client_auth().build().unwrap();
        client.append_extension(usage).unwrap();
        let mut names = openssl::x509::extension::SubjectAlternativeName::new();
        let names = names.dns("mx.example.org").build(&client.x509v3_context(None, None)).unwrap();
        client.append_extension(names).unwrap();
        client.sign(&key, openssl::hash::MessageDigest::sha256()).unwrap();
        let found = concerns(&client.build(), "mx.example.org", minted);
        assert_eq!(found, ["the certificate for mx.example.org is not made for servers: clients refuse it"]);
    }
}
