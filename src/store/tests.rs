//! The store as its callers see it, on a world of one thread and on each body of the database. A test that is about
//! the files of SQLite says so: it runs on that body alone.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::database::{Database, Read, Write};
use super::memory::{Chance, Memory};
use super::*;
use crate::base::account::{Credential, ScramKeys};
use crate::base::envelope::{BodyKind, Notify, Returns};
use crate::base::event::{Event, EventSink, Origin, Outcome, Silence};
use crate::base::limits::WORDS_OCTETS_MAX;
use crate::base::limits::{BODY_IN_MEMORY_OCTETS_MAX, MAILBOXES_MAX};
use crate::base::world::*;
use crate::base::{
    AccountId, Address, BlobId, Body, Content, Enhanced, Envelope, ErrorKind, Flags, MailboxId, Mono, QueueId,
    Recipient, Result, SpecialUse, Timestamp, Uid, UidSet,
};

mod accounts;
mod annotations;
mod check;
mod directory;
mod disk;
mod dmarc;
mod faults;
mod gone;
mod messages;
mod model;
mod queue;
mod sending;
#[cfg(feature = "postgres")]
mod server;
mod together;
mod transfer;
mod views;

// -- a world of one thread -----------------------------------------------------------------------------

/// Lanes and tasks on one executor; time jumps to whatever is waited for.
pub(super) struct Small {
    executor: Arc<smol::Executor<'static>>,
    now: AtomicU64,
    wall: AtomicI64,
    /// Fails the next syncs of plain files.
    sync_fails: AtomicBool,
    /// What the file system says of itself.
    space: Mutex<Space>,
}

impl Clock for Small {
    fn now(&self) -> Mono {
        Mono(self.now.load(Ordering::SeqCst))
    }
    fn wall(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::SeqCst))
    }
    fn sleep_until(&self, at: Mono) -> BoxFuture<'static, ()> {
        self.now.fetch_max(at.0, Ordering::SeqCst);
        Box::pin(smol::future::yield_now())
    }
}

impl Entropy for Small {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

impl Spawner for Small {
    fn task(&self, _: &'static str, future: BoxFuture<'static, ()>) -> Task<()> {
        self.executor.spawn(future)
    }
    fn lane(&self, _: &'static str, future: BoxFuture<'static, ()>) -> Task<()> {
        self.executor.spawn(future)
    }
    fn compute(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        job();
        Box::pin(async {})
    }
}

struct Nothing;

impl Network for Nothing {
    fn connect(&self, _: SocketAddr, _: Option<IpAddr>) -> BoxFuture<'static, io::Result<BoxStream>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn listen(&self, _: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
}

impl Resolver for Nothing {
    fn ask(&self, _: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        Box::pin(async { DnsAnswer { records: Err(NoRecords::ServFail), ttl: Duration::ZERO, secure: false } })
    }
}

impl Tls for Nothing {
    fn can_accept(&self) -> bool {
        false
    }
    fn accept(&self, _: BoxStream) -> BoxFuture<'static, io::Result<(BoxStream, TlsInfo)>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn connect(&self, _: BoxStream, _: TlsPeer) -> BoxFuture<'static, io::Result<(BoxStream, TlsInfo)>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn set_identity(&self, _: Option<&str>, _: &[u8], _: &[u8]) -> Result<()> {
        Ok(())
    }
    fn trust(&self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

struct File {
    file: fs::File,
    world: Arc<Small>,
}

impl DiskFile for File {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(out, offset)
    }
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.file.write_all_at(octets, offset)
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
    fn set_len(&self, octets: u64) -> io::Result<()> {
        self.file.set_len(octets)
    }
    fn sync(&self) -> io::Result<()> {
        match self.world.sync_fails.load(Ordering::SeqCst) {
            true => Err(io::Error::other("no sync today")),
            false => self.file.sync_all(),
        }
    }
}

/// Files in a folder; locks are a list, since both engines of a test are in this process.
struct Files {
    world: Arc<Small>,
    locks: Arc<Mutex<Vec<PathBuf>>>,
}

struct Locked(PathBuf, Arc<Mutex<Vec<PathBuf>>>);

impl Drop for Locked {
    fn drop(&mut self) {
        self.1.lock().unwrap().retain(|path| *path != self.0);
    }
}

impl Disk for Files {
    fn vfs(&self) -> Option<&str> {
        None
    }
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let file = fs::OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path)?;
        Ok(Arc::new(File { file, world: self.world.clone() }))
    }
    fn scratch(&self, folder: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let path = folder.join(format!("scratch-{}", self.world.now.fetch_add(1, Ordering::SeqCst)));
        let file = self.open(&path, true)?;
        fs::remove_file(path)?;
        Ok(file)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        #[allow(clippy::disallowed_methods, reason = "a world of its own")]
        fs::rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn make_dir(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)
    }
    fn identity(&self, path: &Path) -> io::Result<Option<FileId>> {
        use std::os::unix::fs::MetadataExt;
        Ok(fs::metadata(path).ok().map(|file| FileId(file.dev(), file.ino())))
    }
    fn space(&self, _: &Path) -> io::Result<Space> {
        Ok(*self.world.space.lock().unwrap())
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut locks = self.locks.lock().unwrap();
        if locks.iter().any(|held| held == path) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        locks.push(path.to_owned());
        Ok(Box::new(Locked(path.to_owned(), self.locks.clone())))
    }
}

/// A world, and a folder that goes with it.
pub(super) struct Place {
    small: Arc<Small>,
    world: World,
    folder: PathBuf,
    /// The database, where it is not SQLite's in the folder.
    memory: Option<Memory>,
    #[cfg(feature = "postgres")]
    server: Option<postgres::Server>,
}

/// Seeds of the memory body that delays and aborts, on which each test runs.
const SEEDS: [u64; 2] = [1, 2];

/// What a test runs on.
#[derive(Debug, Clone, Copy)]
enum On {
    Sqlite,
    Memory,
    /// One that delays and aborts.
    MemoryByChance(u64),
    /// A server of this program's own, where there is the program for it.
    #[cfg(feature = "postgres")]
    Postgres,
}

/// Says on which body a test failed.
struct Named(On);

impl Drop for Named {
    #[allow(clippy::disallowed_macros, reason = "a test that fails says where")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("on the body {:?}", self.0);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Place {
    fn new() -> Place {
        Place::on(On::Sqlite)
    }

    fn on(body: On) -> Place {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("mailcore-store-{}-{number}", std::process::id()));
        let small = Arc::new(Small {
            executor: Arc::new(smol::Executor::new()),
            now: AtomicU64::new(0),
            wall: AtomicI64::new(1_800_000_000_000),
            sync_fails: AtomicBool::new(false),
            space: Mutex::new(Space::UNBOUNDED),
        });
        let nothing = Arc::new(Nothing);
        let world = World {
            clock: small.clone(),
            entropy: small.clone(),
            network: nothing.clone(),
            resolver: nothing.clone(),
            disk: Arc::new(Files { world: small.clone(), locks: Arc::default() }),
            tls: nothing,
            run: small.clone(),
        };
        let memory = match body {
            On::Sqlite => None,
            On::Memory => Some(Memory::default()),
            On::MemoryByChance(seed) => Some(Memory::with(Chance::of(seed))),
            #[cfg(feature = "postgres")]
            On::Postgres => None,
        };
        #[cfg(feature = "postgres")]
        let server = matches!(body, On::Postgres).then(|| server::of(&world, number));
        Place {
            small,
            world,
            folder,
            memory,
            #[cfg(feature = "postgres")]
            server,
        }
    }

    /// Whether the store stands on a server.
    fn on_server(&self) -> bool {
        #[cfg(feature = "postgres")]
        return self.server.is_some();
        #[cfg(not(feature = "postgres"))]
        false
    }

    fn options(&self) -> StoreOptions {
        StoreOptions { folder: self.folder.clone(), events: Arc::new(Silence), readers: 2 }
    }

    async fn open(&self) -> Store {
        self.try_open(&self.world, self.options()).await.unwrap()
    }

    async fn try_open(&self, world: &World, options: StoreOptions) -> Result<Store> {
        #[cfg(feature = "postgres")]
        if let Some(server) = &self.server {
            // Each opening is one of another engine.
            return Store::open_on(Arc::new(server.anew()), world, options).await;
        }
        match &self.memory {
            None => Store::open(world, options).await,
            Some(memory) => Store::open_on(Arc::new(memory.clone()), world, options).await,
        }
    }

    /// The database under the store.
    fn database(&self) -> Arc<dyn Database> {
        #[cfg(feature = "postgres")]
        if let Some(server) = &self.server {
            return Arc::new(server.beside());
        }
        match &self.memory {
            None => Arc::new(sqlite::Files::of(&self.world, &self.folder, &self.folder)),
            Some(memory) => Arc::new(memory.clone()),
        }
    }

    /// Asks the database beside the store.
    fn ask<T>(&self, question: impl Fn(&dyn Read) -> Result<T>) -> T {
        let db = self.database().open_reader(database::Readers::BesideWriter).unwrap();
        again(|| database::of_one_commit(&*db, &question))
    }

    /// Changes the database beside the store.
    fn edit(&self, change: impl Fn(&dyn Write) -> Result<()>) {
        let db = self.database().open_writer().unwrap();
        again(|| {
            let done = db.begin().and_then(|()| change(&*db)).and_then(|()| db.commit());
            db.rollback().and(done)
        });
    }

    /// A plain connection to the file, as another program would have.
    fn sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.join("mail.db")).unwrap()
    }
}

/// SQLite's own connection of a transaction.
fn sqlite_of<'a>(tx: &transaction::WriteTx<'a>) -> &'a rusqlite::Connection {
    &tx.db.as_any().downcast_ref::<sqlite::Sqlite>().unwrap().db
}

/// What comes of it once nobody is in the way.
fn again<T>(attempt: impl Fn() -> Result<T>) -> T {
    loop {
        match attempt() {
            Err(e) if e.kind() == ErrorKind::Busy => {}
            done => return done.unwrap(),
        }
    }
}

/// Runs a test on each body, each time on a world of its own.
fn run<F: Future<Output = ()>>(test: impl Fn(Arc<Place>) -> F) {
    for body in [On::Sqlite, On::Memory].into_iter().chain(SEEDS.map(On::MemoryByChance)) {
        run_on(body, &test);
    }
    #[cfg(feature = "postgres")]
    if server::is_there() {
        run_on(On::Postgres, &test);
    }
}

/// Runs a test of what is about the files of SQLite.
fn run_on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Arc<Place>) -> F) {
    run_on(On::Sqlite, test);
}

fn run_on<F: Future<Output = ()>>(body: On, test: impl FnOnce(Arc<Place>) -> F) {
    let _named = Named(body);
    let place = Arc::new(Place::on(body));
    let executor = place.small.executor.clone();
    smol::block_on(executor.run(test(place)));
}

/// Keeps what the store says.
#[derive(Default)]
struct Told(Mutex<Vec<Event>>);

impl EventSink for Told {
    fn say(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Told {
    /// What the store said of itself: whether it is down, and the words.
    fn of_store(&self) -> Vec<(bool, String)> {
        let events = self.0.lock().unwrap();
        let of_store = |e: &Event| match e {
            Event::Store { down, text } => Some((*down, text.clone())),
            _ => None,
        };
        events.iter().filter_map(of_store).collect()
    }

    /// Whether each word of the store said that it is down.
    fn downs(&self) -> Vec<bool> {
        self.of_store().into_iter().map(|(down, _)| down).collect()
    }
}

// -- short forms ---------------------------------------------------------------------------------------------

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn uids(ranges: &[(Uid, Uid)]) -> UidSet {
    UidSet::from_ranges(ranges.to_vec())
}

fn filing(mailbox: MailboxId) -> Filing {
    Filing { mailbox, flags: Flags::NONE, keywords: Vec::new(), internal_date: Timestamp(5_000) }
}

fn arrival(text: &str, filings: Vec<Filing>) -> Acceptance {
    let arrival =
        Arrival { content: Content::from_octets(text), meta: BlobMeta::default(), filings, origin: Origin::default() };
    Acceptance { arrivals: vec![arrival], items: Vec::new(), ..Acceptance::default() }
}

fn add(flags: Flags) -> FlagChange {
    FlagChange { how: FlagHow::Add, flags, keywords: Vec::new() }
}

/// A store with one account, bob@example.net, and his INBOX.
async fn with_bob(place: &Place) -> (Store, AccountId, MailboxId) {
    let store = place.open().await;
    let bob = store.account_put(&address("bob@example.net"), None).await.unwrap();
    let inbox = store.account_by_id(bob).await.unwrap().unwrap().inbox;
    (store, bob, inbox)
}

/// Files `count` messages into a mailbox, in groups.
async fn fill(store: &Store, mailbox: MailboxId, count: usize) {
    for group in (0..count).collect::<Vec<_>>().chunks(500) {
        let arrivals = group.iter().flat_map(|_| arrival("x", vec![filing(mailbox)]).arrivals).collect();
        store.accept(Acceptance { arrivals, items: Vec::new(), ..Acceptance::default() }).await.unwrap();
    }
}

/// Lets the writer do what is to be done in the background.
async fn idle(place: &Place, store: &Store) {
    // A body that delays lets it do less after each change.
    for _ in 0..if place.memory.is_some() || place.on_server() { 80 } else { 3 } {
        store.setting_put("x", None).await.unwrap();
    }
}

/// The bodies of all messages of a mailbox.
async fn bodies_of(store: &Store, mailbox: MailboxId) -> Vec<BlobId> {
    store.facts(mailbox, &UidSet::all()).await.unwrap().iter().map(|fact| fact.blob).collect()
}

/// Nothing is left in the database of these mailboxes and of these bodies, and nothing waits to be removed.
fn nothing_left(place: &Place, mailboxes: &[MailboxId], bodies: &[BlobId]) {
    place.ask(|db| {
        for mailbox in mailboxes {
            assert!(db.facts(*mailbox, &[(1, Uid::MAX)])?.is_empty(), "messages of {mailbox:?}");
            assert!(db.blocks(*mailbox, None)?.is_empty(), "blocks of {mailbox:?}");
            assert!(db.mailbox_row(*mailbox)?.is_some() || db.vanished(*mailbox, 0)?.is_empty(), "{mailbox:?}");
        }
        for blob in bodies {
            assert_eq!(db.body_size(*blob)?, None, "{blob:?}");
        }
        assert!(db.metas(bodies, MetaColumns::ALL)?.iter().all(Option::is_none));
        assert_eq!((db.left_account()?, db.left_mailbox()?, db.dead_behind(0)?), (None, None, None));
        Ok(())
    });
}
