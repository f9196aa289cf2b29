//! Floor 2: IMAP as a language (rev1 and rev2), without a socket. Uses message, sasl and base.
//!
//! `framing` finds the commands in a client's octets, `parse` makes them typed (`command`), `encode` and `response`
//! write answers, `view` says what changed between two states of a mailbox. Sockets and the store meet them in
//! `server::imap`. One verb, one file, the same name on every floor.

pub mod capability;
pub mod command;
pub mod encode;
pub mod framing;
pub mod grammar;
pub mod metadata;
pub mod name;
pub mod notify;
pub mod parse;
pub mod query;
pub mod response;
pub mod sequence;
pub mod session;
pub mod thread;
pub mod view;
