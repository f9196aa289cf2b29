//! Client side, for a smart host that wants a login: PLAIN, LOGIN and SCRAM-SHA-256.

use sha2::{Digest, Sha256};

use super::credential::{hmac_sha_256, prepare, salted_password, same};
use crate::base::limits::SCRAM_ITERATIONS_MAX;
use crate::base::{Secret, base64};

/// PLAIN's only message (RFC 4616), before base64.
pub fn plain(user: &str, password: &Secret) -> Secret {
    let mut message = Vec::with_capacity(2 + user.len() + password.expose().len());
    message.push(0);
    message.extend_from_slice(user.as_bytes());
    message.push(0);
    message.extend_from_slice(password.expose());
    Secret::new(message)
}

/// LOGIN's two answers, in order, before base64.
pub fn login(user: &str, password: &Secret) -> [Secret; 2] {
    [Secret::new(user), password.clone()]
}

/// SCRAM-SHA-256, with channel binding where its data is given: the password never leaves us, and the
/// server proves that it knows it too.
pub struct Scram {
    password: Secret,
    nonce: String,
    bare: String,
    gs2_header: &'static str,
    binding: Vec<u8>,
    server_signature: Option<[u8; 32]>,
    verified: bool,
}

impl Scram {
    /// An exchange with a fresh printable `nonce`. `binding` is the connection's `tls-exporter` data, for -PLUS.
    pub fn new(user: &str, password: &Secret, nonce: &str, binding: Option<Vec<u8>>) -> Self {
        let name = user.replace('=', "=3D").replace(',', "=2C");
        Self {
            password: prepare(password),
            nonce: nonce.to_owned(),
            bare: format!("n={name},r={nonce}"),
            gs2_header: if binding.is_some() { "p=tls-exporter,," } else { "n,," },
            binding: binding.unwrap_or_default(),
            server_signature: None,
            verified: false,
        }
    }

    /// The initial response.
    pub fn first(&self) -> Vec<u8> {
        format!("{}{}", self.gs2_header, self.bare).into_bytes()
    }

    /// The answer to a challenge; `None` where the server's message is wrong and the exchange must be cancelled.
    pub fn answer(&mut self, challenge: &[u8]) -> Option<Vec<u8>> {
        let challenge = std::str::from_utf8(challenge).ok()?;
        match self.server_signature {
            None => self.client_final(challenge),
            Some(expected) => {
                let signature = base64::decode(challenge.strip_prefix("v=")?)?;
                self.verified = same(&signature, &expected);
                self.verified.then(Vec::new)
            }
        }
    }

    /// Whether the server has proved that it knows the password. Success without it is no success.
    pub fn is_verified(&self) -> bool {
        self.verified
    }

    fn client_final(&mut self, server_first: &str) -> Option<Vec<u8>> {
        let mut attributes = server_first.split(',');
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let salt = base64::decode(attributes.next()?.strip_prefix("s=")?)?;
        let iterations: u32 = attributes.next()?.strip_prefix("i=")?.parse().ok()?;
        let fresh = nonce.strip_prefix(self.nonce.as_str())?;
        if fresh.is_empty() || !(1..=SCRAM_ITERATIONS_MAX).contains(&iterations) {
            return None;
        }
        let mut binding = self.gs2_header.as_bytes().to_vec();
        binding.extend_from_slice(&self.binding);
        let without_proof = format!("c={},r={nonce}", base64::encode(binding));
        let salted = salted_password(&self.password, &salt, iterations);
        let client_key = hmac_sha_256(&salted, &[b"Client Key"]);
        let parts: [&[u8]; 5] = [self.bare.as_bytes(), b",", server_first.as_bytes(), b",", without_proof.as_bytes()];
        let signature = hmac_sha_256(&Sha256::digest(client_key), &parts);
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(k, s)| k ^ s).collect();
        self.server_signature = Some(hmac_sha_256(&hmac_sha_256(&salted, &[b"Server Key"]), &parts));
        Some(format!("{without_proof},p={}", base64::encode(proof)).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_login() {
        let password = Secret::new("tanstaaftanstaaf");
        assert_eq!(plain("tim", &password).expose(), b"\0tim\0tanstaaftanstaaf");
        assert_eq!(login("tim", &password).map(|s| s.expose().to_vec()), [b"tim".to_vec(), password.expose().to_vec()]);
    }

    #[test]
    fn scram_refuses_a_false_server() {
        let client = || Scram::new("user", &Secret::new("pencil"), "abc", None);
        for bad in [
            "",
            "r=abc,s=QUJD,i=4096",
            "r=xbcd,s=QUJD,i=4096",
            "r=abcd,s=?,i=4096",
            "r=abcd,s=QUJD,i=0",
            "r=abcd,s=QUJD,i=10000001",
            "e=other-error",
        ] {
            assert_eq!(client().answer(bad.as_bytes()), None, "{bad}");
        }
        let mut scram = client();
        assert!(scram.answer(b"r=abcd,s=QUJD,i=1").is_some());
        assert_eq!(scram.answer(b"v=AAAA"), None);
        assert!(!scram.is_verified());
    }
}
