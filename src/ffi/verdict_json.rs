//! Verdicts as JSON: the `json` of `mailcore_verdicts`, and what a host that answers by events is told.

use serde_json::{Value, json};

use crate::engine::checks::Checked;
use crate::mailauth::bimi::BimiVerdict;
use crate::mailauth::dmarc::DmarcVerdict;
use crate::mailauth::iprev::IprevVerdict;
use crate::mailauth::results::{ArcSet, ArcVerdict, DkimVerdict};
use crate::mailauth::spf::SpfVerdict;

/// Verdicts as a JSON object; a check that was not asked for is no member of it.
pub(crate) fn json_of(checked: &Checked) -> Value {
    let spf = |v: &SpfVerdict| {
        let (result, explanation) = (v.result.word(), &v.explanation);
        json!({"result": result, "domain": v.domain, "explanation": explanation, "why": v.why})
    };
    let dkim = |v: &DkimVerdict| {
        json!({"result": v.result.word(), "domain": v.domain, "selector": v.selector, "why": v.why,
            "algorithm": v.algorithm, "signature_begins": v.signature_begins, "testing": v.is_testing})
    };
    let dmarc = |v: &DmarcVerdict| {
        json!({"result": v.result.word(), "policy": v.policy.word(), "percent": v.percent, "why": v.why,
            "domain": v.record_domain, "spf_aligned": v.spf_aligned, "dkim_aligned": v.dkim_aligned})
    };
    let set =
        |s: &ArcSet| json!({"instance": s.instance, "domain": s.domain, "selector": s.selector, "results": s.results});
    let arc = |v: &ArcVerdict| {
        let sets: Value = v.sets.iter().map(set).collect();
        json!({"result": v.result.word(), "instances": v.instances, "sets": sets, "oldest_pass": v.oldest_pass,
            "why": v.why})
    };
    let iprev = |v: &IprevVerdict| json!({"result": v.result.word(), "name": v.name, "why": v.why});
    let bimi = |v: &BimiVerdict| {
        json!({"result": v.result.word(), "domain": v.domain, "selector": v.selector, "indicator": v.indicator,
            "evidence": v.evidence, "prefers_person": v.prefers_person, "why": v.why})
    };
    let mut all = serde_json::Map::new();
    let mut member = |name: &str, value: Option<Value>| value.map(|value| all.insert(name.to_owned(), value));
    member("from_domain", Some(checked.from_domain.clone().into()));
    member("spf_helo", checked.spf_helo.as_ref().map(spf));
    member("spf", checked.spf.as_ref().map(spf));
    member("dkim", checked.dkim.as_ref().map(|list| list.iter().map(dkim).collect()));
    member("dmarc", checked.dmarc.as_ref().map(dmarc));
    member("arc", checked.arc.as_ref().map(arc));
    member("iprev", checked.iprev.as_ref().map(iprev));
    member("bimi", checked.bimi.as_ref().map(bimi));
    member("results", (!checked.results.is_empty()).then(|| checked.results.clone().into()));
    Value::Object(all)
}
