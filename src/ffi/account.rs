//! Accounts, aliases, domains.

use std::ffi::c_char;
use std::sync::Arc;

use super::engine::EngineSeat;
use super::error::mailcore_error;
use super::object::{self, Object, mailcore_account, mailcore_engine};
use super::panic::wall;
use super::result::Failure;
use super::text::{give, needed, optional};
use crate::base::{AccountId, Secret};

/// An account and the engine it belongs to.
pub(crate) struct AccountSeat {
    pub engine: Arc<EngineSeat>,
    pub id: AccountId,
    pub address: String,
}

/// Makes an account, or gives one a new password.
///
/// [disk] A new account has INBOX, Drafts, Sent, Junk, Trash and Archive; its domain becomes local.
///
/// @param engine  the engine
/// @param address  "alice@example.org": also its login name
/// @param password  its password; NULL for an account that nobody can log in to
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_STORE,
/// MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_account_put(
    engine: mailcore_engine,
    address: *const c_char,
    password: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's texts.
        let (address, password) = unsafe { (needed(address, "address")?, optional(password, "password")?) };
        let password = password.map(Secret::new);
        seat.run(seat.engine.account_put(address, password.as_ref()))?;
        Ok(0)
    })
}

/// Opens an account, for its mailboxes.
///
/// [disk]
///
/// @param engine  the engine
/// @param address  its address
/// @param account  takes the handle; needed. 0 after a failure
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_account_open(
    engine: mailcore_engine,
    address: *const c_char,
    account: *mut mailcore_account,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(account, 0) };
        let seat = object::engine(engine)?;
        // SAFETY: the caller's text.
        let address = unsafe { needed(address, "address") }?;
        if account.is_null() {
            return Err(Failure::null("account"));
        }
        let found = seat.run(seat.engine.account(address))?;
        let opened = AccountSeat { engine: seat, id: found.id, address: found.address.to_string() };
        let handle = object::hold(Object::Account(opened.into()))?;
        // SAFETY: the caller's output.
        unsafe { give(account, handle) };
        Ok(0)
    })
}

/// Deletes an account with all its mail.
///
/// [disk]
///
/// @param engine  the engine
/// @param address  its address
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND,
/// MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_account_delete(
    engine: mailcore_engine,
    address: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's text.
        let address = unsafe { needed(address, "address") }?;
        seat.run(seat.engine.account_delete(address))?;
        Ok(0)
    })
}

/// Checks a password, as a login would.
///
/// [disk] Takes as long as hashing a password: some tens of milliseconds.
///
/// @param engine  the engine
/// @param address  the account's address
/// @param password  what to check
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_LOGIN (no such account, or another password), MAILCORE_E_HANDLE, MAILCORE_E_NULL,
/// MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_account_check(
    engine: mailcore_engine,
    address: *const c_char,
    password: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's texts.
        let (address, password) = unsafe { (needed(address, "address")?, needed(password, "password")?) };
        seat.run(seat.engine.account_check(address, &Secret::new(password)))?;
        Ok(0)
    })
}

/// Adds a target to an alias, or removes the alias.
///
/// [disk]
///
/// @param engine  the engine
/// @param pattern  "sales@example.org", or "@example.org" for every address there that has no account
/// @param target  an address here or elsewhere; NULL removes the alias with all its targets
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND,
/// MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_alias_put(
    engine: mailcore_engine,
    pattern: *const c_char,
    target: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's texts.
        let (pattern, target) = unsafe { (needed(pattern, "pattern")?, optional(target, "target")?) };
        match target {
            Some(target) => seat.run(seat.engine.alias_put(pattern, target))?,
            None => seat.run(seat.engine.alias_delete(pattern))?,
        }
        Ok(0)
    })
}

/// Makes a domain local: this server takes mail for it.
///
/// [disk] Making an account does so too; this is for domains that have aliases only. A domain that is local already
/// is no error.
///
/// @param engine  the engine
/// @param domain  "example.org"
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_STORE,
/// MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_domain_put(
    engine: mailcore_engine,
    domain: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's text.
        let domain = unsafe { needed(domain, "domain") }?;
        seat.run(seat.engine.domain_put(domain))?;
        Ok(0)
    })
}

/// Makes a domain foreign again: mail for it goes to its own server.
///
/// [disk]
///
/// @param engine  the engine
/// @param domain  "example.org"
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND,
/// MAILCORE_E_STATE (it has accounts), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_domain_delete(
    engine: mailcore_engine,
    domain: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's text.
        let domain = unsafe { needed(domain, "domain") }?;
        seat.run(seat.engine.domain_delete(domain))?;
        Ok(0)
    })
}
