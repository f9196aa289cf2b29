//! BODYSTRUCTURE and BODY (RFC 9051 §7.5.2): the first is written once when a message is filed, the second is made
//! of it by leaving the extension data out.

use crate::imap::response::{nstring, number, string};
use crate::message::parameter::{Parameter, Parameterised};
use crate::message::table::Encoding;
use crate::message::{EnvelopeFields, Part, PartKind, Structure};

use super::envelope::envelope;

/// Writes BODYSTRUCTURE, extension data included.
pub fn structure(out: &mut Vec<u8>, message: &Structure) {
    part(out, message, 0);
}

/// A part and those inside it; as deep as the scanner goes (`MIME_NESTING_MAX`).
fn part(out: &mut Vec<u8>, message: &Structure, index: usize) {
    let Some(this) = message.parts.get(index) else { return };
    out.push(b'(');
    match this.kind {
        PartKind::Multipart => multipart(out, message, index, this),
        PartKind::Leaf | PartKind::Message => single(out, message, index, this),
    }
    out.push(b')');
}

fn multipart(out: &mut Vec<u8>, message: &Structure, index: usize, this: &Part) {
    let mut empty = true;
    for child in message.children(index) {
        part(out, message, child);
        empty = false;
    }
    if empty {
        // The grammar wants at least one part.
        out.extend_from_slice(b"(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)");
    }
    out.push(b' ');
    string(out, &this.facts.subtype);
    out.push(b' ');
    parameters(out, &this.facts.parameters);
    disposition_language_location(out, this);
}

fn single(out: &mut Vec<u8>, message: &Structure, index: usize, this: &Part) {
    let facts = &this.facts;
    let is_message = this.kind == PartKind::Message;
    // A part that claims to be a message or multipart but could not be read as one is octets to a client.
    let claims = facts.media_type.eq_ignore_ascii_case(b"multipart")
        || facts.is("message", "rfc822")
        || facts.is("message", "global");
    let opaque = claims && !is_message;
    string(out, if opaque { b"application" } else { &facts.media_type });
    out.push(b' ');
    string(out, if opaque { b"octet-stream" } else { &facts.subtype });
    out.push(b' ');
    parameters(out, &facts.parameters);
    out.push(b' ');
    nstring(out, facts.id.as_deref());
    out.push(b' ');
    nstring(out, facts.description.as_deref());
    out.push(b' ');
    string(out, Encoding::token(facts.encoding.as_deref().unwrap_or_default()));
    out.push(b' ');
    number(out, this.body.end.saturating_sub(this.body.start));
    if is_message {
        let none = EnvelopeFields::default();
        let child = message.parts.get(index + 1);
        out.push(b' ');
        envelope(out, child.and_then(|c| c.envelope.as_deref()).unwrap_or(&none));
        out.push(b' ');
        part(out, message, index + 1);
    }
    if is_message || facts.is_text() {
        out.push(b' ');
        number(out, this.lines);
    }
    out.push(b' ');
    nstring(out, facts.md5.as_deref());
    disposition_language_location(out, this);
}

fn disposition_language_location(out: &mut Vec<u8>, this: &Part) {
    out.push(b' ');
    match &this.facts.disposition {
        Some(Parameterised { token, parameters: list }) => {
            out.push(b'(');
            string(out, token);
            out.push(b' ');
            parameters(out, list);
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    match this.facts.language.as_slice() {
        [] => out.extend_from_slice(b"NIL"),
        [one] => string(out, one),
        many => {
            for (i, language) in many.iter().enumerate() {
                out.push(if i == 0 { b'(' } else { b' ' });
                string(out, language);
            }
            out.push(b')');
        }
    }
    out.push(b' ');
    nstring(out, this.facts.location.as_deref());
}

fn parameters(out: &mut Vec<u8>, list: &[Parameter]) {
    if list.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    for (i, parameter) in list.iter().enumerate() {
        out.push(if i == 0 { b'(' } else { b' ' });
        string(out, &parameter.name);
        out.push(b' ');
        string(out, &parameter.value);
    }
    out.push(b')');
}

/// BODY out of a BODYSTRUCTURE of ours: the same without extension data. What is not one gives nothing.
pub fn without_extensions(structure: &[u8]) -> Vec<u8> {
    let mut text = Text { rest: structure, out: Vec::with_capacity(structure.len()) };
    match text.body(0) {
        Some(()) => text.out,
        None => Vec::new(),
    }
}

struct Text<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
}

impl Text<'_> {
    fn body(&mut self, depth: usize) -> Option<()> {
        if depth > 2 * crate::base::limits::MIME_NESTING_MAX + 2 {
            return None;
        }
        self.copy(1)?;
        if self.rest.first() == Some(&b'(') {
            while self.rest.first() == Some(&b'(') {
                self.body(depth + 1)?;
            }
            self.copy(1)?;
            self.value()?;
        } else {
            for i in 0..7 {
                self.copy(usize::from(i > 0))?;
                self.value()?;
            }
            match self.rest.get(1) {
                // An envelope: this is a message, and has lines.
                Some(b'(') => {
                    self.copy(1)?;
                    self.value()?;
                    self.copy(1)?;
                    self.body(depth + 1)?;
                    self.copy(1)?;
                    self.value()?;
                }
                // Lines of a text.
                Some(b'0'..=b'9') => {
                    self.copy(1)?;
                    self.value()?;
                }
                _ => {}
            }
        }
        while self.rest.first() == Some(&b' ') {
            let n = value_octets(self.rest.get(1..)?)?;
            self.rest = self.rest.get(1 + n..)?;
        }
        self.copy(1)
    }

    fn copy(&mut self, n: usize) -> Option<()> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.out.extend_from_slice(taken);
        self.rest = rest;
        Some(())
    }

    fn value(&mut self) -> Option<()> {
        self.copy(value_octets(self.rest)?)
    }
}

/// Octets of the value at the beginning: a list, a string, an atom.
pub(super) fn value_octets(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0usize);
    loop {
        match text.get(at)? {
            b'(' => {
                depth += 1;
                at += 1;
            }
            b')' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b' ' => at += 1,
            b'"' => {
                at += 1;
                loop {
                    match text.get(at)? {
                        b'"' => break,
                        b'\\' => at += 2,
                        _ => at += 1,
                    }
                }
                at += 1;
            }
            b'{' => {
                let digits = text.get(at + 1..)?.iter().take_while(|c| c.is_ascii_digit()).count();
                let n: usize = std::str::from_utf8(text.get(at + 1..at + 1 + digits)?).ok()?.parse().ok()?;
                at = (at + digits + 4).checked_add(n)?;
            }
            _ => at += text.get(at..)?.iter().take_while(|c| !matches!(c, b' ' | b')' | b'(')).count().max(1),
        }
        if depth == 0 {
            return (at <= text.len()).then_some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(message: &str) -> (String, String) {
        let mut out = Vec::new();
        structure(&mut out, &crate::message::scan(message.as_bytes()));
        let basic = without_extensions(&out);
        (String::from_utf8_lossy(&out).into_owned(), String::from_utf8_lossy(&basic).into_owned())
    }

    #[test]
    fn a_plain_message() {
        let (full, basic) = written("Subject: x\r\n\r\none\r\ntwo\r\n");
        let start = "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2";
        assert_eq!(full, format!("{start} NIL NIL NIL NIL)"));
        assert_eq!(basic, format!("{start})"));
    }

    #[test]
    fn parts_and_messages_within() {
        let message = "Content-Type: multipart/mixed; boundary=\"a(b\"\r\n\r\n--a(b\r\n\
            Content-Type: text/html; charset=utf-8\r\n\
            Content-Language: de, en\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==\r\n--a(b\r\n\
            Content-Type: image/png\r\nContent-ID: <i@x>\r\nContent-Disposition: attachment; \
            filename=\"a \\\"b\"\r\n\r\nxyz\r\n\
            --a(b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nhi\r\n--a(b--\r\n";
        let (full, basic) = written(message);
        let html = "(\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL \"base64\" 4 0";
        let png = "(\"image\" \"png\" NIL \"<i@x>\" NIL \"7bit\" 3";
        let inner = "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 2 0";
        let rfc822 = |inner: &str| {
            format!(
                "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 20 \
                 (NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) {inner} 2"
            )
        };
        let none = "NIL NIL NIL NIL)";
        assert_eq!(
            full,
            format!(
                "({html} NIL NIL (\"de\" \"en\") NIL){png} NIL (\"attachment\" (\"filename\" \"a \\\"b\")) NIL NIL){} \
                 {none} \
                 \"mixed\" (\"boundary\" \"a(b\") NIL NIL NIL)",
                rfc822(&format!("{inner} {none}"))
            )
        );
        assert_eq!(basic, format!("({html}){png}){}) \"mixed\")", rfc822(&format!("{inner})"))));
    }

    #[test]
    fn an_encoding_is_a_word() {
        for (value, word) in [("Base64 (comment)", "Base64"), ("", "7bit"), ("quoted-printable;", "quoted-printable")] {
            let (full, _) = written(&format!("Content-Transfer-Encoding: {value}\r\n\r\n"));
            assert!(full.contains(&format!(" NIL NIL \"{word}\" 0 0 ")), "{full}");
        }
    }

    #[test]
    fn the_hollow_and_the_strange() {
        let (_, basic) = written("Content-Type: multipart/mixed; boundary=x\r\n\r\nno parts\r\n");
        assert_eq!(basic, "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0) \"mixed\")");
        let (full, basic) = written("Content-Type: text/plain; name=\u{fc}(\r\nContent-Description: {7}\r\n\r\n");
        assert!(full.contains("\"{7}\"") && basic.ends_with("\"7bit\" 0 0)"), "{full} {basic}");
    }

    #[test]
    fn what_is_no_structure_gives_nothing() {
        let (full, _) = written("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n");
        for n in 0..full.len() {
            assert!(without_extensions(&full.as_bytes()[..n]).is_empty(), "{n}");
        }
        assert!(without_extensions(b"((((((((").is_empty() && without_extensions(b"(\"a\" {9}\r\nx").is_empty());
        assert!(without_extensions("(".repeat(10_000).as_bytes()).is_empty());
    }
}
