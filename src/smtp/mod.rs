//! Floor 2: SMTP as a language, both sides, without a socket (RFC 5321 and its extensions). Uses message, sasl and base.

pub mod client;
pub mod data;
pub mod extension;
pub mod line;
pub mod reply;
