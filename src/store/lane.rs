//! How the writer leads the other lanes: closes their connections, opens them anew, ends them.

use std::sync::atomic::Ordering;

use smol::channel::{Receiver, Sender, bounded};
use smol::future::FutureExt;

use super::database::Readers;
use super::shared::{Log, down};
use crate::base::limits::CHECKPOINT_WAL_OCTETS;
use crate::base::{Error, Result};

/// What the writer tells another lane.
pub(super) enum Control {
    /// Close your connection.
    Close(Sender<Result<()>>),
    /// Open it again.
    Open(Readers, Sender<Result<()>>),
    /// Close it and end.
    End(Sender<Result<()>>),
}

/// The lanes beside the writer.
#[derive(Default)]
pub(super) struct Lanes {
    controls: Vec<Sender<Control>>,
    log: Option<Sender<()>>,
}

impl Lanes {
    /// Room for one more lane: what it listens to.
    pub fn add(&mut self) -> Receiver<Control> {
        let (tell, told) = bounded(1);
        self.controls.push(tell);
        told
    }

    /// What wakes the checkpoint lane.
    pub fn add_log(&mut self) -> Receiver<()> {
        let (tell, told) = bounded(1);
        self.log = Some(tell);
        told
    }

    /// After a commit: wakes the checkpoint lane where it has to know. Waking it each time would cost the writer more
    /// than anything else it does beside its sync.
    pub fn committed(&self, log: &Log) {
        log.commits.fetch_add(1, Ordering::SeqCst);
        let long = log.pending() >= CHECKPOINT_WAL_OCTETS;
        if let (Some(wake), true) = (&self.log, !log.tended.swap(true, Ordering::SeqCst) || long) {
            // A full channel is a lane about to look.
            let _ = wake.try_send(());
        }
    }

    /// Closes every connection but the writer's.
    pub async fn close(&self) -> Result<()> {
        self.tell_all(Control::Close).await
    }

    /// Opens them again.
    pub async fn open(&self, readers: Readers) -> Result<()> {
        self.tell_all(|done| Control::Open(readers, done)).await
    }

    /// Ends the lanes.
    pub async fn end(&mut self) {
        let _ = self.tell_all(Control::End).await;
        self.controls.clear();
        self.log = None;
    }

    async fn tell_all(&self, what: impl Fn(Sender<Result<()>>) -> Control) -> Result<()> {
        let mut outcome = Ok(());
        for lane in &self.controls {
            let (answer, answered) = bounded(1);
            // A lane that has ended has no connection.
            if lane.send(what(answer)).await.is_ok() {
                outcome = outcome.and(answered.recv().await.unwrap_or(Ok(())));
            }
        }
        outcome
    }
}

/// What a lane turns to next: orders first, then work. `None` where its work has ended for good.
pub(super) enum Next<T> {
    /// An order.
    Order(Control),
    /// Work.
    Work(T),
    /// Nobody can send either any more.
    Over,
}

/// Waits for an order or for work.
pub(super) async fn next<T>(control: &Receiver<Control>, work: impl Future<Output = Option<T>>) -> Next<T> {
    let order = async { control.recv().await.map_or(Next::Over, Next::Order) };
    let work = async {
        match work.await {
            Some(work) => Next::Work(work),
            // The orders decide when to end.
            None => std::future::pending().await,
        }
    };
    order.or(work).await
}

/// A lane whose connection is closed.
pub(super) fn no_connection() -> Error {
    down()
}
