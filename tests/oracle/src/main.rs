//! Asks mail-auth what `mailauth` was asked, ten thousand times each about policies, SPF records and signed messages, and
//! fails on any answer that differs and is not in `KNOWN`.
//!
//! `mailauth-oracle [SEED...]` runs all with each seed; `mailauth-oracle speed FOLDER` measures both, and leaves messages in
//! the folder for other programs to be measured on (`benches/mailauth.py`).

mod arc;
#[path = "../../../benches/mailauth/message.rs"]
mod bench_message;
#[path = "../../../benches/mailauth/raw.rs"]
mod bench_raw;
mod dkim;
mod dmarc;
mod keys;
mod known;
mod messages;
mod random;
mod speed;
mod spf;
mod zone;

use std::process::ExitCode;

use known::KNOWN;
use mail_auth::MessageAuthenticator;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use random::Random;

const ROUNDS: usize = 10_000;
const DIFFERENCES_SHOWN: usize = 10;

type Compare = fn(&MessageAuthenticator, &mut Random, usize) -> Tally;
const ROOMS: [(&str, Compare); 4] =
    [("dmarc", dmarc::compare), ("spf", spf::compare), ("dkim", dkim::compare), ("arc", arc::compare)];

/// What a comparison came to: cases that were compared, cases left out (with the reason), differences.
#[derive(Default)]
struct Tally {
    compared: usize,
    left_out: std::collections::BTreeMap<&'static str, usize>,
    results: std::collections::BTreeMap<String, usize>,
    differences: Vec<String>,
}

impl Tally {
    fn compare(&mut self, ours: &str, theirs: &str, case: impl FnOnce() -> String) {
        self.compared += 1;
        *self.results.entry(ours.to_owned()).or_default() += 1;
        if ours != theirs {
            self.differences.push(format!("ours {ours}, theirs {theirs}: {}", case()));
        }
    }

    /// Counts a case of `KNOWN` that is not compared.
    fn leave_out(&mut self, what: &'static str) {
        debug_assert!(KNOWN.iter().any(|known| known.what == what));
        *self.left_out.entry(what).or_default() += 1;
    }

    fn report(&self, name: &str) -> bool {
        println!("{name}: {} compared, {} differ", self.compared, self.differences.len());
        for (result, count) in &self.results {
            println!("  {count:6} {result}");
        }
        for known in KNOWN.iter().filter(|known| known.room == name) {
            match self.left_out.get(known.what) {
                Some(count) => println!("  {count:6} left out: {}: {}", known.what, known.why),
                None => println!("       - not generated, or mapped: {}: {}", known.what, known.why),
            }
        }
        for difference in self.differences.iter().take(DIFFERENCES_SHOWN) {
            println!("  {difference}");
        }
        self.differences.is_empty()
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Never asked: the caches answer for every name, the feature `test` for those they do not have.
    let theirs = MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default()).expect("resolver");
    if let [word, folder] = arguments.as_slice()
        && word == "speed"
    {
        speed::measure(&theirs, folder.as_ref());
        return ExitCode::SUCCESS;
    }
    let seeds: Vec<u64> = arguments.iter().filter_map(|seed| seed.parse().ok()).collect();
    let mut failed = seeds.len() != arguments.len();
    for seed in if seeds.is_empty() { vec![1] } else { seeds } {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        for (room, compare) in ROOMS {
            failed |= !compare(&theirs, &mut random, ROUNDS).report(room);
        }
    }
    println!("{}", if failed { "failed" } else { "no unknown difference" });
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
