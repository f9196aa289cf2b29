//! The walk over the tables: what they say of each other. Whether the server can read them is the server's business.

mod bodies;
mod mailboxes;
mod rows;

use super::super::database::{Connected, Read as _, Walk};
use super::super::sound::Uses;
use super::value::{Columns, values};
use super::{Postgres, queue_row};
use crate::base::limits::CHECK_ROWS_PER_STEP;
use crate::base::{Error, ErrorKind, QueueId, Result};

/// Where the walk is, and the connection that sees one commit.
pub(super) struct TableWalk {
    db: Postgres,
    stage: Stage,
    total: u64,
}

/// What is looked at, in this order.
enum Stage {
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
    /// Begins on a connection of its own.
    pub fn begin(db: Postgres) -> Result<TableWalk> {
        // Steps may lie far apart, and a large table takes its time.
        db.rows("SELECT set_config('idle_in_transaction_session_timeout', '0', false)", values![])?;
        db.begin_reading()?;
        let counted = db.row(
            "SELECT (SELECT coalesce(sum(total), 0)::bigint + count(*) FROM mailbox), (SELECT count(*) FROM blob)",
            values![],
        )?;
        let rows = counted.map_or(Ok(0), |row| Ok::<_, Error>(row.large(0)?.saturating_add(row.large(1)?)))?;
        let total = rows.saturating_mul(2).saturating_add(rows::QUESTIONS.len() as u64).max(1);
        Ok(TableWalk { db, stage: Stage::Rows(0), total })
    }
}

impl Connected for TableWalk {
    fn close(self: Box<Self>) -> Result<()> {
        Box::new(self.db).close()
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
        // The connection is not opened again by itself: it would see another commit.
        let ended = |e: Error| match e.kind() {
            ErrorKind::Busy => Error::new(ErrorKind::Interrupted, e.text()),
            _ => e,
        };
        let (next, done) = advance(&self.db, stage, found).map_err(ended)?;
        self.stage = next;
        Ok((done, matches!(self.stage, Stage::Over)))
    }
}

/// One step: the stage that follows, and how many rows were looked at.
fn advance(db: &Postgres, stage: Stage, found: &mut Vec<String>) -> Result<(Stage, u64)> {
    match stage {
        Stage::Rows(at) => match rows::question(db, at, found)? {
            true => Ok((Stage::Rows(at + 1), 1)),
            false => Ok((Stage::Mailboxes(mailboxes::Place::first()), 1)),
        },
        Stage::Mailboxes(place) => match mailboxes::step(db, place, found)? {
            (Some(place), done) => Ok((Stage::Mailboxes(place), done)),
            (None, done) => Ok((Stage::Bodies(0), done)),
        },
        Stage::Bodies(after) => match bodies::sizes(db, after, found)? {
            Some((last, rows)) => Ok((Stage::Bodies(last), rows)),
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

/// Whether items of the queue can be read. Gives the last one looked at.
fn queue(db: &Postgres, after: i64, found: &mut Vec<String>) -> Result<Option<i64>> {
    let rows = db.rows(
        "SELECT id FROM queue_item WHERE id > $1 ORDER BY id LIMIT $2",
        values![after, CHECK_ROWS_PER_STEP as i64],
    )?;
    let mut last = None;
    for row in &rows {
        let id = row.number(0)?;
        match queue_row::item(db, QueueId(id), None) {
            Err(e) if e.kind() == ErrorKind::Busy => return Err(e),
            Err(e) => found.push(format!("queued message {id} cannot be read: {}", e.text())),
            Ok(_) => {}
        }
        last = Some(id);
    }
    Ok(last)
}
