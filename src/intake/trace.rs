//! The trace field of a passage (RFC 5321 §4.4): Received. Return-Path is `delivery::filing`'s.

use crate::base::{Domain, Envelope, Service, Timestamp};
use crate::smtp::server::{Client, Forwarded};

/// What Received says of one passage.
#[derive(Debug, Clone, Copy)]
pub struct Passage<'a> {
    /// Who brought it; `None` for the host program itself.
    pub client: Option<&'a Client>,
    /// Our name.
    pub host: &'a str,
    /// The passage's id.
    pub id: &'a str,
    /// When.
    pub at: Timestamp,
}

/// The Received field. It names the recipient only where there is but one, so that nobody learns of others.
pub fn received(passage: &Passage<'_>, envelope: &Envelope) -> Vec<u8> {
    let mut field = String::from("Received: ");
    match passage.client {
        Some(client) => {
            field.push_str(&format!("from {}\r\n\t", from(client)));
            field.push_str(&format!("by {} with {} id {}", passage.host, protocol(client, envelope), passage.id));
            if let Some(forwarded) = &client.forwarded {
                field.push_str(&format!("\r\n\t(forwarded for {})", origin(forwarded)));
            }
            if let Some(tls) = &client.tls {
                field.push_str(&format!("\r\n\t({} {})", word(&tls.version), word(&tls.cipher)));
            }
        }
        None => field.push_str(&format!("by {} id {}", passage.host, passage.id)),
    }
    if let [recipient] = envelope.recipients.as_slice() {
        field.push_str(&format!("\r\n\tfor <{}>", recipient.address));
    }
    field.push_str(&format!(";\r\n\t{}\r\n", passage.at.rfc5322()));
    field.into_bytes()
}

/// What a sink writes on top of a message: all its recipients, a line each. A copy for one of them names the others
/// too.
pub fn envelope_to(envelope: &Envelope) -> Vec<u8> {
    let recipients: Vec<_> = envelope.recipients.iter().map(|to| format!("<{}>", to.address)).collect();
    format!("Envelope-To: {}\r\n", recipients.join(",\r\n\t")).into_bytes()
}

/// `Extended-Domain`: what the client calls itself beside what we see of it. A name that is no domain becomes
/// a comment, its odd characters replaced.
fn from(client: &Client) -> String {
    let literal = Domain::Literal(client.ends.peer.ip().to_canonical());
    match Domain::parse(&client.hello) {
        Ok(Domain::Literal(ip)) => format!("{} ({literal})", Domain::Literal(ip)),
        Ok(name) => format!("{} ({literal})", name.key()),
        Err(_) => format!("{literal} (helo {})", word(&client.hello)),
    }
}

/// What XFORWARD said.
fn origin(forwarded: &Forwarded) -> String {
    let address = forwarded.address.map(|ip| Domain::Literal(ip).to_string());
    let named = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name}{}", word(value)));
    let words = [named("", &forwarded.name), address, named("helo=", &forwarded.hello), named("id=", &forwarded.ident)];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A word that can stand in a comment.
fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "-._:[]".contains(c) { c } else { '?' }).collect()
}

/// The keyword of `with` (RFC 3848, RFC 6531 §4.3).
fn protocol(client: &Client, envelope: &Envelope) -> String {
    let base = match (client.service == Service::Lmtp, envelope.smtputf8, client.extended) {
        (true, true, _) => "UTF8LMTP",
        (true, false, _) => "LMTP",
        (false, true, _) => "UTF8SMTP",
        (false, false, true) => "ESMTP",
        (false, false, false) => "SMTP",
    };
    // HELO alone has no registered forms with TLS and a login.
    let base = if base == "SMTP" && (client.tls.is_some() || client.account.is_some()) { "ESMTP" } else { base };
    let secure = if client.tls.is_some() { "S" } else { "" };
    let login = if client.account.is_some() { "A" } else { "" };
    format!("{base}{secure}{login}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::settings::Ends;
    use crate::base::world::TlsInfo;
    use crate::base::{Account, AccountId, Address, MailboxId, Recipient};
    use std::sync::Arc;

    fn client(hello: &str, peer: &str) -> Client {
        let ends = Ends { peer: peer.parse().unwrap(), local: "192.0.2.1:25".parse().unwrap() };
        Client {
            service: Service::Mx,
            ends,
            hello: hello.to_owned(),
            extended: true,
            tls: None,
            account: None,
            relays: false,
            forwarded: None,
        }
    }

    fn written(client: Option<&Client>, envelope: &Envelope) -> String {
        let at = Timestamp::from_civil(2026, 11, 22, 1, 42, 4);
        String::from_utf8(received(&Passage { client, host: "mx.example.net", id: "1f", at }, envelope)).unwrap()
    }

    fn to(addresses: &[&str]) -> Envelope {
        let recipients = addresses.iter().map(|a| Recipient::new(Address::parse(a).unwrap())).collect();
        Envelope { recipients, ..Envelope::default() }
    }

    #[test]
    fn received_as_others_write_it() {
        assert_eq!(
            written(Some(&client("c.example", "192.0.2.9:1")), &to(&["bob@example.net"])),
            "Received: from c.example ([192.0.2.9])\r\n\tby mx.example.net with ESMTP id 1f\r\n\
             \tfor <bob@example.net>;\r\n\tSun, 22 Nov 2026 01:42:04 +0000\r\n"
        );
        let tls = TlsInfo { version: "TLSv1.3".into(), cipher: "TLS_AES_256_GCM_SHA384".into(), ..TlsInfo::default() };
        let secure = Client { tls: Some(tls), ..client("[192.0.2.9]", "[2001:db8::9]:1") };
        assert_eq!(
            written(Some(&secure), &to(&["a@x", "b@x"])),
            "Received: from [192.0.2.9] ([IPv6:2001:db8::9])\r\n\tby mx.example.net with ESMTPS id 1f\r\n\
             \t(TLSv1.3 TLS_AES_256_GCM_SHA384);\r\n\tSun, 22 Nov 2026 01:42:04 +0000\r\n"
        );
        assert_eq!(
            written(None, &to(&[])),
            "Received: by mx.example.net id 1f;\r\n\tSun, 22 Nov 2026 01:42:04 +0000\r\n"
        );
    }

    #[test]
    fn names_forge_nothing() {
        let odd = client("a);from=b", "[::ffff:192.0.2.9]:1");
        assert!(written(Some(&odd), &to(&[])).starts_with("Received: from [192.0.2.9] (helo a??from?b)\r\n"));
        let u_label = client("münchen.example", "192.0.2.9:1");
        assert!(written(Some(&u_label), &to(&[])).starts_with("Received: from xn--mnchen-3ya.example ("));
    }

    #[test]
    fn protocols_are_named() {
        let account = Arc::new(Account {
            id: AccountId(1),
            address: Address::parse("a@x").unwrap(),
            credential: None,
            inbox: MailboxId(1),
            quota_octets: None,
        });
        let plain = client("c", "192.0.2.9:1");
        let helo = Client { extended: false, ..plain.clone() };
        let login = Client { account: Some(account), tls: Some(TlsInfo::default()), ..plain.clone() };
        let lmtp = Client { service: Service::Lmtp, ..plain.clone() };
        let (ascii, utf8) = (Envelope::default(), Envelope { smtputf8: true, ..Envelope::default() });
        for (client, envelope, name) in [
            (&plain, &ascii, "ESMTP"),
            (&helo, &ascii, "SMTP"),
            (&login, &ascii, "ESMTPSA"),
            (&login, &utf8, "UTF8SMTPSA"),
            (&lmtp, &ascii, "LMTP"),
            (&lmtp, &utf8, "UTF8LMTP"),
        ] {
            assert_eq!(protocol(client, envelope), name);
        }
    }
}
