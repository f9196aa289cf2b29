//! Floor 9: the C ABI, one file per noun. With `store::sqlite::vfs` the only place with `unsafe`.
//!
//! What C sees is `include/mailcore.h`, made from these files by `build.rs`. The rules every function keeps:
//! handles are tokens, looked up and never dereferenced (`handle`); every pointer may be NULL; what went
//! wrong stands in the caller's own `mailcore_error` (`error`); structs carry their size (`record`); no panic
//! leaves, nothing works after a fork, nothing is printed (`panic`, `fork`). What a pointer must be is said
//! once for all in the header's beginning; the functions say what is special about theirs.

#![allow(unsafe_code, reason = "pointers from C; each use says why it is sound")]
#![allow(non_camel_case_types, reason = "types are named as in the header")]
#![allow(clippy::missing_safety_doc, reason = "the rules for all pointers stand at the header's beginning")]
#![allow(rustdoc::broken_intra_doc_links, reason = "the texts are the header's: [nowait] is a tag, not a link")]
#![warn(clippy::undocumented_unsafe_blocks)]

pub mod account;
pub mod buf;
mod check;
pub mod clock;
pub mod close;
pub mod cursor;
pub mod directory;
pub mod dkim;
pub mod dns;
pub mod engine;
pub mod error;
pub mod event;
pub(crate) mod event_json;
mod fork;
mod handle;
mod hook_call;
pub mod hooks;
mod json;
pub mod library;
pub mod listen;
pub mod mailauth;
pub mod mailbox;
pub mod message;
pub mod object;
pub mod outward;
mod panic;
pub mod property;
pub mod queue;
mod record;
mod reports;
pub mod resolver;
pub mod result;
pub mod sending;
pub mod session;
pub mod sieve;
mod sieve_json;
pub mod signing;
pub mod stats;
pub mod submit;
mod text;
pub mod tls;
pub mod trouble;
pub mod verdict;
mod verdict_json;
mod verdict_row;
