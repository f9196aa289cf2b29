//! A test that hangs ends with its name, and every test program of the project has its tests watched.

#![allow(clippy::disallowed_methods, reason = "a test that runs itself and reads the sources")]

#[macro_use]
extern crate mailcore_watchdog;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Set for the run in which `hangs` shall hang.
const HANG: &str = "MAILCORE_TEST_HANGS";

#[test]
#[ignore = "hangs where MAILCORE_TEST_HANGS is set"]
fn hangs() {
    if std::env::var_os(HANG).is_some() {
        let mut child = Command::new("sleep").arg("600").spawn().expect("sleep");
        child.wait().expect("the child's end");
        loop {
            std::thread::park();
        }
    }
}

#[test]
fn a_test_that_hangs_is_ended_and_named() {
    let begun = Instant::now();
    for threads in ["1", "2"] {
        let out = Command::new(std::env::current_exe().expect("this program"))
            .args(["--ignored", "--exact", "hangs", "--test-threads", threads])
            .envs([(HANG, "1"), ("MAILCORE_TEST_SECONDS", "1")])
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success(), "{said}");
        assert!(said.contains("watchdog: test watchdog::hangs has run for "), "{said}");
    }
    // Its child, which holds the pipe of stderr open, ended with it.
    assert!(begun.elapsed() < Duration::from_secs(100), "{:?}", begun.elapsed());
}

#[test]
fn a_test_in_time_is_left_alone() {
    let out = Command::new(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "hangs"])
        .env("MAILCORE_TEST_SECONDS", "30")
        .env_remove(HANG)
        .output()
        .expect("runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn every_test_program_is_watched() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut programs = vec![root.join("src/lib.rs")];
    for path in entries(&root.join("tests")) {
        let main = path.join("main.rs");
        if main.is_file() {
            programs.push(main);
        } else if path.extension().is_some_and(|e| e == "rs") && path.file_stem().is_some_and(|name| name != "without")
        {
            programs.push(path);
        }
    }
    assert!(programs.len() > 20, "{programs:?}");
    let unwatched = |path: &&PathBuf| {
        let source = std::fs::read_to_string(path).expect("source");
        !source.contains("#[macro_use]\nextern crate mailcore_watchdog;\n")
    };
    let unwatched: Vec<&PathBuf> = programs.iter().filter(unwatched).collect();
    assert!(unwatched.is_empty(), "no `#[macro_use] extern crate mailcore_watchdog;` in {unwatched:#?}");
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path()).collect()
}
