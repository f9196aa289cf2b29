//! LOGIN, server side: asks for the user, then for the password. An initial response is the user.

use super::{Failure, Step};
use crate::base::Secret;

/// One exchange.
#[derive(Default)]
pub(super) struct Login {
    user: Option<String>,
    asked_password: bool,
}

impl Login {
    /// The first challenge. Clients compare its text: it is not to be improved.
    pub(super) fn start(&mut self) -> Step {
        Step::Challenge(b"Username:".to_vec())
    }

    /// The user, then the password.
    pub(super) fn respond(&mut self, response: &[u8]) -> Step {
        match &self.user {
            None => match std::str::from_utf8(response) {
                Ok(user) if !user.is_empty() && !user.contains('\0') => {
                    self.user = Some(user.to_owned());
                    self.asked_password = true;
                    Step::Challenge(b"Password:".to_vec())
                }
                _ => Step::Failed(Failure::Malformed),
            },
            Some(user) if self.asked_password => {
                self.asked_password = false;
                Step::CheckPassword { authcid: user.clone(), password: Secret::new(response) }
            }
            Some(_) => Step::Failed(Failure::Malformed),
        }
    }

    /// Who asked, once.
    pub(super) fn take_user(&mut self) -> Option<String> {
        self.user.take()
    }
}
