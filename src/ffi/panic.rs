//! The wall: no panic crosses into C, no call works in a forked child, nothing is printed.
//!
//! Every exported function is one `wall!` and nothing else; `tests/abi.rs` reads the sources and fails on
//! one that is not. An unguarded panic in an `extern "C"` function would end the host's process.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

use super::error::{self, mailcore_error};
use super::fork;
use super::result::{Failure, MAILCORE_E_FORKED};

/// `wall!(err, { .. })` runs a body that gives `Result<i32, Failure>` and fills `*err`;
/// `wall!(else value, { .. })` is for functions without an error: it gives `value` after a panic.
macro_rules! wall {
    (else $value:expr, $body:block) => {
        $crate::ffi::panic::wall_else($value, || $body)
    };
    ($err:expr, $body:block) => {
        $crate::ffi::panic::wall_into($err, || $body)
    };
}
pub(crate) use wall;

thread_local! {
    static INSIDE: Cell<u32> = const { Cell::new(0) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work`; whatever becomes of it is the return value and stands in `*err`.
pub(crate) fn wall_into(err: *mut mailcore_error, work: impl FnOnce() -> Result<i32, Failure>) -> i32 {
    let outcome = if fork::forked() { Err(Failure::plain(MAILCORE_E_FORKED)) } else { contained(work).and_then(|r| r) };
    match outcome {
        Ok(number) => {
            // SAFETY: the caller gives NULL or a `mailcore_error` with its struct_size set.
            unsafe { error::clear(err) };
            number
        }
        Err(failure) => {
            // SAFETY: as above.
            unsafe { error::fill(err, &failure) };
            failure.code
        }
    }
}

/// Runs `work` of a function that cannot fail; it must be harmless in a forked child.
pub(crate) fn wall_else<T>(value: T, work: impl FnOnce() -> T) -> T {
    contained(work).unwrap_or(value)
}

fn contained<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    be_silent();
    INSIDE.set(INSIDE.get() + 1);
    // Unwind-safe: what a panicking call was changing stands behind mutexes, whose poison is looked at or
    // overcome where they are taken, and the store, which rolls back.
    let outcome = catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(INSIDE.get() - 1);
    outcome.map_err(|payload| Failure::panicked(payload, PLACE.take()))
}

/// Keeps panics of ours off stderr: those inside a call and those of our threads. In the shared library the
/// hook is ours alone (it has its own copy of std); in a Rust host the one before is asked for all others.
pub(crate) fn be_silent() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if INSIDE.get() > 0 {
                PLACE.set(place(info));
            } else if !std::thread::current().name().is_some_and(|name| name.starts_with("mailcore-")) {
                before(info);
            }
        }));
    });
}

fn place(info: &PanicHookInfo<'_>) -> Option<String> {
    info.location().map(|at| format!("{}:{}", at.file(), at.line()))
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;
    use crate::ffi::result::MAILCORE_E_PANIC;

    #[test]
    fn a_panic_becomes_a_code_and_a_sentence() {
        let mut err = mailcore_error::empty();
        let code = wall!(&raw mut err, { panic!("seven {}", 7) });
        assert_eq!(code, MAILCORE_E_PANIC);
        assert_eq!(err.code, MAILCORE_E_PANIC);
        let message = err.message();
        assert!(message.starts_with("seven 7 (src/ffi/panic.rs:"), "{message}");
        assert_eq!(wall!(&raw mut err, { Ok(1) }), 1);
        assert_eq!((err.code, err.message()), (0, String::new()));
        assert_eq!(wall!(else 5, { panic!("again") }), 5);
    }
}
