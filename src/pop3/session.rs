//! The server's side of a POP3 session as a [`Dialog`]: AUTHORIZATION, TRANSACTION, UPDATE (RFC 1939 §3).
//!
//! Promises: a maildrop changes only at QUIT, and `+OK` to it follows the commit; a session that breaks off or
//! times out deletes nothing; output is handed over whenever it passes `OUTPUT_OCTETS_MAX`, bodies come and go in
//! pieces; commands may be pipelined.

mod ask;
mod login;
mod sending;

pub use self::ask::{Answer, Ask, LoginTrouble, OpenedMaildrop, Refusal, SessionSettings};
use self::sending::{Work, number_line, transaction_command};
use super::command::{self, Command, CommandError, State};
use super::maildrop::Maildrop;
use super::reply::{err, line, ok};
use crate::base::dialog::{Dialog, Dismissal, Input, Step};
use crate::base::limits::{OUTPUT_OCTETS_MAX, POP3_COMMAND_LINE_OCTETS_MAX, POP3_ERRORS_MAX};
use crate::base::line::{Framed, LineReader};
use crate::base::stuffing::Stuffer;
use crate::base::time::Mono;
use crate::base::world::TlsInfo;
use crate::sasl::{self, Exchange, Mechanism, Offer};

/// A session.
pub struct Session {
    settings: SessionSettings,
    lines: LineReader,
    tls: Option<TlsInfo>,
    phase: Phase,
    work: Work,
    answer: Option<Answer>,
    stuffer: Stuffer,
    greeted: bool,
    /// Whether anything was done since the deadline was set.
    active: bool,
    deadline: Option<Mono>,
    /// When the client must have logged in.
    login_by: Option<Mono>,
    expired: bool,
    draining: bool,
    dismissed: Option<Dismissal>,
    errors: u32,
    failures: u32,
    exchanges: u32,
    /// What was refused and not told yet.
    refused: Option<Refusal>,
}

enum Phase {
    Authorization(Login),
    Transaction(Maildrop),
    /// Nothing more is read.
    Over,
}

/// What of a login has come so far.
#[derive(Default)]
struct Login {
    /// From USER.
    user: Option<String>,
    /// Under way: each line is a response to it.
    exchange: Option<Exchange>,
    /// Whose keys the exchange asked for.
    scram_user: Option<String>,
}

impl Session {
    /// A session; `tls` where it began with a handshake.
    pub fn new(settings: SessionSettings, tls: Option<TlsInfo>) -> Session {
        Session {
            settings,
            lines: LineReader::new(POP3_COMMAND_LINE_OCTETS_MAX),
            tls,
            phase: Phase::Authorization(Login::default()),
            work: Work::Nothing,
            answer: None,
            stuffer: Stuffer::default(),
            greeted: false,
            active: true,
            deadline: None,
            login_by: None,
            expired: false,
            draining: false,
            dismissed: None,
            errors: 0,
            failures: 0,
            exchanges: 0,
            refused: None,
        }
    }

    fn offer(&self) -> Offer {
        Offer {
            passwords: self.tls.is_some() || self.settings.allow_plaintext_login,
            channel_binding: self.tls.as_ref().is_some_and(|tls| tls.exporter.is_some()),
            plain_only: self.settings.plain_only,
        }
    }

    fn state(&self) -> State {
        match self.phase {
            Phase::Transaction(_) => State::Transaction,
            Phase::Authorization(_) | Phase::Over => State::Authorization,
        }
    }

    /// A line that was no good: answered, counted.
    fn bad(&mut self, text: &str, output: &mut Vec<u8>) {
        self.errors += 1;
        if self.errors >= POP3_ERRORS_MAX {
            self.goodbye(&format!("too many errors, at most {POP3_ERRORS_MAX}"), output);
        } else {
            self.refuse(text, output);
        }
    }

    /// `-ERR` and the end, told to the host.
    fn goodbye(&mut self, text: &str, output: &mut Vec<u8>) {
        err(output, text);
        self.tell(text, true);
        self.phase = Phase::Over;
    }

    /// The end of a session that was dismissed.
    fn leave(&mut self, why: Dismissal, output: &mut Vec<u8>) {
        let code = match why {
            Dismissal::Account => "[SYS/PERM]",
            Dismissal::Password => "[AUTH]",
            Dismissal::Host | Dismissal::Room => "[SYS/TEMP]",
        };
        self.goodbye(&format!("{code} {}, closing", why.text()), output);
    }

    /// Sets until when the next octets are waited for. False where that time is over: a peer whose octets are always
    /// there already is never waited for.
    fn may_wait(&mut self, now: Mono) -> bool {
        if !std::mem::take(&mut self.active) {
            return true;
        }
        // Commands before the login win no time: whoever sends them costs a place.
        let login_by = *self.login_by.get_or_insert(now + self.settings.login);
        let is_authorization = matches!(self.phase, Phase::Authorization(_));
        self.deadline = Some(if is_authorization { login_by } else { now + self.settings.idle });
        !is_authorization || now < login_by
    }

    /// `-ERR`. What is refused before the login and what is trouble of ours is told to the host too.
    fn refuse(&mut self, text: &str, output: &mut Vec<u8>) {
        err(output, text);
        if !matches!(self.phase, Phase::Transaction(_)) || text.starts_with("[SYS/") {
            self.tell(text, false);
        }
    }

    fn tell(&mut self, text: &str, closed: bool) {
        let (code, reason) = match text.strip_prefix('[').and_then(|text| text.split_once("] ")) {
            Some((code, reason)) => (code.to_owned(), reason.to_owned()),
            None => (String::new(), text.to_owned()),
        };
        let stage = if matches!(self.phase, Phase::Transaction(_)) { "command" } else { "login" };
        self.refused = Some(Refusal { stage, code, reason, closed });
    }

    fn in_exchange(&self) -> bool {
        matches!(&self.phase, Phase::Authorization(login) if login.exchange.is_some())
    }

    fn line(&mut self, text: &[u8], taken: usize, input: &mut Input, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        if self.in_exchange() {
            let response = if text == b"*" { None } else { Some(sasl::decode(text)) };
            input.consume(taken);
            return self.response(response, output);
        }
        let read = command::parse(text, self.state());
        input.consume(taken);
        match read {
            Ok(command) => self.command(command, input, output),
            Err(CommandError::Unknown) => self.none(|s, o| s.bad("unknown command", o), output),
            Err(CommandError::Arguments) => self.none(|s, o| s.bad("wrong arguments", o), output),
            Err(CommandError::State(why)) => self.none(|s, o| s.bad(why, o), output),
        }
    }

    /// For what needs no answer from outside.
    fn none(&mut self, what: impl FnOnce(&mut Self, &mut Vec<u8>), output: &mut Vec<u8>) -> Option<Step<Ask>> {
        what(self, output);
        None
    }

    fn command(&mut self, command: Command, input: &Input, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        match command {
            Command::Capa => self.capabilities(output),
            Command::Quit => return self.quit(output),
            Command::Apop => self.bad("APOP is not offered", output),
            Command::User(name) => self.user(name, output),
            Command::Pass(password) => return self.pass(password, output),
            Command::Auth(None) => self.mechanisms(output),
            Command::Auth(Some((mechanism, initial))) => return self.auth(&mechanism, initial, output),
            Command::Stls => return self.stls(input, output),
            transaction => {
                let Phase::Transaction(maildrop) = &mut self.phase else { return None };
                match transaction_command(maildrop, transaction, output) {
                    Some(Work::Message(sending)) => {
                        self.stuffer = Stuffer::default();
                        if sending.message.octets == 0 {
                            sending.begin(output);
                            std::mem::take(&mut self.stuffer).end(output);
                            return None;
                        }
                        let ask = sending.ask();
                        self.work = Work::Message(sending);
                        return Some(Step::Ask(ask));
                    }
                    Some(work) => self.work = work,
                    None => {}
                }
            }
        }
        None
    }

    /// RFC 2449 §5, §6; RFC 3206; RFC 5034 §3.
    fn capabilities(&self, output: &mut Vec<u8>) {
        ok(output, "capabilities follow");
        for name in ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"] {
            line(output, &[name]);
        }
        if self.offer().passwords {
            line(output, &["USER"]);
            line(output, &["SASL ", &mechanism_names(self.offer(), " ")]);
        }
        if self.settings.can_start_tls && self.tls.is_none() && self.state() == State::Authorization {
            line(output, &["STLS"]);
        }
        line(output, &["IMPLEMENTATION libmailcore"]);
        line(output, &["."]);
    }

    /// RFC 2595 §4
    fn stls(&mut self, input: &Input, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        if self.tls.is_some() {
            self.bad("TLS is active", output);
        } else if !self.settings.can_start_tls {
            self.bad("TLS is not available", output);
        } else if !input.is_empty() {
            // Octets sent in the clear that would be read as if they had come under TLS.
            self.goodbye("nothing may follow STLS before the TLS handshake", output);
        } else {
            ok(output, "begin TLS");
            return Some(Step::StartTls);
        }
        None
    }

    fn quit(&mut self, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        if let Phase::Transaction(maildrop) = &self.phase {
            return Some(Step::Ask(Ask::Leave(maildrop.marked())));
        }
        ok(output, "goodbye");
        self.phase = Phase::Over;
        Some(Step::Close)
    }

    /// Goes on with an answer that came, or with output that did not fit.
    fn go_on(&mut self, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        if let Some(answer) = self.answer.take() {
            self.active = true;
            return match answer {
                Answer::Login(opened) => self.none(|s, o| s.logged_in(opened, o), output),
                Answer::ScramKeys(keys, known) => self.scram_keys(&keys, known, output),
                Answer::Told => None,
                Answer::Body(piece) => self.none(|s, o| s.body(piece, o), output),
                Answer::Gone => {
                    // Where half a message is out, only the end of the connection says that there is no more.
                    if matches!(&self.work, Work::Message(sending) if sending.offset == 0) {
                        err(output, "[SYS/PERM] the account was deleted");
                    }
                    self.phase = Phase::Over;
                    Some(Step::Close)
                }
                Answer::Left(committed) => {
                    if committed {
                        ok(output, "goodbye");
                    } else {
                        self.refuse("[SYS/TEMP] marked messages were not removed", output);
                    }
                    self.phase = Phase::Over;
                    Some(Step::Close)
                }
            };
        }
        match (&mut self.work, &self.phase) {
            (Work::Numbers { next, ids }, Phase::Transaction(maildrop)) => {
                while output.len() < OUTPUT_OCTETS_MAX {
                    let Some((number, message)) = maildrop.next_from(*next) else {
                        line(output, &["."]);
                        self.work = Work::Nothing;
                        break;
                    };
                    number_line(maildrop, number, &message, *ids, output);
                    *next = number.saturating_add(1);
                }
                self.active = true;
                None
            }
            (Work::Message(sending), Phase::Transaction(_)) => Some(Step::Ask(sending.ask())),
            _ => None,
        }
    }
}

fn mechanism_names(offer: Offer, between: &str) -> String {
    Mechanism::offered(offer).map(Mechanism::name).collect::<Vec<_>>().join(between)
}

impl Dialog for Session {
    type Ask = Ask;
    type Answer = Answer;

    fn step(&mut self, now: Mono, input: &mut Input, output: &mut Vec<u8>) -> Step<Ask> {
        if !std::mem::replace(&mut self.greeted, true) {
            ok(output, &format!("{} POP3 server ready", self.settings.hostname));
        }
        loop {
            if std::mem::take(&mut self.expired) {
                let wait = self.settings.idle.as_secs();
                let login = self.settings.login.as_secs();
                match self.phase {
                    // Clients are forgotten every day: that is no refusal.
                    Phase::Transaction(_) => {
                        err(output, &format!("idle for more than {wait} seconds, closing"));
                        self.phase = Phase::Over;
                    }
                    _ => self.goodbye(&format!("no login within {login} seconds, closing"), output),
                }
            }
            if std::mem::take(&mut self.draining) {
                err(output, "[SYS/TEMP] server shutting down, closing");
                self.phase = Phase::Over;
            }
            if let Some(why) = self.dismissed.take() {
                self.leave(why, output);
            }
            if let Some(refused) = self.refused.take() {
                return Step::Ask(Ask::Refused(refused));
            }
            if matches!(self.phase, Phase::Over) {
                return Step::Close;
            }
            if output.len() >= OUTPUT_OCTETS_MAX {
                return Step::Write;
            }
            if let Some(step) = self.go_on(output) {
                return step;
            }
            if !matches!(self.work, Work::Nothing) || matches!(self.phase, Phase::Over) {
                continue;
            }
            let step = match self.lines.next(input) {
                Framed::More if self.may_wait(now) => return Step::Read,
                Framed::More => {
                    self.expired = true;
                    continue;
                }
                Framed::TooLong => {
                    self.active = true;
                    if let Phase::Authorization(login) = &mut self.phase {
                        *login = Login::default();
                    }
                    self.bad(&format!("line too long, at most {POP3_COMMAND_LINE_OCTETS_MAX} bytes"), output);
                    None
                }
                Framed::Line { octets, taken, .. } => {
                    self.active = true;
                    let text = input.peek().get(..octets).unwrap_or_default().to_vec();
                    self.line(&text, taken, input, output)
                }
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.answer = Some(answer);
    }

    fn tls_started(&mut self, info: TlsInfo) {
        // Nothing said in the clear counts (RFC 2595 §4).
        self.tls = Some(info);
        self.phase = Phase::Authorization(Login::default());
        self.lines.reset();
        self.active = true;
    }

    fn deadline(&self) -> Option<Mono> {
        self.deadline
    }

    fn expire(&mut self) {
        // RFC 1939 §3 would have the connection closed without a word; like other servers we say why. Without UPDATE.
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
