//! The capabilities a server announces, one row each: its name, when it is announced, and what ENABLE does with it
//! (RFC 9051 §7.2.2, §6.3.1, RFC 5161). SASL mechanisms are rows of `sasl`. `src/RFCS.md` says where each is followed.

use super::command::State;
use super::session::{Enabled, Offer};
use crate::sasl::Mechanism;

/// A capability.
pub struct Capability {
    /// As announced; one that ends in `=` has a value behind it.
    pub name: &'static str,
    /// Whether it is announced on a connection.
    pub when: fn(&Offer) -> bool,
    /// The value behind the name.
    pub value: Option<fn(&Offer) -> u64>,
    /// Switches it on for the session; gives whether it was off. `None`: ENABLE ignores the name.
    pub enable: Option<fn(&mut Enabled) -> bool>,
}

fn always(_: &Offer) -> bool {
    true
}

fn logged_in(offer: &Offer) -> bool {
    offer.state != State::NotAuthenticated
}

const fn early(name: &'static str) -> Capability {
    Capability { name, when: always, value: None, enable: None }
}

const fn inside(name: &'static str) -> Capability {
    Capability { name, when: logged_in, value: None, enable: None }
}

const fn switch(name: &'static str, enable: fn(&mut Enabled) -> bool) -> Capability {
    Capability { enable: Some(enable), ..inside(name) }
}

/// Sets a switch; gives whether it was off.
fn turn_on(switch: &mut bool) -> bool {
    !std::mem::replace(switch, true)
}

/// Every capability, in the order they are announced.
pub const CAPABILITIES: &[Capability] = &[
    early("IMAP4rev1"),
    Capability { enable: Some(|on| turn_on(&mut on.rev2)), ..early("IMAP4rev2") },
    early("LITERAL+"),
    early("SASL-IR"),
    early("ENABLE"),
    early("ID"),
    inside("IDLE"),      // RFC 2177
    inside("NAMESPACE"), // RFC 2342
    inside("CHILDREN"),  // RFC 3348
    inside("UNSELECT"),  // RFC 3691
    inside("UIDPLUS"),
    inside("MOVE"),
    switch("CONDSTORE", |on| turn_on(&mut on.condstore)),
    switch("QRESYNC", |on| {
        turn_on(&mut on.condstore);
        turn_on(&mut on.qresync)
    }),
    inside("ESEARCH"),
    inside("SEARCHRES"),
    inside("WITHIN"),
    inside("BINARY"),
    inside("LIST-EXTENDED"),
    inside("LIST-STATUS"),
    inside("SPECIAL-USE"),
    inside("CREATE-SPECIAL-USE"),
    inside("STATUS=SIZE"),
    switch("UTF8=ACCEPT", |on| turn_on(&mut on.utf8)),
    inside("SORT"),
    inside("SORT=DISPLAY"),
    inside("ESORT"),
    inside("THREAD=ORDEREDSUBJECT"),
    inside("THREAD=REFERENCES"),
    inside("THREAD=REFS"),
    inside("I18NLEVEL=1"),
    inside("I18NLEVEL=2"), // RFC 5255
    inside("CONTEXT=SEARCH"),
    inside("CONTEXT=SORT"),
    inside("MULTISEARCH"),
    inside("SEARCH=FUZZY"),
    early("LANGUAGE"),
    inside("PREVIEW"),
    inside("PARTIAL"),                                  // RFC 9394
    switch("UIDONLY", |on| turn_on(&mut on.uid_only)),  // RFC 9586
    inside("COMPRESS=DEFLATE"),                         // RFC 4978
    inside("MULTIAPPEND"),                              // RFC 3502
    inside("REPLACE"),                                  // RFC 8508
    switch("METADATA", |on| turn_on(&mut on.metadata)), // RFC 5464
    switch("METADATA-SERVER", |on| turn_on(&mut on.metadata)),
    inside("LIST-METADATA"), // RFC 9590
    inside("FILTERS"),       // RFC 5466
    inside("UIDBATCHES"),
    inside("NOTIFY"),         // RFC 5465
    inside("OBJECTID"),       // RFC 8474
    inside("UNAUTHENTICATE"), // RFC 8437
    inside("QUOTA"),          // RFC 9208
    inside("QUOTA=RES-STORAGE"),
    Capability { value: Some(|offer| offer.append_octets_max), ..inside("APPENDLIMIT=") }, // RFC 7889
    Capability { when: |offer| !logged_in(offer) && offer.starttls, ..early("STARTTLS") },
    Capability { when: |offer| !logged_in(offer) && !offer.sasl.passwords, ..early("LOGINDISABLED") },
];

/// The names announced on a connection, separated by spaces.
pub fn announced(offer: &Offer) -> String {
    let mut list = String::new();
    for row in CAPABILITIES.iter().filter(|row| (row.when)(offer)) {
        list.push_str(if list.is_empty() { "" } else { " " });
        list.push_str(row.name);
        if let Some(value) = row.value {
            list.push_str(&value(offer).to_string());
        }
    }
    if !logged_in(offer) {
        for mechanism in Mechanism::offered(offer.sasl) {
            list.push_str(" AUTH=");
            list.push_str(mechanism.name());
        }
    }
    list
}

/// Switches on what `names` ask for and gives those that are on now for the first time, as they are announced.
pub fn enable(enabled: &mut Enabled, names: &[String]) -> Vec<&'static str> {
    let mut fresh = Vec::new();
    for name in names {
        let row = CAPABILITIES.iter().find(|row| row.name.eq_ignore_ascii_case(name));
        if let Some(row) = row
            && row.enable.is_some_and(|enable| enable(enabled))
        {
            fresh.push(row.name);
        }
    }
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl;

    #[test]
    fn offers_by_state() {
        let offer = |state, starttls, passwords| {
            let sasl = sasl::Offer { passwords, ..sasl::Offer::default() };
            announced(&Offer { state, starttls, sasl, append_octets_max: 9 })
        };
        let clear = offer(State::NotAuthenticated, true, false);
        assert!(clear.ends_with(" STARTTLS LOGINDISABLED") && !clear.contains("AUTH="));
        let tls = offer(State::NotAuthenticated, false, true);
        assert!(tls.ends_with(" AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN") && !tls.contains("LOGINDISABLED"));
        let inside = offer(State::Selected, false, true);
        assert!(inside.contains(" CONDSTORE ") && inside.contains(" APPENDLIMIT=9") && !inside.contains("AUTH="));
    }

    #[test]
    fn enabling_twice_says_it_once() {
        let mut enabled = Enabled::default();
        let names = ["CONDSTORE", "X-NOTHING", "IMAP4REV2", "IDLE"].map(String::from);
        assert_eq!(enable(&mut enabled, &names), ["CONDSTORE", "IMAP4rev2"]);
        assert!(enable(&mut enabled, &names).is_empty() && enabled.utf8_names());
    }
}
