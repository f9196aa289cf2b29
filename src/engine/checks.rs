//! Checking a message without an engine: no store, no queue, a resolver and a time are enough.
//!
//! [`Checker`] is what a script or another mail system holds. The same octets, origin, zone and time give the same
//! [`Checked`] again. Messages may have LF line ends, as files do: they are checked as they would travel.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::interrupt::Interrupt;
use crate::base::limits::{CHECK_QUESTIONS_MAX, CHECK_WAIT_SECONDS};
use crate::base::world::{Clock, Resolver};
use crate::base::{Address, Error, ErrorKind, Result, Timestamp};
use crate::dns::cache::CachedResolver;
use crate::dns::patient::PatientResolver;
use crate::dns::resolver::{RealResolver, ResolverOptions};
use crate::dns::silence::VigilantResolver;
use crate::dns::zone::{Overlay, SharedZone, Zone};
use crate::mailauth::bimi::BimiVerdict;
use crate::mailauth::dmarc::{self, DmarcVerdict, Evidence};
use crate::mailauth::iprev::IprevVerdict;
use crate::mailauth::results::{ArcVerdict, DkimVerdict, Property};
use crate::mailauth::spf::{self, Query, SpfVerdict};
use crate::mailauth::{Checks, Examination, Origin, Verdicts};
use crate::message::header::split_entity;
use crate::message::line_end::{CrLfWriter, to_crlf};
use crate::os::{RealClock, ThreadOptions, Threads};

/// What was checked, and what it came to; `None` for what was not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// SPF of the name in EHLO.
    pub spf_helo: Option<SpfVerdict>,
    /// SPF of the reverse-path.
    pub spf: Option<SpfVerdict>,
    /// One for each signature; empty for a message that is not signed.
    pub dkim: Option<Vec<DkimVerdict>>,
    /// Domain of the author.
    pub from_domain: String,
    /// DMARC.
    pub dmarc: Option<DmarcVerdict>,
    /// ARC.
    pub arc: Option<ArcVerdict>,
    /// The client's name.
    pub iprev: Option<IprevVerdict>,
    /// The author's indicator.
    pub bimi: Option<BimiVerdict>,
    /// All of it but BIMI as the value of an Authentication-Results field, folded; empty where nobody is named who
    /// checked.
    pub results: String,
}

impl From<&Verdicts> for Checked {
    fn from(verdicts: &Verdicts) -> Checked {
        let Checks { spf, dkim, dmarc, arc, .. } = verdicts.checks;
        Checked {
            spf_helo: spf.then(|| verdicts.spf_helo.clone()),
            spf: spf.then(|| verdicts.spf.clone()),
            dkim: dkim.then(|| verdicts.dkim.clone()),
            from_domain: verdicts.from_domain.clone(),
            dmarc: dmarc.then(|| verdicts.dmarc.clone()),
            arc: arc.then(|| verdicts.arc.clone()),
            iprev: verdicts.iprev.clone(),
            bimi: verdicts.bimi.clone(),
            results: String::new(),
        }
    }
}

/// Which checks are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// SPF of the reverse-path, or of the EHLO name where that is null.
    pub spf: bool,
    /// SPF of the EHLO name.
    pub spf_helo: bool,
    /// All DKIM signatures.
    pub dkim: bool,
    /// DMARC.
    pub dmarc: bool,
    /// The chain of ARC.
    pub arc: bool,
    /// Whether the client's address has a name that leads back to it.
    pub iprev: bool,
    /// Which picture the author's domain wants shown; only where DMARC passes, which is evaluated for it.
    pub bimi: bool,
}

impl Wanted {
    /// Whether the client's address is needed.
    pub fn needs_origin(self) -> bool {
        self.spf || self.spf_helo || self.dmarc || self.iprev || self.bimi
    }
}

/// Where a message came from, as a script knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// Address of the client.
    pub ip: Option<IpAddr>,
    /// The name it gave in EHLO or HELO.
    pub helo: String,
    /// MAIL FROM; empty or `<>` for the null reverse-path. A domain alone is taken as its postmaster
    /// (RFC 7208 §4.3).
    pub mail_from: String,
    /// Our own name.
    pub receiver: String,
    /// The time of the check; now, where it is not given.
    pub now: Option<Timestamp>,
}

/// How long a server may take for its answer before it is asked again: a lost packet is not worth more.
const ATTEMPT_WAIT: Duration = Duration::from_secs(2);

/// Where names are looked up.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The DNS server to ask; without one the system's, unless there is a zone.
    pub server: Option<SocketAddr>,
    /// Records, in front of the server or, without one, all there are.
    pub zone: Option<Zone>,
    /// How long all questions of one call may take together; what is open then counts as not answered.
    pub timeout: Option<Duration>,
}

/// Checks messages.
pub struct Checker {
    names: Arc<dyn Resolver>,
    clock: Arc<RealClock>,
    timeout: Duration,
    interrupt: Interrupt,
    /// Where a server is asked: what waits for its answers.
    threads: Option<Threads>,
}

impl Checker {
    /// Sets it up; where a server is asked, starts two threads.
    pub fn new(names: Names) -> Result<Checker> {
        built_in()?;
        let timeout = names.timeout.unwrap_or(Duration::from_secs(CHECK_WAIT_SECONDS));
        let clock = Arc::new(RealClock::new());
        let (resolver, threads) = match (names.zone, names.server) {
            (Some(zone), None) => (Arc::new(SharedZone::new(zone)) as Arc<dyn Resolver>, None),
            (zone, server) => {
                let threads = Threads::start(ThreadOptions { runners: 1, computers: 1, ..ThreadOptions::usual() })?;
                // A silent server is asked three times, and leaves time for what others have to say.
                let attempt = ATTEMPT_WAIT.min(timeout / 3).max(Duration::from_millis(1));
                let options = ResolverOptions { server, timeout: attempt, ..ResolverOptions::default() };
                let real = Arc::new(RealResolver::new(threads.spawner(), &options)?);
                let vigilant = Arc::new(VigilantResolver::new(real, clock.clone()));
                let cached: Arc<dyn Resolver> = Arc::new(CachedResolver::new(vigilant, clock.clone()));
                match zone {
                    Some(zone) => {
                        (Arc::new(Overlay::new(SharedZone::new(zone), cached)) as Arc<dyn Resolver>, Some(threads))
                    }
                    None => (cached, Some(threads)),
                }
            }
        };
        Ok(Checker { names: resolver, clock, timeout, interrupt: Interrupt::default(), threads })
    }

    /// Makes every call that waits now end with `Interrupted`.
    pub fn interrupt(&self) {
        self.interrupt.interrupt();
    }

    /// Checks a message: header, empty line, body, whole.
    pub fn verify(&self, message: &[u8], given: &Given, wanted: Wanted) -> Result<Checked> {
        built_in()?;
        let now = given.now.unwrap_or_else(|| self.clock.wall());
        let ip = match given.ip {
            Some(ip) => ip,
            // Nothing that is wanted looks at it.
            None if !wanted.needs_origin() => Ipv4Addr::UNSPECIFIED.into(),
            None => return Err(Error::new(ErrorKind::Invalid, "SPF, DMARC, iprev and BIMI need the client's address")),
        };
        if wanted == (Wanted { spf: true, ..Wanted::default() }) {
            let query = query(ip, given, now);
            let names = self.patient();
            let spf = self.wait(async { spf::check(&*names, &query).await })?;
            let checks = Checks { spf: true, ..Checks::NONE };
            let verdicts = Verdicts { checks, spf_helo: spf.clone(), spf, ..Verdicts::default() };
            // What is no address has no place in a field.
            let results = origin(ip, given).map(|origin| results(&verdicts, &origin, given, wanted));
            let results = results.unwrap_or_default();
            return Ok(Checked { spf: Some(verdicts.spf), results, ..Checked::default() });
        }
        let origin = origin(ip, given)?;
        let dmarc = wanted.dmarc || wanted.bimi;
        let checks = Checks {
            spf: wanted.spf || wanted.spf_helo || dmarc,
            dkim: wanted.dkim || dmarc,
            dmarc,
            arc: wanted.arc,
            iprev: wanted.iprev,
            bimi: wanted.bimi,
        };
        let (header, body) = parted(message);
        let mut examination = Examination::begin(&header, checks);
        if examination.wants_body() {
            CrLfWriter::default().push(body, |piece| examination.push(piece));
        }
        let names = self.patient();
        let verdicts = self.wait(async { examination.finish(&*names, &origin, now).await })?;
        let all = Checked::from(&verdicts);
        Ok(Checked {
            spf_helo: all.spf_helo.filter(|_| wanted.spf_helo),
            spf: all.spf.filter(|_| wanted.spf),
            dkim: all.dkim.filter(|_| wanted.dkim),
            dmarc: all.dmarc.filter(|_| wanted.dmarc),
            results: results(&verdicts, &origin, given, wanted),
            ..all
        })
    }

    /// Evaluates DMARC for results that are known already.
    pub fn dmarc(&self, evidence: &Evidence) -> Result<Checked> {
        built_in()?;
        let names = self.patient();
        let verdict = self.wait(async { dmarc::evaluate(&*names, evidence).await })?;
        Ok(Checked { from_domain: evidence.from_domain.clone(), dmarc: Some(verdict), ..Checked::default() })
    }

    /// Waits on the calling thread. Without a server nothing is waited for, and no thread is started.
    fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        match self.threads {
            Some(_) => self.interrupt.wait(&*self.clock, None, async { Ok(work.await) }),
            None => Ok(smol::future::block_on(work)),
        }
    }

    /// The resolver for one call.
    fn patient(&self) -> Arc<dyn Resolver> {
        let names = Arc::clone(&self.names);
        if self.threads.is_none() {
            // A zone keeps nobody waiting, and a timer would start a thread.
            return names;
        }
        let clock = self.clock.clone();
        Arc::new(PatientResolver::new(names, clock, self.timeout, self.timeout, CHECK_QUESTIONS_MAX))
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        if let Some(threads) = &self.threads {
            let _ = threads.stop(Duration::from_secs(1));
        }
    }
}

/// What was wanted of the verdicts, as the value of Authentication-Results in the name of the receiver.
fn results(verdicts: &Verdicts, origin: &Origin, given: &Given, wanted: Wanted) -> String {
    if origin.receiver.is_empty() {
        return String::new();
    }
    let mut results = verdicts.authentication_results(&origin.receiver, origin);
    results.results.retain(|result| match result.method.as_str() {
        // SPF of the null reverse-path is that of the name in EHLO.
        "spf" if result.property("smtp", "helo").is_some() => {
            wanted.spf_helo || (wanted.spf && origin.reverse_path.is_none())
        }
        "spf" => wanted.spf,
        "dkim" => wanted.dkim,
        "dmarc" => wanted.dmarc,
        _ => true,
    });
    if given.ip.is_none() {
        // What stands for it is nobody's address (RFC 8617 §6 wants it where it is known).
        let is_address = |p: &Property| p.kind == "smtp" && p.name == "remote-ip";
        results.results.iter_mut().for_each(|result| result.properties.retain(|p| !is_address(p)));
    }
    results.payload()
}

/// Header with CRLF line ends, and the body as it is.
pub(super) fn parted(message: &[u8]) -> (Vec<u8>, &[u8]) {
    let (header, body) = split_entity(message);
    (to_crlf(header), body)
}

/// MAIL FROM without its brackets; `None` for the null reverse-path.
fn reverse_path(mail_from: &str) -> Option<&str> {
    let text = mail_from.trim();
    let text = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
    (!text.is_empty()).then_some(text)
}

/// The question of SPF. MAIL FROM is taken as it is, since what it names decides, not how well it is written.
fn query(ip: IpAddr, given: &Given, now: Timestamp) -> Query {
    let (local, domain) = match reverse_path(&given.mail_from) {
        None => ("", given.helo.as_str()),
        Some(path) => path.rsplit_once('@').unwrap_or(("", path)),
    };
    Query {
        ip,
        helo: given.helo.clone(),
        sender_local: local.to_owned(),
        sender_domain: domain.to_owned(),
        receiver: given.receiver.clone(),
        now,
    }
}

fn origin(ip: IpAddr, given: &Given) -> Result<Origin> {
    let address = |path: &str| {
        let whole = if path.contains('@') { path.to_owned() } else { format!("postmaster@{path}") };
        Address::parse(&whole).map_err(|e| Error::new(ErrorKind::Invalid, format!("MAIL FROM {path:?}: {e}")))
    };
    let reverse_path = reverse_path(&given.mail_from).map(address).transpose()?;
    Ok(Origin { ip, helo: given.helo.clone(), reverse_path, receiver: given.receiver.clone() })
}

/// Whether this build checks mail. Asked at the head of each function, so that a build without checks has no code for
/// the rest of it.
pub(super) fn built_in() -> Result<()> {
    let text = "checks are not in this build of the library: they need the feature mailauth";
    if cfg!(feature = "mailauth") { Ok(()) } else { Err(Error::new(ErrorKind::Unsupported, text)) }
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
