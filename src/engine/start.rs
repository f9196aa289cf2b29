//! Start, stop, close: the order in which an engine comes to life and goes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use smol::channel::{Receiver, Sender, bounded};
use smol::future::FutureExt;

use super::hooks::{HookedProgram, Questions};
use super::interrupt::lock;
use super::listen::Listening;
use super::{Config, Drain, Engine, Inner, Phase, State, Stopping};
use crate::base::event::{Event, EventSink};
use crate::base::limits::MEMORY_OCTETS_MIN;
use crate::base::world::{Clock, Task};
use crate::base::{Error, ErrorKind, Mono, Result, Settings};
use crate::intake::hook::Program;
use crate::net::identity;
use crate::os::{self, RealClock};
use crate::server::accounts::Logins;
use crate::server::{self, Shared};

/// Settings under which a minted certificate is kept.
const SELF_SIGNED_CERTIFICATE: &str = "tls.self_signed.certificate";
const SELF_SIGNED_KEY: &str = "tls.self_signed.key";
/// How long sessions may take to end that are cut.
const CUT_WAIT: Duration = Duration::from_secs(1);
/// How long `close` lets sessions and deliveries end where nobody called `stop`.
pub(super) const CLOSE_WAIT: Duration = Duration::from_secs(2);

impl Engine {
    /// Fixes the settings and sets the queue running; listeners may be opened afterwards. Where it fails, or is given
    /// up on the way, the engine is open as before; one that was stopped meanwhile stays so.
    pub async fn start(&self) -> Result<()> {
        self.check_sound()?;
        let config = {
            let mut state = lock(&self.inner.state);
            match state.phase {
                Phase::Open => state.phase = Phase::Starting,
                Phase::Starting | Phase::Running => return Err(not_now("the engine was started before")),
                Phase::Stopping => return Err(not_now("the engine is stopping")),
                Phase::Stopped => return Err(not_now("the engine is stopped")),
            }
            state.config.clone()
        };
        let _unless_running = Unless(Arc::clone(&self.inner.state));
        self.bring_up(&config).await
    }

    async fn bring_up(&self, config: &Config) -> Result<()> {
        let inner = &self.inner;
        super::logging::listen(&inner.events, config.log_level);
        inner.late.choose(inner.real.resolver(config));
        if config.self_signed && !inner.world.tls.can_accept() {
            self.self_sign(&config.settings.hostname, config.settings.sink.is_on()).await?;
        }
        self.warn_of_certificates(&config.settings.hostname);
        inner.dkim.load().await?;
        let (begin, draining) = bounded(1);
        let (alive, ended) = bounded(1);
        let settings = Arc::new(config.settings.clone());
        let questions = self.open_questions(config, &settings);
        let host = questions.clone().map(|questions| Arc::new(HookedProgram(questions)) as Arc<dyn Program>);
        let logins = self.logins(config).await;
        let shared = Arc::new(Shared {
            world: inner.world.clone(),
            store: inner.store.clone(),
            settings,
            host,
            keyring: Arc::clone(&inner.dkim.keyring),
            events: Arc::clone(&inner.events) as Arc<dyn EventSink>,
            logins: Arc::new(logins),
            maildrops: Arc::default(),
            returns: Arc::default(),
            draining,
        });
        let queue = crate::queue::Context {
            world: shared.world.clone(),
            store: shared.store.clone(),
            settings: Arc::clone(&shared.settings),
            keyring: Arc::clone(&shared.keyring),
            events: Arc::clone(&shared.events),
            stop: shared.draining.clone(),
        };
        inner.breakdown.drain(shared.draining.clone());
        let runner = crate::queue::runner::start(queue);
        let reports = || crate::intake::dmarc::start(shared.intake(), shared.draining.clone());
        let reporter = if cfg!(feature = "reports") { reports() } else { None };
        let rotate = inner.dkim.clone().rotate(inner.keys_made.1.clone(), shared.draining.clone());
        let rotation = inner.world.run.task("dkim-keys", Box::pin(rotate));
        let counts = Arc::clone(&inner.events).say_counts(shared.draining.clone());
        inner.world.run.task("events", Box::pin(counts)).detach();
        let review = server::sessions::review_changes(
            Arc::clone(&shared.logins.sessions),
            shared.store.clone(),
            Arc::clone(&shared.world.clock),
        );
        let drained = shared.draining.clone();
        let review = review.or(async move { while drained.recv().await.is_ok() {} });
        inner.world.run.task("sessions", Box::pin(review)).detach();
        let mut state = lock(&inner.state);
        if state.phase != Phase::Starting {
            // What was begun ends with its tasks.
            return Err(not_now("the engine was stopped while it started"));
        }
        state.phase = Phase::Running;
        state.runner = Some(runner);
        state.questions = questions;
        state.reporter = reporter;
        state.rotation = Some(rotation);
        state.shared = Some(shared);
        let (cut, is_cut) = bounded(1);
        state.drain = Some(Drain { _begin: begin, alive, cut, is_cut, ended });
        // Under the lock, so that STOPPED cannot come before it.
        inner.events.say(Event::Started);
        Ok(())
    }

    /// What all listeners share of those who call.
    async fn logins(&self, config: &Config) -> Logins {
        let inner = &self.inner;
        let logins = Logins::new(&*inner.world.entropy);
        if let Err(e) = logins.guard.load(&inner.store, &*inner.world.entropy).await {
            // A disk without room: mock credentials differ from those of the last start, and logins go on.
            log::warn!("the secret of mock credentials cannot be kept: {e}");
        }
        logins.memory.budget().set_max(match config.settings.memory_octets_max {
            0 => (os::memory::total() / 2).max(MEMORY_OCTETS_MIN),
            octets => octets,
        });
        logins.memory.look_with(os::memory::room);
        logins
    }

    /// Where the host is asked, if it wants to be.
    fn open_questions(&self, config: &Config, settings: &Arc<Settings>) -> Option<Arc<Questions>> {
        let inner = &self.inner;
        let hooks = lock(&inner.state).hooks.clone();
        if hooks.is_empty() {
            return None;
        }
        let rooms = (inner.store.clone(), Arc::clone(settings));
        let limits = (config.hook_wait, config.hook_lanes);
        Some(Questions::open(&inner.world, Arc::clone(&inner.events), rooms, hooks, limits))
    }

    /// Tells the host of certificates that clients will refuse.
    pub(super) fn warn_of_certificates(&self, hostname: &str) {
        let inner = &self.inner;
        for text in inner.world.tls.concerns(hostname, inner.world.clock.wall()) {
            inner.events.say(Event::Warning { about: "certificate", text });
        }
    }

    /// Serves with a certificate of our own, the same one after a restart: better than no TLS, since other
    /// hosts' opportunistic TLS takes any.
    async fn self_sign(&self, hostname: &str, quick: bool) -> Result<()> {
        let store = &self.inner.store;
        let kept = (store.setting(SELF_SIGNED_CERTIFICATE).await?, store.setting(SELF_SIGNED_KEY).await?);
        let (certificate, key) = match kept {
            (Some(certificate), Some(key)) => (certificate, key),
            _ => {
                let now = self.inner.world.clock.wall();
                let minted = if quick { identity::mint_quick(hostname, now)? } else { identity::mint(hostname, now)? };
                let minted = (minted.certificate_pem, minted.key_pem.expose().to_vec());
                store.setting_put(SELF_SIGNED_CERTIFICATE, Some(minted.0.clone())).await?;
                store.setting_put(SELF_SIGNED_KEY, Some(minted.1.clone())).await?;
                minted
            }
        };
        self.inner.world.tls.set_identity(None, &certificate, &key)?;
        lock(&self.inner.state).certificate = String::from_utf8(certificate).unwrap_or_default();
        Ok(())
    }

    /// Takes nothing new, lets sessions and deliveries end for at most `timeout`, then cuts them. Nothing accepted is
    /// lost either way: what was not delivered is still queued. It goes on where the caller does not wait for its end.
    pub async fn stop(&self, timeout: Duration) -> Result<()> {
        self.inner.stop(timeout).await;
        Ok(())
    }

    /// Stops where that was not done, checkpoints and closes the store, joins the threads. The engine is of
    /// no further use. The result is the store's.
    pub fn close(&self) -> Result<()> {
        self.inner.close()
    }
}

impl Inner {
    async fn stop(&self, timeout: Duration) {
        let clock = self.real.host_clock();
        let deadline = clock.now() + timeout;
        if let Some(stopping) = self.begin_stop(deadline) {
            // A full channel has a deadline nobody has read yet: both are read in turn.
            let _ = stopping.sooner.send(deadline).await;
            let _ = stopping.over.recv().await;
        }
    }

    /// Begins to stop, where that is still to be done; what is to be waited for.
    fn begin_stop(&self, deadline: Mono) -> Option<Stopping> {
        let mut state = lock(&self.state);
        if state.phase != Phase::Running {
            if matches!(state.phase, Phase::Open | Phase::Starting) {
                state.phase = Phase::Stopped;
                // It never started, so that there is no STOPPED either.
                self.events.close();
            }
            return state.stopping.clone();
        }
        state.phase = Phase::Stopping;
        let ((sooner, deadlines), (done, over)) = (bounded(1), bounded(1));
        let stopping = Stopping { sooner, over };
        state.stopping = Some(stopping.clone());
        let parts = Parts {
            listeners: std::mem::take(&mut state.listeners).into_values().collect(),
            drain: state.drain.take(),
            tasks: [state.runner.take(), state.reporter.take()],
            deadlines,
            deadline,
            _done: done,
        };
        let (shared, rotation, questions) = (state.shared.take(), state.rotation.take(), state.questions.clone());
        drop(state);
        // Outside the lock: much ends with these.
        drop((shared, rotation));
        if let Some(questions) = questions {
            questions.close();
        }
        let (clock, store) = (self.real.host_clock().clone(), self.store.clone());
        let (events, state) = (Arc::clone(&self.events), Arc::clone(&self.state));
        let end = async move {
            let mut parts = parts;
            parts.end(&clock).await;
            // What the last sessions saw, for reports.
            if let Err(e) = store.dmarc_flush().await {
                log::warn!("observations for DMARC reports are lost: {e}");
            }
            if let Err(e) = store.tls_flush().await {
                log::warn!("results for TLS reports are lost: {e}");
            }
            lock(&state).phase = Phase::Stopped;
            events.say_last_counts();
            events.say(Event::Stopped);
            // It is the last one: those who wait for more learn that none will come.
            events.close();
            drop(parts);
        };
        self.world.run.task("stop", Box::pin(end)).detach();
        Some(stopping)
    }

    fn close(&self) -> Result<()> {
        // An engine whose threads are gone has nobody to stop it.
        let clock = self.real.host_clock();
        let late = clock.sleep_until(clock.now() + CLOSE_WAIT * 2);
        smol::future::block_on(self.stop(CLOSE_WAIT).or(late));
        let closed = smol::future::block_on(self.store.close());
        self.real.stop(CLOSE_WAIT);
        self.events.close();
        closed
    }
}

/// What is to end when an engine stops.
struct Parts {
    listeners: Vec<Listening>,
    drain: Option<Drain>,
    tasks: [Option<Task<()>>; 2],
    /// Further deadlines; the soonest counts.
    deadlines: Receiver<Mono>,
    deadline: Mono,
    /// Closed with it: it is over.
    _done: Sender<()>,
}

impl Parts {
    /// Waits until sessions and tasks have ended, at most until the deadline; then sessions end where they stand, and
    /// the tasks are dropped, which cancels them.
    async fn end(&mut self, clock: &RealClock) {
        for listening in std::mem::take(&mut self.listeners) {
            listening.end().await;
        }
        let Some(Drain { _begin, alive, cut, is_cut, ended }) = self.drain.take() else { return };
        drop((_begin, alive, is_cut));
        let tasks = std::mem::take(&mut self.tasks);
        let over = async {
            let _ = ended.recv().await;
            for task in tasks.into_iter().flatten() {
                task.await;
            }
            None
        };
        let mut over = Box::pin(over);
        let mut ends = self.deadline;
        loop {
            let late = async {
                clock.sleep_until(ends).await;
                None
            };
            let sooner = async {
                match self.deadlines.recv().await {
                    Ok(deadline) => Some(deadline),
                    Err(_) => std::future::pending().await,
                }
            };
            match over.as_mut().or(sooner).or(late).await {
                Some(deadline) => ends = ends.min(deadline),
                None => break,
            }
        }
        // The tasks go with it. Sessions that are left hear it at once; what hangs all the same goes with the threads.
        drop((over, cut));
        let gone = async {
            let _ = ended.recv().await;
        };
        gone.or(clock.sleep_until(clock.now() + CUT_WAIT)).await;
    }
}

/// Brings a start that came to nothing back to where it began.
struct Unless(Arc<Mutex<State>>);

impl Drop for Unless {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        if state.phase == Phase::Starting {
            state.phase = Phase::Open;
        }
    }
}

fn not_now(why: &str) -> Error {
    Error::new(ErrorKind::State, why)
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nobody is left to be told; `close` is the way to learn of trouble here.
        let _ = self.close();
    }
}
