//! A panic of ours that was caught: from then on the engine has failed, unless only one peer's session is touched.
//!
//! It is said once, by [`Event::Fatal`]. Nothing new is taken: listeners close, sessions say goodbye, the queue rests,
//! and whoever waits is told. What is left to do is reading events and closing. Nothing acknowledged is lost, since
//! that is in the store, which opens again as after a crash.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use once_cell::sync::OnceCell;
use smol::channel::{Receiver, Sender, bounded};

use super::EventQueue;
use super::interrupt::lock;
use crate::base::event::{Event, EventSink};
use crate::base::{Error, ErrorKind, Result};
use crate::net::listen::SESSION;
use crate::os::COMPUTE;

/// Where a panic costs one peer only.
const CONTAINED: [&str; 2] = [SESSION, COMPUTE];

/// Whether an engine has failed, and who is to be told.
pub(super) struct Breakdown {
    /// What broke, of the first time.
    text: OnceCell<String>,
    events: OnceCell<Arc<EventQueue>>,
    /// Closing it makes everybody drain.
    draining: Mutex<Option<Receiver<()>>>,
    /// Closed with the failure.
    sound: Sender<Infallible>,
    waits: Receiver<Infallible>,
}

impl Breakdown {
    pub(super) fn new() -> Arc<Breakdown> {
        let (sound, waits) = bounded(1);
        let (text, events) = (OnceCell::new(), OnceCell::new());
        Arc::new(Breakdown { text, events, draining: Mutex::new(None), sound, waits })
    }

    /// Where the failure is said.
    pub(super) fn say_to(&self, events: &Arc<EventQueue>) {
        let _ = self.events.set(Arc::clone(events));
    }

    /// What the failure closes; at once where it has been already.
    pub(super) fn drain(&self, draining: Receiver<()>) {
        let mut kept = lock(&self.draining);
        if self.text.get().is_some() {
            draining.close();
        }
        *kept = Some(draining);
    }

    /// Marks the engine failed: `what` went wrong in `place`. Called by the thread that caught the panic. Sessions,
    /// and what is computed for them, only lose their peer: all they share they reach by messages to the store, and
    /// what one peer can bring about must not cost the others their service.
    pub(super) fn happen(&self, place: &str, what: &str) {
        let text = format!("{place}: {what}");
        if CONTAINED.contains(&place) {
            log::error!(target: "mailcore::engine", "{text}");
            if let Some(events) = self.events.get() {
                events.say(Event::SessionBroken { text });
            }
            return;
        }
        if self.text.set(text.clone()).is_err() {
            return log::error!(target: "mailcore::engine", "failed already; {text}");
        }
        self.sound.close();
        if let Some(draining) = lock(&self.draining).as_ref() {
            draining.close();
        }
        if let Some(events) = self.events.get() {
            events.say(Event::Fatal { text });
        }
    }

    /// `Bug` once the engine has failed.
    pub(super) fn check(&self) -> Result<()> {
        self.text.get().map_or(Ok(()), |text| Err(failed(text)))
    }

    /// Ends when the engine fails.
    pub(super) async fn happened(&self) -> Error {
        let _ = self.waits.recv().await;
        failed(self.text.get().map_or("", String::as_str))
    }
}

fn failed(text: &str) -> Error {
    Error::new(ErrorKind::Bug, format!("the engine has failed and must be closed ({text})"))
}
