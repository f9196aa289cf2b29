//! SQLite's random state is one for the process: a campaign's seeds run in as many processes as there are processors.

use std::ops::Range;
use std::process::{Command, Stdio};

/// The seeds that this process runs, or none where it has handed them to children. `test` is the full name of the test
/// that asks, `few` how many seeds it runs where nobody says otherwise.
pub fn seeds_here(test: &str, few: u64) -> Option<Range<u64>> {
    match (crate::setting("SIM_SEED"), crate::setting("SIM_FROM")) {
        (Some(seed), _) => Some(seed..seed + 1),
        (None, Some(from)) => Some(from..from + crate::seeds(1)),
        (None, None) => {
            in_processes(test, crate::seeds(few));
            None
        }
    }
}

/// Whether this process is one of those, and nothing else runs in it.
pub fn is_child() -> bool {
    crate::setting("SIM_CHILD").is_some()
}

fn in_processes(test: &str, seeds: u64) {
    let here = std::env::current_exe().expect("this program has a path");
    let processes = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(seeds).max(1);
    let share = seeds.div_ceil(processes);
    let children: Vec<_> = (0..seeds.div_ceil(share))
        .map(|i| {
            let mut child = Command::new(&here);
            child.args(["--exact", test, "--nocapture"]);
            child.env("SIM_CHILD", "1");
            child.env("SIM_FROM", (i * share).to_string());
            child.env("SIM_SEEDS", share.min(seeds - i * share).to_string());
            child.stdout(Stdio::piped()).stderr(Stdio::piped());
            child.spawn().expect("a process")
        })
        .collect();
    let mut children = children.into_iter();
    while let Some(child) = children.next() {
        let done = child.wait_with_output().expect("a process ends");
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        if !done.status.success() {
            // One failure is enough; nobody is left behind.
            for mut other in children {
                let _ = other.kill();
                let _ = other.wait();
            }
            panic!("{out}\n{err}");
        }
        crate::report(&out);
    }
}
