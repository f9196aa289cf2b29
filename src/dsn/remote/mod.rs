//! What mail from other systems tells of messages of ours: bounces and delay notices (RFC 3464, and the words of
//! systems that know no standard), receipts (RFC 8098), complaints (RFC 5965). Read leniently, classed by rules.
//!
//! Takes octets of a peer: one pass over bounded parts, no recursion, nothing is trusted. A mail that tells nothing
//! gives an empty list.

mod class;
mod standard;
mod words;

pub use class::{Class, classify};

use crate::base::Enhanced;
use crate::base::limits::{REMOTE_REPORT_RECIPIENTS_MAX, REMOTE_REPORT_TEXT_OCTETS_MAX};
use crate::base::text::cut;
use crate::message::header::{find, split_entity};
use crate::message::message_id::message_id;
use crate::message::mime::Decoder;
use crate::message::scan;
use crate::message::structure::{Part, PartKind};
use crate::message::table::Encoding;

/// What happened to a message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It was given up for a recipient.
    Failed,
    /// It is late.
    Delayed,
    /// It arrived.
    Delivered,
    /// It went to a system that does not report.
    Relayed,
    /// It went on to several.
    Expanded,
    /// Its reader complains.
    Complaint,
    /// Its reader wants no more.
    Unsubscribed,
    /// It was shown to its reader.
    Displayed,
    /// Its reader deleted it unread.
    Deleted,
}

impl Told {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Told::Failed => "failed",
            Told::Delayed => "delayed",
            Told::Delivered => "delivered",
            Told::Relayed => "relayed",
            Told::Expanded => "expanded",
            Told::Complaint => "complaint",
            Told::Unsubscribed => "unsubscribed",
            Told::Displayed => "displayed",
            Told::Deleted => "deleted",
        }
    }
}

/// What is told of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteStatus {
    /// What happened.
    pub told: Told,
    /// Whom it is about; empty where that is not said.
    pub recipient: String,
    /// SMTP reply code, 0 where there is none.
    pub code: u16,
    /// Enhanced status code.
    pub status: Option<Enhanced>,
    /// What the reporting system says, on one line.
    pub text: String,
}

/// What a mail tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoteMail {
    /// Who reports: the name of a host, or a mail program.
    pub reporter: String,
    /// Message-ID of the message it is about.
    pub message_id: Option<String>,
    /// ENVID of that message.
    pub envelope_id: Option<String>,
    /// Addresses the mail came to, as its To says: with VERP they name the recipient.
    pub to: Vec<String>,
    /// One for each recipient it tells of.
    pub statuses: Vec<RemoteStatus>,
}

/// Reads a mail.
pub fn read(mail: &[u8]) -> RemoteMail {
    let structure = scan(mail);
    let (header, body) = split_entity(mail);
    let parts: Vec<Seen<'_>> = structure.parts.iter().map(|part| Seen { mail, part }).collect();
    let mut told = standard::read(&parts);
    if told.statuses.is_empty() {
        told = words::read(header, body, &parts);
    }
    if told.statuses.is_empty() {
        return RemoteMail::default();
    }
    told.message_id = told.message_id.or_else(|| original_id(&parts)).or_else(|| words::original_id(body));
    told.to = find(header, "to").map(|field| addresses_in(&text_of(&field.value()))).unwrap_or_default();
    told.statuses.truncate(REMOTE_REPORT_RECIPIENTS_MAX);
    for status in &mut told.statuses {
        status.text = one_line(&status.text);
    }
    told
}

/// The recipient that an address of VERP names (`bounces+user=domain@ours`, `list-user=domain@ours`).
pub fn verp(address: &str) -> Option<String> {
    let (local, _) = address.rsplit_once('@')?;
    let (before, domain) = local.rsplit_once('=')?;
    let (_, user) = before.split_once('+').or_else(|| before.split_once('-'))?;
    let is_name = domain.contains('.') && !user.is_empty();
    is_name.then(|| format!("{user}@{domain}"))
}

/// A part of the mail.
struct Seen<'a> {
    mail: &'a [u8],
    part: &'a Part,
}

impl<'a> Seen<'a> {
    fn is(&self, media_type: &str, subtype: &str) -> bool {
        self.part.facts.is(media_type, subtype)
    }

    fn is_leaf(&self) -> bool {
        self.part.kind == PartKind::Leaf
    }

    fn is_plain_text(&self) -> bool {
        self.is_leaf() && self.is("text", "plain")
    }

    /// Its body, as it stands.
    fn raw(&self) -> &'a [u8] {
        let range = usize::try_from(self.part.body.start).ok().zip(usize::try_from(self.part.body.end).ok());
        range.and_then(|(start, end)| self.mail.get(start..end)).unwrap_or_default()
    }

    /// Its body without the transfer encoding.
    fn body(&self) -> Vec<u8> {
        let mut decoder = Decoder::new(Encoding::parse(self.part.facts.encoding.as_deref()));
        let mut octets = Vec::new();
        decoder.push(self.raw(), &mut octets);
        decoder.finish(&mut octets);
        octets
    }
}

/// Message-ID of a message that is returned, whole or by its header.
fn original_id(parts: &[Seen<'_>]) -> Option<String> {
    let headers = [
        ("message", "rfc822"),
        ("message", "global"),
        ("text", "rfc822-headers"),
        ("message", "rfc822-headers"),
        ("message", "global-headers"),
    ];
    let returned = |part: &&Seen<'_>| headers.iter().any(|(media_type, subtype)| part.is(media_type, subtype));
    let part = parts.iter().rev().find(returned)?;
    let octets = part.body();
    let field = find(split_entity(&octets).0, "message-id")?;
    id_text(&field.value())
}

fn id_text(value: &[u8]) -> Option<String> {
    message_id(value).map(|id| text_of(&id))
}

fn text_of(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Words that look like addresses, without what stands around them.
fn addresses_in(text: &str) -> Vec<String> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '"' | '\''));
    words.filter_map(address_of).take(REMOTE_REPORT_RECIPIENTS_MAX).collect()
}

/// An address, where a word is one.
fn address_of(word: &str) -> Option<String> {
    let word = word.trim_matches(|c: char| matches!(c, '<' | '>' | ':' | '.' | '[' | ']' | '"' | '\''));
    let word = word.strip_prefix("mailto:").unwrap_or(word);
    crate::base::Address::parse(word).ok().map(|address| address.to_string())
}

/// The first enhanced status code in a text, and the first reply code in front of it or alone.
fn codes(text: &str) -> (u16, Option<Enhanced>) {
    let words = || text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).map(|word| word.trim_matches('.'));
    let is_status = |word: &&str| word.bytes().filter(|b| *b == b'.').count() == 2;
    let status = words().filter(is_status).find_map(|word| Enhanced::split(word).map(|(status, _)| status));
    let status = status.filter(|status| matches!(status.class, 2 | 4 | 5));
    let is_code = |word: &&str| word.len() == 3 && matches!(word.bytes().next(), Some(b'2' | b'4' | b'5'));
    let code = words().filter(is_code).find_map(|word| word.parse().ok()).unwrap_or(0);
    (code, status)
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&line, REMOTE_REPORT_TEXT_OCTETS_MAX).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_verp_name_the_recipient() {
        for (address, named) in [
            ("bounces+bob=example.net@lists.example.org", Some("bob@example.net")),
            ("bounces+b-ob+x=example.net@example.org", Some("b-ob+x@example.net")),
            ("list-bob=example.net@example.org", Some("bob@example.net")),
            ("bob@example.net", None),
            ("a=b@example.org", None),
            ("x+=example.net@example.org", None),
            ("no-address", None),
        ] {
            assert_eq!(verp(address).as_deref(), named, "{address}");
        }
    }

    #[test]
    fn codes_in_texts() {
        for (text, code, status) in [
            ("550 5.1.1 no such user", 550, Some(Enhanced::new(5, 1, 1))),
            ("smtp; 452-4.2.2 The email account", 452, Some(Enhanced::new(4, 2, 2))),
            ("#5.1.1 smtp;550 gone", 550, Some(Enhanced::new(5, 1, 1))),
            ("host 192.0.2.1 said nothing", 0, None),
            ("sorry", 0, None),
        ] {
            assert_eq!(codes(text), (code, status), "{text}");
        }
    }
}
