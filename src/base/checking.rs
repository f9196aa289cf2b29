//! What the host may set about checking and signing mail, as plain data: part of [`Settings`](super::Settings).
//!
//! `Default` checks everything that asks DNS for the sender's own words (SPF, DKIM, DMARC, ARC, iprev), obeys DMARC and
//! says in Authentication-Results what came of it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::address::Domain;
use super::limits;

/// Checks of mail from other hosts, and marks on mail of ours.
#[derive(Debug, Clone)]
pub struct Checking {
    /// Whether SPF is checked (RFC 7208).
    pub spf: bool,
    /// Whether mail is refused for a `fail` of SPF alone, whatever DMARC says (RFC 7208 §8.4).
    pub spf_rejects: bool,
    /// Whether DKIM signatures are checked (RFC 6376).
    pub dkim: bool,
    /// Whether DMARC is evaluated (RFC 7489).
    pub dmarc: bool,
    /// Whether its policies are obeyed: `reject` refuses, `quarantine` files as junk.
    pub dmarc_enforced: bool,
    /// Whether mail is put off (451) while DNS does not say what DMARC wants. Where a policy other than `none` is
    /// known and only SPF or DKIM stays undecided, mail is put off in any case.
    pub dmarc_defers: bool,
    /// What becomes of mail whose From does not name its authors for certain, where DMARC is obeyed.
    pub uncertain_from: UncertainFrom,
    /// Whether ARC chains are checked (RFC 8617).
    pub arc: bool,
    /// Sealers whose chain outweighs a failure of DMARC.
    pub arc_trusted: Vec<Domain>,
    /// Whether mail that an alias sends on is sealed, where there is a key to do it with.
    pub arc_seals: bool,
    /// Whether the client's address is looked up and back (RFC 8601 §3).
    pub iprev: bool,
    /// Whether BIMI's record is looked up for mail that passes DMARC.
    pub bimi: bool,
    /// Whether Authentication-Results is written, and others' with our name removed (RFC 8601 §5).
    pub results: bool,
    /// Our name in Authentication-Results; `None` is the hostname.
    pub serv_id: Option<String>,
    /// Whether mail by LMTP is checked too: usually the relay in front has done it.
    pub lmtp: bool,
    /// Clients whose mail is not checked.
    pub trusted: Vec<Network>,
    /// How long the checks of one message may ask DNS.
    pub dns: Duration,
    /// Whether an account's mail must name one of its own addresses in From.
    pub from_is_own: bool,
    /// Whether our mail is signed where there is a key (RFC 6376).
    pub signs: bool,
}

/// What is done with mail whose From cannot be read with certainty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UncertainFrom {
    /// It is refused (550).
    Refuse,
    /// It is filed as junk.
    Junk,
    /// It is taken like any other.
    Take,
}

impl UncertainFrom {
    /// All of them with their words.
    pub const NAMES: [(UncertainFrom, &'static str); 3] =
        [(UncertainFrom::Refuse, "refuse"), (UncertainFrom::Junk, "junk"), (UncertainFrom::Take, "take")];

    /// `refuse`, `junk` or `take`
    pub fn word(self) -> &'static str {
        Self::NAMES.iter().find(|(one, _)| *one == self).map_or("", |(_, word)| word)
    }
}

impl Default for Checking {
    fn default() -> Self {
        Self {
            spf: true,
            spf_rejects: false,
            dkim: true,
            dmarc: true,
            dmarc_enforced: true,
            dmarc_defers: false,
            uncertain_from: UncertainFrom::Refuse,
            arc: true,
            arc_trusted: Vec::new(),
            arc_seals: true,
            iprev: true,
            bimi: false,
            results: true,
            serv_id: None,
            lmtp: false,
            trusted: Vec::new(),
            dns: Duration::from_secs(limits::CHECK_DNS_SECONDS),
            from_is_own: true,
            signs: true,
        }
    }
}

impl Checking {
    /// Whether mail of this client is taken without a check.
    pub fn trusts(&self, client: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(client))
    }
}

/// Addresses with a common beginning, `192.0.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Whether an address is in it; an IPv4 address mapped into IPv6 is one of IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = ();

    /// An address, or an address and a number of bits behind `/`.
    fn from_str(text: &str) -> Result<Network, ()> {
        let one = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse().or_else(|_| one()).map(Network).map_err(|_| ())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        for (network, address, is_in) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "::ffff:192.0.2.7", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), is_in, "{network} {address}");
            assert_eq!(parsed.to_string(), network);
        }
        for wrong in ["", "192.0.2.1/33", "2001:db8::/129", "example.org", "192.0.2.1/", "192.0.2.1/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
