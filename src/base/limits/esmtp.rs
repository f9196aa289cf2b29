//! Limits of ESMTP extensions and of connections that come through other programs.

/// Seconds from MAIL that BY may name (RFC 2852 §4: nine digits).
pub const DELIVER_BY_SECONDS_MAX: i64 = 999_999_999;
/// Octets of a list of solicitation classes (RFC 3865 §2.2).
pub const SOLICIT_OCTETS_MAX: usize = 1_000;
/// Seconds into the future for which a submitted message may be held (RFC 4865).
pub const HOLD_SECONDS_MAX: u64 = 30 * 86_400;
/// Milliseconds that one step of MT-PRIORITY is worth: a message goes before another of a priority lower by one that
/// became due no more than this much earlier.
pub const PRIORITY_STEP_MILLISECONDS: i64 = 300_000;
/// Rows of one destination that are looked at for their priority at a time.
pub const PRIORITY_ROWS_LOOKED_AT: usize = 64;
/// Attributes of one XCLIENT or XFORWARD command.
pub const XCLIENT_ATTRIBUTES_MAX: usize = 16;
/// Octets of one of their values.
pub const XCLIENT_VALUE_OCTETS_MAX: usize = 255;
/// Octets of a PROXY header of version 1, with its CRLF.
pub const PROXY_LINE_OCTETS_MAX: usize = 107;
/// Octets of a PROXY header of version 2 behind its first sixteen.
pub const PROXY_OCTETS_MAX: usize = 4_096;
/// Seconds in which a PROXY header must have come.
pub const PROXY_WAIT_SECONDS: u64 = 10;
/// Members of a list that EXPN tells.
pub const EXPN_MEMBERS_MAX: usize = 100;
/// Accounts whose submissions are counted before those without any in the last day are forgotten.
pub const RATED_ACCOUNTS_MAX: usize = 100_000;
/// Different recipients of an account that are told apart in a day.
pub const RATED_RECIPIENTS_MAX: usize = 100_000;
