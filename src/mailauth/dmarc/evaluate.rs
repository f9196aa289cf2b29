//! The evaluation: record discovery by walking up the DNS tree (RFC 9989 §4.10), alignment, policy.

use std::sync::Arc;

use super::record::{self, DmarcRecord};
use super::{DmarcResult, DmarcVerdict};
use crate::base::address::is_at_or_below;
use crate::base::limits::DMARC_WALK_LABELS_MAX;
use crate::base::world::{NoRecords, Record, RecordKind, Resolver};
use crate::mailauth::results::DkimResult;
use crate::mailauth::spf::SpfResult;

/// What is known about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Domain of the From field (A-labels, lower case).
    pub from_domain: String,
    /// SPF's result and the domain it is for.
    pub spf: (SpfResult, String),
    /// DKIM's results and their signing domains.
    pub dkim: Vec<(DkimResult, String)>,
}

/// DNS had trouble.
pub(super) struct Trouble(pub(super) String);

/// Evaluates DMARC.
pub async fn evaluate(resolver: &dyn Resolver, evidence: &Evidence) -> DmarcVerdict {
    discover(resolver, &evidence.from_domain).await.weigh(resolver, evidence).await
}

/// What DNS says of a domain in From, before anything is known of SPF and DKIM.
pub struct Discovered {
    from: String,
    found: Walk,
    /// Whether the domain exists, where its policy depends on that.
    exists: Option<Result<bool, Trouble>>,
}

/// Asks what a domain publishes, at most `DMARC_WALK_LABELS_MAX` + 3 questions.
pub async fn discover(resolver: &dyn Resolver, from: &str) -> Discovered {
    let from = from.trim_end_matches('.').to_ascii_lowercase();
    let found = walk(resolver, &from).await;
    let depends = found
        .policy(&from)
        .is_some_and(|(domain, record)| domain != from && record.for_subdomains() != record.for_nonexistent());
    let exists = if depends { Some(exists(resolver, &from).await) } else { None };
    Discovered { from, found, exists }
}

impl Discovered {
    /// The domain in From.
    pub fn domain(&self) -> &str {
        &self.from
    }

    /// The verdict. Whether a proved domain belongs to the one in From may have to be asked for: eight questions for
    /// each that ends as this one does.
    pub async fn weigh(&self, resolver: &dyn Resolver, evidence: &Evidence) -> DmarcVerdict {
        let (from, found) = (self.from.as_str(), &self.found);
        let none = |result, why: &str| DmarcVerdict::without_policy(result, why);
        let Some((record_domain, record)) = found.policy(from) else {
            return match &found.trouble {
                Some(why) => none(DmarcResult::TempError, why),
                None => none(DmarcResult::None, &format!("{from} has no policy")),
            };
        };
        if !record.applies {
            return match &found.trouble {
                Some(why) => none(DmarcResult::TempError, why),
                None => none(DmarcResult::None, &format!("the record of {record_domain} has no policy that is one")),
            };
        }
        let organization = found.organization(from);
        let (trouble, reasons) = (found.trouble.clone(), Vec::new());
        let mut scales = Scales { resolver, from, organization: &organization, trouble, reasons };
        // A record that could not be asked for might be strict: then only the very domain in From is aligned for sure.
        let unsure = found.trouble.is_some();
        let dkim_passed = scales.dkim(evidence, record.strict_dkim || unsure).await;
        let spf_passed = scales.spf(&evidence.spf, record.strict_spf || unsure).await;
        let Scales { mut trouble, reasons, .. } = scales;
        let verdict = DmarcVerdict {
            record_domain: record_domain.to_owned(),
            record: Some(Arc::clone(record)),
            percent: record.percent,
            dkim_aligned: dkim_passed.is_some(),
            spf_aligned: spf_passed.is_some(),
            ..none(DmarcResult::Pass, "")
        };
        if let Some(why) = dkim_passed.or(spf_passed) {
            return DmarcVerdict { why, ..verdict };
        }
        let published = match &self.exists {
            _ if record_domain == from => record.policy,
            Some(Ok(false)) => record.for_nonexistent(),
            Some(Err(Trouble(why))) => {
                trouble.get_or_insert_with(|| why.clone());
                record.for_subdomains().max(record.for_nonexistent())
            }
            _ => record.for_subdomains(),
        };
        if let Some(why) = trouble {
            return DmarcVerdict { result: DmarcResult::TempError, published, why, ..verdict };
        }
        let policy = if record.is_testing { published.milder() } else { published };
        DmarcVerdict { result: DmarcResult::Fail, policy, published, why: reasons.join("; "), ..verdict }
    }
}

/// Weighs what was proved against the domain in From.
struct Scales<'a> {
    resolver: &'a dyn Resolver,
    from: &'a str,
    organization: &'a str,
    /// What could have aligned, had DNS not failed (RFC 9989: there is no failing then). Only of domains that
    /// belong to the one in From: else a signature nobody can look up would save any forgery.
    trouble: Option<String>,
    /// Why nothing aligned.
    reasons: Vec<String>,
}

impl Scales<'_> {
    /// What of DKIM passed and is aligned.
    async fn dkim(&mut self, evidence: &Evidence, is_strict: bool) -> Option<String> {
        for (result, domain) in &evidence.dkim {
            match *result {
                DkimResult::Pass if self.aligned(domain, is_strict).await => return Some(format!("dkim of {domain}")),
                DkimResult::Pass => self.reasons.push(format!("dkim of {domain} is not aligned")),
                DkimResult::TempError if self.aligned(domain, is_strict).await => {
                    self.trouble = Some(format!("dkim temperror for {domain}"));
                }
                _ => self.reasons.push(format!("dkim {result} for {domain}")),
            }
        }
        None
    }

    /// What of SPF passed and is aligned.
    async fn spf(&mut self, (result, domain): &(SpfResult, String), is_strict: bool) -> Option<String> {
        match *result {
            SpfResult::Pass if self.aligned(domain, is_strict).await => return Some(format!("spf of {domain}")),
            SpfResult::Pass => self.reasons.push(format!("spf of {domain} is not aligned")),
            SpfResult::TempError if self.aligned(domain, is_strict).await => {
                self.trouble = Some(format!("spf temperror for {domain}"));
            }
            _ => self.reasons.push(format!("spf {result}")),
        }
        None
    }

    /// Whether a domain belongs to the one in From. Not to be known counts as no, and as trouble.
    async fn aligned(&mut self, proved: &str, is_strict: bool) -> bool {
        match aligned(self.resolver, self.from, self.organization, proved, is_strict).await {
            Ok(is_aligned) => is_aligned,
            Err(Trouble(why)) => {
                self.trouble = Some(why);
                false
            }
        }
    }
}

/// What a domain and its organization published, and which domain that is; the error says what trouble DNS had.
pub(crate) async fn published(
    resolver: &dyn Resolver,
    domain: &str,
) -> Result<(String, Vec<Arc<DmarcRecord>>), String> {
    let found = walk(resolver, domain).await.sure().map_err(|Trouble(why)| why)?;
    let organization = found.organization(domain);
    let of_both = found.records.into_iter().filter(|(name, _)| name == domain || *name == organization);
    Ok((organization.clone(), of_both.map(|(_, record)| record).collect()))
}

/// Records found on the way up from a domain, lowest first.
struct Walk {
    records: Vec<(String, Arc<DmarcRecord>)>,
    /// What could not be asked on the way: a record may be missing.
    trouble: Option<String>,
}

impl Walk {
    /// All of it, or the trouble.
    fn sure(self) -> Result<Walk, Trouble> {
        match self.trouble {
            Some(why) => Err(Trouble(why)),
            None => Ok(self),
        }
    }

    /// The record that says what to do: the domain's own, else its organization's, else its public suffix's.
    fn policy(&self, from: &str) -> Option<(&str, &Arc<DmarcRecord>)> {
        let organization = self.organization(from);
        let at = |name: &str| self.records.iter().find(|(n, _)| n == name);
        let found =
            at(from).or_else(|| at(&organization)).or_else(|| self.records.iter().find(|(_, r)| r.psd == Some(true)));
        found.map(|(name, record)| (name.as_str(), record))
    }

    /// The organizational domain (RFC 9989 §4.10.2).
    fn organization(&self, from: &str) -> String {
        let above = || self.records.iter().filter(|(name, _)| name != from);
        if let Some((name, _)) = above().find(|(_, record)| record.psd == Some(false)) {
            return name.clone();
        }
        if let Some((suffix, _)) = above().find(|(_, record)| record.psd == Some(true)) {
            return one_below(from, suffix).to_owned();
        }
        self.records.last().map_or_else(|| from.to_owned(), |(name, _)| name.clone())
    }
}

/// The organizational domain of `domain`.
pub(super) async fn organization(resolver: &dyn Resolver, domain: &str) -> Result<String, Trouble> {
    Ok(walk(resolver, domain).await.sure()?.organization(domain))
}

/// Asks for records at `domain` and above, as far as the standard lets one walk.
async fn walk(resolver: &dyn Resolver, domain: &str) -> Walk {
    let (mut found, mut trouble) = (Vec::new(), None);
    let mut name = domain;
    loop {
        match ask(resolver, name).await {
            Ok(Some(record)) => {
                let ends = record.psd.is_some();
                found.push((name.to_owned(), Arc::new(record)));
                if ends {
                    break;
                }
            }
            Ok(None) => {}
            Err(Trouble(why)) => trouble = trouble.or(Some(why)),
        }
        // A long name is walked from its last labels only, so that it costs no more questions than a short one.
        let labels = name.split('.').count();
        let skip = if labels > DMARC_WALK_LABELS_MAX { labels - DMARC_WALK_LABELS_MAX + 1 } else { 1 };
        let mut rest = Some(name);
        for _ in 0..skip {
            rest = rest.and_then(|n| n.split_once('.')).map(|(_, above)| above);
        }
        match rest {
            Some(above) if !above.is_empty() => name = above,
            _ => break,
        }
    }
    Walk { records: found, trouble }
}

/// The one DMARC record of a name; several count as none (RFC 7489 §6.6.3).
async fn ask(resolver: &dyn Resolver, domain: &str) -> Result<Option<DmarcRecord>, Trouble> {
    let name = format!("_dmarc.{domain}");
    let records = match resolver.ask(&name, RecordKind::Txt).await.records {
        Ok(records) => records,
        Err(NoRecords::NxDomain | NoRecords::NoData | NoRecords::BadName) => return Ok(None),
        Err(trouble) => return Err(Trouble(format!("TXT of {name}: {trouble}"))),
    };
    let mut texts = records.iter().filter_map(|r| match r {
        Record::Txt(txt) if record::is_dmarc(txt) => Some(txt),
        _ => None,
    });
    match (texts.next(), texts.next()) {
        (Some(txt), None) => Ok(DmarcRecord::parse(txt)),
        _ => Ok(None),
    }
}

/// Whether a proved domain belongs to the one in From.
async fn aligned(
    resolver: &dyn Resolver,
    from: &str,
    organization: &str,
    proved: &str,
    is_strict: bool,
) -> Result<bool, Trouble> {
    let proved = proved.trim_end_matches('.').to_ascii_lowercase();
    if proved == from {
        return Ok(true);
    }
    // Without a common end they cannot have a common organization: saves the walk.
    if is_strict || !is_at_or_below(&proved, organization) {
        return Ok(false);
    }
    Ok(walk(resolver, &proved).await.sure()?.organization(&proved) == organization)
}

/// Whether a name exists at all: it has addresses or exchangers, or at least is no NXDOMAIN.
async fn exists(resolver: &dyn Resolver, domain: &str) -> Result<bool, Trouble> {
    for kind in [RecordKind::Mx, RecordKind::A, RecordKind::Aaaa] {
        match resolver.ask(domain, kind).await.records {
            Err(NoRecords::NxDomain) => {}
            Err(trouble) if trouble.is_transient() => {
                return Err(Trouble(format!("{kind:?} of {domain}: {trouble}")));
            }
            _ => return Ok(true),
        }
    }
    Ok(false)
}

/// The name one label below `suffix` on the way down to `name`.
fn one_below<'a>(name: &'a str, suffix: &str) -> &'a str {
    let mut rest = name;
    while let Some((_, above)) = rest.split_once('.') {
        if above == suffix {
            return rest;
        }
        rest = above;
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::ready;
    use std::time::Duration;

    use super::super::Policy;
    use super::*;
    use crate::base::world::{BoxFuture, DnsAnswer};

    struct Txt(BTreeMap<&'static str, &'static str>);

    impl Resolver for Txt {
        fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
            let records = match (self.0.get(name), kind) {
                (Some(&"SERVFAIL"), _) => Err(NoRecords::ServFail),
                (Some(txt), RecordKind::Txt) => {
                    Ok(txt.split(" | ").map(|t| Record::Txt(t.as_bytes().to_vec())).collect())
                }
                (Some(_), _) => Err(NoRecords::NoData),
                (None, _) => Err(NoRecords::NxDomain),
            };
            Box::pin(ready(DnsAnswer { records, ttl: Duration::ZERO, secure: false }))
        }
    }

    /// From, SPF domain (empty: fail), DKIM domain (empty: none), result and policy.
    type Case = (&'static str, &'static str, &'static str, &'static str);

    #[test]
    fn verdicts() {
        let zone = Txt(BTreeMap::from([
            ("_dmarc.example.com", "v=DMARC1; p=reject; sp=quarantine; np=reject"),
            ("known.example.com", "exists"),
            ("_dmarc.strict.org", "v=DMARC1; p=quarantine; adkim=s; aspf=s"),
            ("_dmarc.own.example.com", "v=DMARC1; p=none"),
            ("_dmarc.test.org", "v=DMARC1; p=reject; t=y"),
            ("_dmarc.two.org", "v=DMARC1; p=reject | v=DMARC1; p=none"),
            ("_dmarc.down.org", "SERVFAIL"),
            ("_dmarc.bank", "v=DMARC1; p=reject; psd=y"),
            ("_dmarc.sure.bank", "v=DMARC1; p=quarantine"),
            ("_dmarc.a.b.c.d.e.f.long.org", "v=DMARC1; p=reject"),
            ("_dmarc.long.org", "v=DMARC1; p=reject"),
        ]));
        let cases: &[Case] = &[
            ("example.com", "example.com", "", "pass none"),
            ("example.com", "", "example.com", "pass none"),
            ("example.com", "mail.example.com", "", "pass none"),
            ("known.example.com", "", "other.example.com", "pass none"),
            ("example.com", "", "", "fail reject"),
            ("example.com", "evil.com", "evil.com", "fail reject"),
            ("example.com", "notexample.com", "", "fail reject"),
            ("known.example.com", "", "", "fail quarantine"),
            ("unknown.example.com", "", "", "fail reject"),
            ("own.example.com", "", "", "fail none"),
            ("strict.org", "a.strict.org", "a.strict.org", "fail quarantine"),
            ("strict.org", "strict.org", "", "pass none"),
            ("test.org", "", "", "fail quarantine"),
            ("two.org", "", "", "none none"),
            ("nothing.org", "nothing.org", "", "none none"),
            ("down.org", "down.org", "", "temperror none"),
            ("sure.bank", "", "", "fail quarantine"),
            ("unsure.bank", "", "", "fail reject"),
            ("sure.bank", "", "unsure.bank", "fail quarantine"),
            ("mail.sure.bank", "", "sure.bank", "pass none"),
            ("1.2.3.4.5.6.7.8.9.long.org", "", "long.org", "pass none"),
        ];
        for (from, spf, dkim, wanted) in cases {
            let spf_result = if spf.is_empty() { SpfResult::Fail } else { SpfResult::Pass };
            let evidence = Evidence {
                from_domain: (*from).to_owned(),
                spf: (spf_result, (*spf).to_owned()),
                dkim: if dkim.is_empty() { Vec::new() } else { vec![(DkimResult::Pass, (*dkim).to_owned())] },
            };
            let verdict = smol::block_on(evaluate(&zone, &evidence));
            let said = format!("{} {}", verdict.result, verdict.policy.word());
            assert_eq!(said, *wanted, "{from} {spf:?} {dkim:?}: {}", verdict.why);
        }
    }

    #[test]
    fn trouble_saves_only_what_could_have_aligned() {
        let zone = Txt(BTreeMap::from([
            ("_dmarc.example.com", "v=DMARC1; p=reject; rua=mailto:a@example.com"),
            ("_dmarc.nothing.com", "v=DMARC1; p=maybe"),
            ("_dmarc.down.example.com", "SERVFAIL"),
            ("_dmarc.down.nothing.com", "SERVFAIL"),
        ]));
        let (spf_fails, dkim_fails) = ((SpfResult::Fail, "evil.com"), (DkimResult::Fail, "example.com"));
        type Case = (&'static str, (SpfResult, &'static str), (DkimResult, &'static str), &'static str);
        let cases: &[Case] = &[
            ("example.com", (SpfResult::TempError, "example.com"), dkim_fails, "temperror none false false"),
            ("example.com", (SpfResult::TempError, "evil.com"), dkim_fails, "fail reject false false"),
            ("example.com", spf_fails, (DkimResult::TempError, "example.com"), "temperror none false false"),
            ("example.com", spf_fails, (DkimResult::TempError, "evil.com"), "fail reject false false"),
            ("example.com", spf_fails, (DkimResult::Pass, "down.example.com"), "temperror none false false"),
            (
                "example.com",
                (SpfResult::Pass, "example.com"),
                (DkimResult::Pass, "down.example.com"),
                "pass none false true",
            ),
            ("example.com", (SpfResult::Pass, "example.com"), (DkimResult::Pass, "example.com"), "pass none true true"),
            ("nothing.com", spf_fails, dkim_fails, "none none false false"),
            // The record that cannot be asked for may be strict, or the one that counts.
            ("down.example.com", spf_fails, (DkimResult::Pass, "down.example.com"), "pass none true false"),
            ("down.example.com", spf_fails, (DkimResult::Pass, "example.com"), "temperror none false false"),
            ("down.nothing.com", spf_fails, dkim_fails, "temperror none false false"),
        ];
        for (from, spf, dkim, wanted) in cases {
            let evidence = Evidence {
                from_domain: (*from).to_owned(),
                spf: (spf.0, spf.1.to_owned()),
                dkim: vec![(dkim.0, dkim.1.to_owned())],
            };
            let v = smol::block_on(evaluate(&zone, &evidence));
            let said = format!("{} {} {} {}", v.result, v.policy.word(), v.dkim_aligned, v.spf_aligned);
            assert_eq!(said, *wanted, "{from} {spf:?} {dkim:?}: {}", v.why);
            assert_eq!(v.record.is_some(), from.ends_with("example.com"));
        }
    }

    #[test]
    fn the_percentage_decides_by_the_draw() {
        let failed = DmarcVerdict::without_policy(DmarcResult::Fail, "");
        let failed = DmarcVerdict { policy: Policy::Reject, percent: 20, ..failed };
        assert_eq!((failed.policy_for(19), failed.policy_for(20)), (Policy::Reject, Policy::Quarantine));
    }
}
