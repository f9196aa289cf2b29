//! The mutants in `mutants/`: patches of the source, each with one fault that the simulation must find. `mutants/run`
//! builds and tries them; here it is only looked that each still fits the source, so that none is lost unnoticed.

use std::fs;
use std::path::Path;

/// A part of a patch: lines as they stand in the source, and whether it changes any.
struct Hunk {
    file: String,
    before: Vec<String>,
    changes: bool,
}

/// The hunks of a patch in unified form.
fn hunks(patch: &str) -> Vec<Hunk> {
    let (mut hunks, mut file): (Vec<Hunk>, _) = (Vec::new(), String::new());
    let mut inside = false;
    for line in patch.lines() {
        if let Some(name) = line.strip_prefix("+++ b/") {
            (file, inside) = (name.to_owned(), false);
        } else if line.starts_with("@@ ") {
            inside = true;
            hunks.push(Hunk { file: file.clone(), before: Vec::new(), changes: false });
        } else if line.starts_with("--- ") {
            inside = false;
        } else if let Some(hunk) = hunks.last_mut().filter(|_| inside) {
            match line.chars().next() {
                Some(' ' | '-') => hunk.before.push(line[1..].to_owned()),
                // Some editors take the one space of an empty line away.
                None => hunk.before.push(String::new()),
                _ => {}
            }
            hunk.changes |= line.starts_with(['-', '+']);
        }
    }
    hunks
}

/// How often the lines stand in a row.
fn places(source: &str, lines: &[String]) -> usize {
    let all: Vec<&str> = source.lines().collect();
    all.windows(lines.len().max(1)).filter(|some| *some == lines).count()
}

#[test]
fn each_mutant_fits_the_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<_> = fs::read_dir(root.join("tests/simulation/mutants")).expect("folder").flatten().collect();
    names.retain(|entry| entry.path().extension().is_some_and(|end| end == "patch"));
    assert!(names.len() >= 4, "{} mutants", names.len());
    for entry in names {
        let (path, patch) = (entry.path(), fs::read_to_string(entry.path()).expect("text"));
        assert!(patch.lines().any(|line| line.starts_with("Campaign: ")), "{}: no campaign", path.display());
        let hunks = hunks(&patch);
        assert!(!hunks.is_empty() && hunks.iter().all(|hunk| hunk.changes), "{}: changes nothing", path.display());
        for hunk in hunks {
            let source = fs::read_to_string(root.join(&hunk.file)).expect("the patched file is there");
            let found = places(&source, &hunk.before);
            let lines = hunk.before.join("\n");
            assert_eq!(found, 1, "{}: fits {} at {found} places:\n{lines}", path.display(), hunk.file);
        }
    }
}
