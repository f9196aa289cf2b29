//! Words for what a check came to (RFC 8601 §2.7), where more than one standard speaks them.

use std::fmt;

/// What the check of a DKIM signature came to (RFC 8601 §2.7.1).
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

/// The verdict on one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimVerdict {
    /// The result.
    pub result: DkimResult,
    /// Signing domain (`d=`); empty where it could not be read.
    pub domain: String,
    /// Selector (`s=`).
    pub selector: String,
    /// First characters of `b=`, by which reports tell signatures apart (RFC 6008).
    pub signature_begins: String,
    /// Which field, hash, key or limit it failed on; empty for a pass.
    pub why: String,
    /// Whether the domain says that it is only testing (`t=y`).
    pub is_testing: bool,
}
