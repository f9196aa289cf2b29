//! Encoders, one file an item: from facts to octets of an answer.

pub mod envelope;
pub mod fetch;
pub mod flags;
pub mod list;
pub mod metadata;
pub mod search;
pub mod status;
pub mod structure;
