//! Sieve scripts.

use std::ffi::{c_char, c_void};

use super::buf::mailcore_buf;
use super::error::mailcore_error;
use super::object::{self, mailcore_engine};
use super::panic::wall;
use super::result::Failure;
use super::sieve_json::{json_of_list, json_of_outcome};
use super::submit::reverse_path;
use super::text::{give_buf, needed, octets, optional};
use crate::base::{Address, Error, ErrorKind};
use crate::engine::sieve::Trial;

/// Stores a Sieve script (RFC 5228), or removes one.
///
/// [disk] The script is compiled first; where it is wrong, the error's message begins with line and column. A new
/// script of an account is not run before mailcore_sieve_activate(). Of a domain's scripts, and of those for all
/// domains, "before" is run before the active script of each account and "after" behind it; others can be included.
///
/// @param engine  the engine
/// @param owner  address of an account, "@example.org" for a domain, "@" for all domains
/// @param name  the script's name; one of that name is replaced
/// @param script  the script, UTF-8; NULL to remove it
/// @param len  length of the script in bytes, at most 262144
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID (the script, its name, the
/// owner), MAILCORE_E_NOT_FOUND (no such owner, no script to remove), MAILCORE_E_STATE (it is active and cannot be
/// removed), MAILCORE_E_LIMIT (64 scripts are there), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_sieve_set(
    engine: mailcore_engine,
    owner: *const c_char,
    name: *const c_char,
    script: *const c_void,
    len: usize,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's texts.
        let (owner, name) = unsafe { (needed(owner, "owner")?, needed(name, "name")?) };
        if script.is_null() {
            seat.run(seat.engine.script_delete(owner, name))?;
            return Ok(0);
        }
        // SAFETY: the caller's octets.
        let script = unsafe { octets(script.cast(), len, "script") }?;
        seat.run(seat.engine.script_put(owner, name, script))?;
        Ok(0)
    })
}

/// Gives a Sieve script, or the list of them.
///
/// [disk]
///
/// @param engine  the engine
/// @param owner  address of an account, "@example.org" for a domain, "@" for all domains
/// @param name  the script's name; NULL for a list of all: JSON, [{"name": "a", "active": true, "size": 120}]
/// @param script  takes the script, or the list; free it with mailcore_buf_free()
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND (no
/// such owner, no such script), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_sieve_get(
    engine: mailcore_engine,
    owner: *const c_char,
    name: *const c_char,
    script: *mut mailcore_buf,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's texts.
        let (owner, name) = unsafe { (needed(owner, "owner")?, optional(name, "name")?) };
        if script.is_null() {
            return Err(Failure::null("script"));
        }
        let found = match name {
            Some(name) => seat.run(seat.engine.script(owner, name))?.script,
            None => json_of_list(&seat.run(seat.engine.scripts(owner))?).to_string().into_bytes(),
        };
        // SAFETY: the caller's output.
        unsafe { give_buf(script, &found) }?;
        Ok(0)
    })
}

/// Makes a script of an account the one that is run for its mail, in place of the one before.
///
/// [disk]
///
/// @param engine  the engine
/// @param owner  address of an account
/// @param name  the script's name; NULL: none is run
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID (no account: the scripts of
/// domains need no activation), MAILCORE_E_NOT_FOUND (no such account, no such script), MAILCORE_E_STORE,
/// MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_sieve_activate(
    engine: mailcore_engine,
    owner: *const c_char,
    name: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's texts.
        let (owner, name) = unsafe { (needed(owner, "owner")?, optional(name, "name")?) };
        seat.run(seat.engine.script_activate(owner, name))?;
        Ok(0)
    })
}

/// Says what scripts would do with a message, and why. Nothing is done.
///
/// [disk] The answer is a JSON object. "actions" is a list of objects in order: "action" is "keep", "fileinto",
/// "redirect", "reject", "vacation" or "notify"; "line" and "column" say where in "script" it stands ("implicit": true
/// where no script says it); the other members are what the action takes. An empty list: the message is discarded.
/// "error" is null, or an object with "script", "line", "column" and "text" (the message is then kept). "notes" is a
/// list of objects with "script", "line", "column" and "text": what each test found.
///
/// @param engine  the engine
/// @param owner  address of an account
/// @param script  the script; NULL: all that are run for the account's mail now
/// @param script_len  length of the script in bytes
/// @param message  the message
/// @param message_len  length of the message in bytes
/// @param from  the reverse-path; NULL, "" or "<>" for the null reverse-path
/// @param to  the forward-path; NULL for the account's address
/// @param json  takes the answer; free it with mailcore_buf_free()
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID (the script, with line and
/// column; an address), MAILCORE_E_NOT_FOUND (no such account), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN,
/// MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_sieve_test(
    engine: mailcore_engine,
    owner: *const c_char,
    script: *const c_void,
    script_len: usize,
    message: *const c_void,
    message_len: usize,
    from: *const c_char,
    to: *const c_char,
    json: *mut mailcore_buf,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's texts.
        let (owner, from, to) = unsafe { (needed(owner, "owner")?, optional(from, "from")?, optional(to, "to")?) };
        let script = match script.is_null() {
            true => None,
            // SAFETY: the caller's octets.
            false => Some(unsafe { octets(script.cast(), script_len, "script") }?.to_vec()),
        };
        // SAFETY: the caller's octets.
        let message = unsafe { octets(message.cast(), message_len, "message") }?.to_vec();
        if json.is_null() {
            return Err(Failure::null("json"));
        }
        let parse = |to: &str| Address::parse(to).map_err(|e| Error::new(ErrorKind::Invalid, format!("to: {e}")));
        let trial = Trial { script, message, from: reverse_path(from)?, to: to.map(parse).transpose()? };
        let outcome = seat.run(seat.engine.script_test(owner, trial))?;
        // SAFETY: the caller's output.
        unsafe { give_buf(json, json_of_outcome(&outcome).to_string().as_bytes()) }?;
        Ok(0)
    })
}
