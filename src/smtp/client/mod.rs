//! The client side of SMTP as a [`Dialog`]: one session, any number of transactions, no socket.
//!
//! A session is made, given a [`Transaction`] with [`Client::begin`], and driven until it says `Close`: then the
//! transaction is over ([`Client::take_delivery`] has a fate for every recipient) and the session either is idle,
//! ready for another `begin` ([`Client::is_open`]), or has ended. [`Client::quit`] ends an idle one with QUIT.
//! Bodies are asked for in pieces ([`BodyAsk`]); every wait for a reply has its own deadline (RFC 5321 §4.5.3.2).
//!
//! Content is not converted here. 8-bit content towards a host without 8BITMIME is refused as RFC 6152 §3 commands
//! ("must not, under any circumstances"), but only after looking whether there are 8-bit octets in it at all: many
//! submitters declare 8BITMIME for everything. The same goes for SMTPUTF8 and ASCII headers.

mod fate;
mod handover;
mod opening;
mod transaction;

use std::time::Duration;

use super::extension::Extensions;
use super::reply::ReplyReader;
use crate::base::dialog::{Dialog, Input, Step};
use crate::base::limits;
use crate::base::settings::{OutboundTls, OutboundWaits};
use crate::base::stuffing::Stuffer;
use crate::base::time::Mono;
use crate::base::world::TlsInfo;
use crate::base::{Reply, Secret};
use crate::sasl::client::Scram;

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
    /// Fresh and printable: the client's part in SCRAM.
    pub nonce: String,
    /// How long replies are waited for.
    pub waits: OutboundWaits,
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

enum Login {
    /// All is said; the verdict comes.
    Said,
    /// LOGIN asks for the user name.
    User,
    /// LOGIN asks for the password.
    Password,
    /// SCRAM is under way.
    Scram(Box<Scram>),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Login::Said => "Said",
            Login::User => "User",
            Login::Password => "Password",
            Login::Scram(_) => "Scram",
        })
    }
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
    greeted: bool,
    /// Replies since TLS began.
    under_tls: u64,
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
            greeted: false,
            under_tls: 0,
            handshake_broke: false,
        }
    }

    /// Gives it the next message, when it is new or idle.
    pub fn begin(&mut self, transaction: Transaction) {
        self.delivery = None;
        self.replies = 0;
        self.running = Some(Running::new(transaction));
    }

    /// What came of the last transaction; once.
    pub fn take_delivery(&mut self) -> Option<Delivery> {
        self.delivery.take()
    }

    /// Whether it is idle and may be given another message.
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

    /// Whether the connection broke while TLS was being set up, or before anything was said under it: a host that
    /// demands a certificate of ours ends TLS 1.3 there.
    pub fn broke_in_handshake(&self) -> bool {
        self.handshake_broke
    }

    /// Whether the host offered TLS and refused it when asked.
    pub fn was_denied_tls(&self) -> bool {
        self.starttls_refused && self.tls.is_none()
    }

    /// How many messages the host takes in one session; 0 where it does not say (RFC 9422).
    pub fn mail_max(&self) -> u32 {
        self.offers.limits.unwrap_or_default().mail_max
    }

    /// Whether the host greeted with 2yz.
    pub fn greeted(&self) -> bool {
        self.greeted
    }

    /// Whether a reply did not come in time.
    pub fn timed_out(&self) -> bool {
        self.expired
    }

    /// Says QUIT, when it is idle.
    pub fn quit(&mut self) {
        if self.is_open() {
            self.phase = Phase::SayQuit;
        }
    }

    /// The connection broke outside of the session, `said` being what came before it did: everybody undecided is lost,
    /// or refused by a host that did not want the rest of the message, said so and hung up.
    pub fn broken(&mut self, how: &str, said: &mut Input) {
        self.handshake_broke = matches!(self.phase, Phase::Handshake) || self.is_mute_under_tls();
        // A yes to the message counts only where it had begun to come: only then had the whole message left.
        let begun = self.reader.has_begun();
        let reply = self.reader.next(said).unwrap_or_else(|endless| endless.so_far).or_else(|| self.reader.finish());
        match reply {
            Some(reply) if matches!(self.phase, Phase::Body(_)) && matches!(reply.code, 400..600) => {
                self.end_with(&Fate::Refused(Stage::Body, reply));
            }
            Some(reply) if matches!(self.phase, Phase::Final) && (begun || reply.code / 100 != 2) => {
                self.on_final(reply);
                self.phase = Phase::Ended;
            }
            _ => self.lose(how),
        }
    }

    /// Whether STARTTLS was followed by nothing the host said.
    fn is_mute_under_tls(&self) -> bool {
        self.tls.is_some() && self.under_tls == 0 && matches!(self.phase, Phase::SayHello | Phase::Hello { .. })
    }

    // -- endings -------------------------------------------------------------------------------------

    /// What is awaited.
    pub fn stage(&self) -> Stage {
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

    /// No more octets will be read. What was read of a reply counts where it decides something: a message that was
    /// answered with 250 must not be sent again.
    fn broken_off(&mut self, how: &str, reply: Option<Reply>, output: &mut Vec<u8>) {
        let lost = Fate::Lost(self.stage(), how.to_owned());
        if let Some(reply) = reply
            && (matches!(self.phase, Phase::Final) || matches!(reply.code, 400..600))
        {
            self.on_reply(reply, output);
        }
        self.end_with(&lost);
    }

    fn on_reply(&mut self, reply: Reply, output: &mut Vec<u8>) {
        self.replies += 1;
        self.under_tls += u64::from(self.tls.is_some());
        if reply.code == 421 && !matches!(self.phase, Phase::Quit) {
            // RFC 5321 §3.8: the host closes, whatever it was asked.
            return self.end_with(&Fate::Refused(self.stage(), reply));
        }
        match self.phase {
            Phase::Greeting if reply.code / 100 == 2 => {
                self.greeted = true;
                self.phase = Phase::SayHello;
            }
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
            Phase::Login(_) => self.on_login(reply, output),
            Phase::Envelope => self.on_envelope(reply, output),
            Phase::Final => self.on_final(reply),
            Phase::Quit => self.phase = Phase::Ended,
            // No reply is awaited in these.
            Phase::SayHello | Phase::Handshake | Phase::Rest | Phase::Scan(_) | Phase::Body(_) => {}
            Phase::SayQuit | Phase::Ended => {}
        }
    }

    fn wait(&self) -> Duration {
        let waits = self.options.waits;
        match self.phase {
            Phase::Greeting => waits.greeting,
            Phase::Final => waits.data,
            Phase::Quit => Duration::from_secs(limits::SMTP_CLIENT_QUIT_WAIT_SECONDS).min(waits.reply),
            _ => waits.reply,
        }
    }
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
                Err(endless) => {
                    let how = endless.to_string();
                    self.broken_off(&how, endless.so_far, output);
                }
                Ok(None) if self.expired || self.ended => {
                    let reply = self.reader.finish();
                    self.handshake_broke = self.ended && self.is_mute_under_tls();
                    let how = if self.expired { "no reply in time" } else { "the host closed the connection" };
                    self.broken_off(how, reply, output);
                }
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
