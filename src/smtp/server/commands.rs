//! Commands: a line becomes a verb and its arguments, and is obeyed or refused; how long the next one may take.

use super::{Next, Phase, Session, hello, refused, too_long, verbs};
use crate::base::Reply;
use crate::base::dialog::{Input, Step};
use crate::base::limits::{SMTP_IDLE_COMMANDS_MAX, SMTP_WAITS_PER_MESSAGE};
use crate::base::line::Framed;
use crate::base::time::Mono;
use crate::smtp::command::{self, Command, Verb};
use crate::smtp::reply;

impl Session {
    pub(super) fn command(&mut self, now: Mono, input: &mut Input, output: &mut Vec<u8>) -> Next {
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
    pub(super) fn wait(&mut self, now: Mono, output: &mut Vec<u8>) -> Next {
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
    pub(super) fn too_idle(&self) -> String {
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
            logged_in: self.client.account.is_some() || self.config.manner.open || self.config.relays,
            trusted: self.config.trusted,
            transaction: self.transaction.as_ref().map(|t| (t.envelope.recipients.len(), t.chunking)),
        };
        let row = verbs::check(verb, &standing)?;
        if row.is_idle {
            self.idle_commands += 1;
        }
        command::arguments(verb, rest, &self.extensions()).map(|command| (verb, command))
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
            (Verb::Vrfy | Verb::Expn, Command::About(about)) => return Some(self.ask_about(verb, about)),
            (Verb::XClient, Command::Attributes(attributes)) => return self.xclient(&attributes, output),
            (Verb::XForward, Command::Attributes(attributes)) => self.xforward(&attributes, output),
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
}
