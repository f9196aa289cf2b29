//! Build script: names the shared library and writes the C header, and beside it the same as data.
//!
//! Both always go to OUT_DIR. `include/mailcore.h` and `include/abi.json` are committed and only rewritten when
//! MAILCORE_WRITE_HEADER=1; `tests/abi.rs` compares them. A header that cannot be made is a warning, not an error:
//! packagers have the committed one.

#[path = "bindings/abi.rs"]
mod abi;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files the header is made of, in its order.
const SOURCES: [&str; 32] = [
    "object",
    "result",
    "error",
    "buf",
    "library",
    "property",
    "engine",
    "account",
    "directory",
    "cursor",
    "message",
    "submit",
    "queue",
    "outward",
    "sending",
    "mailbox",
    "listen",
    "event",
    "tls",
    "dns",
    "clock",
    "verdict",
    "resolver",
    "mailauth",
    "signing",
    "dkim",
    "sieve",
    "hooks",
    "trouble",
    "stats",
    "session",
    "close",
];

#[allow(clippy::disallowed_macros, reason = "this is how a build script speaks to cargo")]
fn say(line: &str) {
    println!("cargo::{line}");
}

#[allow(clippy::disallowed_methods, reason = "cargo speaks to a build script by variables")]
fn variable(name: &str) -> String {
    // Cargo knows when its own change. In a test that calls cargo they are those of the test: the library would be built
    // anew under the tests that use it.
    if !name.starts_with("CARGO_") && !["OUT_DIR", "PROFILE", "TARGET"].contains(&name) {
        say(&format!("rerun-if-env-changed={name}"));
    }
    env::var(name).unwrap_or_default()
}

fn main() {
    for path in ["build.rs", "bindings/abi.rs", "src/ffi", "src/engine/keys", "docs/events.md", "include"] {
        say(&format!("rerun-if-changed={path}"));
    }
    let os = variable("CARGO_CFG_TARGET_OS");
    if !matches!(os.as_str(), "windows" | "macos" | "ios") {
        // Threads outlive a dlclose: -z nodelete.
        say(&format!("rustc-cdylib-link-arg=-Wl,-soname,{SONAME}"));
        say("rustc-cdylib-link-arg=-Wl,-z,nodelete");
        // By this id a debugger finds the symbols that a package has in a file of their own.
        say("rustc-cdylib-link-arg=-Wl,--build-id=sha1");
        link_soname();
    }
    let vendored = if variable("CARGO_FEATURE_VENDORED_OPENSSL").is_empty() { "" } else { ", vendored OpenSSL" };
    let bundled = !variable("CARGO_FEATURE_BUNDLED_SQLITE").is_empty();
    if !bundled {
        look_at_sqlite();
    }
    let bundled = if bundled { "bundled SQLite" } else { "system SQLite" };
    let target = variable("TARGET");
    let profile = variable("PROFILE");
    say(&format!("rustc-env=MAILCORE_BUILD=({target}, {profile}, {bundled}{vendored})"));

    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    say(&format!("metadata=INCLUDE={}", root.join("include").display()));
    match header(&root) {
        Ok(text) => write_header(&root, &text),
        Err(e) => say(&format!("warning=include/mailcore.h could not be made anew: {e}")),
    }
}

/// Ends the build where the system's SQLite is too old: a shared library would link all the same, and no program could
/// load it. The library itself looks again whenever it opens a store (src/store/sqlite/version.rs). Nothing is said
/// where another one is meant (SQLITE3_LIB_DIR).
fn look_at_sqlite() {
    variable("PKG_CONFIG_PATH");
    let asked = Command::new("pkg-config").args(["--modversion", "sqlite3"]).output();
    let found = asked.ok().filter(|asked| asked.status.success());
    let version = found.map(|found| String::from_utf8_lossy(&found.stdout).trim().to_owned());
    let numbers: Vec<u32> = version.iter().flat_map(|v| v.split('.')).filter_map(|part| part.parse().ok()).collect();
    if !numbers.is_empty() && numbers < [3, 44, 6].to_vec() && variable("SQLITE3_LIB_DIR").is_empty() {
        let version = version.unwrap_or_default();
        say(&format!("error=the system's SQLite is {version}; 3.44.6 at least is needed, or feature bundled-sqlite"));
    }
}

/// Makes `target/<profile>/libmailcore.so.0`, which programs linked against the library there look for at run
/// time. OUT_DIR is `target/<profile>/build/<package>/out`; where it is not, or on trouble, nothing is done.
fn link_soname() {
    let out = PathBuf::from(variable("OUT_DIR"));
    let build = out.ancestors().nth(2).filter(|folder| folder.ends_with("build"));
    if let Some(profile) = build.and_then(Path::parent) {
        #[cfg(unix)]
        let _ = std::os::unix::fs::symlink("libmailcore.so", profile.join(SONAME));
    }
}

#[allow(clippy::disallowed_methods, reason = "a build script writes files")]
fn write_header(root: &Path, text: &str) {
    let read = |path: &str| fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"));
    let beside = read("src/ffi/properties.json")
        .and_then(|properties| Ok(abi::Beside { properties, events: read("docs/events.md")? }));
    let json = beside.and_then(|beside| abi::json(text, &beside, SONAME)).unwrap_or_else(|e| {
        say(&format!("warning={ABI_JSON} could not be made anew: {e}"));
        String::new()
    });
    let committed = variable("MAILCORE_WRITE_HEADER") == "1";
    for (path, text, name) in [(HEADER, text, "MAILCORE_HEADER"), (ABI_JSON, json.as_str(), "MAILCORE_ABI_JSON")] {
        let path = Path::new(path);
        let out = PathBuf::from(variable("OUT_DIR")).join(path.file_name().unwrap_or_default());
        if let Err(e) = fs::write(&out, text) {
            say(&format!("warning={}: {e}", out.display()));
        }
        say(&format!("rustc-env={name}={}", out.display()));
        // For the crate of the tests, which reads DEP_MAILCORE_HEADER.
        say(&format!("metadata={}={}", name.trim_start_matches("MAILCORE_"), out.display()));
        if committed
            && let Err(e) = fs::create_dir_all(root.join("include")).and_then(|()| fs::write(root.join(path), text))
        {
            say(&format!("error={}: {e}", path.display()));
        }
    }
}

const HEADER: &str = "include/mailcore.h";
const ABI_JSON: &str = "include/abi.json";
/// The name that programs ask the dynamic linker for. Its number changes when the ABI does, never with the version.
const SONAME: &str = "libmailcore.so.0";

/// The whole header.
fn header(root: &Path) -> Result<String, String> {
    let read = |path: &str| fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"));
    let config = cbindgen::Config {
        language: cbindgen::Language::C,
        cpp_compat: true,
        no_includes: true,
        sys_includes: vec!["stddef.h".to_owned(), "stdint.h".to_owned()],
        usize_is_size_t: true,
        documentation_style: cbindgen::DocumentationStyle::Doxy,
        style: cbindgen::Style::Type,
        include_guard: Some("MAILCORE_H".to_owned()),
        header: Some(format!("/*\n{}*/", read("src/ffi/tutorial.txt")?)),
        after_includes: Some(preamble(&[
            read("src/engine/keys/engine.rs")?,
            read("src/engine/keys/checking.rs")?,
            read("src/engine/keys/esmtp.rs")?,
            read("src/engine/keys/sending.rs")?,
        ])),
        line_length: 120,
        tab_width: 4,
        sort_by: cbindgen::SortKey::None,
        export: cbindgen::ExportConfig { include: vec!["mailcore_error".to_owned()], ..Default::default() },
        function: cbindgen::FunctionConfig { prefix: Some("MAILCORE_API".to_owned()), ..Default::default() },
        ..cbindgen::Config::default()
    };
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        let path = root.join(format!("src/ffi/{source}.rs"));
        if path.exists() {
            builder = builder.with_src(path);
        }
    }
    let bindings = builder.generate().map_err(|e| e.to_string())?;
    let mut octets = Vec::new();
    bindings.write(&mut octets);
    let text = String::from_utf8(octets).map_err(|e| e.to_string())?;
    Ok(with_inits(&block_comments(&text)))
}

/// Version, export macro and property names: what stands in front of the first constant.
fn preamble(keys: &[String]) -> String {
    let number = |name: &str| variable(name).parse::<u32>().unwrap_or(0);
    let version = ["CARGO_PKG_VERSION_MAJOR", "CARGO_PKG_VERSION_MINOR", "CARGO_PKG_VERSION_PATCH"].map(number);
    let value = version[0] * 1_000_000 + version[1] * 1000 + version[2];
    let mut text = format!(
        "
/** The version of this header; mailcore_version() gives that of the library at run time. */
#define MAILCORE_VERSION_NUMBER {value}

#if defined(_WIN32) && !defined(MAILCORE_STATIC)
#define MAILCORE_API __declspec(dllimport)
#else
#define MAILCORE_API
#endif

/* Properties of an engine, for mailcore_get_* and mailcore_set_*; mailcore_key_info() tells types and ranges. */
"
    );
    for (name, doc) in keys.iter().flat_map(|source| key_rows(source)) {
        let upper: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        text.push_str(&format!("\n/** {doc} */\n#define MAILCORE_KEY_{upper} \"{name}\"\n"));
    }
    text
}

/// Names and documentation of a property table, read from its source: the first two texts of each row.
fn key_rows(source: &str) -> Vec<(String, String)> {
    let table = source.split_once("static KEYS").map_or("", |(_, rest)| rest);
    let table = table.split_once("\n];").map_or("", |(table, _)| table);
    let is_row = |line: &str| {
        ["    number!(", "    seconds!(", "    switch!(", "    Key {"].iter().any(|start| line.starts_with(start))
    };
    let mut rows: Vec<String> = Vec::new();
    for line in table.lines() {
        if is_row(line) {
            rows.push(String::new());
        }
        if let Some(row) = rows.last_mut() {
            row.push_str(line);
        }
    }
    let texts = |row: &String| -> Option<(String, String)> {
        let mut parts = row.split('"').skip(1).step_by(2);
        Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
    };
    rows.iter().filter_map(texts).collect()
}

/// cbindgen ends blocks with `//`, which is no comment in C90: `/* */` in its place.
fn block_comments(text: &str) -> String {
    let rewrite = |line: &str| match line.split_once(" // ").or_else(|| line.split_once("  /* ")) {
        Some((code, comment)) if code.starts_with(['#', '}']) => {
            format!("{} /* {} */\n", code.trim_end(), comment.trim_end_matches(" */"))
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(rewrite).collect()
}

/// Adds one X_INIT macro behind each struct that begins with struct_size, every field named, so that no
/// compiler warns about missing ones.
fn with_inits(text: &str) -> String {
    let mut out = String::new();
    let mut fields: Vec<&str> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        out.push_str(line);
        out.push('\n');
        let trimmed = line.trim();
        if trimmed == "typedef struct {" {
            inside = true;
            fields.clear();
        } else if let Some(name) = trimmed.strip_prefix("} ").and_then(|rest| rest.strip_suffix(';')) {
            inside = false;
            if fields.first().is_some_and(|field| field.ends_with(" struct_size;")) {
                let zeros: Vec<&str> = fields.iter().skip(1).map(|field| zero(field)).collect();
                let all = zeros.join(", ");
                let upper = name.to_uppercase();
                out.push_str(&format!("\n/** What a {name} is set up with. */\n"));
                out.push_str(&format!("#define {upper}_INIT {{ (uint32_t)sizeof({name}), {all} }}\n"));
            }
        } else if inside && trimmed.ends_with(';') && !trimmed.starts_with('*') {
            fields.push(trimmed);
        }
    }
    out
}

fn zero(field: &str) -> &'static str {
    if field.contains('[') {
        "{ 0 }"
    } else if field.contains('*') || field.starts_with("mailcore_hook_function ") {
        "NULL"
    } else if field.starts_with("mailcore_buf ") {
        "{ NULL, 0 }"
    } else {
        "0"
    }
}
