//! An aggregate report from XML, whoever wrote it.
//!
//! Elements are known by their name and the one around them, with or without a namespace or prefix, in any order;
//! unknown ones are passed over. Nothing is expanded (there is no DTD here), nothing is looked up, and what is kept of
//! a report is bounded whatever it says. Only what is no well-formed XML to its end is refused: a torn report must not
//! stand where the whole one, sent again, would count as its duplicate.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

use super::aggregate::word;
use super::{AggregateReport, Checked, Disposition, Reason, ReasonKind, ReportRow};
use crate::base::limits::{
    DMARC_REPORT_COMMENT_CHARS_MAX, DMARC_REPORT_ERRORS_MAX, DMARC_REPORT_FIELD_OCTETS_MAX, DMARC_REPORT_NESTING_MAX,
    DMARC_REPORT_READ_ROWS_MAX, DMARC_ROW_RESULTS_MAX,
};

/// Why something is not taken for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoReport {
    /// It is no XML, or it is broken; why.
    Broken(String),
    /// It is XML, but no report on any domain.
    Other,
    /// It is larger, deeper or longer than a report may be.
    TooMuch,
}

/// Reads a report.
pub fn parse(xml: &[u8]) -> Result<AggregateReport, NoReport> {
    let text = utf8(xml);
    let mut reader = Reader::from_str(&text);
    reader.config_mut().allow_dangling_amp = true;
    let mut building = Building::default();
    loop {
        match reader.read_event().map_err(|e| NoReport::Broken(e.to_string()))? {
            Event::Start(start) => building.open(start.local_name().as_ref())?,
            Event::Empty(start) => {
                building.open(start.local_name().as_ref())?;
                building.close();
            }
            Event::End(_) => building.close(),
            Event::Text(text) => building.add(&text),
            Event::CData(text) => building.add(&text),
            Event::GeneralRef(reference) => building.add(&referred(&reference)),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    building.finish()
}

/// The text in UTF-8; a mark at its beginning may say that it is UTF-16.
fn utf8(xml: &[u8]) -> Cow<'_, str> {
    let (text, ..) = encoding_rs::UTF_8.decode(xml);
    text
}

/// The five references XML knows, and characters by number; others stay as they are written.
fn referred(reference: &BytesRef<'_>) -> String {
    let name: &str = reference;
    match (name, reference.resolve_char_ref()) {
        (_, Ok(Some(c))) => c.to_string(),
        ("amp", _) => "&".to_owned(),
        ("lt", _) => "<".to_owned(),
        ("gt", _) => ">".to_owned(),
        ("quot", _) => "\"".to_owned(),
        ("apos", _) => "'".to_owned(),
        _ => format!("&{name};"),
    }
}

/// A report as far as it was read.
#[derive(Default)]
struct Building {
    /// Names of the open elements, lower case.
    open: Vec<String>,
    /// Text of the innermost.
    text: String,
    report: AggregateReport,
    is_feedback: bool,
    row: Option<Draft>,
}

/// A row as far as it was read.
#[derive(Default)]
struct Draft {
    source: String,
    count: u64,
    disposition: Disposition,
    dkim_aligned: bool,
    spf_aligned: bool,
    reasons: Vec<Reason>,
    header_from: String,
    envelope_from: String,
    envelope_to: String,
    dkim: Vec<Checked>,
    spf: Vec<Checked>,
}

impl Building {
    fn open(&mut self, name: &str) -> Result<(), NoReport> {
        if self.open.len() >= DMARC_REPORT_NESTING_MAX {
            return Err(NoReport::TooMuch);
        }
        let name = word(name).to_ascii_lowercase();
        let around = self.open.last().map(String::as_str).unwrap_or_default();
        match (around, name.as_str()) {
            (_, "feedback") => self.is_feedback = true,
            (_, "record") if self.report.rows.len() >= DMARC_REPORT_READ_ROWS_MAX => return Err(NoReport::TooMuch),
            (_, "record") => self.row = Some(Draft::default()),
            (around, name) => {
                if let Some(row) = &mut self.row {
                    row.begin(around, name);
                }
            }
        }
        self.open.push(name);
        self.text.clear();
        Ok(())
    }

    fn add(&mut self, text: &str) {
        let room = DMARC_REPORT_FIELD_OCTETS_MAX.saturating_sub(self.text.len());
        let fits = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last();
        self.text.push_str(text.get(..fits.unwrap_or(0)).unwrap_or_default());
    }

    fn close(&mut self) {
        let name = self.open.pop().unwrap_or_default();
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        let around = self.open.last().map(String::as_str).unwrap_or_default();
        if name == "record" {
            self.report.rows.extend(self.row.take().and_then(Draft::finish));
        } else if let Some(row) = &mut self.row {
            row.set(around, &name, text);
        } else {
            set(&mut self.report, around, &name, text);
        }
    }

    fn finish(mut self) -> Result<AggregateReport, NoReport> {
        if !self.open.is_empty() {
            return Err(NoReport::Broken("it ends too early".to_owned()));
        }
        if !self.is_feedback || self.report.published.domain.is_empty() {
            return Err(NoReport::Other);
        }
        let report = &mut self.report;
        if report.report_id.is_empty() {
            // Else the reports of one that names none would all be one.
            report.report_id = format!("{}-{}", report.period.begin, report.period.end);
        }
        Ok(self.report)
    }
}

/// What stands outside the rows.
fn set(report: &mut AggregateReport, around: &str, name: &str, text: &str) {
    let published = &mut report.published;
    match (around, name) {
        ("report_metadata", "org_name") => report.organization = line(text),
        ("report_metadata", "email") => report.email = line(text),
        ("report_metadata", "extra_contact_info") => report.contact = line(text),
        ("report_metadata", "report_id") => report.report_id = line(text),
        ("report_metadata", "error") if report.errors.len() < DMARC_REPORT_ERRORS_MAX => {
            report.errors.push(line(text));
        }
        ("date_range", "begin") => report.period.begin = text.parse().unwrap_or_default(),
        ("date_range", "end") => report.period.end = text.parse().unwrap_or_default(),
        ("policy_published", "domain") => published.domain = domain(text),
        ("policy_published", "adkim") => published.strict_dkim = text.eq_ignore_ascii_case("s"),
        ("policy_published", "aspf") => published.strict_spf = text.eq_ignore_ascii_case("s"),
        ("policy_published", "p") => published.policy = Disposition::parse(text).unwrap_or_default(),
        ("policy_published", "sp") => published.subdomain_policy = Disposition::parse(text),
        ("policy_published", "np") => published.nonexistent_policy = Disposition::parse(text),
        ("policy_published", "pct") => published.percent = text.parse().ok().filter(|percent| *percent <= 100),
        ("policy_published", "testing" | "t") => published.is_testing = text.eq_ignore_ascii_case("y"),
        ("policy_published", "fo") => published.failure_on = word(text),
        _ => {}
    }
}

impl Draft {
    /// Elements that may come more than once begin another of their kind.
    fn begin(&mut self, around: &str, name: &str) {
        let checked = || Checked::new("", "", "");
        match (around, name) {
            ("policy_evaluated", "reason") if self.reasons.len() < DMARC_ROW_RESULTS_MAX => {
                self.reasons.push(Reason::new(ReasonKind::Other, ""));
            }
            ("auth_results", "dkim") if self.dkim.len() < DMARC_ROW_RESULTS_MAX => self.dkim.push(checked()),
            ("auth_results", "spf") if self.spf.len() < DMARC_ROW_RESULTS_MAX => self.spf.push(checked()),
            _ => {}
        }
    }

    fn set(&mut self, around: &str, name: &str, text: &str) {
        let passed = text.eq_ignore_ascii_case("pass");
        match (around, name) {
            ("row", "source_ip") => self.source = word(text),
            ("row", "count") => self.count = text.parse().unwrap_or_default(),
            ("policy_evaluated", "disposition") => self.disposition = Disposition::parse(text).unwrap_or_default(),
            ("policy_evaluated", "dkim") => self.dkim_aligned = passed,
            ("policy_evaluated", "spf") => self.spf_aligned = passed,
            ("reason", name) => {
                let Some(reason) = self.reasons.last_mut() else { return };
                match name {
                    "type" => reason.kind = ReasonKind::parse(text),
                    "comment" => reason.comment = Reason::new(ReasonKind::Other, text).comment,
                    _ => {}
                }
            }
            // Early drafts called them identities.
            ("identifiers" | "identities", "header_from") => self.header_from = domain(text),
            ("identifiers" | "identities", "envelope_from") => self.envelope_from = domain(text),
            ("identifiers" | "identities", "envelope_to") => self.envelope_to = domain(text),
            ("dkim", name) => put(self.dkim.last_mut(), name, text),
            ("spf", name) => put(self.spf.last_mut(), name, text),
            _ => {}
        }
    }

    /// The row; `None` where it does not say who sent, for then it says nothing.
    fn finish(mut self) -> Option<ReportRow> {
        // An empty element costs seven octets and would keep seventy.
        for list in [&mut self.dkim, &mut self.spf] {
            list.retain(|checked| !checked.result.is_empty() || !checked.domain.is_empty());
        }
        Some(ReportRow {
            source: self.source.parse::<std::net::IpAddr>().ok()?.to_canonical(),
            count: self.count,
            disposition: self.disposition,
            dkim_aligned: self.dkim_aligned,
            spf_aligned: self.spf_aligned,
            reasons: self.reasons,
            header_from: self.header_from,
            envelope_from: self.envelope_from,
            envelope_to: self.envelope_to,
            dkim: self.dkim,
            spf: self.spf,
        })
    }
}

fn put(checked: Option<&mut Checked>, name: &str, text: &str) {
    let Some(checked) = checked else { return };
    match name {
        "result" => checked.result = word(&text.to_ascii_lowercase()),
        "domain" => checked.domain = domain(text),
        "selector" | "scope" => checked.detail = word(text),
        _ => {}
    }
}

fn domain(text: &str) -> String {
    word(text.trim_end_matches('.')).to_ascii_lowercase()
}

/// One line of free text. Blanks around it go: no reader of XML would give them back.
fn line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let line: String = plain.take(DMARC_REPORT_COMMENT_CHARS_MAX).collect();
    line.trim().to_owned()
}
