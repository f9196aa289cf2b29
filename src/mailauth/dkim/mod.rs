//! DKIM (RFC 6376, 8301, 8463): signatures made and checked, in one pass over a body of any size.

mod canonical;
mod key;
mod sign;
mod signature;
#[cfg(test)]
mod tests;
mod verify;

pub use canonical::Canonicalization;
pub use key::{Algorithm, SigningKey, dns_record, generate};
pub use sign::{Signer, Signing};
pub use verify::{DkimVerdict, Verifier};

use canonical::BodyCanon;
#[cfg(test)]
use canonical::relaxed_field;

use std::fmt;

/// What a check came to (RFC 8601 §2.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum DkimResult {
    None,
    Pass,
    Fail,
    Neutral,
    TempError,
    PermError,
}

impl DkimResult {
    /// As Authentication-Results writes it.
    pub fn word(self) -> &'static str {
        match self {
            DkimResult::None => "none",
            DkimResult::Pass => "pass",
            DkimResult::Fail => "fail",
            DkimResult::Neutral => "neutral",
            DkimResult::TempError => "temperror",
            DkimResult::PermError => "permerror",
        }
    }
}

impl fmt::Display for DkimResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
