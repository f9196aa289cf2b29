//! `cargo +nightly fuzz run imap_command`

#![no_main]

#[allow(dead_code)]
#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| entries::imap_command(octets));
