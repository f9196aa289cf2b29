//! The DKIM-Signature field (RFC 6376 §3.5): its tags, and what of the header it covers.

use std::cmp::Ordering;

use super::super::tags::{Tags, a_labels};
use super::canonical::relaxed_field;
use super::{Algorithm, Canonicalization};
use crate::base::limits::DKIM_SIGNED_FIELDS_MAX;
use crate::message::header::{self, Field};

/// A parsed signature.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) algorithm: Algorithm,
    pub(crate) signature: Vec<u8>,
    pub(crate) body_hash: Vec<u8>,
    pub(crate) header_canon: Canonicalization,
    pub(crate) body_canon: Canonicalization,
    pub(crate) domain: String,
    pub(crate) selector: String,
    /// Names of the fields it covers, in order.
    pub(crate) fields: Vec<String>,
    pub(crate) body_octets: Option<u64>,
    pub(crate) expires: Option<u64>,
    /// Domain of `i=`.
    pub(crate) identity_domain: Option<String>,
}

impl Signature {
    /// Reads the value of a DKIM-Signature (`is_arc`: of an ARC-Message-Signature) field.
    pub(crate) fn parse(value: &[u8], is_arc: bool) -> Result<Signature, &'static str> {
        let text = std::str::from_utf8(value).map_err(|_| "the signature is not text")?;
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
            header_canon,
            body_canon,
            domain,
            selector,
            fields: fields.into_iter().map(str::to_owned).collect(),
            body_octets,
            expires,
            identity_domain,
        })
    }

    /// The octets its `b=` is over: the named fields, each name taking the lowest one left (RFC 6376 §5.4.2), then
    /// the signature's own field without its `b=`.
    pub(crate) fn signed_header(&self, fields: &[Field<'_>], own: &Field<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut left = FieldsLeft::of(fields);
        for field in self.fields.iter().filter_map(|name| left.take_lowest(name)) {
            canonical_field(self.header_canon, field.raw, &mut out);
            out.extend_from_slice(b"\r\n");
        }
        canonical_field(self.header_canon, &without_b(own.raw), &mut out);
        out
    }
}

/// Fields by name, so that many names in `h=` over many fields cost no product of both.
struct FieldsLeft<'a> {
    by_name: Vec<&'a Field<'a>>,
    /// How many are taken of the name whose first field stands there.
    taken: Vec<usize>,
}

impl<'a> FieldsLeft<'a> {
    fn of(fields: &'a [Field<'a>]) -> FieldsLeft<'a> {
        let mut by_name: Vec<_> = fields.iter().collect();
        by_name.sort_by(|a, b| by_length_and_letters(a.name, b.name));
        FieldsLeft { taken: vec![0; by_name.len()], by_name }
    }

    /// The lowest field of this name that was not taken yet.
    fn take_lowest(&mut self, name: &str) -> Option<&'a Field<'a>> {
        let order = |field: &&Field<'_>| by_length_and_letters(field.name, name.as_bytes());
        let first = self.by_name.partition_point(|f| order(f) == Ordering::Less);
        let of_name = self.by_name.get(first..)?;
        let count = of_name.partition_point(|f| order(f) == Ordering::Equal);
        let taken = self.taken.get_mut(first)?;
        let at = count.checked_sub(*taken + 1)?;
        *taken += 1;
        of_name.get(at).copied()
    }
}

/// Any order that does not see case; lengths tell most names apart.
fn by_length_and_letters(a: &[u8], b: &[u8]) -> Ordering {
    let letters = a.iter().map(u8::to_ascii_lowercase);
    a.len().cmp(&b.len()).then_with(|| letters.cmp(b.iter().map(u8::to_ascii_lowercase)))
}

/// A field in canonical form, without its line end.
pub(crate) fn canonical_field(how: Canonicalization, raw: &[u8], out: &mut Vec<u8>) {
    match how {
        Canonicalization::Relaxed => relaxed_field(raw, out),
        Canonicalization::Simple => {
            let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
            out.extend_from_slice(raw.strip_suffix(b"\r").unwrap_or(raw));
        }
    }
}

/// A signature field whose `b=` has no value.
pub(crate) fn without_b(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let colon = memchr::memchr(b':', raw).map_or(0, |at| at + 1);
    let (name, value) = raw.split_at_checked(colon).unwrap_or((raw, &[]));
    out.extend_from_slice(name);
    for (i, part) in value.split(|c| *c == b';').enumerate() {
        if i > 0 {
            out.push(b';');
        }
        let equals = memchr::memchr(b'=', part);
        match equals.and_then(|at| part.split_at_checked(at + 1)) {
            Some((tag, rest)) if header::trim(tag.strip_suffix(b"=").unwrap_or(tag)) == b"b" => {
                out.extend_from_slice(tag);
                // The field's own line end is not part of the value.
                if rest.ends_with(b"\r\n") && i + 1 == value.split(|c| *c == b';').count() {
                    out.extend_from_slice(b"\r\n");
                }
            }
            _ => out.extend_from_slice(part),
        }
    }
    out
}

fn canons(c: Option<&str>) -> Result<(Canonicalization, Canonicalization), &'static str> {
    let Some(c) = c else { return Ok((Canonicalization::Simple, Canonicalization::Simple)) };
    let (header, body) = c.split_once('/').unwrap_or((c, "simple"));
    let parse = |word| Canonicalization::parse(word).ok_or("c= is unknown");
    Ok((parse(header)?, parse(body)?))
}

/// Whether `name` is `domain` or below it.
pub(crate) fn is_at_or_below(name: &str, domain: &str) -> bool {
    let (name, domain) = (name.to_ascii_lowercase(), domain.to_ascii_lowercase());
    name.strip_suffix(&domain).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}
