//! How a session ends by the server's will: each reason with its `* BYE`, which names the limit, and the refusals that
//! the host is told of.

use std::time::Duration;

use crate::base::dialog::Dismissal;
use crate::base::event::{Event, Refused};
use crate::base::limits::{
    EVENT_TEXT_OCTETS_MAX, IMAP_COMMAND_LINE_OCTETS_MAX, IMAP_ERRORS_MAX, IMAP_SKIP_OCTETS_MAX, LOGIN_FAILURES_MAX,
    SASL_LINE_OCTETS_MAX,
};
use crate::imap::response::{Completion, Status};

use super::Session;

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// LOGOUT.
    Logout,
    /// The engine stops.
    Draining,
    /// Nothing came for so long.
    Idle(Duration),
    /// Nobody logged in for so long.
    LoginLate(Duration),
    /// Too many BAD answers in a row.
    Errors,
    /// Too many failed logins.
    Logins,
    /// A line within AUTHENTICATE or IDLE is too long.
    Line,
    /// A command is too large to be passed over.
    Command,
    /// Octets came in the clear behind STARTTLS.
    Injection,
    /// The selected mailbox is gone.
    Deleted,
    /// The account is gone.
    Account,
    /// The session is dismissed.
    Dismissed(Dismissal),
    /// A message comes too slowly.
    Slow,
}

impl Goodbye {
    /// What the client is told.
    fn text(self) -> String {
        match self {
            Goodbye::Logout => "Logging out".to_owned(),
            Goodbye::Draining => "Server shutting down".to_owned(),
            Goodbye::Idle(wait) => format!("Autologout; idle for more than {} seconds", wait.as_secs()),
            Goodbye::LoginLate(wait) => format!("Autologout; no login within {} seconds", wait.as_secs()),
            Goodbye::Errors => format!("Too many errors, at most {IMAP_ERRORS_MAX} in a row"),
            Goodbye::Logins => format!("Too many failed logins, at most {LOGIN_FAILURES_MAX}"),
            Goodbye::Line => format!("Line too long, at most {SASL_LINE_OCTETS_MAX} bytes here"),
            Goodbye::Command => format!(
                "Command too large, lines have at most {IMAP_COMMAND_LINE_OCTETS_MAX} bytes, and literals that are \
                 refused at most {IMAP_SKIP_OCTETS_MAX}"
            ),
            Goodbye::Injection => "Nothing may follow STARTTLS before the TLS handshake".to_owned(),
            Goodbye::Deleted => "The selected mailbox was deleted".to_owned(),
            Goodbye::Account => Dismissal::Account.text().to_owned(),
            Goodbye::Dismissed(why) => why.text().to_owned(),
            Goodbye::Slow => "The message comes too slowly".to_owned(),
        }
    }

    /// Whether it is a refusal, and at which stage.
    fn stage(self) -> Option<&'static str> {
        match self {
            Goodbye::Logout | Goodbye::Draining | Goodbye::Idle(_) | Goodbye::Deleted | Goodbye::Account => None,
            Goodbye::Dismissed(Dismissal::Account | Dismissal::Password | Dismissal::Host) => None,
            Goodbye::LoginLate(_) | Goodbye::Logins | Goodbye::Dismissed(Dismissal::Room) => Some("login"),
            Goodbye::Injection => Some("starttls"),
            Goodbye::Errors | Goodbye::Line | Goodbye::Command | Goodbye::Slow => Some("command"),
        }
    }
}

impl Session {
    /// `* BYE`; nothing is read after it.
    pub(super) fn bye(&mut self, why: Goodbye) {
        if self.over {
            return;
        }
        let text = why.text();
        self.wire.out.extend_from_slice(format!("* BYE {text}\r\n").as_bytes());
        self.over = true;
        if let Some(stage) = why.stage() {
            self.tell_refused(stage, "", &text, true);
        }
    }

    /// The end of a session that said nothing for too long.
    pub(super) fn late(&mut self) {
        let waits = self.shared.settings.waits;
        let is_in = self.account.is_some();
        self.bye(if is_in { Goodbye::Idle(waits.imap_idle) } else { Goodbye::LoginLate(self.login_wait) });
    }

    /// Tells the host of an answer that refuses: any, before the login; afterwards those that name a limit or trouble
    /// of ours. Of a failed login it has been told already.
    pub(super) fn note(&mut self, answer: &Completion) {
        let was_told = std::mem::take(&mut self.login_told);
        if answer.status == Status::Ok || was_told {
            return;
        }
        let code = answer.code.split(' ').next().unwrap_or_default();
        if self.account.is_none() {
            self.tell_refused("login", code, &answer.text, false);
        } else if matches!(code, "LIMIT" | "OVERQUOTA" | "TOOBIG" | "UNAVAILABLE" | "SERVERBUG") {
            self.tell_refused("command", code, &answer.text, false);
        }
    }

    fn tell_refused(&self, stage: &'static str, code: &str, text: &str, closed: bool) {
        let user = self.account.as_ref().map(|account| account.address.to_string()).unwrap_or_default();
        let reason = text.chars().take(EVENT_TEXT_OCTETS_MAX / 4).collect();
        let refused = Refused::of_session(self.service, self.ends.peer, stage, reason);
        let refused = Refused { user, enhanced: code.to_owned(), closed, ..refused };
        self.shared.events.say(Event::Refused(Box::new(refused)));
    }
}
