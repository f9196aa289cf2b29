//! What the host says of TLS towards single domains.
//!
//! A rule names a domain, or all domains below one (`.example.org`), and takes the place of everything that would be
//! decided otherwise: of DANE, of MTA-STS, and of the setting for all domains.

use std::fmt;

use super::address::Domain;
use super::settings::OutboundTls;

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsRule {
    /// Domain as [`Domain::key`] writes it; with a dot in front for all below it.
    domain: String,
    /// What is demanded.
    pub tls: RuleTls,
}

/// What a rule demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleTls {
    /// The same as the setting for all domains.
    As(OutboundTls),
    /// TLS with a certificate that verifies for this name, whatever the host is called.
    VerifiedFor(String),
    /// TLS by TLSA records, and no mail without them.
    Dane,
}

const NAMES: [(&str, OutboundTls); 4] = [
    ("off", OutboundTls::Off),
    ("opportunistic", OutboundTls::Opportunistic),
    ("required", OutboundTls::Required),
    ("verified", OutboundTls::Verified),
];

impl TlsRule {
    /// Reads `domain=tls`; `None` where it is none.
    pub fn parse(text: &str) -> Option<TlsRule> {
        let (domain, tls) = text.split_once('=')?;
        let (domain, tls) = (domain.trim(), tls.trim());
        let key = match domain.strip_prefix('.') {
            Some(above) => format!(".{}", Domain::parse(above).ok()?.key()),
            None => Domain::parse(domain).ok()?.key(),
        };
        let named = NAMES.iter().find(|(name, _)| *name == tls).map(|(_, tls)| RuleTls::As(*tls));
        let tls = match (named, tls.strip_prefix("verified:")) {
            (Some(tls), _) => tls,
            (None, Some(name)) => RuleTls::VerifiedFor(Domain::parse(name.trim()).ok()?.key()),
            (None, None) => (tls == "dane").then_some(RuleTls::Dane)?,
        };
        Some(TlsRule { domain: key, tls })
    }

    /// Whether it speaks of this domain, written as [`Domain::key`] writes it.
    pub fn fits(&self, domain: &str) -> bool {
        match self.domain.strip_prefix('.') {
            Some(above) => domain.strip_suffix(above).is_some_and(|below| below.len() > 1 && below.ends_with('.')),
            None => domain == self.domain,
        }
    }
}

impl fmt::Display for TlsRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tls {
            RuleTls::As(tls) => {
                let name = NAMES.iter().find(|(_, one)| one == tls).map_or("", |(name, _)| name);
                write!(f, "{}={name}", self.domain)
            }
            RuleTls::VerifiedFor(name) => write!(f, "{}=verified:{name}", self.domain),
            RuleTls::Dane => write!(f, "{}=dane", self.domain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_come_back() {
        for text in ["a.test=off", ".a.test=required", "a.test=verified:mx.b.test", "a.test=dane", "b.test=verified"] {
            assert_eq!(TlsRule::parse(text).map(|rule| rule.to_string()).as_deref(), Some(text));
        }
        for text in ["", "a.test", "a.test=", "a.test=maybe", "=off", "a..b=off", "a.test=verified:", ".=off"] {
            assert_eq!(TlsRule::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_dot_means_all_below() {
        for (rule, domain, fits) in [
            ("a.test=off", "a.test", true),
            ("A.Test=off", "a.test", true),
            ("a.test=off", "b.a.test", false),
            (".a.test=off", "b.a.test", true),
            (".a.test=off", "c.b.a.test", true),
            (".a.test=off", "a.test", false),
            (".a.test=off", "xa.test", false),
        ] {
            assert_eq!(TlsRule::parse(rule).unwrap().fits(domain), fits, "{rule} {domain}");
        }
    }
}
