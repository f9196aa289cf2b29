//! A forked child has our memory but not our threads: every call there must refuse at once, without a lock.
//!
//! [`watch`] is called before the first thread is started; from then on a fork sets a flag in the child.
//! A process that forks first and opens its engine afterwards never notices.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static FORKED: AtomicBool = AtomicBool::new(false);

/// From now on, forked children are recognised.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(unix)]
        // SAFETY: the handler only stores to an atomic, which is allowed between fork and exec, and it stays
        // mapped: the library is linked with `-z nodelete`.
        unsafe {
            libc::pthread_atfork(None, None, Some(in_child));
        }
    });
}

/// Whether this process is a child forked after [`watch`].
pub(crate) fn forked() -> bool {
    FORKED.load(Ordering::Relaxed)
}

#[cfg(unix)]
unsafe extern "C" fn in_child() {
    FORKED.store(true, Ordering::Relaxed);
}
