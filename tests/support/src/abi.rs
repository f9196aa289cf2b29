//! What the tests of the C ABI and of the bindings stand on: the shared library, the header as data, tools.
//!
//! A tool that is missing is said on stderr and its tests are left out; with CI=true they fail.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub use crate::root;
pub use crate::tools::tool;

/// The header the build made from the sources.
pub fn header() -> String {
    std::fs::read_to_string(env!("MAILCORE_HEADER")).expect("header in OUT_DIR")
}

/// The interface as data, as the build made it from the header.
pub fn abi() -> serde_json::Value {
    let text = std::fs::read_to_string(env!("MAILCORE_ABI_JSON")).expect("abi.json in OUT_DIR");
    serde_json::from_str(&text).expect("abi.json")
}

/// A list of `abi.json`, or of one of its items.
pub fn items<'a>(of: &'a serde_json::Value, list: &str) -> &'a [serde_json::Value] {
    of[list].as_array().unwrap_or_else(|| panic!("no list {list} in {of}"))
}

/// A text of an item of `abi.json`.
pub fn word<'a>(item: &'a serde_json::Value, key: &str) -> &'a str {
    item[key].as_str().unwrap_or_else(|| panic!("no text {key} in {item}"))
}

/// A fresh folder of this name for one test.
pub fn folder(name: &str) -> PathBuf {
    // Cargo's folder for this: target/PROFILE/deps has the test's program, target/tmp is beside PROFILE.
    let program = std::env::current_exe().expect("path of this test");
    let folder = program.ancestors().nth(3).expect("target").join("tmp").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("folder under target");
    folder
}

/// The shared library of this very build.
pub fn library() -> PathBuf {
    let here = std::env::current_exe().expect("path of this test");
    let deps = here.parent().expect("deps folder");
    let candidates = [deps.join("libmailcore.so"), deps.join("../libmailcore.so")];
    let newest = candidates
        .iter()
        .filter(|path| path.exists())
        .max_by_key(|path| path.metadata().and_then(|meta| meta.modified()).expect("time of the library"));
    newest.expect("libmailcore.so beside the tests").canonicalize().expect("path of the library")
}

/// A folder with the library under both its names: what `-L` and LD_LIBRARY_PATH point to.
pub fn library_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = folder(&format!("lib-{}", std::process::id()));
        remove_left(folder.parent().expect("tmp"));
        // Hard links: cargo, called by a test beside this one, may put another file in the library's place.
        for name in ["libmailcore.so", "libmailcore.so.0"] {
            std::fs::hard_link(library(), folder.join(name)).expect("link");
        }
        folder
    })
}

/// Removes the folders of [`library_folder`] whose test program has ended: each keeps a whole library.
fn remove_left(tmp: &Path) {
    if !Path::new("/proc/self").exists() {
        return;
    }
    for entry in std::fs::read_dir(tmp).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix("lib-"));
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another program may be quicker.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Runs a command; its stdout, or a failure with all it said.
pub fn run(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let stdout = String::from_utf8_lossy(&out.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", out.status);
    stdout
}

/// Compiles and links a C program against the header of this build and the shared library.
pub fn compile(source: &Path, folder: &Path) -> Option<PathBuf> {
    let cc = tool("cc", "C programs against the library")?;
    let program = folder.join(source.file_stem().expect("name"));
    let include = Path::new(env!("MAILCORE_HEADER")).parent().expect("folder of the header");
    let mut command = Command::new(cc);
    command.args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
    command.arg(source).arg("-o").arg(&program).arg("-I").arg(include);
    command.arg("-L").arg(library_folder()).arg("-lmailcore").arg("-lpthread");
    run(&mut command);
    Some(program)
}

/// A command that finds the library.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", library_folder());
    command
}

// -- the header as data --------------------------------------------------------------------------------

/// A function of the header.
#[derive(Debug, Clone)]
pub struct Function {
    pub name: String,
    pub returns: String,
    /// Type and name of each parameter.
    pub parameters: Vec<(String, String)>,
    /// Its comment, without the stars.
    pub doc: String,
}

/// A struct of the header.
#[derive(Debug, Clone)]
pub struct Struct {
    pub name: String,
    /// Names of its fields, in order.
    pub fields: Vec<String>,
}

/// Every function, in the header's order.
pub fn functions(header: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    let mut rest = header;
    while let Some((before, after)) = rest.split_once("\nMAILCORE_API") {
        let (declaration, tail) = after.split_once(");").expect("end of a declaration");
        let declaration = declaration.split_whitespace().collect::<Vec<_>>().join(" ");
        let (head, parameters) = declaration.split_once('(').expect("parameters");
        let (returns, name) = split_name(head);
        let parameters = match parameters.trim() {
            "void" => Vec::new(),
            list => list.split(',').map(|p| split_name(p.trim())).collect(),
        };
        let comment = before.rsplit_once("/**").map_or("", |(_, comment)| comment);
        let doc = comment.lines().map(|line| line.trim().trim_start_matches('*').trim_end_matches("*/").trim());
        functions.push(Function { name, returns, parameters, doc: doc.collect::<Vec<_>>().join("\n") });
        rest = tail;
    }
    functions
}

/// Splits `const char *name` into `const char *` and `name`.
fn split_name(text: &str) -> (String, String) {
    let at = text.rfind([' ', '*']).map_or(0, |at| at + 1);
    let (kind, name) = text.split_at(at);
    (kind.trim().to_owned(), name.to_owned())
}

/// Every struct, in the header's order.
pub fn structs(header: &str) -> Vec<Struct> {
    let mut structs = Vec::new();
    let mut rest = header;
    while let Some((_, after)) = rest.split_once("\ntypedef struct {\n") {
        let (body, tail) = after.split_once("\n} ").expect("end of a struct");
        let (name, tail) = tail.split_once(';').expect("name of a struct");
        let lines = body.lines().map(str::trim).filter(|line| !line.starts_with(['*', '/']));
        let fields = lines.filter_map(|line| line.strip_suffix(';')).map(|line| {
            let line = line.split('[').next().unwrap_or_default();
            split_name(line).1
        });
        structs.push(Struct { name: name.to_owned(), fields: fields.collect() });
        rest = tail;
    }
    structs
}
