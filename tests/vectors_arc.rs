//! ARC vectors (tests/vectors/arc, in the form of tests/signed): the verdict on the chain of a message.
//!
//! `.expect` has the result; where it is a pass, the oldest set from which on the message is unchanged (0: since before
//! the first) and the sealers, newest first; where it is a failure, what is wrong, and in which field of which set, as
//! far as there is one. The chains are not of our own making (but for canonicalization and RSA by dkimpy, their sealer is
//! a script); dkimpy agrees on all but 08 (it refuses a space before the colon), 11 (it wants sets in the order they were
//! added), 43, 47 (it lets From go unsigned, and parts of the body), 50 (it does not ignore `v=`, as RFC 8617 §4.1.2
//! wants) and 52 (it reads no comments). 54 is the example of RFC 8617, Appendix B, whose keys (of 512 bits) were never
//! published: its chain is in order, but cannot be verified.

#![allow(clippy::disallowed_methods, reason = "vectors are files")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore::mailauth::results::{ArcResult, ArcVerdict};

use mailcore_tests::signed;

#[test]
fn vectors() {
    signed::check("arc", 54, 1_767_312_000, |_, verdict| said(verdict) + "\n");
}

/// What reasons are told by, the first that fits; here only do these tests know our wording.
const FAULTS: [(&str, &str); 15] = [
    ("is missing", "missing"),
    ("more than one", "twice"),
    ("readable i=", "instance"),
    ("must say cv=", "status"),
    ("already failed", "ended"),
    ("does not match the sets", "signature"),
    ("does not match the header", "signature"),
    ("sets", "too-many"),
    ("body hash", "body"),
    ("octets of the body", "length"),
    ("expired", "expired"),
    ("the key is revoked", "key"),
    ("no key at", "key"),
    ("key at", "dns"),
    ("", "syntax"),
];

fn said(verdict: &ArcVerdict) -> String {
    let sealers: Vec<&str> = verdict.sealers().collect();
    match verdict.result {
        ArcResult::None => "none".to_owned(),
        ArcResult::Pass => format!("pass {} {}", verdict.oldest_pass.expect("known"), sealers.join(" ")),
        ArcResult::Fail => {
            assert_eq!((verdict.oldest_pass, sealers.len()), (None, 0), "nothing of a broken chain is vouched for");
            let why = verdict.why.as_str();
            let header = ["ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"];
            let header = header.into_iter().find(|header| why.contains(header)).map(|h| format!(" {h}"));
            // `ARC-Seal 2 says`, `ARC-Seal of instance 2 is missing`
            let word = |word: &str| word.trim_end_matches(':').parse::<u32>().ok();
            let instance = why.split(' ').find_map(word).filter(|_| header.is_some()).map(|i| format!(" {i}"));
            let fault = FAULTS.iter().find(|(words, _)| why.contains(words)).map_or("", |(_, fault)| fault);
            format!("fail {fault}{}{}", header.unwrap_or_default(), instance.unwrap_or_default())
        }
    }
}
