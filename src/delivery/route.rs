//! Where a recipient's mail goes next: here, to the smart host, or to the exchangers of the domain; and the names the
//! queue's rows know these by.

use std::net::IpAddr;

use std::sync::Arc;

use super::directory::{Domains, is_local};
use crate::base::settings::{Outbound, SmartHost};
use crate::base::{Address, Domain, Settings, World};
use crate::dns::mx::{self, Exchanger, NoRoute};
use crate::store::{Directory, GIVEN_UP, Router};

/// The name of what is filed here. No domain has a name that begins with a space.
const HERE: &str = " here";

/// Which way recipients go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Nowhere any more: they are given up.
    Over,
    /// They live here.
    Here,
    /// To other hosts.
    Away(Destination),
}

impl Route {
    /// The route of a recipient by the directory and the settings as they are.
    pub fn of(recipient: &Address, accounts: &impl Domains, settings: &Settings) -> Route {
        match is_local(accounts, settings, recipient) {
            true => Route::Here,
            false => Route::Away(Destination::of(recipient, &settings.outbound)),
        }
    }

    /// What the queue's rows know it by. Recipients with equal keys share an attempt.
    pub fn key(&self) -> String {
        match self {
            Route::Over => GIVEN_UP.to_owned(),
            Route::Here => HERE.to_owned(),
            Route::Away(destination) => destination.key(),
        }
    }
}

/// What a key says of the attempt, before any address is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// To be given up.
    Over,
    /// To be filed here.
    Here,
    /// To be sent.
    Away,
    /// Of settings that are no longer: to be routed anew.
    Stale,
}

/// Judges a key by its form: a smart host has a colon outside of brackets, a domain has not.
pub fn kind_of_key(key: &str, outbound: &Outbound) -> KeyKind {
    let smart = outbound.smart_host.clone().map(|host| Destination::SmartHost(host).key());
    let names_smart_host = key.contains(':') && !key.starts_with('[');
    match key {
        GIVEN_UP => KeyKind::Over,
        HERE => KeyKind::Here,
        "" => KeyKind::Stale,
        key if smart.as_deref() == Some(key) || (smart.is_none() && !names_smart_host) => KeyKind::Away,
        _ => KeyKind::Stale,
    }
}

/// Routes what is queued.
pub struct Routing(pub Arc<Settings>);

impl Router for Routing {
    fn destination(&self, directory: &Directory<'_>, to: &Address) -> String {
        Route::of(to, directory, &self.0).key()
    }
}

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
    // Nobody but our own settings says that mail goes there.
    Exchanger { address, secure: true, ..Exchanger::new(name, 0) }
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
    fn keys_of_other_settings_are_stale() {
        let by_mx = Outbound::default();
        let smart_host = SmartHost { host: "2001:db8::1".to_owned(), port: 25, login: None };
        let key = Destination::SmartHost(smart_host.clone()).key();
        let by_smart_host = Outbound { smart_host: Some(smart_host), ..Outbound::default() };
        for (key, mx, smart) in [
            (" over", KeyKind::Over, KeyKind::Over),
            (" here", KeyKind::Here, KeyKind::Here),
            ("", KeyKind::Stale, KeyKind::Stale),
            ("example.net", KeyKind::Away, KeyKind::Stale),
            ("[IPv6:::1]", KeyKind::Away, KeyKind::Stale),
            ("[192.0.2.1]", KeyKind::Away, KeyKind::Stale),
            ("relay.example:587", KeyKind::Stale, KeyKind::Stale),
            (key.as_str(), KeyKind::Stale, KeyKind::Away),
        ] {
            assert_eq!((kind_of_key(key, &by_mx), kind_of_key(key, &by_smart_host)), (mx, smart), "{key:?}");
        }
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
            let wanted = Exchanger { address: expected, secure: true, ..Exchanger::new(name, 0) };
            assert_eq!(smart_exchanger(host), wanted);
        }
    }
}
