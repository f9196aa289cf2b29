//! DNS from a table, with the failures of real servers: SERVFAIL, silence, and names that do not exist.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::world::{BoxFuture, DnsAnswer, NoRecords, Record, RecordKind, Resolver};

use crate::clock::SimClock;
use crate::disk::lock;
use crate::rng::Rng;
use crate::run::Trace;

/// The names of the simulated world. Clones share them.
#[derive(Clone)]
pub struct Zone {
    inner: Arc<Mutex<Inner>>,
    clock: Arc<SimClock>,
    trace: Arc<Trace>,
}

struct Inner {
    records: BTreeMap<String, BTreeMap<RecordKind, Vec<Record>>>,
    rng: Rng,
    /// Questions of 1000 that fail, and that get no answer.
    failures: u64,
    silences: u64,
    asked: u64,
    /// Answers count as proved by DNSSEC, denials too.
    secure: bool,
}

impl Zone {
    /// No names.
    pub fn new(seed: u64, clock: Arc<SimClock>, trace: Arc<Trace>) -> Self {
        let rng = Rng::new(seed, "zone");
        let inner = Inner { records: BTreeMap::new(), rng, failures: 0, silences: 0, asked: 0, secure: false };
        Self { inner: Arc::new(Mutex::new(inner)), clock, trace }
    }

    /// Adds a record.
    pub fn add(&self, name: &str, record: Record) {
        let kind = match record {
            Record::A(_) => RecordKind::A,
            Record::Aaaa(_) => RecordKind::Aaaa,
            Record::Mx { .. } => RecordKind::Mx,
            Record::Txt(_) => RecordKind::Txt,
            Record::Ptr(_) => RecordKind::Ptr,
            Record::Tlsa { .. } => RecordKind::Tlsa,
            Record::Cname(_) => RecordKind::Cname,
        };
        let mut inner = lock(&self.inner);
        inner.records.entry(key(name)).or_default().entry(kind).or_default().push(record);
    }

    /// Lets questions fail from now on, in parts of 1000.
    pub fn set_faults(&self, failures: u64, silences: u64) {
        let mut inner = lock(&self.inner);
        (inner.failures, inner.silences) = (failures, silences);
    }

    /// Lets answers count as proved by DNSSEC from now on, or not.
    pub fn set_secure(&self, secure: bool) {
        lock(&self.inner).secure = secure;
    }

    /// Removes all records of a name.
    pub fn remove(&self, name: &str) {
        lock(&self.inner).records.remove(&key(name));
    }

    /// Questions asked so far.
    pub fn asked(&self) -> u64 {
        lock(&self.inner).asked
    }
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl Resolver for Zone {
    fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        let name = key(name);
        let zone = self.clone();
        Box::pin(async move {
            let (late, records, secure) = {
                let mut inner = lock(&zone.inner);
                inner.asked += 1;
                let (failures, silences) = (inner.failures, inner.silences);
                let (fails, silent) = (inner.rng.per_mille(failures), inner.rng.per_mille(silences));
                let late = if silent { 10_000 } else { inner.rng.between(0, 80) };
                let records = match inner.records.get(&name) {
                    _ if silent => Err(NoRecords::Timeout),
                    _ if fails => Err(NoRecords::ServFail),
                    None => Err(NoRecords::NxDomain),
                    Some(kinds) => kinds.get(&kind).cloned().ok_or(NoRecords::NoData),
                };
                (late, records, inner.secure)
            };
            zone.trace.note(&name, kind as u64, u64::from(records.is_ok()));
            zone.clock.sleep(Duration::from_millis(late)).await;
            DnsAnswer { records, ttl: Duration::from_secs(300), secure }
        })
    }
}
