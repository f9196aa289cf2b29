//! What a session is, besides its connection: its state, what was enabled, what it may offer.

use super::command::State;
use crate::sasl;

/// What ENABLE switched on, and what else a client has said it understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enabled {
    /// MODSEQ in every FETCH response (RFC 7162 §3.1).
    pub condstore: bool,
    /// RFC 9051's differences: no RECENT, ESEARCH, UTF-8 names.
    pub rev2: bool,
    /// UTF-8 in names and strings (RFC 6855).
    pub utf8: bool,
}

impl Enabled {
    /// Whether mailbox names travel as UTF-8.
    pub fn utf8_names(self) -> bool {
        self.rev2 || self.utf8
    }

    /// Switches on what `names` ask for (in capitals) and gives those that are on now for the first time.
    pub fn enable(&mut self, names: &[String]) -> Vec<&'static str> {
        let mut fresh = Vec::new();
        for name in names {
            let (switch, answer) = match name.as_str() {
                "CONDSTORE" => (&mut self.condstore, "CONDSTORE"),
                "IMAP4REV2" => (&mut self.rev2, "IMAP4rev2"),
                "UTF8=ACCEPT" => (&mut self.utf8, "UTF8=ACCEPT"),
                _ => continue,
            };
            if !*switch {
                *switch = true;
                fresh.push(answer);
            }
        }
        fresh
    }
}

/// What a server can offer on this connection just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// The session's state.
    pub state: State,
    /// STARTTLS may be said.
    pub starttls: bool,
    /// What may be said to log in.
    pub sasl: sasl::Offer,
    /// Largest message taken.
    pub append_octets_max: u64,
}

const ALWAYS: &str = "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ENABLE ID";
/// IDLE (RFC 2177), NAMESPACE (RFC 2342), CHILDREN (RFC 3348), UNSELECT (RFC 3691), ENABLE (RFC 5161), APPENDLIMIT
/// (RFC 7889) and the rest of what stands in src/RFCS.md.
const LOGGED_IN: &str = "IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE CONDSTORE ESEARCH SEARCHRES WITHIN BINARY \
                         LIST-EXTENDED LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE UTF8=ACCEPT";

/// The capabilities, separated by spaces.
pub fn capabilities(offer: &Offer) -> String {
    let mut list = ALWAYS.to_owned();
    if offer.state != State::NotAuthenticated {
        list.push(' ');
        list.push_str(LOGGED_IN);
        list.push_str(&format!(" APPENDLIMIT={}", offer.append_octets_max));
        return list;
    }
    if offer.starttls {
        list.push_str(" STARTTLS");
    }
    for mechanism in sasl::Mechanism::offered(offer.sasl) {
        list.push_str(" AUTH=");
        list.push_str(mechanism.name());
    }
    if !offer.sasl.passwords {
        list.push_str(" LOGINDISABLED");
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_by_state() {
        let offer = |state, starttls, passwords| {
            let sasl = sasl::Offer { passwords, channel_binding: false };
            capabilities(&Offer { state, starttls, sasl, append_octets_max: 9 })
        };
        let clear = offer(State::NotAuthenticated, true, false);
        assert!(clear.ends_with(" STARTTLS LOGINDISABLED") && !clear.contains("AUTH="));
        let tls = offer(State::NotAuthenticated, false, true);
        assert!(tls.ends_with(" AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN") && !tls.contains("LOGINDISABLED"));
        let inside = offer(State::Selected, false, true);
        assert!(inside.contains(" CONDSTORE ") && inside.ends_with(" APPENDLIMIT=9") && !inside.contains("AUTH="));
    }

    #[test]
    fn enabling_twice_says_it_once() {
        let mut enabled = Enabled::default();
        let names = ["CONDSTORE", "X-NOTHING", "IMAP4REV2"].map(String::from);
        assert_eq!(enabled.enable(&names), ["CONDSTORE", "IMAP4rev2"]);
        assert!(enabled.enable(&names).is_empty() && enabled.utf8_names());
    }
}
