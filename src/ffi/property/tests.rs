//! `src/ffi/properties.json`, the properties as data, holds what the library lists. `build.rs` copies it to
//! `include/abi.json`.

#![allow(clippy::disallowed_methods, reason = "writes a file of the source where it is told to")]

use super::*;

/// One JSON object on each line, in the order of mailcore_property_info().
fn listed() -> String {
    let word = |text: &CString| text.to_str().unwrap().to_owned();
    let objects = rows().iter().map(|row| {
        let on = ["", "engine", "account", "mailbox", "message", "listener"][row.on as usize];
        let kind = ["", "number", "switch", "text"][row.kind as usize];
        let mut object = serde_json::json!({
            "name": word(&row.name),
            "on": on,
            "type": kind,
            "writable": row.writable,
            "doc": word(&row.doc),
        });
        if on == "engine" && row.writable {
            object["initial"] = word(&row.initial).into();
        }
        if row.kind == MAILCORE_TYPE_NUMBER {
            object["min"] = row.range.0.into();
            object["max"] = row.range.1.into();
        }
        object.to_string()
    });
    format!("[\n{}\n]\n", objects.collect::<Vec<_>>().join(",\n"))
}

#[test]
fn properties_as_data_are_those_of_the_library() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ffi/properties.json");
    if std::env::var("MAILCORE_WRITE_HEADER").as_deref() == Ok("1") {
        std::fs::write(path, listed()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        committed,
        listed(),
        "properties.json: MAILCORE_WRITE_HEADER=1 cargo test --lib properties_as_data, then \
         MAILCORE_WRITE_HEADER=1 cargo check, then python3 bindings/generate.py, and commit what they wrote"
    );
}
