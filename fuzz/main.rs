//! libFuzzer over the entry that MAILCORE_FUZZ names. `fuzz/run` builds and starts it.

#![no_main]
#![allow(clippy::disallowed_methods, reason = "a program that takes its entry from the environment")]

mod entries;

use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    static ENTRY: OnceLock<fn(&[u8])> = OnceLock::new();
    let entry = ENTRY.get_or_init(|| {
        let name = std::env::var("MAILCORE_FUZZ").unwrap_or_default();
        let found = entries::ENTRIES.iter().find(|(entry, _)| *entry == name);
        found.unwrap_or_else(|| panic!("MAILCORE_FUZZ={name}: no such entry")).1
    });
    entry(octets);
});
