//! The optional programs that tests use, and how to tell whether one is there and new enough.
//!
//! A test that needs one asks `tool`; tests/without.rs says in the last line of `cargo test` which are missing.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// Programs and the oldest version that will do; without a version any will. Go's is in bindings/go/go.mod.
pub const TOOLS: [(&str, &str); 16] = [
    ("cc", ""),
    ("c++", ""),
    ("nm", ""),
    ("readelf", ""),
    ("ld", ""),
    ("objcopy", ""),
    ("pkg-config", ""),
    ("cmake", ""),
    ("valgrind", ""),
    ("curl", ""),
    ("openssl", ""),
    ("python3", "3.9"),
    ("pytest", ""),
    ("book", ""),
    ("postgres", "12"),
    ("go", go_version(include_str!("../../../bindings/go/go.mod"))),
];

/// The version in the line `go VERSION` of a go.mod.
const fn go_version(module: &str) -> &str {
    let octets = module.as_bytes();
    let mut at = 0;
    while !(octets[at] == b'\n' && octets[at + 1] == b'g' && octets[at + 2] == b'o' && octets[at + 3] == b' ') {
        at += 1;
    }
    let mut end = at + 4;
    while octets[end] != b'\n' {
        end += 1;
    }
    module.split_at(end).0.split_at(at + 4).1
}

/// The program `name`, or `None` where it is missing or too old: said on stderr with the reason, a failure with CI=true.
/// `what` names what is left out. tests/without.rs counts the calls of this function in the sources.
pub fn tool(name: &str, what: &str) -> Option<String> {
    let Err(reason) = find(name) else { return Some(name.to_owned()) };
    left_out(&format!("{what}: {reason}"));
    None
}

/// Says what is not tested, past the capture of test output.
fn left_out(what: &str) {
    let _ = writeln!(std::io::stderr(), "LEFT OUT: {what}");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "with CI=true nothing may be left out: {what}");
}

/// Whether a program can be used; the reason why not.
///
/// # Errors
/// A sentence such as "go 1.19 is older than 1.24".
pub fn find(name: &str) -> Result<(), String> {
    let (_, oldest) = TOOLS.iter().find(|(tool, _)| *tool == name).expect("a tool of the table");
    let mut command = Command::new(place_of(name));
    // No other toolchain is fetched to answer.
    command.arg(if ["go", "openssl"].contains(&name) { "version" } else { "--version" }).env("GOTOOLCHAIN", "local");
    let out = command.output().map_err(|_| format!("{name} is not installed"))?;
    if !out.status.success() {
        return Err(format!("{name} does not run: {}", String::from_utf8_lossy(&out.stderr).trim()));
    }
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let version = version_in(&said).ok_or_else(|| format!("{name} does not say its version: {}", said.trim()))?;
    if version < numbers(oldest) {
        let version: Vec<String> = version.iter().map(u32::to_string).collect();
        return Err(format!("{name} {} is older than {oldest}", version.join(".")));
    }
    Ok(())
}

/// Where a program is. Debian keeps those of PostgreSQL outside of PATH; the book's builder is part of the checkout.
fn place_of(name: &str) -> PathBuf {
    if name == "book" {
        return PathBuf::from("docs/build"); // tests run in the root of the checkout
    }
    let versions = if name == "postgres" { std::fs::read_dir("/usr/lib/postgresql").ok() } else { None };
    let places = versions.into_iter().flatten().flatten().map(|version| version.path().join("bin").join(name));
    places.filter(|place| place.exists()).max().unwrap_or_else(|| name.into())
}

/// The first version in what a program says of itself: "go version go1.19.8 linux/amd64", "Python 3.11.2".
pub fn version_in(said: &str) -> Option<Vec<u32>> {
    let words = said.split_whitespace().map(|word| word.trim_start_matches(|c: char| !c.is_ascii_digit()));
    let dotted = |word: &str| word.contains('.').then(|| numbers(word)).filter(|found| found.len() > 1);
    words.into_iter().find_map(dotted)
}

fn numbers(version: &str) -> Vec<u32> {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    version.split('.').map_while(|part| digits(part).parse().ok()).collect()
}
