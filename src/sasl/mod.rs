//! Floor 1: SASL (RFC 4422): PLAIN, LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, as pure state machines.
//!
//! An [`Exchange`] is fed decoded client responses and says a [`Step`] each time. It knows no account: it
//! asks for the SCRAM keys of a user, or for a password to be checked, and is told. Base64 and the words
//! around it (`334`, `+`) belong to the protocols. Nonces and salts are given: nothing here is random.

pub mod client;
pub mod credential;
mod login;
mod plain;
mod scram;

use std::fmt;

use crate::base::account::ScramKeys;
use crate::base::{Address, Secret, base64};

/// Why an exchange failed. All but `Malformed` and `ChannelBinding` look the same to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A response does not fit the mechanism's grammar.
    Malformed,
    /// Wrong user, password or proof, or an authorization identity that is not the user's own.
    Refused,
    /// Channel binding does not fit the connection (RFC 5802 §6).
    ChannelBinding,
}

/// What an exchange wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this challenge, then call [`Exchange::respond`] with what comes back.
    Challenge(Vec<u8>),
    /// Look up the SCRAM keys of this user, then call [`Exchange::credential`].
    NeedCredential(String),
    /// Check this password, then call [`Exchange::checked`].
    CheckPassword {
        /// Who logs in.
        authcid: String,
        /// With which password.
        password: Secret,
    },
    /// Logged in, as this user.
    Done(String),
    /// Not logged in.
    Failed(Failure),
}

/// The mechanisms of this room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login: obsolete, and what many mail programs still say.
    Login,
    /// RFC 7677 without channel binding.
    ScramSha256,
    /// RFC 7677 bound to the TLS connection by `tls-exporter` (RFC 9266).
    ScramSha256Plus,
}

/// What a connection allows, which decides the mechanisms it offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offer {
    /// Whether passwords may cross the connection: TLS, or loopback where the host allowed it.
    pub passwords: bool,
    /// Whether TLS gave channel binding data.
    pub channel_binding: bool,
    /// Whether only mechanisms that show the password may be used: where who checks it knows no SCRAM keys.
    pub plain_only: bool,
}

impl Mechanism {
    /// All of them, the strongest first, as they are announced.
    pub const ALL: [Mechanism; 4] =
        [Mechanism::ScramSha256Plus, Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
        }
    }

    /// The mechanism of this name, in any case.
    pub fn parse(name: &str) -> Option<Mechanism> {
        Self::ALL.into_iter().find(|m| m.name().eq_ignore_ascii_case(name))
    }

    /// Whether a connection like this offers it. One that may not carry passwords offers nothing: SCRAM
    /// without TLS would protect the password, but not the session after it.
    pub fn is_offered(self, offer: Offer) -> bool {
        let is_scram = matches!(self, Mechanism::ScramSha256 | Mechanism::ScramSha256Plus);
        offer.passwords
            && (self != Mechanism::ScramSha256Plus || offer.channel_binding)
            && !(is_scram && offer.plain_only)
    }

    /// The mechanisms a connection like this offers.
    pub fn offered(offer: Offer) -> impl Iterator<Item = Mechanism> {
        Self::ALL.into_iter().filter(move |m| m.is_offered(offer))
    }
}

/// One authentication exchange, server side.
pub struct Exchange(State);

enum State {
    Plain(plain::Plain),
    Login(login::Login),
    Scram(Box<scram::Scram>),
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange(***)")
    }
}

impl Exchange {
    /// Begins an exchange. `nonce` is fresh and printable (see [`nonce`]); `binding` is the connection's
    /// `tls-exporter` data, where there is any.
    pub fn new(mechanism: Mechanism, nonce: String, binding: Option<Vec<u8>>) -> Exchange {
        Exchange(match mechanism {
            Mechanism::Plain => State::Plain(plain::Plain::default()),
            Mechanism::Login => State::Login(login::Login::default()),
            Mechanism::ScramSha256 => State::Scram(Box::new(scram::Scram::new(nonce, false, binding))),
            Mechanism::ScramSha256Plus => State::Scram(Box::new(scram::Scram::new(nonce, true, binding))),
        })
    }

    /// The first step, with the initial response where the client sent one.
    pub fn start(&mut self, initial: Option<&[u8]>) -> Step {
        match (initial, &mut self.0) {
            (Some(response), _) => self.respond(response),
            (None, State::Login(login)) => login.start(),
            (None, _) => Step::Challenge(Vec::new()),
        }
    }

    /// The client's answer to the last challenge, decoded.
    pub fn respond(&mut self, response: &[u8]) -> Step {
        match &mut self.0 {
            State::Plain(plain) => plain.respond(response),
            State::Login(login) => login.respond(response),
            State::Scram(scram) => scram.respond(response),
        }
    }

    /// Answers [`Step::NeedCredential`]. For a user that does not exist `known` is false and `keys` come
    /// from [`credential::decoy`], so that the exchange looks the same until its end.
    pub fn credential(&mut self, keys: &ScramKeys, known: bool) -> Step {
        match &mut self.0 {
            State::Scram(scram) => scram.credential(keys, known),
            State::Plain(_) | State::Login(_) => Step::Failed(Failure::Malformed),
        }
    }

    /// Answers [`Step::CheckPassword`].
    pub fn checked(&mut self, right: bool) -> Step {
        let user = match &mut self.0 {
            State::Plain(plain) => plain.take_user(),
            State::Login(login) => login.take_user(),
            State::Scram(_) => None,
        };
        match user {
            Some(user) if right => Step::Done(user),
            _ => Step::Failed(Failure::Refused),
        }
    }
}

/// Whether two login names are spellings of one: in any case, the domain in U-labels or A-labels, with a domain or
/// without. Nobody acts for anybody else here, but clients name the account they log in to a second time, in their own
/// way.
fn is_same_account(authzid: &str, authcid: &str) -> bool {
    if authzid.to_lowercase() == authcid.to_lowercase() {
        return true;
    }
    match (Address::parse(authzid), Address::parse(authcid)) {
        (Ok(one), Ok(other)) => one.key() == other.key(),
        (Ok(whole), Err(_)) => whole.local().to_lowercase() == authcid.to_lowercase(),
        (Err(_), Ok(whole)) => whole.local().to_lowercase() == authzid.to_lowercase(),
        (Err(_), Err(_)) => false,
    }
}

/// The nonce of exchange number `count` of a session that was given `seed` (32 random octets).
pub fn nonce(seed: &[u8; 32], count: u32) -> String {
    let octets = credential::hmac_sha_256(seed, &[b"scram nonce", &count.to_be_bytes()]);
    encode(octets.get(..18).unwrap_or_default())
}

/// Decodes the base64 of a response or an initial response (`=` is the empty one, RFC 4954 §4).
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text == b"=" { Some(Vec::new()) } else { base64::decode(text) }
}

/// Encodes a challenge or response.
pub fn encode(octets: &[u8]) -> String {
    base64::encode(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(mechanism: Mechanism, initial: Option<&[u8]>, responses: &[&[u8]]) -> Step {
        let mut exchange = Exchange::new(mechanism, "n".to_owned(), None);
        let mut step = exchange.start(initial);
        for response in responses {
            assert!(matches!(step, Step::Challenge(_)), "{step:?}");
            step = exchange.respond(response);
        }
        step
    }

    fn asks(user: &str, password: &str) -> Step {
        Step::CheckPassword { authcid: user.to_owned(), password: Secret::new(password) }
    }

    #[test]
    fn plain_is_one_message() {
        for (message, step) in [
            (&b"\0bob\0secret"[..], asks("bob", "secret")),
            (b"bob\0bob\0secret", asks("bob", "secret")),
            (b"\0b@x.org\0p\xc3\xa4ss", asks("b@x.org", "päss")),
            (b"Bob\0bob\0secret", asks("bob", "secret")),
            (b"bob@x.org\0bob\0secret", asks("bob", "secret")),
            (b"bob\0Bob@x.org\0secret", asks("Bob@x.org", "secret")),
            (b"BOB@X.ORG\0bob@x.org\0secret", asks("bob@x.org", "secret")),
            ("b@xn--mnchen-3ya.de\0b@m\u{fc}nchen.de\0s".as_bytes(), asks("b@m\u{fc}nchen.de", "s")),
            (b"alice\0bob\0secret", Step::Failed(Failure::Refused)),
            (b"bob@y.org\0bob@x.org\0secret", Step::Failed(Failure::Refused)),
            (b"alice@x.org\0bob\0secret", Step::Failed(Failure::Refused)),
            (b"\xff\0bob\0secret", Step::Failed(Failure::Refused)),
            (b"bob\0secret", Step::Failed(Failure::Malformed)),
            (b"\0bob\0secret\0", Step::Failed(Failure::Malformed)),
            (b"\0\0secret", Step::Failed(Failure::Malformed)),
            // Nobody has an empty password: it is wrong, not malformed.
            (b"\0bob\0", asks("bob", "")),
            (b"", Step::Failed(Failure::Malformed)),
            (b"\0b\xff\0p", Step::Failed(Failure::Malformed)),
        ] {
            assert_eq!(run(Mechanism::Plain, Some(message), &[]), step);
            assert_eq!(run(Mechanism::Plain, None, &[message]), step);
        }
    }

    #[test]
    fn login_asks_twice() {
        assert_eq!(run(Mechanism::Login, None, &[]), Step::Challenge(b"Username:".to_vec()));
        assert_eq!(run(Mechanism::Login, None, &[b"bob"]), Step::Challenge(b"Password:".to_vec()));
        assert_eq!(run(Mechanism::Login, None, &[b"bob", b"secret"]), asks("bob", "secret"));
        assert_eq!(run(Mechanism::Login, Some(b"bob"), &[b"secret"]), asks("bob", "secret"));
        assert_eq!(run(Mechanism::Login, None, &[b""]), Step::Failed(Failure::Malformed));
    }

    #[test]
    fn the_check_decides() {
        for (right, end) in [(true, Step::Done("bob".to_owned())), (false, Step::Failed(Failure::Refused))] {
            let mut exchange = Exchange::new(Mechanism::Plain, String::new(), None);
            exchange.start(Some(b"\0bob\0secret"));
            assert_eq!(exchange.checked(right), end);
            assert_eq!(exchange.checked(true), Step::Failed(Failure::Refused), "a check counts once");
        }
    }

    #[test]
    fn what_is_offered_follows_the_connection() {
        let names = |passwords, channel_binding| {
            let offer = Offer { passwords, channel_binding, plain_only: false };
            Mechanism::offered(offer).map(Mechanism::name).collect::<Vec<_>>().join(" ")
        };
        let plain = Offer { passwords: true, channel_binding: true, plain_only: true };
        assert_eq!(Mechanism::offered(plain).collect::<Vec<_>>(), [Mechanism::Plain, Mechanism::Login]);
        assert_eq!(names(false, false), "");
        assert_eq!(names(false, true), "");
        assert_eq!(names(true, false), "SCRAM-SHA-256 PLAIN LOGIN");
        assert_eq!(names(true, true), "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN");
    }

    #[test]
    fn nonces_differ_and_are_printable() {
        let (a, b) = (nonce(&[7; 32], 0), nonce(&[7; 32], 1));
        assert_ne!(a, b);
        assert_ne!(a, nonce(&[8; 32], 0));
        assert!(a.len() == 24 && a.bytes().all(|c| c.is_ascii_graphic() && c != b','));
    }
}
