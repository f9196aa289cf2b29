//! The samples of the README and of every chapter of the book: each is saved under the name in its first line and run by
//! the commands that follow it, as a reader would who pastes them.
//!
//! A block of C, Python or Go begins with a comment that holds its file's name. The `sh` block behind it is run in the
//! same folder, with LIBMAILCORE set; a `text` block behind that is what the commands print. Other `sh` blocks of a page
//! are settings for its later samples. Blocks that another test runs are in `RUN_ELSEWHERE`, among them those that build
//! the library: LIBMAILCORE leads to the library of this very build. No block is left out.

#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "a test runs programs and reads files")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::abi as support;

#[path = "guide/book.rs"]
mod book;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{folder, library, library_folder, root, run, tool};

/// What builds the library; everything else is run.
const BUILDS: &str = "cargo rustc --release --crate-type cdylib\nexport LIBMAILCORE=$PWD\n";
/// Blocks with commands that something else runs: page (empty: any), how the block begins, what runs it.
const RUN_ELSEWHERE: [(&str, &str, &str); 13] = [
    ("", "sh examples/quickstart.sh", "tests/bare/run"),
    ("", BUILDS, "tests/bare/run"),
    ("docs/server.md", "", "tests/guide/follow.py"),
    ("docs/workbench.md", "", "tests/workbench/test_docs.py"),
    ("docs/firmware.md", "cargo rustc --profile firmware --crate-type cdylib --no-default", "bindings/sizes"),
    ("docs/firmware.md", "cargo rustc --profile firmware --crate-type cdylib,staticlib", "tests/installed.rs"),
    ("bindings/README.md", "cargo rustc --profile firmware", "bindings/sizes"),
    ("bindings/README.md", "MAILCORE_WRITE_HEADER=1 cargo test", "tests/abi.rs"),
    ("CONTRIBUTING.md", "sh tests/run.sh", "tests/bare/run"),
    ("CONTRIBUTING.md", "MAILCORE_WRITE_HEADER=1 cargo test", "tests/abi.rs"),
    ("tests/README.md", "cargo test --test transcripts_smtp", "tests/transcripts_smtp.rs"),
    ("tests/README.md", "SIM_SEED=n cargo test --test simulation", "tests/simulation"),
    ("tests/README.md", "fuzz/run check", ".ci/run"),
];
/// Languages of blocks that are not run.
const SHOWN: [&str; 6] = ["text", "ini", "toml", "json", "sql", "html"];
const SAMPLES: [&str; 3] = ["c", "python", "go"];

/// A fenced block of a page.
struct Block {
    page: String,
    language: String,
    text: String,
}

/// The blocks of a page that name their language.
fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
    let name = page.strip_prefix(root()).expect("in the repository").display().to_string();
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.split_inclusive('\n') {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block { page: name.clone(), language: language.trim().to_owned(), text: String::new() });
            }
            (None, Some(block)) => block.text.push_str(line),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{name}: a block does not end");
    found
}

/// The README, and the chapters of the book: the links in the list of docs/README.md.
fn pages() -> Vec<PathBuf> {
    let list = fs::read_to_string(root().join("docs/README.md")).expect("docs/README.md");
    let items = list.lines().filter(|line| line.starts_with("- ["));
    let chapters = items.filter_map(|line| line.split_once("](")?.1.split(')').next());
    let chapters = chapters.map(|chapter| match chapter.strip_prefix("../") {
        Some(elsewhere) => root().join(elsewhere),
        None => root().join("docs").join(chapter),
    });
    [root().join("README.md"), root().join("docs/README.md")].into_iter().chain(chapters).collect()
}

/// What runs a block, where that is not this test.
fn run_elsewhere(block: &Block) -> Option<&'static str> {
    let fits = |(page, begins, _): &&(&str, &str, &str)| {
        (page.is_empty() || *page == block.page) && block.text.starts_with(begins)
    };
    RUN_ELSEWHERE.iter().find(fits).map(|(.., by)| *by)
}

/// The name in the first line of a sample.
fn file_name(block: &Block) -> String {
    let first = block.text.lines().next().unwrap_or_default();
    let name = first.split([' ', '/', '*', '#']).find(|word| word.contains('.'));
    name.unwrap_or_else(|| panic!("{}: no file name in {first:?}", block.page)).to_owned()
}

/// A folder that looks like a checkout with a release build.
fn checkout(name: &str) -> PathBuf {
    let place = folder(name);
    fs::create_dir(place.join("target")).expect("folder");
    fs::create_dir_all(place.join("bindings/c/checkout")).expect("folder");
    for part in ["include", "bindings/python", "bindings/go", "bindings/c/install"] {
        symlink(root().join(part), place.join(part)).expect("link");
    }
    // Its paths begin where it lies.
    let pc = "bindings/c/checkout/mailcore.pc";
    fs::copy(root().join(pc), place.join(pc)).expect("copy");
    symlink(library_folder(), place.join("target/release")).expect("link");
    place
}

/// Runs all samples in one language; gives how many there were.
fn run_samples(language: &str) -> usize {
    let checkout = checkout(&format!("samples-{language}"));
    let mut count = 0;
    for page in pages() {
        // Settings of a page hold for its later samples, as in the shell of a reader.
        let mut settings = String::new();
        let found = blocks(&page);
        for (i, block) in found.iter().enumerate() {
            if block.language == "sh" && is_setting(&found, i) {
                settings.push_str(&block.text);
            }
            if block.language == language && run_elsewhere(block).is_none() {
                count += 1;
                let place = checkout.join(format!("sample{count}"));
                fs::create_dir(&place).expect("folder");
                fs::write(place.join(file_name(block)), &block.text).expect("sample");
                let commands = found.get(i + 1).filter(|next| next.language == "sh");
                let commands = commands.unwrap_or_else(|| panic!("{}: no commands behind {}", block.page, block.text));
                if commands.text.contains("-m pytest") && tool("pytest", "samples for pytest").is_none() {
                    continue;
                }
                let printed = shell(&place, &checkout, &format!("{settings}{}", commands.text), &block.page);
                if let Some(wanted) = found.get(i + 2).filter(|next| next.language == "text") {
                    assert!(
                        printed.ends_with(&wanted.text),
                        "{}: printed\n{printed}\nnot\n{}",
                        block.page,
                        wanted.text
                    );
                }
            }
        }
    }
    count
}

/// Whether an `sh` block belongs to no sample, and is to be run in front of the page's later ones.
fn is_setting(found: &[Block], i: usize) -> bool {
    let behind_a_sample = i > 0 && SAMPLES.contains(&found[i - 1].language.as_str());
    !behind_a_sample && run_elsewhere(&found[i]).is_none()
}

fn shell(place: &Path, checkout: &Path, commands: &str, page: &str) -> String {
    let mut sh = Command::new("sh");
    sh.args(["-eu", "-c", commands]).current_dir(place).env("LIBMAILCORE", checkout);
    sh.env_remove("LD_LIBRARY_PATH"); // cargo's own folders, where an older library may lie
    sh.env("GOFLAGS", "-mod=mod").env("GOTOOLCHAIN", "local").env("GOPROXY", "off").env("PYTHONDONTWRITEBYTECODE", "1");
    let out = sh.output().expect("sh");
    let stdout = String::from_utf8_lossy(&out.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{page}: {}\n{commands}\n{stdout}\n{stderr}", out.status);
    stdout
}

#[test]
fn samples_in_c() {
    if tool("cc", "samples in C").is_some() {
        assert!(run_samples("c") >= 4);
    }
}

#[test]
fn samples_in_python() {
    if tool("python3", "samples in Python").is_some() {
        assert!(run_samples("python") >= 14);
    }
}

#[test]
fn samples_in_go() {
    if tool("go", "samples in Go").is_some() {
        assert!(run_samples("go") >= 7);
    }
}

#[test]
fn book_is_built() {
    if tool("book", "the book").is_some() {
        book::builds();
        book::refuses_mistakes();
    }
}

/// docs/server.md, followed to a mail received and a mail sent.
#[test]
fn server_guide_is_followed() {
    let tools = [tool("python3", "docs/server.md"), tool("openssl", "docs/server.md"), tool("curl", "docs/server.md")];
    if tools.iter().any(Option::is_none) || tool("cc", "docs/server.md").is_none() {
        return;
    }
    let mut follow = Command::new("python3");
    follow.arg(root().join("tests/guide/follow.py")).arg(library()).arg(folder("server-guide"));
    let printed = run(follow.env("PYTHONDONTWRITEBYTECODE", "1").env_remove("LD_LIBRARY_PATH"));
    assert!(printed.ends_with("docs/server.md holds\n"), "{printed}");
}

/// The quickstart tells its story on a page, and says what is wrong with what it is given.
#[test]
fn quickstart_tells_its_story() {
    let quickstart = |arguments: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root()).args(["run", "--quiet", "--example", "quickstart", "--"]).args(arguments);
        cargo.output().expect("cargo")
    };
    let story = quickstart(&[]);
    let told = String::from_utf8_lossy(&story.stdout);
    assert!(story.status.success(), "{told}{}", String::from_utf8_lossy(&story.stderr));
    let parts = [
        "Two mail servers",
        "1. Alice sends",
        "2. The servers talk",
        "3. Bob reads",
        "4. Alice writes",
        "What was proved",
    ];
    let places: Vec<usize> =
        parts.iter().map(|part| told.find(part).unwrap_or_else(|| panic!("{part}: {told}"))).collect();
    assert!(places.is_sorted(), "{told}");
    assert!(told.lines().filter(|line| !line.is_empty()).count() <= 60, "{told}");
    for said in ["STARTTLS", "iprev=pass", "There is no such mailbox.", "What to do next"] {
        assert!(told.contains(said), "{said}: {told}");
    }
    let whole = String::from_utf8_lossy(&quickstart(&["-v"]).stdout).into_owned();
    assert!(whole.contains("C: AUTH PLAIN ***") && whole.contains("S: 250-PIPELINING"), "{whole}");
    assert!(String::from_utf8_lossy(&quickstart(&["--help"]).stdout).starts_with("usage: quickstart"));
    for (arguments, text) in [(&["no-such.eml"][..], "quickstart: no-such.eml: "), (&["-x"], "there is no option -x")] {
        let wrong = quickstart(arguments);
        assert_eq!(wrong.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&wrong.stderr).contains(text), "{wrong:?}");
    }
}

/// Every block with commands or code is a sample, the commands of one, a setting for a later one, or run elsewhere.
#[test]
fn every_block_is_run() {
    let mut elsewhere = Vec::new();
    for page in pages() {
        let found = blocks(&page);
        for (i, block) in found.iter().enumerate() {
            let place = format!("{}: {}", block.page, block.text.lines().next().unwrap_or_default());
            match block.language.as_str() {
                "sh" if run_elsewhere(block).is_some() => elsewhere.extend(run_elsewhere(block)),
                "sh" if is_setting(&found, i) => {
                    let later = found[i..].iter().any(|later| SAMPLES.contains(&later.language.as_str()));
                    assert!(later, "no test runs {place}");
                }
                "sh" => {}
                _ if run_elsewhere(block).is_some() => {}
                language if SAMPLES.contains(&language) => assert!(file_name(block).len() > 2, "{place}"),
                language => assert!(SHOWN.contains(&language), "{place}: {language} is neither run nor shown"),
            }
        }
    }
    for (page, begins, by) in RUN_ELSEWHERE {
        assert!(root().join(by).exists(), "{by}");
        assert!(elsewhere.contains(&by), "no page has {begins:?} ({page}) any more");
    }
}

/// The commands this test does not run are those it is known to leave to others.
#[test]
fn readme_begins_with_the_two_commands() {
    let blocks = blocks(&root().join("README.md"));
    let commands: Vec<&str> = blocks.iter().filter(|b| b.language == "sh").map(|b| b.text.as_str()).collect();
    let two: Vec<&str> = commands[0].lines().map(|line| line.split('#').next().unwrap_or_default().trim()).collect();
    assert_eq!(two, ["sh examples/quickstart.sh", "sh tests/run.sh"]);
    assert_eq!(commands[1], BUILDS);
    for script in ["examples/quickstart.sh", "tests/run.sh"] {
        let text = fs::read_to_string(root().join(script)).expect("script");
        assert!(text.contains("\nsh tests/setup.sh"), "{script} sets the machine up");
    }
}
