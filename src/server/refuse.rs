//! Callers that are not served: they are told why in the words of their protocol, and the host by an event.

use std::sync::Arc;
use std::time::Duration;

use smol::io::AsyncWriteExt;

use super::Shared;
use crate::base::event::{Event, Refused};
use crate::base::limits::LISTEN_REFUSAL_SECONDS;
use crate::base::settings::{Ends, Service};
use crate::base::world::BoxStream;
use crate::net::pump::within;

/// Tells a caller that it has too many connections already; without the stream, only the host.
pub async fn too_many(shared: Arc<Shared>, service: Service, stream: Option<BoxStream>, ends: Ends) {
    let most = shared.settings.sessions_per_peer_max;
    let reason = format!("Too many connections from your address, at most {most}");
    let hostname = &shared.settings.hostname;
    let (code, enhanced, line) = match service.protocol() {
        "pop3" => (0, "SYS/TEMP", format!("-ERR [SYS/TEMP] {reason}\r\n")),
        "managesieve" => (0, "TRYLATER", format!("BYE (TRYLATER) \"{reason}\"\r\n")),
        "imap" => (0, "LIMIT", format!("* BYE [LIMIT] {reason}\r\n")),
        _ => (421, "4.7.0", format!("421 4.7.0 {hostname} {reason}\r\n")),
    };
    // Saying it costs us more than a flood of connections costs its sender.
    let stream = stream.filter(|_| shared.logins.guard.may_tell(ends.peer.ip(), shared.world.clock.now()));
    let refused = Refused::of_session(service, ends.peer, "connect", reason);
    let refused = Refused { code, enhanced: enhanced.to_owned(), closed: true, ..refused };
    shared.events.say(Event::Refused(Box::new(refused)));
    let Some(stream) = stream else { return };
    let clock = &*shared.world.clock;
    let until = clock.now() + Duration::from_secs(LISTEN_REFUSAL_SECONDS);
    let told = async {
        let mut stream = match service.implicit_tls() {
            true => shared.world.tls.accept(stream).await?.0,
            false => stream,
        };
        stream.write_all(line.as_bytes()).await?;
        stream.flush().await?;
        stream.close().await
    };
    // Whether the caller still listens does not matter.
    let _ = within(clock, until, told).await;
}
