//! The host's decisions about recipients and messages, over real sockets: by function and by event, and all that
//! goes wrong with either.

#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

#[macro_use]
extern crate mailcore_watchdog;

mod decisions;
mod test_engine;
mod trouble;
use mailcore_tests::wire;
