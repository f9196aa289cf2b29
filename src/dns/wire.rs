//! DNS messages (RFC 1035 §4): what a small server has to read and write. No packet makes it panic.

use crate::base::limits::{CNAME_STEPS_MAX, DNS_NEGATIVE_SECONDS, DNS_UDP_OCTETS_MAX};
use crate::base::world::{Record, RecordKind};

use super::zone::{Found, Zone};

/// Response codes (RFC 1035 §4.1.1).
const NO_ERROR: u16 = 0;
const FORMAT_ERROR: u16 = 1;
const SERVER_FAILURE: u16 = 2;
const NAME_ERROR: u16 = 3;
const NOT_IMPLEMENTED: u16 = 4;
const REFUSED: u16 = 5;

const CLASS_IN: u16 = 1;
const TYPE_SOA: u16 = 6;
const TYPE_OPT: u16 = 41;
/// Octets of a header, which the first question follows.
const HEADER_OCTETS: usize = 12;
/// A name that is the question's (RFC 1035 §4.1.4).
const QUESTION_NAME: u16 = 0xC000 | HEADER_OCTETS as u16;

/// A question as it came.
struct Question<'a> {
    name: String,
    kind: u16,
    class: u16,
    /// Its octets: sent back as they are, letter case included.
    octets: &'a [u8],
}

/// The reply to a message that came over UDP (`datagram`) or TCP; `None` where it deserves none.
pub(super) fn reply(message: &[u8], zone: &Zone, datagram: bool) -> Option<Vec<u8>> {
    let mut reader = Reader(message);
    let (id, flags) = (reader.u16()?, reader.u16()?);
    let counts = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
    // Never answer a response: two servers would talk for ever.
    if flags & 0x8000 != 0 {
        return None;
    }
    // Authoritative, recursion not needed; opcode and RD go back as they came.
    let head = Head { id, flags: 0x8480 | flags & 0x7900 };
    if flags & 0x7800 != 0 {
        return Some(head.alone(NOT_IMPLEMENTED));
    }
    let Some(question) = question(&mut reader, message).filter(|_| counts.first() == Some(&1)) else {
        return Some(head.alone(FORMAT_ERROR));
    };
    let edns = payload_octets(&mut reader, &counts);
    let (code, sections) = match question.class {
        CLASS_IN => resolve(&question, zone),
        _ => (REFUSED, Sections::default()),
    };
    let full = head.with(&question, code, &sections, edns.is_some(), false);
    let limit =
        if datagram { edns.map_or(512, |octets| usize::from(octets).clamp(512, DNS_UDP_OCTETS_MAX)) } else { 65_535 };
    if full.len() <= limit {
        return Some(full);
    }
    let (code, truncated) = if datagram { (code, true) } else { (SERVER_FAILURE, false) };
    Some(head.with(&question, code, &Sections::default(), edns.is_some(), truncated))
}

fn question<'a>(reader: &mut Reader<'a>, message: &'a [u8]) -> Option<Question<'a>> {
    let name = reader.name()?;
    let (kind, class) = (reader.u16()?, reader.u16()?);
    let octets = message.get(HEADER_OCTETS..message.len() - reader.0.len())?;
    Some(Question { name, kind, class, octets })
}

/// What the asker takes over UDP, where it says so (EDNS, RFC 6891 §6.1.2).
fn payload_octets(reader: &mut Reader<'_>, counts: &[u16; 4]) -> Option<u16> {
    for _ in 0..counts.iter().skip(1).map(|&count| u32::from(count)).sum::<u32>() {
        reader.skip_name()?;
        let (kind, class) = (reader.u16()?, reader.u16()?);
        reader.take(4)?;
        let octets = reader.u16()?;
        reader.take(usize::from(octets))?;
        if kind == TYPE_OPT {
            return Some(class);
        }
    }
    None
}

/// Records of a reply.
#[derive(Default)]
struct Sections {
    answers: Vec<u8>,
    answer_count: u16,
    denied: bool,
}

impl Sections {
    fn push(&mut self, owner: Option<&str>, kind: u16, ttl: u32, data: &[u8]) {
        match owner {
            Some(owner) => put_name(&mut self.answers, owner),
            None => put_u16(&mut self.answers, QUESTION_NAME),
        }
        put_record(&mut self.answers, kind, CLASS_IN, ttl, data);
        self.answer_count = self.answer_count.saturating_add(1);
    }
}

/// Answers from the zone, with the aliases on the way.
fn resolve(question: &Question<'_>, zone: &Zone) -> (u16, Sections) {
    let mut sections = Sections::default();
    let mut owner: Option<String> = None;
    for _ in 0..=CNAME_STEPS_MAX {
        let name = owner.as_deref().unwrap_or(&question.name);
        let found = match kind_of(question.kind) {
            Some(kind) => zone.find(name, kind),
            // A kind we do not know: there may be the name, or an alias.
            None => match zone.find(name, RecordKind::Cname) {
                Found::Records(records, ttl) => match records.into_iter().next() {
                    Some(Record::Cname(target)) => Found::Alias(target, ttl),
                    _ => Found::NoData,
                },
                other => other,
            },
        };
        match found {
            Found::Records(records, ttl) => {
                for record in &records {
                    sections.push(owner.as_deref(), question.kind, ttl, &data_of(record));
                }
                return (NO_ERROR, sections);
            }
            Found::Alias(target, ttl) => {
                sections.push(owner.as_deref(), 5, ttl, &data_of(&Record::Cname(target.clone())));
                owner = Some(target);
            }
            Found::NoData => {
                sections.denied = true;
                return (NO_ERROR, sections);
            }
            Found::Unknown => {
                sections.denied = true;
                return (NAME_ERROR, sections);
            }
        }
    }
    (SERVER_FAILURE, Sections::default())
}

/// First fields of a reply.
struct Head {
    id: u16,
    flags: u16,
}

impl Head {
    fn alone(&self, code: u16) -> Vec<u8> {
        self.counted(code, [0; 4])
    }

    fn counted(&self, code: u16, counts: [u16; 4]) -> Vec<u8> {
        let mut out = Vec::with_capacity(DNS_UDP_OCTETS_MAX);
        put_u16(&mut out, self.id);
        put_u16(&mut out, self.flags | code);
        counts.into_iter().for_each(|count| put_u16(&mut out, count));
        out
    }

    fn with(&self, question: &Question<'_>, code: u16, sections: &Sections, edns: bool, truncated: bool) -> Vec<u8> {
        let counts = [1, sections.answer_count, u16::from(sections.denied), u16::from(edns)];
        let mut out = self.counted(code | if truncated { 0x0200 } else { 0 }, counts);
        out.extend_from_slice(question.octets);
        out.extend_from_slice(&sections.answers);
        if sections.denied {
            // RFC 2308 §3: says how long the denial holds. The root's, since a zone here is all the world.
            let mut soa = vec![0, 0];
            for number in [1, 3600, 600, 86_400, DNS_NEGATIVE_SECONDS as u32] {
                soa.extend_from_slice(&number.to_be_bytes());
            }
            out.push(0);
            put_record(&mut out, TYPE_SOA, CLASS_IN, DNS_NEGATIVE_SECONDS as u32, &soa);
        }
        if edns {
            out.push(0);
            put_record(&mut out, TYPE_OPT, DNS_UDP_OCTETS_MAX as u16, 0, &[]);
        }
        out
    }
}

fn kind_of(number: u16) -> Option<RecordKind> {
    Some(match number {
        1 => RecordKind::A,
        5 => RecordKind::Cname,
        12 => RecordKind::Ptr,
        15 => RecordKind::Mx,
        16 => RecordKind::Txt,
        28 => RecordKind::Aaaa,
        52 => RecordKind::Tlsa,
        _ => return None,
    })
}

fn data_of(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    match record {
        Record::A(ip) => out.extend_from_slice(&ip.octets()),
        Record::Aaaa(ip) => out.extend_from_slice(&ip.octets()),
        Record::Mx { preference, exchange } => {
            put_u16(&mut out, *preference);
            put_name(&mut out, exchange);
        }
        Record::Txt(text) if text.is_empty() => out.push(0),
        Record::Txt(text) => {
            for piece in text.chunks(255) {
                out.push(piece.len() as u8);
                out.extend_from_slice(piece);
            }
        }
        Record::Ptr(name) | Record::Cname(name) => put_name(&mut out, name),
        Record::Tlsa { usage, selector, matching, data } => {
            out.extend_from_slice(&[*usage, *selector, *matching]);
            out.extend_from_slice(data);
        }
    }
    out
}

fn put_u16(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// A name whose labels fit, as all in a zone do.
fn put_name(out: &mut Vec<u8>, name: &str) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
}

fn put_record(out: &mut Vec<u8>, kind: u16, class: u16, ttl: u32, data: &[u8]) {
    put_u16(out, kind);
    put_u16(out, class);
    out.extend_from_slice(&ttl.to_be_bytes());
    // Data too long for the field makes a message too long to be sent.
    put_u16(out, u16::try_from(data.len()).unwrap_or(u16::MAX));
    out.extend_from_slice(data);
}

/// What is left of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(octets)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// A name without pointers: the first one of a message has nothing to point to. Octets that no name in a zone has
    /// are kept as escapes.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            let octets = self.u8()?;
            if octets == 0 {
                return Some(name);
            }
            if octets > 63 || name.len() > 255 {
                return None;
            }
            for &octet in self.take(usize::from(octets))? {
                if matches!(octet, b'.' | b'\\') {
                    name.push('\\');
                }
                name.push(char::from(octet));
            }
            name.push('.');
        }
    }

    fn skip_name(&mut self) -> Option<()> {
        loop {
            match self.u8()? {
                0 => return Some(()),
                octets @ 1..=63 => self.take(usize::from(octets)).map(drop)?,
                octets if octets >= 0xC0 => return self.u8().map(drop),
                _ => return None,
            }
        }
    }
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
        put_name(&mut out, name);
        put_u16(&mut out, kind);
        put_u16(&mut out, CLASS_IN);
        if let Some(octets) = edns {
            out.push(0);
            put_record(&mut out, TYPE_OPT, octets, 0, &[]);
        }
        out
    }

    /// Flags and the four counts.
    fn head(reply: &[u8]) -> (u16, [u16; 4]) {
        let mut reader = Reader(reply);
        assert_eq!(reader.u16(), Some(0x1234));
        let mut next = || reader.u16().unwrap();
        (next(), [next(), next(), next(), next()])
    }

    #[test]
    fn answers_with_aliases_and_in_the_asker_s_letters() {
        let sent = query("A.teSt", 1, None);
        let got = reply(&sent, &zone(), true).unwrap();
        assert_eq!(head(&got), (0x8580, [1, 2, 0, 0]));
        assert_eq!(got[12..sent.len()], sent[12..]);
        let tail = [
            &b"\xC0\x0C\0\x05\0\x01\0\0\0\x1E\0\x09\x02mx\x04test\0"[..],
            b"\x02mx\x04test\0\0\x01\0\x01\0\0\0\x3C\0\x04\xC0\0\x02\x01",
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
            assert_eq!(got.is_some(), cut >= HEADER_OCTETS, "{cut}");
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
        let dotted = reply(&[&good[..12], b"\x07mx.test\0\0\x01\0\x01"].concat(), &zone(), true).unwrap();
        assert_eq!(head(&dotted).0, 0x8583);
        // Every octet of a good message changed in every way: no panic.
        for at in 0..good.len() {
            for octet in 0..=255 {
                let _ = reply(&[&good[..at], &[octet], &good[at + 1..]].concat(), &zone(), true);
            }
        }
    }
}
