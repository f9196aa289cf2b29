//! The library itself: version, what it was built with, what its codes mean.

use std::ffi::{CStr, c_char};

use super::panic::wall;
use super::result::sentence;

/// The version of the library at run time: major * 1000000 + minor * 1000 + patch.
///
/// [nowait] [hook-ok] Compare it with MAILCORE_VERSION_NUMBER, the version of the header.
///
/// @returns the number; 0.1.0 is 1000
/// @since 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn mailcore_version() -> u32 {
    wall!(else 0, { VERSION })
}

/// Version, target and build options in one line, for bug reports.
///
/// [nowait] [hook-ok] The text belongs to the library and is valid for ever.
///
/// @returns a text, never NULL
/// @since 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn mailcore_build_info() -> *const c_char {
    wall!(else c"".as_ptr(), { BUILD_INFO.as_ptr() })
}

/// What a result code means, in a few words.
///
/// [nowait] [hook-ok] The text belongs to the library and is valid for ever. The message of the
/// mailcore_error given to the failed function says exactly what went wrong.
///
/// @param code  what a function returned; any number
/// @returns a text, never NULL
/// @since 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn mailcore_strerror(code: i32) -> *const c_char {
    wall!(else c"".as_ptr(), { sentence(code).as_ptr() })
}

const VERSION: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
    + number(env!("CARGO_PKG_VERSION_MINOR")) * 1000
    + number(env!("CARGO_PKG_VERSION_PATCH"));

const fn number(digits: &str) -> u32 {
    match u32::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => 0,
    }
}

const BUILD_INFO: &CStr = match CStr::from_bytes_with_nul(
    concat!("libmailcore ", env!("CARGO_PKG_VERSION"), " ", env!("MAILCORE_BUILD"), "\0").as_bytes(),
) {
    Ok(text) => text,
    Err(_) => c"libmailcore",
};
