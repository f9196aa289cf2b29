//! The wall: no panic crosses into C, no call works in a forked child, nothing is printed.
//!
//! A panic inside a call becomes `MAILCORE_E_PANIC`, and the engine the call was about has failed: from then on it is
//! good only to be closed. Every exported function is one `wall!` and nothing else; `tests/abi.rs` reads the sources
//! and fails on one that is not. An unguarded panic in an `extern "C"` function would end the host's process.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once, Weak};

use super::engine::EngineSeat;
use super::error::{self, mailcore_error};
use super::fork;
use super::result::{Failure, MAILCORE_E_FORKED};
use crate::os::panics;

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
    static ENGINE: RefCell<Weak<EngineSeat>> = const { RefCell::new(Weak::new()) };
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
    let engine = ENGINE.take();
    outcome.map_err(|payload| {
        let failure = Failure::panicked(payload, panics::place());
        // It may be the last one to hold the engine, which is closed by that.
        let told = AssertUnwindSafe(|| engine.upgrade().map(|seat| seat.engine.fail("call", &failure.message)));
        let _ = catch_unwind(told);
        failure
    })
}

/// Notes which engine the present call is about: a panic further on means that this one has failed.
pub(crate) fn concerns(engine: &Arc<EngineSeat>) {
    ENGINE.set(Arc::downgrade(engine));
}

/// Keeps panics of ours off stderr: those inside a call and those of our threads. In the shared library the
/// hook is ours alone (it has its own copy of std); in a Rust host the one before is asked for all others.
pub(crate) fn be_silent() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if INSIDE.get() > 0 || std::thread::current().name().is_some_and(|name| name.starts_with("mailcore-")) {
                panics::remember(info);
            } else {
                before(info);
            }
        }));
    });
}

/// Panics where a test asked for it by [`FORCED`]: in its next call on a handle, once that was looked up.
#[cfg(test)]
#[allow(clippy::panic)]
pub(crate) fn forced() {
    if FORCED.take() {
        panic!("forced");
    }
}

#[cfg(test)]
thread_local! {
    pub(crate) static FORCED: Cell<bool> = const { Cell::new(false) };
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests;
