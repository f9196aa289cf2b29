//! Verdicts in words: a line for each check, for those who want to know why.

use std::fmt;

use super::{ArcResult, ArcVerdict, DkimVerdict};
use crate::mailauth::Verdicts;
use crate::mailauth::bimi::{BimiResult, BimiVerdict};
use crate::mailauth::dmarc::{DmarcResult, DmarcVerdict};
use crate::mailauth::iprev::IprevVerdict;
use crate::mailauth::spf::SpfVerdict;

/// `spf=pass for example.org: ip4:192.0.2.0/24 of example.org matched`
impl fmt::Display for SpfVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spf={} for {}: {}", self.result, Name(&self.domain), self.why)?;
        if self.explanation.is_empty() { Ok(()) } else { write!(f, "; the domain says: {}", Line(&self.explanation)) }
    }
}

/// `dkim=fail for example.org, selector may, b=dzdVyO: body hash is another`
impl fmt::Display for DkimVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dkim={}", self.result)?;
        if !self.domain.is_empty() {
            write!(f, " for {}, selector {}, b={}", self.domain, self.selector, self.signature_begins)?;
        }
        let testing = if self.is_testing { " (the domain is testing)" } else { "" };
        write!(f, "{testing}{}", Because(&self.why))
    }
}

/// `dmarc=fail, policy reject, by the record of example.org: dkim fail for example.org; spf none`
impl fmt::Display for DmarcVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dmarc={}", self.result)?;
        if self.result == DmarcResult::Fail {
            write!(f, ", policy {}", self.policy.word())?;
            if self.percent < 100 {
                write!(f, " for {} % of such mail", self.percent)?;
            }
        }
        if !self.record_domain.is_empty() {
            write!(f, ", by the record of {}", self.record_domain)?;
        }
        write!(f, "{}", Because(&self.why))
    }
}

/// `arc=pass, 2 sets, sealed by b.example, a.example; unchanged since set 2`
impl fmt::Display for ArcVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arc={}", self.result)?;
        if self.result == ArcResult::Pass {
            let sets = if self.instances == 1 { "set" } else { "sets" };
            let sealers: Vec<&str> = self.sealers().collect();
            write!(f, ", {} {sets}, sealed by {}", self.instances, sealers.join(", "))?;
        }
        match self.oldest_pass {
            Some(0) => write!(f, "; unchanged since the first set")?,
            Some(instance) => write!(f, "; unchanged since set {instance} only")?,
            None => {}
        }
        write!(f, "{}", Because(&self.why))
    }
}

/// `iprev=pass: 192.0.2.1 is mail.example.org`
impl fmt::Display for IprevVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "iprev={}{}", self.result, Because(&self.why))
    }
}

/// `bimi=found at default._bimi.example.org: https://example.org/indicator.svg`
impl fmt::Display for BimiVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.result == BimiResult::Found {
            return write!(f, "bimi={} at {}._bimi.{}: {}", self.result, self.selector, self.domain, self.indicator);
        }
        write!(f, "bimi={}{}", self.result, Because(&self.why))
    }
}

/// One line for each check that was made, and for each signature.
impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        lines.extend(self.iprev.as_ref().map(ToString::to_string));
        if self.checks.spf {
            lines.push(format!("{} (MAIL FROM)", self.spf));
            lines.push(format!("{} (EHLO)", self.spf_helo));
        }
        if self.checks.dkim {
            if self.dkim.is_empty() {
                lines.push("dkim=none: the message is not signed".to_owned());
            }
            lines.extend(self.dkim.iter().map(ToString::to_string));
        }
        if self.checks.dmarc {
            lines.push(self.dmarc.to_string());
        }
        if self.checks.arc {
            lines.push(self.arc.to_string());
        }
        lines.extend(self.bimi.as_ref().map(ToString::to_string));
        f.write_str(&lines.join("\n"))
    }
}

impl Verdicts {
    /// What was found and why, one line for each check: which record, which limit, which field decided.
    pub fn explain(&self) -> String {
        self.to_string()
    }
}

/// `: why`, or nothing.
struct Because<'a>(&'a str);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", Line(self.0)) }
    }
}

/// A name, which a peer may have left out.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("no domain") } else { write!(f, "{}", Line(self.0)) }
    }
}

/// A peer's words on one line.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| fmt::Write::write_char(f, if c.is_control() { '?' } else { c }))
    }
}
