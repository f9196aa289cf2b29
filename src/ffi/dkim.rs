//! The keys that outgoing mail is signed with.

use std::ffi::{CString, c_char, c_void};
use std::sync::Arc;

use super::buf::mailcore_buf;
use super::error::mailcore_error;
use super::object::{self, mailcore_engine};
use super::panic::wall;
use super::result::Failure;
use super::signing::{MAILCORE_ALGORITHM_ED25519_SHA256, MAILCORE_ALGORITHM_RSA_SHA256, supported};
use super::text::{give_buf, needed, optional};
use crate::base::limits::DKIM_SIGNATURE_OCTETS_MAX;
use crate::base::{Error, ErrorKind, Result as Outcome, Secret};
use crate::engine::dkim::{Algorithm, ExternalKey};

/// A key that waits for its record to be seen in DNS.
pub const MAILCORE_DKIM_PENDING: u32 = 0;
/// A key that signs.
pub const MAILCORE_DKIM_ACTIVE: u32 = 1;
/// A key that no longer signs, but whose record must stay in DNS for a while.
pub const MAILCORE_DKIM_PUBLISHED: u32 = 2;
/// A key whose record may be removed from DNS.
pub const MAILCORE_DKIM_RETIRED: u32 = 3;

/// Signs with a key that the program holds, as in an HSM.
///
/// Called on a thread of the engine that holds no lock. It may block; other mail then waits for its signature. The
/// texts are valid until it returns.
///
/// - domain, selector: the key's name
/// - digest: 32 bytes, the SHA-256 of what is signed. For MAILCORE_ALGORITHM_RSA_SHA256 the signature is
///   RSASSA-PKCS1-v1_5 over the DigestInfo of it; for MAILCORE_ALGORITHM_ED25519_SHA256 it is Ed25519 over the 32
///   bytes
/// - signature, size: takes the signature; its room in bytes
/// - user: what mailcore_dkim_set_hook() was given
///
/// Returns the length of the signature in bytes; 0 or less when there is none: the mail is then refused for now.
pub type mailcore_sign_hook = Option<
    unsafe extern "C" fn(
        domain: *const c_char,
        selector: *const c_char,
        digest: *const u8,
        signature: *mut u8,
        size: usize,
        user: *mut c_void,
    ) -> i32,
>;

/// Gives a key that mail of a domain is signed with, or removes one.
///
/// [disk] The key signs from now on, in place of the domain's active key of the same algorithm; the record of that one
/// must stay in DNS for a week. An RSA key and an Ed25519 key sign side by side. Keys are kept in the store. Mail of a
/// subdomain is signed too, unless the subdomain has a key of its own.
///
/// @param engine  the engine
/// @param domain  the domain that signs: that of From
/// @param selector  the key's name: its record stands at selector._domainkey.domain
/// @param key_pem  the private key, PEM (PKCS#1 or PKCS#8), or the base64 of an Ed25519 seed; empty for the key of that
/// name that mailcore_dkim_generate() made, which then need not be seen in DNS; NULL to remove the key
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID (no domain, no selector, no
/// key, one that is too short), MAILCORE_E_NOT_FOUND (no key of that name), MAILCORE_E_STATE (retired),
/// MAILCORE_E_LIMIT, MAILCORE_E_STORE,
/// MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED,
/// MAILCORE_E_UNSUPPORTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_dkim_set(
    engine: mailcore_engine,
    domain: *const c_char,
    selector: *const c_char,
    key_pem: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        supported()?;
        // SAFETY: the caller's texts.
        let (domain, selector, key) =
            unsafe { (needed(domain, "domain")?, needed(selector, "selector")?, optional(key_pem, "key_pem")?) };
        match key {
            Some("") => seat.run(seat.engine.dkim_activate(domain, selector))?,
            Some(key) => seat.run(seat.engine.dkim_set(domain, selector, &Secret::new(key)))?,
            None => seat.run(seat.engine.dkim_remove(domain, selector))?,
        }
        Ok(0)
    })
}

/// Makes a key for a domain. It signs when its record is seen in DNS; from then on the previous key no longer signs,
/// and the record of that one must stay for a week.
///
/// [disk] MAILCORE_LIST_DKIM_KEYS lists the state of each key. mailcore_dkim_set() with an empty key does not wait
/// for DNS.
///
/// @param engine  the engine
/// @param domain  the domain that signs
/// @param selector  a name that has no key yet
/// @param algorithm  MAILCORE_ALGORITHM_RSA_SHA256 (2048 bits) or MAILCORE_ALGORITHM_ED25519_SHA256
/// @param dns_txt  takes the text of the TXT record to publish at selector._domainkey.domain, or NULL
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_EXISTS,
/// MAILCORE_E_LIMIT, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED,
/// MAILCORE_E_UNSUPPORTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_dkim_generate(
    engine: mailcore_engine,
    domain: *const c_char,
    selector: *const c_char,
    algorithm: u32,
    dns_txt: *mut mailcore_buf,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        supported()?;
        // SAFETY: the caller's texts.
        let (domain, selector) = unsafe { (needed(domain, "domain")?, needed(selector, "selector")?) };
        let algorithm = algorithm_of(algorithm)?;
        let record = seat.run(seat.engine.dkim_generate(domain, selector, algorithm))?;
        // SAFETY: the caller's output.
        unsafe { give_buf(dns_txt, record.as_bytes()) }?;
        Ok(0)
    })
}

/// Signs with a key that only the program can use: in an HSM, a TPM or another process.
///
/// [disk] Lasts until the engine is closed or mailcore_dkim_set() with NULL removes it; it is not kept. `sign` and what
/// `user` points to must be valid until the engine is closed.
///
/// @param engine  the engine
/// @param domain  the domain that signs
/// @param selector  the key's name, whose record stands in DNS
/// @param algorithm  MAILCORE_ALGORITHM_RSA_SHA256 or MAILCORE_ALGORITHM_ED25519_SHA256
/// @param sign  makes the signatures
/// @param user  given to `sign`; may be NULL
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_STORE,
/// MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED,
/// MAILCORE_E_UNSUPPORTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_dkim_set_hook(
    engine: mailcore_engine,
    domain: *const c_char,
    selector: *const c_char,
    algorithm: u32,
    sign: mailcore_sign_hook,
    user: *mut c_void,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        supported()?;
        // SAFETY: the caller's texts.
        let (domain, selector) = unsafe { (needed(domain, "domain")?, needed(selector, "selector")?) };
        let algorithm = algorithm_of(algorithm)?;
        let sign = sign.ok_or_else(|| Failure::null("sign"))?;
        let text = |text: &str| CString::new(text).map_err(|_| Failure::invalid("a name with a NUL".to_owned()));
        let key = HostKey { sign, user: User(user), domain: text(domain)?, selector: text(selector)? };
        seat.run(seat.engine.dkim_external(domain, selector, algorithm, Arc::new(key)))?;
        Ok(0)
    })
}

fn algorithm_of(number: u32) -> Result<Algorithm, Failure> {
    match number {
        MAILCORE_ALGORITHM_RSA_SHA256 => Ok(Algorithm::RsaSha256),
        MAILCORE_ALGORITHM_ED25519_SHA256 => Ok(Algorithm::Ed25519Sha256),
        other => Err(Failure::invalid(format!("algorithm {other}"))),
    }
}

/// An algorithm as C knows it.
pub(super) fn number_of(algorithm: Algorithm) -> u32 {
    match algorithm {
        Algorithm::RsaSha256 => MAILCORE_ALGORITHM_RSA_SHA256,
        Algorithm::Ed25519Sha256 => MAILCORE_ALGORITHM_ED25519_SHA256,
    }
}

/// What the program passed; passed back to it unread.
struct User(*mut c_void);

// SAFETY: the host promises in mailcore_dkim_set_hook() that its pointer may be used from the engine's threads.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

/// A key that the program signs with.
struct HostKey {
    sign: unsafe extern "C" fn(*const c_char, *const c_char, *const u8, *mut u8, usize, *mut c_void) -> i32,
    user: User,
    domain: CString,
    selector: CString,
}

impl ExternalKey for HostKey {
    fn sign(&self, digest: &[u8; 32]) -> Outcome<Vec<u8>> {
        let mut signature = vec![0; DKIM_SIGNATURE_OCTETS_MAX];
        let (domain, selector) = (self.domain.as_ptr(), self.selector.as_ptr());
        // SAFETY: the host's function, given texts, 32 octets and room of this size, which outlive the call.
        let len = unsafe {
            (self.sign)(domain, selector, digest.as_ptr(), signature.as_mut_ptr(), signature.len(), self.user.0)
        };
        match usize::try_from(len) {
            Ok(len) if (1..=signature.len()).contains(&len) => {
                signature.truncate(len);
                Ok(signature)
            }
            _ => Err(Error::new(ErrorKind::State, format!("the host's key says {len}"))),
        }
    }
}
