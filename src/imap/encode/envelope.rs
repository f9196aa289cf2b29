//! ENVELOPE (RFC 9051 §7.5.2): ready-made text, written once when a message is filed.
//!
//! Field values go out as they were sent, encoded words left in. Octets above 127 make a string a literal, which
//! every client may be sent, whatever it has enabled.

use super::structure::value_octets;
use crate::imap::grammar::Cursor;
use crate::imap::response::{nstring, string};
use crate::message::{EnvelopeFields, ListItem, addresses};

/// Writes the envelope, parentheses included.
pub fn envelope(out: &mut Vec<u8>, fields: &EnvelopeFields) {
    out.push(b'(');
    nstring(out, fields.date.as_deref());
    out.push(b' ');
    nstring(out, fields.subject.as_deref());
    let from = fields.from.as_deref().map(addresses).unwrap_or_default();
    // Without these fields, or with empty ones, a server puts From's value there.
    let or_from = |value: &Option<Vec<u8>>| match value.as_deref().map(addresses) {
        Some(list) if !list.is_empty() => list,
        _ => from.clone(),
    };
    let plain = |value: &Option<Vec<u8>>| value.as_deref().map(addresses).unwrap_or_default();
    for list in [
        &from,
        &or_from(&fields.sender),
        &or_from(&fields.reply_to),
        &plain(&fields.to),
        &plain(&fields.cc),
        &plain(&fields.bcc),
    ] {
        out.push(b' ');
        address_list(out, list);
    }
    out.push(b' ');
    nstring(out, fields.in_reply_to.as_deref());
    out.push(b' ');
    nstring(out, fields.message_id.as_deref());
    out.push(b')');
}

/// Writes what is kept of a message: the envelope, and behind it the Subject and Message-ID fields beyond the first,
/// which SEARCH looks at and ENVELOPE does not tell. Where there are such, an LF is the last octet.
pub fn kept(out: &mut Vec<u8>, fields: &EnvelopeFields) {
    envelope(out, fields);
    let subjects = fields.further_subjects.iter().map(|subject| (b'S', subject));
    let message_ids = fields.further_message_ids.iter().map(|id| (b'M', id));
    let before = out.len();
    for (kind, value) in subjects.chain(message_ids) {
        out.push(kind);
        string(out, value);
    }
    if out.len() > before {
        out.push(b'\n');
    }
}

/// The ENVELOPE in what is kept of a message.
pub fn told(kept: &[u8]) -> &[u8] {
    if kept.last() != Some(&b'\n') {
        return kept;
    }
    value_octets(kept).and_then(|octets| kept.get(..octets)).unwrap_or(kept)
}

/// The Subject fields, and the Message-ID fields, that are kept behind the envelope.
pub fn further(kept: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut subjects, mut message_ids) = (Vec::new(), Vec::new());
    if kept.last() == Some(&b'\n') {
        let mut cursor = Cursor::new(kept.get(told(kept).len()..).unwrap_or_default(), false);
        loop {
            let to = match cursor.peek() {
                Some(b'S') => &mut subjects,
                Some(b'M') => &mut message_ids,
                _ => break,
            };
            if cursor.take(1).is_err() {
                break;
            }
            let Ok(value) = cursor.string() else { break };
            to.push(value);
        }
    }
    (subjects, message_ids)
}

/// Date and Subject, as they were sent, out of an envelope of ours.
pub fn date_and_subject(envelope: &[u8]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let mut cursor = Cursor::new(envelope, false);
    cursor.eat(b'(');
    let date = cursor.nstring().ok().flatten();
    cursor.eat(b' ');
    (date, cursor.nstring().ok().flatten())
}

/// Message-ID, as it was sent, out of an envelope of ours.
pub fn message_id(envelope: &[u8]) -> Option<Vec<u8>> {
    let mut rest = envelope.strip_prefix(b"(")?;
    for _ in 0..9 {
        rest = rest.get(value_octets(rest)? + 1..)?;
    }
    Cursor::new(rest, false).nstring().ok().flatten()
}

/// The first address of a list, as ENVELOPE tells it; all `None` where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FirstAddress {
    /// `addr-name`
    pub name: Option<Vec<u8>>,
    /// `addr-mailbox`; the name of a group that comes first.
    pub mailbox: Option<Vec<u8>>,
    /// `addr-host`
    pub host: Option<Vec<u8>>,
}

/// The first addresses of From, To and Cc out of an envelope of ours.
pub fn first_addresses(envelope: &[u8]) -> [FirstAddress; 3] {
    const FROM_TO_CC: [usize; 3] = [2, 5, 6];
    let mut found: [FirstAddress; 3] = Default::default();
    let mut rest = envelope.strip_prefix(b"(").unwrap_or_default();
    for index in 0..=6 {
        if let Some(place) = FROM_TO_CC.iter().position(|wanted| *wanted == index)
            && let Some(to) = found.get_mut(place)
        {
            *to = first_address(rest).unwrap_or_default();
        }
        let Some(behind) = value_octets(rest).and_then(|octets| rest.get(octets + 1..)) else { break };
        rest = behind;
    }
    found
}

/// The first of `((name route mailbox host)...)`.
fn first_address(list: &[u8]) -> Option<FirstAddress> {
    let mut cursor = Cursor::new(list.strip_prefix(b"((")?, false);
    let mut next = || {
        let value = cursor.nstring().ok().flatten();
        cursor.eat(b' ');
        value
    };
    let (name, _) = (next(), next());
    Some(FirstAddress { name, mailbox: next(), host: next() })
}

fn address_list(out: &mut Vec<u8>, list: &[ListItem]) {
    if list.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for item in list {
        match item {
            ListItem::Mailbox(mailbox) => {
                out.push(b'(');
                nstring(out, mailbox.name.as_deref());
                out.push(b' ');
                nstring(out, mailbox.route.as_deref());
                out.push(b' ');
                // NIL would mean a group here: what is missing is an empty string.
                string(out, &mailbox.local);
                out.push(b' ');
                string(out, &mailbox.domain);
                out.push(b')');
            }
            ListItem::GroupStart(name) => {
                out.extend_from_slice(b"(NIL NIL ");
                string(out, name);
                out.extend_from_slice(b" NIL)");
            }
            ListItem::GroupEnd => out.extend_from_slice(b"(NIL NIL NIL NIL)"),
        }
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(header: &str) -> String {
        let structure = crate::message::scan(header.as_bytes());
        let mut out = Vec::new();
        let none = EnvelopeFields::default();
        envelope(&mut out, structure.root().and_then(|root| root.envelope.as_deref()).unwrap_or(&none));
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn date_and_subject_come_back() {
        let read = |header: &str| {
            let (date, subject) = date_and_subject(written(header).as_bytes());
            let text = |octets: Option<Vec<u8>>| octets.map(|o| String::from_utf8_lossy(&o).into_owned());
            (text(date), text(subject))
        };
        let wanted = (Some("1 Jan".to_owned()), Some("q\"\\ h\u{e9}".to_owned()));
        assert_eq!(read("Date: 1 Jan\r\nSubject: q\"\\ h\u{e9}\r\n\r\n"), wanted);
        assert_eq!(read("Subject: nil\r\n\r\n"), (None, Some("nil".to_owned())));
        assert_eq!(read("\r\n"), (None, None));
        assert_eq!(date_and_subject(b""), (None, None));
    }

    #[test]
    fn the_message_id_comes_back() {
        let read = |header: &str| {
            let found = message_id(written(header).as_bytes());
            found.map(|octets| String::from_utf8_lossy(&octets).into_owned())
        };
        let id = Some("<a\"\\@b>".to_owned());
        assert_eq!(read("Message-ID: <a\"\\@b>\r\n\r\n"), id);
        let odd = "Subject: q\"(\\ h\u{e9}\r\nFrom: G: \"(x\" <a@b>;\r\nDate: {3}\r\nMessage-ID: <a\"\\@b>\r\n\r\n";
        assert_eq!(read(odd), id);
        assert_eq!(read("\r\n"), None);
        for broken in [&b""[..], b"(", b"(NIL NIL", b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL {9}\r\nx)"] {
            assert_eq!(message_id(broken), None);
        }
    }

    #[test]
    fn known_answers() {
        let example = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n\
            Subject: IMAP4rev2 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n\
            cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n\
            Message-Id: <B27397-0100000@cac.washington.ed>\r\n\r\n";
        let gray = "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))";
        let want = format!(
            "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" {gray} {gray} {gray} \
             ((NIL NIL \"imap\" \"cac.washington.edu\")) ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")\
             (\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \"<B27397-0100000@cac.washington.ed>\")"
        );
        assert_eq!(written(example), want);
        assert_eq!(written("\r\n"), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
        assert_eq!(
            written("To: A Group: a@b, c@d;\r\nSubject: \r\n\r\n"),
            "(NIL \"\" NIL NIL NIL ((NIL NIL \"A Group\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")\
             (NIL NIL NIL NIL)) NIL NIL NIL NIL)"
        );
        assert_eq!(
            written("From: \"q\\\"x\" <a@b>\r\nSubject: h\u{e9}\r\n\r\n"),
            "(NIL {3}\r\nh\u{e9} ((\"q\\\"x\" NIL \"a\" \"b\")) ((\"q\\\"x\" NIL \"a\" \"b\")) \
             ((\"q\\\"x\" NIL \"a\" \"b\")) NIL NIL NIL NIL NIL)"
        );
    }

    #[test]
    fn further_fields_are_kept_and_not_told() {
        let kept_of = |header: &str| {
            let structure = crate::message::scan(header.as_bytes());
            let mut out = Vec::new();
            kept(&mut out, structure.root().and_then(|root| root.envelope.as_deref()).unwrap());
            out
        };
        let one = kept_of("Subject: a\r\nMessage-ID: <1@x>\r\n\r\n");
        assert_eq!((told(&one), further(&one)), (&one[..], (vec![], vec![])));
        let more = kept_of(
            "Subject: a\r\nMessage-ID: <1@x>\r\nSubject: \u{e4}\r\nMessage-ID: <2@x>\r\n\
             SUBJECT: c\r\nMessage-Id: <3>\r\n\r\n",
        );
        assert_eq!(told(&more), one);
        let octets = |list: &[&str]| list.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(further(&more), (octets(&["\u{e4}", "c"]), octets(&["<2@x>", "<3>"])));
        assert_eq!(message_id(&more).as_deref(), Some(&b"<1@x>"[..]));
    }
}
