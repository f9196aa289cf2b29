//! An aggregate report as data: the same type for those we write and those we are sent.
//!
//! Words of ours and of others (results, selectors, domains) are kept as they came, but short, and without what would
//! make a row unreadable as text: [`Checked`] and [`Reason`] are kept in one column each.

use std::net::IpAddr;

use crate::base::Timestamp;
use crate::base::limits::{DMARC_REPORT_COMMENT_CHARS_MAX, DMARC_REPORT_WORD_CHARS_MAX};

/// A report: who made it, about whose mail of which time, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AggregateReport {
    /// Who reports (`org_name`).
    pub organization: String,
    /// Where to ask about it.
    pub email: String,
    /// More about that, as a rule an address of the web.
    pub contact: String,
    /// What it is called: unique among those of one reporter to one domain.
    pub report_id: String,
    /// The time it is about.
    pub period: Period,
    /// What was wrong with the domain's record, in words.
    pub errors: Vec<String>,
    /// What the domain had published.
    pub published: PublishedPolicy,
    /// What was seen.
    pub rows: Vec<ReportRow>,
}

/// The time a report is about, both ends included (RFC 9990 leaves that open; reporters mostly end a day with
/// its last second).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Period {
    /// First second since 1970.
    pub begin: i64,
    /// Last second since 1970.
    pub end: i64,
}

impl Period {
    /// The UTC day `at` falls in, as days since 1970.
    pub fn day_of(at: Timestamp) -> i64 {
        at.seconds().div_euclid(86_400)
    }

    /// A UTC day, given as days since 1970.
    pub fn of_day(day: i64) -> Period {
        let begin = day.saturating_mul(86_400);
        Period { begin, end: begin.saturating_add(86_399) }
    }
}

/// What the domain had published, as the reporter understood it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishedPolicy {
    /// Where the record was found.
    pub domain: String,
    /// `p`
    pub policy: Disposition,
    /// `sp`, where it was said.
    pub subdomain_policy: Option<Disposition>,
    /// `np`, where it was said.
    pub nonexistent_policy: Option<Disposition>,
    /// `adkim=s`
    pub strict_dkim: bool,
    /// `aspf=s`
    pub strict_spf: bool,
    /// `pct`, where it was said.
    pub percent: Option<u8>,
    /// `t=y`
    pub is_testing: bool,
    /// `fo`, where it was said.
    pub failure_on: String,
}

/// What is done with a message, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[allow(missing_docs)]
pub enum Disposition {
    #[default]
    None,
    Quarantine,
    Reject,
    /// It passed (RFC 9990 only; RFC 7489 calls this `none`, as we do).
    Pass,
}

impl Disposition {
    /// All of them.
    pub const ALL: [Disposition; 4] =
        [Disposition::None, Disposition::Quarantine, Disposition::Reject, Disposition::Pass];

    /// As reports write it.
    pub fn word(self) -> &'static str {
        match self {
            Disposition::None => "none",
            Disposition::Quarantine => "quarantine",
            Disposition::Reject => "reject",
            Disposition::Pass => "pass",
        }
    }

    /// What a word means, in any case of letters.
    pub fn parse(word: &str) -> Option<Disposition> {
        Disposition::ALL.into_iter().find(|known| known.word().eq_ignore_ascii_case(word))
    }
}

/// Messages that went the same way, and how many there were.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReportRow {
    /// Who sent them.
    pub source: IpAddr,
    /// How many.
    pub count: u64,
    /// What was done with them.
    pub disposition: Disposition,
    /// Whether DKIM passed and was aligned.
    pub dkim_aligned: bool,
    /// Whether SPF passed and was aligned.
    pub spf_aligned: bool,
    /// Why it is not what the domain asked for.
    pub reasons: Vec<Reason>,
    /// Domain in From.
    pub header_from: String,
    /// Domain of the reverse-path; empty where that was null or is not told.
    pub envelope_from: String,
    /// Domain of the recipients; mostly not told.
    pub envelope_to: String,
    /// Signatures.
    pub dkim: Vec<Checked>,
    /// SPF, as a rule one.
    pub spf: Vec<Checked>,
}

/// The result of one check, whatever it means for DMARC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checked {
    /// `pass`, `fail`, ... (RFC 8601 §2.7); older reporters have words of their own.
    pub result: String,
    /// The domain it is about.
    pub domain: String,
    /// DKIM: the selector. SPF: `mfrom` or `helo`. Empty where it is not told.
    pub detail: String,
}

impl Checked {
    /// One word each, cut where too long.
    pub fn new(result: &str, domain: &str, detail: &str) -> Checked {
        Checked { result: word(result), domain: word(domain), detail: word(detail) }
    }

    /// A list as one text: `pass example.org s1; fail example.net s2`, with `-` for what is empty.
    pub fn list_text(list: &[Checked]) -> String {
        let shown = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let item = |c: &Checked| format!("{} {} {}", shown(&c.result), shown(&c.domain), shown(&c.detail));
        list.iter().map(item).collect::<Vec<_>>().join("; ")
    }

    /// What [`Checked::list_text`] wrote.
    pub fn list_of(text: &str) -> Vec<Checked> {
        let read = |word: Option<&str>| word.filter(|word| *word != "-").unwrap_or_default().to_owned();
        let item = |item: &str| {
            let mut words = item.splitn(3, ' ');
            Checked { result: read(words.next()), domain: read(words.next()), detail: read(words.next()) }
        };
        text.split("; ").filter(|text| !text.is_empty()).map(item).collect()
    }
}

/// Why something else was done than the domain asked for (RFC 7489 appendix C, RFC 9990).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// What kind of reason.
    pub kind: ReasonKind,
    /// More about it, for a person.
    pub comment: String,
}

/// Kinds of [`Reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonKind {
    /// It was forwarded, as could be seen (RFC 7489 only).
    Forwarded,
    /// It was drawn by `pct` (RFC 7489 only).
    SampledOut,
    /// It came by a forwarder that is known and trusted, as by a chain of ARC.
    TrustedForwarder,
    /// It came by a mailing list.
    MailingList,
    /// The receiver has a policy of its own.
    LocalPolicy,
    /// The domain is testing (`t=y`; RFC 9990 only).
    PolicyTestMode,
    /// Another.
    Other,
}

impl ReasonKind {
    /// All of them.
    pub const ALL: [ReasonKind; 7] = [
        ReasonKind::Forwarded,
        ReasonKind::SampledOut,
        ReasonKind::TrustedForwarder,
        ReasonKind::MailingList,
        ReasonKind::LocalPolicy,
        ReasonKind::PolicyTestMode,
        ReasonKind::Other,
    ];

    /// As reports write it.
    pub fn word(self) -> &'static str {
        match self {
            ReasonKind::Forwarded => "forwarded",
            ReasonKind::SampledOut => "sampled_out",
            ReasonKind::TrustedForwarder => "trusted_forwarder",
            ReasonKind::MailingList => "mailing_list",
            ReasonKind::LocalPolicy => "local_policy",
            ReasonKind::PolicyTestMode => "policy_test_mode",
            ReasonKind::Other => "other",
        }
    }

    /// What a word means; one that is unknown is `Other`.
    pub fn parse(word: &str) -> ReasonKind {
        ReasonKind::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(word)).unwrap_or(ReasonKind::Other)
    }
}

impl Reason {
    /// A reason; the comment loses its semicolons and line ends, and what is too long of it.
    pub fn new(kind: ReasonKind, comment: &str) -> Reason {
        let plain = comment.chars().map(|c| if c.is_control() || c == ';' { ' ' } else { c });
        let comment: String = plain.take(DMARC_REPORT_COMMENT_CHARS_MAX).collect();
        Reason { kind, comment: comment.trim().to_owned() }
    }

    /// A list as one text: `mailing_list list of example.org; other`.
    pub fn list_text(list: &[Reason]) -> String {
        let item = |reason: &Reason| format!("{} {}", reason.kind.word(), reason.comment).trim_end().to_owned();
        list.iter().map(item).collect::<Vec<_>>().join("; ")
    }

    /// What [`Reason::list_text`] wrote.
    pub fn list_of(text: &str) -> Vec<Reason> {
        let item = |item: &str| {
            let (kind, comment) = item.split_once(' ').unwrap_or((item, ""));
            Reason { kind: ReasonKind::parse(kind), comment: comment.to_owned() }
        };
        text.split("; ").filter(|text| !text.is_empty()).map(item).collect()
    }
}

/// A word of a report: no white space, no semicolon, not too long.
pub(super) fn word(text: &str) -> String {
    let plain = text.trim().chars().map(|c| if c.is_whitespace() || c.is_control() || c == ';' { '?' } else { c });
    plain.take(DMARC_REPORT_WORD_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back_from_their_text() {
        let checked =
            [Checked::new("pass", "example.org", "s 1;x"), Checked::new("", "", ""), Checked::new("a", "b", "")];
        let text = Checked::list_text(&checked);
        assert_eq!(text, "pass example.org s?1?x; - - -; a b -");
        assert_eq!(Checked::list_of(&text), checked);
        let reasons = [Reason::new(ReasonKind::MailingList, " a;\r\nb "), Reason::new(ReasonKind::Other, "")];
        let text = Reason::list_text(&reasons);
        assert_eq!(text, "mailing_list a   b; other");
        assert_eq!(Reason::list_of(&text), reasons);
        assert!(Checked::list_of("").is_empty() && Reason::list_of("").is_empty());
        let long = Checked::new(&"x".repeat(DMARC_REPORT_WORD_CHARS_MAX + 1), "", "");
        assert_eq!(long.result.len(), DMARC_REPORT_WORD_CHARS_MAX);
    }

    #[test]
    fn days() {
        let noon = Timestamp::from_civil(2026, 11, 22, 12, 0, 0);
        let period = Period::of_day(Period::day_of(noon));
        assert_eq!(Timestamp::from_seconds(period.begin).rfc5322(), "Sun, 22 Nov 2026 00:00:00 +0000");
        assert_eq!(Timestamp::from_seconds(period.end).rfc5322(), "Sun, 22 Nov 2026 23:59:59 +0000");
    }
}
