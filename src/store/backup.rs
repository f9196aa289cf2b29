//! A backup: an online copy of one commit into a folder of its own, which is a store again. It is made on a lane of its
//! own, a step whenever the program wants one, and checked before it is there.

use std::path::PathBuf;

use smol::channel::{Receiver, bounded};

use super::Store;
use crate::base::world::Spawner;
use crate::base::{Error, ErrorKind, Result};

/// How far a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupStep {
    /// Octets done, copied or read back.
    pub done: u64,
    /// Octets to do; the first step knows it.
    pub total: u64,
    /// Whether this was the last step: the copy is there, whole and on disk.
    pub over: bool,
}

/// A backup under way. Dropping it gives it up; there is no copy then.
#[must_use]
pub struct Backup {
    steps: Receiver<Result<BackupStep>>,
}

impl Store {
    /// Begins a backup into `folder`.
    pub fn backup(&self, run: &dyn Spawner, folder: PathBuf) -> Backup {
        let (say, steps) = bounded(1);
        let database = self.shared().database.clone();
        let lane = async move {
            let mut last = BackupStep { done: 0, total: 0, over: false };
            let mut told = |done, total| {
                last = BackupStep { done, total, over: false };
                say.send_blocking(Ok(last)).is_ok()
            };
            let end = database.copy(&folder, &mut told);
            // Where nobody listens any more, it was given up.
            let _ = say.send_blocking(end.map(|()| BackupStep { done: last.total, over: true, ..last }));
        };
        run.lane("backup", Box::pin(lane)).detach();
        Backup { steps }
    }
}

impl Backup {
    /// The next step. After an error there is no copy.
    pub async fn step(&self) -> Result<BackupStep> {
        let over = |_| Err(Error::new(ErrorKind::Interrupted, "the backup ended before its end"));
        self.steps.recv().await.unwrap_or_else(over)
    }
}
