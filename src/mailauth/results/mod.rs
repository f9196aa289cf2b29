//! What checks came to: the words (RFC 8601 §2.7), where more than one standard speaks them, and the field that tells
//! them to others, Authentication-Results.

mod compose;
mod explain;
mod field;
mod foreign;
mod parse;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;

pub use field::{AuthenticationResults, MethodResult, Property};
pub use foreign::is_foreign;

use std::fmt;

/// What the check of a DKIM signature came to (RFC 8601 §2.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[allow(missing_docs)]
pub enum DkimResult {
    #[default]
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

/// The verdict on one signature.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DkimVerdict {
    /// The result.
    pub result: DkimResult,
    /// Signing domain (`d=`); empty where it could not be read.
    pub domain: String,
    /// Selector (`s=`).
    pub selector: String,
    /// Algorithm (`a=`): `rsa-sha256` or `ed25519-sha256`; empty where it could not be read.
    pub algorithm: &'static str,
    /// First characters of `b=`, by which reports tell signatures apart (RFC 6008).
    pub signature_begins: String,
    /// Which field, hash, key or limit it failed on; empty for a pass.
    pub why: String,
    /// Whether the domain says that it is only testing (`t=y`).
    pub is_testing: bool,
}

/// What the check of an ARC chain came to (RFC 8617 §4.4). There is no error among them: all failures are permanent
/// (§5.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[allow(missing_docs)]
pub enum ArcResult {
    /// There is no chain.
    #[default]
    None,
    Pass,
    Fail,
}

impl ArcResult {
    /// As Authentication-Results and `cv=` write it.
    pub fn word(self) -> &'static str {
        match self {
            ArcResult::None => "none",
            ArcResult::Pass => "pass",
            ArcResult::Fail => "fail",
        }
    }
}

impl fmt::Display for ArcResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One set of a chain that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArcSet {
    /// Its number; 1 is the oldest.
    pub instance: usize,
    /// Domain of its seal (`d=`).
    pub domain: String,
    /// Selector of its seal (`s=`).
    pub selector: String,
    /// What the sealer says it found when the message came in: value of ARC-Authentication-Results without its
    /// instance, on one line.
    pub results: String,
}

/// The verdict on the chain of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArcVerdict {
    /// The result.
    pub result: ArcResult,
    /// Highest instance in the header, whether the chain is in order or not.
    pub instances: usize,
    /// Of a chain that passed, its sets, newest first. How far each sealer is to be trusted, the seals do not say.
    pub sets: Vec<ArcSet>,
    /// Of a chain that passed, the instance of the oldest set since which the message is unchanged; 0 where all
    /// signatures over it still fit (RFC 8617 §5.2, step 5).
    pub oldest_pass: Option<usize>,
    /// Which field, key or rule it failed on; empty for a pass.
    pub why: String,
}

impl ArcVerdict {
    /// Domains of the seals of a chain that passed, newest first.
    pub fn sealers(&self) -> impl Iterator<Item = &str> {
        self.sets.iter().map(|set| set.domain.as_str())
    }
}
