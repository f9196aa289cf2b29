//! A certificate of our own making, for hosts that give none: opportunistic TLS needs one (RFC 7435), and any will do.

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;

/// Certificates and their keys, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificates, one for each key.
    pub certificate_pem: Vec<u8>,
    /// The keys, PKCS #8.
    pub key_pem: Secret,
}

/// Mints self-signed certificates for `hostname`, `localhost`, 127.0.0.1 and ::1, good for ten years from the day
/// before `now`: one with a P-256 key, and one with an RSA key for devices that know no other.
#[cfg(not(any(windows, target_vendor = "apple")))]
pub fn mint(hostname: &str, now: Timestamp) -> Result<Identity> {
    mint_each(hostname, now, false).map_err(|e| Error::new(ErrorKind::Tls, format!("cannot make a certificate: {e}")))
}

/// The one with a P-256 key only, for tests: an RSA key takes a tenth of a second.
#[cfg(not(any(windows, target_vendor = "apple")))]
pub fn mint_quick(hostname: &str, now: Timestamp) -> Result<Identity> {
    mint_each(hostname, now, true).map_err(|e| Error::new(ErrorKind::Tls, format!("cannot make a certificate: {e}")))
}

#[cfg(not(any(windows, target_vendor = "apple")))]
fn mint_each(hostname: &str, now: Timestamp, quick: bool) -> std::result::Result<Identity, openssl::error::ErrorStack> {
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::pkey::PKey;
    use openssl::rsa::Rsa;

    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let mut keys = vec![PKey::from_ec_key(EcKey::generate(&curve)?)?];
    if !quick {
        keys.push(PKey::from_rsa(Rsa::generate(RSA_BITS)?)?);
    }
    let (mut certificate_pem, mut key_pem) = (Vec::new(), Vec::new());
    for key in keys {
        certificate_pem.extend(self_signed(hostname, now, &key)?);
        key_pem.extend(key.private_key_to_pem_pkcs8()?);
    }
    Ok(Identity { certificate_pem, key_pem: Secret::new(key_pem) })
}

/// What every device can read, and the least that is still trusted.
#[cfg(not(any(windows, target_vendor = "apple")))]
const RSA_BITS: u32 = 2_048;

/// The system's TLS makes no certificates: the host has to give one.
#[cfg(any(windows, target_vendor = "apple"))]
pub fn mint(_hostname: &str, _now: Timestamp) -> Result<Identity> {
    Err(Error::new(ErrorKind::Tls, "no certificate was given, and none can be made on this system"))
}

/// As [`mint`].
#[cfg(any(windows, target_vendor = "apple"))]
pub fn mint_quick(hostname: &str, now: Timestamp) -> Result<Identity> {
    mint(hostname, now)
}

#[cfg(not(any(windows, target_vendor = "apple")))]
fn self_signed(
    hostname: &str,
    now: Timestamp,
    key: &openssl::pkey::PKeyRef<openssl::pkey::Private>,
) -> std::result::Result<Vec<u8>, openssl::error::ErrorStack> {
    use openssl::asn1::Asn1Time;
    use openssl::bn::{BigNum, MsbOption};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::x509::extension::{
        BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName, SubjectKeyIdentifier,
    };
    use openssl::x509::{X509, X509NameBuilder};

    const DAY_SECONDS: i64 = 86_400;
    let mut subject = X509NameBuilder::new()?;
    // A common name has 64 characters at most (RFC 5280, appendix A); clients look at the alternative name.
    subject.append_entry_by_nid(Nid::COMMONNAME, hostname.get(..64).unwrap_or(hostname))?;
    let subject = subject.build();
    let mut serial = BigNum::new()?;
    serial.rand(159, MsbOption::MAYBE_ZERO, false)?;
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(&*serial.to_asn1_integer()?)?;
    certificate.set_subject_name(&subject)?;
    certificate.set_issuer_name(&subject)?;
    certificate.set_pubkey(key)?;
    certificate.set_not_before(&*Asn1Time::from_unix((now.seconds() - DAY_SECONDS) as _)?)?;
    certificate.set_not_after(&*Asn1Time::from_unix((now.seconds() + 3650 * DAY_SECONDS) as _)?)?;
    certificate.append_extension(BasicConstraints::new().critical().build()?)?;
    certificate.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    certificate.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    let mut names = SubjectAlternativeName::new();
    match hostname.parse::<std::net::IpAddr>() {
        Ok(ip) if ip.is_loopback() => {}
        Ok(_) => {
            names.ip(hostname);
        }
        Err(_) if hostname == "localhost" => {}
        Err(_) => {
            names.dns(hostname);
        }
    }
    names.dns("localhost").ip("127.0.0.1").ip("::1");
    let names = names.build(&certificate.x509v3_context(None, None))?;
    certificate.append_extension(names)?;
    // Strict clients want one of every certificate (RFC 5280 §4.2.1.2).
    let identifier = SubjectKeyIdentifier::new().build(&certificate.x509v3_context(None, None))?;
    certificate.append_extension(identifier)?;
    certificate.sign(key, MessageDigest::sha256())?;
    certificate.build().to_pem()
}

#[cfg(all(test, not(any(windows, target_vendor = "apple"))))]
mod tests {
    use super::*;
    use openssl::x509::X509;

    #[test]
    fn names_the_host_and_signs_itself() {
        let now = Timestamp::from_civil(2026, 11, 22, 0, 0, 0);
        let identity = mint("mail.example.org", now).unwrap();
        let certificates = X509::stack_from_pem(&identity.certificate_pem).unwrap();
        let kinds: Vec<_> = certificates.iter().map(|certificate| certificate.public_key().unwrap().id()).collect();
        assert_eq!(kinds, [openssl::pkey::Id::EC, openssl::pkey::Id::RSA]);
        for certificate in certificates {
            let names = certificate.subject_alt_names().unwrap();
            let dns: Vec<_> = names.iter().filter_map(|name| name.dnsname()).collect();
            assert_eq!(dns, ["mail.example.org", "localhost"]);
            assert_eq!(names.iter().filter(|name| name.ipaddress().is_some()).count(), 2);
            assert!(certificate.verify(&certificate.public_key().unwrap()).unwrap());
            assert_eq!(certificate.not_after().to_string(), "Nov 19 00:00:00 2036 GMT");
            assert_eq!(certificate.not_before().to_string(), "Nov 21 00:00:00 2026 GMT");
        }
        assert!(identity.key_pem.expose().starts_with(b"-----BEGIN PRIVATE KEY-----"));
        assert_ne!(identity, mint("mail.example.org", now).unwrap());
    }

    #[test]
    fn takes_any_name_of_a_host() {
        let long = format!("{}.example.org", "a".repeat(63));
        for name in ["localhost", "192.0.2.1", "2001:db8::1", &long] {
            let quick = mint_quick(name, Timestamp(0)).unwrap();
            assert_eq!(X509::stack_from_pem(&quick.certificate_pem).unwrap().len(), 1);
        }
    }
}
