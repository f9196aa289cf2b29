//! What the host program is told: plain data, one value per thing that happened.
//!
//! Rooms say events through an [`EventSink`]; `engine::events` keeps the bounded queue that the host
//! pulls. An event is said after the commit it speaks of and after the reply to the peer was flushed
//! where there is one. Events carry ids and texts, never message bodies or secrets.

use super::mailbox::{AccountId, MailboxId, QueueId, Uid};
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
    Login {
        /// `smtp`, `pop3`, `imap`
        protocol: &'static str,
        /// Name given.
        user: String,
        /// Address of the peer.
        peer: String,
        /// Whether it succeeded.
        ok: bool,
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
        /// `rcpt`, `data`
        hook: &'static str,
    },
    /// The host was asked for a decision and gave none that can be used: the peer was told to try again later.
    HookFailed {
        /// `rcpt`, `data`
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
