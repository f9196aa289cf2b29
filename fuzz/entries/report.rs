//! Reports of other hosts: aggregate reports, TLS reports, delivery reports, bounces in any form.

use mailcore::base::limits::{
    DMARC_REPORT_XML_OCTETS_MAX, REMOTE_REPORT_RECIPIENTS_MAX, REMOTE_REPORT_TEXT_OCTETS_MAX,
};
use mailcore::dsn::{self, Typed};
use mailcore::feedback::{self, AggregateReport};

/// What was read and written reads the same once more. Defaults are spelled out at the first writing, so the second one
/// is compared.
pub fn aggregate_report(octets: &[u8]) {
    if let Ok(report) = feedback::parse(octets) {
        let again = |report: &AggregateReport| feedback::parse(&feedback::write(report)).expect("a report");
        let once = again(&report);
        assert_eq!(again(&once), once);
        assert_eq!(
            (&once.report_id, &once.period, once.rows.len()),
            (&report.report_id, &report.period, report.rows.len())
        );
    }
}

/// What was unpacked is bounded; what was packed unpacks to the same.
pub fn aggregate_letter(octets: &[u8]) {
    if let Ok(xml) = feedback::unpack(octets) {
        assert!(xml.len() <= DMARC_REPORT_XML_OCTETS_MAX);
    }
    assert_eq!(feedback::unpack(&feedback::gzip(octets)).as_deref().ok(), Some(octets));
    let _ = feedback::read(octets);
}

/// What was read and written reads the same once more.
pub fn tls_report(octets: &[u8]) {
    let _ = feedback::tls::read(octets);
    if let Ok(report) = feedback::tls::parse(octets) {
        let again =
            |report: &feedback::tls::TlsReport| feedback::tls::parse(report.to_json().as_bytes()).expect("a report");
        let once = again(&report);
        assert_eq!(again(&once), once);
        assert_eq!((once.domains(), once.policies.len()), (report.domains(), report.policies.len()));
    }
}

/// What is told has a class, is bounded, and stands on one line.
pub fn remote_report(octets: &[u8]) {
    let mail = dsn::remote::read(octets);
    assert!(mail.statuses.len() <= REMOTE_REPORT_RECIPIENTS_MAX);
    for status in &mail.statuses {
        assert!(status.text.len() <= REMOTE_REPORT_TEXT_OCTETS_MAX && !status.text.contains(['\r', '\n']));
        let (_, rule) = dsn::remote::classify(status.status, status.code, &status.text);
        assert!(!rule.is_empty());
    }
    mail.to.iter().for_each(|to| drop(dsn::remote::verp(to)));
}

/// A report is about somebody, and what ORCPT says of him reads the same.
pub fn delivery_report(octets: &[u8]) {
    for report in [dsn::parse(octets), dsn::parse_status(octets)].into_iter().flatten() {
        assert!(!report.recipients.is_empty());
        for recipient in &report.recipients {
            for typed in [Some(&recipient.recipient), recipient.original.as_ref()].into_iter().flatten() {
                assert_eq!(Typed::parse(&typed.original()).as_ref(), Some(typed));
            }
            assert_eq!(dsn::Action::parse(&recipient.action.to_string()), Some(recipient.action));
        }
    }
}
