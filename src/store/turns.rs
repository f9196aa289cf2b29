//! Whose turn it is among COPYs and MOVEs in steps: one at a time for each destination, so that none writes over the
//! UIDs of another; and of all their steps one at a time, so that no commit has more than one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use smol::channel::{Receiver, Sender, bounded};

use crate::base::MailboxId;

/// Turns of a store.
#[derive(Debug, Default)]
pub(super) struct Turns {
    steps: Line,
    destinations: Mutex<BTreeMap<MailboxId, Arc<Line>>>,
}

/// Those who wait for one thing, in the order in which they came.
#[derive(Debug)]
struct Line {
    /// Full while somebody has the turn.
    enter: Sender<()>,
    leave: Receiver<()>,
}

impl Default for Line {
    fn default() -> Self {
        let (enter, leave) = bounded(1);
        Line { enter, leave }
    }
}

/// The turn of one step, until it is dropped.
pub(super) struct StepTurn<'a>(&'a Line);

impl Drop for StepTurn<'_> {
    fn drop(&mut self) {
        let _ = self.0.leave.try_recv();
    }
}

/// The turn at a destination, until it is dropped.
pub(super) struct DestinationTurn<'a> {
    turns: &'a Turns,
    mailbox: MailboxId,
    line: Arc<Line>,
    has_it: bool,
}

impl Drop for DestinationTurn<'_> {
    fn drop(&mut self) {
        if self.has_it {
            let _ = self.line.leave.try_recv();
        }
        let mut destinations = self.turns.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        // The list has one and this has one; whoever waits has another.
        if Arc::strong_count(&self.line) == 2 {
            destinations.remove(&self.mailbox);
        }
    }
}

impl Turns {
    /// Waits for the turn of a step.
    pub async fn step(&self) -> StepTurn<'_> {
        // Both ends are here, so that the channel is open.
        let _ = self.steps.enter.send(()).await;
        StepTurn(&self.steps)
    }

    /// Waits for the turn at a destination.
    pub async fn destination(&self, mailbox: MailboxId) -> DestinationTurn<'_> {
        let line = {
            let mut destinations = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
            destinations.entry(mailbox).or_default().clone()
        };
        let mut turn = DestinationTurn { turns: self, mailbox, line, has_it: false };
        let _ = turn.line.enter.send(()).await;
        turn.has_it = true;
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future::{poll_once, yield_now};

    #[test]
    fn one_after_the_other_and_nothing_is_left() {
        smol::block_on(async {
            let turns = Turns::default();
            let (here, there) = (MailboxId(1), MailboxId(2));
            let first = turns.destination(here).await;
            let mut second = Box::pin(turns.destination(here));
            assert!(poll_once(&mut second).await.is_none());
            drop(turns.destination(there).await);
            drop(first);
            drop(second.await);
            // One that gives up while it waits.
            let first = turns.destination(here).await;
            let mut second = Box::pin(turns.destination(here));
            assert!(poll_once(&mut second).await.is_none());
            drop(second);
            drop(first);
            yield_now().await;
            assert!(turns.destinations.lock().unwrap().is_empty());
            let step = turns.step().await;
            assert!(poll_once(Box::pin(turns.step())).await.is_none());
            drop(step);
            drop(turns.step().await);
        });
    }
}
