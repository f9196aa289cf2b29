//! What the test programs share: the other side of dialogues, transcripts, mail hosts that follow scripts, the simulated
//! world, the C ABI seen from outside, and optional programs.
//!
//! A test program says `use mailcore_tests::wire::Wire;` and so on. Nothing here is a test. The files of the simulated
//! world are those of `tests/simulation/`, which compiles them with its own settings.

#![allow(clippy::disallowed_methods, reason = "tests talk to the engine as foreign programs would")]
#![allow(dead_code, reason = "the simulation offers more than these tests use")]

pub mod abi;
#[path = "../../simulation/clock.rs"]
pub mod clock;
pub mod dialog;
#[path = "../../simulation/disk.rs"]
pub mod disk;
#[path = "../../simulation/files.rs"]
mod files;
#[path = "../../simulation/image.rs"]
pub mod image;
pub mod peers;
#[path = "../../simulation/pipe.rs"]
pub mod pipe;
pub mod postgres;
#[path = "../../simulation/rng.rs"]
pub mod rng;
#[path = "../../simulation/run.rs"]
pub mod run;
pub mod signed;
#[path = "../../simulation/tls.rs"]
pub mod tls;
pub mod tools;
pub mod transcript;
#[path = "../../simulation/vfs.rs"]
pub mod vfs;
pub mod wire;
#[path = "../../simulation/world.rs"]
pub mod world;
#[path = "../../simulation/zone.rs"]
pub mod zone;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Held by every test that runs a simulated world: SQLite's random state belongs to the process.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the simulated world asks for: no traces here.
fn setting(_name: &str) -> Option<u64> {
    None
}
