//! Stands in for the check of signatures where a build has no OpenSSL crate: no signature is looked at.

use super::Checks;
use super::results::{ArcVerdict, DkimVerdict};
use crate::base::Timestamp;
use crate::base::world::Resolver;

/// No check.
pub struct Verifier;

impl Verifier {
    /// Looks at nothing.
    pub fn new(_: &[u8], _: Checks) -> Verifier {
        Verifier
    }

    /// No.
    pub fn wants_body(&self) -> bool {
        false
    }

    /// Looks at nothing.
    pub fn push(&mut self, _: &[u8]) {}

    /// No verdicts.
    pub async fn finish(self, _: &dyn Resolver, _: Timestamp) -> (Vec<DkimVerdict>, ArcVerdict) {
        Default::default()
    }
}
