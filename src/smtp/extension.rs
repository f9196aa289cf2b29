//! Service extensions (RFC 5321 §4.1.1.1): what a server announces after EHLO, and what a client reads of it. Which
//! there are, when each is announced and what becomes of mail for a host without it stands in [`table`].

pub mod table;

use self::table::{Extension, Offer};
use crate::base::Reply;
use crate::base::time::Timestamp;

/// What a peer's EHLO or LHLO reply offered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// SIZE (RFC 1870): `Some(0)` where it is offered without a fixed maximum.
    pub size: Option<u64>,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// BINARYMIME (RFC 3030).
    pub binary_mime: bool,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034).
    pub enhanced_status_codes: bool,
    /// Mechanisms of AUTH (RFC 4954), in capitals, in the order offered.
    pub auth: Vec<String>,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// FUTURERELEASE (RFC 4865): for how many seconds, and until when at the longest.
    pub future_release: Option<(u64, Timestamp)>,
    /// DELIVERBY (RFC 2852): the least number of seconds; 0 where none is said.
    pub deliver_by: Option<u64>,
    /// MT-PRIORITY (RFC 6710).
    pub mt_priority: bool,
    /// LIMITS (RFC 9422).
    pub limits: Option<Limits>,
    /// NO-SOLICITING (RFC 3865): the classes that are not wanted, by commas.
    pub no_soliciting: Option<String>,
    /// XCLIENT: its attributes, separated by spaces.
    pub xclient: Option<String>,
    /// XFORWARD: its attributes, separated by spaces.
    pub xforward: Option<String>,
}

/// What a host takes (RFC 9422); 0 where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Messages in one session.
    pub mail_max: u32,
    /// Recipients in one transaction.
    pub rcpt_max: u32,
    /// Domains of the recipients of one transaction.
    pub rcpt_domain_max: u32,
}

impl Limits {
    /// Reads `NAME=value` words; an unknown name and a malformed value are ignored.
    fn parse(words: &[&str]) -> Limits {
        let mut limits = Limits::default();
        for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
            let is_number = (1..=6).contains(&value.len()) && value.bytes().all(|c| c.is_ascii_digit());
            let value = value.parse().ok().filter(|_| is_number).unwrap_or(0);
            match name.to_ascii_uppercase().as_str() {
                "MAILMAX" => limits.mail_max = value,
                "RCPTMAX" => limits.rcpt_max = value,
                "RCPTDOMAINMAX" => limits.rcpt_domain_max = value,
                _ => {}
            }
        }
        limits
    }

    fn written(self) -> String {
        let all = [("MAILMAX", self.mail_max), ("RCPTMAX", self.rcpt_max), ("RCPTDOMAINMAX", self.rcpt_domain_max)];
        let said = all.iter().filter(|(_, value)| *value > 0);
        said.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }
}

impl Extensions {
    /// What a server offers now: the rows of the table that hold.
    pub fn offered(offer: &Offer<'_>) -> Extensions {
        let mut offered = Extensions::default();
        for row in table::EXTENSIONS.iter().filter(|row| row.announced.holds(offer)) {
            (row.offer)(&mut offered, offer);
        }
        offered
    }

    /// Whether this extension is among them.
    pub fn has(&self, extension: &Extension) -> bool {
        (extension.words)(self).is_some()
    }

    /// Reads a positive reply to EHLO: the first line is a greeting, each further one a keyword with its
    /// parameters. Unknown keywords are passed over.
    pub fn parse(reply: &Reply) -> Extensions {
        let mut found = Extensions::default();
        for line in reply.text.lines().skip(1) {
            // A control character (a bare CR) is part of no keyword and no parameter (RFC 5321 §4.1.1.1). `AUTH=LOGIN`
            // is how servers from before RFC 4954 write it.
            let separates = |c: char| c == ' ' || c.is_ascii_control();
            let line = line.trim_start_matches(separates);
            let end = line.find(|c| separates(c) || c == '=').unwrap_or(line.len());
            let (keyword, rest) = line.split_at_checked(end).unwrap_or((line, ""));
            let rest = rest.strip_prefix('=').unwrap_or(rest);
            let words: Vec<&str> = rest.split(separates).filter(|word| !word.is_empty()).collect();
            if let Some(row) = table::find(keyword) {
                (row.read)(&mut found, &words);
            }
        }
        // A binary body can only travel by BDAT (RFC 3030 §3).
        found.binary_mime &= found.chunking;
        found
    }

    /// The keyword lines a server announces, in the order of the table.
    pub fn announce(&self) -> Vec<String> {
        let line = |row: &Extension| {
            let words = (row.words)(self)?;
            Some(if words.is_empty() { row.keyword.to_owned() } else { format!("{} {words}", row.keyword) })
        };
        table::EXTENSIONS.iter().filter_map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_is_read_back() {
        let all = Extensions {
            pipelining: true,
            size: Some(1000),
            eight_bit_mime: true,
            binary_mime: true,
            chunking: true,
            smtputf8: true,
            starttls: true,
            dsn: true,
            enhanced_status_codes: true,
            auth: vec!["SCRAM-SHA-256".to_owned(), "PLAIN".to_owned()],
            require_tls: true,
            future_release: Some((3_600, Timestamp::from_seconds(1_800_000_000))),
            deliver_by: Some(60),
            mt_priority: true,
            limits: Some(Limits { mail_max: 7, rcpt_max: 9, rcpt_domain_max: 1 }),
            no_soliciting: Some("org.example:adv,net.example".to_owned()),
            xclient: Some("NAME ADDR".to_owned()),
            xforward: Some("NAME".to_owned()),
        };
        for extensions in [Extensions::default(), all, Extensions { size: Some(0), ..Extensions::default() }] {
            let mut lines = vec!["mx.example.net".to_owned()];
            lines.extend(extensions.announce());
            assert_eq!(Extensions::parse(&Reply::plain(250, lines.join("\n"))), extensions);
        }
    }

    #[test]
    fn other_servers_are_understood() {
        let reply = "mx greets you\nsize\nauth=login plain\nAUTH LOGIN CRAM-MD5\nBINARYMIME\nXFOO bar\n\nstarttls";
        let found = Extensions::parse(&Reply::plain(250, reply));
        assert_eq!(found.size, Some(0));
        assert_eq!(found.auth, ["LOGIN", "PLAIN", "CRAM-MD5"]);
        assert!(found.starttls && !found.binary_mime);
        assert_eq!(Extensions::parse(&Reply::plain(250, "mx\nAUTH LOGIN 2\r  \r\n\rDSN")).auth, ["LOGIN", "2"]);
        let others = "mx\nLIMITS RCPTMAX=0 MAILMAX=x RCPTDOMAINMAX=2 FOO=1 rcptmax=20\nDELIVERBY\nFUTURERELEASE 5";
        let found = Extensions::parse(&Reply::plain(250, others));
        assert_eq!(found.limits, Some(Limits { mail_max: 0, rcpt_max: 20, rcpt_domain_max: 2 }));
        assert_eq!((found.deliver_by, found.future_release), (Some(0), None));
        // The greeting line is no keyword.
        assert!(!Extensions::parse(&Reply::plain(250, "STARTTLS")).starttls);
    }
}
