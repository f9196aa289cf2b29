//! A walk over everything a store keeps that tells, in words, where its parts disagree: messages, blocks, counts,
//! totals, bodies and their uses, the queue, accounts and aliases.
//!
//! The whole walk sees one state of the file, on a connection of its own, beside all other work; while it is open the
//! log cannot begin anew. It goes in steps of a bounded number of rows. A sound store gives not one sentence.

mod bodies;
mod mailboxes;
mod rows;

use std::sync::{MutexGuard, PoisonError};

use rusqlite::Connection;

use super::connection::{self, Index};
use super::shared::Shared;
use super::{Store, queue_row};
use crate::base::limits::{CHECK_FOUND_MAX, CHECK_ROWS_PER_STEP};
use crate::base::{Error, ErrorKind, QueueId, Result};

/// What a step of a check came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckStep {
    /// Disagreements, a sentence each.
    pub found: Vec<String>,
    /// How far it is, of `total`.
    pub done: u64,
    /// All there is to do, as it was estimated at the beginning; 0 before the first step.
    pub total: u64,
    /// Whether this was the last step.
    pub over: bool,
}

/// A check under way. Dropping it ends it.
#[must_use]
pub struct Check {
    store: Store,
}

impl Store {
    /// Begins a check. `Busy` where one is under way.
    pub fn check(&self) -> Result<Check> {
        let mut slot = slot(self.shared());
        if slot.is_some() {
            return Err(Error::new(ErrorKind::Busy, "the store is being checked already"));
        }
        *slot = Some(Walk::default());
        Ok(Check { store: self.clone() })
    }
}

impl Check {
    /// The next step. Where SQLite cannot read on, a sentence says so and it is the last step. `Interrupted` where
    /// trouble of the disk ended the check; after any error there is no result.
    pub async fn step(&mut self) -> Result<CheckStep> {
        let store = self.store.clone();
        let shared = self.store.clone();
        let step = store.read(move |_| {
            let shared = shared.shared();
            slot(shared).as_mut().map(|walk| walk.step(shared)).transpose()
        });
        // Not told from inside: what goes wrong while reading is no trouble of the whole store.
        step.await?.ok_or_else(ended)
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        end(self.store.shared());
    }
}

/// Ends a check under way: its connection is closed with all others.
pub(super) fn end(shared: &Shared) {
    let walk = slot(shared).take();
    if let Some(Err(e)) = walk.and_then(|walk| walk.db).map(connection::close) {
        log::warn!("store: closing the connection of a check: {e}");
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Interrupted, "the check was ended by trouble of the disk")
}

fn slot(shared: &Shared) -> MutexGuard<'_, Option<Walk>> {
    shared.check.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a check is.
#[derive(Default)]
pub(super) struct Walk {
    db: Option<Connection>,
    stage: Stage,
    found: u64,
    done: u64,
    total: u64,
}

/// What is looked at, in this order.
#[derive(Default)]
enum Stage {
    /// SQLite's own check, a table at a time; so many are done.
    #[default]
    Tables,
    Table(usize),
    /// Questions to several tables at once.
    Rows(usize),
    Mailboxes(mailboxes::Place),
    Bodies(i64),
    Uses(bodies::Uses),
    /// Items of the queue above this one.
    Queue(i64),
    Over,
    /// A step was begun and not brought to its end.
    Broken,
}

impl Walk {
    fn step(&mut self, shared: &Shared) -> Result<CheckStep> {
        if self.db.is_none() {
            let index = if shared.is_down() { Index::Own } else { Index::Shared };
            let db = connection::open_reader(&shared.world, &shared.files, index)?;
            db.execute_batch("BEGIN")?;
            // Where it cannot be counted, the first steps tell why.
            self.total = match estimate(&db) {
                Err(e) if is_damage(&e) => 1,
                total => total?,
            };
            self.db = Some(db);
        }
        let Some(db) = &self.db else { return Ok(CheckStep::default()) };
        let mut found = Vec::new();
        let stage = std::mem::replace(&mut self.stage, Stage::Broken);
        let (next, done) = match advance(db, stage, &mut found) {
            Err(e) if is_damage(&e) => {
                found.push(format!("the check cannot go on: {}", e.text()));
                (Stage::Over, 0)
            }
            step => step?,
        };
        self.stage = next;
        let over = matches!(self.stage, Stage::Over);
        self.done = if over { self.total } else { self.done.saturating_add(done).min(self.total) };
        // More than a person reads says nothing more.
        let room = CHECK_FOUND_MAX.saturating_sub(self.found);
        self.found = self.found.saturating_add(found.len() as u64);
        found.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        Ok(CheckStep { found, done: self.done, total: self.total, over })
    }
}

/// Whether an error says that SQLite cannot read the file, in place of trouble that may pass.
fn is_damage(e: &Error) -> bool {
    e.kind() == ErrorKind::Store
}

/// One step: the stage that follows, and how many rows were looked at.
fn advance(db: &Connection, stage: Stage, found: &mut Vec<String>) -> Result<(Stage, u64)> {
    match stage {
        Stage::Tables => Ok((Stage::Table(0), 1)),
        Stage::Table(at) => match rows::table(db, at, found)? {
            true => Ok((Stage::Table(at + 1), 1)),
            false => Ok((Stage::Rows(0), 1)),
        },
        Stage::Rows(at) => match rows::question(db, at, found)? {
            true => Ok((Stage::Rows(at + 1), 1)),
            false => Ok((Stage::Mailboxes(mailboxes::Place::first()), 1)),
        },
        Stage::Mailboxes(place) => match mailboxes::step(db, place, found)? {
            (Some(place), done) => Ok((Stage::Mailboxes(place), done)),
            (None, done) => Ok((Stage::Bodies(0), done)),
        },
        Stage::Bodies(after) => match bodies::sizes(db, after, found)? {
            Some(last) => Ok((Stage::Bodies(last), last.abs_diff(after))),
            None => Ok((Stage::Uses(bodies::Uses::from(0)), 1)),
        },
        Stage::Uses(uses) => match bodies::uses(db, uses, found)? {
            (Some(uses), done) => Ok((Stage::Uses(uses), done)),
            (None, done) => Ok((Stage::Queue(0), done)),
        },
        Stage::Queue(after) => match queue(db, after, found)? {
            Some(last) => Ok((Stage::Queue(last), 1)),
            None => Ok((Stage::Over, 1)),
        },
        Stage::Over => Ok((Stage::Over, 0)),
        Stage::Broken => Err(ended()),
    }
}

/// Rows to be looked at, about: messages twice, bodies twice.
fn estimate(db: &Connection) -> Result<u64> {
    let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|n| u64::try_from(n).unwrap_or(0));
    let messages = number("SELECT coalesce(sum(total), 0) + count(*) FROM mailbox")?;
    let bodies = number("SELECT coalesce(max(id), 0) FROM blob")?;
    let few = (rows::tables(db)?.len() + rows::QUESTIONS.len()) as u64;
    Ok(messages.saturating_add(bodies).saturating_mul(2).saturating_add(few).max(1))
}

/// Whether items of the queue can be read. Gives the last one looked at.
fn queue(db: &Connection, after: i64, found: &mut Vec<String>) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT id FROM queue_item WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let ids = select.query_map([after, CHECK_ROWS_PER_STEP as i64], |row| row.get(0))?;
    let ids = ids.collect::<rusqlite::Result<Vec<i64>>>()?;
    for id in &ids {
        if let Err(e) = queue_row::item(db, QueueId(*id)) {
            found.push(format!("queued message {id} cannot be read: {}", e.text()));
        }
    }
    Ok(ids.last().copied())
}
