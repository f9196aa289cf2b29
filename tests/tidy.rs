//! Checks the rules of the source: reads `src/**/*.rs` as text and fails on what the compiler does not see.
//!
//! Floors (a room uses only floors below its own), circles, sockets and clocks below floor 3, SQL outside
//! `store::sqlite`, `unsafe` outside `ffi` and `store::sqlite::vfs`, lengths of lines, functions and files, headings, names, RFCs and
//! the words nobody wants to find in a release. Every complaint names file, line and rule. Code under
//! `#[cfg(test)]` is free of the rules about words, floors and function lengths.

#[macro_use]
extern crate mailcore_watchdog;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms and the floors they lie on. Order within a floor means nothing.
const FLOORS: &[(u32, &[&str])] = &[
    (0, &["base"]),
    (1, &["message", "sasl"]),
    (2, &["smtp", "pop3", "imap", "dsn", "feedback", "sieve", "managesieve"]),
    (3, &["net", "dns", "store", "os"]),
    (4, &["delivery", "mailauth"]),
    (5, &["queue"]),
    (6, &["intake"]),
    (7, &["server"]),
    (8, &["engine"]),
    (9, &["ffi"]),
    (10, &["facade"]),
];

/// Highest floor that knows nothing of the world outside.
const PURE_FLOOR_MAX: u32 = 2;
/// What the pure floors may not name. A word with `::` is a path, one without is an identifier.
const WORLDLY: &[&str] = &[
    "smol",
    "futures_io",
    "futures_lite",
    "getrandom",
    "rusqlite",
    "openssl",
    "native_tls",
    "async_native_tls",
    "trust_dns_resolver",
    "std::fs",
    "std::thread",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "Instant",
    "SystemTime",
    "async",
    "await",
];
/// The file on the pure floors that names the world's types, and which of them.
const WORLDLY_FILES: &[(&str, &[&str])] = &[("src/base/world.rs", &["smol", "futures_io"])];
/// Rooms whose files hold the real bodies of `World` and may allow what clippy.toml forbids.
const REAL_WORLD_ROOMS: &[&str] = &["os", "net", "dns"];
/// Rooms and files that may say `unsafe`.
const UNSAFE_ROOMS: &[&str] = &["ffi"];
/// The one folder that knows SQLite.
const SQLITE_FOLDER: &str = "src/store/sqlite/";
/// The one folder that knows PostgreSQL's client, and the stream it is given.
const POSTGRES_FOLDER: &str = "src/store/postgres/";
const POSTGRES: &[&str] = &["tokio_postgres", "postgres_types", "tokio"];
/// A VFS is a table of C functions: the one folder outside `ffi` that may say `unsafe`.
const UNSAFE_FOLDER: &str = "src/store/sqlite/vfs/";
const SQL: &[&str] = &["INSERT INTO ", "DELETE FROM ", "CREATE TABLE", "CREATE INDEX", "PRAGMA ", "ROLLBACK TO "];
const MODULE_NAMES_FORBIDDEN: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "manager", "misc", "prelude", "auth"];
const BANNED_EVERYWHERE: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];
const BANNED_MACROS: &[&str] = &["todo", "unimplemented", "println", "eprintln", "print", "eprint", "dbg"];
const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_CHARS_MAX: usize = 120;

#[test]
fn source_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources(root);
    assert!(sources.len() > 10, "src/ not found");
    let listed = listed_rfcs(&fs::read_to_string(root.join("src/RFCS.md")).expect("src/RFCS.md"));
    let mut complaints: Vec<String> = sources.iter().flat_map(|source| complaints_of(source, &listed.all)).collect();
    complaints.extend(unnamed(&listed, &sources));
    complaints.extend(circles(&sources));
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

// -- sources -----------------------------------------------------------------------------------------

/// A file, seen four ways: as it is, and with all but code, all but literals and code, all but comments blanked.
/// Lines of the views run in step.
struct Source {
    path: String,
    raw: Vec<String>,
    code: Vec<String>,
    literals: Vec<String>,
    comments: Vec<String>,
    /// First line (from 0) of the test module at the end; number of lines where there is none.
    tests_from: usize,
}

fn sources(root: &Path) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    paths.sort();
    let mut sources: Vec<Source> = paths
        .iter()
        .map(|path| {
            let name = path.strip_prefix(root).expect("under root").to_string_lossy().replace('\\', "/");
            Source::new(&name, &fs::read_to_string(path).expect("source is UTF-8"))
        })
        .collect();
    // A module declared `#[cfg(test)] mod name;` is test code as a whole, and so is a file called `..._tests.rs`.
    let test_files: BTreeSet<String> = sources.iter().flat_map(test_modules_of).collect();
    for source in &mut sources {
        let declared =
            |stem: &String| source.path == format!("{stem}.rs") || source.path.starts_with(&format!("{stem}/"));
        if source.path.ends_with("_tests.rs") || test_files.iter().any(declared) {
            source.tests_from = 0;
        }
    }
    sources
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable folder") {
        let path = entry.expect("readable entry").path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

fn test_modules_of(source: &Source) -> Vec<String> {
    let folder = match source.path.rsplit_once('/') {
        Some((folder, "mod.rs" | "lib.rs")) => folder.to_owned(),
        _ => source.path.trim_end_matches(".rs").to_owned(),
    };
    let pairs = source.code.iter().zip(source.code.iter().skip(1));
    pairs
        .filter(|(first, _)| first.starts_with("#[cfg(test)]"))
        .filter_map(|(_, second)| second.trim().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .map(|name| format!("{folder}/{name}"))
        .collect()
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let [code, literals, comments] = views(text);
        let split = |text: &str| text.split('\n').map(str::to_owned).collect::<Vec<_>>();
        let code = split(&code);
        let opens_tests = |i: usize| {
            code.get(i).is_some_and(|l| l.starts_with("#[cfg(test)]"))
                && code
                    .iter()
                    .skip(i + 1)
                    .find(|l| !l.starts_with("#["))
                    .is_some_and(|l| l.starts_with("mod ") && l.ends_with('{'))
        };
        let tests_from = (0..code.len()).find(|i| opens_tests(*i)).unwrap_or(code.len());
        Self {
            path: path.to_owned(),
            raw: split(text),
            literals: split(&literals),
            comments: split(&comments),
            tests_from,
            code,
        }
    }

    fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
    }

    fn floor(&self) -> Option<u32> {
        floor_of(self.room())
    }

    fn at(&self, line: usize, rule: &str) -> String {
        format!("{}:{}: {rule}", self.path, line + 1)
    }
}

fn floor_of(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(_, rooms)| rooms.contains(&room)).map(|(floor, _)| *floor)
}

/// Splits Rust text into code, literals and comments, each with everything else blanked out.
fn views(text: &str) -> [String; 3] {
    #[derive(Clone, Copy, PartialEq)]
    enum In {
        Code,
        LineComment,
        BlockComment(u32),
        Text,
        RawText(usize),
    }
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = [String::new(), String::new(), String::new()];
    let mut state = In::Code;
    let mut i = 0;
    let mut put = |view: usize, from: usize, to: usize| {
        for &c in chars.get(from..to.min(chars.len())).unwrap_or_default() {
            for (n, target) in out.iter_mut().enumerate() {
                target.push(if c == '\n' || n == view { c } else { ' ' });
            }
        }
    };
    while i < chars.len() {
        let (view, next, state_after) = match state {
            In::Code => match (at(i), at(i + 1)) {
                ('/', '/') => (2, i + 2, In::LineComment),
                ('/', '*') => (2, i + 2, In::BlockComment(1)),
                ('"', _) => (0, i + 1, In::Text),
                ('\'', '\\') => {
                    let end = (i + 3..i + 14).find(|&j| at(j) == '\'').unwrap_or(i + 2);
                    (1, end + 1, In::Code)
                }
                ('\'', _) if at(i + 2) == '\'' => (1, i + 3, In::Code),
                ('r', '"' | '#')
                    if i == 0 || !is_word(at(i - 1)) || (at(i - 1) == 'b' && !is_word(at(i.wrapping_sub(2)))) =>
                {
                    let hashes = (i + 1..).take_while(|&j| at(j) == '#').count();
                    if at(i + 1 + hashes) == '"' {
                        (0, i + 2 + hashes, In::RawText(hashes))
                    } else {
                        (0, i + 1, In::Code)
                    }
                }
                _ => (0, i + 1, In::Code),
            },
            In::LineComment if at(i) == '\n' => (2, i + 1, In::Code),
            In::LineComment => (2, i + 1, state),
            In::BlockComment(depth) => match (at(i), at(i + 1)) {
                ('/', '*') => (2, i + 2, In::BlockComment(depth + 1)),
                ('*', '/') if depth == 1 => (2, i + 2, In::Code),
                ('*', '/') => (2, i + 2, In::BlockComment(depth - 1)),
                _ => (2, i + 1, state),
            },
            In::Text => match at(i) {
                '\\' => (1, i + 2, state),
                '"' => (0, i + 1, In::Code),
                _ => (1, i + 1, state),
            },
            In::RawText(hashes) => {
                if at(i) == '"' && (0..hashes).all(|n| at(i + 1 + n) == '#') {
                    (0, i + 1 + hashes, In::Code)
                } else {
                    (1, i + 1, state)
                }
            }
        };
        put(view, i, next);
        i = next;
        state = state_after;
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Places where `word` stands alone (no letter, digit or underscore beside it).
fn finds(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(i, _)| {
        let before = line[..i].chars().next_back();
        let after = line[i + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

// -- rules -------------------------------------------------------------------------------------------

fn complaints_of(source: &Source, listed: &BTreeSet<u32>) -> Vec<String> {
    let mut out = Vec::new();
    lengths(source, &mut out);
    headings_and_names(source, &mut out);
    floors(source, &mut out);
    words(source, &mut out);
    rfcs(source, listed, &mut out);
    out
}

fn lengths(source: &Source, out: &mut Vec<String>) {
    let lines = source.raw.len().saturating_sub(1);
    if lines > FILE_LINES_MAX {
        out.push(source.at(lines, &format!("{lines} lines in a file, {FILE_LINES_MAX} are the most")));
    }
    for (i, line) in source.raw.iter().enumerate() {
        let chars = line.chars().count();
        if chars > LINE_CHARS_MAX {
            out.push(source.at(i, &format!("{chars} characters in a line, {LINE_CHARS_MAX} are the most")));
        }
    }
    for (name, from, to) in functions(&source.code) {
        let lines = to - from + 1;
        if from < source.tests_from && lines > FUNCTION_LINES_MAX {
            out.push(source.at(from, &format!("fn {name} has {lines} lines, {FUNCTION_LINES_MAX} are the most")));
        }
    }
}

/// Functions with a body: name, line of the `fn`, line of the closing brace.
fn functions(code: &[String]) -> Vec<(String, usize, usize)> {
    let mut open: Vec<(String, usize, i64)> = Vec::new();
    let mut done = Vec::new();
    let mut waiting: Option<(String, usize)> = None;
    let (mut braces, mut brackets) = (0_i64, 0_i64);
    for (i, line) in code.iter().enumerate() {
        let mut rest = line.as_str();
        while let Some(c) = rest.chars().next() {
            let word: String = rest.chars().take_while(|c| is_word(*c)).collect();
            if word == "fn" {
                let name: String = rest[2..].trim_start().chars().take_while(|c| is_word(*c)).collect();
                if !name.is_empty() {
                    waiting = Some((name, i));
                    brackets = 0;
                }
            }
            match c {
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets -= 1,
                ';' if brackets == 0 => waiting = None,
                '{' => {
                    braces += 1;
                    if let Some((name, from)) = waiting.take() {
                        open.push((name, from, braces));
                    }
                }
                '}' => {
                    if let Some((name, from, _)) = open.pop_if(|(_, _, depth)| *depth == braces) {
                        done.push((name, from, i));
                    }
                    braces -= 1;
                }
                _ => {}
            }
            rest = &rest[word.len().max(c.len_utf8())..];
        }
    }
    done
}

fn headings_and_names(source: &Source, out: &mut Vec<String>) {
    let first = source.raw.first().map_or("", String::as_str);
    if !first.starts_with("//!") && !first.starts_with("#![doc = include_str!") {
        out.push(source.at(0, "a file opens with `//!`: what it is for, what it promises"));
    }
    for part in source.path.trim_end_matches(".rs").split('/') {
        if MODULE_NAMES_FORBIDDEN.contains(&part) {
            out.push(source.at(0, &format!("no module is called `{part}`: name what it does")));
        }
    }
    if source.path != "src/lib.rs" && source.floor().is_none() {
        out.push(source.at(0, &format!("room `{}` lies on no floor", source.room())));
    }
}

fn floors(source: &Source, out: &mut Vec<String>) {
    let Some(own) = source.floor() else { return };
    for (line, room) in rooms_used(source) {
        let Some(other) = floor_of(&room) else { continue };
        if room != source.room() && other >= own {
            let way = if other > own { "upstairs" } else { "next door" };
            let rule = format!("{} (floor {own}) uses crate::{room} (floor {other}), which lies {way}", source.room());
            out.push(source.at(line, &rule));
        }
    }
}

/// Rooms named by `crate::` paths outside tests, with the line they are named in.
fn rooms_used(source: &Source) -> Vec<(usize, String)> {
    let text = source.code.get(..source.tests_from).unwrap_or_default().join("\n");
    let mut used = Vec::new();
    for (i, path) in text.match_indices("crate::") {
        if text[..i].chars().next_back().is_some_and(is_word) {
            continue;
        }
        let line = text[..i].matches('\n').count();
        let rest = text[i + path.len()..].trim_start();
        for name in first_segments(rest) {
            used.push((line, name));
        }
    }
    used
}

/// First segments of a path, or of each path in a `{}` group.
fn first_segments(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else {
        return vec![rest.chars().take_while(|c| is_word(*c)).collect()];
    };
    let (mut depth, mut names, mut name, mut whole) = (0, Vec::new(), String::new(), false);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(std::mem::take(&mut name));
                whole = false;
            }
            c if is_word(c) && depth == 0 && !whole => name.push(c),
            ':' => whole = true,
            _ => {}
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

fn words(source: &Source, out: &mut Vec<String>) {
    for (i, line) in source.raw.iter().enumerate() {
        for word in BANNED_EVERYWHERE {
            if finds(line, word) {
                out.push(source.at(i, &format!("`{word}` has no place in a release: do it or open an issue")));
            }
        }
    }
    let pure = source.floor().is_some_and(|floor| floor <= PURE_FLOOR_MAX);
    let exempt = WORLDLY_FILES.iter().find(|(path, _)| *path == source.path).map_or(&[][..], |(_, words)| words);
    for (i, line) in source.code.iter().enumerate().take(source.tests_from) {
        for name in BANNED_MACROS {
            if finds(line, name) && line.contains(&format!("{name}!")) {
                out.push(source.at(i, &format!("`{name}!` has no place in a library")));
            }
        }
        for word in WORLDLY {
            if pure && finds(line, word) && !exempt.contains(word) {
                out.push(
                    source.at(i, &format!("`{word}` on floors 0 to {PURE_FLOOR_MAX}, which know no world outside")),
                );
            }
        }
        let may = UNSAFE_ROOMS.contains(&source.room()) || source.path.starts_with(UNSAFE_FOLDER);
        if finds(line, "unsafe") && !may {
            out.push(source.at(i, "`unsafe` outside ffi"));
        }
        if !source.path.starts_with(SQLITE_FOLDER) && (finds(line, "rusqlite") || line.contains("sqlite3_")) {
            out.push(source.at(i, "SQLite outside store::sqlite"));
        }
        if !source.path.starts_with(POSTGRES_FOLDER) && POSTGRES.iter().any(|name| finds(line, name)) {
            out.push(source.at(i, "PostgreSQL's client outside store::postgres"));
        }
        if line.contains("clippy::disallowed") && !REAL_WORLD_ROOMS.contains(&source.room()) {
            out.push(source.at(i, "what clippy.toml disallows is for the real bodies of World only (os, net, dns)"));
        }
    }
    for (i, line) in source.literals.iter().enumerate().take(source.tests_from) {
        let select = line.find("SELECT ").is_some_and(|at| line[at..].contains(" FROM "));
        let update = line.find("UPDATE ").is_some_and(|at| line[at..].contains(" SET "));
        let may = [SQLITE_FOLDER, POSTGRES_FOLDER].iter().any(|folder| source.path.starts_with(folder));
        if !may && (select || update || SQL.iter().any(|word| line.contains(word))) {
            out.push(source.at(i, "SQL outside store::sqlite and store::postgres"));
        }
    }
}

// -- RFC references ------------------------------------------------------------------------------------

/// `RFC 5321` or `RFC 5321 §4.5.2`, and the RFC is in src/RFCS.md.
fn rfcs(source: &Source, listed: &BTreeSet<u32>, out: &mut Vec<String>) {
    for (i, line) in source.comments.iter().enumerate() {
        for (at, _) in line.match_indices("RFC") {
            let beside = line[..at].chars().next_back().is_some_and(is_word);
            let rest = &line[at + 3..];
            // RFC822 and its kin are names of IMAP data items; "RFCs" and RFCS.md are plain words.
            if beside || rest.starts_with("822") || rest.starts_with(['s', 'S', '\'', ',', '.', ')']) {
                continue;
            }
            match rfc_reference(rest) {
                Ok(number) if !listed.contains(&number) => {
                    out.push(source.at(i, &format!("RFC {number} is not listed in src/RFCS.md")));
                }
                Ok(_) => {}
                Err(rule) => out.push(source.at(i, rule)),
            }
        }
    }
}

/// The number in what follows `RFC`.
fn rfc_reference(rest: &str) -> Result<u32, &'static str> {
    const FORM: &str = "an RFC is named as `RFC 5321` or `RFC 5321 §4.5.2`";
    let digits: String = rest.strip_prefix(' ').ok_or(FORM)?.chars().take_while(char::is_ascii_digit).collect();
    let number: u32 = digits.parse().map_err(|_| FORM)?;
    if !(3..=5).contains(&digits.len()) {
        return Err(FORM);
    }
    let after = &rest[1 + digits.len()..];
    let lower = after.trim_start_matches([' ', ',']).to_ascii_lowercase();
    if lower.starts_with("section ") || lower.starts_with("sec. ") || after.starts_with('§') {
        return Err(FORM);
    }
    let section = after.strip_prefix(" §").is_none_or(|s| s.starts_with(|c: char| c.is_ascii_alphanumeric()));
    if section { Ok(number) } else { Err(FORM) }
}

/// What src/RFCS.md says: every RFC of its tables and its list, and those that the source must name.
struct Listed {
    all: BTreeSet<u32>,
    followed: BTreeSet<u32>,
}

/// Rows `| RFC | title | how far | room | missing, or done by |` and lines `- RFC 822, ...`.
fn listed_rfcs(page: &str) -> Listed {
    let mut listed = Listed { all: BTreeSet::new(), followed: BTreeSet::new() };
    let mut add = |number: u32| assert!(listed.all.insert(number), "src/RFCS.md: RFC {number} twice");
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("- RFC ") {
            let number = rest.split([',', ' ']).next().and_then(|number| number.parse().ok());
            add(number.unwrap_or_else(|| panic!("src/RFCS.md: no number in: {line}")));
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Some(number) = cells.first().and_then(|number| number.parse::<u32>().ok()) else { continue };
        let [_, title, how_far, room, note] = cells[..] else { panic!("src/RFCS.md: five cells in a row: {line}") };
        assert!(!title.is_empty() && !room.is_empty(), "src/RFCS.md: an empty cell in: {line}");
        match how_far {
            "partial" | "library" => assert!(!note.is_empty(), "src/RFCS.md: what is missing, or who does it: {line}"),
            "yes" | "planned" => assert!(note.is_empty(), "src/RFCS.md: nothing is missing from `{how_far}`: {line}"),
            _ => panic!("src/RFCS.md: `{how_far}` in: {line}"),
        }
        add(number);
        if how_far != "planned" {
            listed.followed.insert(number);
        }
    }
    listed
}

/// RFCs that the page says are followed and no comment in src/ names.
fn unnamed(listed: &Listed, sources: &[Source]) -> Vec<String> {
    let comments = sources.iter().flat_map(|source| &source.comments);
    let named: BTreeSet<u32> = comments
        .flat_map(|line| line.match_indices("RFC ").map(|(at, _)| &line[at + 3..]).collect::<Vec<_>>())
        .filter_map(|rest| rfc_reference(rest).ok())
        .collect();
    let missing = listed.followed.difference(&named);
    missing.map(|number| format!("src/RFCS.md: RFC {number} is followed, and nothing in src/ names it")).collect()
}

// -- circles -------------------------------------------------------------------------------------------

/// Rooms that reach themselves: impossible while the floors hold, and said here should a floor ever give way.
fn circles(sources: &[Source]) -> Vec<String> {
    let mut arrows: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.floor().is_some()) {
        let used = rooms_used(source).into_iter().map(|(_, room)| room);
        let others = used.filter(|room| room != source.room() && floor_of(room).is_some());
        arrows.entry(source.room()).or_default().extend(others);
    }
    let reaches = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<String> = arrows.get(from).into_iter().flatten().cloned().collect();
        while let Some(room) = todo.pop() {
            if seen.insert(room.clone()) {
                todo.extend(arrows.get(room.as_str()).into_iter().flatten().cloned());
            }
        }
        seen
    };
    arrows
        .keys()
        .filter(|room| reaches(room).contains(**room))
        .map(|room| format!("src/{room}: uses itself through others"))
        .collect()
}

// -- the rules themselves ------------------------------------------------------------------------------

#[test]
fn every_rule_can_fail() {
    let long_line = format!("//! x\n// {}\n", "y".repeat(118));
    let long_function = format!("//! x\nfn f() {{\n{}}}\n", "    g();\n".repeat(70));
    let long_file = format!("//! x\n{}", "\n".repeat(800));
    let table: &[(&str, &str, &str)] = &[
        ("src/smtp/a.rs", "//! x\nuse crate::store::Store;\n", "src/smtp/a.rs:2: smtp (floor 2) uses crate::store"),
        ("src/smtp/a.rs", "//! x\n\nuse crate::{base::X, imap::{A, B}};\n", "a.rs:3: smtp (floor 2) uses crate::imap"),
        ("src/net/a.rs", "//! x\nfn f(s: crate::dns::S) {}\n", "next door"),
        ("src/pop3/a.rs", "//! x\nuse std::time::Instant;\n", "`Instant` on floors"),
        ("src/base/a.rs", "//! x\nasync fn f() {}\n", "`async` on floors"),
        ("src/base/world.rs", "//! x\nuse std::fs;\n", "`std::fs` on floors"),
        ("src/queue/a.rs", "//! x\nuse rusqlite::Connection;\n", "SQLite outside store::sqlite"),
        ("src/queue/a.rs", "//! x\nconst Q: &str = \"SELECT a FROM b\";\n", "SQL outside store::sqlite"),
        ("src/store/delta.rs", "//! x\nuse rusqlite::params;\n", "SQLite outside store::sqlite"),
        ("src/store/flags.rs", "//! x\nconst Q: &str = \"SELECT a FROM b\";\n", "SQL outside store::sqlite"),
        ("src/store/sqlite/a.rs", "//! x\nuse tokio_postgres::Row;\n", "client outside store::postgres"),
        ("src/net/a.rs", "//! x\nuse tokio::io::AsyncRead;\n", "client outside store::postgres"),
        ("src/store/postgres/a.rs", "//! x\nuse rusqlite::params;\n", "SQLite outside store::sqlite"),
        ("src/net/a.rs", "//! x\nfn f() { unsafe { g() } }\n", "`unsafe` outside ffi"),
        ("src/store/a.rs", "//! x\nfn f() { unsafe { g() } }\n", "`unsafe` outside ffi"),
        ("src/queue/a.rs", "//! x\n#[allow(clippy::disallowed_methods)]\n", "real bodies of World only"),
        ("src/queue/a.rs", "fn f() {}\n", "opens with `//!`"),
        ("src/queue/utils.rs", "//! x\n", "no module is called `utils`"),
        ("src/cellar/mod.rs", "//! x\n", "lies on no floor"),
        ("src/queue/a.rs", concat!("//! x\n// TO", "DO: later\n"), "has no place in a release"),
        ("src/queue/a.rs", "//! x\nfn f() { println!(\"a\") }\n", "`println!` has no place"),
        ("src/queue/a.rs", "//! x\n// see RFC5321\n", "an RFC is named as"),
        ("src/queue/a.rs", "//! x\n// RFC 5321 section 4\n", "an RFC is named as"),
        ("src/queue/a.rs", "//! x\n// RFC 5321, section 4\n", "an RFC is named as"),
        ("src/queue/a.rs", "//! x\n// RFC 9999 §1\n", "RFC 9999 is not listed"),
        ("src/queue/a.rs", &long_line, "121 characters in a line"),
        ("src/queue/a.rs", &long_function, "fn f has 72 lines"),
        ("src/queue/a.rs", &long_file, "801 lines in a file"),
    ];
    for (path, text, expected) in table {
        let found = complaints_of(&Source::new(path, text), &BTreeSet::from([5321]));
        assert!(found.iter().any(|c| c.contains(expected)), "no `{expected}` in {found:?}");
    }
    let listed = listed_rfcs("| 5321 | a | yes | smtp | |\n| 1 | b | planned | smtp | |\n- RFC 822, c: old.\n");
    assert_eq!(listed.all, BTreeSet::from([1, 822, 5321]));
    let silent = [Source::new("src/smtp/a.rs", "//! x\n")];
    assert_eq!(unnamed(&listed, &silent), ["src/RFCS.md: RFC 5321 is followed, and nothing in src/ names it"]);
    let round = [
        Source::new("src/dns/a.rs", "//! x\nuse crate::net::A;\n"),
        Source::new("src/net/a.rs", "//! x\nuse crate::dns::A;\n"),
    ];
    assert_eq!(circles(&round).len(), 2);
}

#[test]
fn what_is_fine_passes() {
    let table: &[(&str, &str)] = &[
        ("src/smtp/a.rs", "//! RFC 5321 §4.5.2, RFC 5321 §A.1 and RFC 5321.\nuse crate::{base::{X, net}, message};\n"),
        (
            "src/imap/a.rs",
            "//! RFC822.SIZE\nconst A: &str = \"SELECT INBOX // async unsafe\";\nconst B: char = '\"';\n",
        ),
        ("src/imap/b.rs", "//! x\nconst A: &[u8] = br#\"println!(\"unsafe\")\"#;\n/* unsafe /* async */ await */\n"),
        ("src/base/world.rs", "//! x\npub use smol::Task;\nfn f<'a>(x: &'a str) -> BoxFuture<'a, ()>;\n"),
        ("src/base/a.rs", "//! x\n#[cfg(test)]\nmod tests {\n    fn f() { println!(\"{}\", crate::net::X) }\n}\n"),
        ("src/store/sqlite/a.rs", "//! x\nconst Q: &str = \"SELECT a FROM b\";\nuse rusqlite::Connection;\n"),
        ("src/store/postgres/a.rs", "//! x\nconst Q: &str = \"SELECT a FROM b\";\nuse tokio_postgres::Row;\n"),
        ("src/store/sqlite/vfs/a.rs", "//! x\nfn f() { unsafe { g() } }\n"),
        ("src/ffi/a.rs", "//! x\nuse crate::engine::E;\nfn f() { unsafe { g() } }\n"),
    ];
    for (path, text) in table {
        assert_eq!(complaints_of(&Source::new(path, text), &BTreeSet::from([5321])), Vec::<String>::new(), "{path}");
    }
}
