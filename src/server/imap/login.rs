//! LOGIN (RFC 9051 §6.2.3), and what a successful login of any kind comes to.

use std::sync::Arc;

use crate::base::{Account, Secret};
use crate::imap::framing::Framing;
use crate::imap::response::Completion;
use crate::imap::session::Enabled;
use crate::server::accounts::{self, Denied};
use crate::server::asked::{self, No};
use crate::smtp::server::Client;

use super::Session;
use super::refusal::{Done, Stop};

impl Session {
    pub(super) async fn login(&mut self, user: &[u8], password: &Secret) -> Done {
        if !self.sasl_offer().passwords {
            return Ok(needs_privacy());
        }
        self.wire.flush().await?;
        let user = String::from_utf8_lossy(user);
        let (client, door) = (self.client(), self.door("login"));
        match asked::login(&self.shared, &client, door, &user, password).await {
            Ok(account) => Ok(self.logged_in(Ok(account)).await),
            Err(no) => self.login_refused(no).await,
        }
    }

    /// The client, for who decides about logins.
    pub(super) fn client(&self) -> Client {
        asked::client(self.service, self.ends, self.tls.clone())
    }

    /// What a refusal of whoever decides comes to here.
    pub(super) async fn login_refused(&mut self, no: No) -> Done {
        match no {
            No::HangUp => {
                self.wire.out.clear();
                Err(Stop::Wire(std::io::ErrorKind::ConnectionAborted.into()))
            }
            No::Denied(denied) => {
                self.login_told = true;
                Ok(self.logged_in(Err(denied)).await)
            }
            No::Reply(reply) if reply.is_transient() => Ok(Completion::no("UNAVAILABLE", reply.text)),
            No::Reply(reply) => {
                self.failures += 1;
                Ok(Completion::no("AUTHENTICATIONFAILED", reply.text))
            }
        }
    }

    /// Nobody is logged in any more, and nothing is enabled; TLS stays (RFC 8437).
    pub(super) async fn unauthenticate(&mut self) -> Done {
        let _ = self.leave().await;
        self.seat.logged_out();
        (self.account, self.account_watch) = (None, None);
        self.enabled = Enabled::default();
        (self.notify, self.annotations) = (None, None);
        self.framing = Framing::new();
        self.began = self.shared.world.clock.now();
        Ok(Completion::ok("Nobody is logged in now").with_code(format!("CAPABILITY {}", self.capabilities())))
    }

    /// Ends a login: with what it may do now, or with a refusal that does not say what was wrong.
    pub(super) async fn logged_in(&mut self, account: Result<Arc<Account>, Denied>) -> Completion {
        let noted = match account {
            Ok(account) => accounts::note(&self.shared, &self.seat, account).await,
            Err(denied) => Err(denied),
        };
        let account = match noted {
            Ok(account) => account,
            Err(denied) => {
                self.failures += 1;
                return match denied {
                    Denied::Wrong => Completion::no("AUTHENTICATIONFAILED", "Authentication failed"),
                    Denied::Later => Completion::no("UNAVAILABLE", "Too many logins, try again later"),
                };
            }
        };
        self.account_watch = Some(self.shared.store.watch_account(account.id));
        self.account = Some(account);
        self.framing.widen();
        self.failures = 0;
        Completion::ok("Logged in").with_code(format!("CAPABILITY {}", self.capabilities()))
    }
}

/// Passwords are not taken on this connection.
pub(super) fn needs_privacy() -> Completion {
    Completion::no("PRIVACYREQUIRED", "Login needs TLS")
}
