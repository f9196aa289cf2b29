//! The real resolver: hickory's stub on our reactor and our tasks.
//!
//! It asks the system's servers or one that the host names, over UDP and, where an answer does not fit, TCP. With
//! `validate` it proves answers by DNSSEC itself, for which the servers must pass signatures on. With `trust_ad` it
//! believes a server that says of an answer that DNSSEC proves it (the AD bit, RFC 6840 §5.7, §5.8). Nothing is cached
//! here: put a [`CachedResolver`](super::cache::CachedResolver) in front, which keeps the engine's time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use trust_dns_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use trust_dns_resolver::lookup::Lookup;
use trust_dns_resolver::net::{DnsError, NetError};
use trust_dns_resolver::proto::dnssec::{Proof, TrustAnchors};
use trust_dns_resolver::proto::op::ResponseCode;
use trust_dns_resolver::proto::rr::{self, Name, RData, RecordType};
use trust_dns_resolver::system_conf::read_system_conf;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::world::{BoxFuture, DnsAnswer, NoRecords, Record, RecordKind, Resolver, Spawner};

use super::record;
use super::runtime::SmolRuntime;
use super::zone::no_records;

/// How names are looked up.
#[derive(Debug, Clone)]
pub struct ResolverOptions {
    /// The one server to ask; without, the system's.
    pub server: Option<SocketAddr>,
    /// Whether answers are proved by DNSSEC.
    pub validate: bool,
    /// Whether the AD bit of an answer is believed: for a server that validates, on a path nobody else can write to.
    pub trust_ad: bool,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retries: usize,
}

impl Default for ResolverOptions {
    fn default() -> Self {
        Self { server: None, validate: false, trust_ad: false, timeout: Duration::from_secs(5), retries: 2 }
    }
}

/// Looks names up.
pub struct RealResolver {
    lookups: Lookups,
    /// The same without EDNS, for servers that cannot read it (RFC 6891 §7). Proofs need EDNS.
    plain: Option<Lookups>,
    trust: Trust,
}

/// By whose word an answer is secure.
#[derive(Debug, Clone, Copy)]
struct Trust {
    /// Our own: proofs.
    validate: bool,
    /// The server's.
    trust_ad: bool,
}

type Hickory = trust_dns_resolver::Resolver<SmolRuntime>;

/// How one question is asked: by a datagram, and again over a stream where its answer did not fit. Hickory would keep
/// the stream and prefer it for questions that fit.
#[derive(Clone)]
struct Lookups {
    first: Hickory,
    streams: Option<Hickory>,
}

/// What questions travel by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Datagrams,
    Streams,
    /// As hickory chooses: a proof asks several questions of its own.
    Either,
}

impl RealResolver {
    /// A resolver whose background work runs on `run`.
    pub fn new(run: Arc<dyn Spawner>, options: &ResolverOptions) -> Result<Self> {
        let hickory = |edns, transport| hickory(&run, options, edns, transport, None);
        let lookups = |edns| {
            if options.validate {
                return Ok(Lookups { first: hickory(edns, Transport::Either)?, streams: None });
            }
            let streams = Some(hickory(edns, Transport::Streams)?);
            Ok::<_, Error>(Lookups { first: hickory(edns, Transport::Datagrams)?, streams })
        };
        let plain = if options.validate { None } else { Some(lookups(false)?) };
        let trust = Trust { validate: options.validate, trust_ad: options.trust_ad };
        Ok(Self { lookups: lookups(true)?, plain, trust })
    }
}

impl Lookups {
    async fn ask(&self, name: &Name, kind: RecordKind) -> std::result::Result<Lookup, NetError> {
        match (self.first.lookup(name.clone(), record::type_of(kind)).await, &self.streams) {
            (Err(NetError::Truncated), Some(streams)) => streams.lookup(name.clone(), record::type_of(kind)).await,
            (answer, _) => answer,
        }
    }
}

/// `trusted` in place of the keys of the root.
fn hickory(
    run: &Arc<dyn Spawner>,
    options: &ResolverOptions,
    edns: bool,
    transport: Transport,
    trusted: Option<Arc<TrustAnchors>>,
) -> Result<Hickory> {
    let unusable = |e: NetError| Error::new(ErrorKind::Dns, format!("resolver cannot be set up: {e}"));
    let runtime = SmolRuntime::new(run.clone(), options.trust_ad);
    let (mut config, system) = match options.server {
        Some(server) => (ResolverConfig::from_parts(None, Vec::new(), vec![at(server)]), None),
        None => read_system_conf().map(|(config, system)| (config, Some(system))).map_err(unusable)?,
    };
    for server in &mut config.name_servers {
        server.connections.retain(|connection| match transport {
            Transport::Datagrams => connection.protocol == ProtocolConfig::Udp,
            Transport::Streams => connection.protocol == ProtocolConfig::Tcp,
            Transport::Either => true,
        });
    }
    let mut builder = Hickory::builder_with_config(config, runtime);
    match system {
        Some(system) => *builder.options_mut() = system,
        // One server is the whole world: a file of this machine has no say.
        None => builder.options_mut().use_hosts_file = ResolveHosts::Never,
    }
    set(builder.options_mut(), options);
    builder.options_mut().edns0 = edns;
    if let Some(trusted) = trusted {
        builder = builder.with_trust_anchor(trusted);
    }
    builder.build().map_err(unusable)
}

fn at(server: SocketAddr) -> NameServerConfig {
    let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    connections.iter_mut().for_each(|connection| connection.port = server.port());
    NameServerConfig::new(server.ip(), true, connections.into())
}

fn set(hickory: &mut ResolverOpts, options: &ResolverOptions) {
    hickory.timeout = options.timeout;
    hickory.attempts = options.retries;
    hickory.validate = options.validate;
    // Its cache keeps the machine's time. Validation asks for the same keys all the time, and keeps those.
    hickory.cache_size = if options.validate { 1_024 } else { 0 };
}

impl Resolver for RealResolver {
    fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        let Some(name) = absolute(name) else { return Box::pin(std::future::ready(no_records(NoRecords::BadName))) };
        let (lookups, plain, trust) = (self.lookups.clone(), self.plain.clone(), self.trust);
        Box::pin(async move {
            let mut answer = lookups.ask(&name, kind).await;
            if let (Err(e), Some(plain)) = (&answer, plain)
                && cannot_read_edns(e)
            {
                answer = plain.ask(&name, kind).await;
            }
            match answer {
                Ok(lookup) => found(&lookup, &name, kind, trust),
                Err(e) => not_found(&e, trust.validate),
            }
        })
    }
}

/// The name as it is asked for: A-labels in lower case. The root is nobody's.
fn absolute(name: &str) -> Option<Name> {
    let ascii = if name.is_ascii() { name.to_owned() } else { idna::domain_to_ascii(name).ok()? };
    record::name_of(&ascii.to_ascii_lowercase()).filter(|name| !name.is_root())
}

fn cannot_read_edns(e: &NetError) -> bool {
    matches!(e, NetError::Dns(DnsError::ResponseCode(ResponseCode::FormErr | ResponseCode::NotImp)))
}

/// The answer section also has the aliases on the way, under validation signatures, and whatever else a server puts
/// there: only what belongs to the name asked for, or to the name its aliases end at, is an answer.
fn found(lookup: &Lookup, asked: &Name, kind: RecordKind, trust: Trust) -> DnsAnswer {
    let wanted = record::type_of(kind);
    let owner = if kind == RecordKind::Cname { asked } else { end_of_aliases(lookup.answers(), asked) };
    let of_owner = lookup.answers().iter().filter(|r| r.record_type() == wanted && r.name == *owner);
    let records: Vec<Record> = of_owner.filter_map(|r| record::record_of(&r.data)).collect();
    if records.is_empty() {
        // What has no records comes as an error: this answers something else.
        return no_records(NoRecords::ServFail);
    }
    let ttl = lookup.answers().iter().map(|r| r.ttl).min().unwrap_or(0);
    let said = trust.trust_ad && lookup.message().metadata.authentic_data;
    let secure = said || (trust.validate && proved(lookup.answers()));
    DnsAnswer { records: Ok(records), ttl: Duration::from_secs(u64::from(ttl)), secure }
}

fn end_of_aliases<'a>(records: &'a [rr::Record], asked: &'a Name) -> &'a Name {
    let mut owner = asked;
    // A circle is left after as many steps as there are records.
    for _ in records {
        let alias = records.iter().find_map(|r| match &r.data {
            RData::CNAME(target) if r.name == *owner => Some(&target.0),
            _ => None,
        });
        let Some(target) = alias else { break };
        owner = target;
    }
    owner
}

/// Whether every record is, of those that can be.
fn proved(records: &[rr::Record]) -> bool {
    let mut signed = records.iter().filter(|r| r.record_type() != RecordType::RRSIG).peekable();
    signed.peek().is_some() && signed.all(|r| r.proof == Proof::Secure)
}

fn not_found(e: &NetError, validate: bool) -> DnsAnswer {
    match e {
        // A response over TCP that does not say to what (the name is the root's then) denies nothing.
        NetError::Dns(DnsError::NoRecordsFound(denial)) if denial.query.name().is_root() => {
            no_records(NoRecords::ServFail)
        }
        NetError::Dns(DnsError::NoRecordsFound(denial)) => {
            let why = match denial.response_code {
                ResponseCode::NXDomain => NoRecords::NxDomain,
                ResponseCode::NoError => NoRecords::NoData,
                _ => NoRecords::ServFail,
            };
            let secure = validate && denial.authorities.as_deref().is_some_and(proved);
            let answer = DnsAnswer { secure, ..no_records(why) };
            match denial.negative_ttl {
                Some(ttl) if !why.is_transient() => DnsAnswer { ttl: Duration::from_secs(u64::from(ttl)), ..answer },
                _ => answer,
            }
        }
        NetError::Dns(DnsError::Nsec { response, proof: Proof::Secure, .. }) => {
            let nx = response.response_code == ResponseCode::NXDomain;
            DnsAnswer { secure: true, ..no_records(if nx { NoRecords::NxDomain } else { NoRecords::NoData }) }
        }
        NetError::Dns(DnsError::Nsec { proof: Proof::Bogus, .. } | DnsError::DnssecBogus) => {
            no_records(NoRecords::Bogus)
        }
        NetError::Timeout => no_records(NoRecords::Timeout),
        NetError::Io(e) if e.kind() == std::io::ErrorKind::TimedOut => no_records(NoRecords::Timeout),
        _ => no_records(NoRecords::ServFail),
    }
}

#[cfg(test)]
mod tests;
