//! Where mail for a domain goes (RFC 5321 §5.1): its mail exchangers in order, and their addresses.
//!
//! Equal preferences are put in random order for each attempt; a null MX (RFC 7505) refuses; a domain without MX is
//! its own exchanger; where we stand in the list ourselves, only hosts preferred to us remain. Errors say whether
//! asking again later may help. Bounded by `MX_HOSTS_MAX` and `ADDRESSES_PER_HOST_MAX`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use smol::future::FutureExt;

use crate::base::limits::{ADDRESSES_PER_HOST_MAX, DNS_WAIT_SECONDS, MX_HOSTS_MAX};
use crate::base::world::{DnsAnswer, Entropy, NoRecords, Record, RecordKind};
use crate::base::{Domain, Enhanced, World};

/// A host that may take a domain's mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanger {
    /// Its name; the address in brackets where the domain was an address literal.
    pub name: String,
    /// Lower is tried first; 0 where there was no MX.
    pub preference: u16,
    /// Its address, where that needs no asking.
    pub address: Option<IpAddr>,
    /// Whether DNSSEC proves that the domain's mail may go there.
    pub secure: bool,
}

impl Exchanger {
    /// A host that nothing proves.
    pub fn new(name: impl Into<String>, preference: u16) -> Self {
        Self { name: name.into(), preference, address: None, secure: false }
    }
}

/// The addresses of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// In the order to try them; at least one.
    pub ips: Vec<IpAddr>,
    /// Whether DNSSEC proves those that were found.
    pub secure: bool,
}

/// Why mail for a domain cannot go anywhere now (class 4) or ever (class 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRoute {
    /// Enhanced status code.
    pub status: Enhanced,
    /// A sentence for a person.
    pub text: String,
}

impl NoRoute {
    fn new(class: u8, subject: u16, detail: u16, text: String) -> Self {
        Self { status: Enhanced::new(class, subject, detail), text }
    }

    /// Whether asking again later may help.
    pub fn is_transient(&self) -> bool {
        self.status.class == 4
    }
}

/// The hosts to try for `domain`, in order; at least one. `own_name` is the name we go by.
pub async fn exchangers(world: &World, domain: &Domain, own_name: &str) -> Result<Vec<Exchanger>, NoRoute> {
    let name = match domain {
        Domain::Literal(ip) => {
            let name = domain.to_string();
            return Ok(vec![Exchanger { address: Some(*ip), ..Exchanger::new(name, 0) }]);
        }
        Domain::Name(_) => domain.key(),
    };
    let answer = ask(world, &name, RecordKind::Mx).await;
    let secure = answer.secure;
    let records = match answer.records {
        Ok(records) => records,
        // RFC 5321 §5.1: no MX makes the domain its own exchanger; whether it has an address shows later. Where
        // records of the same name are proved, a forged denial would have been a failure.
        Err(NoRecords::NoData) => return Ok(vec![Exchanger { secure: true, ..Exchanger::new(name, 0) }]),
        Err(NoRecords::NxDomain) => return Err(NoRoute::new(5, 1, 2, format!("domain {name} does not exist"))),
        Err(NoRecords::BadName) => return Err(NoRoute::new(5, 1, 2, format!("{name} is not a domain name"))),
        Err(NoRecords::Bogus) => return Err(NoRoute::new(4, 4, 3, format!("DNSSEC proof for MX of {name} fails"))),
        Err(NoRecords::ServFail) => return Err(NoRoute::new(4, 4, 3, format!("DNS server fails on MX of {name}"))),
        Err(NoRecords::Timeout) => return Err(NoRoute::new(4, 4, 3, format!("no DNS answer for MX of {name}"))),
    };
    let listed = listed(&records, secure);
    if listed.is_empty() {
        // Nothing but null MX records.
        return Err(NoRoute::new(5, 1, 10, format!("domain {name} does not accept mail (null MX)")));
    }
    let before_us = before_us(listed, own_name);
    if before_us.is_empty() {
        return Err(NoRoute::new(5, 4, 6, format!("mail for {name} loops back to {own_name}")));
    }
    let mut ordered = shuffled_among_equals(before_us, &*world.entropy);
    ordered.truncate(MX_HOSTS_MAX);
    Ok(ordered)
}

/// The addresses of an exchanger, the families taking turns.
pub async fn addresses(world: &World, exchanger: &Exchanger, ipv6: bool) -> Result<Addresses, NoRoute> {
    let name = &exchanger.name;
    if let Some(address) = exchanger.address {
        if address.is_ipv6() && !ipv6 {
            return Err(NoRoute::new(5, 4, 4, format!("{name} has only IPv6, which is switched off")));
        }
        return Ok(Addresses { ips: vec![address], secure: false });
    }
    let four = ask(world, name, RecordKind::A).await;
    let six = if ipv6 { Some(ask(world, name, RecordKind::Aaaa).await) } else { None };
    let answers = [Some(&four), six.as_ref()].into_iter().flatten();
    let secure = answers.filter(|answer| answer.records.is_ok()).all(|answer| answer.secure);
    let (four, six) = (four.records, six.map_or(Err(NoRecords::NoData), |six| six.records));
    let transient = [&four, &six].iter().any(|answer| answer.as_ref().is_err_and(|why| why.is_transient()));
    let mut four = four.unwrap_or_default().into_iter().filter_map(address_of);
    let mut six = six.unwrap_or_default().into_iter().filter_map(address_of);
    let mut found = Vec::new();
    loop {
        // RFC 6724 prefers IPv6; taking turns keeps a broken family from using up the tries.
        let before = found.len();
        found.extend(six.next());
        found.extend(four.next());
        if found.len() == before {
            break;
        }
    }
    found.truncate(ADDRESSES_PER_HOST_MAX);
    if !found.is_empty() {
        return Ok(Addresses { ips: found, secure });
    }
    if transient {
        return Err(NoRoute::new(4, 4, 3, format!("no DNS answer for the address of {name}")));
    }
    Err(NoRoute::new(5, 4, 4, format!("host {name} has no address")))
}

/// The real exchangers of an answer, each once, null MX records left out.
fn listed(records: &[Record], secure: bool) -> Vec<Exchanger> {
    let listed: BTreeSet<(u16, String)> = records
        .iter()
        .filter_map(|record| match record {
            Record::Mx { preference, exchange } => {
                let name = exchange.trim_end_matches('.').to_ascii_lowercase();
                (!name.is_empty()).then_some((*preference, name))
            }
            _ => None,
        })
        .collect();
    let mut seen = BTreeSet::new();
    let mut hosts = Vec::new();
    for (preference, name) in listed {
        if seen.insert(name.clone()) {
            // An address where a name belongs (RFC 1035 §3.3.9): what is meant is plain, and other hosts take it so.
            let address = name.parse().ok();
            hosts.push(Exchanger { name, preference, address, secure });
        }
    }
    hosts
}

/// RFC 5321 §5.1: where we are in the list, hosts as good as us or worse would send the mail back to us.
fn before_us(listed: Vec<Exchanger>, own_name: &str) -> Vec<Exchanger> {
    let own = own_name.trim_end_matches('.');
    let ours = listed.iter().find(|host| host.name.eq_ignore_ascii_case(own)).map(|host| host.preference);
    match ours {
        Some(ours) => listed.into_iter().filter(|host| host.preference < ours).collect(),
        None => listed,
    }
}

/// Puts a list sorted by preference in random order among equals (RFC 5321 §5.1), by Fisher and Yates.
fn shuffled_among_equals(mut hosts: Vec<Exchanger>, entropy: &dyn Entropy) -> Vec<Exchanger> {
    for group in hosts.chunk_by_mut(|a, b| a.preference == b.preference) {
        for last in (1..group.len()).rev() {
            let other = (entropy.u64() % (last as u64 + 1)) as usize;
            group.swap(last, other);
        }
    }
    hosts
}

fn address_of(record: Record) -> Option<IpAddr> {
    match record {
        Record::A(ip) => Some(IpAddr::V4(ip)),
        Record::Aaaa(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    }
}

/// Asks; a resolver that never answers counts as one that timed out.
async fn ask(world: &World, name: &str, kind: RecordKind) -> DnsAnswer {
    let deadline = world.clock.sleep_until(world.clock.now() + Duration::from_secs(DNS_WAIT_SECONDS));
    let silence = async move {
        deadline.await;
        DnsAnswer { records: Err(NoRecords::Timeout), ttl: Duration::ZERO, secure: false }
    };
    world.resolver.ask(name, kind).or(silence).await
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(std::sync::atomic::AtomicU64);

    impl Entropy for Counting {
        fn fill(&self, out: &mut [u8]) {
            let n = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, std::sync::atomic::Ordering::Relaxed);
            let mixed = (n ^ (n >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            for (to, from) in out.iter_mut().zip((mixed ^ (mixed >> 27)).to_le_bytes()) {
                *to = from;
            }
        }
    }

    #[test]
    fn equals_come_in_every_order_and_never_pass_a_better_one() {
        let entropy = Counting(1.into());
        let hosts = |names: &str| -> Vec<Exchanger> {
            let host = |text: &str| {
                let (preference, name) = text.split_once(':').unwrap();
                Exchanger::new(name, preference.parse().unwrap())
            };
            names.split(' ').map(host).collect()
        };
        let mut orders = BTreeSet::new();
        for _ in 0..200 {
            let order = shuffled_among_equals(hosts("5:first 10:a 10:b 10:c 20:last"), &entropy);
            let names: Vec<_> = order.iter().map(|host| host.name.as_str()).collect();
            assert_eq!((names[0], names[4]), ("first", "last"));
            orders.insert(names[1..4].concat());
        }
        assert_eq!(orders.len(), 6);
    }
}
