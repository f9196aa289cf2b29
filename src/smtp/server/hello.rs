//! Greeting, EHLO, HELO, LHLO, HELP and STARTTLS: what the session says of itself.

use std::sync::Arc;
use std::time::Duration;

use super::{Ask, Client, Config, Next, Pending, Phase, Session};
use crate::base::dialog::{Input, Step};
use crate::base::limits::SMTP_TRANSACTIONS_MAX;
use crate::base::{Reply, Service};
use crate::sasl::{self, Mechanism};
use crate::smtp::command::Verb;
use crate::smtp::extension::table::{Offer, is_submission};
use crate::smtp::extension::{Extensions, Limits};

impl Session {
    /// The beginning: who is asked about the client says yes, or there is nobody to ask.
    pub(super) fn begin(&mut self, output: &mut Vec<u8>) -> Next {
        if self.config.manner.asks_more {
            self.about.stage = "connect";
            return Some(self.ask(Pending::Connect, Ask::Connect(self.client.clone())));
        }
        self.greet(output);
        None
    }

    /// EHLO and its like, once who is asked says yes.
    pub(super) fn begin_hello(&mut self, verb: Verb, name: String, output: &mut Vec<u8>) -> Next {
        if !self.config.manner.asks_more {
            return self.hello(verb, name, output);
        }
        let client = Client { hello: name.clone(), extended: verb != Verb::Helo, ..Client::clone(&self.client) };
        Some(self.ask(Pending::Hello(verb, name), Ask::Hello(Arc::new(client))))
    }

    /// DATA, once who is asked says yes.
    pub(super) fn begin_data(&mut self, output: &mut Vec<u8>) -> Next {
        let envelope = self.transaction.as_ref().map(|transaction| Box::new(transaction.envelope.clone()));
        match envelope.filter(|_| self.config.manner.asks_more) {
            Some(envelope) => Some(self.ask(Pending::Data, Ask::Data(self.client.clone(), envelope))),
            None => {
                self.data(output);
                None
            }
        }
    }

    /// Who was asked has spoken.
    pub(super) fn went_on(&mut self, pending: Pending, verdict: Result<(), Reply>, output: &mut Vec<u8>) -> Next {
        match (pending, verdict) {
            (Pending::Connect, Ok(())) => self.greet(output),
            (Pending::Hello(verb, name), Ok(())) => return self.hello(verb, name, output),
            (Pending::Data, Ok(())) => self.data(output),
            (Pending::Connect, Err(reply)) => {
                // A permanent refusal waits for QUIT (RFC 5321 §3.1).
                self.barred = true;
                self.phase = if reply.is_permanent() { Phase::Command } else { Phase::Over };
                self.say(&reply, output);
            }
            (_, Err(reply)) => self.say(&reply, output),
            (_, Ok(())) => {}
        }
        None
    }

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
    pub(super) fn extensions(&self) -> Extensions {
        let config = &self.config;
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let hold = (config.hold_seconds_max, config.begun.after(Duration::from_secs(config.hold_seconds_max)));
        Extensions::offered(&Offer {
            lmtp: self.is_lmtp(),
            tls: self.client.tls.is_some(),
            start_tls: config.start_tls,
            submission: is_submission(config.service),
            trusted: config.trusted,
            octets_max: config.octets_max,
            limits: Limits {
                mail_max: SMTP_TRANSACTIONS_MAX,
                rcpt_max: number(config.recipients_max),
                rcpt_domain_max: 0,
            },
            auth: Mechanism::offered(self.offer()).map(|m| m.name().to_owned()).collect(),
            hold: Some(hold).filter(|(seconds, _)| *seconds > 0),
            no_soliciting: config.no_soliciting.as_deref(),
        })
    }

    /// What the connection allows a login to use.
    pub(super) fn offer(&self) -> sasl::Offer {
        let tls = self.client.tls.as_ref();
        sasl::Offer {
            passwords: takes_logins(&self.config) && (tls.is_some() || self.config.plaintext_login),
            channel_binding: tls.is_some_and(|tls| tls.exporter.is_some()),
            plain_only: self.config.manner.plain_only,
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
    config.manner.open || matches!(config.service, Service::Submission | Service::Submissions)
}

pub(super) fn help(lmtp: bool) -> Reply {
    let hello = if lmtp { "LHLO" } else { "EHLO HELO" };
    let verbs = "MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT STARTTLS AUTH";
    Reply::new(214, 0, 0, format!("Commands: {hello} {verbs}\nSee RFC 5321"))
}
