//! What to publish in DNS for a domain of ours, each record compared with what is there: MX, addresses, PTR, SPF, DKIM,
//! DMARC, MTA-STS, TLS-RPT, TLSA, autoconfig.
//!
//! All questions are asked side by side, each for a bounded time. What cannot be known now is said to be unknown; only
//! what is missing or wrong makes the advice as a whole not `ok`.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use smol::future::FutureExt;

use super::Engine;
use crate::base::limits::{ADVICE_ADDRESSES_MAX, ADVICE_WAIT_SECONDS};
use crate::base::world::{NoRecords, Record, RecordKind};
use crate::base::{Domain, Error, ErrorKind, Result};
use crate::delivery::policy::sts;
use crate::mailauth::dmarc::DmarcRecord;
use crate::mailauth::spf::{self, SpfResult};
use crate::store::DkimKeyState;

/// How a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is there and right.
    Ok,
    /// It is not there.
    Missing,
    /// Something else is there.
    Wrong,
    /// It is not there, and nothing breaks without it.
    Optional,
    /// It cannot be known now.
    Unknown,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Missing => "missing",
            State::Wrong => "wrong",
            State::Optional => "optional",
            State::Unknown => "unknown",
        }
    }
}

/// One record to publish.
struct Advice {
    what: &'static str,
    name: String,
    kind: &'static str,
    value: String,
    state: State,
    found: Vec<String>,
    text: String,
}

type Asked = std::result::Result<Vec<Record>, NoRecords>;

impl Engine {
    /// What to publish for a domain, as one JSON document (docs/reports.md). `Invalid` where it is no name.
    pub async fn dns_advice(&self, domain: &str) -> Result<String> {
        let invalid = |why: String| Error::new(ErrorKind::Invalid, format!("domain {domain:?}: {why}"));
        let parsed = Domain::parse(domain).map_err(|e| invalid(e.to_string()))?;
        if matches!(parsed, Domain::Literal(_)) {
            return Err(invalid("an address has no records".to_owned()));
        }
        let domain = parsed.key();
        let host = self.config().settings.hostname.to_ascii_lowercase();
        let (four, six) = (self.asked(&host, RecordKind::A), self.asked(&host, RecordKind::Aaaa));
        let (four, six) = smol::future::zip(four, six).await;
        let ips = ips(&four, &six);
        let mut all = vec![self.mx(&domain, &host).await, addresses(&host, &ips, &four)];
        for ip in &ips {
            all.push(self.ptr(*ip, &host).await);
        }
        all.push(self.spf(&domain, &host, &ips).await);
        all.extend(self.dkim(&domain).await?);
        all.push(self.dmarc(&domain).await);
        all.push(self.mta_sts(&domain).await);
        all.push(self.tls_rpt(&domain).await);
        all.push(self.tlsa(&host).await);
        all.push(self.autoconfig(&domain, &host).await);
        Ok(told(&domain, &host, &all))
    }

    async fn asked(&self, name: &str, kind: RecordKind) -> Asked {
        let clock = &self.world().clock;
        let deadline = clock.sleep_until(clock.now() + Duration::from_secs(ADVICE_WAIT_SECONDS));
        let silence = async {
            deadline.await;
            Err(NoRecords::Timeout)
        };
        async { self.world().resolver.ask(name, kind).await.records }.or(silence).await
    }

    async fn mx(&self, domain: &str, host: &str) -> Advice {
        let asked = self.asked(domain, RecordKind::Mx).await;
        let hosts: Vec<String> = asked.iter().flatten().filter_map(exchange).collect();
        let state = match &asked {
            Ok(_) if hosts.iter().any(|name| name == host) => State::Ok,
            other => missing(other, !hosts.is_empty()),
        };
        let text = match state {
            State::Ok => "mail for the domain comes here",
            State::Wrong => "mail for the domain goes to other hosts",
            _ => "says which host takes the domain's mail",
        };
        advice("mx", domain, "MX", format!("10 {host}."), state, hosts, text)
    }

    async fn ptr(&self, ip: IpAddr, host: &str) -> Advice {
        let name = crate::mailauth::spf::reverse_name(ip);
        let asked = self.asked(&name, RecordKind::Ptr).await;
        let names: Vec<String> = asked.iter().flatten().filter_map(pointed).collect();
        let state = match &asked {
            Ok(_) if names.iter().any(|name| name == host) => State::Ok,
            other => missing(other, !names.is_empty()),
        };
        let text =
            "many hosts refuse mail of addresses whose name does not lead back; the provider of the address sets it";
        advice("ptr", &name, "PTR", format!("{host}."), state, names, text)
    }

    async fn spf(&self, domain: &str, host: &str, ips: &[IpAddr]) -> Advice {
        let asked = self.asked(domain, RecordKind::Txt).await;
        let records = texts(&asked, |text| text == "v=spf1" || text.starts_with("v=spf1 "));
        let mut refused = Vec::new();
        for ip in ips.iter().filter(|_| records.len() == 1) {
            let query = spf::Query {
                ip: *ip,
                helo: host.to_owned(),
                sender_local: "postmaster".to_owned(),
                sender_domain: domain.to_owned(),
                receiver: host.to_owned(),
                now: self.world().clock.wall(),
            };
            let verdict = spf::check(&*self.world().resolver, &query).await;
            if verdict.result != SpfResult::Pass {
                refused.push(format!("{ip} gets {}", verdict.result.word()));
            }
        }
        let (state, text) = match records.len() {
            1 if refused.is_empty() => (State::Ok, "allows the host to send mail of the domain".to_owned()),
            1 => (State::Wrong, format!("does not allow all addresses of the host: {}", refused.join(", "))),
            0 => (missing(&asked, false), "says which hosts may send mail of the domain".to_owned()),
            _ => (State::Wrong, "several records are as good as none (RFC 7208)".to_owned()),
        };
        advice("spf", domain, "TXT", "v=spf1 mx -all".to_owned(), state, records, &text)
    }

    async fn dkim(&self, domain: &str) -> Result<Vec<Advice>> {
        let mut all = Vec::new();
        let keys = self.dkim_keys().await?;
        for key in keys.into_iter().filter(|key| key.domain == domain && key.state != DkimKeyState::Retired) {
            let name = format!("{}._domainkey.{domain}", key.selector);
            let asked = self.asked(&name, RecordKind::Txt).await;
            let records = texts(&asked, |_| true);
            let half = public_half(&key.record);
            let is_there = records.iter().any(|record| key.record.is_empty() || public_half(record) == half);
            let state = if is_there { State::Ok } else { missing(&asked, !records.is_empty()) };
            let text = match (state, key.state) {
                (State::Ok, _) => "others can check what is signed with this key",
                (_, DkimKeyState::Pending) => "the key signs as soon as its record is there",
                _ => "mail is signed with this key, and nobody can check it",
            };
            all.push(advice("dkim", &name, "TXT", key.record, state, records, text));
        }
        if all.is_empty() {
            let text = "there is no key that mail of the domain is signed with";
            all.push(advice(
                "dkim",
                &format!("_domainkey.{domain}"),
                "TXT",
                String::new(),
                State::Missing,
                Vec::new(),
                text,
            ));
        }
        Ok(all)
    }

    async fn dmarc(&self, domain: &str) -> Advice {
        let name = format!("_dmarc.{domain}");
        let asked = self.asked(&name, RecordKind::Txt).await;
        let records = texts(&asked, |text| text.starts_with("v=DMARC1"));
        let is_record = |text: &String| DmarcRecord::parse(text.as_bytes()).is_some_and(|record| record.applies);
        let (state, text) = match records.as_slice() {
            [record] if is_record(record) => {
                (State::Ok, "says what becomes of mail that only claims to be the domain's")
            }
            [] => (missing(&asked, false), "large hosts take no mail of domains without it"),
            [_] => (State::Wrong, "the record cannot be read, or has no policy"),
            _ => (State::Wrong, "several records are as good as none (RFC 7489)"),
        };
        let to = self.config().settings.dmarc.report_address.map(|address| address.to_string());
        let value = format!("v=DMARC1; p=none; rua=mailto:{}", to.unwrap_or_else(|| format!("postmaster@{domain}")));
        advice("dmarc", &name, "TXT", value, state, records, text)
    }

    async fn mta_sts(&self, domain: &str) -> Advice {
        let name = format!("_mta-sts.{domain}");
        let asked = self.asked(&name, RecordKind::Txt).await;
        let records = texts(&asked, |text| text.starts_with("v=STSv1"));
        let is_record = sts::id_of(records.iter().map(String::as_bytes)).is_some();
        let state = match (records.is_empty(), is_record) {
            (_, true) => State::Ok,
            (true, _) => optional(&asked),
            _ => State::Wrong,
        };
        let value = self.sts_policy("enforce", &[], 604_800).map(|(_, record)| record).unwrap_or_default();
        let text = "others send only with TLS that verifies; needs https://mta-sts.DOMAIN/.well-known/mta-sts.txt";
        advice("mta-sts", &name, "TXT", value, state, records, text)
    }

    async fn tls_rpt(&self, domain: &str) -> Advice {
        let name = format!("_smtp._tls.{domain}");
        let asked = self.asked(&name, RecordKind::Txt).await;
        let records = texts(&asked, |text| text.starts_with("v=TLSRPTv1"));
        let state = match records.as_slice() {
            [record] if record.contains("rua=") => State::Ok,
            [] => optional(&asked),
            _ => State::Wrong,
        };
        let to = self.config().settings.sending.tls_report_address.map(|address| address.to_string());
        let value = format!("v=TLSRPTv1; rua=mailto:{}", to.unwrap_or_else(|| format!("postmaster@{domain}")));
        advice("tls-rpt", &name, "TXT", value, state, records, "others report how their TLS with this host went")
    }

    async fn tlsa(&self, host: &str) -> Advice {
        let name = format!("_25._tcp.{host}");
        let asked = self.asked(&name, RecordKind::Tlsa).await;
        let records: Vec<String> = asked.iter().flatten().filter_map(pinned).collect();
        let usable = records.iter().any(|record| record.starts_with("2 ") || record.starts_with("3 "));
        let state = match (records.is_empty(), usable) {
            (true, _) => optional(&asked),
            (false, true) => State::Ok,
            _ => State::Wrong,
        };
        let text = "DANE: names the host's key; counts in a zone that is signed, and must change before the key does";
        let value = "3 1 1 SHA-256 of the public key".to_owned();
        advice("tlsa", &name, "TLSA", value, state, records, text)
    }

    async fn autoconfig(&self, domain: &str, host: &str) -> Advice {
        let name = format!("autoconfig.{domain}");
        let asked = self.asked(&name, RecordKind::A).await;
        let records: Vec<String> = asked.iter().flatten().filter_map(address).collect();
        let state = if records.is_empty() { optional(&asked) } else { State::Ok };
        let text = "mail programs ask http://autoconfig.DOMAIN/mail/config-v1.1.xml for settings";
        advice("autoconfig", &name, "CNAME", format!("{host}."), state, records, text)
    }
}

fn advice(
    what: &'static str,
    name: &str,
    kind: &'static str,
    value: String,
    state: State,
    found: Vec<String>,
    text: &str,
) -> Advice {
    Advice { what, name: name.to_owned(), kind, value, state, found, text: text.to_owned() }
}

fn addresses(host: &str, ips: &[IpAddr], asked: &Asked) -> Advice {
    let found: Vec<String> = ips.iter().map(IpAddr::to_string).collect();
    let state = if found.is_empty() { missing(asked, false) } else { State::Ok };
    advice("address", host, "A", "the host's address".to_owned(), state, found, "where the host is reached")
}

fn told(domain: &str, host: &str, all: &[Advice]) -> String {
    let is_ok = !all.iter().any(|one| matches!(one.state, State::Missing | State::Wrong));
    let one = |one: &Advice| -> Value {
        json!({
            "what": one.what,
            "name": one.name,
            "type": one.kind,
            "value": one.value,
            "state": one.state.word(),
            "found": one.found,
            "text": one.text,
        })
    };
    let records: Vec<Value> = all.iter().map(one).collect();
    json!({"domain": domain, "hostname": host, "ok": is_ok, "records": records}).to_string()
}

/// The state of a record that is not there as it should be.
fn missing(asked: &Asked, others: bool) -> State {
    match asked {
        Err(why) if why.is_transient() => State::Unknown,
        _ if others => State::Wrong,
        _ => State::Missing,
    }
}

/// The state of a record that is not there and need not be.
fn optional(asked: &Asked) -> State {
    match asked {
        Err(why) if why.is_transient() => State::Unknown,
        _ => State::Optional,
    }
}

fn texts(asked: &Asked, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let text = |record: &Record| match record {
        Record::Txt(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    };
    asked.iter().flatten().filter_map(text).filter(|text| wanted(text.trim())).collect()
}

fn exchange(record: &Record) -> Option<String> {
    match record {
        Record::Mx { exchange, .. } => Some(exchange.trim_end_matches('.').to_ascii_lowercase()),
        _ => None,
    }
}

fn pointed(record: &Record) -> Option<String> {
    match record {
        Record::Ptr(name) => Some(name.trim_end_matches('.').to_ascii_lowercase()),
        _ => None,
    }
}

fn address(record: &Record) -> Option<String> {
    match record {
        Record::A(ip) => Some(ip.to_string()),
        Record::Aaaa(ip) => Some(ip.to_string()),
        _ => None,
    }
}

fn pinned(record: &Record) -> Option<String> {
    match record {
        Record::Tlsa { usage, selector, matching, data } => {
            let hex: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
            Some(format!("{usage} {selector} {matching} {hex}"))
        }
        _ => None,
    }
}

fn ips(four: &Asked, six: &Asked) -> Vec<IpAddr> {
    let ip = |record: &Record| match record {
        Record::A(ip) => Some(IpAddr::V4(*ip)),
        Record::Aaaa(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    };
    let all = four.iter().chain(six).flatten().filter_map(ip);
    all.take(ADVICE_ADDRESSES_MAX).collect()
}

/// The public key in a DKIM record, without white space.
fn public_half(record: &str) -> String {
    let tag = record.split(';').find_map(|tag| tag.trim().strip_prefix("p"));
    let value = tag.and_then(|rest| rest.trim_start().strip_prefix('=')).unwrap_or_default();
    value.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_without_what_stands_around_them() {
        assert_eq!(public_half("v=DKIM1; k=rsa; p=AB CD=="), "ABCD==");
        assert_eq!(public_half("p = ABCD"), "ABCD");
        assert_eq!(public_half("v=DKIM1"), "");
    }
}
