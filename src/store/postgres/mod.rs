//! The body on PostgreSQL (feature `postgres`): the same tables as SQLite's, in a schema of their own on a server.
//!
//! One engine at a time has the store: its writer's session holds an advisory lock, and writes by that session only, so
//! that an engine that lost its connection cannot write behind the back of the one that took over. Transactions of the
//! writer are serializable; where the server aborts one (`Busy`) the group of jobs is run again. A commit is answered
//! when the server says that it is on its disk (`synchronous_commit`, looked at when the store is opened).
//!
//! Statements are prepared once for each session. Those whose result nobody needs are sent ahead, so that a group of
//! jobs costs a few round trips and not one for each row.

mod annotation;
mod body;
mod book;
mod check;
mod directory;
mod dmarc_row;
mod error;
mod hidden;
mod mailbox;
mod message;
mod migrate;
mod observed;
mod outward;
mod queue;
mod queue_read;
mod queue_row;
mod report;
mod sending;
mod server;
mod session;
mod sieve;
mod stream;
mod url;
mod value;

pub(super) use server::Server;

use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_postgres::Row;

use super::database::{Connected, Read, Tend, Write};
use super::shared::Log;
use super::{block, columns, varint};
use crate::base::limits::POSTGRES_IDS_TOGETHER;
use crate::base::{Error, ErrorKind, Result};
use session::{EndError, Session};
use value::{Columns, Value, values};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Holds the store's lock; is never connected again by itself.
    Writer,
    /// Connects again by itself where its session is gone.
    Reader,
}

/// A connection.
pub(super) struct Postgres {
    server: Server,
    role: Role,
    session: RefCell<Session>,
    /// Inside a transaction: what is read is of one commit.
    inside: Cell<bool>,
    /// Ids drawn from sequences and not used yet.
    ids: RefCell<BTreeMap<&'static str, Vec<i64>>>,
}

impl Postgres {
    fn new(server: Server, role: Role, session: Session) -> Postgres {
        Postgres { server, role, session: RefCell::new(session), inside: Cell::new(false), ids: RefCell::default() }
    }

    /// The session; a new one where a reader's is gone.
    fn session(&self) -> Result<Ref<'_, Session>> {
        if self.role == Role::Reader && !self.inside.get() && self.session.borrow().is_dead() {
            let session = self.server.connect(Role::Reader)?;
            self.session.replace(session);
        }
        Ok(self.session.borrow())
    }

    /// A reader whose connection broke asks again, on another one.
    fn judge<T>(&self, given: Result<T>) -> Result<T> {
        given.map_err(|e| match (self.role, e.kind()) {
            (Role::Reader, ErrorKind::StoreDown) if self.session.borrow().is_dead() => {
                Error::new(ErrorKind::Busy, e.text())
            }
            _ => e,
        })
    }

    /// The rows of a statement.
    fn rows(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>> {
        let session = self.session()?;
        self.judge(session.rows(sql, values))
    }

    /// The first row of a statement.
    fn row(&self, sql: &str, values: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.rows(sql, values)?.into_iter().next())
    }

    /// The number that a statement gives, which has one row.
    fn number(&self, sql: &str, values: Vec<Value>) -> Result<i64> {
        let row = self.row(sql, values)?.ok_or_else(|| Error::new(ErrorKind::NotFound, "store: no such row"))?;
        row.number(0)
    }

    /// Whether a statement gives a row.
    fn exists(&self, sql: &str, values: Vec<Value>) -> Result<bool> {
        Ok(self.row(sql, values)?.is_some())
    }

    /// The rows of one statement for several sets of parameters.
    fn rows_of_each(&self, sql: &str, sets: Vec<Vec<Value>>) -> Result<Vec<Vec<Row>>> {
        let session = self.session()?;
        self.judge(session.rows_of_each(sql, sets))
    }

    /// Changes rows; gives how many.
    fn run(&self, sql: &str, values: Vec<Value>) -> Result<u64> {
        self.session()?.run(sql, values)
    }

    /// Changes rows; the job fails at its end where this does.
    fn send(&self, sql: &str, values: Vec<Value>) -> Result<()> {
        self.session()?.send(sql, values)
    }

    /// The next id of a sequence, never given out before.
    fn next_id(&self, sequence: &'static str) -> Result<i64> {
        let kept = self.ids.borrow_mut().get_mut(sequence).and_then(Vec::pop);
        if let Some(id) = kept {
            return Ok(id);
        }
        let sql = format!("SELECT nextval('{sequence}') FROM generate_series(1, $1::bigint)");
        let drawn = self.rows(&sql, values![POSTGRES_IDS_TOGETHER])?;
        let mut drawn = drawn.iter().map(|row| row.number(0)).collect::<Result<Vec<i64>>>()?;
        // Ascending: rows are looked up together more cheaply where their ids lie together.
        drawn.sort_unstable_by(|a, b| b.cmp(a));
        let next = drawn.pop().ok_or_else(|| Error::new(ErrorKind::Store, "store: a sequence gives no number"))?;
        self.ids.borrow_mut().insert(sequence, drawn);
        Ok(next)
    }
}

impl Connected for Postgres {
    fn close(self: Box<Self>) -> Result<()> {
        let session = self.session.borrow();
        match self.role == Role::Writer && !session.is_dead() {
            true => Server::unlock(&session),
            false => Ok(()),
        }
    }

    #[cfg(test)]
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Read for Postgres {
    fn begin_reading(&self) -> Result<()> {
        let begun = self.session()?.send("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", values![]);
        self.inside.set(begun.is_ok());
        self.judge(begun)
    }

    fn end_reading(&self) {
        if self.inside.replace(false) {
            let session = self.session.borrow();
            // A transaction that only read has nothing to lose; it must not stay open until the next question.
            if let Err(EndError::Before(e)) = session.end("ROLLBACK") {
                log::warn!("store: ending a reading: {e}");
            }
            session.forgive();
        }
    }

    fn check_layout(&self) -> Result<()> {
        migrate::check_newest(&*self.session()?)
    }
}

/// The server keeps its own log.
impl Tend for Postgres {
    fn copy_log(&self, _: &Log) -> Result<()> {
        Ok(())
    }

    fn empty_log(&self) -> Result<()> {
        Ok(())
    }
}

impl Write for Postgres {
    fn begin(&self) -> Result<()> {
        let session = self.session()?;
        session.forgive();
        session.send("BEGIN ISOLATION LEVEL SERIALIZABLE", values![])?;
        self.inside.set(true);
        Ok(())
    }

    fn begin_job(&self) -> Result<()> {
        self.send("SAVEPOINT job", values![])
    }

    fn keep_job(&self) -> Result<()> {
        self.send("RELEASE SAVEPOINT job", values![])?;
        // What the job sent ahead belongs to it, and so do its errors.
        self.session()?.settle()
    }

    fn undo_job(&self) -> Result<()> {
        let session = self.session()?;
        // Why the job failed is known.
        let _ = session.settle();
        session.batch("ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job")?;
        session.forgive();
        Ok(())
    }

    fn in_transaction(&self) -> bool {
        self.inside.get() && !self.session.borrow().is_dead()
    }

    fn commit(&self) -> Result<()> {
        let session = self.session()?;
        session.settle()?;
        if session.has_failed() {
            // The server would roll back and call it a success.
            return Err(Error::new(ErrorKind::Bug, "a transaction in which a statement failed is to be committed"));
        }
        let ended = session.end("COMMIT");
        self.inside.set(false);
        ended.map_err(|e| match e {
            EndError::Before(e) => Error::new(ErrorKind::StoreDown, e.text()).while_doing("commit"),
            EndError::Client(e) => error::of_commit(&e),
        })
    }

    fn rollback(&self) -> Result<()> {
        if !self.inside.replace(false) {
            return Ok(());
        }
        let session = self.session()?;
        let _ = session.settle();
        let ended = session.end("ROLLBACK");
        session.forgive();
        ended.map_err(|e| match e {
            EndError::Before(e) => e,
            EndError::Client(e) => error::of_client(&e),
        })
    }

    fn unused_octets(&self) -> Result<u64> {
        Ok(0)
    }

    /// The server's own vacuum does that.
    fn shrink(&self) -> Result<bool> {
        Ok(false)
    }

    fn follow_log(&mut self, _: Arc<Log>) {}

    fn save_log(&self) -> Result<bool> {
        Ok(true)
    }
}
