//! `cargo +nightly fuzz run dkim_signature`

#![no_main]

#[allow(dead_code)]
#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| entries::dkim_signature(octets));
