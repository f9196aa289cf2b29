//! Floor 4: one attempt to deliver: where to, over which connection, with what outcome. Decides no retry time.

pub mod attempt;
pub mod directory;
pub mod filing;
pub mod local;
pub mod outcome;
pub mod pool;
pub mod route;
mod session;
pub mod trouble;
pub mod wire;

pub use attempt::{Outlet, Work, attempt};
pub use outcome::{Outcome, Verdict};
pub use pool::Pool;
pub use route::Destination;
pub use session::{BodySource, SevenBit};
