//! `cargo +nightly fuzz run mime_structure`

#![no_main]

#[allow(dead_code)]
#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| entries::mime_structure(octets));
