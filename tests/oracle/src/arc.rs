//! Chains of one to four sets, sealed by either side in turn, as lists and forwarders do; half of them changed on the
//! way or behind it: the verdicts must agree.

use mail_auth::arc::ArcSealer;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::Canonicalization as TheirForm;
use mail_auth::{ArcOutput, AuthenticatedMessage, AuthenticationResults as TheirResults, MessageAuthenticator};
use mail_auth::{DkimResult as Their, SpfOutput, SpfResult as TheirSpf};
use mailcore::base::Timestamp;
use mailcore::mailauth::arc::{ArcResult, Sealer};
use mailcore::mailauth::dkim::Algorithm;
use mailcore::mailauth::results::{AuthenticationResults, MethodResult};
use mailcore::mailauth::{Checks, Verifier};
use mailcore::message::header::{self, header_len};

use crate::Tally;
use crate::dkim::{NOW, change, known};
use crate::keys::{Key, Theirs};
use crate::known::NO_MESSAGE_SIGNATURE;
use crate::messages::message;
use crate::random::Random;
use crate::zone::Zone;

/// Chains are slower to make than signatures, and most of what is in them was compared as such.
const SHARE: usize = 5;
const SEALERS: [&str; 3] = ["a.example", "b.example", "c.example"];

pub fn compare(theirs: &MessageAuthenticator, random: &mut Random, rounds: usize) -> Tally {
    let keys = [Algorithm::RsaSha256, Algorithm::Ed25519Sha256].map(Key::generate);
    let mut zone = Zone::default();
    for sealer in SEALERS {
        for (selector, key) in ["rsa", "ed"].iter().zip(&keys) {
            zone.text(&format!("{selector}._domainkey.{sealer}"), &key.record);
        }
    }
    let mut tally = Tally::default();
    while tally.compared < rounds / SHARE {
        let (header, body) = message(random);
        let mut sealed = format!("{header}\r\n{body}").into_bytes();
        let mut is_whole = true;
        for _ in 0..random.below(5) {
            if random.chance(20) {
                is_whole = false;
                spoil(random, &mut sealed);
            }
            // RSA signs slowly; most of what can differ is the same for both.
            let (selector, key) = if random.chance(20) { ("rsa", &keys[0]) } else { ("ed", &keys[1]) };
            let domain = SEALERS[random.below(SEALERS.len())];
            let set = if random.chance(50) {
                ours_seals(&zone, key, selector, domain, &sealed)
            } else {
                theirs_seals(theirs, &zone, key, selector, domain, &sealed)
            };
            sealed.splice(0..0, set);
        }
        if random.chance(50) {
            is_whole = false;
            spoil(random, &mut sealed);
        }
        if let Some(what) = known_chain(&sealed) {
            tally.leave_out(what);
            continue;
        }
        let ours = ours_verifies(&zone, &sealed);
        let said = theirs_verifies(theirs, &zone, &sealed);
        if is_whole && ours == "fail" {
            tally.differences.push(format!("sealed and not verified: {}", String::from_utf8_lossy(&sealed)));
        }
        tally.compare(ours, said, || String::from_utf8_lossy(&sealed).into_owned());
    }
    tally
}

/// A change as to any message, or to the fields of a set: one taken out, put in twice, moved, of another instance or
/// with another status.
fn spoil(random: &mut Random, message: &mut Vec<u8>) {
    let (header, body) = message.split_at(header_len(message).unwrap_or(message.len()));
    let mut fields: Vec<Vec<u8>> = header::fields(header).map(|field| field.raw.to_vec()).collect();
    let of_sets: Vec<usize> = (0..fields.len()).filter(|at| fields[*at].starts_with(b"ARC-")).collect();
    if of_sets.is_empty() || random.chance(30) {
        return change(random, message);
    }
    let at = of_sets[random.below(of_sets.len())];
    match random.below(6) {
        0 => drop(fields.remove(at)),
        1 => fields.insert(random.below(fields.len()), fields[at].clone()),
        2 => {
            let field = fields.remove(at);
            fields.insert(random.below(fields.len() + 1), field);
        }
        3 => replace(&mut fields[at], "i=", random.pick(&["i=0", "i=1", "i=2", "i=3", "i=9", "i=50", "i=51"])),
        4 => replace(&mut fields[at], "cv=", random.pick(&["cv=none", "cv=pass", "cv=fail", "cv=x", "cv="])),
        _ => replace(&mut fields[at], "d=", random.pick(&["d=a.example", "d=b.example", "d=nobody.example"])),
    }
    *message = [fields.concat(), b"\r\n".to_vec(), body.to_vec()].concat();
}

/// Puts `tag` in the place of the tag that begins with `name`, where there is one.
fn replace(field: &mut Vec<u8>, name: &str, tag: &str) {
    let text = String::from_utf8_lossy(field).into_owned();
    let Some(begin) = [": ", ":", ";", "; ", ";\r\n\t"]
        .iter()
        .find_map(|before| text.find(&format!("{before}{name}")).map(|at| at + before.len()))
    else {
        return;
    };
    let end = text[begin..].find(';').map_or(text.trim_end().len(), |at| begin + at);
    *field = format!("{}{tag}{}", &text[..begin], &text[end..]).into_bytes();
}

/// Which case of `KNOWN` a message is, if any.
fn known_chain(message: &[u8]) -> Option<&'static str> {
    let (header, body) = message.split_at(header_len(message).unwrap_or(message.len()));
    let fields: Vec<_> = header::fields(header).collect();
    let has = |name: &str| fields.iter().any(|field| field.is(name));
    if !has("ARC-Message-Signature") && (has("ARC-Seal") || has("ARC-Authentication-Results")) {
        return Some(NO_MESSAGE_SIGNATURE);
    }
    known(mailcore::mailauth::dkim::Canonicalization::Relaxed, body, message)
}

fn ours_seals(zone: &Zone, key: &Key, selector: &str, domain: &str, message: &[u8]) -> Vec<u8> {
    let (header, body) = message.split_at(header_len(message).unwrap_or(message.len()));
    let chain = match ours_verifies(zone, message) {
        "pass" => ArcResult::Pass,
        "none" => ArcResult::None,
        _ => ArcResult::Fail,
    };
    let sealer = Sealer::new(domain, selector, key.ours.clone());
    let results = AuthenticationResults {
        authserv_id: domain.to_owned(),
        results: vec![MethodResult::new("arc", chain.word()), MethodResult::new("spf", "pass")],
    };
    let mut sealing = sealer.begin();
    sealing.push(body);
    sealing.finish(header, chain, &results, Timestamp::from_seconds(NOW)).expect("sealed").unwrap_or_default()
}

/// Nothing where mail-auth will not seal.
fn theirs_seals(
    theirs: &MessageAuthenticator,
    zone: &Zone,
    key: &Key,
    selector: &str,
    domain: &str,
    message: &[u8],
) -> Vec<u8> {
    let Some(message) = AuthenticatedMessage::parse_with_opts(message, None, false) else { return Vec::new() };
    let chain = smol::block_on(theirs.verify_arc(zone.parameters(&message)));
    let spf = SpfOutput::new(domain.to_owned()).with_result(TheirSpf::Pass);
    let results = TheirResults::new(domain).with_spf_mailfrom_result(&spf, [192, 0, 2, 1].into(), "a@example.org", "x");
    macro_rules! seal {
        ($key:expr) => {
            ArcSealer::from_key($key)
                .domain(domain)
                .selector(selector)
                .headers(["From", "To", "Subject", "Date", "DKIM-Signature"])
                .header_canonicalization(TheirForm::Relaxed)
                .body_canonicalization(TheirForm::Relaxed)
                .seal(&message, &results, &chain)
                .map_or_else(|_| Vec::new(), |set| set.to_header().into_bytes())
        };
    }
    match key.theirs() {
        Theirs::Rsa(key) => seal!(key),
        Theirs::Ed25519(key) => seal!(key),
    }
}

fn ours_verifies(zone: &Zone, message: &[u8]) -> &'static str {
    let (header, body) = message.split_at(header_len(message).unwrap_or(message.len()));
    let mut verifier = Verifier::new(header, Checks { arc: true, ..Checks::NONE });
    verifier.push(body);
    smol::block_on(verifier.finish(zone, Timestamp::from_seconds(NOW))).1.result.word()
}

fn theirs_verifies(theirs: &MessageAuthenticator, zone: &Zone, message: &[u8]) -> &'static str {
    let Some(message) = AuthenticatedMessage::parse_with_opts(message, None, false) else { return "none" };
    let output: ArcOutput<'_> = smol::block_on(theirs.verify_arc(zone.parameters(&message)));
    match output.result() {
        Their::Pass => "pass",
        Their::None => "none",
        _ => "fail",
    }
}
