//! `cargo +nightly fuzz run dkim_key`

#![no_main]

#[allow(dead_code)]
#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| entries::dkim_key(octets));
