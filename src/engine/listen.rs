//! Listeners: sockets that hand each connection to the session of their service.

use std::net::SocketAddr;
use std::sync::Arc;

use smol::channel::Sender;

use super::{Engine, Phase};
use super::interrupt::lock;
use crate::base::settings::{Ends, Service};
use crate::base::world::{BoxStream, Task};
use crate::base::{Error, ErrorKind, Result};
use crate::net::listen::{ListenLimits, accept_loop};
use crate::net::pump::within;
use crate::server::{self, Accepted, Shared};

/// A listener of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u64);

/// What an engine keeps of a listener.
pub(super) struct Listening {
    pub(super) service: Service,
    pub(super) at: SocketAddr,
    /// Dropping it closes the socket; sessions go on.
    _task: Task<()>,
}

impl Engine {
    /// Listens at `at` (port 0 takes a free one) once the engine has started; gives the address. When this
    /// returns, connections are taken.
    pub async fn listen(&self, service: Service, at: SocketAddr) -> Result<(ListenerId, SocketAddr)> {
        let shared = self.running()?;
        if service.implicit_tls() && !shared.world.tls.can_accept() {
            return Err(Error::new(ErrorKind::Tls, "implicit TLS needs a certificate"));
        }
        let bound = shared.world.network.listen(at).await;
        let listener = bound.map_err(|e| Error::from(e).while_doing(&format!("listen at {at}")))?;
        let local = listener.local_addr();
        let limits = ListenLimits {
            sessions_max: shared.settings.sessions_per_listener_max,
            sessions_per_peer_max: shared.settings.sessions_per_peer_max,
        };
        let (sessions, alive) = (Arc::clone(&shared), self.alive());
        let serve = move |stream: BoxStream, peer: SocketAddr| {
            let (session, alive) = (serve(Arc::clone(&sessions), service, stream, Ends { peer, local }), alive.clone());
            async move {
                session.await;
                drop(alive);
            }
        };
        let task = accept_loop(shared.world.clone(), listener, limits, shared.draining.clone(), serve);
        let mut state = lock(&self.inner.state);
        if state.phase != Phase::Running {
            return Err(Error::new(ErrorKind::State, "the engine is stopping"));
        }
        state.listener_last += 1;
        let id = ListenerId(state.listener_last);
        let task = shared.world.run.task("listen", Box::pin(task));
        state.listeners.insert(id, Listening { service, at: local, _task: task });
        Ok((id, local))
    }

    /// Closes a listener; its sessions go on.
    pub fn unlisten(&self, id: ListenerId) -> Result<()> {
        let gone = lock(&self.inner.state).listeners.remove(&id);
        gone.map(drop).ok_or_else(|| Error::new(ErrorKind::NotFound, "no such listener"))
    }

    /// The open listeners.
    pub fn listeners(&self) -> Vec<(ListenerId, Service, SocketAddr)> {
        lock(&self.inner.state).listeners.iter().map(|(id, l)| (*id, l.service, l.at)).collect()
    }

    /// Serves a connection the host made or accepted itself (a socket pair in a test, an inherited
    /// descriptor), until it ends.
    pub async fn serve_stream(&self, service: Service, stream: BoxStream, ends: Ends) -> Result<()> {
        let alive = self.alive();
        serve(self.running()?, service, stream, ends).await;
        drop(alive);
        Ok(())
    }

    /// What a session holds while it lives, so that stopping knows when the last one has ended.
    fn alive(&self) -> Option<Sender<()>> {
        lock(&self.inner.state).drain.as_ref().map(|drain| drain.alive.clone())
    }
}

/// One session, from the first octet to the last.
async fn serve(shared: Arc<Shared>, service: Service, stream: BoxStream, ends: Ends) {
    let (stream, tls) = if service.implicit_tls() {
        let at = shared.world.clock.now() + shared.settings.waits.tls_handshake;
        match within(&*shared.world.clock, at, shared.world.tls.accept(stream)).await {
            Ok((stream, info)) => (stream, Some(info)),
            Err(e) => return log::debug!(target: "mailcore::tls", "handshake with {}: {e}", ends.peer),
        }
    } else {
        (stream, None)
    };
    let accepted = Accepted { stream, ends, service, tls };
    match service {
        Service::Mx | Service::Submission | Service::Submissions | Service::Lmtp => {
            server::smtp::serve(shared, accepted).await;
        }
        Service::Imap | Service::Imaps => server::imap::serve(shared, accepted).await,
        Service::Pop3 | Service::Pop3s => server::pop3::serve(shared, accepted).await,
    }
}
