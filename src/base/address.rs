//! `local-part@domain`: the SMTP mailbox of RFC 5321 §4.1.2, internationalised as in RFC 6531 §3.3.
//!
//! An [`Address`] cannot hold a wrong one: it is only made by parsing. The local part is kept without
//! its quotes and put back into them when written; the domain is kept as it was spelled and compared
//! without regard to case, U-labels and A-labels alike.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::limits::{DOMAIN_OCTETS_MAX, LOCAL_PART_OCTETS_MAX};
use super::quoted::quoted;

/// A mail address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: String,
    domain: Domain,
}

/// What stands behind the `@`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// A name, in the spelling given, without final dot.
    Name(String),
    /// `[192.0.2.1]`, `[IPv6:2001:db8::1]`
    Literal(IpAddr),
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// It does not fit the grammar.
    Syntax,
    /// The local part is longer than 64 octets (RFC 5321 §4.5.3.1.1).
    LocalPartTooLong,
    /// The domain is longer than 255 octets (RFC 5321 §4.5.3.1.2).
    DomainTooLong,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddressError::Syntax => "not an address",
            AddressError::LocalPartTooLong => "local part too long",
            AddressError::DomainTooLong => "domain too long",
        })
    }
}

impl std::error::Error for AddressError {}

impl Address {
    /// Parses `Local-part "@" ( Domain / address-literal )`, the whole text.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let (local, rest) = if text.starts_with('"') { quoted_local(text)? } else { dotted_local(text)? };
        let domain = rest.strip_prefix('@').ok_or(AddressError::Syntax)?;
        if local.len() > LOCAL_PART_OCTETS_MAX {
            return Err(AddressError::LocalPartTooLong);
        }
        Ok(Address { local, domain: Domain::parse(domain)? })
    }

    /// The local part, unquoted.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether it needs SMTPUTF8 on the wire: a non-ASCII local part (a domain has an A-label form).
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }

    /// What accounts are found by: local part in lower case, domain as lower-case A-labels. RFC 5321 §2.4 leaves
    /// the case of local parts to their own host; we are that host and fold it, as every peer does.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local.to_lowercase(), self.domain.key())
    }

    /// The same address with another local part.
    pub fn with_local(&self, local: &str) -> Address {
        Address { local: local.to_owned(), domain: self.domain.clone() }
    }

    /// As it stands in MAIL and RCPT towards a peer without SMTPUTF8: domain in A-labels.
    pub fn to_ascii(&self) -> Option<String> {
        if self.needs_smtputf8() {
            return None;
        }
        let domain = match &self.domain {
            Domain::Name(_) => self.domain.key(),
            Domain::Literal(_) => self.domain.to_string(),
        };
        Some(format!("{}@{domain}", QuotedLocal(&self.local)))
    }
}

impl Domain {
    /// Parses a domain name or address literal, the whole text.
    pub fn parse(text: &str) -> Result<Domain, AddressError> {
        if text.len() > DOMAIN_OCTETS_MAX {
            return Err(AddressError::DomainTooLong);
        }
        if let Some(inside) = text.strip_prefix('[') {
            return literal(inside.strip_suffix(']').ok_or(AddressError::Syntax)?);
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() || !name.split('.').all(is_label) {
            return Err(AddressError::Syntax);
        }
        if !name.is_ascii() && idna::domain_to_ascii(name).is_err() {
            return Err(AddressError::Syntax);
        }
        Ok(Domain::Name(name.to_owned()))
    }

    /// Lower-case A-labels, or the literal: what domains are compared and looked up by.
    pub fn key(&self) -> String {
        match self {
            Domain::Name(name) if name.is_ascii() => name.to_ascii_lowercase(),
            Domain::Name(name) => idna::domain_to_ascii(name).unwrap_or_else(|_| name.to_lowercase()),
            Domain::Literal(_) => self.to_string(),
        }
    }
}

/// Whether a domain name is `domain` or below it, in any case; the final dots may be missing.
pub fn is_at_or_below(name: &str, domain: &str) -> bool {
    let [name, domain] = [name, domain].map(|text| text.strip_suffix('.').unwrap_or(text));
    let split = name.len().checked_sub(domain.len()).and_then(|at| name.split_at_checked(at));
    split.is_some_and(|(front, end)| end.eq_ignore_ascii_case(domain) && (front.is_empty() || front.ends_with('.')))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", QuotedLocal(&self.local), self.domain)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Name(name) => f.write_str(name),
            Domain::Literal(IpAddr::V4(ip)) => write!(f, "[{ip}]"),
            Domain::Literal(IpAddr::V6(ip)) => write!(f, "[IPv6:{ip}]"),
        }
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Writes a local part, in quotes where it needs them.
struct QuotedLocal<'a>(&'a str);

impl fmt::Display for QuotedLocal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dotted(self.0) {
            return f.write_str(self.0);
        }
        f.write_str(&quoted(self.0))
    }
}

/// `Dot-string = Atom *("." Atom)`, and dots anywhere: Japanese mobile hosts gave out `a..b` and `a.`, and take them
/// without quotes only. Gives it and what follows.
fn dotted_local(text: &str) -> Result<(String, &str), AddressError> {
    let end = text.find(|c| !is_atext(c) && c != '.').unwrap_or(text.len());
    let (local, rest) = text.split_at(end);
    if !is_dotted(local) {
        return Err(AddressError::Syntax);
    }
    Ok((local.to_owned(), rest))
}

/// Whether a local part goes without quotes: one atom at least, and dots anywhere.
fn is_dotted(local: &str) -> bool {
    local.chars().all(|c| is_atext(c) || c == '.') && local.contains(|c| c != '.')
}

/// `Quoted-string = DQUOTE *QcontentSMTP DQUOTE`; gives its content and what follows.
fn quoted_local(text: &str) -> Result<(String, &str), AddressError> {
    let mut local = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((local, text.get(at + 1..).unwrap_or_default())),
            '\\' => match chars.next() {
                Some((_, c @ ' '..='~')) => local.push(c),
                _ => return Err(AddressError::Syntax),
            },
            ' '..='~' => local.push(c),
            c if !c.is_ascii() => local.push(c),
            _ => return Err(AddressError::Syntax),
        }
    }
    Err(AddressError::Syntax)
}

/// `atext` of RFC 5322 §3.2.3, with the UTF-8 of RFC 6531 §3.3.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

/// `sub-domain` of RFC 5321 §4.1.2, with `_`, which real host names have, and U-labels.
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || (!c.is_ascii() && !c.is_control()))
}

/// Content of an address literal, RFC 5321 §4.1.3.
fn literal(text: &str) -> Result<Domain, AddressError> {
    let ip = match text.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => {
            text.get(5..).and_then(|ip| ip.parse::<Ipv6Addr>().ok()).map(IpAddr::V6)
        }
        _ => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    };
    ip.map(Domain::Literal).ok_or(AddressError::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses_come_back() {
        for (text, written, key) in [
            ("bob@example.net", "bob@example.net", "bob@example.net"),
            ("Bob.Smith@Example.NET", "Bob.Smith@Example.NET", "bob.smith@example.net"),
            ("\"a b\"@x.org", "\"a b\"@x.org", "a b@x.org"),
            ("\"plain\"@x.org", "plain@x.org", "plain@x.org"),
            ("\"q\\\"q\"@x.org", "\"q\\\"q\"@x.org", "q\"q@x.org"),
            ("a@[192.0.2.1]", "a@[192.0.2.1]", "a@[192.0.2.1]"),
            ("a@[ipv6:2001:DB8::1]", "a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"),
            ("jürgen@münchen.example", "jürgen@münchen.example", "jürgen@xn--mnchen-3ya.example"),
            ("a+b=c{d}@x", "a+b=c{d}@x", "a+b=c{d}@x"),
            // Not of RFC 5321, but of Japanese mobile hosts.
            ("a..b@docomo.example", "a..b@docomo.example", "a..b@docomo.example"),
            ("a.@docomo.example", "a.@docomo.example", "a.@docomo.example"),
            (".a@docomo.example", ".a@docomo.example", ".a@docomo.example"),
            ("\"a..b.\"@x", "a..b.@x", "a..b.@x"),
            ("\"..\"@x", "\"..\"@x", "..@x"),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!(address.to_string(), written);
            assert_eq!(address.key(), key);
            assert_eq!(Address::parse(&address.to_string()).as_ref(), Ok(&address));
        }
    }

    #[test]
    fn bad_addresses_are_refused() {
        for text in [
            "",
            "@",
            "a",
            "a@",
            "@x",
            ".@x",
            "..@x",
            "a b@x",
            "a@x y",
            "a@-x",
            "a@x-",
            "a@x..y",
            "a@[1.2.3]",
            "a@[::1]",
            "\"a@x",
            "\"a\"b@x",
            "a@x@y",
            "a\r@x",
            "<a@x>",
            "a@[IPv6:zz]",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_at_the_limit() {
        let at = |n| Address::parse(&format!("{}@x.org", "a".repeat(n)));
        assert!(at(63).is_ok() && at(64).is_ok());
        assert_eq!(at(65), Err(AddressError::LocalPartTooLong));
        let label = "d".repeat(49);
        let domain = [label.as_str(); 5].join(".");
        assert!(Domain::parse(&format!("{domain}.abcde")).is_ok());
        assert_eq!(Domain::parse(&format!("{domain}.abcdef")), Err(AddressError::DomainTooLong));
    }
}
