//! A connection to one host with the SMTP session on it: dialled, used for any number of messages, left.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use smol::future::FutureExt;

use super::hosts::HostPlace;
use super::policy::{Decision, TlsEnd, TlsPolicy, bare_name};
use super::progress::{Progress, Waiting};
use super::trail::TrailKind;
use super::watched::{self, Watched};
use crate::base::envelope::BodyKind;
use crate::base::limits::{MESSAGES_PER_CONNECTION_MAX, SMTP_CLIENT_BLOCK_WAIT_SECONDS};
use crate::base::settings::OutboundTls;
use crate::base::world::{BoxFuture, TlsInfo, TlsPeer, World};
use crate::base::{Address, Envelope, Mono, Secret, Settings};
use crate::net::pump::{Answerer, Connection, PumpEnd, PumpWaits, TlsRole, pump, within};
use crate::smtp::client::{BodyAnswer, BodyAsk, Client, Delivery, Fate, Options, Stage, Transaction, Unfit};

/// Where the octets of a message come from.
pub trait BodySource: Send + Sync {
    /// Up to `octets_max` octets from `offset`, at least one unless it lies at the end; `None` where they cannot
    /// be read.
    fn piece(&self, offset: u64, octets_max: usize) -> BoxFuture<'_, Option<Vec<u8>>>;

    /// The same message for a host that lacks 8BITMIME, BINARYMIME or SMTPUTF8: lines of ASCII, header and body. `None`
    /// where it has no such form.
    fn seven_bit(&self) -> BoxFuture<'_, Option<SevenBit>> {
        Box::pin(std::future::ready(None))
    }
}

/// A message in lines of ASCII.
pub struct SevenBit {
    /// Its octets.
    pub size: u64,
    /// Where they come from.
    pub body: Box<dyn BodySource>,
}

/// What a session needs to know of the host it is for.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Name of the host, for TLS and for reports.
    pub(super) host: String,
    /// Where it is dialled.
    pub(super) at: SocketAddr,
    /// Login, for a smart host.
    pub(super) login: Option<(String, Secret)>,
    /// TLS from the first octet.
    pub(super) implicit_tls: bool,
    /// What TLS is demanded.
    pub(super) decision: Decision,
    /// In the clear, after an opportunistic handshake broke.
    pub(super) clear: bool,
}

/// A session.
pub(super) struct Session {
    client: Client,
    connection: Connection,
    role: TlsRole,
    peer: Peer,
    messages: u32,
    /// When its TLS policy was decided, or found to be as strong as another one.
    decided: Mono,
    /// The connection's place at the host.
    place: Option<HostPlace>,
    /// How TLS failed.
    tls_failed: Option<TlsEnd>,
}

/// Recipients whom the host would be given the message for, were it of ASCII.
fn unfit(envelope: &Envelope, delivery: &Delivery) -> Vec<usize> {
    if envelope.reverse_path.as_ref().is_some_and(Address::needs_smtputf8) {
        return Vec::new();
    }
    let is_unfit = |fate: &Fate| matches!(fate, Fate::Unfit(Unfit::NoEightBit | Unfit::NoBinary | Unfit::NoUtf8));
    let pairs = envelope.recipients.iter().zip(&delivery.fates).enumerate();
    let unfit = pairs.filter(|(_, (to, fate))| is_unfit(fate) && !to.address.needs_smtputf8());
    unfit.map(|(at, _)| at).collect()
}

/// Why there is no session.
pub(super) enum NoSession {
    /// No connection.
    Connect(io::Error),
    /// No handshake, on a port with implicit TLS.
    Handshake(io::Error),
}

impl Session {
    /// Dials.
    pub(super) async fn dial(
        world: &World,
        settings: &Settings,
        peer: Peer,
        place: HostPlace,
        progress: &Progress,
    ) -> Result<Session, NoSession> {
        let decided = world.clock.now();
        progress.note(Waiting::Host, decided);
        progress.say(decided, TrailKind::Connect, &format!("to {} at {}", peer.host, peer.at));
        let policy = &peer.decision.policy;
        let tls = if peer.clear { OutboundTls::Off } else { policy.outbound_tls() };
        let name = policy.verified_name().map_or_else(|| bare_name(&peer.host), str::to_owned);
        let role = TlsRole::Client(TlsPeer { name, must_verify: policy.verified_name().is_some() });
        let waits = settings.outbound.waits;
        let at = world.clock.now() + waits.connect;
        let stream = within(&*world.clock, at, world.network.connect(peer.at, None)).or(stopped(progress)).await;
        let mut connection = Connection::new(stream.map_err(NoSession::Connect)?);
        let mut info = None;
        if let (true, TlsRole::Client(name)) = (peer.implicit_tls, &role) {
            let at = world.clock.now() + settings.waits.tls_handshake;
            let handshake = world.tls.connect(connection.stream, name.clone());
            let made = within(&*world.clock, at, handshake).or(stopped(progress)).await;
            let (stream, made) = made.map_err(NoSession::Handshake)?;
            let dane = policy.dane().map(|records| &**records);
            watched::judge(world, dane, &made)
                .map_err(|refused| NoSession::Handshake(io::Error::new(io::ErrorKind::InvalidData, refused)))?;
            progress.say(world.clock.now(), TrailKind::Tls, &watched::told(&made, dane.is_some()));
            connection = Connection::new(stream);
            info = Some(made);
        }
        let mut seed = [0; 32];
        if peer.login.is_some() {
            world.entropy.fill(&mut seed);
        }
        let (login, nonce) = (peer.login.clone(), crate::sasl::nonce(&seed, 0));
        let options = Options { hostname: settings.hostname.clone(), tls, login, nonce, waits };
        let client = Client::new(options, info);
        let place = Some(place);
        Ok(Session { client, connection, role, peer, messages: 0, decided, place, tls_failed: None })
    }

    /// Hands over one message, in its other form where the host cannot take the one it has.
    pub(super) async fn deliver(
        &mut self,
        world: &World,
        settings: &Settings,
        transaction: Transaction,
        body: &dyn BodySource,
        progress: &Progress,
    ) -> Delivery {
        let envelope = transaction.envelope.clone();
        let mut delivery = self.hand_over(world, settings, transaction, body, progress).await;
        let unfit = unfit(&envelope, &delivery);
        if unfit.is_empty() || !self.is_open() {
            return delivery;
        }
        // The host waits for us.
        progress.note(Waiting::Nobody, world.clock.now());
        let Some(SevenBit { size, body }) = body.seven_bit().await else { return delivery };
        let recipients = unfit.iter().filter_map(|at| envelope.recipients.get(*at)).cloned().collect();
        let envelope = Envelope { recipients, body: BodyKind::SevenBit, smtputf8: false, ..envelope };
        let again = self.hand_over(world, settings, Transaction { envelope, size }, &*body, progress).await;
        for (at, fate) in unfit.into_iter().zip(again.fates) {
            if let Some(place) = delivery.fates.get_mut(at) {
                *place = fate;
            }
        }
        delivery
    }

    async fn hand_over(
        &mut self,
        world: &World,
        settings: &Settings,
        transaction: Transaction,
        body: &dyn BodySource,
        progress: &Progress,
    ) -> Delivery {
        let recipients = transaction.envelope.recipients.len();
        self.client.begin(transaction);
        self.messages += 1;
        progress.note(Waiting::Host, world.clock.now());
        self.drive(world, settings, body, Some(progress)).await;
        self.client.take_delivery().unwrap_or_else(|| {
            let fate = Fate::Lost(Stage::Mail, "the session ended".to_owned());
            Delivery { fates: vec![fate; recipients], dsn: false }
        })
    }

    async fn drive(&mut self, world: &World, settings: &Settings, body: &dyn BodySource, watch: Option<&Progress>) {
        let write = settings.outbound.waits.data.min(Duration::from_secs(SMTP_CLIENT_BLOCK_WAIT_SECONDS));
        let waits = PumpWaits { tls_handshake: settings.waits.tls_handshake, write };
        let dane = self.peer.decision.policy.dane().cloned();
        let Session { client, connection, role, .. } = self;
        let mut watched = Watched::new(client, world, watch, dane);
        let mut source = Source { body, world, progress: watch };
        let stop = async {
            match watch {
                Some(progress) => PumpEnd::Broken(given_up(progress).await),
                None => std::future::pending().await,
            }
        };
        let end = pump(world, waits, role, connection, &mut watched, &mut source).or(stop).await;
        let refused = watched.refused.take();
        if let (Some(refused), Some(progress)) = (&refused, watch) {
            progress.say(world.clock.now(), TrailKind::Tls, &refused.to_string());
        }
        if let Some(refused) = refused {
            self.tls_failed = Some(TlsEnd::Refused(refused));
        }
        if let PumpEnd::Broken(e) = end {
            if let Some(progress) = watch {
                progress.say(world.clock.now(), TrailKind::Note, &told(&e));
            }
            self.connection.last_words().await;
            self.client.broken(&told(&e), &mut self.connection.input);
            if self.client.broke_in_handshake() && self.tls_failed.is_none() {
                self.tls_failed = Some(TlsEnd::of_error(&e));
            }
        }
    }

    /// Sends QUIT and waits a moment for its reply.
    pub(super) async fn quit(mut self, world: &World, settings: &Settings) {
        self.client.quit();
        self.drive(world, settings, &Nothing, None).await;
    }

    /// Whether another message may follow.
    pub(super) fn is_open(&self) -> bool {
        self.client.is_open()
    }

    /// Whether it had its share: hosts grow impatient with connections that never end.
    pub(super) fn is_spent(&self) -> bool {
        let most = self.client.mail_max();
        self.messages >= MESSAGES_PER_CONNECTION_MAX || (most > 0 && self.messages >= most)
    }

    /// Whether it broke in the TLS handshake, or right behind it: where a host wants a certificate of ours.
    pub(super) fn broke_in_handshake(&self) -> bool {
        self.client.broke_in_handshake()
    }

    /// What its TLS came to; `None` where the session did not get so far.
    pub(super) fn tls_end(&self) -> Option<TlsEnd> {
        if let Some(failed) = &self.tls_failed {
            return Some(failed.clone());
        }
        if self.client.broke_in_handshake() {
            return Some(TlsEnd::Broken("the connection broke in the handshake".to_owned()));
        }
        match self.client.tls() {
            Some(info) => Some(TlsEnd::Done { verified: info.verified }),
            // Greeting and EHLO were answered.
            None if self.client.replies() > 1 && self.client.greeted() => Some(TlsEnd::Missing),
            None => None,
        }
    }

    /// Whether the host offered TLS and then did not do it.
    pub(super) fn was_denied_tls(&self) -> bool {
        self.client.was_denied_tls()
    }

    /// Whether the host greeted.
    pub(super) fn greeted(&self) -> bool {
        self.client.greeted()
    }

    /// Whether a reply did not come in time.
    pub(super) fn timed_out(&self) -> bool {
        self.client.timed_out()
    }

    /// Messages it was used for.
    pub(super) fn messages(&self) -> u32 {
        self.messages
    }

    /// Whether the host said anything to the last message, other than that it is closing.
    pub(super) fn was_alive(&self, delivery: &Delivery) -> bool {
        let closing = |fate: &Fate| matches!(fate, Fate::Refused(Stage::Mail, reply) if reply.code == 421);
        self.client.replies() > 1 || self.client.replies() == 1 && !delivery.fates.iter().any(closing)
    }

    /// The TLS policy it was made under.
    pub(super) fn decision(&self) -> &Decision {
        &self.peer.decision
    }

    /// Whether it serves mail under this policy; then it does so for a while without another look.
    pub(super) fn serves(&self, wanted: &TlsPolicy) -> bool {
        !self.peer.clear && self.peer.decision.policy.serves(wanted)
    }

    /// It was found to serve.
    pub(super) fn note_served(&mut self, now: Mono) {
        self.decided = now;
    }

    /// When its policy was decided, or found to serve.
    pub(super) fn decided(&self) -> Mono {
        self.decided
    }

    /// Gives up its place at the host, for a connection that takes its stead.
    pub(super) fn take_place(&mut self) -> Option<HostPlace> {
        self.place.take()
    }

    /// Where the host was dialled.
    pub(super) fn at(&self) -> SocketAddr {
        self.peer.at
    }

    /// The host's name.
    pub(super) fn host(&self) -> &str {
        &self.peer.host
    }

    /// TLS version and cipher; empty in the clear.
    pub(super) fn tls(&self) -> String {
        self.client.tls().map_or(String::new(), written)
    }
}

fn written(info: &TlsInfo) -> String {
    format!("{} {}", info.version, info.cipher).trim().to_owned()
}

/// What a person reads of a broken connection.
pub(super) fn told(e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::TimedOut => "timed out".to_owned(),
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => "connection closed".to_owned(),
        _ => e.to_string(),
    }
}

/// `Err` once the attempt is told to give up its place.
async fn stopped<T>(progress: &Progress) -> io::Result<T> {
    Err(given_up(progress).await)
}

async fn given_up(progress: &Progress) -> io::Error {
    progress.stopped().await;
    io::Error::other("no answer yet, and other mail needed the connection")
}

struct Source<'a> {
    body: &'a dyn BodySource,
    world: &'a World,
    progress: Option<&'a Progress>,
}

impl Answerer<Watched<'_>> for Source<'_> {
    async fn answer(&mut self, ask: BodyAsk) -> BodyAnswer {
        let piece = self.body.piece(ask.offset, ask.octets_max).await;
        // The host took the pieces before.
        if let Some(progress) = self.progress {
            progress.note(Waiting::Body, self.world.clock.now());
        }
        piece
    }
}

/// QUIT asks for no body.
struct Nothing;

impl BodySource for Nothing {
    fn piece(&self, _offset: u64, _octets_max: usize) -> BoxFuture<'_, Option<Vec<u8>>> {
        Box::pin(std::future::ready(None))
    }
}
