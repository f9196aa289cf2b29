//! The engine in a simulated world: one seed, one thread, one history.
//!
//! Clock, chance, network, names, TLS and disk are ours; the code under test is the engine's own. The disk
//! forgets what was not synced, the network breaks, the power fails; what was acknowledged must be there
//! afterwards. `SIM_SEED=n cargo test --test simulation` replays one seed; `SIM_SEEDS=n` sets how many each
//! campaign runs, and lets sweeps cut at every change.
//!
//! SQLite's random state belongs to the process, so one simulation runs at a time in it; campaigns use
//! child processes for more.
#![allow(dead_code, reason = "the harness offers more than each campaign uses")]

#[macro_use]
extern crate mailcore_watchdog;

mod arrived;
mod check;
mod client;
mod clock;
mod disk;
mod files;
mod flow;
mod fsync;
mod ground;
mod image;
mod judge;
mod letter;
#[path = "../imap_state/model.rs"]
mod model;
mod mutants;
mod office;
mod peer;
mod pipe;
mod pop;
mod processes;
mod promise;
mod reports;
#[path = "../imap_state/response.rs"]
mod response;
mod rng;
mod road;
mod run;
mod sessions;
mod sorter;
mod sweep;
mod tls;
mod vfs;
mod wire;
mod world;
mod zone;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by every test that touches SQLite.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number from the environment.
#[allow(clippy::disallowed_methods, reason = "a test run by hand takes its settings from the environment")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seed of a campaign: `SIM_SEED`, else `usual`.
fn seed(usual: u64) -> u64 {
    setting("SIM_SEED").unwrap_or(usual)
}

/// How many seeds a campaign runs: `SIM_SEEDS`, else `few`.
fn seeds(few: u64) -> u64 {
    setting("SIM_SEEDS").unwrap_or(few)
}

/// `SIM_SEEDS` from which on a campaign is a long one.
const MANY_SEEDS: u64 = 500;

/// Sweeps look at each `step`-th change, at every one where `SIM_SEEDS` asks for a long campaign.
fn step(quick: usize) -> usize {
    if setting("SIM_SEEDS").is_some_and(|seeds| seeds >= MANY_SEEDS) { 1 } else { quick }
}

/// What a campaign came to, for whoever runs it by hand (`--nocapture`).
#[allow(clippy::disallowed_macros, reason = "tests speak to whoever runs them")]
fn report(text: &str) {
    println!("{text}");
}

/// The text of a panic.
fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}
