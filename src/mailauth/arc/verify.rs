//! Checks a chain in one pass over a message: the header first, the body in pieces, then the keys.

use openssl::sha::Sha256;

use super::chain::{Chain, Seal, SetAt, leading_instance};
use super::{ArcResult, ArcSet, ArcVerdict};
use crate::base::Timestamp;
use crate::base::limits::ARC_BODY_FORMS_MAX;
use crate::base::world::Resolver;
use crate::mailauth::dkim::{self, Bodies, BodyHash, Canonicalization, DkimResult, Keys, Signature};
use crate::mailauth::dkim::{canonical_field, without_b};
use crate::message::header::{self, Field, unfold};

/// A check under way.
pub struct Verifier {
    header: Vec<u8>,
    chain: Chained,
    bodies: Bodies,
}

impl Verifier {
    /// Begins with a message's header, its empty line included or not.
    pub fn new(header: &[u8]) -> Verifier {
        let mut bodies = Bodies::default();
        let chain = Chained::read(&header::fields(header).collect::<Vec<_>>(), &mut bodies);
        Verifier { header: header.to_vec(), chain, bodies }
    }

    /// Whether there is anything to check: without, the body need not be given.
    pub fn wants_body(&self) -> bool {
        !self.bodies.is_empty()
    }

    /// The next octets of the body.
    pub fn push(&mut self, piece: &[u8]) {
        self.bodies.push(piece);
    }

    /// The verdict. Asks for at most two keys a set, each once, newest first, and for none after a failure.
    pub async fn finish(self, resolver: &dyn Resolver, now: Timestamp) -> ArcVerdict {
        let bodies = self.bodies.finish();
        let fields: Vec<_> = header::fields(&self.header).collect();
        self.chain.judge(&fields, &bodies, resolver, now).await
    }
}

/// The chain of a header, and what of its signatures can be checked.
#[derive(Default)]
pub(crate) struct Chained {
    chain: Chain,
    /// Of each set, oldest first; with the pass over the body it wants.
    messages: Vec<Result<(Signature, usize), &'static str>>,
}

impl Chained {
    /// Reads it, and asks for the passes over the body it wants: the newest set's, and of those before it what
    /// `ARC_BODY_FORMS_MAX` allows, since nothing but the age of the oldest untouched state hangs on them.
    pub(crate) fn read(fields: &[Field<'_>], bodies: &mut Bodies) -> Chained {
        let chain = Chain::read(fields);
        let mut forms_max = usize::MAX;
        let mut messages = Vec::new();
        for set in chain.sets.iter().rev() {
            let value = fields.get(set.message).map_or(&[][..], |field| field.body);
            let parsed = Signature::parse(value, true).and_then(|signature| {
                if signature.fields.iter().any(|name| name.eq_ignore_ascii_case("arc-seal")) {
                    return Err("h= names ARC-Seal, which it must not");
                }
                let body = bodies.want(signature.body_canon, signature.body_octets, forms_max);
                body.map(|body| (signature, body)).ok_or("the chain asks for one form of the body too many")
            });
            forms_max = ARC_BODY_FORMS_MAX;
            messages.push(parsed);
        }
        messages.reverse();
        Chained { chain, messages }
    }

    /// The verdict (§5.2).
    pub(crate) async fn judge(
        &self,
        fields: &[Field<'_>],
        bodies: &[BodyHash],
        resolver: &dyn Resolver,
        now: Timestamp,
    ) -> ArcVerdict {
        let instances = self.chain.instances;
        let say = |result, why: String| ArcVerdict { result, instances, why, ..ArcVerdict::default() };
        if self.chain.is_none() {
            return say(ArcResult::None, "there is no chain".to_owned());
        }
        if let Some(why) = &self.chain.fault {
            return say(ArcResult::Fail, why.clone());
        }
        let mut keys = Keys::new(resolver);
        let mut oldest_pass = instances;
        for instance in (1..=instances).rev() {
            match self.message(instance, fields, bodies, &mut keys, now).await {
                Ok(()) => oldest_pass = instance,
                Err(why) if instance == instances => {
                    return say(ArcResult::Fail, format!("ARC-Message-Signature {instance}: {why}"));
                }
                Err(_) => break,
            }
        }
        match self.seals(fields, &mut keys).await {
            Err(why) => say(ArcResult::Fail, why),
            Ok(sets) => {
                let oldest_pass = Some(if oldest_pass == 1 { 0 } else { oldest_pass });
                ArcVerdict { oldest_pass, sets, ..say(ArcResult::Pass, String::new()) }
            }
        }
    }

    /// Checks the signature of one set over the message (steps 4 and 5).
    async fn message(
        &self,
        instance: usize,
        fields: &[Field<'_>],
        bodies: &[BodyHash],
        keys: &mut Keys<'_>,
        now: Timestamp,
    ) -> Result<(), String> {
        let (signature, body) = match self.messages.get(instance - 1) {
            Some(Ok(parsed)) => parsed,
            Some(Err(why)) => return Err((*why).to_owned()),
            None => return Err("it is missing".to_owned()),
        };
        let own = self.chain.sets.get(instance - 1).and_then(|set| fields.get(set.message));
        let (Some(own), Some(body)) = (own, bodies.get(*body)) else { return Err("it is missing".to_owned()) };
        let verdict = dkim::check(signature, &signature.signed_header(fields, own), *body, keys, now).await;
        match verdict.result {
            DkimResult::Pass => Ok(()),
            _ => Err(verdict.why),
        }
    }

    /// Checks all seals, newest first (step 6); what they vouch for comes in the same order.
    async fn seals(&self, fields: &[Field<'_>], keys: &mut Keys<'_>) -> Result<Vec<ArcSet>, String> {
        let digests = seal_digests(&self.chain.sets, fields);
        let mut sets = Vec::with_capacity(digests.len());
        for (n, (set, digest)) in self.chain.sets.iter().zip(&digests).enumerate().rev() {
            let instance = n + 1;
            let value = |at: usize| fields.get(at).map_or(&[][..], |field| field.body);
            let fail = |why: &str| format!("ARC-Seal {instance}: {why}");
            let seal = Seal::parse(value(set.seal)).map_err(fail)?;
            let key = keys.get(&seal.selector, &seal.domain, seal.algorithm).await;
            let key = key.as_ref().map_err(|(_, why)| fail(why))?;
            if !key.verify_digest(digest, &seal.signature) {
                return Err(fail("the signature does not match the sets"));
            }
            let results = leading_instance(value(set.results)).map_or(&[][..], |(_, rest)| rest);
            let results = String::from_utf8_lossy(&unfold(results)).into_owned();
            sets.push(ArcSet { instance, domain: seal.domain, selector: seal.selector, results });
        }
        Ok(sets)
    }
}

/// The SHA-256 each seal is over, oldest first: all sets before it, and its own without its `b=` (§5.1.1). One hash
/// runs along, so that long chains cost no more than their length.
fn seal_digests(sets: &[SetAt], fields: &[Field<'_>]) -> Vec<[u8; 32]> {
    let raw = |at: usize| fields.get(at).map_or(&[][..], |field| field.raw);
    let mut running = Sha256::new();
    let mut digests = Vec::with_capacity(sets.len());
    for set in sets {
        let mut front = Vec::new();
        for at in [set.results, set.message] {
            canonical_field(Canonicalization::Relaxed, raw(at), &mut front);
            front.extend_from_slice(b"\r\n");
        }
        running.update(&front);
        let mut own = Vec::new();
        canonical_field(Canonicalization::Relaxed, &without_b(raw(set.seal)), &mut own);
        let mut this = running.clone();
        this.update(&own);
        digests.push(this.finish());
        let mut whole = Vec::new();
        canonical_field(Canonicalization::Relaxed, raw(set.seal), &mut whole);
        whole.extend_from_slice(b"\r\n");
        running.update(&whole);
    }
    digests
}
