//! What the store's logic asks of a database. The logic knows these traits only; `sqlite` is the body in a folder,
//! `postgres` one on a server, `memory` one for tests.
//!
//! A [`Database`] is the place where everything is kept; it opens connections. [`Read`] is what a connection can be
//! asked, [`Write`] is the connection of the writer. Both are made of one trait for each group of tables. A method is
//! one thing that the logic wants to know or to change; how it is looked up is the body's business.
//!
//! A body promises: a transaction is whole or not there; after [`Write::commit`] it is durable; it sees all that was
//! committed before it began, and nobody commits beside it what it has read (it is serializable). Ids are never given
//! out twice, also by several processes. An error of kind `Busy` means that nothing is wrong and that the transaction,
//! or the question, is to be asked again; `DiskFull` that there is no room and the transaction must be undone;
//! `StoreDown` that what was committed last is in doubt; everything else concerns the one that asked.

mod annotation;
mod body;
mod book;
mod directory;
mod hidden;
mod mailbox;
mod message;
mod outward;
mod queue;
mod report;
mod sending;
mod sieve;

pub(super) use annotation::{ReadAnnotations, WriteAnnotations};
pub(super) use body::{ReadBodies, WriteBodies};
pub(super) use book::{ReadBook, WriteBook};
pub(super) use directory::{ReadDirectory, StoredAccount, WriteDirectory};
pub(super) use hidden::{Hidden, ReadHidden, WriteHidden};
pub(super) use mailbox::{ReadMailboxes, WriteMailboxes};
pub(super) use message::{ReadMessages, WriteMessages};
pub(super) use outward::{ReadOutward, WriteOutward};
pub(super) use queue::{ItemTerms, QueuedRow, ReadQueue, RoutedRow, Visit, WriteQueue};
pub(super) use report::{BegunReport, ReadReports, WriteReports};
pub(super) use sending::{ReadSending, WriteSending};
pub(super) use sieve::{ReadSieve, WriteSieve};

use std::path::Path;
use std::sync::Arc;

use super::shared::Log;
use crate::base::Result;
use crate::base::world::FileId;

/// Where a store is kept.
pub(super) trait Database: Send + Sync {
    /// Takes the place for this engine, until the guard is dropped; makes it where there is none. `Busy` where another
    /// engine has it.
    fn take(&self) -> Result<Box<dyn Send + Sync>>;

    /// Makes durable what was committed: a process may have died, or the writer may have failed, with some of it only
    /// in the memory of the system. No writer is open.
    fn make_durable(&self) -> Result<()>;

    /// Opens the connection of the writer, and brings an older layout up to date. `Invalid` where a newer engine wrote
    /// it, or where it is something else.
    fn open_writer(&self) -> Result<Box<dyn Write>>;

    /// Opens a connection that reads.
    fn open_reader(&self, readers: Readers) -> Result<Box<dyn Read>>;

    /// Opens the connection that copies the log beside the writer.
    fn open_tender(&self) -> Result<Box<dyn Tend>>;

    /// Opens a walk over everything, on a connection of its own.
    fn open_walk(&self, readers: Readers) -> Result<Box<dyn Walk>>;

    /// Copies what is committed to a store in `folder`, beside all other work, and checks the copy. `told` hears after
    /// each step how many octets are done, of how many; where it says false the copy ends with `Interrupted`. After an
    /// error there is none.
    fn copy(&self, folder: &Path, told: &mut dyn FnMut(u64, u64) -> bool) -> Result<()>;

    /// What its names lead to now.
    fn identity(&self) -> Result<Identity>;

    /// Sets a log aside that came in the place of one which was removed: it is none of ours.
    fn set_foreign_log_aside(&self) -> Result<()>;

    /// Whether what is written takes room on the disk that the engine sees.
    fn is_on_our_disk(&self) -> bool {
        true
    }
}

/// How a connection that reads is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Beside the writer.
    BesideWriter,
    /// While the writer is down: needs neither room on the disk nor leave to write there.
    Alone,
}

/// What the names of a store lead to; nothing where it has no such files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Identity {
    /// The database itself.
    pub database: Option<FileId>,
    /// Its log.
    pub log: Option<FileId>,
    /// The index of the log.
    pub index: Option<FileId>,
}

impl Identity {
    /// Whether the database itself is another file than in `before`.
    pub fn database_went(&self, before: &Identity) -> bool {
        self.database != before.database
    }
}

/// A connection.
pub(super) trait Connected: Send {
    /// Closes it and says where that failed (dropping it does not).
    fn close(self: Box<Self>) -> Result<()>;

    /// The body's own type, for tests that are about one body.
    #[cfg(test)]
    fn as_any(&self) -> &dyn std::any::Any;
}

/// A connection that reads. What one method gives is of one commit.
pub(super) trait Read:
    Connected + ReadMailboxes + ReadMessages + ReadHidden + ReadBodies + ReadDirectory + ReadQueue
    // Reports of others, scripts of owners.
    + ReadReports + ReadSieve + ReadAnnotations
    // Settings of domains, groups.
    + ReadBook
{
    /// All answers from here on are of one commit, until [`Read::end_reading`].
    fn begin_reading(&self) -> Result<()>;

    /// Ends what [`Read::begin_reading`] began.
    fn end_reading(&self);

    /// Refuses a layout that cannot be read as it is.
    fn check_layout(&self) -> Result<()>;
}

/// All that `ask` reads is of one commit.
pub(super) fn of_one_commit<T>(db: &dyn Read, ask: impl FnOnce(&dyn Read) -> Result<T>) -> Result<T> {
    db.begin_reading()?;
    let given = ask(db);
    db.end_reading();
    given
}

/// The part of a connection that copies the log into the database, where there is a log.
pub(super) trait Tend: Connected {
    /// Copies of the log what can be copied without disturbing anybody, and notes how much that was.
    fn copy_log(&self, log: &Log) -> Result<()>;

    /// Copies the whole log and empties it; nothing happens where somebody is in the way.
    fn empty_log(&self) -> Result<()>;
}

/// The connection of the writer.
pub(super) trait Write:
    Read
    + Tend
    + WriteMailboxes
    + WriteMessages
    + WriteBodies
    + WriteDirectory
    + WriteQueue
    + WriteReports
    + WriteSieve
    + WriteAnnotations
    + WriteBook
{
    /// Begins a transaction.
    fn begin(&self) -> Result<()>;

    /// Begins a job within the transaction.
    fn begin_job(&self) -> Result<()>;

    /// The job is a part of the transaction.
    fn keep_job(&self) -> Result<()>;

    /// Undoes the job; the transaction goes on.
    fn undo_job(&self) -> Result<()>;

    /// Whether a transaction is open: on some errors a database ends it by itself.
    fn in_transaction(&self) -> bool;

    /// Commits: what was done is durable. `StoreDown` where it is in doubt.
    fn commit(&self) -> Result<()>;

    /// Undoes the transaction, if one is open.
    fn rollback(&self) -> Result<()>;

    /// Octets that the database has and does not use.
    fn unused_octets(&self) -> Result<u64>;

    /// Gives some of them back to the file system. Tells whether more should follow.
    fn shrink(&self) -> Result<bool>;

    /// Notes from now on in `log`, after each commit, how long the log is.
    fn follow_log(&mut self, log: Arc<Log>);

    /// Copies the whole log into the database, whatever its name leads to. True: all of it is there and synced; a
    /// reader may hold it back.
    fn save_log(&self) -> Result<bool>;
}

/// A walk over everything that is kept, all of one commit, which tells where parts disagree.
pub(super) trait Walk: Connected {
    /// About how many rows there are to be looked at; 1 at least.
    fn total(&self) -> u64;

    /// A step of a bounded number of rows: adds a sentence to `found` for each disagreement, gives how many rows were
    /// looked at and whether it was the last one. After an error there is no next step.
    fn step(&mut self, found: &mut Vec<String>) -> Result<(u64, bool)>;
}
