//! Questions to the queue. Rows that are due are found by (destination, due, item), without looking at others.

use std::ops::ControlFlow;

use rusqlite::{OptionalExtension, Row as SqlRow, Rows, params};

use super::super::database::{ItemTerms, QueuedRow, ReadQueue, RoutedRow, Visit};
use super::super::{AttemptResult, Item};
use super::{Sqlite, queue_row};
use crate::base::terms::Terms;
use crate::base::{QueueId, Result, Timestamp};

/// The columns that [`read_routed`] reads.
pub(super) const ROUTED: &str = "item, place, address, destination, due, held";

impl ReadQueue for Sqlite {
    fn queue_ids(&self, after: QueueId, limit: usize) -> Result<Vec<QueueId>> {
        let mut list = self.db.prepare_cached("SELECT id FROM queue_item WHERE id > ?1 ORDER BY id LIMIT ?2")?;
        let ids = list.query_map([after.0, many(limit)], |row| row.get(0).map(QueueId))?;
        Ok(ids.collect::<rusqlite::Result<_>>()?)
    }

    fn queue_item(&self, id: QueueId) -> Result<Option<Item>> {
        queue_row::item(&self.db, id)
    }

    fn queue_item_with(&self, id: QueueId, places: &[u32]) -> Result<Option<Item>> {
        queue_row::item_with(&self.db, id, places)
    }

    fn queue_terms(&self, id: QueueId) -> Result<Option<ItemTerms>> {
        let mut select = self.db.prepare_cached(
            "SELECT created, expires, held, delay_reported = 0 AND reverse_path <> '', terms FROM queue_item
               WHERE id = ?1",
        )?;
        let read = |row: &SqlRow<'_>| {
            Ok(ItemTerms {
                created: Timestamp(row.get(0)?),
                expires: Timestamp(row.get(1)?),
                held: row.get(2)?,
                untold: row.get(3)?,
                late: Terms::read(row.get_ref(4)?.as_str()?).late_at(),
            })
        };
        Ok(select.query_row([id.0], read).optional()?)
    }

    fn attempts(&self, id: QueueId) -> Result<Vec<(String, AttemptResult)>> {
        queue_row::attempts(&self.db, id)
    }

    fn queue_destination_behind(&self, after: Option<&str>) -> Result<Option<(String, Timestamp)>> {
        let read = |row: &SqlRow<'_>| Ok((row.get(0)?, Timestamp(row.get(1)?)));
        let found = match after {
            Some(after) => self
                .db
                .prepare_cached(
                    "SELECT destination, due FROM queue_recipient WHERE state = 0 AND held = 0 AND destination > ?1
                       ORDER BY destination, due LIMIT 1",
                )?
                .query_row([after], read),
            None => self
                .db
                .prepare_cached(
                    "SELECT destination, due FROM queue_recipient WHERE state = 0 AND held = 0 AND destination >= ''
                       ORDER BY destination, due LIMIT 1",
                )?
                .query_row([], read),
        };
        Ok(found.optional()?)
    }

    fn queue_expired(&self, before: Timestamp, over: &str, limit: usize) -> Result<Vec<QueueId>> {
        let mut expired = self.db.prepare_cached(
            "SELECT id FROM queue_item WHERE held = 0 AND expires <= ?1 AND EXISTS(
               SELECT 1 FROM queue_recipient WHERE item = id AND state = 0 AND destination <> ?3)
               ORDER BY expires LIMIT ?2",
        )?;
        let ids = expired.query_map(params![before.0, many(limit), over], |row| row.get(0).map(QueueId))?;
        Ok(ids.collect::<rusqlite::Result<_>>()?)
    }

    fn queue_rows(&self, destination: &str, until: Option<Timestamp>, visit: Visit<'_>) -> Result<()> {
        match until {
            Some(until) => {
                let mut select = self.db.prepare_cached(
                    "SELECT item, place, due, attempts, priority FROM queue_recipient
                       WHERE state = 0 AND held = 0 AND destination = ?1 AND due <= ?2 ORDER BY due, item",
                )?;
                show(select.query(params![destination, until.0])?, visit)
            }
            None => {
                let mut select = self.db.prepare_cached(
                    "SELECT item, place, due, attempts, priority FROM queue_recipient
                       WHERE state = 0 AND held = 0 AND destination = ?1 ORDER BY due, item",
                )?;
                show(select.query([destination])?, visit)
            }
        }
    }

    fn queue_urgent(&self, destination: &str, until: Timestamp, limit: usize) -> Result<Vec<QueuedRow>> {
        let mut select = self.db.prepare_cached(
            "SELECT item, place, due, attempts, priority FROM queue_recipient
               WHERE state = 0 AND held = 0 AND priority > 0 AND destination = ?1 AND due <= ?2
               ORDER BY priority DESC, due, item LIMIT ?3",
        )?;
        let mut rows = Vec::new();
        show(select.query(params![destination, until.0, many(limit)])?, &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    fn queue_waiting(&self, id: QueueId) -> Result<Vec<(String, Timestamp)>> {
        let mut select = self.db.prepare_cached(
            "SELECT destination, min(due) FROM queue_recipient WHERE item = ?1 AND state = 0 AND held = 0
               GROUP BY destination",
        )?;
        let rows = select.query_map([id.0], |row| Ok((row.get(0)?, Timestamp(row.get(1)?))))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn queue_has_waiting(&self, id: QueueId) -> Result<bool> {
        let mut any = self.db.prepare_cached("SELECT 1 FROM queue_recipient WHERE item = ?1 AND state = 0 LIMIT 1")?;
        Ok(any.exists([id.0])?)
    }

    fn queue_routed(&self, destination: &str, limit: usize) -> Result<Vec<RoutedRow>> {
        let mut select = self.db.prepare_cached(&format!(
            "SELECT {ROUTED} FROM queue_recipient WHERE state = 0 AND destination = ?1 LIMIT ?2"
        ))?;
        let rows = select.query_map(params![destination, many(limit)], read_routed)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn queue_recipient(&self, id: QueueId, place: u32) -> Result<Option<(String, String)>> {
        let mut find = self
            .db
            .prepare_cached("SELECT address, destination FROM queue_recipient WHERE item = ?1 AND place = ?2")?;
        Ok(find.query_row(params![id.0, place], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    fn is_settled(&self, id: QueueId, settlement: i64) -> Result<bool> {
        let mut any = self.db.prepare_cached("SELECT 1 FROM attempt WHERE item = ?1 AND settlement = ?2")?;
        Ok(any.exists([id.0, settlement])?)
    }
}

/// A LIMIT.
fn many(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn show(mut rows: Rows<'_>, visit: Visit<'_>) -> Result<()> {
    while let Some(row) = rows.next()? {
        let (id, place, due) = (QueueId(row.get(0)?), row.get(1)?, Timestamp(row.get(2)?));
        if visit(QueuedRow { id, place, due, attempts: row.get(3)?, priority: row.get(4)? }).is_break() {
            break;
        }
    }
    Ok(())
}

/// A recipient to be routed, of a row of [`ROUTED`].
pub(super) fn read_routed(row: &SqlRow<'_>) -> rusqlite::Result<RoutedRow> {
    Ok(RoutedRow {
        id: QueueId(row.get(0)?),
        place: row.get(1)?,
        address: row.get(2)?,
        destination: row.get(3)?,
        due: Timestamp(row.get(4)?),
        held: row.get(5)?,
    })
}
