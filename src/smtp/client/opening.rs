//! The session up to its first transaction: greeting, EHLO or HELO, STARTTLS, AUTH.

use super::{Client, Fate, Login, Phase, Stage, Unfit};
use crate::base::Reply;
use crate::base::settings::OutboundTls;
use crate::sasl::{self, client};
use crate::smtp::extension::Extensions;

impl Client {
    pub(super) fn tls_required(&self) -> bool {
        matches!(self.options.tls, OutboundTls::Required | OutboundTls::Verified) || self.options.login.is_some()
    }

    pub(super) fn on_hello(&mut self, esmtp: bool, reply: Reply, output: &mut Vec<u8>) {
        if reply.code / 100 == 2 {
            self.offers = if esmtp { Extensions::parse(&reply) } else { Extensions::default() };
            self.after_hello(output);
        } else if esmtp && reply.is_permanent() && (self.tls.is_some() || !self.tls_required()) {
            // RFC 5321 §3.2: a host that does not know EHLO may know HELO.
            self.hello(false, output);
        } else {
            self.leave(&Fate::Refused(Stage::Hello, reply), output);
        }
    }

    pub(super) fn hello(&mut self, esmtp: bool, output: &mut Vec<u8>) {
        let verb = if esmtp { "EHLO" } else { "HELO" };
        output.extend_from_slice(format!("{verb} {}\r\n", self.options.hostname).as_bytes());
        self.phase = Phase::Hello { esmtp };
    }

    /// What is still to be done before mail may be sent.
    pub(super) fn after_hello(&mut self, output: &mut Vec<u8>) {
        if self.tls.is_none() && self.options.tls != OutboundTls::Off {
            if self.offers.starttls && !self.starttls_refused {
                output.extend_from_slice(b"STARTTLS\r\n");
                self.phase = Phase::StartTls;
                return;
            }
            if self.tls_required() {
                let asked = self.running.as_ref().is_some_and(|running| running.job.needs_require_tls());
                let unfit = if asked { Unfit::NeedsTls } else { Unfit::NoTls };
                return self.leave(&Fate::Unfit(unfit), output);
            }
        }
        if let Some((user, password)) = &self.options.login
            && !self.logged_in
        {
            let offered = |name: &str| self.offers.auth.iter().any(|mechanism| mechanism == name);
            if self.tls.is_none() {
                return self.leave(&Fate::Unfit(Unfit::NoTls), output);
            } else if offered("PLAIN") {
                push_base64(output, b"AUTH PLAIN ", client::plain(user, password).expose());
                self.phase = Phase::Login(Login::Said);
            } else if offered("LOGIN") {
                output.extend_from_slice(b"AUTH LOGIN\r\n");
                self.phase = Phase::Login(Login::User);
            } else if offered("SCRAM-SHA-256") {
                // Under TLS it guards little more than PLAIN, and costs more: for hosts that have nothing else.
                let scram = client::Scram::new(user, password, &self.options.nonce, None);
                push_base64(output, b"AUTH SCRAM-SHA-256 ", &scram.first());
                self.phase = Phase::Login(Login::Scram(Box::new(scram)));
            } else {
                return self.leave(&Fate::Unfit(Unfit::NoLogin), output);
            }
            return;
        }
        self.phase = Phase::Rest;
    }

    pub(super) fn on_login(&mut self, reply: Reply, output: &mut Vec<u8>) {
        let Some((user, password)) = self.options.login.as_ref() else { return };
        let Phase::Login(step) = &mut self.phase else { return };
        match (step, reply.code) {
            // Success without the host's proof that it knows the password is no success (RFC 5802 §5).
            (Login::Scram(scram), 235) if !scram.is_verified() => self.lose("the host did not prove who it is"),
            (_, 235) => {
                self.logged_in = true;
                self.after_hello(output);
            }
            (Login::User, 334) => {
                let [user, _] = client::login(user, password);
                push_base64(output, b"", user.expose());
                self.phase = Phase::Login(Login::Password);
            }
            (Login::Password, 334) => {
                let [_, password] = client::login(user, password);
                push_base64(output, b"", password.expose());
                self.phase = Phase::Login(Login::Said);
            }
            (Login::Scram(scram), 334) => {
                match sasl::decode(reply.text.trim().as_bytes()).and_then(|challenge| scram.answer(&challenge)) {
                    Some(answer) => push_base64(output, b"", &answer),
                    None => self.lose("the host's side of SCRAM is wrong"),
                }
            }
            _ => self.leave(&Fate::Refused(Stage::Login, reply), output),
        }
    }
}

fn push_base64(output: &mut Vec<u8>, before: &[u8], octets: &[u8]) {
    output.extend_from_slice(before);
    output.extend_from_slice(sasl::encode(octets).as_bytes());
    output.extend_from_slice(b"\r\n");
}
