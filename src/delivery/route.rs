//! Where a recipient's mail goes first: the smart host, or the exchangers of the domain.

use std::net::IpAddr;

use crate::base::settings::{Outbound, SmartHost};
use crate::base::{Address, Domain, World};
use crate::dns::mx::{self, Exchanger, NoRoute};

/// What recipients of one message may share a connection by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The host everything goes through.
    SmartHost(SmartHost),
    /// The exchangers of this domain.
    Domain(Domain),
}

impl Destination {
    /// The destination of a recipient.
    pub fn of(recipient: &Address, outbound: &Outbound) -> Destination {
        match &outbound.smart_host {
            Some(smart_host) => Destination::SmartHost(smart_host.clone()),
            None => Destination::Domain(recipient.domain().clone()),
        }
    }

    /// What destinations are compared and pooled by.
    pub fn key(&self) -> String {
        match self {
            // No domain has a colon in its key outside of brackets.
            Destination::SmartHost(host) => format!("{}:{}", host.host.to_ascii_lowercase(), host.port),
            Destination::Domain(domain) => domain.key(),
        }
    }

    /// The port its hosts are dialled at.
    pub fn port(&self, outbound: &Outbound) -> u16 {
        match self {
            Destination::SmartHost(host) => host.port,
            Destination::Domain(_) => outbound.port,
        }
    }

    /// Whether TLS starts with the first octet (RFC 8314 §3.3).
    pub fn implicit_tls(&self) -> bool {
        matches!(self, Destination::SmartHost(host) if host.port == 465)
    }

    /// The hosts to try, in order; at least one.
    pub async fn hosts(&self, world: &World, own_name: &str) -> Result<Vec<Exchanger>, NoRoute> {
        match self {
            Destination::SmartHost(host) => Ok(vec![smart_exchanger(&host.host)]),
            Destination::Domain(domain) => mx::exchangers(world, domain, own_name).await,
        }
    }
}

/// A smart host is a name or an address, with or without brackets; its MX is not looked at.
fn smart_exchanger(host: &str) -> Exchanger {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let bare = bare.strip_prefix("IPv6:").unwrap_or(bare);
    let address: Option<IpAddr> = bare.parse().ok();
    let name = if address.is_some() { bare } else { host };
    Exchanger { name: name.to_owned(), preference: 0, address }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        let mut outbound = Outbound::default();
        let of = |text: &str, outbound: &Outbound| Destination::of(&Address::parse(text).unwrap(), outbound);
        assert_eq!(of("a@Example.NET", &outbound).key(), "example.net");
        assert_eq!(of("a@münchen.example", &outbound).key(), of("b@xn--mnchen-3ya.example", &outbound).key());
        assert_eq!(of("a@[IPv6:::1]", &outbound).key(), "[IPv6:::1]");
        assert_eq!(of("a@x.org", &outbound).port(&outbound), 25);
        outbound.smart_host = Some(SmartHost { host: "Relay.example".to_owned(), port: 465, login: None });
        let smart = of("a@x.org", &outbound);
        assert_eq!((smart.key().as_str(), smart.port(&outbound)), ("relay.example:465", 465));
        assert!(smart.implicit_tls() && smart == of("b@y.org", &outbound));
    }

    #[test]
    fn smart_hosts_by_name_and_address() {
        for (host, name, address) in [
            ("relay.example", "relay.example", None),
            ("192.0.2.1", "192.0.2.1", Some("192.0.2.1")),
            ("[192.0.2.1]", "192.0.2.1", Some("192.0.2.1")),
            ("[IPv6:2001:db8::1]", "2001:db8::1", Some("2001:db8::1")),
            ("::1", "::1", Some("::1")),
        ] {
            let expected = address.map(|a| a.parse().unwrap());
            assert_eq!(smart_exchanger(host), Exchanger { name: name.to_owned(), preference: 0, address: expected });
        }
    }
}
