#![doc = include_str!("ARCHITECTURE.md")]
#![deny(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::string_slice)
)]

// Floor 0
pub mod base;
// Floor 1
pub mod message;
pub mod sasl;
// Floor 2
pub mod dsn;
pub mod feedback;
pub mod imap;
pub mod pop3;
pub mod smtp;
// Floor 3
pub mod dns;
pub mod net;
pub mod os;
pub mod store;
// Floor 4
pub mod delivery;
pub mod mailauth;
// Floor 5
pub mod queue;
// Floor 6
pub mod intake;
// Floor 7
pub mod server;
// Floor 8
pub mod engine;
// Floor 9
pub mod ffi;
