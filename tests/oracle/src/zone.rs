//! One little DNS for both sides: a resolver for `mailauth`, caches for mail-auth.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::future::ready;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dmarc::Dmarc;
use mail_auth::spf::Spf;
use mail_auth::{DnsError, DnssecStatus, Error, MX, Parameters, RecordSet, ResolverCache, Txt};
use mailcore::base::world::{BoxFuture, DnsAnswer, NoRecords, Record, RecordKind, Resolver};

/// Names in lower case without the final dot. A name that is here exists.
#[derive(Debug, Default)]
pub struct Zone {
    pub names: BTreeMap<String, Vec<Record>>,
    /// Names whose server fails.
    pub broken: Vec<String>,
}

impl Zone {
    pub fn add(&mut self, name: &str, record: Record) {
        self.names.entry(name.to_owned()).or_default().push(record);
    }

    pub fn text(&mut self, name: &str, text: &str) {
        self.add(name, Record::Txt(text.as_bytes().to_vec()));
    }

    fn find(&self, name: &str, kind: RecordKind) -> Result<Vec<Record>, NoRecords> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if self.broken.contains(&name) {
            return Err(NoRecords::ServFail);
        }
        let records = self.names.get(&name).ok_or(NoRecords::NxDomain)?;
        let of_kind = |record: &&Record| {
            matches!(
                (record, kind),
                (Record::Txt(_), RecordKind::Txt)
                    | (Record::A(_), RecordKind::A)
                    | (Record::Aaaa(_), RecordKind::Aaaa)
                    | (Record::Mx { .. }, RecordKind::Mx)
                    | (Record::Ptr(_), RecordKind::Ptr)
            )
        };
        let found: Vec<Record> = records.iter().filter(of_kind).cloned().collect();
        if found.is_empty() { Err(NoRecords::NoData) } else { Ok(found) }
    }

    /// What mail-auth would have parsed out of the answer: the first record of the kind that the name is for.
    fn parsed(&self, name: &str) -> Txt {
        let records = match self.find(name, RecordKind::Txt) {
            Ok(records) => records,
            Err(NoRecords::ServFail) => return Txt::Error(Error::Dns(DnsError::Resolver(String::new()))),
            Err(_) => return Txt::Error(not_found()),
        };
        let mut last = Error::Dns(DnsError::InvalidRecordType);
        for record in records {
            let Record::Txt(txt) = record else { continue };
            let parsed = if name.starts_with("_dmarc.") {
                Dmarc::parse(&txt).map(|r| Txt::Dmarc(Arc::new(r)))
            } else if name.contains("._domainkey.") {
                DomainKey::parse(&txt).map(|r| Txt::DomainKey(Arc::new(r)))
            } else {
                Spf::parse(&txt).map(|r| Txt::Spf(Arc::new(r)))
            };
            match parsed {
                Ok(parsed) => return parsed,
                Err(error) => last = error,
            }
        }
        Txt::Error(last)
    }

    /// mail-auth's parameters, with this zone as every cache.
    #[allow(clippy::type_complexity)]
    pub fn parameters<T>(&self, of: T) -> Parameters<'_, T, Zone, Zone, Zone, Zone, Zone> {
        Parameters::new(of)
            .with_txt_cache(self)
            .with_mx_cache(self)
            .with_ptr_cache(self)
            .with_ipv4_cache(self)
            .with_ipv6_cache(self)
    }
}

fn not_found() -> Error {
    Error::Dns(DnsError::RecordNotFound(mail_auth::hickory_resolver::proto::op::ResponseCode::NXDomain))
}

impl Resolver for Zone {
    fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        Box::pin(ready(DnsAnswer { records: self.find(name, kind), ttl: Duration::ZERO, secure: false }))
    }
}

fn set<T>(records: Vec<T>) -> RecordSet<T> {
    RecordSet { rrset: records.into(), dnssec_status: DnssecStatus::Indeterminate }
}

/// The key of a cache as text. The trait gives only `Hash`, which writes a `str` as its octets and 0xff.
fn text_of<Q: Hash + ?Sized>(key: &Q) -> String {
    #[derive(Default)]
    struct Written(Vec<u8>);
    impl std::hash::Hasher for Written {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.extend_from_slice(bytes);
        }
    }
    let mut written = Written::default();
    key.hash(&mut written);
    written.0.pop();
    String::from_utf8(written.0).expect("a name")
}

/// Looks a name up in the zone as a cache would.
macro_rules! cache {
    ($value:ty, $look:expr) => {
        impl ResolverCache<Box<str>, $value> for Zone {
            fn get<Q>(&self, name: &Q) -> Option<$value>
            where
                Box<str>: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                let look: fn(&Zone, &str) -> Option<$value> = $look;
                look(self, &text_of(name))
            }
            fn remove<Q>(&self, _: &Q) -> Option<$value>
            where
                Box<str>: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                None
            }
            fn insert(&self, _: Box<str>, _: $value, _: Instant) {}
        }
    };
}

cache!(Txt, |zone, name| Some(zone.parsed(name)));
// A name without addresses is an empty set; one that does not exist is not in the cache.
cache!(RecordSet<Ipv4Addr>, |zone, name| match zone.find(name, RecordKind::A) {
    Ok(records) =>
        Some(set(records.into_iter().filter_map(|r| if let Record::A(ip) = r { Some(ip) } else { None }).collect())),
    Err(NoRecords::NoData) => Some(set(Vec::new())),
    Err(_) => None,
});
cache!(RecordSet<Ipv6Addr>, |zone, name| match zone.find(name, RecordKind::Aaaa) {
    Ok(records) =>
        Some(set(records.into_iter().filter_map(|r| if let Record::Aaaa(ip) = r { Some(ip) } else { None }).collect())),
    Err(NoRecords::NoData) => Some(set(Vec::new())),
    Err(_) => None,
});
cache!(RecordSet<MX>, |zone, name| match zone.find(name, RecordKind::Mx) {
    Ok(records) => Some(set(records
        .into_iter()
        .filter_map(|r| match r {
            Record::Mx { preference, exchange } =>
                Some(MX { preference, exchanges: vec![exchange.into_boxed_str()].into() }),
            _ => None,
        })
        .collect())),
    Err(NoRecords::NoData) => Some(set(Vec::new())),
    Err(_) => None,
});

/// A cache in which whatever is looked for is there.
pub struct Warm(pub Txt);

impl ResolverCache<Box<str>, Txt> for Warm {
    fn get<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(self.0.clone())
    }
    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }
    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

impl ResolverCache<IpAddr, RecordSet<Box<str>>> for Zone {
    fn get<Q>(&self, _: &Q) -> Option<RecordSet<Box<str>>>
    where
        IpAddr: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }
    fn remove<Q>(&self, _: &Q) -> Option<RecordSet<Box<str>>>
    where
        IpAddr: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }
    fn insert(&self, _: IpAddr, _: RecordSet<Box<str>>, _: Instant) {}
}
