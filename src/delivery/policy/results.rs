//! What the TLS of sessions came to: counted for TLS reports (RFC 8460 §4), and remembered of each host, so that one
//! which did TLS gets no mail without it for a while (`outbound.remember_tls`).
//!
//! A session counts once for each policy that the destination has: its TLSA records, its MTA-STS policy, or none.
//! Counting waits for nothing and never fails.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::sts::{StsMode, StsPolicy};
use super::{Decision, PassedOver, TlsPolicy, Wanted, bare_name};
use crate::base::limits::{TLS_LEVEL_FRESH_SECONDS, TLS_LEVELS_KNOWN_MAX, TLS_RESULT_TEXT_OCTETS_MAX};
use crate::base::world::{CertificateRefused, CertificateTrouble, Tlsa};
use crate::base::{Settings, Timestamp, World, text};
use crate::feedback::Period;
use crate::store::{Store, TlsLevel, TlsResultRow};

/// What the TLS of a session came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsEnd {
    /// It was set up.
    Done {
        /// Whether the certificate verified for the host's name.
        verified: bool,
    },
    /// The host did not offer it, or refused it when asked.
    Missing,
    /// The handshake failed, in words.
    Broken(String),
    /// The certificate was refused.
    Refused(CertificateRefused),
}

impl TlsEnd {
    /// Of a handshake that failed.
    pub(in super::super) fn of_error(e: &io::Error) -> TlsEnd {
        match e.get_ref().and_then(|inner| inner.downcast_ref::<CertificateRefused>()) {
            Some(refused) => TlsEnd::Refused(refused.clone()),
            None => TlsEnd::Broken(e.to_string()),
        }
    }
}

/// Counts and remembers. Clones share what they know.
#[derive(Clone, Default)]
pub struct TlsNotes {
    /// Without one nothing is counted, and levels live in memory only.
    store: Option<Store>,
    known: Arc<Mutex<BTreeMap<String, Option<TlsLevel>>>>,
}

impl TlsNotes {
    /// Keeps both in a store.
    pub fn new(store: Store) -> TlsNotes {
        TlsNotes { store: Some(store), known: Arc::default() }
    }

    /// Counts a session with a host.
    pub(in super::super) fn observe(
        &self,
        (world, settings): (&World, &Settings),
        wanted: &Wanted,
        decision: &Decision,
        (host, at): (&str, SocketAddr),
        end: &TlsEnd,
    ) {
        if decision.policy == TlsPolicy::Off {
            return;
        }
        let (host, ip) = (bare_name(host), at.ip().to_string());
        let failed = |(result, text): (&str, String)| {
            json!({"result-type": result, "receiving-mx-hostname": host, "receiving-ip": ip,
                "failure-reason-code": cut(&text)})
        };
        let dane = decision.policy.dane();
        if let Some(dane) = dane {
            let strings: Vec<String> = dane.records.iter().map(written).collect();
            let failure = failure(end, false).map(&failed);
            self.count(world, settings, wanted, policy_json("tlsa", &wanted.domain, &strings, &[]), failure);
        }
        if let Some(sts) = &wanted.sts {
            let failure = match sts.allows(&host) {
                true => failure(end, true),
                false => Some(("validation-failure", "the policy does not name the host".to_owned())),
            };
            self.count(world, settings, wanted, sts_json(&wanted.domain, sts), failure.map(&failed));
        }
        if dane.is_none() && wanted.sts.is_none() {
            let failure = failure(end, false).map(&failed);
            self.count(world, settings, wanted, policy_json("no-policy-found", &wanted.domain, &[], &[]), failure);
        }
    }

    /// Counts a host that was passed over for its policy.
    pub(in super::super) fn observe_passed_over(
        &self,
        (world, settings): (&World, &Settings),
        wanted: &Wanted,
        host: &str,
        why: &PassedOver,
    ) {
        let host = bare_name(host);
        let reason = cut(&why.text);
        let failed =
            |result: &str| json!({"result-type": result, "receiving-mx-hostname": host, "failure-reason-code": reason});
        match (why.policy, &wanted.sts) {
            ("mta-sts", Some(sts)) => {
                let failure = Some(failed("validation-failure"));
                self.count(world, settings, wanted, sts_json(&wanted.domain, sts), failure);
            }
            ("dane", _) => {
                let result = if wanted.rule.is_some() { "dane-required" } else { "dnssec-invalid" };
                let policy = policy_json("tlsa", &wanted.domain, &[], &[]);
                self.count(world, settings, wanted, policy, Some(failed(result)));
            }
            _ => {}
        }
    }

    /// Counts that a domain's MTA-STS policy could not be had: kind of failure and text.
    pub(in super::super) fn observe_fetch(
        &self,
        (world, settings): (&World, &Settings),
        wanted: &Wanted,
        (result, text): &(&'static str, String),
    ) {
        let failure = json!({"result-type": result, "failure-reason-code": cut(text)});
        let policy = policy_json("sts", &wanted.domain, &[], &[]);
        self.count(world, settings, wanted, policy, Some(failure));
    }

    fn count(&self, world: &World, settings: &Settings, wanted: &Wanted, policy: Value, failure: Option<Value>) {
        let Some(store) = &self.store else { return };
        if settings.sending.tls_report_from.is_none() || wanted.domain.is_empty() || wanted.is_smart_host {
            return;
        }
        store.tls_observe(TlsResultRow {
            day: Period::day_of(world.clock.wall()),
            domain: wanted.domain.clone(),
            policy: policy.to_string(),
            failure: failure.map(|failure| failure.to_string()).unwrap_or_default(),
            sessions: 1,
        });
    }

    /// The decision for a host, stronger where it did better a while ago and nothing else demands TLS.
    pub(in super::super) async fn remembered(
        &self,
        (world, settings): (&World, &Settings),
        host: &str,
        decision: Decision,
    ) -> Decision {
        let host = bare_name(host);
        if !settings.sending.remember_tls || decision.policy != TlsPolicy::Opportunistic {
            return decision;
        }
        let now = world.clock.wall();
        let Some(level) = self.level(&host).await.filter(|level| is_young(level, settings, now)) else {
            return decision;
        };
        let seen = level.seen.rfc5322();
        match level.is_verified {
            true => Decision::new(TlsPolicy::Pkix(host), format!("its certificate verified on {seen}")),
            false => Decision::new(TlsPolicy::Required, format!("it did TLS on {seen}")),
        }
    }

    /// Remembers that a host did TLS. Written where it is news, and once a day.
    pub(in super::super) async fn learn(&self, world: &World, settings: &Settings, host: &str, verified: bool) {
        if !settings.sending.remember_tls {
            return;
        }
        let (host, now) = (bare_name(host), world.clock.wall());
        let before = self.level(&host).await.filter(|level| is_young(level, settings, now));
        let is_news = before.as_ref().is_none_or(|level| {
            let is_old = now.0.saturating_sub(level.seen.0) >= TLS_LEVEL_FRESH_SECONDS * 1_000;
            (verified && !level.is_verified) || (verified == level.is_verified && is_old)
        });
        if !is_news {
            return;
        }
        let level = TlsLevel { host: host.clone(), is_verified: verified, seen: now };
        if let Some(store) = &self.store
            && let Err(e) = store.tls_level_put(level.clone()).await
        {
            log::warn!("the level of TLS of {host} could not be kept: {e}");
        }
        self.know(host, Some(level));
    }

    async fn level(&self, host: &str) -> Option<TlsLevel> {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(host) {
            return known.clone();
        }
        let store = self.store.as_ref()?;
        let level = store.tls_level(host.to_owned()).await.ok()?;
        self.know(host.to_owned(), level.clone());
        level
    }

    fn know(&self, host: String, level: Option<TlsLevel>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TLS_LEVELS_KNOWN_MAX && !known.contains_key(&host) {
            known.pop_first();
        }
        known.insert(host, level);
    }
}

fn is_young(level: &TlsLevel, settings: &Settings, now: Timestamp) -> bool {
    now < level.seen.after(settings.sending.remember_tls_for)
}

/// What failed, as RFC 8460 §4.3 names it, with a reason; `None` for a success. `wants_name`: the certificate must
/// verify.
fn failure(end: &TlsEnd, wants_name: bool) -> Option<(&'static str, String)> {
    match end {
        TlsEnd::Done { verified: false } if wants_name => {
            Some(("certificate-not-trusted", "the certificate does not verify for the host's name".to_owned()))
        }
        TlsEnd::Done { .. } => None,
        TlsEnd::Missing => Some(("starttls-not-supported", "the host does not do STARTTLS".to_owned())),
        TlsEnd::Broken(text) => Some(("validation-failure", text.clone())),
        TlsEnd::Refused(refused) => {
            let result = match refused.trouble {
                CertificateTrouble::OtherName => "certificate-host-mismatch",
                CertificateTrouble::Expired => "certificate-expired",
                CertificateTrouble::NotTrusted => "certificate-not-trusted",
                CertificateTrouble::NotOfRecords | CertificateTrouble::Other => "validation-failure",
            };
            Some((result, refused.text.clone()))
        }
    }
}

fn policy_json(kind: &str, domain: &str, strings: &[String], hosts: &[String]) -> Value {
    json!({"policy-type": kind, "policy-domain": domain, "policy-string": strings, "mx-host": hosts})
}

fn sts_json(domain: &str, policy: &StsPolicy) -> Value {
    let mode = matches!(policy.mode, StsMode::Enforce | StsMode::Testing);
    let strings = if mode { policy.lines() } else { Vec::new() };
    policy_json("sts", domain, &strings, &policy.hosts)
}

/// A record as in a zone.
fn written(record: &Tlsa) -> String {
    let hex: String = record.data.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{} {} {} {hex}", record.usage, record.selector, record.matching)
}

fn cut(text: &str) -> &str {
    text::cut(text, TLS_RESULT_TEXT_OCTETS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_have_the_names_of_the_standard() {
        let refused = |trouble| TlsEnd::Refused(CertificateRefused { trouble, text: "why".to_owned() });
        for (end, wants_name, result) in [
            (TlsEnd::Done { verified: true }, true, None),
            (TlsEnd::Done { verified: false }, false, None),
            (TlsEnd::Done { verified: false }, true, Some("certificate-not-trusted")),
            (TlsEnd::Missing, false, Some("starttls-not-supported")),
            (TlsEnd::Broken("reset".to_owned()), false, Some("validation-failure")),
            (refused(CertificateTrouble::OtherName), true, Some("certificate-host-mismatch")),
            (refused(CertificateTrouble::Expired), true, Some("certificate-expired")),
            (refused(CertificateTrouble::NotTrusted), true, Some("certificate-not-trusted")),
            (refused(CertificateTrouble::NotOfRecords), false, Some("validation-failure")),
        ] {
            assert_eq!(failure(&end, wants_name).map(|(result, _)| result), result, "{end:?}");
        }
    }
}
