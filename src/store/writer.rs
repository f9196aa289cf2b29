//! The writer lane: the one place that changes the file.
//!
//! It takes what is waiting, runs it in one transaction (each job can be undone alone), commits, shares the new
//! views, says the events, and only then answers everyone, in order. Nothing awaits while a transaction is open.

use smol::channel::{Receiver, Sender, bounded};
use smol::future::FutureExt;

use super::database::{Connected, Write};
use super::health::Health;
use super::lane::Lanes;
use super::shared::{Shared, closed, down};
use super::transaction::{WriteTx, WriterCache};
use super::{Store, check, free, recovery, room};
use crate::base::limits::{
    CHECKPOINT_REST_OCTETS, CHECKPOINT_WAL_OCTETS, CHECKPOINT_WAL_OCTETS_MAX, COMMIT_JOBS_MAX, COMMIT_OCTETS_MAX,
    STORE_BUSY_TRIES_MAX, STORE_BUSY_WAIT_MILLISECONDS,
};
use crate::base::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Commits between two rounds of background work in a crowd.
const COMMITS_PER_ROUND: u32 = 64;

/// What is sent to the writer.
pub(super) enum Job {
    /// A change.
    Work(Box<dyn Work>),
    /// The checkpoint lane met an I/O error.
    Failed(Error),
    /// Ends the store; answered when all is closed.
    Close(Sender<Result<()>>),
}

/// A change whose type is forgotten.
pub(super) trait Work: Send {
    /// Octets of bodies it brings.
    fn octets(&self) -> u64;
    /// Does it; keeps what it gives for the answer. Done again where the transaction was aborted.
    fn run(&mut self, tx: &mut WriteTx<'_>) -> Result<()>;
    /// Answers: what it gave where `outcome` is good, else the error.
    fn answer(self: Box<Self>, outcome: Result<()>);
}

struct Typed<T, F> {
    octets: u64,
    run: F,
    given: Option<T>,
    answer: Sender<Result<T>>,
}

impl<T: Send, F: Fn(&mut WriteTx<'_>) -> Result<T> + Send> Work for Typed<T, F> {
    fn octets(&self) -> u64 {
        self.octets
    }

    fn run(&mut self, tx: &mut WriteTx<'_>) -> Result<()> {
        self.given = Some((self.run)(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Typed { given, answer, .. } = *self;
        let given = outcome.and_then(|()| given.ok_or_else(|| Error::new(ErrorKind::Bug, "a change gave nothing")));
        // Whoever asked may have gone.
        let _ = answer.try_send(given);
    }
}

impl Store {
    /// Hands a change to the writer and waits for its commit. `octets` are those of the bodies it brings. `run` may be
    /// run more than once, each time in a transaction of its own, of which the last one counts.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        octets: u64,
        run: impl Fn(&mut WriteTx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.shared().check_writable()?;
        let (answer, answered) = bounded(1);
        let work = Box::new(Typed { octets, run, given: None, answer });
        self.jobs().send(Job::Work(work)).await.map_err(|_| closed())?;
        answered.recv().await.unwrap_or_else(|_| Err(down()))
    }
}

impl Store {
    /// Has the writer look for what may be removed.
    pub(super) fn tidy(&self) {
        let (answer, _) = bounded(1);
        let work = Box::new(Typed { octets: 0, run: |_: &mut WriteTx<'_>| Ok(()), given: None, answer });
        // Where there are many jobs already, one of them does.
        let _ = self.jobs().try_send(Job::Work(work));
    }
}

/// The writer's own things.
pub(super) struct Writer {
    pub shared: Arc<Shared>,
    pub jobs: Receiver<Job>,
    pub lanes: Lanes,
    pub db: Option<Box<dyn Write>>,
    pub cache: WriterCache,
    /// Bodies wait to be removed, or pages to be given back.
    pub dead: bool,
    /// Octets of log at which it should begin anew.
    pub renew_at: u64,
    pub lock: Option<Box<dyn Send + Sync>>,
    pub health: Health,
}

impl Drop for Writer {
    /// Whoever still waits in the channel learns that nobody will answer: a panic that ends the lane leaves some there,
    /// and a channel keeps what was not taken.
    fn drop(&mut self) {
        self.jobs.close();
        while self.jobs.try_recv().is_ok() {}
    }
}

/// What became of a transaction.
enum End {
    /// On disk.
    Committed,
    /// Undone.
    Undone(Error),
    /// In doubt: the store must be closed and reopened.
    Broken(Error),
    /// Not begun, or undone: somebody else was in the way.
    Again,
}

/// What the writer turns to next.
enum Wake {
    Job(Job),
    Late,
    Over,
}

impl End {
    /// Of a transaction that could not begin.
    fn of(e: Error) -> End {
        match e.kind() {
            ErrorKind::Busy => End::Again,
            ErrorKind::StoreDown => End::Broken(e),
            _ => End::Undone(e),
        }
    }
}

impl Writer {
    /// Works until the store is closed or dropped.
    pub async fn run(mut self) {
        let mut commits = 0u32;
        let mut closing = None;
        loop {
            let first = match self.wake().await {
                Wake::Job(first) => first,
                Wake::Late => {
                    self.late().await;
                    self.background(&mut commits).await;
                    continue;
                }
                Wake::Over => break,
            };
            let (batch, broken) = self.gather(first, &mut closing);
            if let Some(error) = broken {
                self.fail(&error).await;
            }
            if !batch.is_empty() {
                self.batch(batch).await;
                commits = commits.wrapping_add(1);
                self.renew_log().await;
            }
            self.background(&mut commits).await;
            if closing.is_some() {
                // Nobody can hand in more; what was handed in before is still answered.
                self.shared.set_closed();
                self.jobs.close();
            }
        }
        let ended = self.end().await;
        if let Some(answer) = closing {
            let _ = answer.try_send(ended);
        }
    }

    /// The next job, or the moment to look after something by itself.
    async fn wake(&mut self) -> Wake {
        let late = self.health.late_at(&self.shared).map(|at| self.shared.world.clock.sleep_until(at));
        let jobs = self.jobs.clone();
        let job = async { jobs.recv().await.map_or(Wake::Over, Wake::Job) };
        match late {
            None => job.await,
            Some(late) => {
                job.or(async {
                    late.await;
                    Wake::Late
                })
                .await
            }
        }
    }

    /// Rounds of background work, while nobody waits or after so many commits.
    async fn background(&mut self, commits: &mut u32) {
        while self.dead && self.is_up() && (self.jobs.is_empty() || commits.is_multiple_of(COMMITS_PER_ROUND)) {
            self.batch(Vec::new()).await;
            *commits = commits.wrapping_add(1);
        }
    }

    /// What is waiting, up to the limits of one commit, in the order it came.
    fn gather(&self, first: Job, closing: &mut Option<Sender<Result<()>>>) -> (Vec<Box<dyn Work>>, Option<Error>) {
        let (mut batch, mut octets, mut broken) = (Vec::new(), 0u64, None);
        let mut next = Some(first);
        while let Some(job) = next.take() {
            match job {
                Job::Work(work) => {
                    octets = octets.saturating_add(work.octets());
                    batch.push(work);
                }
                Job::Failed(error) => broken = Some(error),
                Job::Close(answer) => *closing = Some(answer),
            }
            if batch.len() >= COMMIT_JOBS_MAX || octets >= COMMIT_OCTETS_MAX || broken.is_some() || closing.is_some() {
                break;
            }
            next = self.jobs.try_recv().ok();
        }
        (batch, broken)
    }

    /// One transaction; an empty batch is a round of background work.
    async fn batch(&mut self, mut batch: Vec<Box<dyn Work>>) {
        let mut failed: Vec<Option<Error>> = Vec::new();
        if !self.is_up() {
            return self.answer(batch, failed, &End::Broken(down()));
        }
        if batch.iter().any(|work| work.octets() > 0) {
            self.look_for_room();
        }
        let end = self.try_all(&mut batch, &mut failed).await;
        if let End::Broken(error) = &end {
            self.shared.set_down(true);
            let error = error.clone();
            self.answer(batch, failed, &end);
            self.fail(&error).await;
            return;
        }
        if matches!(end, End::Committed) {
            self.lanes.committed(&self.shared.log);
        } else {
            self.dead = false;
        }
        self.answer(batch, failed, &end);
        if self.health.log_went {
            self.reopen().await;
        }
    }

    fn answer(&self, batch: Vec<Box<dyn Work>>, failed: Vec<Option<Error>>, end: &End) {
        let mut failed = failed.into_iter();
        let mut changed = false;
        for work in batch {
            let refusal = failed.next().flatten();
            let refused = refusal.is_some();
            let outcome = match (refusal, end) {
                // Behind a change that is undone a refusal may rest on it, and is none.
                (Some(refusal), end) if !changed || matches!(end, End::Committed) => Err(refusal),
                (_, End::Committed) => Ok(()),
                (_, End::Undone(e) | End::Broken(e)) => Err(e.clone()),
                (_, End::Again) => Err(Error::new(ErrorKind::Bug, "a change was not tried to its end")),
            };
            changed |= !refused;
            work.answer(outcome);
        }
    }

    /// Begins and carries out, again after a little while where somebody else is in the way.
    async fn try_all(&mut self, batch: &mut [Box<dyn Work>], failed: &mut Vec<Option<Error>>) -> End {
        for _ in 0..STORE_BUSY_TRIES_MAX {
            failed.clear();
            let end = match self.db.as_ref().ok_or_else(down).and_then(|db| db.begin()) {
                Ok(()) => self.transact(batch, failed),
                Err(e) => End::of(e),
            };
            if !matches!(end, End::Again) {
                return end;
            }
            self.shared.world.clock.pause(Duration::from_millis(STORE_BUSY_WAIT_MILLISECONDS)).await;
        }
        End::Undone(Error::new(ErrorKind::Busy, "another program keeps the store locked"))
    }

    /// From BEGIN, which was done, to COMMIT and the sharing of what it brought.
    fn transact(&mut self, batch: &mut [Box<dyn Work>], failed: &mut Vec<Option<Error>>) -> End {
        let Some(db) = self.db.as_deref() else { return End::Broken(down()) };
        let mut tx = WriteTx::new(db, &self.shared, &mut self.cache);
        let done = run_jobs(&mut tx, batch, failed)
            .and_then(|()| if batch.is_empty() { round(&mut tx) } else { Ok(self.dead) })
            .and_then(|dead| tx.flush().map(|()| dead))
            .and_then(|dead| db.commit().map(|()| dead))
            .and_then(|dead| self.health.check_files(&self.shared, db).map(|()| dead));
        match done {
            Ok(dead) => {
                self.dead = dead || tx.bodies_died;
                tx.publish();
                End::Committed
            }
            Err(e) => {
                // Nothing may stay of it, nor of what was read: another host may have changed that.
                let undone = db.rollback().is_ok();
                self.dead |= tx.bodies_died;
                self.cache = WriterCache::default();
                match e.kind() {
                    ErrorKind::StoreDown => End::Broken(e),
                    ErrorKind::Busy if undone => End::Again,
                    _ if !undone => End::Broken(Error::new(ErrorKind::StoreDown, e.text())),
                    ErrorKind::DiskFull => {
                        room::run_out(&self.shared);
                        End::Undone(room::full())
                    }
                    _ => End::Undone(Error::new(ErrorKind::Store, e.text())),
                }
            }
        }
    }

    /// Where the log has become long: copies what the checkpoint lane has left of it, so that the next commit may
    /// write it from the beginning. Blocks that are there already are synced more cheaply than new ones.
    async fn renew_log(&mut self) {
        let log = &self.shared.log;
        let octets = log.octets.load(Ordering::SeqCst);
        if octets < self.renew_at {
            if octets < CHECKPOINT_WAL_OCTETS_MAX {
                self.renew_at = CHECKPOINT_WAL_OCTETS_MAX;
            }
            return;
        }
        let Some(db) = self.db.as_ref().filter(|_| log.pending() <= CHECKPOINT_REST_OCTETS) else { return };
        // A reader of an old state keeps the log from beginning anew: tried again when it has grown some more.
        self.renew_at = octets.saturating_add(CHECKPOINT_WAL_OCTETS);
        match db.copy_log(log) {
            // What was not copied stays in the log.
            Err(e) if e.kind() == ErrorKind::DiskFull => room::run_out(&self.shared),
            Err(e) => self.fail(&e).await,
            Ok(()) => {}
        }
    }

    /// Ends what was begun where opening failed; the file stays as it was.
    pub async fn give_up(&mut self) {
        self.lanes.end().await;
        if let Some(db) = self.db.take() {
            // The first error is the one that is told.
            let _ = db.close();
        }
        self.lock = None;
    }

    /// Ends the other lanes, empties the log, closes the file and gives the lock back.
    async fn end(&mut self) -> Result<()> {
        self.shared.set_closed();
        self.lanes.end().await;
        check::end(&self.shared);
        let emptied = match self.db.as_deref() {
            Some(db) if !self.shared.is_down() => recovery::empty_log(&self.shared, db),
            _ => Err(down()),
        };
        let closed = self.db.take().map_or(Ok(()), Connected::close);
        self.lock = None;
        self.shared.views.clear();
        self.shared.counts.forget_all();
        self.shared.watchers.close();
        emptied.and(closed)
    }
}

/// A round of background work: bodies to be removed first, then pages to be given back. Gives whether more waits.
fn round(tx: &mut WriteTx<'_>) -> Result<bool> {
    Ok(free::round(tx)? || tx.db.shrink()?)
}

/// Runs the jobs one after the other. Fails only where the whole transaction must be given up.
fn run_jobs(tx: &mut WriteTx<'_>, batch: &mut [Box<dyn Work>], failed: &mut Vec<Option<Error>>) -> Result<()> {
    let db = tx.db;
    for work in batch {
        db.begin_job()?;
        // What a job had sent ahead may fail at its end: then it is the job that failed.
        let outcome = work.run(tx).and_then(|()| db.keep_job());
        match &outcome {
            Ok(()) => tx.keep_job(),
            Err(e) if matches!(e.kind(), ErrorKind::StoreDown | ErrorKind::Busy) || !db.in_transaction() => {
                return Err(e.clone());
            }
            Err(_) => {
                db.undo_job()?;
                tx.drop_job();
            }
        }
        failed.push(outcome.err());
    }
    Ok(())
}
