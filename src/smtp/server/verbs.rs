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

/// Which protocol a verb belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Smtp,
    Lmtp,
    Both,
}

/// What is known of a verb.
pub(super) struct VerbRow {
    verb: Verb,
    protocol: Protocol,
    /// Whether EHLO or its like must come first.
    needs_hello: bool,
    /// Whether submission wants a login first.
    needs_login: bool,
    needs: Needs,
    /// Whether it moves nothing forward, so that too many in a row end the session.
    pub(super) is_idle: bool,
}

/// A verb that may be said at any time.
const fn any_time(verb: Verb) -> VerbRow {
    let (protocol, needs) = (Protocol::Both, Needs::Nothing);
    VerbRow { verb, protocol, needs_hello: false, needs_login: false, needs, is_idle: false }
}

/// A verb of a transaction.
const fn of_transaction(verb: Verb, needs: Needs) -> VerbRow {
    VerbRow { needs_hello: true, needs_login: true, needs, ..any_time(verb) }
}

/// The rows. RFC 5321 §4.1.4 has the order of commands; BDAT checks its transaction itself, since its octets
/// must be read whatever the reply will be.
const ROWS: [VerbRow; 17] = [
    VerbRow { protocol: Protocol::Smtp, is_idle: true, ..any_time(Verb::Ehlo) },
    VerbRow { protocol: Protocol::Smtp, is_idle: true, ..any_time(Verb::Helo) },
    VerbRow { protocol: Protocol::Lmtp, is_idle: true, ..any_time(Verb::Lhlo) },
    of_transaction(Verb::Mail, Needs::None),
    of_transaction(Verb::Rcpt, Needs::Open),
    of_transaction(Verb::Data, Needs::Recipients),
    any_time(Verb::Bdat),
    VerbRow { is_idle: true, ..any_time(Verb::Rset) },
    VerbRow { is_idle: true, ..any_time(Verb::Noop) },
    VerbRow { needs_login: true, is_idle: true, ..any_time(Verb::Vrfy) },
    VerbRow { needs_login: true, is_idle: true, ..any_time(Verb::Expn) },
    VerbRow { is_idle: true, ..any_time(Verb::Help) },
    any_time(Verb::Quit),
    VerbRow { needs_hello: true, needs: Needs::None, ..any_time(Verb::StartTls) },
    VerbRow { needs_hello: true, needs: Needs::None, ..any_time(Verb::Auth) },
    VerbRow { protocol: Protocol::Smtp, needs: Needs::None, is_idle: true, ..any_time(Verb::XClient) },
    VerbRow { protocol: Protocol::Smtp, needs: Needs::None, is_idle: true, ..any_time(Verb::XForward) },
];

/// How a session stands, as far as the rows ask.
pub(super) struct Standing {
    pub(super) service: Service,
    pub(super) greeted: bool,
    pub(super) logged_in: bool,
    /// Whether XCLIENT and XFORWARD are believed.
    pub(super) trusted: bool,
    /// Whether there is a transaction, how many recipients it has, and whether BDAT has begun.
    pub(super) transaction: Option<(usize, bool)>,
}

/// The row of a verb, where it may be said now; the reply to it where it may not.
pub(super) fn check(verb: Verb, standing: &Standing) -> Result<&'static VerbRow, Reply> {
    let is_lmtp = standing.service == Service::Lmtp;
    let other = if is_lmtp { Protocol::Smtp } else { Protocol::Lmtp };
    let Some(row) = ROWS.iter().find(|row| row.verb == verb && row.protocol != other) else {
        return Err(Reply::new(500, 5, 1, format!("Unknown command {}", verb.name())));
    };
    let sequence = |text: &str| Err(Reply::new(503, 5, 1, text));
    if row.needs_hello && !standing.greeted {
        return sequence(if is_lmtp { "Say LHLO first" } else { "Say EHLO first" });
    }
    let submission = matches!(standing.service, Service::Submission | Service::Submissions);
    if row.needs_login && submission && !standing.logged_in {
        return Err(Reply::new(530, 7, 0, "Authentication required"));
    }
    if matches!(verb, Verb::XClient | Verb::XForward) && !standing.trusted {
        return Err(Reply::new(550, 7, 0, "Insufficient authorization"));
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
