//! Limits of what is known of other domains and their hosts, and of what is kept of attempts.

/// Rules on TLS for single domains.
pub const TLS_RULES_MAX: usize = 10_000;
/// TLSA records of a host that are looked at.
pub const TLSA_RECORDS_MAX: usize = 64;
/// Octets of a TLSA record's data: a certificate or key of any sensible size.
pub const TLSA_DATA_OCTETS_MAX: usize = 16_384;
/// Octets of an MTA-STS policy; RFC 8461 §3.3 suggests 64 KiB.
pub const STS_POLICY_OCTETS_MAX: usize = 65_536;
/// Hosts that an MTA-STS policy names.
pub const STS_HOSTS_MAX: usize = 256;
/// Seconds a policy lives at most (RFC 8461 §3.2: 31 557 600 in max_age).
pub const STS_SECONDS_MAX: u64 = 31_557_600;
/// Seconds that fetching a policy may take in all (RFC 8461 §3.3: one minute).
pub const STS_FETCH_SECONDS: u64 = 60;
/// Seconds without another try after a policy could not be fetched (RFC 8461 §3.3: five minutes or longer).
pub const STS_RETRY_SECONDS: u64 = 300;
/// Seconds after which a policy that is kept is fetched again, whatever its id says (RFC 8461 §3.3: daily).
pub const STS_REFRESH_SECONDS: u64 = 86_400;
/// Seconds between two looks for policies that are to be fetched again.
pub const STS_REFRESH_LOOK_SECONDS: u64 = 21_600;
/// Domains whose policies are kept.
pub const STS_DOMAINS_MAX: usize = 100_000;
/// Domains whose policies, or want of one, are known without a look into the store.
pub const STS_KNOWN_MAX: usize = 10_000;
/// Attempts that are forgotten at the end of another one, where their time is over.
pub const ATTEMPTS_FORGOTTEN_AT_ONCE: i64 = 64;
/// Attempts that the explanation of one queued message tells of.
pub const EXPLAINED_ATTEMPTS_MAX: usize = 1_000;
/// Destinations that may be paused at a time.
pub const PAUSED_DESTINATIONS_MAX: usize = 1_000;
/// Seconds a key of a submission is remembered.
pub const SUBMIT_KEY_SECONDS: i64 = 7 * 86_400;
/// Octets of a key of a submission.
pub const SUBMIT_KEY_OCTETS_MAX: usize = 255;
/// Octets of the trail of one attempt that are kept.
pub const TRAIL_OCTETS_MAX: usize = 16_384;
/// The same of one line of it.
pub const TRAIL_LINE_OCTETS_MAX: usize = 1_024;
/// Octets of the header of an HTTP response.
pub const HTTP_HEADER_OCTETS_MAX: usize = 16_384;
/// Seconds an idle connection serves its destination without another look at the destination's TLS policy.
pub const TLS_POLICY_HOLDS_SECONDS: u64 = 60;
