//! DNS messages of a small server: hickory's codec reads and writes the octets, the zone answers. No packet makes it
//! panic, and none is decoded that asks more than one question.

use trust_dns_resolver::proto::op::{Edns, Header, Message, MessageType, OpCode, Query, ResponseCode};
use trust_dns_resolver::proto::rr::rdata::SOA;
use trust_dns_resolver::proto::rr::{self, DNSClass, Name, RData};
use trust_dns_resolver::proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::base::limits::{CNAME_STEPS_MAX, DNS_NEGATIVE_SECONDS, DNS_UDP_OCTETS_MAX};
use crate::base::world::{Record, RecordKind};

use super::record::{data_of, kind_of, name_of, text_of};
use super::zone::{Found, Zone};

/// Octets of a datagram for who says nothing of a larger one (RFC 1035 §2.3.4).
const PLAIN_OCTETS_MAX: usize = 512;

/// The reply to a message that came over UDP (`datagram`) or TCP; `None` where it deserves none.
pub(super) fn reply(message: &[u8], zone: &Zone, datagram: bool) -> Option<Vec<u8>> {
    let header = Header::read(&mut BinDecoder::new(message)).ok()?;
    // Never answer a response: two servers would talk for ever.
    if header.metadata.message_type == MessageType::Response {
        return None;
    }
    let mut reply = Message::response(header.metadata.id, header.metadata.op_code);
    reply.metadata.recursion_desired = header.metadata.recursion_desired;
    reply.metadata.authoritative = true;
    // No recursion is needed: the zone is all the world.
    reply.metadata.recursion_available = true;
    if header.metadata.op_code != OpCode::Query {
        reply.metadata.response_code = ResponseCode::NotImp;
        return reply.to_vec().ok();
    }
    let asked = (header.counts.queries == 1).then(|| Message::from_vec(message).ok()).flatten();
    let Some((question, edns)) = asked.and_then(|asked| Some((asked.queries.into_iter().next()?, asked.edns))) else {
        reply.metadata.response_code = ResponseCode::FormErr;
        return reply.to_vec().ok();
    };
    let limit = match &edns {
        _ if !datagram => usize::from(u16::MAX),
        Some(edns) => usize::from(edns.max_payload()).clamp(PLAIN_OCTETS_MAX, DNS_UDP_OCTETS_MAX),
        None => PLAIN_OCTETS_MAX,
    };
    if edns.is_some() {
        let mut ours = Edns::new();
        ours.set_max_payload(DNS_UDP_OCTETS_MAX as u16);
        reply.set_edns(ours);
    }
    reply.metadata.response_code = match question.query_class() {
        DNSClass::IN => resolve(&question, zone, &mut reply),
        _ => ResponseCode::Refused,
    };
    reply.add_query(question);
    written(reply, limit, datagram)
}

/// The octets of a reply. One over `limit` has no records: the asker comes again over TCP, and what does not fit there
/// is a failure.
fn written(reply: Message, limit: usize, datagram: bool) -> Option<Vec<u8>> {
    let octets = reply.to_vec().ok()?;
    let is_whole = Header::read(&mut BinDecoder::new(&octets)).is_ok_and(|header| !header.metadata.truncation);
    if is_whole && octets.len() <= limit {
        return Some(octets);
    }
    let mut short = reply.truncate();
    if !datagram {
        (short.metadata.truncation, short.metadata.response_code) = (false, ResponseCode::ServFail);
    }
    short.to_vec().ok()
}

/// Answers from the zone, with the aliases on the way.
fn resolve(question: &Query, zone: &Zone, reply: &mut Message) -> ResponseCode {
    let mut owner = question.name().clone();
    for _ in 0..=CNAME_STEPS_MAX {
        match find(zone, &text_of(&owner), kind_of(question.query_type())) {
            Found::Records(records, ttl) => {
                for record in &records {
                    let Some(data) = data_of(record) else { return failed(reply) };
                    reply.add_answer(rr::Record::from_rdata(owner.clone(), ttl, data));
                }
                return ResponseCode::NoError;
            }
            Found::Alias(target, ttl) => {
                let alias = Record::Cname(target);
                let (Some(data), Record::Cname(target)) = (data_of(&alias), &alias) else { return failed(reply) };
                let Some(next) = name_of(target) else { return failed(reply) };
                reply.add_answer(rr::Record::from_rdata(std::mem::replace(&mut owner, next), ttl, data));
            }
            Found::NoData => {
                reply.add_authority(denial());
                return ResponseCode::NoError;
            }
            Found::Unknown => {
                reply.add_authority(denial());
                return ResponseCode::NXDomain;
            }
        }
    }
    failed(reply)
}

/// What the zone has. Of a kind that the engine has no word for, there may be the name, or an alias.
fn find(zone: &Zone, name: &str, kind: Option<RecordKind>) -> Found {
    match kind {
        Some(kind) => zone.find(name, kind),
        None => match zone.find(name, RecordKind::Cname) {
            Found::Records(records, ttl) => match records.into_iter().next() {
                Some(Record::Cname(target)) => Found::Alias(target, ttl),
                _ => Found::NoData,
            },
            other => other,
        },
    }
}

/// No answer at all.
fn failed(reply: &mut Message) -> ResponseCode {
    reply.answers.clear();
    ResponseCode::ServFail
}

/// RFC 2308 §3: says how long the denial holds. The root's, since a zone here is all the world.
fn denial() -> rr::Record {
    let seconds = DNS_NEGATIVE_SECONDS as u32;
    let soa = SOA::new(Name::root(), Name::root(), 1, 3600, 600, 86_400, seconds);
    rr::Record::from_rdata(Name::root(), seconds, RData::SOA(soa))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Zone {
        let mut zone = Zone::new();
        zone.add("mx.test", "A", "192.0.2.1", 60).unwrap();
        zone.add("a.test", "CNAME", "mx.test", 30).unwrap();
        for number in 0..8 {
            zone.add("long.test", "TXT", &format!("{number}{}", "x".repeat(200)), 60).unwrap();
        }
        zone
    }

    fn query(name: &str, kind: u16, edns: Option<u16>) -> Vec<u8> {
        let mut out = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())];
        for label in name.split('.').filter(|label| !label.is_empty()) {
            out.push(label.len() as u8);
            out.extend_from_slice(label.as_bytes());
        }
        out.push(0);
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 1]);
        if let Some(octets) = edns {
            out.extend_from_slice(&[0, 0, 41]);
            out.extend_from_slice(&octets.to_be_bytes());
            out.extend_from_slice(&[0; 6]);
        }
        out
    }

    /// Flags and the four counts.
    fn head(reply: &[u8]) -> (u16, [u16; 4]) {
        let mut numbers = reply.chunks(2).map(|pair| u16::from_be_bytes(pair.try_into().unwrap()));
        assert_eq!(numbers.next(), Some(0x1234));
        let mut next = || numbers.next().unwrap();
        (next(), [next(), next(), next(), next()])
    }

    #[test]
    fn answers_with_aliases_and_in_the_asker_s_letters() {
        let sent = query("A.teSt", 1, None);
        let got = reply(&sent, &zone(), true).unwrap();
        assert_eq!(head(&got), (0x8580, [1, 2, 0, 0]));
        assert_eq!(got[12..sent.len()], sent[12..]);
        // The owner of the second record is the target of the first one, where it stands at octet 36.
        let tail = [
            &b"\xC0\x0C\0\x05\0\x01\0\0\0\x1E\0\x09\x02mx\x04test\0"[..],
            b"\xC0\x24\0\x01\0\x01\0\0\0\x3C\0\x04\xC0\0\x02\x01",
        ];
        assert_eq!(got[sent.len()..], tail.concat());
    }

    #[test]
    fn denies_with_a_soa_and_edns_in_kind() {
        for (name, kind, flags) in
            [("none.test", 1, 0x8583), ("mx.test", 28, 0x8580), ("mx.test", 2, 0x8580), ("", 1, 0x8583)]
        {
            assert_eq!(
                head(&reply(&query(name, kind, Some(4096)), &zone(), true).unwrap()),
                (flags, [1, 0, 1, 1]),
                "{name}"
            );
        }
        let mut chaos = query("version.bind", 16, None);
        let class = chaos.len() - 1;
        chaos[class] = 3;
        assert_eq!(head(&reply(&chaos, &zone(), true).unwrap()).0, 0x8585);
    }

    #[test]
    fn what_does_not_fit_is_truncated_over_udp_only() {
        for edns in [None, Some(512), Some(65_535)] {
            let got = reply(&query("long.test", 16, edns), &zone(), true).unwrap();
            assert_eq!(head(&got), (0x8780, [1, 0, 0, u16::from(edns.is_some())]));
        }
        let mut huge = zone();
        for number in 0..400 {
            huge.add("huge.test", "TXT", &format!("{number}{}", "x".repeat(200)), 60).unwrap();
        }
        for (datagram, flags) in [(true, 0x8780), (false, 0x8582)] {
            let got = reply(&query("huge.test", 16, Some(1232)), &huge, datagram).unwrap();
            assert_eq!(head(&got), (flags, [1, 0, 0, 1]), "more than any message holds");
        }
        let whole = reply(&query("long.test", 16, None), &zone(), false).unwrap();
        assert_eq!(head(&whole), (0x8580, [1, 8, 0, 0]));
        assert!(whole.len() > DNS_UDP_OCTETS_MAX);
        let small = reply(&query("mx.test", 1, Some(0)), &zone(), true).unwrap();
        assert_eq!(head(&small), (0x8580, [1, 1, 0, 1]));
    }

    #[test]
    fn rubbish_gets_an_error_or_nothing() {
        let good = query("mx.test", 1, Some(1232));
        for cut in 0..good.len() {
            let got = reply(&good[..cut], &zone(), true);
            assert_eq!(got.is_some(), cut >= 12, "{cut}");
        }
        let with = |at: usize, octet: u8| {
            let mut message = good.clone();
            message[at] = octet;
            reply(&message, &zone(), true).map(|got| head(&got).0)
        };
        assert_eq!(with(2, 0x81), None);
        assert_eq!(with(2, 0x29), Some(0xAD84));
        assert_eq!(with(5, 2), Some(0x8581));
        assert_eq!(with(12, 0xC0), Some(0x8581));
        assert_eq!(with(12, 0x40), Some(0x8581));
        // Another name altogether: octets in a label are just octets, and a dot is no dot between labels.
        assert_eq!(with(12, 7), Some(0x8583));
        let dotted = [&query("", 1, None)[..12], b"\x07mx.test\0\0\x01\0\x01"].concat();
        assert_eq!(reply(&dotted, &zone(), true).map(|got| head(&got).0), Some(0x8583));
        // Records that the counts announce and that are not there.
        let missing = [&good[..12], &query("mx.test", 1, None)[12..]].concat();
        assert_eq!(reply(&missing, &zone(), true).map(|got| head(&got).0), Some(0x8581));
        // Every octet of a good message changed in every way: no panic.
        for at in 0..good.len() {
            for octet in 0..=255 {
                let _ = reply(&[&good[..at], &[octet], &good[at + 1..]].concat(), &zone(), true);
            }
        }
    }
}
