//! Reads the JSON of TLS reports, as leniently as it can be understood.

use serde_json::Value;

use super::{TlsFailure, TlsPolicySummary, TlsReport};
use crate::base::limits::{TLS_REPORT_PARTS_MAX, TLS_RESULT_TEXT_OCTETS_MAX};
use crate::base::{Timestamp, text};
use crate::feedback::NoReport;

/// Reads a report. `Other` where it is no JSON, or JSON without policies.
pub fn parse(octets: &[u8]) -> Result<TlsReport, NoReport> {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    if !octets.trim_ascii_start().starts_with(b"{") {
        return Err(NoReport::Other);
    }
    let text = String::from_utf8_lossy(octets);
    let report: Value = serde_json::from_str(&text).map_err(|e| NoReport::Broken(e.to_string()))?;
    let policies = member(&report, "policies").ok_or(NoReport::Other)?;
    let range = member(&report, "date-range").unwrap_or(&Value::Null);
    let date = |name| member(range, name).and_then(Value::as_str).and_then(moment).unwrap_or_default();
    Ok(TlsReport {
        organization: text_of(&report, "organization-name"),
        contact: text_of(&report, "contact-info"),
        report_id: text_of(&report, "report-id"),
        begins: date("start-datetime"),
        ends: date("end-datetime"),
        policies: list(policies).take(TLS_REPORT_PARTS_MAX).map(summary).collect(),
    })
}

/// A policy, without counts.
pub(super) fn policy(value: &Value) -> TlsPolicySummary {
    let hosts = ["mx-host", "mx-host-pattern"].into_iter().find_map(|name| member(value, name));
    TlsPolicySummary {
        kind: text_of(value, "policy-type"),
        strings: texts(member(value, "policy-string")),
        domain: text_of(value, "policy-domain").trim_end_matches('.').to_ascii_lowercase(),
        hosts: texts(hosts),
        ..TlsPolicySummary::default()
    }
}

/// A failure.
pub(super) fn failure(value: &Value) -> TlsFailure {
    TlsFailure {
        result: text_of(value, "result-type"),
        sending_ip: text_of(value, "sending-mta-ip"),
        host: text_of(value, "receiving-mx-hostname"),
        receiving_ip: text_of(value, "receiving-ip"),
        helo: text_of(value, "receiving-mx-helo"),
        sessions: number_of(value, "failed-session-count"),
        information: text_of(value, "additional-information"),
        reason: text_of(value, "failure-reason-code"),
    }
}

fn summary(value: &Value) -> TlsPolicySummary {
    // Some write the policy's members beside the summary.
    let its_policy = member(value, "policy").unwrap_or(value);
    let counts = member(value, "summary").unwrap_or(value);
    let failures = member(value, "failure-details").unwrap_or(&Value::Null);
    TlsPolicySummary {
        succeeded: number_of(counts, "total-successful-session-count"),
        failed: number_of(counts, "total-failure-session-count"),
        failures: list(failures).take(TLS_REPORT_PARTS_MAX).map(failure).collect(),
        ..policy(its_policy)
    }
}

/// A member by its name, with hyphens or underscores, in any case.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let members = value.as_object()?;
    let is_it = |other: &str| {
        other.len() == name.len()
            && other.bytes().zip(name.bytes()).all(|(o, n)| o.eq_ignore_ascii_case(&n) || (o == b'_' && n == b'-'))
    };
    members.get(name).or_else(|| members.iter().find(|(other, _)| is_it(other)).map(|(_, value)| value))
}

/// The items of a list; a single value is a list of one, nothing is an empty one.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    let (many, one) = match value {
        Value::Array(items) => (items.as_slice(), None),
        Value::Null => (&[][..], None),
        other => (&[][..], Some(other)),
    };
    many.iter().chain(one)
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let texts = value.into_iter().flat_map(list).filter_map(Value::as_str);
    texts.take(TLS_REPORT_PARTS_MAX).map(cut).collect()
}

fn text_of(value: &Value, name: &str) -> String {
    match member(value, name) {
        Some(Value::String(text)) => cut(text),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn number_of(value: &Value, name: &str) -> u64 {
    match member(value, name) {
        Some(Value::Number(number)) => number.as_u64().or(number.as_f64().map(|n| n as u64)).unwrap_or(0),
        Some(Value::String(text)) => text.trim().parse().unwrap_or(0),
        _ => 0,
    }
}

fn cut(text: &str) -> String {
    text::cut(text, TLS_RESULT_TEXT_OCTETS_MAX).to_owned()
}

/// `2026-11-22T00:00:00Z`, with a fraction or an offset where there is one, or the date alone.
fn moment(text: &str) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let time = match text.get(10..11) {
        None => [0, 0, 0],
        Some(_) => [number(11..13)?, number(14..16)?, number(17..19).unwrap_or(0)],
    };
    let at = Timestamp::checked_civil(i64::from(year), month, day, time)?;
    let rest = text.get(19..).unwrap_or_default();
    let zone = rest.find(['+', '-']).and_then(|at| rest.get(at..)).unwrap_or_default();
    let offset = || {
        let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
        let (hours, minutes) = (digits.get(..2)?.parse::<i64>().ok()?, digits.get(2..4)?.parse::<i64>().ok()?);
        Some((hours * 60 + minutes) * if zone.starts_with('-') { -60_000 } else { 60_000 })
    };
    Some(Timestamp(at.0.saturating_sub(offset().unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_their_forms() {
        let at = Timestamp::from_civil(2026, 11, 22, 1, 2, 3);
        for text in
            ["2026-11-22T01:02:03Z", "2026-11-22T01:02:03.999Z", "2026-11-22T03:02:03+02:00", "2026-11-22 01:02:03"]
        {
            assert_eq!(moment(text), Some(at), "{text}");
        }
        assert_eq!(moment("2026-11-22"), Some(Timestamp::from_civil(2026, 11, 22, 0, 0, 0)));
        for none in ["", "2026", "2026-13-01T00:00:00Z", "yesterday"] {
            assert_eq!(moment(none), None, "{none}");
        }
    }

    #[test]
    fn other_spellings_are_understood() {
        let odd = br#"{"organization_name":"O","Report-ID":7,"date-range":{"start-datetime":"2026-11-22T00:00:00Z"},
            "policies":{"policy-type":"sts","policy-domain":"A.example.","policy-string":"version: STSv1",
            "summary":{"total-successful-session-count":"5","total-failure-session-count":2.0},
            "failure-details":{"result-type":"certificate-expired","failed-session-count":2}}}"#;
        let report = parse(odd).unwrap();
        assert_eq!((report.organization.as_str(), report.report_id.as_str(), report.totals()), ("O", "7", (5, 2)));
        let [policy] = &report.policies[..] else { panic!("{report:?}") };
        assert_eq!((policy.domain.as_str(), &policy.strings), ("a.example", &vec!["version: STSv1".to_owned()]));
        assert_eq!((policy.failures[0].result.as_str(), policy.failures[0].sessions), ("certificate-expired", 2));
        assert_eq!(parse(report.to_json().as_bytes()).unwrap(), report, "what we write we read");
        assert_eq!(parse(b"<xml>"), Err(NoReport::Other));
        assert_eq!(parse(b"{}"), Err(NoReport::Other));
        assert!(matches!(parse(b"{\"policies\":"), Err(NoReport::Broken(_))));
    }
}
