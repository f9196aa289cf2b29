//! `mailcore_buf`: the one thing that the library allocates for the caller.

use super::panic::wall;
use super::result::{Failure, MAILCORE_E_NOMEM};

/// Bytes that the caller owns and frees with mailcore_buf_free. A NUL follows the last one, so that a text can be
/// used as a C string.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_buf {
    /// The bytes; NULL before first use and after mailcore_buf_free.
    pub data: *mut u8,
    /// How many bytes, without the NUL.
    pub len: usize,
}

impl mailcore_buf {
    /// One that holds nothing and needs no freeing.
    pub const EMPTY: mailcore_buf = mailcore_buf { data: std::ptr::null_mut(), len: 0 };

    /// A copy of `octets`, from malloc: freed rightly even if the caller changes `len`.
    pub(crate) fn copy_of(octets: &[u8]) -> Result<mailcore_buf, Failure> {
        // SAFETY: malloc of a size above 0; the block is written whole before anybody reads it.
        unsafe {
            let data = libc::malloc(octets.len() + 1).cast::<u8>();
            if data.is_null() {
                return Err(Failure::plain(MAILCORE_E_NOMEM));
            }
            data.copy_from_nonoverlapping(octets.as_ptr(), octets.len());
            data.add(octets.len()).write(0);
            Ok(mailcore_buf { data, len: octets.len() })
        }
    }

    /// Frees what it holds and empties it.
    ///
    /// # Safety
    /// `data` is NULL or came from [`mailcore_buf::copy_of`] and was not freed.
    pub(crate) unsafe fn free(&mut self) {
        // SAFETY: the caller's promise; free takes NULL.
        unsafe { libc::free(self.data.cast()) };
        *self = mailcore_buf::EMPTY;
    }
}

/// Frees what a function stored in a mailcore_buf.
///
/// [nowait] [hook-ok] Sets it to zero, so that a second call does nothing. NULL is allowed.
///
/// @param buf  the buffer, or NULL
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_buf_free(buf: *mut mailcore_buf) {
    wall!(else (), {
        // SAFETY: NULL, or a buffer this library filled or that was set to zero.
        if let Some(buf) = unsafe { buf.as_mut() } {
            // SAFETY: as above; after the first time it is empty.
            unsafe { buf.free() };
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_in_nul_and_frees_once() {
        for text in ["", "a", "héllo"] {
            let mut buf = mailcore_buf::copy_of(text.as_bytes()).unwrap();
            assert_eq!(buf.len, text.len());
            // SAFETY: copy_of wrote len + 1 octets.
            let octets = unsafe { std::slice::from_raw_parts(buf.data, buf.len + 1) };
            assert_eq!(octets, [text.as_bytes(), b"\0"].concat());
            // SAFETY: ours.
            unsafe {
                mailcore_buf_free(&raw mut buf);
                assert!(buf.data.is_null() && buf.len == 0);
                mailcore_buf_free(&raw mut buf);
                mailcore_buf_free(std::ptr::null_mut());
            }
        }
    }
}
