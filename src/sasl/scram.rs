//! SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677), server side; channel binding `tls-exporter` (RFC 9266).
//!
//! The server's signature goes out as a last challenge that the client answers with nothing: SMTP, POP3
//! and IMAP alike have no place for data beside success (RFC 4954 §4).

use sha2::{Digest, Sha256};

use super::credential::{hmac_sha_256, same};
use super::{Failure, Step, is_same_account};
use crate::base::account::ScramKeys;
use crate::base::base64;

/// One exchange.
pub(super) struct Scram {
    server_nonce: String,
    plus: bool,
    binding: Option<Vec<u8>>,
    state: State,
}

enum State {
    ClientFirst,
    Credential(First),
    ClientFinal(First, ServerFirst),
    Acknowledge(String),
    Over,
}

/// What the client's first message said.
struct First {
    gs2_header: String,
    bare: String,
    user: String,
    nonce: String,
}

struct ServerFirst {
    message: String,
    keys: ScramKeys,
    known: bool,
}

impl Scram {
    /// A new exchange. `plus`: the client chose the mechanism with channel binding.
    pub(super) fn new(nonce: String, plus: bool, binding: Option<Vec<u8>>) -> Self {
        Self { server_nonce: nonce, plus, binding, state: State::ClientFirst }
    }

    /// The client's next message.
    pub(super) fn respond(&mut self, message: &[u8]) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            State::ClientFirst => match self.client_first(message) {
                Ok(first) => {
                    let user = first.user.clone();
                    self.state = State::Credential(first);
                    Step::NeedCredential(user)
                }
                Err(failure) => Step::Failed(failure),
            },
            State::ClientFinal(first, server) => match self.client_final(message, &first, &server) {
                Ok(signature) => {
                    self.state = State::Acknowledge(first.user);
                    Step::Challenge(format!("v={}", base64::encode(signature)).into_bytes())
                }
                Err(failure) => Step::Failed(failure),
            },
            State::Acknowledge(user) if message.is_empty() => Step::Done(user),
            State::Acknowledge(_) | State::Credential(_) | State::Over => Step::Failed(Failure::Malformed),
        }
    }

    /// The keys of the user, or decoys.
    pub(super) fn credential(&mut self, keys: &ScramKeys, known: bool) -> Step {
        let State::Credential(first) = std::mem::replace(&mut self.state, State::Over) else {
            return Step::Failed(Failure::Malformed);
        };
        let (salt, nonce) = (base64::encode(&keys.salt), &self.server_nonce);
        let message = format!("r={}{nonce},s={salt},i={}", first.nonce, keys.iterations);
        let challenge = Step::Challenge(message.clone().into_bytes());
        self.state = State::ClientFinal(first, ServerFirst { message, keys: keys.clone(), known });
        challenge
    }

    /// `gs2-header client-first-message-bare` (RFC 5802 §7).
    fn client_first(&self, message: &[u8]) -> Result<First, Failure> {
        let message = std::str::from_utf8(message).map_err(|_| Failure::Malformed)?;
        let (flag, rest) = message.split_once(',').ok_or(Failure::Malformed)?;
        let (authzid, bare) = rest.split_once(',').ok_or(Failure::Malformed)?;
        self.check_flag(flag)?;
        let mut attributes = bare.split(',');
        let mut next = |name| attributes.next().and_then(|a| a.strip_prefix(name)).ok_or(Failure::Malformed);
        // `m=` in front would be a mandatory extension, of which there is none: it fails here.
        let user = saslname(next("n=")?)?;
        let nonce = next("r=")?;
        if nonce.is_empty() || !nonce.bytes().all(|c| c.is_ascii_graphic()) {
            return Err(Failure::Malformed);
        }
        if !authzid.is_empty() {
            let authzid = saslname(authzid.strip_prefix("a=").ok_or(Failure::Malformed)?)?;
            if !is_same_account(&authzid, &user) {
                return Err(Failure::Refused);
            }
        }
        let user = stringprep::saslprep(&user).map_err(|_| Failure::Malformed)?.into_owned();
        Ok(First { gs2_header: format!("{flag},{authzid},"), bare: bare.to_owned(), user, nonce: nonce.to_owned() })
    }

    /// The channel binding flag against what the connection has (RFC 5802 §6).
    fn check_flag(&self, flag: &str) -> Result<(), Failure> {
        match flag {
            "n" | "y" if self.plus => Err(Failure::ChannelBinding),
            "n" => Ok(()),
            // The client could bind and thinks that we cannot: somebody hid our offer.
            "y" if self.binding.is_some() => Err(Failure::ChannelBinding),
            "y" => Ok(()),
            "p=tls-exporter" if self.plus && self.binding.is_some() => Ok(()),
            _ if flag.starts_with("p=") => Err(Failure::ChannelBinding),
            _ => Err(Failure::Malformed),
        }
    }

    /// `channel-binding "," nonce ["," extensions] "," proof`; gives the server's signature.
    fn client_final(&self, message: &[u8], first: &First, server: &ServerFirst) -> Result<[u8; 32], Failure> {
        let message = std::str::from_utf8(message).map_err(|_| Failure::Malformed)?;
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(Failure::Malformed)?;
        let proof = base64::decode(proof).ok_or(Failure::Malformed)?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|a| a.strip_prefix("c=")).ok_or(Failure::Malformed)?;
        let nonce = attributes.next().and_then(|a| a.strip_prefix("r=")).ok_or(Failure::Malformed)?;
        let binding = base64::decode(binding).ok_or(Failure::Malformed)?;
        let mut expected = first.gs2_header.clone().into_bytes();
        if self.plus {
            expected.extend_from_slice(self.binding.as_deref().unwrap_or_default());
        }
        if !same(&binding, &expected) {
            return Err(Failure::ChannelBinding);
        }
        if nonce.strip_prefix(first.nonce.as_str()) != Some(self.server_nonce.as_str()) {
            return Err(Failure::Malformed);
        }
        let parts: [&[u8]; 5] =
            [first.bare.as_bytes(), b",", server.message.as_bytes(), b",", without_proof.as_bytes()];
        let client_signature = hmac_sha_256(&server.keys.stored_key, &parts);
        let client_key: Vec<u8> = proof.iter().zip(client_signature).map(|(p, s)| p ^ s).collect();
        let fits = proof.len() == 32 && same(&Sha256::digest(client_key), &server.keys.stored_key);
        if fits && server.known { Ok(hmac_sha_256(&server.keys.server_key, &parts)) } else { Err(Failure::Refused) }
    }
}

/// `saslname`: `=2C` is a comma, `=3D` an equals sign.
fn saslname(text: &str) -> Result<String, Failure> {
    let mut parts = text.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (c, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(Failure::Malformed),
        };
        name.push(c);
        name.push_str(rest);
    }
    if name.is_empty() || name.contains('\0') { Err(Failure::Malformed) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::super::client::Scram as Client;
    use super::super::credential::tests::CHEAP;
    use super::super::{Exchange, Mechanism, credential};
    use super::*;
    use crate::base::Secret;

    const USER_KEYS_SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";

    /// Keys of RFC 7677 §3's user, whose password is `pencil`.
    fn rfc_keys() -> ScramKeys {
        let salt = base64::decode(USER_KEYS_SALT).unwrap();
        let mut salts = [0; 32];
        salts[16..].copy_from_slice(&salt);
        credential::make(&Secret::new("pencil"), &salts, CHEAP).unwrap().scram_sha_256
    }

    #[test]
    fn the_exchange_of_rfc_7677() {
        let mut exchange = Exchange::new(Mechanism::ScramSha256, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned(), None);
        assert_eq!(exchange.start(Some(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO")), Step::NeedCredential("user".to_owned()));
        assert_eq!(
            exchange.credential(&rfc_keys(), true),
            Step::Challenge(
                b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".to_vec()
            )
        );
        assert_eq!(
            exchange.respond(
                b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                  p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
            ),
            Step::Challenge(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".to_vec())
        );
        assert_eq!(exchange.respond(b""), Step::Done("user".to_owned()));
        assert_eq!(exchange.respond(b""), Step::Failed(Failure::Malformed));
    }

    /// Runs our client against our server.
    fn run(
        mechanism: Mechanism,
        password: &str,
        client_cb: Option<&[u8]>,
        server_cb: Option<&[u8]>,
        known: bool,
    ) -> Step {
        let mut client = Client::new("user", &Secret::new(password), "cnonce", client_cb.map(<[u8]>::to_vec));
        let mut exchange = Exchange::new(mechanism, "snonce".to_owned(), server_cb.map(<[u8]>::to_vec));
        let mut step = exchange.start(Some(&client.first()));
        for _ in 0..8 {
            step = match step {
                Step::Challenge(challenge) => match client.answer(&challenge) {
                    Some(response) => exchange.respond(&response),
                    None => return Step::Failed(Failure::Malformed),
                },
                Step::NeedCredential(_) => exchange.credential(&rfc_keys(), known),
                end => return end,
            };
        }
        step
    }

    #[test]
    fn both_sides_agree() {
        use Mechanism::{ScramSha256 as Bare, ScramSha256Plus as Plus};
        let done = Step::Done("user".to_owned());
        let refused = Step::Failed(Failure::Refused);
        let unbound = Step::Failed(Failure::ChannelBinding);
        assert_eq!(run(Bare, "pencil", None, None, true), done);
        assert_eq!(run(Bare, "pencil", None, Some(b"tls"), true), done);
        assert_eq!(run(Bare, "pencils", None, None, true), refused);
        assert_eq!(run(Bare, "pencil", None, None, false), refused);
        assert_eq!(run(Plus, "pencil", Some(b"tls"), Some(b"tls"), true), done);
        assert_eq!(run(Plus, "pencil", Some(b"other"), Some(b"tls"), true), unbound);
        assert_eq!(run(Plus, "pencil", Some(b"tls"), None, true), unbound);
        assert_eq!(run(Plus, "pencil", None, Some(b"tls"), true), unbound);
        assert_eq!(run(Bare, "pencil", Some(b"tls"), Some(b"tls"), true), unbound);
    }

    #[test]
    fn first_messages() {
        let first = |message: &str, binding: Option<&[u8]>| {
            Exchange::new(Mechanism::ScramSha256, "s".to_owned(), binding.map(<[u8]>::to_vec))
                .start(Some(message.as_bytes()))
        };
        let user = |name: &str| Step::NeedCredential(name.to_owned());
        assert_eq!(first("n,,n=a=2Cb=3Dc,r=x", None), user("a,b=c"));
        assert_eq!(first("n,a=bob,n=bob,r=x", None), user("bob"));
        assert_eq!(first("n,a=Bob@x.org,n=bob,r=x", None), user("bob"));
        assert_eq!(first("y,,n=bob,r=x,ext=1", None), user("bob"));
        assert_eq!(first("y,,n=bob,r=x", Some(b"tls")), Step::Failed(Failure::ChannelBinding));
        assert_eq!(first("n,a=eve,n=bob,r=x", None), Step::Failed(Failure::Refused));
        for bad in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=bob",
            "n,,r=x",
            "x,,n=bob,r=x",
            "n,,m=1,n=bob,r=x",
            "n,,n=,r=x",
            "n,,n=bob,r=",
            "n,,n=a=2x,r=x",
            "n,,n=bob,r=a b",
            "n,b=bob,n=bob,r=x",
        ] {
            assert_eq!(first(bad, None), Step::Failed(Failure::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn final_messages() {
        let last = |message: &[u8]| {
            let mut exchange = Exchange::new(Mechanism::ScramSha256, "s".to_owned(), None);
            exchange.start(Some(b"n,,n=user,r=c"));
            exchange.credential(&rfc_keys(), true);
            exchange.respond(message)
        };
        for bad in [
            &b""[..],
            b"c=biws,r=cs",
            b"c=biws,p=AAAA",
            b"r=cs,c=biws,p=AAAA",
            b"c=biws,r=c,p=AAAA",
            b"c=biws,r=csx,p=AAAA",
            b"c=?,r=cs,p=AAAA",
            b"c=biws,r=cs,p=?",
            b"\xff",
        ] {
            assert_eq!(last(bad), Step::Failed(Failure::Malformed), "{bad:?}");
        }
        assert_eq!(last(b"c=biws,r=cs,p=AAAA"), Step::Failed(Failure::Refused), "short proof");
        assert_eq!(last(b"c=eSws,r=cs,p=AAAA"), Step::Failed(Failure::ChannelBinding), "another header");
    }
}
