//! How the writer leads the other lanes: closes their connections, opens them anew, ends them.

use smol::channel::{Receiver, Sender, bounded};
use smol::future::FutureExt;

use super::shared::down;
use crate::base::{Error, Result};

/// What the writer tells another lane.
pub(super) enum Control {
    /// Close your connection.
    Close(Sender<Result<()>>),
    /// Open it again.
    Open(Sender<Result<()>>),
    /// Close it and end.
    End(Sender<Result<()>>),
}

/// The lanes beside the writer.
#[derive(Default)]
pub(super) struct Lanes {
    controls: Vec<Sender<Control>>,
    log: Option<Sender<u64>>,
}

impl Lanes {
    /// Room for one more lane: what it listens to.
    pub fn add(&mut self) -> Receiver<Control> {
        let (tell, told) = bounded(1);
        self.controls.push(tell);
        told
    }

    /// Where the checkpoint lane hears how long the log is.
    pub fn add_log(&mut self) -> Receiver<u64> {
        let (tell, told) = bounded(1);
        self.log = Some(tell);
        told
    }

    /// Tells the checkpoint lane how long the log is after a commit.
    pub fn committed(&self, wal_octets: u64) {
        if let Some(log) = &self.log {
            // The newest figure counts.
            let _ = log.force_send(wal_octets);
        }
    }

    /// Closes every connection but the writer's.
    pub async fn close(&self) -> Result<()> {
        self.tell_all(Control::Close).await
    }

    /// Opens them again.
    pub async fn open(&self) -> Result<()> {
        self.tell_all(Control::Open).await
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
