//! A test that hangs ends with its name, every test program of the project has its tests watched, and one that is
//! ended by a signal leaves no PostgreSQL server behind.

#![allow(clippy::disallowed_methods, reason = "a test that runs itself and reads the sources")]

#[macro_use]
extern crate mailcore_watchdog;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mailcore_tests::postgres::Cluster;

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

/// Set for the run in which `keeps_a_server` shall keep one.
const KEEP: &str = "MAILCORE_TEST_KEEPS";

#[test]
#[ignore = "keeps a PostgreSQL server where MAILCORE_TEST_KEEPS is set"]
fn keeps_a_server() {
    if std::env::var_os(KEEP).is_some() {
        let _cluster = Cluster::start("a server of a program that is ended");
        loop {
            std::thread::park();
        }
    }
}

/// How a program with a server ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Its process group gets the signal once this exists in the server's folder.
    Signal(&'static str, &'static str),
    /// The watchdog ends it.
    Hangs,
}

/// Runs a program with a server up to its end. Gives the server's folder, when all that the program started has ended.
fn ended_by(end: End) -> PathBuf {
    let seconds = if matches!(end, End::Hangs) { "2" } else { "50" };
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "keeps_a_server", "--nocapture"])
        .envs([(KEEP, "1"), ("MAILCORE_TEST_SECONDS", seconds)])
        .env_remove("PGPORT")
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let folder = std::env::temp_dir().join(format!("mailcore-pg-{}-0", child.id()));
    if let End::Signal(signal, reached) = end {
        let begun = Instant::now();
        while !folder.join(reached).exists() {
            assert!(begun.elapsed() < Duration::from_secs(40), "{reached} does not come");
            std::thread::sleep(Duration::from_millis(5));
        }
        // A shell's own word: there need not be a program of this name.
        let kill = format!("kill -s {signal} -- -{}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("sh").success());
    }
    // The shell that watches over the server has the same stderr, and ends last.
    let out = child.wait_with_output().expect("ends");
    assert!(!out.status.success());
    folder
}

#[test]
fn a_program_that_is_ended_leaves_no_postgresql_server() {
    if mailcore_tests::tools::tool("postgres", "servers of programs that are ended").is_none() {
        return;
    }
    const UP: &str = ".s.PGSQL.5432";
    // While the cluster is made, and when the server is there.
    for end in [End::Signal("TERM", "log"), End::Signal("TERM", UP), End::Signal("KILL", UP), End::Hangs] {
        let folder = ended_by(end);
        assert!(!folder.exists(), "{end:?}: {} is left", folder.display());
        let name = folder.to_string_lossy().into_owned();
        let is_left = |process: &PathBuf| {
            let words = std::fs::read(process.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).contains(&name)
        };
        assert_eq!(entries(Path::new("/proc")).into_iter().find(is_left), None, "{end:?}");
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path()).collect()
}
