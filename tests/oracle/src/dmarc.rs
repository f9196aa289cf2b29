//! Random policies on several levels above random domains, with random evidence: result and policy must agree.

use mail_auth::dkim::Signature;
use mail_auth::dmarc::Policy as TheirPolicy;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::{AuthenticatedMessage, DkimOutput, DnsError, Error, MessageAuthenticator};
use mail_auth::{DmarcResult as Their, SpfOutput, SpfResult as TheirSpf};
use mailcore::base::world::Record;
use mailcore::mailauth::dmarc::{DmarcResult, Evidence, evaluate};
use mailcore::mailauth::results::DkimResult;
use mailcore::mailauth::spf::SpfResult;

use crate::Tally;
use crate::known::EXACT;
use crate::random::Random;
use crate::zone::Zone;

pub fn compare(theirs: &MessageAuthenticator, random: &mut Random, rounds: usize) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..rounds {
        let from = domain(random);
        let mut zone = Zone::default();
        let spf = (
            random.pick(&[&SpfResult::Pass, &SpfResult::Fail, &SpfResult::None, &SpfResult::TempError]),
            near(random, &from),
        );
        let dkim: Vec<_> = (0..random.below(3))
            .map(|_| {
                (
                    *random.pick(&[&DkimResult::Pass, &DkimResult::Pass, &DkimResult::Fail, &DkimResult::TempError]),
                    near(random, &from),
                )
            })
            .collect();
        for domain in std::iter::once(&from).chain([&spf.1]).chain(dkim.iter().map(|(_, d)| d)) {
            publish(random, &mut zone, domain);
        }
        if random.chance(60) {
            zone.add(&from, Record::A([192, 0, 2, 1].into()));
        }
        let evidence = Evidence { from_domain: from.clone(), spf: (*spf.0, spf.1.clone()), dkim: dkim.clone() };
        let ours = smol::block_on(evaluate(&zone, &evidence));
        let ours = match ours.result {
            DmarcResult::Fail => format!("fail {}", ours.policy.word()),
            other => other.word().to_owned(),
        };
        let said = ask(theirs, &zone, &from, &spf, &dkim);
        let exact = evidence.spf == (SpfResult::Pass, from.clone()) || dkim.contains(&(DkimResult::Pass, from.clone()));
        if (ours.as_str(), said.as_str(), exact) == ("pass", "temperror", true) {
            tally.leave_out(EXACT);
            continue;
        }
        tally.compare(&ours, &said, || format!("{evidence:?} {zone:?}"));
    }
    tally
}

fn ask(
    theirs: &MessageAuthenticator,
    zone: &Zone,
    from: &str,
    spf: &(&SpfResult, String),
    dkim: &[(DkimResult, String)],
) -> String {
    let header = format!("From: a@{from}\r\n\r\n");
    let message = AuthenticatedMessage::parse(header.as_bytes()).expect("message");
    let signatures: Vec<Signature> =
        dkim.iter().map(|(_, d)| Signature { d: d.clone(), ..Signature::default() }).collect();
    let trouble = || Error::Dns(DnsError::Resolver(String::new()));
    let outputs: Vec<DkimOutput> = dkim
        .iter()
        .zip(&signatures)
        .map(|((result, _), signature)| {
            let output = match result {
                DkimResult::Pass => DkimOutput::pass(),
                DkimResult::TempError => DkimOutput::temp_err(trouble()),
                _ => DkimOutput::fail(Error::NotAligned),
            };
            output.with_signature(signature)
        })
        .collect();
    let spf_output = SpfOutput::new(spf.1.clone()).with_result(match spf.0 {
        SpfResult::Pass => TheirSpf::Pass,
        SpfResult::TempError => TheirSpf::TempError,
        SpfResult::None => TheirSpf::None,
        _ => TheirSpf::Fail,
    });
    let parameters = zone.parameters(DmarcParameters::new(&message, &outputs, &spf.1, &spf_output));
    let output = smol::block_on(theirs.verify_dmarc(parameters));
    match output.result() {
        Their::Pass => "pass".to_owned(),
        Their::None => "none".to_owned(),
        Their::TempError(_) => "temperror".to_owned(),
        Their::PermError(_) => "permerror".to_owned(),
        Their::Fail(_) => {
            let policy = match output.policy() {
                TheirPolicy::Reject => "reject",
                TheirPolicy::Quarantine => "quarantine",
                TheirPolicy::None | TheirPolicy::Unspecified => "none",
            };
            format!("fail {policy}")
        }
    }
}

/// A name of two to nine labels.
fn domain(random: &mut Random) -> String {
    let mut name = random.pick(&["example.org", "example.com", "bank", "co.uk"]).to_owned();
    let labels = if random.chance(10) { 5 + random.below(4) } else { 1 + random.below(3) };
    for _ in 0..labels {
        name = format!("{}.{name}", random.pick(&["a", "b", "mail"]));
    }
    if name.contains('.') && random.chance(20) {
        name.split_once('.').map_or(name.clone(), |(_, up)| if up.contains('.') { up.to_owned() } else { name.clone() })
    } else {
        name
    }
}

/// The same domain, one above or below, a sibling, or another.
fn near(random: &mut Random, from: &str) -> String {
    match random.below(5) {
        0 => from.to_owned(),
        1 => format!("{}.{from}", random.pick(&["a", "x"])),
        2 => from.split_once('.').map(|(_, up)| up).filter(|up| up.contains('.')).unwrap_or(from).to_owned(),
        3 => from.split_once('.').map_or_else(|| from.to_owned(), |(_, up)| format!("sibling.{up}")),
        _ => domain(random),
    }
}

/// Records at the domain and above it.
fn publish(random: &mut Random, zone: &mut Zone, domain: &str) {
    let mut name = domain;
    loop {
        let at = format!("_dmarc.{name}");
        if !zone.names.contains_key(&at) && !zone.broken.contains(&at) {
            match random.below(100) {
                0..35 => zone.text(&at, &record(random)),
                35..38 => zone.text(&at, random.pick(&["v=spf1 -all", "v=DMARC2; p=reject", "hello", ""])),
                38..40 => zone.broken.push(at),
                _ => {}
            }
        }
        match name.split_once('.') {
            Some((_, up)) => name = up,
            None => break,
        }
    }
}

fn record(random: &mut Random) -> String {
    let mut text = random.pick(&["v=DMARC1", "v=DMARC1", "v = DMARC1 "]).to_owned();
    let mut tags: Vec<String> = Vec::new();
    let policies = ["none", "quarantine", "reject", "reject", "Reject"];
    for (tag, percent) in [("p", 92), ("sp", 40), ("np", 30)] {
        if random.chance(percent) {
            tags.push(format!("{tag}={}", random.pick(&policies)));
        }
    }
    for (tag, values) in [
        ("adkim", ["r", "s", "S"]),
        ("aspf", ["r", "s", "R"]),
        ("psd", ["y", "n", "u"]),
        ("t", ["y", "n", "x"]),
        ("pct", ["0", "50", "100"]),
        ("rua", ["mailto:a@example.org", "mailto:b@example.net!10m", "mailto:c@example.org,mailto:d@example.org"]),
        ("unknown", ["1", "x y", "%"]),
    ] {
        if random.chance(25) {
            tags.push(format!("{tag}={}", values[random.below(3)]));
        }
    }
    for tag in tags {
        text.push_str(random.pick(&["; ", ";", " ; "]));
        text.push_str(&tag);
    }
    text.push_str(random.pick(&["", ";", "; "]));
    text
}
