//! What a message is made of: its parts, where they lie, and what their headers say about them.
//!
//! Parts stand in one list in the order they begin (preorder), so that no message, however deep, costs recursion
//! to read. A message within a message has exactly one child, whose header is that message's own header; the
//! whole message is such a child, the first of the list.

use std::ops::Range;

use super::header::{Field, fields, name_of};
use super::parameter::{self, Parameter, Parameterised};
use crate::base::limits::{MIME_FACTS_OCTETS_MAX, MIME_PARAMETERS_MAX};

/// A message taken apart. Made by [`scan`](super::scanner::scan).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Structure {
    /// All parts in preorder; the first is the message itself. Never empty once made by the scanner.
    pub parts: Vec<Part>,
}

/// A part: the message itself, a part of a multipart, or the message within a message/rfc822 part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// What is in its body.
    pub kind: PartKind,
    /// Index behind the last part inside it: its descendants are `index + 1 .. end`.
    pub end: usize,
    /// Multiparts and messages around it.
    pub depth: usize,
    /// Where its header lies, empty line included, in octets from the start of the message.
    pub header: Range<u64>,
    /// Where its body lies; the line end in front of a boundary is not part of it.
    pub body: Range<u64>,
    /// Line ends in its body.
    pub lines: u64,
    /// What its MIME fields say.
    pub facts: Facts,
    /// ENVELOPE's fields, for the message itself and for messages within.
    pub envelope: Option<Box<EnvelopeFields>>,
}

/// What a part's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartKind {
    /// Octets.
    #[default]
    Leaf,
    /// Parts between boundaries; none, where no boundary was found.
    Multipart,
    /// A message (message/rfc822, message/global): one child.
    Message,
}

/// MIME fields of a part. Octets as sent, unfolded; `None` where the field is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Media type as spelled; the default (`text`, or `message` in a digest) where missing or broken.
    pub media_type: Vec<u8>,
    /// Subtype as spelled; the default (`plain`, or `rfc822` in a digest) where missing or broken.
    pub subtype: Vec<u8>,
    /// Parameters of Content-Type, continuations joined.
    pub parameters: Vec<Parameter>,
    /// Content-Disposition.
    pub disposition: Option<Parameterised>,
    /// Content-ID, angle brackets included.
    pub id: Option<Vec<u8>>,
    /// Content-Description.
    pub description: Option<Vec<u8>>,
    /// Content-Transfer-Encoding; `None` means 7bit.
    pub encoding: Option<Vec<u8>>,
    /// Content-MD5.
    pub md5: Option<Vec<u8>>,
    /// Content-Language, split at commas.
    pub language: Vec<Vec<u8>>,
    /// Content-Location.
    pub location: Option<Vec<u8>>,
}

/// The fields ENVELOPE, SORT and THREAD are made of: raw values, unfolded, encoded words left in. A field that
/// stands more than once counts once, but address lists are joined.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct EnvelopeFields {
    pub date: Option<Vec<u8>>,
    pub subject: Option<Vec<u8>>,
    pub from: Option<Vec<u8>>,
    pub sender: Option<Vec<u8>>,
    pub reply_to: Option<Vec<u8>>,
    pub to: Option<Vec<u8>>,
    pub cc: Option<Vec<u8>>,
    pub bcc: Option<Vec<u8>>,
    pub in_reply_to: Option<Vec<u8>>,
    pub message_id: Option<Vec<u8>>,
    pub references: Option<Vec<u8>>,
    /// Subject fields behind the first: SEARCH HEADER looks at every one.
    pub further_subjects: Vec<Vec<u8>>,
    /// Message-ID fields behind the first.
    pub further_message_ids: Vec<Vec<u8>>,
}

impl Structure {
    /// The message itself.
    pub fn root(&self) -> Option<&Part> {
        self.parts.first()
    }

    /// Indexes of the parts directly inside the part at `index`, in order.
    pub fn children(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.parts.get(index).map_or(0, |part| part.end);
        let first = index + 1;
        std::iter::successors((first < end).then_some(first), move |at| {
            self.parts.get(*at).map(|part| part.end).filter(|next| *next < end && next > at)
        })
    }
}

impl Facts {
    /// Whether this is `media_type/subtype`, in any case.
    pub fn is(&self, media_type: &str, subtype: &str) -> bool {
        self.media_type.eq_ignore_ascii_case(media_type.as_bytes())
            && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// Whether this is text of any kind.
    pub fn is_text(&self) -> bool {
        self.media_type.eq_ignore_ascii_case(b"text")
    }

    /// The plain value of a parameter of Content-Type, name in lower case.
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        parameter::find(&self.parameters, name)
    }

    /// Makes it what a part is that cannot be looked into.
    pub(super) fn make_opaque(&mut self, media_type: &str, subtype: &str) {
        self.media_type = media_type.into();
        self.subtype = subtype.into();
        self.parameters.clear();
    }
}

/// Octets of field values that may still be kept: one account for all parts of a message.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new() -> Budget {
        Budget(MIME_FACTS_OCTETS_MAX)
    }

    /// The field's value, where there is room for it; once there is not, nothing further is kept.
    fn take(&mut self, field: &Field<'_>) -> Option<Vec<u8>> {
        // Parameters and their like cost more than their octets: 32 for each value kept.
        match self.0.checked_sub(field.body.len() + 32) {
            Some(rest) => {
                self.0 = rest;
                Some(field.value().into_owned())
            }
            None => {
                self.0 = 0;
                None
            }
        }
    }
}

/// In which limit the octets of a field are counted that are kept until the header is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldLimit {
    /// In none: nothing is made of it, and nothing kept.
    NotKept,
    /// In that of fields that may be long, addresses and message ids.
    Lists,
    /// In that of all others.
    Others,
}

/// The limit for the field that begins with `line`.
pub(super) fn field_limit(line: &[u8]) -> FieldLimit {
    let name = name_of(line);
    let any = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    match name.len() {
        0 => FieldLimit::NotKept,
        2 | 3 | 11 if any(&["to", "cc", "bcc", "in-reply-to"]) => FieldLimit::Lists,
        10 if any(&["references"]) => FieldLimit::Lists,
        4 | 6 | 7 | 8 | 10 if any(&["date", "from", "sender", "subject", "reply-to", "message-id"]) => {
            FieldLimit::Others
        }
        _ if name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-")) => FieldLimit::Others,
        _ => FieldLimit::NotKept,
    }
}

/// Reads a part's header; the envelope's fields only where it is a message's.
pub(super) fn read_header(
    header: &[u8],
    is_message: bool,
    in_digest: bool,
    budget: &mut Budget,
) -> (Facts, Option<Box<EnvelopeFields>>) {
    let mut facts = Facts::default();
    let mut envelope = is_message.then(Box::<EnvelopeFields>::default);
    let mut content_type = None;
    for field in fields(header) {
        match field.name.get(..8) {
            Some(start) if start.eq_ignore_ascii_case(b"content-") => {
                mime_field(&field, &mut facts, &mut content_type, budget);
            }
            _ => {
                if let Some(envelope) = &mut envelope {
                    envelope_field(&field, envelope, budget);
                }
            }
        }
    }
    set_type(&mut facts, content_type, in_digest);
    (facts, envelope)
}

fn mime_field(field: &Field<'_>, facts: &mut Facts, content_type: &mut Option<Vec<u8>>, budget: &mut Budget) {
    let place = match field.name.get(8..).unwrap_or_default().to_ascii_lowercase().as_slice() {
        b"type" => content_type,
        b"id" => &mut facts.id,
        b"description" => &mut facts.description,
        b"transfer-encoding" => &mut facts.encoding,
        b"md5" => &mut facts.md5,
        b"location" => &mut facts.location,
        b"disposition" => {
            if facts.disposition.is_none() {
                facts.disposition = budget.take(field).map(|v| parameter::parse(&v)).filter(|d| !d.token.is_empty());
            }
            return;
        }
        b"language" => {
            if facts.language.is_empty()
                && let Some(value) = budget.take(field)
            {
                let tags = value.split(|c| *c == b',').map(|tag| tag.trim_ascii().to_vec());
                facts.language = tags.filter(|tag| !tag.is_empty()).take(MIME_PARAMETERS_MAX).collect();
            }
            return;
        }
        _ => return,
    };
    if place.is_none() {
        *place = budget.take(field);
    }
}

fn set_type(facts: &mut Facts, content_type: Option<Vec<u8>>, in_digest: bool) {
    if let Some(value) = &content_type {
        let read = parameter::parse(value);
        let mut halves = read.token.splitn(2, |c| *c == b'/');
        let media_type = halves.next().unwrap_or_default();
        let subtype = halves.next().unwrap_or_default();
        if is_token(media_type) && is_token(subtype) {
            facts.media_type = media_type.to_vec();
            facts.subtype = subtype.to_vec();
            facts.parameters = read.parameters;
            return;
        }
    }
    // RFC 2045 §5.2; RFC 2046 §5.1.5 for a digest.
    let (media_type, subtype) =
        if in_digest && content_type.is_none() { ("message", "rfc822") } else { ("text", "plain") };
    facts.media_type = media_type.into();
    facts.subtype = subtype.into();
    if media_type == "text" {
        facts.parameters = vec![Parameter { name: b"charset".to_vec(), value: b"us-ascii".to_vec() }];
    }
}

/// RFC 2045 §5.1
fn is_token(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(|c| (33..=126).contains(c) && !b"()<>@,;:\\\"/[]?=".contains(c))
}

fn envelope_field(field: &Field<'_>, envelope: &mut EnvelopeFields, budget: &mut Budget) {
    // Most fields are none of these: their length tells.
    let (place, joins) = match field.name.len() {
        2 if field.is("to") => (&mut envelope.to, true),
        2 if field.is("cc") => (&mut envelope.cc, true),
        3 if field.is("bcc") => (&mut envelope.bcc, true),
        4 if field.is("date") => (&mut envelope.date, false),
        4 if field.is("from") => (&mut envelope.from, true),
        6 if field.is("sender") => (&mut envelope.sender, true),
        7 if field.is("subject") => (&mut envelope.subject, false),
        8 if field.is("reply-to") => (&mut envelope.reply_to, true),
        10 if field.is("message-id") => (&mut envelope.message_id, false),
        10 if field.is("references") => (&mut envelope.references, false),
        11 if field.is("in-reply-to") => (&mut envelope.in_reply_to, false),
        _ => return,
    };
    match place {
        None => *place = budget.take(field),
        Some(before) if joins => {
            if let Some(value) = budget.take(field) {
                before.extend_from_slice(b", ");
                before.extend_from_slice(&value);
            }
        }
        Some(_) if field.is("subject") => envelope.further_subjects.extend(budget.take(field)),
        Some(_) if field.is("message-id") => envelope.further_message_ids.extend(budget.take(field)),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> (Facts, EnvelopeFields) {
        let (facts, envelope) = read_header(header.as_bytes(), true, false, &mut Budget::new());
        (facts, envelope.map(|e| *e).unwrap_or_default())
    }

    #[test]
    fn reads_what_imap_shows() {
        let (facts, envelope) = read(
            "From: a@b\r\nTo: c@d\r\nSUBJECT: =?x?q?y?=\r\n folded\r\nto: e@f\r\nSubject: second\r\n\
             Content-Type: TEXT/Html;\r\n charset=utf-8\r\nContent-Disposition: inline; filename=x\r\n\
             Content-Language: en, de\r\nContent-ID: <i@j>\r\nContent-Transfer-Encoding: BASE64\r\n\r\n",
        );
        assert_eq!(envelope.to.as_deref(), Some(&b"c@d, e@f"[..]));
        assert_eq!(envelope.subject.as_deref(), Some(&b"=?x?q?y?= folded"[..]));
        assert!(facts.is("text", "html") && facts.is_text());
        assert_eq!(facts.parameter("charset"), Some(&b"utf-8"[..]));
        assert_eq!(facts.language, [b"en".to_vec(), b"de".to_vec()]);
        assert_eq!(facts.encoding.as_deref(), Some(&b"BASE64"[..]));
        assert_eq!(facts.disposition.as_ref().and_then(|d| d.get("filename")), Some(&b"x"[..]));
    }

    #[test]
    fn broken_types_are_plain_text() {
        for header in
            ["", "Content-Type: text\r\n", "Content-Type: \r\n", "Content-Type: a/b/c\r\n", "Content-Type: (x/y\r\n"]
        {
            assert!(read(header).0.is("text", "plain"), "{header}");
        }
    }

    #[test]
    fn keeps_so_much_and_no_more() {
        let kept = |n: usize| {
            let mut budget = Budget::new();
            let header = [b"Subject:".as_slice(), &vec![b'x'; n - 32]].concat();
            read_header(&header, true, false, &mut budget).1.is_some_and(|e| e.subject.is_some())
        };
        assert!(kept(MIME_FACTS_OCTETS_MAX - 1) && kept(MIME_FACTS_OCTETS_MAX));
        assert!(!kept(MIME_FACTS_OCTETS_MAX + 1));
    }
}
