//! The outbound queue: rows only. When something is due, and what a failure means, is decided in `queue`.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, params};

use super::queue_row::{body_column, notify_column, outcome_column, returns_column, state_column};
use super::transaction::WriteTx;
use super::{
    Acceptance, Accepted, AttemptResult, Item, NewItem, QueueAction, RecipientState, Settle, Store, body, free,
    message, queue_row,
};
use crate::base::event::{Event, Outcome};
use crate::base::limits::ATTEMPTS_KEPT_MAX;
use crate::base::{Error, ErrorKind, QueueId, Result, Timestamp};

impl Store {
    /// Items with a recipient `Waiting` and due at `now`, not held, oldest due first, at most `limit`.
    pub async fn queue_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Item>> {
        self.read(move |db| {
            let mut due = db.prepare_cached(
                "SELECT item FROM queue_recipient WHERE state = 0 AND held = 0 AND due <= ?1 ORDER BY due, item",
            )?;
            let mut rows = due.query([now.0])?;
            let (mut ids, mut seen) = (Vec::new(), BTreeSet::new());
            while ids.len() < limit {
                let Some(row) = rows.next()? else { break };
                let id = QueueId(row.get(0)?);
                if seen.insert(id) {
                    ids.push(id);
                }
            }
            drop(rows);
            let items = ids.into_iter().filter_map(|id| queue_row::item(db, id).transpose());
            items.collect()
        })
        .await
    }

    /// When the next recipient will be due that is not due at `now` already.
    pub async fn queue_next_due(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        self.read(move |db| {
            let mut next =
                db.prepare_cached("SELECT min(due) FROM queue_recipient WHERE state = 0 AND held = 0 AND due > ?1")?;
            Ok(next.query_row([now.0], |row| row.get::<_, Option<i64>>(0))?.map(Timestamp))
        })
        .await
    }

    /// Before dialling: counts an attempt for these recipients and writes when they are due again, so that
    /// a crash cannot hammer a peer. `NotFound` where one of them does not wait any more (dropped, held or
    /// finished meanwhile); nothing is done then.
    pub async fn queue_begin(&self, recipients: Vec<(QueueId, u32)>, next: Timestamp) -> Result<()> {
        self.write(0, move |tx| {
            let mut begin = tx.db.prepare_cached(
                "UPDATE queue_recipient SET attempts = attempts + 1, due = ?3
                   WHERE item = ?1 AND place = ?2 AND state = 0 AND held = 0",
            )?;
            for (id, place) in &recipients {
                if begin.execute(params![id.0, place, next.0])? == 0 {
                    return Err(Error::new(ErrorKind::NotFound, "the recipient does not wait any more"));
                }
            }
            Ok(())
        })
        .await
    }

    /// After an attempt: writes one attempt row for each and the recipients' new states, files and queues
    /// the reports that follow from it, and removes items all of whose recipients are finished; one transaction.
    pub async fn queue_settle(&self, settled: Vec<Settle>, reports: Acceptance) -> Result<Accepted> {
        self.write(message::octets(&reports), move |tx| {
            settle(tx, &settled)?;
            tx.wake_queue();
            message::accept(tx, &reports)
        })
        .await
    }

    /// Notes that the sender was told of the delay, and files or queues that report; one transaction.
    pub async fn queue_delay_reported(&self, id: QueueId, report: Acceptance) -> Result<Accepted> {
        self.write(message::octets(&report), move |tx| {
            let mut note = tx.db.prepare_cached("UPDATE queue_item SET delay_reported = 1 WHERE id = ?1")?;
            if note.execute([id.0])? == 0 {
                return Err(no_item());
            }
            message::accept(tx, &report)
        })
        .await
    }

    /// One item; `None` once it is finished.
    pub async fn queue_item(&self, id: QueueId) -> Result<Option<Item>> {
        self.read(move |db| queue_row::item(db, id)).await
    }

    /// Items with ids above `after`, at most `limit`.
    pub async fn queue_list(&self, after: QueueId, limit: usize) -> Result<Vec<Item>> {
        self.read(move |db| {
            let mut list = db.prepare_cached("SELECT id FROM queue_item WHERE id > ?1 ORDER BY id LIMIT ?2")?;
            let ids = list.query_map(params![after.0, i64::try_from(limit).unwrap_or(i64::MAX)], |row| row.get(0))?;
            let ids = ids.collect::<rusqlite::Result<Vec<i64>>>()?;
            ids.into_iter().filter_map(|id| queue_row::item(db, QueueId(id)).transpose()).collect()
        })
        .await
    }

    /// Attempt rows of an item, finished or not, oldest first, with the recipient each was for. The newest
    /// `ATTEMPTS_KEPT_MAX` of the store are kept.
    pub async fn attempts(&self, id: QueueId) -> Result<Vec<(String, AttemptResult)>> {
        self.read(move |db| queue_row::attempts(db, id)).await
    }

    /// What the host decided; `None` is every item. Gives how many items it touched.
    pub async fn queue_control(&self, id: Option<QueueId>, action: QueueAction, now: Timestamp) -> Result<u64> {
        self.write(0, move |tx| {
            tx.wake_queue();
            control(tx, id, action, now)
        })
        .await
    }
}

fn no_item() -> Error {
    Error::new(ErrorKind::NotFound, "no such item in the queue")
}

/// What of an item can be refused.
pub(super) fn check(item: &NewItem) -> Result<()> {
    match item.envelope.recipients.is_empty() {
        true => Err(Error::new(ErrorKind::Invalid, "a queued message needs a recipient")),
        false => Ok(()),
    }
}

/// Queues a message.
pub(super) fn insert(tx: &mut WriteTx<'_>, item: &NewItem) -> Result<QueueId> {
    let blob = body::insert(tx, &item.content)?;
    let (envelope, size) = (&item.envelope, item.content.len());
    let from = envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
    tx.db
        .prepare_cached(
            "INSERT INTO queue_item(reverse_path, body_kind, smtputf8, envelope_id, returns, size_declared, blob, size,
               submitter, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            from,
            body_column(envelope.body),
            envelope.smtputf8,
            envelope.envelope_id,
            returns_column(envelope.returns),
            envelope.size_declared.and_then(|size| i64::try_from(size).ok()),
            blob.0,
            size as i64,
            item.submitter.map(|account| account.0),
            item.created.0,
            item.expires.0
        ])?;
    let id = QueueId(tx.db.last_insert_rowid());
    let mut insert = tx.db.prepare_cached(
        "INSERT INTO queue_recipient(item, place, address, notify, original, due) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (place, recipient) in (0u32..).zip(&envelope.recipients) {
        insert.execute(params![
            id.0,
            place,
            recipient.address.to_string(),
            notify_column(recipient.notify),
            recipient.original,
            item.due.0
        ])?;
    }
    let to = envelope.recipients.iter().map(|recipient| recipient.address.to_string()).collect();
    tx.say(Event::Queued { id, from, to, size });
    tx.wake_queue();
    Ok(id)
}

fn settle(tx: &mut WriteTx<'_>, settled: &[Settle]) -> Result<()> {
    let db = tx.db;
    let mut find = db.prepare_cached("SELECT address FROM queue_recipient WHERE item = ?1 AND place = ?2")?;
    let mut write = db.prepare_cached(
        "INSERT INTO attempt(item, recipient, at, outcome, host, code, enhanced, reason, took, tls)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let mut update = db.prepare_cached(
        "UPDATE queue_recipient SET state = ?3, due = coalesce(?4, due), last_attempt = ?5
           WHERE item = ?1 AND place = ?2",
    )?;
    let mut finished = BTreeMap::new();
    for Settle { id, index, result, next } in settled {
        // Where the host dropped the item meanwhile, the attempt is recorded all the same.
        let address: Option<String> = find.query_row(params![id.0, index], |row| row.get(0)).optional()?;
        write.execute(params![
            id.0,
            address.as_deref().unwrap_or_default(),
            result.at.0,
            outcome_column(result.outcome),
            result.host,
            result.code,
            result.enhanced.map(|enhanced| enhanced.to_string()).unwrap_or_default(),
            result.text,
            i64::try_from(result.took.as_micros()).unwrap_or(i64::MAX),
            result.tls
        ])?;
        let attempt = db.last_insert_rowid();
        let state = match result.outcome {
            Outcome::Delivered => RecipientState::Delivered,
            Outcome::Deferred => RecipientState::Waiting,
            Outcome::Failed | Outcome::Expired => RecipientState::Failed,
        };
        update.execute(params![id.0, index, state_column(state), next.map(|next| next.0), attempt])?;
        finished.insert(*id, attempt);
    }
    if let Some(newest) = finished.values().max() {
        db.prepare_cached("DELETE FROM attempt WHERE id <= ?1")?.execute([newest - ATTEMPTS_KEPT_MAX])?;
    }
    for id in finished.into_keys() {
        let waiting: bool = db
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM queue_recipient WHERE item = ?1 AND state = 0)")?
            .query_row([id.0], |row| row.get(0))?;
        if !waiting {
            remove(tx, id)?;
        }
    }
    Ok(())
}

/// Removes an item, where it is there.
fn remove(tx: &mut WriteTx<'_>, id: QueueId) -> Result<()> {
    let db = tx.db;
    let blob: Option<i64> = db
        .prepare_cached("SELECT blob FROM queue_item WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    if let Some(blob) = blob {
        free::release(tx, vec![blob])?;
        db.prepare_cached("DELETE FROM queue_recipient WHERE item = ?1")?.execute([id.0])?;
        db.prepare_cached("DELETE FROM queue_item WHERE id = ?1")?.execute([id.0])?;
    }
    Ok(())
}

fn control(tx: &mut WriteTx<'_>, id: Option<QueueId>, action: QueueAction, now: Timestamp) -> Result<u64> {
    let db = tx.db;
    let ids = match id {
        Some(id) => vec![id.0],
        None => {
            let mut all = db.prepare_cached("SELECT id FROM queue_item ORDER BY id")?;
            let ids = all.query_map([], |row| row.get(0))?;
            ids.collect::<rusqlite::Result<_>>()?
        }
    };
    let mut touched = 0;
    for id in ids {
        let there: bool = db
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM queue_item WHERE id = ?1)")?
            .query_row([id], |row| row.get(0))?;
        if !there {
            continue;
        }
        touched += 1;
        let due_now = |db: &rusqlite::Connection| {
            db.prepare_cached("UPDATE queue_recipient SET due = ?2 WHERE item = ?1 AND state = 0 AND due > ?2")?
                .execute([id, now.0])
        };
        let hold = |db: &rusqlite::Connection, held: i64| {
            db.prepare_cached("UPDATE queue_item SET held = ?2 WHERE id = ?1")?.execute([id, held])?;
            db.prepare_cached("UPDATE queue_recipient SET held = ?2 WHERE item = ?1")?.execute([id, held])
        };
        match action {
            QueueAction::Retry => due_now(db).map(drop)?,
            QueueAction::Hold => hold(db, 1).map(drop)?,
            QueueAction::Release => hold(db, 0).map(drop)?,
            QueueAction::Bounce => {
                hold(db, 0)?;
                due_now(db)?;
                db.prepare_cached("UPDATE queue_item SET expires = min(expires, ?2) WHERE id = ?1")?
                    .execute([id, now.0])?;
            }
            QueueAction::Drop => remove(tx, QueueId(id))?,
        }
    }
    match (id, touched) {
        (Some(_), 0) => Err(no_item()),
        _ => Ok(touched),
    }
}
