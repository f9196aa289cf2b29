//! Floor 8: wires everything, starts and stops it, and is what the host holds.

pub mod config;
pub mod events;
pub mod interrupt;
pub mod keys;

pub use config::Config;
