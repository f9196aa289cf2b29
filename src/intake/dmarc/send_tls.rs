//! TLS reports of ours (RFC 8460 §3, §5): one for each day and domain that asks, posted over HTTPS or mailed as any
//! other mail is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use smol::channel::Receiver;
use smol::future::FutureExt;

use super::send::silent;
use crate::base::limits::{
    CHUNK_OCTETS_MAX, DNS_WAIT_SECONDS, TLS_REPORT_ADDRESSEES_MAX, TLS_REPORT_POST_SECONDS, TLS_REPORT_TRY_DAYS,
};
use crate::base::world::{NoRecords, Record, RecordKind};
use crate::base::{Address, Content, Envelope, Error, ErrorKind, Result};
use crate::dns::mx::{self, Exchanger};
use crate::feedback::tls::{TlsLetter, TlsReport};
use crate::intake::Intake;
use crate::net::https::{self, Request};
use crate::os::aside::aside;
use crate::store::{Notes, TlsResultRow};

/// Where a domain wants its reports.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Addressee {
    Mail(Address),
    /// Host, port where one is given, path and query.
    Https(String, Option<u16>, String),
}

impl Intake {
    /// Reports what was counted before `today`. False where something is to be tried again later.
    pub(super) async fn send_tls_reports(&self, today: i64, stop: &Receiver<()>) -> bool {
        let (mut done, mut behind) = (true, (i64::MIN, String::new()));
        while !stop.is_closed() {
            let (day, domain) = match self.store.tls_due(today, behind.clone()).await {
                Ok(Some(due)) => due,
                Ok(None) => break,
                Err(e) => {
                    log::warn!("what is to be reported of TLS could not be read: {e}");
                    return false;
                }
            };
            behind = (day, domain.clone());
            let is_late = day + TLS_REPORT_TRY_DAYS < today;
            let stopped = async {
                while stop.recv().await.is_ok() {}
                Err(Error::new(ErrorKind::Interrupted, "the engine stops"))
            };
            if let Err(e) = self.send_tls_report(day, &domain, is_late).or(stopped).await {
                log::warn!("the TLS report on {domain:?} has to wait: {e}");
                done = false;
            }
        }
        done
    }

    /// Sends one report, or finds that nobody wants it. `is_late`: now or never.
    async fn send_tls_report(&self, day: i64, domain: &str, is_late: bool) -> Result<()> {
        let nobody = || self.store.tls_reported(day, domain.to_owned());
        let Some(from) = self.settings.sending.tls_report_from.clone() else { return nobody().await };
        let wanted = match self.tls_addressees(domain).await {
            Ok(wanted) if wanted.is_empty() => return nobody().await,
            Ok(wanted) => wanted,
            Err(_) if is_late => return nobody().await,
            Err(why) => return Err(Error::new(ErrorKind::Dns, why)),
        };
        let rows = self.store.tls_results(day, domain.to_owned()).await?;
        let id = format!("{day}.{:016x}@{}", self.world.entropy.u64(), from.domain().key());
        let report = Arc::new(report(day, &from, &id, &rows));
        let (mut posted, mut mail_to, mut failed) = (false, Vec::new(), None);
        for addressee in wanted {
            match addressee {
                Addressee::Mail(address) => mail_to.push(address),
                Addressee::Https(host, port, path) => match self.post(&host, port, &path, &report).await {
                    Ok(()) => posted = true,
                    Err(why) => failed = Some(why),
                },
            }
        }
        if !mail_to.is_empty() {
            return self.mail_tls_report((day, domain), &from, mail_to, report).await;
        }
        match failed {
            Some(why) if !posted && !is_late => Err(Error::new(ErrorKind::Dns, why)),
            _ => nobody().await,
        }
    }

    /// Queues one report, in the transaction in which its results are forgotten.
    async fn mail_tls_report(
        &self,
        (day, domain): (i64, &str),
        from: &Address,
        to: Vec<Address>,
        report: Arc<TlsReport>,
    ) -> Result<()> {
        let mut boundary = [0; 16];
        self.world.entropy.fill(&mut boundary);
        let (from, date, about) = (from.clone(), self.world.clock.wall(), domain.to_owned());
        let envelope = Envelope {
            smtputf8: to.iter().chain([&from]).any(Address::needs_smtputf8),
            reverse_path: Some(from.clone()),
            recipients: to.iter().cloned().map(silent).collect(),
            ..Envelope::default()
        };
        let compose =
            move || TlsLetter { report: &report, domain: &about, from: &from, to: &to, date, boundary }.compose();
        let letter = aside(&*self.world.run, false, compose).await?;
        let notes = Notes { tls_reported: Some((day, domain.to_owned())), ..Notes::default() };
        match self.submit_noting(&envelope, Content::from_octets(letter), notes).await {
            Ok(_) => Ok(()),
            Err(e) if e.kind().is_of_disk() || e.kind() == ErrorKind::Busy => Err(e),
            Err(e) => {
                // What will not do now will not do later.
                log::warn!("the TLS report on {domain:?} cannot be sent: {e}");
                self.store.tls_reported(day, domain.to_owned()).await
            }
        }
    }

    /// Posts one report (RFC 8460 §5.4).
    async fn post(
        &self,
        host: &str,
        port: Option<u16>,
        path: &str,
        report: &Arc<TlsReport>,
    ) -> std::result::Result<(), String> {
        let world = &self.world;
        let report = Arc::clone(report);
        let packed = aside(&*world.run, false, move || crate::feedback::gzip(report.to_json().as_bytes()));
        let packed = packed.await.map_err(|e| e.to_string())?;
        let found = mx::addresses(world, &Exchanger::new(host, 0), self.settings.outbound.ipv6).await;
        let port = port.unwrap_or(self.settings.outbound.mta_sts_port);
        let ips = found.map_err(|no_route| no_route.text)?.ips;
        let at: Vec<SocketAddr> = ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        let deadline = world.clock.now() + Duration::from_secs(TLS_REPORT_POST_SECONDS);
        let post = Some(("application/tlsrpt+gzip", packed.as_slice()));
        let request = Request { host, at: &at, path, post, octets_max: CHUNK_OCTETS_MAX, deadline };
        let response = https::send(world, &request).await.map_err(|failure| format!("{host}: {}", failure.text))?;
        match response.status {
            200..=299 => Ok(()),
            status => Err(format!("{host} answers with status {status}")),
        }
    }

    /// Who gets a domain's report; why it cannot be known now.
    async fn tls_addressees(&self, domain: &str) -> std::result::Result<Vec<Addressee>, String> {
        let world = &self.world;
        let deadline = world.clock.sleep_until(world.clock.now() + Duration::from_secs(DNS_WAIT_SECONDS));
        let name = format!("_smtp._tls.{domain}");
        let silence = async move {
            deadline.await;
            Err(NoRecords::Timeout)
        };
        let asked = async { world.resolver.ask(&name, RecordKind::Txt).await.records };
        let records = match asked.or(silence).await {
            Ok(records) => records,
            Err(why) if why.is_transient() => return Err(format!("{name}: {why}")),
            Err(_) => return Ok(Vec::new()),
        };
        let texts = records.iter().filter_map(|record| match record {
            Record::Txt(text) => Some(text.as_slice()),
            _ => None,
        });
        Ok(addressees(texts))
    }
}

/// What was counted as a report.
fn report(day: i64, from: &Address, id: &str, rows: &[TlsResultRow]) -> TlsReport {
    let counted = rows.iter().map(|row| {
        let sessions = u64::try_from(row.sessions).unwrap_or(0);
        (row.policy.as_str(), row.failure.as_str(), sessions)
    });
    TlsReport::of_day(day, (&from.domain().key(), &from.to_string(), id), counted)
}

/// The addressees of a domain's record; none where it has several records, or one that is none (§3).
fn addressees<'a>(records: impl Iterator<Item = &'a [u8]>) -> Vec<Addressee> {
    let texts = records.filter_map(|record| std::str::from_utf8(record).ok());
    let mut ours = texts.filter(|text| text.split(';').next().is_some_and(|first| first.trim() == "v=TLSRPTv1"));
    let (Some(record), None) = (ours.next(), ours.next()) else { return Vec::new() };
    let field = record.split(';').skip(1).find_map(|field| {
        let (name, value) = field.split_once('=')?;
        (name.trim() == "rua").then_some(value)
    });
    let uris = field.unwrap_or_default().split(',').map(str::trim);
    uris.filter_map(addressee).take(TLS_REPORT_ADDRESSEES_MAX).collect()
}

fn addressee(uri: &str) -> Option<Addressee> {
    let (scheme, rest) = uri.split_once(':')?;
    if scheme.eq_ignore_ascii_case("mailto") {
        let address = rest.split(['?', '!']).next().unwrap_or_default().replace("%2C", ",").replace("%21", "!");
        return Address::parse(&address).ok().map(Addressee::Mail);
    }
    let rest = rest.strip_prefix("//").filter(|_| scheme.eq_ignore_ascii_case("https"))?;
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (authority, None),
    };
    let is_clean = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    let is_host = !host.is_empty() && !host.contains(['@', '[']) && is_clean(host) && is_clean(path);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    is_host.then(|| Addressee::Https(host.to_ascii_lowercase(), port, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_name_addressees() {
        let of = |records: &[&str]| addressees(records.iter().map(|record| record.as_bytes()));
        let mail = |text: &str| Addressee::Mail(Address::parse(text).unwrap());
        let https = |host: &str, port, path: &str| Addressee::Https(host.to_owned(), port, path.to_owned());
        for (records, wanted) in [
            (&["v=TLSRPTv1; rua=mailto:a@b.example"][..], vec![mail("a@b.example")]),
            (
                &["v=TLSRPTv1;rua=https://R.example/v1?x=1,mailto:a@b.example ;", "v=spf1 -all"],
                vec![https("r.example", None, "/v1?x=1"), mail("a@b.example")],
            ),
            (&["v=TLSRPTv1; rua=https://r.example:8443"], vec![https("r.example", Some(8443), "/")]),
            (&["v=TLSRPTv1; rua=http://r.example/", "x"], vec![]),
            (&["v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@d.example"], vec![]),
            (&["v=TLSRPTv1; rua=https://u@r.example/"], vec![]),
            (&["v=TLSRPTv2; rua=mailto:a@b.example"], vec![]),
            (&[], vec![]),
        ] {
            assert_eq!(of(records), wanted, "{records:?}");
        }
        let many = format!("v=TLSRPTv1; rua={}", ["mailto:a@b.example"; 9].join(","));
        assert_eq!(of(&[&many]).len(), TLS_REPORT_ADDRESSEES_MAX);
    }
}
