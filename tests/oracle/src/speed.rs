//! How fast mail-auth verifies the messages that `benches/mailauth.rs` left in a folder.

use std::time::{Duration, Instant};

use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator};

use crate::zone::Zone;

const ROUND: Duration = Duration::from_millis(300);

pub fn measure(theirs: &MessageAuthenticator, folder: &str) {
    let entries = std::fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "msg")).collect();
    paths.sort();
    println!("operation message                               octets  per second     MB/s");
    for path in paths {
        let message = std::fs::read(&path).expect("message");
        let mut zone = Zone::default();
        zone.text("sel._domainkey.example.org", &std::fs::read_to_string(path.with_extension("dns")).expect("record"));
        let begin = Instant::now();
        let mut best = Duration::MAX;
        while begin.elapsed() < ROUND {
            let start = Instant::now();
            let parsed = AuthenticatedMessage::parse(&message).expect("message");
            let output = smol::block_on(theirs.verify_dkim(zone.parameters(&parsed)));
            assert!(output.iter().all(|o| *o.result() == DkimResult::Pass), "{}", path.display());
            best = best.min(start.elapsed());
        }
        let seconds = best.as_secs_f64();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        println!(
            "verify    {name:34} {:9} {:11.0} {:8.1}",
            message.len(),
            1.0 / seconds,
            message.len() as f64 / 1e6 / seconds
        );
    }
}
