//! OCSP stapling (RFC 6066 §8): what the authority says of a certificate, served beside it.
//!
//! The program gives the response with the certificate, as a block `OCSP RESPONSE` of its PEM text, and renews it:
//! nothing is fetched here. A response that is out of date is not served.

use std::sync::Arc;

use openssl::hash::MessageDigest;
use openssl::ocsp::{OcspCertId, OcspCertStatus, OcspResponse, OcspResponseStatus};
use openssl::x509::{X509, X509Ref};

use crate::base::base64;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::limits::OCSP_CLOCK_SECONDS;

const BEGIN: &[u8] = b"-----BEGIN OCSP RESPONSE-----";
const END: &[u8] = b"-----END OCSP RESPONSE-----";

/// A response about a certificate, as it is sent. Clones share it.
#[derive(Clone)]
pub(super) struct Staple(Arc<Response>);

struct Response {
    der: Vec<u8>,
    leaf: X509,
    issuer: X509,
}

impl Staple {
    /// The response in a PEM text, which must say that the chain's first certificate is good; `None` without one.
    pub(super) fn of(pem: &[u8], chain: &[X509]) -> Result<Option<Staple>> {
        let Some(der) = block(pem)? else { return Ok(None) };
        let [leaf, issuer, ..] = chain else {
            return Err(refused("certificate: an OCSP response needs the issuer's certificate behind the server's"));
        };
        let response = Response { der, leaf: leaf.clone(), issuer: issuer.clone() };
        response.judge(|_| true)?;
        Ok(Some(Staple(Arc::new(response))))
    }

    /// The response, while its authority stands by it.
    pub(super) fn fresh(&self) -> Option<&[u8]> {
        self.0.judge(|status| status.check_validity(OCSP_CLOCK_SECONDS, None).is_ok()).ok()?;
        Some(&self.0.der)
    }
}

impl Response {
    /// Whether it says that the certificate is good, and `is_fine` agrees. Clients check who signed it.
    fn judge(&self, is_fine: impl Fn(&openssl::ocsp::OcspStatus<'_>) -> bool) -> Result<()> {
        let read = OcspResponse::from_der(&self.der);
        let read = read.map_err(|_| refused("certificate: its OCSP response is damaged or cut short"))?;
        if read.status() != OcspResponseStatus::SUCCESSFUL {
            return Err(refused("certificate: its OCSP response is an error of the authority"));
        }
        let basic = read.basic().map_err(|_| refused("certificate: its OCSP response is of an unknown type"))?;
        // By whichever hash the authority names certificates.
        let found = [MessageDigest::sha1(), MessageDigest::sha256()].into_iter().find_map(|digest| {
            let id = id(digest, &self.leaf, &self.issuer)?;
            basic.find_status(&id).map(|status| (status.status, is_fine(&status)))
        });
        match found {
            None => Err(refused("certificate: its OCSP response is about another one")),
            Some((OcspCertStatus::GOOD, true)) => Ok(()),
            Some((OcspCertStatus::GOOD, false)) => Err(refused("certificate: its OCSP response is out of date")),
            Some(_) => Err(refused("certificate: revoked, says its OCSP response")),
        }
    }
}

fn id(digest: MessageDigest, leaf: &X509Ref, issuer: &X509Ref) -> Option<OcspCertId> {
    OcspCertId::from_cert(digest, leaf, issuer).ok()
}

/// The octets of the response in a PEM text.
fn block(pem: &[u8]) -> Result<Option<Vec<u8>>> {
    let Some(begin) = memchr::memmem::find(pem, BEGIN) else { return Ok(None) };
    let rest = pem.get(begin + BEGIN.len()..).unwrap_or_default();
    let damaged = || refused("certificate: its OCSP response is damaged or cut short");
    let end = memchr::memmem::find(rest, END).ok_or_else(damaged)?;
    base64::decode_folded(rest.get(..end).unwrap_or_default()).map(Some).ok_or_else(damaged)
}

fn refused(text: &str) -> Error {
    Error::new(ErrorKind::Tls, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAPLED: &[u8] = include_bytes!("tls_openssl/vectors/stapled.pem");
    const STALE: &[u8] = include_bytes!("tls_openssl/vectors/stale.pem");

    fn chain() -> Vec<X509> {
        X509::stack_from_pem(STAPLED).unwrap()
    }

    #[test]
    fn a_response_is_served_while_it_holds() {
        let staple = Staple::of(STAPLED, &chain()).unwrap().unwrap();
        assert!(staple.fresh().is_some_and(|der| der.len() > 100));
        let stale = Staple::of(STALE, &chain()).unwrap().unwrap();
        assert!(stale.fresh().is_none());
        assert!(Staple::of(b"no response", &chain()).unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_served_is_refused_by_name() {
        let text =
            |pem: &[u8], chain: &[X509]| Staple::of(pem, chain).err().map(|e| e.text().to_owned()).unwrap_or_default();
        let chain = chain();
        assert!(text(STAPLED, &chain[..1]).contains("issuer's certificate"));
        assert!(text(STAPLED, &[chain[1].clone(), chain[1].clone()]).contains("about another one"));
        assert!(
            text(b"-----BEGIN OCSP RESPONSE-----\nAAAA\n-----END OCSP RESPONSE-----\n", &chain).contains("damaged")
        );
        assert!(text(b"-----BEGIN OCSP RESPONSE-----\nAAAA\n", &chain).contains("cut short"));
    }
}
