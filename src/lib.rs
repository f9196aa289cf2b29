#![doc = include_str!("ARCHITECTURE.md")]
#![deny(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::string_slice)
)]

// Standards that libraries and the system follow for us (src/RFCS.md, "library"): TCP (RFC 793) by the kernel; UTF-8
// (RFC 3629) and the text of IPv6 addresses (RFC 5952) by std; base64 (RFC 4648); domain names beyond ASCII (RFC 5890,
// RFC 5891) and Punycode (RFC 3492) by idna; DNS over IPv6 (RFC 3596) and DNSSEC (RFC 4033, RFC 4034, RFC 4035) by
// hickory; TLS 1.2 with its extended master secret (RFC 5246, RFC 7627), TLS 1.3 (RFC 8446) and the comparison of a
// certificate with a name (RFC 9525) by OpenSSL.

// Every `#[test]` is watched: one that hangs ends with its name (tests/watchdog).
#[cfg(test)]
#[macro_use]
extern crate mailcore_watchdog;

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
