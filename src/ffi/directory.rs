//! The directory as one document: domains with their settings, accounts, aliases, groups.

use std::ffi::c_char;

use super::buf::mailcore_buf;
use super::error::mailcore_error;
use super::object::{self, mailcore_engine};
use super::panic::wall;
use super::result::Failure;
use super::text::{give, give_buf, needed};
use crate::engine::accounts::Apply;

/// For mailcore_directory_apply(): change nothing, only tell what would change.
pub const MAILCORE_DIRECTORY_DRY_RUN: u32 = 1;
/// For mailcore_directory_apply(): remove domains, aliases and groups that the document does not name.
pub const MAILCORE_DIRECTORY_WHOLE: u32 = 2;

/// Gives domains with their settings, accounts, aliases and groups as one JSON document. docs/directory.md lists the
/// members.
///
/// [disk] Passwords are not in it. Free the document with mailcore_buf_free().
///
/// @param engine  the engine
/// @param json  takes the document; needed
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_NOMEM, MAILCORE_E_STORE,
/// MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_directory_export(
    engine: mailcore_engine,
    json: *mut mailcore_buf,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(json, mailcore_buf::EMPTY) };
        let seat = object::engine(engine)?;
        if json.is_null() {
            return Err(Failure::null("json"));
        }
        let exported = seat.run(seat.engine.directory_export())?;
        // SAFETY: the caller's output.
        unsafe { give_buf(json, exported.as_bytes()) }?;
        Ok(0)
    })
}

/// Changes domains with their settings, accounts, aliases and groups by one JSON document: all of it, or nothing.
///
/// [disk] The document has the members of an exported one, those that are to be changed; null removes a domain, an
/// alias or a group. Where it has a version, the directory must still be of that version. Accounts are made and their
/// quotas set; none is removed. docs/directory.md lists the members.
///
/// @param engine  the engine
/// @param document  the document
/// @param flags  MAILCORE_DIRECTORY_DRY_RUN, MAILCORE_DIRECTORY_WHOLE, both, or 0
/// @param json  takes what changes, as JSON; free it with mailcore_buf_free(); NULL where it is not wanted
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID (with the place),
/// MAILCORE_E_STATE (another version; a domain with accounts), MAILCORE_E_EXISTS, MAILCORE_E_NOT_FOUND,
/// MAILCORE_E_LIMIT, MAILCORE_E_NOMEM, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_directory_apply(
    engine: mailcore_engine,
    document: *const c_char,
    flags: u32,
    json: *mut mailcore_buf,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(json, mailcore_buf::EMPTY) };
        let seat = object::engine(engine)?;
        // SAFETY: the caller's text.
        let document = unsafe { needed(document, "document") }?;
        if flags & !(MAILCORE_DIRECTORY_DRY_RUN | MAILCORE_DIRECTORY_WHOLE) != 0 {
            return Err(Failure::invalid(format!("flags {flags}: there are only 1 and 2")));
        }
        let (dry, whole) = (flags & MAILCORE_DIRECTORY_DRY_RUN != 0, flags & MAILCORE_DIRECTORY_WHOLE != 0);
        let told = seat.run(seat.engine.directory_apply(document, Apply { dry, whole }))?;
        if !json.is_null() {
            // SAFETY: the caller's output.
            unsafe { give_buf(json, told.as_bytes()) }?;
        }
        Ok(0)
    })
}
