//! What TLS a host must do to get a message, and why: decided for each attempt, from rules of the host program, DANE,
//! MTA-STS and the setting for all domains, in this order.
//!
//! A decision belongs to one host of one destination. It is part of what idle connections are kept by: one that was
//! made under a weaker policy is never used under a stronger one ([`TlsPolicy::serves`]). Where nothing can be decided
//! now, or the host may get no mail, the host is passed over ([`PassedOver`]).

pub mod dane;
mod keeper;
mod results;
pub mod sts;

pub use keeper::StsKeeper;
pub use results::{TlsEnd, TlsNotes};

use std::fmt;
use std::sync::Arc;

use self::dane::{DaneFound, DaneRecords};
use self::sts::{StsMode, StsPolicy};
use super::route::Destination;
use crate::base::settings::OutboundTls;
use crate::base::terms::TlsTerm;
use crate::base::tls_rule::RuleTls;
use crate::base::{Domain, Enhanced, Settings, World};
use crate::dns::mx::Exchanger;

/// The port that TLSA records of mail hosts speak of.
const SMTP_PORT: u16 = 25;

/// What TLS is demanded of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsPolicy {
    /// None, and none is used.
    Off,
    /// None; it is used where the host offers it (RFC 7435).
    Opportunistic,
    /// TLS, with any certificate.
    Required,
    /// TLS with a certificate that verifies for this name.
    Pkix(String),
    /// TLS with a certificate that the host's TLSA records mean (RFC 7672).
    Dane(Arc<DaneRecords>),
    /// TLS with a certificate that verifies for this name of the host, which the domain's policy allows (RFC 8461).
    MtaSts {
        /// The domain's policy.
        policy: Arc<StsPolicy>,
        /// The host.
        host: String,
    },
    /// As the policy inside, at a host that offers REQUIRETLS (RFC 8689).
    RequireTls(Arc<TlsPolicy>),
}

impl TlsPolicy {
    /// Its name, as it is told.
    pub fn name(&self) -> &'static str {
        match self {
            TlsPolicy::Off => "off",
            TlsPolicy::Opportunistic => "opportunistic",
            TlsPolicy::Required => "required",
            TlsPolicy::Pkix(_) => "verified",
            TlsPolicy::Dane(_) => "dane",
            TlsPolicy::MtaSts { .. } => "mta-sts",
            TlsPolicy::RequireTls(_) => "requiretls",
        }
    }

    /// Without the demand for REQUIRETLS.
    pub fn of_connection(&self) -> &TlsPolicy {
        match self {
            TlsPolicy::RequireTls(inside) => inside,
            other => other,
        }
    }

    /// What it is for a session.
    pub fn outbound_tls(&self) -> OutboundTls {
        match self.of_connection() {
            TlsPolicy::Off => OutboundTls::Off,
            TlsPolicy::Opportunistic => OutboundTls::Opportunistic,
            TlsPolicy::Required | TlsPolicy::Dane(_) => OutboundTls::Required,
            TlsPolicy::Pkix(_) | TlsPolicy::MtaSts { .. } => OutboundTls::Verified,
            TlsPolicy::RequireTls(_) => OutboundTls::Verified,
        }
    }

    /// The name that the certificate must verify for, where it must.
    pub fn verified_name(&self) -> Option<&str> {
        match self.of_connection() {
            TlsPolicy::Pkix(name) => Some(name),
            TlsPolicy::MtaSts { host, .. } => Some(host),
            _ => None,
        }
    }

    /// The records that the certificate is judged by, where there are some.
    pub fn dane(&self) -> Option<&Arc<DaneRecords>> {
        match self.of_connection() {
            TlsPolicy::Dane(records) => Some(records),
            _ => None,
        }
    }

    /// Whether a connection made under this policy serves mail that wants the other: whether it demanded as much.
    pub fn serves(&self, wanted: &TlsPolicy) -> bool {
        let (own, wanted) = (self.of_connection(), wanted.of_connection());
        match wanted {
            _ if own == wanted => true,
            TlsPolicy::Off => true,
            TlsPolicy::Opportunistic => *own != TlsPolicy::Off,
            TlsPolicy::Required => !matches!(own, TlsPolicy::Off | TlsPolicy::Opportunistic),
            TlsPolicy::Pkix(_) | TlsPolicy::MtaSts { .. } => {
                own.verified_name().is_some() && own.verified_name() == wanted.verified_name()
            }
            TlsPolicy::Dane(_) | TlsPolicy::RequireTls(_) => false,
        }
    }
}

/// A policy, and why it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The policy.
    pub policy: TlsPolicy,
    /// A clause for a person.
    pub why: String,
}

impl Decision {
    fn new(policy: TlsPolicy, why: impl Into<String>) -> Decision {
        Decision { policy, why: why.into() }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.policy.name(), self.why)
    }
}

/// Why a host gets no mail now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The policy that says so, by its name.
    pub policy: &'static str,
    /// Status code: of class 4, or of class 5 where waiting does not help.
    pub status: Enhanced,
    /// A sentence for a person.
    pub text: String,
}

/// What is known of a destination before its hosts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Name the rules, and certificates of authorities, may speak of; empty for an address.
    domain: String,
    rule: Option<(RuleTls, String)>,
    /// The domain's MTA-STS policy.
    sts: Option<Arc<StsPolicy>>,
    is_smart_host: bool,
    has_login: bool,
    /// What the message asks for.
    term: TlsTerm,
}

/// Whether MTA-STS has a policy for a destination, and what rules say of it. `term`: what the message asks for.
pub async fn wanted(
    world: &World,
    settings: &Settings,
    keeper: &StsKeeper,
    destination: &Destination,
    term: TlsTerm,
) -> Wanted {
    let outbound = &settings.outbound;
    let (domain, is_smart_host, has_login) = match destination {
        Destination::SmartHost(host) => (host.host.to_ascii_lowercase(), true, host.login.is_some()),
        Destination::Domain(Domain::Literal(_)) => (String::new(), false, false),
        Destination::Domain(name) => (name.key(), false, false),
    };
    let rule = outbound.tls_rules.iter().find(|rule| !domain.is_empty() && rule.fits(&domain));
    let rule = rule.map(|rule| (rule.tls.clone(), format!("rule {rule}")));
    let asks = rule.is_none() && !is_smart_host && !domain.is_empty() && outbound.mta_sts;
    let sts = match asks && outbound.tls != OutboundTls::Off {
        true => keeper.policy(world, settings, &domain).await,
        false => None,
    };
    Wanted { domain, rule, sts, is_smart_host, has_login, term }
}

impl Wanted {
    /// Whose mail it is; empty for an address.
    pub(super) fn domain(&self) -> &str {
        &self.domain
    }

    /// The MTA-STS policy of the destination.
    pub fn sts(&self) -> Option<&Arc<StsPolicy>> {
        self.sts.as_ref()
    }

    /// What is demanded of one host. `secure`: whether DNSSEC proves its addresses.
    pub async fn at_host(
        &self,
        world: &World,
        settings: &Settings,
        exchanger: &Exchanger,
        secure: bool,
        port: u16,
    ) -> Result<Decision, PassedOver> {
        let decision = self.usual(world, settings, exchanger, secure, port).await?;
        if self.term == TlsTerm::Required { self.strict(exchanger, decision) } else { Ok(decision) }
    }

    /// REQUIRETLS (RFC 8689 §4.2.1): the host's name is known for certain, and its certificate is verified.
    fn strict(&self, exchanger: &Exchanger, usual: Decision) -> Result<Decision, PassedOver> {
        let host = bare_name(&exchanger.name);
        let is_proven = exchanger.secure || self.is_smart_host || host == self.domain;
        let inside = match usual.policy {
            policy @ (TlsPolicy::Dane(_) | TlsPolicy::MtaSts { .. }) => policy,
            policy @ TlsPolicy::Pkix(_) if is_proven => policy,
            _ if is_proven => TlsPolicy::Pkix(host),
            _ => {
                let text = format!(
                    "Encryption needed: neither DNSSEC nor MTA-STS proves that {} is a host of {}",
                    exchanger.name, self.domain
                );
                return Err(PassedOver { policy: "requiretls", status: Enhanced::new(5, 7, 10), text });
            }
        };
        let why = format!("the message asks for it; {}", usual.why);
        Ok(Decision::new(TlsPolicy::RequireTls(Arc::new(inside)), why))
    }

    async fn usual(
        &self,
        world: &World,
        settings: &Settings,
        exchanger: &Exchanger,
        secure: bool,
        port: u16,
    ) -> Result<Decision, PassedOver> {
        let host = bare_name(&exchanger.name);
        if let Some((rule, text)) = &self.rule {
            return self.by_rule(world, exchanger, secure, port, (rule, text)).await;
        }
        if self.has_login {
            return Ok(Decision::new(TlsPolicy::Pkix(host), "a password is shown to a verified host only"));
        }
        match settings.outbound.tls {
            OutboundTls::Off => return Ok(Decision::new(TlsPolicy::Off, "setting outbound.tls")),
            OutboundTls::Verified => return Ok(Decision::new(TlsPolicy::Pkix(host), "setting outbound.tls")),
            OutboundTls::Opportunistic | OutboundTls::Required => {}
        }
        if self.term == TlsTerm::Optional && settings.outbound.tls == OutboundTls::Opportunistic {
            return Ok(Decision::new(TlsPolicy::Opportunistic, "the message says TLS-Required: No"));
        }
        if settings.outbound.dane && exchanger.secure && secure {
            match self.dane(world, exchanger, port).await {
                DaneFound::Nothing => {}
                found => return by_dane(found),
            }
        }
        if let Some(decided) = self.by_sts(exchanger, &host) {
            return decided;
        }
        Ok(match settings.outbound.tls {
            OutboundTls::Required => Decision::new(TlsPolicy::Required, "setting outbound.tls"),
            _ => Decision::new(TlsPolicy::Opportunistic, "nothing demands TLS"),
        })
    }

    async fn by_rule(
        &self,
        world: &World,
        exchanger: &Exchanger,
        secure: bool,
        port: u16,
        (rule, why): (&RuleTls, &str),
    ) -> Result<Decision, PassedOver> {
        let policy = match rule {
            RuleTls::As(OutboundTls::Off) => TlsPolicy::Off,
            RuleTls::As(OutboundTls::Opportunistic) => TlsPolicy::Opportunistic,
            RuleTls::As(OutboundTls::Required) => TlsPolicy::Required,
            RuleTls::As(OutboundTls::Verified) => TlsPolicy::Pkix(bare_name(&exchanger.name)),
            RuleTls::VerifiedFor(name) => TlsPolicy::Pkix(name.clone()),
            RuleTls::Dane => {
                let found = match exchanger.secure && secure {
                    true => self.dane(world, exchanger, port).await,
                    false => DaneFound::Nothing,
                };
                return match found {
                    DaneFound::Nothing | DaneFound::Unusable => Err(PassedOver {
                        policy: "dane",
                        status: Enhanced::new(4, 7, 5),
                        text: format!("{why}: host {} has no TLSA records that DNSSEC proves", exchanger.name),
                    }),
                    found => by_dane(found),
                };
            }
        };
        if self.has_login && policy.verified_name().is_none() {
            let policy = TlsPolicy::Pkix(bare_name(&exchanger.name));
            return Ok(Decision::new(policy, "a password is shown to a verified host only"));
        }
        Ok(Decision::new(policy, why))
    }

    async fn dane(&self, world: &World, exchanger: &Exchanger, port: u16) -> DaneFound {
        // Where another port stands in for 25, what is published for 25 is meant.
        let ports = [SMTP_PORT, port];
        let ports = match (self.is_smart_host, port) {
            (true, _) => ports.get(1..),
            (false, SMTP_PORT) => ports.get(..1),
            (false, _) => ports.get(..),
        };
        dane::look_up(world, exchanger, &self.domain, ports.unwrap_or_default()).await
    }

    fn by_sts(&self, exchanger: &Exchanger, host: &str) -> Option<Result<Decision, PassedOver>> {
        let policy = self.sts.as_ref().filter(|policy| policy.mode == StsMode::Enforce)?;
        let domain = &self.domain;
        if exchanger.address.is_none() && policy.allows(host) {
            let (policy, host) = (Arc::clone(policy), host.to_owned());
            return Some(Ok(Decision::new(TlsPolicy::MtaSts { policy, host }, format!("policy of {domain}"))));
        }
        let text = format!("the MTA-STS policy of {domain} does not name host {}", exchanger.name);
        Some(Err(PassedOver { policy: "mta-sts", status: Enhanced::new(4, 7, 5), text }))
    }
}

fn by_dane(found: DaneFound) -> Result<Decision, PassedOver> {
    match found {
        DaneFound::Records(records) => {
            let why = format!("TLSA records of {}", records.owner);
            Ok(Decision::new(TlsPolicy::Dane(Arc::new(records)), why))
        }
        DaneFound::Unusable => Ok(Decision::new(TlsPolicy::Required, "TLSA records, none of which can be used")),
        DaneFound::Nothing => Ok(Decision::new(TlsPolicy::Opportunistic, "nothing demands TLS")),
        DaneFound::Unknown(text) => Err(PassedOver { policy: "dane", status: Enhanced::new(4, 7, 5), text }),
    }
}

/// The name a certificate is for: without brackets for an address literal.
pub(super) fn bare_name(host: &str) -> String {
    let inside = host.trim_start_matches('[').trim_end_matches(']');
    match inside.trim_start_matches("IPv6:").parse::<std::net::IpAddr>() {
        Ok(ip) => ip.to_string(),
        Err(_) => host.trim_end_matches('.').to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::world::Tlsa;

    #[test]
    fn a_connection_never_serves_a_stronger_policy() {
        let dane = |data: u8| {
            let records = vec![Tlsa { usage: 3, selector: 1, matching: 1, data: vec![data; 32] }];
            TlsPolicy::Dane(Arc::new(DaneRecords { owner: "_25._tcp.mx".to_owned(), records, names: Vec::new() }))
        };
        let sts = |host: &str| TlsPolicy::MtaSts {
            policy: Arc::new(StsPolicy { mode: StsMode::Enforce, hosts: vec!["mx".to_owned()], max_age: 1 }),
            host: host.to_owned(),
        };
        let pkix = |name: &str| TlsPolicy::Pkix(name.to_owned());
        let all = [
            TlsPolicy::Off,
            TlsPolicy::Opportunistic,
            TlsPolicy::Required,
            pkix("mx"),
            pkix("other"),
            sts("mx"),
            dane(1),
            dane(2),
        ];
        // For each wanted policy, which of them serve it.
        let table = ["11111111", "01111111", "00111111", "00010100", "00001000", "00010100", "00000010", "00000001"];
        for (wanted, row) in all.iter().zip(table) {
            let serves: String = all.iter().map(|own| if own.serves(wanted) { '1' } else { '0' }).collect();
            assert_eq!(serves, row, "{wanted:?}");
            let strict = TlsPolicy::RequireTls(Arc::new(wanted.clone()));
            let serves: String = all.iter().map(|own| if own.serves(&strict) { '1' } else { '0' }).collect();
            assert_eq!(serves, row, "{strict:?}");
        }
    }

    #[test]
    fn names_of_literals_have_no_brackets() {
        for (host, name) in
            [("[192.0.2.1]", "192.0.2.1"), ("[IPv6:::1]", "::1"), ("MX.Test.", "mx.test"), ("192.0.2.1", "192.0.2.1")]
        {
            assert_eq!(bare_name(host), name);
        }
    }
}
