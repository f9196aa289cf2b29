//! An SMTP or LMTP session, server side, as a [`Dialog`]: MX, submission and LMTP are one session with another
//! [`Service`].
//!
//! It knows the protocol and nothing else: who may send what to whom, whose password is right and what becomes
//! of a message are questions ([`Ask`]). Each command goes check (`verbs`) -> arguments (`command`) -> ask ->
//! reply. Every reply of 4yz and 5yz is told to whoever answers ([`Ask::Refused`]), from the one place where replies
//! are written. Memory is bounded: a line, one chunk of a body, and the envelope.

mod body;
mod hello;
mod login;
mod refused;
mod verbs;

use std::sync::Arc;
use std::time::Duration;

pub use body::too_large;

use super::command::{self, Command, Verb};
use super::data::Unstuffer;

use super::parameter::{MailParameters, RcptParameters};
use super::path::ForwardPath;
use super::reply;
use super::transaction::{Pace, Transaction};
use crate::base::account::ScramKeys;
use crate::base::dialog::{Dialog, Dismissal, Input, Step};
use crate::base::event::Refused;
use crate::base::limits::{
    OUTPUT_OCTETS_MAX, SMTP_COMMAND_LINE_OCTETS_MAX, SMTP_ERRORS_MAX, SMTP_IDLE_COMMANDS_MAX, SMTP_TRANSACTIONS_MAX,
    SMTP_WAITS_PER_MESSAGE,
};
use crate::base::line::{Framed, LineReader};
use crate::base::settings::Ends;
use crate::base::time::Mono;
use crate::base::world::TlsInfo;
use crate::base::{Account, Address, Domain, Envelope, Recipient, Reply, Secret, Service};

/// What a session is given at its beginning.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which listener took the connection.
    pub service: Service,
    /// Our name.
    pub hostname: String,
    /// Both ends.
    pub ends: Ends,
    /// Largest message taken.
    pub octets_max: u64,
    /// Recipients in one transaction.
    pub recipients_max: usize,
    /// How long it waits for a command or a piece of data.
    pub command_wait: Duration,
    /// How long the data of one message may take in all.
    pub data_time: Duration,
    /// Octets of message data a second that must come at least; 0 for any.
    pub data_rate_min: u32,
    /// Whether STARTTLS can be offered.
    pub start_tls: bool,
    /// What the handshake came to, where TLS began with the first octet.
    pub tls: Option<TlsInfo>,
    /// Whether passwords may cross this connection without TLS.
    pub plaintext_login: bool,
    /// Whether bare CR and LF are repaired.
    pub repair_line_ends: bool,
    /// Fresh random octets: nonces come from them.
    pub seed: [u8; 32],
    /// What is out of the ordinary.
    pub manner: Manner,
}

/// How a session differs from an ordinary one of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manner {
    /// Whether it asks before the greeting, at EHLO and at DATA too.
    pub asks_more: bool,
    /// Whether every service takes logins and none needs one.
    pub open: bool,
    /// Whether logins show the password: SCRAM is not offered.
    pub plain_only: bool,
}

/// Who hands a message in: what trace fields and policy want to know.
#[derive(Debug, Clone)]
pub struct Client {
    /// Which listener took the connection.
    pub service: Service,
    /// Both ends.
    pub ends: Ends,
    /// The name it gave in EHLO, HELO or LHLO.
    pub hello: String,
    /// Whether it said EHLO or LHLO.
    pub extended: bool,
    /// The connection's TLS.
    pub tls: Option<TlsInfo>,
    /// Who logged in.
    pub account: Option<Arc<Account>>,
}

/// What a session asks. The answer to each is named with it.
#[derive(Debug)]
pub enum Ask {
    /// May this client be here at all? Asked before the greeting. [`Answer::Verdict`]
    Connect(Arc<Client>),
    /// May a client of this name go on? [`Answer::Verdict`]
    Hello(Arc<Client>),
    /// May the message of this transaction come, by DATA? [`Answer::Verdict`]
    Data(Arc<Client>, Box<Envelope>),
    /// May mail come from here? [`Answer::Verdict`]
    Sender(Arc<Client>, Box<Envelope>),
    /// Will mail for this recipient, the only one in the transaction's envelope, be taken? [`Answer::Verdict`], or
    /// [`Answer::Redirected`]
    Recipient(Arc<Client>, Box<Envelope>),
    /// Check a password; say and punish a failure. [`Answer::Account`], [`Answer::Later`]
    Login(String, Secret),
    /// SCRAM keys of a user, or decoys. [`Answer::Keys`], [`Answer::Later`]
    Keys(String),
    /// The peer was refused something: say it. Not asked for failed logins, which [`Ask::Login`] and
    /// [`Ask::LoginEnded`] tell. [`Answer::Done`]
    Refused(Vec<Refused>),
    /// A SCRAM exchange ended; say and punish a failure. [`Answer::Done`], [`Answer::Later`], or
    /// [`Answer::Account`] without one where a right proof came too late: the account changed.
    LoginEnded(String, bool),
    /// A piece of a body. [`Answer::Buffer`] gives an empty buffer back.
    Piece(Vec<u8>),
    /// The body given so far will not be accepted: forget it. [`Answer::Done`]
    Abandon,
    /// The message is complete with this last piece: take responsibility for it. [`Answer::Replies`]
    Accept(Arc<Client>, Box<Envelope>, Vec<u8>),
}

/// What a session is answered.
#[derive(Debug)]
pub enum Answer {
    /// Yes, or the reply to refuse with. To a login: the reply, where it is no ordinary one.
    Verdict(Result<(), Reply>),
    /// Yes, but for this recipient.
    Redirected(Box<Recipient>),
    /// To any question: the connection ends without a word.
    HangUp,
    /// Who logged in.
    Account(Option<Arc<Account>>),
    /// Keys, and the account they are of, where it can log in.
    Keys(ScramKeys, Option<Arc<Account>>),
    /// The login was not checked: too many fail or wait.
    Later,
    /// An empty buffer.
    Buffer(Vec<u8>),
    /// The reply; for LMTP one for each recipient, in order.
    Replies(Vec<Reply>),
    /// Done.
    Done,
}

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

    // -- commands --------------------------------------------------------------------------------------

    fn command(&mut self, now: Mono, input: &mut Input, output: &mut Vec<u8>) -> Next {
        self.about = refused::About::default();
        if self.draining && self.transaction.is_none() {
            self.goodbye(3, 2, "Service going down, try again", output);
            return None;
        }
        let (octets, taken, bare) = match self.lines.next(input) {
            Framed::Line { octets, taken, bare } => (octets, taken, bare),
            Framed::More => return self.wait(now, output),
            Framed::TooLong => {
                self.deadline = None;
                let bdat = command::looks_like_bdat(self.lines.beginning());
                self.refuse_command(bdat, too_long(), output);
                return None;
            }
        };
        self.deadline = None;
        let line = input.peek().get(..octets).unwrap_or_default();
        let bdat = command::looks_like_bdat(line);
        let parsed = if bare { Err(Reply::new(500, 5, 2, "Lines end in CRLF")) } else { self.read_command(line) };
        input.consume(taken);
        match parsed {
            Ok((verb, command)) => self.obey(verb, command, input, output),
            Err(reply) => {
                self.refuse_command(bdat, reply, output);
                None
            }
        }
    }

    /// Says why a command is not obeyed. Behind a BDAT whose octets cannot be counted comes content, and content must
    /// not run as commands: that one ends the session, for good with 521, since the same command would fail again.
    fn refuse_command(&mut self, bdat: bool, mut reply: Reply, output: &mut Vec<u8>) {
        if bdat {
            reply.code = 521;
            reply.text.push_str("; closing, since message data follows");
            self.note(&reply);
            reply::write(&reply, output);
            self.phase = Phase::Over;
        } else {
            self.say(&reply, output);
        }
    }

    /// The time to wait runs from the last command that brought the session on: half lines, and commands that any
    /// stranger can repeat for ever, win none. What a message may take in commands is bounded too.
    fn wait(&mut self, now: Mono, output: &mut Vec<u8>) -> Next {
        let wait = self.config.command_wait;
        if std::mem::take(&mut self.moved_on) {
            self.idle_until = now + wait;
        }
        let message_by = *self.message_by.get_or_insert(now + wait.saturating_mul(SMTP_WAITS_PER_MESSAGE));
        let deadline = self.idle_until.min(message_by);
        if deadline <= now {
            // Said here too: a peer whose octets are always there already is never waited for.
            self.goodbye(4, 2, &self.too_idle(), output);
            return None;
        }
        self.deadline = Some(deadline);
        Some(Step::Read)
    }

    /// Said where no command comes, or none that brings the session on.
    fn too_idle(&self) -> String {
        format!("Timeout, {} seconds without a command", self.config.command_wait.as_secs())
    }

    fn read_command(&mut self, line: &[u8]) -> Result<(Verb, Command), Reply> {
        let Some((verb, rest)) = command::verb(line) else {
            return Err(command::unknown(line));
        };
        self.about.stage = refused::stage(verb);
        let standing = verbs::Standing {
            service: self.config.service,
            greeted: self.greeted,
            logged_in: self.client.account.is_some() || self.config.manner.open,
            transaction: self.transaction.as_ref().map(|t| (t.envelope.recipients.len(), t.chunking)),
        };
        let row = verbs::check(verb, &standing)?;
        if row.is_idle {
            self.idle_commands += 1;
        }
        command::arguments(verb, rest).map(|command| (verb, command))
    }

    fn obey(&mut self, verb: Verb, command: Command, input: &Input, output: &mut Vec<u8>) -> Next {
        if self.idle_commands > SMTP_IDLE_COMMANDS_MAX {
            let why = format!("Too many commands without a message, at most {SMTP_IDLE_COMMANDS_MAX}");
            self.goodbye(7, 0, &why, output);
            return None;
        }
        if self.barred && !matches!(verb, Verb::Quit | Verb::Bdat) {
            self.say(&Reply::new(503, 5, 1, "Only QUIT is possible now"), output);
            return None;
        }
        match (verb, command) {
            (_, Command::Hello(name)) => return self.begin_hello(verb, name, output),
            (_, Command::Mail(reverse_path, parameters)) => return self.mail(reverse_path, parameters, output),
            (_, Command::Rcpt(path, parameters)) => return self.rcpt(path, parameters, output),
            (_, Command::Bdat { octets, last }) => self.bdat(octets, last),
            (_, Command::Auth(mechanism, initial)) => return self.auth(&mechanism, initial, output),
            (Verb::Vrfy, _) => self.say(&Reply::new(252, 5, 0, "Send mail and see"), output),
            (Verb::Expn, _) => self.say(&Reply::new(502, 5, 1, "Lists are not told"), output),
            (Verb::Data, _) => return self.begin_data(output),
            (Verb::StartTls, _) => return self.start_tls(input, output),
            (Verb::Rset, _) => {
                self.say(&Reply::new(250, 0, 0, "Ok"), output);
                return self.drop_transaction();
            }
            (Verb::Help, _) => self.say(&hello::help(self.is_lmtp()), output),
            (Verb::Quit, _) => {
                self.say(&Reply::new(221, 0, 0, format!("{} closing", self.config.hostname)), output);
                self.phase = Phase::Over;
            }
            _ => self.say(&Reply::new(250, 0, 0, "Ok"), output),
        }
        None
    }

    fn mail(&mut self, reverse_path: Option<Address>, parameters: MailParameters, output: &mut Vec<u8>) -> Next {
        if self.transactions >= SMTP_TRANSACTIONS_MAX {
            let why = format!("Too many messages on one connection, at most {SMTP_TRANSACTIONS_MAX}");
            self.goodbye(7, 0, &why, output);
            return None;
        }
        if parameters.size.is_some_and(|size| size > self.config.octets_max) {
            self.about.from = reverse_path;
            self.say(&body::too_large(self.config.octets_max), output);
            return None;
        }
        let envelope = Envelope {
            reverse_path,
            recipients: Vec::new(),
            body: parameters.body.unwrap_or_default(),
            smtputf8: parameters.smtputf8,
            envelope_id: parameters.envelope_id,
            returns: parameters.returns,
            size_declared: parameters.size,
        };
        let ask = Ask::Sender(self.client.clone(), Box::new(envelope.clone()));
        Some(self.ask(Pending::Sender(envelope), ask))
    }

    fn rcpt(&mut self, path: ForwardPath, parameters: RcptParameters, output: &mut Vec<u8>) -> Next {
        let transaction = self.transaction.as_ref()?;
        let mut refusal = None;
        if transaction.envelope.recipients.len() >= self.config.recipients_max {
            refusal = Some(too_many_recipients(self.config.recipients_max));
        }
        let address = match path {
            ForwardPath::Address(address) => address,
            // RFC 5321 §4.5.1: whoever runs this host.
            ForwardPath::Postmaster => self.postmaster()?,
        };
        if address.needs_smtputf8() && !transaction.envelope.smtputf8 {
            refusal = Some(Reply::new(553, 6, 7, "Non-ASCII address needs SMTPUTF8"));
        }
        if let Some(reply) = refusal {
            self.about.to.push(address.to_string());
            self.say(&reply, output);
            return None;
        }
        let notify = parameters.notify.unwrap_or_default();
        let recipient = Recipient { address, notify, original: parameters.original };
        let envelope = transaction.envelope.for_one(recipient.clone());
        let ask = Ask::Recipient(self.client.clone(), Box::new(envelope));
        Some(self.ask(Pending::Recipient(recipient), ask))
    }

    fn postmaster(&self) -> Option<Address> {
        let domain = Domain::parse(&self.config.hostname).map_or_else(|_| "localhost".to_owned(), |d| d.to_string());
        Address::parse(&format!("postmaster@{domain}")).ok()
    }

    // -- answers ---------------------------------------------------------------------------------------

    fn proceed(&mut self, pending: Pending, answer: Answer, output: &mut Vec<u8>) -> Next {
        match (pending, answer) {
            (_, Answer::HangUp) => {
                self.refused.clear();
                output.clear();
                self.phase = Phase::Over;
            }
            (pending @ (Pending::Connect | Pending::Hello(..) | Pending::Data), Answer::Verdict(verdict)) => {
                return self.went_on(pending, verdict, output);
            }
            (Pending::Sender(envelope), Answer::Verdict(verdict)) => match verdict {
                Ok(()) => {
                    self.transactions += 1;
                    // MAIL and RSET in turn are no progress: one MAIL is, for each message.
                    self.moved_on |= !std::mem::replace(&mut self.mail_said, true);
                    self.idle_commands = 0;
                    self.transaction = Some(Transaction::new(envelope));
                    self.pace = None;
                    self.say(&Reply::new(250, 1, 0, "Ok"), output);
                }
                Err(reply) => {
                    self.about.from = envelope.reverse_path;
                    self.say(&reply, output);
                }
            },
            (Pending::Recipient(recipient), Answer::Verdict(verdict)) => match verdict {
                Ok(()) => {
                    if let Some(transaction) = &mut self.transaction {
                        transaction.envelope.recipients.push(recipient);
                    }
                    self.moved_on = true;
                    self.say(&Reply::new(250, 1, 5, "Ok"), output);
                }
                Err(reply) => {
                    self.about.to.push(recipient.address.to_string());
                    self.say(&reply, output);
                }
            },
            (Pending::ScramEnded(_), Answer::Account(None)) => self.login_ended(false, output),
            (Pending::Recipient(_), Answer::Redirected(recipient)) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.envelope.recipients.push(*recipient);
                }
                self.say(&Reply::new(250, 1, 5, "Ok"), output);
            }
            (Pending::Password | Pending::Keys(_) | Pending::ScramEnded(_), Answer::Verdict(Err(reply))) => {
                return self.no_login(&reply, output);
            }
            (Pending::Password, Answer::Account(account)) => return self.password_checked(account, output),
            (Pending::Keys(user), Answer::Keys(keys, account)) => return self.keys_found(user, &keys, account, output),
            (Pending::ScramEnded(ok), Answer::Done) => self.login_ended(ok, output),
            (Pending::Password | Pending::Keys(_) | Pending::ScramEnded(_), Answer::Later) => {
                return self.login_later(output);
            }
            (Pending::Piece, Answer::Buffer(buffer)) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.body.chunk = buffer;
                }
            }
            (Pending::Accept, Answer::Replies(replies)) => self.accepted(&replies, output),
            (Pending::Abandon | Pending::Refused, _) => {}
            // An answer to another question: the driver is broken, and nothing can be trusted any more.
            _ => self.goodbye(3, 0, "Internal error", output),
        }
        None
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
