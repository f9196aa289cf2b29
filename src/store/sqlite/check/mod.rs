//! The walk over the tables: SQLite's own check of each, then what they say of each other.

mod bodies;
mod mailboxes;
mod rows;

use rusqlite::Connection;

use super::super::database::{Connected, Walk};
use super::super::sound::Uses;
use super::{connection, queue_row};
use crate::base::limits::CHECK_ROWS_PER_STEP;
use crate::base::{Error, ErrorKind, QueueId, Result};

/// Where the walk is, and the connection that sees one commit.
pub(super) struct TableWalk {
    db: Connection,
    stage: Stage,
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
    Uses(Uses),
    /// Items of the queue above this one.
    Queue(i64),
    Over,
    /// A step was begun and not brought to its end.
    Broken,
}

impl TableWalk {
    /// Begins on a connection.
    pub fn begin(db: Connection) -> Result<TableWalk> {
        db.execute_batch("BEGIN")?;
        // Where it cannot be counted, the first steps tell why.
        let total = match estimate(&db) {
            Err(e) if is_damage(&e) => 1,
            total => total?,
        };
        Ok(TableWalk { db, stage: Stage::default(), total })
    }
}

impl Connected for TableWalk {
    fn close(self: Box<Self>) -> Result<()> {
        connection::close(self.db)
    }

    #[cfg(test)]
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Walk for TableWalk {
    fn total(&self) -> u64 {
        self.total
    }

    fn step(&mut self, found: &mut Vec<String>) -> Result<(u64, bool)> {
        let stage = std::mem::replace(&mut self.stage, Stage::Broken);
        let (next, done) = match advance(&self.db, stage, found) {
            Err(e) if is_damage(&e) => {
                found.push(format!("the check cannot go on: {}", e.text()));
                (Stage::Over, 0)
            }
            step => step?,
        };
        self.stage = next;
        Ok((done, matches!(self.stage, Stage::Over)))
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
            None => Ok((Stage::Uses(Uses::from(0)), 1)),
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
        Stage::Broken => Err(Error::new(ErrorKind::Interrupted, "a step of the check was not brought to its end")),
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
