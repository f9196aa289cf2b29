//! What a delivery status notification says, as values.
//!
//! Texts are kept decoded (no xtext, no `\x{...}`), without line ends; `compose` writes them legally.

use std::fmt;

use crate::base::{Address, Enhanced, Timestamp};

/// The content of `message/delivery-status` (RFC 3464 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Name of the host that writes (Reporting-MTA, type `dns`).
    pub reporting_mta: String,
    /// ENVID of the original transaction, decoded.
    pub envelope_id: Option<String>,
    /// When the message reached the reporting host.
    pub arrival: Option<Timestamp>,
    /// One for each recipient reported on; at least one.
    pub recipients: Vec<RecipientReport>,
}

/// The fields of one recipient (RFC 3464 §2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientReport {
    /// ORCPT, where the sender gave one.
    pub original: Option<Typed>,
    /// The address it was about.
    pub recipient: Typed,
    /// What happened.
    pub action: Action,
    /// Why.
    pub status: Enhanced,
    /// Host that said so.
    pub remote_mta: Option<Typed>,
    /// What it said; type `smtp` for replies.
    pub diagnostic: Option<Typed>,
    /// When it was last tried.
    pub last_attempt: Option<Timestamp>,
    /// Until when it is tried on, for `Delayed`.
    pub will_retry_until: Option<Timestamp>,
}

/// A value with its type: `rfc822;bob@example.net`, `dns;mx.example.net`, `smtp;550 no`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// Type, an atom.
    pub kind: String,
    /// Value.
    pub value: String,
}

/// What happened to a recipient (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Action {
    Failed,
    Delayed,
    Delivered,
    Relayed,
    Expanded,
}

impl Typed {
    /// Type of diagnostics that no host said: our own findings.
    pub const OURS: &'static str = "x-mailcore";

    /// A value of this type.
    pub fn new(kind: &str, value: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), value: value.into() }
    }

    /// An address: `rfc822` with A-labels where that is possible, else `utf-8` (RFC 6533 §3).
    pub fn address(address: &Address) -> Self {
        match address.to_ascii() {
            Some(ascii) => Self::new("rfc822", ascii),
            None => Self::new("utf-8", address.to_string()),
        }
    }

    /// As ORCPT has it (RFC 3461 §4.2), not encoded.
    pub fn original(&self) -> String {
        format!("{};{}", self.kind, self.value)
    }

    /// Splits `type;value`.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, value) = text.split_once(';')?;
        let kind = kind.trim();
        let is_atom = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        is_atom.then(|| Self::new(kind, value.trim()))
    }
}

impl Action {
    /// All of them with their words.
    pub const NAMES: [(Action, &'static str); 5] = [
        (Action::Failed, "failed"),
        (Action::Delayed, "delayed"),
        (Action::Delivered, "delivered"),
        (Action::Relayed, "relayed"),
        (Action::Expanded, "expanded"),
    ];

    /// The action of this word, in any case.
    pub fn parse(word: &str) -> Option<Action> {
        Self::NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(word)).map(|(action, _)| *action)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES.iter().find(|(action, _)| action == self).map_or("", |(_, name)| name))
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.kind, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_the_type_that_can_hold_them() {
        for (address, typed) in [
            ("bob@example.net", "rfc822; bob@example.net"),
            ("bob@münchen.example", "rfc822; bob@xn--mnchen-3ya.example"),
            ("jürgen@münchen.example", "utf-8; jürgen@münchen.example"),
            ("\"a b\"@x.org", "rfc822; \"a b\"@x.org"),
        ] {
            assert_eq!(Typed::address(&Address::parse(address).unwrap()).to_string(), typed);
        }
    }

    #[test]
    fn types_are_split_off() {
        assert_eq!(Typed::parse("RFC822 ; a@b"), Some(Typed::new("RFC822", "a@b")));
        assert_eq!(Typed::parse("smtp;550 5.1.1; no"), Some(Typed::new("smtp", "550 5.1.1; no")));
        for none in ["", "a@b", ";a", "two words;a"] {
            assert_eq!(Typed::parse(none), None, "{none}");
        }
    }
}
