//! The record at `_dmarc.<domain>` (RFC 7489 §6.3, RFC 9989 §4.7).

use super::super::tags::Tags;
use super::Policy;

/// A policy record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DmarcRecord {
    pub(super) policy: Policy,
    /// For subdomains; `policy` where not said.
    pub(super) subdomain_policy: Policy,
    /// For subdomains that do not exist; `subdomain_policy` where not said.
    pub(super) nonexistent_policy: Policy,
    pub(super) strict_dkim: bool,
    pub(super) strict_spf: bool,
    pub(super) percent: u8,
    /// `t=y`: the policy is not to be applied in full.
    pub(super) is_testing: bool,
    /// `psd=`: whether this is a public suffix (`y`), certainly an organization (`n`), or not said.
    pub(super) psd: Option<bool>,
}

/// Whether a TXT record claims to be a DMARC record.
pub(super) fn is_dmarc(txt: &[u8]) -> bool {
    let Some(rest) = txt.trim_ascii_start().strip_prefix(b"v") else { return false };
    let Some(rest) = rest.trim_ascii_start().strip_prefix(b"=") else { return false };
    let Some(rest) = rest.trim_ascii_start().strip_prefix(b"DMARC1") else { return false };
    rest.trim_ascii_start().first().is_none_or(|c| *c == b';')
}

/// Parses a record. Unknown tags and unknown values of lesser tags are passed over, as the standard wants; a record
/// without a policy counts as `p=none` where it asks for reports, and not at all otherwise.
pub(super) fn parse(txt: &[u8]) -> Option<DmarcRecord> {
    let text = std::str::from_utf8(txt).ok()?;
    let tags = Tags::parse(text)?;
    let has_reports = tags.get("rua").is_some_and(|uri| !uri.is_empty());
    let policy = match tags.get("p") {
        Some(word) => match policy(word) {
            Some(policy) => policy,
            None if has_reports => Policy::None,
            None => return None,
        },
        None if has_reports => Policy::None,
        None => return None,
    };
    let subdomain_policy = tags.get("sp").and_then(self::policy).unwrap_or(policy);
    let is = |tag, word: &str| tags.get(tag).is_some_and(|value| value.eq_ignore_ascii_case(word));
    Some(DmarcRecord {
        policy,
        subdomain_policy,
        nonexistent_policy: tags.get("np").and_then(self::policy).unwrap_or(subdomain_policy),
        strict_dkim: is("adkim", "s"),
        strict_spf: is("aspf", "s"),
        percent: tags.get("pct").and_then(|p| p.parse().ok()).filter(|p| *p <= 100).unwrap_or(100),
        is_testing: is("t", "y"),
        psd: if is("psd", "y") { Some(true) } else { is("psd", "n").then_some(false) },
    })
}

fn policy(word: &str) -> Option<Policy> {
    [Policy::None, Policy::Quarantine, Policy::Reject].into_iter().find(|p| p.word().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let record = parse(b"v=DMARC1; p=reject; sp=quarantine; adkim=s; pct=20; t=y; psd=n; rua=mailto:a@b").unwrap();
        assert_eq!((record.policy, record.subdomain_policy), (Policy::Reject, Policy::Quarantine));
        assert_eq!(record.nonexistent_policy, Policy::Quarantine);
        assert!(record.strict_dkim && !record.strict_spf && record.is_testing);
        assert_eq!((record.percent, record.psd), (20, Some(false)));
        for (text, policy) in [
            ("v=DMARC1; p=none", Some(Policy::None)),
            ("v=DMARC1;p=Reject;", Some(Policy::Reject)),
            ("v=DMARC1", None),
            ("v=DMARC1; p=maybe", None),
            ("v=DMARC1; p=maybe; rua=mailto:a@b", Some(Policy::None)),
            ("v=DMARC1; rua=mailto:a@b", Some(Policy::None)),
            ("v=DMARC1; p=quarantine; pct=999; foo=bar", Some(Policy::Quarantine)),
        ] {
            assert_eq!(parse(text.as_bytes()).map(|r| r.policy), policy, "{text}");
        }
        assert!(is_dmarc(b"v = DMARC1 ; p=none") && is_dmarc(b"v=DMARC1"));
        assert!(!is_dmarc(b"v=DMARC10; p=none") && !is_dmarc(b"v=spf1") && !is_dmarc(b"p=none; v=DMARC1"));
    }
}
