//! `cargo +nightly fuzz run authentication_results`

#![no_main]

#[allow(dead_code)]
#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| entries::authentication_results(octets));
