//! tests/setup.sh on machines that lack something: the one install line of each system, who runs it, and Rust.
//!
//! The machine is a folder of programs: the few of POSIX that the script calls, and small ones in place of package
//! managers, compilers and Rust.

#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "a test writes files and runs programs")]

#[macro_use]
extern crate mailcore_watchdog;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const POSIX: [&str; 12] = ["sh", "sed", "grep", "head", "cut", "sort", "mktemp", "rm", "dirname", "env", "cat", "tail"];

/// A machine of a test.
struct Machine {
    bin: PathBuf,
}

impl Machine {
    /// A machine of user `id` with this package manager and `kernel`, Rust of this version, and nothing else.
    fn new(name: &str, manager: &str, kernel: &str, id: u32, rust: Option<&str>) -> Machine {
        let bin = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("setup-{name}"));
        let _ = fs::remove_dir_all(&bin);
        fs::create_dir_all(&bin).expect("folder");
        let machine = Machine { bin };
        for program in POSIX {
            let folders = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
            let there = folders.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{program}"));
            symlink(there, machine.bin.join(program)).expect("link");
        }
        machine.add(manager, &format!("echo \"{manager} $*\" >>\"{}/ran\"", machine.bin.display()));
        machine.add("uname", &format!("echo {kernel}"));
        machine.add("id", &format!("echo {id}"));
        machine.add("sudo", &format!("echo sudo >>\"{}/ran\"; \"$@\"", machine.bin.display()));
        if let Some(version) = rust {
            machine.add("cargo", "exit 0");
            machine.add("rustc", &format!("echo 'rustc {version} (0 2026-01-01)'"));
        }
        machine
    }

    fn add(&self, program: &str, text: &str) {
        let path = self.bin.join(program);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("program");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
    }

    fn setup(&self, arguments: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/setup.sh");
        let mut sh = Command::new(self.bin.join("sh"));
        sh.arg(script).args(arguments).env_clear().env("PATH", &self.bin).output().expect("sh")
    }

    fn ran(&self) -> String {
        fs::read_to_string(self.bin.join("ran")).unwrap_or_default()
    }
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[test]
fn each_system_has_its_install_line() {
    for (manager, kernel, line) in [
        ("apt-get", "Linux", "sudo apt-get install -y --no-install-recommends gcc libc6-dev pkg-config libssl-dev"),
        ("dnf", "Linux", "sudo dnf install -y gcc pkgconf-pkg-config openssl-devel"),
        ("apk", "Linux", "sudo apk add gcc musl-dev pkgconf openssl-dev"),
        ("pacman", "Linux", "sudo pacman -S --needed --noconfirm gcc pkgconf openssl"),
        ("brew", "Darwin", "brew install gcc pkgconf openssl@3"),
    ] {
        let machine = Machine::new(&format!("line-{manager}"), manager, kernel, 1000, Some("1.95.0"));
        let out = machine.setup(&["build"]);
        assert_eq!(out.status.code(), Some(1), "{manager}: {}", said(&out));
        assert!(said(&out).lines().any(|text| text.trim().starts_with(line)), "{manager}: {}", said(&out));
        assert!(!machine.ran().contains("install"), "{manager}: {}", machine.ran());
    }
}

#[test]
fn root_or_yes_runs_it() {
    for (name, id, arguments, first) in
        [("root", 0, &["build"][..], "apt-get update"), ("yes", 1000, &["--yes", "build"], "sudo\napt-get update")]
    {
        let machine = Machine::new(name, "apt-get", "Linux", id, Some("1.95.0"));
        let out = machine.setup(arguments);
        assert!(out.status.success(), "{name}: {}", said(&out));
        assert!(machine.ran().starts_with(first), "{name}: {}", machine.ran());
        assert!(machine.ran().contains("gcc libc6-dev pkg-config libssl-dev"), "{name}: {}", machine.ran());
    }
    let machine = Machine::new("fails", "apt-get", "Linux", 0, Some("1.95.0"));
    machine.add("apt-get", "exit 100");
    let out = machine.setup(&["build"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(said(&out).contains("that did not work: apt-get install"), "{}", said(&out));
}

#[test]
fn rust_absent_or_too_old_is_one_line() {
    for (name, rust, text) in [
        ("no-rust", None, "there is no cargo: install it from https://rustup.rs"),
        ("old-rust", Some("1.70.0"), "this is 1.70.0: run rustup update, or install it from https://rustup.rs"),
        ("nightly", Some("1.97.0-nightly"), ""),
    ] {
        let machine = Machine::new(name, "apt-get", "Linux", 0, rust);
        let out = machine.setup(&["build"]);
        assert_eq!(out.status.success(), text.is_empty(), "{name}: {}", said(&out));
        let lines: Vec<String> = said(&out).lines().filter(|line| line.contains("Rust")).map(str::to_owned).collect();
        assert_eq!(lines.len(), usize::from(!text.is_empty()), "{name}: {lines:?}");
        assert!(said(&out).contains(text), "{name}: {}", said(&out));
    }
}

#[test]
fn tests_say_which_optional_tools_are_missing() {
    let machine = Machine::new("optional", "apt-get", "Linux", 0, Some("1.95.0"));
    let out = machine.setup(&["test"]);
    assert!(out.status.success(), "{}", said(&out));
    for text in ["left out: g++ valgrind python3 curl", "no Go 1.24 or later"] {
        assert!(said(&out).contains(text), "{text}: {}", said(&out));
    }
    assert_eq!(machine.setup(&["nonsense"]).status.code(), Some(2));
}
