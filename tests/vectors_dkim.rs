//! DKIM vectors (tests/vectors/dkim, in the form of tests/signed): the verdict on each signature of a message.
//!
//! `.expect` has a line a signature: result, domain, selector. From 11 on the vectors were signed by another program
//! than ours, with the key of RFC 8463, one rule each.

#![allow(clippy::disallowed_methods, reason = "vectors are files")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::signed;

#[test]
fn vectors() {
    signed::check("dkim", 76, 1_528_637_999, |verdicts, _| {
        verdicts
            .iter()
            .map(|v| format!("{} {} {}", v.result, v.domain, v.selector).trim_end().to_owned() + "\n")
            .collect()
    });
}
