//! Checks the signatures of a message, DKIM's and ARC's, in one pass over it: the header first, the body in pieces,
//! then the keys.

use super::Checks;
use super::arc::Chained;
use super::dkim::{Bodies, Header, Signatures};
use super::results::{ArcVerdict, DkimVerdict};
use crate::base::Timestamp;
use crate::base::world::Resolver;

/// A check under way. It keeps hashes, not the message.
pub struct Verifier {
    signatures: Signatures,
    chain: Chained,
    bodies: Bodies,
}

impl Verifier {
    /// Begins with a message's header, its empty line included or not. Of the checks, those of DKIM and ARC are made.
    pub fn new(header: &[u8], checks: Checks) -> Verifier {
        let mut bodies = Bodies::default();
        let header = Header::read(if checks.dkim || checks.arc { header } else { &[] });
        let signatures = if checks.dkim { Signatures::read(&header, &mut bodies) } else { Signatures::default() };
        let chain = if checks.arc { Chained::read(&header, &mut bodies) } else { Chained::default() };
        Verifier { signatures, chain, bodies }
    }

    /// Whether there is anything to check: without, the body need not be given.
    pub fn wants_body(&self) -> bool {
        !self.bodies.is_empty()
    }

    /// The next octets of the body.
    pub fn push(&mut self, piece: &[u8]) {
        self.bodies.push(piece);
    }

    /// The verdicts on the signatures, in the order of their fields, and the one on the chain. Each of the two asks for
    /// its keys one after the other, and for none twice: one for each of `DKIM_SIGNATURES_MAX` signatures at most; two
    /// for each set of a chain, newest first, and none after a failure.
    pub async fn finish(self, resolver: &dyn Resolver, now: Timestamp) -> (Vec<DkimVerdict>, ArcVerdict) {
        let bodies = self.bodies.finish();
        let signatures = self.signatures.judge(&bodies, resolver, now);
        smol::future::zip(signatures, self.chain.judge(&bodies, resolver, now)).await
    }
}
