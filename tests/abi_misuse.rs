//! Every function of the interface with every handle, text, struct and number wrong in turn: the documented code,
//! and no crash. The C program is made from abi.json, so that a new function cannot be forgotten.

#![allow(clippy::disallowed_methods, reason = "a test writes and runs a program")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::abi as support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::Value;
use support::{abi, command, compile, folder, items, run, word};

const SET_UP: &str = r#"
#include <mailcore.h>
#include <stdio.h>
#include <string.h>

static void report(const char *function, const char *what, const char *parameter, long result)
{
    printf("%s %s %s %ld\n", function, what, parameter, result);
    fflush(stdout);
}

static int32_t no_signature(const char *domain, const char *selector, const uint8_t *digest, uint8_t *signature,
                            size_t size, void *user)
{
    (void)domain, (void)selector, (void)digest, (void)signature, (void)size, (void)user;
    return 0;
}

int main(void)
{
    static const char bad_text[] = "\xff\xfe";
    static const uint64_t some_uids[] = {1, 2};
    static const char *const some_to[] = {"bob@example.org"};
    static char room[64];
    mailcore_error err = MAILCORE_ERROR_INIT, bad_err = MAILCORE_ERROR_INIT;
    mailcore_open open = MAILCORE_OPEN_INIT;
    mailcore_engine engine = 0;
    mailcore_account account = 0, stale_account = 0;
    mailcore_mailbox mailbox = 0, stale_mailbox = 0;
    mailcore_message message = 0, stale_message = 0;
    mailcore_cursor cursor = 0, stale_cursor = 0;
    mailcore_engine stale_engine = 0;
    mailcore_resolver resolver = 0, stale_resolver = 0;
    mailcore_query query = MAILCORE_QUERY_INIT;
    mailcore_row row = MAILCORE_ROW_INIT;
    mailcore_event event = MAILCORE_EVENT_INIT;
    mailcore_envelope envelope = MAILCORE_ENVELOPE_INIT;
    mailcore_delivery delivery = MAILCORE_DELIVERY_INIT;
    mailcore_listen_options options = MAILCORE_LISTEN_OPTIONS_INIT;
    mailcore_property property = MAILCORE_PROPERTY_INIT;
    mailcore_hooks hooks = MAILCORE_HOOKS_INIT;
    mailcore_verdict verdict = MAILCORE_VERDICT_INIT;
    mailcore_buf buf = {NULL, 0};
    mailcore_resolver_options resolver_options = MAILCORE_RESOLVER_OPTIONS_INIT;
    mailcore_origin origin = MAILCORE_ORIGIN_INIT;
    mailcore_evidence evidence = MAILCORE_EVIDENCE_INIT;
    mailcore_verdicts verdicts = MAILCORE_VERDICTS_INIT;
    mailcore_signer signer = MAILCORE_SIGNER_INIT;
    mailcore_queue_filter queue_filter = MAILCORE_QUEUE_FILTER_INIT;
    mailcore_trouble trouble = MAILCORE_TROUBLE_INIT;
    mailcore_stats stats = MAILCORE_STATS_INIT;
    uint64_t out_handle = 0, out_u64 = 0;
    int64_t out_i64 = 0;
    int32_t out_i32 = 0;
    size_t out_size = 0;

    open.folder = "store-stale";
    open.settings = "login.argon2_kib=8\nlogin.argon2_passes=1\ndns.host_only=1\n";
    if (mailcore_engine_open(&open, &stale_engine, &err) < 0)
        goto failed;
    mailcore_close(stale_engine);
    open.folder = "store";
    resolver_options.zone = "example.org TXT v=spf1 -all";
    if (mailcore_resolver_open(&resolver_options, &resolver, &err) < 0
        || mailcore_resolver_open(&resolver_options, &stale_resolver, &err) < 0
        || mailcore_engine_open(&open, &engine, &err) < 0
        || mailcore_account_put(engine, "bob@example.org", "secret", &err) < 0
        || mailcore_engine_start(engine, &err) < 0
        || mailcore_account_open(engine, "bob@example.org", &account, &err) < 0
        || mailcore_account_open(engine, "bob@example.org", &stale_account, &err) < 0
        || mailcore_mailbox_open(account, "INBOX", 0, &mailbox, &err) < 0
        || mailcore_mailbox_open(account, "INBOX", 0, &stale_mailbox, &err) < 0
        || mailcore_message_new(engine, &message, &err) < 0
        || mailcore_message_new(engine, &stale_message, &err) < 0
        || mailcore_list(engine, MAILCORE_LIST_ACCOUNTS, NULL, &cursor, &err) < 0
        || mailcore_list(engine, MAILCORE_LIST_ACCOUNTS, NULL, &stale_cursor, &err) < 0)
        goto failed;
    mailcore_close(stale_account);
    mailcore_close(stale_mailbox);
    mailcore_close(stale_message);
    mailcore_close(stale_cursor);
    mailcore_close(stale_resolver);
    open.folder = "store-other";
    envelope.to = some_to;
    envelope.to_count = 1;
    options.service = MAILCORE_SERVICE_MX;
    options.address = "127.0.0.1";
    origin.ip = "192.0.2.1";
    evidence.from_domain = "example.org";
    signer.domain = "example.org";
    signer.selector = "s1";
    signer.key = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    bad_err.struct_size = 0;
"#;

const TEAR_DOWN: &str = r#"
    mailcore_event_clear(&event);
    mailcore_buf_free(&buf);
    mailcore_verdicts_clear(&verdicts);
    mailcore_verdicts_clear(NULL);
    if (mailcore_interrupt(resolver) != 0 || mailcore_close(resolver) != 0)
        return 4;
    if (mailcore_close(engine) != 0 || mailcore_close(engine) != MAILCORE_E_HANDLE || mailcore_close(0) != 0)
        return 3;
    return 0;
failed:
    fprintf(stderr, "%s\n", err.message);
    return 2;
}
"#;

/// What is passed where nothing is wrong.
fn right(function: &str, kind: &str, name: &str, records: &BTreeSet<String>) -> String {
    match kind {
        "mailcore_engine" | "mailcore_handle" => "engine".to_owned(),
        "mailcore_account" | "mailcore_mailbox" | "mailcore_message" | "mailcore_cursor" | "mailcore_resolver" => {
            kind.trim_start_matches("mailcore_").to_owned()
        }
        "const char *" => match name {
            "pattern" | "address" | "from" | "to" | "target" => "\"bob@example.org\"".to_owned(),
            "key" => format!("\"{}\"", if function.ends_with("i64") { "outbound.port" } else { "hostname" }),
            _ => "\"example\"".to_owned(),
        },
        "mailcore_error *" => "&err".to_owned(),
        "mailcore_sign_hook" => "no_signature".to_owned(),
        "mailcore_buf *" => "&buf".to_owned(),
        "int64_t *" => "&out_i64".to_owned(),
        "int32_t *" => "&out_i32".to_owned(),
        "size_t *" => "&out_size".to_owned(),
        "uint64_t *" => "&out_u64".to_owned(),
        "const uint64_t *" => "some_uids".to_owned(),
        "void *" | "const void *" => "room".to_owned(),
        "size_t" => if name == "count" { "2" } else { "sizeof(room)" }.to_owned(),
        "uint32_t" | "int32_t" | "int64_t" | "uint64_t" => "1".to_owned(),
        kind if is_record(kind, records) => format!("&{}", record(kind)),
        kind if kind.ends_with('*') => "&out_handle".to_owned(),
        kind => panic!("{function}: {kind}"),
    }
}

fn is_record(kind: &str, records: &BTreeSet<String>) -> bool {
    records.contains(kind.trim_start_matches("const ").trim_end_matches([' ', '*'])) && kind.ends_with('*')
}

fn record(kind: &str) -> &str {
    let name = kind.trim_start_matches("const ").trim_end_matches([' ', '*']).trim_start_matches("mailcore_");
    if name == "listen_options" { "options" } else { name }
}

/// What is passed where it is wrong: a word for it and the C expression.
fn wrong(waits: bool, kind: &str, name: &str) -> Vec<(&'static str, String)> {
    match kind {
        "mailcore_handle" => {
            vec![
                ("handle", "0".to_owned()),
                ("handle", "stale_engine".into()),
                ("handle", "0x1234567890abcdefu".into()),
            ]
        }
        "mailcore_engine" | "mailcore_account" | "mailcore_mailbox" | "mailcore_message" | "mailcore_cursor"
        | "mailcore_resolver" => {
            let stale = kind.replace("mailcore_", "stale_");
            let foreign = if kind == "mailcore_engine" { "account" } else { "engine" };
            let all = ["0", &stale, foreign, "0x1234567890abcdefu", "UINT64_MAX"];
            all.iter().map(|handle| ("handle", (*handle).to_owned())).collect()
        }
        "const char *" => vec![("text", "bad_text".to_owned()), ("null", "NULL".to_owned())],
        "mailcore_error *" => vec![("error", "NULL".to_owned()), ("error", "&bad_err".to_owned())],
        "size_t" => vec![("huge", "SIZE_MAX".to_owned())],
        "uint32_t" if name != "index" && name != "ttl" => vec![("number", "UINT32_MAX".to_owned())],
        "uint64_t" => vec![("number", "UINT64_MAX".to_owned()), ("number", "0x7fffffffffffffffu".to_owned())],
        "int32_t" | "int64_t" if !waits => vec![("number", "-1".to_owned())],
        kind if kind.ends_with('*') => vec![("null", "NULL".to_owned())],
        _ => Vec::new(),
    }
}

/// Functions that would end what the others need; only their handles are made wrong.
fn ends_things(name: &str) -> bool {
    matches!(name, "mailcore_close" | "mailcore_engine_stop" | "mailcore_account_delete" | "mailcore_interrupt")
}

fn program(abi: &Value) -> String {
    let records: BTreeSet<String> = items(abi, "structs").iter().map(|s| word(s, "name").to_owned()).collect();
    let mut text = SET_UP.to_owned();
    for function in items(abi, "functions") {
        let name = word(function, "name");
        let waits = items(function, "tags").contains(&Value::from("wait"));
        if word(function, "returns") != "int32_t" {
            continue;
        }
        let parameters: Vec<(&str, &str)> =
            items(function, "parameters").iter().map(|p| (word(p, "type"), word(p, "name"))).collect();
        let call = |wrong_at: usize, with: &str| {
            let arguments = parameters.iter().enumerate().map(|(at, (kind, parameter))| {
                if at == wrong_at { with.to_owned() } else { right(name, kind, parameter, &records) }
            });
            format!("{name}({})", arguments.collect::<Vec<_>>().join(", "))
        };
        for (at, (kind, parameter)) in parameters.iter().enumerate() {
            for (what, with) in wrong(waits, kind, parameter) {
                // 0 is a handle that may be closed.
                if ends_things(name) && (what != "handle" || with == "0") {
                    continue;
                }
                let call = call(at, &with);
                writeln!(text, "    report(\"{name}\", \"{what}\", \"{parameter}\", {call});").expect("text");
            }
            let fixed = ["mailcore_buf *", "mailcore_error *"].contains(kind);
            if is_record(kind, &records) && !fixed && !ends_things(name) {
                let record = record(kind);
                for size in ["0", "3", "0xffffffffu"] {
                    let call = call(usize::MAX, "");
                    writeln!(text, "    {record}.struct_size = {size};").expect("text");
                    writeln!(text, "    report(\"{name}\", \"version\", \"{parameter}\", {call});").expect("text");
                    writeln!(text, "    {record}.struct_size = sizeof({record});").expect("text");
                }
            }
        }
    }
    text.push_str(TEAR_DOWN);
    text
}

#[test]
fn everything_wrong_is_answered_with_its_code() {
    let folder = folder("misuse");
    let path = folder.join("misuse.c");
    let abi = abi();
    std::fs::write(&path, program(&abi)).expect("write");
    let Some(program) = compile(&path, &folder) else { return };
    let out = run(command(&program).current_dir(&folder));

    let codes: BTreeMap<i64, &str> = items(&abi, "constants")
        .iter()
        .filter_map(|constant| Some((constant["value"].as_i64()?, word(constant, "name").strip_prefix("MAILCORE_E_")?)))
        .collect();
    let errors: BTreeMap<&str, &[Value]> =
        items(&abi, "functions").iter().map(|function| (word(function, "name"), items(function, "errors"))).collect();
    let mut called = BTreeSet::new();
    let mut calls = 0;
    let mut complaints = Vec::new();
    for line in out.lines() {
        let mut words = line.split(' ');
        let [name, what, _, result] = [(); 4].map(|()| words.next().expect("four words"));
        let result: i64 = result.parse().expect("number");
        let code = codes.get(&result).copied().unwrap_or("OK");
        calls += 1;
        called.insert(name);
        let expected = match what {
            "handle" => Some("HANDLE"),
            "text" => Some("UTF8"),
            "version" => Some("VERSION"),
            "huge" => Some("INVALID"),
            _ => None,
        };
        if expected.is_some_and(|expected| expected != code) {
            complaints.push(format!("{line}: {code}"));
        }
        if result < 0 && !errors[name].contains(&Value::from(format!("MAILCORE_E_{code}"))) {
            complaints.push(format!("{line}: MAILCORE_E_{code} is not documented"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(calls > 200, "only {calls} calls were made");
    for function in items(&abi, "functions").iter().filter(|f| word(f, "returns") == "int32_t") {
        let name = word(function, "name");
        assert!(called.contains(name), "{name} was not called");
    }
}
