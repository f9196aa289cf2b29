//! Settings of ESMTP extensions, of peers that speak for others, and of submission.

use std::net::IpAddr;

use super::super::checking::Network;
use super::super::limits::HOLD_SECONDS_MAX;

/// What sessions of SMTP and LMTP offer beside the usual.
#[derive(Debug, Clone)]
pub struct Esmtp {
    /// For how many seconds submitted mail may be held (RFC 4865); 0 does not offer it.
    pub hold_seconds_max: u64,
    /// Classes of solicitation that are not wanted, by commas (RFC 3865); `None` does not offer it.
    pub no_soliciting: Option<String>,
    /// Who gets an answer to VRFY and EXPN.
    pub verify: Verify,
    /// Networks whose XCLIENT and XFORWARD are believed.
    pub xclient: Vec<Network>,
    /// Networks of proxies: each of their connections, to any listener, begins with a PROXY header.
    pub proxies: Vec<Network>,
    /// Networks that submit without a login: printers, scanners.
    pub relays: Vec<Network>,
    /// How much an account may submit.
    pub submission: SubmissionLimits,
}

/// How much one account may submit; 0 for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SubmissionLimits {
    /// Messages in an hour.
    pub messages_per_hour_max: u32,
    /// Messages in a day.
    pub messages_per_day_max: u32,
    /// Different recipients in a day.
    pub recipients_per_day_max: u32,
}

impl SubmissionLimits {
    /// Whether messages have no limit.
    pub fn is_off(&self) -> bool {
        self.messages_per_hour_max == 0 && self.messages_per_day_max == 0
    }
}

/// Who is told by VRFY and EXPN which addresses there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// Nobody.
    #[default]
    Nobody,
    /// Who logged in.
    Users,
    /// Anybody.
    Anybody,
}

impl Verify {
    /// All of them by name.
    pub const NAMES: [(&'static str, Verify); 3] =
        [("nobody", Verify::Nobody), ("users", Verify::Users), ("anybody", Verify::Anybody)];

    /// Its name.
    pub fn name(self) -> &'static str {
        Verify::NAMES.iter().find(|(_, verify)| *verify == self).map_or("", |(name, _)| name)
    }
}

impl Default for Esmtp {
    fn default() -> Esmtp {
        Esmtp {
            hold_seconds_max: HOLD_SECONDS_MAX,
            no_soliciting: None,
            verify: Verify::Nobody,
            xclient: Vec::new(),
            proxies: Vec::new(),
            relays: Vec::new(),
            submission: SubmissionLimits::default(),
        }
    }
}

impl Esmtp {
    /// Whether this peer's XCLIENT and XFORWARD are believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.xclient.iter().any(|network| network.contains(peer))
    }

    /// Whether this peer submits without a login.
    pub fn relays_for(&self, peer: IpAddr) -> bool {
        self.relays.iter().any(|network| network.contains(peer))
    }

    /// Whether connections of this peer begin with a PROXY header.
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(peer))
    }
}
