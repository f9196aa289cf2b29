//! Settings of what is kept about outgoing mail as a whole: TLS reports, remembered TLS, reports of others on our mail,
//! suppressed addresses. All of it is off unless the program asks for it.

use std::time::Duration;

use super::address::Address;

/// What is kept about outgoing mail as a whole.
#[derive(Debug, Clone)]
pub struct Sending {
    /// Who our TLS reports are from; without it nothing is counted and none are sent.
    pub tls_report_from: Option<Address>,
    /// The address here that others' TLS reports come to; its mail is filed as any, and read.
    pub tls_report_address: Option<Address>,
    /// How long TLS reports that came are kept.
    pub tls_report_keep: Duration,
    /// Whether a host that did TLS must do it again.
    pub remember_tls: bool,
    /// For how long after it did it last.
    pub remember_tls_for: Duration,
    /// Whether mail that comes is read for bounces, receipts and complaints about mail of ours.
    pub read_reports: bool,
    /// Whether an address is suppressed that fails for good, or whose owner complains.
    pub suppress_failed: bool,
    /// For how long that is.
    pub suppress_for: Duration,
}

impl Default for Sending {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Self {
            tls_report_from: None,
            tls_report_address: None,
            tls_report_keep: days(365),
            remember_tls: false,
            remember_tls_for: days(30),
            read_reports: false,
            suppress_failed: false,
            suppress_for: days(90),
        }
    }
}
