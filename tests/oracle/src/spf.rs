//! Random SPF records that include and redirect to each other, with random clients: the result must agree.

use std::net::IpAddr;

use mail_auth::spf::verify::SpfParameters;
use mail_auth::{MessageAuthenticator, SpfResult as Their};
use mailcore::base::Timestamp;
use mailcore::base::world::Record;
use mailcore::mailauth::spf::{Query, check};

use crate::Tally;
use crate::known::VOID_LOOKUPS;
use crate::random::Random;
use crate::zone::Zone;

const NAMES: [&str; 6] = ["a.example", "b.example", "c.example", "mail.a.example", "d.example", "e.test.example"];

pub fn compare(theirs: &MessageAuthenticator, random: &mut Random, rounds: usize) -> Tally {
    let mut tally = Tally::default();
    while tally.compared < rounds {
        let zone = zone(random);
        let ip: IpAddr = address(random).parse().expect("address");
        let (local, domain) = (random.pick(&["alice", "bob.smith", "x-y"]), random.pick(&NAMES));
        let sender = format!("{local}@{domain}");
        let query = Query {
            ip,
            helo: "client.example".to_owned(),
            sender_local: local.to_owned(),
            sender_domain: domain.to_owned(),
            receiver: "mx.example".to_owned(),
            now: Timestamp::from_seconds(1_800_000_000),
        };
        let ours = smol::block_on(check(&zone, &query));
        if ours.why.contains("lookups without an answer") {
            tally.leave_out(VOID_LOOKUPS);
            continue;
        }
        let parameters = SpfParameters::verify_mail_from(ip, "client.example", "mx.example", &sender);
        let output = smol::block_on(theirs.check_host(zone.parameters(parameters)));
        let said = match output.result() {
            Their::Pass => "pass",
            Their::Fail => "fail",
            Their::SoftFail => "softfail",
            Their::Neutral => "neutral",
            Their::TempError => "temperror",
            Their::PermError => "permerror",
            Their::None => "none",
        };
        tally.compare(ours.result.word(), said, || format!("{query:?} {} {zone:?}", ours.why));
    }
    tally
}

fn address(random: &mut Random) -> String {
    match random.below(4) {
        0 => format!("2001:db8::{:x}", random.below(4)),
        _ => format!("192.0.{}.{}", 2 + random.below(2), random.below(4)),
    }
}

/// What a record may include and redirect to. mail-auth is not followed where includes with a qualifier nest (`KNOWN`), so
/// either all may nest and have none, or they have any, and lead to names that include nothing.
#[derive(Clone, Copy)]
struct Leads<'a> {
    qualified: bool,
    includes: &'a [&'a str],
    redirects: &'a [&'a str],
}

fn zone(random: &mut Random) -> Zone {
    let mut zone = Zone::default();
    let nests = random.chance(50);
    let (above, below) = NAMES.split_at(NAMES.len() / 2);
    for name in NAMES {
        let leads = match (nests, above.contains(&name)) {
            (true, _) => Leads { qualified: false, includes: &NAMES, redirects: &NAMES },
            (false, true) => Leads { qualified: true, includes: below, redirects: &NAMES },
            (false, false) => Leads { qualified: true, includes: &[], redirects: below },
        };
        match random.below(100) {
            0..80 => zone.text(name, &record(random, leads)),
            80..83 => zone.text(name, random.pick(&["v=spf10 -all", "hello", "v=DMARC1; p=none"])),
            83..86 => zone.broken.push(name.to_owned()),
            _ => {}
        }
        if zone.broken.iter().any(|b| b == name) {
            continue;
        }
        for _ in 0..random.below(3) {
            match address(random).parse().expect("address") {
                IpAddr::V4(ip) => zone.add(name, Record::A(ip)),
                IpAddr::V6(ip) => zone.add(name, Record::Aaaa(ip)),
            }
        }
        for _ in 0..random.below(3) {
            let exchange = random.pick(&NAMES);
            if !zone.broken.iter().any(|b| b == exchange) {
                zone.add(name, Record::Mx { preference: random.below(3) as u16 * 10, exchange: exchange.to_owned() });
            }
        }
    }
    let broken = zone.broken.clone();
    // No address lookup may meet a failing server.
    for records in zone.names.values_mut() {
        records.retain(|r| !matches!(r, Record::Mx { exchange, .. } if broken.contains(exchange)));
    }
    for name in
        ["alice.lp.a.example", "alice.a.example", "x-y.d.example", "192.0.2.1.b.example", "1.2.0.192.in-addr.c.example"]
    {
        zone.add(name, Record::A([127, 0, 0, 2].into()));
    }
    if !broken.is_empty() {
        for records in zone.names.values_mut() {
            for record in records {
                if let Record::Txt(txt) = record {
                    *txt = only_includes(txt, &broken);
                }
            }
        }
    }
    zone
}

/// Takes terms away that would ask a broken name for anything but TXT.
fn only_includes(txt: &[u8], broken: &[String]) -> Vec<u8> {
    let text = String::from_utf8_lossy(txt);
    let keeps = |term: &&str| {
        let asks_txt = term.contains("include:") || term.contains("redirect=");
        asks_txt || !broken.iter().any(|b| term.contains(b.as_str()))
    };
    text.split(' ').filter(keeps).collect::<Vec<_>>().join(" ").into_bytes()
}

fn record(random: &mut Random, leads: Leads<'_>) -> String {
    let mut text = "v=spf1".to_owned();
    for _ in 0..random.below(5) {
        text.push(' ');
        let mechanism = mechanism(random, leads);
        if leads.qualified || !mechanism.starts_with("include") {
            text.push_str(random.pick(&["", "", "+", "-", "~", "?"]));
        }
        text.push_str(&mechanism);
    }
    if random.chance(60) {
        text.push_str(random.pick(&[" -all", " ~all", " ?all", " all", " -ALL"]));
    } else if random.chance(50) {
        text.push_str(&format!(" redirect={}", random.pick(leads.redirects)));
    }
    if random.chance(10) {
        text.push_str(random.pick(&[" unknown=x", " exp=explain.example", " moo.cow=%{d}"]));
    }
    if random.chance(3) {
        text.push_str(random.pick(&[
            " moo",
            " ip4:1.2.3",
            " a:",
            " include",
            " ip4:x",
            " all:x",
            " redirect=a.example redirect=b.example",
        ]));
    }
    text
}

fn mechanism(random: &mut Random, leads: Leads<'_>) -> String {
    let prefix = random.pick(&["", "", "/24", "/31", "//127", "/30//64", "/0"]);
    match random.below(9) {
        0 => format!("a:{}{prefix}", random.pick(&NAMES)),
        1 => format!("mx:{}{prefix}", random.pick(&NAMES)),
        2 => format!(
            "ip4:192.0.{}.{}{}",
            2 + random.below(2),
            random.below(4),
            random.pick(&["", "/24", "/31", "/0", "/32"])
        ),
        3 => format!("ip6:2001:db8::{:x}{}", random.below(4), random.pick(&["", "/64", "/127", "/16"])),
        4 | 5 if !leads.includes.is_empty() => format!("include:{}", random.pick(leads.includes)),
        6 => format!(
            "exists:{}",
            random.pick(&["%{l}.lp.%{d}", "%{i}.%{d}", "%{ir}.%{v}.%{d}", "%{l1r-}.lp.a.example", "%{l}.%{o2}"])
        ),
        7 => format!("mx{prefix}"),
        _ => format!("a{prefix}"),
    }
}
