//! `mailcore_error`: a struct of the caller that takes what went wrong. Not thread-local, nothing to free.

use std::mem::offset_of;

use super::result::Failure;

/// Why a call failed. The caller owns it and may use it again and again; set it up with MAILCORE_ERROR_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_error {
    /// sizeof(mailcore_error), set by MAILCORE_ERROR_INIT. With 0 here nothing is written.
    pub struct_size: u32,
    /// The code the function returned; 0 after success.
    pub code: i32,
    /// errno of the system call that failed; 0 where there is none.
    pub sys_errno: i32,
    /// Reply code of SMTP: what a session of this server would have answered to a refused message, or what the last
    /// server answered to a delivery that is waited for; 0 where there is none.
    pub smtp_code: i32,
    /// Enhanced status code of that reply as text, "5.1.1"; empty where there is none.
    pub enhanced: [std::ffi::c_char; 12],
    /// One sentence for a person, UTF-8, ends in NUL; cut between characters where it is too long.
    pub message: [std::ffi::c_char; 480],
}

const HEAD: usize = offset_of!(mailcore_error, sys_errno);
const ENHANCED_OCTETS: usize = MESSAGE - offset_of!(mailcore_error, enhanced);
const MESSAGE: usize = offset_of!(mailcore_error, message);

impl mailcore_error {
    /// What MAILCORE_ERROR_INIT makes.
    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        let size = size_of::<Self>() as u32;
        Self { struct_size: size, code: 0, sys_errno: 0, smtp_code: 0, enhanced: [0; 12], message: [0; 480] }
    }

    /// The message as text.
    #[cfg(test)]
    pub(crate) fn message(&self) -> String {
        let octets: Vec<u8> = self.message.iter().map(|c| *c as u8).take_while(|c| *c != 0).collect();
        String::from_utf8(octets).unwrap()
    }
}

/// Empties `*err` after a success.
///
/// # Safety
/// `err` is NULL or points to `struct_size` writable octets, of which the first four hold `struct_size`.
pub(crate) unsafe fn clear(err: *mut mailcore_error) {
    // SAFETY: passed on.
    unsafe { write(err, &Failure::new(0, "")) }
}

/// Tells `*err` about `failure`.
///
/// # Safety
/// As for [`clear`].
pub(crate) unsafe fn fill(err: *mut mailcore_error, failure: &Failure) {
    // SAFETY: passed on.
    unsafe { write(err, failure) }
}

/// Never writes past the caller's `struct_size`, whichever version of the struct the caller knows.
///
/// # Safety
/// As for [`clear`].
unsafe fn write(err: *mut mailcore_error, failure: &Failure) {
    if err.is_null() {
        return;
    }
    // SAFETY: not NULL, and the caller promises at least the first field; it may not be aligned.
    let size = unsafe { err.cast::<u32>().read_unaligned() } as usize;
    if size < HEAD {
        return;
    }
    let size = size.min(size_of::<mailcore_error>());
    let mut octets = [0u8; size_of::<mailcore_error>()];
    let text = cut(&failure.message, size.saturating_sub(MESSAGE + 1));
    let (smtp_code, enhanced) = failure.smtp;
    let enhanced = enhanced.map_or_else(String::new, |enhanced| enhanced.to_string());
    for (at, field) in [
        (offset_of!(mailcore_error, code), failure.code.to_ne_bytes().as_slice()),
        (offset_of!(mailcore_error, sys_errno), failure.errno.to_ne_bytes().as_slice()),
        (offset_of!(mailcore_error, smtp_code), i32::from(smtp_code).to_ne_bytes().as_slice()),
        (offset_of!(mailcore_error, enhanced), cut(&enhanced, ENHANCED_OCTETS - 1).as_bytes()),
        (MESSAGE, text.as_bytes()),
    ] {
        for (to, from) in octets.iter_mut().skip(at).zip(field) {
            *to = *from;
        }
    }
    // SAFETY: both sides have `size` octets; the first field, `struct_size`, is left as the caller set it.
    unsafe {
        let from = octets.as_ptr().add(size_of::<u32>());
        err.cast::<u8>().add(size_of::<u32>()).copy_from_nonoverlapping(from, size - size_of::<u32>());
    }
}

/// The longest beginning of `text` of at most `octets_max` octets that ends between characters, and in front
/// of the first NUL.
pub(crate) fn cut(text: &str, octets_max: usize) -> &str {
    let text = text.split('\0').next().unwrap_or_default();
    let end = (0..=octets_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::result::MAILCORE_E_BUSY;

    #[test]
    fn messages_are_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("é", 1), "");
        assert_eq!(cut("a\0b", 9), "a");
        for len in [478, 479, 480, 481, 2000] {
            let mut err = mailcore_error::empty();
            // SAFETY: a whole struct of ours.
            unsafe { fill(&raw mut err, &Failure::new(MAILCORE_E_BUSY, "x".repeat(len))) };
            assert_eq!(err.message().len(), len.min(479));
            assert_eq!(err.message[479], 0);
        }
    }

    #[test]
    fn nothing_is_written_past_the_callers_size() {
        let whole = size_of::<mailcore_error>();
        for size in [0, 1, 4, 7, 8, 12, 16, 27, 28, 29, 30, 40, whole - 1, whole] {
            let mut octets = vec![0xaau8; whole + 8];
            octets[..4].copy_from_slice(&(size as u32).to_ne_bytes());
            // SAFETY: there are more octets than `size`.
            unsafe { fill(octets.as_mut_ptr().cast(), &Failure::new(MAILCORE_E_BUSY, "ééé")) };
            let end = size.max(4);
            assert!(octets[end..].iter().all(|o| *o == 0xaa), "{size}");
            assert_eq!(octets[..4], (size as u32).to_ne_bytes());
            if size >= 8 {
                assert_eq!(octets[4..8], MAILCORE_E_BUSY.to_ne_bytes());
            }
            if size > MESSAGE {
                let text: Vec<u8> = octets[MESSAGE..size].iter().copied().take_while(|o| *o != 0).collect();
                assert!(text.len() < size - MESSAGE && std::str::from_utf8(&text).is_ok());
            }
        }
    }

    #[test]
    fn codes_and_errno_are_told_and_forgotten() {
        let mut err = mailcore_error::empty();
        let smtp = (550, Some(crate::base::Enhanced::new(5, 1, 1)));
        let failure = Failure { errno: 28, smtp, ..Failure::new(MAILCORE_E_BUSY, "x") };
        // SAFETY: a whole struct of ours.
        unsafe { fill(&raw mut err, &failure) };
        let enhanced: Vec<u8> = err.enhanced.iter().map(|c| *c as u8).take_while(|c| *c != 0).collect();
        assert_eq!((err.sys_errno, err.smtp_code, enhanced.as_slice()), (28, 550, &b"5.1.1"[..]));
        // SAFETY: as above.
        unsafe { clear(&raw mut err) };
        assert_eq!((err.sys_errno, err.smtp_code, err.enhanced), (0, 0, [0; 12]));
    }

    #[test]
    fn a_newer_callers_tail_is_left_alone() {
        let whole = size_of::<mailcore_error>();
        let mut octets = vec![0xaau8; whole + 64];
        octets[..4].copy_from_slice(&(whole as u32 + 64).to_ne_bytes());
        // SAFETY: there are `whole + 64` octets.
        unsafe { clear(octets.as_mut_ptr().cast()) };
        assert!(octets[4..whole].iter().all(|o| *o == 0) && octets[whole..].iter().all(|o| *o == 0xaa));
    }
}
