//! DANE for SMTP (RFC 7672): which TLSA records a host has, and what they demand.
//!
//! Only what DNSSEC proves counts: that the domain's mail may go to the host, the host's addresses, the records. Where
//! the host's name is an alias, its end is asked first and then the name itself (§2.2.2). A question that fails is no
//! denial: the host gets no mail for now (§2.1.2).

use std::time::Duration;

use smol::future::FutureExt;

use crate::base::World;
use crate::base::limits::{CNAME_STEPS_MAX, DNS_WAIT_SECONDS, TLSA_DATA_OCTETS_MAX, TLSA_RECORDS_MAX};
use crate::base::world::{DnsAnswer, NoRecords, Record, RecordKind, Tlsa};
use crate::dns::mx::Exchanger;

/// What DNS says of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaneFound {
    /// Records to check its certificate by.
    Records(DaneRecords),
    /// Records, none of which can be used: TLS is demanded, and no certificate (§2.2).
    Unusable,
    /// No records, or nothing proved.
    Nothing,
    /// It cannot be known now, in a sentence.
    Unknown(String),
}

/// Usable TLSA records of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaneRecords {
    /// Where they were found.
    pub owner: String,
    /// Usages 2 and 3; at least one.
    pub records: Vec<Tlsa>,
    /// Names that a certificate may be for where a record means its authority (§3.2.2).
    pub names: Vec<String>,
}

/// Looks a host's records up. `domain` is whose mail it gets; `ports` are those whose records count.
pub async fn look_up(world: &World, exchanger: &Exchanger, domain: &str, ports: &[u16]) -> DaneFound {
    if exchanger.address.is_some() {
        return DaneFound::Nothing;
    }
    let host = exchanger.name.trim_end_matches('.').to_ascii_lowercase();
    let end = match end_of_aliases(world, &host).await {
        Ok(end) => end,
        Err(why) => return DaneFound::Unknown(why),
    };
    let bases = if end == host { vec![host.clone()] } else { vec![end, host.clone()] };
    for base in bases {
        for port in ports {
            let owner = format!("_{port}._tcp.{base}");
            let answer = ask(world, &owner, RecordKind::Tlsa).await;
            match answer.records {
                Ok(records) if answer.secure => {
                    let records = usable(records);
                    let mut names = vec![base.clone(), host.clone(), domain.to_owned()];
                    names.dedup();
                    return match records.is_empty() {
                        true => DaneFound::Unusable,
                        false => DaneFound::Records(DaneRecords { owner, records, names }),
                    };
                }
                Ok(_) | Err(NoRecords::NxDomain | NoRecords::NoData | NoRecords::BadName) => {}
                Err(why) => return DaneFound::Unknown(format!("TLSA records of {owner} are not known: {why}")),
            }
        }
    }
    DaneFound::Nothing
}

/// The name that the aliases of a name end at, as far as they are proved.
async fn end_of_aliases(world: &World, name: &str) -> Result<String, String> {
    let mut end = name.to_owned();
    for _ in 0..CNAME_STEPS_MAX {
        let answer = ask(world, &end, RecordKind::Cname).await;
        match answer.records {
            Ok(records) if answer.secure => match records.into_iter().next() {
                Some(Record::Cname(target)) => end = target.trim_end_matches('.').to_ascii_lowercase(),
                _ => return Ok(end),
            },
            // An alias that nothing proves leads to records that nothing proves (§2.2.2): the name itself counts.
            Ok(_) => return Ok(name.to_owned()),
            Err(why) if why.is_transient() => return Err(format!("whether {end} is an alias is not known: {why}")),
            Err(_) => return Ok(end),
        }
    }
    Ok(end)
}

/// The records that SMTP uses: usages 2 and 3 (§3.1), known selectors and matching types, data of a length that fits.
fn usable(records: Vec<Record>) -> Vec<Tlsa> {
    let usable = records.into_iter().filter_map(|record| match record {
        Record::Tlsa { usage: usage @ (2 | 3), selector: selector @ (0 | 1), matching, data } => {
            let fits = match matching {
                0 => (1..=TLSA_DATA_OCTETS_MAX).contains(&data.len()),
                1 => data.len() == 32,
                2 => data.len() == 64,
                _ => false,
            };
            fits.then_some(Tlsa { usage, selector, matching, data })
        }
        _ => None,
    });
    usable.take(TLSA_RECORDS_MAX).collect()
}

async fn ask(world: &World, name: &str, kind: RecordKind) -> DnsAnswer {
    let deadline = world.clock.sleep_until(world.clock.now() + Duration::from_secs(DNS_WAIT_SECONDS));
    let silence = async move {
        deadline.await;
        DnsAnswer { records: Err(NoRecords::Timeout), ttl: Duration::ZERO, secure: false }
    };
    world.resolver.ask(name, kind).or(silence).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_records_that_smtp_uses_are_kept() {
        let tlsa =
            |usage, selector, matching, octets| Record::Tlsa { usage, selector, matching, data: vec![7; octets] };
        for (record, kept) in [
            (tlsa(3, 1, 1, 32), true),
            (tlsa(2, 0, 2, 64), true),
            (tlsa(3, 0, 0, 1), true),
            (tlsa(3, 0, 0, TLSA_DATA_OCTETS_MAX + 1), false),
            (tlsa(3, 1, 0, 0), false),
            (tlsa(0, 1, 1, 32), false),
            (tlsa(1, 1, 1, 32), false),
            (tlsa(255, 1, 1, 32), false),
            (tlsa(3, 2, 1, 32), false),
            (tlsa(3, 1, 3, 32), false),
            (tlsa(3, 1, 1, 31), false),
            (tlsa(3, 1, 2, 32), false),
        ] {
            assert_eq!(usable(vec![record.clone()]).len(), usize::from(kept), "{record:?}");
        }
        assert_eq!(usable(vec![tlsa(3, 1, 1, 32); TLSA_RECORDS_MAX + 1]).len(), TLSA_RECORDS_MAX);
    }
}
