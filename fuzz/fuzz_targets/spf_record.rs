//! `cargo +nightly fuzz run spf_record`

#![no_main]

#[allow(dead_code)]
#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| entries::spf_record(octets));
