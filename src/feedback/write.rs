//! An aggregate report as XML.
//!
//! In the form of RFC 7489 appendix C: no namespace, elements in its order. That is what nearly all reporters send and
//! what every reader takes; the namespace of RFC 9990 is refused by readers that look elements up by name. What only
//! RFC 9990 has (`np`, `testing`) is written where the domain itself published it: such a domain's reader knows it.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::{AggregateReport, Checked, ReportRow};

/// The report in UTF-8.
pub fn write(report: &AggregateReport) -> Vec<u8> {
    let mut xml = Xml { writer: Writer::new_with_indent(Vec::new(), b' ', 2) };
    xml.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    xml.inside("feedback", |xml| {
        xml.text("version", "1.0");
        metadata(xml, report);
        published(xml, report);
        for row in &report.rows {
            xml.inside("record", |xml| record(xml, row));
        }
    });
    let mut octets = xml.writer.into_inner();
    octets.push(b'\n');
    octets
}

fn metadata(xml: &mut Xml, report: &AggregateReport) {
    xml.inside("report_metadata", |xml| {
        xml.text("org_name", &report.organization);
        xml.text("email", &report.email);
        if !report.contact.is_empty() {
            xml.text("extra_contact_info", &report.contact);
        }
        xml.text("report_id", &report.report_id);
        xml.inside("date_range", |xml| {
            xml.text("begin", &report.period.begin.to_string());
            xml.text("end", &report.period.end.to_string());
        });
        for error in &report.errors {
            xml.text("error", error);
        }
    });
}

fn published(xml: &mut Xml, report: &AggregateReport) {
    let published = &report.published;
    let mode = |is_strict: bool| if is_strict { "s" } else { "r" };
    xml.inside("policy_published", |xml| {
        xml.text("domain", &published.domain);
        xml.text("adkim", mode(published.strict_dkim));
        xml.text("aspf", mode(published.strict_spf));
        xml.text("p", published.policy.word());
        // What is not said has its default (RFC 7489 appendix C).
        xml.text("sp", published.subdomain_policy.unwrap_or(published.policy).word());
        if let Some(policy) = published.nonexistent_policy {
            xml.text("np", policy.word());
        }
        xml.text("pct", &published.percent.unwrap_or(100).to_string());
        if published.is_testing {
            xml.text("testing", "y");
        }
        xml.text("fo", if published.failure_on.is_empty() { "0" } else { &published.failure_on });
    });
}

fn record(xml: &mut Xml, row: &ReportRow) {
    let result = |is_aligned: bool| if is_aligned { "pass" } else { "fail" };
    xml.inside("row", |xml| {
        xml.text("source_ip", &row.source.to_string());
        xml.text("count", &row.count.to_string());
        xml.inside("policy_evaluated", |xml| {
            xml.text("disposition", row.disposition.word());
            xml.text("dkim", result(row.dkim_aligned));
            xml.text("spf", result(row.spf_aligned));
            for reason in &row.reasons {
                xml.inside("reason", |xml| {
                    xml.text("type", reason.kind.word());
                    xml.text("comment", &reason.comment);
                });
            }
        });
    });
    xml.inside("identifiers", |xml| {
        if !row.envelope_to.is_empty() {
            xml.text("envelope_to", &row.envelope_to);
        }
        xml.text("envelope_from", &row.envelope_from);
        xml.text("header_from", &row.header_from);
    });
    xml.inside("auth_results", |xml| {
        row.dkim.iter().for_each(|checked| outcome(xml, "dkim", "selector", checked));
        row.spf.iter().for_each(|checked| outcome(xml, "spf", "scope", checked));
    });
}

fn outcome(xml: &mut Xml, name: &str, detail: &str, checked: &Checked) {
    xml.inside(name, |xml| {
        xml.text("domain", &checked.domain);
        if !checked.detail.is_empty() {
            xml.text(detail, &checked.detail);
        }
        xml.text("result", &checked.result);
    });
}

/// XML under construction, one element on a line.
struct Xml {
    writer: Writer<Vec<u8>>,
}

impl Xml {
    fn inside(&mut self, name: &str, write: impl FnOnce(&mut Xml)) {
        self.event(Event::Start(BytesStart::new(name)));
        write(self);
        self.event(Event::End(BytesEnd::new(name)));
    }

    fn text(&mut self, name: &str, text: &str) {
        self.event(Event::Start(BytesStart::new(name)));
        self.event(Event::Text(BytesText::new(&plain(text))));
        self.event(Event::End(BytesEnd::new(name)));
    }

    fn event(&mut self, event: Event<'_>) {
        // Writing to memory does not fail.
        let _ = self.writer.write_event(event);
    }
}

/// Text as XML 1.0 can carry it: what it cannot becomes a question mark. The writer escapes the rest.
fn plain(text: &str) -> String {
    let plain = |c| match c {
        '\t' | '\n' | '\r' => ' ',
        c if char::is_control(c) || matches!(c, '\u{fffe}' | '\u{ffff}') => '?',
        c => c,
    };
    text.chars().map(plain).collect()
}
