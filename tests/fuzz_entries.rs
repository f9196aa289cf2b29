//! The entries of the fuzz targets (`fuzz/entries.rs`) over seeded mutations of something well-formed: no panic, no
//! hang, on any compiler and in any test run.

#[macro_use]
extern crate mailcore_watchdog;

#[path = "../fuzz/entries.rs"]
mod entries;

const ROUNDS: usize = 1_500;
/// Octets that mean something to one parser or another.
const TELLING: &[u8] = b"\r\n \t;:=,/.@<>()[]{}\"\\%&*+-~?!0189aAzZ_\0\x7f\x80\xc3\xff";

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

#[test]
fn entries_stand_mutations() {
    for (number, (name, entry, seed)) in entries::ENTRIES.iter().enumerate() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1));
        entry(seed);
        entry(b"");
        for round in 0..ROUNDS {
            let octets = mutated(&mut random, seed);
            let caught = std::panic::catch_unwind(|| entry(&octets));
            assert!(caught.is_ok(), "{name}, round {round}: {}", octets.escape_ascii());
        }
    }
}

/// One to eight changes: an octet, a piece doubled, moved or taken away.
fn mutated(random: &mut Random, seed: &[u8]) -> Vec<u8> {
    let mut octets = seed.to_vec();
    for _ in 0..=random.below(8) {
        let at = random.below(octets.len());
        let end = (at + random.below(40)).min(octets.len());
        match random.below(6) {
            0 if !octets.is_empty() => octets[at] = TELLING[random.below(TELLING.len())],
            1 => octets.insert(at, TELLING[random.below(TELLING.len())]),
            2 => drop(octets.drain(at..end)),
            3 => {
                let piece = octets[at..end].repeat(1 + random.below(30));
                octets.splice(at..at, piece);
            }
            4 => octets.truncate(at),
            _ => {
                let piece: Vec<u8> = octets.drain(at..end).collect();
                let to = random.below(octets.len() + 1);
                octets.splice(to..to, piece);
            }
        }
    }
    octets
}
