//! ARC (RFC 8617): chains of those who handled a message checked, and one more link forged onto them.
//!
//! A chain is read from the header, its newest signature over the message is checked in one pass over the body, then
//! the seals. There is no temporary failure: whatever cannot be checked breaks the chain (§5.2.1).

mod chain;
mod seal;
#[cfg(test)]
mod tests;
mod verify;

pub use seal::{Sealer, Sealing, chain_status};

pub use super::results::{ArcResult, ArcSet, ArcVerdict};

pub(super) use verify::Chained;
