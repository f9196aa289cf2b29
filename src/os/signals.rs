//! Keeps the host's signals away from the engine's threads: they inherit the mask of the thread that starts them.

/// While it lives, this thread has signals blocked; then its own mask is back. Signals of a fault in the thread
/// itself stay open: blocked, they would kill the process past every crash reporter.
#[cfg(unix)]
pub(super) struct Blocked(Option<nix::sys::signal::SigSet>);

#[cfg(unix)]
impl Blocked {
    pub(super) fn now() -> Self {
        use nix::sys::signal::{SigSet, SigmaskHow, Signal};
        let mut all = SigSet::all();
        for fault in [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGTRAP, Signal::SIGSYS]
        {
            all.remove(fault);
        }
        Self(all.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok())
    }
}

#[cfg(unix)]
impl Drop for Blocked {
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            let _ = before.thread_set_mask();
        }
    }
}

/// There are no signals here.
#[cfg(not(unix))]
pub(super) struct Blocked;

#[cfg(not(unix))]
impl Blocked {
    pub(super) fn now() -> Self {
        Self
    }
}
