//! The Python and Go bindings, tested by their own tests against the library of this very build, and the C and
//! Python examples.

#![allow(clippy::disallowed_methods, reason = "a test runs programs and reads files")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::abi as support;
use mailcore_tests::postgres::Cluster;

use std::path::Path;
use std::process::Command;

use support::{folder, library, library_folder, root, run, tool};

/// The library where the Python package looks for it.
fn python(python: &str) -> Command {
    let mut command = Command::new(python);
    command.env("MAILCORE_LIBRARY", library()).env("PYTHONPATH", root().join("bindings/python/src"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").args(["-W", "error::ResourceWarning"]);
    command
}

#[test]
fn python_package() {
    let Some(program) = tool("python3", "the Python package") else { return };
    let mut command = python(&program);
    command.current_dir(root().join("bindings/python")).args(["-m", "unittest", "discover", "-s", "tests"]);
    run(&mut command);
}

/// An engine, administration and the check on a PostgreSQL server; one engine at a time, and one place for a store.
#[test]
fn python_on_postgresql() {
    const PROGRAM: &str = r#"
import sys, mailcore
url = sys.argv[1]
with mailcore.Engine(store=url, hostname="mx.example.org", dns__host_only=True) as engine:
    engine.put_account("ada@example.org", "secret").close()
    for wrong in (lambda: mailcore.Engine(store=url), lambda: mailcore.Engine("folder", store=url)):
        try:
            wrong().close()
        except mailcore.Error as error:
            print(type(error).__name__)
"#;
    let Some(program) = tool("python3", "the Python package on PostgreSQL") else { return };
    let Some(cluster) = Cluster::start("the Python package on PostgreSQL") else { return };
    let url = cluster.url("python");
    let mut engine = python(&program);
    assert_eq!(run(engine.args(["-c", PROGRAM, &url])).trim(), "Busy\nUsageError");
    let mut accounts = python(&program);
    assert_eq!(run(accounts.args(["-m", "mailcore", "account", "--store", &url])).trim(), "ada@example.org");
    let mut check = python(&program);
    assert_eq!(run(check.args(["-m", "mailcore", "check", &url])).trim(), "the store is sound");
}

#[test]
fn python_example_sends() {
    let Some(program) = tool("python3", "examples/send.py") else { return };
    let folder = folder("send-py");
    let mut command = python(&program);
    command.arg(root().join("examples/send.py")).arg(folder.join("store"));
    // Nobody here has that address: the sender is told at once.
    let out = command.args(["alice@example.org", "no address"]).output().expect("send.py");
    assert!(!out.status.success());
    assert!(String::from_utf8_lossy(&out.stderr).contains("mailcore.errors.UsageError"), "{out:?}");
}

#[test]
fn go_module() {
    let Some(go) = tool("go", "the Go module") else { return };
    if tool("cc", "the Go module (cgo)").is_none() {
        return;
    }
    for arguments in [&["vet", "./..."][..], &["test", "-count=1", "./..."]] {
        let mut command = go_command(&go, &root().join("bindings/go"));
        command.args(arguments);
        let out = command.output().expect("go");
        let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "go {arguments:?}:\n{text}");
    }
}

/// The go command, in a folder with a module, with the library of this build.
fn go_command(go: &str, folder: &Path) -> Command {
    let include = Path::new(env!("MAILCORE_HEADER")).parent().expect("folder of the header").display();
    let pkg_config = self::folder("go-pkg-config");
    let libraries = library_folder().display();
    let pc = format!(
        "Name: mailcore\nDescription: of this build\nVersion: 0.1.0\nCflags: -I{include}\nLibs: -L{libraries} -lmailcore\n"
    );
    std::fs::write(pkg_config.join("mailcore.pc"), pc).expect("mailcore.pc");
    let mut command = Command::new(go);
    command.current_dir(folder);
    command.env("CGO_ENABLED", "1").env("GOFLAGS", "-mod=mod").env("GOTOOLCHAIN", "local").env("GOWORK", "off");
    command.env("CGO_CFLAGS", "-g -O1").env("PKG_CONFIG_PATH", pkg_config);
    command.env("LD_LIBRARY_PATH", library_folder());
    command
}
