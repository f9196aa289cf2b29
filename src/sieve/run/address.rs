//! Addresses in header and envelope, and their parts (RFC 5228 §2.7.4, RFC 5233).

use super::super::program::AddressPart;
use crate::base::Address;
use crate::message::address_list::{Mailbox, mailboxes};

/// The address a text is: alone, or with a display name and in angle brackets.
pub(in super::super) fn address_of(text: &str) -> Option<Address> {
    if let Ok(address) = Address::parse(text.trim()) {
        return Some(address);
    }
    let mut found = mailboxes(text.as_bytes());
    let (Some(mailbox), None) = (found.next(), found.next()) else { return None };
    let [local, domain] = [&mailbox.local, &mailbox.domain].map(|part| std::str::from_utf8(part).ok());
    let (local, domain) = (local?, domain?);
    let plain = Address::parse(&format!("{local}@{domain}"));
    plain.or_else(|_| Address::parse(&format!("{}@{domain}", crate::base::quoted::quoted(local)))).ok()
}

/// Addresses that a field names: local part and domain.
pub(super) fn in_field(body: &[u8]) -> impl Iterator<Item = (String, String)> {
    let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
    let named = mailboxes(body).filter(|mailbox: &Mailbox| !mailbox.domain.is_empty());
    named.map(move |mailbox| (text(mailbox.local), text(mailbox.domain)))
}

/// A part of an address; `None` where it has none (a detail without separator).
pub(super) fn part(part: AddressPart, local: &str, domain: &str, separator: Option<char>) -> Option<String> {
    let split = || separator.and_then(|separator| local.split_once(separator));
    match part {
        AddressPart::All => Some(format!("{local}@{domain}")),
        AddressPart::LocalPart => Some(local.to_owned()),
        AddressPart::Domain => Some(domain.to_owned()),
        AddressPart::User => Some(split().map_or(local, |(user, _)| user).to_owned()),
        AddressPart::Detail => split().map(|(_, detail)| detail.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        for (kind, wanted) in [
            (AddressPart::All, Some("ken+sieve@example.org")),
            (AddressPart::LocalPart, Some("ken+sieve")),
            (AddressPart::Domain, Some("example.org")),
            (AddressPart::User, Some("ken")),
            (AddressPart::Detail, Some("sieve")),
        ] {
            assert_eq!(part(kind, "ken+sieve", "example.org", Some('+')).as_deref(), wanted);
        }
        assert_eq!(part(AddressPart::Detail, "ken", "x.org", Some('+')), None);
        assert_eq!(part(AddressPart::Detail, "ken+", "x.org", Some('+')).as_deref(), Some(""));
        assert_eq!(part(AddressPart::User, "ken+a", "x.org", None).as_deref(), Some("ken+a"));
    }

    #[test]
    fn addresses_of_texts() {
        for (text, wanted) in [
            ("a@x.org", Some("a@x.org")),
            (" A B <a@x.org> ", Some("a@x.org")),
            ("\"a b\"@x.org", Some("\"a b\"@x.org")),
            ("X <\"a b\"@x.org>", Some("\"a b\"@x.org")),
            ("a@x.org, b@x.org", None),
            ("nobody", None),
            ("", None),
        ] {
            assert_eq!(address_of(text).map(|a| a.to_string()).as_deref(), wanted, "{text}");
        }
    }
}
