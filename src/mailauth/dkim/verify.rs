//! Checks all signatures of a message in one pass: the header first, the body in pieces, then the keys.

use super::bodies::{Bodies, BodyHash};
use super::key::Keys;
use super::signature::{Signature, is_at_or_below};
use super::{DkimResult, DkimVerdict};
use crate::base::Timestamp;
use crate::base::limits::DKIM_SIGNATURES_MAX;
use crate::base::world::Resolver;
use crate::message::header::{self, Field};

/// A check under way.
pub struct Verifier {
    header: Vec<u8>,
    signatures: Signatures,
    bodies: Bodies,
}

impl Verifier {
    /// Begins with a message's header, its empty line included or not.
    pub fn new(header: &[u8]) -> Verifier {
        let mut bodies = Bodies::default();
        let signatures = Signatures::read(&header::fields(header).collect::<Vec<_>>(), &mut bodies);
        Verifier { header: header.to_vec(), signatures, bodies }
    }

    /// Whether there is anything to check: without, the body need not be given.
    pub fn wants_body(&self) -> bool {
        !self.bodies.is_empty()
    }

    /// The next octets of the body.
    pub fn push(&mut self, piece: &[u8]) {
        self.bodies.push(piece);
    }

    /// The verdicts, in the order of the fields; none for a message that is not signed. At most
    /// `DKIM_SIGNATURES_MAX` signatures are looked at, so there are at most that many key lookups.
    pub async fn finish(self, resolver: &dyn Resolver, now: Timestamp) -> Vec<DkimVerdict> {
        let bodies = self.bodies.finish();
        let fields: Vec<_> = header::fields(&self.header).collect();
        self.signatures.judge(&fields, &bodies, resolver, now).await
    }
}

/// The signatures of a header.
#[derive(Default)]
pub(crate) struct Signatures(Vec<Candidate>);

struct Candidate {
    /// Which field of the header.
    field: usize,
    parsed: Result<(Signature, usize), &'static str>,
}

impl Signatures {
    /// Reads them, and asks for the passes over the body they want.
    pub(crate) fn read(fields: &[Field<'_>], bodies: &mut Bodies) -> Signatures {
        let signatures = fields.iter().enumerate().filter(|(_, field)| field.is("DKIM-Signature"));
        let candidates = signatures.take(DKIM_SIGNATURES_MAX).map(|(at, field)| {
            let parsed = Signature::parse(field.body, false).and_then(|signature| {
                let body = bodies.want(signature.body_canon, signature.body_octets, usize::MAX);
                body.map(|body| (signature, body)).ok_or("it asks for one form of the body too many")
            });
            Candidate { field: at, parsed }
        });
        Signatures(candidates.collect())
    }

    /// The verdicts, in the order of the fields.
    pub(crate) async fn judge(
        &self,
        fields: &[Field<'_>],
        bodies: &[BodyHash],
        resolver: &dyn Resolver,
        now: Timestamp,
    ) -> Vec<DkimVerdict> {
        let mut keys = Keys::new(resolver);
        let mut verdicts = Vec::new();
        for candidate in &self.0 {
            let (signature, body) = match &candidate.parsed {
                Ok(parsed) => parsed,
                Err(why) => {
                    verdicts.push(verdict(None, DkimResult::PermError, (*why).to_owned()));
                    continue;
                }
            };
            let (Some(own), Some(body)) = (fields.get(candidate.field), bodies.get(*body)) else { continue };
            verdicts.push(check(signature, &signature.signed_header(fields, own), *body, &mut keys, now).await);
        }
        verdicts
    }
}

/// The verdict on one signature, of DKIM or ARC.
pub(crate) async fn check(
    signature: &Signature,
    data: &[u8],
    body: BodyHash,
    keys: &mut Keys<'_>,
    now: Timestamp,
) -> DkimVerdict {
    let say = |result, why: &str| verdict(Some(signature), result, why.to_owned());
    if signature.expires.is_some_and(|x| i64::try_from(x).is_ok_and(|x| x < now.seconds())) {
        return say(DkimResult::Fail, "the signature has expired");
    }
    let key = match keys.get(&signature.selector, &signature.domain, signature.algorithm).await {
        Ok(key) => key,
        Err((result, why)) => return say(*result, why),
    };
    let identity = signature.identity_domain.as_deref().unwrap_or(&signature.domain);
    let mut verdict = if key.is_strict && identity != signature.domain {
        say(DkimResult::PermError, "the key (t=s) allows no identity below its domain")
    } else if signature.body_hash != body.hash {
        say(DkimResult::Fail, "the body hash does not match")
    } else if !key.verify(data, &signature.signature) {
        say(DkimResult::Fail, "the signature does not match the header")
    } else if body.uncovered > 0 {
        // What was added behind l= is not the signer's (RFC 6376 §8.2): no pass may rest on it.
        say(DkimResult::Neutral, &format!("{} octets of the body are not signed", body.uncovered))
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
        algorithm: signature.map(|s| s.algorithm.word()).unwrap_or_default(),
        signature_begins: signature.map(begins).unwrap_or_default(),
        why,
        is_testing: false,
    }
}
