//! What a delivery error means. The only file that knows: everybody else asks [`judge`].
//!
//! An error has a scope (this connection, this host, this message, this recipient) and is soft or hard. A soft error
//! is taken to the next address or host as long as there is one, and then the recipient is deferred; a hard error fails
//! the recipient at once; some errors are hard for a host only. What was lost after the end of the message is deferred
//! at once: the host may have the message, another one must not get it too. A refusal in the clear by a host that
//! offered TLS and did not do it is soft: with TLS it may think otherwise.

use crate::base::limits::DIAGNOSTIC_OCTETS_MAX;
use crate::base::{Enhanced, Reply};
use crate::smtp::client::{Fate, Stage, Unfit};

/// What to do about a recipient's fate at one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Delivered.
    Done,
    /// Given to this host once more in another transaction: it only takes so many recipients in one.
    Again,
    /// Tried elsewhere; where there is nothing else, deferred or, with `hard`, failed.
    Elsewhere {
        /// What the error reaches.
        scope: Scope,
        /// Whether it is final where no other host is left.
        hard: bool,
    },
    /// Deferred at once.
    Defer,
    /// Failed at once.
    Fail,
}

/// What an error reaches: whether another address of the same host may do better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The connection: the next address may do.
    Session,
    /// The host, or what it thinks of this message or recipient: only another host may do.
    Host,
}

const SESSION: Judgement = Judgement::Elsewhere { scope: Scope::Session, hard: false };
const HOST: Judgement = Judgement::Elsewhere { scope: Scope::Host, hard: false };
const HOST_FOR_GOOD: Judgement = Judgement::Elsewhere { scope: Scope::Host, hard: true };

/// Judges a fate. `others_taken`: whether the host took the same message for other recipients. `denied_tls`: whether
/// the session was in the clear though the host had offered TLS.
pub fn judge(fate: &Fate, others_taken: bool, denied_tls: bool) -> Judgement {
    match fate {
        Fate::Accepted(_) => Judgement::Done,
        Fate::Refused(stage, reply) if denied_tls && reply.is_permanent() && !is_of_address(*stage, reply) => HOST,
        Fate::Refused(stage, reply) => refused(*stage, reply, others_taken),
        Fate::Unfit(Unfit::NoTls | Unfit::NoLogin) => HOST,
        Fate::Unfit(Unfit::TooManyRecipients) => Judgement::Again,
        Fate::Unfit(_) => HOST_FOR_GOOD,
        // Possibly delivered.
        Fate::Lost(Stage::Final, _) => Judgement::Defer,
        Fate::Lost(..) => SESSION,
        Fate::Unread => Judgement::Defer,
    }
}

fn refused(stage: Stage, reply: &Reply, others_taken: bool) -> Judgement {
    if reply.code == 421 {
        return SESSION;
    }
    match stage {
        // RFC 7504 §4: these two say that there never is mail service.
        Stage::Greeting if matches!(reply.code, 521 | 556) => HOST_FOR_GOOD,
        // Other greetings of 5yz mostly speak of our address or of the hour, not of the message: another host,
        // or another day, may think otherwise.
        Stage::Greeting => SESSION,
        Stage::Hello if reply.is_permanent() => HOST_FOR_GOOD,
        Stage::Hello | Stage::Tls => HOST,
        // A wrong password is our administrator's mistake, not the sender's.
        Stage::Login => HOST,
        Stage::Recipient if others_taken && is_too_many(reply) => Judgement::Again,
        _ if reply.is_permanent() => Judgement::Fail,
        _ => HOST,
    }
}

/// Whether a refusal says that there is no such address or mailbox: TLS would not change that.
fn is_of_address(stage: Stage, reply: &Reply) -> bool {
    stage == Stage::Recipient && reply.enhanced.is_some_and(|enhanced| matches!(enhanced.subject, 1 | 2))
}

/// RFC 5321 §4.5.3.1.10: 452, or 552 from old hosts, says "too many recipients", unless its status code says that the
/// mailbox is full.
fn is_too_many(reply: &Reply) -> bool {
    let full = reply.enhanced.is_some_and(|e| e.subject == 2);
    matches!(reply.code, 452 | 552) && !full
}

/// Reply code, status code and text of a fate.
pub fn describe(fate: &Fate) -> (u16, Option<Enhanced>, String) {
    let (code, enhanced, text) = match fate {
        Fate::Accepted(reply) => (reply.code, reply.enhanced, reply.text.replace('\n', " ")),
        Fate::Refused(_, reply) => {
            let enhanced = reply.enhanced.unwrap_or(Enhanced::new((reply.code / 100) as u8, 0, 0));
            (reply.code, Some(enhanced), reply.text.replace('\n', " "))
        }
        Fate::Unfit(unfit) => (0, Some(unfit.status()), unfit.text()),
        Fate::Lost(Stage::Final, how) => {
            let text = format!("{how} after the message was sent; it may have been delivered");
            (0, Some(Enhanced::new(4, 4, 2)), text)
        }
        Fate::Lost(Stage::Tls, how) => (0, Some(Enhanced::new(4, 7, 5)), format!("TLS handshake: {how}")),
        Fate::Lost(stage, how) => (0, Some(Enhanced::new(4, 4, 2)), format!("{how} ({})", place(*stage))),
        Fate::Unread => (0, Some(Enhanced::new(4, 3, 0)), "the message could not be read from the store".to_owned()),
    };
    (code, enhanced, cut(text))
}

fn place(stage: Stage) -> &'static str {
    match stage {
        Stage::Greeting => "waiting for the greeting",
        Stage::Hello => "after EHLO",
        Stage::Tls => "after STARTTLS",
        Stage::Login => "while logging in",
        Stage::Mail => "after MAIL",
        Stage::Recipient => "after RCPT",
        Stage::Data => "after DATA",
        Stage::Body => "while sending the message",
        Stage::Final => "after the message",
    }
}

fn cut(mut text: String) -> String {
    let mut end = DIAGNOSTIC_OCTETS_MAX;
    while !text.is_char_boundary(end.min(text.len())) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let refused = |stage, code: u16, subject, detail| Fate::Refused(stage, Reply::new(code, subject, detail, "x"));
        let lost = |stage| Fate::Lost(stage, "gone".to_owned());
        for (fate, others, judgement) in [
            (Fate::Accepted(Reply::plain(250, "ok")), false, Judgement::Done),
            (refused(Stage::Greeting, 421, 3, 2), false, SESSION),
            (refused(Stage::Greeting, 450, 3, 2), false, SESSION),
            (refused(Stage::Greeting, 554, 7, 1), false, SESSION),
            (refused(Stage::Greeting, 521, 3, 2), false, HOST_FOR_GOOD),
            (refused(Stage::Hello, 450, 7, 1), false, HOST),
            (refused(Stage::Hello, 550, 7, 1), false, HOST_FOR_GOOD),
            (refused(Stage::Tls, 454, 7, 0), false, HOST),
            (refused(Stage::Tls, 554, 7, 0), false, HOST),
            (refused(Stage::Login, 535, 7, 8), false, HOST),
            (refused(Stage::Mail, 451, 7, 1), false, HOST),
            (refused(Stage::Mail, 550, 7, 1), false, Judgement::Fail),
            (refused(Stage::Mail, 421, 3, 2), false, SESSION),
            (refused(Stage::Recipient, 450, 2, 0), false, HOST),
            (refused(Stage::Recipient, 550, 1, 1), true, Judgement::Fail),
            (refused(Stage::Recipient, 452, 5, 3), true, Judgement::Again),
            (refused(Stage::Recipient, 452, 5, 3), false, HOST),
            (refused(Stage::Recipient, 452, 2, 2), true, HOST),
            (refused(Stage::Recipient, 552, 5, 3), true, Judgement::Again),
            (refused(Stage::Recipient, 552, 2, 2), true, Judgement::Fail),
            (refused(Stage::Recipient, 552, 5, 3), false, Judgement::Fail),
            (refused(Stage::Data, 451, 3, 0), false, HOST),
            (refused(Stage::Data, 554, 3, 0), false, Judgement::Fail),
            (refused(Stage::Final, 452, 3, 1), false, HOST),
            (refused(Stage::Final, 554, 6, 0), false, Judgement::Fail),
            (lost(Stage::Greeting), false, SESSION),
            (lost(Stage::Tls), false, SESSION),
            (lost(Stage::Body), false, SESSION),
            (lost(Stage::Final), false, Judgement::Defer),
            (Fate::Unfit(Unfit::NoTls), false, HOST),
            (Fate::Unfit(Unfit::NoLogin), false, HOST),
            (Fate::Unfit(Unfit::NoUtf8), false, HOST_FOR_GOOD),
            (Fate::Unfit(Unfit::NoEightBit), false, HOST_FOR_GOOD),
            (Fate::Unfit(Unfit::TooLarge { octets_max: 1 }), false, HOST_FOR_GOOD),
            (Fate::Unread, false, Judgement::Defer),
        ] {
            assert_eq!(judge(&fate, others, false), judgement, "{fate:?} {others}");
        }
    }

    #[test]
    fn a_refusal_without_the_tls_that_was_offered_is_soft() {
        let refused = |stage, code: u16, subject, detail| Fate::Refused(stage, Reply::new(code, subject, detail, "x"));
        for (fate, judgement) in [
            (refused(Stage::Mail, 530, 7, 0), HOST),
            (refused(Stage::Mail, 550, 7, 10), HOST),
            (refused(Stage::Hello, 550, 7, 1), HOST),
            (refused(Stage::Recipient, 550, 7, 1), HOST),
            (Fate::Refused(Stage::Recipient, Reply::plain(550, "no")), HOST),
            (refused(Stage::Recipient, 550, 1, 1), Judgement::Fail),
            (refused(Stage::Recipient, 552, 2, 2), Judgement::Fail),
            (refused(Stage::Final, 554, 7, 0), HOST),
            (refused(Stage::Mail, 451, 7, 0), HOST),
            (Fate::Accepted(Reply::plain(250, "ok")), Judgement::Done),
        ] {
            assert_eq!(judge(&fate, false, true), judgement, "{fate:?}");
        }
    }

    #[test]
    fn every_refusal_has_a_status() {
        let plain = Fate::Refused(Stage::Recipient, Reply::plain(550, "no\nreally"));
        assert_eq!(describe(&plain), (550, Some(Enhanced::new(5, 0, 0)), "no really".to_owned()));
        for (octets, kept) in [
            (DIAGNOSTIC_OCTETS_MAX - 1, DIAGNOSTIC_OCTETS_MAX - 1),
            (DIAGNOSTIC_OCTETS_MAX, DIAGNOSTIC_OCTETS_MAX),
            (DIAGNOSTIC_OCTETS_MAX + 1, DIAGNOSTIC_OCTETS_MAX),
        ] {
            assert_eq!(describe(&Fate::Accepted(Reply::plain(250, "x".repeat(octets)))).2.len(), kept);
        }
        let umlauts = Fate::Accepted(Reply::plain(250, format!("x{}", "ü".repeat(DIAGNOSTIC_OCTETS_MAX))));
        assert_eq!(describe(&umlauts).2.len(), DIAGNOSTIC_OCTETS_MAX - 1);
    }

    #[test]
    fn what_is_lost_says_where() {
        for (stage, detail, text) in [
            (Stage::Greeting, (4, 2), "gone (waiting for the greeting)"),
            (Stage::Hello, (4, 2), "gone (after EHLO)"),
            (Stage::Tls, (7, 5), "TLS handshake: gone"),
            (Stage::Login, (4, 2), "gone (while logging in)"),
            (Stage::Mail, (4, 2), "gone (after MAIL)"),
            (Stage::Recipient, (4, 2), "gone (after RCPT)"),
            (Stage::Data, (4, 2), "gone (after DATA)"),
            (Stage::Body, (4, 2), "gone (while sending the message)"),
            (Stage::Final, (4, 2), "gone after the message was sent; it may have been delivered"),
        ] {
            let status = Enhanced::new(4, detail.0, detail.1);
            assert_eq!(describe(&Fate::Lost(stage, "gone".to_owned())), (0, Some(status), text.to_owned()));
        }
        let unread = "the message could not be read from the store".to_owned();
        assert_eq!(describe(&Fate::Unread), (0, Some(Enhanced::new(4, 3, 0)), unread));
        let unfit = Unfit::NoTls;
        assert_eq!(describe(&Fate::Unfit(unfit)), (0, Some(unfit.status()), unfit.text()));
    }
}
