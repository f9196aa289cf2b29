//! `cargo +nightly fuzz run arc_header`

#![no_main]

#[allow(dead_code)]
#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| entries::arc_header(octets));
