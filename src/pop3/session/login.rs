//! Logins: USER and PASS, AUTH with its exchange (RFC 5034). No password is taken in the clear unless the host said
//! so, and what went wrong is told alike for unknown users and wrong passwords.

use super::{Ask, Login, LoginTrouble, OpenedMaildrop, Phase, Session, mechanism_names};
use crate::base::Secret;
use crate::base::account::ScramKeys;
use crate::base::dialog::Step;
use crate::base::limits::LOGIN_FAILURES_MAX;
use crate::pop3::maildrop::Maildrop;
use crate::pop3::reply::{err, line, ok};
use crate::sasl::{self, Exchange, Failure, Mechanism};

impl Session {
    fn login(&mut self) -> Option<&mut Login> {
        match &mut self.phase {
            Phase::Authorization(login) => Some(login),
            Phase::Transaction(_) | Phase::Over => None,
        }
    }

    pub(super) fn user(&mut self, name: String, output: &mut Vec<u8>) {
        if !self.offer().passwords {
            return self.bad("[AUTH] use STLS first", output);
        }
        if let Some(login) = self.login() {
            login.user = Some(name);
        }
        ok(output, "now the password");
    }

    pub(super) fn pass(&mut self, password: Secret, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        if !self.offer().passwords {
            self.bad("[AUTH] use STLS first", output);
            return None;
        }
        match self.login().and_then(|login| login.user.take()) {
            Some(user) => Some(Step::Ask(Ask::Login { user, password })),
            None => {
                self.bad("USER comes first", output);
                None
            }
        }
    }

    /// AUTH without a mechanism: what clients older than CAPA ask.
    pub(super) fn mechanisms(&self, output: &mut Vec<u8>) {
        ok(output, "mechanisms follow");
        let names = mechanism_names(self.offer(), "\r\n");
        if !names.is_empty() {
            line(output, &[&names]);
        }
        line(output, &["."]);
    }

    pub(super) fn auth(
        &mut self,
        mechanism: &str,
        initial: Option<Vec<u8>>,
        output: &mut Vec<u8>,
    ) -> Option<Step<Ask>> {
        let Some(mechanism) = Mechanism::parse(mechanism).filter(|m| m.is_offered(self.offer())) else {
            let why = match self.offer().passwords {
                true => format!("mechanism not offered, offered: {}", mechanism_names(self.offer(), " ")),
                false => "[AUTH] use STLS first".to_owned(),
            };
            self.bad(&why, output);
            return None;
        };
        let initial = match initial.map(|text| sasl::decode(&text)) {
            Some(None) => {
                self.bad("that is not base64", output);
                return None;
            }
            Some(decoded) => decoded,
            None => None,
        };
        self.exchanges += 1;
        let nonce = sasl::nonce(&self.settings.nonce_seed, self.exchanges);
        let binding = self.tls.as_ref().and_then(|tls| tls.exporter.clone());
        let mut exchange = Exchange::new(mechanism, nonce, binding);
        let step = exchange.start(initial.as_deref());
        *self.login()? = Login { exchange: Some(exchange), ..Login::default() };
        self.exchange_step(step, output)
    }

    /// A line of the client's within an exchange: `None` is `*`, `Some(None)` no base64.
    pub(super) fn response(&mut self, response: Option<Option<Vec<u8>>>, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        let login = self.login()?;
        match (response, &mut login.exchange) {
            (Some(Some(response)), Some(exchange)) => {
                let step = exchange.respond(&response);
                self.exchange_step(step, output)
            }
            (Some(None), _) => {
                *login = Login::default();
                self.bad("that is not base64", output);
                None
            }
            _ => {
                *login = Login::default();
                self.refuse("login cancelled", output);
                None
            }
        }
    }

    pub(super) fn scram_keys(&mut self, keys: &ScramKeys, known: bool, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        let step = self.login()?.exchange.as_mut()?.credential(keys, known);
        self.exchange_step(step, output)
    }

    fn exchange_step(&mut self, step: sasl::Step, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        let login = self.login()?;
        match step {
            sasl::Step::Challenge(challenge) => {
                line(output, &["+ ", &sasl::encode(&challenge)]);
                None
            }
            sasl::Step::NeedCredential(user) => {
                login.scram_user = Some(user.clone());
                Some(Step::Ask(Ask::ScramKeys(user)))
            }
            sasl::Step::CheckPassword { authcid, password } => {
                *login = Login::default();
                Some(Step::Ask(Ask::Login { user: authcid, password }))
            }
            sasl::Step::Done(user) => {
                *login = Login::default();
                Some(Step::Ask(Ask::ScramEnded { user, right: true }))
            }
            sasl::Step::Failed(failure) => {
                let user = std::mem::take(login).scram_user;
                match (failure, user) {
                    (Failure::Refused, Some(user)) => Some(Step::Ask(Ask::ScramEnded { user, right: false })),
                    (Failure::Malformed, _) => {
                        self.bad("malformed response", output);
                        None
                    }
                    (Failure::Refused, None) => {
                        self.login_refused("[AUTH] wrong user name or password", false, output);
                        None
                    }
                    (Failure::ChannelBinding, _) => {
                        self.login_refused("[AUTH] channel binding does not match", false, output);
                        None
                    }
                }
            }
        }
    }

    pub(super) fn logged_in(&mut self, opened: Result<OpenedMaildrop, LoginTrouble>, output: &mut Vec<u8>) {
        if let Some(login) = self.login() {
            *login = Login::default();
        }
        match opened {
            Ok(opened) => {
                let maildrop = Maildrop::new(opened.uid_validity, opened.messages);
                let (count, octets) = maildrop.left();
                ok(output, &format!("maildrop has {count} messages ({octets} octets)"));
                self.phase = Phase::Transaction(maildrop);
            }
            Err(LoginTrouble::InUse) => self.refuse("[IN-USE] another session has the maildrop", output),
            Err(LoginTrouble::Unavailable) => self.refuse("[SYS/TEMP] the maildrop cannot be opened now", output),
            Err(LoginTrouble::HangUp) => self.phase = Phase::Over,
            Err(LoginTrouble::Refused) => self.login_refused("[AUTH] wrong user name or password", true, output),
            Err(LoginTrouble::Later) => {
                if let Some(login) = self.login() {
                    *login = Login::default();
                }
                self.login_refused("[SYS/TEMP] too many logins, try again later", true, output);
            }
        }
    }

    /// A failed login; `was_told` where who checked it has told the host. The last that is allowed ends the session.
    fn login_refused(&mut self, why: &str, was_told: bool, output: &mut Vec<u8>) {
        self.failures += 1;
        let is_last = self.failures >= LOGIN_FAILURES_MAX;
        let text = match is_last {
            false => why.to_owned(),
            true => format!("{why}; too many failed logins, at most {LOGIN_FAILURES_MAX}, closing"),
        };
        match (is_last, was_told) {
            (true, _) => self.goodbye(&text, output),
            (false, true) => err(output, &text),
            (false, false) => self.refuse(&text, output),
        }
    }
}
