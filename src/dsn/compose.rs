//! Writes a report as a mail (RFC 3464, RFC 6522, RFC 6533): words for a person, the status for a program, the
//! message or its header for both.
//!
//! Whatever the original holds, the result is a legal mail with CRLF line ends and lines under 998 octets, and needs
//! no more of its way back than [`Written::body`] and [`Written::smtputf8`] say: 8BITMIME where an 8-bit message is
//! returned, SMTPUTF8 only where the sender's own address needs it.

use std::fmt::Write as _;

use super::language::{self, Cause, Words, filled};
use super::report::{Action, RecipientReport, Report, Typed};
use crate::base::envelope::{BodyKind, Returns};
use crate::base::limits::LINE_OCTETS_MAX;
use crate::base::{Address, Timestamp, base64, xtext};
use crate::message::{encoded_word, header};

/// What a report is made of beside its [`Report`].
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// What is reported.
    pub report: &'a Report,
    /// Whom it goes to: the reverse-path of the original.
    pub to: &'a Address,
    /// When it is written.
    pub date: Timestamp,
    /// Random octets for the boundary.
    pub boundary: [u8; 16],
    /// Random octets for the Message-ID.
    pub message_id: [u8; 16],
    /// The message it is about.
    pub original: Original<'a>,
}

/// The message a report is about.
#[derive(Debug, Clone, Copy)]
pub struct Original<'a> {
    /// Its octets from the beginning, as many as may be returned (`BOUNCE_RETURNS_OCTETS_MAX`).
    pub octets: &'a [u8],
    /// Whether that is all of it.
    pub complete: bool,
    /// RET of its transaction.
    pub returns: Option<Returns>,
}

/// A report ready for the queue or a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The mail.
    pub octets: Vec<u8>,
    /// What BODY= must say for it.
    pub body: BodyKind,
    /// Whether its way must take SMTPUTF8.
    pub smtputf8: bool,
}

/// Line length at which status fields are folded.
const FOLD_OCTETS: usize = 78;
/// In front of what is said of a recipient, and of lines that go on.
const INDENT: &str = "    ";
/// Characters of the original's subject that are quoted.
const SUBJECT_CHARS_MAX: usize = 200;

/// Writes the report.
pub fn compose(letter: &Letter<'_>) -> Written {
    let status = status_part(letter);
    let returned = returned_part(letter);
    let boundary = format!("=_{}", hex(&letter.boundary));
    // RFC 2045 §6.4: a multipart says 8bit where one of its parts does.
    let eight_bit = [&status, &returned].iter().any(|part| part.encoding == "8bit");
    let mut out = head(letter, &boundary, eight_bit);
    for part in [human_part(letter), status, returned] {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        out.extend_from_slice(part.header().as_bytes());
        out.extend_from_slice(&part.body);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Written {
        body: if out.is_ascii() { BodyKind::SevenBit } else { BodyKind::EightBit },
        octets: out,
        smtputf8: letter.to.needs_smtputf8(),
    }
}

/// One part of the multipart/report; `body` does not end in the CRLF that belongs to the boundary.
struct Part {
    content_type: &'static str,
    description: &'static str,
    encoding: &'static str,
    body: Vec<u8>,
}

impl Part {
    fn header(&self) -> String {
        format!(
            "Content-Type: {}\r\nContent-Description: {}\r\nContent-Transfer-Encoding: {}\r\n\r\n",
            self.content_type, self.description, self.encoding
        )
    }
}

fn head(letter: &Letter<'_>, boundary: &str, eight_bit: bool) -> Vec<u8> {
    let host = &letter.report.reporting_mta;
    let words = language::of_message(letter.original.octets);
    let subject = encoded_word::encode(Words::of_kind(&words.subjects, kind_of(letter.report)));
    let mut head = format!(
        "Date: {}\r\nFrom: Mail Delivery System <MAILER-DAEMON@{host}>\r\nTo: <{}>\r\nSubject: {subject}\r\n\
         Message-ID: <{}@{host}>\r\n",
        letter.date.rfc5322(),
        letter.to.to_ascii().unwrap_or_else(|| letter.to.to_string()),
        hex(&letter.message_id),
    );
    if let Some(id) = field(letter.original.octets, "message-id").filter(|id| is_message_id(id)) {
        // So that a reader shows the report beside the message.
        let _ = write!(head, "In-Reply-To: {id}\r\nReferences: {id}\r\n");
    }
    let _ = write!(
        head,
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; \
         report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n"
    );
    if eight_bit {
        head.push_str("Content-Transfer-Encoding: 8bit\r\n");
    }
    head.push_str("\r\nThis is a delivery status notification in MIME format (RFC 3464).\r\n\r\n");
    head.into_bytes()
}

/// The gravest action: what the report as a whole is about.
fn kind_of(report: &Report) -> Action {
    let has = |action| report.recipients.iter().any(|r| r.action == action);
    [Action::Failed, Action::Delayed].into_iter().find(|action| has(*action)).unwrap_or(Action::Delivered)
}

// -- words for a person ------------------------------------------------------------------------------

fn human_part(letter: &Letter<'_>) -> Part {
    let text = human_text(letter);
    let description = "Notification";
    if text.is_ascii() {
        let body = text.into_bytes();
        return Part { content_type: "text/plain; charset=us-ascii", description, encoding: "7bit", body };
    }
    Part {
        content_type: "text/plain; charset=utf-8",
        description,
        encoding: "base64",
        body: base64::lines(text.as_bytes()),
    }
}

fn human_text(letter: &Letter<'_>) -> String {
    let (report, words) = (letter.report, language::of_message(letter.original.octets));
    let mut text = format!("{}\r\n\r\n", filled(words.system, &[&report.reporting_mta]));
    push_wrapped(&mut text, "", Words::of_kind(&words.introductions, kind_of(report)), "");
    text.push_str("\r\n");
    if let Some(subject) = subject(letter.original.octets) {
        push_wrapped(&mut text, words.subject, &subject, INDENT);
    }
    if let Some(arrival) = report.arrival {
        let _ = write!(text, "{}{}\r\n", words.accepted, arrival.rfc5322());
    }
    for recipient in &report.recipients {
        push_words(&mut text, words, recipient);
    }
    text
}

/// What is said of one recipient.
fn push_words(text: &mut String, words: &Words, recipient: &RecipientReport) {
    let mut push = |first: &str, said: &str| push_wrapped(text, first, said, INDENT);
    let address = &recipient.recipient.value;
    push("\r\n", &format!("<{}>", one_line(address)));
    let alias = recipient.original.as_ref().filter(|alias| !alias.value.eq_ignore_ascii_case(address));
    if let Some(alias) = alias {
        push(INDENT, &filled(words.sent_to, &[&one_line(&alias.value)]));
    }
    push(INDENT, &sentence(words, recipient));
    if let Some(diagnostic) = &recipient.diagnostic {
        push(INDENT, &in_words(words, recipient, diagnostic));
    }
    if recipient.action == Action::Failed {
        push(INDENT, (words.causes)(Cause::of(recipient.status)).1);
    }
    if let Some(until) = recipient.will_retry_until {
        push(INDENT, &filled(words.until, &[&until.rfc5322()]));
    }
}

/// What a host said in its own words, and what we found as ours.
fn in_words(words: &Words, recipient: &RecipientReport, diagnostic: &Typed) -> String {
    let text = one_line(&diagnostic.value);
    if diagnostic.kind == Typed::OURS {
        return text;
    }
    let who = recipient.remote_mta.as_ref().map_or(words.their_system, |mta| mta.value.as_str());
    filled(words.said, &[&one_line(who), &text])
}

/// What a status code means to a person (RFC 3463).
fn sentence(words: &Words, recipient: &RecipientReport) -> String {
    let [delivered, relayed, expanded] = words.successes;
    let meaning = match recipient.action {
        Action::Delivered => delivered,
        Action::Relayed => relayed,
        Action::Expanded => expanded,
        Action::Failed | Action::Delayed => (words.causes)(Cause::of(recipient.status)).0,
    };
    format!("{meaning} {}", filled(words.status, &[&recipient.status.to_string()]))
}

/// Adds `first` and `text`, wrapped at words, further lines indented.
fn push_wrapped(out: &mut String, first: &str, text: &str, indent: &str) {
    out.push_str(first);
    let mut column = first.len();
    let mut fresh = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !fresh && column + 1 + word.len() > FOLD_OCTETS {
            out.push_str("\r\n");
            out.push_str(indent);
            column = indent.len();
        } else if !fresh {
            out.push(' ');
            column += 1;
        }
        fresh = false;
        for piece in pieces(word, LINE_OCTETS_MAX - FOLD_OCTETS) {
            if column > FOLD_OCTETS {
                out.push_str("\r\n");
                out.push_str(indent);
                column = indent.len();
            }
            out.push_str(piece);
            column += piece.len();
        }
    }
    out.push_str("\r\n");
}

// -- status for a program ----------------------------------------------------------------------------

fn status_part(letter: &Letter<'_>) -> Part {
    let description = "Delivery report";
    // An address that ASCII cannot say takes the type of RFC 6533 §4.1.
    let text = status_text(letter.report);
    if text.is_ascii() {
        let body = text.into_bytes();
        return Part { content_type: "message/delivery-status", description, encoding: "7bit", body };
    }
    let (encoding, body) = eight_bit_or_base64(letter, text.into_bytes());
    Part { content_type: "message/global-delivery-status", description, encoding, body }
}

fn status_text(report: &Report) -> String {
    let mut text = String::new();
    if let Some(id) = &report.envelope_id {
        push_field(&mut text, "Original-Envelope-Id", id);
    }
    push_field(&mut text, "Reporting-MTA", &Typed::new("dns", report.reporting_mta.as_str()).to_string());
    if let Some(arrival) = report.arrival {
        push_field(&mut text, "Arrival-Date", &arrival.rfc5322());
    }
    let is_ascii = |typed: &Typed| typed.value.is_ascii();
    let names_ascii = report
        .recipients
        .iter()
        .all(|recipient| is_ascii(&recipient.recipient) && recipient.original.as_ref().is_none_or(is_ascii));
    for recipient in &report.recipients {
        text.push_str("\r\n");
        push_recipient(&mut text, recipient, names_ascii);
    }
    text
}

/// The fields of one recipient; in ASCII where no address keeps the report from it.
fn push_recipient(text: &mut String, recipient: &RecipientReport, in_ascii: bool) {
    let said = |typed: &Typed| if in_ascii { escaped(&typed.to_string()) } else { typed.to_string() };
    if let Some(original) = &recipient.original {
        push_field(text, "Original-Recipient", &original.to_string());
    }
    push_field(text, "Final-Recipient", &recipient.recipient.to_string());
    push_field(text, "Action", &recipient.action.to_string());
    push_field(text, "Status", &recipient.status.to_string());
    if let Some(mta) = &recipient.remote_mta {
        push_field(text, "Remote-MTA", &said(mta));
    }
    if let Some(diagnostic) = &recipient.diagnostic {
        push_field(text, "Diagnostic-Code", &said(diagnostic));
    }
    if let Some(at) = recipient.last_attempt {
        push_field(text, "Last-Attempt-Date", &at.rfc5322());
    }
    if let Some(until) = recipient.will_retry_until {
        push_field(text, "Will-Retry-Until", &until.rfc5322());
    }
}

/// Words of hosts in ASCII, the rest as RFC 6533 §3 writes it in addresses: one letter of a reply does not make a
/// report unreadable for those who know RFC 3464 only.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c.is_ascii() {
            out.push(c);
        } else {
            xtext::push_escaped(&mut out, c);
        }
        out
    })
}

/// Adds a field, folded in front of spaces: unfolding gives back the very value.
fn push_field(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str(": ");
    let mut column = name.len() + 2;
    for (at, word) in one_line(value).split(' ').enumerate() {
        // A line of white space only would end the header for some readers: no fold in front of an empty word.
        if at > 0 && column + 1 + word.len() > FOLD_OCTETS && !word.is_empty() {
            text.push_str("\r\n");
            column = 0;
        }
        if at > 0 {
            text.push(' ');
            column += 1;
        }
        for piece in pieces(word, LINE_OCTETS_MAX - FOLD_OCTETS) {
            if column + piece.len() > LINE_OCTETS_MAX {
                text.push_str("\r\n ");
                column = 1;
            }
            text.push_str(piece);
            column += piece.len();
        }
    }
    text.push_str("\r\n");
}

// -- the message -------------------------------------------------------------------------------------

fn returned_part(letter: &Letter<'_>) -> Part {
    let original = &letter.original;
    // RFC 3461 §4.3: RET speaks of failures only; other reports bring the header.
    let full = kind_of(letter.report) == Action::Failed
        && original.complete
        && original.returns != Some(Returns::Headers)
        && is_lines(original.octets);
    let header = header_of(original.octets);
    let global = !header.is_ascii();
    let (octets, description) =
        if full { (original.octets, "Undelivered message") } else { (header, "Message header") };
    let octets = if full { octets.to_vec() } else { as_lines(octets) };
    let content_type = match (full, global) {
        (true, false) => "message/rfc822",
        (true, true) => "message/global",
        (false, false) => "text/rfc822-headers; charset=us-ascii",
        (false, true) => "message/global-headers",
    };
    let (encoding, body) = if octets.is_ascii() {
        ("7bit", octets)
    } else if global {
        eight_bit_or_base64(letter, octets)
    } else {
        // message/rfc822 takes no base64 (RFC 2046 §5.2.1): its way back must take 8 bits.
        ("8bit", octets)
    };
    Part { content_type, description, encoding, body }
}

/// RFC 6533 §4.5: UTF-8 headers go back as they are only where the way back must take SMTPUTF8 anyway.
fn eight_bit_or_base64(letter: &Letter<'_>, octets: Vec<u8>) -> (&'static str, Vec<u8>) {
    if letter.to.needs_smtputf8() { ("8bit", octets) } else { ("base64", base64::lines(&octets)) }
}

/// Whether it can stand in a 7bit or 8bit part: CRLF line ends only, no NUL, no line over 998 octets.
fn is_lines(octets: &[u8]) -> bool {
    let mut rest = octets;
    while let Some(at) = memchr::memchr3(b'\r', b'\n', 0, rest) {
        let (line, end) = rest.split_at(at);
        let Some(after) = end.strip_prefix(b"\r\n") else { return false };
        if line.len() > LINE_OCTETS_MAX {
            return false;
        }
        rest = after;
    }
    rest.len() <= LINE_OCTETS_MAX
}

/// A header made fit for a text part: other line ends become CRLF, NUL a `?`, over-long lines are folded.
fn as_lines(header: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(header.len());
    let mut column = 0;
    let mut octets = header.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        match octet {
            b'\r' | b'\n' => {
                if octet == b'\r' && octets.peek() == Some(&b'\n') {
                    octets.next();
                }
                out.extend_from_slice(b"\r\n");
                column = 0;
                continue;
            }
            // Between characters only, so that UTF-8 stays whole.
            _ if column >= LINE_OCTETS_MAX - 4 && octet & 0xC0 != 0x80 => {
                out.extend_from_slice(b"\r\n ");
                column = 1;
            }
            _ => {}
        }
        out.push(if octet == 0 { b'?' } else { octet });
        column += 1;
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The header with the CRLF of its last field, without the empty line.
fn header_of(message: &[u8]) -> &[u8] {
    let Some(len) = header::header_len(message) else { return message };
    let header = message.get(..len).unwrap_or(message);
    let header = header.strip_suffix(b"\n").unwrap_or(header);
    header.strip_suffix(b"\r").unwrap_or(header)
}

/// The value of the first field of this name, where it is text.
fn field(message: &[u8], name: &str) -> Option<String> {
    String::from_utf8(header::find(message, name)?.value().into_owned()).ok()
}

/// The subject as a person reads it, encoded words decoded.
fn subject(message: &[u8]) -> Option<String> {
    let subject = encoded_word::decode(header::find(message, "subject")?.body);
    let subject: String = one_line(&subject).chars().take(SUBJECT_CHARS_MAX).collect();
    (!subject.is_empty()).then_some(subject)
}

/// Whether a text is fit to stand in References: one id, nothing odd in it.
fn is_message_id(text: &str) -> bool {
    let inside = text.strip_prefix('<').and_then(|t| t.strip_suffix('>'));
    inside.is_some_and(|id| {
        (3..=500).contains(&id.len())
            && id.contains('@')
            && id.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>')
    })
}

// -- texts -------------------------------------------------------------------------------------------

/// The text with every control character turned into a space, so that it can end no line and open no field.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// `word` in pieces of at most `octets` octets, cut between characters.
fn pieces(word: &str, octets: usize) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = octets.min(rest.len());
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(piece)
    })
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut hex, octet| {
        let _ = write!(hex, "{octet:02x}");
        hex
    })
}
