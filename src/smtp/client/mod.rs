//! The client side of SMTP as a [`Dialog`]: one session, any number of transactions, no socket.
//!
//! A session is made, given a [`Transaction`] with [`Client::begin`], and driven until it says `Close`: then the
//! transaction is over ([`Client::take_delivery`] has a fate for every recipient) and the session either rests,
//! ready for another `begin` ([`Client::is_open`]), or has ended. [`Client::quit`] takes leave of a resting one.
//! Bodies are asked for in pieces ([`BodyAsk`]); every wait for a reply has its own deadline (RFC 5321 §4.5.3.2).
//!
//! Content is never converted. 8-bit content towards a host without 8BITMIME is refused as RFC 6152 §3 commands
//! ("must not, under any circumstances"), but only after looking whether there are 8-bit octets in it at all: many
//! submitters declare 8BITMIME for everything. The same goes for SMTPUTF8 and ASCII headers.

mod fate;
mod transaction;

use std::time::Duration;

use base64::Engine as _;

use super::data::Stuffer;
use super::extension::Extensions;
use super::reply::ReplyReader;
use crate::base::dialog::{Dialog, Input, Step};
use crate::base::envelope::BodyKind;
use crate::base::limits;
use crate::base::settings::OutboundTls;
use crate::base::time::Mono;
use crate::base::world::TlsInfo;
use crate::base::{Reply, Secret};

pub use fate::{Delivery, Fate, Stage, Unfit};
pub use transaction::Transaction;
use transaction::{Command, Running, Scan, Standing};

/// How a session behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name said in EHLO.
    pub hostname: String,
    /// Whether TLS is used, or must be.
    pub tls: OutboundTls,
    /// User name and password, where the host wants them. Only said under TLS.
    pub login: Option<(String, Secret)>,
}

/// A piece of the message is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyAsk {
    /// From which octet.
    pub offset: u64,
    /// How many at most; fewer may come, none only where nothing is left.
    pub octets_max: usize,
}

/// The piece, or `None` where it cannot be read.
pub type BodyAnswer = Option<Vec<u8>>;

#[derive(Debug)]
enum Phase {
    Greeting,
    SayHello,
    Hello {
        esmtp: bool,
    },
    StartTls,
    Handshake,
    Login(Login),
    /// Ready for a transaction.
    Rest,
    Scan(Scan),
    Envelope,
    Body(Option<Stuffer>),
    Final,
    SayQuit,
    Quit,
    Ended,
}

#[derive(Debug, Clone, Copy)]
enum Login {
    Plain,
    User,
    Password,
}

/// A client session.
#[derive(Debug)]
pub struct Client {
    options: Options,
    phase: Phase,
    reader: ReplyReader,
    offers: Extensions,
    tls: Option<TlsInfo>,
    starttls_refused: bool,
    logged_in: bool,
    /// The last transaction did not end with an accepted message: RSET before the next.
    dirty: bool,
    running: Option<Running>,
    delivery: Option<Delivery>,
    piece: Option<BodyAnswer>,
    deadline: Option<Mono>,
    expired: bool,
    ended: bool,
    replies: u64,
    handshake_broke: bool,
}

impl Client {
    /// A session that waits for the greeting. `tls`: the handshake made before it, on ports with implicit TLS.
    pub fn new(options: Options, tls: Option<TlsInfo>) -> Self {
        Self {
            options,
            phase: Phase::Greeting,
            reader: ReplyReader::default(),
            offers: Extensions::default(),
            tls,
            starttls_refused: false,
            logged_in: false,
            dirty: false,
            running: None,
            delivery: None,
            piece: None,
            deadline: None,
            expired: false,
            ended: false,
            replies: 0,
            handshake_broke: false,
        }
    }

    /// Gives it the next message, when it is new or rests.
    pub fn begin(&mut self, transaction: Transaction) {
        self.delivery = None;
        self.replies = 0;
        self.running = Some(Running::new(transaction));
    }

    /// What came of the last transaction; once.
    pub fn take_delivery(&mut self) -> Option<Delivery> {
        self.delivery.take()
    }

    /// Whether it rests and may be given another message.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Rest) && !self.ended && !self.expired
    }

    /// Replies received since the last `begin`: none means that a kept connection was dead already.
    pub fn replies(&self) -> u64 {
        self.replies
    }

    /// What the handshake came to.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()
    }

    /// Whether the connection broke while TLS was being set up.
    pub fn broke_in_handshake(&self) -> bool {
        self.handshake_broke
    }

    /// Takes leave, when it rests.
    pub fn quit(&mut self) {
        if self.is_open() {
            self.phase = Phase::SayQuit;
        }
    }

    /// The connection broke outside of the session: everybody undecided is lost.
    pub fn broken(&mut self, how: &str) {
        self.handshake_broke = matches!(self.phase, Phase::Handshake);
        self.lose(how);
    }

    // -- endings -------------------------------------------------------------------------------------

    fn stage(&self) -> Stage {
        match &self.phase {
            Phase::Greeting => Stage::Greeting,
            Phase::SayHello | Phase::Hello { .. } => Stage::Hello,
            Phase::StartTls | Phase::Handshake => Stage::Tls,
            Phase::Login(_) => Stage::Login,
            Phase::Body(_) => Stage::Body,
            Phase::Final => Stage::Final,
            Phase::Envelope => match self.running.as_ref().and_then(|running| running.awaited.front()) {
                Some(Command::Recipient(_)) => Stage::Recipient,
                Some(Command::Data) => Stage::Data,
                _ => Stage::Mail,
            },
            Phase::Rest | Phase::Scan(_) | Phase::SayQuit | Phase::Quit | Phase::Ended => Stage::Mail,
        }
    }

    /// The session ends without an answer.
    fn lose(&mut self, how: &str) {
        let fate = Fate::Lost(self.stage(), how.to_owned());
        self.end_with(&fate);
    }

    /// The session ends; everybody undecided gets `fate`.
    fn end_with(&mut self, fate: &Fate) {
        self.conclude(fate);
        self.phase = Phase::Ended;
    }

    /// The transaction ends; everybody undecided gets `fate`.
    fn conclude(&mut self, fate: &Fate) {
        let Some(mut running) = self.running.take() else { return };
        running.decide_rest(fate);
        let fates = running.standings.into_iter().map(|standing| match standing {
            Standing::Decided(decided) => decided,
            Standing::Undecided | Standing::Taken => fate.clone(),
        });
        self.delivery = Some(Delivery { fates: fates.collect(), dsn: self.offers.dsn });
    }

    /// The host cannot be used: says so to everybody and leaves.
    fn leave(&mut self, fate: &Fate, output: &mut Vec<u8>) {
        output.extend_from_slice(b"QUIT\r\n");
        self.end_with(fate);
    }

    // -- up to the first transaction -----------------------------------------------------------------

    fn on_reply(&mut self, reply: Reply, output: &mut Vec<u8>) {
        self.replies += 1;
        if reply.code == 421 && !matches!(self.phase, Phase::Quit) {
            // RFC 5321 §3.8: the host closes, whatever it was asked.
            return self.end_with(&Fate::Refused(self.stage(), reply));
        }
        match self.phase {
            Phase::Greeting if reply.code / 100 == 2 => self.phase = Phase::SayHello,
            Phase::Greeting => self.leave(&Fate::Refused(Stage::Greeting, reply), output),
            Phase::Hello { esmtp } => self.on_hello(esmtp, reply, output),
            Phase::StartTls => {
                if reply.code == 220 {
                    self.phase = Phase::Handshake;
                } else {
                    self.starttls_refused = true;
                    if self.tls_required() {
                        self.leave(&Fate::Refused(Stage::Tls, reply), output);
                    } else {
                        self.after_hello(output);
                    }
                }
            }
            Phase::Login(step) => self.on_login(step, reply, output),
            Phase::Envelope => self.on_envelope(reply, output),
            Phase::Final => self.on_final(reply),
            Phase::Quit => self.phase = Phase::Ended,
            // No reply is awaited in these.
            Phase::SayHello | Phase::Handshake | Phase::Rest | Phase::Scan(_) | Phase::Body(_) => {}
            Phase::SayQuit | Phase::Ended => {}
        }
    }

    fn tls_required(&self) -> bool {
        matches!(self.options.tls, OutboundTls::Required | OutboundTls::Verified) || self.options.login.is_some()
    }

    fn on_hello(&mut self, esmtp: bool, reply: Reply, output: &mut Vec<u8>) {
        if reply.code / 100 == 2 {
            self.offers = if esmtp { Extensions::parse(&reply) } else { Extensions::default() };
            self.after_hello(output);
        } else if esmtp && reply.is_permanent() && (self.tls.is_some() || !self.tls_required()) {
            // RFC 5321 §3.2: a host that does not know EHLO may know HELO.
            self.hello(false, output);
        } else {
            self.leave(&Fate::Refused(Stage::Hello, reply), output);
        }
    }

    fn hello(&mut self, esmtp: bool, output: &mut Vec<u8>) {
        let verb = if esmtp { "EHLO" } else { "HELO" };
        output.extend_from_slice(format!("{verb} {}\r\n", self.options.hostname).as_bytes());
        self.phase = Phase::Hello { esmtp };
    }

    /// What is still to be done before mail may be sent.
    fn after_hello(&mut self, output: &mut Vec<u8>) {
        if self.tls.is_none() && self.options.tls != OutboundTls::Off {
            if self.offers.starttls && !self.starttls_refused {
                output.extend_from_slice(b"STARTTLS\r\n");
                self.phase = Phase::StartTls;
                return;
            }
            if self.tls_required() {
                return self.leave(&Fate::Unfit(Unfit::NoTls), output);
            }
        }
        if let Some((user, password)) = &self.options.login
            && !self.logged_in
        {
            let offered = |name: &str| self.offers.auth.iter().any(|mechanism| mechanism == name);
            if self.tls.is_none() {
                return self.leave(&Fate::Unfit(Unfit::NoTls), output);
            } else if offered("PLAIN") {
                let mut secret = [b"\0", user.as_bytes(), b"\0"].concat();
                secret.extend_from_slice(password.expose());
                push_base64(output, b"AUTH PLAIN ", &secret);
                self.phase = Phase::Login(Login::Plain);
            } else if offered("LOGIN") {
                output.extend_from_slice(b"AUTH LOGIN\r\n");
                self.phase = Phase::Login(Login::User);
            } else {
                return self.leave(&Fate::Unfit(Unfit::NoLogin), output);
            }
            return;
        }
        self.phase = Phase::Rest;
    }

    fn on_login(&mut self, step: Login, reply: Reply, output: &mut Vec<u8>) {
        let Some((user, password)) = self.options.login.as_ref() else { return };
        match (step, reply.code) {
            (_, 235) => {
                self.logged_in = true;
                self.after_hello(output);
            }
            (Login::User, 334) => {
                push_base64(output, b"", user.as_bytes());
                self.phase = Phase::Login(Login::Password);
            }
            (Login::Password, 334) => {
                push_base64(output, b"", password.expose());
                self.phase = Phase::Login(Login::Plain);
            }
            _ => self.leave(&Fate::Refused(Stage::Login, reply), output),
        }
    }

    // -- a transaction -------------------------------------------------------------------------------

    /// Starts the transaction that waits.
    fn start(&mut self) {
        let Some(running) = &mut self.running else { return };
        let doubts = running.fit(&self.offers);
        if !running.has(&Standing::Undecided) {
            // Nothing was sent: the session is as clean as before.
            let dirty = self.dirty;
            self.finish(dirty);
        } else if doubts.header || doubts.body {
            self.phase = Phase::Scan(Scan::new(doubts));
        } else {
            self.line_up();
        }
    }

    fn line_up(&mut self) {
        if let Some(running) = &mut self.running {
            running.line_up(self.dirty);
        }
        self.dirty = true;
        self.phase = Phase::Envelope;
    }

    /// The transaction is over and everybody decided.
    fn finish(&mut self, dirty: bool) {
        self.conclude(&Fate::Lost(Stage::Mail, "the host gave no answer".to_owned()));
        self.dirty = dirty;
        self.phase = Phase::Rest;
    }

    /// Writes what may be written. Whether replies are awaited.
    fn send(&mut self, output: &mut Vec<u8>) -> bool {
        let Some(running) = &mut self.running else { return false };
        let window = if self.offers.pipelining { limits::SMTP_PIPELINED_COMMANDS_MAX } else { 1 };
        while running.awaited.len() < window {
            let Some(command) = running.queue.pop_front() else { break };
            if command == Command::Data && running.awaited.is_empty() && !running.has(&Standing::Taken) {
                break;
            }
            running.write(command, &self.offers, self.logged_in, output);
            running.awaited.push_back(command);
        }
        !running.awaited.is_empty()
    }

    fn on_envelope(&mut self, reply: Reply, output: &mut Vec<u8>) {
        let Some(running) = &mut self.running else { return };
        let Some(command) = running.awaited.front().copied() else { return };
        let class = reply.code / 100;
        if class == 3 && command != Command::Data || class == 2 && command == Command::Data {
            return self.lose("the host's replies do not fit our commands");
        }
        running.awaited.pop_front();
        match command {
            Command::Reset if class != 2 => self.leave(&Fate::Refused(Stage::Mail, reply), output),
            Command::Reset => {}
            Command::Mail if class == 2 => {}
            Command::Mail => {
                running.queue.clear();
                running.decide_rest(&Fate::Refused(Stage::Mail, reply));
            }
            Command::Recipient(at) => {
                if let Some(standing) = running.standings.get_mut(at)
                    && *standing == Standing::Undecided
                {
                    *standing = match class {
                        2 => Standing::Taken,
                        _ => Standing::Decided(Fate::Refused(Stage::Recipient, reply)),
                    };
                }
            }
            Command::Data if class == 3 && running.has(&Standing::Taken) => {
                self.phase = Phase::Body(Some(Stuffer::default()));
            }
            Command::Data if class == 3 => {
                // RFC 2920 §3.1: 354 though nobody was accepted. An empty message ends it.
                running.hollow = true;
                output.extend_from_slice(b".\r\n");
                self.phase = Phase::Final;
            }
            Command::Data => running.decide_rest(&Fate::Refused(Stage::Data, reply)),
        }
    }

    /// All commands of the envelope are answered, and no DATA among them went through.
    fn after_envelope(&mut self, output: &mut Vec<u8>) {
        match &self.running {
            Some(running) if running.body == BodyKind::Binary && running.has(&Standing::Taken) => {
                output.extend_from_slice(format!("BDAT {} LAST\r\n", running.job.size).as_bytes());
                self.phase = Phase::Body(None);
            }
            _ => self.finish(true),
        }
    }

    fn on_final(&mut self, reply: Reply) {
        let hollow = self.running.as_ref().is_some_and(|running| running.hollow);
        match reply.code / 100 {
            _ if hollow => self.finish(true),
            2 => {
                self.conclude(&Fate::Accepted(reply));
                self.dirty = false;
                self.phase = Phase::Rest;
            }
            3 => self.lose("the host answered the message with 3yz"),
            _ => {
                self.conclude(&Fate::Refused(Stage::Final, reply));
                self.dirty = true;
                self.phase = Phase::Rest;
            }
        }
    }

    // -- the message ---------------------------------------------------------------------------------

    /// Looks through the content for what the peer cannot take.
    fn scan(&mut self) -> Option<Step<BodyAsk>> {
        let (Phase::Scan(scan), Some(running)) = (&mut self.phase, &mut self.running) else { return None };
        let done = match self.piece.take() {
            None => false,
            Some(Some(piece)) if !piece.is_empty() => scan.look(&piece),
            Some(_) => {
                running.decide_rest(&Fate::Unread);
                let dirty = self.dirty;
                self.finish(dirty);
                return None;
            }
        };
        if !done && scan.offset < running.job.size {
            return Some(ask(scan.offset, running.job.size));
        }
        let unfit = if scan.doubts.header && scan.header_eight {
            Some(Unfit::NoUtf8)
        } else if scan.doubts.body && (scan.header_eight || scan.body_eight) {
            Some(Unfit::NoEightBit)
        } else {
            None
        };
        if scan.doubts.body {
            running.body = BodyKind::SevenBit;
        }
        match unfit {
            Some(unfit) => {
                running.decide_rest(&Fate::Unfit(unfit));
                let dirty = self.dirty;
                self.finish(dirty);
            }
            None => self.line_up(),
        }
        None
    }

    /// Sends the next piece.
    fn send_body(&mut self, output: &mut Vec<u8>) -> Option<Step<BodyAsk>> {
        let (Phase::Body(stuffer), Some(running)) = (&mut self.phase, &mut self.running) else { return None };
        let size = running.job.size;
        match self.piece.take() {
            None if running.offset < size => return Some(ask(running.offset, size)),
            None => {}
            Some(Some(piece)) if !piece.is_empty() && running.offset + piece.len() as u64 <= size => {
                running.offset += piece.len() as u64;
                match stuffer {
                    Some(stuffer) => stuffer.put(&piece, output),
                    None => output.extend_from_slice(&piece),
                }
                if running.offset < size {
                    return Some(Step::Write);
                }
            }
            Some(_) => {
                // DATA can only be broken off by closing the connection.
                self.end_with(&Fate::Unread);
                return None;
            }
        }
        if let Some(stuffer) = stuffer.take() {
            stuffer.end(output);
        }
        self.phase = Phase::Final;
        None
    }

    fn wait(&self) -> Duration {
        let last = self.running.as_ref().and_then(|running| running.awaited.front());
        Duration::from_secs(match self.phase {
            Phase::Final => limits::SMTP_CLIENT_FINAL_WAIT_SECONDS,
            Phase::Quit => limits::SMTP_CLIENT_QUIT_WAIT_SECONDS,
            Phase::Envelope if last == Some(&Command::Data) => limits::SMTP_CLIENT_DATA_WAIT_SECONDS,
            _ => limits::SMTP_CLIENT_WAIT_SECONDS,
        })
    }
}

fn ask(offset: u64, size: u64) -> Step<BodyAsk> {
    let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
    Step::Ask(BodyAsk { offset, octets_max: left.min(limits::CHUNK_OCTETS_MAX) })
}

fn push_base64(output: &mut Vec<u8>, before: &[u8], octets: &[u8]) {
    output.extend_from_slice(before);
    output.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(octets).as_bytes());
    output.extend_from_slice(b"\r\n");
}

impl Dialog for Client {
    type Ask = BodyAsk;
    type Answer = BodyAnswer;

    fn step(&mut self, now: Mono, input: &mut Input, output: &mut Vec<u8>) -> Step<BodyAsk> {
        loop {
            match self.phase {
                Phase::Ended => return Step::Close,
                Phase::Rest if self.running.is_none() => return Step::Close,
                Phase::Rest => {
                    self.start();
                    continue;
                }
                Phase::Handshake => return Step::StartTls,
                Phase::SayHello => self.hello(true, output),
                Phase::SayQuit => {
                    output.extend_from_slice(b"QUIT\r\n");
                    self.phase = Phase::Quit;
                }
                Phase::Scan(_) => match self.scan() {
                    Some(step) => return step,
                    None => continue,
                },
                Phase::Body(_) => match self.send_body(output) {
                    Some(step) => return step,
                    None => continue,
                },
                _ => {}
            }
            if matches!(self.phase, Phase::Envelope) && !self.send(output) {
                self.after_envelope(output);
                continue;
            }
            match self.reader.next(input) {
                Ok(Some(reply)) => {
                    self.deadline = None;
                    self.on_reply(reply, output);
                }
                Err(e) => self.lose(&e.to_string()),
                Ok(None) if self.expired => self.lose("no reply in time"),
                Ok(None) if self.ended => self.lose("the host closed the connection"),
                Ok(None) => {
                    self.deadline = self.deadline.or(Some(now + self.wait()));
                    return Step::Read;
                }
            }
        }
    }

    fn answer(&mut self, answer: BodyAnswer) {
        self.piece = Some(answer);
    }

    fn tls_started(&mut self, info: TlsInfo) {
        // RFC 3207 §4.2: everything learnt before is forgotten.
        self.tls = Some(info);
        self.offers = Extensions::default();
        self.reader = ReplyReader::default();
        self.phase = Phase::SayHello;
    }

    fn deadline(&self) -> Option<Mono> {
        self.deadline
    }

    fn expire(&mut self) {
        self.expired = true;
    }

    fn end(&mut self) {
        self.ended = true;
    }
}
