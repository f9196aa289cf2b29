//! Floor 7: sockets meet sessions: one file per protocol, IMAP one per verb.

pub mod accounts;
pub mod asked;
pub mod broken;
pub mod guard;
pub mod imap;
pub mod maildrops;
pub mod managesieve;
pub mod memory;
pub mod pop3;
pub mod rates;
pub mod refuse;
pub mod sessions;
pub mod smtp;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::event::EventSink;
use crate::base::world::BoxStream;
use crate::base::{Settings, World};
use crate::intake::Intake;
use crate::intake::hook::{Point, Program};
use crate::intake::returned::ReturnCounts;
use crate::mailauth::Keyring;
use crate::net::trace::Trace;
use crate::store::Store;

/// What every session of an engine shares.
#[derive(Clone)]
pub struct Shared {
    /// The world outside.
    pub world: World,
    /// Everything kept.
    pub store: Store,
    /// What the host set.
    pub settings: Arc<Settings>,
    /// Keys our mail is signed with.
    pub keyring: Arc<Keyring>,
    /// How many reports senders got on users that do not exist.
    pub returns: Arc<ReturnCounts>,
    /// Where the host is told.
    pub events: Arc<dyn EventSink>,
    /// Who is asked about recipients and messages, if the host wants to be.
    pub host: Option<Arc<dyn Program>>,
    /// Logins that were right a moment ago.
    pub logins: Arc<accounts::Logins>,
    /// Maildrops with a POP3 session.
    pub maildrops: Arc<maildrops::Maildrops>,
    /// Closed (every receiver wakes) when the engine drains: idle sessions say goodbye and end.
    pub draining: smol::channel::Receiver<()>,
}

impl Shared {
    /// Whether SCRAM can be offered: not where passwords are checked by a program that gives no keys, or taken as
    /// they come.
    pub fn offers_scram(&self) -> bool {
        let wants = |point| self.host.as_ref().is_some_and(|host| host.wants(point));
        !self.settings.sink.is_on() && (!wants(Point::Login) || wants(Point::Scram))
    }

    /// Whether passwords are taken without TLS on a connection to this address of ours.
    pub fn takes_plaintext(&self, local: SocketAddr) -> bool {
        let loopback = local.ip().to_canonical().is_loopback();
        self.settings.sink.is_on() || (self.settings.allow_plaintext_login && loopback)
    }

    /// Where messages come in.
    pub fn intake(&self) -> Intake {
        Intake {
            world: self.world.clone(),
            store: self.store.clone(),
            settings: self.settings.clone(),
            host: self.host.clone(),
            keyring: self.keyring.clone(),
            returns: self.returns.clone(),
        }
    }
}

/// A connection just accepted, TLS already begun where the service wants it from the first octet.
pub struct Accepted {
    /// The stream.
    pub stream: BoxStream,
    /// Both ends.
    pub ends: crate::base::settings::Ends,
    /// Which listener took it.
    pub service: crate::base::Service,
    /// What the handshake came to, for implicit TLS.
    pub tls: Option<crate::base::world::TlsInfo>,
    /// Told of every line, where the connection is traced.
    pub trace: Option<Box<Trace>>,
}
