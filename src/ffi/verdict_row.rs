//! A check and what it came to as a row: the numbers and texts that [`mailcore_check`] has room for.
//!
//! [`mailcore_check`]: super::verdict::mailcore_check

use super::verdict::*;
use crate::engine::checks::Checked;
use crate::mailauth::bimi::{BimiResult, BimiVerdict};
use crate::mailauth::dmarc::{DmarcResult, DmarcVerdict, Policy};
use crate::mailauth::iprev::{IprevResult, IprevVerdict};
use crate::mailauth::results::{ArcResult, ArcVerdict, DkimResult, DkimVerdict};
use crate::mailauth::spf::{SpfResult, SpfVerdict};

/// A check before it is given. Its fields are those of `mailcore_check`.
#[derive(Clone, Copy, Default)]
pub(super) struct CheckRow<'a> {
    pub(super) method: u32,
    pub(super) result: u32,
    pub(super) policy: u32,
    pub(super) percent: u32,
    pub(super) flags: u32,
    domain: &'a str,
    selector: &'a str,
    signature: &'a str,
    explanation: &'a str,
    why: &'a str,
    indicator: &'a str,
    evidence: &'a str,
}

impl<'a> CheckRow<'a> {
    /// Its texts, in the order of the fields.
    pub(super) fn texts(&self) -> [&'a str; 7] {
        [self.domain, self.selector, self.signature, self.explanation, self.why, self.indicator, self.evidence]
    }
}

/// A row for each check that was asked for; of DKIM one for each signature.
pub(super) fn rows(checked: &Checked) -> Vec<CheckRow<'_>> {
    let mut rows: Vec<CheckRow> = checked.spf_helo.iter().map(|v| spf_row(MAILCORE_METHOD_SPF_HELO, v)).collect();
    rows.extend(checked.spf.iter().map(|v| spf_row(MAILCORE_METHOD_SPF, v)));
    rows.extend(checked.dkim.iter().flatten().map(dkim_row));
    rows.extend(checked.dmarc.iter().map(dmarc_row));
    rows.extend(checked.arc.iter().map(arc_row));
    rows.extend(checked.iprev.iter().map(iprev_row));
    rows.extend(checked.bimi.iter().map(bimi_row));
    rows
}

fn spf_row(method: u32, v: &SpfVerdict) -> CheckRow<'_> {
    let result = match v.result {
        SpfResult::None => MAILCORE_RESULT_NONE,
        SpfResult::Neutral => MAILCORE_RESULT_NEUTRAL,
        SpfResult::Pass => MAILCORE_RESULT_PASS,
        SpfResult::Fail => MAILCORE_RESULT_FAIL,
        SpfResult::SoftFail => MAILCORE_RESULT_SOFTFAIL,
        SpfResult::TempError => MAILCORE_RESULT_TEMPERROR,
        SpfResult::PermError => MAILCORE_RESULT_PERMERROR,
    };
    CheckRow { method, result, domain: &v.domain, explanation: &v.explanation, why: &v.why, ..CheckRow::default() }
}

fn dkim_row(v: &DkimVerdict) -> CheckRow<'_> {
    let result = match v.result {
        DkimResult::None => MAILCORE_RESULT_NONE,
        DkimResult::Pass => MAILCORE_RESULT_PASS,
        DkimResult::Fail => MAILCORE_RESULT_FAIL,
        DkimResult::Neutral => MAILCORE_RESULT_NEUTRAL,
        DkimResult::TempError => MAILCORE_RESULT_TEMPERROR,
        DkimResult::PermError => MAILCORE_RESULT_PERMERROR,
    };
    CheckRow {
        method: MAILCORE_METHOD_DKIM,
        result,
        flags: if v.is_testing { MAILCORE_TESTING } else { 0 },
        domain: &v.domain,
        selector: &v.selector,
        signature: &v.signature_begins,
        why: &v.why,
        ..CheckRow::default()
    }
}

fn dmarc_row(v: &DmarcVerdict) -> CheckRow<'_> {
    let result = match v.result {
        DmarcResult::None => MAILCORE_RESULT_NONE,
        DmarcResult::Pass => MAILCORE_RESULT_PASS,
        DmarcResult::Fail => MAILCORE_RESULT_FAIL,
        DmarcResult::TempError => MAILCORE_RESULT_TEMPERROR,
        DmarcResult::PermError => MAILCORE_RESULT_PERMERROR,
    };
    let policy = match v.policy {
        Policy::None => MAILCORE_POLICY_NONE,
        Policy::Quarantine => MAILCORE_POLICY_QUARANTINE,
        Policy::Reject => MAILCORE_POLICY_REJECT,
    };
    let spf = if v.spf_aligned { MAILCORE_ALIGNED_SPF } else { 0 };
    let dkim = if v.dkim_aligned { MAILCORE_ALIGNED_DKIM } else { 0 };
    let (percent, flags) = (v.percent.into(), spf | dkim);
    let (domain, why) = (v.record_domain.as_str(), v.why.as_str());
    CheckRow { method: MAILCORE_METHOD_DMARC, result, policy, percent, flags, domain, why, ..CheckRow::default() }
}

fn arc_row(v: &ArcVerdict) -> CheckRow<'_> {
    let result = match v.result {
        ArcResult::None => MAILCORE_RESULT_NONE,
        ArcResult::Pass => MAILCORE_RESULT_PASS,
        ArcResult::Fail => MAILCORE_RESULT_FAIL,
    };
    let (domain, selector) = v.sets.first().map(|set| (&*set.domain, &*set.selector)).unwrap_or_default();
    CheckRow { method: MAILCORE_METHOD_ARC, result, domain, selector, why: &v.why, ..CheckRow::default() }
}

fn iprev_row(v: &IprevVerdict) -> CheckRow<'_> {
    let result = match v.result {
        IprevResult::Pass => MAILCORE_RESULT_PASS,
        IprevResult::Fail => MAILCORE_RESULT_FAIL,
        IprevResult::TempError => MAILCORE_RESULT_TEMPERROR,
        IprevResult::PermError => MAILCORE_RESULT_PERMERROR,
    };
    CheckRow { method: MAILCORE_METHOD_IPREV, result, domain: &v.name, why: &v.why, ..CheckRow::default() }
}

fn bimi_row(v: &BimiVerdict) -> CheckRow<'_> {
    let result = match v.result {
        BimiResult::Found => MAILCORE_RESULT_FOUND,
        BimiResult::None => MAILCORE_RESULT_NONE,
        BimiResult::Declined => MAILCORE_RESULT_DECLINED,
        BimiResult::Skipped => MAILCORE_RESULT_SKIPPED,
        BimiResult::Fail => MAILCORE_RESULT_FAIL,
        BimiResult::TempError => MAILCORE_RESULT_TEMPERROR,
    };
    CheckRow {
        method: MAILCORE_METHOD_BIMI,
        result,
        flags: if v.prefers_person { MAILCORE_PREFERS_PERSON } else { 0 },
        domain: &v.domain,
        selector: &v.selector,
        why: &v.why,
        indicator: &v.indicator,
        evidence: &v.evidence,
        ..CheckRow::default()
    }
}
