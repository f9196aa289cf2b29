//! Aggregate reports of DMARC: every shape in `vectors/dmarc` read as it should be, what we write read back, by us and
//! by Python, and hostile ones refused at their limits.

#![allow(clippy::disallowed_methods, reason = "vectors are files")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::tools;
use mailcore_tests::wire;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mailcore::base::limits::{
    DMARC_REPORT_FIELD_OCTETS_MAX, DMARC_REPORT_NESTING_MAX, DMARC_REPORT_READ_ROWS_MAX, DMARC_ROW_RESULTS_MAX,
};
use mailcore::base::{Address, Timestamp};
use mailcore::feedback::{
    AggregateReport, Checked, Disposition, Letter, NoReport, Period, PublishedPolicy, Reason, ReasonKind, ReportRow,
    gzip, parse, read, unpack, write,
};
use tools::tool;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/dmarc")
}

/// A report as the `.expect` files have it.
fn told(read: Result<AggregateReport, NoReport>) -> String {
    let report = match read {
        Ok(report) => report,
        Err(NoReport::Broken(why)) => return format!("broken: {why}\n"),
        Err(NoReport::Other) => return "no report\n".to_owned(),
        Err(NoReport::TooMuch) => return "too much\n".to_owned(),
    };
    let mut out = format!("{} {} {}\n", report.organization, report.email, report.contact);
    writeln!(out, "{} {}-{}", report.report_id, report.period.begin, report.period.end).unwrap();
    report.errors.iter().for_each(|error| writeln!(out, "error: {error}").unwrap());
    let p = &report.published;
    let said = |policy: Option<Disposition>| policy.map_or("-", Disposition::word);
    let mode = |is_strict| if is_strict { "s" } else { "r" };
    let percent = p.percent.map_or("-".to_owned(), |percent| percent.to_string());
    let (sp, np, t) = (said(p.subdomain_policy), said(p.nonexistent_policy), if p.is_testing { "y" } else { "n" });
    let (adkim, aspf) = (mode(p.strict_dkim), mode(p.strict_spf));
    write!(out, "{} p={} sp={sp} np={np} adkim={adkim} aspf={aspf} ", p.domain, p.policy.word()).unwrap();
    writeln!(out, "pct={percent} t={t} fo={}", p.failure_on).unwrap();
    for row in &report.rows {
        let sign = |is: bool| if is { '+' } else { '-' };
        let (dkim, spf) = (sign(row.dkim_aligned), sign(row.spf_aligned));
        let (from, path, to) = (&row.header_from, &row.envelope_from, &row.envelope_to);
        write!(out, "{} x{} {} dkim{dkim} spf{spf} ", row.source, row.count, row.disposition.word()).unwrap();
        writeln!(out, "from {from} path {path} to {to}").unwrap();
        writeln!(out, "  {}\n  {}", Checked::list_text(&row.dkim), Checked::list_text(&row.spf)).unwrap();
        if !row.reasons.is_empty() {
            writeln!(out, "  because {}", Reason::list_text(&row.reasons)).unwrap();
        }
    }
    out
}

#[test]
fn reports_of_every_shape() {
    let mut names: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|name| name.extension().is_some_and(|end| end == "xml" || end == "eml"));
    names.sort();
    assert!(names.len() >= 9, "the vectors are missing");
    for name in names {
        let octets = fs::read(&name).unwrap();
        let is_letter = name.extension().is_some_and(|end| end == "eml");
        let report = if is_letter { read(&octets) } else { parse(&octets) };
        let wanted = fs::read_to_string(name.with_extension("expect")).unwrap();
        assert_eq!(told(report.clone()), wanted, "{}", name.display());
        // What was read is written and read the same again; what is not said then has its default.
        if let Ok(report) = report {
            let again = parse(&write(&report)).unwrap();
            assert_eq!((&again.rows, &again.period), (&report.rows, &report.period), "{}", name.display());
            assert_eq!(again, parse(&unpack(&gzip(&write(&again))).unwrap()).unwrap());
        }
    }
}

fn sample() -> AggregateReport {
    let row = |source: &str, count, disposition| ReportRow {
        source: source.parse().unwrap(),
        count,
        disposition,
        dkim_aligned: false,
        spf_aligned: true,
        reasons: vec![Reason::new(ReasonKind::LocalPolicy, "a < b & \"c\" \u{1} \u{e9}")],
        header_from: "sub.example.com".to_owned(),
        envelope_from: String::new(),
        envelope_to: String::new(),
        dkim: vec![Checked::new("fail", "example.com", "s1"), Checked::new("pass", "example.net", "<s2>")],
        spf: vec![Checked::new("pass", "mail.example.com", "helo")],
    };
    AggregateReport {
        organization: "J&J <receiver>".to_owned(),
        email: "postmaster@receiver.example".to_owned(),
        report_id: "0123456789abcdef@receiver.example".to_owned(),
        period: Period::of_day(20_779),
        published: PublishedPolicy {
            domain: "example.com".to_owned(),
            policy: Disposition::Reject,
            subdomain_policy: Some(Disposition::Quarantine),
            nonexistent_policy: Some(Disposition::Reject),
            strict_spf: true,
            percent: Some(20),
            is_testing: true,
            failure_on: "1:d".to_owned(),
            ..PublishedPolicy::default()
        },
        rows: vec![row("192.0.2.1", 7, Disposition::Reject), row("2001:db8::1", 1, Disposition::None)],
        ..AggregateReport::default()
    }
}

fn letter(report: &AggregateReport) -> Vec<u8> {
    let from = Address::parse("dmarc@receiver.example").unwrap();
    let to = [Address::parse("rua@example.com").unwrap(), Address::parse("d@third.example").unwrap()];
    let receiver = "mx.receiver.example";
    Letter { report, from: &from, to: &to, receiver, date: Timestamp(1_795_310_000_000), boundary: [7; 16] }.compose()
}

#[test]
fn letters_are_read_back() {
    let report = sample();
    assert_eq!(read(&letter(&report)), Ok(report));
}

/// The standard library of another language reads our letter: header, attachment, XML.
#[test]
fn python_reads_our_letters() {
    const SCRIPT: &str = r#"
import email, email.policy, gzip, sys
import xml.etree.ElementTree as tree
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
print(m["Subject"], m["From"], m["To"], m["Message-ID"], len(m.defects), sep="\n")
part = [p for p in m.walk() if p.get_content_type() == "application/gzip"][0]
print(part.get_filename(), part.get_content_disposition(), len(part.defects))
root = tree.fromstring(gzip.decompress(part.get_content()))
print(root.tag, [child.tag for child in root])
for path in ["report_metadata/org_name", "report_metadata/date_range/begin", "report_metadata/date_range/end"]:
    print(root.findtext(path))
print({child.tag: child.text for child in root.find("policy_published")})
for record in root.findall("record"):
    print({e.tag: e.text for e in record.iter() if len(e) == 0})
"#;
    let Some(python) = tool("python3", "reports read by Python's email package") else { return };
    let python = Command::new(python).args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut python = python.expect("python3");
    python.stdin.take().unwrap().write_all(&letter(&sample())).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let wanted = "\
Report Domain: example.com Submitter: receiver.example Report-ID: <0123456789abcdef@receiver.example>
dmarc@receiver.example
rua@example.com, d@third.example
<0123456789abcdef@receiver.example>
0
mx.receiver.example!example.com!1795305600!1795391999.xml.gz attachment 0
feedback ['version', 'report_metadata', 'policy_published', 'record', 'record']
J&J <receiver>
1795305600
1795391999
{'domain': 'example.com', 'adkim': 'r', 'aspf': 's', 'p': 'reject', 'sp': 'quarantine', 'np': 'reject', 'pct': '20', \
'testing': 'y', 'fo': '1:d'}
";
    let rest = said.strip_prefix(wanted).unwrap_or_else(|| panic!("{said}"));
    assert!(rest.contains("'source_ip': '192.0.2.1', 'count': '7', 'disposition': 'reject'"), "{rest}");
    assert!(rest.contains("'comment': 'a < b & \"c\"   \u{e9}', 'envelope_from': None"), "{rest}");
    assert!(rest.contains("'selector': '<s2>'"), "{rest}");
}

/// Every vector with octets changed, cut, doubled: read or refused, never a panic.
#[test]
fn damaged_reports_harm_nobody() {
    let mut random = wire::Random::new(7);
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    for name in names.filter(|name| name.extension().is_some_and(|end| end == "xml" || end == "eml")) {
        let whole = fs::read(&name).unwrap();
        for _ in 0..200 {
            let mut octets = whole.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(octets.len().max(3) as u64 - 2).min(octets.len() as u64 - 1) as usize;
                match random.below(4) {
                    0 => octets[at] = random.below(256) as u8,
                    1 => octets.truncate(at + 2),
                    2 => drop(octets.drain(at..(at + 9).min(octets.len() - 1))),
                    _ => octets.extend_from_within(at / 2..at),
                }
            }
            for report in [parse(&octets), read(&octets), unpack(&octets).and_then(|xml| parse(&xml))] {
                assert!(report.map_or(0, |report| report.rows.len()) < 100);
            }
        }
    }
}

#[test]
fn limits() {
    let wrapped = |inside: &str| {
        let xml = format!("<feedback><policy_published><domain>a.b</domain></policy_published>{inside}</feedback>");
        parse(xml.as_bytes())
    };
    let deep = |levels: usize| wrapped(&("<x>".repeat(levels) + &"</x>".repeat(levels)));
    assert!(deep(DMARC_REPORT_NESTING_MAX - 1).is_ok());
    assert_eq!(deep(DMARC_REPORT_NESTING_MAX), Err(NoReport::TooMuch));
    let row = "<record><row><source_ip>192.0.2.1</source_ip></row></record>";
    assert_eq!(wrapped(&row.repeat(DMARC_REPORT_READ_ROWS_MAX)).unwrap().rows.len(), DMARC_REPORT_READ_ROWS_MAX);
    assert_eq!(wrapped(&row.repeat(DMARC_REPORT_READ_ROWS_MAX + 1)), Err(NoReport::TooMuch));
    let signatures = "<dkim><domain>a</domain></dkim>".repeat(DMARC_ROW_RESULTS_MAX + 1);
    let many = wrapped(&row.replace("</record>", &format!("<auth_results>{signatures}</auth_results></record>")));
    assert_eq!(many.unwrap().rows[0].dkim.len(), DMARC_ROW_RESULTS_MAX);
    // A megabyte in one field, and characters of two octets around the limit.
    let long = |text: &str| wrapped(&format!("<report_metadata><org_name>{text}</org_name></report_metadata>"));
    assert!(long(&"x".repeat(1 << 20)).unwrap().organization.len() <= DMARC_REPORT_FIELD_OCTETS_MAX);
    assert!(
        long(&format!("x{}", "\u{e9}".repeat(1 << 20))).unwrap().organization.len() < DMARC_REPORT_FIELD_OCTETS_MAX
    );
    let errors = "<error>no</error>".repeat(1_000);
    assert!(wrapped(&format!("<report_metadata>{errors}</report_metadata>")).unwrap().errors.len() < 100);
}
