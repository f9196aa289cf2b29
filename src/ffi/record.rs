//! Structs that begin with `struct_size`: read and written so that old and new callers fit old and new
//! libraries.
//!
//! Reading takes what both sides know, counts what the caller does not have as zero, and refuses a field
//! that this library does not know unless it is zero: it would be a wish silently ignored. Writing never
//! goes past the caller's size.

use super::result::{Failure, MAILCORE_E_VERSION};

/// Octets a struct can have; a larger `struct_size` was never set.
const STRUCT_OCTETS_MAX: usize = 64 * 1024;

/// A struct whose first field is `struct_size: u32`.
///
/// # Safety
/// `repr(C)`, first field a `u32`, no padding that matters, and every field may be all zero bits.
pub(crate) unsafe trait Record: Copy {
    /// Its name in the header.
    const NAME: &'static str;
}

/// Reads options that must be there.
///
/// # Safety
/// `from` is NULL or points to as many readable octets as its first field says.
pub(crate) unsafe fn read<T: Record>(from: *const T) -> Result<T, Failure> {
    // SAFETY: passed on.
    let given = unsafe { size(from) }?;
    let known = size_of::<T>();
    // SAFETY: the trait promises that zero is a value.
    let mut value: T = unsafe { std::mem::zeroed() };
    // SAFETY: both sides have this many octets.
    unsafe {
        (&raw mut value).cast::<u8>().copy_from_nonoverlapping(from.cast(), given.min(known));
    }
    if given > known {
        // SAFETY: the caller promises `given` octets.
        let tail = unsafe { std::slice::from_raw_parts(from.cast::<u8>().add(known), given - known) };
        if tail.iter().any(|octet| *octet != 0) {
            let message = format!("{}: a field is set that this version of the library does not know", T::NAME);
            return Err(Failure::new(MAILCORE_E_VERSION, message));
        }
    }
    Ok(value)
}

/// Writes a result; NULL is allowed. The caller's `struct_size` stays as it is.
///
/// # Safety
/// `to` is NULL or points to as many writable octets as its first field says.
pub(crate) unsafe fn write<T: Record>(to: *mut T, value: &T) {
    // SAFETY: passed on; where there is no size there is nothing to write.
    let Ok(given) = (unsafe { size(to.cast_const()) }) else { return };
    let skip = size_of::<u32>();
    let count = given.min(size_of::<T>()).saturating_sub(skip);
    // SAFETY: both sides have `skip + count` octets.
    unsafe {
        let from = (&raw const *value).cast::<u8>().add(skip);
        to.cast::<u8>().add(skip).copy_from_nonoverlapping(from, count);
    }
}

/// Whether a result can be written to `to`: asked before the work is done.
///
/// # Safety
/// As for [`write`].
pub(crate) unsafe fn check<T: Record>(to: *const T) -> Result<(), Failure> {
    if to.is_null() {
        return Ok(());
    }
    // SAFETY: passed on.
    unsafe { size(to) }.map(|_| ())
}

/// # Safety
/// As for [`read`].
unsafe fn size<T: Record>(of: *const T) -> Result<usize, Failure> {
    if of.is_null() {
        return Err(Failure::null(T::NAME));
    }
    // SAFETY: not NULL; the caller promises at least the first field.
    let given = unsafe { of.cast::<u32>().read_unaligned() } as usize;
    if !(size_of::<u32>()..=STRUCT_OCTETS_MAX).contains(&given) {
        let message = format!("{}: struct_size is {given}: set the struct up with its _INIT macro", T::NAME);
        return Err(Failure::new(MAILCORE_E_VERSION, message));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::result::MAILCORE_E_NULL;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Old {
        struct_size: u32,
        a: u32,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct New {
        struct_size: u32,
        a: u32,
        b: u64,
    }
    // SAFETY: plain numbers.
    unsafe impl Record for Old {
        const NAME: &'static str = "old";
    }
    // SAFETY: plain numbers.
    unsafe impl Record for New {
        const NAME: &'static str = "new";
    }

    #[test]
    fn old_caller_new_library() {
        let old = [8u32, 7, 0xaaaa, 0xaaaa];
        // SAFETY: 16 octets, of which the first says 8.
        let read = unsafe { read::<New>(old.as_ptr().cast()) }.unwrap();
        assert_eq!(read, New { struct_size: 8, a: 7, b: 0 });
        let mut out = [8u32, 0, 0xaaaa, 0xaaaa];
        // SAFETY: as above.
        unsafe { write(out.as_mut_ptr().cast(), &New { struct_size: 0, a: 1, b: 2 }) };
        assert_eq!(out, [8, 1, 0xaaaa, 0xaaaa]);
    }

    #[test]
    fn new_caller_old_library() {
        let new = |b| New { struct_size: 16, a: 3, b };
        // SAFETY: whole structs.
        unsafe {
            let (zero, set) = (new(0), new(1));
            assert_eq!(read::<Old>((&raw const zero).cast()).unwrap(), Old { struct_size: 16, a: 3 });
            assert_eq!(read::<Old>((&raw const set).cast()).unwrap_err().code, MAILCORE_E_VERSION);
        }
        let mut out = new(9);
        // SAFETY: as above.
        unsafe { write((&raw mut out).cast(), &Old { struct_size: 0, a: 4 }) };
        assert_eq!(out, New { struct_size: 16, a: 4, b: 9 });
    }

    #[test]
    fn sizes_never_set() {
        // SAFETY: refused from the first field.
        unsafe {
            for size in [0u32, 1, 3, 65_537, u32::MAX] {
                let record = Old { struct_size: size, a: 0 };
                assert_eq!(read(&raw const record).unwrap_err().code, MAILCORE_E_VERSION, "{size}");
                assert_eq!(check(&raw const record).unwrap_err().code, MAILCORE_E_VERSION, "{size}");
            }
            assert_eq!(read::<Old>(std::ptr::null()).unwrap_err().code, MAILCORE_E_NULL);
            assert_eq!(check::<Old>(std::ptr::null()), Ok(()));
            write::<Old>(std::ptr::null_mut(), &Old { struct_size: 8, a: 0 });
        }
    }
}
