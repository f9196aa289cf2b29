//! Greeting, EHLO, HELO, LHLO, HELP and STARTTLS: what the session says of itself.

use std::sync::Arc;

use super::{Config, Next, Phase, Session};
use crate::base::dialog::{Input, Step};
use crate::base::{Reply, Service};
use crate::sasl::{Mechanism, Offer};
use crate::smtp::command::Verb;
use crate::smtp::extension::Extensions;

impl Session {
    pub(super) fn greet(&mut self, output: &mut Vec<u8>) {
        let protocol = if self.is_lmtp() { "LMTP" } else { "ESMTP" };
        self.phase = Phase::Command;
        self.say(&Reply::plain(220, format!("{} {protocol}", self.config.hostname)), output);
    }

    /// EHLO and its like: a fresh start (RFC 5321 §4.1.4).
    pub(super) fn hello(&mut self, verb: Verb, name: String, output: &mut Vec<u8>) -> Next {
        let client = Arc::make_mut(&mut self.client);
        client.hello = name;
        client.extended = verb != Verb::Helo;
        self.greeted = true;
        let mut text = self.config.hostname.clone();
        if verb != Verb::Helo {
            for line in self.extensions().announce() {
                text.push('\n');
                text.push_str(&line);
            }
        }
        self.say(&Reply::plain(250, text), output);
        self.drop_transaction()
    }

    /// What the connection offers now.
    fn extensions(&self) -> Extensions {
        Extensions {
            pipelining: true,
            size: Some(self.config.octets_max),
            eight_bit_mime: true,
            binary_mime: true,
            chunking: true,
            smtputf8: true,
            starttls: self.config.start_tls && self.client.tls.is_none(),
            dsn: true,
            enhanced_status_codes: true,
            auth: Mechanism::offered(self.offer()).map(|m| m.name().to_owned()).collect(),
        }
    }

    /// What the connection allows a login to use.
    pub(super) fn offer(&self) -> Offer {
        let tls = self.client.tls.as_ref();
        Offer {
            passwords: takes_logins(&self.config) && (tls.is_some() || self.config.plaintext_login),
            channel_binding: tls.is_some_and(|tls| tls.exporter.is_some()),
        }
    }

    pub(super) fn start_tls(&mut self, input: &Input, output: &mut Vec<u8>) -> Next {
        if self.client.tls.is_some() {
            self.say(&Reply::new(503, 5, 1, "TLS is active"), output);
            return None;
        }
        if !self.config.start_tls {
            self.say(&Reply::new(502, 5, 1, "TLS is not available"), output);
            return None;
        }
        if !input.is_empty() {
            // Octets sent in the clear that would be read as if they had come under TLS (RFC 3207 §5).
            self.goodbye(5, 1, "Nothing may follow STARTTLS", output);
            return None;
        }
        self.say(&Reply::new(220, 0, 0, "Go ahead"), output);
        self.deadline = None;
        Some(Step::StartTls)
    }
}

/// Whether a listener of this kind knows AUTH at all.
pub(super) fn takes_logins(config: &Config) -> bool {
    matches!(config.service, Service::Submission | Service::Submissions)
}

pub(super) fn help(lmtp: bool) -> Reply {
    let hello = if lmtp { "LHLO" } else { "EHLO HELO" };
    let verbs = "MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT STARTTLS AUTH";
    Reply::new(214, 0, 0, format!("Commands: {hello} {verbs}\nSee RFC 5321"))
}
