//! Outgoing mail as a whole: addresses that get none, TLS reports that came, what to publish in DNS.

use std::ffi::c_char;

use serde_json::{Value, json};

use super::buf::mailcore_buf;
use super::cursor::{ListRow, MAILCORE_LIST_SUPPRESSED, MAILCORE_LIST_TLS_REPORTS};
use super::engine::EngineSeat;
use super::error::mailcore_error;
use super::object::{self, Object, mailcore_engine, mailcore_handle};
use super::panic::wall;
use super::result::{Failure, MAILCORE_E_HANDLE};
use super::text::{give, give_buf, needed, optional};
use crate::base::{AccountId, Timestamp};
use crate::store::{Suppressed, TlsReportRow};

/// Lets an address get no mail from here: submissions for it are refused, and what is queued for it fails.
///
/// [disk] What was set of the address before, for the same account or for everybody, is replaced.
/// MAILCORE_LIST_SUPPRESSED lists all of them.
///
/// @param of  an engine: mail of everybody; an account: its own mail alone
/// @param address  "bob@example.net", or "@example.net" for all addresses of a domain
/// @param reason  one word of a-z, 0-9 and -: "manual", "complaint"; NULL for "manual"
/// @param detail  why, in words; or NULL
/// @param until_ms  when it ends, in ms since 1970; 0 for never
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_LIMIT,
/// MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_suppress(
    of: mailcore_handle,
    address: *const c_char,
    reason: *const c_char,
    detail: *const c_char,
    until_ms: i64,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let object = object::sound(of)?;
        let (seat, account) = whose(&object)?;
        // SAFETY: the caller's texts.
        let (address, reason, detail) =
            unsafe { (needed(address, "address")?, optional(reason, "reason")?, optional(detail, "detail")?) };
        let (reason, detail) = (reason.unwrap_or("manual"), detail.unwrap_or_default());
        let until = (until_ms != 0).then_some(Timestamp(until_ms));
        seat.run(seat.engine.suppress(account, address, reason, detail, until))?;
        Ok(0)
    })
}

/// Lets a suppressed address get mail again.
///
/// [disk]
///
/// @param of  as given to mailcore_suppress()
/// @param address  as given to mailcore_suppress()
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND (it was
/// not suppressed), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_unsuppress(
    of: mailcore_handle,
    address: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let object = object::sound(of)?;
        let (seat, account) = whose(&object)?;
        // SAFETY: the caller's text.
        let address = unsafe { needed(address, "address") }?;
        seat.run(seat.engine.unsuppress(account, address))?;
        Ok(0)
    })
}

/// Tells what to publish in DNS for a domain of ours, each record compared with what is there, as one JSON document:
/// MX, address, PTR, SPF, DKIM, DMARC, MTA-STS, TLS-RPT, TLSA, autoconfig. docs/reports.md lists the members.
///
/// [wait] Asks DNS, up to a minute where nobody answers. Free the document with mailcore_buf_free().
///
/// @param engine  the engine
/// @param domain  "example.org"
/// @param json  takes the document; needed
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOMEM,
/// MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_dns_advice(
    engine: mailcore_engine,
    domain: *const c_char,
    json: *mut mailcore_buf,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(json, mailcore_buf::EMPTY) };
        let seat = object::engine(engine)?;
        // SAFETY: the caller's text.
        let domain = unsafe { needed(domain, "domain") }?;
        if json.is_null() {
            return Err(Failure::null("json"));
        }
        let told = seat.run(seat.engine.dns_advice(domain))?;
        // SAFETY: the caller's output.
        unsafe { give_buf(json, told.as_bytes()) }?;
        Ok(0)
    })
}

/// Whose mail a handle stands for.
fn whose(object: &Object) -> Result<(&EngineSeat, Option<AccountId>), Failure> {
    match object {
        Object::Engine(seat) => Ok((seat, None)),
        Object::Account(seat) => Ok((&seat.engine, Some(seat.id))),
        _ => Err(Failure::plain(MAILCORE_E_HANDLE)),
    }
}

/// Suppressed addresses behind an account and address, which become those of the last one.
pub(super) fn suppressed(
    engine: &EngineSeat,
    after: &mut (i64, String),
    limit: usize,
) -> Result<Vec<ListRow>, Failure> {
    let rows = engine.run(engine.engine.suppressed(after.clone(), limit))?;
    if let Some(last) = rows.last() {
        *after = (last.account, last.address.clone());
    }
    let row = |row: Suppressed| ListRow {
        kind: MAILCORE_LIST_SUPPRESSED,
        id: u64::try_from(row.account).unwrap_or(0),
        time_ms: row.since.0,
        due_ms: row.until.0,
        texts: [row.address, row.reason, row.detail],
        ..ListRow::default()
    };
    Ok(rows.into_iter().map(row).collect())
}

/// TLS reports with ids above `after`.
pub(super) fn tls_reports(engine: &EngineSeat, after: i64, limit: usize) -> Result<Vec<ListRow>, Failure> {
    let rows = engine.run(engine.engine.tls_reports(after, limit))?;
    let count = |sessions: i64| u32::try_from(sessions).unwrap_or(u32::MAX);
    let row = |row: TlsReportRow| {
        let report: Value = serde_json::from_str(&row.report).unwrap_or_default();
        let detail = json!({"report_id": row.report_id, "arrived_ms": row.arrived.0, "report": report});
        ListRow {
            kind: MAILCORE_LIST_TLS_REPORTS,
            id: u64::try_from(row.id).unwrap_or(0),
            time_ms: row.begins.0,
            due_ms: row.ends.0,
            total: count(row.succeeded.saturating_add(row.failed)),
            unseen: count(row.failed),
            texts: [row.organization, row.domain, detail.to_string()],
            ..ListRow::default()
        }
    };
    Ok(rows.into_iter().map(row).collect())
}
