//! Start, stop, close: the order in which an engine comes to life and goes.

use std::sync::Arc;
use std::time::Duration;

use smol::channel::bounded;
use smol::future::FutureExt;

use super::hooks::{Desk, Questions};
use super::interrupt::lock;
use super::{Config, Drain, Engine, Inner, Phase};
use crate::base::event::{Event, EventSink};
use crate::base::{Error, ErrorKind, Result, Settings};
use crate::intake::hook::Host;
use crate::net::identity;
use crate::server::Shared;
use crate::server::accounts::Logins;

/// Settings under which a minted certificate is kept.
const SELF_SIGNED_CERTIFICATE: &str = "tls.self_signed.certificate";
const SELF_SIGNED_KEY: &str = "tls.self_signed.key";
/// How long `close` lets sessions and deliveries end where nobody called `stop`.
pub(super) const CLOSE_WAIT: Duration = Duration::from_secs(2);

impl Engine {
    /// Fixes the settings and sets the queue running; listeners may be opened afterwards.
    pub async fn start(&self) -> Result<()> {
        self.check_sound()?;
        let config = {
            let mut state = lock(&self.inner.state);
            if state.phase != Phase::Open {
                return Err(Error::new(ErrorKind::State, "the engine was started before"));
            }
            state.phase = Phase::Running;
            state.config.clone()
        };
        match self.bring_up(&config).await {
            Ok(()) => {
                self.inner.events.say(Event::Started);
                Ok(())
            }
            Err(e) => {
                lock(&self.inner.state).phase = Phase::Open;
                Err(e)
            }
        }
    }

    async fn bring_up(&self, config: &Config) -> Result<()> {
        let inner = &self.inner;
        inner.late.choose(inner.real.resolver(config));
        if config.self_signed && !inner.world.tls.can_accept() {
            self.self_sign(&config.settings.hostname).await?;
        }
        self.warn_of_certificates(&config.settings.hostname);
        inner.dkim.load().await?;
        let (begin, draining) = bounded(1);
        let (alive, ended) = bounded(1);
        let settings = Arc::new(config.settings.clone());
        let questions = self.open_questions(config, &settings);
        let host = questions.clone().map(|questions| Arc::new(Desk(questions)) as Arc<dyn Host>);
        let shared = Arc::new(Shared {
            world: inner.world.clone(),
            store: inner.store.clone(),
            settings,
            host,
            keyring: Arc::clone(&inner.dkim.keyring),
            events: Arc::clone(&inner.events) as Arc<dyn EventSink>,
            logins: Arc::new(Logins::new(&*inner.world.entropy)),
            maildrops: Arc::default(),
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
        let reporter = crate::intake::dmarc::start(shared.intake(), shared.draining.clone());
        let rotate = inner.dkim.clone().rotate(inner.keys_made.1.clone(), shared.draining.clone());
        let rotation = inner.world.run.task("dkim-keys", Box::pin(rotate));
        inner
            .world
            .run
            .task("events", Box::pin(Arc::clone(&inner.events).say_counts(shared.draining.clone())))
            .detach();
        let mut state = lock(&inner.state);
        state.runner = Some(runner);
        state.questions = questions;
        state.reporter = reporter;
        state.rotation = Some(rotation);
        state.shared = Some(shared);
        state.drain = Some(Drain { _begin: begin, alive, ended });
        Ok(())
    }

    /// Where the host is asked, if it wants to be.
    fn open_questions(&self, config: &Config, settings: &Arc<Settings>) -> Option<Arc<Questions>> {
        let inner = &self.inner;
        let hooks = lock(&inner.state).hooks.clone();
        if hooks.recipient.is_none() && hooks.message.is_none() {
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
    async fn self_sign(&self, hostname: &str) -> Result<()> {
        let store = &self.inner.store;
        let kept = (store.setting(SELF_SIGNED_CERTIFICATE).await?, store.setting(SELF_SIGNED_KEY).await?);
        let (certificate, key) = match kept {
            (Some(certificate), Some(key)) => (certificate, key),
            _ => {
                let minted = identity::mint(hostname, self.inner.world.clock.wall())?;
                let minted = (minted.certificate_pem, minted.key_pem.expose().to_vec());
                store.setting_put(SELF_SIGNED_CERTIFICATE, Some(minted.0.clone())).await?;
                store.setting_put(SELF_SIGNED_KEY, Some(minted.1.clone())).await?;
                minted
            }
        };
        self.inner.world.tls.set_identity(None, &certificate, &key)
    }

    /// Takes nothing new, lets sessions and deliveries end for at most `timeout`, then cuts them. Nothing
    /// accepted is lost either way: what was not delivered is still queued.
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
        let (listeners, drain, tasks, rotation, shared, questions) = {
            let mut state = lock(&self.state);
            if state.phase != Phase::Running {
                state.phase = Phase::Stopped;
                return;
            }
            state.phase = Phase::Stopped;
            let listeners = std::mem::take(&mut state.listeners);
            let (drain, questions) = (state.drain.take(), state.questions.clone());
            let tasks = [state.runner.take(), state.reporter.take()];
            (listeners, drain, tasks, state.rotation.take(), state.shared.take(), questions)
        };
        drop((listeners, shared, rotation));
        if let Some(questions) = questions {
            questions.close();
        }
        if let Some(Drain { _begin, alive, ended }) = drain {
            drop((_begin, alive));
            let clock = self.real.host_clock();
            let late = clock.sleep_until(clock.now() + timeout);
            let over = async {
                let _ = ended.recv().await;
                for task in tasks.into_iter().flatten() {
                    task.await;
                }
            };
            // Past the deadline the tasks are dropped here, which cancels them; sessions go with the threads.
            over.or(late).await;
            // What the last sessions saw, for reports.
            if let Err(e) = self.store.dmarc_flush().await {
                log::warn!("observations for DMARC reports are lost: {e}");
            }
        }
        self.events.say_last_counts();
        self.events.say(Event::Stopped);
    }

    fn close(&self) -> Result<()> {
        smol::future::block_on(self.stop(CLOSE_WAIT));
        let closed = smol::future::block_on(self.store.close());
        self.real.stop(CLOSE_WAIT);
        self.events.close();
        closed
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nobody is left to be told; `close` is the way to learn of trouble here.
        let _ = self.close();
    }
}
