//! Local delivery: takes a message apart once, so that FETCH, SORT, THREAD and SEARCH need not do it again.
//!
//! One pass over the octets, in the pieces they are kept in; memory is bounded by what `message::scanner` keeps.
//! Works for every octet string: what cannot be understood leaves its field empty.

use std::io;

use crate::base::event::Origin;
use crate::base::{Content, Timestamp};
use crate::imap::encode;
use crate::message::encoded_word::decode;
use crate::message::message_id::{message_id, message_ids};
use crate::message::subject::base_subject;
use crate::message::{EnvelopeFields, PartTable, Scanner, Structure, date};
use crate::store::{Arrival, BlobMeta, Filing};

/// The arrival of a message for these mailboxes, its origin left empty. A message without a readable Date counts as
/// sent when it was filed, or at `now`. Fails only where the body cannot be read back from its scratch file.
pub fn arrival(content: Content, filings: Vec<Filing>, now: Timestamp) -> io::Result<Arrival> {
    let filed = filings.first().map_or(now, |filing| filing.internal_date);
    let meta = describe(&content, filed)?;
    Ok(Arrival { content, meta, filings, origin: Origin::default() })
}

/// What the store keeps beside a message's octets; `filed` stands in for a missing Date.
pub fn describe(content: &Content, filed: Timestamp) -> io::Result<BlobMeta> {
    let mut scanner = Scanner::new();
    content.for_each(|piece| {
        scanner.push(piece);
        Ok::<(), io::Error>(())
    })?;
    Ok(meta(&scanner.finish(), filed))
}

fn meta(structure: &Structure, filed: Timestamp) -> BlobMeta {
    let missing = EnvelopeFields::default();
    let envelope = structure.root().and_then(|root| root.envelope.as_deref()).unwrap_or(&missing);
    let readable = |field: &Option<Vec<u8>>| field.as_deref().map_or(String::new(), decode);
    BlobMeta {
        header_octets: structure.root().map_or(0, |root| u32::try_from(root.header.end).unwrap_or(u32::MAX)),
        envelope: written(|out| encode::envelope::kept(out, envelope)),
        structure: written(|out| encode::structure::structure(out, structure)),
        parts: PartTable::of(structure).encode(),
        sent: envelope.date.as_deref().and_then(date).map_or(filed, |date| date.at),
        subject: envelope.subject.as_deref().map_or(String::new(), |subject| base_subject(subject).0),
        from: readable(&envelope.from),
        to: readable(&envelope.to),
        cc: readable(&envelope.cc),
        message_id: envelope.message_id.as_deref().and_then(message_id).map_or(String::new(), text),
        references: references(envelope),
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write(&mut out);
    out
}

/// The ids a message answers, as THREAD=REFERENCES wants them: References, or else the first of In-Reply-To
/// (RFC 5256 §3).
fn references(envelope: &EnvelopeFields) -> String {
    let of = |field: &Option<Vec<u8>>| field.as_deref().map_or(Vec::new(), message_ids);
    let mut ids = of(&envelope.references);
    if ids.is_empty() {
        ids = of(&envelope.in_reply_to);
        ids.truncate(1);
    }
    ids.into_iter().map(text).collect::<Vec<_>>().join(" ")
}

fn text(octets: Vec<u8>) -> String {
    String::from_utf8(octets).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Flags, MailboxId};

    fn filing(at: i64) -> Filing {
        Filing { mailbox: MailboxId(1), flags: Flags::NONE, keywords: Vec::new(), internal_date: Timestamp(at) }
    }

    #[test]
    fn describes_prefix_and_body_together() {
        let body = "From: =?utf-8?q?J=C3=BC?= <j@x.org>\r\nTo: b@y, c@z\r\nDate: Sun, 22 Nov 2026 01:42:04 +0100\r\n\
            Subject: Re: [list] Hello\r\nMessage-ID: <1@x.org>\r\nIn-Reply-To: <0@x.org> <9@x>\r\n\r\nHi\r\n";
        let mut content = Content::from_octets(body);
        content.prefix = b"Return-Path: <j@x.org>\r\n".to_vec();
        let arrival = arrival(content, vec![filing(5)], Timestamp(7)).unwrap();
        let meta = arrival.meta;
        assert_eq!(meta.header_octets as usize, 24 + body.len() - 4);
        assert_eq!(meta.sent.rfc5322(), "Sun, 22 Nov 2026 00:42:04 +0000");
        assert_eq!(
            (meta.subject.as_str(), meta.from.as_str(), meta.to.as_str(), meta.cc.as_str()),
            ("hello", "Jü <j@x.org>", "b@y, c@z", "")
        );
        assert_eq!((meta.message_id.as_str(), meta.references.as_str()), ("1@x.org", "0@x.org"));
        let envelope = String::from_utf8(meta.envelope).unwrap();
        assert!(envelope.starts_with("(\"Sun, 22 Nov 2026 01:42:04 +0100\" \"Re: [list] Hello\" (("), "{envelope}");
        let structure = String::from_utf8(meta.structure).unwrap().to_ascii_lowercase();
        assert!(
            structure.starts_with("(\"text\" \"plain\" (\"charset\" \"us-ascii\") nil nil \"7bit\" 4 1"),
            "{structure}"
        );
        let table = PartTable::decode(&meta.parts).unwrap();
        assert_eq!(table.entries.first().map(|e| e.body.end - e.body.start), Some(4));
    }

    #[test]
    fn every_octet_string_is_a_message() {
        for octets in
            [&b""[..], b"\r\n", b"\0\xff\r", b"Date: never\r\nMessage-ID: \xff\r\nReferences: <a@b> <c@d>\r\n"]
        {
            let meta = arrival(Content::from_octets(octets), vec![filing(5)], Timestamp(7)).unwrap().meta;
            assert_eq!(meta.sent, Timestamp(5));
            assert!(PartTable::decode(&meta.parts).is_some());
        }
        assert_eq!(arrival(Content::default(), Vec::new(), Timestamp(7)).unwrap().meta.sent, Timestamp(7));
    }
}
