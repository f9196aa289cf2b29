//! The book as `docs/build` makes it: whole, and refused where its sources have a mistake. The messages it explains are
//! those of the code.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::support::{folder, root};

/// What the builder reads of a checkout beside the pages.
const SOURCES: [&str; 3] = ["include", "bindings", "examples"];

fn build(from: &Path, to: &Path) -> Output {
    let mut build = Command::new(root().join("docs/build"));
    build.arg("--from").arg(from).arg("--to").arg(to).env("PYTHONDONTWRITEBYTECODE", "1").output().expect("docs/build")
}

/// The book of this checkout has no mistake, and every chapter, property, function, event and message is in it.
pub fn builds() {
    let place = folder("book");
    let out = build(root(), &place);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.is_empty(), "{said}");
    let page = |name: &str| fs::read_to_string(place.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let abi = super::support::abi();
    for (list, name) in [("functions", "functions"), ("properties", "properties"), ("structs", "structs")] {
        let page = page(&format!("reference/{name}.html"));
        for item in super::support::items(&abi, list) {
            let anchor = format!("id=\"{}\"", super::support::word(item, "name"));
            assert!(page.contains(&anchor), "{name} has no {anchor}");
        }
    }
    let pages = ["constants", "result-codes", "hooks", "events"].map(|name| page(&format!("reference/{name}.html")));
    for item in super::support::items(&abi, "constants") {
        let name = super::support::word(item, "name");
        let listed = pages.iter().any(|page| page.contains(&format!("id=\"{name}\"")));
        assert!(listed || name.starts_with("MAILCORE_KEY_") || name == "MAILCORE_EVENT_OTHER", "{name} is nowhere");
    }
    let commands = page("reference/commands.html");
    for command in ["spf", "dkim-sign", "account", "check", "dns"] {
        assert!(commands.contains(&format!("id=\"command-{command}\"")), "{command}");
    }
    assert!(
        page("index.html").contains("name=\"viewport\"") && page("style.css").contains("prefers-color-scheme: dark")
    );
}

/// A checkout with a book of one page.
fn small(name: &str) -> PathBuf {
    let place = folder(name);
    fs::create_dir(place.join("docs")).expect("folder");
    for part in SOURCES {
        symlink(root().join(part), place.join(part)).expect("link");
    }
    fs::write(place.join("docs/README.md"), "# A book\n\n## Part\n\n- [One](one.md)\n").expect("page");
    place
}

pub fn refuses_mistakes() {
    let place = small("book-mistakes");
    let to = place.join("book");
    for (text, wanted) in [
        ("# One\n\n[here](#two) [list](README.md)\n\n## Two\n", ""),
        ("# One\n\n[gone](two.md)\n", "docs/one.md:3: a link that leads nowhere: two.md"),
        ("# One\n\n[gone](README.md#end)\n", "one.html: a link to an anchor that is not there: index.html#end"),
        ("# One\n\n![](README.md)\n", "docs/one.md:3: a picture without a text in place of it: docs/README.md"),
        ("# One\n\n<script src=x></script>\n", "docs/one.md:3: HTML is not allowed here"),
        ("# One\n\n```\nx\n```\n", "docs/one.md:3: a block that does not name its language"),
        ("# One\n\n<!-- generated: nothing -->\n", "docs/one.md:3: nothing is generated as nothing"),
        ("Two\n", "docs/one.md: no heading of the first level"),
    ] {
        fs::write(place.join("docs/one.md"), text).expect("page");
        let out = build(&place, &to);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(i32::from(!wanted.is_empty())), "{text}: {said}");
        assert!(said.contains(wanted), "{text}: {said}");
        assert!(to.join("one.html").exists(), "the book that was there is kept");
    }
    fs::write(place.join("docs/two.md"), "# Two\n").expect("page");
    let said = build(&place, &to).stderr;
    assert!(String::from_utf8_lossy(&said).contains("docs/two.md is not listed in docs/README.md"));
}

/// Each text of docs/messages.md is in a source; `…` stands for what differs.
#[test]
fn messages_are_those_of_the_code() {
    let mut sources = Vec::new();
    for start in ["src", "bindings/python/src", "examples"] {
        gather(&root().join(start), &mut sources);
    }
    let page = fs::read_to_string(root().join("docs/messages.md")).expect("page");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let mut count = 0;
    for (message, _) in rows {
        count += 1;
        let parts: Vec<&str> = message.split('…').filter(|part| part.trim().len() > 2).collect();
        let there = sources.iter().any(|source| parts.iter().all(|part| source.contains(part)));
        assert!(!parts.is_empty() && there, "no source says {message:?}");
    }
    assert!(count > 60, "{count} messages");
}

/// The sources below a folder, without their tests, texts that are broken over lines joined.
fn gather(folder: &Path, sources: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            gather(&path, sources);
        } else if path.extension().is_some_and(|e| ["rs", "py", "c"].iter().any(|known| e == *known)) {
            let text = fs::read_to_string(&path).expect("source");
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let lines: Vec<&str> = text.split("\\\n").map(str::trim_start).collect();
            sources.push(lines.concat());
        }
    }
}
