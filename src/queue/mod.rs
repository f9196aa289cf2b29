//! Floor 5: the outbound queue at work: when an attempt is due, who is told of its end, what the host may do to it.
//!
//! The queue's rows are the store's, an attempt is `delivery`'s; here it is decided when the next one is made, and
//! each accepted recipient ends delivered, bounced or expired and bounced.
//!
//! `runner` is the loop; `look` finds what is due, `start` gives out places and begins attempts, `destinations` knows
//! whose turn it is; `deliver` deals with one message at one destination and `settle` writes down what came of it.

pub mod bounce;
pub mod control;
mod deliver;
mod destinations;
mod kept;
mod local;
mod look;
pub mod rules;
pub mod runner;
pub mod schedule;
mod settle;
mod start;

use std::sync::Arc;

use crate::base::event::EventSink;
use crate::base::{Settings, World};
use crate::mailauth::Keyring;
use crate::store::Store;

/// What the queue works with.
#[derive(Clone)]
pub struct Context {
    /// The world outside.
    pub world: World,
    /// Where the queue is kept.
    pub store: Store,
    /// What the host set.
    pub settings: Arc<Settings>,
    /// Keys our reports are signed with.
    pub keyring: Arc<Keyring>,
    /// Where the host is told.
    pub events: Arc<dyn EventSink>,
    /// Closed when the engine stops: no further attempts are begun then.
    pub stop: smol::channel::Receiver<()>,
}

impl Context {
    /// What reports are written with.
    fn reporter(&self) -> bounce::Reporter<'_> {
        bounce::Reporter { world: &self.world, store: &self.store, settings: &self.settings, keyring: &self.keyring }
    }
}
