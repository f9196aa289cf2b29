//! Bodies: their sizes, and how often each is used.

use rusqlite::{Connection, params};

use super::super::super::sound::{Counting, Uses};
use super::super::varint::ids_from_octets;
use crate::base::Result;
use crate::base::limits::CHECK_ROWS_PER_STEP;

/// Sizes of some bodies above `after`, and descriptions of bodies that are not there. Gives the last body looked at.
pub(super) fn sizes(db: &Connection, after: i64, found: &mut Vec<String>) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT id, size, length(body) FROM blob WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = select.query([after, CHECK_ROWS_PER_STEP as i64])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let (id, size, length): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if size != length {
            found.push(format!("body {id} says {size} octets and has {length}"));
        }
        last = Some(id);
    }
    let mut lost = db.prepare_cached(
        "SELECT blob FROM blob_meta WHERE blob > ?1 AND blob <= ?2
         AND NOT EXISTS (SELECT 1 FROM blob WHERE id = blob_meta.blob) LIMIT ?3",
    )?;
    let lost = lost
        .query_map(params![after, last.unwrap_or(i64::MAX), CHECK_ROWS_PER_STEP as i64], |row| row.get::<_, i64>(0))?;
    for id in lost {
        found.push(format!("body {} is described and not there", id?));
    }
    Ok(last)
}

/// A step. `None`: all bodies are compared.
pub(super) fn uses(db: &Connection, mut uses: Uses, found: &mut Vec<String>) -> Result<(Option<Uses>, u64)> {
    match uses.stage {
        Counting::Messages(mailbox, uid) => {
            let (place, counted) = count_messages(db, &mut uses, (mailbox, uid))?;
            uses.stage = place.map_or(Counting::Others, |(mailbox, uid)| Counting::Messages(mailbox, uid));
            Ok((Some(uses), counted))
        }
        Counting::Others => {
            count_others(db, &mut uses, found)?;
            uses.stage = Counting::Compare(uses.first - 1);
            Ok((Some(uses), 1))
        }
        Counting::Compare(after) => match compare(db, &mut uses, after, found)? {
            Some(last) => {
                uses.stage = Counting::Compare(last);
                Ok((Some(uses), last.abs_diff(after)))
            }
            None => {
                for id in &uses.dead {
                    found.push(format!("body {id} waits to be removed and is not there"));
                }
                let more: bool =
                    db.query_row("SELECT EXISTS(SELECT 1 FROM blob WHERE id > ?1)", [uses.last()], |row| row.get(0))?;
                Ok((more.then(|| Uses::from(uses.last())), 1))
            }
        },
    }
}

/// Where counting goes on, and how many messages were counted.
type Counted = (Option<(i64, i64)>, u64);

fn count_messages(db: &Connection, uses: &mut Uses, after: (i64, i64)) -> Result<Counted> {
    let mut select = db.prepare_cached(
        "SELECT mailbox, uid, blob FROM fact WHERE (mailbox, uid) > (?1, ?2) ORDER BY mailbox, uid LIMIT ?3",
    )?;
    let mut rows = select.query(params![after.0, after.1, CHECK_ROWS_PER_STEP as i64])?;
    let (mut last, mut counted) = (None, 0);
    while let Some(row) = rows.next()? {
        last = Some((row.get(0)?, row.get(1)?));
        uses.count(row.get(2)?);
        counted += 1;
    }
    Ok((last, counted))
}

fn count_others(db: &Connection, uses: &mut Uses, found: &mut Vec<String>) -> Result<()> {
    let range = [uses.first, uses.last()];
    let mut queued = db.prepare_cached("SELECT blob FROM queue_item WHERE blob BETWEEN ?1 AND ?2")?;
    for blob in queued.query_map(range, |row| row.get(0))? {
        uses.count(blob?);
    }
    let mut dead = db.prepare_cached("SELECT id, blobs FROM dead ORDER BY id")?;
    let mut rows = dead.query([])?;
    while let Some(row) = rows.next()? {
        let packed: Vec<u8> = row.get(1)?;
        match ids_from_octets(&packed) {
            Ok(ids) => uses.dead.extend(ids.into_iter().map(|id| id.0).filter(|id| (range[0]..=range[1]).contains(id))),
            Err(_) => found
                .push(format!("entry {} of the list of bodies to be removed cannot be read", row.get::<_, i64>(0)?)),
        }
    }
    Ok(())
}

fn compare(db: &Connection, uses: &mut Uses, after: i64, found: &mut Vec<String>) -> Result<Option<i64>> {
    let mut select = db.prepare_cached(
        "SELECT b.id, r.n FROM blob b LEFT JOIN refs r ON r.blob = b.id WHERE b.id > ?1 AND b.id <= ?2
         ORDER BY b.id LIMIT ?3",
    )?;
    let mut rows = select.query(params![after, uses.last(), CHECK_ROWS_PER_STEP as i64])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let (id, noted): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
        last = Some(id);
        uses.compare(id, noted, found);
    }
    Ok(last)
}
