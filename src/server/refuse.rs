//! Callers that are not served: they are told why in the words of their protocol, and the host by an event.

use std::sync::Arc;
use std::time::Duration;

use smol::io::AsyncWriteExt;

use super::asked::{self, No};
use super::{Accepted, Shared};
use crate::base::event::{Event, Refused};
use crate::base::limits::LISTEN_REFUSAL_SECONDS;
use crate::base::settings::{Ends, Service};
use crate::base::world::BoxStream;
use crate::net::pump::within;

/// Whether a client of IMAP or POP3 may stay: the script of a test or the program may refuse it, and it is told so.
pub async fn is_welcome(shared: &Shared, accepted: &mut Accepted) -> bool {
    let client = asked::client(accepted.service, accepted.ends, accepted.tls.clone());
    let reply = match asked::connection(shared, &client).await {
        Ok(()) => return true,
        Err(No::HangUp | No::Denied(_)) => return false,
        Err(No::Reply(reply)) => reply,
    };
    let text = reply.text.replace('\n', " ");
    let (code, line) = match (accepted.service.protocol(), reply.is_transient()) {
        ("pop3", true) => ("SYS/TEMP", format!("-ERR [SYS/TEMP] {text}\r\n")),
        ("pop3", false) => ("SYS/PERM", format!("-ERR [SYS/PERM] {text}\r\n")),
        (_, true) => ("UNAVAILABLE", format!("* BYE [UNAVAILABLE] {text}\r\n")),
        (_, false) => ("NOPERM", format!("* BYE [NOPERM] {text}\r\n")),
    };
    let refused = Refused::of_session(accepted.service, accepted.ends.peer, "connect", text);
    let refused = Refused { enhanced: code.to_owned(), closed: true, ..refused };
    shared.events.say(Event::Refused(Box::new(refused)));
    let clock = &*shared.world.clock;
    let told = async {
        accepted.stream.write_all(line.as_bytes()).await?;
        accepted.stream.close().await
    };
    let _ = within(clock, clock.now() + Duration::from_secs(LISTEN_REFUSAL_SECONDS), told).await;
    false
}

/// Tells a caller that it has `most` connections already; without the stream, only the host.
pub async fn too_many(shared: Arc<Shared>, service: Service, stream: Option<BoxStream>, ends: Ends, most: usize) {
    // Saying it costs us more than a flood of connections costs its sender.
    let stream = stream.filter(|_| shared.logins.guard.may_tell(ends.peer.ip(), shared.world.clock.now()));
    let reason = format!("Too many connections from your address, at most {most}");
    refuse(shared, service, stream, ends, ("LIMIT", "4.7.0"), reason).await;
}

/// Tells a caller that there is no memory for another session. A TLS handshake would take more than the session.
pub async fn no_memory(shared: Arc<Shared>, service: Service, stream: BoxStream, ends: Ends) {
    let stream = (!service.implicit_tls()).then_some(stream);
    let reason = "Too many connections, try again later".to_owned();
    refuse(shared, service, stream, ends, ("UNAVAILABLE", "4.3.2"), reason).await;
}

/// Says `reason` with the code of the protocol: of IMAP, of SMTP.
async fn refuse(
    shared: Arc<Shared>,
    service: Service,
    stream: Option<BoxStream>,
    ends: Ends,
    (imap, smtp): (&'static str, &'static str),
    reason: String,
) {
    let hostname = &shared.settings.hostname;
    let (code, enhanced, line) = match service.protocol() {
        "pop3" => (0, "SYS/TEMP", format!("-ERR [SYS/TEMP] {reason}\r\n")),
        "managesieve" => (0, "TRYLATER", format!("BYE (TRYLATER) \"{reason}\"\r\n")),
        "imap" => (0, imap, format!("* BYE [{imap}] {reason}\r\n")),
        _ => (421, smtp, format!("421 {smtp} {hostname} {reason}\r\n")),
    };
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
