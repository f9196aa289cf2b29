//! Checks all signatures of a message in one pass: the header first, the body in pieces, then the keys.

use super::key::fetch;
use super::signature::{Signature, is_at_or_below};
use super::{BodyCanon, Canonicalization, DkimResult, DkimVerdict};
use crate::base::Timestamp;
use crate::base::limits::DKIM_SIGNATURES_MAX;
use crate::base::world::Resolver;
use crate::message::header;

/// A check under way.
pub struct Verifier {
    header: Vec<u8>,
    candidates: Vec<Candidate>,
    bodies: Vec<(Canonicalization, Option<u64>, BodyCanon)>,
}

struct Candidate {
    /// Which field of the header.
    field: usize,
    parsed: Result<Signature, &'static str>,
    body: usize,
}

impl Verifier {
    /// Begins with a message's header, its empty line included or not.
    pub fn new(header: &[u8]) -> Verifier {
        let mut verifier = Verifier { header: header.to_vec(), candidates: Vec::new(), bodies: Vec::new() };
        let signatures: Vec<_> = header::fields(header)
            .enumerate()
            .filter(|(_, field)| field.is("DKIM-Signature"))
            .take(DKIM_SIGNATURES_MAX)
            .map(|(i, field)| (i, Signature::parse(field.body, false)))
            .collect();
        for (field, parsed) in signatures {
            let body = parsed.as_ref().map_or(0, |s| verifier.body_of(s.body_canon, s.body_octets));
            verifier.candidates.push(Candidate { field, parsed, body });
        }
        verifier
    }

    /// Whether there is anything to check: without, the body need not be given.
    pub fn wants_body(&self) -> bool {
        !self.bodies.is_empty()
    }

    /// The next octets of the body.
    pub fn push(&mut self, piece: &[u8]) {
        for (_, _, body) in &mut self.bodies {
            body.push(piece);
        }
    }

    /// The verdicts, in the order of the fields; none for a message that is not signed. At most
    /// `DKIM_SIGNATURES_MAX` signatures are looked at, so there are at most that many key lookups.
    pub async fn finish(self, resolver: &dyn Resolver, now: Timestamp) -> Vec<DkimVerdict> {
        let bodies: Vec<([u8; 32], u64)> = self.bodies.into_iter().map(|(_, _, body)| body.finish()).collect();
        let fields: Vec<_> = header::fields(&self.header).collect();
        let mut verdicts = Vec::new();
        for candidate in &self.candidates {
            let signature = match &candidate.parsed {
                Ok(signature) => signature,
                Err(why) => {
                    verdicts.push(verdict(None, DkimResult::PermError, (*why).to_owned()));
                    continue;
                }
            };
            let (Some(own), Some(body)) = (fields.get(candidate.field), bodies.get(candidate.body)) else { continue };
            let data = signature.signed_header(&fields, own);
            verdicts.push(check(signature, &data, *body, resolver, now).await);
        }
        verdicts
    }

    /// The pass over the body that this signature wants; equal ones share it.
    fn body_of(&mut self, how: Canonicalization, octets: Option<u64>) -> usize {
        let same = self.bodies.iter().position(|(h, o, _)| (*h, *o) == (how, octets));
        same.unwrap_or_else(|| {
            self.bodies.push((how, octets, BodyCanon::new(how, octets)));
            self.bodies.len() - 1
        })
    }
}

async fn check(
    signature: &Signature,
    data: &[u8],
    (body_hash, uncovered): ([u8; 32], u64),
    resolver: &dyn Resolver,
    now: Timestamp,
) -> DkimVerdict {
    let say = |result, why: &str| verdict(Some(signature), result, why.to_owned());
    if signature.expires.is_some_and(|x| i64::try_from(x).is_ok_and(|x| x < now.seconds())) {
        return say(DkimResult::Fail, "signature has expired");
    }
    let key = match fetch(resolver, &signature.selector, &signature.domain, signature.algorithm).await {
        Ok(key) => key,
        Err((result, why)) => return say(result, &why),
    };
    let identity = signature.identity_domain.as_deref().unwrap_or(&signature.domain);
    let mut verdict = if key.is_strict && identity != signature.domain {
        say(DkimResult::PermError, "the key allows no identity below its domain")
    } else if signature.body_hash != body_hash {
        say(DkimResult::Fail, "body hash is another")
    } else if !key.verify(data, &signature.signature) {
        say(DkimResult::Fail, "signature does not fit the header")
    } else if uncovered > 0 {
        // What was added behind l= is not the signer's (RFC 6376 §8.2): no pass may rest on it.
        say(DkimResult::Neutral, &format!("{uncovered} octets of the body are not signed"))
    } else {
        debug_assert!(is_at_or_below(identity, &signature.domain));
        say(DkimResult::Pass, "")
    };
    verdict.is_testing = key.is_testing;
    verdict
}

fn verdict(signature: Option<&Signature>, result: DkimResult, why: String) -> DkimVerdict {
    use base64::Engine as _;
    let begins = |s: &Signature| {
        let text = base64::engine::general_purpose::STANDARD.encode(s.signature.get(..6).unwrap_or_default());
        text.chars().take(8).collect()
    };
    DkimVerdict {
        result,
        domain: signature.map(|s| s.domain.clone()).unwrap_or_default(),
        selector: signature.map(|s| s.selector.clone()).unwrap_or_default(),
        signature_begins: signature.map(begins).unwrap_or_default(),
        why,
        is_testing: false,
    }
}
