//! Questions to the queue. Rows that are due are found by (destination, due, item), without looking at others.

use tokio_postgres::Row;

use super::super::database::{ItemTerms, QueuedRow, ReadQueue, RoutedRow, Visit};
use super::super::{AttemptResult, Item};
use super::value::{Columns, values};
use super::{Postgres, queue_row};
use crate::base::limits::{POSTGRES_ROWS_SHOWN_FIRST, POSTGRES_ROWS_SHOWN_MAX};
use crate::base::terms::Terms;
use crate::base::{QueueId, Result, Timestamp};

/// The columns that [`read_routed`] reads.
pub(super) const ROUTED: &str = "item, place, address, destination, due, held";

impl ReadQueue for Postgres {
    fn queue_ids(&self, after: QueueId, limit: usize) -> Result<Vec<QueueId>> {
        let rows =
            self.rows("SELECT id FROM queue_item WHERE id > $1 ORDER BY id LIMIT $2", values![after.0, limit])?;
        rows.iter().map(|row| row.number(0).map(QueueId)).collect()
    }

    fn queue_item(&self, id: QueueId) -> Result<Option<Item>> {
        queue_row::item(self, id, None)
    }

    fn queue_item_with(&self, id: QueueId, places: &[u32]) -> Result<Option<Item>> {
        queue_row::item(self, id, Some(places))
    }

    fn queue_terms(&self, id: QueueId) -> Result<Option<ItemTerms>> {
        let row = self.row(
            "SELECT created, expires, held, NOT delay_reported AND reverse_path <> '', terms FROM queue_item
               WHERE id = $1",
            values![id.0],
        )?;
        let read = |row: Row| {
            let (created, expires) = (Timestamp(row.number(0)?), Timestamp(row.number(1)?));
            let late = Terms::read(row.column(4)?).late_at();
            Ok(ItemTerms { created, expires, held: row.flag(2)?, untold: row.flag(3)?, late })
        };
        row.map(read).transpose()
    }

    fn attempts(&self, id: QueueId) -> Result<Vec<(String, AttemptResult)>> {
        queue_row::attempts(self, id)
    }

    fn queue_destination_behind(&self, after: Option<&str>) -> Result<Option<(String, Timestamp)>> {
        let waits = "SELECT destination, due FROM queue_recipient WHERE state = 0 AND NOT held AND destination";
        let row = match after {
            Some(after) => self.row(&format!("{waits} > $1 ORDER BY destination, due LIMIT 1"), values![after])?,
            None => self.row(&format!("{waits} >= '' ORDER BY destination, due LIMIT 1"), values![])?,
        };
        row.map(|row| Ok((row.text(0)?, Timestamp(row.number(1)?)))).transpose()
    }

    fn queue_expired(&self, before: Timestamp, over: &str, limit: usize) -> Result<Vec<QueueId>> {
        let rows = self.rows(
            "SELECT id FROM queue_item WHERE NOT held AND expires <= $1 AND EXISTS(
               SELECT 1 FROM queue_recipient WHERE item = id AND state = 0 AND destination <> $3)
               ORDER BY expires, id LIMIT $2",
            values![before.0, limit, over],
        )?;
        rows.iter().map(|row| row.number(0).map(QueueId)).collect()
    }

    fn queue_rows(&self, destination: &str, until: Option<Timestamp>, visit: Visit<'_>) -> Result<()> {
        let until = until.map_or(i64::MAX, |until| until.0);
        let (mut last, mut limit) = ((i64::MIN, 0, 0), POSTGRES_ROWS_SHOWN_FIRST);
        loop {
            // Few at first: most of those who ask look at one row.
            let rows = self.rows(
                "SELECT item, place, due, attempts, priority FROM queue_recipient WHERE state = 0 AND NOT held
                   AND destination = $1 AND due <= $2 AND (due, item, place) > ($3, $4, $5)
                   ORDER BY due, item, place LIMIT $6",
                values![destination, until, last.0, last.1, last.2, limit],
            )?;
            for row in &rows {
                last = (row.number(2)?, row.number(0)?, row.number(1)?);
                if visit(read_queued(row)?).is_break() {
                    return Ok(());
                }
            }
            if rows.len() < limit {
                return Ok(());
            }
            limit = (limit * 4).min(POSTGRES_ROWS_SHOWN_MAX);
        }
    }

    fn queue_urgent(&self, destination: &str, until: Timestamp, limit: usize) -> Result<Vec<QueuedRow>> {
        let rows = self.rows(
            "SELECT item, place, due, attempts, priority FROM queue_recipient WHERE state = 0 AND NOT held
               AND priority > 0 AND destination = $1 AND due <= $2 ORDER BY priority DESC, due, item, place LIMIT $3",
            values![destination, until.0, limit],
        )?;
        rows.iter().map(read_queued).collect()
    }

    fn queue_waiting(&self, id: QueueId) -> Result<Vec<(String, Timestamp)>> {
        let rows = self.rows(
            "SELECT destination, min(due) FROM queue_recipient WHERE item = $1 AND state = 0 AND NOT held
               GROUP BY destination ORDER BY destination",
            values![id.0],
        )?;
        rows.iter().map(|row| Ok((row.text(0)?, Timestamp(row.number(1)?)))).collect()
    }

    fn queue_has_waiting(&self, id: QueueId) -> Result<bool> {
        self.exists("SELECT 1 FROM queue_recipient WHERE item = $1 AND state = 0 LIMIT 1", values![id.0])
    }

    fn queue_routed(&self, destination: &str, limit: usize) -> Result<Vec<RoutedRow>> {
        let rows = self.rows(
            &format!("SELECT {ROUTED} FROM queue_recipient WHERE state = 0 AND destination = $1 LIMIT $2"),
            values![destination, limit],
        )?;
        rows.iter().map(read_routed).collect()
    }

    fn queue_recipient(&self, id: QueueId, place: u32) -> Result<Option<(String, String)>> {
        let row = self.row(
            "SELECT address, destination FROM queue_recipient WHERE item = $1 AND place = $2",
            values![id.0, place],
        )?;
        row.map(|row| Ok((row.text(0)?, row.text(1)?))).transpose()
    }

    fn is_settled(&self, id: QueueId, settlement: i64) -> Result<bool> {
        self.exists("SELECT 1 FROM attempt WHERE item = $1 AND settlement = $2 LIMIT 1", values![id.0, settlement])
    }
}

fn read_queued(row: &Row) -> Result<QueuedRow> {
    let (id, due) = (QueueId(row.number(0)?), Timestamp(row.number(2)?));
    let priority = i8::try_from(row.number(4)?).unwrap_or(0);
    Ok(QueuedRow { id, place: row.small(1)?, due, attempts: row.small(3)?, priority })
}

/// A recipient to be routed, of a row of [`ROUTED`].
pub(super) fn read_routed(row: &Row) -> Result<RoutedRow> {
    Ok(RoutedRow {
        id: QueueId(row.number(0)?),
        place: row.small(1)?,
        address: row.text(2)?,
        destination: row.text(3)?,
        due: Timestamp(row.number(4)?),
        held: row.flag(5)?,
    })
}
