//! A walk over everything a store keeps that tells, in words, where its parts disagree: messages, blocks, counts,
//! totals, bodies and their uses, the queue, accounts and aliases.
//!
//! The whole walk sees one state of the file, on a connection of its own, beside all other work; while it is open the
//! log cannot begin anew. It goes in steps of a bounded number of rows. A sound store gives not one sentence.

use std::sync::{MutexGuard, PoisonError};

use super::Store;
use super::database::{Connected, Readers, Walk};
use super::shared::Shared;
use crate::base::limits::CHECK_FOUND_MAX;
use crate::base::{Error, ErrorKind, Result};

/// What a step of a check came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckStep {
    /// Disagreements, a sentence each.
    pub found: Vec<String>,
    /// How far it is, of `total`.
    pub done: u64,
    /// All there is to do, as it was estimated at the beginning; 0 before the first step.
    pub total: u64,
    /// Whether this was the last step.
    pub over: bool,
}

/// A check under way. Dropping it ends it.
#[must_use]
pub struct Check {
    store: Store,
}

impl Store {
    /// Begins a check. `Busy` where one is under way.
    pub fn check(&self) -> Result<Check> {
        let mut slot = slot(self.shared());
        if slot.is_some() {
            return Err(Error::new(ErrorKind::Busy, "the store is being checked already"));
        }
        *slot = Some(Progress::default());
        Ok(Check { store: self.clone() })
    }
}

impl Check {
    /// The next step. Where the database cannot read on, a sentence says so and it is the last step. `Interrupted`
    /// where trouble of the disk ended the check; after any error there is no result.
    pub async fn step(&mut self) -> Result<CheckStep> {
        let store = self.store.clone();
        let shared = self.store.clone();
        let step = store.read(move |_| {
            let shared = shared.shared();
            slot(shared).as_mut().map(|progress| progress.step(shared)).transpose()
        });
        // Not told from inside: what goes wrong while reading is no trouble of the whole store.
        step.await?.ok_or_else(ended)
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        end(self.store.shared());
    }
}

/// Ends a check under way: its connection is closed with all others.
pub(super) fn end(shared: &Shared) {
    let progress = slot(shared).take();
    if let Some(Err(e)) = progress.and_then(|progress| progress.walk).map(Connected::close) {
        log::warn!("store: closing the connection of a check: {e}");
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Interrupted, "the check was ended by trouble of the disk")
}

fn slot(shared: &Shared) -> MutexGuard<'_, Option<Progress>> {
    shared.check.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a check is.
#[derive(Default)]
pub(super) struct Progress {
    walk: Option<Box<dyn Walk>>,
    found: u64,
    done: u64,
}

impl Progress {
    fn step(&mut self, shared: &Shared) -> Result<CheckStep> {
        if self.walk.is_none() {
            let readers = if shared.is_down() { Readers::Alone } else { Readers::BesideWriter };
            self.walk = Some(shared.database.open_walk(readers)?);
        }
        let Some(walk) = &mut self.walk else { return Ok(CheckStep::default()) };
        let (mut found, total) = (Vec::new(), walk.total());
        let (done, over) = walk.step(&mut found)?;
        self.done = if over { total } else { self.done.saturating_add(done).min(total) };
        // More than a person reads says nothing more.
        let room = CHECK_FOUND_MAX.saturating_sub(self.found);
        self.found = self.found.saturating_add(found.len() as u64);
        found.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        Ok(CheckStep { found, done: self.done, total, over })
    }
}
