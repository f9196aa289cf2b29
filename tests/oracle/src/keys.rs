//! Signing keys in the forms of both sides.

use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mailcore::mailauth::dkim::{Algorithm, SigningKey, dns_record, generate};
use openssl::pkey::PKey;

/// A key.
pub struct Key {
    pub algorithm: Algorithm,
    pub ours: SigningKey,
    pub pem: Vec<u8>,
    /// Its TXT record.
    pub record: String,
}

/// A key of mail-auth's, whose kinds are types.
pub enum Theirs {
    Rsa(RsaKey<Sha256>),
    Ed25519(Ed25519Key),
}

impl Key {
    pub fn generate(algorithm: Algorithm) -> Key {
        let pem = generate(algorithm).expect("key");
        let ours = SigningKey::parse(&pem).expect("key");
        let record = dns_record(&ours).expect("record");
        Key { algorithm, ours, pem, record }
    }

    #[allow(deprecated, reason = "what is asked for instead wants another crate to read keys")]
    pub fn theirs(&self) -> Theirs {
        let key = PKey::private_key_from_pem(&self.pem).expect("key");
        match self.algorithm {
            Algorithm::RsaSha256 => {
                let pem = key.rsa().and_then(|rsa| rsa.private_key_to_pem()).expect("key");
                Theirs::Rsa(RsaKey::from_rsa_pem(std::str::from_utf8(&pem).expect("key")).expect("key"))
            }
            Algorithm::Ed25519Sha256 => {
                let (seed, public) = (key.raw_private_key().expect("seed"), key.raw_public_key().expect("public"));
                Theirs::Ed25519(Ed25519Key::from_seed_and_public_key(&seed, &public).expect("key"))
            }
        }
    }
}
