//! Keys: the pair a signer has, and the half it publishes in DNS (RFC 6376 §3.6, RFC 8463 §4).

use std::collections::BTreeMap;
use std::sync::Arc;

use openssl::md::Md;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sign;

use super::super::tags::Tags;
use super::DkimResult;
use super::covered::sha256;
use super::opened::opened;
use crate::base::limits::{DKIM_KEY_RECORD_OCTETS_MAX, DKIM_RSA_BITS_MAX, DKIM_RSA_BITS_MIN};
use crate::base::world::{NoRecords, Record, RecordKind, Resolver};
use crate::base::{Error, ErrorKind, Result, base64};

/// How a signature is made. SHA-1 is not among them (RFC 8301 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5.
    RsaSha256,
    /// RFC 8463.
    Ed25519Sha256,
}

impl Algorithm {
    /// `rsa-sha256` or `ed25519-sha256`
    pub fn word(self) -> &'static str {
        match self {
            Algorithm::RsaSha256 => "rsa-sha256",
            Algorithm::Ed25519Sha256 => "ed25519-sha256",
        }
    }

    /// The algorithm of this name.
    pub fn parse(word: &str) -> Option<Algorithm> {
        [Algorithm::RsaSha256, Algorithm::Ed25519Sha256].into_iter().find(|a| a.word() == word)
    }

    fn key_type(self) -> &'static str {
        match self {
            Algorithm::RsaSha256 => "rsa",
            Algorithm::Ed25519Sha256 => "ed25519",
        }
    }
}

/// A key that is not ours to see: of an HSM, a TPM, another process.
pub trait ExternalKey: Send + Sync {
    /// The signature over a SHA-256 digest: RSASSA-PKCS1-v1_5 with the DigestInfo of SHA-256, or Ed25519 over the 32
    /// octets (RFC 8463 §3). Called on a computing thread; may block.
    fn sign(&self, digest: &[u8; 32]) -> Result<Vec<u8>>;
}

/// A private key.
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    key: KeyPlace,
}

#[derive(Clone)]
enum KeyPlace {
    Here(PKey<Private>),
    Elsewhere(Arc<dyn ExternalKey>),
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({}, ***)", self.algorithm.word())
    }
}

impl SigningKey {
    /// Reads a PEM (PKCS #1 or PKCS #8), or the base64 of a 32-octet Ed25519 seed. A key with a passphrase is refused.
    pub fn parse(text: &[u8]) -> Result<SigningKey> {
        // Without a passphrase given, OpenSSL would ask for one on the terminal.
        let key = match PKey::private_key_from_pem_passphrase(text, b"") {
            Ok(key) => key,
            Err(_) => {
                seed(text).ok_or_else(|| Error::new(ErrorKind::Invalid, "neither a PEM key nor an Ed25519 seed"))?
            }
        };
        let algorithm = match key.id() {
            Id::RSA if key.bits() >= DKIM_RSA_BITS_MIN => Algorithm::RsaSha256,
            Id::RSA => {
                return Err(Error::new(ErrorKind::Invalid, format!("an RSA key of {} bits is too short", key.bits())));
            }
            Id::ED25519 => Algorithm::Ed25519Sha256,
            _ => return Err(Error::new(ErrorKind::Invalid, "neither an RSA nor an Ed25519 key")),
        };
        Ok(SigningKey { algorithm, key: KeyPlace::Here(key) })
    }

    /// A key that somebody else signs with.
    pub fn external(algorithm: Algorithm, key: Arc<dyn ExternalKey>) -> SigningKey {
        SigningKey { algorithm, key: KeyPlace::Elsewhere(key) }
    }

    /// Which signatures it makes.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The signature over canonical header octets.
    pub(crate) fn sign(&self, data: &[u8]) -> Result<Vec<u8>> {
        self.sign_digest(&sha256(data))
    }

    /// The signature over data of this SHA-256 digest.
    pub fn sign_digest(&self, digest: &[u8; 32]) -> Result<Vec<u8>> {
        let key = match &self.key {
            KeyPlace::Here(key) => key,
            KeyPlace::Elsewhere(key) => return key.sign(digest),
        };
        let signed = match self.algorithm {
            Algorithm::RsaSha256 => PkeyCtx::new(key).and_then(|mut context| {
                context.sign_init()?;
                context.set_rsa_padding(Padding::PKCS1)?;
                context.set_signature_md(Md::sha256())?;
                let mut signature = Vec::new();
                context.sign_to_vec(digest, &mut signature)?;
                Ok(signature)
            }),
            Algorithm::Ed25519Sha256 => {
                sign::Signer::new_without_digest(key).and_then(|mut signer| signer.sign_oneshot_to_vec(digest))
            }
        };
        signed.map_err(|e| Error::new(ErrorKind::Invalid, format!("cannot sign: {e}")))
    }
}

/// An Ed25519 key from its seed in base64.
fn seed(text: &[u8]) -> Option<PKey<Private>> {
    let octets = base64::decode_folded(text)?;
    PKey::private_key_from_raw_bytes(&octets, Id::ED25519).ok()
}

/// A fresh key (RSA of 2048 bits, or Ed25519) as PKCS #8 PEM.
pub fn generate(algorithm: Algorithm) -> Result<Vec<u8>> {
    let key = match algorithm {
        Algorithm::RsaSha256 => Rsa::generate(2048).and_then(PKey::from_rsa),
        Algorithm::Ed25519Sha256 => PKey::generate_ed25519(),
    };
    key.and_then(|key| key.private_key_to_pem_pkcs8())
        .map_err(|e| Error::new(ErrorKind::Bug, format!("cannot make a key: {e}")))
}

/// The TXT record to publish at `<selector>._domainkey.<domain>` for a key; `State` for an external one.
pub fn dns_record(key: &SigningKey) -> Result<String> {
    let KeyPlace::Here(own) = &key.key else {
        return Err(Error::new(ErrorKind::State, "the public half of the key is not here"));
    };
    let octets = match key.algorithm {
        Algorithm::RsaSha256 => own.public_key_to_der(),
        Algorithm::Ed25519Sha256 => own.raw_public_key(),
    };
    let octets = octets.map_err(|e| Error::new(ErrorKind::Invalid, format!("no public half: {e}")))?;
    let p = base64::encode(octets);
    Ok(format!("v=DKIM1; k={}; p={p}", key.algorithm.key_type()))
}

/// The public half of a key that a record publishes; `None` where it has none that can be read.
pub fn published_half(record: &[u8]) -> Option<Vec<u8>> {
    Tags::parse(std::str::from_utf8(record).ok()?)?.base64("p")?
}

/// A published key.
pub(crate) struct PublicKey {
    key: PublicHalf,
    /// `t=y`: the domain is testing.
    pub(crate) is_testing: bool,
    /// `t=s`: the identity's domain must be the signing domain itself.
    pub(crate) is_strict: bool,
}

impl PublicKey {
    /// Whether it says that the data with this SHA-256 was signed so.
    pub(crate) fn verify(&self, digest: &[u8; 32], signature: &[u8]) -> bool {
        match &self.key {
            PublicHalf::Rsa(rsa) => {
                let mut encoded = vec![0; rsa.size() as usize];
                let octets = rsa.public_decrypt(signature, &mut encoded, Padding::PKCS1).unwrap_or(0);
                let said = encoded.get(..octets).and_then(|said| said.strip_prefix(DIGEST_INFO_SHA256));
                said == Some(digest.as_slice())
            }
            PublicHalf::Ed25519(key) => sign::Verifier::new_without_digest(key)
                .and_then(|mut verifier| verifier.verify_oneshot(signature, digest))
                .unwrap_or(false),
        }
    }

    /// Reads a key record for use with `algorithm`.
    fn parse(txt: &[u8], algorithm: Algorithm) -> std::result::Result<PublicKey, &'static str> {
        if txt.len() > DKIM_KEY_RECORD_OCTETS_MAX {
            return Err("the key record is too long");
        }
        let text = std::str::from_utf8(txt).map_err(|_| "the key record is not text")?;
        let tags = Tags::parse(text).ok_or("the key record is not a tag list")?;
        match tags.get("v") {
            Some("DKIM1") if tags.first() != Some("v") => return Err("v= of the key record is not its first tag"),
            None | Some("DKIM1") => {}
            Some(_) => return Err("the key record is of an unknown version"),
        }
        if tags.get("k").unwrap_or("rsa") != algorithm.key_type() {
            return Err("the key is of another type (k=)");
        }
        if tags.list("h").is_some_and(|hashes| !hashes.contains(&"sha256")) {
            return Err("the key is not for SHA-256 (h=)");
        }
        if tags.list("s").is_some_and(|services| !services.iter().any(|s| matches!(*s, "*" | "email"))) {
            return Err("the key is not for mail (s=)");
        }
        let octets = tags.base64("p").ok_or("the key record has no p=")?.ok_or("the key is not base64")?;
        if octets.is_empty() {
            return Err("the key is revoked");
        }
        let key = public_key(&octets, algorithm).ok_or("the key cannot be used")?;
        let flags = tags.list("t").unwrap_or_default();
        Ok(PublicKey { key, is_testing: flags.contains(&"y"), is_strict: flags.contains(&"s") })
    }
}

enum PublicHalf {
    /// Used as it is: to make a `PKey` ready for its one use takes OpenSSL half as long as the check of a signature.
    Rsa(Rsa<Public>),
    Ed25519(PKey<Public>),
}

/// What stands before a SHA-256 in a signature: all that PKCS #1 leaves when the padding is off, compared octet for
/// octet.
const DIGEST_INFO_SHA256: &[u8] = &[0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];

fn public_key(octets: &[u8], algorithm: Algorithm) -> Option<PublicHalf> {
    match algorithm {
        Algorithm::Ed25519Sha256 => PKey::public_key_from_raw_bytes(octets, Id::ED25519).ok().map(PublicHalf::Ed25519),
        // A SubjectPublicKeyInfo, or the bare RSAPublicKey in it, which RFC 6376 §3.6.1 names and some publish.
        Algorithm::RsaSha256 => opened(octets, open_rsa).map(PublicHalf::Rsa),
    }
}

fn open_rsa(octets: &[u8]) -> Option<Rsa<Public>> {
    let rsa =
        Rsa::public_key_from_der_pkcs1(bare_rsa_key(octets)).or_else(|_| Rsa::public_key_from_der(octets)).ok()?;
    let bits = u32::try_from(rsa.n().num_bits()).ok()?;
    (DKIM_RSA_BITS_MIN..=DKIM_RSA_BITS_MAX).contains(&bits).then_some(rsa)
}

/// The RSAPublicKey in a SubjectPublicKeyInfo of the usual form; all there is, where it is not of that form. (OpenSSL
/// takes three times as long to open the outer one.)
fn bare_rsa_key(octets: &[u8]) -> &[u8] {
    let ([0x30, 0x82, _, _, inner @ ..] | [0x30, 0x81, _, inner @ ..]) = octets else { return octets };
    match inner.strip_prefix(RSA_ENCRYPTION) {
        Some([0x03, 0x82, _, _, 0, key @ ..] | [0x03, 0x81, _, 0, key @ ..]) => key,
        _ => octets,
    }
}

/// The AlgorithmIdentifier of rsaEncryption (RFC 8017, Appendix A.1).
const RSA_ENCRYPTION: &[u8] = &[0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];

/// A published key; or the result of a signature that wants it, with the reason.
type Found = std::result::Result<PublicKey, (DkimResult, String)>;

/// The published keys that the signatures of one message want, each asked for once.
pub(crate) struct Keys<'a> {
    resolver: &'a dyn Resolver,
    found: BTreeMap<(String, Algorithm), Found>,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(resolver: &'a dyn Resolver) -> Keys<'a> {
        Keys { resolver, found: BTreeMap::new() }
    }

    /// The key a signature names.
    pub(crate) async fn get(&mut self, selector: &str, domain: &str, algorithm: Algorithm) -> &Found {
        let key = (format!("{selector}._domainkey.{domain}"), algorithm);
        let found = match self.found.remove(&key) {
            Some(found) => found,
            None => fetch(self.resolver, &key.0, algorithm).await,
        };
        self.found.entry(key).or_insert(found)
    }
}

/// Asks DNS for a key.
async fn fetch(resolver: &dyn Resolver, name: &str, algorithm: Algorithm) -> Found {
    let records = match resolver.ask(name, RecordKind::Txt).await.records {
        Ok(records) => records,
        Err(NoRecords::NxDomain | NoRecords::NoData | NoRecords::BadName) => {
            return Err((DkimResult::PermError, format!("no key at {name}")));
        }
        Err(trouble) => return Err((DkimResult::TempError, format!("key at {name}: {trouble}"))),
    };
    let mut why = "no key record";
    for record in &records {
        match record {
            Record::Txt(txt) => match PublicKey::parse(txt, algorithm) {
                Ok(key) => return Ok(key),
                Err(reason) => why = reason,
            },
            _ => continue,
        }
    }
    Err((DkimResult::PermError, format!("{name}: {why}")))
}
