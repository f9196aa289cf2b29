//! The server's side of a ManageSieve session as a [`Dialog`].

mod ask;
mod login;
mod respond;

pub use self::ask::{Answer, Ask, LoginTrouble, Refusal, SessionSettings, Trouble};
use super::command::{self, Command, CommandError, Framed, Framer};
use crate::base::dialog::{Dialog, Dismissal, Input, Step};
use crate::base::limits::{MANAGESIEVE_ERRORS_MAX, OUTPUT_OCTETS_MAX};
use crate::base::time::Mono;
use crate::base::world::TlsInfo;
use crate::sasl::{Exchange, Offer};

/// A session.
pub struct Session {
    settings: SessionSettings,
    framer: Framer,
    tls: Option<TlsInfo>,
    phase: Phase,
    answer: Option<Answer>,
    /// What the answer that comes is for.
    waiting: Waiting,
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
    Login(Login),
    /// Who has logged in.
    Managing(String),
    /// Nothing more is read.
    Over,
}

/// What of a login has come so far.
#[derive(Default)]
struct Login {
    /// Under way: each string is a response to it.
    exchange: Option<Exchange>,
    /// Whose keys the exchange asked for.
    scram_user: Option<String>,
}

/// What an answer without its own meaning is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Nothing,
    /// `OK` says that it is done.
    Done,
}

impl Session {
    /// A session; `tls` where it began with a handshake.
    pub fn new(settings: SessionSettings, tls: Option<TlsInfo>) -> Session {
        Session {
            settings,
            framer: Framer::default(),
            tls,
            phase: Phase::Login(Login::default()),
            answer: None,
            waiting: Waiting::Nothing,
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
            plain_only: false,
        }
    }

    fn in_exchange(&self) -> bool {
        matches!(&self.phase, Phase::Login(login) if login.exchange.is_some())
    }

    fn line(&mut self, line: &[u8], input: &Input, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        if self.in_exchange() {
            return self.response(command::only_string(line), output);
        }
        match command::parse(line) {
            Ok(command) => self.command(command, input, output),
            Err(CommandError::Unknown) => self.bad("unknown command", output),
            Err(CommandError::Arguments) => self.bad("wrong arguments", output),
        }
    }

    fn command(&mut self, command: Command, input: &Input, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        match command {
            Command::Capability => {
                self.capabilities(output);
                self.ok("", output);
            }
            Command::Noop(None) => self.ok("done", output),
            Command::Noop(Some(tag)) => {
                output.extend_from_slice(b"OK (TAG ");
                command::put_string(output, &tag);
                output.extend_from_slice(b") \"done\"\r\n");
            }
            Command::Logout => {
                self.ok("goodbye", output);
                self.phase = Phase::Over;
            }
            Command::StartTls => return self.start_tls(input, output),
            Command::Authenticate(mechanism, initial) => return self.authenticate(&mechanism, initial, output),
            managing if matches!(self.phase, Phase::Managing(_)) => return self.manage(managing, output),
            _ => return self.bad("log in first", output),
        }
        None
    }

    /// Commands for who has logged in.
    fn manage(&mut self, command: Command, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        let ask = match command {
            Command::Unauthenticate => {
                self.phase = Phase::Login(Login::default());
                self.login_by = None;
                self.ok("", output);
                return None;
            }
            Command::ListScripts => return Some(Step::Ask(Ask::List)),
            Command::GetScript(name) => return Some(Step::Ask(Ask::Get(name))),
            Command::HaveSpace(name, octets) => Ask::HaveSpace { name, octets },
            Command::PutScript(name, script) => Ask::Put { name, script },
            Command::CheckScript(script) => Ask::Check(script),
            Command::SetActive(name) => Ask::SetActive(name),
            Command::DeleteScript(name) => Ask::Delete(name),
            Command::RenameScript(from, to) => Ask::Rename { from, to },
            _ => return self.bad("unknown command", output),
        };
        self.waiting = Waiting::Done;
        Some(Step::Ask(ask))
    }

    /// RFC 5804 §2.2
    fn start_tls(&mut self, input: &Input, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        if self.tls.is_some() {
            return self.bad("TLS is active", output);
        }
        if !self.settings.can_start_tls || matches!(self.phase, Phase::Managing(_)) {
            return self.bad("TLS is not available", output);
        }
        if !input.is_empty() {
            // Octets sent in the clear that would be read as if they had come under TLS.
            self.goodbye("nothing may follow STARTTLS before the TLS handshake", output);
            return None;
        }
        self.ok("begin TLS", output);
        Some(Step::StartTls)
    }

    /// Goes on with an answer that came.
    fn go_on(&mut self, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        let answer = self.answer.take()?;
        self.active = true;
        match answer {
            Answer::Login(opened) => self.logged_in(opened, output),
            Answer::ScramKeys(keys, known) => return self.scram_keys(&keys, known, output),
            Answer::Told => {}
            Answer::Gone => self.goodbye("the account was deleted", output),
            Answer::Scripts(Ok(scripts)) => {
                for (name, active) in scripts {
                    command::put_string(output, name.as_bytes());
                    output.extend_from_slice(if active { b" ACTIVE\r\n" } else { b"\r\n" });
                }
                self.ok("", output);
            }
            Answer::Script(Ok(script)) => {
                // RFC 5804 §2.9: a literal, however short it is.
                output.extend_from_slice(format!("{{{}}}\r\n", script.len()).as_bytes());
                output.extend_from_slice(&script);
                output.extend_from_slice(b"\r\n");
                self.ok("", output);
            }
            Answer::Scripts(Err(trouble)) | Answer::Script(Err(trouble)) => self.trouble(&trouble, output),
            Answer::Done(done) => {
                if std::mem::replace(&mut self.waiting, Waiting::Nothing) == Waiting::Done {
                    match done {
                        Ok(()) => self.ok("", output),
                        Err(trouble) => self.trouble(&trouble, output),
                    }
                }
            }
        }
        None
    }

    fn out_of_time(&mut self, output: &mut Vec<u8>) {
        match self.phase {
            Phase::Managing(_) => {
                self.bye("idle for too long, closing", output);
                self.phase = Phase::Over;
            }
            _ => {
                let wait = self.settings.login_wait.as_secs();
                self.goodbye(&format!("no login within {wait} seconds, closing"), output);
            }
        }
    }

    fn set_deadline(&mut self, now: Mono) {
        if !std::mem::take(&mut self.active) {
            return;
        }
        // Commands before the login win no time: whoever sends them costs a place.
        self.deadline = Some(match self.phase {
            Phase::Login(_) => *self.login_by.get_or_insert(now + self.settings.login_wait),
            _ => now + self.settings.idle,
        });
    }

    /// A frame that was no command is answered and counted.
    fn framed(&mut self, framed: Framed, input: &Input, output: &mut Vec<u8>) -> Option<Step<Ask>> {
        self.active = true;
        match framed {
            Framed::More => None,
            Framed::Command(line) => self.line(&line, input, output),
            Framed::TooLong => {
                self.no("(QUOTA/MAXSIZE) ", "the command is too long", output);
                self.count_error(output);
                None
            }
            Framed::Broken => {
                self.goodbye("a string without an end, or a literal without `+`", output);
                None
            }
        }
    }

    fn count_error(&mut self, output: &mut Vec<u8>) {
        self.errors += 1;
        if self.errors >= MANAGESIEVE_ERRORS_MAX {
            self.goodbye(&format!("too many errors, at most {MANAGESIEVE_ERRORS_MAX}"), output);
        }
    }
}

impl Dialog for Session {
    type Ask = Ask;
    type Answer = Answer;

    fn step(&mut self, now: Mono, input: &mut Input, output: &mut Vec<u8>) -> Step<Ask> {
        if !std::mem::replace(&mut self.greeted, true) {
            self.capabilities(output);
            let greeting = format!("{} ManageSieve server ready", self.settings.hostname);
            self.ok(&greeting, output);
        }
        loop {
            if std::mem::take(&mut self.expired) {
                self.out_of_time(output);
            }
            if std::mem::take(&mut self.draining) {
                self.bye_trying_later("server shutting down, closing", output);
                self.phase = Phase::Over;
            }
            if let Some(why) = self.dismissed.take() {
                self.goodbye(&format!("{}, closing", why.text()), output);
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
            if self.answer.is_some() {
                if let Some(step) = self.go_on(output) {
                    return step;
                }
                continue;
            }
            let (taken, framed) = self.framer.take(input.peek());
            input.consume(taken);
            if framed == Framed::More {
                self.set_deadline(now);
                return Step::Read;
            }
            if let Some(step) = self.framed(framed, input, output) {
                return step;
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.answer = Some(answer);
    }

    fn tls_started(&mut self, info: TlsInfo) {
        // Nothing said in the clear counts, and the capabilities are said again (RFC 5804 §2.2).
        self.tls = Some(info);
        self.phase = Phase::Login(Login::default());
        self.framer = Framer::default();
        self.greeted = false;
        self.active = true;
    }

    fn deadline(&self) -> Option<Mono> {
        self.deadline
    }

    fn expire(&mut self) {
        self.expired = true;
    }

    fn drain(&mut self) {
        self.draining = true;
    }

    fn dismiss(&mut self, why: Dismissal) {
        self.dismissed = Some(why);
    }

    fn end(&mut self) {
        // What was not complete is not done.
        self.phase = Phase::Over;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn session(passwords: bool) -> Session {
        let settings = SessionSettings {
            hostname: "mx.example.net".to_owned(),
            idle: Duration::from_secs(1800),
            login_wait: Duration::from_secs(60),
            can_start_tls: true,
            allow_plaintext_login: passwords,
            extensions: "fileinto".to_owned(),
            nonce_seed: [7; 32],
        };
        Session::new(settings, None)
    }

    /// What is said to these octets. Passwords are `secret`, there is a script `a`; what is asked is kept.
    fn say(session: &mut Session, asked: &mut Vec<Ask>, octets: &[u8]) -> String {
        let (mut input, mut output) = (Input::new(), Vec::new());
        input.push(octets);
        loop {
            match session.step(Mono(0), &mut input, &mut output) {
                Step::Ask(ask) => {
                    session.answer(match &ask {
                        Ask::Login { user, password } if password.expose() == b"secret" => {
                            Answer::Login(Ok(user.clone()))
                        }
                        Ask::Login { .. } | Ask::ScramEnded { .. } | Ask::ScramKeys(_) => {
                            Answer::Login(Err(LoginTrouble::Refused))
                        }
                        Ask::Refused(_) => Answer::Told,
                        Ask::List => Answer::Scripts(Ok(vec![("a\"b".to_owned(), true), ("c".to_owned(), false)])),
                        Ask::Get(name) if name == "a" => Answer::Script(Ok(b"keep;".to_vec())),
                        Ask::Get(_) => Answer::Script(Err(Trouble::NonExistent)),
                        Ask::Put { name, .. } if name == "wrong" => {
                            Answer::Done(Err(Trouble::Wrong("line 1, column 1: \"x\"\r\nmore".to_owned())))
                        }
                        _ => Answer::Done(Ok(())),
                    });
                    asked.push(ask);
                }
                Step::Write => {}
                Step::Read | Step::StartTls | Step::Close => {
                    return String::from_utf8(output).expect("UTF-8");
                }
            }
        }
    }

    const LOGIN: &[u8] = b"AUTHENTICATE \"PLAIN\" \"AGJvYgBzZWNyZXQ=\"\r\n";

    #[test]
    fn nothing_is_done_before_the_login() {
        let (mut session, mut asked) = (session(true), Vec::new());
        let greeting = say(&mut session, &mut asked, b"");
        assert!(greeting.starts_with("\"IMPLEMENTATION\" \"libmailcore\"\r\n\"SASL\" \""), "{greeting}");
        assert!(greeting.contains("\r\n\"STARTTLS\"\r\n") && !greeting.contains("OWNER"), "{greeting}");
        for command in ["LISTSCRIPTS", "PUTSCRIPT \"a\" \"keep;\"", "SETACTIVE \"a\"", "UNAUTHENTICATE"] {
            let said = say(&mut session, &mut asked, format!("{command}\r\n").as_bytes());
            assert_eq!(said, "NO \"log in first\"\r\n", "{command}");
        }
        assert!(asked.iter().all(|ask| matches!(ask, Ask::Refused(_))));
        let closed = say(&mut super::tests::session(false), &mut asked, LOGIN);
        assert!(closed.contains("\"SASL\" \"\"") && closed.contains("NO (ENCRYPT-NEEDED) "), "{closed}");
    }

    #[test]
    fn scripts_are_managed() {
        let (mut session, mut asked) = (session(true), Vec::new());
        assert!(say(&mut session, &mut asked, LOGIN).ends_with("OK \"logged in\"\r\n"));
        for (command, answer) in [
            ("LISTSCRIPTS\r\n", "\"a\\\"b\" ACTIVE\r\n\"c\"\r\nOK\r\n"),
            ("GETSCRIPT \"a\"\r\n", "{5}\r\nkeep;\r\nOK\r\n"),
            ("GETSCRIPT \"x\"\r\n", "NO (NONEXISTENT) \"there is no script of this name\"\r\n"),
            ("PUTSCRIPT {1+}\r\na {7+}\r\nkeep;\r\n\r\n", "OK\r\n"),
            ("PUTSCRIPT \"wrong\" \"\"\r\n", "NO {27}\r\nline 1, column 1: \"x\"\r\nmore\r\n"),
            ("RENAMESCRIPT \"a\" \"b\"\r\n", "OK\r\n"),
            ("NOOP\r\nNOOP \"x\"\r\n", "OK \"done\"\r\nOK (TAG \"x\") \"done\"\r\n"),
            ("FROB\r\n", "NO \"unknown command\"\r\n"),
            ("STARTTLS\r\n", "NO \"TLS is not available\"\r\n"),
            ("UNAUTHENTICATE\r\nLISTSCRIPTS\r\n", "OK\r\nNO \"log in first\"\r\n"),
            ("LOGOUT\r\n", "OK \"goodbye\"\r\n"),
        ] {
            assert_eq!(say(&mut session, &mut asked, command.as_bytes()), answer, "{command}");
        }
        let put = Ask::Put { name: "a".to_owned(), script: b"keep;\r\n".to_vec() };
        assert!(asked.contains(&put), "{asked:?}");
    }

    #[test]
    fn wrong_passwords_and_wrong_commands_end_the_session() {
        let (mut session, mut asked) = (session(true), Vec::new());
        let wrong = b"AUTHENTICATE \"PLAIN\" \"AGJvYgB3cm9uZw==\"\r\n".repeat(50);
        assert!(say(&mut session, &mut asked, &wrong).contains("BYE \"wrong user name or password; too many"));
        let mut session = super::tests::session(true);
        assert!(say(&mut session, &mut asked, &b"FROB\r\n".repeat(100)).contains("BYE \"too many errors"));
        let mut session = super::tests::session(true);
        assert!(say(&mut session, &mut asked, b"STARTTLS\r\nNOOP\r\n").contains("BYE \"nothing may follow"));
        let mut session = super::tests::session(true);
        let cancelled = say(&mut session, &mut asked, b"AUTHENTICATE \"PLAIN\"\r\n\"*\"\r\n");
        assert!(cancelled.ends_with("\"\"\r\nNO \"login cancelled\"\r\n"), "{cancelled}");
    }
}
