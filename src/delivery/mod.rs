//! Floor 4: one attempt to deliver: where to, over which connection, with what outcome. Decides no retry time.

pub mod attempt;
pub mod directory;
pub mod error;
pub mod filing;
pub mod group;
pub mod hosts;
pub mod local;
pub mod outcome;
pub mod policy;
pub mod pool;
pub mod progress;
pub mod route;
pub mod rules;
mod session;
pub mod sink;
pub mod srs;
pub mod trail;
mod watched;
pub mod wire;

pub use attempt::{Outlet, Work, attempt};
pub use hosts::Hosts;
pub use outcome::{Outcome, Reach, Report, Verdict};
pub use pool::Pool;
pub use progress::Progress;
pub use route::{Destination, Route};
pub use session::{BodySource, SevenBit};
