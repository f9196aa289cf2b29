//! Responses: OK, NO, BYE with their codes, and the capabilities (RFC 5804 §1.3, §1.7).

use super::{Ask, Phase, Refusal, Session, Trouble};
use crate::base::dialog::Step;
use crate::base::limits::SIEVE_REDIRECTS_MAX;
use crate::managesieve::command::put_string;
use crate::sasl::Mechanism;

impl Session {
    pub(super) fn capabilities(&self, output: &mut Vec<u8>) {
        let mut line = |name: &str, value: Option<&str>| {
            put_string(output, name.as_bytes());
            if let Some(value) = value {
                output.push(b' ');
                put_string(output, value.as_bytes());
            }
            output.extend_from_slice(b"\r\n");
        };
        let mechanisms: Vec<_> = Mechanism::offered(self.offer()).map(Mechanism::name).collect();
        line("IMPLEMENTATION", Some("libmailcore"));
        line("SASL", Some(&mechanisms.join(" ")));
        line("SIEVE", Some(&self.settings.extensions));
        line("NOTIFY", Some("mailto"));
        line("MAXREDIRECTS", Some(&SIEVE_REDIRECTS_MAX.to_string()));
        if self.settings.can_start_tls && self.tls.is_none() {
            line("STARTTLS", None);
        }
        if let Phase::Managing(owner) = &self.phase {
            line("OWNER", Some(owner));
        }
        line("UNAUTHENTICATE", None);
        line("VERSION", Some("1.0"));
    }

    pub(super) fn ok(&self, text: &str, output: &mut Vec<u8>) {
        respond("OK", "", text, output);
    }

    /// `NO` with a code, `(CODE) `.
    pub(super) fn no(&mut self, code: &str, text: &str, output: &mut Vec<u8>) {
        respond("NO", code, text, output);
        if !matches!(self.phase, Phase::Managing(_)) {
            self.tell(text, false);
        }
    }

    /// A command that was no good: answered, counted.
    pub(super) fn bad(&mut self, text: &str, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        self.no("", text, output);
        self.count_error(output);
        None
    }

    pub(super) fn bye(&self, text: &str, output: &mut Vec<u8>) {
        respond("BYE", "", text, output);
    }

    pub(super) fn bye_trying_later(&self, text: &str, output: &mut Vec<u8>) {
        respond("BYE", "(TRYLATER) ", text, output);
    }

    /// `BYE` and the end, told to the host.
    pub(super) fn goodbye(&mut self, text: &str, output: &mut Vec<u8>) {
        self.bye(text, output);
        self.tell(text, true);
        self.phase = Phase::Over;
    }

    pub(super) fn tell(&mut self, reason: &str, closed: bool) {
        let stage = if matches!(self.phase, Phase::Managing(_)) { "command" } else { "login" };
        self.refused = Some(Refusal { stage, reason: reason.to_owned(), closed });
    }

    pub(super) fn trouble(&mut self, trouble: &Trouble, output: &mut Vec<u8>) {
        let (code, text) = match trouble {
            Trouble::NonExistent => ("(NONEXISTENT) ", "there is no script of this name"),
            Trouble::AlreadyExists => ("(ALREADYEXISTS) ", "there is a script of this name"),
            Trouble::Active => ("(ACTIVE) ", "the script is active"),
            Trouble::TooMany => ("(QUOTA/MAXSCRIPTS) ", "there are too many scripts"),
            Trouble::TooLarge => ("(QUOTA/MAXSIZE) ", "the script is too large"),
            Trouble::Wrong(why) => ("", why.as_str()),
            Trouble::TryLater => ("(TRYLATER) ", "this cannot be done now"),
        };
        self.no(code, text, output);
    }
}

fn respond(word: &str, code: &str, text: &str, output: &mut Vec<u8>) {
    output.extend_from_slice(word.as_bytes());
    if !code.is_empty() || !text.is_empty() {
        output.push(b' ');
    }
    output.extend_from_slice(code.as_bytes());
    if text.is_empty() {
        while output.last() == Some(&b' ') {
            output.pop();
        }
    } else {
        put_string(output, text.as_bytes());
    }
    output.extend_from_slice(b"\r\n");
}
