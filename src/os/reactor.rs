//! async-io's helper thread, started the way we want it: by us, before any runner, and patient.
//!
//! It watches the sockets where no runner does. A runner in the middle of a task does not, and the helper takes its
//! place after 50 microseconds: then every event is handed from it to a runner, at two switches of threads each. It
//! shall wait for some milliseconds, which is what the kernel's timer slack does to its naps: soon enough where all
//! runners compute, and too late where they are only busy.

use std::time::Duration;

use super::signals::Blocked;

/// How late the helper's naps may end, in nanoseconds. They are of 50 microseconds to 10 milliseconds.
#[cfg(target_os = "linux")]
const HELPER_SLACK: u64 = 5_000_000;

/// Starts the helper, if no engine of this process did, with signals blocked. This thread has its own ways back then.
#[allow(clippy::disallowed_methods, reason = "starts the reactor")]
pub(super) fn start() {
    let _blocked = Blocked::now();
    #[cfg(target_os = "linux")]
    let _slack = Slack::of(HELPER_SLACK);
    smol::future::block_on(smol::future::poll_once(smol::Timer::after(Duration::from_secs(60))));
}

/// While it lives, this thread and those it starts have another timer slack (PR_SET_TIMERSLACK of prctl(2)).
#[cfg(target_os = "linux")]
struct Slack(Option<u64>);

#[cfg(target_os = "linux")]
impl Slack {
    fn of(nanoseconds: u64) -> Self {
        let before = nix::sys::prctl::get_timerslack().ok().and_then(|slack| u64::try_from(slack).ok());
        // Where the kernel does not let us, it is only slower.
        Self(before.filter(|_| nix::sys::prctl::set_timerslack(nanoseconds).is_ok()))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Slack {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            let _ = nix::sys::prctl::set_timerslack(before);
        }
    }
}
