//! What a domain of ours may have set for itself: who may write to it, what becomes of mail for users that do not
//! exist, what separates a user's name from what follows it, who its postmaster is. `Default`: nothing is set.
//!
//! Settings are kept and exchanged as JSON. What was parsed is normal: addresses and domains are keys.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::checking::Network;
use super::document::{Members, wrong};
use super::limits::{CLOSED_TEXT_OCTETS_MAX, LISTED_MAX, SEPARATORS_MAX};
use super::{Address, Domain, Result};

/// Settings of one domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainSettings {
    /// Who may write to it; `None`: anybody.
    pub closed: Option<Closed>,
    /// What becomes of mail for users that do not exist.
    pub unknown: Unknown,
    /// Characters that separate a user's name from what follows it; `None`: as the engine's settings say.
    pub separators: Option<String>,
    /// Where mail for its postmaster goes where nobody has that address; `None`: to its first account.
    pub postmaster: Option<Address>,
    /// The same for `abuse`; `None`: nobody has it.
    pub abuse: Option<Address>,
    /// Whether mail of others that its aliases and accounts send on gets a reverse-path in this domain (SRS).
    pub srs: bool,
}

/// A domain that takes no mail of outsiders. Inside are those who logged in, the listed ones, and authors in domains of
/// ours, as far as DMARC passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// What an outsider is told, one line.
    pub text: String,
    /// Networks whose hosts are inside.
    pub networks: Vec<Network>,
    /// Authors that are inside where DMARC passes: keys of addresses, `@domain` for all of a domain.
    pub senders: Vec<String>,
}

/// What becomes of mail for users that do not exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unknown {
    /// It is refused in the session.
    #[default]
    Refuse,
    /// It is taken, and its sender gets a report.
    Return,
}

impl Closed {
    /// What is said where the domain gave no text.
    pub const TEXT: &'static str = "This domain takes no mail from outside";

    /// Whether a host is inside by its address.
    pub fn lists_host(&self, host: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(host))
    }
}

/// Whether a list of senders names an address, or its domain.
pub fn lists(senders: &[String], address: &Address) -> bool {
    let (key, domain) = (address.key(), format!("@{}", address.domain().key()));
    senders.iter().any(|listed| *listed == key || *listed == domain)
}

/// The normal form of a sender in a list: the key of an address, or `@domain`. `None` where it is neither.
pub fn sender(text: &str) -> Option<String> {
    match text.strip_prefix('@') {
        Some(domain) => Domain::parse(domain).ok().map(|domain| format!("@{}", domain.key())),
        None => Address::parse(text).ok().map(|address| address.key()),
    }
}

/// Senders of a list, in normal form.
pub fn senders(members: &mut Members, name: &str) -> Result<Vec<String>> {
    let place = members.place(name);
    let normal = |text: String| {
        sender(&text).ok_or_else(|| wrong(&place, format!("{text:?} is neither an address nor @domain")))
    };
    members.texts(name, LISTED_MAX)?.into_iter().map(normal).collect()
}

/// An address.
pub fn address(members: &mut Members, name: &str) -> Result<Option<Address>> {
    let place = members.place(name);
    let parse = |text: String| Address::parse(&text).map_err(|e| wrong(&place, format!("{text:?}: {e}")));
    members.text(name)?.map(parse).transpose()
}

/// One line of printable text, of 1 to `most` octets.
pub fn line(members: &mut Members, name: &str, most: usize) -> Result<Option<String>> {
    let Some(text) = members.text(name)? else { return Ok(None) };
    if text.trim().is_empty() || text.len() > most || text.chars().any(char::is_control) {
        return Err(wrong(&members.place(name), format!("not one line of 1 to {most} bytes")));
    }
    Ok(Some(text))
}

impl DomainSettings {
    /// Reads settings. `Invalid` for what is no setting, or no value of one.
    pub fn read(mut members: Members) -> Result<DomainSettings> {
        let closed = members.object("closed")?.map(read_closed).transpose()?;
        let unknown = match members.text("unknown")?.as_deref() {
            None | Some("refuse") => Unknown::Refuse,
            Some("return") => Unknown::Return,
            Some(_) => return Err(wrong(&members.place("unknown"), "neither refuse nor return")),
        };
        let separators = members.text("separators")?;
        let is_separator = |c: char| c.is_ascii_punctuation() && c != '@' && c != '"' && c != '\\';
        if separators.as_ref().is_some_and(|text| text.len() > SEPARATORS_MAX || !text.chars().all(is_separator)) {
            let text = format!("not up to {SEPARATORS_MAX} punctuation characters");
            return Err(wrong(&members.place("separators"), text));
        }
        let (postmaster, abuse) = (address(&mut members, "postmaster")?, address(&mut members, "abuse")?);
        let srs = members.switch("srs")?.unwrap_or(false);
        members.finish()?;
        Ok(DomainSettings { closed, unknown, separators, postmaster, abuse, srs })
    }

    /// The same as JSON, without what is as in a domain without settings.
    pub fn to_value(&self) -> Value {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        if let Some(closed) = &self.closed {
            let networks: Vec<_> = closed.networks.iter().map(ToString::to_string).collect();
            put("closed", json!({ "text": closed.text, "networks": networks, "senders": closed.senders }));
        }
        if self.unknown == Unknown::Return {
            put("unknown", "return".into());
        }
        if let Some(separators) = &self.separators {
            put("separators", separators.as_str().into());
        }
        for (name, address) in [("postmaster", &self.postmaster), ("abuse", &self.abuse)] {
            if let Some(address) = address {
                put(name, address.to_string().into());
            }
        }
        if self.srs {
            members.insert("srs".to_owned(), true.into());
        }
        Value::Object(members)
    }
}

fn read_closed(mut members: Members) -> Result<Closed> {
    let text = line(&mut members, "text", CLOSED_TEXT_OCTETS_MAX)?.unwrap_or_else(|| Closed::TEXT.to_owned());
    let place = members.place("networks");
    let network = |text: String| text.parse().map_err(|()| wrong(&place, format!("{text:?} is no network")));
    let networks = members.texts("networks", LISTED_MAX)?.into_iter().map(network).collect::<Result<_>>()?;
    let senders = senders(&mut members, "senders")?;
    members.finish()?;
    Ok(Closed { text, networks, senders })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DomainSettings> {
        DomainSettings::read(Members::parse(text)?)
    }

    #[test]
    fn settings_come_back_as_they_were_written() {
        for text in [
            "{}",
            "{\"unknown\":\"return\"}",
            "{\"separators\":\"+-\"}",
            "{\"separators\":\"\"}",
            "{\"srs\":true}",
            "{\"postmaster\":\"a@x.example\",\"abuse\":\"b@x.example\"}",
            "{\"closed\":{\"networks\":[\"192.0.2.0/24\"],\"senders\":[\"@x.example\",\"a@y.example\"],\
             \"text\":\"No\"}}",
        ] {
            let settings = read(text).unwrap();
            let again: Value = serde_json::from_str(text).unwrap();
            assert_eq!(settings.to_value(), again);
        }
        assert_eq!(read("{\"closed\":{}}").unwrap().closed.unwrap().text, Closed::TEXT);
    }

    #[test]
    fn wrong_settings_are_refused() {
        for (text, place) in [
            ("{\"unknown\":\"drop\"}", "unknown"),
            ("{\"unknwon\":\"return\"}", "unknwon"),
            ("{\"separators\":\"ab\"}", "separators"),
            ("{\"separators\":\"@\"}", "separators"),
            ("{\"separators\":\"+++++++++\"}", "separators"),
            ("{\"postmaster\":\"nobody\"}", "postmaster"),
            ("{\"closed\":true}", "closed"),
            ("{\"closed\":{\"text\":\"a\\r\\n250 b\"}}", "closed.text"),
            ("{\"closed\":{\"networks\":[\"x\"]}}", "closed.networks"),
            ("{\"closed\":{\"senders\":[\"x\"]}}", "closed.senders"),
        ] {
            let e = read(text).unwrap_err();
            assert!(e.text().starts_with(&format!("{place}: ")), "{text}: {}", e.text());
        }
    }

    #[test]
    fn lists_name_addresses_and_domains() {
        let listed: Vec<_> = ["Bob@X.example", "@Y.example"].iter().filter_map(|text| sender(text)).collect();
        for (address, is_listed) in [
            ("bob@x.example", true),
            ("bob@X.EXAMPLE", true),
            ("carol@x.example", false),
            ("any@y.example", true),
            ("any@z.y.example", false),
            ("any@ay.example", false),
        ] {
            assert_eq!(lists(&listed, &Address::parse(address).unwrap()), is_listed, "{address}");
        }
    }
}
