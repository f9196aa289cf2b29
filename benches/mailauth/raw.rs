//! The bare arithmetic of a signature: SHA-256 over a message, and one RSA or Ed25519 operation.

use std::hint::black_box;

use mailcore::mailauth::dkim::Algorithm;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Padding;
use openssl::sha::sha256;

/// The arithmetic alone.
pub struct Raw {
    key: PKey<Private>,
    algorithm: Algorithm,
    signature: Vec<u8>,
}

impl Raw {
    pub fn new(pem: &[u8], algorithm: Algorithm) -> Raw {
        let key = PKey::private_key_from_pem(pem).expect("key");
        let mut raw = Raw { key, algorithm, signature: Vec::new() };
        raw.signature = raw.sign(b"");
        raw
    }

    pub fn sign(&self, octets: &[u8]) -> Vec<u8> {
        black_box(sha256(octets));
        let signer = match self.algorithm {
            Algorithm::RsaSha256 => openssl::sign::Signer::new(MessageDigest::sha256(), &self.key),
            Algorithm::Ed25519Sha256 => openssl::sign::Signer::new_without_digest(&self.key),
        };
        let mut signer = signer.expect("signer");
        if self.algorithm == Algorithm::RsaSha256 {
            signer.set_rsa_padding(Padding::PKCS1).expect("padding");
        }
        signer.sign_oneshot_to_vec(b"header").expect("signed")
    }

    pub fn verify(&self, octets: &[u8]) {
        black_box(sha256(octets));
        let verifier = match self.algorithm {
            Algorithm::RsaSha256 => openssl::sign::Verifier::new(MessageDigest::sha256(), &self.key),
            Algorithm::Ed25519Sha256 => openssl::sign::Verifier::new_without_digest(&self.key),
        };
        let mut verifier = verifier.expect("verifier");
        if self.algorithm == Algorithm::RsaSha256 {
            verifier.set_rsa_padding(Padding::PKCS1).expect("padding");
        }
        assert!(verifier.verify_oneshot(&self.signature, b"header").expect("verified"));
    }
}
