//! Counters and gauges of an engine, for programs that watch it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Engine;
use crate::base::Result;
use crate::base::event::{Event, Outcome};
use crate::base::settings::Service;

/// What was counted of events since the engine was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Logins that succeeded.
    pub logins: u64,
    /// Logins that failed.
    pub logins_failed: u64,
    /// Refusals.
    pub refused: u64,
    /// Connections that broke.
    pub broken: u64,
    /// Messages accepted into the queue.
    pub queued: u64,
    /// Messages filed, once for each mailbox.
    pub filed: u64,
    /// Their octets.
    pub filed_octets: u64,
    /// Recipients delivered.
    pub delivered: u64,
    /// Attempts put off.
    pub deferred: u64,
    /// Recipients given up.
    pub failed: u64,
    /// Recipients given up since their time was over.
    pub expired: u64,
    /// Reports of failure written.
    pub bounced: u64,
    /// Events dropped since the program was too slow.
    pub events_dropped: u64,
}

impl Counters {
    pub(super) fn count(&mut self, event: &Event) {
        let (counter, by) = match event {
            Event::Login(login) if login.ok => (&mut self.logins, login.count),
            Event::Login(login) => (&mut self.logins_failed, login.count),
            Event::Refused(refused) => (&mut self.refused, refused.count),
            Event::ConnectionBroken(refused) => (&mut self.broken, refused.count),
            Event::Queued { .. } => (&mut self.queued, 1),
            Event::Filed { size, .. } => {
                self.filed_octets += size;
                (&mut self.filed, 1)
            }
            Event::Attempted { outcome, .. } => match outcome {
                Outcome::Delivered => (&mut self.delivered, 1),
                Outcome::Deferred => (&mut self.deferred, 1),
                Outcome::Failed => (&mut self.failed, 1),
                Outcome::Expired => (&mut self.expired, 1),
            },
            Event::Bounced { .. } => (&mut self.bounced, 1),
            _ => return,
        };
        *counter += by;
    }
}

/// Sessions by protocol: SMTP, LMTP, IMAP, POP3.
pub const PROTOCOLS: [&str; 4] = ["smtp", "lmtp", "imap", "pop3"];

/// Sessions that were begun, and those that are open.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    begun: [AtomicU64; 4],
    open: [AtomicU64; 4],
}

/// A session while it is open.
pub(super) struct Session {
    sessions: Arc<Sessions>,
    place: usize,
}

impl Sessions {
    /// One more.
    pub(super) fn begin(self: &Arc<Sessions>, service: Service) -> Session {
        let place = PROTOCOLS.iter().position(|protocol| *protocol == service.protocol()).unwrap_or(0);
        let session = Session { sessions: Arc::clone(self), place };
        session.each(|counter| counter.fetch_add(1, Ordering::Relaxed));
        session
    }
}

impl Session {
    fn each(&self, change: impl Fn(&AtomicU64) -> u64) {
        let Sessions { begun, open } = &*self.sessions;
        for counters in [begun, open] {
            counters.get(self.place).map(&change);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(open) = self.sessions.open.get(self.place) {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// An engine's counters and gauges at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Nanoseconds of real time since the engine was opened.
    pub uptime_nanoseconds: u64,
    /// Sessions begun, by protocol as in [`PROTOCOLS`].
    pub sessions_begun: [u64; 4],
    /// Sessions open.
    pub sessions_open: [u64; 4],
    /// What was counted of events.
    pub counters: Counters,
    /// Events that wait for the program.
    pub events_waiting: u64,
    /// Accounts there are.
    pub accounts: u64,
    /// Messages in the queue; counted up to `STATS_QUEUE_MAX`.
    pub queue_messages: u64,
}

impl Engine {
    /// Its counters and gauges now.
    pub async fn stats(&self) -> Result<Stats> {
        let inner = &self.inner;
        let (counters, events_waiting) = inner.events.counters();
        let read = |counters: &[AtomicU64; 4]| counters.each_ref().map(|counter| counter.load(Ordering::Relaxed));
        Ok(Stats {
            uptime_nanoseconds: inner.real.since_opening().as_nanos().try_into().unwrap_or(u64::MAX),
            sessions_begun: read(&inner.sessions.begun),
            sessions_open: read(&inner.sessions.open),
            counters,
            events_waiting,
            accounts: self.store().account_count().await?,
            queue_messages: self.store().queue_count(crate::base::limits::STATS_QUEUE_MAX).await?,
        })
    }
}
