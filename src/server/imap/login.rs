//! LOGIN (RFC 9051 §6.2.3), and what a successful login of any kind comes to.

use std::sync::Arc;

use crate::base::{Account, Secret};
use crate::imap::response::Completion;
use crate::server::accounts;

use super::Session;
use super::refusal::Done;

impl Session {
    pub(super) async fn login(&mut self, user: &[u8], password: &Secret) -> Done {
        if !self.sasl_offer().passwords {
            return Ok(needs_privacy());
        }
        self.wire.flush().await?;
        let user = String::from_utf8_lossy(user);
        let account = accounts::login(&self.shared, self.door("login"), &user, password).await;
        self.login_told = account.is_none();
        Ok(self.logged_in(account))
    }

    /// Ends a login: with what it may do now, or with a refusal that does not say what was wrong.
    pub(super) fn logged_in(&mut self, account: Option<Arc<Account>>) -> Completion {
        let Some(account) = account else {
            self.failures += 1;
            return Completion::no("AUTHENTICATIONFAILED", "Authentication failed");
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
