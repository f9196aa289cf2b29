//! The session up to its first transaction: greeting, EHLO or HELO, STARTTLS, AUTH.

use base64::Engine as _;

use super::{Client, Fate, Login, Phase, Stage, Unfit};
use crate::base::Reply;
use crate::base::settings::OutboundTls;
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
                return self.leave(&Fate::Unfit(Unfit::NoTls), output);
            }
        }
        if let Some((user, password)) = &self.options.login
            && !self.logged_in
        {
            let offered = |name: &str| self.offers.auth.iter().any(|mechanism| mechanism == name);
            if self.tls.is_none() {
                return self.leave(&Fate::Unfit(Unfit::NoTls), output);
            } else if offered("PLAIN") {
                let mut secret = [b"\0", user.as_bytes(), b"\0"].concat();
                secret.extend_from_slice(password.expose());
                push_base64(output, b"AUTH PLAIN ", &secret);
                self.phase = Phase::Login(Login::Plain);
            } else if offered("LOGIN") {
                output.extend_from_slice(b"AUTH LOGIN\r\n");
                self.phase = Phase::Login(Login::User);
            } else {
                return self.leave(&Fate::Unfit(Unfit::NoLogin), output);
            }
            return;
        }
        self.phase = Phase::Rest;
    }

    pub(super) fn on_login(&mut self, step: Login, reply: Reply, output: &mut Vec<u8>) {
        let Some((user, password)) = self.options.login.as_ref() else { return };
        match (step, reply.code) {
            (_, 235) => {
                self.logged_in = true;
                self.after_hello(output);
            }
            (Login::User, 334) => {
                push_base64(output, b"", user.as_bytes());
                self.phase = Phase::Login(Login::Password);
            }
            (Login::Password, 334) => {
                push_base64(output, b"", password.expose());
                self.phase = Phase::Login(Login::Plain);
            }
            _ => self.leave(&Fate::Refused(Stage::Login, reply), output),
        }
    }
}

fn push_base64(output: &mut Vec<u8>, before: &[u8], octets: &[u8]) {
    output.extend_from_slice(before);
    output.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(octets).as_bytes());
    output.extend_from_slice(b"\r\n");
}
