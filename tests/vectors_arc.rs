//! ARC vectors (tests/vectors/arc): a message, the DNS it meets, and the verdict on its chain.
//!
//! `.dns` has a line a name: the name, a space, and its TXT record or SERVFAIL. `.expect` has the verdict in words.
//! Each message is given whole and in small pieces. The chains are not of our own making (but for canonicalization and
//! RSA by dkimpy, their sealer is a script); dkimpy agrees on all but 08 (it refuses a space before the colon), 11 (it
//! wants sets in the order they were added), 43, 47 (it lets From go unsigned, and parts of the body), 50 (it does not
//! ignore `v=`, as RFC 8617 §4.1.2 wants) and 52 (it reads no comments). 54 is the example of RFC 8617, Appendix B, whose
//! keys (of 512 bits) were never published: its chain is in order, but cannot be verified.

#![allow(clippy::disallowed_methods, reason = "vectors are files")]

use std::collections::BTreeMap;
use std::fs;
use std::future::ready;
use std::path::Path;
use std::time::Duration;

use mailcore::base::Timestamp;
use mailcore::base::world::{Answer, BoxFuture, NoRecords, Record, RecordKind, Resolver};
use mailcore::mailauth::{Checks, Verifier};
use mailcore::message::header::header_len;

#[test]
fn vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/arc");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .expect("vectors")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "msg"))
        .collect();
    names.sort();
    assert!(names.len() >= 54);
    for path in names {
        let message = fs::read(&path).expect("message");
        let zone = Txt::parse(&fs::read_to_string(path.with_extension("dns")).expect("zone"));
        let wanted = fs::read_to_string(path.with_extension("expect")).expect("expectation");
        for size in [usize::MAX, 1, 7] {
            assert_eq!(verdict(&message, &zone, size), wanted, "{} in pieces of {size}", path.display());
        }
    }
}

fn verdict(message: &[u8], zone: &Txt, size: usize) -> String {
    let (header, body) = message.split_at(header_len(message).unwrap_or(message.len()));
    let mut verifier = Verifier::new(header, Checks::default());
    body.chunks(size.min(body.len().max(1))).for_each(|piece| verifier.push(piece));
    smol::block_on(verifier.finish(zone, Timestamp::from_seconds(1_767_312_000))).1.to_string() + "\n"
}

struct Txt(BTreeMap<String, Option<Vec<u8>>>);

impl Txt {
    fn parse(text: &str) -> Txt {
        let line = |line: &str| {
            let (name, txt) = line.split_once(' ').expect("name and record");
            (name.to_owned(), (txt != "SERVFAIL").then(|| txt.as_bytes().to_vec()))
        };
        Txt(text.lines().map(line).collect())
    }
}

impl Resolver for Txt {
    fn ask(&self, name: &str, _kind: RecordKind) -> BoxFuture<'static, Answer> {
        let records = match self.0.get(name) {
            Some(Some(txt)) => Ok(vec![Record::Txt(txt.clone())]),
            Some(None) => Err(NoRecords::ServFail),
            None => Err(NoRecords::NxDomain),
        };
        Box::pin(ready(Answer { records, ttl: Duration::ZERO, secure: false }))
    }
}
