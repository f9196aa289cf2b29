//! The DKIM-Signature field (RFC 6376 §3.5).

use super::super::tags::{Tags, a_labels};
use super::covered::Header;
use super::{Algorithm, Canonicalization};
use crate::base::address::is_at_or_below;
use crate::base::limits::DKIM_SIGNED_FIELDS_MAX;
use crate::message::header::Field;

/// A parsed signature.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) algorithm: Algorithm,
    pub(crate) signature: Vec<u8>,
    pub(crate) body_hash: Vec<u8>,
    /// SHA-256 of what it covers of the header, as that stands.
    pub(crate) header_hash: [u8; 32],
    pub(crate) body_canon: Canonicalization,
    pub(crate) domain: String,
    pub(crate) selector: String,
    pub(crate) body_octets: Option<u64>,
    pub(crate) expires: Option<u64>,
    /// Domain of `i=`.
    pub(crate) identity_domain: Option<String>,
}

impl Signature {
    /// Reads a DKIM-Signature (`is_arc`: an ARC-Message-Signature), one of the fields of `header`.
    pub(crate) fn read(own: &Field<'_>, header: &Header<'_>, is_arc: bool) -> Result<Signature, &'static str> {
        let text = std::str::from_utf8(own.body).map_err(|_| "the signature is not text")?;
        let tags = Tags::parse(text).ok_or("the signature is not a tag list")?;
        if !is_arc && tags.get("v") != Some("1") {
            return Err("v= is not 1");
        }
        let algorithm = tags.get("a").ok_or("a= is missing")?;
        let algorithm = Algorithm::parse(algorithm).ok_or("the algorithm in a= is unknown or too weak")?;
        let signature = tags.base64("b").flatten().filter(|b| !b.is_empty()).ok_or("b= is missing or not base64")?;
        let body_hash =
            tags.base64("bh").flatten().filter(|b| b.len() == 32).ok_or("bh= is missing or not a SHA-256 hash")?;
        let (header_canon, body_canon) = canons(tags.get("c"))?;
        let domain = tags.domain("d").ok_or("d= is missing or not a domain")?;
        let selector = tags.get("s").and_then(a_labels).ok_or("s= is missing or not a name")?;
        let fields = tags.list("h").ok_or("h= is missing")?;
        if fields.len() > DKIM_SIGNED_FIELDS_MAX || fields.iter().any(|f| f.is_empty()) {
            return Err("h= has an empty name, or too many names");
        }
        if !fields.iter().any(|f| f.eq_ignore_ascii_case("from")) {
            return Err("From is not signed");
        }
        if is_arc && fields.iter().any(|f| f.eq_ignore_ascii_case("arc-seal")) {
            return Err("h= names ARC-Seal, which it must not");
        }
        if tags.get("q").is_some_and(|q| !q.split(':').any(|m| m.trim() == "dns/txt")) {
            return Err("q= names no known method");
        }
        let number = |name| tags.number(name).map(|n| n.ok_or("t=, x= or l= is not a number")).transpose();
        let (signed_at, expires, body_octets) = (number("t")?, number("x")?, number("l")?);
        if matches!((signed_at, expires), (Some(t), Some(x)) if x < t) {
            return Err("x= is before t=");
        }
        // ARC's i= is the instance (RFC 8617 §4.1.2).
        let identity_domain = match tags.get("i").filter(|_| !is_arc) {
            None => None,
            Some(identity) => {
                let (_, of) = identity.rsplit_once('@').ok_or("i= names no domain")?;
                let of = a_labels(of).ok_or("i= names no domain")?.to_ascii_lowercase();
                if !is_at_or_below(&of, &domain) {
                    return Err("i= is not at or below d=");
                }
                Some(of)
            }
        };
        Ok(Signature {
            algorithm,
            signature,
            body_hash,
            header_hash: header.hash(header_canon, &fields, own),
            body_canon,
            domain,
            selector,
            body_octets,
            expires,
            identity_domain,
        })
    }
}

fn canons(c: Option<&str>) -> Result<(Canonicalization, Canonicalization), &'static str> {
    let Some(c) = c else { return Ok((Canonicalization::Simple, Canonicalization::Simple)) };
    let (header, body) = c.split_once('/').unwrap_or((c, "simple"));
    let parse = |word| Canonicalization::parse(word).ok_or("c= is unknown");
    Ok((parse(header)?, parse(body)?))
}
