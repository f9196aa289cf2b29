//! The outbound queue: rows only. When something is due, and what a failure means, is decided in `queue`.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};

use super::queue_row::{body_column, notify_column, returns_column};
use super::transaction::WriteTx;
use super::{
    Acceptance, Accepted, AttemptResult, Item, NewItem, QueueAction, Store, body, free, message, queue_route, queue_row,
};
use crate::base::event::Event;
use crate::base::{Error, ErrorKind, QueueId, Result, Timestamp};

impl Store {
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

    /// Items with ids above `after`, at most `limit`. Those that cannot be read are left out; the runner holds them and
    /// says an event.
    pub async fn queue_list(&self, after: QueueId, limit: usize) -> Result<Vec<Item>> {
        self.read(move |db| {
            let mut list = db.prepare_cached("SELECT id FROM queue_item WHERE id > ?1 ORDER BY id LIMIT ?2")?;
            let ids = list.query_map(params![after.0, i64::try_from(limit).unwrap_or(i64::MAX)], |row| row.get(0))?;
            let ids = ids.collect::<rusqlite::Result<Vec<i64>>>()?;
            let mut items = Vec::with_capacity(ids.len());
            for id in ids {
                match queue_row::item(db, QueueId(id)) {
                    Ok(item) => items.extend(item),
                    Err(e) if e.kind() == ErrorKind::Invalid => log::warn!("queued message {id} cannot be read: {e}"),
                    Err(e) => return Err(e),
                }
            }
            Ok(items)
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
        "INSERT INTO queue_recipient(item, place, address, notify, original, due, destination)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let router = tx.shared.queue.router();
    let directory = tx.directory.clone();
    let mut destinations = BTreeSet::new();
    for (place, recipient) in (0u32..).zip(&envelope.recipients) {
        let destination = router.as_ref().map(|router| router.destination(&directory, &recipient.address));
        let destination = destination.unwrap_or_default();
        insert.execute(params![
            id.0,
            place,
            recipient.address.to_string(),
            notify_column(recipient.notify),
            recipient.original,
            item.due.0,
            destination
        ])?;
        destinations.insert(destination);
    }
    drop(insert);
    destinations.iter().for_each(|destination| tx.queue_due(destination, item.due));
    let to = envelope.recipients.iter().map(|recipient| recipient.address.to_string()).collect();
    tx.say(Event::Queued { id, from, to, size });
    tx.wake_queue();
    Ok(id)
}

/// Removes an item, where it is there.
pub(super) fn remove(tx: &mut WriteTx<'_>, id: QueueId) -> Result<()> {
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
                queue_route::give_up(tx, QueueId(id), now)?;
                db.prepare_cached("UPDATE queue_item SET expires = min(expires, ?2) WHERE id = ?1")?
                    .execute([id, now.0])?;
            }
            QueueAction::Drop => remove(tx, QueueId(id))?,
        }
        queue_route::tell(tx, QueueId(id), action)?;
    }
    match (id, touched) {
        (Some(_), 0) => Err(no_item()),
        _ => Ok(touched),
    }
}
