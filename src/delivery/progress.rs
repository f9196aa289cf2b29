//! How an attempt gets on: what it waits for and since when, and the word that it shall give up its place.
//!
//! An attempt whose host keeps silent may be told to stop, so that mail for a host that answers need not wait behind
//! it. Between the end of a message and the host's reply it is not stopped: the host may have the message, and sending
//! it again would make two.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smol::channel::{Receiver, Sender, bounded};

use super::trail::{Trail, TrailKind};
use crate::base::Mono;
use crate::base::limits::{STALLED_BODY_MILLISECONDS, STALLED_MILLISECONDS};

/// What an attempt waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Names, a connection, a greeting, replies to commands.
    Host,
    /// The host to take octets of the message.
    Body,
    /// The reply to the message.
    Final,
    /// Nobody: what came of it is being written down.
    Nobody,
}

/// How one attempt gets on. Shared by the attempt and whoever gives out places.
pub struct Progress {
    state: Mutex<(Waiting, Mono)>,
    trail: Mutex<Trail>,
    stop: (Sender<()>, Receiver<()>),
}

impl Progress {
    /// An attempt that begins now.
    pub fn new(now: Mono) -> Self {
        Self { state: Mutex::new((Waiting::Host, now)), trail: Mutex::new(Trail::new(now)), stop: bounded(1) }
    }

    /// It waits for this from now on; also where the host moved and it waits for more of the same.
    pub fn note(&self, waiting: Waiting, now: Mono) {
        *self.state() = (waiting, now);
    }

    /// Adds a line to its trail.
    pub fn say(&self, now: Mono, kind: TrailKind, text: &str) {
        self.trail.lock().unwrap_or_else(PoisonError::into_inner).say(now, kind, text);
    }

    /// Its trail so far, as text.
    pub fn trail(&self) -> String {
        self.trail.lock().unwrap_or_else(PoisonError::into_inner).clone().into_text()
    }

    /// Since when it counts as stalled, or will; `None` where it must not be stopped.
    pub fn stalls_at(&self) -> Option<Mono> {
        let (waiting, since) = *self.state();
        match waiting {
            Waiting::Host => Some(since + Duration::from_millis(STALLED_MILLISECONDS)),
            Waiting::Body => Some(since + Duration::from_millis(STALLED_BODY_MILLISECONDS)),
            Waiting::Final | Waiting::Nobody => None,
        }
    }

    /// Whether it has waited for the reply to a message as long as makes it stalled otherwise.
    pub fn awaits_reply(&self, now: Mono) -> bool {
        let (waiting, since) = *self.state();
        waiting == Waiting::Final && now - since >= Duration::from_millis(STALLED_MILLISECONDS)
    }

    /// Tells it to stop.
    pub fn stop(&self) {
        // A full channel is an attempt that was told already.
        let _ = self.stop.0.try_send(());
    }

    /// Whether it was told to stop.
    pub fn is_stopped(&self) -> bool {
        !self.stop.1.is_empty()
    }

    /// Completes when it is told to stop and may: poll it behind the work itself.
    pub(super) async fn stopped(&self) {
        loop {
            if self.stop.1.recv().await.is_err() {
                std::future::pending::<()>().await;
            }
            // Left there, for whoever asks next.
            self.stop();
            if !matches!(self.state().0, Waiting::Final | Waiting::Nobody) {
                return;
            }
            // The reply to the message decides; nothing is left to be stopped.
            std::future::pending::<()>().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, (Waiting, Mono)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future::{block_on, poll_once};

    #[test]
    fn stalls_by_what_it_waits_for() {
        let second = |n: u64| Mono(n * 1_000_000_000);
        let progress = Progress::new(second(1));
        assert_eq!(progress.stalls_at(), Some(second(1) + Duration::from_millis(STALLED_MILLISECONDS)));
        progress.note(Waiting::Body, second(2));
        assert_eq!(progress.stalls_at(), Some(second(2) + Duration::from_millis(STALLED_BODY_MILLISECONDS)));
        progress.note(Waiting::Final, second(3));
        assert_eq!((progress.stalls_at(), progress.awaits_reply(second(3))), (None, false));
        assert!(progress.awaits_reply(second(4)));
    }

    #[test]
    fn stops_unless_a_message_was_sent() {
        block_on(async {
            let progress = Progress::new(Mono(0));
            assert!(poll_once(progress.stopped()).await.is_none());
            progress.stop();
            progress.stop();
            assert!(poll_once(progress.stopped()).await.is_some());
            assert!(progress.is_stopped() && poll_once(progress.stopped()).await.is_some());
            progress.note(Waiting::Final, Mono(1));
            assert!(poll_once(progress.stopped()).await.is_none());
        });
    }
}
