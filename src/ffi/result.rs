//! Result codes: the numbers C sees, their names and sentences. Numbers are stable and never used again.
//!
//! Grouped: use of the library (-1..), state (-20..), disk (-40..), network (-60..), login and policy
//! (-80..), the process itself (-100..). The wall between `base::Error` and C stands here.

use std::any::Any;
use std::ffi::CStr;

use crate::base::{Enhanced, Error, ErrorKind};

/// Done. Functions that fetch one thing at a time return 1 for "here is one" and 0 for "there is none".
pub const MAILCORE_OK: i32 = 0;

/// The handle is 0, closed, or of another type than the function takes.
pub const MAILCORE_E_HANDLE: i32 = -1;
/// A pointer that is needed is NULL.
pub const MAILCORE_E_NULL: i32 = -2;
/// A text is not UTF-8.
pub const MAILCORE_E_UTF8: i32 = -3;
/// A struct's struct_size is not set, or it has fields that this library does not know and that are not zero.
pub const MAILCORE_E_VERSION: i32 = -4;
/// A value that cannot be: bad address, bad name, number out of range.
pub const MAILCORE_E_INVALID: i32 = -5;
/// No such property, or not on this handle, or it cannot be written.
pub const MAILCORE_E_KEY: i32 = -6;
/// The property is of the other type.
pub const MAILCORE_E_TYPE: i32 = -7;
/// This build or platform cannot do it.
pub const MAILCORE_E_UNSUPPORTED: i32 = -8;

/// The call does not fit the present state.
pub const MAILCORE_E_STATE: i32 = -20;
/// No such account, mailbox, message or queue entry.
pub const MAILCORE_E_NOT_FOUND: i32 = -21;
/// It is there already.
pub const MAILCORE_E_EXISTS: i32 = -22;
/// Somebody else holds it: the store is open elsewhere, the port is taken.
pub const MAILCORE_E_BUSY: i32 = -23;
/// A limit was reached.
pub const MAILCORE_E_LIMIT: i32 = -24;
/// The account's quota is used up.
pub const MAILCORE_E_QUOTA: i32 = -25;

/// Disk or database failed; nothing was acknowledged.
pub const MAILCORE_E_STORE: i32 = -40;
/// The store is down after a failed write: reading goes on, changes are refused until it can be written again.
pub const MAILCORE_E_STORE_DOWN: i32 = -41;
/// There is no room on the disk for this mail; reading, changing and deleting go on.
pub const MAILCORE_E_DISK_FULL: i32 = -42;
/// What is stored is damaged: it is not what was written.
pub const MAILCORE_E_CORRUPTION: i32 = -43;

/// Sockets failed.
pub const MAILCORE_E_NETWORK: i32 = -60;
/// Names could not be resolved.
pub const MAILCORE_E_DNS: i32 = -61;
/// TLS handshake or certificate failed.
pub const MAILCORE_E_TLS: i32 = -62;
/// The other side broke its protocol.
pub const MAILCORE_E_PROTOCOL: i32 = -63;

/// Wrong address or password.
pub const MAILCORE_E_LOGIN: i32 = -80;
/// Refused by policy.
pub const MAILCORE_E_POLICY: i32 = -81;

/// A bug in the library, caught before it could harm the host.
pub const MAILCORE_E_PANIC: i32 = -100;
/// Out of memory.
pub const MAILCORE_E_NOMEM: i32 = -101;
/// The process was forked after the library had started threads: use it in the parent only, or fork first.
pub const MAILCORE_E_FORKED: i32 = -102;
/// mailcore_interrupt was called, or the engine is being closed.
pub const MAILCORE_E_INTERRUPTED: i32 = -103;
/// The time given was over.
pub const MAILCORE_E_TIMEOUT: i32 = -104;

/// Every code with its name in the header and its sentence, in the order of the header.
pub(crate) const CODES: [(i32, &str, &CStr); 30] = [
    (MAILCORE_OK, "MAILCORE_OK", c"no error"),
    (MAILCORE_E_HANDLE, "MAILCORE_E_HANDLE", c"handle is 0, closed, or of another type"),
    (MAILCORE_E_NULL, "MAILCORE_E_NULL", c"a needed pointer is NULL"),
    (MAILCORE_E_UTF8, "MAILCORE_E_UTF8", c"text is not UTF-8"),
    (MAILCORE_E_VERSION, "MAILCORE_E_VERSION", c"struct_size not set, or struct newer than the library"),
    (MAILCORE_E_INVALID, "MAILCORE_E_INVALID", c"invalid value"),
    (MAILCORE_E_KEY, "MAILCORE_E_KEY", c"no such property here"),
    (MAILCORE_E_TYPE, "MAILCORE_E_TYPE", c"property is of the other type"),
    (MAILCORE_E_UNSUPPORTED, "MAILCORE_E_UNSUPPORTED", c"not supported by this build"),
    (MAILCORE_E_STATE, "MAILCORE_E_STATE", c"call does not fit the present state"),
    (MAILCORE_E_NOT_FOUND, "MAILCORE_E_NOT_FOUND", c"not found"),
    (MAILCORE_E_EXISTS, "MAILCORE_E_EXISTS", c"exists already"),
    (MAILCORE_E_BUSY, "MAILCORE_E_BUSY", c"in use elsewhere"),
    (MAILCORE_E_LIMIT, "MAILCORE_E_LIMIT", c"limit reached"),
    (MAILCORE_E_QUOTA, "MAILCORE_E_QUOTA", c"quota used up"),
    (MAILCORE_E_STORE, "MAILCORE_E_STORE", c"disk or database failed"),
    (MAILCORE_E_STORE_DOWN, "MAILCORE_E_STORE_DOWN", c"store is down"),
    (MAILCORE_E_DISK_FULL, "MAILCORE_E_DISK_FULL", c"no room on the disk"),
    (MAILCORE_E_CORRUPTION, "MAILCORE_E_CORRUPTION", c"what is stored is damaged"),
    (MAILCORE_E_NETWORK, "MAILCORE_E_NETWORK", c"network failed"),
    (MAILCORE_E_DNS, "MAILCORE_E_DNS", c"name could not be resolved"),
    (MAILCORE_E_TLS, "MAILCORE_E_TLS", c"TLS failed"),
    (MAILCORE_E_PROTOCOL, "MAILCORE_E_PROTOCOL", c"peer broke its protocol"),
    (MAILCORE_E_LOGIN, "MAILCORE_E_LOGIN", c"wrong address or password"),
    (MAILCORE_E_POLICY, "MAILCORE_E_POLICY", c"refused by policy"),
    (MAILCORE_E_PANIC, "MAILCORE_E_PANIC", c"internal error (a bug in libmailcore)"),
    (MAILCORE_E_NOMEM, "MAILCORE_E_NOMEM", c"out of memory"),
    (MAILCORE_E_FORKED, "MAILCORE_E_FORKED", c"library was in use before this process was forked"),
    (MAILCORE_E_INTERRUPTED, "MAILCORE_E_INTERRUPTED", c"interrupted"),
    (MAILCORE_E_TIMEOUT, "MAILCORE_E_TIMEOUT", c"timed out"),
];

/// The sentence of a code; a general one for numbers that are none.
pub(crate) fn sentence(code: i32) -> &'static CStr {
    CODES.iter().find(|(number, ..)| *number == code).map_or(c"unknown error code", |(.., text)| text)
}

/// Why a call failed: becomes the return value and the caller's `mailcore_error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// One of the codes above, below 0.
    pub code: i32,
    /// One sentence for a person.
    pub message: String,
    /// errno of the system call behind it, or 0.
    pub errno: i32,
    /// Reply code of SMTP, or 0, and the enhanced status code beside it.
    pub smtp: (u16, Option<Enhanced>),
}

impl Failure {
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), errno: 0, smtp: (0, None) }
    }

    /// The code's own sentence is enough.
    pub fn plain(code: i32) -> Self {
        Self::new(code, sentence(code).to_string_lossy())
    }

    pub fn null(what: &str) -> Self {
        Self::new(MAILCORE_E_NULL, format!("{what} is NULL"))
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(MAILCORE_E_INVALID, message)
    }

    /// What a caught panic was about. The payload is forgotten, not dropped: its drop may panic again.
    pub fn panicked(payload: Box<dyn Any + Send>, place: Option<String>) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "internal error".to_owned());
        std::mem::forget(payload);
        Self::new(MAILCORE_E_PANIC, place.map_or_else(|| text.clone(), |place| format!("{text} ({place})")))
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self { errno: e.errno(), smtp: e.smtp(), ..Self::new(code_of(e.kind()), e.text()) }
    }
}

fn code_of(kind: ErrorKind) -> i32 {
    match kind {
        ErrorKind::Invalid => MAILCORE_E_INVALID,
        ErrorKind::NotFound => MAILCORE_E_NOT_FOUND,
        ErrorKind::Exists => MAILCORE_E_EXISTS,
        ErrorKind::Busy => MAILCORE_E_BUSY,
        ErrorKind::Limit => MAILCORE_E_LIMIT,
        ErrorKind::Quota => MAILCORE_E_QUOTA,
        ErrorKind::Store => MAILCORE_E_STORE,
        ErrorKind::StoreDown => MAILCORE_E_STORE_DOWN,
        ErrorKind::DiskFull => MAILCORE_E_DISK_FULL,
        ErrorKind::Corruption => MAILCORE_E_CORRUPTION,
        ErrorKind::Network => MAILCORE_E_NETWORK,
        ErrorKind::Dns => MAILCORE_E_DNS,
        ErrorKind::Tls => MAILCORE_E_TLS,
        ErrorKind::Protocol => MAILCORE_E_PROTOCOL,
        ErrorKind::Login => MAILCORE_E_LOGIN,
        ErrorKind::Policy => MAILCORE_E_POLICY,
        ErrorKind::Timeout => MAILCORE_E_TIMEOUT,
        ErrorKind::Interrupted => MAILCORE_E_INTERRUPTED,
        ErrorKind::State => MAILCORE_E_STATE,
        ErrorKind::Unsupported => MAILCORE_E_UNSUPPORTED,
        ErrorKind::Memory => MAILCORE_E_NOMEM,
        ErrorKind::Bug => MAILCORE_E_PANIC,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_has_its_row() {
        let constants: Vec<(&str, i32)> = include_str!("result.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("pub const ")?.strip_suffix(';')?.split_once(": i32 = "))
            .map(|(name, number)| (name, number.parse().unwrap()))
            .collect();
        let rows: Vec<(&str, i32)> = CODES.iter().map(|(number, name, _)| (*name, *number)).collect();
        assert_eq!(rows, constants);
        for pair in CODES.windows(2) {
            assert!(pair[0].0 > pair[1].0, "numbers go down: {pair:?}");
        }
    }

    #[test]
    fn sentences() {
        assert_eq!(sentence(0), c"no error");
        assert_eq!(sentence(MAILCORE_E_TIMEOUT), c"timed out");
        assert_eq!(sentence(7), c"unknown error code");
        let full = Error::new(ErrorKind::Quota, "full").with_reply(&crate::base::Reply::new(452, 2, 2, "full"));
        let full = Failure::from(full);
        assert_eq!((full.code, full.smtp), (MAILCORE_E_QUOTA, (452, Some(Enhanced::new(4, 2, 2)))));
    }
}
