//! The signatures of a message: read with its header, judged when its body has passed.

use super::bodies::{Bodies, BodyHash};
use super::covered::Header;
use super::key::Keys;
use super::signature::Signature;
use super::{DkimResult, DkimVerdict};
use crate::base::address::is_at_or_below;
use crate::base::limits::DKIM_SIGNATURES_MAX;
use crate::base::world::Resolver;
use crate::base::{Timestamp, base64};

/// The signatures of a header, each with the pass over the body it wants.
#[derive(Default)]
pub(crate) struct Signatures(Vec<Result<(Signature, usize), &'static str>>);

impl Signatures {
    /// Reads them, and asks for the passes over the body they want. At most `DKIM_SIGNATURES_MAX` are looked at, so
    /// there are at most that many key lookups.
    pub(crate) fn read(header: &Header<'_>, bodies: &mut Bodies) -> Signatures {
        let signatures = header.fields.iter().filter(|field| field.is("DKIM-Signature"));
        let read = signatures.take(DKIM_SIGNATURES_MAX).map(|own| {
            let signature = Signature::read(own, header, false)?;
            let body = bodies.want(signature.body_canon, signature.body_octets, usize::MAX);
            body.map(|body| (signature, body)).ok_or("it asks for one form of the body too many")
        });
        Signatures(read.collect())
    }

    /// The verdicts, in the order of the fields; none for a message that is not signed.
    pub(crate) async fn judge(&self, bodies: &[BodyHash], resolver: &dyn Resolver, now: Timestamp) -> Vec<DkimVerdict> {
        let mut keys = Keys::new(resolver);
        let mut verdicts = Vec::with_capacity(self.0.len());
        for read in &self.0 {
            verdicts.push(match read {
                Err(why) => verdict(None, DkimResult::PermError, (*why).to_owned()),
                Ok((signature, body)) => {
                    let Some(body) = bodies.get(*body) else { continue };
                    check(signature, *body, &mut keys, now).await
                }
            });
        }
        verdicts
    }
}

/// The verdict on one signature, of DKIM or ARC.
pub(crate) async fn check(signature: &Signature, body: BodyHash, keys: &mut Keys<'_>, now: Timestamp) -> DkimVerdict {
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
    } else if !key.verify(&signature.header_hash, &signature.signature) {
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
    // Six octets are eight letters.
    let begins = |s: &Signature| base64::encode(s.signature.get(..6).unwrap_or_default());
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
