//! Rows of the queue as values, and back.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{AttemptResult, Item, ItemRecipient, RecipientState};
use crate::base::envelope::{BodyKind, Notify, Returns};
use crate::base::event::Outcome;
use crate::base::{
    AccountId, Address, BlobId, Enhanced, Envelope, Error, ErrorKind, QueueId, Recipient, Result, Timestamp,
};

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
           expires, held, delay_reported FROM queue_item WHERE id = ?1",
    )?;
    // What is no UTF-8 is no address either.
    let text = |row: &Row<'_>| Ok::<_, rusqlite::Error>(row.get_ref(0)?.as_str().unwrap_or("\u{fffd}").to_owned());
    let found = select.query_row([id.0], |row| Ok((text(row)?, read_item(id, row)?))).optional()?;
    let Some((from, mut item)) = found else { return Ok(None) };
    item.envelope.reverse_path = match from.as_str() {
        "" => None,
        from => Some(address(from)?),
    };
    Ok(Some(item))
}

fn read_item(id: QueueId, row: &Row<'_>) -> rusqlite::Result<Item> {
    Ok(Item {
        id,
        envelope: Envelope {
            reverse_path: None,
            recipients: Vec::new(),
            body: match row.get(1)? {
                1 => BodyKind::EightBit,
                2 => BodyKind::Binary,
                0_i64.. | ..=-1 => BodyKind::SevenBit,
            },
            smtputf8: row.get(2)?,
            envelope_id: row.get(3)?,
            returns: match row.get(4)? {
                1 => Some(Returns::Full),
                2 => Some(Returns::Headers),
                0_i64.. | ..=-1 => None,
            },
            size_declared: row.get::<_, Option<i64>>(5)?.map(|size| size as u64),
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
            address: address(row.get_ref(1)?.as_str().unwrap_or_default())?,
            notify: read_notify(row.get(2)?),
            original: row.get(3)?,
        },
        state: match row.get(4)? {
            1 => RecipientState::Delivered,
            2 => RecipientState::Failed,
            0_i64.. | ..=-1 => RecipientState::Waiting,
        },
        attempts: row.get(5)?,
        due: Timestamp(row.get(6)?),
        last: if last == 0 { None } else { attempt(db, last)? },
    })
}

const ATTEMPT: &str = "SELECT at, outcome, host, code, enhanced, reason, took, tls, recipient, policy FROM attempt";

fn attempt(db: &Connection, id: i64) -> Result<Option<AttemptResult>> {
    let mut select = db.prepare_cached(&format!("{ATTEMPT} WHERE id = ?1"))?;
    Ok(select.query_row([id], read_attempt).optional()?)
}

/// All attempts of an item, oldest first.
pub(super) fn attempts(db: &Connection, id: QueueId) -> Result<Vec<(String, AttemptResult)>> {
    let mut select = db.prepare_cached(&format!("{ATTEMPT} WHERE item = ?1 ORDER BY id"))?;
    let rows = select.query_map(params![id.0], |row| Ok((row.get(8)?, read_attempt(row)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn read_attempt(row: &Row<'_>) -> rusqlite::Result<AttemptResult> {
    Ok(AttemptResult {
        at: Timestamp(row.get(0)?),
        outcome: match row.get(1)? {
            0 => Outcome::Delivered,
            1 => Outcome::Deferred,
            3 => Outcome::Expired,
            2_i64.. | ..=-1 => Outcome::Failed,
        },
        host: row.get(2)?,
        code: row.get(3)?,
        enhanced: Enhanced::split(row.get_ref(4)?.as_str()?).map(|(enhanced, _)| enhanced),
        text: row.get(5)?,
        took: Duration::from_micros(row.get::<_, i64>(6)? as u64),
        tls: row.get(7)?,
        policy: row.get(9)?,
    })
}

fn address(text: &str) -> Result<Address> {
    Address::parse(text).map_err(|e| Error::new(ErrorKind::Invalid, format!("store: queued address {text}: {e}")))
}

/// BODY= as it is kept.
pub(super) fn body_column(body: BodyKind) -> i64 {
    match body {
        BodyKind::SevenBit => 0,
        BodyKind::EightBit => 1,
        BodyKind::Binary => 2,
    }
}

/// RET= as it is kept.
pub(super) fn returns_column(returns: Option<Returns>) -> i64 {
    match returns {
        None => 0,
        Some(Returns::Full) => 1,
        Some(Returns::Headers) => 2,
    }
}

/// NOTIFY= as it is kept.
pub(super) fn notify_column(notify: Notify) -> i64 {
    i64::from(notify.success)
        | i64::from(notify.failure) << 1
        | i64::from(notify.delay) << 2
        | i64::from(notify.explicit) << 3
}

fn read_notify(column: i64) -> Notify {
    let bit = |n: u32| column >> n & 1 == 1;
    Notify { success: bit(0), failure: bit(1), delay: bit(2), explicit: bit(3) }
}

/// A recipient's state as it is kept.
pub(super) fn state_column(state: RecipientState) -> i64 {
    match state {
        RecipientState::Waiting => 0,
        RecipientState::Delivered => 1,
        RecipientState::Failed => 2,
    }
}

/// An outcome as it is kept.
pub(super) fn outcome_column(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Delivered => 0,
        Outcome::Deferred => 1,
        Outcome::Failed => 2,
        Outcome::Expired => 3,
    }
}
