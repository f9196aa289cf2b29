//! What goes into a run and what comes out of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::place::{Fault, Place};
use super::super::program::Program;
use crate::base::{Address, Timestamp};

/// A script to be run.
#[derive(Debug, Clone)]
pub struct Script {
    /// What it is called in faults and notes.
    pub name: Arc<str>,
    /// What it says.
    pub program: Arc<Program>,
}

/// A message and what is known of its passage.
#[derive(Debug, Clone, Copy)]
pub struct Mail<'a> {
    /// Its octets from the beginning: the header at least, more where a program reads the body.
    pub octets: &'a [u8],
    /// How long all of it is.
    pub size: u64,
    /// The reverse-path; `None` is `<>`.
    pub from: Option<&'a Address>,
    /// The forward-path it came by.
    pub to: Option<&'a Address>,
    /// Who had logged in to send it.
    pub login: Option<&'a str>,
    /// The owner's address first, then others that are the owner's.
    pub own: &'a [Address],
    /// What separates the user from the detail of a local part.
    pub separator: Option<char>,
    /// When it is filed.
    pub now: Timestamp,
    /// Our name.
    pub host: &'a str,
    /// The client's address, where one is known.
    pub client: Option<&'a str>,
    /// How likely it is spam, in percent; `None` where nobody looked.
    pub spam: Option<u8>,
    /// Random octets for the Message-IDs of what is sent.
    pub random: [u8; 16],
}

/// What is known of the world, by question.
pub type Facts = BTreeMap<Question, Answer>;

/// Something of the world that a script wants to know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Whether there is a mailbox of this name.
    Mailbox(String),
    /// Whether a mailbox, or any of the account, has this special use.
    SpecialUse {
        /// The mailbox.
        mailbox: Option<String>,
        /// The attribute, `\Junk`.
        special_use: String,
    },
    /// The value of an annotation of a mailbox, or of the server.
    Metadata {
        /// The mailbox.
        mailbox: Option<String>,
        /// The annotation.
        annotation: String,
    },
    /// A script of the owner's, or of all.
    Script {
        /// Whether one of all.
        global: bool,
        /// Its name.
        name: String,
    },
    /// Whether a message with this key was seen and is not forgotten.
    Seen(String),
}

/// What is known.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Yes or no.
    Is(bool),
    /// A value, where there is one.
    Value(Option<String>),
    /// A script: `None` where there is none, the fault of one that is wrong.
    Script(Option<Result<Arc<Program>, Fault>>),
}

/// How a run ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// At its end.
    Done(Outcome),
    /// With a question: run again with the answer.
    Asks(Question),
}

/// What is to be done with a message.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// In the order the scripts said it.
    pub done: Vec<Done>,
    /// Headers, empty line included, that actions have in the place of the message's own.
    pub headers: Vec<Arc<Vec<u8>>>,
    /// Keys to be remembered, if the message is filed.
    pub remember: Vec<Remember>,
    /// What went wrong, and in which script. The message is kept then.
    pub fault: Option<(Arc<str>, Fault)>,
    /// Why it came so, where that was asked for.
    pub notes: Vec<Note>,
}

/// An action.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// Which script said so.
    pub script: Arc<str>,
    /// Where.
    pub at: Place,
    /// Whether no script said so: the implicit keep.
    pub implicit: bool,
    /// Which of [`Outcome::headers`] the message has.
    pub header: Option<usize>,
    /// What is done.
    pub deed: Deed,
}

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Filed.
    File {
        /// The mailbox; `None` where mail comes to rest that nothing is said of.
        mailbox: Option<String>,
        /// A mailbox of this special use is taken before the one named.
        special_use: Option<String>,
        /// Whether the mailbox is made where there is none.
        create: bool,
        /// Flags and keywords, each once.
        flags: Vec<String>,
    },
    /// Sent on.
    Redirect(Address),
    /// Refused, with this text; `hard` where the refusal in the session is preferred (`ereject`).
    Reject {
        /// Why.
        reason: String,
        /// `ereject`
        hard: bool,
    },
    /// A letter is sent, at most once within a time.
    Reply(Box<Reply>),
    /// A letter is sent.
    Notify(Box<Letter>),
}

/// An answer in the owner's absence.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The letter.
    pub letter: Letter,
    /// Nothing is sent where this is remembered.
    pub remember: Remember,
}

/// Something sent on a script's behalf. Its reverse-path is null.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Whom to.
    pub to: Vec<Address>,
    /// The message.
    pub octets: Vec<u8>,
    /// A copy for the owner.
    pub copy: Option<Deed>,
}

/// A key and how long it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remember {
    /// The key.
    pub key: String,
    /// Seconds.
    pub seconds: u64,
}

/// A sentence on what a script did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Which script.
    pub script: Arc<str>,
    /// Where in it.
    pub at: Place,
    /// The sentence.
    pub text: String,
}
