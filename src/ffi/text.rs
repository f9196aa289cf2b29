//! What comes in from C: texts, octets; what goes out: values behind pointers.
//!
//! Texts must be UTF-8 and are never repaired. Outputs are written through these functions only, so that a
//! NULL means "not wanted" everywhere.

use std::ffi::{CStr, c_char};

use super::buf::mailcore_buf;
use super::result::{Failure, MAILCORE_E_UTF8};

/// A text that must be there. `what` names it in the error.
///
/// # Safety
/// `text` is NULL or ends in NUL and stays unchanged for `'a`.
pub(crate) unsafe fn needed<'a>(text: *const c_char, what: &str) -> Result<&'a str, Failure> {
    // SAFETY: passed on.
    unsafe { optional(text, what) }?.ok_or_else(|| Failure::null(what))
}

/// A text that may be NULL.
///
/// # Safety
/// As for [`needed`].
pub(crate) unsafe fn optional<'a>(text: *const c_char, what: &str) -> Result<Option<&'a str>, Failure> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL; the caller promises the NUL at its end.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str()
        .map(Some)
        .map_err(|e| Failure::new(MAILCORE_E_UTF8, format!("{what} is not UTF-8 (at octet {})", e.valid_up_to())))
}

/// Octets; NULL is allowed for none.
///
/// # Safety
/// `octets` is NULL or points to `len` octets that stay unchanged for `'a`.
pub(crate) unsafe fn octets<'a>(octets: *const u8, len: usize, what: &str) -> Result<&'a [u8], Failure> {
    // SAFETY: passed on.
    unsafe { items(octets, len, what) }
}

/// Values in a row; NULL is allowed for none.
///
/// # Safety
/// `first` is NULL or points to `count` aligned values that stay unchanged for `'a`.
pub(crate) unsafe fn items<'a, T>(first: *const T, count: usize, what: &str) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    if first.is_null() {
        return Err(Failure::null(what));
    }
    if !first.is_aligned() {
        return Err(Failure::invalid(format!("{what} is not aligned")));
    }
    if count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Failure::invalid(format!("{what}: {count} items cannot be in memory")));
    }
    // SAFETY: not NULL, aligned, not larger than an object may be; the caller promises `count` values.
    Ok(unsafe { std::slice::from_raw_parts(first, count) })
}

/// Gives `value` to the caller, where it is wanted.
///
/// # Safety
/// `to` is NULL or may be written.
pub(crate) unsafe fn give<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: not NULL; the caller's promise. It may not be aligned.
        unsafe { to.write_unaligned(value) };
    }
}

/// Gives a copy of `octets` to the caller, where it is wanted.
///
/// # Safety
/// As for [`give`].
pub(crate) unsafe fn give_buf(to: *mut mailcore_buf, octets: &[u8]) -> Result<(), Failure> {
    if !to.is_null() {
        let buf = mailcore_buf::copy_of(octets)?;
        // SAFETY: passed on.
        unsafe { give(to, buf) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::result::{MAILCORE_E_INVALID, MAILCORE_E_NULL};

    #[test]
    fn texts() {
        // SAFETY: literals end in NUL.
        unsafe {
            assert_eq!(needed(c"h\u{e9}".as_ptr(), "name"), Ok("h\u{e9}"));
            assert_eq!(needed(std::ptr::null(), "name").unwrap_err().code, MAILCORE_E_NULL);
            let bad = needed(c"ab\xff".as_ptr(), "name").unwrap_err();
            assert_eq!((bad.code, bad.message.as_str()), (MAILCORE_E_UTF8, "name is not UTF-8 (at octet 2)"));
            assert_eq!(optional(std::ptr::null(), "name"), Ok(None));
        }
    }

    #[test]
    fn items_in_a_row() {
        let numbers = [1u32, 2, 3];
        // SAFETY: pointers to values of ours, or refused before they are read.
        unsafe {
            assert_eq!(items(numbers.as_ptr(), 3, "uids"), Ok(numbers.as_slice()));
            assert_eq!(items::<u32>(std::ptr::null(), 0, "uids"), Ok([].as_slice()));
            assert_eq!(items::<u32>(std::ptr::null(), 1, "uids").unwrap_err().code, MAILCORE_E_NULL);
            assert_eq!(items(numbers.as_ptr(), usize::MAX, "uids").unwrap_err().code, MAILCORE_E_INVALID);
            assert_eq!(items::<u32>(std::ptr::without_provenance(3), 1, "uids").unwrap_err().code, MAILCORE_E_INVALID);
        }
    }
}
