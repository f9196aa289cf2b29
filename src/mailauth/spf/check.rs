//! `check_host()` of RFC 7208 §4, with all its limits: ten terms that ask DNS, two void lookups, ten names of an
//! MX or PTR answer. Bounded whatever the records say; DNS that loops or hangs ends as an error, not as work.

use std::net::IpAddr;

use ipnet::IpNet;

use super::macros::{MacroString, Use, Values};
use super::record::{self, Directive, Mechanism, Prefixes, SpfRecord};
use super::{SpfResult, SpfVerdict};
use crate::base::address::is_at_or_below;
use crate::base::limits::{DNS_NAME_OCTETS_MAX, SPF_LOOKUPS_MAX, SPF_NAMES_MAX, SPF_VOID_LOOKUPS_MAX};
use crate::base::world::{BoxFuture, NoRecords, Record, RecordKind, Resolver};
use crate::base::{Domain, Timestamp};

/// Who asks about whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Address of the client.
    pub ip: IpAddr,
    /// What it said in EHLO.
    pub helo: String,
    /// Local part of the reverse-path; empty for a check of the HELO identity.
    pub sender_local: String,
    /// Domain of the reverse-path, or the HELO name for a null one (RFC 7208 §2.4).
    pub sender_domain: String,
    /// Our name, for `%{r}`.
    pub receiver: String,
    /// The time, for `%{t}`.
    pub now: Timestamp,
}

/// The verdict on `query`.
pub async fn check(resolver: &dyn Resolver, query: &Query) -> SpfVerdict {
    let query = Query { ip: canonical(query.ip), ..query.clone() };
    let mut check = Check { resolver, query: &query, lookups: 0, voids: 0, depth: 0, validated: None };
    let domain = query.sender_domain.trim_end_matches('.').to_owned();
    let outcome = if is_usable(&domain) {
        check.host(&domain).await
    } else {
        Ok(Outcome { result: SpfResult::None, why: "no domain that could have a record".to_owned(), explain: None })
    };
    match outcome {
        Ok(outcome) => {
            let explanation = match &outcome.explain {
                Some((record_domain, exp)) => check.explanation(record_domain, exp).await.unwrap_or_default(),
                None => String::new(),
            };
            SpfVerdict { result: outcome.result, domain, explanation, why: outcome.why }
        }
        Err(Stop { result, why }) => SpfVerdict { result, domain, explanation: String::new(), why },
    }
}

struct Check<'a> {
    resolver: &'a dyn Resolver,
    query: &'a Query,
    lookups: usize,
    voids: usize,
    depth: usize,
    /// Names of the client that point back to it, asked once.
    validated: Option<Vec<String>>,
}

struct Outcome {
    result: SpfResult,
    why: String,
    /// Domain and `exp=` of the record that said fail.
    explain: Option<(String, MacroString)>,
}

/// An error that ends the whole check.
struct Stop {
    result: SpfResult,
    why: String,
}

impl Stop {
    fn perm(why: impl Into<String>) -> Stop {
        Stop { result: SpfResult::PermError, why: why.into() }
    }
}

impl<'a> Check<'a> {
    fn host<'b>(&'b mut self, domain: &'b str) -> BoxFuture<'b, Result<Outcome, Stop>> {
        Box::pin(async move {
            let Some(record) = self.record(domain).await? else {
                return Ok(Outcome { result: SpfResult::None, why: format!("{domain} has no record"), explain: None });
            };
            for directive in &record.directives {
                if self.matches(domain, directive).await? {
                    let explain = match (directive.result, &record.explanation) {
                        (SpfResult::Fail, Some(exp)) => Some((domain.to_owned(), exp.clone())),
                        _ => None,
                    };
                    let why = format!("{} of {domain} matched", directive.text);
                    return Ok(Outcome { result: directive.result, why, explain });
                }
            }
            let Some(redirect) = &record.redirect else {
                let why = format!("nothing of {domain} matched");
                return Ok(Outcome { result: SpfResult::Neutral, why, explain: None });
            };
            self.count_lookup("redirect")?;
            let target = self.expand(redirect, domain).await;
            let outcome = if is_name(&target) { Some(self.nested(&target).await?) } else { None };
            match outcome {
                Some(outcome) if outcome.result != SpfResult::None => Ok(outcome),
                _ => Err(Stop::perm(format!("{domain} redirects to {target:?}, which has no record"))),
            }
        })
    }

    /// A record's record: redirect or include. Lookups are counted, so depth is bounded by them too.
    async fn nested(&mut self, domain: &str) -> Result<Outcome, Stop> {
        self.depth += 1;
        let outcome = if self.depth > SPF_LOOKUPS_MAX {
            Err(Stop::perm("records lead to each other without end"))
        } else {
            self.host(domain).await
        };
        self.depth -= 1;
        outcome
    }

    /// The one SPF record of a domain (RFC 7208 §4.4, §4.5).
    async fn record(&mut self, domain: &str) -> Result<Option<SpfRecord>, Stop> {
        let found = match self.resolver.ask(domain, RecordKind::Txt).await.records {
            Ok(records) => records,
            Err(NoRecords::NxDomain | NoRecords::NoData | NoRecords::BadName) => return Ok(None),
            Err(trouble) => {
                return Err(Stop { result: SpfResult::TempError, why: format!("TXT of {domain}: {trouble}") });
            }
        };
        let mut texts = found.iter().filter_map(|r| match r {
            Record::Txt(txt) if record::is_spf(txt) => Some(txt),
            _ => None,
        });
        match (texts.next(), texts.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(Stop::perm(format!("{domain} has more than one record"))),
            (Some(txt), None) => {
                record::parse(txt).map(Some).map_err(|why| Stop::perm(format!("record of {domain}: {why}")))
            }
        }
    }

    async fn matches(&mut self, domain: &str, directive: &Directive) -> Result<bool, Stop> {
        if !matches!(directive.mechanism, Mechanism::All | Mechanism::Ip(_)) {
            self.count_lookup(&directive.text)?;
        }
        match &directive.mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip(network) => Ok(network.contains(&self.query.ip)),
            Mechanism::Include(target) => self.includes(domain, target).await,
            Mechanism::Exists(target) => {
                let name = self.expand(target, domain).await;
                Ok(!self.ask(&name, RecordKind::A).await?.is_empty())
            }
            Mechanism::A(target, prefixes) => {
                let name = self.target(target.as_ref(), domain).await;
                self.has_address(&name, *prefixes).await
            }
            Mechanism::Mx(target, prefixes) => {
                let name = self.target(target.as_ref(), domain).await;
                self.has_exchange(&name, *prefixes).await
            }
            Mechanism::Ptr(target) => {
                let name = self.target(target.as_ref(), domain).await.to_ascii_lowercase();
                let names = self.validated_names().await;
                Ok(names.iter().any(|n| is_at_or_below(n, &name)))
            }
        }
    }

    async fn includes(&mut self, domain: &str, target: &MacroString) -> Result<bool, Stop> {
        let name = self.expand(target, domain).await;
        let outcome = if is_name(&name) { Some(self.nested(&name).await?) } else { None };
        match outcome.map(|o| o.result) {
            None | Some(SpfResult::None) => Err(Stop::perm(format!("{domain} includes {name:?}, which has no record"))),
            Some(result) => Ok(result == SpfResult::Pass),
        }
    }

    async fn has_address(&mut self, name: &str, prefixes: Prefixes) -> Result<bool, Stop> {
        let records = self.ask(name, self.address_kind()).await?;
        Ok(self.any_within(&records, prefixes))
    }

    async fn has_exchange(&mut self, name: &str, prefixes: Prefixes) -> Result<bool, Stop> {
        let records = self.ask(name, RecordKind::Mx).await?;
        if records.len() > SPF_NAMES_MAX {
            return Err(Stop::perm(format!("{name} has more than {SPF_NAMES_MAX} MX records")));
        }
        for record in records {
            if let Record::Mx { exchange, .. } = record
                && is_name(&exchange)
            {
                // Only the MX answer itself counts as a lookup that may be void (RFC 7208 §4.6.4).
                let found = self.ask_uncounted(&exchange, self.address_kind()).await?;
                if self.any_within(&found, prefixes) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn any_within(&self, records: &[Record], prefixes: Prefixes) -> bool {
        records.iter().any(|record| match record {
            Record::A(ip) => within(self.query.ip, IpAddr::V4(*ip), prefixes.v4),
            Record::Aaaa(ip) => within(self.query.ip, IpAddr::V6(*ip), prefixes.v6),
            _ => false,
        })
    }

    fn address_kind(&self) -> RecordKind {
        if self.query.ip.is_ipv4() { RecordKind::A } else { RecordKind::Aaaa }
    }

    /// Names of the client whose address is the client's (RFC 7208 §5.5); at most ten are looked at.
    async fn validated_names(&mut self) -> Vec<String> {
        if let Some(names) = &self.validated {
            return names.clone();
        }
        let mut names = Vec::new();
        let pointers = self.resolver.ask(&reverse_name(self.query.ip), RecordKind::Ptr).await.records;
        for pointer in pointers.unwrap_or_default().into_iter().take(SPF_NAMES_MAX) {
            let Record::Ptr(name) = pointer else { continue };
            let found = self.resolver.ask(&name, self.address_kind()).await.records.unwrap_or_default();
            if self.any_within(&found, Prefixes { v4: 32, v6: 128 }) {
                names.push(name.trim_end_matches('.').to_ascii_lowercase());
            }
        }
        self.validated = Some(names.clone());
        names
    }

    /// Records of a name; none where there is no such name, which counts as void.
    async fn ask(&mut self, name: &str, kind: RecordKind) -> Result<Vec<Record>, Stop> {
        let records = self.ask_uncounted(name, kind).await?;
        if records.is_empty() {
            self.voids += 1;
            if self.voids > SPF_VOID_LOOKUPS_MAX {
                return Err(Stop::perm(format!("more than {SPF_VOID_LOOKUPS_MAX} lookups without an answer")));
            }
        }
        Ok(records)
    }

    async fn ask_uncounted(&mut self, name: &str, kind: RecordKind) -> Result<Vec<Record>, Stop> {
        if !is_name(name) {
            return Ok(Vec::new());
        }
        match self.resolver.ask(name, kind).await.records {
            // What was not asked for is no answer: `exists` takes any.
            Ok(records) => Ok(records.into_iter().filter(|record| is_of(record, kind)).collect()),
            Err(NoRecords::NxDomain | NoRecords::NoData | NoRecords::BadName) => Ok(Vec::new()),
            Err(trouble) => Err(Stop { result: SpfResult::TempError, why: format!("{kind:?} of {name}: {trouble}") }),
        }
    }

    fn count_lookup(&mut self, what: &str) -> Result<(), Stop> {
        self.lookups += 1;
        match self.lookups > SPF_LOOKUPS_MAX {
            true => Err(Stop::perm(format!(
                "{what} would be lookup number {}, {SPF_LOOKUPS_MAX} are allowed",
                self.lookups
            ))),
            false => Ok(()),
        }
    }

    async fn target(&mut self, target: Option<&MacroString>, domain: &str) -> String {
        match target {
            Some(target) => self.expand(target, domain).await,
            None => domain.to_owned(),
        }
    }

    /// A domain-spec filled in; too long, it loses labels from the left (RFC 7208 §7.3).
    async fn expand(&mut self, text: &MacroString, domain: &str) -> String {
        let mut name = self.fill(text, domain).await;
        while name.trim_end_matches('.').len() > DNS_NAME_OCTETS_MAX {
            match name.split_once('.') {
                Some((_, rest)) => name = rest.to_owned(),
                None => break,
            }
        }
        name
    }

    async fn fill(&mut self, text: &MacroString, domain: &str) -> String {
        let validated = if text.wants_validated_name() { self.validated_name(domain).await } else { String::new() };
        let query = self.query;
        text.expand(&Values {
            sender_local: if query.sender_local.is_empty() { "postmaster" } else { &query.sender_local },
            sender_domain: &query.sender_domain,
            domain,
            ip: query.ip,
            helo: &query.helo,
            validated: &validated,
            receiver: if query.receiver.is_empty() { "unknown" } else { &query.receiver },
            now_seconds: query.now.seconds(),
        })
    }

    /// The name for `%{p}`: the domain itself, else one below it, else any.
    async fn validated_name(&mut self, domain: &str) -> String {
        let names = self.validated_names().await;
        let domain = domain.to_ascii_lowercase();
        let best = names.iter().find(|n| **n == domain).or_else(|| names.iter().find(|n| is_at_or_below(n, &domain)));
        best.or(names.first()).cloned().unwrap_or_else(|| "unknown".to_owned())
    }

    /// What the domain says about a fail (RFC 7208 §6.2); any trouble means that it says nothing.
    async fn explanation(&mut self, domain: &str, exp: &MacroString) -> Option<String> {
        let name = self.expand(exp, domain).await;
        is_name(&name).then_some(())?;
        let records = self.resolver.ask(&name, RecordKind::Txt).await.records.ok()?;
        let [Record::Txt(txt)] = records.as_slice() else { return None };
        let text = std::str::from_utf8(txt).ok().filter(|t| t.is_ascii())?;
        let text = MacroString::parse(text, Use::Explanation)?;
        Some(self.fill(&text, domain).await)
    }
}

fn is_of(record: &Record, kind: RecordKind) -> bool {
    matches!(
        (record, kind),
        (Record::A(_), RecordKind::A) | (Record::Aaaa(_), RecordKind::Aaaa) | (Record::Mx { .. }, RecordKind::Mx)
    )
}

/// IPv4 addresses mapped into IPv6 are IPv4 (RFC 7208 §5).
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// Whether a name may be asked for: labels neither empty nor over 63 octets.
fn is_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    !name.is_empty()
        && name.len() <= DNS_NAME_OCTETS_MAX
        && name.split('.').all(|label| !label.is_empty() && label.len() <= 63)
}

/// Whether a domain may have a record: a name of at least two labels (RFC 7208 §4.3).
fn is_usable(domain: &str) -> bool {
    is_name(domain) && domain.contains('.') && Domain::parse(domain).is_ok_and(|d| matches!(d, Domain::Name(_)))
}

/// Whether the first `prefix` bits are equal.
fn within(ip: IpAddr, network: IpAddr, prefix: u8) -> bool {
    IpNet::new(network, prefix).is_ok_and(|network| network.contains(&ip))
}

/// `3.2.0.192.in-addr.arpa`
pub(crate) fn reverse_name(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let nibbles: Vec<String> =
                v6.octets().iter().rev().flat_map(|o| [format!("{:x}", o & 15), format!("{:x}", o >> 4)]).collect();
            format!("{}.ip6.arpa", nibbles.join("."))
        }
    }
}
