//! AUTH (RFC 4954): carries a SASL exchange.

use std::sync::Arc;

use super::{Ask, Next, Pending, Phase, Session, hello};
use crate::base::account::ScramKeys;
use crate::base::dialog::Input;
use crate::base::limits::LOGIN_FAILURES_MAX;
use crate::base::line::Framed;
use crate::base::time::Mono;
use crate::base::{Account, Reply};
use crate::sasl::{self, Exchange, Failure, Mechanism, Step as Sasl};
use crate::smtp::command::shown;

/// A login under way.
pub(super) struct Login {
    exchange: Exchange,
    /// For SCRAM, whose user and keys are known before the proof: who it will be.
    candidate: Option<(String, Option<Arc<Account>>)>,
}

impl Session {
    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<Vec<u8>>, output: &mut Vec<u8>) -> Next {
        let refusal = match Mechanism::parse(mechanism) {
            _ if !hello::takes_logins(&self.config) => Some(Reply::new(502, 5, 1, "No logins here")),
            _ if self.client.account.is_some() => Some(Reply::new(503, 5, 1, "Already logged in")),
            None => Some(self.no_mechanism("Unknown mechanism", mechanism)),
            Some(_) if !self.offer().passwords => {
                Some(Reply::new(538, 7, 11, "Encryption required: say STARTTLS first"))
            }
            Some(mechanism) if !mechanism.is_offered(self.offer()) => {
                Some(self.no_mechanism("Not available on this connection: mechanism", mechanism.name()))
            }
            Some(_) => None,
        };
        if let Some(reply) = refusal {
            self.say(&reply, output);
            return None;
        }
        let initial = match initial.as_deref().map(sasl::decode) {
            Some(None) => {
                self.say(&Reply::new(501, 5, 2, "Cannot decode base64"), output);
                return None;
            }
            Some(Some(response)) => Some(response),
            None => None,
        };
        let mechanism = Mechanism::parse(mechanism)?;
        self.login_attempts = self.login_attempts.wrapping_add(1);
        let nonce = sasl::nonce(&self.config.seed, self.login_attempts);
        let binding = self.client.tls.as_ref().and_then(|tls| tls.exporter.clone());
        let mut exchange = Exchange::new(mechanism, nonce, binding);
        let step = exchange.start(initial.as_deref());
        self.phase = Phase::Auth(Box::new(Login { exchange, candidate: None }));
        self.sasl(step, output)
    }

    /// 504 (RFC 4954 §4) with the mechanism that was asked for and those there are.
    fn no_mechanism(&self, what: &str, name: &str) -> Reply {
        let offered: Vec<_> = Mechanism::offered(self.offer()).map(Mechanism::name).collect();
        let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(" ") };
        Reply::new(504, 5, 4, format!("{what} {}, offered: {offered}", shown(name)))
    }

    /// One line of the client's side.
    pub(super) fn auth_line(&mut self, now: Mono, input: &mut Input, output: &mut Vec<u8>) -> Next {
        let (octets, taken, bare) = match self.lines.next(input) {
            Framed::Line { octets, taken, bare } => (octets, taken, bare),
            Framed::More => return self.wait(now, output),
            Framed::TooLong => return self.no_login(&super::too_long(), output),
        };
        self.deadline = None;
        let line = input.peek().get(..octets).unwrap_or_default();
        let cancelled = line == b"*";
        // An empty line is an empty response; `=` means that only for initial ones.
        let response = if line == b"=" { None } else { sasl::decode(line) };
        input.consume(taken);
        if cancelled {
            return self.no_login(&Reply::new(501, 7, 0, "Login cancelled"), output);
        }
        let (Some(response), false) = (response, bare) else {
            return self.no_login(&Reply::new(501, 5, 2, "Cannot decode base64"), output);
        };
        let Phase::Auth(login) = &mut self.phase else { return None };
        let step = login.exchange.respond(&response);
        self.sasl(step, output)
    }

    fn sasl(&mut self, step: Sasl, output: &mut Vec<u8>) -> Next {
        let Phase::Auth(login) = &mut self.phase else { return None };
        match step {
            Sasl::Challenge(challenge) => {
                output.extend_from_slice(b"334 ");
                output.extend_from_slice(sasl::encode(&challenge).as_bytes());
                output.extend_from_slice(b"\r\n");
                None
            }
            Sasl::NeedCredential(user) => Some(self.ask(Pending::Keys(user.clone()), Ask::Keys(user))),
            Sasl::CheckPassword { authcid, password } => {
                Some(self.ask(Pending::Password, Ask::Login(authcid, password)))
            }
            Sasl::Done(_) => match &login.candidate {
                Some((user, Some(_))) => {
                    let user = user.clone();
                    Some(self.ask(Pending::ScramEnded(true), Ask::LoginEnded(user, true)))
                }
                _ => self.no_login(&refused(), output),
            },
            Sasl::Failed(Failure::Refused) => match &login.candidate {
                Some((user, _)) => {
                    let user = user.clone();
                    Some(self.ask(Pending::ScramEnded(false), Ask::LoginEnded(user, false)))
                }
                None => self.no_login(&refused(), output),
            },
            Sasl::Failed(Failure::ChannelBinding) => {
                self.no_login(&Reply::new(535, 7, 0, "Channel binding does not match"), output)
            }
            Sasl::Failed(Failure::Malformed) => self.no_login(&Reply::new(501, 5, 2, "Malformed response"), output),
        }
    }

    pub(super) fn keys_found(
        &mut self,
        user: String,
        keys: &ScramKeys,
        account: Option<Arc<Account>>,
        output: &mut Vec<u8>,
    ) -> Next {
        let Phase::Auth(login) = &mut self.phase else { return None };
        let step = login.exchange.credential(keys, account.is_some());
        login.candidate = Some((user, account));
        self.sasl(step, output)
    }

    pub(super) fn password_checked(&mut self, account: Option<Arc<Account>>, output: &mut Vec<u8>) -> Next {
        let Phase::Auth(login) = &mut self.phase else { return None };
        match login.exchange.checked(account.is_some()) {
            Sasl::Done(user) => {
                login.candidate = Some((user, account));
                self.login_ended(true, output);
                None
            }
            _ => self.login_refused(output),
        }
    }

    /// The exchange is over and told.
    pub(super) fn login_ended(&mut self, ok: bool, output: &mut Vec<u8>) {
        let account = match &mut self.phase {
            Phase::Auth(login) if ok => login.candidate.take().and_then(|(_, account)| account),
            _ => None,
        };
        if account.is_none() {
            self.login_refused(output);
            return;
        }
        Arc::make_mut(&mut self.client).account = account;
        (self.moved_on, self.message_by) = (true, None);
        self.phase = Phase::Command;
        self.say(&Reply::new(235, 7, 0, "Logged in"), output);
    }

    /// A login that was checked and was wrong: who checked it has told the host.
    fn login_refused(&mut self, output: &mut Vec<u8>) -> Next {
        self.say_told(&refused(), output);
        self.login_failed(output)
    }

    /// A login that was not checked: who did not has told the host.
    pub(super) fn login_later(&mut self, output: &mut Vec<u8>) -> Next {
        self.say_told(&Reply::new(454, 7, 0, "Too many logins, try again later"), output);
        self.login_failed(output)
    }

    pub(super) fn no_login(&mut self, reply: &Reply, output: &mut Vec<u8>) -> Next {
        self.say(reply, output);
        self.login_failed(output)
    }

    fn login_failed(&mut self, output: &mut Vec<u8>) -> Next {
        if !matches!(self.phase, Phase::Over) {
            self.phase = Phase::Command;
        }
        self.deadline = None;
        self.login_failures += 1;
        if self.login_failures >= LOGIN_FAILURES_MAX {
            self.goodbye(7, 0, &format!("Too many failed logins, at most {LOGIN_FAILURES_MAX}"), output);
        }
        None
    }
}

/// The same for an unknown user and a wrong password (RFC 4954 §6).
fn refused() -> Reply {
    Reply::new(535, 7, 8, "Wrong user name or password")
}
