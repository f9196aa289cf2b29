//! The letters aggregate reports travel in (RFC 7489 §7.2.1.1, RFC 9990).

use super::{AggregateReport, NoReport, pack, parse, write};
use crate::base::limits::DMARC_LETTER_ATTACHMENTS_MAX;
use crate::base::{Address, Timestamp, base64};
use crate::message::compose::{Correspondent, HeaderWriter};
use crate::message::mime::Decoder;
use crate::message::scan;
use crate::message::structure::{Part, PartKind};
use crate::message::table::Encoding;

/// A report about to be mailed.
#[derive(Debug)]
pub struct Letter<'a> {
    /// The report; its `report_id` is `local@domain` of RFC 5322's letters.
    pub report: &'a AggregateReport,
    /// Who sends it: their domain is the submitter, and what the letter is signed for.
    pub from: &'a Address,
    /// Who gets it.
    pub to: &'a [Address],
    /// Our host's name, for the name of the file.
    pub receiver: &'a str,
    /// When it is written.
    pub date: Timestamp,
    /// Chance.
    pub boundary: [u8; 16],
}

impl Letter<'_> {
    /// The message, lines ending in CRLF.
    pub fn compose(&self) -> Vec<u8> {
        let report = self.report;
        let domain = &report.published.domain;
        let (mut header, boundary) = begin((&report.report_id, domain), (self.from, self.to), self.date, self.boundary);
        header.field("Content-Type", &format!("multipart/mixed; boundary=\"{boundary}\""));
        let file = self.file_name();
        let mut out = header.finish();
        out.extend_from_slice(
            format!(
                "\r\n--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
                 This is a DMARC aggregate report about mail that claims to be from\r\n{domain},\r\n\
                 as {} saw it on {} (UTC).\r\n\
                 \r\n--{boundary}\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: attachment;\r\n filename=\"{file}\"\r\n\r\n",
                self.receiver,
                day(report.period.begin),
            )
            .as_bytes(),
        );
        out.extend(base64::lines(&pack::gzip(&write(report))));
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        out
    }

    /// `receiver!policy-domain!begin!end.xml.gz`
    fn file_name(&self) -> String {
        let report = self.report;
        let (begin, end) = (report.period.begin, report.period.end);
        format!("{}!{}!{begin}!{end}.xml.gz", self.receiver, report.published.domain)
    }
}

/// The fields that letters with reports of either kind have in common, and the boundary of their parts. What a report
/// is: its id, and the domain that it is about.
pub(super) fn begin(
    (report_id, domain): (&str, &str),
    (from, to): (&Address, &[Address]),
    date: Timestamp,
    boundary: [u8; 16],
) -> (HeaderWriter, String) {
    let hex: String = boundary.iter().map(|octet| format!("{octet:02x}")).collect();
    let correspondent = |address: &Address| Correspondent { name: String::new(), address: address.clone() };
    let to: Vec<Correspondent> = to.iter().map(correspondent).collect();
    let mut header = HeaderWriter::new();
    header.field("Date", &date.rfc5322());
    header.addresses("From", &[correspondent(from)]).addresses("To", &to);
    header.field("Message-ID", &format!("<{report_id}>"));
    let submitter = from.domain().key();
    let subject = format!("Report Domain: {domain} Submitter: {submitter} Report-ID: <{report_id}>");
    header.text("Subject", &subject);
    // No robot is to answer (RFC 3834 §5).
    header.field("Auto-Submitted", "auto-generated");
    header.field("MIME-Version", "1.0");
    (header, format!("=_{hex}"))
}

/// `22 Nov 2026`
fn day(second: i64) -> String {
    Timestamp::from_seconds(second).rfc5322().split(' ').skip(1).take(3).collect::<Vec<_>>().join(" ")
}

/// The report in a letter: the first part that is one, whatever it says of its type. Text and parts that are no report
/// are passed over; of the first `DMARC_LETTER_ATTACHMENTS_MAX` others, the last one's trouble is told.
pub fn read(letter: &[u8]) -> Result<AggregateReport, NoReport> {
    let mut trouble = NoReport::Other;
    let structure = scan(letter);
    let parts = structure.parts.iter().filter(|part| may_be_report(part));
    for part in parts.take(DMARC_LETTER_ATTACHMENTS_MAX) {
        let octets = decoded(letter, part);
        match pack::unpack(&octets).and_then(|xml| parse(&xml)) {
            Ok(report) => return Ok(report),
            // What is no report at all says less than a broken one.
            Err(NoReport::Other) => {}
            Err(other) => trouble = other,
        }
    }
    Err(trouble)
}

/// A part's body without its transfer encoding.
pub(super) fn decoded(letter: &[u8], part: &Part) -> Vec<u8> {
    let range = usize::try_from(part.body.start).ok().zip(usize::try_from(part.body.end).ok());
    let body = range.and_then(|(start, end)| letter.get(start..end)).unwrap_or_default();
    let mut decoder = Decoder::new(Encoding::parse(part.facts.encoding.as_deref()));
    let mut octets = Vec::with_capacity(body.len());
    decoder.push(body, &mut octets);
    decoder.finish(&mut octets);
    octets
}

fn may_be_report(part: &Part) -> bool {
    part.kind == PartKind::Leaf && !part.facts.is("text", "plain") && !part.facts.is("text", "html")
}
