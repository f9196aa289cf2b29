//! Checks by a zone: what a script asks for, and nothing else, comes back the same every time.

use super::*;
use crate::mailauth::dmarc::DmarcResult;
use crate::mailauth::results::DkimResult;
use crate::mailauth::spf::SpfResult;

const SIGNED: &[u8] = include_bytes!("../../tests/vectors/dkim/01-rfc8463.msg");
const KEYS: &str = include_str!("../../tests/vectors/dkim/01-rfc8463.dns");

fn checks() -> Checker {
    let mut zone = Zone::new();
    for line in KEYS.lines() {
        let (name, txt) = line.split_once(' ').unwrap();
        zone.add(name, "TXT", txt, 1).unwrap();
    }
    zone.add("football.example.com", "TXT", "v=spf1 ip4:192.0.2.1 exp=why.example.com -all", 1).unwrap();
    zone.add("why.example.com", "TXT", "%{i} is none of ours, says %{r} at %{t}", 1).unwrap();
    zone.add("_dmarc.football.example.com", "TXT", "v=DMARC1; p=reject", 1).unwrap();
    Checker::new(Names { zone: Some(zone), ..Names::default() }).unwrap()
}

fn given(ip: &str, mail_from: &str) -> Given {
    Given {
        ip: Some(ip.parse().unwrap()),
        helo: "football.example.com".to_owned(),
        mail_from: mail_from.to_owned(),
        receiver: "mx.example.net".to_owned(),
        now: Some(Timestamp::from_seconds(1_528_637_999)),
    }
}

const ALL: Wanted = Wanted { spf: true, spf_helo: true, dkim: true, dmarc: true, arc: true, iprev: true, bimi: false };

#[test]
fn a_message_by_zone_and_time() {
    let checked = checks().verify(SIGNED, &given("192.0.2.1", "<joe@football.example.com>"), ALL).unwrap();
    assert_eq!(checked.spf.as_ref().unwrap().result, SpfResult::Pass);
    assert_eq!(checked.spf_helo.as_ref().unwrap().result, SpfResult::Pass);
    let dkim: Vec<_> = checked.dkim.iter().flatten().map(|v| v.result).collect();
    assert_eq!(dkim, [DkimResult::Pass; 2]);
    assert_eq!(
        (checked.dmarc.as_ref().unwrap().result, checked.from_domain.as_str()),
        (DmarcResult::Pass, "football.example.com")
    );
    let again = checks().verify(SIGNED, &given("192.0.2.1", "joe@football.example.com"), ALL).unwrap();
    assert_eq!(checked, again);
}

/// What was found, told to those behind us: only what was asked for, and only where we have a name.
#[test]
fn told_in_our_name() {
    let spf = "spf=pass smtp.mailfrom=joe@football.example.com";
    let helo = "spf=pass smtp.helo=football.example.com";
    for (wanted, mail_from, told) in [
        (Wanted { spf: true, ..Wanted::default() }, "joe@football.example.com", format!("mx.example.net; {spf}")),
        (Wanted { spf: true, ..Wanted::default() }, "", format!("mx.example.net; {helo}")),
        (Wanted { spf: true, ..Wanted::default() }, "joe@[bad", String::new()),
        (Wanted { spf_helo: true, ..Wanted::default() }, "joe@x.example", format!("mx.example.net; {helo}")),
        (
            Wanted { spf: true, arc: true, ..Wanted::default() },
            "joe@football.example.com",
            format!("mx.example.net; {spf}; arc=none"),
        ),
        (
            Wanted { dmarc: true, ..Wanted::default() },
            "joe@football.example.com",
            "mx.example.net; dmarc=pass header.from=football.example.com policy.dmarc=none".to_owned(),
        ),
        (Wanted { bimi: true, ..Wanted::default() }, "joe@football.example.com", "mx.example.net; none".to_owned()),
    ] {
        let given = Given { helo: "football.example.com".to_owned(), ..given("192.0.2.1", mail_from) };
        let checked = checks().verify(SIGNED, &given, wanted).unwrap();
        assert_eq!(checked.results.split_whitespace().collect::<Vec<_>>().join(" "), told, "{mail_from}");
        let nobody = Given { receiver: String::new(), ..given };
        assert_eq!(checks().verify(SIGNED, &nobody, wanted).unwrap().results, "");
    }
    let all = checks().verify(SIGNED, &given("192.0.2.1", "joe@football.example.com"), ALL).unwrap().results;
    let read = crate::mailauth::results::AuthenticationResults::parse(all.as_bytes()).unwrap().results;
    let methods: Vec<&str> = read.iter().map(|result| result.method.as_str()).collect();
    assert_eq!(methods, ["iprev", "spf", "spf", "dkim", "dkim", "dmarc", "arc"], "{all}");
}

#[test]
fn an_indicator_alone() {
    use crate::mailauth::bimi::BimiResult;
    let wanted = Wanted { bimi: true, ..Wanted::default() };
    for (ip, result, why) in [
        ("192.0.2.1", BimiResult::None, "no record at default._bimi.football.example.com"),
        // The signatures pass: what SPF says of the client does not matter.
        ("192.0.2.9", BimiResult::None, "no record at default._bimi.football.example.com"),
    ] {
        let checked = checks().verify(SIGNED, &given(ip, "joe@football.example.com"), wanted).unwrap();
        let bimi = checked.bimi.clone().unwrap();
        assert_eq!((bimi.result, bimi.why.as_str()), (result, why));
        assert_eq!((checked.spf, checked.dkim, checked.dmarc, checked.arc), (None, None, None, None));
    }
    let e = checks().verify(SIGNED, &Given::default(), wanted).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Invalid);
}

#[test]
fn lines_may_end_in_lf() {
    let lf: Vec<u8> = SIGNED.iter().copied().filter(|c| *c != b'\r').collect();
    for message in [SIGNED, &lf] {
        let wanted = Wanted { dkim: true, ..Wanted::default() };
        let checked = checks().verify(message, &Given::default(), wanted).unwrap();
        assert!(checked.dkim.unwrap().iter().all(|v| v.result == DkimResult::Pass));
        assert_eq!((checked.spf, checked.dmarc), (None, None));
    }
}

#[test]
fn reverse_paths_as_people_write_them() {
    let wanted = Wanted { spf: true, ..Wanted::default() };
    for (mail_from, result, domain) in [
        ("joe@football.example.com", SpfResult::Fail, "football.example.com"),
        ("<joe@football.example.com>", SpfResult::Fail, "football.example.com"),
        ("football.example.com", SpfResult::Fail, "football.example.com"),
        ("@football.example.com", SpfResult::Fail, "football.example.com"),
        ("", SpfResult::Fail, "football.example.com"),
        ("<>", SpfResult::Fail, "football.example.com"),
        ("a b@c@nowhere.example", SpfResult::None, "nowhere.example"),
        ("joe@[192.0.2.1]", SpfResult::None, "[192.0.2.1]"),
    ] {
        let checked = checks().verify(b"", &given("192.0.2.9", mail_from), wanted).unwrap();
        let spf = checked.spf.unwrap();
        assert_eq!((spf.result, spf.domain.as_str()), (result, domain), "{mail_from:?}: {}", spf.why);
        if result == SpfResult::Fail {
            assert_eq!(spf.explanation, "192.0.2.9 is none of ours, says mx.example.net at 1528637999");
        }
    }
}

#[test]
fn what_needs_an_address_says_so() {
    let e = checks().verify(SIGNED, &Given::default(), ALL).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Invalid);
    let e = checks().verify(SIGNED, &given("192.0.2.1", "joe@[bad"), ALL).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Invalid);
}

#[test]
fn dmarc_of_known_results() {
    let evidence = |spf| Evidence {
        from_domain: "football.example.com".to_owned(),
        spf: (spf, "football.example.com".to_owned()),
        dkim: Vec::new(),
    };
    let dmarc = |spf| checks().dmarc(&evidence(spf)).unwrap().dmarc.unwrap();
    assert_eq!((dmarc(SpfResult::Pass).result, dmarc(SpfResult::Pass).policy.word()), (DmarcResult::Pass, "none"));
    assert_eq!((dmarc(SpfResult::Fail).result, dmarc(SpfResult::Fail).policy.word()), (DmarcResult::Fail, "reject"));
}

#[test]
fn a_server_that_says_nothing_costs_the_time_given() {
    #[allow(clippy::disallowed_methods, reason = "a port on which nobody answers")]
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let names = Names {
        server: Some(silent.local_addr().unwrap()),
        timeout: Some(Duration::from_millis(100)),
        ..Names::default()
    };
    let checks = Checker::new(names).unwrap();
    let checked = checks.verify(SIGNED, &given("192.0.2.1", "joe@football.example.com"), ALL).unwrap();
    assert_eq!(checked.spf.unwrap().result, SpfResult::TempError);
    assert!(checked.dkim.unwrap().iter().all(|v| v.result == DkimResult::TempError));
    assert_eq!(checked.dmarc.unwrap().result, DmarcResult::TempError);
}

#[test]
fn a_server_is_asked_in_packets() {
    use crate::dns::server::DnsServer;
    let threads = Threads::start(ThreadOptions { runners: 1, computers: 1, ..ThreadOptions::usual() }).unwrap();
    let mut zone = Zone::new();
    for line in KEYS.lines() {
        let (name, txt) = line.split_once(' ').unwrap();
        zone.add(name, "TXT", txt, 1).unwrap();
    }
    let clock: Arc<dyn Clock> = Arc::new(RealClock::new());
    let at = "127.0.0.1:0".parse().unwrap();
    let server = DnsServer::start(&threads.spawner(), clock, at, SharedZone::new(zone)).unwrap();
    let checks = Checker::new(Names { server: Some(server.local_addr()), ..Names::default() }).unwrap();
    let wanted = Wanted { dkim: true, ..Wanted::default() };
    let given = Given { now: Some(Timestamp::from_seconds(1_528_637_999)), ..Given::default() };
    let dkim = checks.verify(SIGNED, &given, wanted).unwrap().dkim.unwrap();
    assert!(dkim.iter().all(|v| v.result == DkimResult::Pass), "{dkim:?}");
    drop((checks, server));
    let _ = threads.stop(Duration::from_secs(5));
}
