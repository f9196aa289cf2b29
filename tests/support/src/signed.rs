//! Vectors of signed messages: a message as `.msg`, the DNS it meets as `.dns`, what is expected as `.expect`.
//!
//! `.dns` has a line a record: the name, a space, and its TXT record, `CNAME` and a name, or SERVFAIL, TIMEOUT or BOGUS.

use std::collections::BTreeMap;
use std::fs;
use std::future::ready;
use std::time::Duration;

use mailcore::base::Timestamp;
use mailcore::base::world::{BoxFuture, DnsAnswer, NoRecords, Record, RecordKind, Resolver};
use mailcore::mailauth::results::{ArcVerdict, DkimVerdict};
use mailcore::mailauth::{Checks, Verifier};
use mailcore::message::header::header_len;

/// Compares what is said of each message of a folder, whole and in small pieces, with what is expected; all that differ
/// are told together.
pub fn check(folder: &str, count_min: usize, seconds: i64, say: impl Fn(&[DkimVerdict], &ArcVerdict) -> String) {
    let folder = crate::root().join("tests/vectors").join(folder);
    let entries = fs::read_dir(&folder).expect("vectors").map(|entry| entry.expect("entry").path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "msg")).collect();
    paths.sort();
    assert!(paths.len() >= count_min);
    let mut wrong = Vec::new();
    for path in paths {
        let message = fs::read(&path).expect("message");
        let zone = Txt::parse(&fs::read_to_string(path.with_extension("dns")).expect("zone"));
        let wanted = fs::read_to_string(path.with_extension("expect")).expect("expectation");
        let (header, body) = message.split_at(header_len(&message).unwrap_or(message.len()));
        for size in [usize::MAX, 1, 7] {
            let mut verifier = Verifier::new(header, Checks::default());
            body.chunks(size.min(body.len().max(1))).for_each(|piece| verifier.push(piece));
            let (dkim, arc) = smol::block_on(verifier.finish(&zone, Timestamp::from_seconds(seconds)));
            let said = say(&dkim, &arc);
            if said != wanted {
                wrong.push(format!("{} in pieces of {size}: {said:?}, wanted {wanted:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

struct Txt(BTreeMap<String, Vec<String>>);

impl Txt {
    fn parse(text: &str) -> Txt {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines() {
            let (name, record) = line.split_once(' ').expect("name and record");
            names.entry(name.to_owned()).or_default().push(record.to_owned());
        }
        Txt(names)
    }

    fn find(&self, name: &str) -> Result<Vec<Record>, NoRecords> {
        let records = self.0.get(name).ok_or(NoRecords::NxDomain)?;
        match records.first().map(String::as_str) {
            Some("SERVFAIL") => Err(NoRecords::ServFail),
            Some("TIMEOUT") => Err(NoRecords::Timeout),
            Some("BOGUS") => Err(NoRecords::Bogus),
            Some(first) if first.starts_with("CNAME ") => self.find(first.trim_start_matches("CNAME ")),
            _ => Ok(records.iter().map(|txt| Record::Txt(txt.as_bytes().to_vec())).collect()),
        }
    }
}

impl Resolver for Txt {
    fn ask(&self, name: &str, _kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        Box::pin(ready(DnsAnswer { records: self.find(name), ttl: Duration::ZERO, secure: false }))
    }
}
