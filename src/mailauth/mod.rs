//! Floor 4: checking other hosts' mail and signing ours: SPF, DKIM, DMARC, ARC.
//!
//! Verdicts come from a message, an envelope, a resolver and a time, and from nothing else: the same four give the same
//! verdict again, offline. Results are data; what follows from them is decided in `intake`.

// Its keys are OpenSSL's, which a build has on Linux and BSD.
#[cfg(not(any(windows, target_vendor = "apple")))]
pub mod arc;
pub mod bimi;
#[cfg(not(any(windows, target_vendor = "apple")))]
pub mod dkim;
pub mod dmarc;
mod examine;
pub mod iprev;
#[cfg_attr(any(windows, target_vendor = "apple"), path = "keyring_absent.rs")]
mod keyring;
pub mod results;
pub mod spf;
mod tags;
#[cfg_attr(any(windows, target_vendor = "apple"), path = "verifier_absent.rs")]
mod verifier;

pub use examine::{Checks, Examination, Origin, Verdicts};
pub use keyring::Keyring;
pub use verifier::Verifier;
