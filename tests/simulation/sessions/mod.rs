//! Users with IMAP sessions, several on one mailbox and several for one account, while the disk fails, fills and turns
//! read-only, the power fails, and the clock is set.
//!
//! They act on the beat, so that their changes share commits in many orders. After each burst everybody stops: what was
//! answered must be explained by some order of the acts, the store must hold what that order leaves (`order`), its parts
//! must agree, and each session must have been told of all of it, whoever waits in IDLE without asking.

mod act;
mod allot;
mod board;
mod campaign;
mod command;
mod order;
mod state;
mod sweep;
pub mod talk;
mod trial;
mod user;
