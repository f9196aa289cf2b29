//! What came of an attempt, one value for each recipient, as the queue writes it down.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::event::Outcome as Kind;
use crate::base::{Enhanced, Timestamp};
use crate::store::AttemptResult;

/// What is decided about a recipient for this attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The next host took responsibility.
    Delivered,
    /// Another attempt later may do.
    Deferred,
    /// No attempt will do.
    Failed,
}

/// What came of the attempt for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The decision.
    pub verdict: Verdict,
    /// Host that was talked to; empty where none was reached.
    pub host: String,
    /// Reply code, 0 where none was received.
    pub code: u16,
    /// Enhanced status code: the host's, or ours. Always there for `Deferred` and `Failed`.
    pub enhanced: Option<Enhanced>,
    /// What the host said, or what went wrong.
    pub text: String,
    /// TLS version and cipher, empty where the connection was in the clear.
    pub tls: String,
    /// TLS policy, and why it held; empty where none was decided.
    pub policy: String,
    /// The host offers DSN: reports of success are its business from here on.
    pub dsn: bool,
}

impl Outcome {
    /// A decision made before any host was reached.
    pub fn unreached(verdict: Verdict, status: Enhanced, text: impl Into<String>) -> Self {
        let (host, tls, policy) = (String::new(), String::new(), String::new());
        Self { verdict, host, code: 0, enhanced: Some(status), text: text.into(), tls, policy, dsn: false }
    }

    /// Whether another attempt may do.
    pub fn is_deferred(&self) -> bool {
        self.verdict == Verdict::Deferred
    }

    /// As a row of the queue.
    pub fn result(&self, at: Timestamp, took: Duration) -> AttemptResult {
        AttemptResult {
            at,
            outcome: match self.verdict {
                Verdict::Delivered => Kind::Delivered,
                Verdict::Deferred => Kind::Deferred,
                Verdict::Failed => Kind::Failed,
            },
            host: self.host.clone(),
            code: self.code,
            enhanced: self.enhanced,
            text: self.text.clone(),
            took,
            tls: self.tls.clone(),
            policy: self.policy.clone(),
        }
    }
}

/// What one attempt came to.
#[derive(Debug)]
pub struct Report {
    /// One for each recipient, in order.
    pub outcomes: Vec<Outcome>,
    /// How far it got.
    pub reach: Reach,
}

/// How far an attempt got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// A host took part, or mail there is refused for good.
    Answered,
    /// Nobody answered, or nobody could be found just now: others need not try for a while.
    Unreachable(Outcome),
    /// As many connections as the host may have are in use: nothing was tried, and nothing is decided.
    Full(SocketAddr),
}

/// Where a recipient stands within an attempt.
#[derive(Debug, Clone, Default)]
pub(super) struct RecipientOutcome {
    /// What is decided.
    pub(super) decided: Option<Outcome>,
    /// What it comes to, were no host left.
    pub(super) so_far: Option<Outcome>,
}

impl RecipientOutcome {
    /// Remembers an error: a later one says more, but what may pass outweighs what will not.
    pub(super) fn note(&mut self, error: Outcome) {
        let outweighed = error.verdict == Verdict::Failed && self.so_far.as_ref().is_some_and(Outcome::is_deferred);
        if !outweighed {
            self.so_far = Some(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_outweighs_what_will_not_and_else_the_last_error_counts() {
        use Verdict::{Deferred, Failed};
        for (noted, kept) in [
            (&[Failed][..], (Failed, "0")),
            (&[Failed, Failed], (Failed, "1")),
            (&[Failed, Deferred], (Deferred, "1")),
            (&[Deferred, Failed], (Deferred, "0")),
            (&[Deferred, Failed, Deferred], (Deferred, "2")),
        ] {
            let mut recipient = RecipientOutcome::default();
            for (place, verdict) in noted.iter().enumerate() {
                recipient.note(Outcome::unreached(*verdict, Enhanced::new(4, 0, 0), place.to_string()));
            }
            let outcome = recipient.so_far.expect("noted");
            assert_eq!((outcome.verdict, outcome.text.as_str()), kept, "{noted:?}");
        }
    }
}
