//! Rows of the queue as values.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_postgres::Row;

use super::super::{AttemptResult, Item, ItemRecipient};
use super::value::{Columns, values};
use super::{Postgres, columns};
use crate::base::terms::Terms;
use crate::base::{AccountId, BlobId, Enhanced, Envelope, QueueId, Recipient, Result, Timestamp};

/// One item with its recipients, or with those of `places` in that order. `Invalid` where what it says cannot be
/// understood, so that trying again is no use.
pub(super) fn item(db: &Postgres, id: QueueId, places: Option<&[u32]>) -> Result<Option<Item>> {
    let row = db.row(
        "SELECT reverse_path, body_kind, smtputf8, envelope_id, returns, size_declared, blob, size, submitter, created,
           expires, held, delay_reported, terms FROM queue_item WHERE id = $1",
        values![id.0],
    )?;
    let Some(mut item) = row.map(|row| read_item(id, &row)).transpose()? else { return Ok(None) };
    let recipient = "SELECT place, address, notify, original, state, attempts, due, last_attempt FROM queue_recipient";
    let rows = match places {
        None => db.rows(&format!("{recipient} WHERE item = $1 ORDER BY place"), values![id.0])?,
        Some(places) => {
            let places: Vec<i64> = places.iter().map(|place| i64::from(*place)).collect();
            let some = format!("{recipient} WHERE item = $1 AND place = ANY($2) ORDER BY array_position($2, place)");
            db.rows(&some, values![id.0, places])?
        }
    };
    let lasts = rows.iter().map(|row| row.number(7)).collect::<Result<Vec<i64>>>()?;
    let lasts = attempts_by_id(db, lasts)?;
    for row in &rows {
        item.recipients.push(read_recipient(row, &lasts)?);
    }
    Ok(Some(item))
}

fn read_item(id: QueueId, row: &Row) -> Result<Item> {
    let from = row.text(0)?;
    Ok(Item {
        id,
        envelope: Envelope {
            reverse_path: if from.is_empty() { None } else { Some(columns::queued_address(&from)?) },
            recipients: Vec::new(),
            body: columns::body(row.number(1)?),
            smtputf8: row.flag(2)?,
            envelope_id: row.column(3)?,
            returns: columns::returns(row.number(4)?),
            size_declared: row.column::<Option<i64>>(5)?.map(|size| size as u64),
            terms: Terms::read(row.column(13)?),
        },
        blob: BlobId(row.number(6)?),
        size: row.large(7)?,
        submitter: row.column::<Option<i64>>(8)?.map(AccountId),
        created: Timestamp(row.number(9)?),
        expires: Timestamp(row.number(10)?),
        held: row.flag(11)?,
        delay_reported: row.flag(12)?,
        recipients: Vec::new(),
    })
}

fn read_recipient(row: &Row, lasts: &BTreeMap<i64, AttemptResult>) -> Result<ItemRecipient> {
    Ok(ItemRecipient {
        index: row.small(0)?,
        recipient: Recipient {
            address: columns::queued_address(row.column(1)?)?,
            notify: columns::notify(row.number(2)?),
            original: row.column(3)?,
        },
        state: columns::state(row.number(4)?),
        attempts: row.small(5)?,
        due: Timestamp(row.number(6)?),
        last: lasts.get(&row.number(7)?).cloned(),
    })
}

const ATTEMPT: &str = "SELECT at, outcome, host, code, enhanced, reason, took, tls, recipient, id, policy FROM attempt";

/// Attempts by their ids; 0 is none.
pub(super) fn attempts_by_id(db: &Postgres, mut ids: Vec<i64>) -> Result<BTreeMap<i64, AttemptResult>> {
    ids.retain(|id| *id != 0);
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = db.rows(&format!("{ATTEMPT} WHERE id = ANY($1)"), values![ids])?;
    rows.iter().map(|row| Ok((row.number(9)?, read_attempt(row)?))).collect()
}

/// All attempts of an item, oldest first.
pub(super) fn attempts(db: &Postgres, id: QueueId) -> Result<Vec<(String, AttemptResult)>> {
    let rows = db.rows(&format!("{ATTEMPT} WHERE item = $1 ORDER BY id"), values![id.0])?;
    rows.iter().map(|row| Ok((row.text(8)?, read_attempt(row)?))).collect()
}

/// An attempt of a row of [`ATTEMPT`].
pub(super) fn read_attempt(row: &Row) -> Result<AttemptResult> {
    Ok(AttemptResult {
        at: Timestamp(row.number(0)?),
        outcome: columns::outcome(row.number(1)?),
        host: row.text(2)?,
        code: row.small(3)?,
        enhanced: Enhanced::split(row.column(4)?).map(|(enhanced, _)| enhanced),
        text: row.text(5)?,
        took: Duration::from_micros(row.large(6)?),
        tls: row.text(7)?,
        policy: row.text(10)?,
    })
}
