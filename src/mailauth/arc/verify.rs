//! The chain of a message: read with its header, judged when its body has passed.

use openssl::sha::Sha256;

use super::chain::{Chain, Seal, SetFields, leading_instance};
use super::{ArcResult, ArcSet, ArcVerdict};
use crate::base::Timestamp;
use crate::base::limits::ARC_BODY_FORMS_MAX;
use crate::base::world::Resolver;
use crate::mailauth::dkim::{self, Bodies, BodyHash, Canonicalization, DkimResult, Header, Keys, Signature};
use crate::mailauth::dkim::{canonical_field, without_b};
use crate::message::header::unfold;

/// The chain of a header, read.
#[derive(Default)]
pub(crate) struct Chained {
    /// How many sets there are; of a chain with a fault, the highest instance.
    instances: usize,
    fault: Option<String>,
    /// Newest first; none where there is a fault.
    sets: Vec<Set>,
}

/// What is to be checked of a set, and what it vouches for.
struct Set {
    instance: usize,
    /// Its signature over the message, with the pass over the body it wants.
    message: Result<(Signature, usize), &'static str>,
    seal: Result<Seal, &'static str>,
    /// SHA-256 of what the seal is over.
    sealed: [u8; 32],
    results: String,
}

impl Chained {
    /// Reads it, and asks for the passes over the body it wants: the newest set's, and of those before it what
    /// `ARC_BODY_FORMS_MAX` allows, since nothing but the age of the oldest untouched state hangs on them.
    pub(crate) fn read(header: &Header<'_>, bodies: &mut Bodies) -> Chained {
        let chain = Chain::read(&header.fields);
        let mut forms_max = usize::MAX;
        let hashes = seal_hashes(&chain.sets);
        let mut sets = Vec::with_capacity(chain.sets.len());
        for (n, (fields, sealed)) in chain.sets.iter().zip(hashes).enumerate().rev() {
            let message = Signature::read(&fields.message, header, true).and_then(|signature| {
                let body = bodies.want(signature.body_canon, signature.body_octets, forms_max);
                body.map(|body| (signature, body)).ok_or("the chain asks for one form of the body too many")
            });
            forms_max = ARC_BODY_FORMS_MAX;
            let results = leading_instance(fields.results.body).map_or(&[][..], |(_, rest)| rest);
            let results = String::from_utf8_lossy(&unfold(results)).into_owned();
            sets.push(Set { instance: n + 1, message, seal: Seal::parse(fields.seal.body), sealed, results });
        }
        Chained { instances: chain.instances, fault: chain.fault, sets }
    }

    /// The verdict (§5.2). Asks for at most two keys a set, each once, newest first, and for none after a failure.
    pub(crate) async fn judge(self, bodies: &[BodyHash], resolver: &dyn Resolver, now: Timestamp) -> ArcVerdict {
        let instances = self.instances;
        let say = |result, why: String| ArcVerdict { result, instances, why, ..ArcVerdict::default() };
        if let Some(why) = self.fault {
            return say(ArcResult::Fail, why);
        }
        if self.sets.is_empty() {
            return say(ArcResult::None, "there is no chain".to_owned());
        }
        let mut keys = Keys::new(resolver);
        let mut oldest_pass = instances;
        for set in &self.sets {
            match set.check_message(bodies, &mut keys, now).await {
                Ok(()) => oldest_pass = set.instance,
                Err(why) if set.instance == instances => {
                    return say(ArcResult::Fail, format!("ARC-Message-Signature {instances}: {why}"));
                }
                Err(_) => break,
            }
        }
        let mut sets = Vec::with_capacity(self.sets.len());
        for set in self.sets {
            let instance = set.instance;
            match set.check_seal(&mut keys).await {
                Ok(set) => sets.push(set),
                Err(why) => return say(ArcResult::Fail, format!("ARC-Seal {instance}: {why}")),
            }
        }
        let oldest_pass = Some(if oldest_pass == 1 { 0 } else { oldest_pass });
        ArcVerdict { oldest_pass, sets, ..say(ArcResult::Pass, String::new()) }
    }
}

impl Set {
    /// Checks the signature over the message (steps 4 and 5).
    async fn check_message(&self, bodies: &[BodyHash], keys: &mut Keys<'_>, now: Timestamp) -> Result<(), String> {
        let (signature, body) = self.message.as_ref().map_err(|why| (*why).to_owned())?;
        let body = bodies.get(*body).ok_or_else(String::new)?;
        let verdict = dkim::check(signature, *body, keys, now).await;
        match verdict.result {
            DkimResult::Pass => Ok(()),
            _ => Err(verdict.why),
        }
    }

    /// Checks the seal (step 6).
    async fn check_seal(self, keys: &mut Keys<'_>) -> Result<ArcSet, String> {
        let seal = self.seal?;
        let key = keys.get(&seal.selector, &seal.domain, seal.algorithm).await;
        let key = key.as_ref().map_err(|(_, why)| why.clone())?;
        if !key.verify(&self.sealed, &seal.signature) {
            return Err("the signature does not match the sets".to_owned());
        }
        Ok(ArcSet { instance: self.instance, domain: seal.domain, selector: seal.selector, results: self.results })
    }
}

/// The SHA-256 each seal is over, oldest first: all sets before it, and its own without its `b=` (§5.1.1). One hash
/// runs along, so that long chains cost no more than their length.
fn seal_hashes(sets: &[SetFields<'_>]) -> Vec<[u8; 32]> {
    let mut running = Sha256::new();
    let mut canonical = Vec::new();
    let mut hash_of = |set: &SetFields<'_>| {
        canonical.clear();
        for field in [set.results, set.message] {
            canonical_field(Canonicalization::Relaxed, field.raw, &mut canonical);
            canonical.extend_from_slice(b"\r\n");
        }
        running.update(&canonical);
        canonical.clear();
        canonical_field(Canonicalization::Relaxed, &without_b(set.seal.raw), &mut canonical);
        let mut own = running.clone();
        own.update(&canonical);
        canonical.clear();
        canonical_field(Canonicalization::Relaxed, set.seal.raw, &mut canonical);
        canonical.extend_from_slice(b"\r\n");
        running.update(&canonical);
        own.finish()
    };
    sets.iter().map(&mut hash_of).collect()
}
