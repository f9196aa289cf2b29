//! Service extensions (RFC 5321 §4.1.1.1): what a server announces after EHLO, and what a client reads of it.

use crate::base::Reply;

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
}

impl Extensions {
    /// Reads a positive reply to EHLO: the first line is a greeting, each further one a keyword with its
    /// parameters. Unknown keywords are passed over.
    pub fn parse(reply: &Reply) -> Extensions {
        let mut found = Extensions::default();
        for line in reply.text.lines().skip(1) {
            // `AUTH=LOGIN` is how servers from before RFC 4954 write it. A control character (a bare CR) is part of no
            // keyword and no parameter (RFC 5321 §4.1.1.1).
            let separates = |c: char| matches!(c, ' ' | '=') || c.is_ascii_control();
            let mut words = line.split(separates).filter(|word| !word.is_empty());
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "PIPELINING" => found.pipelining = true,
                "SIZE" => found.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0)),
                "8BITMIME" => found.eight_bit_mime = true,
                "BINARYMIME" => found.binary_mime = true,
                "CHUNKING" => found.chunking = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "STARTTLS" => found.starttls = true,
                "DSN" => found.dsn = true,
                "ENHANCEDSTATUSCODES" => found.enhanced_status_codes = true,
                "AUTH" => {
                    for mechanism in words.map(str::to_ascii_uppercase) {
                        if !found.auth.contains(&mechanism) {
                            found.auth.push(mechanism);
                        }
                    }
                }
                _ => {}
            }
        }
        // A binary body can only travel by BDAT (RFC 3030 §3).
        found.binary_mime &= found.chunking;
        found
    }

    /// The keyword lines a server announces, in a fixed order.
    pub fn announce(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut say = |offered: bool, line: &str| {
            if offered {
                lines.push(line.to_owned());
            }
        };
        say(self.pipelining, "PIPELINING");
        say(self.size == Some(0), "SIZE");
        if let Some(octets @ 1..) = self.size {
            say(true, &format!("SIZE {octets}"));
        }
        say(self.starttls, "STARTTLS");
        if !self.auth.is_empty() {
            say(true, &format!("AUTH {}", self.auth.join(" ")));
        }
        say(self.enhanced_status_codes, "ENHANCEDSTATUSCODES");
        say(self.eight_bit_mime, "8BITMIME");
        say(self.dsn, "DSN");
        say(self.chunking, "CHUNKING");
        say(self.binary_mime, "BINARYMIME");
        say(self.smtputf8, "SMTPUTF8");
        lines
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
        // The greeting line is no keyword.
        assert!(!Extensions::parse(&Reply::plain(250, "STARTTLS")).starttls);
    }
}
