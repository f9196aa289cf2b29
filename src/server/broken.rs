//! Connections that ended before their sessions did, and traces of those that are looked into: what the host is told.

use std::io;
use std::sync::Arc;

use super::Shared;
use crate::base::event::{Event, Refused};
use crate::base::settings::{Ends, Service};
use crate::net::trace::Trace;

/// Tells the host that a connection broke, at which stage and why. `user` has logged in, unless it is empty.
pub fn tell(shared: &Shared, service: Service, ends: Ends, (stage, user): (&'static str, String), e: &io::Error) {
    let reason = match e.kind() {
        io::ErrorKind::TimedOut => "the peer took nothing in time".to_owned(),
        _ => e.to_string(),
    };
    // A handshake says so itself (`net::pump::of_handshake`).
    let stage = if reason.starts_with("TLS handshake") { "handshake" } else { stage };
    let broken = Refused { user, closed: true, ..Refused::of_session(service, ends.peer, stage, reason) };
    shared.events.say(Event::ConnectionBroken(Box::new(broken)));
}

/// A trace of a connection, where it is `wanted` or its peer is one that the settings name.
pub fn trace(shared: &Shared, service: Service, ends: Ends, wanted: bool) -> Option<Box<Trace>> {
    if !wanted && !shared.settings.traced.has(ends.peer.ip()) {
        return None;
    }
    let (events, peer) = (Arc::clone(&shared.events), ends.peer.to_string());
    Some(Box::new(Trace::new(service, move |side, text| {
        events.say(Event::Dialog { service, peer: peer.clone(), side: side.letter(), text });
    })))
}
