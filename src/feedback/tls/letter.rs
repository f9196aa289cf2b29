//! The letters TLS reports travel in (RFC 8460 §5.3).

use super::{TlsReport, parse};
use crate::base::limits::{DMARC_LETTER_ATTACHMENTS_MAX, TLS_REPORT_OCTETS_MAX};
use crate::base::{Address, Timestamp, base64};
use crate::feedback::letter::begin;
use crate::feedback::{NoReport, gzip, pack};
use crate::message::scan;
use crate::message::structure::PartKind;

/// A report about to be mailed.
#[derive(Debug)]
pub struct TlsLetter<'a> {
    /// The report.
    pub report: &'a TlsReport,
    /// Whose mail it is about.
    pub domain: &'a str,
    /// Who sends it: their domain is the submitter, and what the letter is signed for.
    pub from: &'a Address,
    /// Who gets it.
    pub to: &'a [Address],
    /// When it is written.
    pub date: Timestamp,
    /// Chance.
    pub boundary: [u8; 16],
}

impl TlsLetter<'_> {
    /// The message, lines ending in CRLF. It may travel without TLS: a report on TLS that is broken must arrive.
    pub fn compose(&self) -> Vec<u8> {
        let (report, domain, submitter) = (self.report, self.domain, self.from.domain().key());
        let (mut header, boundary) = begin((&report.report_id, domain), (self.from, self.to), self.date, self.boundary);
        header.field("TLS-Report-Domain", domain);
        header.field("TLS-Report-Submitter", &submitter);
        header.field("TLS-Required", "No");
        header.field("Content-Type", &format!("multipart/report; report-type=\"tlsrpt\"; boundary=\"{boundary}\""));
        let (begin, end) = (report.begins.seconds(), report.ends.seconds());
        let (succeeded, failed) = report.totals();
        let mut out = header.finish();
        out.extend_from_slice(
            format!(
                "\r\n--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
                 This is a TLS report about mail to\r\n{domain},\r\n\
                 as {submitter} sent it: {succeeded} sessions had TLS as demanded, {failed} had not.\r\n\
                 \r\n--{boundary}\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: attachment;\r\n filename=\"{submitter}!{domain}!{begin}!{end}.json.gz\"\r\n\r\n"
            )
            .as_bytes(),
        );
        out.extend(base64::lines(&gzip(report.to_json().as_bytes())));
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        out
    }
}

/// The report in a letter: the first part that is one, whatever it says of its type.
pub fn read(letter: &[u8]) -> Result<TlsReport, NoReport> {
    let mut trouble = NoReport::Other;
    let structure = scan(letter);
    let leaves = structure.parts.iter().filter(|part| part.kind == PartKind::Leaf);
    let parts = leaves.filter(|part| !part.facts.is("text", "plain") && !part.facts.is("text", "html"));
    for part in parts.take(DMARC_LETTER_ATTACHMENTS_MAX) {
        let octets = crate::feedback::letter::decoded(letter, part);
        match pack::inflate(&octets, TLS_REPORT_OCTETS_MAX).and_then(|json| parse(&json)) {
            Ok(report) => return Ok(report),
            Err(NoReport::Other) => {}
            Err(other) => trouble = other,
        }
    }
    Err(trouble)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_back() {
        let counted = [
            (r#"{"policy-type":"sts","policy-domain":"b.example","mx-host":["mx.b.example"]}"#, "", 3),
            (r#"{"policy-type":"tlsa","policy-domain":"b.example"}"#, r#"{"result-type":"dnssec-invalid"}"#, 2),
        ];
        let report = TlsReport::of_day(20_000, ("a.example", "tls@a.example", "id@a.example"), counted.into_iter());
        assert_eq!((report.totals(), report.domains().as_str()), ((3, 2), "b.example"));
        let address = |text| Address::parse(text).unwrap();
        let letter = TlsLetter {
            report: &report,
            domain: "b.example",
            from: &address("tls@a.example"),
            to: &[address("r@b.example")],
            date: Timestamp(0),
            boundary: [7; 16],
        };
        let written = letter.compose();
        let text = String::from_utf8_lossy(&written);
        for line in ["TLS-Report-Domain: b.example\r\n", "TLS-Report-Submitter: a.example\r\n", "TLS-Required: No\r\n"]
        {
            assert!(text.contains(line), "{line}");
        }
        assert!(written.split(|octet| *octet == b'\n').all(|line| line.len() <= 998));
        assert_eq!(read(&written), Ok(report));
        assert_eq!(read(b"Subject: hello\r\n\r\nno report\r\n"), Err(NoReport::Other));
    }
}
