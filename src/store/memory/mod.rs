//! A body in memory, for tests: it proves that the logic needs nothing but what the traits of `database` promise.
//!
//! Tables are sorted maps whose clones share what they have in common. A transaction works on a clone and puts it in
//! the place of the tables when it commits; readers see the tables of the last commit. It is serializable, since only
//! one transaction is open at a time. With a [`Chance`] it delays and aborts: a transaction cannot begin yet, ends with
//! any statement or at its commit, and a question is to be asked again, as with a database that several hosts share.
//!
//! What is committed lives as long as the [`Memory`], however often the store is opened and closed.

mod annotation;
mod body;
mod book;
mod chance;
mod directory;
mod hidden;
mod mailbox;
mod message;
mod outward;
mod queue;
mod report;
mod sending;
mod sieve;
mod tables;
mod walk;

pub(super) use chance::Chance;

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::database::{Connected, Database, Identity, Read, Readers, Tend, Walk, Write};
use super::shared::Log;
use crate::base::{Error, ErrorKind, Result};
use chance::Fate;
use tables::Tables;

/// Questions that are answered after one that was delayed: more than belong together.
const SURE: u32 = 100;

/// A database in memory. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Memory {
    committed: Arc<Mutex<Arc<Tables>>>,
    taken: Arc<AtomicBool>,
    /// A transaction is open.
    writing: Arc<AtomicBool>,
    chance: Option<Arc<Chance>>,
}

impl Memory {
    /// One that delays and aborts.
    pub fn with(chance: Chance) -> Memory {
        Memory { chance: Some(Arc::new(chance)), ..Memory::default() }
    }

    /// Transactions that were to be aborted so far.
    pub fn aborts(&self) -> u64 {
        self.chance.as_ref().map_or(0, |chance| chance.aborts())
    }

    /// A connection of which so many questions are answered without a delay.
    fn connect(&self, sure: u32) -> Box<Connection> {
        let (memory, sure) = (self.clone(), Cell::new(sure));
        Box::new(Connection { memory, open: RefCell::default(), reading: RefCell::default(), sure })
    }

    fn committed(&self) -> Arc<Tables> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Gives the place back.
struct Taken(Arc<AtomicBool>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Database for Memory {
    fn take(&self) -> Result<Box<dyn Send + Sync>> {
        match self.taken.swap(true, Ordering::SeqCst) {
            true => Err(Error::new(ErrorKind::Busy, "the store in memory is in use by another process or engine")),
            false => Ok(Box::new(Taken(self.taken.clone()))),
        }
    }

    fn make_durable(&self) -> Result<()> {
        Ok(())
    }

    fn open_writer(&self) -> Result<Box<dyn Write>> {
        // What is asked of the writer's outside of transactions is the directory, at the opening.
        Ok(self.connect(u32::MAX))
    }

    fn open_reader(&self, _: Readers) -> Result<Box<dyn Read>> {
        Ok(self.connect(0))
    }

    fn open_tender(&self) -> Result<Box<dyn Tend>> {
        Ok(self.connect(0))
    }

    fn open_walk(&self, _: Readers) -> Result<Box<dyn Walk>> {
        Ok(Box::new(walk::TablesWalk::of(self.committed())))
    }

    fn copy(&self, _: &Path, _: &mut dyn FnMut(u64, u64) -> bool) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "a store in memory has no backup"))
    }

    fn identity(&self) -> Result<Identity> {
        Ok(Identity::default())
    }

    fn set_foreign_log_aside(&self) -> Result<()> {
        Ok(())
    }
}

/// A connection.
pub(super) struct Connection {
    memory: Memory,
    open: RefCell<Option<Transaction>>,
    /// The tables as of one commit, while somebody reads them together.
    reading: RefCell<Option<Arc<Tables>>>,
    /// How many questions are answered before one may be delayed again.
    sure: Cell<u32>,
}

/// A transaction.
struct Transaction {
    tables: Tables,
    /// The tables as they were before the job under way.
    before_job: Option<Tables>,
    fate: Fate,
}

/// The transaction was in the way of another.
fn aborted() -> Error {
    Error::new(ErrorKind::Busy, "the transaction was aborted")
}

fn not_open() -> Error {
    Error::new(ErrorKind::Bug, "no transaction is open")
}

impl Connection {
    /// Asks the tables: those of the transaction that is open, or else those of a commit.
    fn ask<T>(&self, question: impl FnOnce(&Tables) -> T) -> Result<T> {
        if let Some(open) = &*self.open.borrow() {
            return Ok(question(&open.tables));
        }
        if let Some(tables) = &*self.reading.borrow() {
            return Ok(question(tables));
        }
        if let Some(left) = self.sure.get().checked_sub(1) {
            self.sure.set(left);
        } else if self.memory.chance.as_ref().is_some_and(|chance| chance.delays()) {
            // All of what was asked is asked again then, and answered.
            self.sure.set(SURE);
            return Err(Error::new(ErrorKind::Busy, "ask again"));
        }
        Ok(question(&self.memory.committed()))
    }

    /// Changes the tables of the transaction that is open.
    fn change<T>(&self, change: impl FnOnce(&mut Tables) -> Result<T>) -> Result<T> {
        let mut slot = self.open.borrow_mut();
        let open = slot.as_mut().ok_or_else(not_open)?;
        if open.fate.strikes() {
            *slot = None;
            self.memory.writing.store(false, Ordering::SeqCst);
            return Err(aborted());
        }
        change(&mut open.tables)
    }

    /// A change that cannot fail.
    fn edit(&self, change: impl FnOnce(&mut Tables)) -> Result<()> {
        self.change(|tables| {
            change(tables);
            Ok(())
        })
    }

    fn end(&self) -> Option<Transaction> {
        let open = self.open.borrow_mut().take();
        if open.is_some() {
            self.memory.writing.store(false, Ordering::SeqCst);
        }
        open
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
    }
}

impl Connected for Connection {
    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Read for Connection {
    fn begin_reading(&self) -> Result<()> {
        let tables = self.ask(|tables| Arc::new(tables.clone()))?;
        *self.reading.borrow_mut() = Some(tables);
        Ok(())
    }

    fn end_reading(&self) {
        *self.reading.borrow_mut() = None;
    }

    fn check_layout(&self) -> Result<()> {
        Ok(())
    }
}

impl Tend for Connection {
    fn copy_log(&self, _: &Log) -> Result<()> {
        Ok(())
    }

    fn empty_log(&self) -> Result<()> {
        Ok(())
    }
}

impl Write for Connection {
    fn begin(&self) -> Result<()> {
        let chance = self.memory.chance.as_ref();
        if chance.is_some_and(|chance| chance.delays()) || self.memory.writing.swap(true, Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Busy, "another transaction is open"));
        }
        let fate = chance.map_or(Fate::default(), |chance| chance.fate());
        let tables = Tables::clone(&self.memory.committed());
        *self.open.borrow_mut() = Some(Transaction { tables, before_job: None, fate });
        Ok(())
    }

    fn begin_job(&self) -> Result<()> {
        let mut slot = self.open.borrow_mut();
        let open = slot.as_mut().ok_or_else(not_open)?;
        open.before_job = Some(open.tables.clone());
        Ok(())
    }

    fn keep_job(&self) -> Result<()> {
        self.open.borrow_mut().as_mut().ok_or_else(not_open)?.before_job = None;
        Ok(())
    }

    fn undo_job(&self) -> Result<()> {
        let mut slot = self.open.borrow_mut();
        let open = slot.as_mut().ok_or_else(not_open)?;
        open.tables = open.before_job.take().ok_or_else(not_open)?;
        Ok(())
    }

    fn in_transaction(&self) -> bool {
        self.open.borrow().is_some()
    }

    fn commit(&self) -> Result<()> {
        let Transaction { tables, fate, .. } = self.end().ok_or_else(not_open)?;
        if fate.is_doomed() {
            return Err(aborted());
        }
        let mut committed = self.memory.committed.lock().unwrap_or_else(PoisonError::into_inner);
        *committed = Arc::new(tables);
        Ok(())
    }

    fn rollback(&self) -> Result<()> {
        self.end();
        Ok(())
    }

    fn unused_octets(&self) -> Result<u64> {
        Ok(0)
    }

    fn shrink(&self) -> Result<bool> {
        Ok(false)
    }

    fn follow_log(&mut self, _: Arc<Log>) {}

    fn save_log(&self) -> Result<bool> {
        Ok(true)
    }
}
