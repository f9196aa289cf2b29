//! What of a verdict goes into an aggregate report (RFC 7489 §7.2, RFC 9990).

use super::{DmarcResult, DmarcVerdict, Policy};
use crate::base::Timestamp;
use crate::feedback::{Checked, Disposition, Period, Reason, ReasonKind, ReportRow};
use crate::mailauth::{Origin, Verdicts};
use crate::store::Observation;

/// A message as its domain's report will count it. `applied` is what was done with it, `reasons` why that is not what
/// the domain asked for, where there is more to say than what the record itself explains. `None` where the domain asks
/// for no reports (RFC 9989 §4.7: then there must be none), or where nothing could be told since DNS failed.
pub fn observation(
    origin: &Origin,
    verdicts: &Verdicts,
    applied: Policy,
    reasons: Vec<Reason>,
    at: Timestamp,
) -> Option<Observation> {
    let verdict = &verdicts.dmarc;
    let record = verdict.record.as_ref().filter(|record| !record.aggregate.is_empty())?;
    matches!(verdict.result, DmarcResult::Pass | DmarcResult::Fail).then_some(())?;
    let (envelope_from, scope) = match &origin.reverse_path {
        Some(address) => (address.domain().key(), "mfrom"),
        None => (String::new(), "helo"),
    };
    let dkim = verdicts.dkim.iter().map(|v| Checked::new(v.result.word(), &v.domain, &v.selector));
    let row = ReportRow {
        source: origin.ip.to_canonical(),
        count: 1,
        disposition: disposition(applied),
        dkim_aligned: verdict.dkim_aligned,
        spf_aligned: verdict.spf_aligned,
        reasons: if reasons.is_empty() { own_reasons(verdict, applied) } else { reasons },
        header_from: verdicts.from_domain.clone(),
        envelope_from,
        envelope_to: String::new(),
        dkim: dkim.collect(),
        spf: vec![Checked::new(verdicts.spf.result.word(), &verdicts.spf.domain, scope)],
    };
    Some(Observation {
        day: Period::day_of(at),
        policy_domain: verdict.record_domain.clone(),
        record: record.text.clone(),
        row,
    })
}

fn disposition(policy: Policy) -> Disposition {
    match policy {
        Policy::None => Disposition::None,
        Policy::Quarantine => Disposition::Quarantine,
        Policy::Reject => Disposition::Reject,
    }
}

/// Why something else was done than published: the domain is testing, the draw of `pct` let it off, or we had reasons.
fn own_reasons(verdict: &DmarcVerdict, applied: Policy) -> Vec<Reason> {
    let is_testing = verdict.record.as_ref().is_some_and(|record| record.is_testing);
    let kind = if applied == verdict.published {
        return Vec::new();
    } else if is_testing && applied == verdict.policy {
        ReasonKind::PolicyTestMode
    } else if verdict.percent < 100 && applied == verdict.policy.milder() {
        ReasonKind::SampledOut
    } else {
        ReasonKind::LocalPolicy
    };
    vec![Reason::new(kind, "")]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mailauth::Checks;
    use crate::mailauth::dmarc::DmarcRecord;
    use crate::mailauth::results::ArcVerdict;
    use crate::mailauth::spf::{SpfResult, SpfVerdict};

    fn verdicts(record: &str, result: DmarcResult, published: Policy) -> Verdicts {
        let record = DmarcRecord::parse(record.as_bytes()).map(Arc::new);
        let is_testing = record.as_ref().is_some_and(|record| record.is_testing);
        let spf = SpfVerdict {
            result: SpfResult::Fail,
            domain: "example.org".to_owned(),
            explanation: String::new(),
            why: String::new(),
        };
        let dmarc = DmarcVerdict {
            policy: if is_testing { published.milder() } else { published },
            published,
            percent: record.as_ref().map_or(100, |record| record.percent),
            record,
            record_domain: "example.org".to_owned(),
            ..DmarcVerdict::without_policy(result, "")
        };
        let from_domain = "a.example.org".to_owned();
        let (checks, arc) = (Checks::default(), ArcVerdict::default());
        Verdicts {
            checks,
            spf_helo: spf.clone(),
            spf,
            dkim: Vec::new(),
            from_domain,
            dmarc,
            arc,
            ..Verdicts::default()
        }
    }

    #[test]
    fn reasons_follow_from_the_record() {
        let ip = "::ffff:192.0.2.1".parse().unwrap();
        let origin = Origin { ip, helo: "h".into(), reverse_path: None, receiver: "r".into() };
        let seen =
            |verdicts: &Verdicts, applied| observation(&origin, verdicts, applied, Vec::new(), Timestamp(86_400_000));
        let cases: &[(&str, Policy, Policy, &str)] = &[
            ("p=reject", Policy::Reject, Policy::Reject, ""),
            ("p=reject", Policy::Reject, Policy::None, "local_policy"),
            ("p=none", Policy::None, Policy::Reject, "local_policy"),
            ("p=reject; t=y", Policy::Reject, Policy::Quarantine, "policy_test_mode"),
            ("p=reject; t=y", Policy::Reject, Policy::None, "local_policy"),
            ("p=reject; sp=none; t=y", Policy::None, Policy::None, ""),
            ("p=reject; pct=10", Policy::Reject, Policy::Quarantine, "sampled_out"),
            ("p=reject; pct=10", Policy::Reject, Policy::Reject, ""),
        ];
        for (tags, published, applied, reasons) in cases {
            let record = format!("v=DMARC1; {tags}; rua=mailto:a@example.org");
            let seen = seen(&verdicts(&record, DmarcResult::Fail, *published), *applied).unwrap();
            assert_eq!(Reason::list_text(&seen.row.reasons), *reasons, "{tags} {applied:?}");
            assert_eq!((seen.day, seen.row.source.to_string()), (1, "192.0.2.1".to_owned()));
            assert_eq!(Checked::list_text(&seen.row.spf), "fail example.org helo");
        }
        let unasked = verdicts("v=DMARC1; p=reject", DmarcResult::Fail, Policy::Reject);
        assert_eq!(seen(&unasked, Policy::Reject), None);
        let trouble = verdicts("v=DMARC1; p=reject; rua=mailto:a@b.c", DmarcResult::TempError, Policy::None);
        assert_eq!(seen(&trouble, Policy::None), None);
    }
}
