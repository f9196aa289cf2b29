//! BIMI (draft-brand-indicators-for-message-identification): which picture does the author's domain want shown beside
//! its mail?
//!
//! Data only: the record is found and read. Nothing is fetched, no certificate is looked at, so nothing here says that
//! the picture is the domain's to show; selectors by local part (`lps=`) are not followed.

use std::fmt;

use super::dmarc::{self, DmarcRecord, DmarcResult, DmarcVerdict, Policy};
use super::tags::{Tags, a_labels, version};
use crate::base::Address;
use crate::base::limits::BIMI_RECORD_OCTETS_MAX;
use crate::base::world::{NoRecords, Record, RecordKind, Resolver};
use crate::message::{Doubt, header};

/// What the search came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BimiResult {
    /// There is a record that names an indicator.
    Found,
    /// There is no record.
    None,
    /// The record says that the domain wants nothing shown.
    Declined,
    /// The message or the domain's policy does not allow to ask.
    Skipped,
    /// The record, or the field that names its selector, cannot be read.
    Fail,
    /// DNS failed.
    TempError,
}

impl BimiResult {
    /// As Authentication-Results would write it; there `pass` says that the indicator was fetched and verified, which
    /// `Found` is not, so we do not write it.
    pub fn word(self) -> &'static str {
        match self {
            BimiResult::Found => "found",
            BimiResult::None => "none",
            BimiResult::Declined => "declined",
            BimiResult::Skipped => "skipped",
            BimiResult::Fail => "fail",
            BimiResult::TempError => "temperror",
        }
    }
}

impl fmt::Display for BimiResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What is known of an indicator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BimiVerdict {
    /// The result.
    pub result: BimiResult,
    /// Domain of the record; empty where there is none.
    pub domain: String,
    /// The selector that was asked for.
    pub selector: String,
    /// `l=`: where the indicator is, an `https:` URI. Empty unless found, and where only `a=` was given.
    pub indicator: String,
    /// `a=`: where the evidence is that it is the domain's, an `https:` URI; empty for none.
    pub evidence: String,
    /// Whether the domain would rather see a picture of the person than its own (`avp=personal`).
    pub prefers_person: bool,
    /// What stood in the way; empty where something was found.
    pub why: String,
}

/// What a header says that BIMI looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Whether there is one From with one address.
    has_one_author: bool,
    /// The selector; `None` where the field for it cannot be read.
    selector: Option<String>,
}

impl Asked {
    pub(super) fn read(front: &[u8], authors: &Result<Vec<Address>, Doubt>) -> Asked {
        let has_one_author = authors.as_ref().is_ok_and(|authors| authors.len() == 1);
        let mut selectors = header::fields(front).filter(|field| field.is("BIMI-Selector"));
        let selector = match (selectors.next(), selectors.next()) {
            (None, _) => Some("default".to_owned()),
            (Some(field), None) => selector(&field.value()),
            _ => None,
        };
        Asked { has_one_author, selector }
    }

    /// Looks for the record, if the message may have an indicator at all.
    pub(super) async fn discover(&self, resolver: &dyn Resolver, from: &str, dmarc: &DmarcVerdict) -> BimiVerdict {
        let Some(selector) = &self.selector else {
            return verdict("", BimiResult::Fail, "BIMI-Selector cannot be read");
        };
        let say = |result, why: &str| verdict(selector, result, why);
        if !self.has_one_author {
            return say(BimiResult::Skipped, "the message has not one author");
        }
        if dmarc.result != DmarcResult::Pass {
            return say(BimiResult::Skipped, &format!("dmarc {}", dmarc.result));
        }
        let (organization, records) = match dmarc::published(resolver, from).await {
            Ok(found) => found,
            Err(why) => return say(BimiResult::TempError, &why),
        };
        if let Some(why) = records.iter().find_map(|record| weakness(record)) {
            return say(BimiResult::Skipped, why);
        }
        let mut domains = vec![from.to_owned()];
        domains.extend((organization != from).then_some(organization));
        for domain in domains {
            match ask(resolver, selector, &domain).await {
                Ok(None) => {}
                Ok(Some(text)) => return BimiVerdict { domain, ..read(&text, selector) },
                Err((result, why)) => return say(result, &why),
            }
        }
        say(BimiResult::None, &format!("no record at {selector}._bimi.{from}"))
    }
}

fn verdict(selector: &str, result: BimiResult, why: &str) -> BimiVerdict {
    BimiVerdict {
        result,
        domain: String::new(),
        selector: selector.to_owned(),
        indicator: String::new(),
        evidence: String::new(),
        prefers_person: false,
        why: why.to_owned(),
    }
}

/// Why a policy is not one that keeps forgeries out, if it is not.
fn weakness(record: &DmarcRecord) -> Option<&'static str> {
    if record.policy == Policy::None || record.is_testing {
        Some("the domain's policy enforces nothing")
    } else if record.subdomain_policy == Some(Policy::None) {
        Some("the domain's policy enforces nothing for subdomains")
    } else if record.policy == Policy::Quarantine && record.percent < 100 {
        Some("the domain's policy is for part of its mail only")
    } else {
        None
    }
}

/// `v=BIMI1; s=brand`
fn selector(value: &[u8]) -> Option<String> {
    let tags = Tags::parse(std::str::from_utf8(value).ok()?)?;
    (tags.first() == Some("v") && tags.get("v") == Some("BIMI1")).then_some(())?;
    a_labels(tags.get("s")?)
}

/// The one record at a domain.
async fn ask(resolver: &dyn Resolver, selector: &str, domain: &str) -> Result<Option<String>, (BimiResult, String)> {
    let name = format!("{selector}._bimi.{domain}");
    let records = match resolver.ask(&name, RecordKind::Txt).await.records {
        Ok(records) => records,
        Err(NoRecords::NxDomain | NoRecords::NoData | NoRecords::BadName) => return Ok(None),
        Err(trouble) => return Err((BimiResult::TempError, format!("record at {name}: {trouble}"))),
    };
    let mut texts = records.iter().filter_map(|record| match record {
        Record::Txt(txt) if txt.len() <= BIMI_RECORD_OCTETS_MAX => {
            std::str::from_utf8(txt).ok().filter(|text| is_bimi(text))
        }
        _ => None,
    });
    match (texts.next(), texts.next()) {
        (None, _) => Ok(None),
        (Some(text), None) => Ok(Some(text.to_owned())),
        _ => Err((BimiResult::Fail, format!("{name} has more than one record"))),
    }
}

/// Whether a record begins with `v=BIMI1`.
fn is_bimi(text: &str) -> bool {
    version(text.as_bytes()) == Some(("v", "BIMI1"))
}

/// Reads a record.
fn read(text: &str, selector: &str) -> BimiVerdict {
    let fail = |why: &str| verdict(selector, BimiResult::Fail, why);
    let Some(tags) = Tags::parse(text) else { return fail("the record is no tag list") };
    let (indicator, evidence) = (tags.get("l").unwrap_or_default(), tags.get("a").unwrap_or_default());
    if indicator.is_empty() && evidence.is_empty() {
        return match tags.get("l") {
            Some(_) => verdict(selector, BimiResult::Declined, "the domain wants nothing shown"),
            None => fail("the record has no l="),
        };
    }
    if indicator.is_empty() || !is_https(indicator) {
        return fail("l= of the record is no https: URI");
    }
    if !evidence.is_empty() && !is_https(evidence) {
        return fail("a= of the record is no https: URI");
    }
    BimiVerdict {
        indicator: indicator.to_owned(),
        evidence: evidence.to_owned(),
        prefers_person: tags.get("avp").is_some_and(|avp| avp.eq_ignore_ascii_case("personal")),
        ..verdict(selector, BimiResult::Found, "")
    }
}

fn is_https(uri: &str) -> bool {
    let rest = uri.split_at_checked("https://".len()).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("https://"));
    rest.is_some_and(|(_, rest)| {
        rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && rest.bytes().all(|c| c.is_ascii_graphic())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::ready;
    use std::time::Duration;

    use super::*;
    use crate::base::world::{BoxFuture, DnsAnswer};

    struct Txt(BTreeMap<&'static str, &'static str>);

    impl Resolver for Txt {
        fn ask(&self, name: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
            let records = match self.0.get(name) {
                Some(&"SERVFAIL") => Err(NoRecords::ServFail),
                Some(txt) => Ok(txt.split(" | ").map(|t| Record::Txt(t.as_bytes().to_vec())).collect()),
                None => Err(NoRecords::NxDomain),
            };
            Box::pin(ready(DnsAnswer { records, ttl: Duration::ZERO, secure: false }))
        }
    }

    #[test]
    fn records() {
        let zone = Txt(BTreeMap::from([
            ("_dmarc.a.org", "v=DMARC1; p=reject"),
            ("default._bimi.a.org", "v=spf1 | v=BIMI1; l=https://a.org/i.svg; a=https://a.org/e.pem; avp=personal"),
            ("brand._bimi.a.org", "v=BIMI1;l=HTTPS://b.org/;"),
            ("_dmarc.none.org", "v=DMARC1; p=none"),
            ("_dmarc.part.org", "v=DMARC1; p=quarantine; pct=50"),
            ("_dmarc.test.org", "v=DMARC1; p=reject; t=y"),
            ("_dmarc.sub.org", "v=DMARC1; p=reject; sp=none"),
            ("_dmarc.x.none.org", "v=DMARC1; p=reject"),
            ("_dmarc.q.org", "v=DMARC1; p=quarantine"),
            ("default._bimi.q.org", "v=BIMI1; l=; a="),
            ("_dmarc.two.org", "v=DMARC1; p=reject"),
            ("default._bimi.two.org", "v=BIMI1; l=https://a/ | v=BIMI1; l=https://b/"),
            ("_dmarc.http.org", "v=DMARC1; p=reject"),
            ("default._bimi.http.org", "v=BIMI1; l=http://a/"),
            ("_dmarc.down.org", "v=DMARC1; p=reject"),
            ("default._bimi.down.org", "SERVFAIL"),
            ("_dmarc.empty.org", "v=DMARC1; p=reject"),
        ]));
        for (header, from, wanted) in [
            ("", "a.org", "Found a.org default https://a.org/i.svg https://a.org/e.pem true"),
            ("", "x.a.org", "Found a.org default https://a.org/i.svg https://a.org/e.pem true"),
            ("BIMI-Selector: v=BIMI1; s=brand;\r\n", "x.a.org", "Found a.org brand HTTPS://b.org/  false"),
            ("BIMI-Selector: v=BIMI1; s=other\r\n", "a.org", "None: no record at other._bimi.a.org"),
            ("BIMI-Selector: s=brand\r\n", "a.org", "Fail: BIMI-Selector cannot be read"),
            ("BIMI-Selector: v=BIMI1; s=a b\r\n", "a.org", "Fail: BIMI-Selector cannot be read"),
            ("From: b@a.org\r\n", "a.org", "Skipped: the message has not one author"),
            ("", "none.org", "Skipped: the domain's policy enforces nothing"),
            ("", "x.none.org", "Skipped: the domain's policy enforces nothing"),
            ("", "test.org", "Skipped: the domain's policy enforces nothing"),
            ("", "sub.org", "Skipped: the domain's policy enforces nothing for subdomains"),
            ("", "part.org", "Skipped: the domain's policy is for part of its mail only"),
            ("", "q.org", "Declined: the domain wants nothing shown"),
            ("", "two.org", "Fail: default._bimi.two.org has more than one record"),
            ("", "http.org", "Fail: l= of the record is no https: URI"),
            ("", "down.org", "TempError: record at default._bimi.down.org: the name server failed"),
            ("", "empty.org", "None: no record at default._bimi.empty.org"),
        ] {
            let header = format!("From: a@{from}\r\n{header}\r\n");
            let asked = Asked::read(header.as_bytes(), &crate::message::author(&[header.as_bytes()]));
            let dmarc = DmarcVerdict { result: DmarcResult::Pass, ..DmarcVerdict::default() };
            let v = smol::block_on(asked.discover(&zone, from, &dmarc));
            let told = match v.result {
                BimiResult::Found => {
                    format!("Found {} {} {} {} {}", v.domain, v.selector, v.indicator, v.evidence, v.prefers_person)
                }
                other => format!("{other:?}: {}", v.why),
            };
            assert_eq!(told, wanted, "{from} {header:?}");
        }
        let failed = DmarcVerdict { result: DmarcResult::Fail, ..DmarcVerdict::default() };
        let asked = Asked::read(b"From: a@a.org\r\n", &crate::message::author(&[b"From: a@a.org\r\n"]));
        assert_eq!(smol::block_on(asked.discover(&zone, "a.org", &failed)).why, "dmarc fail");
    }
}
