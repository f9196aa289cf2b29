//! What an examination came to, as Authentication-Results tells it to those behind us (RFC 8601 §2.7, RFC 8617 §6).

use super::{ArcResult, AuthenticationResults, DkimResult, MethodResult};
use crate::base::Address;
use crate::mailauth::dmarc::DmarcResult;
use crate::mailauth::spf::{SpfResult, SpfVerdict};
use crate::mailauth::{Origin, Verdicts};

impl Verdicts {
    /// The checks that were made, under the name of who made them. `origin` is the one they were made with.
    pub fn authentication_results(&self, authserv_id: &str, origin: &Origin) -> AuthenticationResults {
        let mut results = Vec::new();
        if let Some(iprev) = &self.iprev {
            let mut result = MethodResult::new("iprev", iprev.result.word());
            result.comment.clone_from(&iprev.name);
            results.push(result.with("policy", "iprev", origin.ip.to_canonical().to_string()));
        }
        if self.checks.spf {
            if let Some(sender) = &origin.reverse_path {
                results.push(spf(&self.spf).with("smtp", "mailfrom", mailbox(sender)));
            }
            results.push(spf(&self.spf_helo).with("smtp", "helo", origin.helo.as_str()));
        }
        if self.checks.dkim {
            results.extend(self.dkim());
        }
        if self.checks.dmarc {
            results.push(self.dmarc());
        }
        if self.checks.arc {
            results.push(self.arc(origin));
        }
        AuthenticationResults { authserv_id: authserv_id.to_owned(), results }
    }

    fn dkim(&self) -> Vec<MethodResult> {
        if self.dkim.is_empty() {
            return vec![MethodResult::new("dkim", DkimResult::None.word())];
        }
        let tell = |verdict: &super::DkimVerdict| {
            let mut result = MethodResult::new("dkim", verdict.result.word()).because(&verdict.why);
            if verdict.is_testing {
                "the domain is testing".clone_into(&mut result.comment);
            }
            let properties = [
                ("d", verdict.domain.as_str()),
                ("s", &verdict.selector),
                ("a", verdict.algorithm),
                ("b", &verdict.signature_begins),
            ];
            properties.into_iter().filter(|(_, v)| !v.is_empty()).fold(result, |r, (n, v)| r.with("header", n, v))
        };
        self.dkim.iter().map(tell).collect()
    }

    fn dmarc(&self) -> MethodResult {
        let verdict = &self.dmarc;
        let why = if verdict.result == DmarcResult::Pass { "" } else { &verdict.why };
        let mut result = MethodResult::new("dmarc", verdict.result.word()).because(why);
        if !self.from_domain.is_empty() {
            result = result.with("header", "from", self.from_domain.as_str());
        }
        if verdict.record_domain.is_empty() { result } else { result.with("policy", "dmarc", verdict.policy.word()) }
    }

    fn arc(&self, origin: &Origin) -> MethodResult {
        let verdict = &self.arc;
        if verdict.result == ArcResult::None {
            return MethodResult::new("arc", verdict.result.word());
        }
        let mut result = MethodResult::new("arc", verdict.result.word()).because(&verdict.why);
        if verdict.result == ArcResult::Pass {
            result.comment = format!("sealed by {}", verdict.sealers().collect::<Vec<_>>().join(", "));
        }
        result = result.with("smtp", "remote-ip", origin.ip.to_canonical().to_string());
        match verdict.oldest_pass {
            Some(instance) => result.with("header", "oldest-pass", instance.to_string()),
            None => result,
        }
    }
}

fn spf(verdict: &SpfVerdict) -> MethodResult {
    let why = if verdict.result == SpfResult::Pass { "" } else { &verdict.why };
    MethodResult::new("spf", verdict.result.word()).because(why)
}

/// An address with its domain in A-labels, which everybody can read; its local part is what it is (RFC 8601 §5.6).
fn mailbox(address: &Address) -> String {
    address.to_ascii().unwrap_or_else(|| format!("{}@{}", address.local(), address.domain().key()))
}
