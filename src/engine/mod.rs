//! Floor 8: wires everything, starts and stops it, and is what the host holds.
//!
//! Life of an engine: [`Engine::open`] (store open, threads running; accounts and settings can be made) ->
//! [`Engine::start`] (settings fixed, queue running, listeners may be opened) -> [`Engine::stop`] (nothing new is
//! taken, sessions say goodbye, deliveries under way end) -> [`Engine::close`] (store checkpointed, threads
//! joined). Dropping the last `Engine` does what is left of it. A stop goes on though its caller is interrupted;
//! another one waits for it, or makes it end sooner. STOPPED is said once, by an engine that was started.
//!
//! Methods are async: they wait on the caller's thread for work of the engine's own threads. A host without an executor
//! waits with [`Engine::wait`].

pub mod accounts;
mod advice;
mod breakdown;
pub mod checks;
pub mod config;
#[cfg_attr(any(windows, target_vendor = "apple"), path = "dkim_absent.rs")]
pub mod dkim;
pub mod events;
mod explain;
pub mod hooks;
pub mod interrupt;
pub mod keys;
pub mod listen;
pub mod logging;
pub mod mailboxes;
pub mod names;
pub mod outbound;
mod proxied;
mod real;
mod refusals;
pub mod reports;
pub mod sessions;
pub mod sieve;
pub mod signing;
pub mod soundness;
mod start;
pub mod stats;
mod sts;
mod suppressed;

pub use config::Config;
pub use events::{EventQueue, Said};
pub use hooks::{Hook, Hooks};
pub use interrupt::Interrupt;
pub use listen::ListenerId;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smol::channel::{Receiver, Sender, bounded};
use smol::future::FutureExt;

use self::breakdown::Breakdown;
use self::hooks::Questions;
use self::interrupt::lock;
use self::keys::Value;
use self::listen::Listening;
use self::names::LateResolver;
use self::real::Real;
use crate::base::event::EventSink;
use crate::base::trouble::Trouble;
use crate::base::world::Task;
use crate::base::{Error, ErrorKind, Mono, Result, Timestamp, World};
use crate::server::Shared;
use crate::store::{Store, StoreOptions};

/// An engine. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    world: World,
    real: Real,
    late: LateResolver,
    store: Store,
    events: Arc<EventQueue>,
    sessions: Arc<stats::Sessions>,
    breakdown: Arc<Breakdown>,
    dkim: dkim::DkimKeys,
    /// Says that a key was made.
    keys_made: (Sender<()>, Receiver<()>),
    /// Shared with the task that stops it.
    state: Arc<Mutex<State>>,
}

pub(super) struct State {
    config: Config,
    phase: Phase,
    shared: Option<Arc<Shared>>,
    listeners: BTreeMap<ListenerId, Listening>,
    listener_last: u64,
    /// The certificate that was made here and is served, PEM.
    certificate: String,
    drain: Option<Drain>,
    /// While it stops, and afterwards.
    stopping: Option<Stopping>,
    runner: Option<Task<()>>,
    reporter: Option<Task<()>>,
    hooks: Hooks,
    /// Stays after the stop, so that late answers are told from those to nothing.
    questions: Option<Arc<Questions>>,
    /// Moves signing keys on; dropped, it ends.
    rotation: Option<Task<()>>,
}

/// How stopping is told, and how it is known to be over.
struct Drain {
    /// Dropped: everybody drains.
    _begin: Sender<()>,
    /// Held by every session; gone when all have ended.
    alive: Sender<()>,
    /// Dropped: sessions that are left end where they stand.
    cut: Sender<()>,
    /// What sessions hear that by.
    is_cut: Receiver<()>,
    ended: Receiver<()>,
}

/// A stop under way or over.
#[derive(Clone)]
struct Stopping {
    /// Takes the time by which it shall be over, where that is sooner than was said before.
    sooner: Sender<Mono>,
    /// Closed when it is over.
    over: Receiver<()>,
}

/// Where an engine stands. It only ever moves down this list, but for a start that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Open, not started.
    Open,
    /// On its way up.
    Starting,
    /// Started.
    Running,
    /// Takes nothing new; sessions and deliveries end.
    Stopping,
    /// Stopped; can be closed only.
    Stopped,
}

impl Engine {
    /// Opens the store of `config` and starts the threads. `Busy` where another process, or another
    /// engine of this one, has the store.
    pub fn open(config: Config) -> Result<Engine> {
        let late = LateResolver::default();
        let breakdown = Breakdown::new();
        let broken = Arc::clone(&breakdown);
        let on_panic = move |place: &'static str, what: &str| broken.happen(place, what);
        let real = Real::new(&config, Arc::new(late.clone()), Arc::new(on_panic))?;
        let world = real.world().clone();
        // What fails from here on must end the threads, and with them the tasks, or these keep each other alive.
        let events = EventQueue::new(Arc::clone(&world.clock), config.events_max);
        let events = events.inspect_err(|_| real.stop(start::CLOSE_WAIT))?;
        breakdown.say_to(&events);
        let options = StoreOptions {
            folder: config.folder.clone(),
            events: Arc::clone(&events) as Arc<dyn EventSink>,
            readers: config.store_readers,
        };
        let opening = async {
            match &config.store {
                Some(url) => Store::open_at(&world, url, options).await,
                None => Store::open(&world, options).await,
            }
        };
        let store = match smol::future::block_on(opening) {
            Ok(store) => store,
            Err(e) => {
                real.stop(start::CLOSE_WAIT);
                return Err(e.while_doing("open the store"));
            }
        };
        store.set_reserve(u64::try_from(config.store_reserve_octets).ok());
        store.set_account_messages_max(config.store_account_messages_max);
        let state = State {
            config,
            phase: Phase::Open,
            shared: None,
            listeners: BTreeMap::new(),
            listener_last: 0,
            certificate: String::new(),
            drain: None,
            stopping: None,
            runner: None,
            reporter: None,
            hooks: Hooks::default(),
            questions: None,
            rotation: None,
        };
        let dkim = dkim::DkimKeys::new(&world, &store);
        let (keys_made, state) = (bounded(1), Arc::new(Mutex::new(state)));
        let sessions = Arc::default();
        let inner = Inner { world, real, late, store, events, sessions, breakdown, dkim, keys_made, state };
        Ok(Engine { inner: Arc::new(inner) })
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        lock(&self.inner.state).phase
    }

    /// A setting by name.
    pub fn get(&self, name: &str) -> Result<Value> {
        Ok(keys::find(name)?.get(&lock(&self.inner.state).config))
    }

    /// Sets a setting by name, before the start.
    pub fn set(&self, name: &str, value: Value) -> Result<()> {
        let key = keys::find(name)?;
        let mut state = lock(&self.inner.state);
        if state.phase != Phase::Open {
            return Err(Error::new(ErrorKind::State, format!("{name} is fixed once the engine has started")));
        }
        key.set(&mut state.config, value)
    }

    /// What happens, for the host to pull.
    pub fn events(&self) -> &Arc<EventQueue> {
        &self.inner.events
    }

    /// `Bug` once something inside has broken: a panic was caught, here or by a task. The engine then takes nothing
    /// new, has said [`Event::Fatal`](crate::base::event::Event::Fatal), and is good only to be closed.
    pub fn check_sound(&self) -> Result<()> {
        self.inner.breakdown.check()
    }

    /// Marks the engine failed, for whoever caught a panic of ours in a call on it.
    pub fn fail(&self, place: &str, what: &str) {
        self.inner.breakdown.happen(place, what);
    }

    /// Waits on the calling thread for `work`, at most `timeout` of real time, or until `interrupt` is used or the
    /// engine fails.
    pub fn wait<T>(
        &self,
        interrupt: &Interrupt,
        timeout: Option<Duration>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let broken = async { Err(self.inner.breakdown.happened().await) };
        interrupt.wait(self.inner.real.host_clock(), timeout, work.or(broken))
    }

    /// The next event, waited for as [`Engine::wait`] does, but from a failed engine too; `None` once there will be
    /// none.
    pub fn next_event(&self, interrupt: &Interrupt, timeout: Option<Duration>) -> Result<Option<Said>> {
        match self.events().try_next() {
            (None, false) => {
                interrupt.wait(self.inner.real.host_clock(), timeout, async { Ok(self.events().next().await) })
            }
            (said, _) => Ok(said),
        }
    }

    /// The engine's world: its clock may be stepped by the host.
    pub fn world(&self) -> &World {
        &self.inner.world
    }

    /// Sets the certificate chain and key (PEM) for `server_name`, or for everybody else.
    pub fn tls_set(&self, server_name: Option<&str>, certificate_pem: &[u8], key_pem: &[u8]) -> Result<()> {
        self.inner.world.tls.set_identity(server_name, certificate_pem, key_pem)?;
        if server_name.is_none() {
            lock(&self.inner.state).certificate.clear();
        }
        // Before the start the hostname may still change; the start looks at all of them.
        let hostname = lock(&self.inner.state).shared.as_ref().map(|shared| shared.settings.hostname.clone());
        if let Some(hostname) = hostname {
            self.warn_of_certificates(&hostname);
        }
        Ok(())
    }

    /// The certificate that the engine made for itself and shows to everybody, PEM; empty where the host gave one. For
    /// clients that are to trust it.
    pub fn own_certificate(&self) -> String {
        lock(&self.inner.state).certificate.clone()
    }

    /// Adds authorities (PEM) to those trusted for outgoing TLS.
    pub fn trust(&self, authorities_pem: &[u8]) -> Result<()> {
        self.inner.world.tls.trust(authorities_pem)
    }

    /// Sets the wall clock and stops it there: from now on only the host moves it.
    pub fn clock_set(&self, wall: Timestamp) -> Result<()> {
        self.inner.real.clock().set(wall);
        Ok(())
    }

    /// Stops the clock where that was not done, and moves it on: what is due by then happens.
    pub fn clock_advance(&self, by: Duration) -> Result<()> {
        self.inner.real.clock().advance(by);
        Ok(())
    }

    /// Sets a DNS record of the engine's own, which stands in front of what a server says: `A`, `AAAA`, `MX`, `TXT`,
    /// `PTR`, `CNAME` or `TLSA` with its usual text. Without rdata the name's records of that type go, without a
    /// type all of the name's, without a name all there are.
    pub fn dns_set(&self, name: Option<&str>, kind: Option<&str>, rdata: Option<&str>, ttl: u32) -> Result<()> {
        self.inner.real.dns_set(name, kind, rdata, ttl)
    }

    /// The trouble that the host scripts: rules may be added and removed at any time.
    pub fn trouble(&self) -> Trouble {
        lock(&self.inner.state).config.settings.trouble.clone()
    }

    pub(super) fn store(&self) -> &Store {
        &self.inner.store
    }

    /// What sessions share; `State` unless started.
    pub(super) fn running(&self) -> Result<Arc<Shared>> {
        self.check_sound()?;
        let state = lock(&self.inner.state);
        state.shared.clone().ok_or_else(|| Error::new(ErrorKind::State, "the engine is not started"))
    }

    /// The configuration as it is now.
    pub(super) fn config(&self) -> Config {
        lock(&self.inner.state).config.clone()
    }
}
