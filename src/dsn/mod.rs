//! Floor 2: delivery status notifications (RFC 3464, RFC 6522, RFC 6533): typed reports, written and read.
//!
//! Pure: the date, the boundary and the Message-ID's octets are given. Uses message and base.

mod compose;
mod language;
mod parse;
pub mod remote;
mod report;

pub use compose::{Letter, Original, Written, compose};
pub use parse::{parse, parse_status};
pub use report::{Action, RecipientReport, Report, Typed};
