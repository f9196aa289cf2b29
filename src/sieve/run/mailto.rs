//! The `mailto` URIs of notifications (RFC 6068, RFC 5436).

use crate::base::Address;
use crate::base::limits::{SIEVE_NOTIFIED_MAX, SIEVE_TEXT_OCTETS_MAX};

/// Whom a URI names, and what it wants in the message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in super::super) struct Mailto {
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    pub subject: Option<String>,
    pub body: Option<String>,
    /// Other fields, as far as a script may set them.
    pub fields: Vec<(String, String)>,
}

/// Fields that a URI may not set (RFC 5436 §2.7 and what follows from it).
const FORBIDDEN: [&str; 14] = [
    "from",
    "sender",
    "date",
    "message-id",
    "received",
    "return-path",
    "auto-submitted",
    "mime-version",
    "bcc",
    "resent-from",
    "resent-to",
    "delivered-to",
    "authentication-results",
    "dkim-signature",
];

/// Reads a URI; `None` where it is none, names nobody, or names somebody who cannot get mail.
pub(in super::super) fn mailto(uri: &str) -> Option<Mailto> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("mailto") || uri.len() > SIEVE_TEXT_OCTETS_MAX {
        return None;
    }
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let (to, fields) = rest.split_once('?').unwrap_or((rest, ""));
    let mut found = Mailto { to: addresses(to)?, ..Mailto::default() };
    for field in fields.split('&').filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=')?;
        let (name, value) = (decode(name)?.to_ascii_lowercase(), value);
        match name.as_str() {
            "to" => found.to.extend(addresses(value)?),
            "cc" => found.cc.extend(addresses(value)?),
            "subject" => found.subject = Some(decode(value)?),
            "body" => found.body = Some(decode(value)?),
            name if FORBIDDEN.contains(&name) || name.starts_with("content-") => {}
            name if super::is_field_name(name) => found.fields.push((name.to_owned(), decode(value)?)),
            _ => return None,
        }
    }
    let count = found.to.len() + found.cc.len();
    (count > 0 && count <= SIEVE_NOTIFIED_MAX && found.fields.len() <= SIEVE_NOTIFIED_MAX).then_some(found)
}

fn addresses(list: &str) -> Option<Vec<Address>> {
    let parts = list.split(',').filter(|part| !part.is_empty());
    parts.map(|part| super::address_of(&decode(part)?)).collect()
}

/// Undoes percent escapes.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet != b'%' {
            out.push(octet);
            continue;
        }
        let mut digit = || char::from(octets.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        let found = mailto("MAILTO:a%2Bb@x.org,c@y.org?Subject=hi%20there&body=x%0D%0Ay&from=evil@x&x-p=1").unwrap();
        assert_eq!(found.to.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a+b@x.org", "c@y.org"]);
        assert_eq!((found.subject.as_deref(), found.body.as_deref()), (Some("hi there"), Some("x\r\ny")));
        assert_eq!(found.fields, [("x-p".to_owned(), "1".to_owned())]);
        assert_eq!(mailto("mailto:?to=a@x.org").unwrap().to.len(), 1);
        for wrong in ["", "mailto:", "xmpp:a@x.org", "mailto:nobody", "mailto:a@x.org?x", "mailto:a@x.org?body=%zz"] {
            assert_eq!(mailto(wrong), None, "{wrong}");
        }
        let many = ["a@x.org"; SIEVE_NOTIFIED_MAX + 1].join(",");
        assert_eq!(mailto(&format!("mailto:{many}")), None);
    }
}
