//! SMTP, submission and LMTP over a socket: the pump, and the answers to what a session asks.

use std::sync::Arc;
use std::time::Duration;

use smol::future::FutureExt as _;

use super::accounts::{self, Denied, Door, ScramAnswer};
use super::asked::{self, No};
use super::sessions::Seat;
use super::{Accepted, Shared, broken};
use crate::base::budget::Charge;
use crate::base::content::{Spool, SpoolError};
use crate::base::event::Event;
use crate::base::limits::{CHUNK_OCTETS_MAX, RECIPIENT_OCTETS, UNKNOWN_RECIPIENTS_FREE};
use crate::base::terms::Terms;
use crate::base::trouble::Stage;
use crate::base::{Account, Address, Envelope, Error, Recipient, Reply, Secret, Service};
use crate::intake::hook::Point;
use crate::intake::policy::unknown_user;
use crate::intake::{Intake, reply_of};
use crate::net::listen::network_of;
use crate::net::pump::{Answerer, Connection, PumpEnd, PumpWaits, TlsRole, pump};
use crate::smtp::server::{Answer, Ask, Client, Config, Manner, Session, too_large};

/// Serves one connection to its end.
pub async fn serve(shared: Arc<Shared>, accepted: Accepted) {
    let settings = &shared.settings;
    let mut seed = [0; 32];
    shared.world.entropy.fill(&mut seed);
    let submission = matches!(accepted.service, Service::Submission | Service::Submissions);
    let most = settings.sessions_per_listener_max;
    let patience = shared.logins.sessions.patience(accepted.service, most, settings.waits.smtp_command);
    let mut session = Session::new(Config {
        service: accepted.service,
        hostname: settings.hostname.clone(),
        ends: accepted.ends,
        octets_max: settings.message_octets_max,
        recipients_max: settings.recipients_max,
        command_wait: patience,
        data_time: settings.waits.smtp_data,
        data_rate_min: settings.waits.smtp_data_rate_min,
        start_tls: shared.world.tls.can_accept(),
        tls: accepted.tls,
        plaintext_login: shared.takes_plaintext(accepted.ends.local),
        repair_line_ends: submission && settings.repair_line_ends_in_submission,
        seed,
        begun: shared.world.clock.wall(),
        hold_seconds_max: settings.esmtp.hold_seconds_max,
        no_soliciting: settings.esmtp.no_soliciting.clone(),
        relays: submission && settings.esmtp.relays_for(accepted.ends.peer.ip()),
        trusted: settings.esmtp.trusts(accepted.ends.peer.ip()),
        manner: Manner { asks_more: true, open: settings.sink.is_on(), plain_only: !shared.offers_scram() },
    });
    let waits = PumpWaits { tls_handshake: settings.waits.tls_handshake, write: settings.waits.write };
    let Accepted { stream, ends, service, trace, .. } = accepted;
    let mut connection = Connection::new(stream);
    connection.trace = trace;
    let seat = Arc::new(accounts::enter(&shared, service, ends.peer));
    let notice = seat.notice();
    let told = notice.clone();
    connection.end_with(shared.draining.clone(), async move { told.dismissed().await });
    let charge = shared.logins.memory.budget().charge(0);
    let mut answerer = SmtpAnswerer {
        intake: shared.intake(),
        shared: shared.clone(),
        service,
        ends,
        client: asked::client(service, ends, None).into(),
        body: None,
        scram: None,
        seat: Arc::clone(&seat),
        charge,
        unknown: 0,
    };
    let session = async {
        let end = pump(&shared.world, waits, &TlsRole::Server, &mut connection, &mut session, &mut answerer).await;
        if let PumpEnd::Broken(e) = end {
            // What was accepted is kept, what was not was not.
            let user = session.account().map(|account| account.address.to_string()).unwrap_or_default();
            broken::tell(&shared, service, ends, (session.stage(), user), &e);
        }
    };
    accounts::until_dismissed(&shared, &notice, session).await;
}

/// Answers one session.
struct SmtpAnswerer {
    shared: Arc<Shared>,
    intake: Intake,
    service: Service,
    ends: crate::base::settings::Ends,
    /// Who calls, as last heard.
    client: Arc<Client>,
    body: Option<Result<Spool, SpoolError>>,
    /// Whose SCRAM keys were given out.
    scram: Option<Arc<Account>>,
    seat: Arc<Seat>,
    /// What the transaction under way holds in memory.
    charge: Option<Charge>,
    /// Recipients named that do not exist.
    unknown: u32,
}

impl Answerer<Session> for SmtpAnswerer {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Connect(client) => {
                // After XCLIENT it is another client.
                (self.ends, self.unknown) = (client.ends, 0);
                let peer = self.ends.peer.ip().to_canonical().to_string();
                verdict(self.may_go_on((Stage::Connect, Point::Connect), client, None, &[&peer]).await)
            }
            Ask::Hello(client) => {
                let name = client.hello.clone();
                verdict(self.may_go_on((Stage::Hello, Point::Hello), client, None, &[&name]).await)
            }
            Ask::Data(_, envelope) => verdict(self.script(Stage::Data, &envelope).await),
            Ask::Sender(client, envelope) => {
                self.charge.iter_mut().for_each(|charge| charge.shrink(0));
                let ours = self.intake.check_sender(&client, envelope.reverse_path.as_ref()).await;
                let ours = ours.and_then(|()| self.within_rate(&client, None));
                if let Err(reply) = ours {
                    return Answer::Verdict(Err(reply));
                }
                let sender = sender(&envelope);
                let asked = self.may_go_on((Stage::Mail, Point::Sender), client, Some(&envelope), &[&sender]).await;
                match asked {
                    Ok(()) if envelope.terms != Terms::default() => Answer::Began(self.shared.world.clock.wall()),
                    asked => verdict(asked),
                }
            }
            Ask::Verify(client, about) => Answer::Replies(vec![self.intake.verify(&client, &about).await]),
            Ask::Expand(client, about) => Answer::Replies(vec![self.intake.expand(&client, &about).await]),
            Ask::Recipient(client, envelope) => self.judged(&client, &envelope).await,
            Ask::Login(user, password) => self.login(&user, &password).await,
            Ask::Keys(user) => match asked::scram_keys(&self.shared, &self.client, self.door(), &user).await {
                Ok(ScramAnswer { keys, account }) => {
                    self.scram.clone_from(&account);
                    Answer::Keys(keys, account)
                }
                Err(No::Denied(_)) => Answer::Later,
                Err(no) => verdict(Err(no)),
            },
            Ask::LoginEnded(user, ok) => self.login_ended(&user, ok).await,
            Ask::Refused(refused) => {
                let events = refused.into_iter().map(|refused| Event::Refused(Box::new(refused)));
                self.shared.events.say_all(events.collect());
                Answer::Done
            }
            Ask::Piece(mut piece) => {
                self.keep(&piece);
                piece.clear();
                Answer::Buffer(piece)
            }
            Ask::Abandon => {
                self.body = None;
                Answer::Done
            }
            Ask::Accept(client, envelope, last) => {
                let answer = self.whole(&client, &envelope, last).await;
                self.charge.iter_mut().for_each(|charge| charge.shrink(0));
                answer
            }
        }
    }
}

/// What is asked of the script and of the program alike.
fn verdict(asked: Result<(), No>) -> Answer {
    match asked {
        Ok(()) => Answer::Verdict(Ok(())),
        Err(No::Reply(reply)) => Answer::Verdict(Err(reply)),
        Err(No::HangUp) => Answer::HangUp,
        // Only logins are denied, and these are answered in their own way.
        Err(No::Denied(_)) => Answer::Later,
    }
}

fn sender(envelope: &Envelope) -> String {
    envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default()
}

impl SmtpAnswerer {
    async fn login(&mut self, user: &str, password: &Secret) -> Answer {
        let login = asked::login(&self.shared, &self.client, self.door(), user, password).await;
        let noted = match login {
            Ok(account) => accounts::note(&self.shared, &self.seat, account).await.map_err(No::Denied),
            Err(no) => Err(no),
        };
        match noted {
            Ok(account) => Answer::Account(Some(account)),
            Err(No::Denied(Denied::Wrong)) => Answer::Account(None),
            Err(No::Denied(Denied::Later)) => Answer::Later,
            Err(no) => verdict(Err(no)),
        }
    }

    /// The end of an exchange of SCRAM, whose proof was right or not.
    async fn login_ended(&mut self, user: &str, ok: bool) -> Answer {
        let ended = accounts::scram_ended(&self.shared, self.door(), user, ok).await;
        let account = self.scram.take().ok_or(Denied::Wrong);
        let noted = match ended.and(account) {
            Ok(account) => accounts::note(&self.shared, &self.seat, account).await,
            Err(denied) => Err(denied),
        };
        match noted {
            Ok(_) => Answer::Done,
            // The session says of a wrong proof by itself that it is wrong.
            Err(Denied::Wrong) if !ok => Answer::Done,
            Err(Denied::Wrong) => Answer::Account(None),
            Err(Denied::Later) => Answer::Later,
        }
    }

    /// The script, then the program.
    async fn may_go_on(
        &mut self,
        (stage, point): (Stage, Point),
        client: Arc<Client>,
        envelope: Option<&Envelope>,
        addresses: &[&str],
    ) -> Result<(), No> {
        asked::script(&self.shared, self.service, stage, addresses).await?;
        let nothing = Envelope::default();
        let said = self.intake.decide_session(point, &client, envelope.unwrap_or(&nothing)).await;
        self.client = client;
        said.map_err(No::Reply)
    }

    /// The script, where it is about a whole envelope.
    async fn script(&self, stage: Stage, envelope: &Envelope) -> Result<(), No> {
        if self.shared.settings.trouble.is_empty() {
            return Ok(());
        }
        let mut addresses = vec![sender(envelope)];
        addresses.extend(envelope.recipients.iter().map(|to| to.address.to_string()));
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        asked::script(&self.shared, self.service, stage, &addresses).await
    }

    /// A recipient: the script, then everybody else.
    async fn judged(&mut self, client: &Client, envelope: &Envelope) -> Answer {
        let to = envelope.recipients.first().map(|to| to.address.to_string()).unwrap_or_default();
        if let Err(no) = asked::script(&self.shared, self.service, Stage::Rcpt, &[&to]).await {
            return verdict(Err(no));
        }
        let checked = self.recipient(client, envelope).await;
        let address = envelope.recipients.first().map(|to| &to.address);
        let other = match checked.and_then(|other| self.within_rate(client, address).map(|()| other)) {
            Ok(other) => other,
            Err(reply) => return Answer::Verdict(Err(reply)),
        };
        match (self.make_room(), other) {
            (Err(reply), _) => Answer::Verdict(Err(reply)),
            (Ok(()), None) => Answer::Verdict(Ok(())),
            (Ok(()), Some(recipient)) => Answer::Redirected(Box::new(recipient)),
        }
    }

    /// A complete message: the script, the message itself, the script once more.
    async fn whole(&mut self, client: &Client, envelope: &Envelope, last: Vec<u8>) -> Answer {
        let count = if client.service == Service::Lmtp { envelope.recipients.len() } else { 1 };
        let scripted = |asked| match asked {
            Ok(()) => None,
            Err(No::Reply(reply)) => Some(Answer::Replies(vec![reply; count])),
            Err(No::HangUp | No::Denied(_)) => Some(Answer::HangUp),
        };
        if let Some(answer) = scripted(self.script(Stage::Message, envelope).await) {
            self.body = None;
            return answer;
        }
        let replies = self.accept(client, envelope, last).await;
        if let Some(account) = client.account.as_ref().filter(|_| replies.iter().any(Reply::is_positive)) {
            let limits = &self.shared.settings.esmtp.submission;
            self.shared.logins.rates.submitted(account.id, limits, self.shared.world.clock.now());
        }
        if replies.iter().any(Reply::is_positive)
            && let Some(answer) = scripted(self.script(Stage::Accepted, envelope).await)
        {
            return answer;
        }
        Answer::Replies(replies)
    }

    /// Whether an account may submit another message, or write to `address`, today.
    fn within_rate(&self, client: &Client, address: Option<&Address>) -> Result<(), Reply> {
        let Some(account) = &client.account else { return Ok(()) };
        let (rates, limits) = (&self.shared.logins.rates, &self.shared.settings.esmtp.submission);
        let now = self.shared.world.clock.now();
        let judged = match address {
            None => rates.may_submit(account.id, limits, now),
            Some(address) => rates.may_reach(account.id, address, limits, now),
        };
        judged.map_err(|reached| {
            if let Some(what) = reached.warning {
                let text = format!("{} submitted too much: {what}", account.address);
                self.shared.events.say(Event::Warning { about: "submission", text });
            }
            reached.reply
        })
    }

    fn door(&self) -> Door {
        Door { service: self.service, peer: self.ends.peer, stage: "auth" }
    }

    fn spool(&self) -> Spool {
        let disk = self.shared.world.disk.clone();
        let spool = Spool::new(disk, self.shared.store.scratch_folder(), self.shared.settings.message_octets_max);
        spool.charged_to(self.shared.logins.memory.at(self.shared.world.clock.now()))
    }

    /// Whether mail for a recipient is taken. A stranger who names many that do not exist is slowed down, and then not
    /// heard for a time, whoever else he names.
    async fn recipient(&mut self, client: &Client, envelope: &Envelope) -> Result<Option<Recipient>, Reply> {
        let (guard, settings) = (&self.shared.logins.guard, &self.shared.settings);
        let (ip, clock) = (self.ends.peer.ip(), &self.shared.world.clock);
        let is_stranger = client.account.is_none();
        if is_stranger && guard.is_harvester(ip, clock.now()) {
            self.pause(settings.unknown_recipient_pause).await;
            return Err(Reply::new(450, 7, 1, "Too many unknown recipients from your address, try again later"));
        }
        let verdict = self.intake.check_recipient(client, envelope).await;
        if is_stranger && verdict.as_ref().is_err_and(|reply| *reply == unknown_user()) {
            self.unknown += 1;
            if let Some(block) = guard.unknown_recipient(ip, settings.unknown_recipients_per_peer_max, clock.now()) {
                self.shared.events.say(Event::Penalty {
                    about: block.who.name(),
                    who: network_of(ip).to_string(),
                    peer: self.ends.peer.to_string(),
                    cause: "rcpt",
                    count: block.count,
                    seconds: block.seconds,
                });
            }
            if self.unknown > UNKNOWN_RECIPIENTS_FREE {
                self.pause(settings.unknown_recipient_pause).await;
            }
        }
        verdict
    }

    async fn pause(&self, pause: Duration) {
        let draining = async { while self.shared.draining.recv().await.is_ok() {} };
        if !pause.is_zero() {
            self.shared.world.clock.pause(pause).or(draining).await;
        }
    }

    /// Charges a recipient, and with the first one the piece of a message that a session holds.
    fn make_room(&mut self) -> Result<(), Reply> {
        let memory = &self.shared.logins.memory;
        let is_short = memory.is_short(self.shared.world.clock.now());
        let piece = if self.charge.as_ref().is_some_and(Charge::is_empty) { CHUNK_OCTETS_MAX as u64 } else { 0 };
        let grown = self.charge.as_mut().is_none_or(|charge| charge.grow(RECIPIENT_OCTETS + piece));
        if grown && !is_short { Ok(()) } else { Err(Reply::new(452, 3, 1, "Not enough memory, try again later")) }
    }

    fn keep(&mut self, piece: &[u8]) {
        let body = self.body.take().unwrap_or_else(|| Ok(self.spool()));
        self.body = Some(body.and_then(|mut spool| spool.push(piece).map(|()| spool)));
    }

    async fn accept(&mut self, client: &Client, envelope: &Envelope, last: Vec<u8>) -> Vec<Reply> {
        let _held = self.body.as_mut().and_then(|body| body.as_mut().ok()).and_then(Spool::take_charge);
        let content = if self.body.is_none() {
            // All of it in one piece: it goes on as it is.
            Ok(crate::base::Content::from_octets(last))
        } else {
            self.keep(&last);
            self.body.take().unwrap_or_else(|| Ok(self.spool())).map(Spool::finish)
        };
        let content = match content {
            Ok(content) => content,
            Err(e) => {
                let reply = match e {
                    SpoolError::TooLarge => too_large(self.shared.settings.message_octets_max),
                    SpoolError::Disk(e) => reply_of(&Error::of_disk("scratch file", &e)),
                };
                return vec![reply; if client.service == Service::Lmtp { envelope.recipients.len() } else { 1 }];
            }
        };
        match client.service {
            Service::Submission | Service::Submissions if !self.shared.settings.sink.is_on() => {
                vec![self.intake.submit_from(client, envelope, content).await]
            }
            _ => self.intake.receive(client, envelope, content).await,
        }
    }
}
