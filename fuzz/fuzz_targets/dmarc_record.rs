//! `cargo +nightly fuzz run dmarc_record`

#![no_main]

#[allow(dead_code)]
#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| entries::dmarc_record(octets));
