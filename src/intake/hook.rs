//! The host's say: what it is asked about a client, a login, a recipient or a message, and what it may decide.
//!
//! The host is asked once our own policy has spoken, and told what that came to: it may leave it so, or decide
//! otherwise. What it says to the peer is checked before the peer hears it; a host that does not answer, or
//! answers with what cannot be, costs the peer a 451 and never a message.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;

use crate::base::limits::{HOOK_REPLY_LINE_OCTETS_MAX, HOOK_REPLY_LINES_MAX};
use crate::base::world::BoxFuture;
use crate::base::{Address, Content, Enhanced, Envelope, Error, ErrorKind, Recipient, Reply, Result, Secret};
use crate::delivery::wire::front;
use crate::mailauth::Verdicts;
use crate::message::header::split_entity;
use crate::smtp::server::Client;

use super::Intake;

/// Who is asked: the host program, behind the engine.
pub trait Program: Send + Sync {
    /// Whether it wants to be asked at this point. Asked before a question is made.
    fn wants(&self, point: Point) -> bool;
    /// Asks. Always completes: what stands for a host that does not answer is [`Decision::Refuse`] with a 451.
    fn decide(&self, question: Question) -> BoxFuture<'static, Decision>;
}

/// Where in a session the host is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// When a client has connected, before the greeting.
    Connect,
    /// At EHLO, HELO and LHLO.
    Hello,
    /// At a login with a password, of any protocol.
    Login,
    /// At a login by SCRAM, of any protocol: whose keys the exchange needs.
    Scram,
    /// At MAIL, for each sender that our own policy takes.
    Sender,
    /// At RCPT, for each recipient that our own policy takes.
    Recipient,
    /// At RCPT, for each recipient that our own policy refuses.
    RefusedRecipient,
    /// When the message is complete, before it is filed or queued, and before the peer has its reply.
    Message,
}

impl Point {
    /// All of them.
    pub const ALL: [Point; 8] = [
        Point::Connect,
        Point::Hello,
        Point::Login,
        Point::Scram,
        Point::Sender,
        Point::Recipient,
        Point::RefusedRecipient,
        Point::Message,
    ];

    /// Its name in events: the verb that waits.
    pub fn name(self) -> &'static str {
        match self {
            Point::Connect => "connect",
            Point::Hello => "hello",
            Point::Login => "login",
            Point::Scram => "scram",
            Point::Sender => "mail",
            Point::Recipient => "rcpt",
            Point::RefusedRecipient => "rcpt_refused",
            Point::Message => "data",
        }
    }
}

/// What the host is asked, with all that is known.
#[derive(Debug, Clone)]
pub struct Question {
    point: Point,
    /// Who hands the message in, and by which service.
    pub client: Client,
    /// From whom and for whom; at [`Point::Recipient`] with the one recipient asked about.
    pub envelope: Envelope,
    /// The message as the peer sent it, at [`Point::Message`].
    pub content: Option<Content>,
    /// What its checks came to, for mail that is checked.
    pub verdicts: Option<Verdicts>,
    /// What our own policy says.
    pub policy: Policy,
    /// Who logs in, at [`Point::Login`] and [`Point::Scram`].
    pub login: Option<Login>,
}

/// Who logs in.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name that was given.
    pub user: String,
    /// The password that was given, at [`Point::Login`].
    pub password: Option<Secret>,
}

/// What our own policy says of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// Into the recipients' INBOX, or on its way.
    Accept,
    /// Into the recipients' Junk mailbox.
    Junk,
    /// Refused with this reply.
    Reject(Reply),
}

/// What the host decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// As our own policy says.
    Policy,
    /// Accepted whatever our own policy says.
    Accept,
    /// Accepted, into the Junk mailbox of the recipients here.
    Junk,
    /// Refused, for now (4yz) or for good (5yz).
    Refuse(Refusal),
    /// Accepted for this address in place of all recipients.
    Redirect(Address),
    /// The login succeeds, or at [`Point::Scram`] depends on the proof.
    Login {
        /// The account; made where there is none. `None`: of the name that was given.
        account: Option<Address>,
        /// At [`Point::Scram`]: the password.
        password: Option<Secret>,
    },
}

impl Question {
    /// Where in the session it is asked.
    pub fn point(&self) -> Point {
        self.point
    }

    /// A question about a client, before there is a transaction.
    pub fn of_client(point: Point, client: Client) -> Question {
        let (envelope, content, verdicts) = (Envelope::default(), None, None);
        Question { point, client, envelope, content, verdicts, policy: Policy::Accept, login: None }
    }

    /// The peer's address.
    pub fn peer(&self) -> IpAddr {
        self.client.ends.peer.ip().to_canonical()
    }

    /// Octets of the message, or what MAIL declared; 0 where it declared nothing.
    pub fn size(&self) -> u64 {
        self.content.as_ref().map_or(self.envelope.size_declared.unwrap_or(0), Content::len)
    }

    /// The message's header with its empty line, up to what is looked at of any header.
    pub fn header(&self) -> io::Result<Vec<u8>> {
        let Some(content) = &self.content else { return Ok(Vec::new()) };
        let front = front(content)?;
        Ok(split_entity(&front).0.to_vec())
    }

    /// Whether `decision` can be an answer: `Invalid` for one about a message where there is none yet.
    pub fn check(&self, decision: &Decision) -> Result<()> {
        use Decision::{Accept, Junk, Login, Policy, Redirect, Refuse};
        let why = match (self.point, decision) {
            (_, Policy | Refuse(_)) => return Ok(()),
            (Point::Scram, Login { password: Some(_), .. }) => return Ok(()),
            (Point::Scram, _) => "SCRAM needs the password, or a refusal",
            (Point::Login, Accept | Login { password: None, .. }) => return Ok(()),
            // As an acceptance with more said than it needs.
            (_, Login { .. }) if self.point != Point::Login => return Ok(()),
            (_, Login { .. }) | (Point::Login, _) => "a login can be accepted or refused, nothing else",
            (Point::Message, _) | (_, Accept) => return Ok(()),
            (Point::Recipient | Point::RefusedRecipient, Redirect(_)) => return Ok(()),
            (Point::Recipient | Point::RefusedRecipient, Junk) => "a recipient cannot be junk, only a message",
            _ => "this can be accepted or refused, nothing else",
        };
        Err(Error::new(ErrorKind::Invalid, why))
    }
}

/// What a message that is taken is taken as.
pub(super) struct Taken<'a> {
    /// Whether it goes into Junk.
    pub(super) junk: bool,
    /// Its envelope, with other recipients where the host redirects it.
    pub(super) envelope: Cow<'a, Envelope>,
}

impl Intake {
    /// The last word on a complete message: the host's, or `policy`'s where the host is not asked or agrees.
    pub(super) async fn decide<'a>(
        &self,
        client: &Client,
        envelope: &'a Envelope,
        content: &Content,
        verdicts: Option<&Verdicts>,
        policy: Policy,
    ) -> std::result::Result<Taken<'a>, Reply> {
        let decision = match self.host.as_ref().filter(|host| host.wants(Point::Message)) {
            None => Decision::Policy,
            Some(host) => {
                let (client, envelope, content) = (client.clone(), envelope.clone(), Some(content.clone()));
                let (verdicts, policy) = (verdicts.cloned(), policy.clone());
                let point = Point::Message;
                host.decide(Question { point, client, envelope, content, verdicts, policy, login: None }).await
            }
        };
        let taken = |junk| Ok(Taken { junk, envelope: Cow::Borrowed(envelope) });
        match (decision, policy) {
            (Decision::Policy, Policy::Reject(reply)) => Err(reply),
            (Decision::Policy, Policy::Accept) | (Decision::Accept | Decision::Login { .. }, _) => taken(false),
            (Decision::Policy, Policy::Junk) | (Decision::Junk, _) => taken(true),
            (Decision::Refuse(refusal), _) => Err(refusal.reply(envelope.smtputf8)),
            (Decision::Redirect(address), _) => {
                Ok(Taken { junk: false, envelope: Cow::Owned(redirected(envelope, address)) })
            }
        }
    }

    /// The host's word on what is not about a message: whether the session may go on. Who does not want to be asked
    /// says yes.
    pub async fn decide_session(
        &self,
        point: Point,
        client: &Client,
        envelope: &Envelope,
    ) -> std::result::Result<(), Reply> {
        let Some(host) = self.host.as_ref().filter(|host| host.wants(point)) else { return Ok(()) };
        let question = Question { envelope: envelope.clone(), ..Question::of_client(point, client.clone()) };
        match host.decide(question).await {
            Decision::Refuse(refusal) => Err(refusal.reply(envelope.smtputf8)),
            _ => Ok(()),
        }
    }

    /// The host's word on the one recipient of `envelope`, of which our own policy says `verdict`: the recipient that
    /// takes its place, if any.
    pub(super) async fn decide_recipient(
        &self,
        client: &Client,
        envelope: &Envelope,
        verdict: std::result::Result<(), Reply>,
    ) -> std::result::Result<Option<Recipient>, Reply> {
        let point = if verdict.is_ok() { Point::Recipient } else { Point::RefusedRecipient };
        let Some(host) = self.host.as_ref().filter(|host| host.wants(point)) else { return verdict.map(|()| None) };
        let policy = verdict.as_ref().err().map_or(Policy::Accept, |reply| Policy::Reject(reply.clone()));
        let asked = Question { envelope: envelope.clone(), policy, ..Question::of_client(point, client.clone()) };
        match host.decide(asked).await {
            Decision::Policy => verdict.map(|()| None),
            Decision::Refuse(refusal) => Err(refusal.reply(envelope.smtputf8)),
            Decision::Redirect(address) => Ok(redirected(envelope, address).recipients.into_iter().next()),
            Decision::Accept | Decision::Junk | Decision::Login { .. } => Ok(None),
        }
    }
}

/// The envelope for the host's recipient. What a single recipient's sender asked for goes on with it, as through an
/// alias (RFC 3461 §5.2.7); of several, none speaks for the others.
fn redirected(envelope: &Envelope, address: Address) -> Envelope {
    let mut recipient = Recipient::new(address);
    if let [only] = envelope.recipients.as_slice() {
        recipient.notify = only.notify;
        recipient.original = only.original.clone().or_else(|| Some(format!("rfc822;{}", only.address)));
    }
    envelope.for_one(recipient)
}

/// A refusal in the host's words, fit to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(Reply);

impl Refusal {
    /// Checks a refusal: `Invalid` for a code that is no 4yz or 5yz (RFC 5321 §4.2), for 421, with which only the
    /// session itself ends, for a status code of another class (RFC 2034 §4; without one it is `x.7.1`), and for a
    /// text with control characters, a line over `HOOK_REPLY_LINE_OCTETS_MAX` or more than `HOOK_REPLY_LINES_MAX`
    /// lines. LF, or CRLF, separates lines.
    pub fn new(code: u16, enhanced: Option<Enhanced>, text: &str) -> Result<Refusal> {
        let invalid = |what: String| Err(Error::new(ErrorKind::Invalid, what));
        let refuses = (400..=559).contains(&code) && code % 100 < 60 && code != 421;
        if !refuses {
            return invalid(format!("{code} is no reply code that refuses a message"));
        }
        let class = (code / 100) as u8;
        let enhanced = enhanced.unwrap_or(Enhanced::new(class, 7, 1));
        if enhanced.class != class || enhanced.subject > 999 || enhanced.detail > 999 {
            return invalid(format!("status code {enhanced} does not go with reply code {code}"));
        }
        let text = text.replace("\r\n", "\n");
        let text = text.trim_end_matches('\n');
        if text.contains(|c: char| c.is_control() && c != '\n') {
            return invalid("the text of a reply has a control character".to_owned());
        }
        if text.split('\n').count() > HOOK_REPLY_LINES_MAX {
            return invalid(format!("the text of a reply has more than {HOOK_REPLY_LINES_MAX} lines"));
        }
        if text.split('\n').any(|line| line.len() > HOOK_REPLY_LINE_OCTETS_MAX) {
            return invalid(format!("a line of a reply has more than {HOOK_REPLY_LINE_OCTETS_MAX} octets"));
        }
        let standard = if class == 4 { "Refused for now, try again later" } else { "Refused" };
        let text = if text.trim().is_empty() { standard } else { text };
        Ok(Refusal(Reply { code, enhanced: Some(enhanced), text: text.to_owned() }))
    }

    /// What stands for a host that did not answer: nothing is lost, the peer tries again.
    pub fn unanswered(stopping: bool) -> Refusal {
        Refusal(match stopping {
            true => Reply::new(451, 3, 2, "Service going down, try again"),
            false => Reply::new(451, 3, 0, "Local trouble, try again later"),
        })
    }

    /// Whether the peer may try again.
    pub fn is_transient(&self) -> bool {
        self.0.is_transient()
    }

    /// The reply for a peer: where it did not ask for UTF-8 (RFC 6531 §3.7.4.2), other characters become `?`.
    pub fn reply(&self, smtputf8: bool) -> Reply {
        let mut reply = self.0.clone();
        if !smtputf8 {
            reply.text = reply.text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_keeps_what_one_sender_asked_for() {
        let address = |text: &str| Address::parse(text).unwrap();
        let mut envelope = Envelope::default().for_one(Recipient::new(address("bob@example.net")));
        envelope.recipients[0].notify = crate::base::envelope::Notify::NEVER;
        let [to] = &redirected(&envelope, address("carol@far.example")).recipients[..] else { panic!() };
        assert_eq!((to.address.to_string(), to.notify.failure), ("carol@far.example".to_owned(), false));
        assert_eq!(to.original.as_deref(), Some("rfc822;bob@example.net"));
        envelope.recipients.push(Recipient::new(address("dan@example.net")));
        let [to] = &redirected(&envelope, address("carol@far.example")).recipients[..] else { panic!() };
        assert_eq!((to.notify.failure, to.original.as_deref()), (true, None));
    }

    #[test]
    fn refusals_are_checked() {
        let long = "x".repeat(HOOK_REPLY_LINE_OCTETS_MAX);
        let lines = "x\n".repeat(HOOK_REPLY_LINES_MAX);
        for (code, enhanced, text, good) in [
            (550, None, "no", true),
            (450, None, "no", true),
            (559, None, "", true),
            (421, None, "no", false),
            (250, None, "no", false),
            (399, None, "no", false),
            (465, None, "no", false),
            (560, None, "no", false),
            (0, None, "no", false),
            (65_535, None, "no", false),
            (550, Some((5, 7, 27)), "no", true),
            (550, Some((4, 7, 1)), "no", false),
            (550, Some((5, 1000, 0)), "no", false),
            (550, None, "no\r\nnever", true),
            (550, None, "no\rnever", false),
            (550, None, "no\tnever", false),
            (550, None, "no\u{7f}", false),
            (550, None, "no\u{9b}", false),
            (550, None, long.as_str(), true),
            (550, None, &format!("{long}x"), false),
            (550, None, lines.as_str(), true),
            (550, None, &format!("{lines}x"), false),
        ] {
            let enhanced = enhanced.map(|(class, subject, detail)| Enhanced::new(class, subject, detail));
            assert_eq!(Refusal::new(code, enhanced, text).is_ok(), good, "{code} {enhanced:?} {text:?}");
        }
    }

    #[test]
    fn peers_hear_what_they_can_read() {
        let refusal = Refusal::new(550, None, "zur\u{fc}ck\r\nan den Absender\r\n").unwrap();
        assert_eq!(refusal.reply(true), Reply::new(550, 7, 1, "zur\u{fc}ck\nan den Absender"));
        assert_eq!(refusal.reply(false), Reply::new(550, 7, 1, "zur?ck\nan den Absender"));
        assert_eq!(Refusal::new(450, None, " \n").unwrap().reply(false).text, "Refused for now, try again later");
    }
}
