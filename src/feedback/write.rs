//! An aggregate report as XML.
//!
//! In the form of RFC 7489 appendix C: no namespace, elements in its order. That is what nearly all reporters send and
//! what every reader takes; the namespace of RFC 9990 is refused by readers that look elements up by name. What only
//! RFC 9990 has (`np`, `testing`) is written where the domain itself published it: such a domain's reader knows it.

use super::{AggregateReport, Checked, Row};

/// The report in UTF-8.
pub fn write(report: &AggregateReport) -> Vec<u8> {
    let mut xml = Xml { out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"), depth: 0 };
    xml.inside("feedback", |xml| {
        xml.text("version", "1.0");
        metadata(xml, report);
        published(xml, report);
        for row in &report.rows {
            xml.inside("record", |xml| record(xml, row));
        }
    });
    xml.out.into_bytes()
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

fn record(xml: &mut Xml, row: &Row) {
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
    out: String,
    depth: usize,
}

impl Xml {
    fn inside(&mut self, name: &str, write: impl FnOnce(&mut Xml)) {
        self.line(&format!("<{name}>"));
        self.depth += 1;
        write(self);
        self.depth -= 1;
        self.line(&format!("</{name}>"));
    }

    fn text(&mut self, name: &str, text: &str) {
        let line = format!("<{name}>{}</{name}>", escaped(text));
        self.line(&line);
    }

    fn line(&mut self, text: &str) {
        self.out.extend(std::iter::repeat_n("  ", self.depth));
        self.out.push_str(text);
        self.out.push('\n');
    }
}

/// Text as XML 1.0 can carry it: what it cannot becomes a question mark.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}
