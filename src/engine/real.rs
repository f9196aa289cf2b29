//! The real world of an engine: its own threads, clock, sockets, files, names and TLS.

use std::sync::Arc;
use std::time::Duration;

use super::Config;
use crate::base::world::{BoxFuture, Clock, DnsAnswer, NoRecords, RecordKind, Resolver, Task, World};
use crate::base::{Error, ErrorKind, Mono, Result};
use crate::dns::cache::CachedResolver;
use crate::dns::resolver::{RealResolver, ResolverOptions};
use crate::dns::silence::VigilantResolver;
use crate::dns::zone::{Overlay, SharedZone, Zone};
use crate::net::tcp::RealNetwork;
use crate::net::tls::real_tls;
use crate::os::{self, RealClock, RealDisk, RealEntropy, SteppedClock, ThreadOptions, Threads};

/// What stands behind an engine's [`World`], and what of it the host may touch.
pub(super) struct Real {
    world: World,
    threads: Threads,
    clock: SteppedClock,
    /// Rings for all who sleep; ends with the threads.
    _driver: Task<()>,
    host_clock: RealClock,
    opened: Mono,
    zone: SharedZone,
}

impl Real {
    /// Starts the threads. `names` answers what the host's own records do not.
    pub(super) fn new(config: &Config, names: Arc<dyn Resolver>, on_panic: crate::os::PanicHandler) -> Result<Real> {
        let threads = Threads::start(ThreadOptions { runners: config.threads, on_panic, ..ThreadOptions::usual() })?;
        let clock = SteppedClock::new();
        if config.clock_by_host {
            clock.set(clock.wall());
        }
        let zone = SharedZone::new(Zone::new());
        let world = World {
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(RealEntropy),
            network: Arc::new(RealNetwork::with_descriptors(os::memory::descriptors())),
            resolver: Arc::new(Overlay::new(zone.clone(), names)),
            disk: Arc::new(RealDisk),
            tls: real_tls(),
            run: threads.spawner(),
        };
        let driver = world.run.task("clock", Box::pin(clock.clone().drive()));
        let host_clock = RealClock::new();
        let opened = host_clock.now();
        Ok(Real { world, threads, clock, _driver: driver, host_clock, opened, zone })
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    pub(super) fn clock(&self) -> &SteppedClock {
        &self.clock
    }

    /// Real time since the opening.
    pub(super) fn since_opening(&self) -> Duration {
        self.host_clock.now() - self.opened
    }

    /// Real time, in which the host waits.
    pub(super) fn host_clock(&self) -> &RealClock {
        &self.host_clock
    }

    pub(super) fn dns_set(&self, name: Option<&str>, kind: Option<&str>, rdata: Option<&str>, ttl: u32) -> Result<()> {
        let mut zone = self.zone.write();
        match (name, kind, rdata) {
            (None, None, None) => zone.clear(),
            (Some(name), None, None) => zone.remove_name(name),
            (Some(name), Some(kind), None) => zone.remove(name, kind_of(kind)?),
            (Some(name), Some(kind), Some(rdata)) => zone.add(name, kind, rdata, ttl)?,
            _ => return Err(Error::new(ErrorKind::Invalid, "a record needs a name and a type")),
        }
        Ok(())
    }

    /// What answers beyond the host's own records. A machine without a usable DNS configuration still serves mail:
    /// its lookups fail for now, so that outgoing mail waits.
    pub(super) fn resolver(&self, config: &Config) -> Arc<dyn Resolver> {
        self.zone.write().set_secure(config.dnssec || config.trust_ad);
        // A sink asks nobody outside: it would tell the world of mail that nobody sent.
        if config.dns_host_only || config.settings.sink.is_on() {
            return Arc::new(Refusing(NoRecords::NxDomain));
        }
        let options = ResolverOptions {
            server: config.dns_server,
            validate: config.dnssec,
            trust_ad: config.trust_ad,
            ..ResolverOptions::default()
        };
        match RealResolver::new(self.threads.spawner(), &options) {
            Ok(resolver) => {
                let clock = &self.world.clock;
                let vigilant = VigilantResolver::new(Arc::new(resolver), Arc::clone(clock));
                Arc::new(CachedResolver::new(Arc::new(vigilant), Arc::clone(clock)))
            }
            Err(e) => {
                log::warn!(target: "mailcore::engine", "no DNS: {e}");
                Arc::new(Refusing(NoRecords::ServFail))
            }
        }
    }

    /// Joins the threads; what does not end in time is left behind.
    pub(super) fn stop(&self, within: Duration) {
        if let Err(e) = self.threads.stop(within) {
            log::warn!(target: "mailcore::engine", "{e}");
        }
    }
}

/// Answers every question in the same way.
struct Refusing(NoRecords);

impl Resolver for Refusing {
    fn ask(&self, _: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        let answer = DnsAnswer { records: Err(self.0), ttl: Duration::ZERO, secure: false };
        Box::pin(std::future::ready(answer))
    }
}

/// A record type by name.
fn kind_of(name: &str) -> Result<RecordKind> {
    const KINDS: [(&str, RecordKind); 7] = [
        ("A", RecordKind::A),
        ("AAAA", RecordKind::Aaaa),
        ("MX", RecordKind::Mx),
        ("TXT", RecordKind::Txt),
        ("PTR", RecordKind::Ptr),
        ("CNAME", RecordKind::Cname),
        ("TLSA", RecordKind::Tlsa),
    ];
    let found = KINDS.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, kind)| *kind);
    found.ok_or_else(|| Error::new(ErrorKind::Invalid, format!("{name:?} is no type of record")))
}
