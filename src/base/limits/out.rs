//! Limits of what is kept about outgoing mail as a whole: addresses that get none, levels of TLS that hosts had, counts
//! for TLS reports, reports that came.

/// Addresses that may be suppressed.
pub const SUPPRESSED_MAX: i64 = 1_000_000;
/// Octets of the text that says why an address is suppressed.
pub const SUPPRESSED_DETAIL_OCTETS_MAX: usize = 500;
/// Hosts whose level of TLS is remembered.
pub const TLS_LEVELS_MAX: i64 = 100_000;
/// Hosts whose level is known without a look into the store.
pub const TLS_LEVELS_KNOWN_MAX: usize = 10_000;
/// Seconds after which a level that was seen again is written again.
pub const TLS_LEVEL_FRESH_SECONDS: i64 = 86_400;
/// Kinds of TLS result of one day that are kept.
pub const TLS_RESULTS_DAY_MAX: i64 = 50_000;
/// Kinds of TLS result that wait in memory to be written.
pub const TLS_RESULTS_WAITING_MAX: usize = 10_000;
/// Seconds that a TLS result waits in memory.
pub const TLS_RESULTS_WAIT_SECONDS: u64 = 60;
/// Days for which a TLS report is tried again.
pub const TLS_REPORT_TRY_DAYS: i64 = 2;
/// Seconds until TLS reports that failed are tried again.
pub const TLS_REPORT_RETRY_SECONDS: u64 = 3_600;
/// Addressees of a TLS report (RFC 8460 §3: senders may limit them).
pub const TLS_REPORT_ADDRESSEES_MAX: usize = 4;
/// Octets of the text of one TLS result.
pub const TLS_RESULT_TEXT_OCTETS_MAX: usize = 300;
/// Octets of a TLS report when it is unpacked.
pub const TLS_REPORT_OCTETS_MAX: usize = 4 * 1024 * 1024;
/// Policies, and failures of each, that are read of a TLS report.
pub const TLS_REPORT_PARTS_MAX: usize = 1_000;
/// TLS reports that are kept.
pub const TLS_REPORTS_KEPT_MAX: i64 = 10_000;
/// Octets of a TLS report, as it is kept.
pub const TLS_REPORT_KEPT_OCTETS_MAX: usize = 65_536;
/// Seconds that sending a TLS report over HTTPS may take.
pub const TLS_REPORT_POST_SECONDS: u64 = 60;
/// Octets of a Message-ID, or ENVID, under which a queued message is known to reports of others.
pub const SENT_NAME_OCTETS_MAX: usize = 500;
/// Recipients that are read of one report of others on our mail.
pub const REMOTE_REPORT_RECIPIENTS_MAX: usize = 100;
/// Octets of what such a report says of one recipient.
pub const REMOTE_REPORT_TEXT_OCTETS_MAX: usize = 1_000;
/// Seconds that each question of DNS advice may take.
pub const ADVICE_WAIT_SECONDS: u64 = 10;
/// Addresses of our host that DNS advice looks at.
pub const ADVICE_ADDRESSES_MAX: usize = 16;
/// Destinations whose deliveries are counted.
pub const DESTINATIONS_COUNTED_MAX: usize = 10_000;
