//! Counters and gauges of an engine.

use super::error::mailcore_error;
use super::object::{self, mailcore_engine};
use super::panic::wall;
use super::record::{self, Record};

/// What an engine has done since it was opened, and how it stands. Set it up with MAILCORE_STATS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_stats {
    /// sizeof(mailcore_stats), set by MAILCORE_STATS_INIT.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Milliseconds of real time since the engine was opened.
    pub uptime_ms: u64,
    /// Sessions of SMTP begun.
    pub smtp_sessions: u64,
    /// Sessions of LMTP begun.
    pub lmtp_sessions: u64,
    /// Sessions of IMAP begun.
    pub imap_sessions: u64,
    /// Sessions of POP3 begun.
    pub pop3_sessions: u64,
    /// Sessions of SMTP open now.
    pub smtp_open: u64,
    /// Sessions of LMTP open now.
    pub lmtp_open: u64,
    /// Sessions of IMAP open now.
    pub imap_open: u64,
    /// Sessions of POP3 open now.
    pub pop3_open: u64,
    /// Logins that succeeded.
    pub logins: u64,
    /// Logins that failed.
    pub logins_failed: u64,
    /// Refusals.
    pub refused: u64,
    /// Connections that broke, failed TLS handshakes included.
    pub connections_broken: u64,
    /// Messages accepted into the queue.
    pub queued: u64,
    /// Messages filed, once for each mailbox.
    pub filed: u64,
    /// Octets of these.
    pub filed_octets: u64,
    /// Recipients whose next host took the message.
    pub delivered: u64,
    /// Attempts that were put off.
    pub deferred: u64,
    /// Recipients that were given up.
    pub failed: u64,
    /// Recipients that were given up since their time was over.
    pub expired: u64,
    /// Bounces written.
    pub bounced: u64,
    /// Events dropped since the program was too slow.
    pub events_dropped: u64,
    /// Events that wait for the program now.
    pub events_waiting: u64,
    /// Accounts there are.
    pub accounts: u64,
    /// Messages in the queue, a million at most.
    pub queue_messages: u64,
}

// SAFETY: numbers.
unsafe impl Record for mailcore_stats {
    const NAME: &'static str = "mailcore_stats";
}

/// Reads the counters and gauges of an engine.
///
/// [disk] Counters begin at 0 when the engine is opened.
///
/// @param engine  the engine
/// @param stats  takes them; needed
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_STORE
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_engine_stats(
    engine: mailcore_engine,
    stats: *mut mailcore_stats,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        if stats.is_null() {
            return Err(super::result::Failure::null("stats"));
        }
        // SAFETY: the caller gives a struct with its size.
        unsafe { record::check(stats.cast_const()) }?;
        let read = seat.run(seat.engine.stats())?;
        let [smtp_sessions, lmtp_sessions, imap_sessions, pop3_sessions] = read.sessions_begun;
        let [smtp_open, lmtp_open, imap_open, pop3_open] = read.sessions_open;
        let counters = read.counters;
        let given = mailcore_stats {
            struct_size: 0,
            reserved: 0,
            uptime_ms: read.uptime_nanoseconds / 1_000_000,
            smtp_sessions,
            lmtp_sessions,
            imap_sessions,
            pop3_sessions,
            smtp_open,
            lmtp_open,
            imap_open,
            pop3_open,
            logins: counters.logins,
            logins_failed: counters.logins_failed,
            refused: counters.refused,
            connections_broken: counters.broken,
            queued: counters.queued,
            filed: counters.filed,
            filed_octets: counters.filed_octets,
            delivered: counters.delivered,
            deferred: counters.deferred,
            failed: counters.failed,
            expired: counters.expired,
            bounced: counters.bounced,
            events_dropped: counters.events_dropped,
            events_waiting: read.events_waiting,
            accounts: read.accounts,
            queue_messages: read.queue_messages,
        };
        // SAFETY: checked above.
        unsafe { record::write(stats, &given) };
        Ok(0)
    })
}
