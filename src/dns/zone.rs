//! Names kept in memory: what a host sets for itself, a test for the whole world.
//!
//! A [`Zone`] answers for the names it has: records, or "no such kind". In front of a resolver ([`Overlay`]) names it
//! does not have are asked of that one; alone ([`SharedZone`] as a resolver) they do not exist. CNAMEs are followed,
//! `CNAME_STEPS_MAX` at most.

mod text;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use crate::base::address::is_at_or_below;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::limits::{CNAME_STEPS_MAX, DNS_FAILURE_SECONDS, DNS_NAME_OCTETS_MAX, DNS_NEGATIVE_SECONDS};
use crate::base::world::{BoxFuture, DnsAnswer, NoRecords, Record, RecordKind, Resolver};

/// Records by name and kind.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    /// A name without records exists nevertheless.
    names: BTreeMap<String, BTreeMap<RecordKind, Set>>,
    /// Whether its records count as proved.
    secure: bool,
}

/// The records of one name and kind.
#[derive(Debug, Clone)]
struct Set {
    ttl: u32,
    records: Vec<Record>,
}

/// What a zone has for a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Records, with their TTL in seconds.
    Records(Vec<Record>, u32),
    /// The name is an alias of this one, with its TTL in seconds.
    Alias(String, u32),
    /// The name exists without records of that kind.
    NoData,
    /// The zone does not have the name.
    Unknown,
}

impl Zone {
    /// A zone without names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record, given as in a master file (RFC 1035 §5.1): kind `MX` with rdata `10 mail.example.org.`; all names
    /// are absolute, with or without the final dot. TXT is one string as it is, or several in quotes. Kinds: A AAAA MX
    /// TXT PTR TLSA CNAME. The TTL, in seconds, is that of the whole set.
    pub fn add(&mut self, name: &str, kind: &str, rdata: &str, ttl: u32) -> Result<()> {
        let invalid =
            |what: &str| Error::new(ErrorKind::Invalid, format!("{what} in DNS record {name} {kind} {rdata}"));
        let key = key_of(name).ok_or_else(|| invalid("bad name"))?;
        let kind = text::kind_of(kind).ok_or_else(|| invalid("unknown kind"))?;
        let record = text::record_of(kind, rdata.trim()).ok_or_else(|| invalid("bad data"))?;
        let sets = self.names.entry(key).or_default();
        // RFC 2181 §10.1: an alias stands alone.
        if sets.keys().any(|other| (*other == RecordKind::Cname) != (kind == RecordKind::Cname)) {
            return Err(Error::new(ErrorKind::Exists, format!("{name}: a CNAME stands alone")));
        }
        let set = sets.entry(kind).or_insert_with(|| Set { ttl, records: Vec::new() });
        set.ttl = ttl;
        if kind == RecordKind::Cname {
            set.records.clear();
        }
        if !set.records.contains(&record) {
            set.records.push(record);
        }
        Ok(())
    }

    /// Makes a name exist, with or without records.
    pub fn add_name(&mut self, name: &str) -> Result<()> {
        let key = key_of(name).ok_or_else(|| Error::new(ErrorKind::Invalid, format!("bad DNS name {name}")))?;
        self.names.entry(key).or_default();
        Ok(())
    }

    /// Removes the records of one kind; the name stays.
    pub fn remove(&mut self, name: &str, kind: RecordKind) {
        if let Some(sets) = key_of(name).and_then(|key| self.names.get_mut(&key)) {
            sets.remove(&kind);
        }
    }

    /// Removes a name with all its records.
    pub fn remove_name(&mut self, name: &str) {
        if let Some(key) = key_of(name) {
            self.names.remove(&key);
        }
    }

    /// Says whether its records count as proved: where others' proofs count, so does the word of who set them.
    pub fn set_secure(&mut self, secure: bool) {
        self.secure = secure;
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.names.clear();
    }

    /// Whether it has no names.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What there is for one question; aliases are told, not followed.
    pub fn find(&self, name: &str, kind: RecordKind) -> Found {
        let Some(key) = key_of(name) else { return Found::Unknown };
        let Some(sets) = self.names.get(&key) else {
            // RFC 8020: a name with others below it exists.
            let parent = self.names.keys().any(|name| is_at_or_below(name, &key));
            return if parent { Found::NoData } else { Found::Unknown };
        };
        if let Some(set) = sets.get(&kind) {
            return Found::Records(set.records.clone(), set.ttl);
        }
        match sets.get(&RecordKind::Cname).map(|set| (set.records.first(), set.ttl)) {
            Some((Some(Record::Cname(target)), ttl)) => Found::Alias(target.clone(), ttl),
            _ => Found::NoData,
        }
    }

    /// Follows aliases as far as they lie in the zone.
    fn follow(&self, name: &str, kind: RecordKind) -> Followed {
        let mut name = name.to_owned();
        let mut ttl_min = u32::MAX;
        for _ in 0..=CNAME_STEPS_MAX {
            match self.find(&name, kind) {
                Found::Records(records, ttl) => {
                    return Followed::Answer(DnsAnswer {
                        records: Ok(records),
                        ttl: seconds(ttl.min(ttl_min)),
                        secure: self.secure,
                    });
                }
                Found::Alias(target, ttl) => {
                    name = target;
                    ttl_min = ttl_min.min(ttl);
                }
                Found::NoData => {
                    return Followed::Answer(DnsAnswer { secure: self.secure, ..no_records(NoRecords::NoData) });
                }
                Found::Unknown => return Followed::Outside { name, ttl: seconds(ttl_min) },
            }
        }
        Followed::Answer(no_records(NoRecords::ServFail))
    }
}

enum Followed {
    Answer(DnsAnswer),
    /// The last name is not ours.
    Outside {
        name: String,
        /// Of the aliases on the way there.
        ttl: Duration,
    },
}

fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(u64::from(ttl))
}

/// An answer without records, to be kept for as long as its kind deserves.
pub(super) fn no_records(why: NoRecords) -> DnsAnswer {
    let ttl = if why.is_transient() { DNS_FAILURE_SECONDS } else { DNS_NEGATIVE_SECONDS };
    DnsAnswer { records: Err(why), ttl: Duration::from_secs(ttl), secure: false }
}

/// The form names are compared in: lower case, no final dot; `None` where it is no DNS name of text.
pub(super) fn key_of(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = !name.is_empty() && name.len() <= DNS_NAME_OCTETS_MAX;
    let label_fits = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'\\')
    };
    (fits && name.split('.').all(label_fits)).then(|| name.to_ascii_lowercase())
}

/// A zone that several hold. As a resolver, the whole world.
#[derive(Debug, Clone, Default)]
pub struct SharedZone(Arc<RwLock<Zone>>);

impl SharedZone {
    /// Shares a zone.
    pub fn new(zone: Zone) -> Self {
        Self(Arc::new(RwLock::new(zone)))
    }

    /// For questions.
    pub fn read(&self) -> RwLockReadGuard<'_, Zone> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For changes; they hold for the next question.
    pub fn write(&self) -> RwLockWriteGuard<'_, Zone> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolver for SharedZone {
    fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        let answer = match self.read().follow(name, kind) {
            Followed::Answer(answer) => answer,
            Followed::Outside { .. } if key_of(name).is_none() => no_records(NoRecords::BadName),
            Followed::Outside { .. } => no_records(NoRecords::NxDomain),
        };
        Box::pin(std::future::ready(answer))
    }
}

/// A zone in front of a resolver, which is asked for the names that the zone does not have.
#[derive(Clone)]
pub struct Overlay {
    zone: SharedZone,
    beyond: Arc<dyn Resolver>,
}

impl Overlay {
    /// `zone` in front of `beyond`.
    pub fn new(zone: SharedZone, beyond: Arc<dyn Resolver>) -> Self {
        Self { zone, beyond }
    }
}

impl Resolver for Overlay {
    fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        let followed = self.zone.read().follow(name, kind);
        match followed {
            Followed::Answer(answer) => Box::pin(std::future::ready(answer)),
            Followed::Outside { name, ttl } => {
                let asked = self.beyond.ask(&name, kind);
                Box::pin(async move {
                    let answer = asked.await;
                    DnsAnswer { ttl: answer.ttl.min(ttl), ..answer }
                })
            }
        }
    }

    fn known(&self, name: &str, kind: RecordKind) -> Option<DnsAnswer> {
        let followed = self.zone.read().follow(name, kind);
        match followed {
            Followed::Answer(answer) => Some(answer),
            Followed::Outside { name, ttl } => {
                let answer = self.beyond.known(&name, kind)?;
                Some(DnsAnswer { ttl: answer.ttl.min(ttl), ..answer })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn zone(lines: &str) -> Zone {
        let mut zone = Zone::new();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut fields = line.splitn(3, ' ');
            let mut next = || fields.next().unwrap_or_default();
            zone.add(next(), next(), next(), 300).unwrap();
        }
        zone
    }

    fn ask(resolver: &dyn Resolver, name: &str, kind: RecordKind) -> std::result::Result<Vec<Record>, NoRecords> {
        smol::future::block_on(resolver.ask(name, kind)).records
    }

    #[test]
    fn kinds_that_are_unknown_are_refused() {
        assert_eq!(Zone::new().add("a", "NS", "b", 1).unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn names_fit_in_the_wire() {
        let long = |octets: usize| "a.".repeat(octets / 2) + &"b".repeat(octets % 2 + 1);
        let cases = [("a".repeat(63), true), ("a".repeat(64), false), (long(252), true), (long(254), false)];
        for (name, fits) in cases {
            assert_eq!(key_of(&name).is_some(), fits, "{}", name.len());
        }
        for (name, fits) in
            [("s1_2048._domainkey.a.", true), ("", false), (".", false), ("a..b", false), ("a b", false)]
        {
            assert_eq!(key_of(name).is_some(), fits, "{name}");
        }
    }

    #[test]
    fn follows_aliases_and_stops_at_a_circle() {
        let zone = SharedZone::new(zone(
            "a.test CNAME b.test
             b.test CNAME c.test
             c.test MX 10 mx.test
             c.test MX 20 mx2.test
             x.test CNAME y.test
             y.test CNAME X.test
             out.test CNAME elsewhere.example",
        ));
        assert_eq!(ask(&zone, "A.test.", RecordKind::Mx).unwrap().len(), 2);
        assert_eq!(ask(&zone, "a.test", RecordKind::Cname), Ok(vec![Record::Cname("b.test".into())]));
        assert_eq!(ask(&zone, "a.test", RecordKind::A), Err(NoRecords::NoData));
        assert_eq!(ask(&zone, "x.test", RecordKind::A), Err(NoRecords::ServFail));
        assert_eq!(ask(&zone, "test", RecordKind::A), Err(NoRecords::NoData));
        assert_eq!(ask(&zone, "est", RecordKind::A), Err(NoRecords::NxDomain));
        assert_eq!(ask(&zone, "out.test", RecordKind::A), Err(NoRecords::NxDomain));
        assert_eq!(ask(&zone, "a..b", RecordKind::A), Err(NoRecords::BadName));
    }

    #[test]
    fn an_alias_of_steps_max_is_followed_and_no_longer_one() {
        for (steps, found) in [(CNAME_STEPS_MAX - 1, true), (CNAME_STEPS_MAX, true), (CNAME_STEPS_MAX + 1, false)] {
            let mut zone = Zone::new();
            for step in 0..steps {
                zone.add(&format!("n{step}"), "CNAME", &format!("n{}", step + 1), 5).unwrap();
            }
            zone.add(&format!("n{steps}"), "A", "192.0.2.1", 5).unwrap();
            assert_eq!(ask(&SharedZone::new(zone), "n0", RecordKind::A).is_ok(), found, "{steps}");
        }
    }

    #[test]
    fn an_overlay_hides_what_it_has_and_passes_the_rest() {
        let beyond = SharedZone::new(zone("a.test A 192.0.2.9\nb.test A 192.0.2.2"));
        let front = SharedZone::new(zone("a.test MX 0 b.test\nc.test CNAME b.test"));
        let overlay = Overlay::new(front.clone(), Arc::new(beyond));
        assert_eq!(ask(&overlay, "a.test", RecordKind::A), Err(NoRecords::NoData));
        assert_eq!(ask(&overlay, "c.test", RecordKind::A), Ok(vec![Record::A(Ipv4Addr::new(192, 0, 2, 2))]));
        assert_eq!(ask(&overlay, "d.test", RecordKind::A), Err(NoRecords::NxDomain));
        front.write().clear();
        assert_eq!(ask(&overlay, "a.test", RecordKind::A), Ok(vec![Record::A(Ipv4Addr::new(192, 0, 2, 9))]));
    }

    #[test]
    fn aliases_stand_alone_and_can_be_changed() {
        let mut zone = zone("a.test A 192.0.2.1\na.test A 192.0.2.1");
        assert_eq!(zone.add("a.test", "CNAME", "b.test", 1).unwrap_err().kind(), ErrorKind::Exists);
        assert_eq!(zone.find("a.test", RecordKind::A), Found::Records(vec![Record::A([192, 0, 2, 1].into())], 300));
        zone.add("c.test", "CNAME", "b.test", 1).unwrap();
        zone.add("c.test", "CNAME", "d.test", 2).unwrap();
        assert_eq!(zone.find("c.test", RecordKind::A), Found::Alias("d.test".into(), 2));
        zone.remove("c.test", RecordKind::Cname);
        assert_eq!(zone.find("c.test", RecordKind::A), Found::NoData);
        zone.remove_name("c.test");
        zone.add_name("empty.test").unwrap();
        assert_eq!(
            (zone.find("c.test", RecordKind::A), zone.find("empty.test", RecordKind::A)),
            (Found::Unknown, Found::NoData)
        );
    }
}
