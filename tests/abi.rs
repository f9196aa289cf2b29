//! The C ABI from outside: header, symbols, layouts, documentation, C programs, misuse.

#![allow(clippy::disallowed_methods, reason = "a test reads files and runs compilers")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::abi as support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::mem::offset_of;
use std::path::PathBuf;
use std::process::Command;

use mailcore::ffi;
use support::{abi, command, compile, folder, functions, header, items, library, root, run, structs, tool, word};

// -- the header ------------------------------------------------------------------------------------------

#[test]
fn committed_header_is_the_generated_one() {
    let committed = fs::read_to_string(root().join("include/mailcore.h")).expect("include/mailcore.h");
    assert!(
        committed == header(),
        "include/mailcore.h is not what the sources say: MAILCORE_WRITE_HEADER=1 cargo build, then commit it"
    );
}

#[test]
fn committed_json_is_the_generated_one() {
    let committed = fs::read_to_string(root().join("include/abi.json")).expect("include/abi.json");
    let generated = fs::read_to_string(env!("MAILCORE_ABI_JSON")).expect("abi.json in OUT_DIR");
    assert!(committed == generated, "include/abi.json: MAILCORE_WRITE_HEADER=1 cargo build, then commit it");
}

/// The tests read the header in their own way; both readings must come to the same.
#[test]
fn header_and_json_agree() {
    let (header, abi) = (header(), abi());
    let defined = header.lines().filter_map(|line| line.strip_prefix("#define "));
    let defined = defined.filter(|line| !line.contains('(') && !line.contains('{') && line.contains(' '));
    let defined: Vec<String> = defined.filter(|line| !line.contains("__declspec")).map(str::to_owned).collect();
    let listed = |constant| format!("{} {}", word(constant, "name"), constant["value"]);
    assert_eq!(items(&abi, "constants").iter().map(listed).collect::<Vec<_>>(), defined);

    let declared = functions(&header);
    assert_eq!(items(&abi, "functions").len(), declared.len());
    for (item, function) in items(&abi, "functions").iter().zip(&declared) {
        assert_eq!((word(item, "name"), word(item, "returns")), (function.name.as_str(), function.returns.as_str()));
        let parameters = items(item, "parameters").iter();
        let parameters: Vec<_> = parameters.map(|p| (word(p, "type").to_owned(), word(p, "name").to_owned())).collect();
        assert_eq!(parameters, function.parameters, "{}", function.name);
        assert!(items(item, "parameters").iter().all(|p| !word(p, "doc").is_empty()), "{item}");
        assert!(!items(item, "tags").is_empty() && !word(item, "since").is_empty(), "{item}");
        let codes = items(item, "errors").iter().map(|code| code.as_str().expect("code"));
        assert!(codes.clone().all(|code| header.contains(&format!("#define {code} -"))), "{item}");
        assert_eq!(function.doc.contains("MAILCORE_E_"), codes.count() > 0, "{}", function.name);
    }
    let names = |of, list| items(of, list).iter().map(|item| word(item, "name").to_owned()).collect::<Vec<_>>();
    let structs = structs(&header);
    assert_eq!(names(&abi, "structs"), structs.iter().map(|s| s.name.clone()).collect::<Vec<_>>());
    for (item, one) in items(&abi, "structs").iter().zip(&structs) {
        assert_eq!(names(item, "fields"), one.fields, "{}", one.name);
    }
    assert_eq!(names(&abi, "handles").len(), header.matches("typedef uint64_t ").count());
    assert_eq!(names(&abi, "callbacks").len(), header.matches("typedef int32_t (*").count());
    for list in ["constants", "handles", "callbacks", "structs", "functions"] {
        assert!(items(&abi, list).iter().all(|item| !word(item, "doc").is_empty()), "{list}: one has no text");
    }
}

#[test]
fn header_stands_alone_in_every_language() {
    let folder = folder("header");
    let warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wundef", "-fsyntax-only"];
    let include = root().join("include");
    let source = "#include <mailcore.h>\n#include <mailcore.h>\nint main(void) { return 0; }\n";
    for (compiler, file, standards) in [
        (tool("cc", "the header alone in C"), "alone.c", &["c90", "c99", "c11", "c17"][..]),
        (tool("c++", "the header alone in C++"), "alone.cpp", &["c++98", "c++17"][..]),
    ] {
        let Some(compiler) = compiler else { continue };
        let path = folder.join(file);
        let inits: String = structs(&header())
            .iter()
            .filter(|s| s.fields.first().is_some_and(|field| field == "struct_size"))
            .map(|s| format!("extern {0} x_{0}; {0} x_{0} = {1}_INIT;\n", s.name, s.name.to_uppercase()))
            .collect();
        fs::write(&path, format!("{source}{inits}")).expect("write");
        for standard in standards {
            let mut command = Command::new(&compiler);
            command.arg(format!("-std={standard}")).args(warnings).arg("-I").arg(&include).arg(&path);
            if compiler == "cc" {
                command.arg("-Wstrict-prototypes");
            }
            run(&mut command);
        }
    }
}

#[test]
fn header_is_small_and_keeps_its_words() {
    let header = header();
    let functions = functions(&header);
    assert!(functions.len() <= 96, "{} functions", functions.len());
    for function in &functions {
        assert!(function.name.starts_with("mailcore_"), "{}", function.name);
    }
    for forbidden in [" long ", " int ", " bool ", "enum ", " time_t", "...", "union "] {
        let code: String = header.lines().filter(|l| !l.trim_start().starts_with(['*', '/'])).collect();
        let code = code.split_once("#define MAILCORE_H").map_or("", |(_, code)| code);
        assert!(!code.contains(forbidden), "{forbidden:?} has no fixed size");
    }
}

#[test]
fn exported_symbols_are_the_headers() {
    let Some(nm) = tool("nm", "exported symbols") else { return };
    let listing = run(Command::new(nm).args(["-D", "--defined-only"]).arg(library()));
    let exported: BTreeSet<String> =
        listing.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect();
    let declared: BTreeSet<String> = functions(&header()).into_iter().map(|f| f.name).collect();
    assert_eq!(exported, declared);
}

#[test]
fn shared_library_has_its_soname_and_stays_loaded() {
    let Some(readelf) = tool("readelf", "soname") else { return };
    let dynamic = run(Command::new(readelf).arg("-d").arg(library()));
    assert!(dynamic.contains("[libmailcore.so.0]"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
}

// -- layouts -----------------------------------------------------------------------------------------------

macro_rules! offset {
    ($name:ident, type) => {
        offset_of!($name, r#type)
    };
    ($name:ident, $field:ident) => {
        offset_of!($name, $field)
    };
}

macro_rules! layout {
    ($($name:ident { $($field:tt),+ })+) => {{
        use ffi::{buf::*, cursor::*, engine::*, error::*, event::*, hooks::*, listen::*, mailauth::*, outward::*, property::*};
        use ffi::{queue::*, resolver::*, signing::*, stats::*, submit::*, trouble::*, verdict::*};
        let mut text = String::new();
        $(
            writeln!(text, "{} {}", stringify!($name), size_of::<$name>()).expect("text");
            $(writeln!(text, "{}.{} {}", stringify!($name), stringify!($field), offset!($name, $field))
                .expect("text");)+
        )+
        text
    }};
}

#[test]
fn structs_lie_as_c_sees_them() {
    let rust = layout! {
        mailcore_error { struct_size, code, sys_errno, smtp_code, enhanced, message }
        mailcore_buf { data, len }
        mailcore_property { struct_size, on, type, writable, min, max, name, initial, doc }
        mailcore_open { struct_size, flags, folder, hostname, settings, store }
        mailcore_query { struct_size, limit, after, id }
        mailcore_row { struct_size, kind, id, size, mod_seq, time_ms, due_ms, flags, state, attempts, code, total,
            unseen, name, text, detail }
        mailcore_envelope { struct_size, flags, from, to, to_count, envelope_id, submit_key, not_before_ms }
        mailcore_delivery { struct_size, state, attempts, smtp_code, next_ms, enhanced, host, reply }
        mailcore_listen_options { struct_size, service, address, port, flags }
        mailcore_check { struct_size, method, result, policy, percent, flags, domain, selector, signature, explanation,
            why, indicator, evidence }
        mailcore_verdicts { struct_size, count, checks, from_domain, json, memory, results }
        mailcore_resolver_options { struct_size, timeout_ms, server, zone }
        mailcore_origin { struct_size, checks, ip, helo, mail_from, receiver, time_ms }
        mailcore_signer { struct_size, algorithm, domain, selector, key, canonicalization, headers, identity, authserv_id,
            time_ms, results, chain, reserved }
        mailcore_evidence { struct_size, spf_result, spf_domain, from_domain, dkim_results, dkim_domains, dkim_count }
        mailcore_question { struct_size, hook, engine, service, policy, message, size, peer, helo, tls, account, from,
            to, to_count, detail, verdicts, user, password }
        mailcore_verdict { struct_size, action, smtp_code, enhanced, text, redirect, secret }
        mailcore_hooks { struct_size, as_events, data, rcpt, user, connect, hello, login, scram, mail, rcpt_refused }
        mailcore_queue_filter { struct_size, held, id, from, to, domain }
        mailcore_trouble { struct_size, stage, flags, smtp_code, text, address, protocol, wait_ms, skip, times }
        mailcore_stats { struct_size, reserved, uptime_ms, smtp_sessions, lmtp_sessions, imap_sessions, pop3_sessions,
            smtp_open, lmtp_open, imap_open, pop3_open, logins, logins_failed, refused, connections_broken, queued, filed,
            filed_octets, delivered, deferred, failed, expired, bounced, events_dropped, events_waiting, accounts,
            queue_messages }
        mailcore_event { struct_size, type, seq, time_ms, subject, code, count, detail }
    };
    let mut source = "#include <mailcore.h>\n#include <stdio.h>\nint main(void) {\n".to_owned();
    for item in structs(&header()) {
        let name = &item.name;
        writeln!(source, "printf(\"{name} %zu\\n\", sizeof({name}));").expect("text");
        for field in &item.fields {
            writeln!(source, "printf(\"{name}.{field} %zu\\n\", offsetof({name}, {field}));").expect("text");
        }
    }
    source.push_str("return 0; }\n");
    let folder = folder("layout");
    let path = folder.join("layout.c");
    fs::write(&path, source).expect("write");
    let Some(program) = compile(&path, &folder) else { return };
    let c = run(&mut command(&program));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(lines(&c), lines(&rust));
    assert_eq!(lines(&c), lines(&layout_of_json()), "abi.json");
}

/// Size and offsets of each struct in abi.json, for the pointers of this machine.
fn layout_of_json() -> String {
    let (size, offset) =
        if cfg!(target_pointer_width = "64") { ("size64", "offset64") } else { ("size32", "offset32") };
    let mut text = String::new();
    for item in items(&abi(), "structs") {
        let name = word(item, "name");
        writeln!(text, "{name} {}", item[size]).expect("text");
        for field in items(item, "fields") {
            writeln!(text, "{name}.{} {}", word(field, "name"), field[offset]).expect("text");
        }
    }
    text
}

// -- sources and documentation -------------------------------------------------------------------------------

#[test]
fn every_export_stands_behind_the_wall() {
    let mut exports = 0;
    for entry in fs::read_dir(root().join("src/ffi")).expect("src/ffi") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            continue; // tests of a file
        }
        let text = fs::read_to_string(&path).expect("source");
        for (at, _) in text.match_indices("\n#[unsafe(no_mangle)]\n") {
            exports += 1;
            let function = text.get(at..).unwrap_or_default();
            let function = function.split_once("\n}\n").map_or(function, |(function, _)| function);
            let body = function.split_once(" {\n").map_or("", |(_, body)| body);
            let name = function.lines().nth(2).unwrap_or_default();
            assert!(
                body.trim_start().starts_with("wall!("),
                "{}: {name}: body does not begin with wall!",
                path.display()
            );
            let mut top = body.lines().filter(|line| line.starts_with("    ") && !line.starts_with("     ")).skip(1);
            let end = top.next().unwrap_or("    })");
            assert!(end == "    })" && top.next().is_none(), "{}: {name}: {end} beside wall!", path.display());
        }
        let others = text.matches("extern \"C\" fn ").count() - text.matches("no_mangle)]\npub").count();
        let handlers = usize::from(path.ends_with("fork.rs"));
        assert_eq!(others, handlers, "{}: an extern fn without no_mangle", path.display());
    }
    assert_eq!(exports, functions(&header()).len());
}

#[test]
fn every_function_is_documented() {
    for function in functions(&header()) {
        let name = &function.name;
        let doc = &function.doc;
        let has = |tag: &str| doc.contains(tag);
        let tags = ["[nowait]", "[disk]", "[wait]"].iter().filter(|tag| has(tag)).count();
        assert_eq!(tags, 1, "{name}: one of [nowait] [disk] [wait]");
        assert!(has("@since "), "{name}: @since");
        for (_, parameter) in &function.parameters {
            assert!(has(&format!("@param {parameter} ")), "{name}: @param {parameter}");
        }
        for line in doc.lines().filter_map(|line| line.strip_prefix("@param ")) {
            let named = line.split_whitespace().next().unwrap_or_default();
            assert!(function.parameters.iter().any(|(_, p)| p == named), "{name}: no parameter {named}");
        }
        if function.returns != "void" {
            assert!(has("@returns "), "{name}: @returns");
        }
        if function.parameters.iter().any(|(_, parameter)| parameter == "err") {
            assert!(has("MAILCORE_E_"), "{name}: which errors");
        }
        for code in doc.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| w.starts_with("MAILCORE_")) {
            assert!(header().contains(&format!("#define {code}")), "{name}: {code} is not in the header");
        }
    }
}

// -- C programs ----------------------------------------------------------------------------------------------

fn programs() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join("tests/abi")).expect("tests/abi");
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "c"));
    files.sort();
    files
}

#[test]
fn c_programs_do_what_they_say() {
    for source in programs() {
        let folder = folder(&format!("c-{}", source.file_stem().expect("name").to_string_lossy()));
        let Some(program) = compile(&source, &folder) else { return };
        run(command(&program).current_dir(&folder));
    }
}

#[test]
fn hooks_can_be_written_in_cplusplus() {
    let Some(compiler) = tool("c++", "hooks in C++") else { return };
    for standard in ["c++11", "c++17"] {
        let mut command = Command::new(&compiler);
        command.args([&format!("-std={standard}"), "-x", "c++", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
        command.arg("-fsyntax-only").arg("-I").arg(root().join("include")).arg(root().join("tests/abi/hooks.c"));
        run(&mut command);
    }
}

#[test]
fn c_programs_leak_nothing() {
    let Some(valgrind) = tool("valgrind", "leaks of C programs") else { return };
    for source in programs() {
        let name = source.file_stem().expect("name").to_string_lossy().into_owned();
        if name == "host" || name == "closing" {
            // They count threads and descriptors, and valgrind has some of its own; it also runs threads in turn, for
            // minutes where they race.
            continue;
        }
        let folder = folder(&format!("valgrind-{name}"));
        let Some(program) = compile(&source, &folder) else { return };
        let mut command = command(valgrind.as_ref());
        command.args([
            "-q",
            "--error-exitcode=9",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            "--show-leak-kinds=definite",
        ]);
        run(command.arg(program).current_dir(&folder));
    }
}
