//! What is signed here is verified here, in every form and with either line end.

use std::collections::BTreeSet;

use super::*;
use crate::base::ErrorKind;
use crate::dns::zone::Zone;
use crate::engine::checks::{Checker, Given, Names, Wanted};
use crate::mailauth::dkim::DkimResult;

/// The Ed25519 key of RFC 8463 §A.2, as its seed.
const SEED: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n";
const PUBLIC: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

const MESSAGES: &[&str] = &[
    "From: a@example.org\r\nTo: b@example.net\r\nSubject: one\r\n two\r\n\r\nHello\r\n\r\n\r\n",
    "From: a@example.org\r\n\r\n",
    "From: a@example.org\r\nSubject: no body",
    "From: a@example.org\r\nX: \tmuch \t white  \r\n\r\n  a \t b \r\n\t\r\nno line end",
    "From: a@example.org\nSubject: a file\n\nwith\n\nits line ends\n\n",
    "From a mailbox Mon Jan  1 00:00:00 2024\nFrom: a@example.org\n\nof mbox\n",
    "\r\nno header\r\n",
];

fn checker() -> Checker {
    let mut zone = Zone::new();
    zone.add("s1._domainkey.example.org", "TXT", PUBLIC, 1).unwrap();
    Checker::new(Names { zone: Some(zone), ..Names::default() }).unwrap()
}

fn options() -> SignerOptions {
    SignerOptions {
        domain: "Example.ORG".to_owned(),
        selector: "s1".to_owned(),
        key: SEED.as_bytes().to_vec(),
        now: Some(Timestamp::from_seconds(1_700_000_000)),
        ..SignerOptions::default()
    }
}

fn verified(message: &[u8]) -> Vec<DkimResult> {
    let checked = checker().verify(message, &Given::default(), Wanted { dkim: true, ..Wanted::default() }).unwrap();
    checked.dkim.unwrap().iter().map(|v| v.result).collect()
}

/// The line ends that stand in a message.
fn ends(octets: &[u8]) -> BTreeSet<bool> {
    octets.split_inclusive(|c| *c == b'\n').filter(|l| l.ends_with(b"\n")).map(|l| l.ends_with(b"\r\n")).collect()
}

#[test]
fn signed_and_verified_in_every_form() {
    for message in MESSAGES {
        for simple in [(false, false), (true, true), (false, true), (true, false)] {
            let field = dkim_sign(message.as_bytes(), &SignerOptions { simple, ..options() }).unwrap();
            let signed = [&field, message.as_bytes()].concat();
            assert_eq!(verified(&signed), [DkimResult::Pass], "{simple:?} {message:?}");
            assert_eq!(ends(&signed).len(), 1, "{message:?}");
            let other: Vec<u8> = match ends(&signed).contains(&true) {
                true => signed.iter().copied().filter(|c| *c != b'\r').collect(),
                false => crate::message::line_end::to_crlf(&signed),
            };
            assert_eq!(verified(&other), [DkimResult::Pass], "{simple:?} {message:?} with other line ends");
        }
    }
}

#[test]
fn fields_and_identity_as_asked_for() {
    let message = b"From: a@example.org\r\nTo: b@example.net\r\nSubject: x\r\nCc: c@example.net\r\n\r\nHello\r\n";
    let fields = ["subject", "From", "to", "from"].map(str::to_owned).to_vec();
    let options = SignerOptions { fields: Some(fields), identity: Some("@sales.example.org".to_owned()), ..options() };
    let field = dkim_sign(message, &options).unwrap();
    let text = String::from_utf8(field.clone()).unwrap();
    assert!(text.contains("h=subject:From:From:to;") && text.contains("i=@sales.example.org;"), "{text}");
    assert_eq!(verified(&[&field[..], message].concat()), [DkimResult::Pass]);
    let more = [&field[..], b"From: evil@example.org\r\n", message].concat();
    assert_eq!(verified(&more), [DkimResult::Fail]);
    let free = [&field[..], b"Cc: d@example.net\r\n", message].concat();
    assert_eq!(verified(&free), [DkimResult::Pass]);
}

#[test]
fn what_cannot_be_signed_with_says_so() {
    let own = |text: &str| Some(text.to_owned());
    for options in [
        SignerOptions { key: b"no key".to_vec(), ..options() },
        SignerOptions { algorithm: Some("rsa-sha256"), ..options() },
        SignerOptions { domain: "a b".to_owned(), ..options() },
        SignerOptions { domain: "[192.0.2.1]".to_owned(), ..options() },
        SignerOptions { selector: "s1; d=evil.example".to_owned(), ..options() },
        SignerOptions { selector: String::new(), ..options() },
        SignerOptions { identity: own("a@example.net"), ..options() },
        SignerOptions { identity: own("a;b@example.org"), ..options() },
        SignerOptions { identity: own("example.org"), ..options() },
        SignerOptions { fields: Some(vec!["To".to_owned()]), ..options() },
        SignerOptions { fields: Some(vec!["From".to_owned(), "a;b".to_owned()]), ..options() },
    ] {
        assert_eq!(dkim_sign(b"From: a@b\r\n\r\n", &options).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn sealed_one_after_the_other() {
    let found = "Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=a@example.net;\r\n arc=fail\r\n\
                 Authentication-Results: other.example; dkim=pass header.d=example.net\r\n";
    let wanted = Wanted { arc: true, ..Wanted::default() };
    let ours = Found { authserv_id: Some("mx.example.org".to_owned()), ..Found::default() };
    for message in MESSAGES.iter().take(5) {
        let mut sealed: Vec<u8> = [found.as_bytes(), message.as_bytes()].concat();
        if !message.contains("\r\n") {
            sealed.retain(|c| *c != b'\r');
        }
        for instance in 1..=3 {
            let set = arc_seal(&checker(), &sealed, &options(), &ours).unwrap().unwrap();
            let text = String::from_utf8(set.clone()).unwrap().replace('\r', "");
            assert!(text.contains(&format!("ARC-Authentication-Results: i={instance}; mx.example.org;\n")), "{text}");
            let chain = if instance == 1 { "arc=none" } else { "arc=pass" };
            assert!(text.contains("spf=pass smtp.mailfrom=a@example.net") && text.contains(chain), "{text}");
            assert!(!text.contains("arc=fail") && !text.contains("dkim=pass"), "{text}");
            sealed = [set, sealed].concat();
            assert_eq!(ends(&sealed).len(), 1);
            let checked = checker().verify(&sealed, &Given::default(), wanted).unwrap();
            let verdict = checked.arc.unwrap();
            assert_eq!((verdict.result, verdict.sets.len()), (ArcResult::Pass, instance), "{}", verdict.why);
        }
        let broken = [&sealed[..], b"added\r\n"].concat();
        let verdict = checker().verify(&broken, &Given::default(), wanted).unwrap().arc.unwrap();
        assert_eq!(verdict.result, ArcResult::Fail);
        let ended = [arc_seal(&checker(), &broken, &options(), &Found::default()).unwrap().unwrap(), broken].concat();
        assert_eq!(arc_seal(&checker(), &ended, &options(), &Found::default()).unwrap(), None);
    }
}

/// A list that changes a message checks its chain before, and seals what it found then (RFC 8617 §5.1).
#[test]
fn sealed_by_what_was_found_before_the_change() {
    let message = b"From: a@example.org\r\n\r\nHello\r\n";
    let first = arc_seal(&checker(), message, &options(), &Found::default()).unwrap().unwrap();
    let changed = [&first[..], message, b"-- list\r\n"].concat();
    let results = |text: &str| AuthenticationResults::parse(text.as_bytes());
    for (header, chain, found, wanted) in [
        (&changed[..], None, None, "cv=fail; i=2; example.org; arc=fail"),
        (&changed, Some(ArcResult::Fail), None, "cv=fail; i=2; example.org; arc=fail"),
        (&changed, Some(ArcResult::Pass), None, "cv=pass; i=2; example.org; arc=pass"),
        (
            &changed,
            Some(ArcResult::Pass),
            results("mx.example; spf=fail smtp.helo=x; arc=pass header.oldest-pass=0"),
            "cv=pass; i=2; mx.example; spf=fail smtp.helo=x; arc=pass header.oldest-pass=0",
        ),
        // What it says of the chain does not fit: not ours to repeat.
        (&changed, Some(ArcResult::Pass), results("mx.example; arc=fail"), "cv=pass; i=2; mx.example; arc=pass"),
        (&changed, None, results("mx.example; arc=pass; dkim=none"), "cv=fail; i=2; mx.example; dkim=none; arc=fail"),
        // Where there is no chain, none has passed; where it is in pieces, none has either.
        (message, Some(ArcResult::Pass), None, "cv=none; i=1; example.org; arc=none"),
        (message, Some(ArcResult::None), None, "cv=none; i=1; example.org; arc=none"),
        (
            b"ARC-Seal: i=1; cv=none; b=x\r\nFrom: a@example.org\r\n\r\n",
            Some(ArcResult::Pass),
            None,
            "cv=fail; i=2; example.org; arc=fail",
        ),
    ] {
        let found = Found { chain, results: found, authserv_id: None };
        let set = String::from_utf8(arc_seal(&checker(), header, &options(), &found).unwrap().unwrap()).unwrap();
        let cv = set.split_once("cv=").unwrap().1.split_once(';').unwrap().0;
        let seen = set.split_once("ARC-Authentication-Results: ").unwrap().1.split_whitespace().collect::<Vec<_>>();
        assert_eq!(format!("cv={cv}; {}", seen.join(" ")), wanted);
        if chain == Some(ArcResult::Pass) && wanted.starts_with("cv=pass") {
            let sealed = [set.as_bytes(), header].concat();
            let wanted = Wanted { arc: true, ..Wanted::default() };
            let verdict = checker().verify(&sealed, &Given::default(), wanted).unwrap().arc.unwrap();
            assert_eq!((verdict.result, verdict.oldest_pass), (ArcResult::Pass, Some(2)), "{}", verdict.why);
        }
    }
    let found = Found { chain: Some(ArcResult::None), ..Found::default() };
    assert!(arc_seal(&checker(), &changed, &options(), &found).is_err(), "there is a chain");
}
