//! DMARC (RFC 7489, and the tree walk of RFC 9989 in place of a list of public suffixes): does what SPF and DKIM proved
//! belong to the domain people see, and what does that domain want done where it does not?

mod destinations;
mod evaluate;
mod observe;
mod record;

pub use destinations::destinations;
pub(crate) use evaluate::published;
pub use evaluate::{Discovered, Evidence, discover, evaluate};
pub use observe::observation;
pub use record::{DmarcRecord, FailureOn, ReportAddress};

use std::fmt;
use std::sync::Arc;

/// What an evaluation came to (RFC 8601 §2.7.7 knows the words).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum DmarcResult {
    /// The domain has no policy.
    None,
    Pass,
    Fail,
    TempError,
    PermError,
}

impl DmarcResult {
    /// As Authentication-Results writes it.
    pub fn word(self) -> &'static str {
        match self {
            DmarcResult::None => "none",
            DmarcResult::Pass => "pass",
            DmarcResult::Fail => "fail",
            DmarcResult::TempError => "temperror",
            DmarcResult::PermError => "permerror",
        }
    }
}

impl fmt::Display for DmarcResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a domain wants done with mail that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[allow(missing_docs)]
pub enum Policy {
    #[default]
    None,
    Quarantine,
    Reject,
}

impl Policy {
    /// `none`, `quarantine` or `reject`
    pub fn word(self) -> &'static str {
        match self {
            Policy::None => "none",
            Policy::Quarantine => "quarantine",
            Policy::Reject => "reject",
        }
    }

    /// One step milder: what a domain that is testing gets.
    fn milder(self) -> Policy {
        match self {
            Policy::Reject => Policy::Quarantine,
            _ => Policy::None,
        }
    }
}

/// The verdict on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DmarcVerdict {
    /// The result.
    pub result: DmarcResult,
    /// What to do: `None` unless the result is `Fail`; one step milder than published where the domain is testing
    /// (`t=y`). How it is drawn for `pct` says [`DmarcVerdict::policy_for`].
    pub policy: Policy,
    /// What the domain published for such mail: `p`, `sp` or `np`. `None` unless the result is `Fail`.
    pub published: Policy,
    /// Domain whose record was found; empty where none was.
    pub record_domain: String,
    /// Percentage of failing mail the policy is for (RFC 7489 §6.3); the rest gets the milder one.
    pub percent: u8,
    /// What was published there: the policy, its modes, and where reports go. `None` where nothing was, or nothing that
    /// applies.
    pub record: Option<Arc<DmarcRecord>>,
    /// Whether a signature passed and belongs to the domain in From.
    pub dkim_aligned: bool,
    /// Whether SPF passed and belongs to the domain in From.
    pub spf_aligned: bool,
    /// What aligned, or why nothing did.
    pub why: String,
}

impl Default for DmarcVerdict {
    /// Nothing was asked, nothing was found.
    fn default() -> DmarcVerdict {
        DmarcVerdict::without_policy(DmarcResult::None, "")
    }
}

impl DmarcVerdict {
    /// A verdict that no record had a part in.
    pub(super) fn without_policy(result: DmarcResult, why: &str) -> DmarcVerdict {
        DmarcVerdict {
            result,
            policy: Policy::None,
            published: Policy::None,
            record_domain: String::new(),
            percent: 100,
            record: None,
            dkim_aligned: false,
            spf_aligned: false,
            why: why.to_owned(),
        }
    }

    /// The policy for one message, given a number from 0 to 99 drawn for it.
    pub fn policy_for(&self, draw: u8) -> Policy {
        if draw < self.percent { self.policy } else { self.policy.milder() }
    }
}
