//! Reads a delivery status notification back: ours, and those of every other mail system.
//!
//! Takes octets of a peer: no recursion, one pass, never fails loudly. What is not understood is left out; a mail
//! that is no report gives `None`.

use super::report::{Action, RecipientReport, Report, Typed};
use crate::base::limits::SMTP_RECIPIENTS_MAX;
use crate::base::{Enhanced, Timestamp, base64, xtext};
use crate::message::{date, header, parameter};

/// Reads a whole mail of type multipart/report.
pub fn parse(mail: &[u8]) -> Option<Report> {
    let (header, body) = header::split_entity(mail);
    let content_type = parameter::parse(header::find(header, "content-type")?.body);
    let is_report = content_type.token.eq_ignore_ascii_case(b"multipart/report")
        && content_type.get("report-type").is_none_or(|kind| kind.eq_ignore_ascii_case(b"delivery-status"));
    let boundary = content_type.get("boundary").filter(|b| is_report && !b.is_empty())?;
    let is_status = |part: &&[u8]| {
        let kind =
            header::find(header::split_entity(part).0, "content-type").map(|field| parameter::parse(field.body).token);
        let wanted: [&[u8]; 2] = [b"message/delivery-status", b"message/global-delivery-status"];
        kind.is_some_and(|kind| wanted.iter().any(|w| kind.eq_ignore_ascii_case(w)))
    };
    let (header, body) = header::split_entity(parts(body, boundary).into_iter().find(is_status)?);
    let encoding = header::find(header, "content-transfer-encoding");
    if encoding.is_some_and(|encoding| encoding.value().eq_ignore_ascii_case(b"base64")) {
        return parse_status(&base64::decode_folded(body)?);
    }
    parse_status(body)
}

/// Reads the content of a message/delivery-status part.
pub fn parse_status(octets: &[u8]) -> Option<Report> {
    let mut groups = groups(octets).into_iter();
    let about = groups.next()?;
    let reporting_mta = about.find("reporting-mta").as_deref().and_then(Typed::parse)?.value;
    let recipients: Vec<_> = groups.take(SMTP_RECIPIENTS_MAX).filter_map(|group| recipient(&group)).collect();
    (!recipients.is_empty()).then(|| Report {
        reporting_mta,
        envelope_id: about.find("original-envelope-id"),
        arrival: about.date("arrival-date"),
        recipients,
    })
}

fn recipient(group: &Fields) -> Option<RecipientReport> {
    Some(RecipientReport {
        original: group.typed("original-recipient").map(unescaped),
        recipient: unescaped(group.typed("final-recipient")?),
        action: Action::parse(first_word(&group.find("action")?))?,
        status: Enhanced::split(first_word(&group.find("status")?))?.0,
        remote_mta: group.typed("remote-mta"),
        diagnostic: group.typed("diagnostic-code"),
        last_attempt: group.date("last-attempt-date"),
        will_retry_until: group.date("will-retry-until"),
    })
}

/// Names in lower case with their unfolded values.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn find(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
    }

    fn typed(&self, name: &str) -> Option<Typed> {
        Typed::parse(&self.find(name)?)
    }

    fn date(&self, name: &str) -> Option<Timestamp> {
        Some(date(self.find(name)?.as_bytes())?.at)
    }
}

fn fields(header: &[u8]) -> Fields {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let named = header::fields(header).filter(|field| !field.name.is_empty());
    Fields(named.map(|field| (text(field.name).to_ascii_lowercase(), text(&field.value()))).collect())
}

/// The groups of fields, separated by empty lines.
pub(super) fn groups(octets: &[u8]) -> Vec<Fields> {
    let mut groups: Vec<Vec<u8>> = Vec::new();
    let mut open = false;
    let mut count = 0;
    for line in octets.split_inclusive(|b| *b == b'\n') {
        let empty = line.trim_ascii().is_empty();
        match groups.last_mut() {
            Some(group) if open && !empty => group.extend_from_slice(line),
            _ if empty => open = false,
            // One group for the message, one for each recipient.
            _ if count > SMTP_RECIPIENTS_MAX => break,
            _ => {
                groups.push(line.to_vec());
                count += 1;
                open = true;
            }
        }
    }
    groups.iter().map(|group| fields(group)).collect()
}

/// The parts of a multipart body (RFC 2046 §5.1.1), without the line end that belongs to the boundary.
fn parts<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut start = None;
    let mut at = 0;
    for line in body.split_inclusive(|b| *b == b'\n') {
        let delimiter = line.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary));
        let rest = delimiter.map(<[u8]>::trim_ascii_end);
        if matches!(rest, Some(b"" | b"--")) {
            if let Some(part) = start.and_then(|from| body.get(from..at)) {
                let part: &[u8] = part.strip_suffix(b"\n").unwrap_or(part);
                parts.push(part.strip_suffix(b"\r").unwrap_or(part));
            }
            start = Some(at + line.len());
            if rest == Some(b"--") {
                return parts;
            }
        }
        at += line.len();
    }
    parts.extend(start.and_then(|from| body.get(from..)));
    parts
}

/// Undoes `\x{HEX}` in addresses of type `utf-8` (RFC 6533 §3); a wrong escape stands for itself.
fn unescaped(typed: Typed) -> Typed {
    if !typed.kind.eq_ignore_ascii_case("utf-8") {
        return typed;
    }
    Typed { value: xtext::unescape(&typed.value).0, ..typed }
}

fn first_word(text: &str) -> &str {
    text.split([' ', '\t', '(', ';']).find(|word| !word.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_at_the_limit() {
        let status = |n: usize| {
            let one = "\r\nFinal-Recipient: rfc822;a@b\r\nAction: failed\r\nStatus: 5.0.0\r\n";
            parse_status(format!("Reporting-MTA: dns;x\r\n{}", one.repeat(n)).as_bytes())
        };
        for (n, read) in [
            (SMTP_RECIPIENTS_MAX - 1, SMTP_RECIPIENTS_MAX - 1),
            (SMTP_RECIPIENTS_MAX, SMTP_RECIPIENTS_MAX),
            (SMTP_RECIPIENTS_MAX + 1, SMTP_RECIPIENTS_MAX),
        ] {
            assert_eq!(status(n).unwrap().recipients.len(), read);
        }
        assert_eq!(status(0), None);
    }

    #[test]
    fn escapes_of_utf8_addresses() {
        for (written, read) in [
            ("j\\x{FC}rgen\\x{2B}x@b", "jürgen+x@b"),
            ("a\\x{5C}x{41}@b", "a\\x{41}@b"),
            ("bad\\x{zz}@b", "bad\\x{zz}@b"),
            ("open\\x{41", "open\\x{41"),
        ] {
            assert_eq!(unescaped(Typed::new("utf-8", written)).value, read);
        }
        assert_eq!(unescaped(Typed::new("rfc822", "a\\x{41}@b")).value, "a\\x{41}@b");
    }
}
