//! Connections that come through a proxy: its header is read first, then the caller it names is served, within that
//! caller's own limits.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::base::limits::PROXY_WAIT_SECONDS;
use crate::base::settings::{Ends, Service};
use crate::base::world::{BoxStream, TlsInfo};
use crate::net::listen::Held;
use crate::net::proxy;
use crate::net::pump::within;
use crate::server::{self, Shared};

/// A caller whose proxy told who it is.
pub(super) struct Introduced {
    pub(super) stream: BoxStream,
    pub(super) ends: Ends,
    /// The caller's TLS with the proxy.
    pub(super) tls: Option<TlsInfo>,
    /// Its place among the sessions of its address; `None` where the proxy speaks for itself.
    pub(super) held: Option<Held>,
}

/// Reads the header of a proxy at `ends.peer`. `None` where the connection has ended: the header was malformed or did
/// not come in time, or the caller has as many sessions as it may.
pub(super) async fn introduced(
    shared: &Arc<Shared>,
    service: Service,
    mut stream: BoxStream,
    ends: Ends,
) -> Option<Introduced> {
    let clock = &*shared.world.clock;
    let at = clock.now() + Duration::from_secs(PROXY_WAIT_SECONDS);
    let introduction = match within(clock, at, proxy::read(&mut stream)).await {
        Ok(introduction) => introduction,
        Err(e) => {
            let e = match e.kind() {
                io::ErrorKind::UnexpectedEof => io::Error::new(e.kind(), "the PROXY header is not whole"),
                io::ErrorKind::TimedOut => io::Error::new(io::ErrorKind::InvalidData, "no PROXY header in time"),
                _ => e,
            };
            server::broken::tell(shared, service, ends, ("proxy", String::new()), &e);
            return None;
        }
    };
    let Some(caller) = introduction.ends else {
        return Some(Introduced { stream, ends, tls: introduction.tls, held: None });
    };
    let settings = &shared.settings;
    let most = settings.sessions_per_peer_max.min(settings.sessions_per_peer_total_max);
    match shared.logins.peers.hold(caller.peer.ip(), most) {
        Ok(held) => Some(Introduced { stream, ends: caller, tls: introduction.tls, held: Some(held) }),
        Err(most) => {
            server::refuse::too_many(Arc::clone(shared), service, Some(stream), caller, most).await;
            None
        }
    }
}
