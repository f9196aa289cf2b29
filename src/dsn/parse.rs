//! Reads a delivery status notification back: ours, and those of every other mail system.
//!
//! Takes octets of a peer: no recursion, one pass, never fails loudly. What is not understood is left out; a mail
//! that is no report gives `None`.

use base64::Engine as _;

use super::report::{Action, RecipientReport, Report, Typed};
use crate::base::limits::SMTP_RECIPIENTS_MAX;
use crate::base::time::MONTHS;
use crate::base::{Enhanced, Timestamp};

/// Reads a whole mail of type multipart/report.
pub fn parse(mail: &[u8]) -> Option<Report> {
    let (header, body) = split_header(mail);
    let content_type = mailparse::parse_content_type(&fields(header).find("content-type")?);
    let is_report = content_type.mimetype.eq_ignore_ascii_case("multipart/report")
        && content_type.params.get("report-type").is_none_or(|kind| kind.eq_ignore_ascii_case("delivery-status"));
    let boundary = content_type.params.get("boundary").filter(|b| is_report && !b.is_empty())?;
    let mut found = None;
    for part in parts(body, boundary.as_bytes()) {
        let (header, body) = split_header(part);
        let fields = fields(header);
        let kind = fields.find("content-type").map(|value| mailparse::parse_content_type(&value).mimetype);
        let wanted = ["message/delivery-status", "message/global-delivery-status"];
        if kind.is_some_and(|kind| wanted.iter().any(|w| kind.eq_ignore_ascii_case(w))) {
            found = Some((fields.find("content-transfer-encoding").unwrap_or_default(), body));
            break;
        }
    }
    let (encoding, body) = found?;
    if encoding.eq_ignore_ascii_case("base64") {
        let packed: Vec<u8> = body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        return parse_status(&base64::engine::general_purpose::STANDARD.decode(packed).ok()?);
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
struct Fields(Vec<(String, String)>);

impl Fields {
    fn find(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
    }

    fn typed(&self, name: &str) -> Option<Typed> {
        Typed::parse(&self.find(name)?)
    }

    fn date(&self, name: &str) -> Option<Timestamp> {
        date(&self.find(name)?)
    }
}

fn fields(header: &[u8]) -> Fields {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in String::from_utf8_lossy(header).lines() {
        match (fields.last_mut(), line.starts_with([' ', '\t'])) {
            (Some((_, value)), true) => value.push_str(line),
            (_, true) => {}
            (_, false) => {
                if let Some((name, value)) = line.split_once(':') {
                    fields.push((name.trim().to_ascii_lowercase(), value.trim_start().to_owned()));
                }
            }
        }
    }
    for (_, value) in &mut fields {
        value.truncate(value.trim_end().len());
    }
    Fields(fields)
}

/// The groups of fields, separated by empty lines.
fn groups(octets: &[u8]) -> Vec<Fields> {
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

/// Header and body of an entity.
fn split_header(entity: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    for line in entity.split_inclusive(|b| *b == b'\n') {
        if matches!(line, b"\r\n" | b"\n") {
            let (header, rest) = entity.split_at_checked(at).unwrap_or((entity, &[]));
            return (header, rest.get(line.len()..).unwrap_or_default());
        }
        at += line.len();
    }
    (entity, &[])
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
    let mut value = String::with_capacity(typed.value.len());
    let mut rest = typed.value.as_str();
    while let Some((before, after)) = rest.split_once("\\x{") {
        value.push_str(before);
        let decoded = after.split_once('}').and_then(|(hex, tail)| {
            let hex =
                Some(hex).filter(|hex| (2..=6).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
            Some((char::from_u32(u32::from_str_radix(hex, 16).ok()?)?, tail))
        });
        match decoded {
            Some((c, tail)) => {
                value.push(c);
                rest = tail;
            }
            None => {
                value.push_str("\\x{");
                rest = after;
            }
        }
    }
    value.push_str(rest);
    Typed { value, ..typed }
}

fn first_word(text: &str) -> &str {
    text.split([' ', '\t', '(', ';']).find(|word| !word.is_empty()).unwrap_or_default()
}

/// A date of RFC 5322 §3.3 with a numeric zone or GMT/UT; the day of the week is not looked at.
fn date(text: &str) -> Option<Timestamp> {
    let text = text.split('(').next()?;
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_ascii_whitespace();
    let day: u32 = words.next()?.parse().ok().filter(|d| (1..=31).contains(d))?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month))? as u32 + 1;
    let year: i64 = words.next()?.parse().ok().filter(|y| (1900..=9999).contains(y))?;
    let mut clock = words.next()?.split(':').map(|n| n.parse::<u32>().ok());
    let (hour, minute) = (clock.next()??, clock.next()??);
    let second = clock.next().unwrap_or(Some(0))?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone = words.next().unwrap_or("+0000");
    let east = match zone.split_at_checked(1) {
        Some((sign @ ("+" | "-"), digits)) if digits.len() == 4 => {
            let digits: i64 = digits.parse().ok()?;
            let minutes = digits / 100 * 60 + digits % 100;
            if sign == "+" { minutes } else { -minutes }
        }
        _ => 0,
    };
    let utc = Timestamp::from_civil(year, month, day, hour, minute, second);
    Some(Timestamp::from_seconds(utc.seconds() - east * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_all_zones() {
        for (text, seconds) in [
            ("Sun, 22 Nov 2026 01:42:04 +0000", 1_795_311_724),
            ("Sun, 22 Nov 2026 02:42:04 +0100 (CET)", 1_795_311_724),
            ("22 Nov 2026 01:42 GMT", 1_795_311_720),
            ("Sat, 21 Nov 2026 20:42:04 -0500", 1_795_311_724),
        ] {
            assert_eq!(date(text), Some(Timestamp::from_seconds(seconds)), "{text}");
        }
        for none in ["", "yesterday", "32 Nov 2026 01:00:00 +0000", "1 Nov 2026 25:00:00 +0000", "1 Foo 2026 01:00:00"]
        {
            assert_eq!(date(none), None, "{none}");
        }
    }

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
