//! Bodies: their sizes, and how often each is used.

use super::super::super::sound::{Counting, Uses};
use super::super::Postgres;
use super::super::value::{Columns, values};
use super::super::varint::ids_from_octets;
use crate::base::Result;
use crate::base::limits::CHECK_ROWS_PER_STEP;

const STEP: i64 = CHECK_ROWS_PER_STEP as i64;

/// Sizes of some bodies above `after`, and descriptions and chunks of bodies that are not there. Gives the last body
/// looked at, and how many.
pub(super) fn sizes(db: &Postgres, after: i64, found: &mut Vec<String>) -> Result<Option<(i64, u64)>> {
    let rows = db.rows(
        "SELECT id, size, coalesce(length(body)::bigint,
           (SELECT sum(length(octets))::bigint FROM blob_chunk WHERE blob = id), 0)
           FROM blob WHERE id > $1 ORDER BY id LIMIT $2",
        values![after, STEP],
    )?;
    let mut last = None;
    for row in &rows {
        let (id, size, length) = (row.number(0)?, row.number(1)?, row.number(2)?);
        if size != length {
            found.push(format!("body {id} says {size} octets and has {length}"));
        }
        last = Some((id, rows.len() as u64));
    }
    let end = last.map_or(i64::MAX, |(id, _)| id);
    let lost = [("blob_meta", "is described and not there"), ("blob_chunk", "has chunks and is not there")];
    for (table, what) in lost {
        let lost = db.rows(
            &format!(
                "SELECT DISTINCT t.blob FROM {table} t WHERE t.blob > $1 AND t.blob <= $2
                   AND NOT EXISTS (SELECT 1 FROM blob WHERE id = t.blob) LIMIT $3"
            ),
            values![after, end, STEP],
        )?;
        for row in &lost {
            found.push(format!("body {} {what}", row.number(0)?));
        }
    }
    Ok(last)
}

/// A step. `None`: all bodies are compared.
pub(super) fn uses(db: &Postgres, mut uses: Uses, found: &mut Vec<String>) -> Result<(Option<Uses>, u64)> {
    match uses.stage {
        Counting::Messages(mailbox, uid) => {
            let rows = db.rows(
                "SELECT mailbox, uid, blob FROM fact WHERE (mailbox, uid) > ($1, $2) ORDER BY mailbox, uid LIMIT $3",
                values![mailbox, uid, STEP],
            )?;
            uses.stage = Counting::Others;
            for row in &rows {
                uses.count(row.number(2)?);
                uses.stage = Counting::Messages(row.number(0)?, row.number(1)?);
            }
            Ok((Some(uses), rows.len() as u64))
        }
        Counting::Others => {
            count_others(db, &mut uses, found)?;
            uses.stage = Counting::Compare(uses.first - 1);
            Ok((Some(uses), 1))
        }
        Counting::Compare(after) => match compare(db, &mut uses, after, found)? {
            Some((last, rows)) => {
                uses.stage = Counting::Compare(last);
                Ok((Some(uses), rows))
            }
            None => {
                for id in &uses.dead {
                    found.push(format!("body {id} waits to be removed and is not there"));
                }
                let more = db.exists("SELECT 1 FROM blob WHERE id > $1 LIMIT 1", values![uses.last()])?;
                Ok((more.then(|| Uses::from(uses.last())), 1))
            }
        },
    }
}

fn count_others(db: &Postgres, uses: &mut Uses, found: &mut Vec<String>) -> Result<()> {
    let (first, last) = (uses.first, uses.last());
    for row in db.rows("SELECT blob FROM queue_item WHERE blob BETWEEN $1 AND $2", values![first, last])? {
        uses.count(row.number(0)?);
    }
    for row in db.rows("SELECT id, blobs FROM dead ORDER BY id", values![])? {
        match ids_from_octets(row.column(1)?) {
            Ok(ids) => uses.dead.extend(ids.into_iter().map(|id| id.0).filter(|id| (first..=last).contains(id))),
            Err(_) => {
                found.push(format!("entry {} of the list of bodies to be removed cannot be read", row.number(0)?));
            }
        }
    }
    Ok(())
}

fn compare(db: &Postgres, uses: &mut Uses, after: i64, found: &mut Vec<String>) -> Result<Option<(i64, u64)>> {
    let rows = db.rows(
        "SELECT b.id, r.n FROM blob b LEFT JOIN refs r ON r.blob = b.id WHERE b.id > $1 AND b.id <= $2
         ORDER BY b.id LIMIT $3",
        values![after, uses.last(), STEP],
    )?;
    let mut last = None;
    for row in &rows {
        let id = row.number(0)?;
        uses.compare(id, row.column(1)?, found);
        last = Some((id, rows.len() as u64));
    }
    Ok(last)
}
