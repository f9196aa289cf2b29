//! Listeners: sockets that hand each connection to the session of their service.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smol::channel::{Receiver, Sender};
use smol::future::FutureExt;

use super::interrupt::lock;
use super::proxied::introduced;
use super::stats::Sessions;
use super::{Engine, Phase};
use crate::base::event::Event;
use crate::base::limits::{LISTEN_FULL_WARNING_SECONDS, SESSION_GRACE_SECONDS, SESSION_OCTETS};
use crate::base::settings::{Ends, Service};
use crate::base::time::Mono;
use crate::base::world::{BoxStream, Task, TlsInfo};
use crate::base::{Error, ErrorKind, Result};
use crate::net::listen::{self, ListenLimits, accept_loop};
use crate::net::pump::{of_handshake, within};
use crate::server::{self, Accepted, Shared};

/// A listener of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u64);

/// What an engine keeps of a listener.
pub(super) struct Listening {
    pub(super) service: Service,
    pub(super) at: SocketAddr,
    /// Takes connections; holds the socket.
    task: Task<()>,
}

impl Listening {
    /// Closes the socket: afterwards its port is free. Sessions go on.
    pub(super) async fn end(self) {
        self.task.cancel().await;
    }
}

impl Engine {
    /// Listens at `at` (port 0 takes a free one) once the engine has started; gives the address. When this
    /// returns, connections are taken.
    pub async fn listen(&self, service: Service, at: SocketAddr) -> Result<(ListenerId, SocketAddr)> {
        self.listen_with(service, at, false).await
    }

    /// [`Engine::listen`], where `traced` with the dialogs of all its connections as events.
    pub async fn listen_with(
        &self,
        service: Service,
        at: SocketAddr,
        traced: bool,
    ) -> Result<(ListenerId, SocketAddr)> {
        let shared = self.running()?;
        built_in(service)?;
        if service.implicit_tls() && !shared.world.tls.can_accept() {
            let text = format!("{} needs a certificate: set one, or the property tls.self_signed", service.name());
            return Err(Error::new(ErrorKind::Tls, text));
        }
        let bound = shared.world.network.listen(at).await;
        let listener = bound.map_err(|e| {
            let hint = match e.kind() {
                std::io::ErrorKind::PermissionDenied if at.port() < 1024 => "; ports below 1024 need root's rights",
                std::io::ErrorKind::AddrInUse => "; another program listens there",
                std::io::ErrorKind::AddrNotAvailable => "; this machine does not have the address",
                _ => "",
            };
            let e = Error::from(e).while_doing(&format!("listen at {at}"));
            Error::new(e.kind(), format!("{}{hint}", e.text())).with_errno(e.errno())
        })?;
        let local = listener.local_addr();
        let limits = ListenLimits {
            sessions_max: shared.settings.sessions_per_listener_max,
            sessions_per_peer_max: shared.settings.sessions_per_peer_max,
            sessions_per_peer_total_max: shared.settings.sessions_per_peer_total_max,
            peers: shared.logins.peers.clone(),
        };
        let (life, warned) = (self.life(), Mutex::default());
        let sessions = Arc::clone(&self.inner.sessions);
        let reception = Reception { shared: Arc::clone(&shared), service, local, life, warned, sessions, traced };
        let task = accept_loop(shared.world.clone(), listener, limits, shared.draining.clone(), reception);
        let mut state = lock(&self.inner.state);
        if state.phase != Phase::Running {
            return Err(Error::new(ErrorKind::State, "the engine is stopping"));
        }
        state.listener_last += 1;
        let id = ListenerId(state.listener_last);
        let task = shared.world.run.task("listen", Box::pin(task));
        state.listeners.insert(id, Listening { service, at: local, task });
        Ok((id, local))
    }

    /// Closes a listener; its sessions go on. When this returns its port is free.
    pub async fn unlisten(&self, id: ListenerId) -> Result<()> {
        let gone = lock(&self.inner.state).listeners.remove(&id);
        gone.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such listener"))?.end().await;
        Ok(())
    }

    /// The open listeners.
    pub fn listeners(&self) -> Vec<(ListenerId, Service, SocketAddr)> {
        lock(&self.inner.state).listeners.iter().map(|(id, l)| (*id, l.service, l.at)).collect()
    }

    /// Serves a connection the host made or accepted itself (a socket pair in a test, an inherited
    /// descriptor), until it ends.
    pub async fn serve_stream(&self, service: Service, stream: BoxStream, ends: Ends) -> Result<()> {
        self.session_of(service, stream, ends, false)?.await;
        Ok(())
    }

    /// Takes over a connected stream socket (of a socket pair, accepted by the host, inherited) and serves it in the
    /// background. Its peer is 127.0.0.1 where the socket is no TCP connection.
    #[cfg(unix)]
    pub fn serve_socket(&self, service: Service, socket: std::os::fd::OwnedFd, traced: bool) -> Result<()> {
        let (stream, ends) = crate::net::tcp::adopt(socket).map_err(Error::from)?;
        let session = self.session_of(service, stream, ends, traced)?;
        self.inner.world.run.task(listen::SESSION, Box::pin(session)).detach();
        Ok(())
    }

    fn session_of(
        &self,
        service: Service,
        stream: BoxStream,
        ends: Ends,
        traced: bool,
    ) -> Result<impl Future<Output = ()> + Send + 'static> {
        built_in(service)?;
        let (life, shared) = (self.life(), self.running()?);
        if service.implicit_tls() && !shared.world.tls.can_accept() {
            return Err(Error::new(ErrorKind::Tls, format!("{} needs a certificate", service.name())));
        }
        let session = self.inner.sessions.begin(service);
        Ok(async move {
            until_cut(serve(shared, service, stream, (ends, None), traced), life).await;
            drop(session);
        })
    }

    /// What a session holds while it lives.
    fn life(&self) -> Option<Life> {
        let state = lock(&self.inner.state);
        state.drain.as_ref().map(|drain| Life { _alive: drain.alive.clone(), is_cut: drain.is_cut.clone() })
    }
}

/// What a session holds while it lives: stopping knows by it when the last one has ended, and ends those that take too
/// long.
#[derive(Clone)]
struct Life {
    _alive: Sender<()>,
    is_cut: Receiver<()>,
}

/// A session, up to its end or its cut.
async fn until_cut(session: impl Future<Output = ()>, life: Option<Life>) {
    let cut = async {
        match &life {
            Some(life) => while life.is_cut.recv().await.is_ok() {},
            None => std::future::pending().await,
        }
    };
    session.or(cut).await;
}

/// Those who call one listener.
struct Reception {
    shared: Arc<Shared>,
    service: Service,
    local: SocketAddr,
    life: Option<Life>,
    /// When the host was last told that the listener is full.
    warned: Mutex<Option<Mono>>,
    sessions: Arc<Sessions>,
    /// Whether dialogs become events.
    traced: bool,
}

impl listen::Reception for Reception {
    fn serve(&self, stream: BoxStream, peer: SocketAddr) -> impl Future<Output = ()> + Send + 'static {
        let ends = Ends { peer, local: self.local };
        let session = self.sessions.begin(self.service);
        let (shared, service, traced) = (Arc::clone(&self.shared), self.service, self.traced);
        let work = async move {
            if !shared.settings.esmtp.is_proxy(ends.peer.ip()) {
                return serve(shared, service, stream, (ends, None), traced).await;
            }
            if let Some(caller) = introduced(&shared, service, stream, ends).await {
                serve(shared, service, caller.stream, (caller.ends, caller.tls), traced).await;
                drop(caller.held);
            }
        };
        let cut = until_cut(work, self.life.clone());
        async move {
            cut.await;
            drop(session);
        }
    }

    fn refuse(
        &self,
        stream: Option<BoxStream>,
        peer: SocketAddr,
        most: usize,
    ) -> impl Future<Output = ()> + Send + 'static {
        let ends = Ends { peer, local: self.local };
        server::refuse::too_many(Arc::clone(&self.shared), self.service, stream, ends, most)
    }

    fn no_room(&self, stream: BoxStream, peer: SocketAddr) -> impl Future<Output = ()> + Send + 'static {
        let ends = Ends { peer, local: self.local };
        server::refuse::no_memory(Arc::clone(&self.shared), self.service, stream, ends)
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        self.shared.settings.esmtp.is_proxy(peer)
    }

    fn full(&self) {
        let now = self.shared.world.clock.now();
        let grace = Duration::from_secs(SESSION_GRACE_SECONDS);
        self.shared.logins.sessions.make_room(Some(self.service), now, grace);
        let mut warned = lock(&self.warned);
        let pause = Duration::from_secs(LISTEN_FULL_WARNING_SECONDS);
        if warned.is_none_or(|at| now >= at + pause) {
            *warned = Some(now);
            let (service, most) = (self.service.name(), self.shared.settings.sessions_per_listener_max);
            let text = format!(
                "{service} at {} has {most} sessions: further callers wait; sessions.per_listener_max allows more",
                self.local
            );
            self.shared.events.say(Event::Warning { about: "sessions", text });
        }
    }
}

/// One session, from the first octet to the last; `proxied`: TLS that a proxy has with the caller.
async fn serve(
    shared: Arc<Shared>,
    service: Service,
    stream: BoxStream,
    (ends, proxied): (Ends, Option<TlsInfo>),
    traced: bool,
) {
    let now = shared.world.clock.now();
    let Some(_charge) = shared.logins.memory.at(now).charge(SESSION_OCTETS) else {
        shared.logins.sessions.make_room(None, now, Duration::from_secs(SESSION_GRACE_SECONDS));
        return server::refuse::no_memory(shared, service, stream, ends).await;
    };
    shared.world.tls.refresh(shared.world.clock.wall());
    let mut trace = server::broken::trace(&shared, service, ends, traced);
    let (stream, tls) = if service.implicit_tls() && proxied.is_none() {
        let at = shared.world.clock.now() + shared.settings.waits.tls_handshake;
        // A handshake under way is among the sessions too: it may have to make room.
        let seat = server::accounts::enter(&shared, service, ends.peer);
        let notice = seat.notice();
        let dismissed = async {
            notice.dismissed().await;
            Err(std::io::ErrorKind::ConnectionAborted.into())
        };
        match within(&*shared.world.clock, at, shared.world.tls.accept(stream).or(dismissed)).await {
            Ok((stream, info)) => {
                if let Some(trace) = &mut trace {
                    trace.tls(&info.version);
                }
                (stream, Some(info))
            }
            Err(e) => {
                let e = of_handshake(&e);
                return server::broken::tell(&shared, service, ends, ("handshake", String::new()), &e);
            }
        }
    } else {
        (stream, proxied)
    };
    let accepted = Accepted { stream, ends, service, tls, trace };
    match service {
        #[cfg(feature = "reception")]
        Service::Mx | Service::Submission | Service::Submissions | Service::Lmtp => {
            server::smtp::serve(shared, accepted).await;
        }
        #[cfg(feature = "imap")]
        Service::Imap | Service::Imaps => server::imap::serve(shared, accepted).await,
        #[cfg(feature = "pop3")]
        Service::Pop3 | Service::Pop3s => server::pop3::serve(shared, accepted).await,
        #[cfg(feature = "sieve")]
        Service::ManageSieve => server::managesieve::serve(shared, accepted).await,
        // `built_in` has refused the services that this build leaves out.
        #[cfg(not(all(feature = "reception", feature = "imap", feature = "pop3", feature = "sieve")))]
        _ => drop((shared, accepted)),
    }
}

/// Whether this build has the sessions of a service, or by its features has left them out.
fn built_in(service: Service) -> Result<()> {
    let (here, feature) = match service {
        Service::Mx | Service::Submission | Service::Submissions | Service::Lmtp => {
            (cfg!(feature = "reception"), "reception")
        }
        Service::Imap | Service::Imaps => (cfg!(feature = "imap"), "imap"),
        Service::Pop3 | Service::Pop3s => (cfg!(feature = "pop3"), "pop3"),
        Service::ManageSieve => (cfg!(feature = "sieve"), "sieve"),
    };
    let text = || format!("{} is not in this build of the library: it needs the feature {feature}", service.name());
    if here { Ok(()) } else { Err(Error::new(ErrorKind::Unsupported, text())) }
}
