//! Rows of the queue as values, and back.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{AttemptResult, Item, ItemRecipient};
use super::columns;
use crate::base::terms::Terms;
use crate::base::{AccountId, BlobId, Enhanced, Envelope, QueueId, Recipient, Result, Timestamp};

/// One item with its recipients. `Invalid` where what it says cannot be understood, so that trying again is no use.
pub(super) fn item(db: &Connection, id: QueueId) -> Result<Option<Item>> {
    let Some(mut item) = without_recipients(db, id)? else { return Ok(None) };
    let mut select = db.prepare_cached(&format!("{RECIPIENT} WHERE item = ?1 ORDER BY place"))?;
    let mut rows = select.query([id.0])?;
    while let Some(row) = rows.next()? {
        item.recipients.push(read_recipient(db, row)?);
    }
    Ok(Some(item))
}

/// One item with these of its recipients only.
pub(super) fn item_with(db: &Connection, id: QueueId, places: &[u32]) -> Result<Option<Item>> {
    let Some(mut item) = without_recipients(db, id)? else { return Ok(None) };
    let mut select = db.prepare_cached(&format!("{RECIPIENT} WHERE item = ?1 AND place = ?2"))?;
    for place in places {
        let mut rows = select.query(params![id.0, place])?;
        if let Some(row) = rows.next()? {
            item.recipients.push(read_recipient(db, row)?);
        }
    }
    Ok(Some(item))
}

fn without_recipients(db: &Connection, id: QueueId) -> Result<Option<Item>> {
    let mut select = db.prepare_cached(
        "SELECT reverse_path, body_kind, smtputf8, envelope_id, returns, size_declared, blob, size, submitter, created,
           expires, held, delay_reported, terms FROM queue_item WHERE id = ?1",
    )?;
    // What is no UTF-8 is no address either.
    let text = |row: &Row<'_>| Ok::<_, rusqlite::Error>(row.get_ref(0)?.as_str().unwrap_or("\u{fffd}").to_owned());
    let found = select.query_row([id.0], |row| Ok((text(row)?, read_item(id, row)?))).optional()?;
    let Some((from, mut item)) = found else { return Ok(None) };
    item.envelope.reverse_path = match from.as_str() {
        "" => None,
        from => Some(columns::queued_address(from)?),
    };
    Ok(Some(item))
}

fn read_item(id: QueueId, row: &Row<'_>) -> rusqlite::Result<Item> {
    Ok(Item {
        id,
        envelope: Envelope {
            reverse_path: None,
            recipients: Vec::new(),
            body: columns::body(row.get(1)?),
            smtputf8: row.get(2)?,
            envelope_id: row.get(3)?,
            returns: columns::returns(row.get(4)?),
            size_declared: row.get::<_, Option<i64>>(5)?.map(|size| size as u64),
            terms: Terms::read(row.get_ref(13)?.as_str()?),
        },
        blob: BlobId(row.get(6)?),
        size: row.get::<_, i64>(7)? as u64,
        submitter: row.get::<_, Option<i64>>(8)?.map(AccountId),
        created: Timestamp(row.get(9)?),
        expires: Timestamp(row.get(10)?),
        held: row.get(11)?,
        delay_reported: row.get(12)?,
        recipients: Vec::new(),
    })
}

const RECIPIENT: &str =
    "SELECT place, address, notify, original, state, attempts, due, last_attempt FROM queue_recipient";

fn read_recipient(db: &Connection, row: &Row<'_>) -> Result<ItemRecipient> {
    let last: i64 = row.get(7)?;
    Ok(ItemRecipient {
        index: row.get(0)?,
        recipient: Recipient {
            address: columns::queued_address(row.get_ref(1)?.as_str().unwrap_or_default())?,
            notify: columns::notify(row.get(2)?),
            original: row.get(3)?,
        },
        state: columns::state(row.get(4)?),
        attempts: row.get(5)?,
        due: Timestamp(row.get(6)?),
        last: if last == 0 { None } else { attempt(db, last)? },
    })
}

/// The columns that [`read_attempt`] reads; the ninth is the recipient.
pub(super) const ATTEMPT_COLUMNS: &str = "at, outcome, host, code, enhanced, reason, took, tls, recipient, policy";

/// One attempt.
pub(super) fn attempt(db: &Connection, id: i64) -> Result<Option<AttemptResult>> {
    let mut select = db.prepare_cached(&format!("SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE id = ?1"))?;
    Ok(select.query_row([id], read_attempt).optional()?)
}

/// All attempts of an item, oldest first.
pub(super) fn attempts(db: &Connection, id: QueueId) -> Result<Vec<(String, AttemptResult)>> {
    let mut select =
        db.prepare_cached(&format!("SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE item = ?1 ORDER BY id"))?;
    let rows = select.query_map(params![id.0], |row| Ok((row.get(8)?, read_attempt(row)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// An attempt of a row of [`ATTEMPT_COLUMNS`].
pub(super) fn read_attempt(row: &Row<'_>) -> rusqlite::Result<AttemptResult> {
    Ok(AttemptResult {
        at: Timestamp(row.get(0)?),
        outcome: columns::outcome(row.get(1)?),
        host: row.get(2)?,
        code: row.get(3)?,
        enhanced: Enhanced::split(row.get_ref(4)?.as_str()?).map(|(enhanced, _)| enhanced),
        text: row.get(5)?,
        took: Duration::from_micros(row.get::<_, i64>(6)? as u64),
        tls: row.get(7)?,
        policy: row.get(9)?,
    })
}
