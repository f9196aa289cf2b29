//! The checkpoint lane: copies the log into the database, beside the writer.
//!
//! Where the log is long it copies what disturbs nobody; after some idle seconds without readers it empties the log. An
//! I/O error here is the writer's business: it closes and reopens everything.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use smol::channel::{Receiver, WeakSender};
use smol::future::FutureExt;

use super::database::{Connected, Readers, Tend};
use super::lane::{Control, Next, next};
use super::room;
use super::shared::Shared;
use super::writer::Job;
use crate::base::limits::{CHECKPOINT_IDLE_SECONDS, CHECKPOINT_WAL_OCTETS};
use crate::base::{Error, ErrorKind, Mono, Result};

/// What wakes the lane.
enum Wake {
    /// A commit the lane has to know of.
    Commit,
    /// Some time has passed.
    Late,
}

/// What the lane keeps from one turn to the next.
#[derive(Default)]
struct Lane {
    db: Option<Box<dyn Tend>>,
    /// After a full disk: until then nothing is copied.
    not_before: Mono,
    /// Commits when the time began that must pass without any; none where the log is empty.
    quiet_since: Option<u64>,
}

/// The checkpoint lane.
pub(super) async fn run(shared: Arc<Shared>, wake: Receiver<()>, control: Receiver<Control>, writer: WeakSender<Job>) {
    let mut lane = Lane::default();
    loop {
        let late = lane.quiet_since.is_some().then(|| {
            let at = shared.world.clock.now() + Duration::from_secs(CHECKPOINT_IDLE_SECONDS);
            shared.world.clock.sleep_until(at)
        });
        let waken = async {
            let commit = async { wake.recv().await.ok().map(|()| Wake::Commit) };
            let Some(late) = late else { return commit.await };
            commit
                .or(async {
                    late.await;
                    Some(Wake::Late)
                })
                .await
        };
        let done = match next(&control, waken).await {
            Next::Work(Wake::Commit) => lane.commit(&shared),
            Next::Work(Wake::Late) => lane.late(&shared),
            // Beside a writer that is down there is nothing to copy.
            Next::Order(Control::Open(Readers::Alone, done)) => {
                let _ = done.try_send(Ok(()));
                Ok(())
            }
            Next::Order(Control::Open(Readers::BesideWriter, done)) => {
                let opened = shared.database.open_tender();
                let _ = done.try_send(opened.map(|opened| lane.db = Some(opened)));
                Ok(())
            }
            Next::Order(Control::Close(done)) => {
                lane.quiet_since = None;
                shared.log.tended.store(false, Ordering::SeqCst);
                let _ = done.try_send(lane.db.take().map_or(Ok(()), Connected::close));
                Ok(())
            }
            Next::Order(Control::End(done)) => {
                let _ = done.try_send(lane.db.take().map_or(Ok(()), Connected::close));
                return;
            }
            Next::Over => return,
        };
        match (done, writer.upgrade()) {
            (Err(e), _) if e.kind() == ErrorKind::DiskFull => lane.full(&shared),
            (Err(e), Some(writer)) => report(&writer, &control, &mut lane.db, e).await,
            _ => {}
        }
    }
}

impl Lane {
    /// A commit: copies where the log is long.
    fn commit(&mut self, shared: &Shared) -> Result<()> {
        let log = &shared.log;
        self.quiet_since = Some(log.commits.load(Ordering::SeqCst));
        let long = log.pending() >= CHECKPOINT_WAL_OCTETS && self.not_before <= shared.world.clock.now();
        self.db.as_ref().filter(|_| long).map_or(Ok(()), |db| db.copy_log(log))
    }

    /// Some time has passed: empties the log where nothing happened meanwhile.
    fn late(&mut self, shared: &Shared) -> Result<()> {
        let log = &shared.log;
        let commits = log.commits.load(Ordering::SeqCst);
        // A steady reader would be in the way: it is tried again when all is quiet.
        let quiet = self.quiet_since.replace(commits) == Some(commits);
        let free = quiet && shared.reading.load(Ordering::SeqCst) == 0;
        let Some(db) = self.db.as_ref().filter(|_| free) else { return Ok(()) };
        self.quiet_since = None;
        // From here on the next commit wakes the lane again.
        log.tended.store(false, Ordering::SeqCst);
        db.empty_log()
    }

    /// The disk is full. Nothing is lost: what was not copied stays in the log, and is tried again after a pause.
    fn full(&mut self, shared: &Shared) {
        room::run_out(shared);
        self.quiet_since = Some(shared.log.commits.load(Ordering::SeqCst));
        self.not_before = shared.world.clock.now() + Duration::from_secs(CHECKPOINT_IDLE_SECONDS);
    }
}

/// Tells the writer of the failure, and does what it orders meanwhile: the writer may be waiting for us.
async fn report(
    writer: &smol::channel::Sender<Job>,
    control: &Receiver<Control>,
    db: &mut Option<Box<dyn Tend>>,
    e: Error,
) {
    let sent = async { Some(writer.send(Job::Failed(e)).await.is_ok()) };
    match next(control, sent).await {
        Next::Order(Control::Close(done) | Control::End(done)) => {
            let _ = done.try_send(db.take().map_or(Ok(()), Connected::close));
        }
        Next::Order(Control::Open(_, done)) => {
            let _ = done.try_send(Ok(()));
        }
        Next::Work(_) | Next::Over => {}
    }
}
