//! Reply codes (RFC 5321 §4.2) and enhanced status codes (RFC 3463, RFC 2034), as one value.

use std::fmt;

/// An enhanced status code `class.subject.detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Enhanced {
    /// 2 success, 4 transient, 5 permanent.
    pub class: u8,
    /// What it concerns: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub subject: u16,
    /// What exactly.
    pub detail: u16,
}

impl Enhanced {
    /// `class.subject.detail`
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self { class, subject, detail }
    }

    /// Reads `5.1.1` from the beginning of `text`; gives it and the rest without the space between.
    pub fn split(text: &str) -> Option<(Enhanced, &str)> {
        let end = text.find(' ').unwrap_or(text.len());
        let (code, rest) = text.split_at(end);
        let mut parts = code.split('.');
        let class = parts.next()?.parse().ok().filter(|c| matches!(c, 2 | 4 | 5))?;
        let number = |part: Option<&str>| part.filter(|p| (1..=3).contains(&p.len()))?.parse().ok();
        let status = Enhanced::new(class, number(parts.next())?, number(parts.next())?);
        parts.next().is_none().then(|| (status, rest.trim_start()))
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A reply to an SMTP command, sent or received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// Enhanced status code, where there is one.
    pub enhanced: Option<Enhanced>,
    /// Text; lines separated by `\n`.
    pub text: String,
}

impl Reply {
    /// A reply without an enhanced status code.
    pub fn plain(code: u16, text: impl Into<String>) -> Self {
        Self { code, enhanced: None, text: text.into() }
    }

    /// A reply with an enhanced status code; its class is that of the reply code.
    pub fn new(code: u16, subject: u16, detail: u16, text: impl Into<String>) -> Self {
        let class = (code / 100) as u8;
        Self { code, enhanced: Some(Enhanced::new(class, subject, detail)), text: text.into() }
    }

    /// 2yz or 3yz.
    pub fn is_positive(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// 4yz: the peer may try again.
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// 5yz: final.
    pub fn is_permanent(&self) -> bool {
        self.code >= 500
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        write!(f, " {}", self.text.replace('\n', " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_codes_are_split_off() {
        assert_eq!(Enhanced::split("5.1.1 No such user"), Some((Enhanced::new(5, 1, 1), "No such user")));
        assert_eq!(Enhanced::split("2.0.0"), Some((Enhanced::new(2, 0, 0), "")));
        for none in ["", "3.0.0 x", "5.1 x", "5.1.1.1 x", "5.1111.1 x", "Hello 5.1.1", "5..1 x"] {
            assert_eq!(Enhanced::split(none), None, "{none}");
        }
    }
}
