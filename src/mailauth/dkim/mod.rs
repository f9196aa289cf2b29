//! DKIM (RFC 6376, 8301, 8463): signatures made and checked, in one pass over a body of any size.

mod bodies;
mod canonical;
mod covered;
mod key;
mod opened;
mod sign;
mod signature;
#[cfg(test)]
mod tests;
mod verify;

pub use canonical::Canonicalization;
pub use key::{Algorithm, ExternalKey, SigningKey, dns_record, generate, published_half};
pub use sign::{Signer, Signing};

pub use super::results::{DkimResult, DkimVerdict};

pub(crate) use bodies::{Bodies, BodyHash};
pub(crate) use covered::{Header, canonical_field, without_b};
pub(crate) use key::Keys;
pub(crate) use sign::{SIGNED, push_signature};
pub(crate) use signature::Signature;
pub(crate) use verify::{Signatures, check};

pub(crate) use canonical::BodyCanon;
