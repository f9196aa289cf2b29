//! An SMTP or LMTP session, server side, as a [`Dialog`]: MX, submission and LMTP are one session with another
//! [`Service`].
//!
//! It knows the protocol and nothing else: who may send what to whom, whose password is right and what becomes
//! of a message are questions ([`Ask`]). Each command goes check (`verbs`) -> arguments (`command`) -> ask ->
//! reply. Every reply of 4yz and 5yz is told to whoever answers ([`Ask::Refused`]), from the one place where replies
//! are written. Memory is bounded: a line, one chunk of a body, and the envelope.

mod answers;
mod ask;
mod body;
mod commands;
mod envelope;
mod hello;
mod login;
mod refused;
mod verbs;
mod xclient;

use std::sync::Arc;

pub use ask::{Answer, Ask, Client, Config, Forwarded, Manner};
pub use body::too_large;
pub use envelope::not_solicited;

use super::command::Verb;
use super::data::Unstuffer;
use super::reply;
use super::transaction::{Pace, Transaction};
use crate::base::dialog::{Dialog, Dismissal, Input, Step};
use crate::base::event::Refused;
use crate::base::limits::{OUTPUT_OCTETS_MAX, SMTP_COMMAND_LINE_OCTETS_MAX, SMTP_ERRORS_MAX};
use crate::base::line::LineReader;
use crate::base::settings::Service;
use crate::base::time::Mono;
use crate::base::world::TlsInfo;
use crate::base::{Account, Envelope, Recipient, Reply};

/// An SMTP or LMTP session.
pub struct Session {
    config: Config,
    client: Arc<Client>,
    lines: LineReader,
    phase: Phase,
    pending: Option<Pending>,
    answer: Option<Answer>,
    transaction: Option<Transaction>,
    /// How fast the data of the present message comes.
    pace: Option<Pace>,
    deadline: Option<Mono>,
    /// When the session ends unless it is brought on.
    idle_until: Mono,
    /// Whether it was since that time was set.
    moved_on: bool,
    /// When the next message must have come.
    message_by: Option<Mono>,
    /// Whether MAIL was said since the last message.
    mail_said: bool,
    /// Whether the priority that MAIL asked for was lowered.
    lowered: bool,
    greeted: bool,
    /// Refused at the greeting: only QUIT is obeyed (RFC 5321 §3.1).
    barred: bool,
    draining: bool,
    dismissed: Option<Dismissal>,
    expired: bool,
    errors: u32,
    idle_commands: u32,
    transactions: u32,
    login_attempts: u32,
    login_failures: u32,
    /// What the present command is and is about.
    about: refused::About,
    /// Refusals that were not told yet.
    refused: Vec<Refused>,
}

/// What the next octets are.
enum Phase {
    /// None are expected: the greeting goes out first.
    Greeting,
    Command,
    Auth(Box<login::Login>),
    Data(Unstuffer),
    Bdat(body::Chunk),
    /// Nothing more is read.
    Over,
}

/// What the question under way is about.
enum Pending {
    Connect,
    Hello(Verb, String),
    Data,
    Sender(Envelope),
    Recipient(Recipient),
    Password,
    Keys(String),
    ScramEnded(bool),
    Piece,
    Accept,
    Abandon,
    Refused,
    About,
}

/// 500 for a line over the cap.
fn too_long() -> Reply {
    Reply::new(500, 5, 6, format!("Line too long, at most {SMTP_COMMAND_LINE_OCTETS_MAX} bytes"))
}

/// 452 for a recipient beyond the maximum (RFC 5321 §4.5.3.1.10).
pub fn too_many_recipients(recipients_max: usize) -> Reply {
    Reply::new(452, 5, 3, format!("Too many recipients, at most {recipients_max} in one message"))
}

/// What handling something leads to: the next step, or just going on.
type Next = Option<Step<Ask>>;

impl Session {
    /// A session that has yet to greet.
    pub fn new(config: Config) -> Self {
        let client = Client {
            service: config.service,
            ends: config.ends,
            hello: String::new(),
            extended: false,
            tls: config.tls.clone(),
            account: None,
            relays: config.relays,
            forwarded: None,
        };
        Self {
            client: Arc::new(client),
            lines: LineReader::new(SMTP_COMMAND_LINE_OCTETS_MAX),
            phase: Phase::Greeting,
            pending: None,
            answer: None,
            transaction: None,
            pace: None,
            deadline: None,
            idle_until: Mono::default(),
            moved_on: true,
            message_by: None,
            mail_said: false,
            lowered: false,
            greeted: false,
            barred: false,
            draining: false,
            dismissed: None,
            expired: false,
            errors: 0,
            idle_commands: 0,
            transactions: 0,
            login_attempts: 0,
            login_failures: 0,
            about: refused::About::default(),
            refused: Vec::new(),
            config,
        }
    }

    /// The stage of the command that came last.
    pub fn stage(&self) -> &'static str {
        self.about.stage
    }

    /// Who has logged in.
    pub fn account(&self) -> Option<&Account> {
        self.client.account.as_deref()
    }

    fn is_lmtp(&self) -> bool {
        self.config.service == Service::Lmtp
    }

    /// Writes a reply; one that refuses is noted and counted.
    fn say(&mut self, reply: &Reply, output: &mut Vec<u8>) {
        self.note(reply);
        self.say_told(reply, output);
    }

    /// Writes a reply of which the host has been told already.
    fn say_told(&mut self, reply: &Reply, output: &mut Vec<u8>) {
        reply::write(reply, output);
        if reply.code == 421 {
            // RFC 5321 §3.8: the session ends with it.
            self.phase = Phase::Over;
        }
        if !reply.is_permanent() {
            return;
        }
        self.errors += 1;
        if self.errors >= SMTP_ERRORS_MAX {
            self.goodbye(7, 0, &format!("Too many errors, at most {SMTP_ERRORS_MAX}"), output);
        }
    }

    /// 421 and the end.
    fn goodbye(&mut self, subject: u16, detail: u16, why: &str, output: &mut Vec<u8>) {
        if !matches!(self.phase, Phase::Over) {
            let reply = Reply::new(421, subject, detail, format!("{} {why}", self.config.hostname));
            self.note(&reply);
            reply::write(&reply, output);
            self.phase = Phase::Over;
        }
    }

    /// Drops the transaction; what was handed on of its body is to be forgotten.
    fn drop_transaction(&mut self) -> Next {
        let handed_on = self.transaction.take().is_some_and(|transaction| transaction.body.handed_on);
        handed_on.then(|| self.ask(Pending::Abandon, Ask::Abandon))
    }

    fn ask(&mut self, pending: Pending, ask: Ask) -> Step<Ask> {
        self.pending = Some(pending);
        Step::Ask(ask)
    }
}

impl Dialog for Session {
    type Ask = Ask;
    type Answer = Answer;

    fn step(&mut self, now: Mono, input: &mut Input, output: &mut Vec<u8>) -> Step<Ask> {
        loop {
            let next;
            if std::mem::take(&mut self.expired) {
                let why = match self.phase {
                    Phase::Data(_) | Phase::Bdat(_) => self.too_slow(),
                    _ => self.too_idle(),
                };
                self.goodbye(4, 2, &why, output);
            }
            if let Some(why) = self.dismissed.take() {
                // RFC 5321 §3.8: 421 ends a session at any time.
                self.about = refused::About::default();
                let subject = if matches!(why, Dismissal::Account | Dismissal::Password) { 7 } else { 3 };
                self.goodbye(subject, if subject == 7 { 0 } else { 2 }, why.text(), output);
            }
            if let Some(pending) = self.pending.take() {
                let Some(answer) = self.answer.take() else {
                    self.phase = Phase::Over;
                    continue;
                };
                next = self.proceed(pending, answer, output);
            } else if !self.refused.is_empty() {
                let refused = std::mem::take(&mut self.refused);
                next = Some(self.ask(Pending::Refused, Ask::Refused(refused)));
            } else if output.len() >= OUTPUT_OCTETS_MAX {
                return Step::Write;
            } else {
                match &self.phase {
                    Phase::Greeting => next = self.begin(output),
                    Phase::Command => next = self.command(now, input, output),
                    Phase::Auth(_) => next = self.auth_line(now, input, output),
                    Phase::Data(_) => next = self.data_octets(now, input, output),
                    Phase::Bdat(_) => next = self.bdat_octets(now, input, output),
                    Phase::Over => return Step::Close,
                }
            }
            if let Some(step) = next {
                return step;
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.answer = Some(answer);
    }

    fn tls_started(&mut self, info: TlsInfo) {
        // RFC 3207 §4.2: everything learnt in the clear is forgotten.
        let client = Arc::make_mut(&mut self.client);
        client.tls = Some(info);
        client.account = None;
        client.hello.clear();
        client.extended = false;
        self.greeted = false;
        self.transaction = None;
        self.moved_on = true;
        self.lines.reset();
    }

    fn deadline(&self) -> Option<Mono> {
        self.deadline
    }

    fn expire(&mut self) {
        self.expired = true;
    }

    fn end(&mut self) {
        self.phase = Phase::Over;
    }

    fn drain(&mut self) {
        self.draining = true;
    }

    fn dismiss(&mut self, why: Dismissal) {
        self.dismissed = Some(why);
    }
}
