//! Floor 2: ManageSieve as a server speaks it, without a socket (RFC 5804). Uses sasl and base.
//!
//! Promises: nothing is done before somebody has logged in; a script is stored, or made active, before `OK` says so; a
//! command is bounded, and one with a literal that is too long is passed over and refused. What scripts mean is not
//! known here: who answers the session's questions compiles them.

pub mod command;
pub mod session;

pub use session::{Answer, Ask, LoginTrouble, Refusal, Session, SessionSettings, Trouble};
