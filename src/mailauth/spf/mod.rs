//! SPF (RFC 7208): may this address send for this domain?

mod check;
mod macros;
mod record;

pub(crate) use check::reverse_name;
pub use check::{Query, check};

use std::fmt;

/// The seven results (RFC 7208 §2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[allow(missing_docs)]
pub enum SpfResult {
    #[default]
    None,
    Neutral,
    Pass,
    Fail,
    SoftFail,
    TempError,
    PermError,
}

impl SpfResult {
    /// As Received-SPF and Authentication-Results write it.
    pub fn word(self) -> &'static str {
        match self {
            SpfResult::None => "none",
            SpfResult::Neutral => "neutral",
            SpfResult::Pass => "pass",
            SpfResult::Fail => "fail",
            SpfResult::SoftFail => "softfail",
            SpfResult::TempError => "temperror",
            SpfResult::PermError => "permerror",
        }
    }
}

impl fmt::Display for SpfResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A result and how it came about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpfVerdict {
    /// The result.
    pub result: SpfResult,
    /// The domain whose record was asked.
    pub domain: String,
    /// For `Fail`: what the domain has to say about it, or nothing.
    pub explanation: String,
    /// Which mechanism matched, which limit was passed, which record failed.
    pub why: String,
}
