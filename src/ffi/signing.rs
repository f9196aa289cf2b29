//! Signatures without an engine: a message and a key are enough.

use std::ffi::{c_char, c_void};

use super::buf::mailcore_buf;
use super::error::mailcore_error;
use super::object::{self, mailcore_resolver};
use super::panic::wall;
use super::record::{self, Record};
use super::result::{Failure, MAILCORE_E_UNSUPPORTED, MAILCORE_E_VERSION};
use super::text::{give_buf, needed, octets, optional};
use super::verdict::{MAILCORE_RESULT_FAIL, MAILCORE_RESULT_NONE, MAILCORE_RESULT_PASS};
use crate::base::Timestamp;
use crate::engine::signing::{self, Found, SignerOptions};
use crate::mailauth::results::{ArcResult, AuthenticationResults};

/// mailcore_signer.algorithm: rsa-sha256 (RFC 6376).
pub const MAILCORE_ALGORITHM_RSA_SHA256: u32 = 1;
/// mailcore_signer.algorithm: ed25519-sha256 (RFC 8463).
pub const MAILCORE_ALGORITHM_ED25519_SHA256: u32 = 2;

/// Who signs a message, and how. Set it up with MAILCORE_SIGNER_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_signer {
    /// sizeof(mailcore_signer), set by MAILCORE_SIGNER_INIT.
    pub struct_size: u32,
    /// What the key must be for, one of MAILCORE_ALGORITHM_; 0 for any.
    pub algorithm: u32,
    /// The signing domain, "example.org"; needed.
    pub domain: *const c_char,
    /// The key's name in DNS, "s1" for s1._domainkey.example.org; needed.
    pub selector: *const c_char,
    /// The private key: PEM (PKCS #1 or PKCS #8), or the base64 of an Ed25519 seed (32 bytes); needed.
    pub key: *const c_char,
    /// How much the message may change on its way, header/body: "relaxed/relaxed", "simple/simple", "relaxed/simple",
    /// "simple/relaxed". One word is for the header, and the body is "simple" then (RFC 6376 §3.5). NULL for
    /// relaxed/relaxed. Not for seals.
    pub canonicalization: *const c_char,
    /// Names of the fields to sign, "From:To:Subject"; a name given twice also forbids that another field of
    /// that name is added. NULL for all fields that readers look at. Not for seals.
    pub headers: *const c_char,
    /// The user or agent the signature is for (i=), "@sales.example.org"; NULL for the domain. Not for seals.
    pub identity: *const c_char,
    /// Our name in Authentication-Results, for seals only; NULL for that in results, or the domain.
    pub authserv_id: *const c_char,
    /// The time of the signature, in ms since 1970; 0 for now.
    pub time_ms: i64,
    /// What was found when the message came in, as Authentication-Results has it ("mx.example.org; spf=pass"), such as
    /// mailcore_verdicts.results; NULL for what the message's Authentication-Results fields of authserv_id say. For
    /// seals only.
    pub results: *const c_char,
    /// The result of the chain when the message came in: MAILCORE_RESULT_PASS or MAILCORE_RESULT_FAIL; 0 to check it
    /// now. A program that changes the message must check it before. For seals only.
    pub chain: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: numbers and pointers, which may be NULL.
unsafe impl Record for mailcore_signer {
    const NAME: &'static str = "mailcore_signer";
}

/// Signs a message (DKIM, RFC 6376).
///
/// [nowait] Gives the DKIM-Signature field, to be put in front of the message; its line ends are those of the
/// message's first line. A message with LF line ends, as in files, is signed as it will travel, with CRLF. The
/// message is read once and not copied.
///
/// @param signer  who signs, and how; needed
/// @param message  header, empty line, body
/// @param len  length of the message in bytes
/// @param field  takes the field, to be freed with mailcore_buf_free(), or NULL
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID (a key of another kind, or
/// not a name), MAILCORE_E_UNSUPPORTED, MAILCORE_E_NOMEM
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_dkim_sign(
    signer: *const mailcore_signer,
    message: *const c_void,
    len: usize,
    field: *mut mailcore_buf,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller gives NULL or a struct with its size and texts.
        let options = unsafe { record::read(signer).and_then(|signer| read(&signer)) }?;
        // SAFETY: the caller's octets.
        let message = unsafe { octets(message.cast(), len, "message") }?;
        supported()?;
        let signed = signing::dkim_sign(message, &options)?;
        // SAFETY: the caller's output.
        unsafe { give_buf(field, &signed) }?;
        Ok(0)
    })
}

/// Seals a message that is passed on (ARC, RFC 8617): says what was found when it came, and signs that.
///
/// [wait] Gives the three fields of the next set, to be put in front of the outgoing message; their line ends are
/// those of its first line. The message's chain is checked, unless signer.chain has its result from when the message
/// came in. The set contains signer.results, or the content of the message's Authentication-Results fields of
/// signer.authserv_id, with the result of the chain. A broken chain is sealed as such (cv=fail), once.
///
/// @param resolver  where names are looked up
/// @param signer  who seals; needed
/// @param message  header, empty line, body
/// @param len  length of the message in bytes
/// @param fields  takes the fields, to be freed with mailcore_buf_free(), or NULL
/// @param err  takes what went wrong, or NULL
/// @returns 1, or 0 where there is nothing to add (an earlier server found the chain broken, or it has its greatest
/// length; fields are empty then), or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8,
/// MAILCORE_E_INVALID (a key of another kind, or not a name), MAILCORE_E_UNSUPPORTED, MAILCORE_E_INTERRUPTED,
/// MAILCORE_E_NOMEM
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_arc_seal(
    resolver: mailcore_resolver,
    signer: *const mailcore_signer,
    message: *const c_void,
    len: usize,
    fields: *mut mailcore_buf,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::resolver(resolver)?;
        // SAFETY: the caller gives NULL or a struct with its size and texts.
        let (options, found) =
            unsafe { record::read(signer).and_then(|signer| Ok((read(&signer)?, read_found(&signer)?))) }?;
        // SAFETY: the caller's octets.
        let message = unsafe { octets(message.cast(), len, "message") }?;
        supported()?;
        let set = signing::arc_seal(&seat.checker, message, &options, &found)?;
        // SAFETY: the caller's output.
        unsafe { give_buf(fields, set.as_deref().unwrap_or_default()) }?;
        Ok(i32::from(set.is_some()))
    })
}

/// # Safety
/// The pointers in `signer` are NULL or what its documentation says.
unsafe fn read(signer: &mailcore_signer) -> Result<SignerOptions, Failure> {
    // SAFETY: the caller's promise.
    let (domain, selector, key) =
        unsafe { (needed(signer.domain, "domain")?, needed(signer.selector, "selector")?, needed(signer.key, "key")?) };
    // SAFETY: the caller's promise.
    let (canonicalization, headers, identity) = unsafe {
        (
            optional(signer.canonicalization, "canonicalization")?,
            optional(signer.headers, "headers")?,
            optional(signer.identity, "identity")?,
        )
    };
    if signer.reserved != 0 {
        return Err(Failure::new(MAILCORE_E_VERSION, "mailcore_signer: reserved is not zero".to_owned()));
    }
    let algorithm = match signer.algorithm {
        0 => None,
        MAILCORE_ALGORITHM_RSA_SHA256 => Some("rsa-sha256"),
        MAILCORE_ALGORITHM_ED25519_SHA256 => Some("ed25519-sha256"),
        other => return Err(Failure::invalid(format!("algorithm {other} is none"))),
    };
    let simple = canonicalizations(canonicalization.unwrap_or("relaxed/relaxed"))?;
    Ok(SignerOptions {
        domain: domain.to_owned(),
        selector: selector.to_owned(),
        key: key.as_bytes().to_vec(),
        algorithm,
        simple,
        fields: headers.map(|names| names.split(':').map(|name| name.trim().to_owned()).collect()),
        identity: identity.map(str::to_owned),
        now: (signer.time_ms != 0).then_some(Timestamp(signer.time_ms)),
    })
}

/// # Safety
/// The pointers in `signer` are NULL or what its documentation says.
unsafe fn read_found(signer: &mailcore_signer) -> Result<Found, Failure> {
    // SAFETY: the caller's promise.
    let (authserv_id, results) =
        unsafe { (optional(signer.authserv_id, "authserv_id")?, optional(signer.results, "results")?) };
    let authserv_id = authserv_id.filter(|name| !name.is_empty()).map(str::to_owned);
    let chain = match signer.chain {
        MAILCORE_RESULT_NONE => None,
        MAILCORE_RESULT_PASS => Some(ArcResult::Pass),
        MAILCORE_RESULT_FAIL => Some(ArcResult::Fail),
        other => return Err(Failure::invalid(format!("chain {other} is neither pass nor fail"))),
    };
    let parse = |text: &str| {
        let results = AuthenticationResults::parse(text.as_bytes());
        results.ok_or_else(|| Failure::invalid(format!("results {text:?} do not begin with who checked")))
    };
    Ok(Found { authserv_id, chain, results: results.map(parse).transpose()? })
}

/// Whether header and body are simple.
fn canonicalizations(text: &str) -> Result<(bool, bool), Failure> {
    let (header, body) = text.split_once('/').unwrap_or((text, "simple"));
    let one = |word: &str| match word {
        "simple" => Ok(true),
        "relaxed" => Ok(false),
        _ => Err(Failure::invalid(format!("canonicalization {text:?}: {word:?} is neither simple nor relaxed"))),
    };
    Ok((one(header)?, one(body)?))
}

/// Keys are OpenSSL's, which a build has on Linux and BSD.
pub(super) fn supported() -> Result<(), Failure> {
    match cfg!(any(windows, target_vendor = "apple")) {
        true => Err(Failure::plain(MAILCORE_E_UNSUPPORTED)),
        false => Ok(()),
    }
}
