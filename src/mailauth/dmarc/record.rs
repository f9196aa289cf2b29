//! The record at `_dmarc.<domain>` (RFC 7489 §6.3, RFC 9989 §4.7): what a domain asks of those who get its mail.
//!
//! Reading is lenient, as both standards want it: only the version must be right and come first; a tag that cannot be
//! understood counts as not there, and so does a tag's second value.

use super::Policy;
use crate::base::Address;
use crate::base::limits::{DMARC_RECORD_OCTETS_MAX, DMARC_REPORT_URIS_MAX};
use crate::mailauth::tags::{Tags, version};

/// What a domain published. Tags it left out have their default, except where an `Option` says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DmarcRecord {
    /// The record as it stands in DNS.
    pub text: String,
    /// Whether there is a policy to apply. Not where `p` is missing or unknown, or `sp` or `np` unknown, and no reports
    /// are asked for either: mail is then treated as if there were no record (RFC 9989 §4.10.1).
    pub applies: bool,
    /// `p`: for the domain itself.
    pub policy: Policy,
    /// `sp`: for subdomains, where it differs.
    pub subdomain_policy: Option<Policy>,
    /// `np`: for subdomains that do not exist, where it differs.
    pub nonexistent_policy: Option<Policy>,
    /// `adkim=s`: DKIM must be of exactly the domain in From.
    pub strict_dkim: bool,
    /// `aspf=s`: SPF must be of exactly the domain in From.
    pub strict_spf: bool,
    /// `pct`: percentage of failing mail the policy is for. RFC 9989 has it no more, RFC 7489 domains still say it.
    pub percent: u8,
    /// `t=y`: the policy is not to be applied in full.
    pub is_testing: bool,
    /// `psd`: whether this is a public suffix (`y`), certainly an organization (`n`), or not said.
    pub psd: Option<bool>,
    /// `rua`: where aggregate reports are to go, at most `DMARC_REPORT_URIS_MAX`. Only mail addresses; other ways of
    /// delivery are not ours.
    pub aggregate: Vec<ReportAddress>,
    /// `ruf`: where reports of single failures are to go. This engine reads it and sends none: they give away what was
    /// mailed to whom.
    pub failure: Vec<ReportAddress>,
    /// `fo`: on what reports of single failures are wanted; means nothing without `ruf`.
    pub failure_on: FailureOn,
    /// `rf`: formats of reports of single failures (RFC 7489 only), lower case; `afrf` where not said.
    pub failure_formats: Vec<String>,
    /// `ri`: seconds between aggregate reports (RFC 7489 only); a day where not said.
    pub interval_seconds: u32,
}

/// On what a report of a single failure is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureOn {
    /// `0`: nothing passed and was aligned.
    pub all_failed: bool,
    /// `1`: something did not pass or was not aligned.
    pub any_failed: bool,
    /// `d`: a signature failed, aligned or not.
    pub dkim: bool,
    /// `s`: SPF failed, aligned or not.
    pub spf: bool,
}

/// A `mailto:` of `rua` or `ruf` (RFC 7489 §6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportAddress {
    /// Who gets the report.
    pub address: Address,
    /// Octets the report may have as it travels, encoded (`!10m`).
    pub octets_max: Option<u64>,
}

impl DmarcRecord {
    /// Reads a TXT record; `None` for one that is no DMARC record, and for one of more than `DMARC_RECORD_OCTETS_MAX`.
    pub fn parse(txt: &[u8]) -> Option<DmarcRecord> {
        let text = std::str::from_utf8(txt).ok().filter(|text| text.len() <= DMARC_RECORD_OCTETS_MAX)?;
        let tags = Some(Tags::lenient(text)).filter(|_| is_dmarc(txt))?;
        let number = |tag| tags.number(tag).flatten().and_then(|n| u32::try_from(n).ok());
        let (aggregate, asks_for_reports) = uris(tags.get("rua"));
        let p = tags.get("p").and_then(policy);
        let is_known = |tag| tags.get(tag).is_none_or(|word| policy(word).is_some());
        let is_sound = p.is_some() && is_known("sp") && is_known("np");
        let said = |tag| tags.get(tag).and_then(policy).filter(|_| is_sound);
        let is = |tag, word: &str| tags.get(tag).is_some_and(|value| value.eq_ignore_ascii_case(word));
        Some(DmarcRecord {
            text: text.to_owned(),
            applies: is_sound || asks_for_reports,
            policy: p.filter(|_| is_sound).unwrap_or(Policy::None),
            subdomain_policy: said("sp"),
            nonexistent_policy: said("np"),
            strict_dkim: is("adkim", "s"),
            strict_spf: is("aspf", "s"),
            percent: number("pct").and_then(|p| u8::try_from(p).ok()).filter(|p| *p <= 100).unwrap_or(100),
            is_testing: is("t", "y"),
            psd: if is("psd", "y") { Some(true) } else { is("psd", "n").then_some(false) },
            aggregate,
            failure: uris(tags.get("ruf")).0,
            failure_on: FailureOn::parse(tags.get("fo").unwrap_or_default()),
            failure_formats: formats(tags.get("rf").unwrap_or_default()),
            interval_seconds: number("ri").unwrap_or(86_400),
        })
    }

    /// The policy for subdomains: `sp`, else `p`.
    pub fn for_subdomains(&self) -> Policy {
        self.subdomain_policy.unwrap_or(self.policy)
    }

    /// The policy for subdomains that do not exist: `np`, else `sp`, else `p`.
    pub fn for_nonexistent(&self) -> Policy {
        self.nonexistent_policy.unwrap_or(self.for_subdomains())
    }
}

impl FailureOn {
    /// Reads `fo`; options that are unknown are passed over, and where none is left it is the default, `0`.
    fn parse(text: &str) -> FailureOn {
        let has = |option| text.split(':').any(|word| word.trim().eq_ignore_ascii_case(option));
        let mut on = FailureOn { all_failed: has("0"), any_failed: has("1"), dkim: has("d"), spf: has("s") };
        on.all_failed |= !(on.any_failed || on.dkim || on.spf);
        on
    }

    /// As `fo` writes it.
    pub fn text(self) -> String {
        let options = [(self.all_failed, "0"), (self.any_failed, "1"), (self.dkim, "d"), (self.spf, "s")];
        options.iter().filter(|(is, _)| *is).map(|(_, option)| *option).collect::<Vec<_>>().join(":")
    }
}

/// Whether a TXT record claims to be a DMARC record.
pub(super) fn is_dmarc(txt: &[u8]) -> bool {
    version(txt).is_some_and(|(name, value)| name.eq_ignore_ascii_case("v") && value == "DMARC1")
}

fn policy(word: &str) -> Option<Policy> {
    [Policy::None, Policy::Quarantine, Policy::Reject].into_iter().find(|p| p.word().eq_ignore_ascii_case(word))
}

fn formats(text: &str) -> Vec<String> {
    let words = text.split(':').map(|word| word.trim().to_ascii_lowercase()).filter(|word| !word.is_empty());
    let formats: Vec<String> = words.take(DMARC_REPORT_URIS_MAX).collect();
    if formats.is_empty() { vec!["afrf".to_owned()] } else { formats }
}

/// The mail addresses of a list of URIs, and whether it has any URI at all.
fn uris(list: Option<&str>) -> (Vec<ReportAddress>, bool) {
    let uris = || list.unwrap_or_default().split(',').map(str::trim).take(DMARC_REPORT_URIS_MAX);
    let is_uri = |uri: &str| uri.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty());
    (uris().filter_map(report_address).collect(), uris().any(is_uri))
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
}

/// `mailto:name@domain!10m`. Header fields of the URI (`?subject=`) are not for us to obey.
fn report_address(uri: &str) -> Option<ReportAddress> {
    let (scheme, rest) = uri.split_once(':')?;
    scheme.eq_ignore_ascii_case("mailto").then_some(())?;
    let (rest, octets_max) = match rest.rsplit_once('!') {
        Some((rest, size)) => (rest, Some(octets(size)?)),
        None => (rest, None),
    };
    let address = rest.split_once('?').map_or(rest, |(address, _)| address);
    Some(ReportAddress { address: Address::parse(&percent_decoded(address)?).ok()?, octets_max })
}

/// RFC 3986 §2.1; `None` for an escape that is none.
fn percent_decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(c) = rest.next() {
        if c != b'%' {
            octets.push(c);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        octets.push(u8::try_from(digit()? << 4 | digit()?).ok()?);
    }
    String::from_utf8(octets).ok()
}

/// `10m`: octets in units of 2^10, 2^20, 2^30 or 2^40.
fn octets(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match size.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    digits.bytes().all(|c| c.is_ascii_digit()).then_some(())?;
    Some(digits.parse::<u64>().ok()?.saturating_mul(1 << shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let record = DmarcRecord::parse(
            b"v=DMARC1; p=reject; sp=quarantine; adkim=s; pct=20; t=y; psd=n; fo=1:d; rf=afrf:x; ri=3600; \
              rua=mailto:a@b.example!10m, https://x.example/ ,mailto:c%2Bd@e.example?subject=x; ruf=mailto:f@b.example",
        )
        .unwrap();
        assert_eq!((record.policy, record.for_subdomains()), (Policy::Reject, Policy::Quarantine));
        assert_eq!((record.nonexistent_policy, record.for_nonexistent()), (None, Policy::Quarantine));
        assert!(record.applies && record.strict_dkim && !record.strict_spf && record.is_testing);
        assert_eq!((record.percent, record.psd, record.interval_seconds), (20, Some(false), 3600));
        assert_eq!((record.failure_on.text(), record.failure_formats.join(" ")), ("1:d".into(), "afrf x".into()));
        let to: Vec<_> = record.aggregate.iter().map(|to| (to.address.to_string(), to.octets_max)).collect();
        assert_eq!(to, [("a@b.example".to_owned(), Some(10 << 20)), ("c+d@e.example".to_owned(), None)]);
        assert_eq!(record.failure.len(), 1);
    }

    #[test]
    fn what_a_record_comes_to() {
        for (text, policy) in [
            ("v=DMARC1; p=none", Some(Policy::None)),
            ("v=DMARC1;p=Reject;", Some(Policy::Reject)),
            ("V = DMARC1 ; P = reject ;; ; nonsense", Some(Policy::Reject)),
            ("v=DMARC1; p=reject; p=none", Some(Policy::Reject)),
            ("v=DMARC1", None),
            ("v=DMARC1; psd=y", None),
            ("v=DMARC1; p=maybe", None),
            ("v=DMARC1; p=reject; sp=maybe", None),
            ("v=DMARC1; p=reject; np=maybe; rua=mailto:a@b.example", Some(Policy::None)),
            ("v=DMARC1; p=maybe; rua=mailto:a@b.example", Some(Policy::None)),
            ("v=DMARC1; rua=https://a.example/", Some(Policy::None)),
            ("v=DMARC1; rua=nobody", None),
            ("v=DMARC1; p=quarantine; pct=999; foo=bar", Some(Policy::Quarantine)),
        ] {
            let record = DmarcRecord::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(record.applies.then_some(record.policy), policy, "{text}");
            assert_eq!(record.percent, 100);
        }
        for text in ["v=DMARC10; p=none", "v=spf1", "p=none; v=DMARC1", "v=dmarc1; p=none", "", "v=DMARC1 p=none"] {
            assert_eq!(DmarcRecord::parse(text.as_bytes()), None, "{text}");
        }
        let long = |octets: usize| format!("v=DMARC1; p=none; x={}", "x".repeat(octets - 20));
        assert!(DmarcRecord::parse(long(DMARC_RECORD_OCTETS_MAX).as_bytes()).is_some());
        assert!(DmarcRecord::parse(long(DMARC_RECORD_OCTETS_MAX + 1).as_bytes()).is_none());
    }

    #[test]
    fn report_addresses() {
        for (uri, wanted) in [
            ("mailto:a@b.example", Some(None)),
            ("MAILTO:a@b.example!5", Some(Some(5))),
            ("mailto:a@b.example!5K", Some(Some(5120))),
            ("mailto:a@b.example!99999999999999t", Some(Some(u64::MAX))),
            ("mailto:a@b.example!", None),
            ("mailto:a@b.example!5x", None),
            ("mailto:a@b.example!-5", None),
            ("mailto:", None),
            ("mailto:%zz@b.example", None),
            ("a@b.example", None),
        ] {
            assert_eq!(report_address(uri).map(|to| to.octets_max), wanted, "{uri}");
        }
        let many = ["mailto:a@b.example"; DMARC_REPORT_URIS_MAX + 1].join(",");
        assert_eq!(uris(Some(&many)).0.len(), DMARC_REPORT_URIS_MAX);
    }
}
