//! What the host program is told: plain data, one value per thing that happened.
//!
//! Rooms say events through an [`EventSink`]; `engine::events` keeps the bounded queue that the host
//! pulls. An event that speaks of a commit is said after it; a refusal is said when its reply is made.
//! Events carry ids and texts, never message bodies or secrets. `docs/events.md` lists every event with its fields.

use std::net::SocketAddr;

use super::mailbox::{AccountId, MailboxId, QueueId, Uid};
use super::settings::Service;
use super::time::Timestamp;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The engine is ready: all that was asked for listens.
    Started,
    /// The engine has drained and stopped.
    Stopped,
    /// A message was accepted into the outbound queue.
    Queued {
        /// Its queue id.
        id: QueueId,
        /// Reverse-path, empty for `<>`.
        from: String,
        /// Forward-paths.
        to: Vec<String>,
        /// Octets, prefix included.
        size: u64,
    },
    /// A message was filed into a mailbox.
    Filed {
        /// Whose.
        account: AccountId,
        /// The account's address.
        address: String,
        /// Where.
        mailbox: MailboxId,
        /// The mailbox's name.
        mailbox_name: String,
        /// As which message.
        uid: Uid,
        /// Octets.
        size: u64,
        /// Where it came from.
        origin: Origin,
    },
    /// An attempt for one recipient came to an end.
    Attempted {
        /// Queue id.
        id: QueueId,
        /// Forward-path.
        recipient: String,
        /// What came of it.
        outcome: Outcome,
        /// Host that was talked to, where any was reached.
        host: String,
        /// Reply code, 0 where none was received.
        code: u16,
        /// Enhanced status code, empty where none.
        enhanced: String,
        /// What the peer said, or what went wrong.
        text: String,
        /// When the next attempt is due, for `Deferred`.
        next: Option<Timestamp>,
    },
    /// A bounce was written for a message.
    Bounced {
        /// The message that failed.
        id: QueueId,
        /// The report's own queue id; `None` where it was filed to a local sender at once.
        report: Option<QueueId>,
        /// Whom it goes to.
        to: String,
    },
    /// A peer logged in, or failed to.
    Login(Login),
    /// A peer was refused something: a recipient, a message, a command, the connection. Failed logins are
    /// [`Event::Login`].
    Refused(Box<Refused>),
    /// Something that will cause trouble if nobody looks after it: a certificate that is expired or for another name.
    Warning {
        /// What it is about: `certificate`, `sessions` (a listener is full), `sieve` (a script could not be obeyed),
        /// `submission` (an account reached a limit),
        /// `unknown` (mail for a user who does not exist is dropped).
        about: &'static str,
        /// What is wrong, and what to do.
        text: String,
    },
    /// The store failed and came back, or stays down.
    Store {
        /// Whether it is down now.
        down: bool,
        /// What happened.
        text: String,
    },
    /// The host is asked for a decision, and a peer waits for it: never dropped, and taken back when nobody waits
    /// any more.
    Request {
        /// What the answer is given to.
        id: u64,
        /// `connect`, `hello`, `login`, `scram`, `mail`, `rcpt`, `rcpt_refused`, `data`
        hook: &'static str,
    },
    /// The host was asked for a decision and gave none that can be used: the peer was told to try again later.
    HookFailed {
        /// As for [`Event::Request`].
        hook: &'static str,
        /// Why.
        text: String,
    },
    /// A session ended by a fault of ours: its peer lost the connection, nobody else is touched.
    SessionBroken {
        /// What went wrong.
        text: String,
    },
    /// A DMARC report that somebody sent us was read: it and all its rows can be asked for.
    DmarcReport {
        /// Its id among the reports.
        id: i64,
        /// Whose mail it is about.
        domain: String,
        /// Who reports.
        organization: String,
    },
    /// A TLS report that somebody sent us was read.
    TlsReport {
        /// Its id among the reports.
        id: i64,
        /// Whose mail it is about, by commas.
        domain: String,
        /// Who reports.
        organization: String,
    },
    /// A mail that came tells what became of a message of ours: a bounce, a receipt, a complaint.
    Reported(Box<RemoteReport>),
    /// Somebody is blocked for a time, after too many failures: the host may want to ban them further out.
    Penalty {
        /// What is blocked: `address`, `network` (/24, of IPv6 /48), `account` (to addresses it never logged in from).
        about: &'static str,
        /// The address, the first address of the network, or the name of the account.
        who: String,
        /// Address and port of the peer whose failure was the last.
        peer: String,
        /// What failed: `login`, `rcpt` (recipients that do not exist).
        cause: &'static str,
        /// How many failures count against them now.
        count: u32,
        /// How long it lasts, in seconds.
        seconds: u64,
    },
    /// A connection ended before its session did: the handshake failed, the peer went away, it took nothing any more.
    ConnectionBroken(Box<Refused>),
    /// What the library notes in passing, where the setting `log.level` asks for it.
    Log {
        /// `error`, `warn`, `info`, `debug`, `trace`
        level: &'static str,
        /// The part of the library: `mailcore::tls`.
        target: String,
        /// What.
        text: String,
    },
    /// A line of a connection that is traced. Secrets are stars, octets of messages a count.
    Dialog {
        /// Which listener the peer called.
        service: Service,
        /// Address and port of the peer.
        peer: String,
        /// `C` for the client, `S` for the server.
        side: &'static str,
        /// The line, cut where it is long.
        text: String,
    },
    /// Something inside broke and was contained.
    Fatal {
        /// What.
        text: String,
    },
    /// The host was too slow: so many events were dropped.
    Overflow {
        /// How many.
        dropped: u64,
    },
}

/// Where a message that was filed came from. Fields are empty where there is nothing to say: a message that the host
/// or a client put into a mailbox has no sender, one that was checked nowhere no verdicts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Reverse-path, empty for `<>`.
    pub from: String,
    /// Address and port of the peer that handed it in.
    pub peer: String,
    /// What its checks came to, as in Authentication-Results: `spf=pass; dkim=pass; dmarc=pass`.
    pub verdicts: String,
    /// The id that its Received field and its reply have.
    pub trace: String,
}

/// How an attempt to log in ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Which listener the peer called.
    pub service: Service,
    /// Address and port of the peer.
    pub peer: String,
    /// Name given.
    pub user: String,
    /// The command: `auth`, `login`, `authenticate`, `pass`.
    pub stage: &'static str,
    /// Whether it succeeded.
    pub ok: bool,
    /// Reply code of SMTP, 0 for other protocols.
    pub code: u16,
    /// Enhanced status code of SMTP, response code of IMAP or POP3; empty after a success.
    pub enhanced: &'static str,
    /// Why it failed; empty after a success. The peer is not told.
    pub reason: &'static str,
    /// How many attempts this event stands for: 1, or more where they came too fast to be said one by one.
    pub count: u64,
}

/// What a mail that came tells of a message of ours (RFC 3464, RFC 5965, RFC 8098, or the words of a mail system).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoteReport {
    /// Queue id of that message, where it is known.
    pub id: Option<QueueId>,
    /// By what it was found: `envelope_id`, `message_id`, `verp`; empty where it was not.
    pub matched: &'static str,
    /// `failed`, `delayed`, `delivered`, `relayed`, `expanded`, `complaint`, `unsubscribed`, `displayed`, `deleted`.
    pub kind: &'static str,
    /// Whom it is about; empty where the report does not say.
    pub recipient: String,
    /// Of a failure or delay: `hard`, `soft`, `full`, `spam`, `policy`, `dns`; otherwise empty.
    pub class: &'static str,
    /// The rule that chose the class.
    pub rule: &'static str,
    /// SMTP reply code, 0 where there is none.
    pub code: u16,
    /// Enhanced status code, empty where there is none.
    pub enhanced: String,
    /// What the reporting host says.
    pub text: String,
    /// Who reports.
    pub reporter: String,
    /// Message-ID of the message, where the report gives it.
    pub message_id: String,
    /// ENVID of the message, where the report gives it.
    pub envelope_id: String,
    /// Whether the recipient gets no more mail because of it.
    pub suppressed: bool,
}

/// What a peer was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which listener the peer called.
    pub service: Service,
    /// Address and port of the peer.
    pub peer: String,
    /// Address of the account that has logged in; empty where none has.
    pub user: String,
    /// The name the peer gave in EHLO, HELO or LHLO.
    pub helo: String,
    /// When: `connect`, `command` (between two commands, or one that has no stage of its own), `hello`, `starttls`,
    /// `auth`, `mail`, `rcpt`, `data`, `login`; for a connection that broke also `handshake`.
    pub stage: &'static str,
    /// Reply code of SMTP, 0 for other protocols.
    pub code: u16,
    /// Enhanced status code of SMTP, response code of IMAP or POP3; empty where there is none.
    pub enhanced: String,
    /// What the peer was told.
    pub reason: String,
    /// Whether the connection ended with it.
    pub closed: bool,
    /// Reverse-path, empty for `<>` and before MAIL.
    pub from: String,
    /// The recipients it is about, at most `EVENT_RECIPIENTS_MAX` of them; none before RCPT.
    pub to: Vec<String>,
    /// How many refusals this event stands for: 1, or more where they came too fast to be said one by one.
    pub count: u64,
}

impl Refused {
    /// One refusal that is not about a message: `peer` was told `reason` at `stage`. The connection goes on.
    pub fn of_session(service: Service, peer: SocketAddr, stage: &'static str, reason: String) -> Refused {
        Refused {
            service,
            peer: peer.to_string(),
            user: String::new(),
            helo: String::new(),
            stage,
            code: 0,
            enhanced: String::new(),
            reason,
            closed: false,
            from: String::new(),
            to: Vec::new(),
            count: 1,
        }
    }
}

/// What came of an attempt for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The next host took responsibility.
    Delivered,
    /// Later again.
    Deferred,
    /// Given up for good; a bounce follows unless the reverse-path is null.
    Failed,
    /// The queue lifetime is over; as `Failed`.
    Expired,
}

/// Takes events. Never blocks.
pub trait EventSink: Send + Sync {
    /// Says `event`.
    fn say(&self, event: Event);

    /// Says several that came about together; whoever listens is woken once.
    fn say_all(&self, events: Vec<Event>) {
        events.into_iter().for_each(|event| self.say(event));
    }
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silence;

impl EventSink for Silence {
    fn say(&self, _event: Event) {}
}
