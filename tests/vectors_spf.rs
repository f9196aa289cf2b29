//! The OpenSPF test suites for RFC 7208 and RFC 4408 (tests/vectors/spf), each test against its own little zone.

#[macro_use]
extern crate mailcore_watchdog;

use std::collections::BTreeMap;
use std::future::ready;
use std::time::Duration;

use mailcore::base::Timestamp;
use mailcore::base::world::{BoxFuture, DnsAnswer, NoRecords, Record, RecordKind, Resolver};
use mailcore::mailauth::spf::{Query, check};
use serde_json::Value;

#[test]
fn rfc_7208_suite() {
    run(include_str!("vectors/spf/rfc7208.json"));
}

#[test]
fn rfc_4408_suite() {
    run(include_str!("vectors/spf/rfc4408.json"));
}

fn run(suite: &str) {
    let scenarios: Vec<Value> = serde_json::from_str(suite).expect("JSON");
    let mut wrong = Vec::new();
    let mut count = 0;
    for scenario in &scenarios {
        let zone = SuiteZone::new(&scenario["zone"]);
        for test in scenario["tests"].as_array().expect("tests") {
            let name = test["name"].as_str().expect("name");
            count += 1;
            if let Some(what) = one(&zone, test) {
                wrong.push(format!("{} / {name}: {what}", scenario["description"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} tests:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 100);
}

/// What is wrong with one test, if anything.
fn one(zone: &SuiteZone, test: &Value) -> Option<String> {
    let text = |key: &str| test[key].as_str().unwrap_or_default().to_owned();
    let (helo, mail_from) = (text("helo"), text("mailfrom"));
    let (local, domain) = match mail_from.rsplit_once('@') {
        Some((local, domain)) => (local.to_owned(), domain.to_owned()),
        None if mail_from.is_empty() => (String::new(), helo.clone()),
        None => (String::new(), mail_from),
    };
    let query = Query {
        ip: text("host").parse().expect("host"),
        helo,
        sender_local: local,
        sender_domain: domain,
        receiver: String::new(),
        now: Timestamp(0),
    };
    let verdict = smol::block_on(check(zone, &query));
    let wanted: Vec<&str> = test["result"].as_array()?.iter().filter_map(Value::as_str).collect();
    if !wanted.contains(&verdict.result.word()) {
        return Some(format!("wanted {wanted:?}, got {}: {}", verdict.result, verdict.why));
    }
    let explanation = test["explanation"].as_str()?;
    let said = if verdict.explanation.is_empty() { "DEFAULT" } else { &verdict.explanation };
    (said != explanation).then(|| format!("wanted the explanation {explanation:?}, got {said:?}"))
}

/// The suite's zone: SPF entries stand for TXT where a name has no TXT entry; TIMEOUT is what any kind not listed gives.
struct SuiteZone(BTreeMap<String, Vec<(String, Value)>>);

impl SuiteZone {
    fn new(zone: &Value) -> SuiteZone {
        let mut names = BTreeMap::new();
        for (name, entries) in zone.as_object().expect("zone") {
            let mut list: Vec<(String, Value)> = entries
                .as_array()
                .expect("entries")
                .iter()
                .map(|e| (e[0].as_str().expect("kind").to_owned(), e[1].clone()))
                .collect();
            if !list.iter().any(|(kind, _)| kind == "TXT") {
                let spf: Vec<_> = list.iter().filter(|(kind, _)| kind == "SPF").cloned().collect();
                list.extend(spf.into_iter().map(|(_, value)| ("TXT".to_owned(), value)));
            }
            list.retain(|(kind, value)| kind != "SPF" && !(kind == "TXT" && value == "NONE"));
            names.insert(name.to_ascii_lowercase(), list);
        }
        SuiteZone(names)
    }

    fn look_up(&self, name: &str, kind: RecordKind, depth: usize) -> Result<Vec<Record>, NoRecords> {
        let entries = self.0.get(&name.trim_end_matches('.').to_ascii_lowercase()).ok_or(NoRecords::NxDomain)?;
        let found: Vec<Record> = entries.iter().filter_map(|(k, v)| record(k, v, kind)).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let alias = entries.iter().find(|(k, _)| k == "CNAME").and_then(|(_, v)| v.as_str());
        match alias {
            Some(_) if depth > 8 => Err(NoRecords::ServFail),
            Some(target) => self.look_up(target, kind, depth + 1),
            None if entries.iter().any(|(k, _)| k == "TIMEOUT") => Err(NoRecords::Timeout),
            None => Err(NoRecords::NoData),
        }
    }
}

fn record(kind: &str, value: &Value, wanted: RecordKind) -> Option<Record> {
    let name = |v: &Value| v.as_str().unwrap_or_default().trim_end_matches('.').to_owned();
    Some(match (kind, wanted) {
        ("A", RecordKind::A) => Record::A(value.as_str()?.parse().ok()?),
        ("AAAA", RecordKind::Aaaa) => Record::Aaaa(value.as_str()?.parse().ok()?),
        ("MX", RecordKind::Mx) => {
            Record::Mx { preference: value[0].as_u64()?.try_into().ok()?, exchange: name(&value[1]) }
        }
        ("PTR", RecordKind::Ptr) => Record::Ptr(name(value)),
        ("TXT", RecordKind::Txt) => {
            let latin1 = |s: &str| s.chars().map(|c| c as u8).collect::<Vec<u8>>();
            match value {
                Value::Array(strings) => {
                    Record::Txt(strings.iter().filter_map(Value::as_str).flat_map(latin1).collect())
                }
                other => Record::Txt(latin1(other.as_str()?)),
            }
        }
        _ => return None,
    })
}

impl Resolver for SuiteZone {
    fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        let records = self.look_up(name, kind, 0);
        Box::pin(ready(DnsAnswer { records, ttl: Duration::ZERO, secure: false }))
    }
}
