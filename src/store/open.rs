//! Opening and closing a store: starts its lanes, and ends them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use smol::channel::{Sender, bounded};

use super::database::Database;
use super::health::Health;
use super::lane::Lanes;
use super::reader::Question;
use super::shared::Shared;
use super::transaction::WriterCache;
use super::writer::{Job, Writer};
use super::{checkpoint, reader, sqlite};
use crate::base::event::EventSink;
use crate::base::limits::{CHECKPOINT_WAL_OCTETS_MAX, WRITER_QUEUE_JOBS_MAX};
use crate::base::world::Task;
use crate::base::{Error, ErrorKind, Result, Timestamp, World};

/// How a store is opened.
#[derive(Clone)]
pub struct StoreOptions {
    /// Folder that holds `mail.db`, its WAL, the lock file and scratch files; made where missing.
    pub folder: PathBuf,
    /// Told of `Filed`, `Queued` and `Store` after their commit.
    pub events: Arc<dyn EventSink>,
    /// Reader lanes.
    pub readers: usize,
}

/// The store. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
    questions: Sender<Question>,
    /// The lanes; they end when the channels above close.
    lanes: Mutex<Vec<Task<()>>>,
}

impl Store {
    /// Opens the store, making it where there is none, migrating it where it is older. `Busy` where
    /// another process or engine has it, `Invalid` where a newer engine wrote it. A store that can be read but not
    /// written, on a full disk for one, opens: changes are refused (`StoreDown`) until it can be written.
    pub async fn open(world: &World, options: StoreOptions) -> Result<Store> {
        let files = sqlite::Files::of(world, &options.folder, &scratch_folder(&options));
        Store::open_on(Arc::new(files), world, options).await
    }

    /// Opens the store on a PostgreSQL server, in the schema that `url` names (`postgres://user@host/db?schema=name`);
    /// made where missing. The folder of the options takes scratch files, nothing else. Errors as of [`Store::open`];
    /// `Invalid` for another address, `StoreDown` where the server cannot be reached.
    #[cfg(feature = "postgres")]
    pub async fn open_at(world: &World, url: &str, options: StoreOptions) -> Result<Store> {
        let server = super::postgres::Server::of(world, url)?;
        Store::open_on(Arc::new(server), world, options).await
    }

    /// This build has no PostgreSQL.
    #[cfg(not(feature = "postgres"))]
    pub async fn open_at(_: &World, _: &str, _: StoreOptions) -> Result<Store> {
        Err(Error::new(ErrorKind::Unsupported, "a store on a server is left out of this build (feature postgres)"))
    }

    /// Opens the store on a database.
    pub(super) async fn open_on(database: Arc<dyn Database>, world: &World, options: StoreOptions) -> Result<Store> {
        let readers = options.readers.max(1);
        let shared = Arc::new(Shared::new(world, options, database));
        let (jobs, jobs_in) = bounded(WRITER_QUEUE_JOBS_MAX);
        let (questions, questions_in) = bounded(WRITER_QUEUE_JOBS_MAX);
        let mut lanes = Lanes::default();
        let mut tasks = Vec::new();
        for _ in 0..readers {
            let lane = reader::run(shared.clone(), questions_in.clone(), lanes.add());
            tasks.push(world.run.lane("store-read", Box::pin(lane)));
        }
        drop(questions_in);
        let lane = checkpoint::run(shared.clone(), lanes.add_log(), lanes.add(), jobs.downgrade());
        tasks.push(world.run.lane("store-checkpoint", Box::pin(lane)));
        let (ready, opened) = bounded(1);
        let writer = Writer {
            shared: shared.clone(),
            jobs: jobs_in,
            lanes,
            db: None,
            cache: WriterCache::default(),
            dead: true,
            renew_at: CHECKPOINT_WAL_OCTETS_MAX,
            lock: None,
            health: Health::default(),
        };
        tasks.push(world.run.lane("store-write", Box::pin(begin(writer, ready))));
        let store = Store { inner: Arc::new(Inner { shared, jobs, questions, lanes: Mutex::new(tasks) }) };
        let opened =
            opened.recv().await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Bug, "the writer did not begin")));
        if opened.is_err() {
            store.lanes_ended().await;
        }
        opened.map(|()| store)
    }

    /// Answers what was handed in, checkpoints, closes every connection. Not an error where it is closed already.
    pub async fn close(&self) -> Result<()> {
        let (answer, answered) = bounded(1);
        let closed = match self.inner.jobs.send(Job::Close(answer)).await {
            Ok(()) => answered.recv().await.unwrap_or(Ok(())),
            Err(_) => Ok(()),
        };
        self.lanes_ended().await;
        closed
    }

    /// Sets how many octets of the file system mail leaves free, for changes and deletions. `None`, as at first: a
    /// sixteenth of it, 64 MiB at most.
    pub fn set_reserve(&self, octets: Option<u64>) {
        self.inner.shared.room.set_reserve(octets);
    }

    /// Whether mail of so many octets would find room on the disk, as of the last look.
    pub fn has_room(&self, octets: u64) -> bool {
        self.inner.shared.room.has(octets)
    }

    /// Folder for scratch files.
    pub fn scratch_folder(&self) -> PathBuf {
        match self.inner.shared.database.is_on_our_disk() {
            true => scratch_folder(&self.inner.shared.options),
            false => self.inner.shared.options.folder.clone(),
        }
    }

    /// The time of its world.
    pub fn wall(&self) -> Timestamp {
        self.inner.shared.world.clock.wall()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    pub(super) fn jobs(&self) -> &Sender<Job> {
        &self.inner.jobs
    }

    pub(super) fn questions(&self) -> &Sender<Question> {
        &self.inner.questions
    }

    async fn lanes_ended(&self) {
        let lanes = std::mem::take(&mut *self.inner.lanes.lock().unwrap_or_else(PoisonError::into_inner));
        for lane in lanes {
            lane.await;
        }
    }
}

fn scratch_folder(options: &StoreOptions) -> PathBuf {
    options.folder.join("scratch")
}

/// The writer lane from its first breath: opens the file, then the other lanes' connections.
async fn begin(mut writer: Writer, ready: Sender<Result<()>>) {
    let opened = match writer.shared.database.take() {
        Ok(lock) => {
            writer.lock = Some(lock);
            writer.start().await
        }
        Err(e) => Err(e),
    };
    let failed = opened.is_err();
    if failed {
        writer.give_up().await;
    }
    let _ = ready.try_send(opened);
    if !failed {
        writer.run().await;
    }
}
