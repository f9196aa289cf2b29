//! Reports that follow a standard, or nearly: delivery status (RFC 3464), complaints (RFC 5965), receipts (RFC 8098).
//!
//! Lenient: a part is known by its fields where its type is wrong; fields may be missing, types in front of values too.

use super::{RemoteMail, RemoteStatus, Seen, Told, address_of, addresses_in, codes, text_of};
use crate::base::limits::REMOTE_REPORT_RECIPIENTS_MAX;
use crate::base::{Enhanced, xtext};
use crate::dsn::parse::{Fields, groups};

/// Reads the first part that is a report.
pub(super) fn read(parts: &[Seen<'_>]) -> RemoteMail {
    let of_type = |types: &[(&str, &str)]| {
        parts.iter().find(|part| types.iter().any(|(media_type, subtype)| part.is(media_type, subtype)))
    };
    if let Some(part) = of_type(&[("message", "feedback-report")]) {
        return complaint(part, parts);
    }
    if let Some(part) =
        of_type(&[("message", "disposition-notification"), ("message", "global-disposition-notification")])
    {
        return receipt(part);
    }
    let status = of_type(&[("message", "delivery-status"), ("message", "global-delivery-status")]);
    if let Some(part) = status {
        return delivery_status(&part.body());
    }
    // Some write the fields into a part of another type.
    let leaves = parts
        .iter()
        .filter(|part| part.is_leaf() && (part.part.facts.is_text() || part.is("application", "octet-stream")));
    let found = leaves.map(Seen::body).find(|body| {
        let text = text_of(body).to_ascii_lowercase();
        text.contains("final-recipient:") && text.contains("action:")
    });
    found.map(|body| delivery_status(&body)).unwrap_or_default()
}

/// The value behind `type;`, where there is a type.
fn untyped(value: &str) -> &str {
    match value.split_once(';') {
        Some((kind, value)) if kind.trim().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => value.trim(),
        _ => value.trim(),
    }
}

fn address(value: &str) -> Option<String> {
    let is_utf8 = value.trim_start().get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case("utf-8"));
    let value = untyped(value);
    let value = if is_utf8 { xtext::unescape(value).0 } else { value.to_owned() };
    address_of(value.trim()).or_else(|| addresses_in(&value).into_iter().next())
}

fn delivery_status(octets: &[u8]) -> RemoteMail {
    let groups = groups(octets);
    let mut told = RemoteMail::default();
    for group in groups.iter().take(REMOTE_REPORT_RECIPIENTS_MAX + 1) {
        if let (true, Some(mta)) = (told.reporter.is_empty(), group.find("reporting-mta")) {
            told.reporter = untyped(&mta).to_owned();
        }
        told.envelope_id = told.envelope_id.or_else(|| group.find("original-envelope-id"));
        told.statuses.extend(recipient(group));
    }
    told
}

fn recipient(group: &Fields) -> Option<RemoteStatus> {
    // What the sender knows the recipient by comes first; an address behind an alias is not his.
    let original = group.find("original-recipient").and_then(|value| address(&value));
    let last = group.find("final-recipient").and_then(|value| address(&value));
    let x_actual = || group.find("x-actual-recipient").and_then(|value| address(&value));
    let recipient = original.or(last).or_else(x_actual)?;
    let diagnostic = group.find("diagnostic-code").map(|value| untyped(&value).to_owned()).unwrap_or_default();
    let field = group.find("status").unwrap_or_default();
    let (code, in_text) = codes(&diagnostic);
    let (code_in_field, in_field) = codes(&field);
    let code = if code == 0 { code_in_field } else { code };
    let status = Enhanced::split(field.trim()).map(|(status, _)| status).or(in_field);
    // 5.0.0 says less than what the host said.
    let is_vague = status.is_none_or(|status| (status.subject, status.detail) == (0, 0));
    let status = if is_vague { in_text.or(status) } else { status };
    let action = group.find("action").unwrap_or_default().to_ascii_lowercase();
    let class = status.map_or(u16::from(code >= 500) * 5, |status| u16::from(status.class));
    let told = match action.trim() {
        action if action.starts_with("fail") => Told::Failed,
        action if action.starts_with("delay") => Told::Delayed,
        action if action.starts_with("deliver") => Told::Delivered,
        action if action.starts_with("relay") => Told::Relayed,
        action if action.starts_with("expand") => Told::Expanded,
        _ if class == 4 => Told::Delayed,
        _ if class == 2 => Told::Delivered,
        _ => Told::Failed,
    };
    let text = if diagnostic.is_empty() { field } else { diagnostic };
    Some(RemoteStatus { told, recipient, code, status, text })
}

/// A complaint, which mostly hides the recipient: then the returned message may name it.
fn complaint(part: &Seen<'_>, parts: &[Seen<'_>]) -> RemoteMail {
    let groups = groups(&part.body());
    let find = |name: &str| groups.iter().find_map(|group| group.find(name));
    let recipient = find("original-rcpt-to").or_else(|| find("removal-recipient")).and_then(|value| address(&value));
    let kind = find("feedback-type").unwrap_or_default().to_ascii_lowercase();
    let told = match kind.trim() {
        kind if kind.starts_with("opt-out") => Told::Unsubscribed,
        kind if kind.starts_with("not-spam") || kind.starts_with("auth-failure") => return RemoteMail::default(),
        _ => Told::Complaint,
    };
    let reporter = find("reporting-mta").map(|mta| untyped(&mta).to_owned()).or_else(|| find("user-agent"));
    let in_original = || {
        let part = parts.iter().find(|part| part.is("message", "rfc822") || part.is("text", "rfc822-headers"))?;
        let body = part.body();
        let field = crate::message::header::find(&body, "to")?;
        let mut all = addresses_in(&text_of(&field.value()));
        (all.len() == 1).then(|| all.remove(0))
    };
    let recipient = recipient.or_else(in_original).unwrap_or_default();
    let status = RemoteStatus { told, recipient, code: 0, status: None, text: kind.trim().to_owned() };
    RemoteMail {
        reporter: reporter.unwrap_or_default(),
        envelope_id: find("original-envelope-id"),
        statuses: vec![status],
        ..RemoteMail::default()
    }
}

fn receipt(part: &Seen<'_>) -> RemoteMail {
    let groups = groups(&part.body());
    let find = |name: &str| groups.iter().find_map(|group| group.find(name));
    let disposition = find("disposition").unwrap_or_default();
    // `automatic-action/MDN-sent-automatically; displayed/error`
    let word = disposition.rsplit(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let told = match word.split(['/', ',', ' ']).next().unwrap_or_default() {
        "displayed" | "dispatched" | "processed" => Told::Displayed,
        "deleted" => Told::Deleted,
        "failed" => Told::Failed,
        _ => return RemoteMail::default(),
    };
    let recipient = find("original-recipient").or_else(|| find("final-recipient")).and_then(|value| address(&value));
    let recipient = recipient.unwrap_or_default();
    let status = RemoteStatus { told, recipient, code: 0, status: None, text: disposition.clone() };
    RemoteMail {
        reporter: find("reporting-ua").unwrap_or_default(),
        message_id: find("original-message-id").and_then(|id| super::id_text(id.as_bytes())),
        statuses: vec![status],
        ..RemoteMail::default()
    }
}
