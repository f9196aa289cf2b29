//! Ends a test program in which a test runs too long, and names the test.
//!
//! One line at the root of a test program has all its tests watched:
//!
//! ```text
//! #[macro_use]
//! extern crate mailcore_watchdog;
//! ```
//!
//! It puts the `#[test]` of this crate in place of the standard one. A test that runs longer than its limit is named on
//! stderr, past the capture of the harness, with those that run beside it; then the program aborts, and its child
//! processes are killed. `MAILCORE_TEST_SECONDS=n` sets another limit for all tests; 0 switches the watchdog off, for a
//! debugger. On a machine with more to do than it has processors for, limits grow as much as its load is above their
//! number (Linux; ten times at most): a test that hangs still ends, one that is only slow goes on.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

pub use mailcore_watchdog_attribute::test;

/// How long a test may run, in seconds.
const SECONDS: u64 = 60;

/// How often the watchdog looks, at least.
const LOOK: Duration = Duration::from_secs(5);

/// Tests that may run longer, by the beginning of their name (the test program, then the path of the function), with
/// the limit in seconds. The first that fits counts. Each limit is several times what the test takes on two busy cores.
const LONGER: &[(&str, u64)] = &[
    // They build and run foreign programs: the C examples, the Go and Python bindings, the samples of the documents.
    ("abi::", 600),
    ("abi_examples::", 600),
    ("abi_misuse::", 180),
    ("bindings::", 900),
    ("installed::", 900),
    ("samples::", 900),
    // Random operations against a model.
    ("mailcore::store::tests::", 180),
    // Campaigns over many seeds; SIM_SEEDS=n asks for longer ones, with MAILCORE_TEST_SECONDS.
    ("simulation::", 900),
];

/// A test that is being watched, until this is dropped.
pub struct Watched(u64);

struct Test {
    name: &'static str,
    begun: Instant,
    limit: Duration,
}

/// The tests that run now, by number.
static RUNNING: Mutex<BTreeMap<u64, Test>> = Mutex::new(BTreeMap::new());
static BEGUN: Condvar = Condvar::new();

/// Watches the test `name` until the answer is dropped. The attribute calls this.
pub fn watch(name: &'static str) -> Option<Watched> {
    static WATCHDOG: Once = Once::new();
    static NUMBER: Mutex<u64> = Mutex::new(0);
    let limit = limit_of(name, std::env::var("MAILCORE_TEST_SECONDS").ok().as_deref())?;
    WATCHDOG.call_once(|| drop(std::thread::Builder::new().name("watchdog".to_owned()).spawn(keep_watch)));
    let mut number = NUMBER.lock().unwrap_or_else(PoisonError::into_inner);
    *number += 1;
    running().insert(*number, Test { name, begun: Instant::now(), limit });
    BEGUN.notify_one();
    Some(Watched(*number))
}

impl Drop for Watched {
    fn drop(&mut self) {
        running().remove(&self.0);
    }
}

fn running() -> MutexGuard<'static, BTreeMap<u64, Test>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The limit of a test, `asked` being the one of the environment; `None` where nothing is watched.
fn limit_of(name: &str, asked: Option<&str>) -> Option<Duration> {
    let longer = || LONGER.iter().find(|(beginning, _)| name.starts_with(beginning)).map(|(_, seconds)| *seconds);
    let seconds = asked.and_then(|seconds| seconds.parse().ok()).or_else(longer).unwrap_or(SECONDS);
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

fn keep_watch() {
    let mut tests = running();
    loop {
        let overload = overload();
        let left = |test: &Test| test.limit.mul_f64(overload).saturating_sub(test.begun.elapsed());
        if let Some(late) = tests.values().find(|test| left(test).is_zero()) {
            end(late, tests.values());
        }
        // A test that begins meanwhile may be the next that is late: it wakes this thread. The load changes, too.
        let wait = tests.values().map(left).min().unwrap_or(LOOK).min(LOOK);
        tests = BEGUN.wait_timeout(tests, wait).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// How much more there is to do on this machine than it has processors for, from 1 to 10.
fn overload() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|minute| minute.parse().ok()).unwrap_or(0.0);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (load / processors as f64).clamp(1.0, 10.0)
}

/// Names the test that is late, and ends the program.
fn end<'a>(late: &Test, all: impl Iterator<Item = &'a Test>) -> ! {
    let mut text = format!(
        "\nwatchdog: test {} has run for {} s and may run for {} (limits: tests/watchdog/src/lib.rs)\n",
        late.name,
        late.begun.elapsed().as_secs(),
        late.limit.as_secs()
    );
    for test in all.filter(|test| test.name != late.name) {
        text += &format!("watchdog: beside it ran {}, for {} s\n", test.name, test.begun.elapsed().as_secs());
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
    kill_children();
    std::process::abort()
}

/// Kills the processes that this one started, which would outlive it. Where there is no /proc they do.
fn kill_children() {
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let children: Vec<String> = processes
        .filter(|entry| parent(&entry.path()).is_some_and(|parent| parent == own))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    if !children.is_empty() {
        let _ = std::process::Command::new("sh").args(["-c", &format!("kill -9 {}", children.join(" "))]).status();
    }
}

/// The parent of the process of a folder of /proc: the second word behind its name, which stands in brackets.
fn parent(process: &std::path::Path) -> Option<String> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1).map(str::to_owned)
}
