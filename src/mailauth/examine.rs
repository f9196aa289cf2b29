//! Everything that is checked about a message, in one pass over it: header first, body in pieces, then DNS.
//!
//! The same message, origin, resolver and time give the same [`Verdicts`] again. DNS costs are bounded by the limits
//! of each check; how long it may take is the resolver's to bound.

use std::net::IpAddr;

use smol::future::zip;

use super::Verifier;
use super::bimi::{self, BimiVerdict};
use super::dmarc::{self, Discovered, DmarcResult, DmarcVerdict, Evidence, Policy};
use super::iprev::{self, IprevVerdict};
use super::results::{ArcVerdict, DkimVerdict};
use super::spf::{self, Query, SpfResult, SpfVerdict};
use crate::base::world::Resolver;
use crate::base::{Address, Timestamp};
use crate::message::Doubt;
use crate::message::author::{author, domains};

/// Which checks are wanted. DMARC judges by what SPF and DKIM found, so it can only pass where one of them is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// SPF of the reverse-path and of the EHLO name (RFC 7208).
    pub spf: bool,
    /// Signatures (RFC 6376).
    pub dkim: bool,
    /// The author's domain and its policy (RFC 9989).
    pub dmarc: bool,
    /// The chain of those who handled the message (RFC 8617).
    pub arc: bool,
    /// Whether the client's address has a name that leads back to it (RFC 8601 §3).
    pub iprev: bool,
    /// Which picture the author's domain wants shown. Decides nothing, and is asked for only where DMARC passes.
    pub bimi: bool,
}

impl Checks {
    /// Nothing is checked.
    pub const NONE: Checks = Checks { spf: false, dkim: false, dmarc: false, arc: false, iprev: false, bimi: false };
}

impl Default for Checks {
    /// All that judge: not BIMI.
    fn default() -> Checks {
        Checks { spf: true, dkim: true, dmarc: true, arc: true, iprev: true, bimi: false }
    }
}

/// Where a message came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Address of the client.
    pub ip: IpAddr,
    /// The name it gave in EHLO or HELO.
    pub helo: String,
    /// MAIL FROM; `None` for the null reverse-path.
    pub reverse_path: Option<Address>,
    /// Our own name, for `%{r}` of SPF.
    pub receiver: String,
}

/// What the checks came to. A check that was not wanted has the result `None`, as one that found nothing to check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdicts {
    /// Which checks were made.
    pub checks: Checks,
    /// SPF of the name in EHLO (RFC 7208 §2.3).
    pub spf_helo: SpfVerdict,
    /// SPF of the reverse-path, or of `postmaster` at the EHLO name where that is null (RFC 7208 §2.4).
    pub spf: SpfVerdict,
    /// One for each signature, in the order of the fields; none for a message that is not signed.
    pub dkim: Vec<DkimVerdict>,
    /// Domain of the author (A-labels, lower case), of several the one DMARC's verdict is for; empty where From does
    /// not name an author for certain.
    pub from_domain: String,
    /// Why From does not name an author for certain; `None` where it does.
    pub from_doubt: Option<Doubt>,
    /// DMARC, by SPF of the reverse-path and DKIM.
    pub dmarc: DmarcVerdict,
    /// ARC. DMARC's verdict does not look at it: whether a chain excuses a failure is for a policy to say that
    /// knows which sealers to trust.
    pub arc: ArcVerdict,
    /// The client's name; `None` where it was not wanted.
    pub iprev: Option<IprevVerdict>,
    /// The author's indicator; `None` where it was not wanted.
    pub bimi: Option<BimiVerdict>,
}

/// A check under way.
pub struct Examination {
    checks: Checks,
    authors: Result<Vec<Address>, Doubt>,
    bimi: bimi::Asked,
    signed: Verifier,
}

impl Examination {
    /// Begins with a message's header, its empty line included or not.
    pub fn begin(header: &[u8], checks: Checks) -> Examination {
        // Without OpenSSL no signature is looked at: that is not checked, which is not the same as not signed.
        #[cfg(any(windows, target_vendor = "apple"))]
        let checks = Checks { dkim: false, arc: false, ..checks };
        let authors = author(&[header]);
        Examination {
            checks,
            bimi: bimi::Asked::read(header, &authors),
            authors,
            signed: Verifier::new(header, checks),
        }
    }

    /// Whether anything depends on the body: otherwise it need not be given.
    pub fn wants_body(&self) -> bool {
        self.signed.wants_body()
    }

    /// The next octets of the body.
    pub fn push(&mut self, piece: &[u8]) {
        self.signed.push(piece);
    }

    /// Asks DNS and judges, one resolver for everything.
    pub async fn finish(self, resolver: &dyn Resolver, origin: &Origin, now: Timestamp) -> Verdicts {
        self.finish_with(resolver, resolver, origin, now).await
    }

    /// Asks DNS and judges. The client's name, both policies of SPF, the keys of DKIM and ARC and the policies of
    /// DMARC are asked for side by side. `policies` answers for DMARC alone: a sender whose own DNS is slow uses up
    /// nothing of it.
    pub async fn finish_with(
        self,
        resolver: &dyn Resolver,
        policies: &dyn Resolver,
        origin: &Origin,
        now: Timestamp,
    ) -> Verdicts {
        let checks = self.checks;
        let signed = self.signed.finish(resolver, now);
        let spf = sender_policy(resolver, origin, now, checks);
        let name = async { if checks.iprev { Some(iprev::check(resolver, origin.ip).await) } else { None } };
        let from = match &self.authors {
            Ok(authors) if checks.dmarc => domains(authors),
            _ => Vec::new(),
        };
        let asked = discover_all(policies, &from);
        let (((spf, spf_helo), iprev), ((dkim, arc), asked)) = zip(zip(spf, name), zip(signed, asked)).await;
        let (from_domain, dmarc) = match &self.authors {
            Ok(_) if checks.dmarc => judge(policies, &asked, &spf, &dkim).await,
            Err(doubt) if checks.dmarc => {
                let why = format!("From cannot be read with certainty: {doubt}");
                (String::new(), DmarcVerdict::without_policy(DmarcResult::PermError, &why))
            }
            authors => {
                let from = authors.as_ref().ok().and_then(|authors| domains(authors).into_iter().next());
                (from.unwrap_or_default(), DmarcVerdict::without_policy(DmarcResult::None, NOT_WANTED))
            }
        };
        let bimi = if checks.bimi { Some(self.bimi.discover(resolver, &from_domain, &dmarc).await) } else { None };
        let from_doubt = self.authors.err();
        Verdicts { checks, spf_helo, spf, dkim, from_domain, from_doubt, dmarc, arc, iprev, bimi }
    }
}

const NOT_WANTED: &str = "not checked";

/// SPF of the reverse-path, and of the name in EHLO; of that alone where the reverse-path is null.
async fn sender_policy(
    resolver: &dyn Resolver,
    origin: &Origin,
    now: Timestamp,
    checks: Checks,
) -> (SpfVerdict, SpfVerdict) {
    if !checks.spf {
        let none = |domain: String| SpfVerdict {
            result: SpfResult::None,
            domain,
            explanation: String::new(),
            why: NOT_WANTED.to_owned(),
        };
        return (none(query(origin, origin.reverse_path.as_ref(), now).sender_domain), none(origin.helo.clone()));
    }
    let of_helo = query(origin, None, now);
    let helo = spf::check(resolver, &of_helo);
    let Some(address) = &origin.reverse_path else {
        let helo = helo.await;
        return (helo.clone(), helo);
    };
    let of_path = query(origin, Some(address), now);
    zip(spf::check(resolver, &of_path), helo).await
}

fn query(origin: &Origin, sender: Option<&Address>, now: Timestamp) -> Query {
    Query {
        ip: origin.ip,
        helo: origin.helo.clone(),
        sender_local: sender.map(|address| address.local().to_owned()).unwrap_or_default(),
        sender_domain: sender.map_or_else(|| origin.helo.clone(), |address| address.domain().key()),
        receiver: origin.receiver.clone(),
        now,
    }
}

/// What the domains of From publish, in order.
async fn discover_all(policies: &dyn Resolver, from: &[String]) -> Vec<Discovered> {
    let mut found = Vec::with_capacity(from.len());
    for domain in from {
        found.push(dmarc::discover(policies, domain).await);
    }
    found
}

/// DMARC of each domain in From; the worst verdict counts (RFC 7489 §6.6.1): that of the strictest policy, and of
/// equal ones the one that is no pass.
async fn judge(
    policies: &dyn Resolver,
    asked: &[Discovered],
    spf: &SpfVerdict,
    dkim: &[DkimVerdict],
) -> (String, DmarcVerdict) {
    let mut worst: Option<(String, DmarcVerdict)> = None;
    for discovered in asked {
        let evidence = Evidence {
            from_domain: discovered.domain().to_owned(),
            spf: (spf.result, spf.domain.clone()),
            dkim: dkim.iter().map(|verdict| (verdict.result, verdict.domain.clone())).collect(),
        };
        let verdict = discovered.weigh(policies, &evidence).await;
        let weight = |v: &DmarcVerdict| match v.result {
            DmarcResult::Pass => (Policy::None, 0),
            DmarcResult::None => (Policy::None, 1),
            // What is undecided waits where nothing else refuses.
            DmarcResult::TempError => (v.published, 2),
            DmarcResult::Fail | DmarcResult::PermError => (v.policy, 3),
        };
        if worst.as_ref().is_none_or(|(_, known)| weight(&verdict) > weight(known)) {
            worst = Some((evidence.from_domain, verdict));
        }
    }
    worst.unwrap_or_else(|| (String::new(), DmarcVerdict::without_policy(DmarcResult::None, "")))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(not(any(windows, target_vendor = "apple")))]
    use crate::base::world::{BoxFuture, DnsAnswer, NoRecords, Record, RecordKind};

    /// Answers TXT of two names, and counts what it is asked.
    #[cfg(not(any(windows, target_vendor = "apple")))]
    struct Keys(Vec<(&'static str, String)>, std::sync::atomic::AtomicUsize);

    #[cfg(not(any(windows, target_vendor = "apple")))]
    impl Resolver for Keys {
        fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
            self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let found = self.0.iter().find(|(known, _)| *known == name && kind == RecordKind::Txt);
            let records = found.map(|(_, txt)| vec![Record::Txt(txt.clone().into_bytes())]).ok_or(NoRecords::NxDomain);
            Box::pin(std::future::ready(DnsAnswer { records, ttl: std::time::Duration::ZERO, secure: false }))
        }
    }

    /// A resolver whose patience is at its end.
    #[cfg(not(any(windows, target_vendor = "apple")))]
    struct Silent;

    #[cfg(not(any(windows, target_vendor = "apple")))]
    impl Resolver for Silent {
        fn ask(&self, _: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
            let records = Err(NoRecords::Timeout);
            Box::pin(std::future::ready(DnsAnswer { records, ttl: std::time::Duration::ZERO, secure: false }))
        }
    }

    #[cfg(not(any(windows, target_vendor = "apple")))]
    #[test]
    fn whoever_makes_dns_slow_gets_past_no_policy() {
        let record = "v=DMARC1; p=reject".to_owned();
        let policies = Keys(vec![("_dmarc.victim.test", record)], Default::default());
        for (from, reverse_path, result, policy, published) in [
            ("ceo@victim.test", "a@evil.test", DmarcResult::Fail, Policy::Reject, Policy::Reject),
            ("ceo@victim.test", "a@victim.test", DmarcResult::TempError, Policy::None, Policy::Reject),
            ("a@evil.test, ceo@victim.test", "a@evil.test", DmarcResult::Fail, Policy::Reject, Policy::Reject),
            ("a@evil.test", "a@evil.test", DmarcResult::None, Policy::None, Policy::None),
            ("ceo@victim.test <a@evil.test>", "a@evil.test", DmarcResult::PermError, Policy::None, Policy::None),
        ] {
            let origin = Origin {
                ip: "192.0.2.1".parse().unwrap(),
                helo: "evil.test".to_owned(),
                reverse_path: Address::parse(reverse_path).ok(),
                receiver: String::new(),
            };
            let examination = Examination::begin(format!("From: {from}\r\n\r\n").as_bytes(), Checks::default());
            let verdicts = smol::block_on(examination.finish_with(&Silent, &policies, &origin, Timestamp(0)));
            let found = (verdicts.dmarc.result, verdicts.dmarc.policy, verdicts.dmarc.published);
            assert_eq!(found, (result, policy, published), "{from}: {}", verdicts.dmarc.why);
        }
    }

    #[cfg(not(any(windows, target_vendor = "apple")))]
    #[test]
    fn one_pass_for_all_signatures() {
        use crate::mailauth::arc::{Chained, Sealer};
        use crate::mailauth::dkim::{Algorithm, Bodies, Header, Signatures, Signer, SigningKey, dns_record, generate};
        use crate::mailauth::results::{ArcResult, AuthenticationResults, DkimResult};
        let key = SigningKey::parse(&generate(Algorithm::Ed25519Sha256).unwrap()).unwrap();
        let (now, body) = (Timestamp(1_000_000), b"body\r\n");
        let mut header = b"From: a@example.org\r\n".to_vec();
        let signer = Signer::new("example.org", "s", key.clone());
        let mut signing = signer.begin();
        signing.push(body);
        header.splice(..0, signing.finish(&header, now).unwrap());
        let sealer = Sealer::new("list.example", "s", key.clone());
        let mut sealing = sealer.begin();
        sealing.push(body);
        let results = AuthenticationResults { authserv_id: "list.example".to_owned(), results: Vec::new() };
        header.splice(..0, sealing.finish(&header, ArcResult::None, &results, now).unwrap().unwrap());

        let origin = Origin {
            ip: "192.0.2.1".parse().unwrap(),
            helo: "mail.list.example".to_owned(),
            reverse_path: None,
            receiver: String::new(),
        };
        let mut bodies = Bodies::default();
        let read = Header::read(&header);
        Signatures::read(&read, &mut bodies);
        Chained::read(&read, &mut bodies);
        assert_eq!(bodies.finish().len(), 1);
        let record = dns_record(&key).unwrap();
        let names = ["s._domainkey.example.org", "s._domainkey.list.example"];
        let zone = Keys(names.map(|name| (name, record.clone())).to_vec(), Default::default());
        let mut examination = Examination::begin(&header, Checks::default());
        assert!(examination.wants_body());
        examination.push(body);
        let verdicts = smol::block_on(examination.finish(&zone, &origin, now));
        assert_eq!((verdicts.dkim[0].result, verdicts.arc.result), (DkimResult::Pass, ArcResult::Pass), "{verdicts}");

        let zone = Keys(Vec::new(), Default::default());
        let nothing = Examination::begin(&header, Checks::NONE);
        assert!(!nothing.wants_body());
        let verdicts = smol::block_on(nothing.finish(&zone, &origin, now));
        assert_eq!((verdicts.explain(), zone.1.into_inner()), (String::new(), 0));
    }
}
