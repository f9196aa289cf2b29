//! What came of an attempt, one value for each recipient, as the queue writes it down.

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
    /// The host offers DSN: reports of success are its business from here on.
    pub dsn: bool,
}

impl Outcome {
    /// A decision made before any host was reached.
    pub fn unreached(verdict: Verdict, status: Enhanced, text: impl Into<String>) -> Self {
        let (host, tls) = (String::new(), String::new());
        Self { verdict, host, code: 0, enhanced: Some(status), text: text.into(), tls, dsn: false }
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
        }
    }
}
