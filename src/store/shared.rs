//! What the store's lanes and its callers share: the world, the views, the directory, the watchers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::StoreOptions;
use super::annotation::Changes;
use super::body::ReadAhead;
use super::book::Book;
use super::check::Progress;
use super::counts::Counts;
use super::database::Database;
use super::directory_cache::DirectoryCache;
use super::dmarc::Waiting;
use super::fact::FactTables;
use super::ghost::Ghosts;
use super::hidden::Stretches;
use super::queue_board::QueueBoard;
use super::recent::Recents;
use super::room::Room;
use super::sieve::Programs;
use super::sort_table::SortTable;
use super::table::Tables;
use super::thread_table::ThreadTable;
use super::tls::TlsResults;
use super::turns::Turns;
use super::view::Views;
use super::watch::Watchers;
use super::words::Words;
use crate::base::limits::{ACCOUNT_MESSAGES_MAX, STEP_MESSAGES_MAX, STORE_STEP_MESSAGES_MAX};
use crate::base::{Error, ErrorKind, Result, World};

/// Shared by everyone who works on one store.
pub(super) struct Shared {
    pub world: World,
    pub options: StoreOptions,
    pub database: Arc<dyn Database>,
    pub views: Views,
    pub counts: Counts,
    pub facts: FactTables,
    pub ghosts: Ghosts,
    pub recents: Recents,
    pub stretches: Stretches,
    /// Whose turn it is among COPYs and MOVEs in steps.
    pub turns: Turns,
    /// Messages that one commit copies, moves or expunges.
    pub step_messages: AtomicUsize,
    /// Messages that an account may have.
    pub account_messages_max: AtomicU64,
    /// Messages whose flags one commit changes.
    pub store_step_messages: AtomicUsize,
    pub words: Tables<Words>,
    pub sorts: Tables<SortTable>,
    pub threads: Tables<ThreadTable>,
    pub read_ahead: ReadAhead,
    pub watchers: Watchers,
    /// What the queue's runner is told, and how rows are routed.
    pub queue: QueueBoard,
    /// What waits to be written for aggregate reports.
    pub observed: Mutex<Waiting>,
    /// Results of TLS that wait to be written.
    pub tls_results: Mutex<TlsResults>,
    /// Recipients delivered, and tried without that, by destination, since the store was opened.
    pub tried: Mutex<BTreeMap<String, (u64, u64)>>,
    /// Whether an address may be suppressed: true until the store was asked.
    pub suppresses: AtomicBool,
    /// Readers at work now.
    pub reading: AtomicUsize,
    /// The write-ahead log, between the writer and the checkpoint lane.
    pub log: Arc<Log>,
    /// What is known of accounts, domains and aliases.
    pub directory: DirectoryCache,
    /// Room on the disk.
    pub room: Room,
    /// The check under way.
    pub check: Mutex<Option<Progress>>,
    /// Scripts, compiled.
    pub programs: Programs,
    /// Which annotations changed.
    pub annotations: Changes,
    book: Mutex<Arc<Book>>,
    down: AtomicBool,
    closed: AtomicBool,
}

impl Shared {
    pub fn new(world: &World, options: StoreOptions, database: Arc<dyn Database>) -> Shared {
        Shared {
            world: world.clone(),
            database,
            options,
            views: Views::default(),
            counts: Counts::default(),
            facts: FactTables::default(),
            ghosts: Ghosts::default(),
            recents: Recents::default(),
            stretches: Stretches::default(),
            turns: Turns::default(),
            step_messages: AtomicUsize::new(STEP_MESSAGES_MAX),
            account_messages_max: AtomicU64::new(ACCOUNT_MESSAGES_MAX),
            store_step_messages: AtomicUsize::new(STORE_STEP_MESSAGES_MAX),
            words: Tables::default(),
            sorts: Tables::default(),
            threads: Tables::default(),
            read_ahead: ReadAhead::default(),
            watchers: Watchers::default(),
            queue: QueueBoard::default(),
            observed: Mutex::default(),
            tls_results: Mutex::default(),
            tried: Mutex::default(),
            suppresses: AtomicBool::new(true),
            reading: AtomicUsize::new(0),
            log: Arc::default(),
            directory: DirectoryCache::default(),
            room: Room::default(),
            check: Mutex::default(),
            programs: Programs::default(),
            annotations: Changes::default(),
            book: Mutex::default(),
            down: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// Settings of domains and groups as of the last commit.
    pub fn book(&self) -> Arc<Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces them.
    pub fn set_book(&self, book: Arc<Book>) {
        let before = std::mem::replace(&mut *self.book.lock().unwrap_or_else(PoisonError::into_inner), book);
        drop(before);
    }

    /// Messages that one commit copies, moves or expunges: more go in steps, or in the background.
    pub fn step_messages(&self) -> usize {
        self.step_messages.load(Ordering::SeqCst)
    }

    /// Says whether changes are refused; gives whether they were.
    pub fn set_down(&self, down: bool) -> bool {
        self.down.swap(down, Ordering::SeqCst)
    }

    /// Whether changes are refused.
    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }

    /// Refuses work for good.
    pub fn set_closed(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Why nothing can be read, where that is so.
    pub fn check_up(&self) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) { Err(closed()) } else { Ok(()) }
    }

    /// Why nothing can be changed, where that is so.
    pub fn check_writable(&self) -> Result<()> {
        self.check_up()?;
        if self.is_down() { Err(down()) } else { Ok(()) }
    }
}

/// What the writer tells the checkpoint lane without waking it.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Octets of log as of the last commit.
    pub octets: AtomicU64,
    /// Octets of it that the database has.
    pub copied: AtomicU64,
    /// Times the log has begun anew.
    pub restarts: AtomicU64,
    /// Commits so far.
    pub commits: AtomicU64,
    /// Whether the lane will look after the log by itself some time: then only a long log wakes it.
    pub tended: AtomicBool,
}

impl Log {
    /// After a commit: the log is so long now.
    pub fn grew(&self, octets: u64) {
        if octets < self.octets.swap(octets, Ordering::SeqCst) {
            self.restarts.fetch_add(1, Ordering::SeqCst);
            self.copied.store(0, Ordering::SeqCst);
        }
    }

    /// Octets of log that the database has not.
    pub fn pending(&self) -> u64 {
        self.octets.load(Ordering::SeqCst).saturating_sub(self.copied.load(Ordering::SeqCst))
    }
}

/// The store is down.
pub(super) fn down() -> Error {
    Error::new(ErrorKind::StoreDown, "the store is down after a disk error")
}

/// The store is closed.
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::StoreDown, "the store is closed")
}
