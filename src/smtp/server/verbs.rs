//! Which verb may be said when: one row for each, checked before its arguments are even read.

use crate::base::{Reply, Service};
use crate::smtp::command::Verb;

/// What a verb needs of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing.
    Nothing,
    /// That there is none.
    None,
    /// One that has not come to BDAT yet.
    Open,
    /// One with a recipient.
    Recipients,
}

/// A verb's row.
pub(super) struct Row {
    verb: Verb,
    /// Whether it belongs to LMTP (`Some(true)`), to SMTP (`Some(false)`), to both.
    lmtp: Option<bool>,
    /// Whether EHLO or its like must come first.
    hello: bool,
    /// Whether submission wants a login first.
    login: bool,
    needs: Needs,
    /// Whether it moves nothing forward, so that too many in a row end the session.
    pub(super) idle: bool,
}

const fn row(verb: Verb, lmtp: Option<bool>, hello: bool, login: bool, needs: Needs, idle: bool) -> Row {
    Row { verb, lmtp, hello, login, needs, idle }
}

/// The rows. RFC 5321 §4.1.4 has the order of commands; BDAT checks its transaction itself, since its octets
/// must be read whatever the reply will be.
#[rustfmt::skip]
const ROWS: [Row; 15] = [
    //  verb            lmtp          hello  login  needs              idle
    row(Verb::Ehlo,     Some(false),  false, false, Needs::Nothing,    true),
    row(Verb::Helo,     Some(false),  false, false, Needs::Nothing,    true),
    row(Verb::Lhlo,     Some(true),   false, false, Needs::Nothing,    true),
    row(Verb::Mail,     None,         true,  true,  Needs::None,       false),
    row(Verb::Rcpt,     None,         true,  true,  Needs::Open,       false),
    row(Verb::Data,     None,         true,  true,  Needs::Recipients, false),
    row(Verb::Bdat,     None,         false, false, Needs::Nothing,    false),
    row(Verb::Rset,     None,         false, false, Needs::Nothing,    true),
    row(Verb::Noop,     None,         false, false, Needs::Nothing,    true),
    row(Verb::Vrfy,     None,         false, true,  Needs::Nothing,    true),
    row(Verb::Expn,     None,         false, true,  Needs::Nothing,    true),
    row(Verb::Help,     None,         false, false, Needs::Nothing,    true),
    row(Verb::Quit,     None,         false, false, Needs::Nothing,    false),
    row(Verb::StartTls, None,         true,  false, Needs::None,       false),
    row(Verb::Auth,     None,         true,  false, Needs::None,       false),
];

/// How a session stands, as far as the rows ask.
pub(super) struct Standing {
    pub(super) service: Service,
    pub(super) greeted: bool,
    pub(super) logged_in: bool,
    /// Whether there is a transaction, how many recipients it has, and whether BDAT has begun.
    pub(super) transaction: Option<(usize, bool)>,
}

/// The row of a verb, where it may be said now; the reply to it where it may not.
pub(super) fn check(verb: Verb, standing: &Standing) -> Result<&'static Row, Reply> {
    let is_lmtp = standing.service == Service::Lmtp;
    let Some(row) = ROWS.iter().find(|row| row.verb == verb && row.lmtp.is_none_or(|lmtp| lmtp == is_lmtp)) else {
        return Err(Reply::new(500, 5, 1, format!("Unknown command {}", verb.name())));
    };
    let sequence = |text: &str| Err(Reply::new(503, 5, 1, text));
    if row.hello && !standing.greeted {
        return sequence(if is_lmtp { "Say LHLO first" } else { "Say EHLO first" });
    }
    let submission = matches!(standing.service, Service::Submission | Service::Submissions);
    if row.login && submission && !standing.logged_in {
        return Err(Reply::new(530, 7, 0, "Authentication required"));
    }
    match (row.needs, standing.transaction) {
        (Needs::None, Some(_)) => sequence("A mail transaction is under way"),
        (Needs::Open | Needs::Recipients, None) => sequence("Say MAIL first"),
        (Needs::Open | Needs::Recipients, Some((_, true))) => sequence("BDAT has begun"),
        (Needs::Recipients, Some((0, _))) => no_recipients(standing.service),
        _ => Ok(row),
    }
}

/// RFC 5321 §3.3 leaves 554 and 503 to us; RFC 2033 §4.2 wants 503.
pub(super) fn no_recipients<T>(service: Service) -> Result<T, Reply> {
    let code = if service == Service::Lmtp { 503 } else { 554 };
    Err(Reply::new(code, 5, 1, "No valid recipients"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_its_row() {
        for (verb, name) in Verb::NAMES {
            assert_eq!(ROWS.iter().filter(|row| row.verb == verb).count(), 1, "{name}");
        }
    }
}
