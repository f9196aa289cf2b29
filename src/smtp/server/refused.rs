//! What a session was asked and refused, made from its replies: no verb says it by itself, so none can forget it.

use super::Session;
use crate::base::event::Refused;
use crate::base::limits::{EVENT_RECIPIENTS_MAX, EVENT_TEXT_OCTETS_MAX};
use crate::base::{Address, Reply};
use crate::smtp::command::Verb;

/// What the present command is about, as far as the transaction does not say it.
pub(super) struct About {
    /// The command's stage, as [`Refused::stage`] has it.
    pub(super) stage: &'static str,
    /// The sender that MAIL named and that was refused.
    pub(super) from: Option<Address>,
    /// The recipients in question; where there are none, those of the transaction.
    pub(super) to: Vec<String>,
}

impl Default for About {
    fn default() -> About {
        About { stage: "command", from: None, to: Vec::new() }
    }
}

/// The stage that a verb is.
pub(super) fn stage(verb: Verb) -> &'static str {
    match verb {
        Verb::Ehlo | Verb::Helo | Verb::Lhlo => "hello",
        Verb::StartTls => "starttls",
        Verb::Auth => "auth",
        Verb::Mail => "mail",
        Verb::Rcpt => "rcpt",
        Verb::Data | Verb::Bdat => "data",
        _ => "command",
    }
}

impl Session {
    /// Notes a reply that refuses something. Equal replies to one command are one refusal, for all its recipients.
    pub(super) fn note(&mut self, reply: &Reply) {
        if !reply.is_transient() && !reply.is_permanent() {
            return;
        }
        let (code, reason) = (reply.code, reason(&reply.text));
        let enhanced = reply.enhanced.map(|enhanced| enhanced.to_string()).unwrap_or_default();
        let to = if self.about.to.is_empty() { self.recipients() } else { std::mem::take(&mut self.about.to) };
        let stage = self.about.stage;
        if let Some(last) = self.refused.last_mut().filter(|last| last.stage == stage && stage == "data")
            && (last.code, &last.reason) == (code, &reason)
        {
            let room = EVENT_RECIPIENTS_MAX.saturating_sub(last.to.len());
            let new: Vec<String> = to.into_iter().filter(|to| !last.to.contains(to)).take(room).collect();
            last.to.extend(new);
            return;
        }
        let sender = self.transaction.as_ref().and_then(|transaction| transaction.envelope.reverse_path.as_ref());
        let from = self.about.from.as_ref().or(sender).map(ToString::to_string).unwrap_or_default();
        self.refused.push(Refused {
            service: self.config.service,
            peer: self.config.ends.peer.to_string(),
            user: self.client.account.as_ref().map(|account| account.address.to_string()).unwrap_or_default(),
            helo: self.client.hello.clone(),
            stage,
            code,
            enhanced,
            reason,
            // Only with these two does a session end by itself (RFC 5321 §3.8, RFC 7504 §3).
            closed: matches!(code, 421 | 521),
            from,
            to,
            count: 1,
        });
    }

    /// The recipients of the transaction, as many as an event names.
    fn recipients(&self) -> Vec<String> {
        let recipients = self.transaction.as_ref().map(|transaction| transaction.envelope.recipients.as_slice());
        let recipients = recipients.unwrap_or_default().iter().take(EVENT_RECIPIENTS_MAX);
        recipients.map(|recipient| recipient.address.to_string()).collect()
    }
}

/// A reply's text on one line, cut where it is long.
fn reason(text: &str) -> String {
    let end = (0..=EVENT_TEXT_OCTETS_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    end.and_then(|end| text.get(..end)).unwrap_or_default().replace('\n', " ")
}
