//! Authentication-Results composed and read; strangers' fields in our name found, however they are spelled.

use super::*;
use crate::base::Address;
use crate::mailauth::dmarc::{DmarcResult, DmarcVerdict, Policy};
use crate::mailauth::iprev::{IprevResult, IprevVerdict};
use crate::mailauth::spf::{SpfResult, SpfVerdict};
use crate::mailauth::{Checks, Origin, Verdicts};
use crate::message::fields;

fn origin() -> Origin {
    Origin {
        ip: "2001:db8::1".parse().unwrap(),
        helo: "mail.example.org".to_owned(),
        reverse_path: Some(Address::parse("\"odd (one)\"@b\u{fc}cher.example").unwrap()),
        receiver: "mx.example.net".to_owned(),
    }
}

fn verdicts() -> Verdicts {
    let spf = |result, why: &str| SpfVerdict {
        result,
        domain: "example.org".to_owned(),
        explanation: String::new(),
        why: why.to_owned(),
    };
    let dkim = |result, why: &str| DkimVerdict {
        result,
        domain: "example.org".to_owned(),
        selector: "may".to_owned(),
        algorithm: "rsa-sha256",
        signature_begins: "dzdV/O+j".to_owned(),
        why: why.to_owned(),
        is_testing: false,
    };
    let mut dmarc = DmarcVerdict::without_policy(DmarcResult::Fail, "spf of evil.example is not aligned");
    (dmarc.policy, dmarc.record_domain) = (Policy::Reject, "example.org".to_owned());
    let set = |instance, domain: &str| ArcSet {
        instance,
        domain: domain.to_owned(),
        selector: "arc".to_owned(),
        results: String::new(),
    };
    Verdicts {
        checks: Checks::default(),
        spf_helo: spf(SpfResult::None, "mail.example.org has no record"),
        spf: spf(SpfResult::Pass, "ip6:2001:db8::/32 of example.org matched"),
        dkim: vec![dkim(DkimResult::Pass, ""), dkim(DkimResult::Fail, "body hash is another")],
        from_domain: "example.org".to_owned(),
        from_doubt: None,
        dmarc,
        arc: ArcVerdict {
            result: ArcResult::Pass,
            instances: 2,
            sets: vec![set(2, "b.example"), set(1, "a.example")],
            oldest_pass: Some(0),
            why: String::new(),
        },
        iprev: Some(IprevVerdict {
            result: IprevResult::Pass,
            name: "mail.example.org".to_owned(),
            why: "2001:db8::1 is mail.example.org".to_owned(),
        }),
        bimi: None,
    }
}

#[test]
fn all_checks_in_one_field() {
    let results = verdicts().authentication_results("mx.example.net", &origin());
    let field = String::from_utf8(results.field()).unwrap();
    let wanted = "Authentication-Results: mx.example.net;\r\n\
        \tiprev=pass (mail.example.org) policy.iprev=\"2001:db8::1\";\r\n\
        \tspf=pass smtp.mailfrom=\"\\\"odd (one)\\\"@xn--bcher-kva.example\";\r\n\
        \tspf=none reason=\"mail.example.org has no record\"\r\n\
        \t smtp.helo=mail.example.org;\r\n\
        \tdkim=pass header.d=example.org header.s=may header.a=rsa-sha256\r\n\
        \t header.b=\"dzdV/O+j\";\r\n\
        \tdkim=fail reason=\"body hash is another\" header.d=example.org\r\n\
        \t header.s=may header.a=rsa-sha256 header.b=\"dzdV/O+j\";\r\n\
        \tdmarc=fail reason=\"spf of evil.example is not aligned\"\r\n\
        \t header.from=example.org policy.dmarc=reject;\r\n\
        \tarc=pass (sealed by b.example, a.example) smtp.remote-ip=\"2001:db8::1\"\r\n\
        \t header.oldest-pass=0\r\n";
    assert_eq!(field, wanted);
    let read = AuthenticationResults::parse(field.split_once(':').unwrap().1.as_bytes()).unwrap();
    let mut without_comments = results;
    without_comments.results.iter_mut().for_each(|r| r.comment.clear());
    assert_eq!(read, without_comments);
}

#[test]
fn only_what_was_checked_is_told() {
    let none = Verdicts { checks: Checks::NONE, iprev: None, ..verdicts() };
    assert_eq!(none.authentication_results("mx.example", &origin()).payload(), "mx.example; none");
    assert_eq!(none.explain(), "");
    let unsigned =
        Verdicts { checks: Checks { dkim: true, ..Checks::NONE }, dkim: Vec::new(), iprev: None, ..verdicts() };
    assert_eq!(unsigned.authentication_results("mx.example", &origin()).payload(), "mx.example;\r\n\tdkim=none");
    let bounce = Origin { reverse_path: None, ..origin() };
    let spf = Verdicts { checks: Checks { spf: true, ..Checks::NONE }, iprev: None, ..verdicts() };
    let told = spf.authentication_results("mx.example", &bounce);
    assert_eq!(told.results.iter().map(|r| r.properties.len()).collect::<Vec<_>>(), [1], "only smtp.helo");
}

#[test]
fn explained() {
    let wanted = "iprev=pass: 2001:db8::1 is mail.example.org\n\
        spf=pass for example.org: ip6:2001:db8::/32 of example.org matched (MAIL FROM)\n\
        spf=none for example.org: mail.example.org has no record (EHLO)\n\
        dkim=pass for example.org, selector may, b=dzdV/O+j\n\
        dkim=fail for example.org, selector may, b=dzdV/O+j: body hash is another\n\
        dmarc=fail, policy reject, by the record of example.org: spf of evil.example is not aligned\n\
        arc=pass, 2 sets, sealed by b.example, a.example; unchanged since the first set";
    assert_eq!(verdicts().explain(), wanted);
}

/// What a peer called itself never becomes a field or a result of its own.
#[test]
fn words_of_peers_stay_words() {
    let nasty = "x\r\nBcc: y; dkim=pass header.d=bank.example (\\\") \u{fc}\0";
    let result = MethodResult { comment: nasty.to_owned(), ..MethodResult::new("spf", "fail") };
    let result = result.because(nasty).with("smtp", "helo", nasty).with("smtp", "mailfrom", "y".repeat(10_000));
    let results = AuthenticationResults { authserv_id: nasty.to_owned(), results: vec![result] };
    let field = String::from_utf8(results.field()).unwrap();
    assert!(field.split_inclusive("\r\n").skip(1).all(|line| line.starts_with('\t')), "{field:?}");
    assert!(field.lines().all(|line| line.len() <= 998), "{field:?}");
    let read = AuthenticationResults::parse(field.split_once(':').unwrap().1.as_bytes()).unwrap();
    let cleaned = nasty.replace(['\r', '\n', '\0'], "?");
    assert_eq!((read.authserv_id.as_str(), read.results.len()), (cleaned.as_str(), 1));
    assert_eq!(read.results[0].reason, cleaned);
    assert_eq!(read.results[0].property("smtp", "helo"), Some(cleaned.as_str()));
    assert_eq!(read.results[0].property("smtp", "mailfrom").map(str::len), Some(384));
}

/// Value; what is read of it: id, then results with their properties.
#[test]
fn read_leniently() {
    for (value, wanted) in [
        (" example.com; none\r\n", "example.com"),
        ("example.com 1; none", "example.com"),
        ("example.com", "example.com"),
        ("(c) \"mx 1\" ;spf=pass", "mx 1|spf=pass"),
        ("example.com;\r\n\tspf=pass smtp.mailfrom=example.net", "example.com|spf=pass smtp.mailfrom=example.net"),
        (
            "foo.example.net (foobar) 1 (baz); dkim (Because I like it) / 1 (One yay) = (wait for it) fail policy \
             (A dot can go here) . (like that) expired (this surprised me) = (as I wasn't expecting it) 1362471462",
            "foo.example.net|dkim=fail policy.expired=1362471462",
        ),
        (
            "a; auth=pass (cram-md5) smtp.auth=sender@example.net; SPF=Pass reason=\"a;b\" smtp.MailFrom=\"x y\"@z",
            "a|auth=pass smtp.auth=sender@example.net|spf=pass (a;b) smtp.mailfrom=x y@z",
        ),
        ("a; dkim=pass header.i=@d1.example; =; rubbish; dmarc=pass", "a|dkim=pass header.i=@d1.example|dmarc=pass"),
        ("a; dkim=pass header.b=\"ab/c=\" header.d=b.example;", "a|dkim=pass header.b=ab/c= header.d=b.example"),
        ("a; dkim=pass header.b=ab/c= header.d=", "a|dkim=pass header.b=ab/c= header.d="),
        ("a; (never ends; spf=pass", "a"),
        ("a; x=\"never ends; spf=pass", "a"),
        (" ; spf=pass", "nothing"),
        ("", "nothing"),
    ] {
        let told = AuthenticationResults::parse(value.as_bytes()).map_or("nothing".to_owned(), |read| {
            let mut told = read.authserv_id;
            for result in &read.results {
                told += &format!("|{}={}", result.method, result.result);
                told += &if result.reason.is_empty() { String::new() } else { format!(" ({})", result.reason) };
                result.properties.iter().for_each(|p| told += &format!(" {}.{}={}", p.kind, p.name, p.value));
            }
            told
        });
        assert_eq!(told, wanted, "{value:?}");
    }
}

#[test]
fn strangers_in_our_name() {
    let is_one = |field: &str, name: &str| fields(field.as_bytes()).filter(|f| is_foreign(f, name)).count();
    for (field, wanted) in [
        ("Authentication-Results: mx.example.org; spf=pass\r\n", true),
        ("AUTHENTICATION-results : MX.Example.Org; none\r\n", true),
        ("Authentication-Results: mx.example.org 1; none\r\n", true),
        ("Authentication-Results: mx.example.org/1; none\r\n", true),
        ("Authentication-Results:\r\n\t(a (b) \\) c) mx.example.org(d) 2\r\n ; none\r\n", true),
        ("Authentication-Results: \"mx.example.org\"; none\r\n", true),
        ("Authentication-Results: \"mx.\\example.org\"; none\r\n", true),
        ("Authentication-Results: mx(a).example(b).org; none\r\n", true),
        ("Authentication-Results: mx.\r\n example.org; none\r\n", true),
        ("Authentication-Results: mx.example.org.; none\r\n", true),
        ("Authentication-Results: mx.example.org\r\n", true),
        ("Authentication-Results: mx.example.org spf=pass\r\n", true),
        ("BIMI-Location: v=BIMI1; l=https://evil.example/\r\n", true),
        ("Authentication-Results: other.example; mx.example.org\r\n", false),
        ("Authentication-Results: example.org; none\r\n", false),
        ("Authentication-Results: notmx.example.org; none\r\n", false),
        ("Authentication-Results: (mx.example.org) other.example; none\r\n", false),
        ("Authentication-Results: ; none\r\n", false),
        ("X-Authentication-Results: mx.example.org; none\r\n", false),
        ("ARC-Authentication-Results: i=1; mx.example.org; none\r\n", false),
        ("BIMI-Selector: v=BIMI1; s=default\r\n", false),
    ] {
        assert_eq!(is_one(field, "mx.example.org"), usize::from(wanted), "{field:?}");
    }
    assert_eq!(is_one("Authentication-Results: m\u{fc}.example; none\r\n", "xn--m-eha.example"), 1);
    let own = "Authentication-Results: a.b; spf=pass\r\nX: y\r\nauthentication-results: A.B; dkim=fail; arc=none\r\n";
    let gathered = AuthenticationResults::gathered(own.as_bytes(), "a.b");
    assert_eq!(gathered.payload(), "a.b;\r\n\tspf=pass;\r\n\tdkim=fail;\r\n\tarc=none");
    assert_eq!(gathered.result_of("dkim"), Some("fail"));
}
