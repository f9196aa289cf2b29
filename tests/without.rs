//! The last line of `cargo test`: which tests were left out because an optional program is missing, and how many.
//!
//! Not a test of the harness: cargo runs test programs by name, and this one comes last. Nothing is kept between
//! programs: the line is made from the programs found now and the calls of `tool` in the sources.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a program that reads files and prints")]

use std::fs;
use std::path::Path;

use mailcore_tests::tools;

fn main() {
    if std::env::args().any(|argument| argument == "--list") {
        return; // asked by a runner for the names of tests: there are none
    }
    assert_eq!(tools::version_in("go version go1.19.8 linux/amd64"), Some(vec![1, 19, 8]));
    assert_eq!(tools::version_in("Python 3.11.2"), Some(vec![3, 11, 2]));
    let sources = sources();
    let mut count = 0;
    let mut reasons = Vec::new();
    for (name, _) in tools::TOOLS {
        let uses = sources.matches(&format!("tool(\"{name}\", ")).count();
        assert!(uses > 0, "no test uses {name}");
        if let Err(reason) = tools::find(name) {
            count += uses;
            reasons.push(format!("{reason} ({uses})"));
        }
    }
    match reasons.is_empty() {
        true => println!("left out: nothing"),
        false => println!("left out: {count} parts of the tests: {}", reasons.join(", ")),
    }
}

/// The text of all test programs, and of what they share.
fn sources() -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut text = String::new();
    for folder in [tests.clone(), tests.join("support/src")] {
        for entry in fs::read_dir(folder).expect("tests") {
            let path = entry.expect("entry").path();
            if path.extension().is_some_and(|e| e == "rs") {
                text.push_str(&fs::read_to_string(path).expect("source"));
            }
        }
    }
    text
}
