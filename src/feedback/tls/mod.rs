//! TLS reports (RFC 8460): what senders tell domains about TLS with their hosts, as data, as JSON and as the letters
//! they travel in. Reading is lenient: unknown members are passed over, numbers may be texts, single values may stand
//! for lists, spellings with `_` count like those with `-`.

mod letter;
mod parse;

pub use letter::{TlsLetter, read};
pub use parse::parse;

use serde_json::{Value, json};

use super::Period;
use crate::base::Timestamp;

/// A report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsReport {
    /// Who reports.
    pub organization: String,
    /// Where to ask about it.
    pub contact: String,
    /// What the reporter calls it.
    pub report_id: String,
    /// Begin of the time it is about.
    pub begins: Timestamp,
    /// End of it.
    pub ends: Timestamp,
    /// What was seen under each policy.
    pub policies: Vec<TlsPolicySummary>,
}

/// What was seen under one policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsPolicySummary {
    /// `sts`, `tlsa` or `no-policy-found`.
    pub kind: String,
    /// Its lines or records.
    pub strings: Vec<String>,
    /// Whose it is.
    pub domain: String,
    /// Hosts that it names.
    pub hosts: Vec<String>,
    /// Sessions that had TLS as demanded.
    pub succeeded: u64,
    /// Sessions that had not.
    pub failed: u64,
    /// What failed.
    pub failures: Vec<TlsFailure>,
}

/// What failed in some sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFailure {
    /// The kind (§4.3), such as `certificate-expired`.
    pub result: String,
    /// Address of the sender.
    pub sending_ip: String,
    /// Name of the host.
    pub host: String,
    /// Address of the host.
    pub receiving_ip: String,
    /// How the host called itself.
    pub helo: String,
    /// How many.
    pub sessions: u64,
    /// Where more is told.
    pub information: String,
    /// A code or a text on the reason.
    pub reason: String,
}

impl TlsReport {
    /// A report on a day, made of what was counted: for each kind of session the policy and, where it failed, the
    /// failure, both as JSON, and how many there were.
    pub fn of_day<'a>(
        day: i64,
        (organization, contact, report_id): (&str, &str, &str),
        counted: impl Iterator<Item = (&'a str, &'a str, u64)>,
    ) -> TlsReport {
        let period = Period::of_day(day);
        let mut policies: Vec<(&str, TlsPolicySummary)> = Vec::new();
        for (policy, failure, sessions) in counted {
            let at = policies.iter().position(|(known, _)| *known == policy).unwrap_or_else(|| {
                policies.push((policy, parse::policy(&value(policy))));
                policies.len() - 1
            });
            let Some((_, summary)) = policies.get_mut(at) else { continue };
            if failure.is_empty() {
                summary.succeeded = summary.succeeded.saturating_add(sessions);
            } else {
                summary.failed = summary.failed.saturating_add(sessions);
                summary.failures.push(TlsFailure { sessions, ..parse::failure(&value(failure)) });
            }
        }
        TlsReport {
            organization: organization.to_owned(),
            contact: contact.to_owned(),
            report_id: report_id.to_owned(),
            begins: Timestamp::from_seconds(period.begin),
            ends: Timestamp::from_seconds(period.end),
            policies: policies.into_iter().map(|(_, summary)| summary).collect(),
        }
    }

    /// As JSON of §4.4; what is not known is left out.
    pub fn to_json(&self) -> String {
        let policies: Vec<Value> = self.policies.iter().map(TlsPolicySummary::to_json).collect();
        json!({
            "organization-name": self.organization,
            "date-range": {"start-datetime": rfc3339(self.begins), "end-datetime": rfc3339(self.ends)},
            "contact-info": self.contact,
            "report-id": self.report_id,
            "policies": policies,
        })
        .to_string()
    }

    /// Sessions that had TLS as demanded, and those that had not.
    pub fn totals(&self) -> (u64, u64) {
        let sum =
            |of: fn(&TlsPolicySummary) -> u64| self.policies.iter().fold(0u64, |sum, p| sum.saturating_add(of(p)));
        (sum(|policy| policy.succeeded), sum(|policy| policy.failed))
    }

    /// Whose mail it is about, by commas, each once.
    pub fn domains(&self) -> String {
        let mut domains: Vec<&str> = self.policies.iter().map(|policy| policy.domain.as_str()).collect();
        domains.sort_unstable();
        domains.dedup();
        domains.retain(|domain| !domain.is_empty());
        domains.join(",")
    }
}

impl TlsPolicySummary {
    fn to_json(&self) -> Value {
        let mut policy = json!({"policy-type": self.kind, "policy-domain": self.domain});
        if let Value::Object(members) = &mut policy {
            let lists = [("policy-string", &self.strings), ("mx-host", &self.hosts)];
            for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
                members.insert(name.to_owned(), json!(list));
            }
        }
        let failures: Vec<Value> = self.failures.iter().map(TlsFailure::to_json).collect();
        let summary =
            json!({"total-successful-session-count": self.succeeded, "total-failure-session-count": self.failed});
        let mut all = json!({"policy": policy, "summary": summary});
        if let (Value::Object(members), false) = (&mut all, failures.is_empty()) {
            members.insert("failure-details".to_owned(), json!(failures));
        }
        all
    }
}

impl TlsFailure {
    fn to_json(&self) -> Value {
        let mut members = serde_json::Map::new();
        for (name, text) in [
            ("result-type", &self.result),
            ("sending-mta-ip", &self.sending_ip),
            ("receiving-mx-hostname", &self.host),
            ("receiving-mx-helo", &self.helo),
            ("receiving-ip", &self.receiving_ip),
            ("additional-information", &self.information),
            ("failure-reason-code", &self.reason),
        ] {
            if !text.is_empty() {
                members.insert(name.to_owned(), json!(text));
            }
        }
        members.insert("failed-session-count".to_owned(), json!(self.sessions));
        Value::Object(members)
    }
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

/// `2026-11-22T00:00:00Z`
fn rfc3339(at: Timestamp) -> String {
    let c = at.civil();
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
}
