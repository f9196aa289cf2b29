//! Floor 4: checking other hosts' mail and signing ours: SPF, DKIM, DMARC, ARC.
//!
//! Verdicts come from a message, an envelope, a resolver and a time, and from nothing else: the same four give the same
//! verdict again, offline. Results are data; what follows from them is decided in `intake`.

pub mod dkim;
pub mod dmarc;
pub mod spf;
mod tags;
