//! Credentials: made from a password once, checked against at every login.
//!
//! A stored credential holds no password: Argon2id for PLAIN, LOGIN and the plain commands of POP3 and IMAP,
//! SCRAM keys beside it. Passwords are prepared with SASLprep (RFC 4013) on both sides, so that one typed
//! composed and one typed decomposed are the same. Salts are the caller's; checks take constant time.

use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::base::account::{Credential, ScramKeys};
use crate::base::settings::PasswordCost;
use crate::base::{Error, ErrorKind, Result, Secret};

/// Octets of a salt.
pub const SALT_OCTETS: usize = 16;

/// Makes the credential of a password. `salts` are fresh random octets: one half for each scheme.
/// Takes as long as `cost` says: to be run off the tasks.
pub fn make(password: &Secret, salts: &[u8; 2 * SALT_OCTETS], cost: PasswordCost) -> Result<Credential> {
    if password.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "a password must not be empty"));
    }
    let prepared = prepare(password);
    let (salt, scram_salt) = salts.split_at(SALT_OCTETS);
    let broken = |e: &dyn std::fmt::Display| Error::new(ErrorKind::Invalid, format!("password cost: {e}"));
    let params = Params::new(cost.argon2_kib, cost.argon2_passes, 1, Some(32)).map_err(|e| broken(&e))?;
    let salt = SaltString::encode_b64(salt).map_err(|e| broken(&e))?;
    let mut octets = [0; Salt::RECOMMENDED_LENGTH];
    let raw = salt.decode_b64(&mut octets).map_err(|e| broken(&e))?;
    let output = argon2id(prepared.expose(), raw, &params)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|e| broken(&e))?,
        salt: Some(salt.as_salt()),
        hash: Some(Output::new(&output).map_err(|e| broken(&e))?),
    };
    let argon2id = hash.to_string();
    let scram_sha_256 = scram_keys(&prepared, scram_salt, cost.scram_iterations);
    Ok(Credential { argon2id, scram_sha_256 })
}

/// Whether `password` is the one the credential was made from. As slow as the credential's own cost. `Memory` where
/// there is not enough for it.
pub fn check(credential: &Credential, password: &Secret) -> Result<bool> {
    let prepared = prepare(password);
    let Ok(hash) = PasswordHash::new(&credential.argon2id) else { return Ok(false) };
    let mut octets = [0; Salt::MAX_LENGTH];
    let salt = hash.salt.and_then(|salt| salt.decode_b64(&mut octets).ok());
    let (Ok(params), Some(salt), Some(kept)) = (Params::try_from(&hash), salt, hash.hash) else { return Ok(false) };
    match argon2id(prepared.expose(), salt, &params) {
        Ok(output) => Ok(same(kept.as_bytes(), &output)),
        Err(e) if e.kind() == ErrorKind::Memory => Err(e),
        Err(_) => Ok(false),
    }
}

/// What the check of a credential costs; `None` where it cannot be read.
pub fn cost(credential: &Credential) -> Option<PasswordCost> {
    cost_of(credential.argon2id.split('$').nth(3)?, credential.scram_sha_256.iterations)
}

/// The same of a text like `m=8,t=1,p=1 4096`: parameters of Argon2id, rounds of SCRAM.
pub fn cost_of_text(text: &str) -> Option<PasswordCost> {
    let (params, iterations) = text.rsplit_once(' ')?;
    cost_of(params, iterations.parse().ok()?)
}

fn cost_of(params: &str, scram_iterations: u32) -> Option<PasswordCost> {
    let number = |name: &str, text: Option<&str>| text?.strip_prefix(name)?.parse().ok();
    let mut params = params.split(',');
    let (argon2_kib, argon2_passes) = (number("m=", params.next())?, number("t=", params.next())?);
    Some(PasswordCost { argon2_kib, argon2_passes, scram_iterations })
}

/// Argon2id in memory of its own. glibc keeps what was freed for the next time, unless it was more than 32 MiB: that
/// goes back to the system at once. So room for that much is asked for, and only what is needed is ever touched. Where
/// there is no room for so much, what is needed must do; where there is none for that, `Memory`.
fn argon2id(password: &[u8], salt: &[u8], params: &Params) -> Result<[u8; 32]> {
    const ALWAYS_GIVEN_BACK_BLOCKS: usize = 33 * 1024;
    let blocks = params.block_count();
    let mut memory: Vec<Block> = Vec::new();
    let most = blocks.max(ALWAYS_GIVEN_BACK_BLOCKS);
    memory.try_reserve_exact(most).or_else(|_| memory.try_reserve_exact(blocks)).map_err(|_| {
        Error::new(ErrorKind::Memory, format!("no {} KiB of memory to hash a password in", params.m_cost()))
    })?;
    memory.resize(blocks, Block::default());
    let mut output = [0; 32];
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let hashed = hasher.hash_password_into_with_memory(password, salt, &mut output, &mut memory);
    hashed.map_err(|e| Error::new(ErrorKind::Invalid, format!("password cost: {e}")))?;
    Ok(output)
}

/// Does the work of [`check`] for a user that does not exist, so that time tells nothing. `Memory` as [`check`].
pub fn check_nobody(password: &Secret, cost: PasswordCost) -> Result<()> {
    let Ok(params) = Params::new(cost.argon2_kib, cost.argon2_passes, 1, Some(32)) else { return Ok(()) };
    match argon2id(prepare(password).expose(), &[0; SALT_OCTETS], &params) {
        Err(e) if e.kind() == ErrorKind::Memory => Err(e),
        // The result is of no use to anybody.
        computed => {
            std::hint::black_box(computed.is_ok());
            Ok(())
        }
    }
}

/// Keys for a user that does not exist: always the same ones for the same name, and nobody's proof fits them.
pub fn decoy(user: &str, secret: &[u8; 32], cost: PasswordCost) -> ScramKeys {
    let part = |label: &[u8]| hmac_sha_256(secret, &[label, user.as_bytes()]);
    ScramKeys {
        salt: part(b"salt").get(..SALT_OCTETS).unwrap_or_default().to_vec(),
        iterations: cost.scram_iterations,
        stored_key: part(b"stored key"),
        server_key: part(b"server key"),
    }
}

/// SCRAM keys of a password that somebody else keeps. Takes as long as `iterations` say: to be run off the tasks.
pub fn keys_of(password: &Secret, salt: &[u8], iterations: u32) -> ScramKeys {
    scram_keys(&prepare(password), salt, iterations)
}

/// SCRAM keys of a prepared password (RFC 5802 §3).
fn scram_keys(prepared: &Secret, salt: &[u8], iterations: u32) -> ScramKeys {
    let salted = salted_password(prepared, salt, iterations);
    let client_key = hmac_sha_256(&salted, &[b"Client Key"]);
    ScramKeys {
        salt: salt.to_vec(),
        iterations,
        stored_key: Sha256::digest(client_key).into(),
        server_key: hmac_sha_256(&salted, &[b"Server Key"]),
    }
}

/// `Hi(password, salt, i)`.
pub(super) fn salted_password(prepared: &Secret, salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut out = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(prepared.expose(), salt, iterations, &mut out);
    out
}

/// SASLprep where the password allows it. One that does not (control characters, no UTF-8) stays as it is:
/// it serves PLAIN all the same, and clients that insist on SASLprep cannot send it anyhow.
pub(super) fn prepare(password: &Secret) -> Secret {
    match password.expose_str().map(stringprep::saslprep) {
        Some(Ok(prepared)) if !prepared.is_empty() => Secret::new(prepared.as_bytes()),
        _ => password.clone(),
    }
}

/// HMAC-SHA-256 of the joined parts.
pub fn hmac_sha_256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length: the error of the trait's constructor cannot come.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Whether two values are the same, in time that does not depend on where they differ.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The least cost there is.
    pub(crate) const CHEAP: PasswordCost = PasswordCost { argon2_kib: 8, argon2_passes: 1, scram_iterations: 4096 };

    fn made(password: &str) -> Credential {
        make(&Secret::new(password), &[9; 32], CHEAP).unwrap()
    }

    #[test]
    fn the_right_password_checks() {
        let credential = made("pencil");
        assert!(check(&credential, &Secret::new("pencil")).unwrap());
        for wrong in ["", "Pencil", "pencil ", "pencil\0"] {
            assert!(!check(&credential, &Secret::new(wrong)).unwrap(), "{wrong:?}");
        }
        assert!(credential.argon2id.starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
        assert_eq!(make(&Secret::new(""), &[9; 32], CHEAP).unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn saslprep_joins_spellings() {
        // Composed and decomposed, and a soft hyphen that maps to nothing.
        let credential = made("caf\u{e9}");
        assert!(check(&credential, &Secret::new("cafe\u{301}")).unwrap());
        assert!(check(&credential, &Secret::new("ca\u{ad}f\u{e9}")).unwrap());
        assert!(!check(&credential, &Secret::new("cafe")).unwrap());
    }

    #[test]
    fn passwords_saslprep_refuses_still_work() {
        let odd = Secret::new(b"\xff\x01".to_vec());
        let credential = make(&odd, &[9; 32], CHEAP).unwrap();
        assert!(check(&credential, &odd).unwrap());
        assert!(!check(&credential, &Secret::new(b"\xff\x02".to_vec())).unwrap());
    }

    #[test]
    fn a_broken_hash_never_checks() {
        let credential = Credential { argon2id: "nonsense".to_owned(), ..made("x") };
        assert!(!check(&credential, &Secret::new("x")).unwrap());
    }

    #[test]
    fn the_cost_is_read_from_a_credential() {
        let read = cost(&made("x")).unwrap();
        assert_eq!((read.argon2_kib, read.argon2_passes, read.scram_iterations), (8, 1, 4096));
        assert!(cost(&Credential { argon2id: "nonsense".to_owned(), ..made("x") }).is_none());
    }

    #[test]
    fn decoys_are_steady() {
        let keys = decoy("bob", &[1; 32], CHEAP);
        assert_eq!(keys, decoy("bob", &[1; 32], CHEAP));
        assert_ne!(keys.salt, decoy("rob", &[1; 32], CHEAP).salt);
        assert_eq!((keys.salt.len(), keys.iterations), (SALT_OCTETS, 4096));
    }

    #[test]
    fn same_compares() {
        assert!(same(b"", b"") && same(b"ab", b"ab"));
        assert!(!same(b"ab", b"ac") && !same(b"ab", b"abc"));
    }
}
