//! DKIM vectors (tests/vectors/dkim): a message, the DNS it meets, and the verdict on each signature.
//!
//! `.dns` has a line a name: the name, a space, and its TXT record or SERVFAIL. `.expect` has a line a signature:
//! result, domain, selector. Each message is given whole and in small pieces.

#![allow(clippy::disallowed_methods, reason = "vectors are files")]

use std::collections::BTreeMap;
use std::fs;
use std::future::ready;
use std::path::Path;
use std::time::Duration;

use mailcore::base::Timestamp;
use mailcore::base::world::{Answer, BoxFuture, NoRecords, Record, RecordKind, Resolver};
use mailcore::mailauth::dkim::Verifier;
use mailcore::message::header::header_len;

#[test]
fn vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/dkim");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .expect("vectors")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "msg"))
        .collect();
    names.sort();
    assert!(names.len() >= 10);
    for path in names {
        let message = fs::read(&path).expect("message");
        let zone = Txt::parse(&fs::read_to_string(path.with_extension("dns")).expect("zone"));
        let wanted = fs::read_to_string(path.with_extension("expect")).expect("expectation");
        for size in [usize::MAX, 1, 7] {
            assert_eq!(verdicts(&message, &zone, size), wanted, "{} in pieces of {size}", path.display());
        }
    }
}

fn verdicts(message: &[u8], zone: &Txt, size: usize) -> String {
    let (header, body) = message.split_at(header_len(message).unwrap_or(message.len()));
    let mut verifier = Verifier::new(header);
    body.chunks(size.min(body.len().max(1))).for_each(|piece| verifier.push(piece));
    let verdicts = smol::block_on(verifier.finish(zone, Timestamp::from_seconds(1_528_637_999)));
    verdicts.iter().map(|v| format!("{} {} {}", v.result, v.domain, v.selector).trim_end().to_owned() + "\n").collect()
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
