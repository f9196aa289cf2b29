//! Certificates and keys as the host gives them: read from PEM with errors that say what is missing, and looked at for
//! what will make clients refuse them. Errors begin with `certificate: ` or `key: `, so that the host knows which of
//! its files is meant.

use openssl::asn1::Asn1Time;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Ref};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::limits::CERTIFICATE_EXPIRES_SOON_DAYS;
use crate::base::time::Timestamp;

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

/// What will make clients refuse a certificate that is served as `name`, a sentence each.
pub(super) fn concerns(certificate: &X509Ref, name: &str, now: Timestamp) -> Vec<String> {
    let mut concerns = Vec::new();
    let days = |from: &openssl::asn1::Asn1TimeRef, to: &openssl::asn1::Asn1TimeRef| {
        from.diff(to).map_or(0, |diff| i64::from(diff.days) * 86_400 + i64::from(diff.secs))
    };
    if let Ok(now) = Asn1Time::from_unix(now.seconds() as _) {
        let (from, until) = (certificate.not_before(), certificate.not_after());
        let left = days(&now, until);
        if left < 0 {
            concerns.push(format!("the certificate for {name} expired on {until}: renew it"));
        } else if days(&now, from) > 0 {
            concerns.push(format!("the certificate for {name} is not valid before {from}: is the clock right?"));
        } else if left < CERTIFICATE_EXPIRES_SOON_DAYS * 86_400 {
            let days = left / 86_400;
            concerns.push(format!("the certificate for {name} expires on {until}, in {days} days: renew it"));
        }
    }
    let names = names(certificate);
    if !names.iter().any(|known| covers(known, name)) {
        let known = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
        concerns.push(format!("the certificate is for {known}, not for {name}: clients that look at it refuse it"));
    }
    concerns
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

/// Whether a certificate's name is `name`, or a wildcard for it (RFC 6125 §6.4.3).
fn covers(known: &str, name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let below = |parent: &str| name.split_once('.').is_some_and(|(_, above)| above.eq_ignore_ascii_case(parent));
    known.eq_ignore_ascii_case(name) || known.strip_prefix("*.").is_some_and(below)
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
        let other = "the certificate is for mx.example.org, not for mx.example.net".to_owned();
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
        assert!(covers("*.example.org", "mx.example.org") && !covers("*.example.org", "example.org"));
        assert!(!covers("*.example.org", "a.mx.example.org"));
    }
}
