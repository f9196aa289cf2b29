//! The entries of fuzzing (`fuzz/entries/`) over their corpus and seeded mutations of it: on any compiler, in any test
//! run. `FUZZ_ROUNDS=n` asks for more mutations.

#![allow(clippy::disallowed_methods, reason = "a test reads its seeds and how long it is to run")]

#[macro_use]
extern crate mailcore_watchdog;

#[path = "../fuzz/entries/mod.rs"]
mod entries;

use std::panic::catch_unwind;
use std::path::Path;

use mailcore_tests::wire::Random;

/// Mutations of each entry's corpus.
const ROUNDS: usize = 1_500;
/// Octets of a corpus file, at most: they are read by people, too.
const SEED_OCTETS_MAX: usize = 4_096;
/// Octets that mean something to one parser or another.
const TELLING: &[u8] = b"\r\n \t;:=,/.@<>()[]{}\"\\%&*+-~?!0189aAzZ_\0\x7f\x80\xc3\xff";

#[test]
fn entries_stand_their_corpus_and_mutations() {
    let rounds = std::env::var("FUZZ_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    let mut failures = Vec::new();
    for (number, (name, entry)) in entries::ENTRIES.iter().enumerate() {
        let seeds = corpus(name);
        let mut random = Random::new(number as u64 + 1);
        let mut stands = |octets: &[u8]| {
            let stood = catch_unwind(|| entry(octets)).is_ok();
            if !stood {
                failures.push(format!("{name}: {}", octets.escape_ascii()));
            }
            stood
        };
        let whole = stands(b"") && seeds.iter().all(|seed| stands(seed));
        // The first failure of an entry is enough.
        let _ = whole && (0..rounds).all(|round| stands(&mutated(&mut random, &seeds[round % seeds.len()])));
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// The files of an entry's corpus, in order.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).expect("seed")).collect();
    assert!(!seeds.is_empty(), "no corpus for {name}");
    assert!(seeds.iter().all(|seed| seed.len() <= SEED_OCTETS_MAX), "{name}: a seed of more than {SEED_OCTETS_MAX}");
    seeds
}

/// One to eight changes: an octet, a piece doubled, moved or taken away.
fn mutated(random: &mut Random, seed: &[u8]) -> Vec<u8> {
    let mut below = |bound: usize| random.below(bound.max(1) as u64) as usize;
    let mut octets = seed.to_vec();
    for _ in 0..=below(8) {
        let at = below(octets.len());
        let end = (at + below(40)).min(octets.len());
        match below(6) {
            0 if !octets.is_empty() => octets[at] = TELLING[below(TELLING.len())],
            1 => octets.insert(at, TELLING[below(TELLING.len())]),
            2 => drop(octets.drain(at..end)),
            3 => {
                let piece = octets[at..end].repeat(1 + below(30));
                octets.splice(at..at, piece);
            }
            4 => octets.truncate(at),
            _ => {
                let piece: Vec<u8> = octets.drain(at..end).collect();
                let to = below(octets.len() + 1);
                octets.splice(to..to, piece);
            }
        }
    }
    octets
}
