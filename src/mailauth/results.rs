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
