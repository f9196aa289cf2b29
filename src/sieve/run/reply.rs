//! Letters that scripts send: answers in the owner's absence (RFC 5230, on the rules of RFC 3834), and notices by mail
//! (RFC 5436).

use sha2::{Digest, Sha256};

use super::super::program::{Notify, Vacation};
use super::address::in_field;
use super::header::plain;
use super::outcome::{Deed, Letter, Remember, Reply};
use super::{Ran, Run, address_of, mailto};
use crate::base::Address;
use crate::base::limits::{SIEVE_NOTICES_MAX, SIEVE_REFERENCES_MAX, SIEVE_SUBJECT_CHARS_MAX};
use crate::message::address_list::mailboxes;
use crate::message::compose::{Correspondent, HeaderWriter};
use crate::message::encoded_word;
use crate::message::header::{split_entity, unfold};
use crate::message::line_end::to_crlf;
use crate::message::message_id::{message_id, message_ids};
use crate::message::mime::quoted_printable_encode;

/// Fields that name whom a message is for (RFC 5230 §4.5).
const RECIPIENT_FIELDS: [&str; 6] = ["To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"];
/// Fields of mailing lists (RFC 2369, RFC 2919).
const LIST_FIELDS: [&str; 8] = [
    "List-Id",
    "List-Help",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Mailing-List",
];

/// The key under which something is remembered.
pub(super) fn key(kind: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let hex: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{kind}:{hex}")
}

/// RFC 5235: 0 says that nobody looked; otherwise 1 to 10, or 0 to 100 with `:percent`.
pub(super) fn spam_score(percent: Option<u8>, as_percent: bool) -> String {
    match percent {
        None => "0".to_owned(),
        Some(percent) if as_percent => percent.min(100).to_string(),
        Some(percent) => (1 + u32::from(percent.min(100)) * 9 / 100).to_string(),
    }
}

impl Run<'_> {
    pub(super) fn vacation(&mut self, vacation: &Vacation) -> Ran<()> {
        self.refuse_beside_reject("vacation")?;
        if std::mem::replace(&mut self.replied, true) {
            return Err(self.fault("`vacation` answers a message once"));
        }
        let reason = self.text(&vacation.reason)?;
        let subject = self.optional(vacation.subject.as_ref())?;
        let from = self.optional(vacation.from.as_ref())?;
        let handle = self.optional(vacation.handle.as_ref())?;
        let own = self.texts(&vacation.addresses)?;
        let copy = self.copy(vacation.fcc.as_ref())?;
        let own: Vec<Address> = own.iter().filter_map(|text| address_of(text)).collect();
        let to = match self.answered(&own) {
            Ok(to) => to.clone(),
            Err(why) => {
                self.note(|| format!("no answer is sent: {why}"));
                return Ok(());
            }
        };
        let mime = if vacation.mime { "mime" } else { "" };
        let named: Vec<&str> = match &handle {
            Some(handle) => vec!["handle", handle],
            None => {
                vec!["", subject.as_deref().unwrap_or_default(), from.as_deref().unwrap_or_default(), mime, &reason]
            }
        };
        let remember = Remember { key: key("vacation", &[&key("", &named), &to.key()]), seconds: vacation.seconds };
        let octets = self.answer(&to, subject, from.as_deref(), vacation.mime, &reason);
        self.note(|| format!("{to} gets an answer, unless one was sent less than {} seconds ago", vacation.seconds));
        let letter = Letter { to: vec![to], octets, copy };
        self.deed(Deed::Reply(Box::new(Reply { letter, remember })))
    }

    /// Who is answered, or why nobody is (RFC 3834 §2, RFC 5230 §4.5, §4.6).
    fn answered(&self, own: &[Address]) -> Result<&Address, &'static str> {
        let from = self.mail.from.ok_or("the reverse-path is null")?;
        let local = from.local().to_ascii_lowercase();
        let robots = ["mailer-daemon", "listserv", "majordomo", "postmaster", "noreply", "no-reply", "bounce"];
        let is_robot = robots.contains(&local.as_str())
            || local.starts_with("owner-")
            || ["-request", "-owner", "-bounces", "-bounce", "-relay", "-confirm", "-errors"]
                .iter()
                .any(|end| local.ends_with(end));
        if is_robot {
            return Err("the sender is a list or a program");
        }
        let own: Vec<String> = self.mail.own.iter().chain(self.mail.to).chain(own).map(Address::key).collect();
        if own.contains(&from.key()) {
            return Err("the sender is the owner");
        }
        if LIST_FIELDS.iter().any(|name| self.header.has(name)) {
            return Err("the message came by a list");
        }
        if self.header.values("Auto-Submitted").iter().any(|value| !first_word(value).eq_ignore_ascii_case("no")) {
            return Err("a program sent the message (Auto-Submitted)");
        }
        let bulk = |value: &String| ["bulk", "list", "junk"].iter().any(|kind| value.eq_ignore_ascii_case(kind));
        if self.header.values("Precedence").iter().any(bulk) {
            return Err("the message is bulk mail (Precedence)");
        }
        let suppressed = self.header.values("X-Auto-Response-Suppress");
        let names = |value: &String| {
            value
                .split(',')
                .any(|word| ["all", "oof", "autoreply"].contains(&word.trim().to_ascii_lowercase().as_str()))
        };
        if suppressed.iter().any(names) {
            return Err("the sender wants no answer (X-Auto-Response-Suppress)");
        }
        if self.mail.spam.is_some_and(|spam| spam >= 50) {
            return Err("the message is junk");
        }
        let is_named = RECIPIENT_FIELDS.iter().any(|name| {
            self.header.raw(name).flat_map(in_field).any(|(local, domain)| {
                let text = format!("{local}@{domain}");
                address_of(&text).is_some_and(|address| own.contains(&address.key()))
            })
        });
        if is_named { Ok(from) } else { Err("no recipient field names the owner") }
    }

    fn answer(&self, to: &Address, subject: Option<String>, from: Option<&str>, mime: bool, reason: &str) -> Vec<u8> {
        let subject = subject.unwrap_or_else(|| {
            let about = self.header.values("Subject").into_iter().next().unwrap_or_default();
            if about.is_empty() { "Automated reply".to_owned() } else { format!("Auto: {about}") }
        });
        let mut head = self.head(from, std::slice::from_ref(to), &[], &subject);
        if let Some(id) = self.header.raw("Message-ID").next().and_then(|body| message_id(&unfold(body))) {
            let id = format!("<{}>", String::from_utf8_lossy(&id));
            let mut references: Vec<String> = Vec::new();
            for body in self.header.raw("References") {
                let ids = message_ids(&unfold(body)).into_iter();
                references.extend(ids.map(|id| format!("<{}>", String::from_utf8_lossy(&id))));
            }
            references.push(id.clone());
            let skipped = references.len().saturating_sub(SIEVE_REFERENCES_MAX);
            head.field("In-Reply-To", &id);
            head.field("References", &references.split_off(skipped).join(" "));
        }
        head.field("Auto-Submitted", "auto-replied (vacation)");
        head.field("Precedence", "bulk");
        head.field("X-Auto-Response-Suppress", "All");
        head.field("MIME-Version", "1.0");
        let mut octets = head.finish();
        let reason = to_crlf(reason.as_bytes());
        if mime {
            let (fields, body) = split_entity(&reason);
            for field in crate::message::fields(fields).filter(|field| starts_with_content(field.name)) {
                octets.extend_from_slice(field.raw);
                if !octets.ends_with(b"\n") {
                    octets.extend_from_slice(b"\r\n");
                }
            }
            octets.extend_from_slice(b"\r\n");
            octets.extend_from_slice(body);
        } else {
            octets.extend_from_slice(&text_body(&reason));
        }
        if !octets.ends_with(b"\r\n") {
            octets.extend_from_slice(b"\r\n");
        }
        octets
    }

    /// From, To, Subject, Date and Message-ID of a letter.
    fn head(&self, from: Option<&str>, to: &[Address], cc: &[Address], subject: &str) -> HeaderWriter {
        let author = from.and_then(correspondent).or_else(|| {
            let own = self.mail.own.first().or(self.mail.to)?;
            Some(Correspondent { name: String::new(), address: own.clone() })
        });
        let people = |list: &[Address]| -> Vec<Correspondent> {
            list.iter().map(|to| Correspondent { name: String::new(), address: to.clone() }).collect()
        };
        let mut head = HeaderWriter::new();
        head.field("Date", &self.mail.now.rfc5322());
        head.addresses("From", &author.into_iter().collect::<Vec<_>>());
        head.addresses("To", &people(to));
        head.addresses("Cc", &people(cc));
        let subject: String = subject.chars().take(SIEVE_SUBJECT_CHARS_MAX).collect();
        head.text("Subject", &subject);
        let random: String = self.mail.random.iter().map(|octet| format!("{octet:02x}")).collect();
        let number = self.outcome.done.len();
        head.field("Message-ID", &format!("<{random}.{number}@{}>", self.mail.host));
        head
    }

    /// A notice. None is sent about a message that a program sent as one (RFC 5436 §2.2).
    pub(super) fn notify(&mut self, notify: &Notify) -> Ran<()> {
        let method = self.text(&notify.method)?;
        let Some(wanted) = mailto(&method) else {
            return Err(self.fault(format!("\"{method}\" is no mailto URI that can be used")));
        };
        let message = self.optional(notify.message.as_ref())?;
        let from = self.optional(notify.from.as_ref())?;
        let importance = self.optional(notify.importance.as_ref())?;
        self.texts(&notify.options)?;
        let copy = self.copy(notify.fcc.as_ref())?;
        self.notified += 1;
        if self.notified > SIEVE_NOTICES_MAX {
            return Err(self.fault(format!("more than {SIEVE_NOTICES_MAX} notices")));
        }
        if self.header.values("Auto-Submitted").iter().any(|value| !first_word(value).eq_ignore_ascii_case("no")) {
            self.note(|| "no notice is sent: a program sent the message (Auto-Submitted)".to_owned());
            return Ok(());
        }
        let about = || self.header.values("Subject").into_iter().next().unwrap_or_default();
        let subject = wanted.subject.clone().or(message.clone()).unwrap_or_else(about);
        let mut head = self.head(from.as_deref(), &wanted.to, &wanted.cc, subject.trim());
        let owner = self.mail.own.first().map(|own| format!("; owner-email=\"{own}\"")).unwrap_or_default();
        head.field("Auto-Submitted", &format!("auto-notified{owner}"));
        match importance.as_deref() {
            Some("1") => head.field("Importance", "high").field("X-Priority", "1"),
            Some("3") => head.field("Importance", "low").field("X-Priority", "5"),
            _ => &mut head,
        };
        for (name, value) in &wanted.fields {
            head.text(name, value);
        }
        head.field("MIME-Version", "1.0");
        let text = wanted.body.clone().or(message).unwrap_or_else(|| self.notice());
        let mut octets = head.finish();
        octets.extend_from_slice(&text_body(&to_crlf(text.as_bytes())));
        let to: Vec<Address> = wanted.to.into_iter().chain(wanted.cc).collect();
        self.note(|| format!("a notice goes to {}", to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
        self.deed(Deed::Notify(Box::new(Letter { to, octets, copy })))
    }

    /// What a notice says where the script does not.
    fn notice(&self) -> String {
        let of = |name: &str| self.header.values(name).into_iter().next().unwrap_or_default();
        let from: String = self
            .header
            .raw("From")
            .next()
            .map(plain)
            .map(|from| encoded_word::decode(from.as_bytes()))
            .unwrap_or_default();
        format!("A message came from {from}.\r\nSubject: {}\r\n", of("Subject"))
    }
}

/// A plain text with its own header fields and the empty line.
fn text_body(text: &[u8]) -> Vec<u8> {
    let plain = text.is_ascii() && text.split(|c| *c == b'\n').all(|line| line.len() < 900);
    let (charset, encoding) = if plain { ("us-ascii", "7bit") } else { ("utf-8", "quoted-printable") };
    let mut out =
        format!("Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n")
            .into_bytes();
    match plain {
        true => out.extend_from_slice(text),
        false => out.extend_from_slice(&quoted_printable_encode(text)),
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn correspondent(text: &str) -> Option<Correspondent> {
    let address = address_of(text)?;
    let name = mailboxes(text.as_bytes()).next().and_then(|mailbox| mailbox.name);
    Some(Correspondent { name: name.map(|name| encoded_word::decode(&name)).unwrap_or_default(), address })
}

fn first_word(value: &str) -> &str {
    value.split([';', ' ', '\t', '(']).next().unwrap_or_default()
}

fn starts_with_content(name: &[u8]) -> bool {
    name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores() {
        for (percent, as_percent, wanted) in
            [(None, false, "0"), (Some(0), false, "1"), (Some(100), false, "10"), (Some(55), true, "55")]
        {
            assert_eq!(spam_score(percent, as_percent), wanted);
        }
    }

    #[test]
    fn keys_keep_their_parts_apart() {
        assert_ne!(key("a", &["b", "c"]), key("a", &["bc", ""]));
        assert_eq!(key("a", &["b"]), key("a", &["b"]));
    }
}
