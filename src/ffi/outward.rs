//! The outgoing queue in detail: why a message waits, acting on many, destinations that get no mail for now.

use std::ffi::c_char;

use serde_json::json;

use super::buf::mailcore_buf;
use super::cursor::{ListRow, MAILCORE_LIST_DESTINATIONS};
use super::engine::EngineSeat;
use super::error::mailcore_error;
use super::object::{self, mailcore_engine};
use super::panic::wall;
use super::queue::{action_of, fares, queue_id};
use super::record::{self, Record};
use super::result::Failure;
use super::text::{give, give_buf, needed, optional};
use crate::base::{Address, Domain};
use crate::store::{DestinationRow, QueueFilter};

/// Which queued messages are meant: those that all of it fits. Set it up with MAILCORE_QUEUE_FILTER_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_queue_filter {
    /// sizeof(mailcore_queue_filter), set by MAILCORE_QUEUE_FILTER_INIT.
    pub struct_size: u32,
    /// 1 for held ones, 2 for those that are not held, 0 for both.
    pub held: u32,
    /// This one; 0 for all.
    pub id: u64,
    /// Those with this reverse-path; "" for the null one, NULL for all.
    pub from: *const c_char,
    /// Those with this recipient, which waits; NULL for all.
    pub to: *const c_char,
    /// Those with a recipient of this domain, which waits; NULL for all.
    pub domain: *const c_char,
}

// SAFETY: numbers and pointers, which may be NULL.
unsafe impl Record for mailcore_queue_filter {
    const NAME: &'static str = "mailcore_queue_filter";
}

/// Tells why a queued message is where it is, as one JSON document: for each recipient its route, when it is tried
/// again and why; each attempt with its TLS policy and what was said, line by line with times. docs/queue.md lists the
/// members.
///
/// [disk] Finished messages are known for outbound.history_seconds. Free the document with mailcore_buf_free().
///
/// @param engine  the engine
/// @param id  queue id
/// @param json  takes the document; needed
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND, MAILCORE_E_NOMEM,
/// MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_queue_explain(
    engine: mailcore_engine,
    id: u64,
    json: *mut mailcore_buf,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(json, mailcore_buf::EMPTY) };
        let seat = object::engine(engine)?;
        if json.is_null() {
            return Err(Failure::null("json"));
        }
        let told = seat.run(seat.engine.explain(queue_id(id)?))?;
        // SAFETY: the caller's output.
        unsafe { give_buf(json, told.as_bytes()) }?;
        Ok(0)
    })
}

/// Acts on all queued messages that a filter fits.
///
/// [disk] In steps: messages that come meanwhile may be touched or not.
///
/// @param engine  the engine
/// @param filter  which messages; NULL for all
/// @param action  what to do: one of MAILCORE_QUEUE_
/// @param at_ms  for MAILCORE_QUEUE_EXPIRE: when, in ms since 1970; else ignored
/// @param count  takes how many were touched, or NULL
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_STORE,
/// MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_queue_select(
    engine: mailcore_engine,
    filter: *const mailcore_queue_filter,
    action: u32,
    at_ms: i64,
    count: *mut u64,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        let filter = if filter.is_null() {
            QueueFilter::default()
        } else {
            // SAFETY: the caller gives a struct with its size and texts.
            unsafe { record::read(filter).and_then(|filter| read(&filter)) }?
        };
        let touched = seat.run(seat.engine.queue_select(&filter, action_of(action, Some(at_ms))?))?;
        // SAFETY: the caller's output.
        unsafe { give(count, touched) };
        Ok(0)
    })
}

/// # Safety
/// The pointers in `filter` are NULL or texts.
unsafe fn read(filter: &mailcore_queue_filter) -> Result<QueueFilter, Failure> {
    // SAFETY: the caller's promise.
    let (from, to, domain) =
        unsafe { (optional(filter.from, "from")?, optional(filter.to, "to")?, optional(filter.domain, "domain")?) };
    let key = |what: &str, text: &str| match text {
        "" => Ok(String::new()),
        text => Address::parse(text)
            .map(|address| address.key())
            .map_err(|e| Failure::invalid(format!("{what} {text:?}: {e}"))),
    };
    let domain_key = |text: &str| {
        let domain = Domain::parse(text).map(|domain| domain.key());
        domain.map_err(|e| Failure::invalid(format!("domain {text:?}: {e}")))
    };
    Ok(QueueFilter {
        id: (filter.id != 0).then(|| queue_id(filter.id)).transpose()?,
        from: from.map(|from| key("from", from)).transpose()?,
        to: to.map(|to| key("to", to)).transpose()?,
        domain: domain.map(domain_key).transpose()?,
        held: match filter.held {
            0 => None,
            1 => Some(true),
            2 => Some(false),
            other => return Err(Failure::invalid(format!("held {other} is none of 0, 1 and 2"))),
        },
    })
}

/// Lets a destination get no mail until mailcore_destination_resume(), also after a restart.
///
/// [disk] What is under way is let end; what waits still expires.
///
/// @param engine  the engine
/// @param destination  a domain, or host:port of the smart host
/// @param reason  why, for mailcore_queue_explain() and listings; or NULL
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_LIMIT,
/// MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_destination_pause(
    engine: mailcore_engine,
    destination: *const c_char,
    reason: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's texts.
        let (destination, reason) =
            unsafe { (needed(destination, "destination")?, optional(reason, "reason")?.unwrap_or_default()) };
        seat.run(seat.engine.destination_pause(destination, reason))?;
        Ok(0)
    })
}

/// Lets a destination get mail again.
///
/// [disk]
///
/// @param engine  the engine
/// @param destination  as given to mailcore_destination_pause()
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND (it was
/// not paused), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_destination_resume(
    engine: mailcore_engine,
    destination: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's text.
        let destination = unsafe { needed(destination, "destination") }?;
        seat.run(seat.engine.destination_resume(destination))?;
        Ok(0)
    })
}

/// Writes the MTA-STS policy of a domain of ours (RFC 8461): what to serve at
/// https://mta-sts.DOMAIN/.well-known/mta-sts.txt as text/plain, and the TXT record for _mta-sts.DOMAIN, whose id
/// changes where the policy does.
///
/// [nowait] Free both texts with mailcore_buf_free().
///
/// @param engine  the engine
/// @param mode  "enforce", "testing" or "none"
/// @param hosts  names of the hosts that take the domain's mail, by commas; "*." in front stands for one label. NULL
/// for the engine's hostname
/// @param max_age_seconds  how long others may keep it
/// @param policy  takes the policy, or NULL
/// @param record  takes the record, or NULL
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOMEM
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_sts_policy(
    engine: mailcore_engine,
    mode: *const c_char,
    hosts: *const c_char,
    max_age_seconds: u32,
    policy: *mut mailcore_buf,
    record: *mut mailcore_buf,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's outputs.
        unsafe {
            give(policy, mailcore_buf::EMPTY);
            give(record, mailcore_buf::EMPTY);
        }
        let seat = object::engine(engine)?;
        // SAFETY: the caller's texts.
        let (mode, hosts) = unsafe { (needed(mode, "mode")?, optional(hosts, "hosts")?.unwrap_or_default()) };
        let hosts: Vec<&str> = hosts.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
        let (text, txt) = seat.engine.sts_policy(mode, &hosts, max_age_seconds)?;
        // SAFETY: the caller's outputs.
        unsafe {
            give_buf(policy, text.as_bytes())?;
            give_buf(record, txt.as_bytes())?;
        }
        Ok(0)
    })
}

/// Destinations behind `after` that something waits for.
pub(super) fn destinations(engine: &EngineSeat, after: Option<&str>, limit: usize) -> Result<Vec<ListRow>, Failure> {
    let paused = engine.run(engine.engine.destinations_paused())?;
    let rows = engine.run(engine.engine.destinations(after, limit))?;
    let row = |row: DestinationRow| {
        let pause = paused.iter().find(|pause| pause.destination == row.destination);
        let last = row.last.as_ref();
        let (delivered, others) = engine.engine.destination_counts(&row.destination);
        let detail = json!({
            "paused_ms": pause.map(|pause| pause.since.0),
            "pause_reason": pause.map(|pause| &pause.reason),
            "held": row.held,
            "last_ms": last.map(|last| last.at.0),
            "last_host": last.map(|last| &last.host),
            "tls_policy": last.map(|last| &last.policy),
            "delivered": delivered,
            "not_delivered": others,
            "success_rate": (delivered + others > 0).then(|| delivered as f64 / (delivered + others) as f64),
        });
        ListRow {
            kind: MAILCORE_LIST_DESTINATIONS,
            time_ms: row.oldest.0,
            due_ms: row.due.0,
            flags: u32::from(pause.is_some()),
            state: last.map_or(0, |last| fares(None, &[(String::new(), last.clone())]).state),
            attempts: row.attempts,
            code: last.map_or(0, |last| u32::from(last.code)),
            total: u32::try_from(row.waiting).unwrap_or(u32::MAX),
            texts: [
                row.destination.clone(),
                last.map(|last| last.text.clone()).unwrap_or_default(),
                detail.to_string(),
            ],
            ..ListRow::default()
        }
    };
    Ok(rows.into_iter().map(row).collect())
}
