//! AUTHENTICATE and its exchange (RFC 5804 §2.1). No password is taken in the clear unless the host said so, and what
//! went wrong is told alike for unknown users and wrong passwords.

use super::{Ask, Login, LoginTrouble, Phase, Session};
use crate::base::Secret;
use crate::base::account::ScramKeys;
use crate::base::dialog::Step;
use crate::base::limits::LOGIN_FAILURES_MAX;
use crate::managesieve::command::put_string;
use crate::sasl::{self, Exchange, Failure, Mechanism};

impl Session {
    fn login(&mut self) -> Option<&mut Login> {
        match &mut self.phase {
            Phase::Login(login) => Some(login),
            Phase::Managing(_) | Phase::Over => None,
        }
    }

    pub(super) fn authenticate(
        &mut self,
        mechanism: &str,
        initial: Option<Secret>,
        output: &mut Vec<u8>,
    ) -> Option<Step<Ask>> {
        if self.login().is_none() {
            return self.bad("somebody has logged in", output);
        }
        let Some(mechanism) = Mechanism::parse(mechanism).filter(|m| m.is_offered(self.offer())) else {
            if self.offer().passwords {
                return self.bad("mechanism not offered", output);
            }
            self.no("(ENCRYPT-NEEDED) ", "use STARTTLS first", output);
            self.count_error(output);
            return None;
        };
        let initial = match initial.map(|text| sasl::decode(text.expose())) {
            Some(None) => return self.bad("that is not base64", output),
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

    /// A string of the client's within an exchange; `None` is something else.
    pub(super) fn response(&mut self, response: Option<Vec<u8>>, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        let decoded = response.as_ref().filter(|text| *text != b"*").map(|text| sasl::decode(text));
        let login = self.login()?;
        match (decoded, &mut login.exchange) {
            (Some(Some(response)), Some(exchange)) => {
                let step = exchange.respond(&response);
                self.exchange_step(step, output)
            }
            (decoded, _) => {
                *login = Login::default();
                if response.is_some() && decoded.is_none() {
                    self.no("", "login cancelled", output);
                    return None;
                }
                self.bad("that is not base64", output)
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
                put_string(output, sasl::encode(&challenge).as_bytes());
                output.extend_from_slice(b"\r\n");
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
                    (Failure::Malformed, _) => self.bad("malformed response", output),
                    (Failure::Refused, None) => {
                        self.login_refused("", "wrong user name or password", false, output);
                        None
                    }
                    (Failure::ChannelBinding, _) => {
                        self.login_refused("", "channel binding does not match", false, output);
                        None
                    }
                }
            }
        }
    }

    pub(super) fn logged_in(&mut self, opened: Result<String, LoginTrouble>, output: &mut Vec<u8>) {
        match opened {
            Ok(owner) => {
                self.phase = Phase::Managing(owner);
                self.ok("logged in", output);
            }
            Err(LoginTrouble::Refused) => self.login_refused("", "wrong user name or password", true, output),
            Err(LoginTrouble::Later) => {
                self.login_refused("(TRYLATER) ", "too many logins, try again later", true, output);
            }
        }
    }

    /// A failed login; `was_told` where who checked it has told the host. The last that is allowed ends the session.
    fn login_refused(&mut self, code: &str, why: &str, was_told: bool, output: &mut Vec<u8>) {
        if let Some(login) = self.login() {
            *login = Login::default();
        }
        self.failures += 1;
        if self.failures >= LOGIN_FAILURES_MAX {
            let text = format!("{why}; too many failed logins, at most {LOGIN_FAILURES_MAX}, closing");
            return self.goodbye(&text, output);
        }
        self.no(code, why, output);
        if was_told {
            self.refused = None;
        }
    }
}
