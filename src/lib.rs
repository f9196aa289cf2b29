//! A mail server as a library: queue, delivery, SMTP, POP3 and IMAP in the process of a program.
//!
//! The names at the root of this crate are for programs in Rust, and keep to semantic versioning: [`Engine`] and what
//! it gives and takes. The modules behind them are hidden here: they change with any version. `src/ARCHITECTURE.md`
//! describes them. Programs in other languages use the C interface, `include/mailcore.h`.
//!
//! `examples/first_mail.rs`, which a test runs:
//!
#![doc = concat!("```no_run\n", include_str!("../examples/first_mail.rs"), "```")]
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
#[doc(hidden)]
pub mod base;
// Floor 1
#[doc(hidden)]
pub mod message;
#[doc(hidden)]
pub mod sasl;
// Floor 2
#[doc(hidden)]
pub mod dsn;
#[doc(hidden)]
pub mod feedback;
#[doc(hidden)]
pub mod imap;
#[doc(hidden)]
pub mod managesieve;
#[doc(hidden)]
pub mod pop3;
#[doc(hidden)]
pub mod sieve;
#[doc(hidden)]
pub mod smtp;
// Floor 3
#[doc(hidden)]
pub mod dns;
#[doc(hidden)]
pub mod net;
#[doc(hidden)]
pub mod os;
#[doc(hidden)]
pub mod store;
// Floor 4
#[doc(hidden)]
pub mod delivery;
#[doc(hidden)]
pub mod mailauth;
// Floor 5
#[doc(hidden)]
pub mod queue;
// Floor 6
#[doc(hidden)]
pub mod intake;
// Floor 7
#[doc(hidden)]
pub mod server;
// Floor 8
#[doc(hidden)]
pub mod engine;
// Floor 9
#[doc(hidden)]
pub mod ffi;
// Floor 10
mod facade;

pub use facade::{Delivery, Engine, Error, ErrorKind, Event, Message, Result, Service};
