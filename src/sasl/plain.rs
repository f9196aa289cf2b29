//! PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd`, server side.

use super::{Failure, Step, is_same_account};
use crate::base::Secret;

/// One exchange.
#[derive(Default)]
pub(super) struct Plain {
    user: Option<String>,
}

impl Plain {
    /// The only message there is.
    pub(super) fn respond(&mut self, message: &[u8]) -> Step {
        let mut parts = message.split(|octet| *octet == 0);
        let (Some(authzid), Some(authcid), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Step::Failed(Failure::Malformed);
        };
        let Ok(user) = std::str::from_utf8(authcid) else {
            return Step::Failed(Failure::Malformed);
        };
        // An empty password is a wrong one.
        if user.is_empty() {
            return Step::Failed(Failure::Malformed);
        }
        let same = |authzid: &str| is_same_account(authzid, user);
        if !authzid.is_empty() && !std::str::from_utf8(authzid).is_ok_and(same) {
            return Step::Failed(Failure::Refused);
        }
        self.user = Some(user.to_owned());
        Step::CheckPassword { authcid: user.to_owned(), password: Secret::new(password) }
    }

    /// Who asked, once.
    pub(super) fn take_user(&mut self) -> Option<String> {
        self.user.take()
    }
}
