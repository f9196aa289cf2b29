//! Names, kinds and records in the engine's words and in those of hickory's codec, both ways.
//!
//! What hickory knows and the engine has no word for is `None`.

use trust_dns_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, TLSA, TXT};
use trust_dns_resolver::proto::rr::{Name, RData, RecordType};

use crate::base::limits::DNS_NAME_OCTETS_MAX;
use crate::base::world::{Record, RecordKind};

/// Octets of one string of a TXT record (RFC 1035 §3.3.14).
const TXT_STRING_OCTETS_MAX: usize = 255;

/// A name, label by label; the final dot may be missing, and the empty text is the root. Hickory's own parsers of text
/// refuse `s1_2048._domainkey`, and what a macro of SPF makes of a sender: DNS takes `a/b` and `a b` (RFC 2181 §11).
pub(super) fn name_of(ascii: &str) -> Option<Name> {
    let ascii = ascii.strip_suffix('.').unwrap_or(ascii);
    if ascii.is_empty() {
        return Some(Name::root());
    }
    let label_fits = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(|c| matches!(c, b' '..=b'~'));
    (ascii.len() <= DNS_NAME_OCTETS_MAX && ascii.split('.').all(label_fits)).then_some(())?;
    let mut name = Name::from_labels(ascii.split('.').map(str::as_bytes)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// A name without the final dot; empty for the root. Only what would not be read as the same name again is escaped.
pub(super) fn text_of(name: &Name) -> String {
    let is_plain = |label: &[u8]| label.iter().all(|c| matches!(c, b' '..=b'~') && *c != b'.');
    if name.iter().all(is_plain) {
        let labels: Vec<_> = name.iter().map(String::from_utf8_lossy).collect();
        return labels.join(".");
    }
    let ascii = name.to_ascii();
    ascii.strip_suffix('.').unwrap_or(&ascii).to_owned()
}

/// The kinds of record that the engine asks for.
const KINDS: [(RecordKind, RecordType); 7] = [
    (RecordKind::A, RecordType::A),
    (RecordKind::Aaaa, RecordType::AAAA),
    (RecordKind::Mx, RecordType::MX),
    (RecordKind::Txt, RecordType::TXT),
    (RecordKind::Ptr, RecordType::PTR),
    (RecordKind::Tlsa, RecordType::TLSA),
    (RecordKind::Cname, RecordType::CNAME),
];

/// The type of a kind.
pub(super) fn type_of(kind: RecordKind) -> RecordType {
    KINDS.iter().find(|(one, _)| *one == kind).map_or(RecordType::ZERO, |(_, record_type)| *record_type)
}

/// The kind of a type.
pub(super) fn kind_of(record_type: RecordType) -> Option<RecordKind> {
    KINDS.iter().find(|(_, one)| *one == record_type).map(|(kind, _)| *kind)
}

/// A record as hickory read it.
pub(super) fn record_of(data: &RData) -> Option<Record> {
    Some(match data {
        RData::A(ip) => Record::A(ip.0),
        RData::AAAA(ip) => Record::Aaaa(ip.0),
        RData::MX(mx) => Record::Mx { preference: mx.preference, exchange: text_of(&mx.exchange) },
        RData::TXT(txt) => Record::Txt(txt.txt_data.concat()),
        RData::PTR(name) => Record::Ptr(text_of(&name.0)),
        RData::CNAME(name) => Record::Cname(text_of(&name.0)),
        RData::TLSA(tlsa) => Record::Tlsa {
            usage: tlsa.cert_usage.into(),
            selector: tlsa.selector.into(),
            matching: tlsa.matching.into(),
            data: tlsa.cert_data.clone(),
        },
        _ => return None,
    })
}

/// A record as hickory writes it; `None` where a name in it is none.
pub(super) fn data_of(record: &Record) -> Option<RData> {
    Some(match record {
        Record::A(ip) => RData::A(A(*ip)),
        Record::Aaaa(ip) => RData::AAAA(AAAA(*ip)),
        Record::Mx { preference, exchange } => RData::MX(MX::new(*preference, name_of(exchange)?)),
        Record::Txt(text) if text.is_empty() => RData::TXT(TXT::from_bytes(vec![&[]])),
        Record::Txt(text) => RData::TXT(TXT::from_bytes(text.chunks(TXT_STRING_OCTETS_MAX).collect())),
        Record::Ptr(name) => RData::PTR(PTR(name_of(name)?)),
        Record::Cname(name) => RData::CNAME(CNAME(name_of(name)?)),
        Record::Tlsa { usage, selector, matching, data } => {
            RData::TLSA(TLSA::new((*usage).into(), (*selector).into(), (*matching).into(), data.clone()))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn records_come_back() {
        for record in [
            Record::A(Ipv4Addr::new(192, 0, 2, 1)),
            Record::Aaaa(Ipv6Addr::LOCALHOST),
            Record::Mx { preference: 10, exchange: "mx.test".to_owned() },
            Record::Mx { preference: 0, exchange: String::new() },
            Record::Txt(Vec::new()),
            Record::Txt(vec![b'x'; 600]),
            Record::Ptr("a_b.test".to_owned()),
            Record::Cname("a/b c.test".to_owned()),
            Record::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![0, 255] },
            Record::Tlsa { usage: 77, selector: 78, matching: 79, data: Vec::new() },
        ] {
            assert_eq!(data_of(&record).as_ref().and_then(record_of), Some(record));
        }
        let long = format!("{}.test", "a".repeat(64));
        assert_eq!(data_of(&Record::Cname(long)), None);
    }

    #[test]
    fn names_come_back() {
        for (text, same) in [("", ""), (".", ""), ("A.Test", "A.Test"), ("a.test.", "a.test")] {
            assert_eq!(name_of(text).as_ref().map(text_of).as_deref(), Some(same));
        }
        for text in ["a..test", ".a", "a\u{fc}.test", "a\x07.test", &"a.".repeat(128)] {
            assert_eq!(name_of(text), None, "{text:?}");
        }
        let dotted = Name::from_labels([&b"mx.test"[..]]).unwrap();
        assert_eq!(text_of(&dotted), "mx\\.test");
    }

    #[test]
    fn kinds_come_back() {
        for (kind, record_type) in KINDS {
            assert_eq!((type_of(kind), kind_of(record_type)), (record_type, Some(kind)));
        }
        assert_eq!(kind_of(RecordType::NS), None);
    }
}
