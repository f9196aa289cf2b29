//! Floor 3: the real clock, entropy, threads and files of `base::world`. Uses base only.

pub mod aside;
pub mod clock;
pub mod disk;
pub mod entropy;
mod executor;
pub mod memory;
pub mod panics;
mod reactor;
mod signals;
pub mod threads;

pub use clock::{RealClock, SteppedClock};
pub use disk::RealDisk;
pub use entropy::RealEntropy;
pub use threads::{COMPUTE, PanicHandler, ThreadOptions, Threads};
