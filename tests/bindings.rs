//! The Python and Go bindings, tested by their own tests against the library of this very build, and the C and
//! Python examples.

#![allow(clippy::disallowed_methods, reason = "a test runs programs and reads files")]

#[path = "abi/support.rs"]
mod support;

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
    let include = Path::new(env!("MAILCORE_HEADER")).parent().expect("folder of the header");
    let mut command = Command::new(go);
    command.current_dir(folder);
    command.env("CGO_ENABLED", "1").env("GOFLAGS", "-mod=mod").env("GOTOOLCHAIN", "local").env("GOWORK", "off");
    command.env("CGO_CFLAGS", format!("-g -O1 -I{}", include.display()));
    command.env("CGO_LDFLAGS", format!("-L{}", library_folder().display()));
    command.env("LD_LIBRARY_PATH", library_folder());
    command
}

/// The first block of a language in README.md.
fn readme(language: &str) -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let block = readme.split_once(&format!("```{language}\n")).and_then(|(_, rest)| rest.split_once("```"));
    block.expect("a block in README.md").0.to_owned()
}

/// Parses a program, and looks up what it says of the package and of an engine.
const NAMES_ARE_THERE: &str = "
import ast, sys, mailcore
owners = {'mailcore': mailcore, 'engine': mailcore.Engine}
for node in ast.walk(ast.parse(sys.argv[1])):
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in owners:
        getattr(owners[node.value.id], node.attr)
";

/// The README's mail goes to another host: its programs are compiled, not run.
#[test]
fn readme_compiles_in_python() {
    let Some(program) = tool("python3", "the README's Python") else { return };
    let mut command = python(&program);
    run(command.args(["-c", NAMES_ARE_THERE]).arg(readme("python")));
}

#[test]
fn readme_compiles_in_go() {
    let Some(go) = tool("go", "the README's Go") else { return };
    if tool("cc", "the README's Go (cgo)").is_none() {
        return;
    }
    let folder = folder("readme-go");
    let module = std::fs::read_to_string(root().join("bindings/go/go.mod")).expect("go.mod");
    let language = module.lines().find(|line| line.starts_with("go ")).expect("a version of the language");
    let name = module.lines().find_map(|line| line.strip_prefix("module ")).expect("a name");
    let there = root().join("bindings/go");
    let module =
        format!("module readme\n\n{language}\n\nrequire {name} v0.0.0\n\nreplace {name} => {}\n", there.display());
    let before = format!(
        "package main\n\nimport (\n\t\"context\"\n\t\"log\"\n\t\"os\"\n\n\tmailcore \"{name}\"\n)\n\n\
         func main() {{\n\tctx, letter := context.Background(), os.Stdin\n"
    );
    let code = format!("{before}{}\tlog.Print(id, err)\n}}\n", readme("go"));
    std::fs::write(folder.join("go.mod"), module).expect("go.mod");
    std::fs::write(folder.join("main.go"), code).expect("main.go");
    let out = go_command(&go, &folder).args(["build", "-o", "readme", "."]).output().expect("go");
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{text}");
}
