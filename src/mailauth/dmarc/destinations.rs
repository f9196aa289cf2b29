//! Who may be sent reports on a domain: its own organization, and others that say they want them (RFC 7489 §7.1,
//! RFC 9990). Else anybody could have everybody's reports sent to a third.

use super::evaluate::{Trouble, organization};
use super::{DmarcRecord, ReportAddress, record};
use crate::base::world::{NoRecords, Record, RecordKind, Resolver};

/// The addresses of a record's `rua` that reports on `policy_domain` may go to, each once. Addresses whose domain DNS
/// could not be asked about are left out; where that leaves none, it is the error: why, for a person. Costs at most
/// nine questions for an address and eight more.
pub async fn destinations(
    resolver: &dyn Resolver,
    policy_domain: &str,
    record: &DmarcRecord,
) -> Result<Vec<ReportAddress>, String> {
    let mut wanted: Vec<ReportAddress> = Vec::new();
    let mut trouble = None;
    for to in &record.aggregate {
        match destination(resolver, policy_domain, to).await {
            Ok(Some(to)) if !wanted.iter().any(|known| known.address.key() == to.address.key()) => wanted.push(to),
            Ok(_) => {}
            Err(Trouble(why)) => trouble = Some(why),
        }
    }
    match trouble {
        Some(why) if wanted.is_empty() => Err(why),
        _ => Ok(wanted),
    }
}

async fn destination(
    resolver: &dyn Resolver,
    policy_domain: &str,
    to: &ReportAddress,
) -> Result<Option<ReportAddress>, Trouble> {
    let host = to.address.domain().key();
    if host == policy_domain || organization(resolver, &host).await? == organization(resolver, policy_domain).await? {
        return Ok(Some(to.clone()));
    }
    let name = format!("{policy_domain}._report._dmarc.{host}");
    let records = match resolver.ask(&name, RecordKind::Txt).await.records {
        Ok(records) => records,
        Err(NoRecords::NxDomain | NoRecords::NoData | NoRecords::BadName) => return Ok(None),
        Err(trouble) => return Err(Trouble(format!("TXT of {name}: {trouble:?}"))),
    };
    let wishes = records.iter().filter_map(|record| match record {
        Record::Txt(txt) if record::is_dmarc(txt) => DmarcRecord::parse(txt),
        _ => None,
    });
    // One that has a better address says so; it must be at the same host, or the question would begin anew.
    let better = |wish: DmarcRecord| match wish.aggregate.into_iter().next() {
        None => Some(to.clone()),
        Some(other) => (other.address.domain().key() == host)
            .then(|| ReportAddress { octets_max: other.octets_max.or(to.octets_max), ..other }),
    };
    Ok(wishes.filter_map(better).next())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::ready;
    use std::time::Duration;

    use super::*;
    use crate::base::world::{BoxFuture, DnsAnswer};

    struct Txt(BTreeMap<&'static str, &'static str>);

    impl Resolver for Txt {
        fn ask(&self, name: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
            let records = match self.0.get(name) {
                Some(&"SERVFAIL") => Err(NoRecords::ServFail),
                Some(txt) => Ok(vec![Record::Txt(txt.as_bytes().to_vec())]),
                None => Err(NoRecords::NxDomain),
            };
            Box::pin(ready(DnsAnswer { records, ttl: Duration::ZERO, secure: false }))
        }
    }

    #[test]
    fn only_those_who_want_them() {
        let zone = Txt(BTreeMap::from([
            ("_dmarc.example.com", "v=DMARC1; p=none"),
            ("_dmarc.own.example.com", "v=DMARC1; p=none"),
            ("own.example.com._report._dmarc.third.example", "v=DMARC1"),
            ("own.example.com._report._dmarc.better.example", "v=DMARC1; rua=mailto:here@better.example!5k"),
            ("own.example.com._report._dmarc.sly.example", "v=DMARC1; rua=mailto:victim@other.example"),
            ("own.example.com._report._dmarc.odd.example", "hello"),
            ("own.example.com._report._dmarc.down.example", "SERVFAIL"),
        ]));
        let cases: &[(&str, Result<&str, ()>)] = &[
            ("mailto:a@own.example.com", Ok("a@own.example.com")),
            ("mailto:a@example.com,mailto:a@mail.example.com", Ok("a@example.com a@mail.example.com")),
            ("mailto:a@third.example!9, mailto:A@third.example", Ok("a@third.example!9")),
            ("mailto:a@better.example", Ok("here@better.example!5120")),
            ("mailto:a@sly.example, mailto:a@odd.example, mailto:a@nobody.example", Ok("")),
            ("mailto:a@down.example", Err(())),
            ("mailto:a@down.example, mailto:a@third.example", Ok("a@third.example")),
        ];
        for (rua, wanted) in cases {
            let record = DmarcRecord::parse(format!("v=DMARC1; p=none; rua={rua}").as_bytes()).unwrap();
            let found = smol::block_on(destinations(&zone, "own.example.com", &record));
            let said = found.map_err(drop).map(|list| {
                let size = |to: &ReportAddress| to.octets_max.map(|octets| format!("!{octets}")).unwrap_or_default();
                list.iter().map(|to| format!("{}{}", to.address, size(to))).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(said.as_ref().map(String::as_str).map_err(|e| *e), *wanted, "{rua}");
        }
    }
}
