//! Events: what happened, pulled by the host.

use std::time::Duration;

use super::buf::mailcore_buf;
use super::engine::{EngineSeat, duration};
use super::error::mailcore_error;
use super::event_json::json;
use super::hooks;
use super::object::{self, mailcore_engine};
use super::panic::wall;
use super::record::{self, Record};
use super::result::{Failure, MAILCORE_E_STATE};
use super::text::give;
use crate::base::ErrorKind;
use crate::base::event::{Event, Outcome};
use crate::engine::Engine;
use crate::engine::events::Said;
use crate::intake::hook::Point;

/// The engine is ready: all that was asked for listens.
pub const MAILCORE_EVENT_STARTED: u32 = 1;
/// The engine has drained and stopped.
pub const MAILCORE_EVENT_STOPPED: u32 = 2;
/// A message was accepted into the queue. subject: queue id; count: recipients.
pub const MAILCORE_EVENT_QUEUED: u32 = 3;
/// A message was filed into a mailbox. subject: UID.
pub const MAILCORE_EVENT_FILED: u32 = 4;
/// A recipient's next host took the message. subject: queue id; code: SMTP reply code.
pub const MAILCORE_EVENT_DELIVERED: u32 = 5;
/// An attempt failed for now and will be repeated. subject: queue id; code: SMTP reply code, or 0.
pub const MAILCORE_EVENT_DEFERRED: u32 = 6;
/// A recipient was given up. subject: queue id; code: SMTP reply code, or 0.
pub const MAILCORE_EVENT_FAILED: u32 = 7;
/// A recipient was given up since the queue lifetime is over. subject: queue id.
pub const MAILCORE_EVENT_EXPIRED: u32 = 8;
/// A bounce was written. subject: queue id of the message that failed.
pub const MAILCORE_EVENT_BOUNCED: u32 = 9;
/// A peer logged in (code 1) or failed to (code 0). count: how many attempts it stands for, mostly 1; those that come
/// too fast are counted.
pub const MAILCORE_EVENT_LOGIN: u32 = 10;
/// The store failed (code 1) or came back (code 0).
pub const MAILCORE_EVENT_STORE: u32 = 11;
/// Something inside broke: the engine has failed, takes nothing new and answers MAILCORE_E_PANIC. Close it and open it
/// again; nothing acknowledged is lost.
pub const MAILCORE_EVENT_FATAL: u32 = 12;
/// The host was too slow. count: events that were dropped.
pub const MAILCORE_EVENT_OVERFLOW: u32 = 13;
/// An event of a kind that this header does not name; detail has it.
pub const MAILCORE_EVENT_OTHER: u32 = 14;
/// A peer waits for the host's answer by mailcore_reply(). subject: request id; code: MAILCORE_HOOK_ and where;
/// count: recipients. It is never dropped, but taken back when nobody waits any more.
pub const MAILCORE_EVENT_REQUEST: u32 = 15;
/// A hook gave no answer, or none that can be used: the peer was told to try again later. code: MAILCORE_HOOK_ and
/// where.
pub const MAILCORE_EVENT_HOOK_FAILED: u32 = 16;
/// A session ended by a fault of the library's: its peer lost the connection, nobody else is touched. detail says what
/// to report.
pub const MAILCORE_EVENT_SESSION_BROKEN: u32 = 17;
/// A DMARC report that somebody sent was read: it and all its rows can be asked for. subject: its id.
pub const MAILCORE_EVENT_DMARC_REPORT: u32 = 18;
/// A peer was refused something: a recipient, a message, a command, the connection. code: SMTP reply code, or 0;
/// count: how many refusals it stands for, mostly 1; those of one peer that come too fast are counted.
pub const MAILCORE_EVENT_REFUSED: u32 = 19;
/// Something will cause trouble if nobody looks after it, such as a certificate that is expired.
pub const MAILCORE_EVENT_WARNING: u32 = 20;
/// Somebody is blocked for a time after failed logins or guessed recipients: the host may want to ban them further
/// out. count: failures that count against them; code: seconds that it lasts; detail: who.
pub const MAILCORE_EVENT_PENALTY: u32 = 21;
/// What the library notes in passing, where the property log.level asks for it.
pub const MAILCORE_EVENT_LOG: u32 = 22;
/// A connection ended before its session did: the TLS handshake failed, the peer went away. count: how many it stands
/// for.
pub const MAILCORE_EVENT_CONNECTION_BROKEN: u32 = 23;
/// A line of a dialog that is traced: see MAILCORE_LISTEN_TRACE and the property trace.peers.
pub const MAILCORE_EVENT_DIALOG: u32 = 24;

/// A TLS report (RFC 8460) that somebody sent was read. subject: its id.
pub const MAILCORE_EVENT_TLS_REPORT: u32 = 30;
/// A mail that came tells what became of a message sent from here: a bounce, a receipt, a complaint. subject: queue id
/// of that message, or 0 where it is not known; code: SMTP reply code, or 0; detail: the recipient and what happened.
pub const MAILCORE_EVENT_REPORTED: u32 = 31;

/// An event. Set it up with MAILCORE_EVENT_INIT, empty it with mailcore_event_clear().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_event {
    /// sizeof(mailcore_event), set by MAILCORE_EVENT_INIT.
    pub struct_size: u32,
    /// MAILCORE_EVENT_ and what happened.
    pub r#type: u32,
    /// Counts up by one from 1; a gap means that events were dropped, or requests taken back.
    pub seq: u64,
    /// When, in milliseconds since 1970, UTC, on the engine's clock.
    pub time_ms: i64,
    /// What it is about: see the type.
    pub subject: u64,
    /// See the type.
    pub code: i32,
    /// See the type.
    pub count: u32,
    /// Everything there is to say, as a JSON object in UTF-8; `event` names the type.
    pub detail: mailcore_buf,
}

// SAFETY: numbers and a buffer, which may be NULL.
unsafe impl Record for mailcore_event {
    const NAME: &'static str = "mailcore_event";
}

/// Gives a descriptor that is readable exactly while mailcore_events_next() would not wait.
///
/// [nowait] [hook-ok] For poll(), select(), epoll and event loops. It belongs to the library: never read,
/// write or close it; it is closed with the engine.
///
/// @param engine  the engine
/// @param fd  takes the descriptor
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UNSUPPORTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_events_fd(engine: mailcore_engine, fd: *mut i32, err: *mut mailcore_error) -> i32 {
    wall!(err, {
        let seat = object::any_engine(engine)?;
        if fd.is_null() {
            return Err(Failure::null("fd"));
        }
        #[cfg(unix)]
        {
            // SAFETY: the caller's output.
            unsafe { give(fd, seat.engine.events().descriptor()) };
            Ok(0)
        }
        #[cfg(not(unix))]
        {
            Err(Failure::plain(super::result::MAILCORE_E_UNSUPPORTED))
        }
    })
}

/// Takes the next event.
///
/// [wait] Empties *event first, so that one struct serves a whole loop; the last one is emptied by
/// mailcore_event_clear().
///
/// @param engine  the engine
/// @param timeout_ms  how long to wait: -1 for ever, 0 not at all
/// @param event  takes the event
/// @param err  takes what went wrong, or NULL
/// @returns 1 for an event, 0 when there was none in time, MAILCORE_E_STATE when the engine has stopped and
/// there will be none, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_events_next(
    engine: mailcore_engine,
    timeout_ms: i32,
    event: *mut mailcore_event,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::any_engine(engine)?;
        // SAFETY: the caller gives NULL or a struct with its size.
        let mut old = unsafe { record::read(event.cast_const()) }?;
        // SAFETY: read above.
        unsafe { take(&seat, timeout_ms, EngineSeat::next_event, event, &mut old) }
    })
}

/// Takes the next request, past the events in front of it, which stay.
///
/// [wait] As mailcore_events_next(), for a thread of the host's that does nothing but answer.
///
/// @param engine  the engine
/// @param timeout_ms  how long to wait: -1 for ever, 0 not at all
/// @param event  takes the request, a MAILCORE_EVENT_REQUEST
/// @param err  takes what went wrong, or NULL
/// @returns 1 for a request, 0 when there was none in time, MAILCORE_E_STATE when the engine has stopped and
/// there will be none, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_requests_next(
    engine: mailcore_engine,
    timeout_ms: i32,
    event: *mut mailcore_event,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller gives NULL or a struct with its size.
        let mut old = unsafe { record::read(event.cast_const()) }?;
        // SAFETY: read above.
        unsafe { take(&seat, timeout_ms, EngineSeat::next_request, event, &mut old) }
    })
}

/// How the next event is waited for.
type Next = fn(&EngineSeat, Option<Duration>) -> crate::base::Result<Option<Said>>;

/// Puts the next event in the place of `old`, which is what stands in `*event`.
///
/// # Safety
/// `event` points to a struct with its size, zero or filled by an earlier call.
unsafe fn take(
    seat: &EngineSeat,
    timeout_ms: i32,
    next: Next,
    event: *mut mailcore_event,
    old: &mut mailcore_event,
) -> Result<i32, Failure> {
    let mut new = loop {
        let said = match next(seat, duration(timeout_ms)) {
            Ok(Some(said)) => said,
            Ok(None) => return Err(Failure::new(MAILCORE_E_STATE, "the engine has stopped: no more events")),
            Err(e) if e.kind() == ErrorKind::Timeout => return Ok(0),
            Err(e) => return Err(e.into()),
        };
        // A request that nobody waits for any more is no news.
        if let Some(new) = describe(&said, &seat.engine)? {
            break new;
        }
    };
    // SAFETY: zero, or filled by an earlier call.
    unsafe { old.detail.free() };
    new.struct_size = old.struct_size;
    if (old.struct_size as usize) < size_of::<mailcore_event>() {
        // SAFETY: ours; the caller's struct has no room for it.
        unsafe { new.detail.free() };
    }
    // SAFETY: the caller's promise.
    unsafe { record::write(event, &new) };
    Ok(1)
}

/// Frees what an event holds and sets it to zero, its size apart.
///
/// [nowait] [hook-ok] A second call does nothing. NULL is allowed.
///
/// @param event  the event, or NULL
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_event_clear(event: *mut mailcore_event) {
    wall!(else (), {
        // SAFETY: NULL, or a struct with its size that was zero or filled by mailcore_events_next.
        if let Ok(mut old) = unsafe { record::read(event.cast_const()) } {
            // SAFETY: as above.
            unsafe { old.detail.free() };
            let empty = empty();
            // SAFETY: as above.
            unsafe { record::write(event, &empty) };
        }
    })
}

fn empty() -> mailcore_event {
    let struct_size = size_of::<mailcore_event>() as u32;
    let detail = mailcore_buf::EMPTY;
    mailcore_event { struct_size, r#type: 0, seq: 0, time_ms: 0, subject: 0, code: 0, count: 0, detail }
}

/// The event as C sees it; `None` for a request that has been answered, or taken back, meanwhile.
fn describe(said: &Said, engine: &Engine) -> Result<Option<mailcore_event>, Failure> {
    let (kind, subject, code, mut count) = numbers(&said.event);
    let mut text = json(said);
    if let Event::Request { id, .. } = said.event {
        let Ok(question) = engine.request(id) else { return Ok(None) };
        text = hooks::describe(&question, text);
        count = u32::try_from(question.envelope.recipients.len()).unwrap_or(u32::MAX);
    }
    let detail = mailcore_buf::copy_of(text.finish().as_bytes())?;
    let time_ms = said.at.0;
    Ok(Some(mailcore_event { r#type: kind, seq: said.sequence, time_ms, subject, code, count, detail, ..empty() }))
}

/// Type, subject, code and count.
fn numbers(event: &Event) -> (u32, u64, i32, u32) {
    let id = |id: &crate::base::QueueId| id.0 as u64;
    match event {
        Event::Started => (MAILCORE_EVENT_STARTED, 0, 0, 0),
        Event::Stopped => (MAILCORE_EVENT_STOPPED, 0, 0, 0),
        Event::Queued { id: queue, to, .. } => (MAILCORE_EVENT_QUEUED, id(queue), 0, to.len() as u32),
        Event::Filed { uid, .. } => (MAILCORE_EVENT_FILED, u64::from(*uid), 0, 0),
        Event::Attempted { id: queue, outcome, code, .. } => (outcome_type(*outcome), id(queue), i32::from(*code), 0),
        Event::Bounced { id: queue, .. } => (MAILCORE_EVENT_BOUNCED, id(queue), 0, 0),
        Event::Login(login) => (MAILCORE_EVENT_LOGIN, 0, i32::from(login.ok), short(login.count)),
        Event::Refused(refused) => (MAILCORE_EVENT_REFUSED, 0, i32::from(refused.code), short(refused.count)),
        Event::Warning { .. } => (MAILCORE_EVENT_WARNING, 0, 0, 0),
        Event::Store { down, .. } => (MAILCORE_EVENT_STORE, 0, i32::from(*down), 0),
        Event::Request { id, hook } => (MAILCORE_EVENT_REQUEST, *id, hook_number(hook), 0),
        Event::HookFailed { hook, .. } => (MAILCORE_EVENT_HOOK_FAILED, 0, hook_number(hook), 0),
        Event::SessionBroken { .. } => (MAILCORE_EVENT_SESSION_BROKEN, 0, 0, 0),
        Event::DmarcReport { id, .. } => (MAILCORE_EVENT_DMARC_REPORT, id.cast_unsigned(), 0, 0),
        Event::TlsReport { id, .. } => (MAILCORE_EVENT_TLS_REPORT, id.cast_unsigned(), 0, 0),
        Event::Reported(report) => {
            (MAILCORE_EVENT_REPORTED, report.id.as_ref().map_or(0, id), i32::from(report.code), 0)
        }
        Event::Penalty { count, seconds, .. } => {
            (MAILCORE_EVENT_PENALTY, 0, i32::try_from(*seconds).unwrap_or(i32::MAX), *count)
        }
        Event::ConnectionBroken(broken) => (MAILCORE_EVENT_CONNECTION_BROKEN, 0, 0, short(broken.count)),
        Event::Log { .. } => (MAILCORE_EVENT_LOG, 0, 0, 0),
        Event::Dialog { .. } => (MAILCORE_EVENT_DIALOG, 0, 0, 0),
        Event::Fatal { .. } => (MAILCORE_EVENT_FATAL, 0, 0, 0),
        Event::Overflow { dropped } => (MAILCORE_EVENT_OVERFLOW, 0, 0, short(*dropped)),
    }
}

/// A count as C sees it: the largest number there is stands for all above it.
fn short(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn outcome_type(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Delivered => MAILCORE_EVENT_DELIVERED,
        Outcome::Deferred => MAILCORE_EVENT_DEFERRED,
        Outcome::Failed => MAILCORE_EVENT_FAILED,
        Outcome::Expired => MAILCORE_EVENT_EXPIRED,
    }
}

/// MAILCORE_HOOK_ and where, from the name in an event.
fn hook_number(name: &str) -> i32 {
    let point = Point::ALL.into_iter().find(|point| point.name() == name);
    point.map_or(0, |point| hooks::hook_number(point).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::QueueId;

    #[test]
    fn numbers_are_those_of_the_type() {
        let attempted = Event::Attempted {
            id: QueueId(7),
            recipient: "c@d".to_owned(),
            outcome: Outcome::Deferred,
            host: "mx.d".to_owned(),
            code: 451,
            enhanced: "4.7.1".to_owned(),
            text: "later".to_owned(),
            next: None,
        };
        assert_eq!(numbers(&attempted), (MAILCORE_EVENT_DEFERRED, 7, 451, 0));
        assert_eq!(numbers(&Event::Overflow { dropped: 1 << 40 }), (MAILCORE_EVENT_OVERFLOW, 0, 0, u32::MAX));
    }
}
