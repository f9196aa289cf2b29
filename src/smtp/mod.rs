//! Floor 2: SMTP as a language, both sides, without a socket (RFC 5321 and its extensions). Uses message, sasl, base.

pub mod client;
pub mod command;
pub mod data;
pub mod extension;
pub mod parameter;
pub mod path;
pub mod reply;
pub mod server;
pub mod transaction;
