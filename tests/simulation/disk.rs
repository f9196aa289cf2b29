//! A machine's disk: an [`Image`] that counts, records, fails and loses power on demand.
//!
//! Two doors lead to it: the SQLite VFS (`vfs`) and `base::world::Disk` for plain files (`files`). A handle
//! belongs to the boot it was opened in; after a cut it gets errors only.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::SimClock;
use crate::image::{Image, Inode, Loss, Op};
use crate::rng::Rng;
use crate::run::Trace;
use crate::vfs::{Shared, VfsName};

/// What goes wrong at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A write stops half way and says EIO.
    WriteBroken,
    /// A write stops half way and says ENOSPC.
    DiskFull,
    /// A read says EIO.
    ReadBroken,
    /// A sync says EIO; see [`Op::SyncFailed`].
    SyncFailed,
    /// The same, and the cache reverts.
    SyncReverts,
    /// A write or sync says EROFS, and nothing changes. Not a fault of one call: see [`Trouble::ReadOnly`].
    ReadOnly,
}

impl Fault {
    /// All that happen at one call.
    pub const ALL: [Fault; 5] =
        [Fault::WriteBroken, Fault::DiskFull, Fault::ReadBroken, Fault::SyncFailed, Fault::SyncReverts];
}

/// What is wrong with a disk until it is forgiven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No file can grow.
    Full,
    /// Nothing can be changed.
    ReadOnly,
}

/// Kinds of call, for counting, faults and the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Call {
    Open,
    Read,
    Write,
    SetLen,
    Sync,
    Remove,
    Rename,
    SyncDir,
    Other,
}

/// When a call goes wrong.
#[derive(Debug, Clone)]
pub enum When {
    /// At this call (counted from 1 over all kinds); a fault that does not fit its kind waits for one that does.
    Call(u64),
    /// At the next fitting call on a file whose name ends so.
    File(&'static str),
}

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The machine is off, or the handle is of an earlier boot.
    Dead,
    /// No such file.
    Missing,
    /// Nothing can be changed.
    ReadOnly,
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Dead => io::Error::other("power is off"),
            Refused::Missing => io::Error::from(io::ErrorKind::NotFound),
            Refused::ReadOnly => io::Error::from(io::ErrorKind::ReadOnlyFilesystem),
        }
    }
}

/// A disk. Clones share it.
#[derive(Clone)]
pub struct SimDisk {
    pub(super) inner: Arc<Mutex<Inner>>,
    vfs: Arc<VfsName>,
}

/// The state of a disk, behind its lock.
pub struct Inner {
    /// What is on it.
    pub image: Image,
    /// Locks and shared memory of SQLite's connections, by file.
    pub shared: BTreeMap<Inode, Arc<Mutex<Shared>>>,
    /// Chance for faults and SQLite's randomness.
    pub rng: Rng,
    boot: u64,
    dead: bool,
    calls: u64,
    cut_at: Option<u64>,
    faults: Vec<(When, Fault)>,
    faults_struck: u64,
    trouble: Option<Trouble>,
    trouble_at: Option<(u64, Trouble)>,
    trouble_after_fault: Option<Trouble>,
    skip_commit_syncs: bool,
    die_after_fault: bool,
    log: Option<Vec<Op>>,
    /// Lock files that are held.
    pub locked: BTreeSet<String>,
    clock: Arc<SimClock>,
    trace: Arc<Trace>,
    on_death: Option<smol::channel::Sender<()>>,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(seed: u64, name: &str, clock: Arc<SimClock>, trace: Arc<Trace>) -> Self {
        let inner = Inner {
            image: Image::default(),
            shared: BTreeMap::new(),
            rng: Rng::new(seed, &format!("disk {name}")),
            boot: 1,
            dead: false,
            calls: 0,
            cut_at: None,
            faults: Vec::new(),
            faults_struck: 0,
            trouble: None,
            trouble_at: None,
            trouble_after_fault: None,
            skip_commit_syncs: false,
            die_after_fault: false,
            log: None,
            locked: BTreeSet::new(),
            clock,
            trace,
            on_death: None,
        };
        let inner = Arc::new(Mutex::new(inner));
        Self { vfs: Arc::new(VfsName::register(inner.clone())), inner }
    }

    /// Its state.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Name of its SQLite VFS.
    pub fn vfs_name(&self) -> &str {
        self.vfs.as_str()
    }

    /// Replaces what it holds, as after a reboot: handles opened before are dead.
    pub fn load(&self, image: Image) {
        let mut inner = self.lock();
        inner.image = image;
        inner.reboot();
    }

    /// Power off and on.
    pub fn cut(&self, loss: Loss) {
        let mut inner = self.lock();
        let image = std::mem::take(&mut inner.image);
        let mut rng = inner.rng.clone();
        inner.image = image.cut(loss, &mut rng);
        inner.rng = rng;
        inner.reboot();
    }

    /// No call works any more until [`SimDisk::cut`]: the moment the power goes.
    pub fn die(&self) {
        self.lock().dead = true;
    }

    /// Dies by itself at call `n` from now, and says so.
    pub fn die_at(&self, n: u64) -> smol::channel::Receiver<()> {
        let (sender, receiver) = smol::channel::bounded(1);
        let mut inner = self.lock();
        inner.cut_at = Some(inner.calls + n);
        inner.on_death = Some(sender);
        receiver
    }

    /// Whether the power is off.
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// From now on this disk lies about the syncs of COMMIT, and of them only: what `synchronous=NORMAL`
    /// would come to.
    pub fn skip_commit_syncs(&self) {
        self.lock().skip_commit_syncs = true;
    }

    /// The next fault is the last thing that happens before the power, or the process, goes.
    pub fn die_after_fault(&self) {
        self.lock().die_after_fault = true;
    }

    /// Lets `fault` happen.
    pub fn fault(&self, when: When, fault: Fault) {
        let mut inner = self.lock();
        let when = match when {
            When::Call(n) => When::Call(inner.calls + n),
            file => file,
        };
        inner.faults.push((when, fault));
    }

    /// From call `n` from now on the disk is in trouble.
    pub fn trouble_at(&self, n: u64, trouble: Trouble) {
        let mut inner = self.lock();
        inner.trouble_at = Some((inner.calls + n, trouble));
    }

    /// From the next fault on the disk is in trouble: what a program does about the fault meets it.
    pub fn trouble_after_fault(&self, trouble: Trouble) {
        self.lock().trouble_after_fault = Some(trouble);
    }

    /// No trouble any more, and no fault and no cut that is still to come will come.
    pub fn forgive(&self) {
        let mut inner = self.lock();
        inner.be_well();
        inner.cut_at = None;
    }

    /// Faults that have happened.
    pub fn faults_struck(&self) -> u64 {
        self.lock().faults_struck
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Begins to record what changes the disk.
    pub fn record(&self) {
        self.lock().log = Some(Vec::new());
    }

    /// How many changes were recorded: the place of now in the record.
    pub fn recorded(&self) -> usize {
        self.lock().log.as_ref().map_or(0, Vec::len)
    }

    /// Ends the record and gives it.
    pub fn take_record(&self) -> Vec<Op> {
        self.lock().log.take().unwrap_or_default()
    }

    /// A copy of what it holds.
    pub fn image(&self) -> Image {
        self.lock().image.clone()
    }
}

/// The lock of a disk; a panic elsewhere leaves its state sound.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn reboot(&mut self) {
        self.boot += 1;
        self.dead = false;
        self.cut_at = None;
        self.be_well();
        self.faults_struck = 0;
        self.die_after_fault = false;
        self.shared.clear();
        self.locked.clear();
        self.on_death = None;
        self.trace.note("boot", self.boot, self.image.octets() as u64);
    }

    fn be_well(&mut self) {
        self.faults.clear();
        (self.trouble, self.trouble_at, self.trouble_after_fault) = (None, None, None);
    }

    /// What is wrong with it now.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// An error where nothing can be opened for writing.
    pub fn check_changeable(&self) -> Result<(), Refused> {
        if self.trouble == Some(Trouble::ReadOnly) { Err(Refused::ReadOnly) } else { Ok(()) }
    }

    /// The number of this boot, for new handles.
    pub fn boot(&self) -> u64 {
        self.boot
    }

    /// Wall-clock milliseconds, for SQLite.
    pub fn wall_millis(&self) -> i64 {
        self.clock.wall().0
    }

    /// Every call's first line: counts, traces, dies, fails.
    pub fn enter(&mut self, boot: u64, call: Call, name: &str, at: u64) -> Result<Option<Fault>, Refused> {
        if self.dead || boot != self.boot {
            return Err(Refused::Dead);
        }
        self.calls += 1;
        self.trace.note(name, call as u64, at);
        if self.cut_at == Some(self.calls) {
            self.dead = true;
            if let Some(sender) = self.on_death.take() {
                let _ = sender.try_send(());
            }
            return Err(Refused::Dead);
        }
        if let Some((_, trouble)) = self.trouble_at.take_if(|(at, _)| *at <= self.calls) {
            self.trouble = Some(trouble);
        }
        if self.trouble == Some(Trouble::ReadOnly) {
            match call {
                Call::Write | Call::Sync => return Ok(Some(Fault::ReadOnly)),
                Call::SetLen | Call::Remove | Call::Rename => return Err(Refused::ReadOnly),
                Call::Open | Call::Read | Call::SyncDir | Call::Other => {}
            }
        }
        Ok(self.fault_of(call, name))
    }

    /// The fault that strikes now.
    fn fault_of(&mut self, call: Call, name: &str) -> Option<Fault> {
        let calls = self.calls;
        let struck = self.faults.iter().position(|(when, fault)| {
            let here = match when {
                When::Call(n) => calls >= *n,
                When::File(end) => name.ends_with(end),
            };
            here && match fault {
                Fault::WriteBroken | Fault::DiskFull | Fault::ReadOnly => call == Call::Write,
                Fault::ReadBroken => call == Call::Read,
                Fault::SyncFailed | Fault::SyncReverts => call == Call::Sync,
            }
        })?;
        self.faults_struck += 1;
        self.dead |= self.die_after_fault;
        self.trouble = self.trouble_after_fault.take().or(self.trouble);
        Some(self.faults.remove(struck).1)
    }

    /// Does and records `op`.
    pub fn apply(&mut self, op: Op) {
        self.image.apply(&op);
        if let Some(log) = &mut self.log {
            log.push(op);
        }
    }

    /// A new file, named where a name is given.
    pub fn make(&mut self, name: Option<&str>) -> Inode {
        let inode = self.image.free_inode();
        self.apply(Op::Make(inode));
        if let Some(name) = name {
            self.apply(Op::Link(name.to_owned(), inode));
        }
        inode
    }

    /// Writes, whole or (under a fault, or where there is no room) in part.
    pub fn write(&mut self, inode: Inode, offset: u64, octets: &[u8], fault: Option<Fault>) -> Result<(), Fault> {
        let room = (self.image.content(inode).len() as u64).saturating_sub(offset);
        let n = match fault {
            Some(Fault::ReadOnly) => return Err(Fault::ReadOnly),
            Some(_) => self.rng.index(octets.len() + 1),
            None if self.trouble == Some(Trouble::Full) => octets.len().min(room as usize),
            None => octets.len(),
        };
        self.apply(Op::Write(inode, offset, octets[..n].to_vec()));
        match fault {
            Some(fault) => Err(fault),
            None if n < octets.len() => Err(Fault::DiskFull),
            None => Ok(()),
        }
    }

    /// Whether this sync of a WAL is left out: see [`SimDisk::skip_commit_syncs`]. COMMIT holds the WAL's
    /// write lock, a checkpoint holds its own.
    pub fn lies_about(&self, name: &str) -> bool {
        let Some(database) = name.strip_suffix("-wal").filter(|_| self.skip_commit_syncs) else { return false };
        let shared = self.image.find(database).and_then(|inode| self.shared.get(&inode));
        shared.is_some_and(|shared| lock(shared).in_commit())
    }

    /// Syncs, or fails to.
    pub fn sync(&mut self, inode: Inode, fault: Option<Fault>) -> Result<(), Fault> {
        match fault {
            None => self.apply(Op::Sync(inode)),
            Some(Fault::ReadOnly) => return Err(Fault::ReadOnly),
            Some(fault) => {
                let seed = self.rng.next();
                self.apply(Op::SyncFailed { inode, seed, reverts: fault == Fault::SyncReverts });
                return Err(fault);
            }
        }
        Ok(())
    }
}
