//! The data of a record as people write it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::key_of;
use crate::base::world::{Record, RecordKind};

/// The kind of a name in any case.
pub(super) fn kind_of(text: &str) -> Option<RecordKind> {
    Some(match text.to_ascii_uppercase().as_str() {
        "A" => RecordKind::A,
        "AAAA" => RecordKind::Aaaa,
        "MX" => RecordKind::Mx,
        "TXT" => RecordKind::Txt,
        "PTR" => RecordKind::Ptr,
        "TLSA" => RecordKind::Tlsa,
        "CNAME" => RecordKind::Cname,
        _ => return None,
    })
}

/// A record from the data of a master file (RFC 1035 §5.1).
pub(super) fn record_of(kind: RecordKind, rdata: &str) -> Option<Record> {
    Some(match kind {
        RecordKind::A => Record::A(rdata.parse::<Ipv4Addr>().ok()?),
        RecordKind::Aaaa => Record::Aaaa(rdata.parse::<Ipv6Addr>().ok()?),
        RecordKind::Mx => {
            let (preference, exchange) = rdata.split_once(char::is_whitespace)?;
            let exchange = exchange.trim();
            let exchange = if exchange == "." { String::new() } else { key_of(exchange)? };
            Record::Mx { preference: preference.parse().ok()?, exchange }
        }
        RecordKind::Txt => Record::Txt(text_of(rdata)?),
        RecordKind::Ptr => Record::Ptr(key_of(rdata)?),
        RecordKind::Cname => Record::Cname(key_of(rdata)?),
        RecordKind::Tlsa => {
            let mut fields = rdata.split_ascii_whitespace();
            let mut number = || fields.next()?.parse::<u8>().ok();
            let (usage, selector, matching) = (number()?, number()?, number()?);
            let hex: Vec<u8> = fields.flat_map(str::bytes).collect();
            Record::Tlsa { usage, selector, matching, data: octets_of(&hex)? }
        }
    })
}

/// One string without quotes as it is; strings in quotes, `\"` and `\\` in them, joined.
fn text_of(rdata: &str) -> Option<Vec<u8>> {
    if !rdata.starts_with('"') {
        return Some(rdata.as_bytes().to_vec());
    }
    let mut text = Vec::new();
    let mut inside = false;
    let mut octets = rdata.bytes();
    while let Some(octet) = octets.next() {
        match (inside, octet) {
            (_, b'"') => inside = !inside,
            (true, b'\\') => text.push(octets.next()?),
            (true, octet) => text.push(octet),
            (false, b' ' | b'\t') => {}
            (false, _) => return None,
        }
    }
    (!inside).then_some(text)
}

fn octets_of(hex: &[u8]) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    };
    hex.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_data_as_people_write_it() {
        let good = [
            ("a", "192.0.2.1", Record::A(Ipv4Addr::new(192, 0, 2, 1))),
            ("AAAA", "2001:db8::1", Record::Aaaa("2001:db8::1".parse().unwrap())),
            ("MX", "10 Mail.Example.org.", Record::Mx { preference: 10, exchange: "mail.example.org".into() }),
            ("MX", "0 .", Record::Mx { preference: 0, exchange: String::new() }),
            ("TXT", "v=spf1 -all", Record::Txt(b"v=spf1 -all".to_vec())),
            ("TXT", r#""v=DKIM1; p=" "AB\"C""#, Record::Txt(b"v=DKIM1; p=AB\"C".to_vec())),
            ("PTR", "mail.example.org.", Record::Ptr("mail.example.org".into())),
            ("CNAME", "b.example.org", Record::Cname("b.example.org".into())),
            ("TLSA", "3 1 1 00ff 0A", Record::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![0, 255, 10] }),
        ];
        for (kind, rdata, record) in good {
            assert_eq!(record_of(kind_of(kind).unwrap(), rdata), Some(record), "{kind} {rdata}");
        }
        for (kind, rdata) in [
            ("A", "192.0.2"),
            ("AAAA", "192.0.2.1"),
            ("MX", "mail.example.org"),
            ("MX", "70000 mail"),
            ("MX", "10 a..b"),
            ("TXT", "\"open"),
            ("TXT", "\"a\" b"),
            ("CNAME", ""),
            ("TLSA", "3 1 1 0"),
            ("TLSA", "3 1 1 0g"),
            ("TLSA", "3 1"),
        ] {
            assert_eq!(record_of(kind_of(kind).unwrap(), rdata), None, "{kind} {rdata}");
        }
    }
}
