//! The checkpoint lane: brings the write-ahead log back into the file, beside the writer.
//!
//! PASSIVE where the log is long, which blocks nobody; TRUNCATE after some idle seconds without readers. An I/O
//! error here is the writer's business: it closes and reopens everything.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;
use smol::channel::{Receiver, WeakSender};
use smol::future::FutureExt;

use super::connection;
use super::lane::{Control, Next, next};
use super::shared::Shared;
use super::writer::Job;
use crate::base::limits::{CHECKPOINT_IDLE_SECONDS, CHECKPOINT_WAL_OCTETS};
use crate::base::{Error, ErrorKind, Result};

/// What wakes the lane.
enum Wake {
    /// A commit; the log holds so many octets now.
    Commit(u64),
    /// Nothing was committed for a while.
    Idle,
}

/// The checkpoint lane.
pub(super) async fn run(shared: Arc<Shared>, log: Receiver<u64>, control: Receiver<Control>, writer: WeakSender<Job>) {
    let mut db: Option<Connection> = None;
    // Octets in the log that no TRUNCATE has taken away.
    let mut pending = false;
    loop {
        let wake = async {
            let commit = async { log.recv().await.ok().map(Wake::Commit) };
            if !pending {
                return commit.await;
            }
            let at = shared.world.clock.now() + Duration::from_secs(CHECKPOINT_IDLE_SECONDS);
            let idle = shared.world.clock.sleep_until(at);
            commit
                .or(async {
                    idle.await;
                    Some(Wake::Idle)
                })
                .await
        };
        let done = match next(&control, wake).await {
            Next::Work(Wake::Commit(octets)) => {
                pending = true;
                match &db {
                    Some(db) if octets >= CHECKPOINT_WAL_OCTETS => checkpoint(db, CheckpointMode::PASSIVE),
                    _ => Ok(()),
                }
            }
            Next::Work(Wake::Idle) => match &db {
                // A steady reader would make TRUNCATE fail: it is tried again when all is quiet.
                Some(db) if shared.reading.load(Ordering::SeqCst) == 0 => {
                    pending = false;
                    checkpoint(db, CheckpointMode::TRUNCATE)
                }
                _ => Ok(()),
            },
            Next::Order(Control::Open(done)) => {
                let opened = connection::open_checkpointer(&shared.world, &shared.files);
                let _ = done.try_send(opened.map(|opened| db = Some(opened)));
                Ok(())
            }
            Next::Order(Control::Close(done)) => {
                pending = false;
                let _ = done.try_send(db.take().map_or(Ok(()), connection::close));
                Ok(())
            }
            Next::Order(Control::End(done)) => {
                let _ = done.try_send(db.take().map_or(Ok(()), connection::close));
                return;
            }
            Next::Over => return,
        };
        if let (Err(e), Some(writer)) = (done, writer.upgrade()) {
            report(&writer, &control, &mut db, e).await;
        }
    }
}

/// Tells the writer of the failure, and does what it orders meanwhile: the writer may be waiting for us.
async fn report(
    writer: &smol::channel::Sender<Job>,
    control: &Receiver<Control>,
    db: &mut Option<Connection>,
    e: Error,
) {
    let sent = async { Some(writer.send(Job::Failed(e)).await.is_ok()) };
    match next(control, sent).await {
        Next::Order(Control::Close(done) | Control::End(done)) => {
            let _ = done.try_send(db.take().map_or(Ok(()), connection::close));
        }
        Next::Order(Control::Open(done)) => {
            let _ = done.try_send(Ok(()));
        }
        Next::Work(_) | Next::Over => {}
    }
}

/// One checkpoint. That somebody was in the way is no error: the next one goes on.
pub(super) fn checkpoint(db: &Connection, mode: CheckpointMode) -> Result<()> {
    match db.wal_checkpoint_v2(None::<&str>, mode).map_err(Error::from) {
        Err(e) if e.kind() == ErrorKind::Busy => Ok(()),
        Err(e) => Err(Error::new(ErrorKind::StoreDown, e.text()).while_doing("checkpoint")),
        Ok(_) => Ok(()),
    }
}
